// A batched program gives each example what the program for one example gives.
#include "unit/grad/check_gradients.h"

#include "passes/passes.h"

#include "llvm/ADT/StringExtras.h"
#include <gtest/gtest.h>

using namespace gptc::test;
using gptc::gpt::Interpreter;
using gptc::gpt::Tensor;

namespace {

const std::string scalar = type(""), vec = type("c=4"), merged = type("h=2, e=2");

/// Everything that the batch has to find its way through.
std::string exampleProgram() {
  std::string stacks = type("n=2, c=4");
  return "gpt.variable parameter @w : " + stacks + " path [\"w\"]\n" +
         "gpt.variable parameter @table : " + type("v=3, c=4") + " path [\"table\"]\n" +
         "func.func @main(%x: " + vec + " {gpt.input = \"x\", gpt.per_example}, %k: " + type("", "i32") +
         " {gpt.input = \"class\", gpt.per_example}, %seed: " + type("", "i32") +
         " {gpt.input = \"seed\"}) -> (" + scalar + " {gpt.output = \"loss\"}, " + vec +
         " {gpt.output = \"out\"}, " + stacks + " {gpt.output = \"all\"}, " + merged +
         " {gpt.output = \"halves\"}, " + vec + " {gpt.output = \"shared\"}) {\n%w = gpt.get @w : " + stacks +
         "\n%table = gpt.get @table : " + type("v=3, c=4") + "\n%none = gpt.constant dense<0.5> : " + vec +
         " : " + vec + "\n" +
         generic(
             "e", "[c=4]", {"table[s0, c] : v=3, c=4", "x[3 - c] : c=4"}, "c=4",
             "%i = gpt.index 0 : i32\n%f = arith.sitofp %i : i32 to f64\n%n = gpt.extent 0 : i32\n"
             "%g = arith.sitofp %n : i32 to f64\n%t = arith.divf %f, %g : f64\n%m = arith.mulf %a, %b : f64\n"
             "%r = arith.addf %m, %t : f64",
             {"k[]"}) +
         // The first carried value starts without a batch; the second never has one; the third ends without.
         "%out, %shared, %const, %all = gpt.repeat 2 inits(%none : " + vec + ", %none : " + vec +
         ", %x : " + vec + ") stacked(%w : " + stacks + ") -> (" + vec + ", " + vec + ", " + vec +
         ") stacks(" + stacks + ") {\n^bb0(%copy: " + type("", "i32") + ", %h: " + vec + ", %s: " + vec +
         ", %t: " + vec + ", %ww: " + vec + "):\n" +
         generic("hh", "[c=4]", {"h[c] : c=4", "e[c] : c=4", "ww[c] : c=4", "t[c] : c=4"}, "c=4",
                 "%m = arith.mulf %a, %b : f64\n%n = arith.addf %m, %c : f64\n%r = arith.addf %n, %d : f64") +
         generic("ss", "[c=4]", {"s[c] : c=4", "ww[c] : c=4"}, "c=4", "%r = arith.mulf %a, %b : f64") +
         "gpt.yield %hh, %ss, %ss, %hh : " + vec + ", " + vec + ", " + vec + ", " + vec + "\n}\n" +
         "%halves = gpt.reshape %out : " + vec + " to " + merged + "\n" +
         generic("total", "sum [ | c=4]", {"out[c] : c=4", "const[c] : c=4"}, "",
                 "%r = arith.mulf %a, %b : f64") +
         generic("count", "[]", {"x[0] : c=4"}, "",
                 "%z = arith.constant 0.0 : f64\n%o = arith.cmpf ogt, %a, %z : f64\n%y = arith.constant 3.0 "
                 ": f64\n"
                 "%r = arith.select %o, %y, %z : f64") +
         "%loss = gpt.batch_mean %total over %count : " + scalar +
         "\nreturn %loss, %out, %all, %halves, %shared : " + scalar + ", " + vec + ", " + stacks + ", " +
         merged + ", " + vec + "\n}\n";
}

std::vector<Tensor> run(Interpreter &interpreter, mlir::ModuleOp module, std::vector<Tensor> inputs) {
  auto results = interpreter.run(module.lookupSymbol<mlir::func::FuncOp>("main"), inputs);
  if (!results) {
    ADD_FAILURE() << llvm::toString(results.takeError());
    return {};
  }
  return *results;
}

void checkBatch(bool dynamic, size_t examples, double firstValue) {
  auto single = parse(testContext(), exampleProgram());
  ASSERT_TRUE(single);
  mlir::OwningOpRef<mlir::ModuleOp> batched = single->clone();
  ASSERT_TRUE(runPasses(*batched, {[&] { return gptc::createBatchPass({/*bound=*/4, dynamic}); }}));
  Interpreter interpreter;
  interpreter.extents["b"] = examples;
  Tensor w = Tensor::zeros({2, 4}), table = Tensor::zeros({3, 4}), x = Tensor::zeros({4, 4}),
         k = Tensor::zeros({4});
  for (size_t i = 0; i < w.data.size(); ++i)
    w.data[i] = std::sin(i + 1.0);
  for (size_t i = 0; i < table.data.size(); ++i)
    table.data[i] = std::cos(i + 1.0);
  for (size_t i = 0; i < x.data.size(); ++i)
    x.data[i] = i % 4 == 0 ? firstValue : std::sin(3.0 * i);
  k.data = {2, 0, 1, 2};
  interpreter.variables = {{"w", w}, {"table", table}};
  std::vector<Tensor> together = run(interpreter, *batched, {x, k, Tensor::scalar(7)});
  ASSERT_EQ(together.size(), 5u);

  // What one example gives alone, up to the mean: totals and counts are recomputed here.
  auto total = [&](const Tensor &out) {
    double sum = 0;
    for (size_t c = 0; c < 4; ++c)
      sum += out.data[c] * 0.5 * w.data[c] * w.data[4 + c];
    return sum;
  };
  double sum = 0, count = 0;
  for (size_t b = 0; b < examples; ++b) {
    Tensor own = Tensor::of({4}, std::vector<double>(x.data.begin() + 4 * b, x.data.begin() + 4 * b + 4));
    // The mean of one example needs a batch of its own; other results do not.
    std::vector<Tensor> alone;
    mlir::OwningOpRef<mlir::ModuleOp> one = single->clone();
    ASSERT_TRUE(runPasses(*one, {[] { return gptc::createBatchPass({/*bound=*/1, /*dynamic=*/false}); }}));
    alone = run(interpreter, *one,
                {Tensor::of({1, 4}, own.data), Tensor::of({1}, {k.data[b]}), Tensor::scalar(7)});
    ASSERT_EQ(alone.size(), 5u);
    for (size_t c = 0; c < 4; ++c) {
      EXPECT_EQ(together[1].data[4 * b + c], alone[1].data[c]);
      EXPECT_EQ(together[3].data[4 * b + c], alone[3].data[c]);
      for (size_t n = 0; n < 2; ++n) // copies first, then the batch
        EXPECT_EQ(together[2].data[(n * 4 + b) * 4 + c], alone[2].data[n * 4 + c]);
    }
    sum += total(alone[1]);
    count += own.data[0] > 0 ? 3 : 0;
  }
  EXPECT_NEAR(together[0].data[0], count > 0 ? sum / count : 0, 1e-12);
  EXPECT_EQ(together[4].shape, (llvm::SmallVector<int64_t>{4}));
}

TEST(Batch, EachExampleIsAsAlone) {
  checkBatch(/*dynamic=*/true, /*examples=*/3, /*firstValue=*/0.5);
  checkBatch(/*dynamic=*/true, /*examples=*/4, /*firstValue=*/0.5);
  checkBatch(/*dynamic=*/false, /*examples=*/4, /*firstValue=*/0.5);
}

TEST(Batch, NothingCountsGivesZero) {
  checkBatch(/*dynamic=*/true, /*examples=*/3, /*firstValue=*/-1);
}

TEST(Batch, DeclaresTheExtentFirst) {
  auto module = parse(testContext(), exampleProgram());
  mlir::Builder builder(&testContext());
  (*module)->setAttr("gpt.extents", builder.getStrArrayAttr({"t"}));
  (*module)->setAttr("gpt.bounds", builder.getI64ArrayAttr({64}));
  ASSERT_TRUE(runPasses(*module, {[] { return gptc::createBatchPass({12, true}); }}));
  EXPECT_EQ((*module)->getAttr("gpt.extents"), builder.getStrArrayAttr({"b", "t"}));
  EXPECT_EQ((*module)->getAttr("gpt.bounds"), builder.getI64ArrayAttr({12, 64}));
}

TEST(Batch, GradientsOfTheMean) {
  auto module = parse(testContext(), exampleProgram());
  ASSERT_TRUE(runPasses(*module, {[] { return gptc::createBatchPass({3, true}); }}));
  std::string text;
  llvm::raw_string_ostream(text) << *module;
  GradientCase options;
  options.extents = {{"b", 2}};
  Tensor x = Tensor::zeros({3, 4});
  for (size_t i = 0; i < x.data.size(); ++i)
    x.data[i] = 0.1 + 0.05 * i;
  options.inputs = {x, Tensor::of({3}, {1, 2, 0}), Tensor::scalar(7)};
  checkGradients(text, options);
}

} // namespace
