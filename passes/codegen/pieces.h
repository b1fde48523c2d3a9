// How a kernel's work is cut into pieces that threads take: a function of
// shapes only, so that the number of threads changes no bit.
#pragma once

#include "passes/codegen/loop_nest.h"

namespace gptc {

/// Simple operations that make a piece worth its start.
constexpr int64_t pieceWork = 1 << 16;

/// Bytes written past the caches that make one worth it: it ends only when memory has them.
constexpr int64_t pieceBytesPast = 1 << 19;

/// The first `rows` dimensions are counted as one; a piece has `rowsPerPiece` of
/// them or, where `chunk` > 0, one and `chunk` coordinates of the next dimension.
struct PiecePlan {
  unsigned rows = 0;
  int64_t rowsPerPiece = 1;
  int64_t chunk = 0;
};

/// For one op, free to choose how many dimensions are rows. The dimension
/// `vector.dim` stays inside.
PiecePlan choosePieces(const OpPlan &plan, const VectorChoice &vector);

/// For ops that share their first `rows` dimensions; `work`: of one row; `bytes`: that one writes past the caches.
PiecePlan choosePieces(unsigned rows, int64_t work, int64_t bytes);

/// Bytes that a plan writes past the caches for each element of its results.
int64_t bytesPast(const OpPlan &plan);

/// Extents (symbols, in the order of `names`) to the number of pieces.
mlir::AffineMap pieceCount(mlir::MLIRContext *context, llvm::ArrayRef<LoopDim> dims, const PiecePlan &pieces,
                           llvm::ArrayRef<mlir::StringAttr> names);

/// Emits the loop over the rows of one piece. `body` gets the ranges of all dims.
void emitPiece(mlir::ImplicitLocOpBuilder &b, Extents &extents, llvm::ArrayRef<LoopDim> dims,
               const PiecePlan &pieces, mlir::Value piece, llvm::function_ref<void(llvm::ArrayRef<Range>)> body);

} // namespace gptc
