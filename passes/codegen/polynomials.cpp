#include "passes/codegen/polynomials.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace gptc {

//===-- Arithmetic -------------------------------------------------------------===//

Type Polynomials::typeOf(Type element) {
  auto vec = dyn_cast<VectorType>(type);
  return vec ? Type(VectorType::get(vec.getShape(), element)) : element;
}

static TypedAttr splat(Type type, TypedAttr value) {
  auto vec = dyn_cast<VectorType>(type);
  return vec ? TypedAttr(DenseElementsAttr::get(vec, Attribute(value))) : value;
}

Value Polynomials::constant(double value) {
  return arith::ConstantOp::create(b, splat(type, b.getF32FloatAttr(static_cast<float>(value))));
}

Value Polynomials::integer(int32_t value) {
  return arith::ConstantOp::create(b, splat(typeOf(b.getI32Type()), b.getI32IntegerAttr(value)));
}

Value Polynomials::add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
Value Polynomials::sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
Value Polynomials::mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
Value Polynomials::div(Value x, Value y) { return arith::DivFOp::create(b, x, y); }

Value Polynomials::fma(Value x, Value y, Value z) {
  return useFma ? math::FmaOp::create(b, x, y, z).getResult() : add(mul(x, y), z);
}

Value Polynomials::horner(Value x, ArrayRef<double> coefficients) {
  Value sum = constant(coefficients.front());
  for (double coefficient : coefficients.drop_front())
    sum = fma(sum, x, constant(coefficient));
  return sum;
}

Value Polynomials::select(Value condition, Value x, Value y) { return arith::SelectOp::create(b, condition, x, y); }
Value Polynomials::less(Value x, Value y) {
  return arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, y);
}
Value Polynomials::equal(Value x, Value y) {
  return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, y);
}

Value Polynomials::clamp(Value x, double low, double high) {
  // As comparisons: one instruction each, and NaN passes.
  Value bottom = constant(low), top = constant(high);
  x = select(arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, bottom, x), bottom, x);
  return select(arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, top, x), top, x);
}

Value Polynomials::absolute(Value x) { return math::AbsFOp::create(b, x); }
Value Polynomials::copySign(Value magnitude, Value sign) { return math::CopySignOp::create(b, magnitude, sign); }
Value Polynomials::asInteger(Value x) { return arith::BitcastOp::create(b, typeOf(b.getI32Type()), x); }
Value Polynomials::asFloat(Value x) { return arith::BitcastOp::create(b, type, x); }

/// A float plus this has its nearest whole number in the low bits: 1.5 * 2^23.
static constexpr double magicNumber = 12582912.0;

bool Polynomials::isSixteen(Type type) {
  auto vec = dyn_cast<VectorType>(type);
  return vec && vec.getShape() == ArrayRef<int64_t>{16};
}

Value Polynomials::exponentOf(Value shifted) {
  if (useScalef)
    return sub(shifted, constant(magicNumber));
  return arith::SubIOp::create(b, asInteger(shifted), integer(0x4B400000));
}

Value Polynomials::scale(Value value, Value exponent) {
  if (useScalef) {
    Value all = arith::ConstantOp::create(b, b.getI16IntegerAttr(-1));
    Value rounding = arith::ConstantOp::create(b, b.getI32IntegerAttr(4)); // as the thread's control word says
    return LLVM::CallIntrinsicOp::create(b, type, b.getStringAttr("llvm.x86.avx512.mask.scalef.ps.512"),
                                         ValueRange{value, exponent, value, all, rounding})
        .getResults();
  }
  auto power = [&](Value n) {
    Value biased = arith::AddIOp::create(b, n, integer(127));
    return asFloat(arith::ShLIOp::create(b, biased, integer(23)));
  };
  Value half = arith::ShRSIOp::create(b, exponent, integer(1));
  Value rest = arith::SubIOp::create(b, exponent, half);
  return mul(mul(value, power(half)), power(rest));
}

//===-- Exponentials -----------------------------------------------------------===//

std::pair<Value, Value> Polynomials::reduceByLn2(Value x) {
  Value magic = constant(magicNumber);
  Value shifted = fma(x, constant(1.44269504088896341), magic);
  Value n = sub(shifted, magic);
  // The first part has so few bits that its product with n is exact.
  Value r = fma(n, constant(-0.693359375), x);
  r = fma(n, constant(2.12194440054690583e-4), r);
  return {shifted, r};
}

Value Polynomials::expm1Near(Value r) {
  Value p = horner(r, {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
                       5.0000001201e-1});
  return fma(p, mul(r, r), r);
}

Value Polynomials::exp(Value x) {
  // Beyond these bounds the result is 0 and infinity all the same.
  auto [n, r] = reduceByLn2(clamp(x, -105, 89));
  return scale(add(expm1Near(r), constant(1)), exponentOf(n));
}

Value Polynomials::exp2(Value x) {
  Value clamped = clamp(x, -151, 129);
  Value magic = constant(magicNumber);
  Value shifted = add(clamped, magic);
  Value fraction = sub(clamped, sub(shifted, magic));
  // fraction * ln 2 in two parts, the second added at the end.
  Value r = mul(fraction, constant(0.693147180559945309));
  return scale(add(expm1Near(r), constant(1)), exponentOf(shifted));
}

Value Polynomials::expm1(Value x) {
  auto [n, r] = reduceByLn2(clamp(x, -40, 89));
  Value p = expm1Near(r);
  // 2^n p + (2^n - 1), with one factor 2 kept back, for 2^128 is no float.
  Value biased = arith::SubIOp::create(b, asInteger(n), integer(0x4B400000 - 126));
  Value half = asFloat(arith::ShLIOp::create(b, biased, integer(23)));
  Value sum = fma(p, half, sub(half, constant(0.5)));
  Value result = add(sum, sum);
  // Keeps the sign of zero.
  return select(equal(x, constant(0)), x, result);
}

Value Polynomials::tanh(Value x) {
  // (e^2|x| - 1) / (e^2|x| + 1); beyond 10 the result is 1.
  Value magnitude = clamp(absolute(x), 0, 10);
  Value t = expm1(add(magnitude, magnitude));
  return copySign(div(t, add(t, constant(2))), x);
}

Value Polynomials::erf(Value x) {
  Value t = absolute(x), s = mul(x, x);
  // |x| > 0.927: 1 - exp(a polynomial in |x|).
  Value far = clamp(t, 0, 4);
  Value farSquare = mul(far, far);
  Value r = fma(constant(-1.72853470e-5), far, constant(3.83197126e-4));
  Value u = fma(constant(-3.88396438e-3), far, constant(2.42546219e-2));
  r = fma(r, farSquare, u);
  r = fma(r, far, constant(-1.06777877e-1));
  r = fma(r, far, constant(-6.34846687e-1));
  r = fma(r, far, constant(-1.28717512e-1));
  r = fma(r, far, sub(constant(0), far));
  r = copySign(sub(constant(1), exp(r)), x);
  // Else x + x * a polynomial in x^2.
  Value near = horner(s, {-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1,
                          1.28379166e-1});
  near = fma(near, x, x);
  return select(arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, t, constant(0.927734375)), r, near);
}

//===-- Logarithms -------------------------------------------------------------===//

Value Polynomials::log(Value x) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  // Denormals are made normal first.
  Value tiny = less(x, constant(1.17549435e-38));
  Value normal = select(tiny, mul(x, constant(8388608.0)), x);
  // x = 2^e m with m between sqrt(1/2) and sqrt(2).
  Value bits = asInteger(normal);
  Value offset = arith::SubIOp::create(b, bits, integer(0x3F3504F3));
  Value e = arith::ShRSIOp::create(b, offset, integer(23));
  Value m = asFloat(arith::SubIOp::create(b, bits, arith::ShLIOp::create(b, e, integer(23))));
  Value exponent = arith::SIToFPOp::create(b, type, e);
  exponent = select(tiny, sub(exponent, constant(23)), exponent);
  Value f = sub(m, constant(1)), z = mul(f, f);
  Value p = horner(f, {7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                       -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1});
  Value y = mul(mul(p, f), z);
  y = fma(exponent, constant(-2.12194440e-4), y);
  y = fma(z, constant(-0.5), y);
  Value result = fma(exponent, constant(0.693359375), add(f, y));
  // 0, infinity, NaN and what is negative.
  Value finite = less(x, constant(infinity));
  result = select(finite, result, x);
  result = select(less(x, constant(0)), constant(std::nan("")), result);
  return select(equal(x, constant(0)), constant(-infinity), result);
}

Value Polynomials::log1p(Value x) {
  // log(u) x / (u - 1) with u = 1 + x rounded: the errors of u cancel.
  Value u = add(x, constant(1));
  Value d = sub(u, constant(1));
  Value l = log(u);
  Value result = mul(l, div(x, d));
  result = select(equal(d, constant(0)), x, result);
  return select(equal(u, constant(std::numeric_limits<double>::infinity())), u,
                select(equal(u, constant(0)), l, result));
}

//===-- Sine and cosine --------------------------------------------------------===//

Value Polynomials::sinCos(Value x, int quarter) {
  // The remainder is taken in f64, so that angles up to 2^30 keep all their bits.
  Type wide = typeOf(b.getF64Type()), words = typeOf(b.getI32Type());
  auto number = [&](double value) -> Value {
    return arith::ConstantOp::create(b, splat(wide, b.getF64FloatAttr(value)));
  };
  Value angle = arith::ExtFOp::create(b, wide, x);
  // Rounding by 1.5 * 2^52 leaves the count of quarter turns in the low bits.
  Value magic = number(6755399441055744.0);
  Value shifted = arith::AddFOp::create(b, arith::MulFOp::create(b, angle, number(0.63661977236758134308)), magic);
  Value turns = arith::SubFOp::create(b, shifted, magic);
  // Parts of pi / 2. Without fma each product must be exact: 24 bits beside a count of up to 29.
  Value rest = angle;
  auto subtract = [&](double part) {
    if (useFma)
      rest = math::FmaOp::create(b, turns, number(-part), rest);
    else
      rest = arith::SubFOp::create(b, rest, arith::MulFOp::create(b, turns, number(part)));
  };
  if (useFma) {
    subtract(0x1.921fb544p+0);
    subtract(0x1.0b4611a626331p-34);
  } else {
    subtract(0x1.921fb4p+0);
    subtract(0x1.4442dp-24);
    subtract(0x1.8469898cc5170p-48);
  }
  Value r = arith::TruncFOp::create(b, type, rest);
  Value count = arith::TruncIOp::create(
      b, words, arith::BitcastOp::create(b, typeOf(b.getI64Type()), shifted));
  count = arith::AddIOp::create(b, count, integer(quarter));

  Value z = mul(r, r);
  Value sine = horner(z, {-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1});
  sine = fma(mul(sine, z), r, r);
  Value cosine = horner(z, {2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2});
  cosine = fma(mul(cosine, z), z, fma(z, constant(-0.5), constant(1)));
  auto bit = [&](int32_t mask) {
    Value masked = arith::AndIOp::create(b, count, integer(mask));
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, masked, integer(0));
  };
  Value result = select(bit(1), cosine, sine);
  return select(bit(2), arith::NegFOp::create(b, result), result);
}

//===-- Powers -----------------------------------------------------------------===//

Value Polynomials::rsqrt(Value x) { return div(constant(1), math::SqrtOp::create(b, x)); }

Value Polynomials::pow(Value x, Value y) {
  FloatAttr exponent;
  DenseElementsAttr elements;
  double power;
  if (matchPattern(y, m_Constant(&exponent)))
    power = exponent.getValueAsDouble();
  else if (matchPattern(y, m_Constant(&elements)) && elements.isSplat())
    power = elements.getSplatValue<APFloat>().convertToDouble();
  else
    return {};
  if (power == 1)
    return x;
  if (power == -1)
    return div(constant(1), x);
  if (power == 2)
    return mul(x, x);
  if (power == 3)
    return mul(mul(x, x), x);
  if (power == 4) {
    Value square = mul(x, x);
    return mul(square, square);
  }
  return {};
}

} // namespace gptc
