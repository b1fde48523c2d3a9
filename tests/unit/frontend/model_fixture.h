// Models from strings, and their programs as text.
#pragma once

#include "frontend/model.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

namespace gptc::test {

struct Analysed {
  SourceManager sources;
  AnalyseOptions options;
  std::unique_ptr<Model> model;
  std::string errors;

  explicit Analysed(const std::string &text, std::map<std::string, std::string> overrides = {}) {
    options.facts.sizes["vocabulary"] = 65;
    options.overrides = std::move(overrides);
    int32_t file = sources.add("m.gpt", text);
    Diagnostics diagnostics(sources);
    model = analyse(sources, file, options, diagnostics);
    errors = diagnostics.render(false);
  }

  /// The program's text; the verifier must accept it.
  std::string emit(Program program, std::vector<std::string> show = {}, bool f64 = false) {
    if (!model)
      return "no model: " + errors;
    mlir::MLIRContext context;
    Model::EmitOptions emitOptions;
    emitOptions.program = program;
    emitOptions.f64 = f64;
    emitOptions.show = std::move(show);
    mlir::OwningOpRef<mlir::ModuleOp> module = model->emit(&context, emitOptions);
    EXPECT_TRUE(module);
    if (!module)
      return "";
    EXPECT_TRUE(mlir::succeeded(mlir::verify(*module)));
    (*module)->removeAttr("gpt.source");
    std::string text;
    llvm::raw_string_ostream stream(text);
    module->print(stream);
    return text;
  }
};

inline testing::AssertionResult has(const std::string &text, const std::string &part) {
  if (text.find(part) != std::string::npos)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << "'" << part << "' is not in:\n" << text;
}

} // namespace gptc::test
