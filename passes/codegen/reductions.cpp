#include "passes/codegen/reductions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace gptc {

Value neutralOf(ImplicitLocOpBuilder &b, gpt::ReductionKind kind, Type type) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr value = cast<TypedAttr>(b.getZeroAttr(element));
  if (kind == gpt::ReductionKind::max) {
    if (auto floating = dyn_cast<FloatType>(element))
      value = b.getFloatAttr(floating, APFloat::getInf(floating.getFloatSemantics(), /*Negative=*/true));
    else if (!element.isInteger(1))
      value = b.getIntegerAttr(element, APInt::getSignedMinValue(element.getIntOrFloatBitWidth()));
  }
  if (auto vec = dyn_cast<VectorType>(type))
    value = DenseElementsAttr::get(vec, value);
  return arith::ConstantOp::create(b, value);
}

Value combine(ImplicitLocOpBuilder &b, gpt::ReductionKind kind, Value lhs, Value rhs, Terms terms) {
  Type element = getElementTypeOrSelf(lhs.getType());
  bool floating = isa<FloatType>(element);
  if (kind == gpt::ReductionKind::sum)
    return floating ? arith::AddFOp::create(b, lhs, rhs).getResult() : arith::AddIOp::create(b, lhs, rhs).getResult();
  if (element.isInteger(1))
    return arith::OrIOp::create(b, lhs, rhs);
  if (floating && terms == Terms::Numbers)
    return arith::SelectOp::create(b, arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, rhs, lhs), rhs, lhs);
  return floating ? arith::MaximumFOp::create(b, lhs, rhs).getResult()
                  : arith::MaxSIOp::create(b, lhs, rhs).getResult();
}

Value combineTree(ImplicitLocOpBuilder &b, gpt::ReductionKind kind, ArrayRef<Value> values, Terms terms) {
  SmallVector<Value> level(values);
  while (level.size() > 1) {
    SmallVector<Value> next;
    for (size_t i = 0; i + 1 < level.size(); i += 2)
      next.push_back(combine(b, kind, level[i], level[i + 1], terms));
    if (level.size() % 2 != 0)
      next.push_back(level.back());
    level = std::move(next);
  }
  return level.front();
}

Value combineLanes(ImplicitLocOpBuilder &b, gpt::ReductionKind kind, Value vector, Terms terms) {
  int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
  while (lanes > 1) {
    lanes /= 2;
    Value low = vector::ExtractStridedSliceOp::create(b, vector, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{lanes},
                                                      ArrayRef<int64_t>{1});
    Value high = vector::ExtractStridedSliceOp::create(b, vector, ArrayRef<int64_t>{lanes},
                                                       ArrayRef<int64_t>{lanes}, ArrayRef<int64_t>{1});
    vector = combine(b, kind, low, high, terms);
  }
  return vector::ExtractOp::create(b, vector, ArrayRef<int64_t>{0});
}

} // namespace gptc
