// Panels: parts of A and B copied into the order in which the inner loop of a
// contraction reads them; and the small loop builder that this and the
// contraction share.
#pragma once

#include "passes/codegen/tiles.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace gptc {

/// Index arithmetic and loops at a moving place. Folds constants, so that loops
/// of one turn vanish.
class LoopBuilder {
public:
  LoopBuilder(mlir::OpBuilder &builder, mlir::Location loc, Extents &extents)
      : b(loc, builder), extents(extents) {}

  mlir::Value constant(int64_t value);
  mlir::Value value(const gpt::Length &length) { return extents.value(b, length); }
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value add(mlir::Value x, int64_t y) { return y ? add(x, constant(y)) : x; }
  mlir::Value add(mlir::Value x, const gpt::Length &y) { return y != 0 ? add(x, value(y)) : x; }
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, int64_t y) { return mul(x, constant(y)); }
  mlir::Value mul(mlir::Value x, const gpt::Length &y) { return mul(x, value(y)); }
  mlir::Value div(mlir::Value x, mlir::Value y);
  mlir::Value rem(mlir::Value x, mlir::Value y);
  mlir::Value ceilDiv(mlir::Value x, int64_t y);
  mlir::Value min(mlir::Value x, mlir::Value y);
  mlir::Value max(mlir::Value x, mlir::Value y);
  mlir::Value less(mlir::Value x, mlir::Value y);        ///< i1: x < y
  mlir::Value equal(mlir::Value x, mlir::Value y);       ///< i1: x == y
  mlir::Value lessOrEqual(mlir::Value x, mlir::Value y); ///< i1: x <= y

  using Body = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)>;
  /// for i = lo; i < hi; i += step, carrying `inits`; returns the last values.
  llvm::SmallVector<mlir::Value> loop(mlir::Value lo, mlir::Value hi, int64_t step, mlir::ValueRange inits,
                                      Body body);
  void loop(mlir::Value lo, mlir::Value hi, int64_t step, llvm::function_ref<void(mlir::Value)> body);
  /// if (condition) then() else otherwise(); `otherwise` may be null.
  void branch(mlir::Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise);

  using Values = llvm::function_ref<llvm::SmallVector<mlir::Value>()>;
  /// What `then` or `otherwise` computes, and only one of them.
  llvm::SmallVector<mlir::Value> choose(mlir::Value condition, Values then, Values otherwise);

  mlir::Value loadVector(mlir::Value memref, mlir::Value index, int64_t lanes);
  /// The first `valid` lanes, then zeros.
  mlir::Value loadVector(mlir::Value memref, mlir::Value index, int64_t lanes, int64_t valid);
  mlir::Value loadScalar(mlir::Value memref, mlir::Value index);
  void store(mlir::Value vectorOrScalar, mlir::Value memref, mlir::Value index);
  /// Asks for the line there, to read it soon: from the first cache or (not near) from the second one.
  void prefetch(mlir::Value memref, mlir::Value index, bool near = true);

  mlir::ImplicitLocOpBuilder b;
  Extents &extents;
};

/// One k dimension of a panel.
struct DepthRange {
  mlir::Value count;
  std::optional<int64_t> fixed; ///< `count`, where it is static
  gpt::Length strideA, strideB;
  /// Where this dim is in pairs: how many of `count` have both elements, and where the second ones lie.
  mlir::Value whole;
  std::optional<int64_t> fixedWhole;
  gpt::Length halfA, halfB;
};

/// Where the innermost k loop stands: offsets into A and B of its first k, and
/// how many k of the panel lie before it.
struct DepthPoint {
  mlir::Value offsetA, offsetB, flat;
};

/// Loops over all but the last range, carrying `inits` through `leaf`, which
/// does the last.
llvm::SmallVector<mlir::Value>
overDepth(LoopBuilder &l, llvm::ArrayRef<DepthRange> ranges, mlir::ValueRange inits,
          llvm::function_ref<llvm::SmallVector<mlir::Value>(const DepthPoint &, mlir::ValueRange)> leaf);

/// k = 0 ... range.count - 1 in bodies of `unroll` steps; body(k, u, carried) is
/// at k + u.
llvm::SmallVector<mlir::Value>
unrolled(LoopBuilder &l, const DepthRange &range, int64_t unroll, mlir::ValueRange inits,
         llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, int64_t, mlir::ValueRange)> body);

/// The transpose of a square: `rows` are as many registers as each has elements, of which 16 bytes are `quarter`.
llvm::SmallVector<mlir::Value> transposeSquare(LoopBuilder &l, llvm::ArrayRef<mlir::Value> rows, int64_t quarter);

/// Asks for a line of one k of B, or of both k of a pair, the second `half` behind the first.
void prefetchRow(LoopBuilder &l, const ContractionPlan &plan, mlir::Value b, mlir::Value at, const gpt::Length &half);

/// panel[k][column] = B[base + k..., column] for the `columns` columns of a panel of
/// `vectors` vectors a row; what is beside them is arbitrary. The panel begins at element `start`.
void packPanelB(LoopBuilder &l, const ContractionPlan &plan, llvm::ArrayRef<DepthRange> depth, mlir::Value b,
                mlir::Value base, int64_t columns, int64_t vectors, mlir::Value panel, mlir::Value start);

/// The first row of the register tile that begins at `row`: earlier where the tile would
/// reach beyond the bound, so that a tile is always whole.
mlir::Value tileStart(LoopBuilder &l, const ContractionPlan &plan, mlir::Value row);

/// panel[tile][k][row] (or [tile][row][k]) = A[base + row, k...] for the tiles that cover rows lo ... hi - 1.
void packPanelA(LoopBuilder &l, const ContractionPlan &plan, llvm::ArrayRef<DepthRange> depth, mlir::Value a,
                mlir::Value base, mlir::Value lo, mlir::Value hi, mlir::Value panel, mlir::Value start);

} // namespace gptc
