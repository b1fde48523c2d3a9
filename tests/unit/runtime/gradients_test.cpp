#include "test_support.h"

#include "runtime/gradients.h"

#include <cmath>

using namespace gptc::runtime;

namespace {

TEST(Gradients, NamesTheWorstThatVanishesOrExplodes) {
  std::vector<GradientNorm> norms = {{"a", 1e-3, 1, true}, {"b", 5e-9, 0.1, true}, {"c", 1e-9, 2e-3, true}};
  EXPECT_EQ(explodedGradient(norms), "");
  std::string vanished = vanishedGradient(norms);
  EXPECT_CONTAINS(vanished, "that of b is 5.0e-08 times as large as the weight (below 1e-07)");
  norms[1].gradient = 2e-8;
  EXPECT_EQ(vanishedGradient(norms), ""); // c is the least now, but its weight is small, too
  norms[0].gradient = 1001;
  norms[2].gradient = 3;
  EXPECT_CONTAINS(explodedGradient(norms), "that of c is 1.5e+03 times as large as the weight (above 1e+03)");
  norms[2].gradient = 1.9;
  EXPECT_CONTAINS(explodedGradient(norms), "that of a is 1.0e+03 times");
}

TEST(Gradients, LeavesBiasesZerosAndBrokenNumbersOut) {
  std::vector<GradientNorm> norms = {
      {"bias", 0, 1, false}, {"zeros", 1, 0, true}, {"broken", INFINITY, 1, true}, {"nan", NAN, 1, true}};
  EXPECT_EQ(vanishedGradient(norms), "");
  EXPECT_EQ(explodedGradient(norms), "");
  norms.push_back({"dead", 0, 1, true});
  EXPECT_CONTAINS(vanishedGradient(norms), "that of dead is 0.0e+00 times");
}

TEST(Gradients, ComeFromResultsOneACopy) {
  Program program;
  program.entry = [](const gptc_context *context) {
    auto *arena = reinterpret_cast<float *>(context->arena);
    for (int i = 0; i < 4; ++i)
      arena[i] = float(i + 1);
  };
  program.arenaBytes = 64;
  VariableInfo w;
  w.name = "layer.w";
  w.shape = {2, 3, 3};
  w.extents = {"", "", ""};
  w.parameter = true;
  w.copies = 1;
  w.path = {"layer", "*", "w"};
  program.variables = {w};
  for (auto [name, offset] : {std::pair("grad_norm(layer.w)", 0), std::pair("weight_norm(layer.w)", 8)}) {
    ResultInfo result;
    result.name = name;
    result.shape = {2};
    result.extents = {""};
    result.arenaOffset = offset;
    program.results.push_back(result);
  }
  VariableStore store;
  Arena arena;
  auto pool = valueOf(Pool::create(1));
  auto run = valueOf(ProgramRun::create(program, store, arena, *pool));
  run->run();
  std::vector<GradientNorm> norms = gradientNorms(*run);
  ASSERT_EQ(norms.size(), 2u);
  EXPECT_EQ(norms[0].name, "layer.0.w");
  EXPECT_EQ(norms[1].name, "layer.1.w");
  EXPECT_EQ(norms[1].gradient, 2);
  EXPECT_EQ(norms[1].weight, 4);
  EXPECT_TRUE(norms[1].isWeight);
  EXPECT_CONTAINS(gradientTable(norms), "layer.1.w   2.000e+00   4.000e+00     5.0e-01");
}

} // namespace
