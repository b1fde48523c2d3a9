// Every generated f32 function and its derivative against f64, in units in the
// last place. docs/numerics.md has the figures that this test prints.
#include "unit/model/model_runner.h"

#include "passes/passes.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

using namespace gptc::test;
using gptc::gpt::Tensor;

namespace {

constexpr size_t block = 1 << 16;
const double infinity = std::numeric_limits<double>::infinity();

using Reference = double (*)(double);

struct Function {
  const char *name;
  const char *body; // %a to %r
  Reference value, derivative;
  double low, high;                   // the dense sweep
  double valueBound, derivativeBound; // in ulp, over the dense sweep and all floats
  double derivativeScale = 0;         // derivatives below this are compared in ulps of it
  double valueScale = 0;
};

/// The spacing of f32 at a value; at least that at `scale`.
double ulp(double value, double scale) {
  double magnitude = std::max({std::abs(value), scale, std::ldexp(1.0, -126)});
  return std::ldexp(1.0, std::ilogb(magnitude) - 23);
}

double errorOf(float actual, double expected, double scale) {
  if (std::isnan(expected))
    return std::isnan(actual) ? 0 : infinity;
  float rounded = float(expected);
  if (actual == rounded)
    return 0;
  if (std::isnan(actual))
    return infinity;
  // The largest number and infinity are neighbours.
  double largest = std::numeric_limits<float>::max();
  if (std::isinf(rounded) || std::isinf(actual))
    return std::isinf(rounded) && std::isinf(actual)
               ? infinity
               : std::abs((std::isinf(actual) ? std::copysign(largest, actual) : actual) -
                          (std::isinf(rounded) ? std::copysign(largest, rounded) : expected)) /
                         ulp(largest, 0) +
                     1;
  return std::abs(double(actual) - expected) / ulp(expected, scale);
}

/// y = f(x) and dy/dx for some numbers, as generated code.
class Kernel {
public:
  Kernel(const char *body, int64_t vectorBits, size_t count = block) : count(count) {
    std::string size = std::to_string(count);
    std::string vec = "tensor<" + size + "xf32, #gpt.dims<i=" + size + ">>", one = "tensor<f32, #gpt.dims<>>";
    std::string text =
        "gpt.variable parameter @x : " + vec +
        " path [\"x\"]\n"
        "func.func @main() -> (" +
        one + " {gpt.output = \"loss\"}, " + vec + " {gpt.output = \"y\"}) {\n%x = gpt.get @x : " + vec +
        "\n%y = gpt.generic [i=" + size + "] inputs(%x[i] : " + vec + ") -> (" + vec +
        ") {\n^bb0(%a: f32):\n" + body + "\ngpt.yield %r : f32\n}\n%loss = gpt.generic sum [ | i=" + size +
        "] inputs(%y[i] : " + vec + ") -> (" + one +
        ") {\n^bb0(%a: f32):\ngpt.yield %a : f32\n}\nreturn %loss, %y : " + one + ", " + vec + "\n}\n";
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, mlir::ParserConfig(&modelContext()));
    if (!module) {
      ADD_FAILURE() << "in the program\n" << text;
      return;
    }
    for (const char *attribute : {"gpt.extents", "gpt.bounds"})
      (*module)->setAttr(attribute, mlir::ArrayAttr::get(&modelContext(), {}));
    mlir::PassManager manager(&modelContext());
    manager.addPass(gptc::createAutodiffPass());
    EXPECT_TRUE(mlir::succeeded(manager.run(*module)));
    compiled = std::make_unique<CompiledModule>(*module, "optimizer", vectorBits);
  }
  bool ok() const { return compiled && compiled->ok(); }

  struct Result {
    std::vector<double> value, derivative;
  };
  Result run(const std::vector<double> &x) {
    RunState state;
    state.variables["x"] = Tensor::of({int64_t(count)}, x);
    std::vector<Tensor> results = compiled->run(state);
    return {results[1].data, results[2].data};
  }

private:
  size_t count;
  std::unique_ptr<CompiledModule> compiled;
};

double derivativeOfSigmoid(double x) {
  double e = std::exp(-std::abs(x));
  return e / ((1 + e) * (1 + e));
}

const double twoOverRootPi = 2 / std::sqrt(M_PI);

const Function functions[] = {
    {"exp", "%r = math.exp %a : f32", [](double x) { return std::exp(x); },
     [](double x) { return std::exp(x); }, -104, 89, 4, 4},
    {"log", "%r = math.log %a : f32", [](double x) { return std::log(x); }, [](double x) { return 1 / x; },
     1e-3, 4, 4, 4},
    {"tanh", "%r = math.tanh %a : f32", [](double x) { return std::tanh(x); },
     [](double x) {
       double c = std::cosh(x);
       return 1 / (c * c);
     },
     -10, 10, 4, 8, 0.25},
    {"erf", "%r = math.erf %a : f32", [](double x) { return std::erf(x); },
     [](double x) { return twoOverRootPi * std::exp(-x * x); }, -5, 5, 4, 4, 0.25},
    {"sigmoid",
     "%n = arith.negf %a : f32\n%c = arith.constant 87.0 : f32\n%m = arith.minimumf %n, %c : f32\n"
     "%e = math.exp %m : f32\n%o = arith.constant 1.0 : f32\n%d = arith.addf %o, %e : f32\n%r = arith.divf "
     "%o, %d : f32",
     [](double x) { return 1 / (1 + std::exp(-x)); }, derivativeOfSigmoid, -30, 30, 4, 6, 1e-3, 1e-31},
    {"rsqrt", "%r = math.rsqrt %a : f32", [](double x) { return 1 / std::sqrt(x); },
     [](double x) { return -0.5 / (x * std::sqrt(x)); }, 1e-3, 4, 4, 6},
    {"sqrt", "%r = math.sqrt %a : f32", [](double x) { return std::sqrt(x); },
     [](double x) { return 0.5 / std::sqrt(x); }, 1e-3, 4, 4, 4},
    {"sin", "%r = math.sin %a : f32", [](double x) { return std::sin(x); },
     [](double x) { return std::cos(x); }, -50, 50, 4, 4},
    {"cos", "%r = math.cos %a : f32", [](double x) { return std::cos(x); },
     [](double x) { return -std::sin(x); }, -50, 50, 4, 4},
};

class Ulp : public testing::TestWithParam<Function> {};

struct Worst {
  double error = 0, at = 0;
  void take(double e, double x) {
    if (e > error || std::isnan(e)) {
      error = e;
      at = x;
    }
  }
};

/// Where a function is defined and has no pole; the rest is for Limits.
bool inDomain(const std::string &name, double x) {
  if (name == "log" || name == "rsqrt" || name == "sqrt")
    return x > 0;
  if (name == "sin" || name == "cos")
    return std::abs(x) < 1e9;
  return true;
}

TEST_P(Ulp, AgainstF64) {
  const Function &f = GetParam();
  Kernel kernel(f.body, 0);
  ASSERT_TRUE(kernel.ok());
  Worst denseValue, denseDerivative, value, derivative;
  auto sweep = [&](const std::vector<double> &xs, Worst &v, Worst &d) {
    Kernel::Result result = kernel.run(xs);
    for (size_t i = 0; i < block; ++i) {
      v.take(errorOf(float(result.value[i]), f.value(xs[i]), f.valueScale), xs[i]);
      d.take(errorOf(float(result.derivative[i]), f.derivative(xs[i]), f.derivativeScale), xs[i]);
    }
  };
  std::vector<double> xs(block);
  // Evenly between the bounds.
  for (size_t part = 0; part < 16; ++part) {
    for (size_t i = 0; i < block; ++i)
      xs[i] = float(f.low + (f.high - f.low) * (double(part * block + i) + 0.5) / double(16 * block));
    sweep(xs, denseValue, denseDerivative);
  }
  // All floats of either sign, every 4093rd pattern: denormals, large ones and those between.
  uint32_t pattern = 0;
  for (bool more = true; more;) {
    for (size_t i = 0; i < block; ++i) {
      float x = 0.5f;
      while (more) {
        std::memcpy(&x, &pattern, sizeof x);
        more = pattern < UINT32_MAX - 4093;
        pattern += 4093;
        if (std::isfinite(x) && inDomain(f.name, x))
          break;
        x = 0.5f;
      }
      xs[i] = x;
    }
    sweep(xs, value, derivative);
  }
  std::printf(
      "%-8s value %.2f ulp at %g, all floats %.2f at %g; derivative %.2f at %g, all floats %.2f at %g\n",
      f.name, denseValue.error, denseValue.at, value.error, value.at, denseDerivative.error,
      denseDerivative.at, derivative.error, derivative.at);
  EXPECT_LE(denseValue.error, f.valueBound) << "at " << denseValue.at;
  EXPECT_LE(value.error, f.valueBound) << "at " << value.at;
  EXPECT_LE(denseDerivative.error, f.derivativeBound) << "at " << denseDerivative.at;
  EXPECT_LE(derivative.error, f.derivativeBound) << "at " << derivative.at;
}

TEST_P(Ulp, LimitsAreThoseOfTheFunction) {
  const Function &f = GetParam();
  Kernel kernel(f.body, 0);
  ASSERT_TRUE(kernel.ok());
  std::vector<double> xs(block, 1.0);
  const double special[] = {0.0,
                            -0.0,
                            infinity,
                            -infinity,
                            std::nan(""),
                            -1.0,
                            double(std::numeric_limits<float>::max()),
                            std::ldexp(1.0, -149),
                            -std::ldexp(1.0, -149)};
  std::copy(std::begin(special), std::end(special), xs.begin());
  Kernel::Result result = kernel.run(xs);
  std::string name = f.name;
  for (size_t i = 0; i < std::size(special); ++i) {
    double expected = f.value(special[i]);
    bool isLarge = std::abs(special[i]) > 1e30 && (name == "sin" || name == "cos");
    if (isLarge)
      continue;
    if (std::isnan(expected))
      EXPECT_TRUE(std::isnan(result.value[i])) << name << " of " << special[i] << " is " << result.value[i];
    else
      EXPECT_LE(errorOf(float(result.value[i]), expected, std::max(f.valueScale, 1e-30)), f.valueBound)
          << name << " of " << special[i] << " is " << result.value[i] << ", not " << expected;
    if (expected == 0 && name != "sin") // sin(-0) is 0
      EXPECT_EQ(std::signbit(result.value[i]), std::signbit(expected)) << name << " of " << special[i];
  }
}

/// A value has the same bits however wide the vectors are: few numbers are in narrow ones, one is alone.
TEST_P(Ulp, BitsDoNotDependOnTheVector) {
  const Function &f = GetParam();
  for (int64_t bits : {128, 256, 0}) {
    const size_t all = 512;
    Kernel wide(f.body, bits, all);
    ASSERT_TRUE(wide.ok());
    std::vector<double> xs(all);
    for (size_t i = 0; i < all; ++i)
      xs[i] = float(f.low + (f.high - f.low) * double(i) / double(all));
    Kernel::Result expected = wide.run(xs);
    for (size_t count : {1, 2, 4, 8}) {
      Kernel narrow(f.body, bits, count);
      ASSERT_TRUE(narrow.ok());
      Kernel::Result found;
      for (size_t i = 0; i < all; i += count) {
        Kernel::Result some = narrow.run({xs.begin() + i, xs.begin() + i + count});
        found.value.insert(found.value.end(), some.value.begin(), some.value.end());
        found.derivative.insert(found.derivative.end(), some.derivative.begin(), some.derivative.end());
      }
      EXPECT_EQ(found.value, expected.value) << count << " numbers, " << bits << " bits";
      EXPECT_EQ(found.derivative, expected.derivative) << count << " numbers, " << bits << " bits";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Functions, Ulp, testing::ValuesIn(functions),
                         [](const auto &info) { return std::string(info.param.name); });

} // namespace
