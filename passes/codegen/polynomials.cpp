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
  if (useTables)
    return tanhByTable(x);
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
  constexpr int64_t width = tableSize / 2;
  auto floats = VectorType::get(width, b.getF32Type());
  auto half = [&](ArrayRef<float> entries) -> Value {
    return arith::ConstantOp::create(b, DenseElementsAttr::get(floats, entries));
  };
  int64_t lanes = lanesOf(type);
  if (!isa<VectorType>(type)) {
    index = vector::BroadcastOp::create(b, VectorType::get(width, b.getI32Type()), index);
  } else if (lanes < width) {
    SmallVector<int64_t> order;
    for (int64_t i = 0; i < width; ++i)
      order.push_back(i % lanes);
    index = vector::ShuffleOp::create(b, index, index, order);
  }
  Value found = LLVM::CallIntrinsicOp::create(
                    b, floats, b.getStringAttr("llvm.x86.avx512.vpermi2var.ps.512"),
                    ValueRange{half(table.take_front(width)), index, half(table.drop_front(width))})
                    .getResults();
  if (!isa<VectorType>(type))
    return vector::ExtractOp::create(b, found, ArrayRef<int64_t>{0});
  if (lanes < width)
    return vector::ExtractStridedSliceOp::create(b, found, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{lanes},
                                                 ArrayRef<int64_t>{1});
  return found;
}

Value Polynomials::hornerByTable(Value index, Value x, ArrayRef<float[tableSize]> coefficients) {
  Value sum = lookUp(index, coefficients.front());
  for (const auto &coefficient : coefficients.drop_front())
    sum = fma(sum, x, lookUp(index, coefficient));
  return sum;
}

Value Polynomials::expByTable(Value x) {
  // x = k ln 2 / 32 + r, and the result is 2^(k / 32) (1 + r p(r)), with k modulo 32 from the table.
  static const float powers[tableSize] = {
      1.0f, 1.0218972f, 1.04427373f, 1.06714046f, 1.09050775f, 1.1143868f, 1.13878858f, 1.1637249f, 1.18920708f,
      1.21524739f, 1.24185777f, 1.26905096f, 1.29683959f, 1.32523668f, 1.35425556f, 1.38390994f, 1.41421354f,
      1.44518077f, 1.47682619f, 1.50916445f, 1.54221082f, 1.5759809f, 1.61049032f, 1.64575553f, 1.68179286f,
      1.71861935f, 1.75625217f, 1.79470909f, 1.8340081f, 1.87416768f, 1.91520655f, 1.95714414f};
  // A float plus this is rounded to a 32nd and has k in the low bits: 1.5 * 2^18.
  Value magic = constant(393216.0);
  x = clamp(x, -105, 89);
  Value shifted = fma(x, constant(1.44269504088896341), magic);
  Value n = sub(shifted, magic);
  Value r = fma(n, constant(-0.693359375), x);
  r = fma(n, constant(2.12194440054690583e-4), r);
  Value power = lookUp(asInteger(shifted), powers);
  Value value = fma(mul(power, r), horner(r, {0.50000119, 1.00001466}), power);
  if (useScalef) // it rounds exponents down
    return scale(value, n);
  Value k = arith::SubIOp::create(b, asInteger(shifted), integer(0x48C00000));
  return scale(value, arith::ShRSIOp::create(b, k, integer(5)));
}

Value Polynomials::erfByTable(Value x) {
  // Intervals of |x|, 1/8 wide, the first around 0, each with a polynomial of the distance to its middle, minimax
  // relative to erf.
  static const float coefficients[][tableSize] = {
      {0.0213510562f, 0.06729123f, 0.125974417f, 0.162412331f, 0.185926214f, 0.178102374f, 0.154763564f,
       0.119688354f, 0.0665219501f, 0.0249639675f, -0.00293385331f, -0.0318022221f, -0.0381159857f, -0.0478436984f,
       -0.0425986312f, -0.0506911501f, -0.0264714863f, -0.0208921134f, -0.012359445f, -0.0191052407f,
       -0.0146140223f, -0.0100129638f, -0.00132065057f, -0.00350071653f, -0.00583543954f, -6.43671228e-05f,
       0.00207024324f, 0.00554941641f, 0.0057708798f, -0.00063600071f, -0.00116361259f, -0.00359016145f},
      {-0.377334118f, -0.358224034f, -0.308787346f, -0.23472859f, -0.146445364f, -0.0557610393f, 0.0265964232f,
       0.0927270651f, 0.138135552f, 0.162241891f, 0.167369261f, 0.157832548f, 0.138692454f, 0.114830442f,
       0.0901856869f, 0.0674913675f, 0.0482769758f, 0.0330867395f, 0.0217694584f, 0.0137674967f, 0.0083721159f,
       0.00491104694f, 0.00277257687f, 0.00151011371f, 0.000794072344f, 0.000402573147f, 0.000197345536f,
       9.33845949e-05f, 4.26975857e-05f, 1.88676677e-05f, 8.05963646e-06f, 3.32872878e-06f},
      {2.14921656e-05f, -0.138856038f, -0.265000015f, -0.367614448f, -0.43940419f, -0.47719565f, -0.482218474f,
       -0.459185511f, -0.415094167f, -0.358043045f, -0.29566586f, -0.23423785f, -0.178422466f, -0.130776286f,
       -0.0923795402f, -0.062861003f, -0.0413679965f, -0.0262470562f, -0.0160989501f, -0.0094862869f,
       -0.00541651063f, -0.0029907627f, -0.00162175589f, -0.000826524105f, -0.000394380186f, -0.000204788186f,
       -0.000106377491f, -7.08296357e-05f, -4.74083317e-05f, -5.08022231e-06f, 2.30836008e-06f, 1.61841253e-05f},
      {1.12837911f, 1.11088479f, 1.06001377f, 0.980352759f, 0.87878257f, 0.763499558f, 0.642931104f, 0.524745107f,
       0.415107489f, 0.318273962f, 0.23652114f, 0.170359775f, 0.118930317f, 0.0804722682f, 0.0527749769f,
       0.0335457921f, 0.020666955f, 0.012340799f, 0.0071422914f, 0.00400645053f, 0.00217828061f, 0.00114785496f,
       0.000586268259f, 0.000290222699f, 0.000139248194f, 6.47568013e-05f, 2.9187524e-05f, 1.27509575e-05f,
       5.39903385e-06f, 2.21573077e-06f, 8.81344192e-07f, 3.39783043e-07f},
      {0.0f, 0.140316203f, 0.276326388f, 0.404116899f, 0.520499885f, 0.623240888f, 0.711155653f, 0.784075081f,
       0.842700779f, 0.888388216f, 0.92290014f, 0.948170066f, 0.966105163f, 0.978443742f, 0.986671686f, 0.99199003f,
       0.995322287f, 0.997345984f, 0.998537302f, 0.999217033f, 0.999593019f, 0.999794602f, 0.999899387f,
       0.999952137f, 0.999977887f, 0.999990106f, 0.999995708f, 0.999998212f, 0.999999285f, 0.999999702f,
       0.999999881f, 0.99999994f},
  };
  // A float plus this is rounded to an eighth, the middle of its interval: 1.5 * 2^20.
  Value magic = constant(1572864.0);
  Value t = atMost(absolute(x), 3.93); // from there on the result is 1
  Value shifted = add(t, magic), interval = asInteger(shifted);
  Value d = sub(t, sub(shifted, magic));
  return copySign(hornerByTable(interval, d, coefficients), x);
}

Value Polynomials::tanhByTable(Value x) {
  // Intervals of |x|, 32/111 wide, the first around 0, each with a polynomial of the distance to its middle in such
  // widths, minimax relative to tanh.
  static const float coefficients[][tableSize] = {
      {0.00025629145f, 0.00011646468f, -8.94942e-05f, -0.000118258286f, -5.7504356e-05f, -1.1010093e-05f,
       6.6578823e-06f, 9.413707e-06f, 7.43033e-06f, 4.8971765e-06f, 2.9988196e-06f, 1.7690518e-06f,
       1.0214648e-06f, 5.80972e-07f, 3.2990118e-07f, 1.8607268e-07f, 1.043423e-07f, 5.8959586e-08f,
       3.3202735e-08f, 1.8636788e-08f, 1.0482028e-08f, 5.877432e-09f, 3.3005425e-09f, 1.859906e-09f,
       1.0408497e-09f, 5.871975e-10f, 3.2973033e-10f, 1.8458772e-10f, 1.0401594e-10f, 5.8270375e-11f,
       3.277994e-11f, 1.8361018e-11f},
      {5.417452e-06f, 0.00103508f, 0.001031969f, 0.0004420159f, -1.4269746e-06f, -0.00016110856f,
       -0.00016580873f, -0.00012183105f, -7.799347e-05f, -4.8556038e-05f, -2.8900944e-05f, -1.6184946e-05f,
       -8.556601e-06f, -5.501101e-06f, -2.0389155e-06f, -1.0170343e-06f, -2.3067541e-06f, 8.265048e-08f,
       1.0293318e-06f, 5.312665e-07f, 9.94618e-07f, 6.762973e-08f, -1.553069e-07f, 1.2225446e-06f,
       -5.781257e-07f, 1.3231956e-06f, 1.0874327e-06f, -5.542672e-07f, 8.205323e-07f, -4.9892395e-07f,
       9.70051e-08f, -1.2827247e-06f},
      {-0.007987662f, -0.00562199f, -0.0010973517f, 0.0018995727f, 0.002661803f, 0.0022412399f, 0.0015536529f,
       0.0009784058f, 0.0005854775f, 0.0003407032f, 0.00019521252f, 0.00011088748f, 6.268426e-05f,
       3.5339915e-05f, 1.9893057e-05f, 1.1188554e-05f, 6.2899444e-06f, 3.5349472e-06f, 1.9863676e-06f,
       1.1161075e-06f, 6.2708534e-07f, 3.5232407e-07f, 1.9794653e-07f, 1.11209495e-07f, 6.2481206e-08f,
       3.5102456e-08f, 1.9721298e-08f, 1.1080007e-08f, 6.224859e-09f, 3.4972938e-09f, 1.9648312e-09f,
       1.1038958e-09f},
      {7.491891e-08f, -0.021480674f, -0.031533714f, -0.029718552f, -0.02242831f, -0.014918812f, -0.009226943f,
       -0.005473945f, -0.0031715417f, -0.0018125393f, -0.0010281353f, -0.0005809295f, -0.00032758754f,
       -0.00018415804f, -0.00010389641f, -5.8444035e-05f, -3.2303047e-05f, -1.8582556e-05f, -1.0748216e-05f,
       -6.024176e-06f, -3.6021409e-06f, -1.8702927e-06f, -9.903681e-07f, -9.657225e-07f, -1.4725738e-07f,
       -5.977314e-07f, -4.433282e-07f, 1.1505719e-07f, -2.8908684e-07f, 1.3755886e-07f, -4.0626208e-08f,
       3.9505795e-07f},
      {0.2882883f, 0.2655963f, 0.21028335f, 0.14752878f, 0.09501209f, 0.057884343f, 0.034085464f, 0.019671936f,
       0.011222143f, 0.0063594636f, 0.0035902914f, 0.002022624f, 0.0011380994f, 0.0006399591f, 0.00035971586f,
       0.00020215026f, 0.00011358919f, 6.3822015e-05f, 3.5858124e-05f, 2.0146303e-05f, 1.1318737e-05f,
       6.3591297e-06f, 3.5726932e-06f, 2.0072105e-06f, 1.1276894e-06f, 6.335573e-07f, 3.5594434e-07f,
       1.9997613e-07f, 1.1235029e-07f, 6.312047e-08f, 3.5462243e-08f, 1.9923341e-08f},
      {0.0f, 0.2805586f, 0.5201728f, 0.6987557f, 0.818796f, 0.89398754f, 0.939024f, 0.9652787f, 0.9803434f,
       0.98890877f, 0.99375355f, 0.9964858f, 0.99802417f, 0.99888945f, 0.99937594f, 0.99964935f, 0.99980295f,
       0.9998893f, 0.99993783f, 0.9999651f, 0.9999804f, 0.999989f, 0.9999938f, 0.99999654f, 0.99999803f,
       0.9999989f, 0.9999994f, 0.99999964f, 0.9999998f, 0.9999999f, 0.99999994f, 0.99999994f},
  };
  Value scale = constant(3.46875);
  Value magic = constant(magicNumber);
  Value t = atMost(absolute(x), 9.07); // from there on the result is 1
  Value shifted = fma(t, scale, magic), interval = asInteger(shifted);
  Value d = fma(t, scale, sub(magic, shifted));
  return copySign(hornerByTable(interval, d, coefficients), x);
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
  // Constants of the model, which are the same in all kernels; not what an index happens to be in one of them.
  FloatAttr exponent;
  DenseElementsAttr elements;
  double power;
  if (auto broadcast = y.getDefiningOp<vector::BroadcastOp>())
    y = broadcast.getSource();
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
