// What people write who come from Python, PyTorch, NumPy or einsum, and the message that helps them.
#include "unit/frontend/model_fixture.h"

#include "llvm/ADT/StringRef.h"

using namespace gptc;
using namespace gptc::test;

namespace {
struct Habit {
  const char *written; // after the two lines of data below
  const char *message; // the error or its help has this
};
class Habits : public testing::TestWithParam<Habit> {};
} // namespace

TEST_P(Habits, GetTheMessageThatHelps) {
  Analysed m(
      std::string("rows x[4] = columns(a, b, c, d), k = class(kind: p, q, r)\nparam w[4, 3] ~ normal(1)\n") +
      GetParam().written + "\n");
  EXPECT_FALSE(m.model);
  EXPECT_TRUE(has(m.errors, GetParam().message));
  EXPECT_EQ(llvm::StringRef(m.errors).count("error:"), 1u) << "one mistake is one error:\n" << m.errors;
}

INSTANTIATE_TEST_SUITE_P(
    Signs, Habits,
    testing::Values(Habit{"let y = x ** 2", "a power is written `x ^ 2`"},
                    Habit{"let y = x // 2", "`/` divides; the whole part of it is `int(a / b)`"},
                    Habit{"let y = where(x > 0 && x < 1, x, 0)", "help: write `and`"},
                    Habit{"let y = where(x > 0 || x < 1, x, 0)", "help: write `or`"},
                    Habit{"let y = where(!(x > 0), x, 0)", "help: write `not`"},
                    Habit{"let y[j] = sum(i: x[i] @ w[i, j])", "a product of matrices says its indices"},
                    Habit{"let y = x > 0 ? x : 0", "a choice is written `where(condition, a, b)`"},
                    Habit{"let y := x", "a value is defined with `let y = ...`"},
                    Habit{"let y = x\nlet z = y <> x", "write `!=`"},
                    Habit{"param v[2] = file('v.csv')", "a text stands in double quotes"}));

INSTANTIATE_TEST_SUITE_P(
    Statements, Habits,
    testing::Values(Habit{"if training { let y = x }", "a choice is a value: `where(condition, a, b)`"},
                    Habit{"for i in range(4) { let y = x }", "`repeat layers[3] { ... }`"},
                    Habit{"while true { let y = x }", "`repeat layers[3] { ... }`"},
                    Habit{"def f(v) {\n  return v * 2\n}", "a body's value is its last line"},
                    Habit{"import torch", "another file is read with `use \"layers.gpt\"`"},
                    Habit{"var y = x", "a value is defined with `let y = ...`"},
                    Habit{"print y", "what is printed is declared: `output y`"},
                    Habit{"class Model(x) { x }", "a layer is a `block Name(settings) (inputs) { ... }`"},
                    Habit{"y[i] = x[i]", "a value is defined with `let y[...] = ...`"},
                    Habit{"let y = x if training else 0 * x",
                          "a choice is a value: `where(condition, a, b)`"},
                    Habit{"let y = lambda i: x[i]", "a function is a `def f(x) = ...`"},
                    Habit{"loss = x[0]^2", "write `loss x[0]^2`"}, Habit{"output = x", "write `output x`"},
                    Habit{"let h = x\nh = h + 1", "'h' has a value already, and a value does not change"},
                    Habit{"let h = x\nh += 1", "a value is defined once"},
                    Habit{"let h = x\nh = relu(x)", "write `let h2 = ...`"},
                    Habit{"y = relu(x)", "write `let y = ...`"}));

INSTANTIATE_TEST_SUITE_P(
    Indices, Habits,
    testing::Values(
        Habit{"let y[i: 2] = max(j: x[2 * i + j])", "a let declares it before: `let part[j: 3] = ...`"},
        Habit{"loss mean(batch: x[0])", "a model is written for one example"},
        Habit{"let y[n, i] = x[n, i]", "data have no index of the batch"},
        Habit{"let y[i] = x[n, i]", "data have no index of the batch"},
        Habit{"let y = x[n]", "unknown index 'n'"},
        Habit{"let y = x[x > 0]", "elements are not left out of a value"},
        Habit{"let y = x[1:3]",
              "a part of a value is a let with a range of its own: `let part[i: 2] = x[i + 1]`"},
        Habit{"let y = w[:, 0]", "a whole dimension is left out, `w[1]`, or has an index of the let"},
        Habit{"let y = x[-1]", "the last one is 3"},
        Habit{"let y = w[..., 0]", "`..` stands for all leading indices"},
        Habit{"param v[2] = 0\nlet y = v[k]", "the values of this index go from 0 to 2, but 'v' has 2 here"},
        Habit{"let y = sum(x)", "write `sum(i: x[i])`"},
        Habit{"let y = softmax(x)", "write `softmax(i: ...)`"}));

INSTANTIATE_TEST_SUITE_P(
    Functions, Habits,
    testing::Values(Habit{"let y = matmul(x, w)", "`let y[i, j] = sum(k: a[i, k] * b[k, j])`"},
                    Habit{"let y = einsum(x, w)", "`let y[i, j] = sum(k: a[i, k] * b[k, j])`"},
                    Habit{"let y = transpose(w)", "`let t[j, i] = w[i, j]`"},
                    Habit{"let y = w.T", "`let t[j, i] = w[i, j]`"},
                    Habit{"let y = reshape(w, 12)", "indices are merged and split by groups"},
                    Habit{"let y = x.sum()", "write `sum(i: x[i])`"},
                    Habit{"let y = x.relu()", "functions stand before their argument"},
                    Habit{"let y = torch.exp(x)", "functions are used by their own name"},
                    Habit{"let y = len(x)", "a dimension's name is its size"},
                    Habit{"let y = x.shape[0]", "a dimension's name is its size"},
                    Habit{"let y = zeros(4)", "a constant is an expression of indices"},
                    Habit{"let y = pow(x, 2)", "a power is written `x ^ 2`"},
                    Habit{"let y = cat(x, x)", "`concat(a, b)` joins two vectors"},
                    Habit{"let y = ReLU()(x)", "functions are written small"},
                    Habit{"let y = Dropout(0.1)(x)", "write `dropout(x, 0.1)`"},
                    Habit{"let y = Embedding(10, 4)(k)", "an embedding is a parameter"},
                    Habit{"let y = where(True, x, 0)", "truth values are `true` and `false`"},
                    Habit{"let y = None", "there is no such value"}));

INSTANTIATE_TEST_SUITE_P(
    Blocks, Habits,
    testing::Values(
        Habit{"let y = LayerNorm(4)(x)",
              "setting 'eps' of 'LayerNorm' has a default, so it is given by name"},
        Habit{"let y = LayerNorm(4)(x)", "write `eps: 4`, or leave it out"},
        Habit{"let y = Linear(4, 3)(x)", "setting 'std' of 'Linear' has a default, so it is given by name"},
        Habit{"let y = MLP(8, 4)(w)", "setting 'std' of 'MLP' has a default, so it is given by name"},
        Habit{"let y = Linear(4, n: 3)(x)", "block 'Linear' is given 'n' twice"},
        Habit{"let y = Linear(4)", "a let needs a value, this is a block"},
        Habit{"loss sum(i, j: w[i, j])^2\ntrain { steps: 1, optimizer: sgd(0.1, nesterov: true) }",
              "'sgd' has no setting 'nesterov'"},
        Habit{"loss sum(i, j: w[i, j])^2\ntrain { steps: 1, optimizer: adamw(1e-3, 0.9) }",
              "'adamw' takes one value without a name, the learning rate"},
        Habit{"loss x[0]^2\ntrain { steps: 1, optimizer: sgd(0.1) }", "no parameter enters the loss"},
        Habit{"loss stop_gradient(w[0, 0])\ntrain { steps: 1, optimizer: sgd(0.1) }",
              "no parameter enters the loss"}));

/// The same for declarations of data, which come first.
struct DataHabit {
  const char *text, *message;
};
class DataHabits : public testing::TestWithParam<DataHabit> {};
TEST_P(DataHabits, GetTheMessageThatHelps) {
  Analysed m(GetParam().text);
  EXPECT_FALSE(m.model);
  EXPECT_TRUE(has(m.errors, GetParam().message));
  EXPECT_EQ(llvm::StringRef(m.errors).count("error:"), 1u) << m.errors;
}
INSTANTIATE_TEST_SUITE_P(
    Data, DataHabits,
    testing::Values(
        DataHabit{"rows x[n, 4] = columns(a, b, c, d)\noutput x\n", "a model is written for one example"},
        DataHabit{"rows x[batch, 4] = columns(a, b, c, d)\noutput x\n", "a model is written for one example"},
        DataHabit{"rows x[h, 4] = columns(a, b, c, d)\noutput x\n", "give it one here: `h: 3`"},
        DataHabit{"text token[t < 8]: ids(9)\nparam w[9, 9] = 0\nlet z[t, j] = w[token[t], j]\n"
                  "loss cross_entropy(z[t], 3)\n",
                  "'t' is no index here, it is a length"},
        DataHabit{"text token[t < 8]: ids(9)\nparam w[9, 9] = 0\nlet z[t, j] = w[token[t], j]\n"
                  "loss mean(t: cross_entropy(z, next(token)[t]))\n",
                  "'logits' of 'cross_entropy' has 1 dimension, but this has 2"}));

//===-- Long and wide files --------------------------------------------------------===//

namespace {
std::string timesOver(int count, const std::string &part) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += part;
  return text;
}
/// The first error of a text, within seconds and little memory.
std::string firstError(const std::string &text) {
  Analysed m(text);
  EXPECT_FALSE(m.model);
  return m.errors.substr(0, 600);
}
} // namespace

TEST(LongFiles, ASumOfThousandsOfTermsIsNoEndlessExpansion) {
  Analysed m("rows x = columns(a)\nparam w = 1\nlet y = x" + timesOver(5000, " + x * w") +
             "\noutput y\nloss y^2\n" + "train { steps: 1, optimizer: sgd(0.1) }\n");
  ASSERT_TRUE(m.model) << m.errors;
  EXPECT_TRUE(has(m.emit(Program::Train), "func.func @main"));
}

TEST(LongFiles, HaveLimitsThatSaySo) {
  EXPECT_TRUE(has(firstError("let y = 1" + timesOver(20000, " + 1")),
                  "more than 10000 operators one after the other"));
  EXPECT_TRUE(has(firstError("let y = x" + timesOver(1000, ".a")), "nested too deeply"));
  EXPECT_TRUE(has(firstError("let y = " + timesOver(100000, "(")), "nested too deeply"));
  EXPECT_TRUE(
      has(firstError(timesOver(400000, "let y = 1\n")), "a model file has at most 1000000 words and signs"));
  EXPECT_TRUE(has(firstError(std::string(4000000, '@')), "'@' is no sign of this language"));
  EXPECT_TRUE(has(firstError(timesOver(300000, "(") + timesOver(300000, "}")), "expected"));
  EXPECT_TRUE(has(firstError(timesOver(100000, "block A(\n")), "expected"));
}

TEST(LongFiles, ColumnsAndOutputsByTheThousandAreQuick) {
  std::string names;
  for (int i = 0; i < 50000; ++i)
    names += (i ? ", c" : "c") + std::to_string(i);
  Analysed wide("rows x[50000] = columns(" + names + ")\nlet y = sum(i: x[i])\noutput y\n");
  EXPECT_TRUE(wide.model) << wide.errors;
  Analysed many("rows x = columns(a)\n" + timesOver(2000, "output x\n"));
  ASSERT_TRUE(many.model) << many.errors;
  std::vector<std::string> outputs = many.model->outputs();
  EXPECT_EQ(std::set<std::string>(outputs.begin(), outputs.end()).size(), 2000u);
  EXPECT_EQ(outputs[0], "x");
  EXPECT_EQ(outputs[1], "output2");
}

TEST(LongFiles, ChainsOfValuesAreNoRecursion) {
  std::string text = "rows x = columns(a)\nlet y0 = x\n";
  for (int i = 1; i < 20000; ++i)
    text += "let y" + std::to_string(i) + " = y" + std::to_string(i - 1) + " * 2\n";
  Analysed m(text + "output y19999\n");
  ASSERT_TRUE(m.model) << m.errors;
  EXPECT_TRUE(has(m.emit(Program::Outputs), "func.func @main"));
}

TEST(LongFiles, MessagesQuoteAPartOfALongLine) {
  std::string errors = firstError("let y = 1" + timesOver(4900, " + 1") + " + zz" + timesOver(4900, " + 1"));
  EXPECT_TRUE(has(errors, "m.gpt:1:19613: error: unknown name 'zz'"));
  EXPECT_TRUE(has(errors, "1 | ..."));
  size_t line = errors.rfind('\n', errors.find("^")), above = errors.rfind('\n', line - 1);
  EXPECT_EQ(errors.substr(above + (errors.find("^") - line), 2), "zz") << errors;
  // What is no longer than a line of an editor is quoted whole, as ever.
  EXPECT_TRUE(
      has(firstError("let y = zz" + timesOver(40, " + 1")), "let y = zz" + timesOver(40, " + 1") + "\n"));
}

TEST(LongFiles, WhatHasNoEndIsNotRead) {
  EXPECT_TRUE(has(firstError("use \"/dev/zero\"\nlet y = 1\n"),
                  "cannot read '/dev/zero': more than the 16777216 bytes that a model file may have"));
  EXPECT_TRUE(has(firstError("param w[2] = file(\"/dev/zero\")\nlet y[i] = w[i]\noutput y\n"),
                  "cannot read '/dev/zero'"));
}

TEST(LongFiles, ExpansionHasALimitOfWork) {
  std::string defs = "def f0(v) = v + 1\n", blocks = "block B0() (v[c]) { v + 1 }\n";
  for (int i = 1; i <= 40; ++i) {
    std::string one = std::to_string(i), before = std::to_string(i - 1);
    defs += "def f" + one + "(v) = f" + before + "(f" + before + "(v))\n";
    blocks += "block B" + one + "() (v[c]) { B" + before + "()(B" + before + "()(v)) }\n";
  }
  EXPECT_TRUE(has(firstError("rows x[4] = columns(a, b, c, d)\n" + defs + "let y = f40(x)\noutput y\n"),
                  "expanded, this model has more than 1000000 expressions"));
  EXPECT_TRUE(has(firstError("rows x[4] = columns(a, b, c, d)\n" + blocks + "let y = B40()(x)\noutput y\n"),
                  "expanded, this model has more than 1000000 expressions"));
}

TEST(LongFiles, WhatIsUsedTwiceIsLookedAtOnce) {
  // Each line doubles the expression, not the work.
  std::string text = "rows x = columns(a)\ndef twice(v) = v + v\nparam w = ";
  Analysed m("rows x = columns(a)\ndef twice(v) = v + v\nparam w = " + timesOver(30, "twice(") + "1" +
             timesOver(30, ")") + "\nlet y = " + timesOver(30, "twice(") + "x" + timesOver(30, ")") +
             "\noutput y\noutput w\n");
  ASSERT_TRUE(m.model) << m.errors;
  EXPECT_TRUE(has(m.model->printTyped(), "..."));
}
