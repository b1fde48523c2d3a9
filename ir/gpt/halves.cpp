#include "ir/gpt/halves.h"

#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace gptc::gpt {
namespace {

/// What a result is computed from: values outside of its op, and those inside.
struct Sources {
  llvm::SetVector<Value> outside;
  llvm::DenseSet<Value> inside; ///< of bodies and kernels; also results that hand one of these out
};
Sources sourcesOf(OpResult value);

/// Adds what the block's terminator hands out at `number` is computed from. `enter` is asked about arguments: it says
/// where they come from, outside (`Sources::outside`) or in the block (the list).
void addSources(Block &block, unsigned number, Sources &sources,
                llvm::function_ref<void(BlockArgument, SmallVectorImpl<Value> &)> enter) {
  SmallVector<Value> work = {block.getTerminator()->getOperand(number)};
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (value.getParentBlock() != &block) {
      sources.outside.insert(value);
      continue;
    }
    if (!sources.inside.insert(value).second)
      continue;
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      enter(argument, work);
      continue;
    }
    Sources more = sourcesOf(cast<OpResult>(value));
    work.append(more.outside.begin(), more.outside.end());
    sources.inside.insert(more.inside.begin(), more.inside.end());
  }
}

/// What the op hands out beside that is on the way: stacks of a repeat, statistics of rows.
void addIntermediate(Operation *op, Block &body, Sources &sources) {
  for (OpResult result : op->getResults())
    if (sources.inside.contains(body.getTerminator()->getOperand(result.getResultNumber())))
      sources.inside.insert(result);
}

void addRepeatSources(RepeatOp repeat, unsigned number, Sources &sources) {
  unsigned numCarried = repeat.getInits().size();
  if (number < numCarried)
    sources.outside.insert(repeat.getInits()[number]);
  addSources(*repeat.getBlock(), number, sources, [&](BlockArgument argument, SmallVectorImpl<Value> &work) {
    unsigned position = argument.getArgNumber();
    if (position == 0) // the copy's number
      return;
    if (position > numCarried) {
      sources.outside.insert(repeat.getStacked()[position - 1 - numCarried]);
      return;
    }
    sources.outside.insert(repeat.getInits()[position - 1]);
    work.push_back(repeat.getYield().getValues()[position - 1]);
  });
}

/// Of what has several results, only what this one needs.
Sources sourcesOf(OpResult value) {
  Sources sources;
  Operation *op = value.getOwner();
  unsigned number = value.getResultNumber();
  auto enter = [&](BlockArgument argument, SmallVectorImpl<Value> &) {
    sources.outside.insert(op->getOperand(argument.getArgNumber()));
  };
  auto launch = dyn_cast<LaunchOp>(op);
  auto kernel = launch ? SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, launch.getKernelAttr()) : nullptr;
  auto generic = dyn_cast<GenericOp>(op);
  if (auto repeat = dyn_cast<RepeatOp>(op)) {
    addRepeatSources(repeat, number, sources);
    addIntermediate(op, *repeat.getBlock(), sources);
  } else if (kernel && !kernel.isExternal()) {
    addSources(kernel.front(), number, sources, enter);
    addIntermediate(op, kernel.front(), sources);
  } else if (generic && generic->getNumResults() > 1) {
    addSources(*generic.getBlock(), number, sources, enter);
    sources.outside.insert(generic.getIndices().begin(), generic.getIndices().end());
  } else {
    sources.outside.insert(op->operand_begin(), op->operand_end());
    visitUsedValuesDefinedAbove(op->getRegions(), [&](OpOperand *operand) { sources.outside.insert(operand->get()); });
  }
  return sources;
}

void addHalf(SmallVector<Value> work, Block &block, const llvm::DenseSet<Value> &other,
             llvm::DenseSet<Value> &into) {
  while (!work.empty()) {
    auto value = dyn_cast<OpResult>(work.pop_back_val());
    if (!value || value.getOwner()->getBlock() != &block || other.contains(value) || !into.insert(value).second)
      continue;
    Sources sources = sourcesOf(value);
    work.append(sources.outside.begin(), sources.outside.end());
  }
}

bool hasResultIn(Operation *op, const llvm::DenseSet<Value> &half) {
  return llvm::any_of(op->getResults(), [&](Value result) { return half.contains(result); });
}

} // namespace

bool isStored(Value value) {
  while (auto reshape = value.getDefiningOp<ReshapeOp>())
    value = reshape.getSource();
  Operation *op = value.getDefiningOp();
  if (!op)
    return isa<func::FuncOp>(value.getParentBlock()->getParentOp());
  return isa<GetOp>(op) || op->hasTrait<OpTrait::ConstantLike>();
}

bool Halves::isForward(Operation *op) const {
  Operation *outer = block ? block->findAncestorOpInBlock(*op) : nullptr;
  return outer && hasResultIn(outer, forward);
}

bool Halves::isBackward(Operation *op) const {
  Operation *outer = block ? block->findAncestorOpInBlock(*op) : nullptr;
  return outer && (isa<SetOp>(outer) || hasResultIn(outer, backward));
}

SmallVector<Value> Halves::kept() const {
  SmallVector<Value> values;
  if (!block)
    return values;
  llvm::DenseSet<Value> read;
  for (Operation &op : *block) {
    if (isa<SetOp>(op))
      read.insert(op.getOperand(0));
    for (OpResult result : op.getResults())
      if (backward.contains(result))
        for (Value source : sourcesOf(result).outside)
          read.insert(source);
  }
  for (Operation &op : *block)
    for (Value result : op.getResults())
      if (forward.contains(result) && read.contains(result) && !isStored(result))
        values.push_back(result);
  return values;
}

Halves halvesOf(func::FuncOp main) {
  Halves halves;
  Block &block = main.front();
  SmallVector<Value> loss, changes;
  for (Operation &op : block)
    if (isa<SetOp>(op))
      changes.push_back(op.getOperand(0));
  for (auto [i, value] : llvm::enumerate(block.getTerminator()->getOperands())) {
    auto name = main.getResultAttrOfType<StringAttr>(i, "gpt.output");
    if (name && name.getValue() == "loss")
      loss.push_back(value);
    if (main.getResultAttr(i, "gpt.gradient"))
      changes.push_back(value);
  }
  if (loss.empty() || changes.empty())
    return halves;
  halves.block = &block;
  addHalf(loss, block, {}, halves.forward);
  for (Value value : llvm::to_vector(halves.forward))
    for (Value inside : sourcesOf(cast<OpResult>(value)).inside)
      if (inside.getParentBlock() == &block)
        halves.forward.insert(inside);
  addHalf(changes, block, halves.forward, halves.backward);
  return halves;
}

} // namespace gptc::gpt
