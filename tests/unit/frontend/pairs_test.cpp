// Pairs in the language: inputs, masks, lengths; losses that padding does not touch.
#include "unit/frontend/model_fixture.h"
#include "unit/grad/check_gradients.h"

#include "ir/gpt/interpreter.h"
#include "passes/passes.h"

#include "mlir/IR/BuiltinOps.h"

#include <cmath>

using namespace gptc;
using namespace gptc::test;

static const std::string head = "pairs source[s < 6], target[t < 5]: alphabet(\"abc\")\n";

TEST(Pairs, LengthsAreDynamicInEveryProgram) {
  Analysed m(head + R"(
param e[vocabulary, 2], o[2, vocabulary] ~ normal(1)
let near[c] = sum(s where valid(source)[s]: e[source[s], c])
let logits[t, w] = sum(c: (near[c] + e[target[t], c]) * o[c, w])
output logits over vocabulary
loss mean(t where valid(target)[t]: cross_entropy(logits[t], next(target)[t]))
train { batch: tokens(64), steps: 3, optimizer: sgd(0.1) }
)");
  ASSERT_TRUE(m.model) << m.errors;
  EXPECT_EQ(m.model->data().kind, DataSpec::Pairs);
  ASSERT_EQ(m.model->data().streams.size(), 2u);
  EXPECT_EQ(m.model->data().streams[1].name, "target");
  EXPECT_EQ(m.model->data().streams[1].bound, 5);
  EXPECT_EQ(m.model->data().streams[1].extent, "t");
  for (Program program : {Program::Train, Program::Eval, Program::Outputs}) {
    std::string text = m.emit(program);
    EXPECT_TRUE(has(text, "gpt.extents = [\"s\", \"t\"]"));
    EXPECT_TRUE(has(text, "gpt.bounds = [6, 5]"));
    EXPECT_TRUE(has(text, "gpt.input = \"length(source)\", gpt.per_example"));
  }
  // Three letters, and the tokens for padding, begin and end.
  EXPECT_TRUE(has(m.emit(Program::Init), "@e : tensor<6x2xf32"));
  EXPECT_TRUE(has(m.emit(Program::Train), "gpt.input = \"next(target)\", gpt.per_example"));
  EXPECT_TRUE(has(m.model->printTyped(), "pairs source[s <= 6]: alphabet"));
}

/// Gradients and loss of a training program on a batch, by the interpreter.
static std::vector<std::vector<double>> step(const std::string &text, int64_t b, int64_t s, int64_t t,
                                             std::map<std::string, std::vector<double>> inputs) {
  std::vector<std::vector<double>> values;
  Analysed m(text);
  EXPECT_TRUE(m.model) << m.errors;
  if (!m.model)
    return values;
  Model::EmitOptions emit;
  emit.f64 = true;
  mlir::OwningOpRef<mlir::ModuleOp> module = m.model->emit(&testContext(), emit);
  EXPECT_TRUE(runPasses(*module, {[] {
                                    return createBatchPass({3, true});
                                  },
                                  [] { return createAutodiffPass(); }}));
  gpt::Interpreter interpreter;
  interpreter.extents = {{"b", b}, {"s", s}, {"t", t}};
  double number = 0;
  for (auto variable : module->getOps<gpt::VariableOp>()) {
    gpt::Tensor value = gpt::Tensor::zeros(variable.getTensorType().getShape());
    for (double &element : value.data)
      element = std::sin(++number);
    interpreter.variables[variable.getSymName().str()] = value;
  }
  auto function = module->lookupSymbol<mlir::func::FuncOp>("main");
  std::vector<gpt::Tensor> arguments;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    auto type = llvm::cast<mlir::RankedTensorType>(function.getArgument(i).getType());
    gpt::Tensor value = gpt::Tensor::zeros(type.getShape());
    const std::vector<double> &given =
        inputs[function.getArgAttrOfType<mlir::StringAttr>(i, "gpt.input").getValue().str()];
    int64_t rows = type.getRank() == 0 ? 1 : type.getShape()[0];
    int64_t bound = type.getRank() < 2 ? 1 : type.getShape()[1], width = int64_t(given.size()) / b;
    for (int64_t row = 0; row < std::min(rows, b); ++row)
      for (int64_t k = 0; k < width; ++k)
        value.data[size_t(row * bound + k)] = given[size_t(row * width + k)];
    arguments.push_back(value);
  }
  auto run = interpreter.run(function, arguments);
  if (!run) {
    ADD_FAILURE() << llvm::toString(run.takeError());
    return values;
  }
  for (gpt::Tensor &result : *run)
    values.push_back(result.data);
  return values;
}

static const std::string attends = head + R"(
param e[vocabulary, 2], o[2, vocabulary] ~ normal(1)
let given[s, c] = e[source[s], c]
let shown[t, c] = e[target[t], c]
look = Attention(1, valid(source)),  self = Attention(1, causal)
let mixed = look(self(shown, shown), given)
let logits[t, w] = sum(c: mixed[t, c] * o[c, w])
loss mean(t where valid(target)[t]: cross_entropy_smooth(logits[t], next(target)[t], 0.1))
train { optimizer: sgd(0.1) }
)";

TEST(Pairs, GradientsDoNotDependOnPadding) {
  auto tight = step(attends, 2, 3, 2,
                    {{"source", {3, 4, 2, 5, 2, 0}},
                     {"length(source)", {3, 2}},
                     {"target", {1, 3, 1, 0}},
                     {"next(target)", {3, 2, 2, 0}},
                     {"length(target)", {2, 1}}});
  auto wide = step(attends, 2, 6, 5,
                   {{"source", {3, 4, 2, 5, 5, 5, 5, 2, 0, 4, 4, 4}},
                    {"length(source)", {3, 2}},
                    {"target", {1, 3, 5, 5, 5, 1, 4, 4, 4, 4}},
                    {"next(target)", {3, 2, 4, 4, 4, 2, 5, 5, 5, 5}},
                    {"length(target)", {2, 1}}});
  ASSERT_EQ(tight.size(), wide.size());
  ASSERT_GT(tight.size(), 8u);
  double size = 0;
  for (size_t i = 0; i < tight.size(); ++i) {
    ASSERT_EQ(tight[i].size(), wide[i].size());
    for (size_t k = 0; k < tight[i].size(); ++k) {
      EXPECT_NEAR(tight[i][k], wide[i][k], 1e-14) << "result " << i << ", element " << k;
      size += std::fabs(tight[i][k]);
    }
  }
  EXPECT_GT(size, 1);
}

TEST(Pairs, LossIsARatioOfTotals) {
  std::vector<double> source = {3, 4, 2, 5, 2, 0, 4, 2, 0};
  std::vector<double> target = {1, 3, 1, 0, 1, 5}, next = {3, 2, 2, 0, 5, 2};
  auto of = [&](int64_t from, int64_t count) {
    auto part = [&](const std::vector<double> &all, int64_t width) {
      return std::vector<double>(all.begin() + from * width, all.begin() + (from + count) * width);
    };
    return step(attends, count, 3, 2,
                {{"source", part(source, 3)},
                 {"length(source)", part({3, 2, 2}, 1)},
                 {"target", part(target, 2)},
                 {"next(target)", part(next, 2)},
                 {"length(target)", part({2, 1, 2}, 1)}});
  };
  auto all = of(0, 3);
  std::vector<std::vector<double>> alone[3] = {of(0, 1), of(1, 1), of(2, 1)};
  for (size_t i = 0; i < all.size(); ++i)
    for (size_t k = 0; k < all[i].size(); ++k)
      EXPECT_NEAR(all[i][k], (2 * alone[0][i][k] + alone[1][i][k] + 2 * alone[2][i][k]) / 5, 1e-14);
}

TEST(Pairs, MasksMayBeGivenToBlocks) {
  // A mask over one index, handed on to a predicate of two.
  Analysed m(head + R"(
block Outer(ok(s)) (x[s, c]) -> [s, c] {
  inner = Attention(1, ok)
  inner(x, x)
}
param e[vocabulary, 2] ~ normal(1)
let x[s, c] = e[source[s], c]
repeat deep[2] { x = Outer(valid(source))(x) }
output x
)");
  EXPECT_TRUE(m.model) << m.errors;
}

static std::string errorsOf(const std::string &text) {
  return Analysed(text).errors;
}

TEST(Pairs, WrongUsesAreErrors) {
  EXPECT_TRUE(has(errorsOf("pairs a[s < 4]: chars"), "pairs have two sides, here is 1 declared"));
  EXPECT_TRUE(has(errorsOf("pairs a[s < 4], b[t < 4], c[u < 4]: chars"), "here are 3 declared"));
  EXPECT_TRUE(has(errorsOf("pairs a[s < 4], b[t < 4]"), "the pairs have no tokenizer"));
  EXPECT_TRUE(has(errorsOf("pairs a[s < 4], b[t < 4]: (chars, chars)"), "both sides of pairs share it"));
  EXPECT_TRUE(has(errorsOf("pairs a[s < 4], b[t < 4]: ids(9)"), "which ids do not have"));
  EXPECT_TRUE(has(errorsOf("pairs a[s < 4], b[8]: chars"),
                  "a side of pairs has one dimension, a length with a bound"));
  EXPECT_TRUE(has(errorsOf("pairs a[s < 4], b[8]: chars"), "write `b[t < 64]`"));
  EXPECT_TRUE(has(errorsOf("pairs a[t < 4], b[t < 4]: chars"), "they need two names"));
  EXPECT_TRUE(has(errorsOf("pairs a[b < 4], c[t < 4]: chars"), "a length cannot be called 'b'"));
  EXPECT_TRUE(has(errorsOf("pairs a[s < 4] = 3, b[t < 4]: chars"), "it has no value"));
  EXPECT_TRUE(has(errorsOf(head + "let y = next(source)"), "only the second side of pairs is predicted"));
  EXPECT_TRUE(has(errorsOf(head + "let y = next(source)"), "write `next(target)`"));
  EXPECT_TRUE(has(errorsOf(head + "let y = valid(vocabulary)"), "'valid' takes a side of the pairs"));
  EXPECT_TRUE(has(errorsOf(head + "let y = valid(source, target)"), "'valid' takes 1 argument, here are 2"));
  EXPECT_TRUE(has(errorsOf(head + "let y = valid(source) + 1"), "truth value"));
  EXPECT_TRUE(has(errorsOf(head + "let y[t] = where(valid(source)[t], target[t], 0)"), "'t'"));
  EXPECT_TRUE(has(errorsOf("text token[t < 4]: chars\nlet y = valid(token)"), "a text is not padded"));
  EXPECT_TRUE(has(errorsOf(head + "param p[s] = 0\noutput p"), "known only per batch"));
  std::string attention = "param e[vocabulary, 2] ~ normal(1)\nlet x[t, c] = e[target[t], c]\n";
  EXPECT_TRUE(has(errorsOf(head + attention + "let y = Attention(1, target)(x, x)"),
                  "setting 'see' of 'Attention' is a function"));
  EXPECT_TRUE(has(errorsOf(head + attention + "let y = Attention(1, valid(source))(x, x)"), "see"));
}

TEST(Pairs, BatchesByTokensAreOfPairs) {
  std::string rest = "param p = 0\nloss p\ntrain { optimizer: sgd(0.1), ";
  EXPECT_EQ(errorsOf(head + rest + "batch: tokens(4096) }"), "");
  EXPECT_EQ(errorsOf(head + rest + "batch: tokens(4096, rows: 100), average: ema(0.99, from: 10) }"), "");
  for (const char *wrong :
       {"tokens", "tokens()", "tokens(0)", "tokens(1.5)", "tokens(64, 2)", "tokens(64, cols: 2)", "words(3)"})
    EXPECT_NE(errorsOf(head + rest + "batch: " + wrong + " }"), "") << wrong;
  EXPECT_TRUE(has(errorsOf(head + rest + "batch: words(3) }"), "this is no size of a batch"));
  EXPECT_TRUE(
      has(errorsOf("text token[t < 4]: chars\n" + rest + "batch: tokens(64) }"), "which only pairs have"));
  for (const char *wrong : {"1", "0", "2", "ema", "ema()", "ema(1)", "ema(0.9, to: 3)", "mean(0.9)"})
    EXPECT_NE(errorsOf(head + rest + "average: " + wrong + " }"), "") << wrong;
  EXPECT_TRUE(has(errorsOf(head + rest + "average: 1 }"), "write `average: 0.999`"));
}

TEST(Pairs, Noam) {
  // width^-1/2 * min(n^-1/2, n * warmup^-3/2), n = step + 1.
  Analysed m(head + "param p = 0\nloss p\ntrain { optimizer: adamw(lr: noam(64, 16), decay: 0) }");
  ASSERT_TRUE(m.model) << m.errors;
  Model::EmitOptions emit;
  emit.f64 = true;
  mlir::OwningOpRef<mlir::ModuleOp> module = m.model->emit(&testContext(), emit);
  auto rate = module->lookupSymbol<mlir::func::FuncOp>("learning_rate");
  gpt::Interpreter interpreter;
  for (double step : {0.0, 3.0, 15.0, 16.0, 99.0}) {
    auto result = interpreter.run(rate, {gpt::Tensor::scalar(step)});
    ASSERT_TRUE(static_cast<bool>(result));
    double n = step + 1;
    EXPECT_NEAR((*result)[0].data[0],
                std::pow(64, -0.5) * std::min(std::pow(n, -0.5), n * std::pow(16, -1.5)), 1e-15);
  }
}
