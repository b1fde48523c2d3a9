// rt-expand-random: counter-based random numbers as integer arithmetic. The
// function is ir/gpt/random.h, built here out of ops instead of numbers.
#include "ir/gpt/random.h"
#include "ir/rt/rt.h"
#include "passes/passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace gptc {
#define GEN_PASS_DEF_EXPANDRANDOMPASS
#include "passes/Passes.h.inc"

namespace {

/// 32-bit words that are ops; a vector where one operand is.
struct Word {
  ImplicitLocOpBuilder *b;
  Value value;

  Word constant(uint32_t number) const {
    Type type = value.getType();
    TypedAttr attribute = b->getI32IntegerAttr(static_cast<int32_t>(number));
    if (auto vec = dyn_cast<VectorType>(type))
      attribute = DenseElementsAttr::get(vec, Attribute(attribute));
    return {b, arith::ConstantOp::create(*b, attribute)};
  }
};

Word operator^(Word lhs, Word rhs) {
  auto left = dyn_cast<VectorType>(lhs.value.getType()), right = dyn_cast<VectorType>(rhs.value.getType());
  if (left && !right)
    rhs.value = vector::BroadcastOp::create(*lhs.b, left, rhs.value);
  if (right && !left)
    lhs.value = vector::BroadcastOp::create(*lhs.b, right, lhs.value);
  return {lhs.b, arith::XOrIOp::create(*lhs.b, lhs.value, rhs.value)};
}
Word operator*(Word lhs, uint32_t rhs) {
  return {lhs.b, arith::MulIOp::create(*lhs.b, lhs.value, lhs.constant(rhs).value)};
}
Word operator>>(Word lhs, unsigned rhs) {
  return {lhs.b, arith::ShRUIOp::create(*lhs.b, lhs.value, lhs.constant(rhs).value)};
}

void expand(rt::RandomOp op) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  uint32_t site = gpt::random::begin(static_cast<uint32_t>(op.getSiteAttr().getInt()));
  Word state{&b, arith::ConstantOp::create(b, b.getI32IntegerAttr(static_cast<int32_t>(site)))};
  for (Value key : op.getKeys())
    state = gpt::random::mix<Word>(state, Word{&b, key});
  state = state >> gpt::random::dropBits;
  Type type = op.getType();
  if (isa<VectorType>(type) && !isa<VectorType>(state.value.getType()))
    state.value = vector::BroadcastOp::create(b, VectorType::get(cast<VectorType>(type).getShape(), b.getI32Type()),
                                              state.value);
  Value number = arith::SIToFPOp::create(b, type, state.value);
  auto element = cast<FloatType>(getElementTypeOrSelf(type));
  TypedAttr scale = b.getFloatAttr(element, gpt::random::scale);
  if (auto vec = dyn_cast<VectorType>(type))
    scale = DenseElementsAttr::get(vec, Attribute(scale));
  number = arith::MulFOp::create(b, number, arith::ConstantOp::create(b, scale));
  op.replaceAllUsesWith(number);
  op.erase();
}

struct ExpandRandom : impl::ExpandRandomPassBase<ExpandRandom> {
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, vector::VectorDialect>();
  }

  void runOnOperation() override {
    SmallVector<rt::RandomOp> ops;
    getOperation().walk([&](rt::RandomOp op) { ops.push_back(op); });
    for (rt::RandomOp op : ops)
      expand(op);
  }
};

} // namespace
} // namespace gptc
