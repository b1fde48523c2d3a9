// Which dimensions of the ops in a kernel are the same.
#pragma once

#include "ir/gpt/gpt.h"

namespace gptc::gpt {

/// On a kernel, or the function that it became: it works by rows, which have so many leading dimensions.
constexpr llvm::StringLiteral rowsName = "gpt.rows", rowBlocksName = "gpt.row_blocks";

/// Ops of a kernel by rows have `gpt.axes`, one number for each dimension of their iteration space: equal numbers, the
/// same dimension of the kernel. Equal sizes say nothing of the kind.
///
///     gpt.generic max [i=64 | j=64] inputs(%x[i, j] : ...) attributes {gpt.axes = array<i64: 0, -1>}
///
/// Rules: A1 each op of a kernel by rows has them, also in the function that the kernel becomes. A2 there is one number
/// per dimension, from -1 on, none but -1 twice. A3 dimensions with the same number have the same size and extent. A4 a
/// value that one op computes and another reads is read on the axes that it was computed on: by plain dimensions with the
/// same numbers. A5 an index that is its producer's own is read by none of the kernel's dimensions.
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
