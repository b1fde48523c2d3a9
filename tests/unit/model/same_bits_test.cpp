// What is compared for equality is computed by several kernels: each must find the same bits, or the comparison that
// is true in one is false in the other. The gradient of a maximum, ties, `argmax`, masks of one's own; over divisions,
// means, functions of indices, products of matrices, in kernels of every form.
#include "unit/model/model_runner.h"

#include "compiler/jit.h"
#include "passes/passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace gptc;
using namespace gptc::test;

namespace {

std::string rows(int count) {
  std::string text = "rows x[" + std::to_string(count) + "] = columns(c0";
  for (int i = 1; i < count; ++i)
    text += ", c" + std::to_string(i);
  return text + ")\n";
}

const std::string table = rows(400) + "let y[i: 20, j] = x[(i j)]\n";
const char *const train = "\ntrain { batch: 3, optimizer: sgd(0.1) }\n";

/// Queries and keys of two heads; a product of matrices that is computed again for the backward pass.
const std::string scores = table + R"(
param q[20, 2, 8] ~ normal(1), k[20, 2, 8] ~ normal(1), v[20, 2, 8] ~ normal(1)
let a[i, h, e] = sum(j: y[i, j] * q[j, h, e])
let b[i, h, e] = sum(j: y[i, j] * k[j, h, e])
let c[i, h, e] = sum(j: y[i, j] * v[j, h, e])
let s[h, t: 20, u: 20] = sum(e: a[t, h, e] * b[u, h, e])
)";

struct Case {
  const char *name;
  std::string text;
  double shares; ///< what the gradient of p adds up to: each maximum shares 1 among the highest
};

const Case cases[] = {
    {"Division", rows(400) + "param w[400] ~ normal(1), p = 0\nloss max(r: x[r] * w[r] / 3 + p)", 1},
    {"Minimum", rows(400) + "param w[400] ~ normal(1), p = 0\nloss min(r: x[r] * w[r] / 3 + p)", 1},
    {"ByParameter", rows(400) + "param w[400] ~ normal(1), p = 0, d = 3\nloss max(r: x[r] * w[r] / d + p)", 1},
    {"ByRow",
     table + "param w[20] ~ normal(1), p = 0, d[20] = 3\nloss sum(i: max(j: y[i, j] * w[j] / (2 + d[i]^2) + p))", 20},
    {"ByRowBothWays",
     table + "param w[20] ~ normal(1), p = 0\nlet m[i] = sum(j: exp(y[i, j] * w[j]))\n"
             "let z[i, j] = y[i, j] * w[j] / m[i]\nloss sum(i: max(j: z[i, j] + p)) + sum(j: max(i: z[i, j] + p))",
     40},
    {"Mean", table + "param w[20] ~ normal(1), p = 0\nlet m[i] = mean(j: y[i, j] * w[j])\nloss max(i: m[i] / 3 + p)",
     1},
    {"Standardized",
     table + "param w[20] ~ normal(1), p = 0\nlet m[i] = mean(j: y[i, j] * w[j])\n"
             "let d[i] = sqrt(mean(j: (y[i, j] * w[j] - m[i])^2))\n"
             "loss sum(i: max(j: (y[i, j] * w[j] - m[i]) / d[i] + p))",
     20},
    {"Softmax", rows(400) + "param w[400] ~ normal(1), p = 0\nlet s[i] = softmax(i: x[i] * w[i])\nloss max(i: s[i] + p)",
     1},
    {"Ties", rows(400) + "param w = 0.7, p = 0\nloss max(r: where(x[r] > 0.5, 1, 0) * w / 3 + p)", 1},
    {"ExpOfIndex",
     rows(64) + "param w[16] ~ normal(1), p = 0\nlet y[i: 16, j] = x[(i j)]\n"
                "loss sum(j: max(i: y[i, j] * w[i] * exp(-0.137 * i) + p)) + max(i: w[i] * exp(-0.137 * i) + p)",
     5},
    {"CosineOfIndex", // an index is a constant where one vector has all of it
     rows(32) + "param w[8] ~ normal(1), p = 0\nlet y[i: 8, j] = x[(i j)]\n"
                "loss sum(j: max(i: y[i, j] * w[i] * cos(0.3 * i + 1) + p))",
     4},
    {"PowerOfIndex",
     rows(64) + "param w[16] ~ normal(1), p = 0\nlet y[i: 16, j] = x[(i j)]\n"
                "loss sum(j: max(i: (1 + abs(y[i, j] * w[i])) ^ (i * 0.3 + 1) + p)) + max(i: (1.1 + w[i]) ^ (i + 1) + p)",
     5},
    {"Product",
     table + "param w[20, 32] ~ normal(1), p = 0\nlet z[i, k] = sum(j: y[i, j] * w[j, k])\n"
             "loss sum(i: max(k: z[i, k] / 3 + p)) + sum(k: max(i: z[i, k] / 3 + p))",
     52},
    {"FunctionOfProduct",
     table + "param w[20, 32] ~ normal(1), p = 0\nlet z[i, k] = sum(j: y[i, j] * w[j, k])\n"
             "loss sum(i: max(k: gelu(z[i, k]) / 3 + p)) + sum(k: max(i: tanh(z[i, k]) / 3 + p))",
     52},
    {"Scores", scores + "param p = 0\nloss sum(h, t: max(u: s[h, t, u] / 3 + p)) + 0 * sum(t, h, e: c[t, h, e])", 40},
    {"ScoresAndFold",
     scores + "param p = 0\nlet g[h, t, u] = where(s[h, t, u] / 3 == max(u: s[h, t, u] / 3), 1, 0)\n"
              "let z[t, h, e] = sum(u: g[h, t, u] * c[u, h, e])\n"
              "loss sum(h, t: max(u: s[h, t, u] / 3 + p)) + 0.01 * sum(t, h, e: z[t, h, e])",
     40},
    {"Repeat",
     table + "let h = y * 1\nlet all = 0 * y[0, 0]\nparam p = 0\n"
             "repeat layers[3] {\n  param q[20, 8] ~ normal(0.5), k[20, 8] ~ normal(0.5)\n"
             "  let a[i, e] = sum(j: h[i, j] * q[j, e])\n  let b[i, e] = sum(j: h[i, j] * k[j, e])\n"
             "  let s[t: 20, u: 20] = sum(e: a[t, e] * b[u, e])\n  let m[t] = max(u: s[t, u] / 3 + p)\n"
             "  all = all + sum(t: m[t])\n  h = tanh(h / 3)\n}\nloss all",
     60},
    {"Mask", rows(400) + "param w[400] ~ normal(1), p = 0\n"
                         "loss sum(r: where(x[r] * w[r] / 3 >= max(r: x[r] * w[r] / 3), p, 0))",
     1},
    {"MaskOfValue", rows(400) + "param w[400] ~ normal(1), p = 0\nlet y[r] = x[r] * w[r] / 3\nlet t = max(r: y[r])\n"
                                "loss sum(r: where(y[r] == t, p, 0))",
     1},
    {"Argmax", rows(400) + "param w[400] ~ normal(1), p[400] = 0\nloss p[argmax(r: x[r] * w[r] / 3)]", 1},
};

class SameBits : public testing::TestWithParam<Case> {};

TEST_P(SameBits, GradientsAreThoseOfDifferencesAndOfTheInterpreter) {
  ModelRunner runner(GetParam().text + train);
  ASSERT_TRUE(runner.model) << runner.errors;
  runner.compareWithInterpreter();
  runner.checkGradients();
}

/// Needs no other program to compare with, so it holds for bf16, too.
TEST_P(SameBits, SharesAddUp) {
  ModelRunner runner(GetParam().text + train);
  ASSERT_TRUE(runner.model) << runner.errors;
  for (bool f64 : {true, false}) {
    mlir::OwningOpRef<mlir::ModuleOp> module = runner.emit(Program::Train, f64, false);
    ASSERT_TRUE(module);
    RunState begin = runner.state(*module, f64);
    mlir::PassManager manager(module->getContext());
    manager.addPass(createAutodiffPass());
    manager.addPass(mlir::createCanonicalizerPass());
    manager.addPass(mlir::createCSEPass());
    ASSERT_TRUE(mlir::succeeded(manager.run(*module)));
    auto main = module->lookupSymbol<mlir::func::FuncOp>("main");
    for (int64_t bits = 128; bits <= host().vectorBits; bits *= 2)
      for (bool bf16 : {false, true}) {
        if (f64 && bf16)
          continue;
        SCOPED_TRACE((f64 ? "f64, " : bf16 ? "bf16, " : "f32, ") + std::to_string(bits) + " bits");
        CompiledModule compiled(*module, "optimizer", bits, ProgramKind::Train, bf16);
        ASSERT_TRUE(compiled.ok());
        RunState own = begin;
        std::vector<gpt::Tensor> results = compiled.run(own);
        double total = 0;
        for (size_t i = 0; i < results.size(); ++i) {
          auto name = main.getResultAttrOfType<mlir::FlatSymbolRefAttr>(unsigned(i), "gpt.gradient");
          if (name && name.getValue() == "p")
            for (double share : results[i].data)
              total += share;
        }
        EXPECT_NEAR(total, GetParam().shares, 1e-4);
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Maxima, SameBits, testing::ValuesIn(cases),
                         [](const auto &info) { return std::string(info.param.name); });

} // namespace
