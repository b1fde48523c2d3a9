// Prepare once, then step: the same values, to the bit, as the whole program.
#include "unit/grad/check_gradients.h"

#include "passes/passes.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace gptc::test;
using gptc::gpt::Interpreter;
using gptc::gpt::Tensor;

namespace {

const std::string bsc = "b upto 3, s upto 4, c=2", btc = "b upto 3, t upto 5, c=2",
                  bts = "b upto 3, t upto 5, s upto 4", stack = "n=2, c=2";

/// An encoder, and a decoder whose copies each make a key of its output. The
/// decoder carries one early value (%g) and one late one (%x).
std::string exampleProgram() {
  std::string text;
  for (const char *name : {"enc", "wk", "wq"})
    text += std::string("gpt.variable parameter @") + name + " : " + type(stack) + " copies 1 path [\"" +
            name + "\", \"*\"]\n";
  text += "gpt.variable parameter @e : " + type("c=2") + " path [\"e\"]\n";
  text += "func.func @main(%source: " + type("b upto 3, s upto 4") +
          " {gpt.input = \"source\", gpt.per_example}, %length: " + type("b upto 3", "i32") +
          " {gpt.input = \"length(source)\", gpt.per_example}, %target: " + type("b upto 3, t upto 5") +
          " {gpt.input = \"target\", gpt.per_example}) -> (" + type("b upto 3, t upto 5") +
          " {gpt.output = \"y\"}, " + type("b upto 3") + " {gpt.output = \"size\"}, " + type("b upto 3") +
          " {gpt.output = \"g\"}) {\n";
  for (const char *name : {"enc", "wk", "wq"})
    text += std::string("%") + name + " = gpt.get @" + name + " : " + type(stack) + "\n";
  text += "%e = gpt.get @e : " + type("c=2") + "\n";
  text += generic("twice", "[c=2]", {"e[c] : c=2"}, "c=2", "%r = arith.addf %a, %a : f64");
  text += generic("m0", "[b upto 3, s upto 4, c=2]", {"source[b, s] : b upto 3, s upto 4", "e[c] : c=2"}, bsc,
                  "%r = arith.mulf %a, %b : f64");
  text += "%m = gpt.repeat 2 inits(%m0 : " + type(bsc) + ") stacked(%enc : " + type(stack) + ") -> (" +
          type(bsc) + ") {\n^bb0(%copy: " + type("", "i32") + ", %h: " + type(bsc) + ", %w: " + type("c=2") +
          "):\n" +
          generic("next", "[b upto 3, s upto 4, c=2]", {"h[b, s, c] : " + bsc, "w[c] : c=2"}, bsc,
                  "%k = math.sin %a : f64\n%r = arith.mulf %k, %b : f64") +
          "gpt.yield %next : " + type(bsc) + "\n}\n";
  text += generic("size", "sum [b upto 3 | s upto 4, c=2]", {"m[b, s, c] : " + bsc}, "b upto 3",
                  "%r = arith.addf %a, %a : f64");
  text += generic("x0", "[b upto 3, t upto 5, c=2]", {"target[b, t] : b upto 3, t upto 5", "twice[c] : c=2"},
                  btc, "%r = arith.mulf %a, %b : f64");
  text += "%x, %g = gpt.repeat 2 inits(%x0 : " + type(btc) + ", %size : " + type("b upto 3") +
          ") stacked(%wk : " + type(stack) + ", %wq : " + type(stack) + ") -> (" + type(btc) + ", " +
          type("b upto 3") + ") {\n^bb0(%copy: " + type("", "i32") + ", %h: " + type(btc) +
          ", %gg: " + type("b upto 3") + ", %k: " + type("c=2") + ", %q: " + type("c=2") + "):\n" +
          generic("key", "[b upto 3, s upto 4, c=2]", {"m[b, s, c] : " + bsc, "k[c] : c=2"}, bsc,
                  "%r = arith.mulf %a, %b : f64") +
          generic("score", "sum [b upto 3, t upto 5, s upto 4 | c=2]",
                  {"h[b, t, c] : " + btc, "key[b, s, c] : " + bsc}, bts, "%r = arith.mulf %a, %b : f64") +
          generic("masked", "[b upto 3, t upto 5, s upto 4]", {"score[b, t, s] : " + bts, "gg[b] : b upto 3"},
                  bts,
                  "%i = gpt.index 2 : i32\n%l = arith.cmpi slt, %i, %p : i32\n%z = arith.constant 0.0 : f64\n"
                  "%o = arith.select %l, %a, %z : f64\n%r = arith.addf %o, %b : f64",
                  {"length[b] : b upto 3"}) +
          generic("mix", "sum [b upto 3, t upto 5, c=2 | s upto 4]",
                  {"masked[b, t, s] : " + bts, "m[b, s, c] : " + bsc}, btc, "%r = arith.mulf %a, %b : f64") +
          generic("next", "[b upto 3, t upto 5, c=2]",
                  {"mix[b, t, c] : " + btc, "q[c] : c=2", "h[b, t, c] : " + btc}, btc,
                  "%u = arith.mulf %a, %b : f64\n%r = arith.addf %u, %c : f64") +
          generic("gnext", "[b upto 3]", {"gg[b] : b upto 3", "k[0] : c=2"}, "b upto 3",
                  "%r = arith.mulf %a, %b : f64") +
          "gpt.yield %next, %gnext : " + type(btc) + ", " + type("b upto 3") + "\n}\n";
  text += generic("y", "sum [b upto 3, t upto 5 | c=2]", {"x[b, t, c] : " + btc}, "b upto 3, t upto 5",
                  "%r = arith.addf %a, %a : f64");
  return text + "return %y, %size, %g : " + type("b upto 3, t upto 5") + ", " + type("b upto 3") + ", " +
         type("b upto 3") + "\n}\n";
}

std::vector<Tensor> run(Interpreter &interpreter, mlir::ModuleOp module, std::vector<Tensor> inputs) {
  auto results = interpreter.run(module.lookupSymbol<mlir::func::FuncOp>("main"), inputs);
  if (!results) {
    ADD_FAILURE() << llvm::toString(results.takeError());
    return {};
  }
  return *results;
}

mlir::OwningOpRef<mlir::ModuleOp> part(mlir::ModuleOp whole, const std::string &name) {
  mlir::OwningOpRef<mlir::ModuleOp> module = whole.clone();
  gptc::SplitProgramPassOptions options;
  options.part = name;
  options.growing = {"target"};
  EXPECT_TRUE(runPasses(*module, {[&] { return gptc::createSplitProgramPass(options); }}));
  return module;
}

std::string textOf(mlir::ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream(text) << module;
  return text;
}

Tensor wave(llvm::ArrayRef<int64_t> shape, double phase) {
  Tensor tensor = Tensor::zeros(shape);
  for (size_t i = 0; i < tensor.data.size(); ++i)
    tensor.data[i] = std::sin(phase + 1.7 * double(i));
  return tensor;
}

TEST(SplitProgram, StepsGiveWhatTheWholeGives) {
  auto whole = parse(testContext(), exampleProgram());
  ASSERT_TRUE(whole);
  auto prepare = part(*whole, "prepare"), step = part(*whole, "step");
  std::map<std::string, Tensor> parameters = {
      {"enc", wave({2, 2}, 1)}, {"wk", wave({2, 2}, 2)}, {"wq", wave({2, 2}, 3)}, {"e", wave({2}, 4)}};
  Tensor source = wave({3, 4}, 5), length = Tensor::of({3}, {3, 1, 0});
  Interpreter once;
  once.variables = parameters;
  once.extents = {{"b", 2}, {"s", 3}};
  EXPECT_TRUE(run(once, *prepare, {source, length}).empty());
  for (int64_t t = 1; t <= 4; ++t) {
    Tensor target = wave({3, 5}, 10.0 + double(t));
    Interpreter all;
    all.variables = parameters;
    all.extents = {{"b", 2}, {"s", 3}, {"t", t}};
    Interpreter late = all;
    for (const auto &[name, value] : once.variables)
      if (llvm::StringRef(name).starts_with("prepared."))
        late.variables[name] = value;
    std::vector<Tensor> expected = run(all, *whole, {source, length, target});
    std::vector<Tensor> got = run(late, *step, {target});
    ASSERT_EQ(expected.size(), 3u);
    ASSERT_EQ(got.size(), 3u);
    for (size_t i = 0; i < 3; ++i)
      EXPECT_EQ(got[i].data, expected[i].data) << "result " << i << " at length " << t;
    EXPECT_NE(expected[0].data[0], 0);
  }
}

TEST(SplitProgram, TheEncoderIsNotInTheStep) {
  auto whole = parse(testContext(), exampleProgram());
  ASSERT_TRUE(whole);
  std::string prepare = textOf(*part(*whole, "prepare")), step = textOf(*part(*whole, "step"));
  // Keys of the encoder's output are made once, though the decoder's copies make them.
  for (const char *early : {"gpt.get @enc", "gpt.get @wk", "\"source\"", "\"length(source)\"", "math.sin"}) {
    EXPECT_NE(prepare.find(early), std::string::npos) << early;
    EXPECT_EQ(step.find(early), std::string::npos) << early;
  }
  for (const char *late : {"gpt.get @wq", "\"target\""}) {
    EXPECT_EQ(prepare.find(late), std::string::npos) << late;
    EXPECT_NE(step.find(late), std::string::npos) << late;
  }
  // Elementwise work on parameters is done again rather than kept.
  EXPECT_NE(step.find("gpt.get @e "), std::string::npos);
}

TEST(SplitProgram, NothingIsEarlyWhereAllGrows) {
  auto whole = parse(testContext(), exampleProgram());
  ASSERT_TRUE(whole);
  gptc::SplitProgramPassOptions options;
  options.part = "step";
  options.growing = {"source", "target"};
  mlir::OwningOpRef<mlir::ModuleOp> module = whole->clone();
  ASSERT_TRUE(runPasses(*module, {[&] { return gptc::createSplitProgramPass(options); }}));
  EXPECT_EQ(textOf(*module).find("prepared."), std::string::npos);
}

} // namespace
