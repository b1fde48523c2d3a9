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
  Bf16 bf16 = Bf16::Off;

  /// Panels have a row for each step of k: two k where these are in pairs, as integers of 32 bits.
  int64_t step() const { return bf16 == Bf16::Dot ? 2 : 1; }
  int64_t steps() const { return llvm::divideCeil(depth, step()); }
  mlir::Type element(mlir::MLIRContext *context) const; ///< of panels

  int64_t width() const { return lanes * vectors; }
  int64_t whole() const { return columns / width(); }
  int64_t tail() const { return columns % width(); }
  int64_t tailVectors() const;
  int64_t elements() const { return steps() * (whole() * width() + tailVectors() * lanes); }
  int64_t bytes() const { return elements() * (isDouble ? 8 : 4); }
};

/// The shape for `depth` x `columns`.
PanelShape panelShape(int64_t depth, int64_t columns, int64_t lanes, bool isDouble, Bf16 bf16);

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
  int64_t mBound = 8;      ///< mUpper is at most this
  bool rowsOfK = false;    ///< A is a matrix of scratch whose rows, of whole vectors, are those of k
  int64_t linesAt = 0;     ///< where in scratch A goes on its way to bf16
  mlir::Value c, baseC; ///< C[m, n] at baseC + m * strideC + n
  gpt::Length strideC;
  mlir::Value mLower, mUpper, nLower, nUpper;
  mlir::Value kLower, kUpper; ///< kLower is a multiple of 2
  /// Where set: the part of k that counts for the tile of rows from m on, and the rows that count for some of
  /// `columns` columns from n on, whole tiles but for the last one.
  using Bounds = std::pair<mlir::Value, mlir::Value>;
  std::function<Bounds(mlir::Value m)> depthOf;
  std::function<Bounds(mlir::Value n, int64_t columns)> linesOf;
  /// Where these rows begin later, or end later, for later columns: then each vector of a panel has its own.
  bool linesBeginLater = false, linesEndLater = false;
  int64_t rows = 8;        ///< of the register tile
  bool wholeTiles = false; ///< mUpper - mLower is a multiple of `rows`
  bool fixedDepth = false; ///< k runs over all of shape.depth
  bool accumulate = false; ///< adds to C
  mlir::Value begins;      ///< where set: adds to C unless this i1 holds; then C is written
  /// C ends at shape.columns. Else its rows are padded to whole panels, and what
  /// lies beside n may be written.
  bool exact = false;
  bool fma = true;
};

/// Bytes of scratch that A needs from `linesAt` on.
int64_t linesBytes(const PanelShape &shape, int64_t mBound, bool rowsOfK);

void emitBlockProduct(LoopBuilder &l, const BlockProduct &product);

} // namespace gptc
