#include "passes/grad/body_vjp.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace gptc::grad {
using namespace gpt;
namespace {

/// A cotangent that holds where `condition` is `sense` and is 0 elsewhere. The
/// choice is made as late as possible: `where(x > 0, log(x), 0)` then has the
/// derivative `where(x > 0, ct / x, 0)`, which is no NaN at 0.
struct Contribution {
  Value value, condition;
  bool sense = true;

  bool sameGuard(const Contribution &other) const {
    return condition == other.condition && sense == other.sense;
  }
};

class Reverse {
public:
  explicit Reverse(Scalars s) : s(s) {}

  void add(Value value, const Contribution &contribution) { pending[value].push_back(contribution); }

  /// All that reached `value`, as one; a null value where nothing did.
  Contribution take(Value value) {
    SmallVector<Contribution> terms = pending.lookup(value);
    if (terms.empty())
      return {};
    Contribution total = terms[0];
    for (const Contribution &term : ArrayRef(terms).drop_front()) {
      if (total.sameGuard(term))
        total.value = s.add(total.value, term.value);
      else if (total.condition && total.condition == term.condition)
        total = {
            s.select(total.condition, (total.sense ? total : term).value, (total.sense ? term : total).value),
            {}};
      else
        total = {s.add(plain(total), plain(term)), {}};
    }
    return total;
  }

  /// The cotangent with its choice made.
  Value plain(const Contribution &c) {
    if (!c.condition)
      return c.value;
    Value zero = s.constantLike(c.value, 0);
    return c.sense ? s.select(c.condition, c.value, zero) : s.select(c.condition, zero, c.value);
  }

  void passThroughSelect(arith::SelectOp op, const Contribution &c) {
    for (bool sense : {true, false}) {
      Value operand = sense ? op.getTrueValue() : op.getFalseValue();
      if (isConstant(operand))
        continue;
      if (!c.condition) {
        add(operand, {c.value, op.getCondition(), sense});
        continue;
      }
      Value outer = c.sense ? c.condition : s.negate(c.condition);
      Value inner = sense ? op.getCondition() : s.negate(op.getCondition());
      add(operand, {c.value, s.both(outer, inner), true});
    }
  }

  LogicalResult passThrough(Operation *op) {
    if (llvm::none_of(op->getResults(), [&](Value result) { return pending.contains(result); }) ||
        llvm::none_of(op->getOperandTypes(), [](Type type) { return isa<FloatType>(type); }))
      return success();
    auto rule = dyn_cast<ScalarVjpOpInterface>(op);
    if (auto select = dyn_cast<arith::SelectOp>(op)) {
      passThroughSelect(select, take(select));
      return success();
    }
    if (!rule || op->getNumResults() != 1)
      return op->emitError() << "no derivative is known for '" << op->getName() << "'";
    Contribution c = take(op->getResult(0));
    SmallVector<Value> partials = rule.buildScalarVjp(s.builder, c.value);
    for (auto [operand, partial] : llvm::zip_equal(op->getOperands(), partials))
      if (partial && !isConstant(operand))
        add(operand, {partial, c.condition, c.sense});
    return success();
  }

private:
  static bool isConstant(Value value) {
    Operation *definition = value.getDefiningOp();
    return definition && definition->hasTrait<OpTrait::ConstantLike>();
  }

  Scalars s;
  DenseMap<Value, SmallVector<Contribution>> pending;
};

} // namespace

BodyVjp::BodyVjp(Block &primal, Location loc) : loc(loc), builder(loc.getContext()) {
  IRMapping mapping;
  for (BlockArgument argument : primal.getArguments())
    mapping.map(argument, addArgument(argument.getType()));
  builder.setInsertionPointToEnd(&block);
  for (Operation &op : primal.without_terminator())
    builder.clone(op, mapping);
  for (Value value : primal.getTerminator()->getOperands())
    yields.push_back(mapping.lookup(value));
  cotangents.assign(block.getNumArguments(), Value());
}

LogicalResult BodyVjp::build(ArrayRef<Value> seeds) {
  SmallVector<Operation *> ops = llvm::map_to_vector(block, [](Operation &op) { return &op; });
  Reverse reverse(scalars());
  for (auto [value, seed] : llvm::zip_equal(yields, seeds))
    if (seed)
      reverse.add(value, {seed, {}});
  for (Operation *op : llvm::reverse(ops))
    if (failed(reverse.passThrough(op)))
      return failure();
  for (unsigned i = 0; i < cotangents.size(); ++i)
    if (Contribution c = reverse.take(block.getArgument(i)); c.value)
      cotangents[i] = reverse.plain(c);
  return success();
}

BodyVjp::Slice BodyVjp::slice(ArrayRef<Value> roots) {
  Slice slice;
  slice.arguments.assign(block.getNumArguments(), false);
  DenseSet<Operation *> needed;
  auto need = [&](Value value) {
    if (auto argument = dyn_cast<BlockArgument>(value))
      slice.arguments[argument.getArgNumber()] = true;
    else
      needed.insert(value.getDefiningOp());
  };
  llvm::for_each(roots, need);
  for (Operation &op : llvm::reverse(block)) {
    if (!needed.contains(&op))
      continue;
    slice.ops.push_back(&op);
    llvm::for_each(op.getOperands(), need);
  }
  std::reverse(slice.ops.begin(), slice.ops.end());
  return slice;
}

SmallVector<Value> BodyVjp::materialize(OpBuilder &to, const Slice &slice, ArrayRef<Value> roots,
                                        ValueRange arguments, ArrayRef<int64_t> dims) {
  IRMapping mapping;
  for (auto [from, argument] : llvm::zip_equal(block.getArguments(), arguments))
    if (argument)
      mapping.map(from, argument);
  for (Operation *op : slice.ops) {
    Operation *copy = to.clone(*op, mapping);
    if (dims.empty())
      continue;
    if (auto index = dyn_cast<IndexOp>(copy))
      index.setDim(dims[index.getDim()]);
    else if (auto extent = dyn_cast<ExtentOp>(copy))
      extent.setDim(dims[extent.getDim()]);
  }
  return llvm::map_to_vector(roots, [&](Value root) { return mapping.lookup(root); });
}

} // namespace gptc::grad
