// Reverse mode through the tensors of one block.
#pragma once

#include "ir/gpt/gpt.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"

namespace gptc::grad {
/// Cotangents that have reached values so far, in a fixed order.
class Cotangents {
public:
  /// Only floats have cotangents; others are ignored.
  void add(mlir::Value value, mlir::Value cotangent);
  bool reached(mlir::Value value) const { return pending.contains(value); }
  /// The total, built where the builder stands, in the value's own type; null
  /// where nothing arrived. What was taken is forgotten.
  mlir::Value take(mlir::OpBuilder &builder, mlir::Value value);
  /// All values with a cotangent, in the order of their first one.
  llvm::SmallVector<mlir::Value> values() const;

private:
  llvm::MapVector<mlir::Value, llvm::SmallVector<mlir::Value>> pending;
};

/// Walks `block` backwards from its cotangents and builds the vjps where the
/// builder stands. Afterwards `cotangents` has what reached the block's
/// arguments, values from outside, and ops without operands.
mlir::LogicalResult differentiate(mlir::Block &block, mlir::OpBuilder &builder, Cotangents &cotangents);
} // namespace gptc::grad
