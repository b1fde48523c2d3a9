#include "ir/gpt/interpret_scalar.h"

#include "ir/gpt/gpt.h"
#include "ir/gpt/random.h"

#include "llvm/ADT/StringMap.h"
#include <cmath>

using namespace mlir;
using llvm::Error;
using llvm::Expected;

namespace gptc::gpt {
namespace {

unsigned widthOf(Type type) {
  return type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
}

/// The bits of an integer, as the op sees them.
APInt bitsOf(Scalar value, Type type) {
  return APInt(widthOf(type), static_cast<uint64_t>(value.whole), /*isSigned=*/false, /*implicitTrunc=*/true);
}

double propagateNaN(double a, double b, double chosen) {
  return std::isnan(a) ? a : std::isnan(b) ? b : chosen;
}

using UnaryFloat = double (*)(double);
using BinaryFloat = double (*)(double, double);
/// False where the result is undefined and hardware may trap.
using BinaryInteger = bool (*)(const APInt &, const APInt &, APInt &);

const llvm::StringMap<UnaryFloat> &unaryFloats() {
  static const llvm::StringMap<UnaryFloat> table = {
      {"arith.negf", [](double a) { return -a; }},
      {"arith.extf", [](double a) { return a; }},
      {"arith.truncf", [](double a) { return a; }},
      {"gpt.stop_gradient", [](double a) { return a; }},
      {"math.exp", [](double a) { return std::exp(a); }},
      {"math.exp2", [](double a) { return std::exp2(a); }},
      {"math.expm1", [](double a) { return std::expm1(a); }},
      {"math.log", [](double a) { return std::log(a); }},
      {"math.log2", [](double a) { return std::log2(a); }},
      {"math.log1p", [](double a) { return std::log1p(a); }},
      {"math.sqrt", [](double a) { return std::sqrt(a); }},
      {"math.rsqrt", [](double a) { return 1 / std::sqrt(a); }},
      {"math.tanh", [](double a) { return std::tanh(a); }},
      {"math.erf", [](double a) { return std::erf(a); }},
      {"math.sin", [](double a) { return std::sin(a); }},
      {"math.cos", [](double a) { return std::cos(a); }},
      {"math.absf", [](double a) { return std::fabs(a); }},
      {"math.floor", [](double a) { return std::floor(a); }},
      {"math.ceil", [](double a) { return std::ceil(a); }},
      {"math.round", [](double a) { return std::round(a); }},
      {"math.roundeven", [](double a) { return std::nearbyint(a); }},
      {"math.trunc", [](double a) { return std::trunc(a); }},
  };
  return table;
}

const llvm::StringMap<BinaryFloat> &binaryFloats() {
  static const llvm::StringMap<BinaryFloat> table = {
      {"arith.addf", [](double a, double b) { return a + b; }},
      {"arith.subf", [](double a, double b) { return a - b; }},
      {"arith.mulf", [](double a, double b) { return a * b; }},
      {"arith.divf", [](double a, double b) { return a / b; }},
      {"arith.remf", [](double a, double b) { return std::fmod(a, b); }},
      {"arith.maximumf", [](double a, double b) { return propagateNaN(a, b, std::fmax(a, b)); }},
      {"arith.minimumf", [](double a, double b) { return propagateNaN(a, b, std::fmin(a, b)); }},
      {"arith.maxnumf", [](double a, double b) { return std::fmax(a, b); }},
      {"arith.minnumf", [](double a, double b) { return std::fmin(a, b); }},
      {"math.powf", [](double a, double b) { return std::pow(a, b); }},
      {"math.copysign", [](double a, double b) { return std::copysign(a, b); }},
  };
  return table;
}

bool always(APInt &result, APInt value) {
  result = std::move(value);
  return true;
}

bool signedDivisionDefined(const APInt &a, const APInt &b) {
  return !b.isZero() && !(a.isMinSignedValue() && b.isAllOnes() && a.getBitWidth() > 1);
}

const llvm::StringMap<BinaryInteger> &binaryIntegers() {
  using I = const APInt &;
  using R = APInt &;
  static const llvm::StringMap<BinaryInteger> table = {
      {"arith.addi", [](I a, I b, R r) { return always(r, a + b); }},
      {"arith.subi", [](I a, I b, R r) { return always(r, a - b); }},
      {"arith.muli", [](I a, I b, R r) { return always(r, a * b); }},
      {"arith.andi", [](I a, I b, R r) { return always(r, a & b); }},
      {"arith.ori", [](I a, I b, R r) { return always(r, a | b); }},
      {"arith.xori", [](I a, I b, R r) { return always(r, a ^ b); }},
      {"arith.maxsi", [](I a, I b, R r) { return always(r, a.sgt(b) ? a : b); }},
      {"arith.minsi", [](I a, I b, R r) { return always(r, a.slt(b) ? a : b); }},
      {"arith.maxui", [](I a, I b, R r) { return always(r, a.ugt(b) ? a : b); }},
      {"arith.minui", [](I a, I b, R r) { return always(r, a.ult(b) ? a : b); }},
      {"arith.divsi", [](I a, I b, R r) { return signedDivisionDefined(a, b) && always(r, a.sdiv(b)); }},
      {"arith.remsi", [](I a, I b, R r) { return signedDivisionDefined(a, b) && always(r, a.srem(b)); }},
      {"arith.divui", [](I a, I b, R r) { return !b.isZero() && always(r, a.udiv(b)); }},
      {"arith.remui", [](I a, I b, R r) { return !b.isZero() && always(r, a.urem(b)); }},
      {"arith.shli", [](I a, I b, R r) { return b.ult(b.getBitWidth()) && always(r, a.shl(b)); }},
      {"arith.shrui", [](I a, I b, R r) { return b.ult(b.getBitWidth()) && always(r, a.lshr(b)); }},
      {"arith.shrsi", [](I a, I b, R r) { return b.ult(b.getBitWidth()) && always(r, a.ashr(b)); }},
  };
  return table;
}

Scalar whole(int64_t value) {
  return {0, value};
}
Scalar real(double value) {
  return {value, 0};
}

/// Toward zero; the lowest value where there is no such integer, as x86 does.
Scalar floatToInteger(double value, unsigned width, bool isSigned) {
  double limit = std::ldexp(1.0, isSigned ? width - 1 : width);
  double truncated = std::trunc(value);
  bool fits = truncated < limit && truncated >= (isSigned ? -limit : 0);
  if (!fits)
    return whole(static_cast<int64_t>(APInt::getSignedMinValue(width).getSExtValue()));
  return whole(isSigned ? static_cast<int64_t>(truncated)
                        : static_cast<int64_t>(static_cast<uint64_t>(truncated)));
}

Expected<Scalar> evaluateConstant(arith::ConstantOp op) {
  if (auto value = dyn_cast<FloatAttr>(op.getValue()))
    return real(value.getValueAsDouble());
  if (auto value = dyn_cast<IntegerAttr>(op.getValue()))
    return whole(value.getValue().getSExtValue());
  return errorAt(*op, "the constant is not a scalar");
}

} // namespace

Error errorAt(Operation &op, const Twine &message) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << op.getName() << " at " << op.getLoc() << ": " << message;
  return llvm::createStringError(llvm::inconvertibleErrorCode(), text);
}

Scalar normalize(Scalar value, Type type, bool roundFloats) {
  if (auto floatType = dyn_cast<FloatType>(type)) {
    if (roundFloats) {
      bool inexact;
      APFloat rounded(value.real);
      rounded.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven, &inexact);
      value.real = rounded.convertToDouble();
    }
    return value;
  }
  APInt bits = bitsOf(value, type);
  value.whole = bits.getBitWidth() == 1 ? bits.getZExtValue() : bits.getSExtValue();
  return value;
}

Scalar toScalar(double value, Type type) {
  if (isa<FloatType>(type))
    return real(value);
  return normalize(floatToInteger(value, 64, true), type, false);
}

double toDouble(Scalar value, Type type) {
  return isa<FloatType>(type) ? value.real : double(value.whole);
}

Expected<Scalar> evaluateScalar(Operation &op, ArrayRef<Scalar> operands) {
  StringRef name = op.getName().getStringRef();
  Type result = op.getNumResults() == 1 ? op.getResult(0).getType() : Type();
  auto isScalar = [](Type type) { return type.isIntOrIndexOrFloat(); };
  if (!result || !isScalar(result) || !llvm::all_of(op.getOperandTypes(), isScalar))
    return errorAt(op, "is not an op on scalars with one result");

  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return evaluateConstant(constant);
  if (auto random = dyn_cast<RandomOp>(op)) {
    SmallVector<uint32_t> keys;
    for (Scalar key : operands)
      keys.push_back(static_cast<uint32_t>(key.whole));
    return real(random::uniform(random.getSite(), keys));
  }
  if (auto unary = unaryFloats().find(name); unary != unaryFloats().end())
    return real(unary->second(operands[0].real));
  if (auto binary = binaryFloats().find(name); binary != binaryFloats().end())
    return real(binary->second(operands[0].real, operands[1].real));
  if (isa<math::FmaOp>(op))
    return real(std::fma(operands[0].real, operands[1].real, operands[2].real));
  if (isa<arith::SelectOp>(op))
    return operands[0].whole & 1 ? operands[1] : operands[2];
  if (auto compare = dyn_cast<arith::CmpFOp>(op))
    return whole(arith::applyCmpPredicate(compare.getPredicate(), APFloat(operands[0].real),
                                          APFloat(operands[1].real)));

  // The rest takes integers, or makes them.
  if (op.getNumOperands() == 0)
    return errorAt(op, "the interpreter does not know this op");
  Type operandType = op.getOperand(0).getType();
  if (isa<FloatType>(operandType)) {
    if (isa<arith::FPToSIOp, arith::FPToUIOp>(op))
      return floatToInteger(operands[0].real, widthOf(result), isa<arith::FPToSIOp>(op));
    return errorAt(op, "the interpreter does not know this op");
  }
  APInt first = bitsOf(operands[0], operandType);
  if (auto binary = binaryIntegers().find(name); binary != binaryIntegers().end()) {
    APInt value;
    if (!binary->second(first, bitsOf(operands[1], operandType), value))
      return errorAt(op, "undefined for " + Twine(operands[0].whole) + " and " + Twine(operands[1].whole));
    return whole(value.getBitWidth() == 1 ? value.getZExtValue() : value.getSExtValue());
  }
  if (auto compare = dyn_cast<arith::CmpIOp>(op))
    return whole(arith::applyCmpPredicate(compare.getPredicate(), first, bitsOf(operands[1], operandType)));
  if (isa<arith::SIToFPOp>(op))
    return real(first.signedRoundToDouble());
  if (isa<arith::UIToFPOp>(op))
    return real(first.roundToDouble());
  if (isa<arith::ExtSIOp, arith::IndexCastOp, arith::TruncIOp>(op))
    return whole(first.getSExtValue());
  if (isa<arith::ExtUIOp, arith::IndexCastUIOp>(op))
    return whole(static_cast<int64_t>(first.getZExtValue()));
  if (isa<math::AbsIOp>(op))
    return whole(first.abs().getSExtValue());
  return errorAt(op, "the interpreter does not know this op");
}

} // namespace gptc::gpt
