// What programs compute, by the reference interpreter, against numbers worked out here.
#include "unit/frontend/model_values.h"

#include <cmath>

using namespace gptc;
using namespace gptc::test;

static const char *rows = "rows x[4] = columns(a, b, c, d), k = class(kind: p, q, r)\n";
static const Inputs data = {{"x", {1, -2, 3, 0.5}}, {"k", {2}}};

TEST(Values, OneNeuron) {
  auto r = values(std::string(rows) + "param w[4] = [0.1, -0.29, -0.07, 0.46],  b = 0.25\n"
                                      "let y = relu(sum(i: x[i] * w[i]) + b)\noutput y\n",
                  data, {});
  expectNear(r["y"], {0.1 + 0.58 - 0.21 + 0.23 + 0.25});
}

TEST(Values, OperatorsGroupFromTheLeft) {
  auto r = values(std::string(rows) + "let a = x * 12 / 3 * 2\nlet b = x - 1 - 1\nlet c = 2 ^ 3 ^ 2 + 0 * x\n"
                                      "let d = -x^2\noutput a\noutput b\noutput c\noutput d\n",
                  data, {});
  expectNear(r["a"], {8, -16, 24, 4});
  expectNear(r["b"], {-1, -4, 1, -1.5});
  expectNear(r["c"], {512, 512, 512, 512});
  expectNear(r["d"], {-1, -4, -9, -0.25});
}

TEST(Values, Softmax) {
  auto r = values(
      std::string(rows) +
          "let p[i] = softmax(i: x[i])\nlet some[i] = softmax(i: where(x[i] > 0.75, x[i], -inf))\n"
          "let none[i] = softmax(i: where(x[i] > 9, x[i], -inf))\noutput p\noutput some\noutput none\n",
      data, {});
  double total = std::exp(1) + std::exp(-2) + std::exp(3) + std::exp(0.5);
  expectNear(r["p"], {std::exp(1) / total, std::exp(-2) / total, std::exp(3) / total, std::exp(0.5) / total});
  double two = std::exp(1) + std::exp(3);
  expectNear(r["some"], {std::exp(1) / two, 0, std::exp(3) / two, 0});
  expectNear(r["none"], {0, 0, 0, 0});
}

TEST(Values, ReductionsAndConditions) {
  auto r = values(
      std::string(rows) +
          "let s = sum(i: x[i])\nlet m = mean(i where x[i] > 0: x[i])\nlet n = mean(i where x[i] > 9: x[i])\n"
          "let lo = min(i: x[i])\nlet hi = max(i where x[i] < 3: x[i])\nlet at = argmax(i: x[i])\n"
          "let v = variance(i: x[i])\nlet pairs = sum(i, j where i < j: x[i] * x[j])\n"
          "output s\noutput m\noutput n\noutput lo\noutput hi\noutput at\noutput v\noutput pairs\n",
      data, {});
  expectNear(r["s"], {2.5});
  expectNear(r["m"], {1.5});
  expectNear(r["n"], {0});
  expectNear(r["lo"], {-2});
  expectNear(r["hi"], {1});
  expectNear(r["at"], {2});
  expectNear(r["v"], {14.25 / 4 - 0.625 * 0.625});
  expectNear(r["pairs"], {(2.5 * 2.5 - 14.25) / 2});
}

TEST(Values, IndicesShiftSliceConcatAndGroup) {
  auto r = values(
      std::string(rows) +
          "let before[i] = x[i - 1] + 0 * x[i]\nlet part[i < 2] = x[i + 2]\nlet both = concat(x, part)\n"
          "let square[i < 2, j] = x[(i j)]\nlet turned[(j i)] = square[i, j]\nlet mod[i] = x[(i + 1) % 4] + "
          "0 * x[i]\n"
          "output before\noutput part\noutput both\noutput square\noutput turned\noutput mod\n",
      data, {});
  expectNear(r["before"], {0, 1, -2, 3});
  expectNear(r["part"], {3, 0.5});
  expectNear(r["both"], {1, -2, 3, 0.5, 3, 0.5});
  expectNear(r["square"], {1, -2, 3, 0.5});
  expectNear(r["turned"], {1, 3, -2, 0.5});
  expectNear(r["mod"], {-2, 3, 0.5, 1});
}

TEST(Values, ClassesAndCrossEntropy) {
  auto r = values(std::string(rows) +
                      "let z[i < 3] = x[i]\nlet hot = one_hot(k)\nlet loss1 = cross_entropy(z, k)\n"
                      "let smooth = cross_entropy_smooth(z, k, 0.3)\nlet right = correct(z, k)\n"
                      "output hot\noutput loss1\noutput smooth\noutput right\n",
                  data, {});
  expectNear(r["hot"], {0, 0, 1});
  double total = std::log(std::exp(1) + std::exp(-2) + std::exp(3));
  expectNear(r["loss1"], {total - 3});
  expectNear(r["smooth"], {total - 0.7 * 3 - 0.3 * (2.0 / 3)});
  expectNear(r["right"], {1});
}

TEST(Values, ElementaryFunctions) {
  auto r =
      values(std::string(rows) + "let g = gelu(x)\nlet s = sigmoid(x)\nlet p = softplus(x)\nlet u = silu(x)\n"
                                 "output g\noutput s\noutput p\noutput u\n",
             data, {});
  std::vector<double> g, s, p, u;
  for (double v : data.at("x")) {
    g.push_back(0.5 * v * (1 + std::erf(v * std::sqrt(0.5))));
    s.push_back(1 / (1 + std::exp(-v)));
    p.push_back(std::log1p(std::exp(v)));
    u.push_back(v / (1 + std::exp(-v)));
  }
  expectNear(r["g"], g);
  expectNear(r["s"], s);
  expectNear(r["p"], p);
  expectNear(r["u"], u);
}

TEST(Values, LayerNormAndSharedLinear) {
  auto r = values(std::string(rows) + "let y = LayerNorm(eps: 0)(x)\noutput y\n", data, {});
  double mean = 0.625, std = std::sqrt(14.25 / 4 - mean * mean);
  std::vector<double> expected;
  for (double v : data.at("x"))
    expected.push_back((v - mean) / std);
  expectNear(r["y"], expected);
}

TEST(Values, RepeatRunsEveryCopyWithItsParameters) {
  auto r = values(std::string(rows) +
                      "let y = x + 0\nblock Add() (u[c]) -> [c] { param w[c] ~ uniform(1, 2)\n"
                      "  let z[c] = u[c] + w[c]\n  z }\nrepeat layers[3] { y = Add()(y) }\noutput y\n",
                  data, {"layers.w", "layers.z"});
  ASSERT_EQ(r["layers.w"].size(), 12u);
  for (int c = 0; c < 4; ++c) {
    double sum = data.at("x")[c];
    for (int layer = 0; layer < 3; ++layer) {
      EXPECT_GE(r["layers.w"][layer * 4 + c], 1);
      EXPECT_LT(r["layers.w"][layer * 4 + c], 2);
      sum += r["layers.w"][layer * 4 + c];
      EXPECT_DOUBLE_EQ(r["layers.z"][layer * 4 + c], sum);
    }
    EXPECT_DOUBLE_EQ(r["y"][c], sum);
  }
}

TEST(Values, NormalHasItsDeviationAndCopiesDiffer) {
  auto r =
      values(std::string(rows) +
                 "let y = x + 0\nblock Add() (u[c]) -> [c] { param w[100, c] ~ normal(0.5)\n"
                 "  let z[c] = u[c] + sum(i: w[i, c])\n  z }\nrepeat layers[10] { y = Add()(y) }\noutput y\n",
             data, {"layers.w"});
  const std::vector<double> &w = r["layers.w"];
  ASSERT_EQ(w.size(), 4000u);
  double sum = 0, squares = 0;
  for (double v : w) {
    sum += v;
    squares += v * v;
  }
  EXPECT_NEAR(sum / 4000, 0, 0.03);
  EXPECT_NEAR(std::sqrt(squares / 4000), 0.5, 0.02);
  EXPECT_NE(w[0], w[400]);
}

TEST(Values, AttentionSeesOnlyThePast) {
  const char *text =
      "text token[t < 6]: ids(8)\nparam e[vocabulary, 8] ~ normal(1)\nlet x[t, c] = e[token[t], c]\n"
      "let y = Attention(2, causal, std: 0.5)(x, x)\noutput y\n";
  auto a = values(text, {{"token", {1, 2, 3, 4, 5, 6}}}, {"y.weight"}),
       b = values(text, {{"token", {1, 2, 3, 7, 7, 7}}}, {});
  for (int i = 0; i < 3 * 8; ++i)
    EXPECT_DOUBLE_EQ(a["y"][i], b["y"][i]);
  EXPECT_NE(a["y"][3 * 8], b["y"][3 * 8]);
  for (int row = 0; row < 2 * 6; ++row) {
    double sum = 0;
    for (int s = 0; s < 6; ++s)
      sum += a["y.weight"][row * 6 + s];
    EXPECT_NEAR(sum, 1, 1e-12);
  }
}

TEST(Values, ShorterTextIsTheSameAsItsPart) {
  const char *text =
      "text token[t < 6]: ids(8)\nparam e[vocabulary, 8] ~ normal(1)\nlet x[t, c] = e[token[t], c]\n"
      "let m[c] = mean(t: x[t, c])\nlet y = LayerNorm()(x)\noutput m\noutput y\n";
  auto r = values(text, {{"token", {1, 2, 3, 0, 0, 0}}}, {"x"}, {{"t", 3}});
  for (int c = 0; c < 8; ++c)
    EXPECT_NEAR(r["m"][c], (r["x"][c] + r["x"][8 + c] + r["x"][16 + c]) / 3, 1e-12);
}
