// Gradients through gpt.repeat.
#include "unit/grad/check_gradients.h"

#include <gtest/gtest.h>

using namespace gptc::test;
using gptc::gpt::RepeatOp;

namespace {

const std::string scalarCopy = "%copy: " + type("", "i32");
const std::string vec = type("c=3"), matrix = type("c=3, d=3"), stackedMatrix = type("n=4, c=3, d=3");

std::string multiply(const std::string &name, const std::string &x, const std::string &w) {
  return generic(name, "sum [d=3 | c=3]", {x + "[c] : c=3", w + "[c, d] : c=3, d=3"}, "d=3",
                 "%r = arith.mulf %a, %b : f64");
}
/// The same elements as `c`, so that they can be carried.
std::string asCarried(const std::string &name, const std::string &x) {
  return generic(name, "[c=3]", {x + "[c] : d=3"}, "c=3", "%r = math.tanh %a : f64");
}

std::vector<RepeatOp> repeats(mlir::ModuleOp module) {
  std::vector<RepeatOp> found;
  module.walk([&](RepeatOp op) { found.push_back(op); });
  return found;
}

std::string layers(const std::string &direction = "") {
  return "%y = gpt.repeat 4" + direction + " inits(%x : " + vec + ") stacked(%w : " + stackedMatrix +
         ") -> (" + vec + ") {\n^bb0(" + scalarCopy + ", %h: " + vec + ", %ww: " + matrix + "):\n" +
         multiply("u", "h", "ww") + asCarried("t", "u") +
         generic("n", "[c=3]", {"h[c] : c=3", "t[c] : c=3"}, "c=3", "%r = arith.addf %a, %b : f64") +
         "gpt.yield %n : " + vec + "\n}\n";
}

TEST(RepeatGradient, LayersWithParametersOfTheirOwn) {
  for (std::string direction : {"", " reverse"}) {
    auto module = checkGradients(program({"x: c=3", "w: n=4, c=3, d=3"}, layers(direction), "c=3"));
    ASSERT_TRUE(module);
    std::vector<RepeatOp> found = repeats(*module);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_NE(found[0].getReverse(), found[1].getReverse());
    // What tanh was of; what w multiplied: nothing else is kept.
    EXPECT_EQ(found[0].getStacks().size(), 2u);
    EXPECT_EQ(found[1].getCarried().size(), 1u);
    EXPECT_EQ(found[1].getStacks().size(), 1u);
  }
}

TEST(RepeatGradient, CapturesAddUpOverCopies) {
  std::string body =
      "%y = gpt.repeat 3 inits(%x : " + vec + ") -> (" + vec + ") {\n^bb0(" + scalarCopy + ", %h: " + vec +
      "):\n" + multiply("u", "h", "w") + asCarried("t", "u") +
      generic("n", "[c=3]", {"g[c] : c=3", "t[c] : c=3"}, "c=3", "%r = arith.mulf %a, %b : f64") +
      "gpt.yield %n : " + vec + "\n}\n";
  checkGradients(program({"x: c=3", "w: c=3, d=3", "g: c=3"}, body, "c=3"));
}

TEST(RepeatGradient, SeveralCarriedValuesAndStacks) {
  // p is carried only to reach q; r does not reach the loss; all copies of q do.
  std::string stacks = type("n=4, c=3");
  std::string body =
      "%p, %q, %s, %all = gpt.repeat 4 inits(%x : " + vec + ", %z : " + vec + ", %x : " + vec +
      ") stacked(%w : " + stacks + ") -> (" + vec + ", " + vec + ", " + vec + ") stacks(" + stacks +
      ") {\n^bb0(" + scalarCopy + ", %i: " + vec + ", %j: " + vec + ", %k: " + vec + ", %v: " + vec + "):\n" +
      generic("pp", "[c=3]", {"i[c] : c=3", "v[c] : c=3"}, "c=3",
              "%m = arith.mulf %a, %b : f64\n%r = math.sin %m : f64") +
      generic("qq", "[c=3]", {"i[c] : c=3", "j[2 - c] : c=3"}, "c=3",
              "%m = arith.mulf %a, %b : f64\n%r = math.exp %m : f64") +
      generic("kk", "[c=3]", {"k[c] : c=3", "v[c] : c=3"}, "c=3", "%r = arith.addf %a, %b : f64") +
      "gpt.yield %pp, %qq, %kk, %qq : " + vec + ", " + vec + ", " + vec + ", " + vec + "\n}\n" +
      generic("y", "sum [c=3 | n=4]", {"all[n, c] : n=4, c=3", "q[c] : c=3"}, "c=3",
              "%m = arith.mulf %a, %b : f64\n%r = math.sin %m : f64");
  auto module = checkGradients(program({"x: c=3", "z: c=3", "w: n=4, c=3"}, body, "c=3"));
  ASSERT_TRUE(module);
  EXPECT_EQ(repeats(*module)[0].getCarried().size(), 2u);
}

TEST(RepeatGradient, ValuesPassedThroughAndSwapped) {
  std::string body =
      "%p, %q, %same = gpt.repeat 3 inits(%x : " + vec + ", %z : " + vec + ", %x : " + vec + ") -> (" + vec +
      ", " + vec + ", " + vec + ") {\n^bb0(" + scalarCopy + ", %i: " + vec + ", %j: " + vec + ", %k: " + vec +
      "):\n" + generic("m", "[c=3]", {"i[c] : c=3", "k[c] : c=3"}, "c=3", "%r = arith.mulf %a, %b : f64") +
      "gpt.yield %j, %m, %k : " + vec + ", " + vec + ", " + vec + "\n}\n" +
      generic("y", "[c=3]", {"p[c] : c=3", "q[c] : c=3", "same[c] : c=3"}, "c=3",
              "%m = arith.mulf %a, %b : f64\n%r = arith.mulf %m, %c : f64");
  checkGradients(program({"x: c=3", "z: c=3"}, body, "c=3"));
}

TEST(RepeatGradient, TheNumberOfTheCopy) {
  std::string body =
      "%y = gpt.repeat 3 inits(%x : " + vec + ") -> (" + vec + ") {\n^bb0(" + scalarCopy + ", %h: " + vec +
      "):\n" +
      generic("n", "[c=3]", {"h[c] : c=3"}, "c=3",
              "%f = arith.sitofp %p : i32 to f64\n%m = arith.mulf %a, %f : f64\n%r = math.cos %m : f64",
              {"copy[]"}) +
      "gpt.yield %n : " + vec + "\n}\n";
  checkGradients(program({"x: c=3"}, body, "c=3"));
}

TEST(RepeatGradient, Nested) {
  std::string inner = "%in = gpt.repeat 2 inits(%h : " + vec + ") stacked(%www : " + type("m=2, c=3, d=3") +
                      ") -> (" + vec + ") {\n^bb0(%c2: " + type("", "i32") + ", %g: " + vec +
                      ", %ww: " + matrix + "):\n" + multiply("u", "g", "ww") + asCarried("t", "u") +
                      generic("n", "[c=3]", {"s[c] : c=3", "t[c] : c=3", "outerscale[c] : c=3"}, "c=3",
                              "%m = arith.mulf %a, %b : f64\n%r = arith.mulf %m, %c : f64") +
                      "gpt.yield %n : " + vec + "\n}\n";
  for (std::string direction : {"", " reverse"}) {
    std::string body =
        "%y = gpt.repeat 3" + direction + " inits(%x : " + vec +
        ") stacked(%w : " + type("n=3, m=2, c=3, d=3") + ") -> (" + vec + ") {\n^bb0(" + scalarCopy +
        ", %h: " + vec + ", %www: " + type("m=2, c=3, d=3") + "):\n" +
        generic("outerscale", "[c=3]", {"h[c] : c=3"}, "c=3", "%r = math.exp %a : f64") + inner +
        generic("o", "[c=3]", {"in[c] : c=3", "outerscale[c] : c=3"}, "c=3", "%r = arith.addf %a, %b : f64") +
        "gpt.yield %o : " + vec + "\n}\n";
    auto module = checkGradients(program({"x: c=3", "w: n=3, m=2, c=3, d=3", "s: c=3"}, body, "c=3"));
    ASSERT_TRUE(module);
    EXPECT_EQ(repeats(*module).size(), 4u);
  }
}

TEST(RepeatGradient, BodiesThatReadParametersThemselves) {
  std::string body =
      "%y = gpt.repeat 3 inits(%x : " + vec + ") -> (" + vec + ") {\n^bb0(" + scalarCopy + ", %h: " + vec +
      "):\n%again = gpt.get @x : " + vec + "\n" +
      generic("n", "[c=3]", {"h[c] : c=3", "again[c] : c=3"}, "c=3", "%r = arith.mulf %a, %b : f64") +
      "gpt.yield %n : " + vec + "\n}\n";
  checkGradients(program({"x: c=3"}, body, "c=3"));
}

} // namespace
