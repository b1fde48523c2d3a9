// Which dimensions of the ops in a kernel are the same.
#pragma once

#include "ir/gpt/gpt.h"

namespace gptc::gpt {

/// On a kernel, or the function that it became: it works by rows, which have so many leading dimensions.
constexpr llvm::StringLiteral rowsName = "gpt.rows", rowBlocksName = "gpt.row_blocks";

/// Ops of a kernel by rows have `gpt.axes`, one number for each dimension of their iteration space: equal numbers, the
/// same dimension of the kernel. Equal sizes say nothing of the kind.
constexpr llvm::StringLiteral axesName = "gpt.axes";
constexpr int64_t ownAxis = -1; ///< of a dimension that no other op of the kernel has

/// The kernel's dimension for each of `op`'s; empty where it has no `gpt.axes`.
llvm::ArrayRef<int64_t> axesOf(mlir::Operation *op);
void setAxes(mlir::Operation *op, llvm::ArrayRef<int64_t> axes);

/// The axes are 0 to `count` - 1, in this order.
bool isLeading(llvm::ArrayRef<int64_t> axes, unsigned count);

/// A sum over what are rows to the kernel: its first reduced dimension is axis 0.
bool isOverRows(mlir::Operation *op);

/// The rules A1 to A5 of `gpt.kernel`, for one op: part of its verifier.
mlir::LogicalResult verifyAxes(GenericOp op);

} // namespace gptc::gpt
