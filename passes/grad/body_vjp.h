// Reverse mode through the scalars of one body.
#pragma once

#include "passes/grad/scalar.h"

namespace gptc::grad {
/// A copy of a body followed by its derivative, in a block outside of any op:
/// arguments are the body's, then those that `seed` added.
class BodyVjp {
public:
  /// Copies all of `primal` but its yield.
  BodyVjp(mlir::Block &primal, mlir::Location loc);

  mlir::Value addArgument(mlir::Type type) { return block.addArgument(type, loc); }
  /// What the primal yields as its value `i`, in the copy.
  mlir::Value yielded(unsigned i) { return yields[i]; }
  Scalars scalars() { return {builder, loc}; }

  /// Builds the derivative for one cotangent a yielded value (null: zero).
  /// Fails, with an error, at an op without a derivative.
  mlir::LogicalResult build(llvm::ArrayRef<mlir::Value> seeds);

  unsigned getNumArguments() { return block.getNumArguments(); }
  mlir::BlockArgument getArgument(unsigned i) { return block.getArgument(i); }
  /// The cotangent of body argument `i`; null where it is zero.
  mlir::Value getCotangent(unsigned i) { return cotangents[i]; }

  /// The ops that `roots` need, in order, then the arguments among what they use.
  struct Slice {
    llvm::SmallVector<mlir::Operation *> ops;
    llvm::SmallVector<bool> arguments;
  };
  Slice slice(llvm::ArrayRef<mlir::Value> roots);
  /// Copies `slice` to where `builder` stands; `arguments` replaces this
  /// block's (null where unused), dimension i is `dims[i]` there, or i again.
  llvm::SmallVector<mlir::Value> materialize(mlir::OpBuilder &builder, const Slice &slice,
                                             llvm::ArrayRef<mlir::Value> roots, mlir::ValueRange arguments,
                                             llvm::ArrayRef<int64_t> dims = {});

private:
  mlir::Location loc;
  mlir::Block block;
  mlir::OpBuilder builder;
  llvm::SmallVector<mlir::Value> yields, cotangents;
};
} // namespace gptc::grad
