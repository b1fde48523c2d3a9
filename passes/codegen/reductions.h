// Joining terms: neutral elements, steps, and sums across lanes in a fixed order.
#pragma once

#include "ir/gpt/gpt.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace gptc {

/// The neutral element (0, or the type's lowest value), scalar or splat.
mlir::Value neutralOf(mlir::ImplicitLocOpBuilder &b, gpt::ReductionKind kind, mlir::Type type);

/// `Numbers`: neither is NaN, or whoever asks looks for NaN by other means. Then a maximum is one instruction.
enum class Terms { Any, Numbers };
mlir::Value combine(mlir::ImplicitLocOpBuilder &b, gpt::ReductionKind kind, mlir::Value lhs, mlir::Value rhs,
                    Terms terms = Terms::Any);

/// Joins neighbours, then neighbours of those: a tree whose form depends on the
/// number of values only.
mlir::Value combineTree(mlir::ImplicitLocOpBuilder &b, gpt::ReductionKind kind, llvm::ArrayRef<mlir::Value> values,
                        Terms terms = Terms::Any);

/// All lanes of a vector (a power of two) joined: upper half to lower half, and so on.
mlir::Value combineLanes(mlir::ImplicitLocOpBuilder &b, gpt::ReductionKind kind, mlir::Value vector,
                         Terms terms = Terms::Any);

} // namespace gptc
