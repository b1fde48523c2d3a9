// What the constructs of the language become.
#include "support/source_tree.h"
#include "unit/frontend/model_fixture.h"

using namespace gptc;
using namespace gptc::test;

static std::string example(const std::string &name) {
  return sourceText("examples/" + name);
}

TEST(Emit, ExamplesVerifyInEveryProgram) {
  for (const char *name : {"shakespeare.gpt", "gpt2.gpt", "leaf.gpt", "attention.gpt", "heads.gpt",
                           "blocks.gpt", "shakespeare_large.gpt", "llama.gpt"}) {
    Analysed m(example(name));
    ASSERT_TRUE(m.model) << m.errors;
    for (Program program : {Program::Init, Program::Train, Program::Eval, Program::Outputs})
      for (bool f64 : {false, true})
        EXPECT_FALSE(m.emit(program, {}, f64).empty()) << name;
  }
}

TEST(Emit, EveryValueCanBeShown) {
  for (const char *name : {"shakespeare.gpt", "leaf.gpt"}) {
    Analysed m(example(name));
    ASSERT_TRUE(m.model) << m.errors;
    std::string text = m.emit(Program::Outputs, m.model->values());
    for (const std::string &value : m.model->values())
      EXPECT_TRUE(has(text, "gpt.output = \"" + value + "\"")) << name;
  }
}

TEST(Emit, CompileTimeIsFlatInDepth) {
  Analysed shallow(example("gpt2.gpt"), {{"layers", "2"}}), deep(example("gpt2.gpt"), {{"layers", "48"}});
  auto lines = [](const std::string &text) { return std::count(text.begin(), text.end(), '\n'); };
  EXPECT_EQ(lines(shallow.emit(Program::Train)), lines(deep.emit(Program::Train)));
}

static const char *rows = "rows x[4] = columns(a, b, c, d)\n";

TEST(Emit, ContractionOfTwoFactors) {
  Analysed m(std::string(rows) + "param w[4, 3] ~ normal(1)\nlet y[j] = sum(i: x[i] * w[i, j])\noutput y\n");
  std::string text = m.emit(Program::Outputs);
  EXPECT_TRUE(has(text, "gpt.generic sum [j=3 | i=4]"));
  EXPECT_TRUE(has(text, "arith.mulf"));
}

TEST(Emit, FactorOfAMatrixProductIsATensorOfItsOwn) {
  Analysed m("text token[t < 8]: chars\nparam e[vocabulary, 4] ~ normal(1), w[4, 3] ~ normal(1)\n"
             "let y[t, j] = sum(i: relu(e[token[t], i]) * w[i, j])\noutput y\n");
  std::string text = m.emit(Program::Train);
  text = m.emit(Program::Outputs);
  size_t relu = text.find("arith.maximumf"), product = text.find("gpt.generic sum");
  ASSERT_NE(relu, std::string::npos);
  EXPECT_LT(relu, product);
}

TEST(Emit, ShiftGatherSliceAndIndexAsNumber) {
  Analysed m("text token[t < 8]: chars\nparam e[vocabulary, 4] ~ normal(1)\n"
             "let x[t, c] = e[token[t], c]\n"
             "let before[t, c] = x[t - 1, c] + 0.5 * x[t, c]\n"
             "let part[t, c < 2] = x[t, c + 2]\n"
             "let late[t, c] = x[t, c] * float(t) + where(c < t, 1, 0)\n"
             "output before\noutput part\noutput late\n");
  std::string text = m.emit(Program::Outputs);
  EXPECT_TRUE(has(text, "indices("));
  EXPECT_TRUE(has(text, "[s0, c]"));
  EXPECT_TRUE(has(text, "t - 1"));
  EXPECT_TRUE(has(text, "c + 2"));
  EXPECT_TRUE(has(text, "gpt.index 0"));
  EXPECT_TRUE(has(text, "t upto 8"));
}

TEST(Emit, GroupsMergeAndSplit) {
  Analysed m("rows x[6] = columns(a, b, c, d, e, f)\nparam w[2, 3] = 1\n"
             "let y[i < 2, j] = x[(i j)] * w[i, j]\nlet z[(j i)] = y[i, j]\noutput z\n");
  std::string text = m.emit(Program::Outputs);
  EXPECT_TRUE(has(text, "gpt.reshape"));
  EXPECT_TRUE(has(text, "j_i=6"));
}

TEST(Emit, RepeatStacksItsParameters) {
  Analysed m(std::string(rows) + "let y = x * 2\nparam g[4] = 1\n"
                                 "block Layer() (u[c]) -> [c] { param w[c] = 1\n"
                                 "  let r[c] = u[c] * w[c] * g[c]\n  r }\n"
                                 "repeat layers[3] { y = Layer()(y) }\noutput y\n");
  std::string text = m.emit(Program::Outputs);
  EXPECT_TRUE(has(text, "gpt.repeat 3"));
  EXPECT_TRUE(has(text, "@layers.w : tensor<3x4xf32"));
  EXPECT_TRUE(has(text, "path [\"layers\", \"*\", \"w\"]"));
  EXPECT_TRUE(has(text, "@g : tensor<4xf32"));
}

TEST(Emit, NestedRepeatsHaveTwoCopyDimensions) {
  Analysed m(std::string(rows) +
             "let y = x * 2\n"
             "block Inner() (u[c]) -> [c] { param w[c] = 1\n  let r[c] = u[c] * w[c]\n  r }\n"
             "block Outer() (u[c]) -> [c] { let z = u + 1\n  repeat inner[2] { z = Inner()(z) }\n  z }\n"
             "repeat outer[3] { y = Outer()(y) }\noutput y\n");
  std::string text = m.emit(Program::Outputs);
  EXPECT_TRUE(has(text, "@outer.inner.w : tensor<3x2x4xf32"));
  EXPECT_TRUE(has(text, "path [\"outer\", \"*\", \"inner\", \"*\", \"w\"]"));
}

TEST(Emit, SharedInstanceHasOneParameter) {
  Analysed m(std::string(rows) + "f = Linear(4, bias: false)\nlet y = f(f(x))\noutput y\n");
  std::string text = m.emit(Program::Outputs);
  EXPECT_TRUE(has(text, "@f.w"));
  EXPECT_EQ(text.find("@f2"), std::string::npos);
}

TEST(Emit, UnnamedInstancesCountUp) {
  Analysed m(std::string(rows) + "let y = Linear(4, bias: false)(Linear(3, bias: false)(x)) + 1\noutput y\n");
  std::string text = m.emit(Program::Outputs);
  EXPECT_TRUE(has(text, "@linear.w : tensor<3x4xf32"));
  EXPECT_TRUE(has(text, "@linear2.w : tensor<4x3xf32"));
}

TEST(Emit, LossIsARatioOverTheBatch) {
  Analysed m(std::string(rows) + "param w = 1\nloss mean(i where x[i] > 0: x[i]^2) + w * mean(i: x[i])\n"
                                 "train { optimizer: sgd(0.1, momentum: 0.9), clip: 2 }\n");
  std::string text = m.emit(Program::Train);
  EXPECT_TRUE(has(text, "gpt.batch_mean"));
  EXPECT_TRUE(has(text, "kind = \"sgd\""));
  EXPECT_TRUE(has(text, "momentum = 9.0"));
  EXPECT_TRUE(has(text, "clip = 2.0"));
  EXPECT_TRUE(has(text, "func.func @learning_rate"));
}

TEST(Emit, RandomOnlyInTraining) {
  Analysed m(std::string(rows) + "param w = 1\nloss w * mean(i: dropout(x, 0.5)[i])\ntrain { optimizer: sgd(1) }\n");
  std::string train = m.emit(Program::Train), eval = m.emit(Program::Eval);
  EXPECT_TRUE(has(train, "gpt.random"));
  EXPECT_TRUE(has(train, "gpt.input = \"example\", gpt.per_example"));
  EXPECT_EQ(eval.find("gpt.random"), std::string::npos);
}

TEST(Emit, TextIsWholeInTrainingAndDynamicElsewhere) {
  Analysed m("text token[t < 8]: chars\nparam e[vocabulary] = 1\nloss mean(t: e[token[t]])\n"
             "train { optimizer: sgd(1) }\n");
  EXPECT_TRUE(has(m.emit(Program::Train), "gpt.extents = []"));
  std::string eval = m.emit(Program::Eval);
  EXPECT_TRUE(has(eval, "gpt.extents = [\"t\"]"));
  EXPECT_TRUE(has(eval, "gpt.bounds = [8]"));
}

TEST(Emit, LiteralAndComputedInitialValues) {
  Analysed m(std::string(rows) +
             "param w[4] = [0.1, -0.29, -0.07, 0.46],  wave[p: 4, c: 4] = sin(p * 0.5^c), "
             " n[4] ~ normal(0.02 / sqrt(2 * 8))\n"
             "let y = sum(i: x[i] * w[i] * n[i]) + sum(p, c: wave[p, c])\noutput y\n");
  std::string text = m.emit(Program::Init);
  EXPECT_TRUE(has(text, "1.000000e-01, -2.900000e-01"));
  EXPECT_TRUE(has(text, "math.sin"));
  EXPECT_TRUE(has(text, "5.000000e-03"));
  EXPECT_TRUE(has(text, "gpt.set @w"));
}

TEST(Emit, UnusedParametersDoNotExist) {
  Analysed m(std::string(rows) + "let y = Linear(3, bias: false)(x) + 1\noutput y\n");
  EXPECT_EQ(m.emit(Program::Init).find("linear.b"), std::string::npos);
}

TEST(Emit, OwnGradientOfADef) {
  Analysed m(std::string(rows) + "def f(u) = u * u gradient 3 * u\nloss mean(i: f(x)[i])\n");
  EXPECT_TRUE(has(m.emit(Program::Eval), "gpt.stop_gradient"));
}
