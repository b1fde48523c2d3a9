// Products of one block: C[m, n] = sum over k of A[m, k] * B[k, n], or added to
// C, where B lies in panels. A kernel of row blocks has several of them, each
// over ranges that are known at run time only.
#pragma once

#include "passes/codegen/packing.h"

namespace gptc {

/// All of B in panels of `width` columns, one after the other; each has its
/// columns row by row of k. The last panel is as narrow as whole vectors allow.
struct PanelShape {
  int64_t depth = 1;   ///< number of k, or its bound
  int64_t columns = 1; ///< number of n, or its bound
  int64_t lanes = 16, vectors = 2;
  bool isDouble = false;

  int64_t width() const { return lanes * vectors; }
  int64_t whole() const { return columns / width(); }
  int64_t tail() const { return columns % width(); }
  int64_t tailVectors() const;
  int64_t elements() const { return depth * (whole() * width() + tailVectors() * lanes); }
  int64_t bytes() const { return elements() * (isDouble ? 8 : 4); }
};

/// The shape for `depth` x `columns`.
PanelShape panelShape(int64_t depth, int64_t columns, int64_t lanes, bool isDouble);

/// Puts B into panels from byte `offset` of `scratch` on. `b` is a flat memref;
/// B[k, n] lies at base + k * strideK + n * strideN. `depth` and `columns` are
/// how many there are in this run.
void packPanels(LoopBuilder &l, const PanelShape &shape, mlir::Value scratch, int64_t offset, mlir::Value b,
                mlir::Value base, const gpt::Length &strideK, const gpt::Length &strideN, mlir::Value depth,
                mlir::Value columns);

struct BlockProduct {
  PanelShape shape;
  mlir::Value scratch;  ///< where the panels are
  int64_t panelsAt = 0; ///< in bytes
  mlir::Value a, baseA; ///< A[m, k] at baseA + m * strideM + k * strideK
  gpt::Length strideM, strideK;
  mlir::Value c, baseC; ///< C[m, n] at baseC + m * strideC + n
  gpt::Length strideC;
  mlir::Value mLower, mUpper, nLower, nUpper, kLower, kUpper;
  int64_t rows = 8;        ///< of the register tile
  bool wholeTiles = false; ///< mUpper - mLower is a multiple of `rows`
  bool fixedDepth = false; ///< k runs over all of shape.depth
  bool accumulate = false; ///< adds to C
  /// C ends at shape.columns. Else its rows are padded to whole panels, and what
  /// lies beside n may be written.
  bool exact = false;
  bool fma = true;
};

void emitBlockProduct(LoopBuilder &l, const BlockProduct &product);

} // namespace gptc
