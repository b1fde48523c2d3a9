// docs/language-answers.md, question by question: that what it says is so.
#include "unit/frontend/model_values.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <algorithm>
#include <cmath>
#include <fstream>

using namespace gptc;
using namespace gptc::test;

namespace {

const std::string rows = "rows x[4] = columns(a, b, c, d), k = class(kind: p, q, r)\n";
const std::vector<double> x = {1, -2, 3, 0.5};
const Inputs data = {{"x", x}, {"k", {2}}};

std::string typed(const std::string &text) {
  Analysed m(text);
  return m.model ? m.model->printTyped() : m.errors;
}

//===-- 1, 2: instances and repeats -------------------------------------------===//

TEST(Answers, InstancesAreCalledByTheirNameTheLetOrTheBlock) {
  std::string text = typed(rows + "f = Linear(4)\nlet twice = f(f(x))\nlet h = Linear(3)(x)\n"
                                  "let s = Linear(1)(x) + Linear(1)(h)\noutput twice\noutput s\n");
  for (const char *name : {"param f.w: float[c=4, n=4]", "param h.w: float[c=4, n=3]",
                           "param linear.w: float[c=4, n=1]", "param linear2.w: float[c=3, n=1]"})
    EXPECT_TRUE(has(text, name));
  EXPECT_EQ(text.find("f2"), std::string::npos);
}

TEST(Answers, OneInstanceTwiceIsTheSameFunction) {
  auto r = values(
      rows + "f = Linear(4, std: 1)\nlet a = f(x)\nlet b = f(a)\nlet c = f(f(x))\noutput b\noutput c\n", data,
      {});
  expectNear(r["b"], r["c"]);
}

TEST(Answers, RepeatCarriesSeveralValuesInTheOrderOfItsStatements) {
  auto r = values(rows + "let h = x * 1\nlet total = 0 * x\n"
                         "repeat layers[3] {\n  h = h * 2\n  total = total + h\n}\noutput h\noutput total\n",
                  data, {});
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(r["h"][i], 8 * x[i]);
    EXPECT_EQ(r["total"][i], 14 * x[i]);
  }
}

TEST(Answers, WhatIsMadeOutsideOfARepeatIsSharedByItsCopies) {
  std::string text = typed(rows + "param gain[4] = 1\nshared = Linear(4)\nlet h = x * 1\n"
                                  "repeat layers[3] {\n  own = Linear(4)\n  let u[i] = gain[i] * h[i]\n"
                                  "  h = own(u) + shared(u)\n}\noutput h\n");
  EXPECT_TRUE(has(text, "param gain: float[4]"));
  EXPECT_TRUE(has(text, "param shared.w: float[c=4, n=4]"));
  EXPECT_TRUE(has(text, "param layers.own.w: 3 x float[c=4, n=4]"));
}

TEST(Answers, TwoRepeatsHaveTwoNames) {
  std::string text = typed(rows + "let h = x * 1\nrepeat one[2] { h = Linear(4)(h) }\n"
                                  "repeat two[3] { h = Linear(4)(h) }\noutput h\n");
  EXPECT_TRUE(has(text, "param one.w: 2 x float"));
  EXPECT_TRUE(has(text, "param two.w: 3 x float"));
  EXPECT_TRUE(has(typed(rows + "let h = x * 1\nrepeat one[2] { h = Linear(4)(h) }\n"
                               "repeat one[3] { h = Linear(4)(h) }\noutput h\n"),
                  "the name 'one' is taken by another repeat or block here"));
}

//===-- 3, 4: binders and indices -----------------------------------------------===//

TEST(Answers, FunctionsOfAnIndexAreWrittenInTheLanguage) {
  auto r = values(rows + "def norm(i: v) = sqrt(sum(i: v^2))\ndef centred(i: v) = v - mean(i: v)\n"
                         "let n = norm(i: x[i])\nlet z[i] = centred(i: 2 * x[i])\noutput n\noutput z\n",
                  data, {});
  expectNear(r["n"], {std::sqrt(14.25)});
  expectNear(r["z"], {0.75, -5.25, 4.75, -0.25});
}

TEST(Answers, PredicatesSeeWhatTheirFileSees) {
  auto r = values(
      rows + "setting reach = 2\nparam m[3, 3] = 1\n"
             "def near(t, s) = s <= t and t - s < reach and x[s] > 0\n"
             "block Count(see(t, s)) (u[t, c]) {\n  let n[t] = sum(s: where(see(t, s), u[t, s], 0))\n  n\n}\n"
             "let y = Count(near)(m)\noutput y\n",
      data, {});
  expectNear(r["y"], {1, 1, 1}); // x is positive at 0 and 2
}

TEST(Answers, EveryUseOfAnIndex) {
  auto r = values(
      rows +
          "param w[3, 4] = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]\n"
          "let before[i: 4] = x[i - 1]\nlet held[i: 4] = where(i >= 1, x[i - 1], x[0])\nlet part[i: 2] = x[i "
          "+ 1]\n"
          "let even[i: 2] = x[2 * i]\nlet back[i: 4] = x[3 - i]\nlet ring[i: 4] = x[(i + 1) % 4]\n"
          "let both[i: 6] = where(i < 4, x[i + 0], part[i - 4])\nlet turned[i, j] = w[j, i]\nlet middle = "
          "w[1]\n"
          "let corner = w[0, 3]\nlet ramp[i] = x[i] * float(i)\nlet lower[j, i] = where(i <= j, w[j, i], 0)\n"
          "let chosen = w[k]\nlet square[i: 2, j: 2] = x[(i j)]\nlet flat[(j i)] = w[j, i]\n"
          "output before\noutput held\noutput part\noutput even\noutput back\noutput ring\noutput both\n"
          "output turned\noutput middle\noutput corner\noutput ramp\noutput lower\noutput chosen\noutput "
          "square\n"
          "output flat\n",
      data, {});
  expectNear(r["before"], {0, 1, -2, 3});
  expectNear(r["held"], {1, 1, -2, 3});
  expectNear(r["part"], {-2, 3});
  expectNear(r["even"], {1, 3});
  expectNear(r["back"], {0.5, 3, -2, 1});
  expectNear(r["ring"], {-2, 3, 0.5, 1});
  expectNear(r["both"], {1, -2, 3, 0.5, -2, 3});
  expectNear(r["turned"], {1, 5, 9, 2, 6, 10, 3, 7, 11, 4, 8, 12});
  expectNear(r["middle"], {5, 6, 7, 8});
  expectNear(r["corner"], {4});
  expectNear(r["ramp"], {0, -2, 6, 1.5});
  expectNear(r["lower"], {1, 0, 0, 0, 5, 6, 0, 0, 9, 10, 11, 0});
  expectNear(r["chosen"], {9, 10, 11, 12});
  expectNear(r["square"], {1, -2, 3, 0.5});
  expectNear(r["flat"], {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
}

TEST(Answers, GroupsOnBothSidesAndInParameters) {
  auto r = values(rows + "setting groups = 2, each = 3\n"
                         "param q[(groups each)] = [1, 2, 3, 4, 5, 6], s[groups] = [10, 100]\n"
                         "let a[g, r: each] = q[(g r)] * s[g]\nlet b[(r g)] = a[g, r]\noutput a\noutput b\n",
                  data, {});
  expectNear(r["a"], {10, 20, 30, 400, 500, 600});
  expectNear(r["b"], {10, 400, 20, 500, 30, 600});
}

TEST(Answers, GroupsWaitForWhatSaysTheirRanges) {
  auto r =
      values(rows + "setting g = 2\nparam u[4] = [1, 2, 3, 4], v[2] = [10, 20]\n"
                    "let a[i] = v[i] + sum(j: u[(i j)])\nlet b[g] = sum(r: u[(g r)])\noutput a\noutput b\n",
             data, {});
  expectNear(r["a"], {13, 27});
  expectNear(r["b"], {3, 7});
}

TEST(Answers, GroupedQueriesAreHeadsWithTheSameKeys) {
  const std::string text =
      "text token[t < 4]: ids(5)\nsetting width = 4\nparam e[vocabulary, width] ~ normal(1)\n"
      "param wq[width, 4, 2], wk[width, 2, 2] ~ normal(1)\nlet x[t, c] = e[token[t], c]\n"
      "let q[t, h, d] = sum(c: x[t, c] * wq[c, h, d])\n"
      "let k[s, g, d] = sum(c: x[s, c] * wk[c, g, d])\n";
  Inputs tokens = {{"token", {1, 3, 0, 4}}};
  auto grouped =
      values(text + "let y[g: 2, r: 2, t, s] = sum(d: q[t, (g r), d] * k[s, g, d])\noutput y\n", tokens, {});
  auto plain = values(
      text + "let y[h, t, s] = sum(d: q[t, h, d] * k[s, int((h - h % 2) / 2), d])\noutput y\n", tokens, {});
  expectNear(grouped["y"], plain["y"]);
}

//===-- 5 to 8: sizes, masks, randomness ---------------------------------------------===//

TEST(Answers, SizesAreArithmeticOfSettings) {
  Analysed m("setting heads = 4, size = 8, width = heads * size\ntext token[t < 64]: alphabet(\"abc \")\n"
             "param e[vocabulary, width], up[width, hidden: 4 * width], down[hidden, 2] ~ normal(1)\n"
             "let y[t, j] = sum(c, h: e[token[t], c] * up[c, h] * down[h, j])\noutput y\n",
             {{"size", "16"}});
  ASSERT_TRUE(m.model) << m.errors;
  EXPECT_TRUE(has(m.model->printTyped(), "param e: float[vocabulary=4, width=64]"));
  EXPECT_TRUE(has(m.model->printTyped(), "param down: float[hidden=256, 2]"));
}

TEST(Answers, MasksAreExpressionsOfIndicesAndData) {
  auto r = values(
      "text token[t < 5]: ids(9)\nlet seen[t] = mean(s where s <= t and token[s] != 0: float(token[s]))\n"
      "output seen\n",
      {{"token", {2, 0, 4, 0, 6}}}, {});
  expectNear(r["seen"], {2, 2, 3, 3, 4});
}

TEST(Answers, RandomNumbersDependOnTheirKeysAlone) {
  const std::string text = rows + "let a[i] = random[i] + 0 * x[i]\nlet b[i] = random[i] + 0 * x[i]\n"
                                  "let c = random(x)\nlet d[i] = random[i + 1] + 0 * x[i]\n"
                                  "output a\noutput b\noutput c\noutput d\n";
  Inputs other = data, later = data, next = data;
  other["seed"] = {8};
  later["step"] = {1};
  next["example"] = {1};
  auto one = values(text, data, {}), again = values(text, data, {});
  EXPECT_EQ(one["a"], again["a"]);
  for (const Inputs &inputs : {other, later, next})
    EXPECT_NE(one["a"], values(text, inputs, {})["a"]);
  EXPECT_NE(one["a"], one["b"]); // each use draws for itself
  EXPECT_NE(one["a"], one["c"]);
  for (const char *name : {"a", "b", "c", "d"})
    for (double value : one[name]) {
      EXPECT_GE(value, 0);
      EXPECT_LT(value, 1);
    }
  EXPECT_TRUE(
      has(Analysed(rows + "let a = random[0.5]\n").errors, "a coordinate of 'random' is one integer"));
}

//===-- 9: initial values ----------------------------------------------------------------===//

/// A directory with files; gone at the end.
struct Files {
  llvm::SmallString<128> path;
  Files() { EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("gptc-answers", path)); }
  ~Files() { llvm::sys::fs::remove_directories(path); }
  std::string write(const std::string &name, const std::string &text) {
    llvm::SmallString<128> file = path;
    llvm::sys::path::append(file, name);
    std::ofstream(file.c_str()) << text;
    return file.c_str();
  }
};

struct FromFile {
  SourceManager sources;
  std::unique_ptr<Model> model;
  std::string errors;
  explicit FromFile(const std::string &path) {
    std::string problem;
    std::optional<int32_t> file = sources.open(path, problem);
    Diagnostics diagnostics(sources);
    EXPECT_TRUE(file) << problem;
    if (file)
      model = analyse(sources, *file, AnalyseOptions(), diagnostics);
    errors = diagnostics.render(false);
  }
};

TEST(Answers, InitialValuesOfEveryKind) {
  auto r = values(
      rows + "setting layers = 8\nparam hand[4] = [0.1, -0.29, -0.07, 0.46]\n"
             "param table[2, 3] = [[1, 2, 3], [4, 5, 6]]\nparam wave[t: 3, c: 2] = where(c == 0, sin(t), "
             "cos(t))\n"
             "param deep[50, 40] ~ normal(0.4 / sqrt(2 * layers))\nparam flat[1000] ~ uniform(2, 3)\n"
             "param text[2, 2] = numbers(\"1, 2; 3e1 -4\")\n"
             "let y = sum(i: hand[i] * x[i]) + sum(i, j: table[i, j]) + sum(t, c: wave[t, c])\n"
             "let z = sum(i, j: deep[i, j]) + sum(i: flat[i]) + sum(i, j: text[i, j])\noutput y\noutput z\n",
      data, {"hand", "table", "wave", "deep", "flat", "text"});
  expectNear(r["hand"], {0.1, -0.29, -0.07, 0.46});
  expectNear(r["table"], {1, 2, 3, 4, 5, 6});
  expectNear(r["wave"], {0, 1, std::sin(1), std::cos(1), std::sin(2), std::cos(2)});
  expectNear(r["text"], {1, 2, 30, -4});
  double squares = 0;
  for (double v : r["deep"])
    squares += v * v;
  EXPECT_NEAR(std::sqrt(squares / 2000), 0.1, 0.005);
  auto [low, high] = std::minmax_element(r["flat"].begin(), r["flat"].end());
  EXPECT_GE(*low, 2);
  EXPECT_LT(*high, 3);
  EXPECT_GT(*high - *low, 0.9);
}

TEST(Answers, InitialValuesFromAFileBesideTheModel) {
  Files files;
  files.write("w.csv", "0.10, -0.29\n-0.07, 0.46\n");
  std::string model = files.write("m.gpt", "rows x[2] = columns(a, b)\nparam w[2, 2] = file(\"w.csv\")\n"
                                           "let y[j] = sum(i: x[i] * w[i, j])\noutput y\n");
  FromFile m(model);
  ASSERT_TRUE(m.model) << m.errors;
  EXPECT_TRUE(has(m.model->text(), "param w[2, 2] = numbers(\"0.10, -0.29 -0.07, 0.46 \")\n"));
  auto r = values(m.model->text(), {{"x", {1, 2}}}, {"w"});
  expectNear(r["w"], {0.1, -0.29, -0.07, 0.46});
  expectNear(r["y"], {0.1 - 0.14, -0.29 + 0.92});
}

TEST(Answers, AFileThatDoesNotFitIsAnError) {
  Files files;
  files.write("w.csv", "1, 2, 3\n");
  files.write("text.csv", "1, two\n");
  auto errors = [&](const std::string &initial) {
    return FromFile(files.write("m.gpt", "rows x[2] = columns(a, b)\nparam w[2] = " + initial +
                                             "\nlet y = sum(i: x[i] * w[i])\noutput y\n"))
        .errors;
  };
  EXPECT_TRUE(has(errors("file(\"w.csv\")"), "3 numbers are here, but the parameter is [2]: 2 are needed"));
  EXPECT_TRUE(has(errors("file(\"text.csv\")"), "text.csv:1:4: error: this is no number"));
  EXPECT_TRUE(has(errors("file(\"none.csv\")"), "none.csv': No such file or directory"));
  EXPECT_TRUE(has(errors("file(3)"), "'file' takes one string"));
}

//===-- 11, 12: reports and optimizers --------------------------------------------------===//

TEST(Answers, ReportsInTheirOrder) {
  Analysed m(rows + "param w[4, 3] ~ normal(1)\nlet z[j] = sum(i: x[i] * w[i, j])\nloss cross_entropy(z, k)\n"
                    "report accuracy = correct(z, k)\nreport size = sum(j: z[j]^2)\n");
  ASSERT_TRUE(m.model) << m.errors;
  EXPECT_EQ(m.model->reports(), (std::vector<std::string>{"accuracy", "size"}));
  std::string text = m.emit(Program::Eval);
  EXPECT_LT(text.find("gpt.output = \"loss\""), text.find("gpt.output = \"report.accuracy\""));
  EXPECT_LT(text.find("gpt.output = \"report.accuracy\""), text.find("gpt.output = \"report.size\""));
}

/// The learning rate at some steps.
std::vector<double> rates(const std::string &rate, std::vector<int> steps) {
  Analysed m("setting width = 16\n" + rows +
             "param w[4] = 1\nloss sum(i: (w[i] - x[i])^2)\ntrain { steps: 100, "
             "optimizer: sgd(" +
             rate + ") }\n");
  EXPECT_TRUE(m.model) << m.errors;
  std::vector<double> result;
  if (!m.model)
    return result;
  mlir::MLIRContext context;
  Model::EmitOptions options;
  options.f64 = true;
  mlir::OwningOpRef<mlir::ModuleOp> module = m.model->emit(&context, options);
  for (int step : steps) {
    gpt::Interpreter interpreter;
    auto run = interpreter.run(module->lookupSymbol<mlir::func::FuncOp>("learning_rate"),
                               {gpt::Tensor::scalar(step)});
    EXPECT_TRUE(bool(run));
    result.push_back(run ? (*run)[0].data[0] : NAN);
  }
  return result;
}

TEST(Answers, TheLearningRateIsAnyExpressionOfTheStep) {
  expectNear(rates("0.25", {0, 50}), {0.25, 0.25});
  expectNear(rates("where(step < 50, 0.1, 0.01)", {0, 49, 50}), {0.1, 0.1, 0.01});
  expectNear(rates("0.1 * 0.5^(step / 10)", {0, 10, 25}), {0.1, 0.05, 0.1 * std::pow(0.5, 2.5)});
  expectNear(rates("width^-0.5 * min((step + 1)^-0.5, (step + 1) * 4^-1.5)", {0, 3, 99}),
             {0.25 / 8, 0.25 * 0.5, 0.25 * 0.1});
  auto cosine = [](double step) { return 0.1 + 0.5 * (1 + std::cos(M_PI * (step - 20) / 80)) * 0.9; };
  expectNear(rates("cosine(1, to: 0.1, warmup: 20)", {0, 19, 20, 60, 100, 101}),
             {1.0 / 21, 20.0 / 21, 1, cosine(60), 0.1, 0.1});
  expectNear(rates("linear_decay(1, to: 0.1, warmup: 20)", {0, 20, 60, 100, 200}),
             {1.0 / 21, 1, 0.55, 0.1, 0.1});
}

TEST(Answers, OptimizersAndTheirSettings) {
  auto train = [](const std::string &fields) {
    Analysed m(rows + "param w[4] = 1\nloss sum(i: (w[i] - x[i])^2)\ntrain { " + fields + " }\n");
    return m.model ? m.emit(Program::Train) : m.errors;
  };
  std::string sgd = train("optimizer: sgd(0.1, momentum: 0.9, decay: 0.25)");
  for (const char *part : {"kind = \"sgd\"", "momentum = 9.0", "decay = 2.5", "decay_min_rank = 2.0"})
    EXPECT_TRUE(has(sgd, part));
  std::string adamw =
      train("clip: 0.5, optimizer: adamw(1e-3, betas: (0.5, 0.75), eps: 0.125, decay_min_rank: 1)");
  for (const char *part : {"kind = \"adamw\"", "beta1 = 5.0", "beta2 = 7.5", "eps = 1.25", "clip = 5.0",
                           "decay_min_rank = 1.0", "decay = 1.000000e-02"})
    EXPECT_TRUE(has(adamw, part));
  EXPECT_TRUE(
      has(train("optimizer: sgd(0.1, momentum: 1)"), "'momentum' is a number from 0 to below 1, not 1"));
  EXPECT_TRUE(has(train("optimizer: adamw(0.1, decay: -1)"), "'decay' is a number, 0 or more, not -1"));
  EXPECT_TRUE(has(train("clip: 0, optimizer: sgd(0.1)"), "'clip' is a positive number, not 0"));
  EXPECT_TRUE(has(train("optimizer: adam(0.1)"), "unknown optimizer 'adam'"));
}

//===-- 13: files ----------------------------------------------------------------------------===//

TEST(Answers, UseReadsAFileOnceAndBeforeItsUser) {
  Files files;
  files.write("base.gpt", "setting width = 4\ndef twice(v) = 2 * v\n");
  files.write("layers.gpt",
              "use \"base.gpt\"\nblock Gate(n) (u[.., c]) -> [.., n] { sigmoid(Linear(n)(u)) }\n");
  FromFile m(files.write("m.gpt",
                         "use \"base.gpt\"; use \"layers.gpt\"\nrows x[width] = columns(a, b, c, d)\n"
                         "let y = twice(Gate(3)(x))\noutput y\n"));
  ASSERT_TRUE(m.model) << m.errors;
  EXPECT_TRUE(has(m.model->printTyped(), "param gate.linear.w: float[c=4, n=3]"));
  // The text that a run keeps says the same and needs no other file.
  Analysed alone(m.model->text());
  ASSERT_TRUE(alone.model) << alone.errors << m.model->text();
  EXPECT_EQ(alone.model->printTyped(), m.model->printTyped());
  EXPECT_EQ(alone.model->text(), m.model->text());
}

TEST(Answers, ACopyOfTheLibraryTakesItsPlace) {
  Files files;
  files.write("functions.gpt", "def relu(v) = max(v, 7)\n");
  FromFile m(files.write(
      "m.gpt", "use \"functions.gpt\"\nrows x[4] = columns(a, b, c, d)\nlet y = relu(x)\noutput y\n"));
  ASSERT_TRUE(m.model) << m.errors;
  auto r = values(m.model->text(), {{"x", {1, -2, 30, 0.5}}}, {});
  expectNear(r["y"], {7, 7, 30, 7});
}

TEST(Answers, TheLibraryIsFoundInTheSameWay) {
  Analysed m("use \"blocks.gpt\"\n" + rows + "let y = Linear(2)(x)\noutput y\n");
  ASSERT_TRUE(m.model) << m.errors;
}

//===-- 14: numbers ----------------------------------------------------------------------------===//

TEST(Answers, TypesAndConversions) {
  auto r = values(rows + "let whole[i] = int(2.6 * x[i])\nlet part[i] = float(k) * 0.5 + 0 * x[i]\n"
                         "let rest[i] = whole[i] % 3\nlet yes[i] = where(x[i] > 0 and not (k == 1), 1, 0)\n"
                         "output whole\noutput part\noutput rest\noutput yes\n",
                  data, {});
  expectNear(r["whole"], {2, -5, 7, 1});
  expectNear(r["part"], {1, 1, 1, 1});
  expectNear(r["rest"], {2, 1, 1, 1});
  expectNear(r["yes"], {1, 0, 1, 1});
}

TEST(Answers, OfATieOneClassIsCorrect) {
  // `correct` says of as many classes that they are right as `argmax` names: the first of the highest.
  for (auto [z, right] : {std::pair{"[1, 1, 1]", std::vector<double>{1, 0, 0}},
                          std::pair{"[0, 2, 2]", std::vector<double>{0, 1, 0}},
                          std::pair{"[0, 2, 3]", std::vector<double>{0, 0, 1}},
                          std::pair{"[-inf, -inf, -inf]", std::vector<double>{1, 0, 0}}})
    for (double kind : {0, 1, 2}) {
      auto r = values(rows + "param z[3] = " + z + "\nlet right = correct(z, k) + 0 * x[0]\noutput right\n",
                      {{"x", x}, {"k", {kind}}}, {});
      expectNear(r["right"], {right[size_t(kind)]});
    }
}

TEST(Answers, SmoothedCrossEntropyIsANumberWhereAClassIsImpossible) {
  auto r = values(rows + "param z[3] = [0, -inf, 0]\nlet plain = cross_entropy_smooth(z, k, 0) + 0 * x[0]\n"
                         "let spread = cross_entropy_smooth(z, 1, 1) + 0 * x[0]\n"
                         "let sure = cross_entropy_smooth(z, 1, 0) + 0 * x[0]\n"
                         "output plain\noutput spread\noutput sure\n",
                  data, {});
  expectNear(r["plain"], {std::log(2)}); // k is 2
  EXPECT_EQ(r["spread"][0], INFINITY);   // a third of the target is impossible
  EXPECT_EQ(r["sure"][0], INFINITY);
}

TEST(Answers, FunctionsWithBoundsHaveTheirLimits) {
  auto r =
      values("rows x[4] = columns(a, b, c, d)\nlet s = sigmoid(x)\nlet u = silu(x)\nlet p = softplus(x)\n"
             "output s\noutput u\noutput p\n",
             {{"x", {-700, -1, 700, 31}}}, {});
  expectNear(r["s"], {0, 1 / (1 + std::exp(1)), 1, 1 / (1 + std::exp(-31.0))});
  expectNear(r["u"], {0, -1 / (1 + std::exp(1)), 700, 31 / (1 + std::exp(-31.0))});
  expectNear(r["p"], {0, std::log1p(std::exp(-1)), 700, 31});
}

} // namespace
