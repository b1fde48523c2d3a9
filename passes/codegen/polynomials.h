// f32 functions as arithmetic, the same for scalars and vectors, so that a value
// has the same bits wherever it is computed. Errors are those of tests/unit/codegen/ulp_test.cpp.
#pragma once

#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace gptc {

/// Builds functions of f32 scalars or vectors. NaN gives NaN; infinities and
/// zeros give the limits.
class Polynomials {
public:
  /// `type`: f32 or a vector of it. Without `fma` multiplies and adds are two ops; with `avx512`
  /// exp, tanh and erf look their coefficients up, and vectors of 16 are scaled by one instruction.
  Polynomials(mlir::ImplicitLocOpBuilder &b, mlir::Type type, bool fma, bool avx512)
      : b(b), type(type), useFma(fma), useTables(avx512 && lanesOf(type) <= tableSize / 2),
        useScalef(avx512 && lanesOf(type) == tableSize / 2) {}

  using Value = mlir::Value;
  Value exp(Value x);
  Value exp2(Value x);
  Value expm1(Value x);
  Value log(Value x);
  Value log1p(Value x);
  Value tanh(Value x);
  Value erf(Value x);
  Value sin(Value x) { return sinCos(x, /*quarter=*/0); }
  Value cos(Value x) { return sinCos(x, /*quarter=*/1); }
  Value rsqrt(Value x);
  /// Null where the exponent is no constant that is worth it.
  Value pow(Value x, Value y);

private:
  mlir::Type typeOf(mlir::Type element);
  Value constant(double value);
  Value integer(int32_t value);
  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value div(Value a, Value b);
  /// a * b + c.
  Value fma(Value a, Value b, Value c);
  /// Highest power first.
  Value horner(Value x, llvm::ArrayRef<double> coefficients);
  Value select(Value condition, Value a, Value b);
  Value less(Value a, Value b);
  Value equal(Value a, Value b);
  /// The bounds; NaN stays NaN.
  Value clamp(Value x, double low, double high);
  Value atMost(Value x, double high);
  Value absolute(Value x);
  Value copySign(Value magnitude, Value sign);
  Value asInteger(Value x);
  Value asFloat(Value x);
  /// Entries of a table: the lanes of two registers, so that one instruction permutes them.
  static constexpr int64_t tableSize = 32;
  /// 1 for a scalar.
  static int64_t lanesOf(mlir::Type type);
  /// table[index % tableSize].
  Value lookUp(Value index, llvm::ArrayRef<float> table);
  /// The polynomial of x whose coefficients, the highest power first, are at this index of their tables.
  Value hornerByTable(Value index, Value x, llvm::ArrayRef<float[tableSize]> coefficients);
  Value expByTable(Value x);
  Value erfByTable(Value x);
  Value tanhByTable(Value x);
  /// A whole number, as i32 or as f32, whichever scale() takes on this machine.
  Value exponentOf(Value shifted);
  /// value * 2^exponent, rounded once, denormal results too.
  Value scale(Value value, Value exponent);
  /// exp(r) - 1 over |r| <= ln 2 / 2.
  Value expm1Near(Value r);
  /// n, r with x = n ln 2 + r; the n with 1.5 * 2^23 added.
  std::pair<Value, Value> reduceByLn2(Value x);
  Value sinCos(Value x, int quarter);

  mlir::ImplicitLocOpBuilder &b;
  mlir::Type type;
  bool useFma, useTables, useScalef;
};

} // namespace gptc
