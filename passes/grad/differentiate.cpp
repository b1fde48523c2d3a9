#include "passes/grad/differentiate.h"

#include "passes/grad/tensors.h"

using namespace mlir;

namespace gptc::grad {

void Cotangents::add(Value value, Value cotangent) {
  if (isFloatTensor(value.getType()))
    pending[value].push_back(cotangent);
}

Value Cotangents::take(OpBuilder &builder, Value value) {
  auto place = pending.find(value);
  if (place == pending.end())
    return {};
  SmallVector<Value> terms = std::move(place->second);
  pending.erase(place);
  return retype(builder, sum(builder, value.getLoc(), terms), value.getType());
}

SmallVector<Value> Cotangents::values() const {
  return llvm::map_to_vector(pending, [](const auto &entry) { return entry.first; });
}

LogicalResult differentiate(Block &block, OpBuilder &builder, Cotangents &cotangents) {
  // The vjps may stand in the same block, and that of a repeat replaces it.
  SmallVector<Operation *> ops =
      llvm::map_to_vector(block.without_terminator(), [](Operation &op) { return &op; });
  for (Operation *op : llvm::reverse(ops)) {
    if (op->getNumOperands() == 0 && op->getNumRegions() == 0)
      continue;
    bool reached = false;
    for (Value result : op->getResults())
      reached |= cotangents.reached(result);
    if (!reached)
      continue;
    SmallVector<Value> ofResults;
    for (Value result : op->getResults())
      ofResults.push_back(cotangents.take(builder, result));
    auto rule = dyn_cast<gpt::VjpOpInterface>(op);
    if (!rule)
      return op->emitError() << "no derivative is known for '" << op->getName() << "'";
    if (failed(rule.buildVjp(builder, ofResults, [&](Value value, Value ct) { cotangents.add(value, ct); })))
      return failure();
  }
  return success();
}

} // namespace gptc::grad
