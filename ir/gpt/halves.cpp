#include "ir/gpt/halves.h"

#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace gptc::gpt {
namespace {

llvm::SetVector<Value> sourcesOf(OpResult value);

/// Adds those of `operands` that the block's result `number` is computed from; its arguments stand for them.
void addSources(Block &block, unsigned number, ValueRange operands, llvm::SetVector<Value> &sources) {
  llvm::SetVector<Value> inside;
  inside.insert(block.getTerminator()->getOperand(number));
  for (unsigned i = 0; i < inside.size(); ++i) { // which grows
    if (auto argument = dyn_cast<BlockArgument>(inside[i])) {
      sources.insert(operands[argument.getArgNumber()]);
      continue;
    }
    llvm::SetVector<Value> more = sourcesOf(cast<OpResult>(inside[i]));
    inside.insert(more.begin(), more.end());
  }
}

/// What a value is computed from, bodies included: of what has several results, only what this one needs.
llvm::SetVector<Value> sourcesOf(OpResult value) {
  llvm::SetVector<Value> sources;
  Operation *op = value.getOwner();
  auto launch = dyn_cast<LaunchOp>(op);
  auto kernel = launch ? SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, launch.getKernelAttr()) : nullptr;
  auto generic = dyn_cast<GenericOp>(op);
  if (kernel && !kernel.isExternal()) {
    addSources(kernel.front(), value.getResultNumber(), launch.getInputs(), sources);
  } else if (generic && generic->getNumResults() > 1) {
    addSources(*generic.getBlock(), value.getResultNumber(), generic->getOperands(), sources);
    sources.insert(generic.getIndices().begin(), generic.getIndices().end());
  } else {
    sources.insert(op->operand_begin(), op->operand_end());
    visitUsedValuesDefinedAbove(op->getRegions(), [&](OpOperand *operand) { sources.insert(operand->get()); });
  }
  return sources;
}

void addHalf(SmallVector<Value> work, Block &block, const llvm::DenseSet<Value> &other,
                llvm::DenseSet<Value> &into) {
  while (!work.empty()) {
    auto value = dyn_cast<OpResult>(work.pop_back_val());
    if (!value || value.getOwner()->getBlock() != &block || other.contains(value) || !into.insert(value).second)
      continue;
    llvm::SetVector<Value> sources = sourcesOf(value);
    work.append(sources.begin(), sources.end());
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
        for (Value source : sourcesOf(result))
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
  addHalf(changes, block, halves.forward, halves.backward);
  // What the same ops make of the same values beside it, as the stacks of a repeat.
  for (Operation &op : block) {
    if (!hasResultIn(&op, halves.forward))
      continue;
    for (OpResult result : op.getResults())
      if (halves.backward.contains(result) && llvm::all_of(sourcesOf(result), [&](Value source) {
            return isStored(source) || halves.forward.contains(source);
          })) {
        halves.backward.erase(result);
        halves.forward.insert(result);
      }
  }
  return halves;
}

} // namespace gptc::gpt
