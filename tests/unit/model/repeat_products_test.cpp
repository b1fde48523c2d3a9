// Repeats whose copies hold products of matrices beside maps of the same sizes that read what the products' epilogues
// read: which of them is first in a kernel, and which has to come before it.
#include "unit/model/model_runner.h"

#include <gtest/gtest.h>

using namespace gptc;
using namespace gptc::test;

namespace {

struct Case {
  const char *name;
  const char *text;
};

const char *const x2 = "rows x[2] = columns(a, b)\nlet h = x * 1\n";
const char *const x4 = "rows x[4] = columns(a, b, c, d)\nlet h = x * 1\n";

const Case cases[] = {
    {"WeightOfResult", "param w[2] ~ normal(1)\n  let u[j: 2] = tanh(h[j] * 0.5 + sum(r: h[r] * w[j]))\n  h = u"},
    {"SkipAroundProduct", "param w[2, 2] ~ normal(1)\n  let u[j: 2] = h[j] * 0.5 + sum(r: tanh(h[r]) * w[r, j])\n  h = u"},
    {"SkipAroundActivation",
     "param w[2, 2] ~ normal(1)\n  let a[j: 2] = tanh(h[j])\n"
     "  let u[j: 2] = h[j] * a[j] + sum(r: a[r] * w[r, j])\n  h = u"},
    {"TwoProducts",
     "param w[2, 2] ~ normal(1), v[2, 2] ~ normal(1)\n  let a[k: 2] = tanh(sum(r: h[r] * w[r, k]))\n"
     "  let u[j: 2] = h[j] + sin(sum(k: a[k] * h[k] * v[k, j])) * a[j]\n  h = u"},
    {"Nested",
     "param w[2, 2] ~ normal(1)\n  let g = h * 1\n  repeat inner[2] {\n    param v[2] ~ normal(1)\n"
     "    let u[j: 2] = tanh(g[j] * 0.5 + sum(r: g[r] * v[j]))\n    g = u\n  }\n"
     "  let z[j: 2] = h[j] + sum(r: tanh(g[r]) * w[r, j])\n  h = z"},
};

class RepeatProducts : public testing::TestWithParam<Case> {};

TEST_P(RepeatProducts, TrainAsTheInterpreterDoes) {
  for (int size : {2, 4}) {
    std::string body = GetParam().text;
    for (size_t at = 0; size == 4 && (at = body.find('2', at)) != std::string::npos; ++at)
      body[at] = '4';
    std::string text = std::string(size == 2 ? x2 : x4) + "repeat layers[4] {\n  " + body +
                       "\n}\nloss sum(j: sin(h[j]))\ntrain { batch: 3, optimizer: sgd(0.1) }\n";
    SCOPED_TRACE(text);
    ModelRunner runner(text);
    ASSERT_TRUE(runner.model) << runner.errors;
    runner.compareWithInterpreter();
    runner.checkGradients();
    runner.compareTraining();
  }
}

INSTANTIATE_TEST_SUITE_P(Models, RepeatProducts, testing::ValuesIn(cases),
                         [](const auto &info) { return std::string(info.param.name); });

} // namespace
