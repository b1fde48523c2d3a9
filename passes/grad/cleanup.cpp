// What differentiation leaves behind: derivatives that nobody asked for, and
// the values that only they would have needed.
#include "passes/grad/tensors.h"

#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;

namespace gptc::grad {
using namespace gpt;

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

/// Drops carried values, stacks and slices that nothing depends on; true where
/// there were any, and `op` is then replaced.
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

} // namespace

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

void cleanUp(Operation *root) {
  auto removeAll = [&] {
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
  };
  removeAll();
  IRRewriter rewriter(root->getContext());
  DominanceInfo dominance(root);
  eliminateCommonSubExpressions(rewriter, dominance, root);
  removeAll();
}

} // namespace gptc::grad
