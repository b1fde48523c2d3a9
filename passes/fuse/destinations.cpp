#include "passes/fuse/destinations.h"
#include "ir/gpt/most.h"

#include "ir/gpt/axes.h"
#include "passes/fuse/arena.h"
#include "passes/fuse/copy_kernels.h"
#include "passes/fuse/space.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc::fuse {
namespace {

constexpr int64_t largeConstant = 4096; // bytes from which a splat is computed, not stored in the program

/// The body hands on this carried value as it is.
bool isUnchanged(RepeatOp repeat, unsigned k) {
  return storageOf(repeat.getYield().getValues()[k]) == repeat.getCarriedArguments()[k];
}

/// All uses that read the value's memory under whatever name.
void forEachReader(Value value, llvm::function_ref<void(OpOperand &)> fn) {
  for (OpOperand &use : value.getUses()) {
    fn(use);
    if (auto reshape = dyn_cast<ReshapeOp>(use.getOwner()))
      forEachReader(reshape.getResult(), fn);
    auto repeat = dyn_cast<RepeatOp>(use.getOwner());
    unsigned k = use.getOperandNumber();
    if (repeat && k < repeat.getInits().size() && isUnchanged(repeat, k))
      forEachReader(repeat.getCarried()[k], fn);
  }
}

/// `op` of a kernel of rows reads an argument at the row at work only, by the axes of its dimensions: what a sum over rows
/// has first are columns.
bool readsOwnRow(GenericOp op, AffineMap map, unsigned rows) {
  ArrayRef<int64_t> axes = axesOf(op);
  for (auto [r, index] : llvm::enumerate(map.getResults())) {
    auto dim = dyn_cast<AffineDimExpr>(index);
    if (r < rows ? !dim || axes[dim.getPosition()] != int64_t(r)
                 : llvm::any_of(llvm::seq<unsigned>(0, axes.size()),
                                [&](unsigned d) { return axes[d] != ownAxis && index.isFunctionOfDim(d); }))
      return false;
  }
  return map.getNumResults() >= rows;
}

/// The kernel reads each element of this argument only to compute the same
/// element of this result, within one op (of maps behind a contraction, too: they see each element once);
/// in a kernel of rows, ops before that may read the same row (their loops come before, passes/codegen/row_groups.cpp).
bool readsElementwise(func::FuncOp kernel, unsigned argument, unsigned result) {
  Value yielded = kernel.front().getTerminator()->getOperand(result);
  auto map = yielded.getDefiningOp<GenericOp>();
  Value input = kernel.getArgument(argument);
  if (!map || map.isReduction() || input.getType() != yielded.getType())
    return false;
  auto rows = kernel->getAttrOfType<IntegerAttr>(rowsName);
  return llvm::all_of(input.getUses(), [&](OpOperand &use) {
    unsigned i = use.getOperandNumber();
    auto op = dyn_cast<GenericOp>(use.getOwner());
    if (!op || i < op.getIndices().size())
      return false;
    if (op == map)
      return isIdentity(map.getMap(i), map.getDims(), dimsOf(input));
    return rows && op->isBeforeInBlock(map) && readsOwnRow(op, op.getMap(i), rows.getInt());
  });
}

class Planner {
public:
  Planner(ModuleOp module, func::FuncOp main) : main(main), kernels(module), limits(Limits::of(module)) {}

  Destinations plan() {
    fillLargeConstants();
    planSets();
    SmallVector<RepeatOp> repeats;
    main.walk<WalkOrder::PreOrder>([&](RepeatOp repeat) { repeats.push_back(repeat); });
    for (RepeatOp repeat : repeats)
      planRepeat(repeat);
    planInPlace(main.front());
    for (RepeatOp repeat : repeats)
      planInPlace(*repeat.getBlock());
    return std::move(destinations);
  }

private:
  void fillLargeConstants() {
    SmallVector<ConstantOp> constants;
    main.walk([&](ConstantOp op) { constants.push_back(op); });
    for (ConstantOp op : constants) {
      auto splat = dyn_cast<SplatElementsAttr>(op.getValue());
      if (!splat || bytesOf(op.getType(), limits) <= largeConstant || op->use_empty())
        continue;
      Operation *first = nullptr;
      for (Operation *user : op->getUsers()) {
        Operation *here = op->getBlock()->findAncestorOpInBlock(*user);
        if (!first || here->isBeforeInBlock(first))
          first = here;
      }
      OpBuilder builder(first);
      Value filled = kernels.fill(builder, op.getLoc(), cast<RankedTensorType>(op.getType()),
                                  splat.getSplatValue<TypedAttr>());
      op.getResult().replaceAllUsesWith(filled);
      op.erase();
    }
  }

  /// The launch result whose memory `value` is, if it lies in `block` and may
  /// still be given a destination.
  Value free(Value value, Block *block) {
    Value storage = storageOf(value);
    bool launched = storage.getDefiningOp<LaunchOp>() && storage.getParentBlock() == block;
    return launched && !destinations.results.count(storage) ? storage : Value();
  }

  /// Nothing reads `old` after the launch of `result`, and that launch only
  /// element by element: the result may take its place.
  bool mayReplace(Value old, Value result) {
    Operation *launch = result.getDefiningOp();
    unsigned number = cast<OpResult>(result).getResultNumber();
    func::FuncOp kernel = kernels.lookup(cast<LaunchOp>(launch).getKernel());
    bool ok = true;
    forEachReader(old, [&](OpOperand &use) {
      if (!ok || isa<ReshapeOp>(use.getOwner()))
        return;
      Operation *here = launch->getBlock()->findAncestorOpInBlock(*use.getOwner());
      if (here == launch)
        ok = readsElementwise(kernel, use.getOperandNumber(), number);
      else
        ok = here && here->isBeforeInBlock(launch);
    });
    return ok;
  }

  void planSets() {
    Block *block = &main.front();
    Operation *end = block->getTerminator();
    SmallVector<SetOp> sets(block->getOps<SetOp>());
    for (SetOp set : sets)
      set->moveBefore(end);
    llvm::DenseMap<Attribute, SmallVector<Value>> gets;
    main.walk([&](GetOp get) { gets[get.getVariableAttr()].push_back(get.getValue()); });

    SmallVector<SetOp> copied;
    for (SetOp set : sets) {
      Value result = free(set.getValue(), block);
      if (result && llvm::all_of(gets[set.getVariableAttr()], [&](Value old) { return mayReplace(old, result); }))
        destinations.results[result] = {Destination::Variable, set.getVariableAttr(), {}, 0, {}};
      else
        copied.push_back(set);
    }
    // Results first, then what is read from variables that change, then the changes.
    OpBuilder builder(sets.empty() ? end : sets.front());
    for (OpOperand &result : end->getOpOperands()) {
      Value storage = storageOf(result.get());
      auto known = destinations.results.find(storage);
      bool inVariable = known != destinations.results.end() && known->second.kind == Destination::Variable;
      if (inVariable || !isa_and_nonnull<LaunchOp, RepeatOp>(storage.getDefiningOp()))
        result.set(kernels.copy(builder, end->getLoc(), result.get()));
    }
    for (SetOp set : copied)
      if (storageOf(set.getValue()).getDefiningOp<GetOp>())
        set.getValueMutable().set(kernels.copy(builder, set.getLoc(), set.getValue()));
    for (SetOp set : copied) {
      builder.setInsertionPoint(set);
      Value copy = kernels.copy(builder, set.getLoc(), set.getValue());
      set.getValueMutable().set(copy);
      destinations.results[copy] = {Destination::Variable, set.getVariableAttr(), {}, 0, {}};
    }
  }

  /// Gives `operand` a launch that writes to `destination`: its own, or a copy
  /// at the builder's place.
  void direct(OpBuilder &builder, OpOperand &operand, Value result, Destination destination) {
    if (!result) {
      result = kernels.copy(builder, operand.getOwner()->getLoc(), operand.get());
      operand.set(result);
    }
    destinations.results[result] = destination;
  }

  void planRepeat(RepeatOp repeat) {
    RepeatPlan plan;
    Block *body = repeat.getBlock();
    YieldOp yield = repeat.getYield();
    unsigned numCarried = repeat.getInits().size(), numStacks = repeat.getStacks().size();
    plan.stacks.resize(numStacks);
    for (unsigned k = 0; k < numCarried; ++k) {
      Value argument = repeat.getCarriedArguments()[k], next = storageOf(yield.getValues()[k]);
      plan.carried.push_back(next == argument ? RepeatPlan::Unchanged : RepeatPlan::Turns);
      // Slices follow each other without padding, and both a slice and a stack are tensors: aligned.
      if (next == argument || bytesOf(argument.getType(), limits) % arenaAlignment != 0)
        continue;
      for (unsigned j = 0; j < numStacks; ++j) {
        Value collected = storageOf(yield.getValues()[numCarried + j]);
        if (plan.stacks[j].carried >= 0 || (collected != argument && collected != next))
          continue;
        plan.stacks[j] = {static_cast<int>(k), collected == next};
        plan.carried[k] = RepeatPlan::Collected;
      }
    }

    OpBuilder atEnd(yield);
    for (unsigned k = 0; k < numCarried; ++k) {
      if (plan.carried[k] == RepeatPlan::Unchanged)
        continue;
      Value result = free(yield.getValues()[k], body);
      if (result && plan.carried[k] == RepeatPlan::Turns && mayReplace(repeat.getCarriedArguments()[k], result))
        plan.carried[k] = RepeatPlan::InPlace;
      direct(atEnd, yield.getValuesMutable()[k], result, {Destination::Carried, {}, repeat, k, {}});
    }
    for (unsigned j = 0; j < numStacks; ++j)
      if (plan.stacks[j].carried < 0)
        direct(atEnd, yield.getValuesMutable()[numCarried + j], free(yield.getValues()[numCarried + j], body),
               {Destination::Stack, {}, repeat, j, {}});

    OpBuilder before(repeat);
    for (unsigned k = 0; k < numCarried; ++k) {
      if (plan.carried[k] == RepeatPlan::Unchanged)
        continue;
      OpOperand &init = repeat.getInitsMutable()[k];
      Value result = free(init.get(), repeat->getBlock());
      // The first slot is written again, but where every copy has its own.
      if (result && plan.carried[k] != RepeatPlan::Collected)
        forEachReader(result, [&](OpOperand &use) {
          Operation *here = repeat->getBlock()->findAncestorOpInBlock(*use.getOwner());
          if (&use != &init && !isa<ReshapeOp>(use.getOwner()) && !here->isBeforeInBlock(repeat))
            result = {};
        });
      direct(before, init, result, {Destination::Initial, {}, repeat, k, {}});
    }
    // Inputs and constants can be seen as a whole only.
    for (OpOperand &stacked : repeat.getStackedMutable()) {
      Value storage = storageOf(stacked.get());
      bool isInput = isa<BlockArgument>(storage) && storage.getParentBlock() == &main.front();
      if (isInput || storage.getDefiningOp<ConstantOp>())
        stacked.set(kernels.copy(before, repeat.getLoc(), stacked.get()));
    }
    destinations.repeats[repeat] = std::move(plan);
  }

  /// A result takes the place of an operand that ends with the launch: one stream of
  /// memory less, and less memory.
  void planInPlace(Block &block) {
    llvm::DenseSet<Value> taken;
    for (auto launch : block.getOps<LaunchOp>())
      for (OpResult result : launch->getResults()) {
        if (destinations.results.count(result))
          continue;
        for (Value operand : launch.getInputs()) {
          Value old = storageOf(operand);
          if (old.getParentBlock() == &block && ownsMemory(old) && !taken.contains(old) &&
              bytesOf(old.getType(), limits) == bytesOf(result.getType(), limits) && mayReplace(old, result)) {
            taken.insert(old);
            destinations.results[result] = {Destination::Operand, {}, {}, 0, old};
            break;
          }
        }
      }
  }

  /// The value has memory that is nothing else's.
  bool ownsMemory(Value value) {
    if (value.getDefiningOp<LaunchOp>()) {
      auto known = destinations.results.find(value);
      return known == destinations.results.end() || known->second.kind == Destination::Operand;
    }
    auto repeat = value.getDefiningOp<RepeatOp>();
    if (!repeat)
      return false;
    const RepeatPlan &plan = destinations.repeats.at(repeat);
    unsigned number = cast<OpResult>(value).getResultNumber(), numCarried = plan.carried.size();
    if (number >= numCarried)
      return plan.stacks[number - numCarried].carried < 0;
    return plan.carried[number] == RepeatPlan::InPlace || plan.carried[number] == RepeatPlan::Turns;
  }

  func::FuncOp main;
  CopyKernels kernels;
  Limits limits;
  Destinations destinations;
};

} // namespace

Value storageOf(Value value) {
  for (;;) {
    if (auto reshape = value.getDefiningOp<ReshapeOp>()) {
      value = reshape.getSource();
      continue;
    }
    auto repeat = value.getDefiningOp<RepeatOp>();
    unsigned k = repeat ? cast<OpResult>(value).getResultNumber() : 0;
    if (!repeat || k >= repeat.getCarried().size() || !isUnchanged(repeat, k))
      return value;
    value = repeat.getInits()[k];
  }
}

int64_t bytesOf(Type tensor, const Limits &limits) {
  int64_t bits = cast<RankedTensorType>(tensor).getElementTypeBitWidth();
  return boundedProduct(elementsOf(tensor, limits), (bits + 7) / 8);
}

Destinations planDestinations(ModuleOp module, func::FuncOp main) { return Planner(module, main).plan(); }

} // namespace gptc::fuse
