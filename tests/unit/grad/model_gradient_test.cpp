// Whole models: files of examples/ at tiny sizes, every parameter's gradient
// against central differences in f64.
#include "support/source_tree.h"
#include "unit/grad/check_gradients.h"

#include "frontend/model.h"
#include "passes/passes.h"

#include "llvm/Support/raw_ostream.h"
#include <gtest/gtest.h>

using namespace gptc::test;
using gptc::gpt::Tensor;

namespace {

constexpr int64_t vocabulary = 5, batch = 2;

/// The training program of a model for a batch of two examples, as text.
std::string trainingProgram(const std::string &file, std::map<std::string, std::string> settings) {
  gptc::SourceManager sources;
  gptc::AnalyseOptions options;
  options.overrides = std::move(settings);
  options.facts.sizes["vocabulary"] = vocabulary;
  gptc::Diagnostics diagnostics(sources);
  auto model = gptc::analyse(sources, sources.add(file, gptc::test::sourceText("examples/" + file)), options, diagnostics);
  EXPECT_TRUE(model) << diagnostics.render(false);
  if (!model)
    return "";
  gptc::Model::EmitOptions emit;
  emit.program = gptc::Program::Train;
  emit.f64 = true;
  auto module = model->emit(&testContext(), emit);
  if (!module || !runPasses(*module, {[] { return gptc::createBatchPass({batch, /*dynamic=*/false}); }}))
    return "";
  std::string printed;
  llvm::raw_string_ostream(printed) << *module;
  return printed;
}

void checkModel(const std::string &file, std::map<std::string, std::string> settings) {
  SCOPED_TRACE(file);
  std::string text = trainingProgram(file, std::move(settings));
  auto module = parse(testContext(), text);
  ASSERT_TRUE(module);
  auto main = module->lookupSymbol<mlir::func::FuncOp>("main");
  GradientCase options;
  options.low = -0.6;
  options.high = 0.6;
  for (unsigned i = 0; i < main.getNumArguments(); ++i) {
    std::string name = main.getArgAttrOfType<mlir::StringAttr>(i, "gpt.input").getValue().str();
    Tensor input =
        Tensor::zeros(llvm::cast<mlir::RankedTensorType>(main.getArgument(i).getType()).getShape());
    for (size_t k = 0; k < input.data.size(); ++k)
      input.data[k] = name == "seed"      ? 3
                      : name == "step"    ? 1
                      : name == "example" ? 8 + k
                                          : (k * k + 2 * k) % vocabulary;
    if (name == "next(token)")
      for (double &token : input.data)
        token = vocabulary - 1 - token;
    options.inputs.push_back(input);
  }
  checkGradients(text, options);
}

TEST(ModelGradient, Attention) {
  checkModel("attention.gpt", {{"context", "3"}, {"width", "4"}, {"hidden", "5"}});
  checkModel("heads.gpt", {{"context", "3"}, {"width", "4"}, {"hidden", "5"}, {"heads", "2"}});
}

TEST(ModelGradient, StackWithEverythingAndWithNothing) {
  std::map<std::string, std::string> tiny = {
      {"context", "3"}, {"width", "4"}, {"heads", "2"}, {"layers", "2"}};
  tiny["drop"] = "0.3";
  checkModel("blocks.gpt", tiny);
  for (const char *name : {"skip", "norm"})
    tiny[name] = "false";
  tiny["drop"] = "0";
  checkModel("blocks.gpt", tiny);
}

TEST(ModelGradient, Gpt) {
  std::map<std::string, std::string> tiny = {
      {"context", "3"}, {"width", "4"}, {"heads", "2"}, {"layers", "2"}};
  checkModel("shakespeare.gpt", tiny);
  checkModel("shakespeare_large.gpt", tiny); // with its dropout
}

TEST(ModelGradient, Llama) {
  checkModel(
      "llama.gpt",
      {{"context", "3"}, {"width", "8"}, {"heads", "4"}, {"groups", "2"}, {"inner", "5"}, {"layers", "2"}});
}

} // namespace
