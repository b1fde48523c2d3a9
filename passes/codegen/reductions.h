// Joining terms: neutral elements, steps, and sums across lanes in a fixed order.
#pragma once

#include "ir/gpt/gpt.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace gptc {

/// The neutral element (0, or the type's lowest value), scalar or splat.
mlir::Value neutralOf(mlir::ImplicitLocOpBuilder &b, gpt::ReductionKind kind, mlir::Type type);

mlir::Value combine(mlir::ImplicitLocOpBuilder &b, gpt::ReductionKind kind, mlir::Value lhs, mlir::Value rhs);

/// Joins neighbours, then neighbours of those: a tree whose form depends on the
/// number of values only.
mlir::Value combineTree(mlir::ImplicitLocOpBuilder &b, gpt::ReductionKind kind, llvm::ArrayRef<mlir::Value> values);

/// All lanes of a vector (a power of two) joined: upper half to lower half, and so on.
mlir::Value combineLanes(mlir::ImplicitLocOpBuilder &b, gpt::ReductionKind kind, mlir::Value vector);

} // namespace gptc
