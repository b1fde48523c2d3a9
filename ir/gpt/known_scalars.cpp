#include "ir/gpt/known_scalars.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;

namespace gptc::gpt {

/// -inf stays so, whatever is added, unless the sum is NaN.
static Known sum(const Known &a, const Known &b) {
  if (a && b)
    return *a + *b;
  if ((a && std::isinf(*a)) || (b && std::isinf(*b)))
    return a ? a : b;
  return {};
}

SmallVector<Known> followKnown(Block &body, ArrayRef<Known> arguments,
                               function_ref<Known(arith::CmpIOp)> compare) {
  DenseMap<Value, Known> scalars;
  for (auto [argument, known] : llvm::zip_equal(body.getArguments(), arguments))
    if (known)
      scalars[argument] = known;
  auto of = [&](Value value) { return scalars.lookup(value); };
  for (Operation &part : body.without_terminator()) {
    Known result;
    llvm::TypeSwitch<Operation *>(&part)
        .Case([&](arith::ConstantOp constant) {
          if (auto number = dyn_cast<FloatAttr>(constant.getValue()))
            result = number.getValueAsDouble();
          else if (auto integer = dyn_cast<IntegerAttr>(constant.getValue()))
            result = integer.getType().isInteger(1) ? double(!integer.getValue().isZero())
                                                    : double(integer.getValue().getSExtValue());
        })
        .Case([&](arith::CmpIOp op) { result = compare(op); })
        .Case([&](arith::SIToFPOp number) { result = of(number.getIn()); })
        .Case([&](arith::MulIOp mul) {
          if (isNumber(of(mul.getLhs()), 0) || isNumber(of(mul.getRhs()), 0))
            result = 0;
        })
        .Case([&](arith::AndIOp both) {
          Known a = of(both.getLhs()), b = of(both.getRhs());
          if (isNumber(a, 0) || isNumber(b, 0))
            result = 0;
          else if (isNumber(a, 1) && isNumber(b, 1))
            result = 1;
        })
        .Case([&](arith::OrIOp any) {
          Known a = of(any.getLhs()), b = of(any.getRhs());
          if (isNumber(a, 1) || isNumber(b, 1))
            result = 1;
          else if (isNumber(a, 0) && isNumber(b, 0))
            result = 0;
        })
        .Case([&](arith::XOrIOp differ) {
          Known a = of(differ.getLhs()), b = of(differ.getRhs());
          if (a && b)
            result = *a != *b;
        })
        .Case([&](arith::SelectOp select) {
          Known condition = of(select.getCondition());
          Known yes = of(select.getTrueValue()), no = of(select.getFalseValue());
          if (condition)
            result = *condition != 0 ? yes : no;
          else if (yes && no && *yes == *no)
            result = yes;
        })
        .Case([&](arith::AddFOp add) { result = sum(of(add.getLhs()), of(add.getRhs())); })
        .Case([&](arith::SubFOp sub) {
          Known b = of(sub.getRhs());
          result = sum(of(sub.getLhs()), b ? Known(-*b) : b);
        })
        .Case([&](arith::MulFOp mul) {
          Known a = of(mul.getLhs()), b = of(mul.getRhs());
          if (isNumber(a, 0) || isNumber(b, 0))
            result = 0;
          else if (a && b)
            result = *a * *b;
        })
        .Case([&](arith::DivFOp div) {
          Known a = of(div.getLhs()), b = of(div.getRhs());
          if (isNumber(a, 0))
            result = 0;
          else if (a && b)
            result = *a / *b;
        })
        .Case([&](arith::NegFOp negate) {
          if (Known a = of(negate.getOperand()))
            result = -*a;
        })
        .Case([&](arith::MaximumFOp highest) {
          Known a = of(highest.getLhs()), b = of(highest.getRhs());
          if (a && b)
            result = std::max(*a, *b);
        })
        .Case([&](math::ExpOp exp) {
          if (Known a = of(exp.getOperand()))
            result = std::exp(*a);
        })
        .Case([&](math::TanhOp tanh) {
          if (isNumber(of(tanh.getOperand()), 0))
            result = 0;
        })
        .Case([&](gpt::StopGradientOp stop) { result = of(stop.getValue()); });
    if (result && !std::isnan(*result) && part.getNumResults() == 1)
      scalars[part.getResult(0)] = result;
  }
  return llvm::map_to_vector(body.getTerminator()->getOperands(), of);
}

} // namespace gptc::gpt
