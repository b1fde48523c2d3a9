// Which ops of a rows kernel share one loop.
#pragma once

#include "ir/gpt/axes.h"
#include "passes/codegen/op_plan.h"

namespace gptc {

/// Ops of one loop, in order.
using OpGroup = llvm::SmallVector<mlir::Operation *, 4>;

/// Puts ops with the same dimensions beyond the first `rows` into one loop where
/// values between them pass element by element. Groups are in an order that
/// respects what ops need of each other; sums over rows stand where most of their operands are read anyway. A result may lie where an argument lies that it is
/// computed from element by element: what stands before it and reads that argument comes before it.
llvm::SmallVector<OpGroup> formGroups(llvm::ArrayRef<mlir::Operation *> ops, unsigned rows);

/// Whether a value of the kernel is needed outside of the loop that computes it.
bool leavesGroup(mlir::Value value, const OpGroup &group);

/// Lets reads of what the same group yields take it from there.
void connect(llvm::ArrayRef<OpPlan *> group);

} // namespace gptc
