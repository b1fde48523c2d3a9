// gpt-fit-memory: see passes/Passes.td. What is cheapest for each byte that it frees is computed again first
// (recompute_cost.h).
#include "ir/gpt/halves.h"
#include "ir/gpt/repeat.h"
#include "passes/fuse/destinations.h"
#include "passes/fuse/recompute_cost.h"
#include "passes/fuse/same_result.h"
#include "passes/passes.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"

namespace gptc {
#define GEN_PASS_DEF_FITMEMORYPASS
#include "passes/Passes.h.inc"

namespace {
using namespace mlir;
using namespace gpt;

/// A block of the forward half, and one of the backward half that can compute its values once more: bodies of two
/// repeats, or @main itself.
struct Scope {
  RepeatOp forward, backward;         ///< null: @main
  Block *block = nullptr;             ///< of the forward half
  llvm::SetVector<Value> kept;        ///< values of the block that the backward half reads
  llvm::SetVector<Value> needed;      ///< which these were in the beginning
  llvm::SetVector<Operation *> again; ///< of the block: computed once more

  int64_t copies() const { return forward ? RepeatOp(forward).getCount() : 1; }
  /// The stack that collects `value`; null where none does.
  Value stackOf(Value value) {
    ValueRange collected = forward.getYield().getValues().drop_front(forward.getInits().size());
    auto place = llvm::find(collected, value);
    return place == collected.end() ? Value() : forward.getStacks()[place - collected.begin()];
  }
  bool isSlice(Value value) { return forward && llvm::is_contained(forward.getSliceArguments(), value); }
  /// What a slice of the forward body is a slice of.
  Value stackedFor(Value slice) {
    return forward.getStacked()[cast<BlockArgument>(slice).getArgNumber() - 1 - forward.getInits().size()];
  }
  /// The backward body's slice of `stacked`; null where it has none.
  Value backwardSlice(Value stacked) {
    for (auto [known, slice] : llvm::zip_equal(backward.getStacked(), backward.getSliceArguments()))
      if (known == stacked)
        return slice;
    return {};
  }
};

/// One step: a value less is kept.
struct Step {
  Scope *scope = nullptr;
  Value value;
  llvm::SetVector<Operation *> again; ///< what is computed again for it, and was not before
  double cost = 0;                    ///< in bytes that memory could move meanwhile
  int64_t frees = 0;                  ///< bytes
  double price() const { return cost / double(frees); }
};

class Choice {
public:
  Choice(func::FuncOp main, int64_t most) : halves(halvesOf(main)), limits(Limits::of(main)), most(most) {
    if (!halves.block)
      return;
    Scope whole;
    whole.block = halves.block;
    for (Value value : halves.kept()) {
      whole.kept.insert(value);
      bytes += fuse::bytesOf(value.getType(), limits);
    }
    whole.needed = whole.kept;
    scopes.push_back(std::move(whole));
    for (auto repeat : halves.block->getOps<RepeatOp>())
      if (halves.isForward(repeat))
        addBodies(repeat);
  }

  void run() {
    while (bytes > most)
      if (Step step = cheapest(); step.scope)
        take(step);
      else
        break;
    giveBack();
  }

  int64_t keptBytes() const { return bytes; }
  MutableArrayRef<Scope> getScopes() { return scopes; }
  const Halves &getHalves() const { return halves; }

private:
  void addBodies(RepeatOp forward) {
    Scope scope;
    scope.forward = forward;
    scope.block = forward.getBlock();
    for (Value stack : forward.getStacks())
      for (Operation *user : stack.getUsers())
        if (auto repeat = dyn_cast<RepeatOp>(user); repeat && halves.isBackward(user)) {
          if (scope.backward && scope.backward != repeat)
            return;
          scope.backward = repeat;
        }
    if (!scope.backward || scope.backward.getCount() != forward.getCount())
      return;
    ValueRange collected = forward.getYield().getValues().drop_front(forward.getInits().size());
    for (auto [value, stack] : llvm::zip_equal(collected, forward.getStacks()))
      if (value.getParentBlock() == scope.block && !scope.isSlice(value) && isReadBySlices(scope, stack))
        scope.kept.insert(value);
    scope.needed = scope.kept;
    scopes.push_back(std::move(scope));
  }

  /// The backward half reads slices of it only.
  bool isReadBySlices(Scope &scope, Value stack) {
    bool read = false;
    for (OpOperand &use : stack.getUses()) {
      if (!halves.isBackward(use.getOwner()))
        continue;
      if (use.getOwner() != scope.backward || use.getOperandNumber() < scope.backward.getInits().size())
        return false;
      read = true;
    }
    return read;
  }

  int64_t bytesOf(Scope &scope, Value value) { return scope.copies() * fuse::bytesOf(value.getType(), limits); }

  /// The backward half has it, or can have it for nothing.
  bool isAtHand(Scope &scope, Value value) {
    Operation *op = value.getDefiningOp();
    if (scope.kept.contains(value) || (op && scope.again.contains(op)) || isStored(value))
      return true;
    if (value.getParentBlock() != scope.block) // a capture
      return llvm::any_of(value.getUsers(), [&](Operation *user) { return halves.isBackward(user); });
    if (!scope.forward)
      return false;
    if (scope.isSlice(value)) {
      Value stacked = scope.stackedFor(value);
      return isStored(stacked) || scope.backwardSlice(stacked);
    }
    return value == scope.forward.getCopyArgument();
  }

  /// Adds to `step` what it takes to compute `op` once more; false where that can't be.
  bool addAgain(Step &step, Operation *op) {
    if (!isa_and_nonnull<LaunchOp, ReshapeOp>(op) || op->getBlock() != step.scope->block)
      return false;
    if (step.scope->again.contains(op) || step.again.contains(op))
      return true;
    for (Value operand : op->getOperands())
      if (!isAtHand(*step.scope, operand) && !addAgain(step, operand.getDefiningOp()))
        return false;
    step.again.insert(op);
    if (auto launch = dyn_cast<LaunchOp>(op))
      step.cost += fuse::recomputeCost(launch, limits) * double(step.scope->copies());
    return true;
  }

  Step cheapest() {
    Step best;
    for (Scope &scope : scopes)
      for (Value value : scope.kept) {
        Step step;
        step.scope = &scope;
        step.value = value;
        if (!addAgain(step, value.getDefiningOp()))
          continue;
        step.frees = bytesOf(scope, value);
        for (Operation *op : step.again)
          for (Value result : op->getResults())
            if (result != value && scope.kept.contains(result))
              step.frees += bytesOf(scope, result);
        if (step.frees > 0 && (!best.scope || isBetter(step, best)))
          best = std::move(step);
      }
    return best;
  }

  static bool isBetter(const Step &step, const Step &best) {
    if (step.frees < best.frees)
      return step.price() <= best.price() * fuse::aboutTheSame;
    return step.price() * fuse::aboutTheSame < best.price();
  }

  void take(const Step &step) {
    Scope &scope = *step.scope;
    scope.kept.remove(step.value);
    for (Operation *op : step.again)
      for (Value result : op->getResults())
        scope.kept.remove(result);
    scope.again.insert(step.again.begin(), step.again.end());
    bytes -= step.frees;
  }

  /// What was taken before a larger one made it unnecessary is kept after all: in turn the results of the op that saves
  /// most for their size. What is computed again anyway, for other results, is not kept besides.
  void giveBack() {
    struct {
      Scope *scope = nullptr;
      SmallVector<Value> values;
      int64_t size = 0;
      double worth = 0;
    } best;
    do {
      best = {};
      for (Scope &scope : scopes) {
        double now = costOf(scope, sources(scope));
        for (Operation *op : scope.again) {
          SmallVector<Value> values;
          int64_t size = 0;
          for (Value result : op->getResults())
            if (scope.needed.contains(result)) {
              values.push_back(result);
              size += bytesOf(scope, result);
            }
          if (values.empty() || bytes + size > most)
            continue;
          scope.kept.insert(values.begin(), values.end());
          double worth = (now - costOf(scope, sources(scope))) / double(size);
          for (Value value : values)
            scope.kept.remove(value);
          if (worth > best.worth)
            best = {&scope, values, size, worth};
        }
      }
      if (best.scope) {
        bytes += best.size;
        best.scope->kept.insert(best.values.begin(), best.values.end());
        best.scope->again = sources(*best.scope);
      }
    } while (best.scope);
  }

  double costOf(Scope &scope, const llvm::SetVector<Operation *> &again) {
    double cost = 0;
    for (Operation *op : again)
      if (auto launch = dyn_cast<LaunchOp>(op))
        cost += fuse::recomputeCost(launch, limits) * double(scope.copies());
    return cost;
  }

  /// What is computed again for all that is needed and not kept.
  llvm::SetVector<Operation *> sources(Scope &scope) {
    llvm::SetVector<Operation *> again;
    for (Value value : scope.needed)
      addSources(scope, value, again);
    return again;
  }

  void addSources(Scope &scope, Value value, llvm::SetVector<Operation *> &again) {
    Operation *op = value.getDefiningOp();
    if (scope.kept.contains(value) || !op || !scope.again.contains(op) || again.contains(op))
      return;
    for (Value operand : op->getOperands())
      addSources(scope, operand, again);
    again.insert(op);
  }

  Halves halves;
  Limits limits;
  int64_t most, bytes = 0;
  std::vector<Scope> scopes;
};

/// Each of `ops`, in the order of the block, is moved to where it is read first, so that it does not wait in memory.
void sink(ArrayRef<Operation *> ops) {
  for (Operation *op : llvm::reverse(ops)) {
    Operation *first = nullptr;
    for (Operation *user : op->getUsers()) {
      Operation *here = op->getBlock()->findAncestorOpInBlock(*user);
      if (here && (!first || here->isBeforeInBlock(first)))
        first = here;
    }
    if (first)
      op->moveBefore(first);
  }
}

/// Sinks what does not follow from cotangents.
void sinkRecomputation(RepeatOp backward) {
  Block *block = backward.getBlock();
  llvm::SmallPtrSet<Operation *, 32> late;
  auto isLate = [&](Value value) {
    Operation *op = value.getDefiningOp();
    return op ? late.contains(op) : llvm::is_contained(backward.getCarriedArguments(), value);
  };
  SmallVector<Operation *> early;
  for (Operation &op : block->without_terminator())
    if (op.getNumRegions() != 0 || llvm::any_of(op.getOperands(), isLate))
      late.insert(&op);
    else
      early.push_back(&op);
  sink(early);
}

/// Puts a choice into effect: the backward half computes what is no longer kept.
class Change {
public:
  Change(Scope &scope, const Halves &halves) : scope(scope), halves(halves) {}

  void run() {
    if (scope.forward)
      changeBodies();
    else
      changeMain();
  }

private:
  void changeBodies() {
    OpBuilder builder(scope.forward.getContext());
    builder.setInsertionPointToStart(scope.backward.getBlock());
    clone(builder);
    for (Value value : scope.needed)
      if (Value copy = mapping.lookupOrNull(value); copy && !scope.kept.contains(value))
        sliceOf(scope.stackOf(value)).replaceAllUsesWith(copy);
    useClones();
  }

  void changeMain() {
    // Right before they are read first.
    SmallVector<OpOperand *> uses;
    Operation *first = nullptr;
    for (Value value : scope.needed) {
      if (scope.kept.contains(value))
        continue;
      for (OpOperand &use : value.getUses()) {
        Operation *user = scope.block->findAncestorOpInBlock(*use.getOwner());
        if (!halves.isBackward(user) || halves.isForward(user))
          continue;
        uses.push_back(&use);
        if (!first || user->isBeforeInBlock(first))
          first = user;
      }
    }
    if (!first)
      return;
    OpBuilder builder(first);
    clone(builder, first);
    for (OpOperand *use : uses)
      use->set(mapping.lookup(use->get()));
    useClones();
    sink(clones);
  }

  /// What the backward half computed from kept values, cheaply, and is now computed on the way to these.
  void useClones() {
    for (Operation *clone : clones)
      for (Operation *op = clone->getNextNode(); op; op = op->getNextNode())
        if (auto launch = dyn_cast<LaunchOp>(op), larger = dyn_cast<LaunchOp>(clone);
            launch && larger && (scope.forward || !halves.isForward(op)))
          if (Value same = fuse::sameResult(launch, larger))
            launch.getResult(0).replaceAllUsesWith(same);
  }

  /// Clones at the builder's place; those of @main not before `first`, but behind what they read: in @main the halves
  /// lie side by side, and a value that is kept may be made behind the first launch of the backward half.
  void clone(OpBuilder &builder, Operation *first = nullptr) {
    SmallVector<Operation *> ops;
    for (Operation &op : *scope.block)
      if (scope.again.contains(&op))
        ops.push_back(&op);
    Operation *last = nullptr; // the one that stands right before the builder's place, where that has moved
    for (Operation *op : ops) {
      if (first)
        for (Value operand : op->getOperands()) {
          Operation *source = mapping.lookupOrDefault(operand).getDefiningOp();
          if (!source || source->isBeforeInBlock(first) || (last && source->isBeforeInBlock(last)))
            continue;
          last = source;
          builder.setInsertionPointAfter(source);
        }
      if (scope.forward)
        for (Value operand : op->getOperands())
          provide(builder, operand);
      clones.push_back(builder.clone(*op, mapping));
    }
  }

  /// The backward body's slice of `stacked`, which it may not have had before.
  Value sliceOf(Value stacked) {
    if (Value known = scope.backwardSlice(stacked))
      return known;
    RepeatOp backward = scope.backward;
    backward.getStackedMutable().append(stacked);
    Type slice = RepeatOp::sliceType(cast<RankedTensorType>(stacked.getType()));
    return backward.getBlock()->addArgument(slice, stacked.getLoc());
  }

  void provide(OpBuilder &builder, Value value) {
    if (value.getParentBlock() != scope.block || mapping.contains(value))
      return;
    if (value == scope.forward.getCopyArgument())
      mapping.map(value, scope.backward.getCopyArgument());
    else if (scope.isSlice(value))
      mapping.map(value, sliceOf(scope.stackedFor(value)));
    else if (scope.kept.contains(value))
      mapping.map(value, sliceOf(scope.stackOf(value)));
    else { // a constant, or a reshape of one
      for (Value operand : value.getDefiningOp()->getOperands())
        provide(builder, operand);
      builder.clone(*value.getDefiningOp(), mapping);
    }
  }

  Scope &scope;
  const Halves &halves;
  IRMapping mapping;
  SmallVector<Operation *> clones; // in order
};

struct FitMemory : impl::FitMemoryPassBase<FitMemory> {
  using FitMemoryPassBase::FitMemoryPassBase;

  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main || main.isExternal()) {
      getOperation().emitError() << "module has no program @main";
      return signalPassFailure();
    }
    Choice choice(main, keep);
    choice.run();
    bool changed = false;
    for (Scope &scope : choice.getScopes())
      if (!scope.again.empty()) {
        Change(scope, choice.getHalves()).run();
        changed = true;
      }
    if (changed) {
      removeUnused(main);
      removeUnusedKernels();
      Halves halves = halvesOf(main);
      for (auto repeat : main.front().getOps<RepeatOp>())
        if (halves.isBackward(repeat))
          sinkRecomputation(repeat);
    }
    getOperation()->setAttr("gpt.kept_bytes", OpBuilder(&getContext()).getI64IntegerAttr(choice.keptBytes()));
  }

  void removeUnusedKernels() {
    llvm::StringSet<> used;
    getOperation().walk([&](LaunchOp launch) { used.insert(launch.getKernel()); });
    for (auto kernel : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (kernel->hasAttr("gpt.kernel") && !used.contains(kernel.getName()))
        kernel.erase();
  }
};

} // namespace
} // namespace gptc
