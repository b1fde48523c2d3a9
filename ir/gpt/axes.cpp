#include "ir/gpt/axes.h"
#include "ir/gpt/maps.h"

using namespace mlir;

namespace gptc::gpt {

ArrayRef<int64_t> axesOf(Operation *op) {
  auto axes = op->getAttrOfType<DenseI64ArrayAttr>(axesName);
  return axes ? axes.asArrayRef() : ArrayRef<int64_t>();
}

void setAxes(Operation *op, ArrayRef<int64_t> axes) {
  op->setAttr(axesName, DenseI64ArrayAttr::get(op->getContext(), axes));
}

bool isLeading(ArrayRef<int64_t> axes, unsigned count) {
  return axes.size() == count && llvm::equal(axes, llvm::seq<int64_t>(0, count));
}

bool isOverRows(Operation *op) {
  auto generic = dyn_cast<GenericOp>(op);
  ArrayRef<int64_t> axes = axesOf(op);
  return generic && generic.isReduction() && !axes.empty() && axes[generic.getNumParallel()] == 0;
}

/// An op before this one that has the axis with another size or extent (A3).
static Operation *findOtherSize(GenericOp op, unsigned dim, int64_t axis) {
  for (auto other : op->getBlock()->getOps<GenericOp>()) {
    if (other == op)
      break;
    for (auto [d, own] : llvm::enumerate(axesOf(other)))
      if (own == axis && d < other.getDims().size() &&
          !sameExtent(other.getDims()[d], op.getDims()[dim]))
        return other;
  }
  return nullptr;
}

/// Where `op` reads `producer`'s result, it does so on the same axes (A4, A5).
static LogicalResult verifyRead(GenericOp op, unsigned operand, GenericOp producer) {
  ArrayRef<int64_t> own = axesOf(op), theirs = axesOf(producer);
  auto fails = [&](const Twine &what) {
    InFlightDiagnostic error = op.emitOpError() << "operand " << operand << " is read at index " << what;
    error.attachNote(producer.getLoc()) << "the value is computed here";
    return error;
  };
  for (auto [r, index] : llvm::enumerate(op.getMap(operand).getResults())) {
    if (theirs[r] != ownAxis) {
      auto dim = dyn_cast<AffineDimExpr>(index);
      if (!dim || own[dim.getPosition()] != theirs[r]) // A4
        return fails(Twine(r) + " by another dimension than axis " + Twine(theirs[r]) + " of the kernel");
      continue;
    }
    for (unsigned d = 0; d < own.size(); ++d)
      if (own[d] != ownAxis && index.isFunctionOfDim(d)) // A5
        return fails(Twine(r) + ", which is its producer's own, by axis " + Twine(own[d]) + " of the kernel");
  }
  return success();
}

LogicalResult verifyAxes(GenericOp op) {
  Operation *kernel = op->getParentOp();
  bool byRows = kernel && (kernel->hasAttr(rowsName) || kernel->hasAttr(rowBlocksName));
  if (!op->hasAttr(axesName)) {
    if (!byRows)
      return success();
    InFlightDiagnostic error = op.emitOpError() << "has no '" << axesName << "'"; // A1
    error.attachNote(kernel->getLoc()) << "its kernel works by rows";
    return error;
  }
  ArrayRef<int64_t> axes = axesOf(op);
  if (axes.size() != op.getNumDims()) // A2
    return op.emitOpError() << "'" << axesName << "' is not an array of " << op.getNumDims()
                            << " i64, one for each dimension";
  for (auto [d, axis] : llvm::enumerate(axes)) {
    if (axis < ownAxis || (axis != ownAxis && llvm::is_contained(axes.take_front(d), axis))) // A2
      return op.emitOpError() << "axis " << axis << " of dimension " << d << " is below -1 or stands twice";
    if (axis == ownAxis)
      continue;
    if (Operation *other = findOtherSize(op, d, axis)) { // A3
      InFlightDiagnostic error = op.emitOpError() << "axis " << axis << " has " << op.getDims()[d].getSize()
                                                  << " points here, and not in another op of the kernel";
      error.attachNote(other->getLoc()) << "the other op is here";
      return error;
    }
  }
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    auto producer = operand.getDefiningOp<GenericOp>();
    // A producer without axes is an error of its own.
    if (producer && producer->getBlock() == op->getBlock() && axesOf(producer).size() == producer.getNumDims() &&
        failed(verifyRead(op, i, producer)))
      return failure();
  }
  return success();
}

} // namespace gptc::gpt
