#include "passes/codegen/panel_elements.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace gptc {

Value PanelElements::at(Value from, const gpt::Length &half, bool single, function_ref<Value(Value)> load) {
  Value first = load(from);
  if (mode != Bf16::Dot)
    return rounded(first);
  Value second = single ? arith::ConstantOp::create(l.b, l.b.getZeroAttr(first.getType())).getResult()
                        : load(l.add(from, half));
  if (auto type = dyn_cast<VectorType>(first.getType()))
    return joined(first, second, type);
  Value high = arith::ShLIOp::create(l.b, bits(second), constant(bits(second).getType(), 16));
  return arith::OrIOp::create(l.b, bits(first), high);
}

/// Registers of first and of second elements become one of pairs: rounded by one instruction, then interleaved.
Value PanelElements::joined(Value first, Value second, VectorType type) {
  int64_t lanes = type.getNumElements();
  SmallVector<int64_t> order;
  for (int64_t lane = 0; lane < lanes; ++lane)
    order.append({lane, lanes + lane});
  Value both;
  if (type.getElementType().isF32() && (lanes == 16 || lanes == 8)) {
    StringAttr name = l.b.getStringAttr("llvm.x86.avx512bf16.cvtne2ps2bf16." + Twine(32 * lanes));
    Value operands[] = {second, first}; // the low half comes last
    Type type = VectorType::get({2 * lanes}, l.b.getBF16Type());
    Value rounded = LLVM::CallIntrinsicOp::create(l.b, type, name, ValueRange(operands)).getResult(0);
    both = vector::ShuffleOp::create(l.b, rounded, rounded, order);
  } else {
    both = vector::ShuffleOp::create(l.b, truncated(first), truncated(second), order);
  }
  return vector::BitCastOp::create(l.b, VectorType::get({lanes}, l.b.getI32Type()), both);
}

Value PanelElements::pairsOf(Value vector) {
  auto type = cast<VectorType>(vector.getType());
  auto paired = VectorType::get({type.getNumElements() / 2}, l.b.getI32Type());
  return vector::BitCastOp::create(l.b, paired, truncated(vector));
}

Value PanelElements::pairAt(Value memref, Value index) {
  return vector::ExtractOp::create(l.b, pairsOf(l.loadVector(memref, index, 2)), ArrayRef<int64_t>{0});
}

Value PanelElements::rounded(Value value) {
  if (mode == Bf16::Off)
    return value;
  Type type = value.getType(), words = like(type, l.b.getI32Type());
  Value all = arith::BitcastOp::create(l.b, words, value);
  Value odd =
      arith::AndIOp::create(l.b, arith::ShRUIOp::create(l.b, all, constant(words, 16)), constant(words, 1));
  Value up = arith::AddIOp::create(l.b, all, arith::AddIOp::create(l.b, odd, constant(words, 0x7FFF)));
  Value kept = arith::AndIOp::create(l.b, up, constant(words, -0x10000));
  Value number = arith::CmpFOp::create(l.b, arith::CmpFPredicate::ORD, value, value);
  return arith::SelectOp::create(l.b, number, arith::BitcastOp::create(l.b, type, kept), value);
}

Value PanelElements::multiplyAdd(Value row, Value column, Value sum, bool fma) {
  if (mode == Bf16::Dot) {
    int64_t lanes = cast<VectorType>(sum.getType()).getNumElements();
    auto type = VectorType::get({2 * lanes}, l.b.getBF16Type());
    Value operands[] = {sum, vector::BitCastOp::create(l.b, type, row),
                        vector::BitCastOp::create(l.b, type, column)};
    return LLVM::CallIntrinsicOp::create(l.b, sum.getType(),
                                         l.b.getStringAttr("llvm.x86.avx512bf16.dpbf16ps.512"),
                                         ValueRange(operands))
        .getResult(0);
  }
  if (fma)
    return vector::FMAOp::create(l.b, row, column, sum);
  return arith::AddFOp::create(l.b, sum, arith::MulFOp::create(l.b, row, column));
}

Type PanelElements::like(Type type, Type element) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? Type(VectorType::get(vector.getShape(), element)) : element;
}

Value PanelElements::truncated(Value value) {
  if (getElementTypeOrSelf(value.getType()).isBF16())
    return value;
  return arith::TruncFOp::create(l.b, like(value.getType(), l.b.getBF16Type()), value);
}

/// bf16 in the low half of 32 bits.
Value PanelElements::bits(Value scalar) {
  Value narrow = arith::BitcastOp::create(l.b, l.b.getI16Type(), truncated(scalar));
  return arith::ExtUIOp::create(l.b, l.b.getI32Type(), narrow);
}

Value PanelElements::constant(Type type, int64_t value) {
  TypedAttr one = l.b.getI32IntegerAttr(value);
  if (auto vector = dyn_cast<VectorType>(type))
    one = DenseElementsAttr::get(vector, Attribute(one));
  return arith::ConstantOp::create(l.b, one);
}

} // namespace gptc
