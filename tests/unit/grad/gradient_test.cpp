// Gradients of scalar ops, of each way to index, and of gpt.repeat.
#include "unit/grad/check_gradients.h"

#include "passes/passes.h"

#include "llvm/ADT/StringExtras.h"
#include <gtest/gtest.h>

using namespace gptc::test;
using gptc::gpt::Tensor;

namespace {

const std::string product = "%r = arith.mulf %a, %b : f64";

/// y[i] = body(x[i], z[i]) for parameters between `low` and `high`.
void checkScalar(const std::string &body, double low = -1, double high = 1) {
  SCOPED_TRACE(body);
  GradientCase options;
  options.low = low;
  options.high = high;
  checkGradients(
      program({"x: i=5", "z: i=5"}, generic("y", "[i=5]", {"x[i] : i=5", "z[i] : i=5"}, "i=5", body), "i=5"),
      options);
}

/// How often ops of this name are in @main.
int count(mlir::ModuleOp module, llvm::StringRef name) {
  int found = 0;
  module.walk([&](mlir::Operation *op) { found += op->getName().getStringRef() == name; });
  return found;
}

/// The generics that are contractions.
int countContractions(mlir::ModuleOp module) {
  int found = 0;
  module.walk([&](gptc::gpt::GenericOp op) { found += op.isContraction(); });
  return found;
}

//===-- Scalars ------------------------------------------------------------------===//

TEST(Gradient, ArithmeticOps) {
  for (const char *name : {"addf", "subf", "mulf", "divf", "maximumf", "minimumf", "maxnumf", "minnumf"})
    checkScalar(std::string("%r = arith.") + name + " %a, %b : f64", 0.3, 2);
  checkScalar("%r = arith.negf %a : f64");
  checkScalar("%big = arith.constant 3.0 : f64\n%l = arith.mulf %a, %big : f64\n%r = arith.remf %l, %b : f64",
              0.6, 0.9);
}

TEST(Gradient, FunctionsOfOneNumber) {
  for (const char *name : {"exp", "exp2", "expm1", "tanh", "erf", "sin", "cos", "absf", "floor", "ceil",
                           "round", "roundeven", "trunc"})
    checkScalar(std::string("%r = math.") + name + " %a : f64");
  for (const char *name : {"log", "log2", "log1p", "sqrt", "rsqrt"})
    checkScalar(std::string("%r = math.") + name + " %a : f64", 0.4, 2);
}

TEST(Gradient, FunctionsOfMoreNumbers) {
  checkScalar("%r = math.powf %a, %b : f64", 0.4, 2);
  checkScalar("%two = arith.constant 2.0 : f64\n%r = math.powf %a, %two : f64");
  checkScalar("%n = arith.constant 3.0 : f64\n%r = math.powf %a, %n : f64");
  checkScalar("%r = math.copysign %a, %b : f64");
  checkScalar("%r = math.fma %a, %b, %a : f64");
}

TEST(Gradient, SelectAndComparisons) {
  checkScalar(
      "%c = arith.cmpf ogt, %a, %b : f64\n%s = math.sin %a : f64\n%r = arith.select %c, %s, %b : f64");
  checkScalar(
      "%c = arith.cmpf ogt, %a, %b : f64\n%k = arith.constant 0.1 : f64\n%d = arith.cmpf olt, %b, %k : f64\n"
      "%m = arith.mulf %a, %b : f64\n%s = arith.select %d, %m, %a : f64\n%r = arith.select %c, %s, %m : f64");
}

TEST(Gradient, ConversionsAndSteps) {
  // Through f32 the differences would be rounding; one conversion is checked by its text.
  checkScalar(
      "%k = arith.fptosi %a : f64 to i32\n%f = arith.sitofp %k : i32 to f64\n%r = arith.mulf %f, %b : f64");
  checkScalar("%i = gpt.index 0 : i32\n%e = gpt.extent 0 : i32\n%s = arith.addi %i, %e : i32\n"
              "%f = arith.sitofp %s : i32 to f64\n%r = arith.mulf %f, %a : f64");
}

/// The gradient of x in y = body(x), for one x.
double slopeAt(double x, const std::string &body) {
  std::string text = program({"x: i=1"}, generic("y", "[i=1]", {"x[i] : i=1"}, "i=1", body), "i=1");
  auto module = parse(testContext(), text);
  if (!module || !runPasses(*module, {[] { return gptc::createAutodiffPass(); }}))
    return NAN;
  gptc::gpt::Interpreter interpreter;
  interpreter.variables["x"] = Tensor::of({1}, {x});
  auto results = interpreter.run(module->lookupSymbol<mlir::func::FuncOp>("main"), {});
  EXPECT_TRUE(static_cast<bool>(results));
  return results ? (*results)[1].data[0] / std::sin(2.3) : NAN;
}

TEST(Gradient, WhereNoDerivativeExists) {
  std::string zero = "%z = arith.constant 0.0 : f64\n", one = "%o = arith.constant 1.0 : f64\n";
  EXPECT_EQ(slopeAt(0, zero + "%r = arith.maximumf %a, %z : f64"), 0);
  EXPECT_EQ(slopeAt(0, zero + "%r = arith.maximumf %z, %a : f64"), 0);
  EXPECT_EQ(slopeAt(0, "%n = arith.negf %a : f64\n%r = arith.maximumf %a, %n : f64"), 0);
  EXPECT_EQ(slopeAt(0, "%r = math.absf %a : f64"), 0);
  std::string positive = zero + "%c = arith.cmpf ogt, %a, %z : f64\n";
  EXPECT_EQ(slopeAt(0, positive + "%l = math.log %a : f64\n%r = arith.select %c, %l, %z : f64"), 0);
  EXPECT_EQ(slopeAt(0, positive + one + "%q = arith.divf %o, %a : f64\n%r = arith.select %c, %q, %z : f64"),
            0);
  EXPECT_EQ(slopeAt(-1, positive + "%l = math.sqrt %a : f64\n%m = arith.mulf %l, %a : f64\n"
                                   "%r = arith.select %c, %m, %z : f64"),
            0);
  EXPECT_EQ(slopeAt(3, "%r = gpt.stop_gradient %a : f64"), 0);
  EXPECT_NEAR(slopeAt(3, "%s = gpt.stop_gradient %a : f64\n%r = arith.mulf %a, %s : f64"), 3, 1e-12);
}

//===-- Indices ------------------------------------------------------------------===//

TEST(Gradient, Broadcast) {
  checkGradients(
      program({"x: i=3, j=4", "row: j=4", "all:"},
              generic("y", "[i=3, j=4]", {"x[i, j] : i=3, j=4", "row[j] : j=4", "all[]"}, "i=3, j=4",
                      "%s = arith.mulf %a, %b : f64\n%e = math.exp %s : f64\n%r = arith.mulf %e, %c : f64"),
              "i=3, j=4"));
}

TEST(Gradient, ContractionsStayContractions) {
  struct {
    const char *left, *right;
  } forms[] = {{"x[i, k] : i=3, k=4", "w[k, j] : k=4, j=2"},
               {"x[k, i] : k=4, i=3", "w[k, j] : k=4, j=2"},
               {"x[i, k] : i=3, k=4", "w[j, k] : j=2, k=4"},
               {"x[k, i] : k=4, i=3", "w[j, k] : j=2, k=4"}};
  for (auto &form : forms) {
    auto dims = [](llvm::StringRef operand) { return operand.split(" : ").second.str(); };
    auto module = checkGradients(program(
        {"x: " + dims(form.left), "w: " + dims(form.right)},
        generic("y", "sum [i=3, j=2 | k=4]", {form.left, form.right}, "i=3, j=2", product), "i=3, j=2"));
    ASSERT_TRUE(module);
    EXPECT_EQ(countContractions(*module), 3);
  }
}

TEST(Gradient, BatchedContraction) {
  auto module = checkGradients(
      program({"q: h=2, t=3, e=4", "k: s=3, h=2, e=4"},
              generic("y", "sum [h=2, t=3, s=3 | e=4]",
                      {"q[h, t, e] : h=2, t=3, e=4", "k[s, h, e] : s=3, h=2, e=4"}, "h=2, t=3, s=3", product),
              "h=2, t=3, s=3"));
  ASSERT_TRUE(module);
  EXPECT_EQ(countContractions(*module), 3);
}

TEST(Gradient, MergedIndices) {
  auto module = checkGradients(
      program({"x: t=3, c=6", "w: h=2, e=3, j=4"},
              generic("y", "sum [t=3, j=4 | h=2, e=3]",
                      {"x[t, h * 3 + e] : t=3, c=6", "w[h, e, j] : h=2, e=3, j=4"}, "t=3, j=4", product),
              "t=3, j=4"));
  ASSERT_TRUE(module);
  EXPECT_EQ(countContractions(*module), 3);
  EXPECT_EQ(count(*module, "gpt.reshape"), 1);
  EXPECT_EQ(count(*module, "gpt.scatter"), 0);
}

TEST(Gradient, MergedPartsOfALargerIndex) {
  // q, k, v side by side in one matrix.
  auto module = checkGradients(
      program({"x: t=2, c=12"},
              generic("y", "sum [t=2, h=2 | e=2]",
                      {"x[t, h * 2 + e] : t=2, c=12", "x[t, h * 2 + e + 4] : t=2, c=12",
                       "x[t, h * 2 + e + 8] : t=2, c=12"},
                      "t=2, h=2",
                      "%p = arith.mulf %a, %b : f64\n%q = math.sin %c : f64\n%r = arith.mulf %p, %q : f64"),
              "t=2, h=2"));
  ASSERT_TRUE(module);
  EXPECT_EQ(count(*module, "gpt.scatter"), 0);
}

TEST(Gradient, Shifts) {
  for (std::string index : {"t - 1", "t + 2", "t", "4 - t"})
    checkGradients(program({"x: t=5, c=2", "z: t=5"},
                           generic("y", "[t=4, c=2]", {"x[" + index + ", c] : t=5, c=2", "z[t] : t=5"},
                                   "t=4, c=2", "%e = math.exp %a : f64\n%r = arith.mulf %e, %b : f64"),
                           "t=4, c=2"));
  // The operand is smaller than what is iterated over.
  checkGradients(program(
      {"x: t=3", "z: t=3"},
      generic("y", "[t=6]", {"x[t] : t=3", "z[t - 3] : t=3"}, "t=6", "%r = arith.addf %a, %b : f64"), "t=6"));
}

TEST(Gradient, ConvolutionsSolveForAnIndex) {
  for (std::string index : {"t + k", "t - k", "t + k - 1", "k - t"}) {
    auto module = checkGradients(
        program({"x: i=6, c=2", "w: k=3, c=2"},
                generic("y", "sum [t=5 | k=3, c=2]", {"x[" + index + ", c] : i=6, c=2", "w[k, c] : k=3, c=2"},
                        "t=5", product),
                "t=5"));
    ASSERT_TRUE(module);
    EXPECT_EQ(count(*module, "gpt.scatter"), 0);
  }
  // Not a polynomial: outside of the space terms are not 0 by themselves.
  auto module = checkGradients(program({"x: i=6", "w: k=3"},
                                       generic("y", "sum [t=5 | k=3]", {"x[t + k] : i=6", "w[k] : k=3"},
                                               "t=5", "%l = math.exp %a : f64\n%r = arith.divf %l, %b : f64"),
                                       "t=5"),
                               GradientCase{0.5, 1});
  ASSERT_TRUE(module);
  EXPECT_EQ(count(*module, "gpt.scatter"), 1);
}

TEST(Gradient, DiagonalsStridesAndPlaces) {
  for (std::string index : {"t, t", "2 * t, 0", "t, 2", "2, 2 * t + k"})
    checkGradients(program(
        {"x: i=5, j=5", "z: k=2"},
        generic("y", "sum [t=2 | k=2]", {"x[" + index + "] : i=5, j=5", "z[k] : k=2"}, "t=2", product),
        "t=2"));
}

TEST(Gradient, GathersBecomeScatters) {
  std::string token =
      "%token = gpt.constant dense<[2, 0, 2, 7]> : " + type("t=4", "i32") + " : " + type("t=4", "i32") + "\n";
  auto module = checkGradients(
      program({"table: v=3, c=2", "w: c=2"},
              token + generic("y", "sum [t=4 | c=2]", {"table[s0, c] : v=3, c=2", "w[c] : c=2"}, "t=4",
                              product, {"token[t] : t=4"}),
              "t=4"));
  ASSERT_TRUE(module);
  EXPECT_EQ(count(*module, "gpt.scatter"), 1);
}

//===-- Reductions -----------------------------------------------------------------===//

TEST(Gradient, Maximum) {
  checkGradients(
      program({"x: i=3, j=4", "z: j=4"},
              generic("y", "max [i=3 | j=4]", {"x[i, j] : i=3, j=4", "z[j] : j=4"}, "i=3", product), "i=3"));
}

TEST(Gradient, TiesOfAMaximumShareEvenly) {
  auto module = parse(testContext(), program({"x: j=4"},
                                             generic("y", "max [ | j=4]", {"x[j] : j=4"}, "",
                                                     "%z = arith.constant 0.0 : f64\n"
                                                     "%r = arith.addf %a, %z : f64"),
                                             ""));
  ASSERT_TRUE(module);
  ASSERT_TRUE(runPasses(*module, {[] { return gptc::createAutodiffPass(); }}));
  gptc::gpt::Interpreter interpreter;
  interpreter.variables["x"] = Tensor::of({4}, {1, 2, 0, 2});
  auto results = interpreter.run(module->lookupSymbol<mlir::func::FuncOp>("main"), {});
  ASSERT_TRUE(static_cast<bool>(results));
  double weight = std::sin(1.0);
  EXPECT_EQ((*results)[1].data, (std::vector<double>{0, weight / 2, 0, weight / 2}));
}

std::string softmax(const std::string &x, const std::string &result, const std::string &row,
                    const std::string &dims, const std::string &whole, const std::string &maps) {
  return generic("m" + result, "max [" + row + " | " + dims + "]", {x + maps + " : " + whole}, row,
                 "%z = arith.constant 0.0 : f64\n%r = arith.addf %a, %z : f64") +
         generic("e" + result, "[" + whole + "]", {x + maps + " : " + whole, "m" + result + "[t] : " + row},
                 whole,
                 "%s = gpt.stop_gradient %b : f64\n%d = arith.subf %a, %s : f64\n%r = math.exp %d : f64") +
         generic("s" + result, "sum [" + row + " | " + dims + "]", {"e" + result + maps + " : " + whole}, row,
                 "%z = arith.constant 0.0 : f64\n%r = arith.addf %a, %z : f64") +
         generic(result, "[" + whole + "]",
                 {"e" + result + maps + " : " + whole, "s" + result + "[t] : " + row}, whole,
                 "%r = arith.divf %a, %b : f64");
}

TEST(Gradient, Softmax) {
  checkGradients(program({"x: t=3, s=4"}, softmax("x", "y", "t=3", "s=4", "t=3, s=4", "[t, s]"), "t=3, s=4"));
}

TEST(Gradient, MaskedSoftmax) {
  std::string mask =
      generic("x", "[t=3, s=3]", {"w[t, s] : t=3, s=3"}, "t=3, s=3",
              "%i = gpt.index 0 : i32\n%j = gpt.index 1 : i32\n%c = arith.cmpi sge, %i, %j : i32\n"
              "%n = arith.constant 0xFFF0000000000000 : f64\n%r = arith.select %c, %a, %n : f64");
  checkGradients(
      program({"w: t=3, s=3"}, mask + softmax("x", "y", "t=3", "s=3", "t=3, s=3", "[t, s]"), "t=3, s=3"));
}

TEST(Gradient, LayerNorm) {
  std::string scale = "%n = arith.constant 0.25 : f64\n";
  std::string body =
      generic("mean", "sum [t=3 | c=4]", {"x[t, c] : t=3, c=4"}, "t=3",
              scale + "%r = arith.mulf %a, %n : f64") +
      generic(
          "var", "sum [t=3 | c=4]", {"x[t, c] : t=3, c=4", "mean[t] : t=3"}, "t=3",
          scale +
              "%d = arith.subf %a, %b : f64\n%q = arith.mulf %d, %d : f64\n%r = arith.mulf %q, %n : f64") +
      generic("y", "[t=3, c=4]",
              {"x[t, c] : t=3, c=4", "mean[t] : t=3", "var[t] : t=3", "gain[c] : c=4", "bias[c] : c=4"},
              "t=3, c=4",
              "%eps = arith.constant 1.0e-5 : f64\n%v = arith.addf %c, %eps : f64\n%i = math.rsqrt %v : f64\n"
              "%g = arith.subf %a, %b : f64\n%h = arith.mulf %g, %i : f64\n%k = arith.mulf %h, %d : f64\n"
              "%r = arith.addf %k, %e : f64");
  checkGradients(program({"x: t=3, c=4", "gain: c=4", "bias: c=4"}, body, "t=3, c=4"));
}

TEST(Gradient, OneValueUsedManyTimes) {
  std::string same = "x[i] : i=4";
  checkGradients(program({"x: i=4"},
                         generic("u", "[i=4]", {same, same}, "i=4", product) +
                             generic("v", "[i=4]", {"u[i] : i=4", "x[3 - i] : i=4"}, "i=4", product) +
                             generic("w", "sum [ | i=4]", {"u[i] : i=4", "v[i] : i=4"}, "", product) +
                             generic("y", "[i=4]", {"w[]", "u[i] : i=4", "x[i] : i=4"}, "i=4",
                                     "%m = arith.mulf %a, %b : f64\n%r = arith.addf %m, %c : f64"),
                         "i=4"));
}

TEST(Gradient, SeveralResultsAndUnreachedParameters) {
  std::string t = type("i=3");
  std::string two = "%u, %v = gpt.generic [i=3] inputs(%x[i] : " + t + ", %z[i] : " + t + ") -> (" + t +
                    ", " + t +
                    ") {\n^bb0(%a: f64, %b: f64):\n%m = arith.mulf %a, %b : f64\n%e = math.exp %m : f64\n"
                    "gpt.yield %m, %e : f64, f64\n}\n";
  checkGradients(program({"x: i=3", "z: i=3", "unread: i=2"},
                         two + generic("y", "[i=3]", {"u[i] : i=3", "v[i] : i=3"}, "i=3", product), "i=3"));
  checkGradients(program({"x: i=3", "z: i=3"},
                         two + generic("y", "[i=3]", {"v[i] : i=3"}, "i=3", "%r = math.sin %a : f64"),
                         "i=3"));
}

TEST(Gradient, DynamicExtents) {
  GradientCase options;
  options.extents = {{"n", 3}};
  std::string body =
      "%ones = gpt.constant dense<1.0> : " + type("t upto 5 of n") + " : " + type("t upto 5 of n") + "\n" +
      generic("h", "[t upto 5 of n, c=2]", {"x[t, c] : t=5, c=2", "ones[t] : t upto 5 of n"},
              "t upto 5 of n, c=2", product) +
      generic("g", "[t upto 5 of n, c=2]", {"h[t - 1, c] : t upto 5 of n, c=2", "x[t + 1, c] : t=5, c=2"},
              "t upto 5 of n, c=2", product) +
      generic("y", "sum [c=2 | t upto 5 of n]", {"g[t, c] : t upto 5 of n, c=2"}, "c=2",
              "%e = gpt.extent 1 : i32\n%f = arith.sitofp %e : i32 to f64\n%r = arith.divf %a, %f : f64");
  checkGradients(program({"x: t=5, c=2"}, body, "c=2"), options);
}

} // namespace
