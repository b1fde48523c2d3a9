// Small graph builders that the passes of this folder share.
#pragma once

#include "ir/gpt/gpt.h"
#include "ir/gpt/repeat.h"

#include "mlir/IR/Builders.h"

namespace gptc::grad {
bool isFloatTensor(mlir::Type type);
/// Bytes of a tensor at its bounds.
int64_t byteSize(mlir::Type type);

/// Scalar ops that are worth a read from memory: divisions, roots, functions, random numbers.
bool isCostly(mlir::Operation *scalar);

/// Every element `value`.
mlir::Value splat(mlir::OpBuilder &builder, mlir::Location loc, mlir::RankedTensorType type, double value);
/// The elementwise sum of one or more values of the first one's shape, in order.
mlir::Value sum(mlir::OpBuilder &builder, mlir::Location loc, mlir::ValueRange values);
/// The same elements under the dimension names of `type`.
mlir::Value retype(mlir::OpBuilder &builder, mlir::Value value, mlir::Type type);

/// Removes operations without effect or use, carried values, stacks and slices
/// of repeats that nothing depends on; then what was computed twice.
void cleanUp(mlir::Operation *root);
} // namespace gptc::grad
