// Values of a model's program, by the reference interpreter.
#pragma once

#include "unit/frontend/model_fixture.h"

#include "ir/gpt/interpreter.h"

#include "mlir/IR/BuiltinOps.h"

namespace gptc::test {

using Inputs = std::map<std::string, std::vector<double>>;

/// The values of `names` in the Outputs program; parameters as Init leaves them.
inline std::map<std::string, std::vector<double>> values(const std::string &text, const Inputs &inputs,
                                                         std::vector<std::string> names,
                                                         std::map<std::string, int64_t> extents = {}) {
  std::map<std::string, std::vector<double>> results;
  Analysed m(text);
  EXPECT_TRUE(m.model) << m.errors;
  if (!m.model)
    return results;
  mlir::MLIRContext context;
  gpt::Interpreter interpreter;
  interpreter.extents = std::move(extents);
  for (Program program : {Program::Init, Program::Outputs}) {
    Model::EmitOptions options;
    options.program = program;
    options.f64 = true;
    options.show = names;
    mlir::OwningOpRef<mlir::ModuleOp> module = m.model->emit(&context, options);
    auto function = module->lookupSymbol<mlir::func::FuncOp>("main");
    std::vector<gpt::Tensor> arguments;
    for (unsigned i = 0; i < function.getNumArguments(); ++i) {
      auto type = llvm::cast<mlir::RankedTensorType>(function.getArgument(i).getType());
      std::string name = function.getArgAttrOfType<mlir::StringAttr>(i, "gpt.input").getValue().str();
      auto given = inputs.find(name);
      if (given == inputs.end())
        arguments.push_back(gpt::Tensor::zeros(type.getShape()));
      else
        arguments.push_back(gpt::Tensor::of(type.getShape(), given->second));
    }
    llvm::Expected<std::vector<gpt::Tensor>> run = interpreter.run(function, arguments);
    if (!run) {
      ADD_FAILURE() << llvm::toString(run.takeError());
      return results;
    }
    for (size_t i = 0; i < run->size(); ++i)
      results[function.getResultAttrOfType<mlir::StringAttr>(i, "gpt.output").getValue().str()] =
          (*run)[i].data;
  }
  return results;
}

inline void expectNear(const std::vector<double> &actual, const std::vector<double> &expected,
                       double tolerance = 1e-12) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], tolerance) << "element " << i;
}

} // namespace gptc::test
