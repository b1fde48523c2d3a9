// Local derivatives of the scalar ops that bodies hold. Where a function has
// no derivative: abs at 0 and max(x, constant) at the constant have 0 (so relu
// has 0 at 0), other ties of a maximum go half to each side, steps (floor,
// random) have 0. A singular derivative times a cotangent of 0 is 0, so that
// what a mask has ruled out does not come back as NaN. arith.select is where
// body_vjp.cpp begins.
#include "passes/grad/scalar.h"
#include "passes/grad/vjp.h"

#include <cmath>

using namespace mlir;

namespace gptc::grad {
namespace {

using Cotangents = SmallVector<Value>;
using arith::CmpFPredicate;

/// `partial`, which is singular somewhere, where there is a cotangent; else 0.
Value unlessZero(Scalars s, Value ct, Value partial) {
  Value zero = s.constantLike(ct, 0);
  return s.select(s.compare(CmpFPredicate::OEQ, ct, zero), zero, partial);
}

//===-- arith ------------------------------------------------------------------===//

Cotangents vjp(Scalars s, arith::AddFOp op, Value ct) {
  return {ct, ct};
}
Cotangents vjp(Scalars s, arith::SubFOp op, Value ct) {
  return {ct, s.neg(ct)};
}
Cotangents vjp(Scalars s, arith::NegFOp op, Value ct) {
  return {s.neg(ct)};
}
Cotangents vjp(Scalars s, arith::MulFOp op, Value ct) {
  return {s.mul(ct, op.getRhs()), s.mul(ct, op.getLhs())};
}

Cotangents vjp(Scalars s, arith::DivFOp op, Value ct) {
  Value left = s.div(ct, op.getRhs());
  return {left, s.neg(s.mul(left, op.getResult()))};
}

Cotangents vjp(Scalars s, arith::RemFOp op, Value ct) {
  Value whole = s.unary<math::TruncOp>(s.div(op.getLhs(), op.getRhs()));
  return {ct, s.neg(s.mul(ct, whole))};
}

/// The cotangent of the winner; of a tie as the head of this file says.
template <typename Op> Cotangents extremum(Scalars s, Op op, Value ct, CmpFPredicate wins) {
  Value zero = s.constantLike(ct, 0);
  bool constant = constantValue(op.getLhs()) || constantValue(op.getRhs());
  Value tie = constant ? zero : s.mul(ct, 0.5);
  auto side = [&](Value mine, Value other) {
    Value lost = s.compare(wins, other, mine);
    Value otherwise = constant ? zero : s.select(lost, zero, tie);
    return s.select(s.compare(wins, mine, other), ct, otherwise);
  };
  return {side(op.getLhs(), op.getRhs()), side(op.getRhs(), op.getLhs())};
}
Cotangents vjp(Scalars s, arith::MaximumFOp op, Value ct) {
  return extremum(s, op, ct, CmpFPredicate::OGT);
}
Cotangents vjp(Scalars s, arith::MaxNumFOp op, Value ct) {
  return extremum(s, op, ct, CmpFPredicate::OGT);
}
Cotangents vjp(Scalars s, arith::MinimumFOp op, Value ct) {
  return extremum(s, op, ct, CmpFPredicate::OLT);
}
Cotangents vjp(Scalars s, arith::MinNumFOp op, Value ct) {
  return extremum(s, op, ct, CmpFPredicate::OLT);
}

Cotangents vjp(Scalars s, arith::ExtFOp op, Value ct) {
  return {s.cast(ct, op.getIn().getType())};
}
Cotangents vjp(Scalars s, arith::TruncFOp op, Value ct) {
  return {s.cast(ct, op.getIn().getType())};
}

//===-- math: exponentials, logarithms, powers ------------------------------------===//

Cotangents vjp(Scalars s, math::ExpOp op, Value ct) {
  return {s.mul(ct, op.getResult())};
}
Cotangents vjp(Scalars s, math::Exp2Op op, Value ct) {
  return {s.mul(s.mul(ct, op.getResult()), std::log(2.0))};
}
Cotangents vjp(Scalars s, math::ExpM1Op op, Value ct) {
  return {s.mul(ct, s.add(op.getResult(), s.constantLike(ct, 1)))};
}

/// log to some base, whose natural logarithm is given.
Cotangents logarithm(Scalars s, Value x, Value ct, double base) {
  return {unlessZero(s, ct, s.div(s.mul(ct, 1 / base), x))};
}
Cotangents vjp(Scalars s, math::LogOp op, Value ct) {
  return logarithm(s, op.getOperand(), ct, 1);
}
Cotangents vjp(Scalars s, math::Log2Op op, Value ct) {
  return logarithm(s, op.getOperand(), ct, std::log(2.0));
}
Cotangents vjp(Scalars s, math::Log1pOp op, Value ct) {
  return logarithm(s, s.add(op.getOperand(), s.constantLike(ct, 1)), ct, 1);
}

Cotangents vjp(Scalars s, math::SqrtOp op, Value ct) {
  return {unlessZero(s, ct, s.div(s.mul(ct, 0.5), op.getResult()))};
}
Cotangents vjp(Scalars s, math::RsqrtOp op, Value ct) {
  Value y = op.getResult();
  // In this order nothing overflows but the result.
  return {unlessZero(s, ct, s.mul(s.mul(s.mul(ct, -0.5), y), s.mul(y, y)))};
}
Cotangents vjp(Scalars s, math::PowFOp op, Value ct) {
  Value x = op.getLhs(), n = op.getRhs(), zero = s.constantLike(ct, 0), one = s.constantLike(ct, 1);
  std::optional<double> exponent = constantValue(n);
  Cotangents cotangents(2);
  if (exponent && *exponent == 2) {
    cotangents[0] = s.mul(ct, s.mul(x, 2.0));
  } else if (exponent && *exponent == 1) {
    cotangents[0] = ct;
  } else if (!exponent || *exponent != 0) {
    Value lower = math::PowFOp::create(s.builder, s.loc, x, s.sub(n, one));
    // x^0 is 1 everywhere, also at x = 0.
    Value slope = s.select(s.compare(CmpFPredicate::OEQ, n, zero), zero, s.mul(n, lower));
    cotangents[0] = unlessZero(s, ct, s.mul(ct, slope));
  }
  if (exponent)
    return cotangents;
  // 0^n stays 0 as n moves; the logarithm of a negative base has no meaning.
  Value positive = s.compare(CmpFPredicate::OGT, x, zero);
  Value log = s.unary<math::LogOp>(s.select(positive, x, one));
  cotangents[1] = s.mul(ct, s.mul(op.getResult(), log));
  return cotangents;
}

Cotangents vjp(Scalars s, math::FmaOp op, Value ct) {
  return {s.mul(ct, op.getB()), s.mul(ct, op.getA()), ct};
}

//===-- math: circles and curves ---------------------------------------------------===//

Cotangents vjp(Scalars s, math::SinOp op, Value ct) {
  return {s.mul(ct, s.unary<math::CosOp>(op.getOperand()))};
}
Cotangents vjp(Scalars s, math::CosOp op, Value ct) {
  return {s.neg(s.mul(ct, s.unary<math::SinOp>(op.getOperand())))};
}
Cotangents vjp(Scalars s, math::TanhOp op, Value ct) {
  Value square = s.mul(op.getResult(), op.getResult());
  return {s.mul(ct, s.sub(s.constantLike(ct, 1), square))};
}

Cotangents vjp(Scalars s, math::ErfOp op, Value ct) {
  Value x = op.getOperand(), bell = s.unary<math::ExpOp>(s.neg(s.mul(x, x)));
  return {s.mul(ct, s.mul(bell, 2 / std::sqrt(M_PI)))};
}

Cotangents vjp(Scalars s, math::AbsFOp op, Value ct) {
  Value x = op.getOperand(), zero = s.constantLike(ct, 0);
  Value below = s.select(s.compare(CmpFPredicate::OLT, x, zero), s.neg(ct), zero);
  return {s.select(s.compare(CmpFPredicate::OGT, x, zero), ct, below)};
}

Cotangents vjp(Scalars s, math::CopySignOp op, Value ct) {
  Value x = op.getLhs(), zero = s.constantLike(ct, 0);
  Value flipped = s.compare(CmpFPredicate::ONE, x, op.getResult());
  Value moved = s.select(flipped, s.neg(ct), ct);
  return {s.select(s.compare(CmpFPredicate::OEQ, x, zero), zero, moved), Value()};
}

//===-- Flat everywhere -----------------------------------------------------------===//

Cotangents vjp(Scalars, math::FloorOp, Value) {
  return {Value()};
}
Cotangents vjp(Scalars, math::CeilOp, Value) {
  return {Value()};
}
Cotangents vjp(Scalars, math::RoundOp, Value) {
  return {Value()};
}
Cotangents vjp(Scalars, math::RoundEvenOp, Value) {
  return {Value()};
}
Cotangents vjp(Scalars, math::TruncOp, Value) {
  return {Value()};
}
Cotangents vjp(Scalars, gpt::StopGradientOp, Value) {
  return {Value()};
}

//===-- Registration ----------------------------------------------------------------===//

template <typename Op> struct Model : gpt::ScalarVjpOpInterface::ExternalModel<Model<Op>, Op> {
  SmallVector<Value> buildScalarVjp(Operation *op, OpBuilder &builder, Value cotangent) const {
    return vjp(Scalars{builder, op->getLoc()}, cast<Op>(op), cotangent);
  }
};

template <typename... Ops> void attach(MLIRContext *context) {
  (Ops::template attachInterface<Model<Ops>>(*context), ...);
}

} // namespace

void registerScalarVjps(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, arith::ArithDialect *) {
    attach<arith::AddFOp, arith::SubFOp, arith::NegFOp, arith::MulFOp, arith::DivFOp, arith::RemFOp,
           arith::MaximumFOp, arith::MaxNumFOp, arith::MinimumFOp, arith::MinNumFOp, arith::ExtFOp,
           arith::TruncFOp>(context);
  });
  registry.addExtension(+[](MLIRContext *context, math::MathDialect *) {
    attach<math::ExpOp, math::Exp2Op, math::ExpM1Op, math::LogOp, math::Log2Op, math::Log1pOp, math::SqrtOp,
           math::RsqrtOp, math::PowFOp, math::FmaOp, math::SinOp, math::CosOp, math::TanhOp, math::ErfOp,
           math::AbsFOp, math::CopySignOp>(context);
    attach<math::FloorOp, math::CeilOp, math::RoundOp, math::RoundEvenOp, math::TruncOp>(context);
  });
  registry.addExtension(
      +[](MLIRContext *context, gpt::GptDialect *) { attach<gpt::StopGradientOp>(context); });
}

} // namespace gptc::grad
