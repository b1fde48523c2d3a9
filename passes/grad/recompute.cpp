#include "passes/grad/recompute.h"

#include "ir/gpt/products.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace gptc::grad {
using namespace gpt;
namespace {

/// The other operand comes first: a copy with the same operands would be found to be equal, and
/// removed. What follows from it differs, too.
void exchangeOperands(GenericOp product) {
  Value first = product.getInputs()[0], second = product.getInputs()[1];
  if (cast<RankedTensorType>(first.getType()).getElementType() !=
      cast<RankedTensorType>(second.getType()).getElementType())
    return;
  SmallVector<Attribute> maps(product.getMaps().begin(), product.getMaps().end());
  std::swap(maps[0], maps[1]);
  product->setOperands({second, first});
  product.setMapsAttr(ArrayAttr::get(product.getContext(), maps));
}

class Recomputation {
public:
  explicit Recomputation(Operation *last) : last(last), builder(last->getContext()) {
    builder.setInsertionPointAfter(last);
  }

  void run() {
    SmallVector<Operation *> users;
    for (Operation *op = last->getNextNode(); op; op = op->getNextNode())
      if (!op->hasTrait<OpTrait::IsTerminator>()) // what is returned is there already
        op->walk([&](Operation *nested) { users.push_back(nested); });
    for (Operation *user : users)
      for (OpOperand &operand : user->getOpOperands())
        if (isBefore(operand.get()) && isLargeMatrix(operand.get()))
          operand.set(again(operand.get()));
  }

private:
  bool isBefore(Value value) {
    Operation *op = value.getDefiningOp();
    return op && op->getBlock() == last->getBlock() && op->isBeforeInBlock(last);
  }

  Value again(Value value) {
    if (Value known = copies.lookupOrNull(value))
      return known;
    Operation *op = value.getDefiningOp();
    for (Value operand : op->getOperands())
      if (isBefore(operand) && isLargeMatrix(operand))
        again(operand);
    auto copy = cast<GenericOp>(builder.clone(*op, copies));
    if (isLargeProduct(copy))
      exchangeOperands(copy);
    return copies.lookup(value);
  }

  Operation *last;
  OpBuilder builder;
  IRMapping copies;
};

} // namespace

void recomputeMatrices(Operation *last) {
  Recomputation(last).run();
}

} // namespace gptc::grad
