// Updates against numbers computed here as PyTorch documents them.
#include "unit/grad/check_gradients.h"

#include "passes/passes.h"

#include "llvm/ADT/StringExtras.h"
#include <gtest/gtest.h>

using namespace gptc::test;
using gptc::gpt::Interpreter;
using gptc::gpt::Tensor;

namespace {

/// loss = sum of x[c] * w[c, d] * g[d]; rate 0.01 * (step + 1).
std::string trainingProgram(const std::string &optimizer) {
  std::string scalar = type(""), step = type("", "i32");
  std::string text = program({"w: c=2, d=2", "g: d=2", "unused: n=1"},
                             generic("y", "sum [ | c=2, d=2]", {"w[c, d] : c=2, d=2", "g[d] : d=2"}, "",
                                     "%r = arith.mulf %a, %b : f64"),
                             "");
  return "module attributes {gpt.optimizer = {" + optimizer + "}} {\n" + text +
         "func.func @learning_rate(%step: " + step + ") -> " + scalar + " {\n" +
         generic("lr", "[]", {}, "",
                 "%f = arith.sitofp %p : i32 to f64\n%o = arith.constant 1.0 : f64\n%n = arith.addf %f, %o : "
                 "f64\n"
                 "%u = arith.constant 0.01 : f64\n%r = arith.mulf %n, %u : f64",
                 {"step[]"}) +
         "return %lr : " + scalar + "\n}\n}\n";
}

/// One training step as a reader of the PyTorch documentation would write it.
struct Reference {
  double beta1 = 0.9, beta2 = 0.99, eps = 1e-8, decay = 0.1, clip = 1e9, momentum = 0;
  bool adamw = true;
  std::vector<double> w, g;
  std::vector<double> firstW = {0, 0, 0, 0}, secondW = {0, 0, 0, 0}, firstG = {0, 0}, secondG = {0, 0};
  double norm = 0;

  void update(std::vector<double> &p, const std::vector<double> &gradient, std::vector<double> &m,
              std::vector<double> &v, double rate, int t, double scale, bool decays) {
    for (size_t i = 0; i < p.size(); ++i) {
      double d = gradient[i] * scale;
      if (!adamw) {
        if (decays)
          d += decay * p[i];
        m[i] = momentum * m[i] + d;
        p[i] -= rate * m[i];
        continue;
      }
      if (decays)
        p[i] -= rate * decay * p[i];
      m[i] = beta1 * m[i] + (1 - beta1) * d;
      v[i] = beta2 * v[i] + (1 - beta2) * d * d;
      double mHat = m[i] / (1 - std::pow(beta1, t)), vHat = v[i] / (1 - std::pow(beta2, t));
      p[i] -= rate * mHat / (std::sqrt(vHat) + eps);
    }
  }

  void step(int number) {
    double weight = std::sin(1.0), square = 0;
    std::vector<double> ofW(4), ofG(2, 0);
    for (int c = 0; c < 2; ++c)
      for (int d = 0; d < 2; ++d) {
        ofW[2 * c + d] = weight * g[d];
        ofG[d] += weight * w[2 * c + d];
      }
    for (double value : ofW)
      square += value * value;
    for (double value : ofG)
      square += value * value;
    norm = std::sqrt(square);
    double scale = std::min(1.0, clip / (norm + 1e-6)), rate = 0.01 * (number + 1);
    update(w, ofW, firstW, secondW, rate, number + 1, scale, true);
    update(g, ofG, firstG, secondG, rate, number + 1, scale, false);
  }
};

void expectNear(const std::vector<double> &actual, const std::vector<double> &expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], 1e-13 * std::max(1.0, std::abs(expected[i])));
}

mlir::OwningOpRef<mlir::ModuleOp> compileStep(const std::string &optimizer, bool norms = false) {
  auto module = parse(testContext(), trainingProgram(optimizer));
  if (!module || !runPasses(*module, {[] { return gptc::createAutodiffPass(); },
                                      [=] { return gptc::createOptimizerPass({norms}); }})) {
    ADD_FAILURE() << "passes fail for " << optimizer;
    return {};
  }
  return module;
}

void checkSteps(const std::string &optimizer, Reference reference) {
  auto module = compileStep(optimizer);
  ASSERT_TRUE(module);
  Interpreter interpreter;
  for (auto variable : module->getOps<gptc::gpt::VariableOp>())
    interpreter.variables[variable.getSymName().str()] = Tensor::zeros(variable.getTensorType().getShape());
  reference.w = {0.5, -0.25, 1, 2};
  reference.g = {0.75, -1.5};
  interpreter.variables["w"].data = reference.w;
  interpreter.variables["g"].data = reference.g;
  interpreter.variables["unused"].data = {3};
  auto main = module->lookupSymbol<mlir::func::FuncOp>("main");
  ASSERT_EQ(main.getNumArguments(), 1u);
  for (int step = 0; step < 5; ++step) {
    auto results = interpreter.run(main, {Tensor::scalar(step)});
    ASSERT_TRUE(static_cast<bool>(results)) << llvm::toString(results.takeError());
    reference.step(step);
    ASSERT_EQ(results->size(), 3u); // loss, grad_norm, lr
    expectNear((*results)[1].data, {reference.norm});
    expectNear((*results)[2].data, {0.01 * (step + 1)});
    expectNear(interpreter.variables["w"].data, reference.w);
    expectNear(interpreter.variables["g"].data, reference.g);
    expectNear(interpreter.variables["unused"].data, {3});
  }
}

const std::string adamw =
    "kind = \"adamw\", beta1 = 0.9, beta2 = 0.99, eps = 1.0e-8, decay = 0.1, decay_min_rank = 2";

TEST(Optimizer, AdamW) {
  checkSteps(adamw, {});
}

TEST(Optimizer, AdamWClipped) {
  Reference reference;
  reference.clip = 0.5;
  checkSteps(adamw + ", clip = 0.5", reference);
}

TEST(Optimizer, Sgd) {
  Reference reference;
  reference.adamw = false;
  reference.decay = 0;
  checkSteps("kind = \"sgd\"", reference);
}

TEST(Optimizer, SgdWithMomentumAndDecay) {
  Reference reference;
  reference.adamw = false;
  reference.momentum = 0.9;
  checkSteps("kind = \"sgd\", momentum = 0.9, decay = 0.1, decay_min_rank = 2 : i64", reference);
}

/// The average after n steps from `from` on, by its definition: sum of d^age * p
/// over the sum of d^age; before that, the parameter.
void checkAverage(const std::string &optimizer, double d, int from) {
  auto module = compileStep(optimizer + ", average = " + std::to_string(d) +
                            ", average_from = " + std::to_string(from) + " : i64");
  auto plain = compileStep(optimizer);
  ASSERT_TRUE(module && plain);
  Interpreter interpreter, without;
  for (auto variable : module->getOps<gptc::gpt::VariableOp>())
    interpreter.variables[variable.getSymName().str()] = Tensor::zeros(variable.getTensorType().getShape());
  interpreter.variables["w"].data = {0.5, -0.25, 1, 2};
  interpreter.variables["g"].data = {0.75, -1.5};
  without.variables = interpreter.variables;
  for (const char *name : {"w.average", "g.average", "unused.average"})
    without.variables.erase(name);
  std::vector<std::vector<double>> past;
  for (int step = 0; step < 8; ++step) {
    for (auto [run, of] : {std::pair(&interpreter, &module), std::pair(&without, &plain)}) {
      auto results = run->run((*of)->lookupSymbol<mlir::func::FuncOp>("main"), {Tensor::scalar(step)});
      ASSERT_TRUE(static_cast<bool>(results)) << llvm::toString(results.takeError());
    }
    // Averaging changes nothing of training.
    EXPECT_EQ(interpreter.variables["w"].data, without.variables["w"].data);
    EXPECT_EQ(interpreter.variables["g"].data, without.variables["g"].data);
    if (step <= from)
      past.clear();
    past.push_back(interpreter.variables["w"].data);
    std::vector<double> expected(4, 0);
    double weights = 0;
    for (size_t age = 0; age < past.size(); ++age) {
      weights += std::pow(d, age);
      for (size_t i = 0; i < 4; ++i)
        expected[i] += std::pow(d, age) * past[past.size() - 1 - age][i];
    }
    for (double &value : expected)
      value /= weights;
    if (past.size() == 1)
      expected = past[0];
    expectNear(interpreter.variables["w.average"].data, expected);
  }
}

TEST(Optimizer, AveragesParameters) {
  checkAverage(adamw, 0.75, 0);
  checkAverage(adamw + ", clip = 0.5", 0.9, 3);
  checkAverage("kind = \"sgd\"", 0.5, 0);
  checkAverage("kind = \"sgd\", momentum = 0.9", 0.5, 1);
}

void setVariables(mlir::ModuleOp module, Interpreter &interpreter, std::vector<double> w,
                  std::vector<double> g) {
  for (auto variable : module.getOps<gptc::gpt::VariableOp>()) {
    interpreter.variables[variable.getSymName().str()] = Tensor::zeros(variable.getTensorType().getShape());
    for (double &value : interpreter.variables[variable.getSymName().str()].data)
      value = 0.125;
  }
  interpreter.variables["w"].data = std::move(w);
  interpreter.variables["g"].data = std::move(g);
}

TEST(Optimizer, AStepThatIsNotFiniteChangesNothing) {
  for (const std::string &optimizer :
       {adamw, adamw + ", clip = 0.5", adamw + ", average = 0.5, average_from = 0 : i64",
        std::string("kind = \"sgd\", momentum = 0.9"), std::string("kind = \"sgd\"")}) {
    auto module = compileStep(optimizer);
    ASSERT_TRUE(module);
    Interpreter interpreter;
    // The loss is 0 times large weights; the gradient of g adds these up, beyond what f64 holds.
    setVariables(*module, interpreter, {1.7e308, 1, 1.7e308, 1}, {0, 0});
    auto before = interpreter.variables;
    auto results = interpreter.run(module->lookupSymbol<mlir::func::FuncOp>("main"), {Tensor::scalar(0)});
    ASSERT_TRUE(static_cast<bool>(results)) << llvm::toString(results.takeError());
    EXPECT_TRUE(std::isfinite((*results)[0].data[0]));
    EXPECT_TRUE(std::isinf((*results)[1].data[0]));
    for (auto &[name, tensor] : before)
      EXPECT_EQ(interpreter.variables[name].data, tensor.data) << optimizer << ": " << name;
  }
}

/// Gradients whose squares overflow, and their sum too, have a norm all the same.
TEST(Optimizer, NormsOverflowOnlyWhereTheResultDoes) {
  for (double large : {1e154, 1e200, 1e300}) {
    auto module = compileStep(adamw + ", clip = 0.5", true);
    ASSERT_TRUE(module);
    Interpreter interpreter;
    setVariables(*module, interpreter, {1, 2, 3, 4}, {large, 2 * large});
    auto before = interpreter.variables;
    auto results = interpreter.run(module->lookupSymbol<mlir::func::FuncOp>("main"), {Tensor::scalar(0)});
    ASSERT_TRUE(static_cast<bool>(results)) << llvm::toString(results.takeError());
    double expected = std::sin(1.0) * std::sqrt(10) * large; // the gradient of w has each of g twice
    EXPECT_NEAR((*results)[1].data[0] / expected, 1, 1e-12) << large;
    EXPECT_NEAR((*results)[3].data[0] / expected, 1, 1e-12) << large;
    EXPECT_NEAR((*results)[6].data[0] / (std::sqrt(5) * large), 1, 1e-12) << large;
    EXPECT_NE(interpreter.variables["w"].data, before["w"].data) << "the step is taken";
    for (double value : interpreter.variables["w"].data)
      EXPECT_TRUE(std::isfinite(value));
  }
}

TEST(Optimizer, NormsOfEachParameter) {
  auto module = compileStep(adamw, true);
  ASSERT_TRUE(module);
  Interpreter interpreter;
  setVariables(*module, interpreter, {0.5, -0.25, 1, 2}, {0.75, -1.5});
  auto results = interpreter.run(module->lookupSymbol<mlir::func::FuncOp>("main"), {Tensor::scalar(0)});
  ASSERT_TRUE(static_cast<bool>(results)) << llvm::toString(results.takeError());
  ASSERT_EQ(results->size(), 9u); // loss, grad_norm, lr, then the gradient's and the weight's of w, g, unused
  double weight = std::sin(1.0);
  expectNear((*results)[3].data, {weight * std::sqrt(2 * (0.75 * 0.75 + 1.5 * 1.5))});
  expectNear((*results)[4].data, {std::sqrt(0.25 + 0.0625 + 1 + 4)});
  expectNear((*results)[5].data, {weight * std::hypot(1.5, 1.75)});
  expectNear((*results)[6].data, {std::hypot(0.75, 1.5)});
  expectNear((*results)[7].data, {0});
  expectNear((*results)[8].data, {0.125});
}

TEST(Optimizer, StatesAreVariables) {
  auto names = [](const std::string &optimizer) {
    std::vector<std::string> found;
    if (auto module = compileStep(optimizer))
      for (auto variable : module->getOps<gptc::gpt::VariableOp>())
        found.push_back(variable.getSymName().str());
    return found;
  };
  EXPECT_EQ(names(adamw), (std::vector<std::string>{"w", "w.m", "w.v", "g", "g.m", "g.v", "unused",
                                                    "unused.m", "unused.v"}));
  EXPECT_EQ(names("kind = \"sgd\", average = 0.9"),
            (std::vector<std::string>{"w", "w.average", "g", "g.average", "unused", "unused.average"}));
  EXPECT_EQ(names("kind = \"sgd\""), (std::vector<std::string>{"w", "g", "unused"}));
}

} // namespace
