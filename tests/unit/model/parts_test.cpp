// The Transformer of the examples in two parts, compiled: preparing once, then
// stepping, gives what the whole program gives.
#include "unit/model/model_runner.h"
#include "support/source_tree.h"

#include "passes/passes.h"

#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

using namespace gptc;
using namespace gptc::test;
using gptc::gpt::Tensor;

namespace {

mlir::OwningOpRef<mlir::ModuleOp> part(mlir::ModuleOp whole, const std::string &name) {
  mlir::OwningOpRef<mlir::ModuleOp> module = whole.clone();
  SplitProgramPassOptions options;
  options.part = name;
  options.growing = {"target"};
  mlir::PassManager manager(module->getContext());
  manager.addPass(createSplitProgramPass(options));
  EXPECT_TRUE(mlir::succeeded(manager.run(*module)));
  return module;
}

void compareParts(bool f64, double tolerance) {
  ModelRunner runner(sourceText("examples/translate.gpt"),
                     {{"width", "8"}, {"inner", "8"}, {"heads", "2"}, {"layers", "2"}, {"length", "5"}});
  ASSERT_TRUE(runner.model) << runner.errors;
  mlir::OwningOpRef<mlir::ModuleOp> whole = runner.emit(Program::Outputs, f64, /*dynamic=*/true);
  ASSERT_TRUE(whole);
  RunState all = runner.state(*whole, f64);
  all.extents = {{"b", 2}, {"s", 4}};
  all.inputs["length(source)"] = Tensor::of({ModelRunner::usualBatch}, {4, 2, 0});
  CompiledModule prepare(*part(*whole, "prepare"), "part", 0, ProgramKind::Prepare);
  CompiledModule step(*part(*whole, "step"), "part", 0, ProgramKind::Step);
  ASSERT_TRUE(prepare.ok() && step.ok());
  RunState parts = all;
  EXPECT_TRUE(prepare.run(parts).empty());
  for (int64_t t : {1, 2, 5}) {
    all.extents["t"] = parts.extents["t"] = t;
    std::vector<Tensor> expected = interpret(*whole, all), got = step.run(parts);
    ASSERT_EQ(expected.size(), 1u);
    ASSERT_EQ(got.size(), 1u);
    ASSERT_EQ(got[0].shape, expected[0].shape);
    const auto &shape = expected[0].shape; // [b, t, vocabulary]
    for (int64_t b = 0; b < 2; ++b)
      for (int64_t i = 0; i < t; ++i)
        for (int64_t w = 0; w < shape[2]; ++w) {
          size_t at = size_t((b * shape[1] + i) * shape[2] + w);
          EXPECT_NEAR(got[0].data[at], expected[0].data[at], tolerance) << b << " " << i << " " << w;
        }
  }
}

TEST(Parts, TransformerStepsAsTheWholeF64) {
  compareParts(true, 1e-9);
}
TEST(Parts, TransformerStepsAsTheWholeF32) {
  compareParts(false, 1e-3);
}

} // namespace
