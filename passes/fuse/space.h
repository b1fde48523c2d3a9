// Questions about iteration spaces that the fusion passes share.
#pragma once

#include "ir/gpt/gpt.h"
#include "ir/gpt/maps.h"

namespace gptc::fuse {

/// Elements that one value of a row group may have in a row, which should lie in the second cache.
constexpr int64_t longestGroupRow = 131072;

/// Product of sizes and bounds, saturated at 2^62.
int64_t points(llvm::ArrayRef<gpt::DimAttr> dims);
int64_t points(mlir::Value tensor);

/// A generic without reduction.
bool isMap(mlir::Operation *op);

/// The first `rank` results are the dimensions 0 .. rank-1, of the operand's own
/// extents, and the others use none of these.
bool isIdentityOn(mlir::AffineMap map, gpt::DimsAttr space, gpt::DimsAttr operand, unsigned rank);
/// The whole map is the identity and space and operand have the same dims.
bool isIdentity(mlir::AffineMap map, gpt::DimsAttr space, gpt::DimsAttr operand);

/// A reduction whose every operand that depends on the reduced dimensions is
/// read along the last of them without a jump: a row at a time is natural.
bool readsRows(gpt::GenericOp op);

/// A contraction that is worth the contraction's loops: elements of both
/// operands are used more than once, or reading by rows would jump. A sum of
/// products over two tensors of one shape is an ordinary reduction.
bool isContraction(gpt::GenericOp op);

/// What one evaluation of a body costs.
struct BodyCost {
  unsigned operations = 0;
  bool heavy = false; ///< a division, a root, a transcendental function, a random number
};
BodyCost bodyCost(mlir::Block &body);

/// `gpt.generic` and `gpt.scatter` seen as one kind: index operands, inputs,
/// maps in this order, and a body on scalars that may be edited in place.
class StructuredOp {
public:
  /// Null operation where `op` is neither.
  static StructuredOp get(mlir::Operation *op);
  explicit operator bool() const { return op != nullptr; }

  mlir::Operation *operation() const { return op; }
  mlir::Block &body() const { return op->getRegion(0).front(); }
  gpt::DimsAttr dims() const;
  unsigned numIndices() const;
  unsigned numInputs() const { return op->getNumOperands() - numIndices(); }
  mlir::Value index(unsigned i) const { return op->getOperand(i); }
  mlir::Value input(unsigned i) const { return op->getOperand(numIndices() + i); }
  mlir::AffineMap map(unsigned operand) const;
  mlir::AffineMap inputMap(unsigned i) const { return map(numIndices() + i); }
  mlir::BlockArgument inputArgument(unsigned i) const { return body().getArgument(numIndices() + i); }

  /// The position of this index operand, added unless it is there already. Maps
  /// of inputs keep the meaning of their symbols.
  unsigned addIndex(mlir::Value value, mlir::AffineMap map);
  /// The body's argument for this input, added unless it is there already.
  mlir::BlockArgument addInput(mlir::Value value, mlir::AffineMap map);
  /// The argument must be unused.
  void removeInput(unsigned i);

  /// Drops what the body computes for nothing, and the inputs that it reads no more.
  void dropUnused();

private:
  explicit StructuredOp(mlir::Operation *op) : op(op) {}
  llvm::SmallVector<mlir::AffineMap> maps() const;
  void setMaps(llvm::ArrayRef<mlir::AffineMap> maps);

  mlir::Operation *op;
};

/// The innermost name that a location carries; empty where it has none.
llvm::StringRef nameOf(mlir::Location loc);

} // namespace gptc::fuse
