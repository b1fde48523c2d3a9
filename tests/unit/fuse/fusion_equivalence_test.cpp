// A program computes the same before and after each step of fusion, and once
// placed, in memory. Programs are differentiated and optimised ones too: these
// have repeats in both directions, stacks, and variables that change.
#include "unit/fuse/memory_machine.h"
#include "unit/grad/check_gradients.h"

#include "ir/rt/rt.h"
#include "passes/passes.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace mlir;
using gptc::gpt::Tensor;

namespace gptc::test {
namespace {

struct State {
  std::vector<Tensor> inputs;
  std::map<std::string, Tensor> variables;
};

/// Numbers that depend on the seed only; i32 inputs are in [0, 3).
State draw(ModuleOp module, unsigned seed) {
  std::mt19937 random(seed);
  auto fill = [&](RankedTensorType type) {
    Tensor tensor = Tensor::zeros(type.getShape());
    for (double &number : tensor.data)
      number = type.getElementType().isInteger(32) ? int(random() % 3) : random() % 2001 / 1000.0 - 1;
    return tensor;
  };
  State state;
  for (Type type : module.lookupSymbol<func::FuncOp>("main").getArgumentTypes())
    state.inputs.push_back(fill(cast<RankedTensorType>(type)));
  for (auto variable : module.getOps<gpt::VariableOp>()) {
    Tensor tensor = fill(variable.getTensorType());
    if (!variable.getParameter()) // optimizer states begin with zeros
      std::fill(tensor.data.begin(), tensor.data.end(), 0);
    state.variables[variable.getSymName().str()] = tensor;
  }
  return state;
}

void expectClose(const Tensor &now, const Tensor &before, const std::string &what) {
  ASSERT_EQ(now.data.size(), before.data.size()) << what;
  double scale = 1e-30;
  for (double number : before.data)
    scale = std::max(scale, std::abs(number));
  for (size_t i = 0; i < now.data.size(); ++i)
    ASSERT_LE(std::abs(now.data[i] - before.data[i]), 1e-12 * scale) << what << " at " << i;
}

const char *const optimizer = "{kind = \"adamw\", beta1 = 0.9, beta2 = 0.99, eps = 1.0e-8, decay = 0.1, "
                              "decay_min_rank = 2 : i64, clip = 1.0}";
const char *const learningRate = R"(
  func.func @learning_rate(%step: tensor<i32, #gpt.dims<>>) -> tensor<f64, #gpt.dims<>> {
    %rate = gpt.constant dense<0.01> : tensor<f64, #gpt.dims<>> : tensor<f64, #gpt.dims<>>
    return %rate : tensor<f64, #gpt.dims<>>
  })";

constexpr int64_t smallBlock = 32768; // bytes of a product from which it is computed in blocks

/// Runs the program as it is, then after each pass, with equal results and variables. `loops`: repeats there
/// are after the first pass.
void check(const std::string &text, bool train, std::map<std::string, int64_t> extents = {}, int loops = -1) {
  DialectRegistry registry;
  registry.insert<gpt::GptDialect, rt::RtDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect,
                  scf::SCFDialect, memref::MemRefDialect>();
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  auto module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module);
  auto apply = [&](std::unique_ptr<Pass> pass) {
    PassManager manager(&context);
    manager.addPass(std::move(pass));
    return succeeded(manager.run(*module));
  };
  if (train) {
    (*module)->setAttr("gpt.optimizer", mlir::parseAttribute(optimizer, &context));
    auto rate = parseSourceString<ModuleOp>(learningRate, &context);
    module->push_back(rate->getBody()->front().clone());
    ASSERT_TRUE(apply(createAutodiffPass()));
    ASSERT_TRUE(apply(createOptimizerPass()));
    ASSERT_TRUE(apply(createCanonicalizerPass()));
  }

  State state = draw(*module, 7);
  gpt::Interpreter reference;
  reference.variables = state.variables;
  reference.extents = extents;
  auto expected = reference.run(module->lookupSymbol<func::FuncOp>("main"), state.inputs);
  ASSERT_TRUE(static_cast<bool>(expected)) << llvm::toString(expected.takeError());
  auto compare = [&](llvm::Expected<std::vector<Tensor>> results, const std::map<std::string, Tensor> &variables,
                     const std::string &after) {
    ASSERT_TRUE(static_cast<bool>(results)) << after << ": " << llvm::toString(results.takeError());
    ASSERT_EQ(results->size(), expected->size());
    for (size_t i = 0; i < results->size(); ++i)
      expectClose((*results)[i], (*expected)[i], after + ", result " + std::to_string(i));
    for (auto &[name, tensor] : reference.variables)
      expectClose(variables.at(name), tensor, after + ", variable " + name);
  };

  std::pair<const char *, std::unique_ptr<Pass> (*)()> passes[] = {
      {"tokens", [] { return createBlockTokensPass(BlockTokensPassOptions{smallBlock}); }},
      {"split", [] { return createSplitReductionsPass(); }},   {"inline", [] { return createInlineMapsPass(); }},
      {"form", [] { return createFormKernelsPass(); }},        {"outline", [] { return createOutlineKernelsPass(); }}};
  for (auto &[name, create] : passes) {
    ASSERT_TRUE(apply(create())) << name;
    if (loops >= 0) {
      module->walk([&](gpt::RepeatOp) { --loops; });
      ASSERT_EQ(loops, 0) << name;
      loops = -1;
    }
    gpt::Interpreter interpreter;
    interpreter.variables = state.variables;
    interpreter.extents = extents;
    compare(interpreter.run(module->lookupSymbol<func::FuncOp>("main"), state.inputs), interpreter.variables, name);
    if (testing::Test::HasFatalFailure())
      return;
  }
  ASSERT_TRUE(apply(createPlacePass()));
  MemoryMachine machine;
  machine.variables = state.variables;
  machine.extents = extents;
  auto results = machine.run(*module, state.inputs);
  compare(std::move(results), machine.variables, "place");
}

/// Lines of a program from pieces: `define` makes a generic, `program` the module.
std::string define(const std::string &name, const std::string &space, std::vector<std::string> inputs,
                   const std::string &dims, const std::string &body) {
  return generic(name, space, std::move(inputs), dims, body);
}

const std::string copyNumber = "tensor<i32, #gpt.dims<>>";
const std::string exponential = "%r = math.exp %a : f64\n";
const std::string product = "%r = arith.mulf %a, %b : f64\n";
const std::string identity = "%zero = arith.constant 0.0 : f64\n%r = arith.addf %a, %zero : f64\n";

std::string softmax(const std::string &result, const std::string &x) {
  std::string td = "t=5, s=6";
  return define("max", "max [t=5 | s=6]", {x + "[t, s] : " + td}, "t=5", identity) +
         define("exp", "[t=5, s=6]", {x + "[t, s] : " + td, "max[t] : t=5"}, td,
                "%d = arith.subf %a, %b : f64\n%r = math.exp %d : f64\n") +
         define("total", "sum [t=5 | s=6]", {"exp[t, s] : " + td}, "t=5", identity) +
         define(result, "[t=5, s=6]", {"exp[t, s] : " + td, "total[t] : t=5"}, td,
                "%r = arith.divf %a, %b : f64\n");
}

std::string layerNorm(const std::string &result, const std::string &x) {
  std::string td = "t=5, c=8";
  return define("mean", "sum [t=5 | c=8]", {x + "[t, c] : " + td}, "t=5",
                "%n = arith.constant 0.125 : f64\n%r = arith.mulf %a, %n : f64\n") +
         define("away", "[t=5, c=8]", {x + "[t, c] : " + td, "mean[t] : t=5"}, td, "%r = arith.subf %a, %b : f64\n") +
         define("var", "sum [t=5 | c=8]", {"away[t, c] : " + td}, "t=5", "%r = arith.mulf %a, %a : f64\n") +
         define("rstd", "[t=5]", {"var[t] : t=5"}, "t=5",
                "%e = arith.constant 1.0e-3 : f64\n%s = arith.addf %a, %e : f64\n%r = math.rsqrt %s : f64\n") +
         define(result, "[t=5, c=8]", {"away[t, c] : " + td, "rstd[t] : t=5"}, td, product);
}

/// A loss over a residual network of `copies` copies with a norm, a contraction
/// and a nonlinear map in each; the copy's number takes part.
std::string residualNetwork(int copies) {
  std::string n = std::to_string(copies);
  std::string x = "tensor<5x8xf64, #gpt.dims<t=5, c=8>>", w = "tensor<8x8xf64, #gpt.dims<c=8, j=8>>";
  std::string stack = "tensor<" + n + "x8x8xf64, #gpt.dims<n=" + n + ", c=8, j=8>>";
  std::string scalar = "tensor<f64, #gpt.dims<>>";
  return "module {\n gpt.variable parameter @w : " + stack + " copies 1 path [\"w\", \"*\"]\n" +
         " gpt.variable parameter @shared : " + w + " path [\"shared\"]\n" +
         " func.func @main(%x: " + x + " {gpt.input = \"x\"}) -> (" + scalar + " {gpt.output = \"loss\"}) {\n" +
         "%w = gpt.get @w : " + stack + "\n%shared = gpt.get @shared : " + w + "\n" +
         "%h = gpt.repeat " + n + " inits(%x : " + x + ") stacked(%w : " + stack + ") -> (" + x + ") {\n" +
         "^bb0(%copy: " + copyNumber + ", %in: " + x + ", %wi: " + w + "):\n" + layerNorm("norm", "in") +
         define("up", "sum [t=5, j=8 | c=8]", {"norm[t, c] : t=5, c=8", "wi[c, j] : c=8, j=8"}, "t=5, j=8", product) +
         define("act", "[t=5, j=8]", {"up[t, j] : t=5, j=8"}, "t=5, j=8", "%r = math.tanh %a : f64\n") +
         define("down", "sum [t=5, c=8 | j=8]", {"act[t, j] : t=5, j=8", "shared[j, c] : c=8, j=8"}, "t=5, c=8",
                product) +
         define("out", "[t=5, c=8]", {"in[t, c] : t=5, c=8", "down[t, c] : t=5, c=8"}, "t=5, c=8",
                "%r = arith.addf %a, %b : f64\n") +
         "gpt.yield %out : " + x + "\n}\n" +
         define("loss", "sum [| t=5, c=8]", {"h[t, c] : t=5, c=8"}, "", "%r = arith.mulf %a, %a : f64\n") +
         "return %loss : " + scalar + "\n}\n}\n";
}

} // namespace

TEST(FusionEquivalence, SoftmaxOfContraction) {
  std::string body =
      define("score", "sum [t=5, s=6 | c=8]", {"q[t, c] : t=5, c=8", "k[s, c] : s=6, c=8"}, "t=5, s=6", product) +
      define("scaled", "[t=5, s=6]", {"score[t, s] : t=5, s=6"}, "t=5, s=6",
             "%f = arith.constant 0.5 : f64\n%r = arith.mulf %a, %f : f64\n") +
      softmax("weight", "scaled") +
      define("y", "sum [t=5, c=8 | s=6]", {"weight[t, s] : t=5, s=6", "v[s, c] : s=6, c=8"}, "t=5, c=8", product);
  std::string text = program({"q: t=5, c=8", "k: s=6, c=8", "v: s=6, c=8"}, body, "t=5, c=8");
  check(text, false);
  check(text, true);
}

TEST(FusionEquivalence, LayerNorm) {
  std::string text = program({"x: t=5, c=8"}, layerNorm("y", "x"), "t=5, c=8");
  check(text, false);
  check(text, true);
}

TEST(FusionEquivalence, LongReduction) {
  std::string body = define("y", "sum [| k=300, j=70]", {"x[k, j] : k=300, j=70"}, "",
                            "%i = gpt.index 1 : i32\n%f = arith.sitofp %i : i32 to f64\n%r = arith.mulf %a, %f : f64\n");
  check(program({"x: k=300, j=70"}, body, ""), false);
}

TEST(FusionEquivalence, Repeat) {
  // 1 and an odd and an even number of copies: which slot is last differs.
  for (int copies : {1, 3, 4}) {
    check(residualNetwork(copies), false);
    check(residualNetwork(copies), true);
  }
}

// Logits, softmax and the logarithm at the target, with gradients of rows, weights and bias; the mean is
// weighted by what is known of an example only. 128 rows of 40 numbers are two blocks.
TEST(FusionEquivalence, BlocksOfTokens) {
  const std::string w = "tensor<40x3xf64, #gpt.dims<v=40, c=3>>", bias = "tensor<40xf64, #gpt.dims<v=40>>";
  const std::string x = "tensor<4x32x3xf64, #gpt.dims<b=4, t=32, c=3>>", scalar = "tensor<f64, #gpt.dims<>>";
  const std::string rows = "b=4, t=32", matrix = rows + ", w=40", target = "tensor<4x32xi32, #gpt.dims<b=4, t=32>>";
  std::string text =
      "module {\n gpt.variable parameter @w : " + w + " path [\"w\"]\n gpt.variable parameter @bias : " + bias +
      " path [\"bias\"]\n func.func @main(%x: " + x + ", %target: " + target +
      ", %share: tensor<4xf64, #gpt.dims<b=4>>) -> (" + scalar + " {gpt.output = \"loss\"}) {\n%w = gpt.get @w : " + w +
      "\n%bias = gpt.get @bias : " + bias + "\n" +
      define("hidden", "sum [b=4, t=32, d=3 | c=3]", {"x[b, t, c] : b=4, t=32, c=3", "w[d + 3, c] : v=40, c=3"},
             "b=4, t=32, d=3", product) +
      define("score", "sum [" + matrix + " | c=3]", {"hidden[b, t, c] : b=4, t=32, d=3", "w[w, c] : v=40, c=3"}, matrix,
             product) +
      define("logit", "[" + matrix + "]", {"score[b, t, w] : " + matrix, "bias[w] : v=40"}, matrix,
             "%r = arith.addf %a, %b : f64\n") +
      define("top", "max [" + rows + " | w=40]", {"logit[b, t, w] : " + matrix}, rows, identity) +
      define("total", "sum [" + rows + " | w=40]", {"logit[b, t, w] : " + matrix, "top[b, t] : " + rows}, rows,
             "%d = arith.subf %a, %b : f64\n%r = math.exp %d : f64\n") +
      "%each = gpt.generic sum [b=4 | t=32] indices(%target[b, t] : " + target + ") inputs(%total[b, t] : tensor<4x32xf64, "
      "#gpt.dims<b=4, t=32>>, %top[b, t] : tensor<4x32xf64, #gpt.dims<b=4, t=32>>, %logit[b, t, s0] : tensor<4x32x40xf64, "
      "#gpt.dims<b=4, t=32, w=40>>) -> (tensor<4xf64, #gpt.dims<b=4>>) {\n^bb0(%i: i32, %s: f64, %h: f64, %l: f64):\n"
      "%log = math.log %s : f64\n%sum = arith.addf %log, %h : f64\n%r = arith.subf %sum, %l : f64\ngpt.yield %r : f64\n}\n" +
      define("loss", "sum [| b=4]", {"each[b] : b=4", "share[b] : b=4"}, "", product) + "return %loss : " + scalar +
      "\n}\n}\n";
  check(text, false, {}, /*loops=*/1);
  check(text, true, {}, /*loops=*/1);
}

// What a repeat may yield without computing it, values used at odd places, and
// variables that change places. Rows of 3 f64 are no multiple of 64 bytes.
TEST(FusionEquivalence, AwkwardRepeat) {
  const std::string v = "tensor<3xf64, #gpt.dims<c=3>>", m = "tensor<4x3xf64, #gpt.dims<n=4, c=3>>";
  const std::string add = "%r = arith.addf %a, %b : f64\n";
  for (std::string reverse : {"", "reverse "}) {
    std::string text =
        "module {\n gpt.variable parameter @p : " + v + " path [\"p\"]\n gpt.variable parameter @q : " + v +
        " path [\"q\"]\n gpt.variable parameter @s : " + m + " copies 1 path [\"s\", \"*\"]\n" +
        "func.func @main(%x: " + v + ", %stack: " + m + ") -> (" + v + ", " + m + ", " + m + ", " + v + ", " + v +
        ", " + m + ", " + v + ") {\n" + "%p = gpt.get @p : " + v + "\n%q = gpt.get @q : " + v +
        "\n%s = gpt.get @s : " + m + "\n" +
        define("init", "[c=3]", {"p[c] : c=3", "x[c] : c=3"}, "c=3", add) +
        // a and b change places, d is handed on, e is the incoming a of the copy before.
        "%end:5, %stacks:4 = gpt.repeat 4 " + reverse + "inits(%init : " + v + ", %p : " + v + ", %init : " + v +
        ", %x : " + v + ", %x : " + v + ") stacked(%stack : " + m + ", %s : " + m + ") -> (" + v + ", " + v + ", " +
        v + ", " + v + ", " + v + ") stacks(" + m + ", " + m + ", " + m + ", " + m + ") {\n^bb0(%copy: " + copyNumber +
        ", %ca: " + v + ", %cb: " + v + ", %d: " + v + ", %e: " + v + ", %acc: " + v + ", %slice: " + v + ", %own: " +
        v + "):\n" + define("t", "[c=3]", {"cb[2 - c] : c=3", "slice[c] : c=3"}, "c=3", product) +
        define("i", "[c=3]", {"t[c] : c=3"}, "c=3", "%n = gpt.index 0 : i32\n%f = arith.sitofp %n : i32 to f64\n"
                                                    "%r = arith.addf %a, %f : f64\n") +
        define("g", "sum [c=3 | u=3]", {"i[u] : c=3", "acc[c] : c=3"}, "c=3", add) +
        define("next", "[c=3]", {"acc[c] : c=3", "g[c] : c=3"}, "c=3", add) +
        "%twice = gpt.generic [c=3] inputs(%copy[] : " + copyNumber + ", %own[c] : " + v + ") -> (" + v +
        ") {\n^bb0(%k: i32, %w: f64):\n%f = arith.sitofp %k : i32 to f64\n%r = arith.mulf %f, %w : f64\n"
        "gpt.yield %r : f64\n}\n" +
        "gpt.yield %cb, %g, %d, %ca, %next, %g, %slice, %q, %twice : " + v + ", " + v + ", " + v + ", " + v + ", " + v +
        ", " + v + ", " + v + ", " + v + ", " + v + "\n}\n" +
        define("late", "[c=3]", {"end#0[c] : c=3", "init[c] : c=3"}, "c=3", add) +
        define("fromq", "[c=3]", {"q[c] : c=3", "late[c] : c=3"}, "c=3", product) +
        "gpt.set @p, %q : " + v + "\ngpt.set @q, %p : " + v + "\ngpt.set @s, %stacks#1 : " + m + "\n" +
        "return %end#2, %stacks#0, %stacks#2, %p, %end#3, %stacks#3, %fromq : " + v + ", " + m + ", " + m + ", " + v +
        ", " + v + ", " + m + ", " + v + "\n}\n}\n";
    check(text, false);
  }
}

// New values of variables that may take the old one's memory, and one that may not.
TEST(FusionEquivalence, VariablesInPlace) {
  const std::string v = "tensor<3xf64, #gpt.dims<c=3>>";
  std::string text =
      "module {\n gpt.variable parameter @p : " + v + " path [\"p\"]\n gpt.variable parameter @q : " + v +
      " path [\"q\"]\n func.func @main(%x: " + v + ") -> (" + v + ") {\n" + "%p = gpt.get @p : " + v +
      "\n%q = gpt.get @q : " + v + "\n" +
      define("newp", "[c=3]", {"p[c] : c=3", "x[c] : c=3"}, "c=3", product) +
      define("newq", "[c=3]", {"q[2 - c] : c=3", "newp[c] : c=3"}, "c=3", product) + "gpt.set @p, %newp : " + v +
      "\ngpt.set @q, %newq : " + v + "\n" +
      define("sum", "[c=3]", {"q[c] : c=3", "newp[2 - c] : c=3"}, "c=3", "%r = arith.addf %a, %b : f64\n") +
      "return %sum : " + v + "\n}\n}\n";
  check(text, false);
}

// Extents below their bounds.
TEST(FusionEquivalence, DynamicExtents) {
  const std::string space = "b upto 4, t upto 6";
  const std::string x = "tensor<4x6xf64, #gpt.dims<b upto 4, t upto 6>>";
  std::string text =
      "module attributes {gpt.extents = [\"b\", \"t\"], gpt.bounds = [4, 6]} {\nfunc.func @main(%x: " + x +
      ") -> (tensor<f64, #gpt.dims<>>) {\n" +
      define("m", "max [b upto 4 | t upto 6]", {"x[b, t] : " + space}, "b upto 4", identity) +
      define("e", "[b upto 4, t upto 6]", {"x[b, t] : " + space, "m[b] : b upto 4"}, space,
             "%d = arith.subf %a, %b : f64\n%r = math.exp %d : f64\n") +
      define("n", "sum [| b upto 4, t upto 6]", {"e[b, t] : " + space}, "",
             "%n = gpt.extent 1 : i32\n%f = arith.sitofp %n : i32 to f64\n%r = arith.divf %a, %f : f64\n") +
      "return %n : tensor<f64, #gpt.dims<>>\n}\n}\n";
  check(text, false);
  check(text, false, {{"b", 2}, {"t", 5}});
}

} // namespace gptc::test
