#include "ir/gpt/maps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

using namespace gptc::gpt;

namespace {

class MapsTest : public testing::Test {
protected:
  MapsTest() { context.loadDialect<GptDialect, mlir::func::FuncDialect>(); }

  /// Whether the sum over `space` of x[`index`] * w[c] is a contraction, with
  /// x of dims `dims` and shape `shape`.
  bool contraction(const std::string &space, const std::string &index, const std::string &shape,
                   const std::string &dims, const std::string &body = "%p = arith.mulf %b, %a : f32") {
    std::string x = "tensor<" + shape + "xf32, #gpt.dims<" + dims + ">>";
    std::string w = "tensor<4xf32, #gpt.dims<c=4>>", y = "tensor<f32, #gpt.dims<>>";
    std::string text = "func.func @f(%x: " + x + ", %w: " + w + ") {\n  %y = gpt.generic sum [| " + space +
                       "] inputs(%x[" + index + "] : " + x + ", %w[c] : " + w + ") -> (" + y +
                       ") {\n  ^bb0(%a: f32, %b: f32):\n    " + body +
                       "\n    gpt.yield %p : f32\n  }\n  return\n}";
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    bool result = false;
    if (module)
      module->walk([&](GenericOp op) { result = op.isContraction(); });
    return result;
  }

  mlir::MLIRContext context;
};

TEST_F(MapsTest, Contractions) {
  EXPECT_TRUE(contraction("c=4", "c", "4", "c=4"));
  EXPECT_TRUE(contraction("h=2, c=4", "h * 4 + c", "8", "n=8"));
  EXPECT_TRUE(contraction("t upto 3, c=4", "t, c", "3x4", "t upto 3, c=4"));
  EXPECT_TRUE(contraction("s upto 3 of t, c=4", "s, c", "3x4", "t upto 3, c=4"));
}

TEST_F(MapsTest, WhatIsNoContraction) {
  EXPECT_FALSE(contraction("c=4", "c - 1", "4", "c=4"));          // a shift
  EXPECT_FALSE(contraction("c=4", "c", "3", "c=3"));              // reads outside
  EXPECT_FALSE(contraction("h=2, c=4", "h * 5 + c", "8", "n=8")); // reads outside
  EXPECT_FALSE(contraction("c=4", "c, c", "4x4", "a=4, b=4"));    // a diagonal
  EXPECT_FALSE(contraction("t=3, c=4", "t, c", "3x4", "t upto 3, c=4"));
  EXPECT_FALSE(contraction("s upto 3, c=4", "s, c", "3x4", "t upto 3, c=4"));
  EXPECT_FALSE(contraction("c=4", "c", "4", "c=4", "%p = arith.mulf %a, %a : f32"));
  EXPECT_FALSE(contraction("c=4", "c", "4", "c=4", "%p = arith.addf %a, %b : f32"));
}

TEST_F(MapsTest, Linearize) {
  mlir::AffineExpr d0 = mlir::getAffineDimExpr(0, &context), d1 = mlir::getAffineDimExpr(1, &context);
  mlir::AffineExpr s0 = mlir::getAffineSymbolExpr(0, &context);
  auto sum = linearize((d0 - d1) * 3 + s0 - 4 + d0, 2, 1);
  ASSERT_TRUE(sum.has_value());
  EXPECT_EQ(sum->dims[0], 4);
  EXPECT_EQ(sum->dims[1], -3);
  EXPECT_EQ(sum->symbols[0], 1);
  EXPECT_EQ(sum->constant, -4);
  EXPECT_FALSE(linearize(d0.floorDiv(2), 1, 0));
  EXPECT_FALSE(linearize(d0 * s0, 1, 1));
  EXPECT_FALSE(linearize(d1, 1, 0));
}

} // namespace
