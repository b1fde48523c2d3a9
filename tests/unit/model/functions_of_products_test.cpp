// Elementwise work behind a product of matrices, where registers are few: functions that compute in wider numbers than
// the product's, integers, conditions. Forward and backward, in vectors of each width, in bf16, too.
#include "unit/model/model_runner.h"

#include "compiler/jit.h"

#include <gtest/gtest.h>

using namespace gptc;
using namespace gptc::test;

namespace {

struct Case {
  const char *name;
  const char *value; ///< of z[j], a product
};

const Case cases[] = {
    {"Sine", "sin(z[j])"},
    {"Cosine", "cos(z[j])"},
    {"SineAndCosine", "sin(z[j]) * cos(z[j] + 0.3) + sin(2 * z[j])"},
    {"Exponential", "exp(z[j])"},
    {"Logarithm", "log(2 + z[j]^2)"},
    {"Erf", "erf(z[j])"},
    {"Tanh", "tanh(z[j])"},
    {"Gelu", "gelu(z[j])"},
    {"Root", "sqrt(1 + z[j]^2) + rsqrt(2 + z[j]^2)"},
    {"Power", "(1 + z[j]^2) ^ 1.7"},
    {"PowerOfIndex", "(1 + z[j]^2) ^ (0.1 * j)"},
    {"Integers", "z[j] * float((int(8 * z[j]) % 5) * (int(x[0] * 10) - j) % 7)"},
    {"Conditions", "where(z[j] > 0.2 and (j % 3 == 1 or z[j] < 0.7), z[j]^2, sin(z[j]))"},
    {"Random", "where(random(z[j]) < 0.5, sin(z[j]), cos(z[j]))"},
    {"AllAtOnce", "sin(z[j]) + exp(-z[j]^2) * erf(z[j]) + log(1 + z[j]^2) * cos(3 * z[j]) + tanh(z[j])"},
};

class FunctionsOfProducts : public testing::TestWithParam<Case> {};

std::string model(const Case &c, int columns) {
  return "rows x[4] = columns(a, b, c, d)\nparam w[4, " + std::to_string(columns) +
         "] ~ normal(1)\nlet z[j] = sum(i: x[i] * w[i, j])\nloss sum(j: " + c.value +
         ")\ntrain { batch: 8, optimizer: sgd(0.1) }\n";
}

TEST_P(FunctionsOfProducts, AreWhatTheInterpreterFinds) {
  for (int columns : {32, 19}) {
    ModelRunner runner(model(GetParam(), columns));
    ASSERT_TRUE(runner.model) << runner.errors;
    runner.compareWithInterpreter();
  }
}

TEST_P(FunctionsOfProducts, CompileInBf16) {
  ModelRunner runner(model(GetParam(), 32));
  ASSERT_TRUE(runner.model) << runner.errors;
  mlir::OwningOpRef<mlir::ModuleOp> module = runner.emit(Program::Train, false, false);
  ASSERT_TRUE(module);
  for (int64_t bits = 128; bits <= host().vectorBits; bits *= 2) {
    RunState own = runner.state(*module, false), other = own;
    CompiledModule exact(*module, "optimizer", bits), rounded(*module, "optimizer", bits, ProgramKind::Train, true);
    ASSERT_TRUE(exact.ok() && rounded.ok());
    double expected = exact.run(own)[0].data[0], loss = rounded.run(other)[0].data[0];
    if (std::string(GetParam().name) != "Integers" && std::string(GetParam().name) != "Conditions") // these jump
      EXPECT_NEAR(loss, expected, 0.02 * (1 + std::abs(expected)));
  }
}

INSTANTIATE_TEST_SUITE_P(Functions, FunctionsOfProducts, testing::ValuesIn(cases),
                         [](const auto &info) { return std::string(info.param.name); });

} // namespace
