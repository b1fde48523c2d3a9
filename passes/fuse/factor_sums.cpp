#include "passes/fuse/factor_sums.h"

#include "ir/gpt/products.h"
#include "passes/fuse/space.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc::fuse {
namespace {

/// One sum and what leaves it.
class Factoring {
public:
  explicit Factoring(GenericOp op) : op(op), body(*op.getBlock()), yield(op.getYield()) {
    unsigned first = op.getNumParallel(), last = op.getNumDims();
    for (auto [i, argument] : llvm::enumerate(body.getArguments()))
      if (llvm::none_of(llvm::seq(first, last), [&](unsigned d) { return op.getMap(i).isFunctionOfDim(d); }))
        shared.insert(argument);
    for (Operation &part : body.without_terminator()) {
      auto index = dyn_cast<IndexOp>(part);
      bool isShared = index ? index.getDim() < first
                            : !isa<RandomOp, ExtentOp>(part) && llvm::all_of(part.getOperands(), [&](Value operand) {
                                return shared.contains(operand);
                              });
      if (isShared)
        shared.insert(part.result_begin(), part.result_end());
    }
  }

  void run() {
    Value term = yield.getValues()[0];
    Value rest = strip(term);
    if (steps.empty())
      return;
    OpBuilder builder(op);
    // The sum of what is left.
    auto sum = cast<GenericOp>(builder.clone(*op));
    IRMapping inside;
    for (auto [before, after] : llvm::zip(body.getArguments(), sum.getBlock()->getArguments()))
      inside.map(before, after);
    for (auto [before, after] : llvm::zip(body, *sum.getBlock()))
      inside.map(before.getResults(), after.getResults());
    sum.getYield()->setOperand(0, inside.lookup(rest));
    StructuredOp::get(sum).dropUnused();
    op->getResult(0).replaceAllUsesWith(multiply(builder, sum.getResult(0)));
    op.erase();
  }

private:
  struct Step {
    enum Kind { Times, Negate, Double, Choose, IfNotZero } kind;
    Value value = {};  // the factor, or the condition
    bool otherwise = false; // of Choose: 0 where the condition holds
  };

  GenericOp op;
  Block &body;
  YieldOp yield;
  llvm::DenseSet<Value> shared; ///< the same for all terms
  SmallVector<Step> steps;      ///< from the outside in

  static bool isZero(Value value) { return matchPattern(value, m_AnyZeroFloat()); }

  /// What is left of a term; `until` is taken as it is.
  Value strip(Value term, Value until = {}) {
    while (term != until) {
      if (auto product = term.getDefiningOp<arith::MulFOp>()) {
        bool left = shared.contains(product.getLhs()), right = shared.contains(product.getRhs());
        if (left == right)
          break;
        steps.push_back({Step::Times, left ? product.getLhs() : product.getRhs()});
        term = left ? product.getRhs() : product.getLhs();
      } else if (auto negated = term.getDefiningOp<arith::NegFOp>()) {
        steps.push_back({Step::Negate});
        term = negated.getOperand();
      } else if (auto total = term.getDefiningOp<arith::AddFOp>(); total && total.getLhs() == total.getRhs()) {
        steps.push_back({Step::Double});
        term = total.getLhs();
      } else if (auto choice = term.getDefiningOp<arith::SelectOp>()) {
        Value next = stripChoice(choice);
        if (!next)
          break;
        term = next;
      } else {
        break;
      }
    }
    return term;
  }

  Value stripChoice(arith::SelectOp choice) {
    bool zeroFirst = isZero(choice.getTrueValue());
    if (zeroFirst == isZero(choice.getFalseValue()))
      return {};
    Value other = zeroFirst ? choice.getFalseValue() : choice.getTrueValue();
    if (shared.contains(choice.getCondition())) {
      steps.push_back({Step::Choose, choice.getCondition(), zeroFirst});
      return other;
    }
    // x == 0 ? 0 : x * factor, so that no infinite factor is asked for: the same of the sum.
    auto compared = choice.getCondition().getDefiningOp<arith::CmpFOp>();
    if (!zeroFirst || !compared || compared.getPredicate() != arith::CmpFPredicate::OEQ ||
        !isZero(compared.getRhs()))
      return {};
    size_t before = steps.size();
    steps.push_back({Step::IfNotZero});
    if (strip(other, compared.getLhs()) == compared.getLhs())
      return compared.getLhs();
    steps.resize(before);
    return {};
  }

  /// The map over the sums that applies the steps, from the inside out.
  Value multiply(OpBuilder &builder, Value sum) {
    MLIRContext *context = op.getContext();
    llvm::SetVector<Value> needed; // of the body, operands first
    for (const Step &step : steps)
      if (step.value)
        need(step.value, needed);
    unsigned rank = op.getNumParallel();
    SmallVector<Value> inputs = {sum};
    SmallVector<AffineMap> maps = {AffineMap::getMultiDimIdentityMap(rank, context)};
    SmallVector<BlockArgument> arguments;
    for (Value value : needed)
      if (auto argument = dyn_cast<BlockArgument>(value)) {
        arguments.push_back(argument);
        inputs.push_back(op->getOperand(argument.getArgNumber()));
        maps.push_back(AffineMap::get(rank, 0, op.getMap(argument.getArgNumber()).getResults(), context));
      }
    ArrayRef<DimAttr> dims = op.getDims().getDims().take_front(rank);
    auto apply = [&](OpBuilder &b, Location, ValueRange values) -> SmallVector<Value> {
      Location loc = yield.getLoc();
      IRMapping mapping;
      for (auto [argument, value] : llvm::zip(arguments, values.drop_front()))
        mapping.map(argument, value);
      for (Value value : needed)
        if (Operation *part = value.getDefiningOp())
          b.clone(*part, mapping);
      Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(values[0].getType()));

      Value total = values[0];
      for (const Step &step : llvm::reverse(steps)) {
        Value value = step.value ? mapping.lookup(step.value) : Value();
        switch (step.kind) {
        case Step::Times:
          total = arith::MulFOp::create(b, loc, total, value);
          break;
        case Step::Negate:
          total = arith::NegFOp::create(b, loc, total);
          break;
        case Step::Double:
          total = arith::AddFOp::create(b, loc, total, total);
          break;
        case Step::Choose:
          total = step.otherwise ? arith::SelectOp::create(b, loc, value, zero, total)
                                 : arith::SelectOp::create(b, loc, value, total, zero);
          break;
        case Step::IfNotZero: {
          Value isZero = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, values[0], zero);
          total = arith::SelectOp::create(b, loc, isZero, zero, total);
          break;
        }
        }
      }
      return {total};
    };
    auto map = GenericOp::create(builder, op.getLoc(), DimsAttr::get(context, dims), rank, std::nullopt, ValueRange(),
                                 inputs, maps, apply);
    return map->getResult(0);
  }

  static void need(Value value, llvm::SetVector<Value> &needed) {
    if (needed.contains(value))
      return;
    if (Operation *part = value.getDefiningOp())
      for (Value operand : part->getOperands())
        need(operand, needed);
    needed.insert(value);
  }
};

} // namespace

void factorSums(Block &block) {
  for (auto op : llvm::make_early_inc_range(block.getOps<GenericOp>()))
    if (op.getReduction() == ReductionKind::sum && op.getNumParallel() > 0 && op.getIndices().empty() &&
        isa<FloatType>(getElementTypeOrSelf(op->getResult(0).getType())) && readsRows(op) && !isContraction(op) &&
        llvm::none_of(op.getInputs(), [](Value input) { return isLargeMatrix(input); })) // row blocks have no such maps
      Factoring(op).run();
}

} // namespace gptc::fuse
