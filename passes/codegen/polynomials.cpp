#include "passes/codegen/polynomials.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
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
  Value bottom = constant(low);
  return atMost(select(arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, bottom, x), bottom, x), high);
}

Value Polynomials::atMost(Value x, double high) {
  Value top = constant(high);
  return select(arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, top, x), top, x);
}

Value Polynomials::absolute(Value x) { return math::AbsFOp::create(b, x); }
Value Polynomials::copySign(Value magnitude, Value sign) { return math::CopySignOp::create(b, magnitude, sign); }
Value Polynomials::asInteger(Value x) { return arith::BitcastOp::create(b, typeOf(b.getI32Type()), x); }
Value Polynomials::asFloat(Value x) { return arith::BitcastOp::create(b, type, x); }

/// A float plus this has its nearest whole number in the low bits: 1.5 * 2^23.
static constexpr double magicNumber = 12582912.0;

int64_t Polynomials::lanesOf(Type type) {
  auto vec = dyn_cast<VectorType>(type);
  return vec ? vec.getNumElements() : 1;
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
  if (useTables)
    return expByTable(x);
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
  if (useTables)
    return erfByTable(x);
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

//===-- By table ---------------------------------------------------------------===//

Value Polynomials::lookUp(Value index, ArrayRef<float> table) {
  auto floats = VectorType::get(tableSize, b.getF32Type());
  Value entries = arith::ConstantOp::create(b, DenseElementsAttr::get(floats, table));
  int64_t lanes = lanesOf(type);
  if (!isa<VectorType>(type)) {
    index = vector::BroadcastOp::create(b, VectorType::get(tableSize, b.getI32Type()), index);
  } else if (lanes < tableSize) {
    SmallVector<int64_t> order;
    for (int64_t i = 0; i < tableSize; ++i)
      order.push_back(i % lanes);
    index = vector::ShuffleOp::create(b, index, index, order);
  }
  Value found = LLVM::CallIntrinsicOp::create(b, floats, b.getStringAttr("llvm.x86.avx512.permvar.sf.512"),
                                              ValueRange{entries, index})
                    .getResults();
  if (!isa<VectorType>(type))
    return vector::ExtractOp::create(b, found, ArrayRef<int64_t>{0});
  if (lanes < tableSize)
    return vector::ExtractStridedSliceOp::create(b, found, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{lanes},
                                                 ArrayRef<int64_t>{1});
  return found;
}

Value Polynomials::expByTable(Value x) {
  // x = k ln 2 / 16 + r, and the result is 2^(k / 16) (1 + r + r^2 p(r)), with k modulo 16 from the table.
  static const float powers[] = {
      1.0f, 1.04427373f, 1.09050775f, 1.13878858f, 1.18920708f, 1.24185777f, 1.29683959f, 1.35425556f, 1.41421354f,
      1.47682619f, 1.54221082f, 1.61049032f, 1.68179286f, 1.75625217f, 1.8340081f, 1.91520655f};
  // A float plus this is rounded to a sixteenth and has k in the low bits: 1.5 * 2^19.
  Value magic = constant(786432.0);
  x = clamp(x, -105, 89);
  Value shifted = fma(x, constant(1.44269504088896341), magic);
  Value n = sub(shifted, magic);
  Value r = fma(n, constant(-0.693359375), x);
  r = fma(n, constant(2.12194440054690583e-4), r);
  Value p = fma(horner(r, {0.166670584471, 0.500009794555}), mul(r, r), r);
  Value power = lookUp(asInteger(shifted), powers);
  Value value = fma(power, p, power);
  if (useScalef) // it rounds exponents down
    return scale(value, n);
  Value k = arith::SubIOp::create(b, asInteger(shifted), integer(0x49400000));
  return scale(value, arith::ShRSIOp::create(b, k, integer(4)));
}

Value Polynomials::erfByTable(Value x) {
  // Intervals of |x|, 33/128 wide, the first around 0. Each has a middle at which erf is almost a float, and a
  // polynomial of the distance to it, minimax relative to erf.
  static const float middles[] = {
      0.0f, 0.257744312f, 0.515514851f, 0.773578167f, 1.03113222f, 1.28912544f, 1.54678249f, 1.80457067f,
      2.06256104f, 2.32053852f, 2.5780983f, 2.83594036f, 3.09414768f, 3.35111427f, 3.59933686f, 3.8325069f};
  static const float coefficients[][tableSize] = {
      {0.110979199f, 0.0790709704f, 0.00359391468f, -0.0560241751f, -0.0676047504f, -0.0420745313f, -0.00985394232f,
       0.0090091601f, 0.0129228532f, 0.00937540084f, 0.00490177749f, 0.00201609032f, 0.000676908705f,
       0.000189217259f, 4.45679107e-05f, 8.92393837e-06f},
      {0.000282233086f, 0.129094362f, 0.182329565f, 0.143644825f, 0.0586756803f, -0.0143853473f, -0.0470519662f,
       -0.045772329f, -0.030369807f, -0.0156194186f, -0.00653704768f, -0.00227349065f, -0.000665239f,
       -0.00016658043f, -3.76591634e-05f, -8.04712909e-06f},
      {-0.37614122f, -0.305213422f, -0.135103852f, 0.0406881459f, 0.146313816f, 0.165875822f, 0.13012141f,
       0.0798835978f, 0.0401168801f, 0.0168495048f, 0.00600353302f, 0.00182391168f, 0.00047448909f, 0.000107088024f,
       2.2178463e-05f, 4.48518176e-06f},
      {2.59905136e-07f, -0.272135586f, -0.445937902f, -0.479805052f, -0.401803672f, -0.276073366f, -0.159523547f,
       -0.0784447938f, -0.0330600329f, -0.0120060081f, -0.00377696613f, -0.00102860515f, -0.000242694237f,
       -5.01603718e-05f, -9.59554109e-06f, -1.80691893e-06f},
      {1.12837923f, 1.05585432f, 0.865045428f, 0.620244861f, 0.389671415f, 0.214153513f, 0.103131138f,
       0.0434696116f, 0.0160286762f, 0.0051739607f, 0.00146513444f, 0.000362758059f, 7.84566364e-05f,
       1.49742154e-05f, 2.66721872e-06f, 4.7144303e-07f},
      {0.0f, 0.284519434f, 0.534027755f, 0.726047099f, 0.855225921f, 0.931711555f, 0.971292555f, 0.989290833f,
       0.996464729f, 0.998968303f, 0.999733627f, 0.999939442f, 0.9999879f, 0.999997854f, 0.999999642f, 0.99999994f},
  };
  Value t = atMost(absolute(x), 3.98); // from there on the result is 1
  Value interval = asInteger(fma(t, constant(128.0 / 33), constant(magicNumber)));
  Value d = sub(t, lookUp(interval, middles));
  Value sum = lookUp(interval, coefficients[0]);
  for (const auto &coefficient : ArrayRef(coefficients).drop_front())
    sum = fma(sum, d, lookUp(interval, coefficient));
  return copySign(sum, x);
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
