#include "unit/model/model_runner.h"

#include "compiler/compile.h"
#include "compiler/jit.h"
#include "compiler/registry.h"
#include "passes/passes.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include <gtest/gtest.h>

#include <set>

using namespace gptc;
using namespace gptc::test;
using gpt::Tensor;

mlir::MLIRContext &gptc::test::modelContext() {
  static std::unique_ptr<mlir::MLIRContext> context = [] {
    mlir::DialectRegistry registry;
    registerDialects(registry);
    registerPasses();
    auto made = std::make_unique<mlir::MLIRContext>(registry, mlir::MLIRContext::Threading::DISABLED);
    made->loadAllAvailableDialects();
    return made;
  }();
  return *context;
}

namespace {
/// A fixed sequence in [0, 1).
class Numbers {
public:
  explicit Numbers(uint64_t seed) : state(seed) {}
  double next() {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return double(state >> 11) / 9007199254740992.0;
  }

private:
  uint64_t state;
};

mlir::func::FuncOp mainOf(mlir::ModuleOp module) {
  return module.lookupSymbol<mlir::func::FuncOp>("main");
}

std::string argumentName(mlir::func::FuncOp main, unsigned i) {
  auto name = main.getArgAttrOfType<mlir::StringAttr>(i, "gpt.input");
  return name ? name.getValue().str() : "";
}

std::string resultName(mlir::func::FuncOp main, unsigned i) {
  if (auto name = main.getResultAttrOfType<mlir::StringAttr>(i, "gpt.output"))
    return name.getValue().str();
  auto gradient = main.getResultAttrOfType<mlir::FlatSymbolRefAttr>(i, "gpt.gradient");
  return gradient ? "gradient of " + gradient.getValue().str() : std::to_string(i);
}

bool runPasses(mlir::ModuleOp module, std::vector<std::unique_ptr<mlir::Pass>> passes) {
  mlir::PassManager manager(module.getContext());
  for (auto &pass : passes)
    manager.addPass(std::move(pass));
  return mlir::succeeded(manager.run(module));
}

bool differentiate(mlir::ModuleOp module) {
  std::vector<std::unique_ptr<mlir::Pass>> passes;
  passes.push_back(createAutodiffPass());
  passes.push_back(mlir::createCanonicalizerPass());
  passes.push_back(mlir::createCSEPass());
  return runPasses(module, std::move(passes));
}

double norm(const std::vector<double> &values) {
  double sum = 0;
  for (double value : values)
    sum += value * value;
  return std::sqrt(sum);
}

/// Elements within the extents agree, the difference small beside their norm.
void expectClose(const Tensor &actual, const Tensor &expected, double relative, const std::string &what,
                 double absolute = 1e-12) {
  ASSERT_EQ(actual.data.size(), expected.data.size()) << what;
  std::vector<double> inside, difference;
  for (size_t i = 0; i < expected.data.size(); ++i) {
    bool within = true;
    size_t rest = i;
    for (size_t d = expected.shape.size(); d-- > 0; rest /= size_t(expected.shape[d]))
      within &= int64_t(rest % size_t(expected.shape[d])) < expected.extents[d];
    if (!within)
      continue;
    double a = actual.data[i], e = expected.data[i];
    if (a == e || (std::isnan(a) && std::isnan(e)))
      continue; // the same infinity, too
    inside.push_back(e);
    difference.push_back(a - e);
  }
  double scale = norm(expected.data);
  if (!std::isfinite(scale))
    scale = norm(inside);
  EXPECT_LE(norm(difference), relative * scale + absolute) << what << ", norm " << scale;
}
} // namespace

std::vector<Tensor> gptc::test::interpret(mlir::ModuleOp module, RunState &state) {
  mlir::func::FuncOp main = mainOf(module);
  gpt::Interpreter interpreter;
  interpreter.variables = state.variables;
  interpreter.extents = state.extents;
  std::vector<Tensor> arguments;
  for (unsigned i = 0; i < main.getNumArguments(); ++i) {
    auto given = state.inputs.find(argumentName(main, i));
    auto type = llvm::cast<mlir::RankedTensorType>(main.getArgument(i).getType());
    arguments.push_back(given == state.inputs.end() ? Tensor::zeros(type.getShape()) : given->second);
  }
  llvm::Expected<std::vector<Tensor>> results = interpreter.run(main, arguments);
  if (!results) {
    ADD_FAILURE() << llvm::toString(results.takeError());
    return {};
  }
  state.variables = interpreter.variables;
  return *results;
}

//===-- Generated code ----------------------------------------------------------===//

CompiledModule::CompiledModule(mlir::ModuleOp module, const char *afterStage, int64_t vectorBits,
                               ProgramKind program, bool bf16) {
  CompileOptions options;
  options.after = findStage(afterStage);
  options.pipeline.program = program;
  options.pipeline.vectorBits = vectorBits ? vectorBits : host().vectorBits;
  options.pipeline.bf16 = bf16;
  options.pipeline.bf16Dot = host().bf16 && options.pipeline.vectorBits == 512;
  mlir::OwningOpRef<mlir::ModuleOp> copy = module.clone();
  auto made = CompiledProgram::create(*copy, options, 2);
  if (!made)
    ADD_FAILURE() << llvm::toString(made.takeError());
  else
    compiled = std::move(*made);
}

//===-- Models --------------------------------------------------------------------===//

ModelRunner::ModelRunner(const std::string &text, std::map<std::string, std::string> overrides,
                         const std::string &name) {
  AnalyseOptions options;
  options.facts.sizes["vocabulary"] = 7;
  options.overrides = std::move(overrides);
  int32_t file = sources.add(name, text);
  Diagnostics diagnostics(sources);
  model = analyse(sources, file, options, diagnostics);
  errors = diagnostics.render(false);
}

mlir::OwningOpRef<mlir::ModuleOp> ModelRunner::emit(Program program, bool f64, bool dynamic,
                                                    bool keepRate) const {
  Model::EmitOptions options;
  options.program = program;
  options.f64 = f64;
  mlir::OwningOpRef<mlir::ModuleOp> module = model->emit(&modelContext(), options);
  if (!module || program == Program::Init)
    return module;
  if (auto rate = module->lookupSymbol("learning_rate"); rate && !keepRate)
    rate->erase(); // gpt-optimizer would take it
  BatchPassOptions batchOptions;
  batchOptions.bound = batch;
  batchOptions.dynamic = dynamic;
  std::vector<std::unique_ptr<mlir::Pass>> passes;
  passes.push_back(createBatchPass(batchOptions));
  passes.push_back(mlir::createCanonicalizerPass());
  passes.push_back(mlir::createCSEPass());
  if (!runPasses(*module, std::move(passes)))
    ADD_FAILURE() << "the model cannot be batched";
  return module;
}

/// Integers of an input lie below this.
int64_t ModelRunner::limitOf(const std::string &input) const {
  const DataSpec &data = model->data();
  for (const DataSpec::Column &column : data.columns)
    if (column.name == input && column.isClass)
      return int64_t(column.classes.size());
  if (data.tokenizer == "ids" && !data.tokenizerArguments.empty())
    return std::max<int64_t>(1, std::atoll(data.tokenizerArguments[0].c_str()));
  if (data.tokenizer == "alphabet" && !data.tokenizerArguments.empty()) {
    const std::string &characters = data.tokenizerArguments[0];
    return std::min<int64_t>(7, int64_t(std::set<char>(characters.begin(), characters.end()).size()));
  }
  return 7;
}

RunState ModelRunner::state(mlir::ModuleOp module, bool f64) const {
  RunState state;
  Numbers numbers(11);
  auto rounded = [&](double value) { return f64 ? value : double(float(value)); };
  for (auto variable : module.getOps<gpt::VariableOp>()) {
    Tensor value = Tensor::zeros(variable.getTensorType().getShape());
    for (double &element : value.data)
      element = rounded(1.4 * numbers.next() - 0.7);
    state.variables[variable.getSymName().str()] = value;
  }
  mlir::func::FuncOp main = mainOf(module);
  for (unsigned i = 0; i < main.getNumArguments(); ++i) {
    auto type = llvm::cast<mlir::RankedTensorType>(main.getArgument(i).getType());
    std::string name = argumentName(main, i);
    Tensor value = Tensor::zeros(type.getShape());
    Numbers own(5 + i);
    for (size_t n = 0; n < value.data.size(); ++n) {
      if (name == "seed" || name == "step" || name == "example")
        value.data[n] = name == "seed" ? 3 : name == "step" ? 4 : double(n);
      else if (llvm::isa<mlir::FloatType>(type.getElementType()))
        value.data[n] = rounded(2 * own.next() - 1);
      else
        value.data[n] =
            std::floor(own.next() * double(type.getElementType().isInteger(1) ? 2 : limitOf(name)));
    }
    state.inputs[name] = value;
  }
  return state;
}

void ModelRunner::compareWithInterpreter() const {
  std::vector<std::pair<Program, bool>> programs = {{Program::Outputs, false}};
  if (model->hasLoss()) {
    programs.push_back({Program::Eval, false});
    programs.push_back({Program::Train, true});
  }
  for (auto [program, gradients] : programs)
    for (bool f64 : {true, false}) {
      bool dynamic = program != Program::Train;
      mlir::OwningOpRef<mlir::ModuleOp> module = emit(program, f64, dynamic);
      ASSERT_TRUE(module);
      RunState begin = state(*module, f64);
      if (dynamic) // shorter than the bounds
        for (auto [name, bound] : llvm::zip((*module)->getAttrOfType<mlir::ArrayAttr>("gpt.extents"),
                                            (*module)->getAttrOfType<mlir::ArrayAttr>("gpt.bounds")))
          begin.extents[llvm::cast<mlir::StringAttr>(name).str()] =
              std::max<int64_t>(1, llvm::cast<mlir::IntegerAttr>(bound).getInt() - 1);
      if (gradients) {
        ASSERT_TRUE(differentiate(*module));
      }
      RunState reference = begin;
      std::vector<Tensor> expected = interpret(*module, reference);
      ASSERT_FALSE(testing::Test::HasFailure());
      // The training program in f32, in vectors of each width; others in the widest.
      bool widths = gradients && !f64;
      for (int64_t bits = widths ? 128 : host().vectorBits; bits <= host().vectorBits; bits *= 2) {
        SCOPED_TRACE((f64 ? "f64, vectors of " : "f32, vectors of ") + std::to_string(bits) + " bits");
        CompiledModule compiled(*module, "optimizer", bits);
        ASSERT_TRUE(compiled.ok());
        RunState own = begin;
        std::vector<Tensor> actual = compiled.run(own);
        ASSERT_EQ(actual.size(), expected.size());
        for (size_t i = 0; i < actual.size(); ++i)
          expectClose(actual[i], expected[i], f64 ? 1e-11 : 3e-5, resultName(mainOf(*module), unsigned(i)),
                      f64 ? 1e-12 : 1e-6); // gradients that are nought but for rounding
      }
    }
}

void ModelRunner::checkGradients() const {
  mlir::OwningOpRef<mlir::ModuleOp> before = emit(Program::Train, true, false);
  ASSERT_TRUE(before);
  mlir::OwningOpRef<mlir::ModuleOp> after = before->clone();
  ASSERT_TRUE(differentiate(*after));
  RunState begin = state(*before, true);
  CompiledModule forward(*before, "optimizer"), derived(*after, "optimizer");
  ASSERT_TRUE(forward.ok() && derived.ok());
  RunState own = begin, other = begin, reference = begin;
  std::vector<Tensor> loss = forward.run(own), compiled = derived.run(other),
                      interpreted = interpret(*after, reference);
  ASSERT_EQ(compiled.size(), interpreted.size());
  ASSERT_FALSE(loss.empty());
  EXPECT_NEAR(loss[0].data[0], interpreted[0].data[0], 1e-12 * (1 + std::abs(loss[0].data[0])));
  size_t compared = 0;
  for (size_t i = 0; i < compiled.size(); ++i) {
    auto name = mainOf(*after).getResultAttrOfType<mlir::FlatSymbolRefAttr>(unsigned(i), "gpt.gradient");
    if (!name)
      continue;
    const Tensor &parameter = begin.variables[name.getValue().str()];
    // Of large parameters some hundred elements, spread evenly.
    size_t stride = parameter.data.size() / 300 + 1;
    std::vector<double> expected, byCode, byInterpreter;
    for (size_t k = 0; k < parameter.data.size(); k += stride) {
      const double h = 1e-5, value = parameter.data[k];
      double high = forward.firstResultWith(name.getValue().str(), k, value + h);
      double low = forward.firstResultWith(name.getValue().str(), k, value - h);
      expected.push_back((high - low) / (2 * h));
      byCode.push_back(compiled[i].data[k] - expected.back());
      byInterpreter.push_back(interpreted[i].data[k] - expected.back());
    }
    // Where the gradient is nought, differences are rounding of the loss alone.
    double allowed = std::max(1e-6 * norm(expected), 1e-9 * std::max(1.0, std::abs(loss[0].data[0])));
    EXPECT_LT(norm(byCode), allowed) << "compiled gradient of " << name.getValue().str() << ", norm "
                                     << norm(expected);
    EXPECT_LT(norm(byInterpreter), allowed)
        << "interpreted gradient of " << name.getValue().str() << ", norm " << norm(expected);
    ++compared;
  }
  EXPECT_GT(compared, 0u);
}

void ModelRunner::compareTraining() const {
  mlir::OwningOpRef<mlir::ModuleOp> module = emit(Program::Train, true, false, /*keepRate=*/true);
  ASSERT_TRUE(module);
  ASSERT_TRUE(differentiate(*module));
  std::vector<std::unique_ptr<mlir::Pass>> passes;
  passes.push_back(createOptimizerPass());
  ASSERT_TRUE(runPasses(*module, std::move(passes)));
  CompiledModule compiled(*module, "optimizer");
  ASSERT_TRUE(compiled.ok());
  RunState own = state(*module, true), reference = own;
  for (auto *run : {&own, &reference})
    for (auto variable : module->getOps<gpt::VariableOp>())
      if (!variable.getParameter()) // an optimizer's state begins as zeros
        run->variables[variable.getSymName().str()] = Tensor::zeros(variable.getTensorType().getShape());
  for (int step = 0; step < 2; ++step) {
    std::vector<Tensor> actual = compiled.run(own), expected = interpret(*module, reference);
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i)
      expectClose(actual[i], expected[i], 1e-10, resultName(mainOf(*module), unsigned(i)));
    for (auto &[name, value] : reference.variables)
      expectClose(own.variables[name], value, 1e-9, name + " after the step");
  }
}
