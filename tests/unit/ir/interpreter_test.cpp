// One execution test for each op of the gpt dialect, and its edge rules.
#include "ir/gpt/interpreter.h"
#include "ir/gpt/random.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

using namespace gptc::gpt;
using Numbers = std::vector<double>;

namespace {

class InterpreterTest : public testing::Test {
protected:
  InterpreterTest() {
    context.loadDialect<GptDialect, mlir::func::FuncDialect>();
    // Wrong IR is given on purpose; its diagnostics are not of interest.
    context.getDiagEngine().registerHandler([](mlir::Diagnostic &) { return mlir::success(); });
  }

  /// Runs @main of `text`; the message where it fails.
  std::string tryRun(const std::string &text, std::vector<Tensor> inputs = {}, bool verify = true) {
    module = mlir::parseSourceString<mlir::ModuleOp>(text, mlir::ParserConfig(&context, verify));
    if (!module)
      return "does not parse";
    auto main = module->lookupSymbol<mlir::func::FuncOp>("main");
    auto run = interpreter.run(main, inputs);
    if (!run)
      return llvm::toString(run.takeError());
    results = std::move(*run);
    return "";
  }

  /// The first result of @main.
  Numbers run(const std::string &text, std::vector<Tensor> inputs = {}) {
    std::string error = tryRun(text, std::move(inputs));
    EXPECT_EQ(error, "");
    return error.empty() && !results.empty() ? results[0].data : Numbers();
  }

  /// What a body on one f32 `%a` and one i32 `%i` gives.
  double scalar(const std::string &body, double a, double i, const std::string &type = "f32") {
    Numbers data = run(
        "func.func @main(%x: tensor<f32, #gpt.dims<>>, %n: tensor<i32, #gpt.dims<>>)"
        " -> tensor<" +
            type +
            ", #gpt.dims<>> {\n"
            "  %y = gpt.generic [] inputs(%x[] : tensor<f32, #gpt.dims<>>, %n[] : tensor<i32, #gpt.dims<>>)"
            " -> (tensor<" +
            type + ", #gpt.dims<>>) {\n  ^bb0(%a: f32, %i: i32):\n" + body + "\n    gpt.yield %r : " + type +
            "\n  }\n  return %y : tensor<" + type + ", #gpt.dims<>>\n}",
        {Tensor::scalar(a), Tensor::scalar(i)});
    return data.empty() ? std::nan("") : data[0];
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  Interpreter interpreter;
  std::vector<Tensor> results;
};

TEST_F(InterpreterTest, Contraction) {
  EXPECT_EQ(run(R"(
    func.func @main(%x: tensor<2x3xf32, #gpt.dims<t=2, c=3>>, %w: tensor<3x2xf32, #gpt.dims<c=3, j=2>>)
        -> tensor<2x2xf32, #gpt.dims<t=2, j=2>> {
      %y = gpt.generic sum [t=2, j=2 | c=3] inputs(%x[t, c] : tensor<2x3xf32, #gpt.dims<t=2, c=3>>,
          %w[c, j] : tensor<3x2xf32, #gpt.dims<c=3, j=2>>) -> (tensor<2x2xf32, #gpt.dims<t=2, j=2>>) {
      ^bb0(%a: f32, %b: f32):
        %p = arith.mulf %a, %b : f32
        gpt.yield %p : f32
      }
      return %y : tensor<2x2xf32, #gpt.dims<t=2, j=2>>
    })",
                {Tensor::of({2, 3}, {1, 2, 3, 4, 5, 6}), Tensor::of({3, 2}, {1, 0, 0, 1, 2, 2})}),
            (Numbers{7, 8, 16, 17}));
  bool isContraction = false;
  module->walk([&](GenericOp op) { isContraction = op.isContraction(); });
  EXPECT_TRUE(isContraction);
}

TEST_F(InterpreterTest, ReadsOutsideAreZero) {
  const char *text = R"(
    func.func @main(%x: tensor<3xf32, #gpt.dims<t=3>>) -> tensor<3xf32, #gpt.dims<t=3>> {
      %y = gpt.generic [t=3] inputs(%x[t - 1] : tensor<3xf32, #gpt.dims<t=3>>, %x[t * 2] : tensor<3xf32, #gpt.dims<t=3>>)
          -> (tensor<3xf32, #gpt.dims<t=3>>) {
      ^bb0(%a: f32, %b: f32):
        %p = arith.addf %a, %b : f32
        gpt.yield %p : f32
      }
      return %y : tensor<3xf32, #gpt.dims<t=3>>
    })";
  EXPECT_EQ(run(text, {Tensor::of({3}, {1, 2, 3})}), (Numbers{1, 4, 2}));
}

TEST_F(InterpreterTest, ExtentsBoundReadsAndPoints) {
  const char *text = R"(
    func.func @main(%x: tensor<4xf32, #gpt.dims<b upto 4>>)
        -> (tensor<4xf32, #gpt.dims<b upto 4>>, tensor<4xf32, #gpt.dims<t=4>>, tensor<f32, #gpt.dims<>>) {
      %y = gpt.generic [b upto 4] inputs(%x[b + 1] : tensor<4xf32, #gpt.dims<b upto 4>>)
          -> (tensor<4xf32, #gpt.dims<b upto 4>>) {
      ^bb0(%a: f32):
        gpt.yield %a : f32
      }
      %z = gpt.generic [t=4] inputs(%x[t] : tensor<4xf32, #gpt.dims<b upto 4>>) -> (tensor<4xf32, #gpt.dims<t=4>>) {
      ^bb0(%a: f32):
        gpt.yield %a : f32
      }
      %n = gpt.generic sum [| s upto 4 of b] -> (tensor<f32, #gpt.dims<>>) {
        %e = gpt.extent 0 : i32
        %f = arith.sitofp %e : i32 to f32
        gpt.yield %f : f32
      }
      return %y, %z, %n : tensor<4xf32, #gpt.dims<b upto 4>>, tensor<4xf32, #gpt.dims<t=4>>, tensor<f32, #gpt.dims<>>
    })";
  interpreter.extents["b"] = 2;
  EXPECT_EQ(run(text, {Tensor::of({4}, {1, 2, 3, 4})}), (Numbers{2, 0, 0, 0}));
  EXPECT_EQ(results[0].extents[0], 2);
  EXPECT_EQ(results[1].data, (Numbers{1, 2, 0, 0}));
  EXPECT_EQ(results[2].data, (Numbers{4}));
}

const char *reductions = R"(
  func.func @main(%x: tensor<4xf32, #gpt.dims<b upto 4>>, %i: tensor<4xi32, #gpt.dims<b upto 4>>)
      -> (tensor<f32, #gpt.dims<>>, tensor<f32, #gpt.dims<>>, tensor<i32, #gpt.dims<>>, tensor<i32, #gpt.dims<>>) {
    %s = gpt.generic sum [| b upto 4] inputs(%x[b] : tensor<4xf32, #gpt.dims<b upto 4>>) -> (tensor<f32, #gpt.dims<>>) {
    ^bb0(%a: f32):
      gpt.yield %a : f32
    }
    %m = gpt.generic max [| b upto 4] inputs(%x[b] : tensor<4xf32, #gpt.dims<b upto 4>>) -> (tensor<f32, #gpt.dims<>>) {
    ^bb0(%a: f32):
      gpt.yield %a : f32
    }
    %is = gpt.generic sum [| b upto 4] inputs(%i[b] : tensor<4xi32, #gpt.dims<b upto 4>>) -> (tensor<i32, #gpt.dims<>>) {
    ^bb0(%a: i32):
      gpt.yield %a : i32
    }
    %im = gpt.generic max [| b upto 4] inputs(%i[b] : tensor<4xi32, #gpt.dims<b upto 4>>) -> (tensor<i32, #gpt.dims<>>) {
    ^bb0(%a: i32):
      gpt.yield %a : i32
    }
    return %s, %m, %is, %im : tensor<f32, #gpt.dims<>>, tensor<f32, #gpt.dims<>>, tensor<i32, #gpt.dims<>>, tensor<i32, #gpt.dims<>>
  })";

TEST_F(InterpreterTest, Reductions) {
  Tensor x = Tensor::of({4}, {-5, -2, -3, -4});
  Tensor i = Tensor::of({4}, {2147483647, 1, 0, -7});
  EXPECT_EQ(run(reductions, {x, i}), (Numbers{-14}));
  EXPECT_EQ(results[1].data[0], -2);
  EXPECT_EQ(results[2].data[0], 2147483641.0);
  EXPECT_EQ(results[3].data[0], 2147483647.0);
}

TEST_F(InterpreterTest, EmptyReductions) {
  interpreter.extents["b"] = 0;
  EXPECT_EQ(run(reductions, {Tensor::zeros({4}), Tensor::zeros({4})}), (Numbers{0}));
  EXPECT_EQ(results[1].data[0], -std::numeric_limits<double>::infinity());
  EXPECT_EQ(results[2].data[0], 0);
  EXPECT_EQ(results[3].data[0], -2147483648.0);
}

TEST_F(InterpreterTest, MaxKeepsNaN) {
  run(reductions, {Tensor::of({4}, {1, std::nan(""), 3, 2}), Tensor::zeros({4})});
  EXPECT_TRUE(std::isnan(results[1].data[0]));
}

TEST_F(InterpreterTest, GatherAndScatter) {
  const char *text = R"(
    func.func @main(%k: tensor<4xi32, #gpt.dims<t=4>>, %w: tensor<3x2xf32, #gpt.dims<v=3, c=2>>)
        -> (tensor<4x2xf32, #gpt.dims<t=4, c=2>>, tensor<3x2xf32, #gpt.dims<v=3, c=2>>) {
      %x = gpt.generic [t=4, c=2] indices(%k[t] : tensor<4xi32, #gpt.dims<t=4>>)
          inputs(%w[s0, c] : tensor<3x2xf32, #gpt.dims<v=3, c=2>>) -> (tensor<4x2xf32, #gpt.dims<t=4, c=2>>) {
      ^bb0(%i: i32, %a: f32):
        gpt.yield %a : f32
      }
      %g = gpt.scatter [t=4, c=2] indices(%k[t] : tensor<4xi32, #gpt.dims<t=4>>)
          inputs(%x[t, c] : tensor<4x2xf32, #gpt.dims<t=4, c=2>>) at [s0, c] -> tensor<3x2xf32, #gpt.dims<v=3, c=2>> {
      ^bb0(%i: i32, %a: f32):
        gpt.yield %a : f32
      }
      return %x, %g : tensor<4x2xf32, #gpt.dims<t=4, c=2>>, tensor<3x2xf32, #gpt.dims<v=3, c=2>>
    })";
  // 3 and -1 lie outside of the table: they read 0 and are dropped.
  EXPECT_EQ(run(text, {Tensor::of({4}, {2, 3, 2, -1}), Tensor::of({3, 2}, {1, 2, 3, 4, 5, 6})}),
            (Numbers{5, 6, 0, 0, 5, 6, 0, 0}));
  EXPECT_EQ(results[1].data, (Numbers{0, 0, 0, 0, 10, 12}));
}

TEST_F(InterpreterTest, ScatterAddsInLexicographicOrder) {
  // In f32, (1e8 + 1) - 1e8 is 0 and (1e8 - 1e8) + 1 is 1: order shows.
  const char *text = R"(
    func.func @main(%x: tensor<3xf32, #gpt.dims<t=3>>) -> tensor<1xf32, #gpt.dims<o=1>> {
      %g = gpt.scatter [t=3] inputs(%x[t] : tensor<3xf32, #gpt.dims<t=3>>) at [0] -> tensor<1xf32, #gpt.dims<o=1>> {
      ^bb0(%a: f32):
        gpt.yield %a : f32
      }
      return %g : tensor<1xf32, #gpt.dims<o=1>>
    })";
  interpreter.roundFloats = true;
  EXPECT_EQ(run(text, {Tensor::of({3}, {1e8, 1, -1e8})}), (Numbers{0}));
  EXPECT_EQ(run(text, {Tensor::of({3}, {1e8, -1e8, 1})}), (Numbers{1}));
  interpreter.roundFloats = false;
  EXPECT_EQ(run(text, {Tensor::of({3}, {1e8, 1, -1e8})}), (Numbers{1}));
}

/// x <- 10 x + w[copy], collecting x before the copy; uses a value from outside.
std::string repeat(const char *order) {
  return std::string(R"(
    func.func @main(%x: tensor<f32, #gpt.dims<>>, %w: tensor<3xf32, #gpt.dims<n=3>>)
        -> (tensor<f32, #gpt.dims<>>, tensor<3xf32, #gpt.dims<n=3>>, tensor<3xi32, #gpt.dims<n=3>>) {
      %ten = gpt.constant dense<10.0> : tensor<f32> : tensor<f32, #gpt.dims<>>
      %y, %all, %copies = gpt.repeat 3 )") +
         order + R"( inits(%x : tensor<f32, #gpt.dims<>>) stacked(%w : tensor<3xf32, #gpt.dims<n=3>>)
          -> (tensor<f32, #gpt.dims<>>) stacks(tensor<3xf32, #gpt.dims<n=3>>, tensor<3xi32, #gpt.dims<n=3>>) {
      ^bb0(%n: tensor<i32, #gpt.dims<>>, %c: tensor<f32, #gpt.dims<>>, %s: tensor<f32, #gpt.dims<>>):
        %next = gpt.generic [] inputs(%c[] : tensor<f32, #gpt.dims<>>, %s[] : tensor<f32, #gpt.dims<>>,
            %ten[] : tensor<f32, #gpt.dims<>>) -> (tensor<f32, #gpt.dims<>>) {
        ^bb0(%p: f32, %q: f32, %t: f32):
          %m = arith.mulf %p, %t : f32
          %a = arith.addf %m, %q : f32
          gpt.yield %a : f32
        }
        gpt.yield %next, %c, %n : tensor<f32, #gpt.dims<>>, tensor<f32, #gpt.dims<>>, tensor<i32, #gpt.dims<>>
      }
      return %y, %all, %copies : tensor<f32, #gpt.dims<>>, tensor<3xf32, #gpt.dims<n=3>>, tensor<3xi32, #gpt.dims<n=3>>
    })";
}

TEST_F(InterpreterTest, Repeat) {
  EXPECT_EQ(run(repeat(""), {Tensor::scalar(7), Tensor::of({3}, {1, 2, 3})}), (Numbers{7123}));
  EXPECT_EQ(results[1].data, (Numbers{7, 71, 712}));
  EXPECT_EQ(results[2].data, (Numbers{0, 1, 2}));
  module->walk([&](RepeatOp op) { EXPECT_EQ(op.getCaptures().size(), 1u); });
}

TEST_F(InterpreterTest, RepeatReverse) {
  EXPECT_EQ(run(repeat("reverse"), {Tensor::scalar(7), Tensor::of({3}, {1, 2, 3})}), (Numbers{7321}));
  EXPECT_EQ(results[1].data, (Numbers{732, 73, 7}));
  EXPECT_EQ(results[2].data, (Numbers{0, 1, 2}));
}

TEST_F(InterpreterTest, VariablesAreSetAfterTheRun) {
  const char *text = R"(
    gpt.variable parameter @w : tensor<2xf32, #gpt.dims<c=2>> path ["w"]
    func.func @main(%x: tensor<2xf32, #gpt.dims<c=2>>) -> tensor<2xf32, #gpt.dims<c=2>> {
      gpt.set @w, %x : tensor<2xf32, #gpt.dims<c=2>>
      %w = gpt.get @w : tensor<2xf32, #gpt.dims<c=2>>
      return %w : tensor<2xf32, #gpt.dims<c=2>>
    })";
  EXPECT_NE(tryRun(text, {Tensor::of({2}, {3, 4})}), "");
  EXPECT_TRUE(interpreter.variables.empty());
  interpreter.variables["w"] = Tensor::of({2}, {1, 2});
  EXPECT_EQ(run(text, {Tensor::of({2}, {3, 4})}), (Numbers{1, 2}));
  EXPECT_EQ(interpreter.variables["w"].data, (Numbers{3, 4}));
}

TEST_F(InterpreterTest, ConstantReshapeAndCalls) {
  EXPECT_EQ(run(R"(
    func.func private @twice(%x: tensor<6xf32, #gpt.dims<n=6>>) -> tensor<6xf32, #gpt.dims<n=6>> attributes {gpt.kernel} {
      %y = gpt.generic [n=6] inputs(%x[n] : tensor<6xf32, #gpt.dims<n=6>>) -> (tensor<6xf32, #gpt.dims<n=6>>) {
      ^bb0(%a: f32):
        %b = arith.addf %a, %a : f32
        gpt.yield %b : f32
      }
      return %y : tensor<6xf32, #gpt.dims<n=6>>
    }
    func.func @main() -> tensor<6xf32, #gpt.dims<n=6>> {
      %c = gpt.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32> : tensor<2x3xf32, #gpt.dims<a=2, b=3>>
      %x = gpt.reshape %c : tensor<2x3xf32, #gpt.dims<a=2, b=3>> to tensor<6xf32, #gpt.dims<n=6>>
      %y = gpt.launch @twice(%x) : (tensor<6xf32, #gpt.dims<n=6>>) -> tensor<6xf32, #gpt.dims<n=6>>
      %z = call @twice(%y) : (tensor<6xf32, #gpt.dims<n=6>>) -> tensor<6xf32, #gpt.dims<n=6>>
      %k = gpt.kernel(%z : tensor<6xf32, #gpt.dims<n=6>>) -> (tensor<6xf32, #gpt.dims<n=6>>) {
      ^bb0(%in: tensor<6xf32, #gpt.dims<n=6>>):
        %d = gpt.generic [n=6] inputs(%in[n] : tensor<6xf32, #gpt.dims<n=6>>) -> (tensor<6xf32, #gpt.dims<n=6>>) {
        ^bb0(%a: f32):
          %b = arith.negf %a : f32
          gpt.yield %b : f32
        }
        gpt.yield %d : tensor<6xf32, #gpt.dims<n=6>>
      }
      return %k : tensor<6xf32, #gpt.dims<n=6>>
    })"),
            (Numbers{-4, -8, -12, -16, -20, -24}));
}

TEST_F(InterpreterTest, BatchMean) {
  const char *text = R"(
    func.func @main(%x: tensor<f32, #gpt.dims<>>, %n: tensor<f32, #gpt.dims<>>) -> tensor<f32, #gpt.dims<>> {
      %y = gpt.batch_mean %x over %n : tensor<f32, #gpt.dims<>>
      return %y : tensor<f32, #gpt.dims<>>
    })";
  EXPECT_EQ(run(text, {Tensor::scalar(6), Tensor::scalar(4)}), (Numbers{1.5}));
  EXPECT_EQ(run(text, {Tensor::scalar(0), Tensor::scalar(0)}), (Numbers{0}));
}

TEST_F(InterpreterTest, SeveralResultsAndTruth) {
  EXPECT_EQ(run(R"(
    func.func @main(%x: tensor<2xf32, #gpt.dims<t=2>>) -> (tensor<2xi1, #gpt.dims<t=2>>, tensor<2xi32, #gpt.dims<t=2>>) {
      %y:2 = gpt.generic [t=2] inputs(%x[t] : tensor<2xf32, #gpt.dims<t=2>>)
          -> (tensor<2xi1, #gpt.dims<t=2>>, tensor<2xi32, #gpt.dims<t=2>>) {
      ^bb0(%a: f32):
        %zero = arith.constant 0.0 : f32
        %p = arith.cmpf ogt, %a, %zero : f32
        %true = arith.constant true
        %q = arith.xori %p, %true : i1
        %w = arith.extui %p : i1 to i32
        gpt.yield %q, %w : i1, i32
      }
      return %y#0, %y#1 : tensor<2xi1, #gpt.dims<t=2>>, tensor<2xi32, #gpt.dims<t=2>>
    })",
                {Tensor::of({2}, {1, -1})}),
            (Numbers{0, 1}));
  EXPECT_EQ(results[1].data, (Numbers{1, 0}));
}

TEST_F(InterpreterTest, IndexAndRandom) {
  Numbers data = run(R"(
    func.func @main() -> tensor<2x2xf32, #gpt.dims<t=2, c=2>> {
      %y = gpt.generic [t=2, c=2] -> (tensor<2x2xf32, #gpt.dims<t=2, c=2>>) {
        %i = gpt.index 0 : i32
        %j = gpt.index 1 : i32
        %r = gpt.random 9(%i, %j) : f32
        %s = gpt.stop_gradient %r : f32
        gpt.yield %s : f32
      }
      return %y : tensor<2x2xf32, #gpt.dims<t=2, c=2>>
    })");
  ASSERT_EQ(data.size(), 4u);
  for (uint32_t i = 0; i < 4; ++i)
    EXPECT_EQ(data[i], random::uniform(9, {i / 2, i % 2}));
}

TEST_F(InterpreterTest, FloatOps) {
  struct Case {
    const char *op;
    double (*expected)(double);
  } unary[] = {
      {"arith.negf", [](double a) { return -a; }},
      {"math.exp", [](double a) { return std::exp(a); }},
      {"math.expm1", [](double a) { return std::expm1(a); }},
      {"math.log", [](double a) { return std::log(a); }},
      {"math.log1p", [](double a) { return std::log1p(a); }},
      {"math.sqrt", [](double a) { return std::sqrt(a); }},
      {"math.rsqrt", [](double a) { return 1 / std::sqrt(a); }},
      {"math.tanh", [](double a) { return std::tanh(a); }},
      {"math.erf", [](double a) { return std::erf(a); }},
      {"math.sin", [](double a) { return std::sin(a); }},
      {"math.cos", [](double a) { return std::cos(a); }},
      {"math.absf", [](double a) { return std::fabs(a); }},
      {"math.floor", [](double a) { return std::floor(a); }},
      {"math.ceil", [](double a) { return std::ceil(a); }},
  };
  for (const Case &c : unary)
    EXPECT_EQ(scalar(std::string("%r = ") + c.op + " %a : f32", 1.7, 0), c.expected(1.7)) << c.op;

  struct Binary {
    const char *op;
    double expected;
  } binary[] = {
      {"arith.addf", 4.0},     {"arith.subf", -1.0},
      {"arith.mulf", 3.75},    {"arith.divf", 0.6},
      {"arith.maximumf", 2.5}, {"arith.minimumf", 1.5},
      {"arith.remf", 1.5},     {"math.powf", std::pow(1.5, 2.5)},
  };
  for (const Binary &c : binary)
    EXPECT_EQ(scalar("%b = arith.constant 2.5 : f32\n%r = " + std::string(c.op) + " %a, %b : f32", 1.5, 0),
              c.expected)
        << c.op;
  EXPECT_EQ(scalar("%r = math.fma %a, %a, %a : f32", 1.5, 0), 3.75);
  EXPECT_EQ(scalar("%w = arith.extf %a : f32 to f64\n%r = arith.truncf %w : f64 to f32", 1.5, 0), 1.5);
  EXPECT_TRUE(
      std::isnan(scalar("%z = arith.constant 1.0 : f32\n%r = arith.maximumf %a, %z : f32", std::nan(""), 0)));
}

TEST_F(InterpreterTest, RoundsOnRequest) {
  EXPECT_EQ(scalar("%t = arith.constant 3.0 : f32\n%r = arith.divf %a, %t : f32", 1, 0), 1.0 / 3);
  interpreter.roundFloats = true;
  EXPECT_EQ(scalar("%t = arith.constant 3.0 : f32\n%r = arith.divf %a, %t : f32", 1, 0), 1.0f / 3);
  EXPECT_EQ(scalar("%h = arith.truncf %a : f32 to bf16\n%r = arith.extf %h : bf16 to f32", 1.00390625, 0),
            1.0);
}

TEST_F(InterpreterTest, IntegerOpsWrap) {
  auto integer = [&](const std::string &op, double i, int32_t j) {
    return scalar("%j = arith.constant " + std::to_string(j) + " : i32\n%r = " + op + " %i, %j : i32", 0, i,
                  "i32");
  };
  EXPECT_EQ(integer("arith.addi", 2147483647, 1), -2147483648.0);
  EXPECT_EQ(integer("arith.subi", -2147483648.0, 1), 2147483647.0);
  EXPECT_EQ(integer("arith.muli", 65536, 65537), 65536.0);
  EXPECT_EQ(integer("arith.divsi", -7, 2), -3);
  EXPECT_EQ(integer("arith.remsi", -7, 2), -1);
  EXPECT_EQ(integer("arith.maxsi", -7, 2), 2);
  EXPECT_EQ(integer("arith.minsi", -7, 2), -7);
  EXPECT_EQ(integer("arith.shli", 3, 31), -2147483648.0);
  EXPECT_EQ(integer("arith.shrui", -1, 28), 15);
  EXPECT_EQ(integer("arith.andi", 12, 10), 8);
  EXPECT_EQ(integer("arith.ori", 12, 10), 14);
  EXPECT_EQ(integer("arith.xori", 12, 10), 6);
}

TEST_F(InterpreterTest, Conversions) {
  EXPECT_EQ(scalar("%r = arith.sitofp %i : i32 to f32", 0, -3), -3);
  EXPECT_EQ(scalar("%r = arith.uitofp %i : i32 to f32", 0, -1), 4294967295.0);
  EXPECT_EQ(scalar("%r = arith.fptosi %a : f32 to i32", -2.7, 0, "i32"), -2);
  EXPECT_EQ(scalar("%r = arith.fptosi %a : f32 to i32", 1e20, 0, "i32"), -2147483648.0);
  EXPECT_EQ(scalar("%w = arith.extsi %i : i32 to i64\n%r = arith.trunci %w : i64 to i32", 0, -5, "i32"), -5);
  EXPECT_EQ(scalar("%w = arith.index_cast %i : i32 to index\n%r = arith.index_cast %w : index to i32", 0, -5,
                   "i32"),
            -5);
  EXPECT_EQ(scalar("%p = arith.cmpi slt, %i, %i : i32\n%q = arith.constant true\n"
                   "%s = arith.select %p, %p, %q : i1\n%r = arith.extsi %s : i1 to i32",
                   0, 3, "i32"),
            -1);
}

TEST_F(InterpreterTest, ErrorsInsteadOfCrashes) {
  auto body = [](const std::string &op) {
    return "func.func @main(%x: tensor<i32, #gpt.dims<>>) -> tensor<i32, #gpt.dims<>> {\n"
           "  %y = gpt.generic [] inputs(%x[] : tensor<i32, #gpt.dims<>>) -> (tensor<i32, #gpt.dims<>>) {\n"
           "  ^bb0(%i: i32):\n" +
           op + "\n    gpt.yield %r : i32\n  }\n  return %y : tensor<i32, #gpt.dims<>>\n}";
  };
  std::vector<Tensor> zero = {Tensor::scalar(0)};
  EXPECT_NE(tryRun(body("%r = arith.divsi %i, %i : i32"), zero).find("undefined for 0 and 0"),
            std::string::npos);
  EXPECT_NE(tryRun(body("%r = math.ctpop %i : i32"), zero).find("does not know"), std::string::npos);
  EXPECT_NE(tryRun(body("%r = arith.addi %i, %i : i32"), {}).find("expected 1 values, got 0"),
            std::string::npos);
  EXPECT_NE(tryRun(body("%r = arith.addi %i, %i : i32"), {Tensor::zeros({2})}).find("shape"),
            std::string::npos);
  // Rules are checked before anything runs.
  EXPECT_NE(tryRun(body("%r = gpt.index 5 : i32"), zero, /*verify=*/false).find("breaks a rule"),
            std::string::npos);
  EXPECT_NE(tryRun("func.func @main() {\n  call @main() : () -> ()\n  return\n}").find("calls itself"),
            std::string::npos);
  EXPECT_NE(tryRun("func.func private @main()").find("not one block"), std::string::npos);
}

} // namespace
