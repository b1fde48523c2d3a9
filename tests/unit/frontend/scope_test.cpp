// Scopes: whatever is declared nearest hides; where two meanings are possible there is an error.
#include "unit/frontend/model_values.h"

using namespace gptc;
using namespace gptc::test;

namespace {
const std::string rows = "rows x[4] = columns(a, b, c, d)\n";
const std::vector<double> x = {1, -2, 3, 0.5};
const Inputs data = {{"x", x}};

std::vector<double> valueOf(const std::string &text, const std::string &name = "y") {
  return values(text, data, {})[name];
}
std::string errorsOf(const std::string &text) {
  Analysed m(text);
  EXPECT_FALSE(m.model) << "no error in:\n" << text;
  return m.errors;
}
} // namespace

//===-- Nearest hides ----------------------------------------------------------===//

TEST(Scopes, ADimensionOfABlocksParameterHidesOneOutside) {
  // `d` is 3 in the block, whatever stands outside.
  for (const char *outside : {"", "setting d = 100\n", "let d = 7\n", "param d[4] = 2\n"})
    expectNear(valueOf(outside + rows +
                       "block B() (v[c]) { param w[c, d: 3] = 1\n  sum(c, j: v[c] * w[c, j]) * d }\n"
                       "let y = B()(x)\noutput y\n"),
               {2.5 * 3 * 3});
}

TEST(Scopes, SoDoesOneInARepeat) {
  expectNear(valueOf("setting d = 100\n" + rows +
                     "let y = x * 1\n"
                     "repeat l[1] { param w[4, d: 3] = 1\n  y = y * d }\noutput y\n"),
             {3, -6, 9, 1.5});
}

TEST(Scopes, ASizeWrittenInTermsOfTheOuterOneIsTakenOnce) {
  expectNear(valueOf("setting d = 2\n" + rows +
                     "block B() (v[c]) { param w[c, d: 2 * d] = 1\n"
                     "  sum(c, j: v[c] * w[c, j]) * d }\nlet y = B()(x)\noutput y\n"),
             {2.5 * 4 * 4});
}

TEST(Scopes, ALetsIndexHidesASetting) {
  expectNear(valueOf("setting i = 100\n" + rows + "let y[i] = x[i] * i\noutput y\n"), {0, -2, 6, 1.5});
}

TEST(Scopes, ABinderHidesAnIndexAndASetting) {
  expectNear(
      valueOf("setting j = 100\n" + rows + "let y[i: 4] = sum(j: x[j] * j) + sum(i: x[i]) * i\noutput y\n"),
      {5.5, 8, 10.5, 13});
}

TEST(Scopes, AFormalHidesWhatStandsOutside) {
  expectNear(valueOf("setting a = 100, n = 50\n" + rows +
                     "def f(a[n]) = sum(i: a[i]) * n\nlet y = f(x)\noutput y\n"),
             {10});
  expectNear(
      valueOf("setting n = 50\n" + rows + "block B(n) (v[c]) { v * n * c }\nlet y = B(2)(x)\noutput y\n"),
      {8, -16, 24, 4});
}

TEST(Scopes, ALetInABodyHidesOneOutside) {
  expectNear(
      valueOf("setting a = 100\n" + rows + "def f(v) { let a = 2\n  v * a }\nlet y = f(x)\noutput y\n"),
      {2, -4, 6, 1});
}

TEST(Scopes, AModelsNameHidesTheLibrarysOnlyInTheModel) {
  // softmax uses the library's own sum and exp; `relu` of the model does not reach MLP or the like.
  expectNear(valueOf(rows + "def softplus(v) = 7\ndef relu(v) = -v\nlet y = relu(x)\noutput y\n"),
             {-1, 2, -3, -0.5});
  expectNear(valueOf("setting middle = 5, size = 9\n" + rows + "let y = RMSNorm(eps: 0)(x)\noutput y\n"),
             {1 / std::sqrt(14.25 / 4), -2 / std::sqrt(14.25 / 4), 3 / std::sqrt(14.25 / 4),
              0.5 / std::sqrt(14.25 / 4)},
             1e-9);
}

TEST(Scopes, ASizeThatALaterInputNamesIsNotTheOuterOne) {
  const char *block = "setting n = 100\nblock B() (a[2 * n], b[n]) { sum(i: a[i]) + sum(i: b[i]) }\n";
  expectNear(valueOf(block + rows + "let half[i: 2] = x[i + 0]\nlet y = B()(x, half)\noutput y\n"), {1.5});
}

TEST(Scopes, ADefaultMayUseTheSettingsBeforeIt) {
  expectNear(valueOf("setting n = 100\n" + rows +
                     "block B(n, twice = 2 * n) (v[c]) { v * twice }\n"
                     "let y = B(3)(x)\noutput y\n"),
             {6, -12, 18, 3});
}

TEST(Scopes, WhatAnInnerRepeatCarriesTheOuterOneCarriesToo) {
  // 2 outer copies of 3 inner ones each: h is halved 6 times, g adds what h is in each outer copy.
  const char *text = "let h = x * 1\nlet g = x * 0\n"
                     "repeat a[2] {\n  g = g + h\n  repeat b[3] { h = h * 0.5 }\n}\noutput h\noutput g\n";
  auto r = values(rows + text, data, {});
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(r["h"][i], x[i] / 64);
    EXPECT_EQ(r["g"][i], x[i] + x[i] / 8);
  }
  // Alone, too: it is no repeat that changes nothing.
  r = values(rows + "let h = x * 1\nrepeat a[2] { repeat b[3] { h = h * 0.5 } }\noutput h\n", data, {});
  EXPECT_EQ(r["h"][0], 1.0 / 64);
  // What the outer body makes itself, it does not carry.
  r = values(
      rows + "let h = x * 1\nlet g = x * 0\nrepeat a[2] {\n  let k = h * 2\n  repeat b[3] { k = k * 0.5 }\n"
             "  g = g + k\n}\noutput g\n",
      data, {});
  EXPECT_EQ(r["g"][0], 0.5);
}

TEST(Scopes, RangesByNameAreThoseWhereTheIndexIsDeclared) {
  // The group (n m) waits for n; `concat` has an `n` of its own, which is 2.
  const char *text = "setting n = 3\nparam w[6] = [1, 2, 3, 4, 5, 6]\nlet two[i: 2] = x[i + 0]\n"
                     "let y[n, m] = w[(n m)] + 0 * sum(k: concat(two, two)[k])\noutput y\n";
  expectNear(valueOf(rows + text), {1, 2, 3, 4, 5, 6});
}

TEST(Scopes, NamesOfUnnamedBlocksDoNotMeetThoseOfNamedOnes) {
  Analysed m(rows +
             "linear2 = Linear(4)\nlet a = Linear(4)(x) + Linear(4)(x)\nlet y = linear2(x) + a\noutput y\n");
  ASSERT_TRUE(m.model) << m.errors;
  for (const char *name : {"param linear.w:", "param linear2.w:", "param linear3.w:"})
    EXPECT_TRUE(has(m.model->printTyped(), name));
}

TEST(Scopes, EveryValueHasAPathOfItsOwn) {
  Analysed m(
      rows +
      "block B() (v[c]) { let h = v * 2\n  let h2 = v * 3\n  h + h2 }\nf = B()\nlet y = f(f(x))\noutput y\n");
  ASSERT_TRUE(m.model) << m.errors;
  std::vector<std::string> names = m.model->values();
  std::set<std::string> different(names.begin(), names.end());
  EXPECT_EQ(names.size(), different.size());
}

//===-- Two meanings are an error --------------------------------------------------===//

struct Ambiguous {
  const char *text;
  std::vector<const char *> parts;
};
class AmbiguousNames : public testing::TestWithParam<Ambiguous> {};
TEST_P(AmbiguousNames, AreErrors) {
  std::string errors = errorsOf(rows + GetParam().text);
  for (const char *part : GetParam().parts)
    EXPECT_TRUE(has(errors, part));
}

INSTANTIATE_TEST_SUITE_P(
    Scopes, AmbiguousNames,
    testing::Values(
        Ambiguous{"setting d = 2\nparam w[4, d: 3] = 1\nlet y = x * d\noutput y\n",
                  {"m.gpt:3:12: error: 'd' is 2 here already, and would be 3",
                   "m.gpt:2:9: note: it is defined here",
                   "give the dimension another name, or leave the name out: `[3]`"}},
        Ambiguous{"param w[d: 3] = 1, v[d: 4] = 1\nlet y = x\noutput y\n",
                  {"'d' is 3 here already, and would be 4"}},
        Ambiguous{"let d = x\nparam w[d: 3] = 1\n",
                  {"'d' is defined here already, so it cannot name a dimension"}},
        Ambiguous{"block B() (v[c]) { param w[c: 5] = 1\n  v * w[0] }\nlet y = B()(x)\n",
                  {"'c' is 4 here already, and would be 5", "in 'B', used here"}},
        Ambiguous{"setting d = 4\nparam w[d] = 1 / (1 + d)\nlet y = x * w\noutput y\n",
                  {"'d' may be the index of this dimension here, or its size", "name the index: `w[i: d]`"}},
        Ambiguous{"param w[i: 2, i: 2] = i\nlet y = x * w[0, 0]\n",
                  {"'i' may be either of two indices of 'w' here"}},
        Ambiguous{"def f(v, v) = v\nlet y = f(x, x)\n", {"'v' is declared twice in 'f'"}},
        Ambiguous{"block B(v) (v[c]) { v }\nlet y = B(3)(x)\n", {"'v' is declared twice in 'B'"}},
        Ambiguous{"def f(i, i: v) = sum(i: v)\nlet y = f(i, j: x[i])\n", {"'i' is declared twice in 'f'"}},
        Ambiguous{"def f(i, j: v) = sum(i, j: v)\nlet y = f(i, i: x[i])\n",
                  {"'f' is given the index 'i' twice"}},
        Ambiguous{"def f(v[n], n) = v * n\nlet y = f(x, sum(i: x[i]))\n",
                  {"'n' names a dimension of 'v' and something else in 'f'"}},
        Ambiguous{"def f(v[n], n) = v * n\nlet y = f(x, 3)\n",
                  {"dimension 'n' of 'v' is 4 here, but 3 is needed"}},
        Ambiguous{"setting m = 9\nblock B(n = m, m = 2) (v[c]) { v * n }\nlet y = B()(x)\n",
                  {"the default of 'n' cannot use 'm', which is a later setting of 'B'"}},
        Ambiguous{"setting c = 9\nblock B(n = c) (v[c]) { v * n }\nlet y = B()(x)\n",
                  {"the default of 'n' cannot use 'c', which is a dimension of an input of 'B'"}},
        Ambiguous{
            "setting d = 2\nblock B() (v[c]) { def f(u) = u * d\n  let a = f(v)\n  let d = 3\n  a + f(v) }\n"
            "let y = B()(x)\n",
            {"'d' may mean two things here", "the outer one", "the inner one"}},
        Ambiguous{"setting d = 2\nblock B() (v[c]) { param w[c] = 1 / d\n  let d = 3\n  v * w * d }\nlet y = "
                  "B()(x)\n",
                  {"'d' may mean two things here"}},
        Ambiguous{"let total = x * 1\nblock B() (v[c]) { let h = v * 1\n  repeat l[2] { h = h * 2\n  total = "
                  "total + h }\n"
                  "  h }\nlet y = B()(x)\n",
                  {"'total' stands outside of this block", "`let own = total * 1`"}},
        Ambiguous{"let a = Linear(4)(x) + Linear(4)(x)\nlinear2 = Linear(4)\nlet y = linear2(a)\n",
                  {"the name 'linear2' is taken by another repeat or block here"}},
        Ambiguous{"let d = 2.5\nlet y[d] = x[d - 1]\noutput y\n",
                  {"the range of index 'd' cannot be inferred"}}));

TEST(Scopes, ALengthOfATextIsNoSettingOfItsName) {
  EXPECT_TRUE(has(errorsOf("setting t = 3\ntext token[t < 8]: ids(9)\nlet y = token\noutput y\n"),
                  "'t' is 3 here already, and would be 8"));
}

TEST(Scopes, DataAreNotCalledLikeNumbersOfTheTrainingLoop) {
  for (std::string name : {"seed", "step", "example"})
    EXPECT_TRUE(has(errorsOf("rows " + name + " = columns(a)\nlet y = " + name + " * 2\noutput y\n"),
                    "data cannot be called '" + name + "'"));
}

//===-- Ranges that the surroundings give --------------------------------------------===//

TEST(Ranges, OfADefsIndexFollowFromAllOfTheLet) {
  const std::string text = rows + "param r[8] = [0, 1, 2, 3, 4, 5, 6, 7]\nparam z[3, 1] = [[1], [1], [1]]\n";
  double total = 1 + std::exp(2) + std::exp(4);
  for (const char *let : {"let y[t] = softmax(t: r[2 * t]) * z[t, 0]",
                          "let y[t] = z[t, 0] * softmax(t: r[2 * t])", "let y[t: 3] = softmax(t: r[2 * t])"})
    expectNear(valueOf(text + let + "\noutput y\n"), {1 / total, std::exp(2) / total, std::exp(4) / total});
  // In a sum, and in an argument of another def.
  expectNear(valueOf(text + "let y = sum(t: softmax(t: r[2 * t]) * z[t, 0])\noutput y\n"), {1});
  expectNear(valueOf(text + "let y = argmax(t: softmax(t: r[2 * t]) * z[t, 0])\noutput y\n"), {2});
}

TEST(Ranges, OfADefsIndexThatNothingGivesAreAskedForWhereItIsUsed) {
  std::string errors = errorsOf(rows + "let y[t] = softmax(t: x[2 * t])\noutput y\n");
  EXPECT_TRUE(
      has(errors, "m.gpt:2:12: error: the range of index 't' cannot be inferred before it is needed here"));
  EXPECT_EQ(errors.find("<library>"), std::string::npos) << errors;
}

TEST(Ranges, OfOneIndexAreTheSameEverywhere) {
  // The softmax runs over the tokens that there are, as `y` does, not over all of p: e says so further on.
  Analysed m("text token[t < 4]: ids(9)\nparam p[4] = 1\nlet e[t] = float(token[t])\n"
             "let y[t] = softmax(t: p[t]) + 0 * e[t]\noutput y\n");
  ASSERT_TRUE(m.model) << m.errors;
  std::string program = m.emit(Program::Outputs);
  for (size_t at = 0; (at = program.find("gpt.reduce", at)) != std::string::npos; ++at)
    EXPECT_TRUE(has(program.substr(at, program.find('\n', at) - at), "t <= 4"));
}
