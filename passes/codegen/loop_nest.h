// Loops over the dimensions of one op, or of several that share them, with
// vectors along one dimension.
#pragma once

#include "passes/codegen/op_plan.h"

namespace gptc {

/// The part of a dimension that is run through.
struct Range {
  mlir::Value lower, upper; ///< index
  int64_t trip = -1;        ///< upper - lower; -1 when not constant
  int64_t multiple = 1;     ///< upper - lower is a multiple of this
};

/// The range 0 .. trip count.
Range wholeRange(mlir::ImplicitLocOpBuilder &b, Extents &extents, const LoopDim &dim);

/// How a group of ops is put on vectors.
struct VectorChoice {
  int dim = -1;       ///< -1: scalar code
  int64_t lanes = 1;
  int64_t unroll = 1; ///< vectors a step, where sums have several accumulators
};

/// Ops that run in one loop nest: a single op, or ops that share all dimensions
/// from `rows` on, each a map or a reduction over all of these.
using Group = llvm::ArrayRef<OpPlan *>;

/// The cheapest vector dimension among those from `rows` on.
VectorChoice chooseVector(Group group, unsigned rows, int64_t vectorBits);

/// Values of graph tensors that are one scalar a row, while that row is at work.
using Registers = llvm::DenseMap<mlir::Value, mlir::Value>;

/// An operand that is asked for before a later row reads it.
struct AskAhead {
  Access read;
  int64_t rows; ///< how many rows ahead
};

/// Emits the loops at the builder's place. `ranges` has an entry a dimension;
/// for those below `rows`, `lower` is the coordinate. The order in which terms
/// are added is a function of shapes and `choice`. At each point it asks for the same element of a later row of `ahead`.
void emitGroup(mlir::ImplicitLocOpBuilder &b, Extents &extents, Group group, unsigned rows,
               llvm::ArrayRef<Range> ranges, const VectorChoice &choice, Registers &registers,
               llvm::ArrayRef<AskAhead> ahead = {});

/// for i = lower to upper step: body(i, carried) -> next carried. Without a loop
/// where a step surely runs once.
llvm::SmallVector<mlir::Value>
emitFor(mlir::ImplicitLocOpBuilder &b, mlir::Value lower, mlir::Value upper, int64_t step, bool once,
        mlir::ValueRange carried,
        llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)> body);

} // namespace gptc
