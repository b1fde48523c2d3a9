// The vjp of gpt.repeat: a gpt.repeat that runs the other way. It carries the
// cotangents of what the primal carries and one sum for each captured float
// value; it collects the cotangents of stacked operands. Values of the primal's
// body that it needs are computed again where that is cheap, or where a small part
// of the memory is enough for it; the others are collected in new stacks of the primal.
#include "ir/gpt/products.h"
#include "passes/grad/differentiate.h"
#include "passes/grad/tensors.h"
#include "passes/grad/vjp.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace gptc::grad {
using namespace gpt;
namespace {

class RepeatVjpBuilder {
public:
  RepeatVjpBuilder(RepeatOp op, OpBuilder &builder)
      : op(op), primal(op.getBlock()), outer(builder), loc(op.getLoc()), block(new Block) {}

  LogicalResult build(ArrayRef<Value> cotangents, function_ref<void(Value, Value)> accumulate) {
    OpBuilder inner(op.getContext());
    inner.setInsertionPointToEnd(block.get());
    copy = block->addArgument(op.getCopyArgument().getType(), loc);
    findCarried(cotangents);

    Cotangents reached;
    ValueRange yielded = op.getYield().getValues();
    unsigned numCarried = op.getInits().size();
    for (unsigned i : carried) {
      Value init = cotangents[i] ? cotangents[i] : zeros(op.getInits()[i].getType());
      reached.add(yielded[i], addCarried(init));
    }
    for (unsigned i = numCarried; i < yielded.size(); ++i)
      if (cotangents[i])
        reached.add(yielded[i], addSlice(cotangents[i]));
    if (failed(differentiate(*primal, inner, reached)))
      return failure();

    // What a copy hands to the one before it, then sums and slices.
    for (unsigned i : carried) {
      Value argument = op.getCarriedArguments()[i], next = reached.take(inner, argument);
      yields.push_back(next ? next : zeros(inner, argument.getType()));
    }
    SmallVector<unsigned> stackedReached;
    SmallVector<Value> slices;
    for (auto [i, slice] : llvm::enumerate(op.getSliceArguments()))
      if (Value cotangent = reached.take(inner, slice)) {
        stackedReached.push_back(i);
        slices.push_back(cotangent);
      }
    SmallVector<Value> captures;
    for (Value value : reached.values()) {
      if (value.getParentBlock() == primal)
        continue;
      Value part = reached.take(inner, value), total = addCarried(zeros(value.getType()));
      captures.push_back(value);
      yields.push_back(sum(inner, loc, {total, part}));
    }
    YieldOp::create(inner, loc, llvm::to_vector(llvm::concat<Value>(yields, slices)));
    removeDead(*block);
    providePrimalValues();

    SmallVector<Type> stackTypes;
    for (unsigned i : stackedReached)
      stackTypes.push_back(op.getStacked()[i].getType());
    SmallVector<Value> stackedOperands(op.getStacked());
    RepeatOp backward = finish(stackTypes);
    for (auto [k, i] : llvm::enumerate(carried))
      accumulate(op.getInits()[i], backward.getCarried()[k]);
    for (auto [k, i] : llvm::enumerate(stackedReached))
      accumulate(stackedOperands[i], backward.getStacks()[k]);
    for (auto [k, value] : llvm::enumerate(captures))
      accumulate(value, backward.getCarried()[carried.size() + k]);
    return success();
  }

private:
  Value zeros(Type type) { return zeros(outer, type); }
  Value zeros(OpBuilder &builder, Type type) { return splat(builder, loc, cast<RankedTensorType>(type), 0); }

  /// Carried arguments come before slices.
  Value addCarried(Value init) {
    inits.push_back(init);
    return block->insertArgument(inits.size(), init.getType(), loc);
  }
  Value addSlice(Value tensor) {
    for (auto [i, known] : llvm::enumerate(stacked))
      if (known == tensor)
        return block->getArgument(1 + inits.size() + i);
    stacked.push_back(tensor);
    return block->addArgument(RepeatOp::sliceType(cast<RankedTensorType>(tensor.getType())), loc);
  }

  /// The float carried values that can reach the objective: through the results,
  /// or through what another copy makes of them.
  void findCarried(ArrayRef<Value> cotangents) {
    ValueRange yielded = op.getYield().getValues();
    unsigned numCarried = op.getInits().size();
    SmallVector<bool> needed(yielded.size());
    for (unsigned i = 0; i < yielded.size(); ++i)
      needed[i] = static_cast<bool>(cotangents[i]);
    for (bool grew = true; grew;) {
      grew = false;
      DenseSet<Value> live;
      for (unsigned i = 0; i < yielded.size(); ++i)
        if (needed[i])
          live.insert(yielded[i]);
      for (Operation &part : llvm::reverse(primal->without_terminator()))
        if (llvm::any_of(part.getResults(), [&](Value result) { return live.contains(result); }))
          part.walk([&](Operation *nested) { live.insert(nested->operand_begin(), nested->operand_end()); });
      for (unsigned i = 0; i < numCarried; ++i)
        if (!needed[i] && isFloatTensor(op.getInits()[i].getType()) &&
            live.contains(op.getCarriedArguments()[i]))
          needed[i] = grew = true;
    }
    for (unsigned i = 0; i < numCarried; ++i)
      if (needed[i])
        carried.push_back(i);
  }

  //===-- Values of the primal's body ---------------------------------------===//

  /// Costs nothing to have in the backward body.
  bool isFree(Value value) {
    if (value.getParentBlock() != primal || value == op.getCopyArgument() ||
        llvm::is_contained(op.getSliceArguments(), value))
      return true;
    Operation *definition = value.getDefiningOp();
    return definition && definition->hasTrait<OpTrait::ConstantLike>();
  }

  /// One point of it is one scalar expression of the operands at that point, or it
  /// is a product that is much larger than its operands.
  static bool isCheap(Operation *definition) {
    if (auto generic = dyn_cast_or_null<GenericOp>(definition))
      return !generic.isReduction() || isLargeProduct(generic);
    return isa_and_nonnull<ReshapeOp>(definition);
  }

  static bool hasCostlyBody(Operation *definition) {
    auto generic = dyn_cast<GenericOp>(definition);
    return generic && llvm::any_of(*generic.getBlock(), [](Operation &scalar) { return isCostly(&scalar); });
  }

  /// Bytes that must be kept for `value` to be at hand, beside what is `needed`
  /// anyway: its own, or of a matrix of products what these are made from. Adds to `counted`.
  int64_t keptBytes(Value value, const llvm::SetVector<Value> &needed, llvm::SmallDenseSet<Value> &counted) {
    if (isFree(value) || needed.contains(value) || !counted.insert(value).second)
      return 0;
    int64_t own = byteSize(value.getType());
    if (!isLargeMatrix(value))
      return own;
    llvm::SmallDenseSet<Value> before = counted;
    int64_t sources = 0;
    for (Value operand : value.getDefiningOp()->getOperands())
      sources += keptBytes(operand, needed, counted);
    if (sources < own)
      return sources;
    counted = std::move(before);
    return own;
  }

  /// Which values are needed as they are (`kept`), and the ops, in order, that
  /// make the others from those again.
  void choose(llvm::SetVector<Value> &kept, SmallVectorImpl<Operation *> &again) {
    llvm::SetVector<Value> needed;
    block->walk([&](Operation *user) {
      for (Value operand : user->getOperands())
        if (operand.getParentBlock() == primal)
          needed.insert(operand);
    });
    for (Operation &part : llvm::reverse(primal->without_terminator())) {
      int64_t stored = 0, extra = 0;
      for (Value result : part.getResults())
        if (needed.contains(result))
          stored += byteSize(result.getType());
      if (stored == 0 || !isCheap(&part))
        continue;
      llvm::SmallDenseSet<Value> counted;
      for (Value operand : part.getOperands())
        extra += keptBytes(operand, needed, counted);
      // As many bytes either way: then less work.
      if (extra > stored || (extra == stored && hasCostlyBody(&part)))
        continue;
      again.push_back(&part);
      for (Value operand : part.getOperands())
        if (operand.getParentBlock() == primal)
          needed.insert(operand);
      for (Value result : part.getResults())
        needed.remove(result);
    }
    std::reverse(again.begin(), again.end());
    for (Value value : needed)
      kept.insert(value);
  }

  /// Replaces values of the primal's body in the backward one. May replace `op`.
  void providePrimalValues() {
    llvm::SetVector<Value> kept;
    SmallVector<Operation *> again;
    choose(kept, again);
    OpBuilder start(op.getContext());
    start.setInsertionPointToStart(block.get());
    IRMapping mapping;
    mapping.map(op.getCopyArgument(), copy);
    for (auto [slice, tensor] : llvm::zip_equal(op.getSliceArguments(), op.getStacked()))
      if (kept.contains(slice))
        mapping.map(slice, addSlice(tensor));

    RepeatChange change(op);
    SmallVector<std::pair<Value, unsigned>> stored; // a value and the result of the primal that has it
    unsigned numCarried = op.getInits().size(), numResults = op->getNumResults();
    for (Value value : kept) {
      if (mapping.contains(value))
        continue;
      if (isFree(value)) {
        start.clone(*value.getDefiningOp(), mapping);
        continue;
      }
      ValueRange stacks = op.getYield().getValues().drop_front(numCarried);
      auto place = llvm::find(stacks, value);
      if (place != stacks.end()) {
        stored.emplace_back(value, numCarried + (place - stacks.begin()));
        continue;
      }
      stored.emplace_back(value, numResults + change.collect.size());
      change.collect.push_back(value);
    }
    if (!change.collect.empty())
      op = changeRepeat(op, change);
    for (auto [value, result] : stored)
      mapping.map(value, addSlice(op->getResult(result)));
    for (Operation *part : again)
      start.clone(*part, mapping);
    block->walk([&](Operation *user) {
      for (OpOperand &operand : user->getOpOperands())
        if (Value replacement = mapping.lookupOrNull(operand.get()))
          operand.set(replacement);
    });
  }

  RepeatOp finish(ArrayRef<Type> stackTypes) {
    SmallVector<Type> carriedTypes = llvm::map_to_vector(inits, [](Value value) { return value.getType(); });
    UnitAttr reverse = op.getReverse() ? UnitAttr() : outer.getUnitAttr();
    auto backward =
        RepeatOp::create(outer, loc, carriedTypes, stackTypes, inits, stacked, op.getCountAttr(), reverse);
    backward.getBody().push_back(block.release());
    return backward;
  }

  RepeatOp op;
  Block *primal;
  OpBuilder &outer;
  Location loc;
  std::unique_ptr<Block> block; // the backward body, until `finish`
  Value copy;
  SmallVector<unsigned> carried;     // which carried values of `op` have cotangents
  SmallVector<Value> inits, stacked; // operands of the backward repeat
  SmallVector<Value> yields;         // its next carried values
};

struct RepeatVjp : VjpOpInterface::ExternalModel<RepeatVjp, RepeatOp> {
  LogicalResult buildVjp(Operation *op, OpBuilder &builder, ArrayRef<Value> cotangents,
                         function_ref<void(Value, Value)> accumulate) const {
    return RepeatVjpBuilder(cast<RepeatOp>(op), builder).build(cotangents, accumulate);
  }
};

} // namespace

void registerRepeatVjp(DialectRegistry &registry) {
  registry.addExtension(
      +[](MLIRContext *context, GptDialect *) { RepeatOp::attachInterface<RepeatVjp>(*context); });
}

} // namespace gptc::grad
