// Lengths and the strides of tensors.
#include "ir/gpt/layout.h"
#include "ir/gpt/most.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace gptc::gpt;

namespace {

struct Layout : ::testing::Test {
  MLIRContext context{MLIRContext::Threading::DISABLED};
  DimAttr b, t, c, layers;
  Length B, T;

  Layout() {
    context.loadDialect<GptDialect>();
    b = DimAttr::getBounded(&context, "b", 256, "b");
    t = DimAttr::getBounded(&context, "t", 64, "t");
    c = DimAttr::getStatic(&context, "c", 128);
    layers = DimAttr::getStatic(&context, "layers", 4);
    B = Length::of(b);
    T = Length::of(t);
  }

  Limits limitsWith(std::optional<int64_t> tokens) {
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
    Builder builder(&context);
    (*module)->setAttr("gpt.extents", builder.getStrArrayAttr({"b", "t"}));
    if (tokens)
      (*module)->setAttr("gpt.batch_tokens", builder.getI64IntegerAttr(*tokens));
    return Limits::of(*module);
  }
};

TEST_F(Layout, LengthsAreEqualForAllExtents) {
  EXPECT_EQ(B * T * 3, T * 3 * B);
  EXPECT_EQ((B + 2) * (B + 2), B * B + B * 4 + 4);
  EXPECT_NE(B * T, B);
  EXPECT_NE(B * 64, B * T) << "a bound is no extent";
  EXPECT_EQ(B * T + B * T * -1, 0);
  EXPECT_TRUE((B * 0 + 5).isConstant());
  EXPECT_EQ((B * 0 + 5).constant(), 5);
  EXPECT_EQ((B * 12 + T * 8).divisor(), 4);
}

TEST_F(Layout, LimitsKnowProducts) {
  EXPECT_EQ(limitsWith({}).most(B * T * 2), 256 * 64 * 2);
  Limits limits = limitsWith(4096);
  EXPECT_EQ(limits.most(B * T * 2), 4096 * 2);
  EXPECT_EQ(limits.most(B * T * T), 4096 * 64);
  EXPECT_EQ(limits.most(B + T), 256 + 64);
  EXPECT_EQ(limits.most(B), 256);
  EXPECT_EQ(limitsWith(1 << 20).most(B * T), 256 * 64) << "a limit that bounds keep anyway";
  EXPECT_EQ(limitsWith(50).most(B * T), 64) << "one row of any length";
  Length huge = Length(int64_t(1) << 40) * (int64_t(1) << 20) * B * T;
  EXPECT_EQ(limits.most(huge), int64_t(1) << 62);
}

TEST_F(Layout, DenseFromTheFirstExtentOn) {
  Limits limits = limitsWith(4096);
  EXPECT_EQ(stridesOf({b, t, c}, limits), (llvm::SmallVector<Length>{T * 128, 128, 1}));
  EXPECT_EQ(stridesOf({layers, b, t, c}, limits), (llvm::SmallVector<Length>{4096 * 128, T * 128, 128, 1}));
  EXPECT_EQ(stridesOf({layers, c, t}, limits), (llvm::SmallVector<Length>{64 * 128, 64, 1}));
  EXPECT_EQ(stridesOf({c, layers}, limits), (llvm::SmallVector<Length>{4, 1}));
  EXPECT_EQ(elementsOf({b, t, c}, limits), 4096 * 128);
  EXPECT_EQ(elementsOf({layers, b, t, c}, limits), 4 * 4096 * 128);
  EXPECT_EQ(elementsOf(llvm::ArrayRef<DimAttr>(), limits), 1);
}

TEST_F(Layout, TilesReadPastAnExtentWithinBounds) {
  Limits limits = limitsWith(4096);
  Type element = Float32Type::get(&context);
  auto past = [&](llvm::ArrayRef<DimAttr> dims) { return readPast(tensorType(&context, dims, element), limits); };
  EXPECT_EQ(past({c, layers}), 0);
  EXPECT_EQ(past({b, c}), 0) << "all of the bound has memory";
  EXPECT_EQ(past({b, t, c}), 64 * 64 * 128);
}

TEST_F(Layout, NothingWrapsAround) {
  EXPECT_EQ(boundedProduct(int64_t(1) << 31, int64_t(1) << 32), mostPoints);
  EXPECT_EQ(boundedProduct(int64_t(1) << 40, 1 << 20), int64_t(1) << 60);
  EXPECT_EQ(boundedSum(mostPoints, mostPoints), mostPoints);
  EXPECT_EQ(boundedSum(mostPoints - 1, 1), mostPoints);
  auto dim = [&](int64_t size) { return DimAttr::getStatic(&context, "d", size); };
  // 2^62 elements of 4 bytes are 0 bytes in 64 bits.
  llvm::SmallVector<DimAttr> dims = {dim(65536), dim(65536), dim(65536), dim(16384)};
  EXPECT_EQ(elementsOf(dims, Limits()), mostPoints);
  dims.push_back(dim(65536));
  EXPECT_EQ(elementsOf(dims, Limits()), mostPoints);
  EXPECT_EQ((Length(int64_t(1) << 40) * (int64_t(1) << 40)).constant(), mostPoints);
  EXPECT_EQ((Length(mostPoints) + Length(mostPoints)).constant(), mostPoints);
}

} // namespace
