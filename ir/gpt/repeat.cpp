#include "ir/gpt/repeat.h"

#include "mlir/IR/Builders.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace gptc::gpt {

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

namespace {

/// The values of `op`'s body from which `roots` are computed, these included.
DenseSet<Value> reachedFrom(RepeatOp op, ArrayRef<Value> roots) {
  DenseSet<Value> reached;
  SmallVector<Value> work;
  Block *block = op.getBlock();
  auto visit = [&](Value value) {
    if (value.getParentBlock() == block && reached.insert(value).second)
      work.push_back(value);
  };
  llvm::for_each(roots, visit);
  while (!work.empty()) {
    Operation *definition = work.pop_back_val().getDefiningOp();
    if (!definition)
      continue;
    llvm::for_each(definition->getOperands(), visit);
    visitUsedValuesDefinedAbove(definition->getRegions(), [&](OpOperand *operand) { visit(operand->get()); });
  }
  return reached;
}

} // namespace

bool pruneRepeat(RepeatOp op) {
  RepeatChange change(op);
  ValueRange yielded = op.getYield().getValues();
  unsigned numCarried = change.carried.size();
  SmallVector<Value> roots;
  for (auto [i, stack] : llvm::enumerate(op.getStacks()))
    if ((change.stacks[i] = !stack.use_empty()))
      roots.push_back(yielded[numCarried + i]);
  for (auto [i, result] : llvm::enumerate(op.getCarried()))
    if ((change.carried[i] = !result.use_empty()))
      roots.push_back(yielded[i]);
  DenseSet<Value> reached;
  // A carried value lives too where another living value needs it.
  for (bool grew = true; grew;) {
    grew = false;
    reached = reachedFrom(op, roots);
    for (unsigned i = 0; i < numCarried; ++i)
      if (!change.carried[i] && reached.contains(op.getCarriedArguments()[i])) {
        change.carried[i] = grew = true;
        roots.push_back(yielded[i]);
      }
  }
  for (auto [i, slice] : llvm::enumerate(op.getSliceArguments()))
    change.stacked[i] = reached.contains(slice);
  if (llvm::all_of(llvm::concat<bool>(change.carried, change.stacks, change.stacked),
                   [](bool keep) { return keep; }))
    return false;
  changeRepeat(op, change);
  return true;
}

void removeDead(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
    if (isOpTriviallyDead(&op)) {
      op.erase();
      continue;
    }
    for (Region &region : op.getRegions())
      for (Block &inner : region)
        removeDead(inner);
  }
}

void removeUnused(Operation *root) {
  for (bool changed = true; changed;) {
    changed = false;
    for (Region &region : root->getRegions())
      for (Block &block : region)
        removeDead(block);
    SmallVector<RepeatOp> repeats;
    root->walk([&](RepeatOp op) { repeats.push_back(op); });
    // Inner repeats come first; a changed one only moves what it holds.
    for (RepeatOp op : repeats)
      changed |= pruneRepeat(op);
  }
}

} // namespace gptc::gpt
