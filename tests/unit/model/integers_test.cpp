// Integers where processors stop or answer differently: remainders by 0 and by -1, overflow, floats that no
// integer is near. Values worked out here; from the interpreter, from generated code in vectors of each
// width, and from constants.
#include "unit/model/model_runner.h"

#include "compiler/jit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace gptc;
using namespace gptc::test;

namespace {

constexpr double lowest = -2147483648.0, highest = 2147483647.0;
const double infinity = std::numeric_limits<double>::infinity();

/// The output `y` of `text` for one example with this row, by each way to run it.
void expectOutput(const std::string &text, const std::vector<double> &row,
                  const std::vector<double> &expected) {
  SCOPED_TRACE(text);
  ModelRunner runner(text);
  ASSERT_TRUE(runner.model) << runner.errors;
  for (bool f64 : {true, false}) {
    mlir::OwningOpRef<mlir::ModuleOp> module = runner.emit(Program::Outputs, f64, false);
    ASSERT_TRUE(module);
    RunState begin = runner.state(*module, f64);
    if (auto x = begin.inputs.find("x"); x != begin.inputs.end()) // not every output reads it
      for (int64_t i = 0; i < runner.batch; ++i)
        std::copy(row.begin(), row.end(), x->second.data.begin() + i * int64_t(row.size()));
    auto check = [&](const std::vector<gpt::Tensor> &results, const std::string &by) {
      ASSERT_EQ(results.size(), 1u);
      for (size_t i = 0; i < expected.size(); ++i) // of the last example
        EXPECT_EQ(results[0].data[results[0].data.size() - expected.size() + i],
                  f64 ? expected[i] : float(expected[i]))
            << by << ", element " << i;
    };
    RunState own = begin;
    check(interpret(*module, own), "interpreter");
    for (int64_t bits = 128; bits <= host().vectorBits; bits *= 2) {
      CompiledModule compiled(*module, "optimizer", bits, ProgramKind::Outputs);
      ASSERT_TRUE(compiled.ok());
      own = begin;
      check(compiled.run(own), std::to_string(bits) + (f64 ? " bits, f64" : " bits, f32"));
    }
  }
}

std::string rows(size_t count) {
  std::string text = "rows x[" + std::to_string(count) + "] = columns(c0";
  for (size_t i = 1; i < count; ++i)
    text += ", c" + std::to_string(i);
  return text + ")\nlet k[i] = int(x[i])\n";
}

/// The divisor's sign, 0 where it is 0.
double remainder(int64_t a, int64_t b) {
  if (b == 0)
    return 0;
  int64_t rest = a % b;
  return double(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

TEST(Integers, RemaindersOfAndByAllKinds) {
  // Floats of f32, all of them; the remainders' low digits are looked at.
  const std::vector<double> row = {
      0,          1,           -1, 2, -2, 3, -3, 7, -7, 100, -100, 16777215, highest - 127, -highest - 1,
      2147483520, -2147483520, 5};
  auto whole = [](double x) { return int64_t(std::min(std::max(x, lowest), highest)); };
  for (const char *dividend : {"7", "-7", "k[i]", "k[16 - i]", "i", "(i - 8)", "(k[i] + k[16 - i])"}) {
    std::vector<double> expected;
    for (int64_t i = 0; i < 17; ++i) {
      std::string d = dividend;
      int64_t a = d == "7"           ? 7
                  : d == "-7"        ? -7
                  : d == "k[i]"      ? whole(row[size_t(i)])
                  : d == "k[16 - i]" ? whole(row[size_t(16 - i)])
                  : d == "i"         ? i
                  : d == "(i - 8)"   ? i - 8
                                     : int32_t(uint32_t(whole(row[size_t(i)]) + whole(row[size_t(16 - i)])));
      expected.push_back(std::fmod(remainder(a, whole(row[size_t(i)])), 1000));
    }
    // In f32 no result is rounded: three digits are shown.
    expectOutput(rows(17) + "let r[i] = " + dividend +
                     " % k[i]\nlet low[i] = where(r[i] < 0, -((0 - r[i]) % 1000), r[i] % 1000)\n"
                     "let y[i] = float(low[i])\noutput y\n",
                 row, expected);
  }
}

TEST(Integers, RemaindersByConstants) {
  const std::vector<double> row = {0,   1,    -1,       2,      -2,        3, -3, 7, -7,
                                   100, -100, 16777215, lowest, -16777215, 8, 9,  10};
  for (int64_t by : {-1, 1, 2, -2, 3, -3, 7, 1000})
    for (bool ofIndex : {false, true}) {
      std::vector<double> expected;
      for (int64_t i = 0; i < 17; ++i)
        expected.push_back(remainder(ofIndex ? i : int64_t(row[size_t(i)]), by));
      expectOutput(rows(17) + "let y[i: 17] = float(" + (ofIndex ? "i" : "k[i]") + " % (" +
                       std::to_string(by) + "))\noutput y\n",
                   row, expected);
    }
  expectOutput(rows(2) + "let y[i] = float(k[i] % 0)\noutput y\n", {4, 5}, {0, 0});
}

/// A condition does not keep its other branch from being computed, nor does a mask the lanes behind the end.
TEST(Integers, RemaindersNobodyAskedFor) {
  expectOutput(rows(5) + "let y[i] = float(where(k[i] != 0, 7 % k[i], 9))\noutput y\n", {0, 2, 0, 4, -3},
               {9, 1, 9, 3, -2});
  expectOutput(rows(19) + "let y = float(sum(i: 100 % k[i]))\noutput y\n",
               {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 7}, {20});
  expectOutput(rows(5) + "let y[i] = x[k[i] % (k[i] - 3)]\noutput y\n", {3, 1, 0, 4, 5}, {3, 0, 3, 3, 1});
}

TEST(Integers, FloatsThatNoIntegerIsNear) {
  expectOutput(rows(9) + "let y[i] = float(k[i] % 1000)\noutput y\n",
               {infinity, -infinity, std::nan(""), 1e30, -1e30, 2147483648.0, -2147483648.0, -0.99f, 2.5},
               {647, 352, 0, 647, 352, 647, 352, 0, 2});
  expectOutput(rows(3) + "let y[i] = float(int(1 / x[i]))\noutput y\n", {0.5, 0.25, -0.125}, {2, 4, -8});
  expectOutput(rows(3) + "let y[i] = float(int(1 / x[i]) % 1000)\noutput y\n", {0, -0.0, 1}, {647, 352, 1});
}

TEST(Integers, WrapAround) {
  // 2^30 twice is -2^31, four times 0.
  expectOutput(rows(2) + "let y[i] = float(k[i] + k[i])\noutput y\n", {1073741824, 3}, {lowest, 6});
  expectOutput(rows(2) + "let y[i] = float(k[i] * 4 + 1)\noutput y\n", {1073741824, 3}, {1, 13});
  expectOutput(rows(2) + "let y[i] = float(-k[i])\noutput y\n", {lowest, 3}, {lowest, -3});
  expectOutput(rows(2) + "let y = float(sum(i: k[i]))\noutput y\n", {2147483520, 2147483520}, {-256});
}

/// The same of constants, which are folded before anything runs.
TEST(Integers, Constants) {
  auto constant = [](const std::string &value, double expected) {
    expectOutput(rows(2) + "let y = float(" + value + ") + 0 * x[0]\noutput y\n", {1, 2}, {expected});
  };
  constant("int(7) % int(-3)", -2);
  constant("int(-7) % 3", 2);
  constant("int(2.9)", 2);
  constant("int(-2.9)", -2);
  constant("int(1e30) % 1000", 647);
  constant("int(-1e30) % 1000", 352);
  constant("int(inf - inf)", 0);
  constant("(int(1073741824) * 2 + 1) % 1000", 353);
  constant("where(int(1e9) * 4 < 0, 1, 0)", 1);
  constant("where(int(2.5) == 2, 1, 0)", 1);
}

TEST(Integers, RemainderOfTwoConstantsByZeroIsAnError) {
  for (const char *text :
       {"rows x[2] = columns(a, b)\nlet y = x[0] * (7 % 0)\noutput y\n",
        "setting n = 0\nrows x[2] = columns(a, b)\nparam w[7 % n] = 0\nlet y = x[0] + w[0]\noutput y\n"}) {
    ModelRunner runner(text);
    EXPECT_FALSE(runner.model);
    EXPECT_NE(runner.errors.find("remainder of a division by zero"), std::string::npos) << runner.errors;
  }
}

} // namespace
