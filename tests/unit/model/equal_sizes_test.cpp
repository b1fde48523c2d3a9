// Dimensions of equal size are not the same dimension: models in which all sizes are one number, the batch's too.
#include "unit/model/model_runner.h"

#include <gtest/gtest.h>

using namespace gptc::test;

namespace {

const char *const head = "rows x[$, $] = columns($COLUMNS), y[$] = columns($TARGETS)\n";

struct Form {
  const char *name;
  const char *text; ///< `$` is the size
};

// What is computed from x to a loss; x and y are matrices and vectors of the data, one for each example.
const Form forms[] = {
    {"OwnProduct", R"(
param w[a: $, c: $] ~ normal(1)
let h[t, c] = sum(r: x[t, r] * w[r, c])
let v[t, u] = sum(r: h[t, r] * h[u, r])
output v
loss sum(t, u: sin(v[t, u]))
)"},
    {"ProductOfData", R"(
param w[a: $, c: $] ~ normal(1)
let v[t, u] = sum(r: x[t, r] * x[u, r])
output v
loss sum(t, u: sin(v[t, u] * w[t, u]))
)"},
    {"TransposedProduct", R"(
param w[a: $, c: $] ~ normal(1)
let h[t, c] = sum(r: x[t, r] * w[r, c])
let v[t, u] = sum(r: h[r, t] * x[r, u])
let z[t, u] = v[u, t] + v[t, u]^2
output z
loss sum(t, u: tanh(z[t, u]) * x[u, t])
)"},
    {"HeadWithoutAxis", R"(
param q[a: $, c: $], k[a: $, c: $], v[a: $, c: $] ~ normal(1)
let kq[t, c] = sum(r: x[t, r] * q[r, c])
let kk[t, c] = sum(r: x[t, r] * k[r, c])
let kv[t, c] = sum(r: x[t, r] * v[r, c])
let score[t, s] = sum(c: kq[t, c] * kk[s, c])
let p[t, s] = softmax(s: where(s <= t, score[t, s], -inf))
let o[t, c] = sum(s: p[t, s] * kv[s, c])
output o
loss sum(t, c: (o[t, c] - y[c])^2)
)"},
    {"HeadWithAxis", R"(
param q[a: $, h: $, c: $], k[a: $, h: $, c: $], v[a: $, h: $, c: $] ~ normal(1)
let kq[t, h, c] = sum(r: x[t, r] * q[r, h, c])
let kk[t, h, c] = sum(r: x[t, r] * k[r, h, c])
let kv[t, h, c] = sum(r: x[t, r] * v[r, h, c])
let score[h, t, s] = sum(c: kq[t, h, c] * kk[s, h, c])
let p[h, t, s] = softmax(s: score[h, t, s])
let o[t, h, c] = sum(s: p[h, t, s] * kv[s, h, c])
output o
loss sum(t, h, c: (o[t, h, c] - y[c])^2)
)"},
    {"SoftmaxOverRows", R"(
param q[a: $, c: $], v[a: $, c: $] ~ normal(1)
let score[t, s] = sum(c: x[t, c] * q[s, c])
let p[t, s] = softmax(t: score[t, s])
let o[s, c] = sum(t: p[t, s] * v[t, c])
let back[t, c] = sum(s: p[t, s] * o[s, c])
output back
loss sum(t, c: back[t, c] * x[c, t])
)"},
    {"SquareOfScores", R"(
param q[a: $, c: $] ~ normal(1)
let score[t, s] = sum(c: x[t, c] * q[s, c])
let p[t, s] = exp(score[t, s] * 0.3)
let twice[t, u] = sum(s: p[t, s] * p[s, u])
let once[t, u] = sum(s: p[t, s] * x[s, u])
output twice
output once
loss sum(t, u: sin(twice[t, u]) + sin(once[t, u] * p[u, t]))
)"},
    {"SpreadSoftmax", R"(
param v[i: $] ~ normal(1)
let h[i: $, j: $] = softmax(i: v[i])
repeat lay[2] { let u[i, j] = h[i, j] * (1 + x[i, j]); h = u }
output h
loss sum(i, j: sin(h[i, j]))
)"},
    {"SpreadOtherWay", R"(
param v[i: $] ~ normal(1)
let h[j: $, i: $] = softmax(i: v[i])
repeat lay[2] { let u[j, i] = tanh(h[j, i]) + x[j, i] * h[i, j]; h = u }
output h
loss sum(i, j: sin(h[i, j]))
)"},
    {"Carried", R"(
param v[i: $] ~ normal(1)
let h[i: $, j: $] = softmax(i: v[i])
let g[i: $, j: $] = x[j, i]
repeat lay[$] {
  param w[a: $, b: $] ~ normal(1)
  let u[i, j] = sum(r: h[i, r] * w[r, j]) + g[j, i]
  let d[i, j] = u[i, j] - mean(k: u[k, j])
  g = tanh(h)
  h = tanh(d * 0.5)
}
output h
loss sum(i, j: sin(h[i, j]) * g[j, i])
)"},
    {"LayerNorms", R"(
param gain[c: $] = 1, shift[c: $] = 0, w[a: $, c: $] ~ normal(1)
let h[t, c] = sum(r: x[t, r] * w[r, c])
let m[t] = mean(c: h[t, c])
let n[t] = mean(c: (h[t, c] - m[t])^2)
let z[t, c] = (h[t, c] - m[t]) / sqrt(n[t] + 0.1) * gain[c] + shift[t]
let k[t, c] = z[c, t] * gain[t]
output k
loss mean(t, c: (k[t, c] - y[t])^2)
)"},
    {"SumsBothWays", R"(
param w[a: $, c: $] ~ normal(1), g[c: $] = 1
let h[i, j] = x[i, j] * w[j, i] * g[i]
let rows[i] = sum(j: h[i, j]^2)
let columns[j] = sum(i: sin(h[i, j]))
let z[i, j] = h[i, j] / (1 + rows[i]) + columns[j] * rows[j]
output z
loss sum(i, j: z[i, j] * h[j, i])
)"},
    {"Highest", R"(
param w[a: $, c: $] ~ normal(1)
let h[i, j] = x[i, j] * w[j, i]
let top[i] = max(j: h[i, j])
let low[j] = min(i: h[i, j])
let z[i, j] = (h[i, j] - top[j]) * low[i]
output z
loss sum(i, j: sin(z[i, j]))
)"},
    {"GainOfAll", R"(
param g[b: $, i: $, j: $] ~ normal(1), v[j: $] ~ normal(1)
let h[b, i, j] = g[i, b, j] * x[b, i] * v[j]
let s[b, i] = sum(j: h[b, i, j]^2)
let z[b, i, j] = h[b, i, j] / (1 + s[i, b])
let total[j] = sum(b, i: z[b, i, j] * s[b, i])
output total
loss sum(j: sin(total[j]) * y[j])
)"},
};

std::string withSize(std::string text, int size) {
  auto replace = [&](const std::string &what, const std::string &by) {
    for (size_t at; (at = text.find(what)) != std::string::npos;)
      text.replace(at, what.size(), by);
  };
  auto list = [](const std::string &name, int count) {
    std::string names;
    for (int i = 0; i < count; ++i)
      names += (i ? ", " : "") + name + std::to_string(i);
    return names;
  };
  replace("$COLUMNS", list("x", size * size));
  replace("$TARGETS", list("y", size));
  replace("$", std::to_string(size));
  return text;
}

class EqualSizes : public ::testing::TestWithParam<std::tuple<Form, int>> {};

TEST_P(EqualSizes, Numbers) {
  auto [form, size] = GetParam();
  std::string train = "train { batch: $, steps: 1, optimizer: sgd(0.1, momentum: 0.5) }\n";
  ModelRunner runner(withSize(head + std::string(form.text) + train, size));
  ASSERT_TRUE(runner.model) << runner.errors;
  runner.batch = size;
  runner.compareWithInterpreter();
  if (size <= 5)
    runner.checkGradients();
}

INSTANTIATE_TEST_SUITE_P(Forms, EqualSizes,
                         ::testing::Combine(::testing::ValuesIn(forms), ::testing::Values(2, 3, 4, 8, 16)),
                         [](const auto &info) {
                           return std::string(std::get<0>(info.param).name) + std::to_string(std::get<1>(info.param));
                         });

} // namespace
