#include "passes/grad/tensors.h"

#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace gptc::grad {
using namespace gpt;

bool isFloatTensor(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && isa<FloatType>(tensor.getElementType());
}

bool sameExtent(DimAttr a, DimAttr b) {
  return a.getSize() == b.getSize() && a.getExtent() == b.getExtent();
}

int64_t byteSize(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return tensor.getNumElements() * ((tensor.getElementTypeBitWidth() + 7) / 8);
}

bool isCostly(Operation *scalar) {
  return isa<arith::DivFOp, arith::RemFOp>(scalar) || isa<math::MathDialect>(scalar->getDialect());
}

Value splat(OpBuilder &builder, Location loc, RankedTensorType type, double value) {
  Attribute element = builder.getFloatAttr(type.getElementType(), value);
  return gpt::ConstantOp::create(builder, loc, type,
                                 cast<ElementsAttr>(DenseElementsAttr::get(type, element)));
}

Value sum(OpBuilder &builder, Location loc, ValueRange values) {
  if (values.size() == 1)
    return values[0];
  DimsAttr dims = dimsOf(values[0]);
  AffineMap identity = builder.getMultiDimIdentityMap(dims.size());
  SmallVector<AffineMap> maps(values.size(), identity);
  auto body = [](OpBuilder &b, Location l, ValueRange terms) -> SmallVector<Value> {
    Value total = terms[0];
    for (Value term : terms.drop_front())
      total = arith::AddFOp::create(b, l, total, term);
    return {total};
  };
  return GenericOp::create(builder, loc, dims, dims.size(), std::nullopt, ValueRange{}, values, maps, body)
      ->getResult(0);
}

Value retype(OpBuilder &builder, Value value, Type type) {
  if (value.getType() == type)
    return value;
  return ReshapeOp::create(builder, value.getLoc(), type, value);
}

RepeatChange::RepeatChange(RepeatOp op)
    : carried(op.getInits().size(), true), stacks(op.getStacks().size(), true),
      stacked(op.getStacked().size(), true) {}

RepeatOp changeRepeat(RepeatOp op, const RepeatChange &change) {
  OpBuilder builder(op);
  Block *block = op.getBlock();
  YieldOp yield = op.getYield();
  unsigned numCarried = change.carried.size();
  SmallVector<Value> inits, stacked, yields, olds;
  SmallVector<Type> carriedTypes, stackTypes;
  llvm::BitVector deadArguments(block->getNumArguments());
  for (auto [i, keep] : llvm::enumerate(change.carried)) {
    deadArguments[1 + i] = !keep;
    if (!keep)
      continue;
    inits.push_back(op.getInits()[i]);
    carriedTypes.push_back(op.getInits()[i].getType());
    yields.push_back(yield.getValues()[i]);
    olds.push_back(op.getCarried()[i]);
  }
  for (auto [i, keep] : llvm::enumerate(change.stacks)) {
    if (!keep)
      continue;
    stackTypes.push_back(op.getStacks()[i].getType());
    yields.push_back(yield.getValues()[numCarried + i]);
    olds.push_back(op.getStacks()[i]);
  }
  for (Value value : change.collect) {
    auto slice = cast<RankedTensorType>(value.getType());
    stackTypes.push_back(RepeatOp::stackType(slice, op.getCount(), copiesName(slice)));
    yields.push_back(value);
  }
  for (auto [i, keep] : llvm::enumerate(change.stacked)) {
    deadArguments[1 + numCarried + i] = !keep;
    if (keep)
      stacked.push_back(op.getStacked()[i]);
  }
  auto changed = RepeatOp::create(builder, op.getLoc(), carriedTypes, stackTypes, inits, stacked,
                                  op.getCountAttr(), op.getReverseAttr());
  changed->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  // The yield and what only it needed first: they use the dropped arguments.
  yield.getValuesMutable().assign(yields);
  if (deadArguments.any())
    removeDead(*block);
  block->eraseArguments(deadArguments);
  changed.getBody().takeBody(op.getBody());
  for (auto [i, old] : llvm::enumerate(olds))
    old.replaceAllUsesWith(changed->getResult(i));
  op->erase();
  return changed;
}

std::string copiesName(RankedTensorType slice) {
  llvm::StringSet<> taken;
  for (DimAttr dim : dimsOf(slice).getDims())
    taken.insert(dim.getName().getValue());
  std::string name = "copy";
  for (int i = 1; taken.contains(name); ++i)
    name = "copy" + std::to_string(i);
  return name;
}

} // namespace gptc::grad
