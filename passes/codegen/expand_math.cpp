// gpt-expand-math: f32 functions as polynomials (scalars and vectors alike, so
// that bits agree); all others as scalar ops, which the library computes.
#include "passes/codegen/polynomials.h"
#include "passes/passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace gptc {
#define GEN_PASS_DEF_EXPANDMATHPASS
#include "passes/Passes.h.inc"

namespace {

/// Null where there is no polynomial for it.
Value expandF32(ImplicitLocOpBuilder &b, Operation *op, bool fma, bool avx512) {
  Polynomials p(b, op->getResult(0).getType(), fma, avx512);
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](math::ExpOp op) { return p.exp(op.getOperand()); })
      .Case([&](math::Exp2Op op) { return p.exp2(op.getOperand()); })
      .Case([&](math::ExpM1Op op) { return p.expm1(op.getOperand()); })
      .Case([&](math::LogOp op) { return p.log(op.getOperand()); })
      .Case([&](math::Log1pOp op) { return p.log1p(op.getOperand()); })
      .Case([&](math::TanhOp op) { return p.tanh(op.getOperand()); })
      .Case([&](math::ErfOp op) { return p.erf(op.getOperand()); })
      .Case([&](math::SinOp op) { return p.sin(op.getOperand()); })
      .Case([&](math::CosOp op) { return p.cos(op.getOperand()); })
      .Case([&](math::RsqrtOp op) { return p.rsqrt(op.getOperand()); })
      .Case([&](math::PowFOp op) { return p.pow(op.getLhs(), op.getRhs()); })
      .Default([](Operation *) { return Value(); });
}

/// LLVM has instructions for these, or short sequences, on scalars and vectors.
bool isNative(Operation *op) {
  return isa<math::AbsFOp, math::AbsIOp, math::CeilOp, math::FloorOp, math::RoundEvenOp, math::TruncOp, math::SqrtOp,
             math::CopySignOp, math::FmaOp, math::ClampFOp, math::CountLeadingZerosOp, math::CountTrailingZerosOp,
             math::CtPopOp, math::IsFiniteOp, math::IsInfOp, math::IsNaNOp, math::IsNormalOp>(op);
}

/// 1 / sqrt(x) in any type: both are exactly rounded everywhere.
Value expandRsqrt(ImplicitLocOpBuilder &b, math::RsqrtOp op) {
  Type type = op.getType();
  TypedAttr one = b.getFloatAttr(getElementTypeOrSelf(type), 1);
  if (auto vec = dyn_cast<VectorType>(type))
    one = DenseElementsAttr::get(vec, Attribute(one));
  return arith::DivFOp::create(b, arith::ConstantOp::create(b, one), math::SqrtOp::create(b, op.getOperand()));
}

/// The op lane by lane (vectors of rank 1).
Value unroll(ImplicitLocOpBuilder &b, Operation *op) {
  auto type = cast<VectorType>(op->getResult(0).getType());
  SmallVector<Value> lanes;
  for (int64_t i = 0; i < type.getNumElements(); ++i) {
    Operation *scalar = op->clone();
    for (OpOperand &operand : scalar->getOpOperands())
      operand.set(vector::ExtractOp::create(b, operand.get(), ArrayRef<int64_t>{i}));
    scalar->getResult(0).setType(type.getElementType());
    b.insert(scalar);
    lanes.push_back(scalar->getResult(0));
  }
  return vector::FromElementsOp::create(b, type, lanes);
}

struct ExpandMath : impl::ExpandMathPassBase<ExpandMath> {
  using ExpandMathPassBase::ExpandMathPassBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, LLVM::LLVMDialect, math::MathDialect, vector::VectorDialect>();
  }

  void runOnOperation() override {
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa<math::MathDialect>(op->getDialect()) && op->getNumResults() == 1 && !isNative(op))
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      ImplicitLocOpBuilder b(op->getLoc(), op);
      Type type = op->getResult(0).getType();
      Value value;
      if (getElementTypeOrSelf(type).isF32())
        value = expandF32(b, op, fma, avx512);
      else if (auto root = dyn_cast<math::RsqrtOp>(op))
        value = expandRsqrt(b, root);
      if (!value && isa<VectorType>(type))
        value = unroll(b, op);
      if (!value)
        continue;
      op->replaceAllUsesWith(ValueRange(value));
      op->erase();
    }
  }
};

} // namespace
} // namespace gptc
