// Attention in its variants, written in the language: each becomes kernels of row
// blocks, forward and backward, that compute what the interpreter does, with the
// gradients of differences. Several tiles of rows, with a rest (blocks of rows: unit/codegen/row_blocks_test.cpp).
#include "unit/model/model_runner.h"

#include "passes/passes.h"

#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

using namespace gptc;
using namespace gptc::test;

namespace {

const char *const around = R"(
text token[t < context]: ids(7)
param embed[vocabulary, width] ~ normal(0.5),  place[context, width] ~ normal(0.5)
let x[t, c] = embed[token[t], c] + place[t, c]
repeat layers[2] { x = Layer()(x) }
output x
loss mean(t: sum(c: x[t, c] * sin(1.4 + 2.3 * t + 0.7 * c)))
train { batch: 3, optimizer: sgd(0.1, momentum: 0.5) }
)";

/// Queries, keys and values, then a score and who sees whom.
std::string scored(const std::string &score, const std::string &see, const std::string &more = "") {
  return "setting context = 39, width = 8, heads = 2\n"
         "block Layer() (x[t, c]) -> [t, c] {\n"
         "  let d = c / heads\n"
         "  param q[c, heads, d], k[c, heads, d], v[c, heads, d] ~ normal(0.5)\n" +
         more +
         "  let query[t, h, e] = sum(c: x[t, c] * q[c, h, e])\n"
         "  let key[s, h, e] = sum(c: x[s, c] * k[c, h, e])\n"
         "  let value[s, h, e] = sum(c: x[s, c] * v[c, h, e])\n"
         "  let product[h, t, s] = sum(e: query[t, h, e] * key[s, h, e])\n"
         "  let score[h, t, s] = " +
         score +
         "\n"
         "  let weight[h, t, s] = softmax(s: where(" +
         see +
         ", score[h, t, s], -inf))\n"
         "  let mix[t, (h e)] = sum(s: weight[h, t, s] * value[s, h, e])\n"
         "  x + mix\n"
         "}\n" +
         around;
}

std::string layer(const std::string &attention) {
  return "setting context = 39, width = 8, heads = 2\n"
         "block Layer() (x[t, c]) -> [t, c] {\n  attention = " +
         attention + "\n  x + attention(x, x)\n}\n" + around;
}

std::string grouped() {
  return std::string("setting context = 39, width = 16\n"
                     "block Layer() (x[t, c]) -> [t, c] {\n"
                     "  attention = GroupedAttention(4, 2, causal)\n  x + attention(x)\n}\n") +
         around;
}

// Another text of another length is looked at, as far as it goes.
std::string cross() {
  return R"(
setting width = 8, length = 39
pairs source[s < length], target[t < length]: chars
param embed[vocabulary, width] ~ normal(0.5),  place[length, width] ~ normal(0.5)
let m[s, c] = embed[source[s], c] + place[s, c]
let x[t, c] = embed[target[t], c] + place[t, c]
block Layer(see(t, s)) (x[t, c], m[s, c]) -> [t, c] {
  across = Attention(2, see, std: 0.5, out: 0.5)
  x + across(x, m)
}
repeat layers[2] { x = Layer(valid(source))(x, m) }
output x
loss mean(t where valid(target)[t]: sum(c: x[t, c] * sin(1.4 + 2.3 * t + 0.7 * c)))
train { batch: 3, optimizer: sgd(0.1, momentum: 0.5) }
)";
}

/// Kernels with the attribute in the training program.
unsigned countRowBlocks(const ModelRunner &runner) {
  mlir::OwningOpRef<mlir::ModuleOp> module = runner.emit(Program::Train, true, false);
  mlir::PassManager manager(module->getContext());
  manager.addPass(createAutodiffPass());
  manager.addPass(createSplitReductionsPass());
  manager.addPass(createInlineMapsPass());
  manager.addPass(createFormKernelsPass());
  EXPECT_TRUE(mlir::succeeded(manager.run(*module)));
  unsigned count = 0;
  module->walk([&](gpt::KernelOp kernel) { count += kernel->hasAttr("gpt.row_blocks"); });
  return count;
}

void check(const std::string &text, unsigned kernels = 2) { // forward and backward
  ModelRunner runner(text);
  ASSERT_TRUE(runner.model) << runner.errors;
  EXPECT_EQ(countRowBlocks(runner), kernels);
  runner.compareWithInterpreter();
  runner.checkGradients();
  runner.compareTraining();
}

TEST(Attention, Causal) {
  check(layer("Attention(heads, causal, std: 0.5, out: 0.5)"));
}
TEST(Attention, Everything) {
  check(layer("Attention(heads, everything, std: 0.5, out: 0.5, bias: false)"));
}
TEST(Attention, Dropout) {
  check(layer("Attention(heads, causal, std: 0.5, out: 0.5, drop: 0.3)"));
}
TEST(Attention, GroupedQueries) {
  check(grouped());
}
TEST(Attention, CrossWithPadding) {
  check(cross());
}
TEST(Attention, SlidingWindow) {
  check(scored("0.5 * product[h, t, s]", "s <= t and s > t - 5"));
}
TEST(Attention, WindowOnBothSides) {
  check(scored("product[h, t, s]", "s < t + 3 and t < s + 3"));
}
TEST(Attention, OnlyWhatComesLater) {
  check(scored("product[h, t, s]", "not (s <= t)"));
}
TEST(Attention, Alibi) {
  check(scored("product[h, t, s] - exp(-h) * (t - s)", "s <= t"));
}
// The gradients of numbers that many scores share are sums over matrices.
TEST(Attention, LearnedTemperature) {
  check(scored("product[h, t, s] * scale[h] + slope * (s - t)", "s <= t",
               "  param scale[heads] = 1, slope = 0.1\n"));
}
// No row statistics at all: products, a mask, folds. On the way back nothing links the two matrices.
TEST(Attention, Linear) {
  std::string text = scored("0.1 * product[h, t, s]", "s <= t");
  text.replace(text.find("softmax(s: where("), 17, "(where(");
  text.replace(text.find("-inf"), 4, "0");
  check(text, 3);
}
// The gradient of a table of distances needs the scores' cotangents in an order of its own: they are stored.
TEST(Attention, RelativePositions) {
  check(scored("product[h, t, s] + bias[h, t - s]", "s <= t", "  param bias[heads, context] = 0.1\n"));
}
// Forward and backward pass stand in one block.
TEST(Attention, NotRepeated) {
  std::string text = layer("Attention(heads, causal, std: 0.5, out: 0.5)"),
              repeat = "repeat layers[2] { x = Layer()(x) }\noutput x";
  text.replace(text.find(repeat), repeat.size(), "first = Layer()\nlet y = first(x)\noutput y");
  text.replace(text.find("sum(c: x["), 9, "sum(c: y[");
  check(text);
}
TEST(Attention, SoftCapped) {
  check(scored("2 * tanh(product[h, t, s] / 2)", "s <= t"));
}

} // namespace
