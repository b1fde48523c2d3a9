// A model's programs, run by the reference interpreter and as generated code.
#pragma once

#include "compiler/options.h"
#include "frontend/model.h"
#include "support/compiled_program.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <memory>

namespace gptc::test {

/// A context with every dialect and pass of the compiler.
mlir::MLIRContext &modelContext();

/// Runs @main; variables that it sets are changed in `state`. A test failure
/// and nothing where that is impossible.
std::vector<gpt::Tensor> interpret(mlir::ModuleOp module, RunState &state);

/// Generated code of a module that stands behind a stage.
class CompiledModule {
public:
  /// `module` is copied. `vectorBits` 0: those of this CPU. `bf16`: contractions of f32 multiply in bf16.
  CompiledModule(mlir::ModuleOp module, const char *afterStage, int64_t vectorBits = 0,
                 ProgramKind program = ProgramKind::Train, bool bf16 = false);
  bool ok() const { return bool(compiled); }
  std::vector<gpt::Tensor> run(RunState &state) { return compiled->run(state); }
  /// The same variables and inputs as the last run, but for one element of one.
  double firstResultWith(const std::string &variable, size_t element, double value) {
    return compiled->firstResultWith(variable, element, value);
  }

private:
  std::unique_ptr<CompiledProgram> compiled;
};

/// A model with a batch of made-up data.
class ModelRunner {
public:
  explicit ModelRunner(const std::string &text, std::map<std::string, std::string> overrides = {},
                       const std::string &name = "m.gpt");

  SourceManager sources;
  std::unique_ptr<Model> model; // null where the text is wrong
  std::string errors;

  static constexpr int64_t usualBatch = 3;
  int64_t batch = usualBatch;
  /// The program for a batch; of its exact size, or (`dynamic`) up to it.
  mlir::OwningOpRef<mlir::ModuleOp> emit(Program program, bool f64, bool dynamic,
                                         bool keepRate = false) const;
  /// Data of that program's inputs, and parameters drawn from [-0.7, 0.7), both
  /// the same on every machine; floats are floats of f32 where not `f64`.
  RunState state(mlir::ModuleOp module, bool f64) const;

  /// Outputs, loss, reports and gradients: generated code against the interpreter,
  /// in f64 and f32, the training program with vectors of each width that this CPU has.
  void compareWithInterpreter() const;
  /// Gradients, interpreted and compiled, against central differences in f64:
  /// the norm of what differs is at most 1e-6 of the norm of each parameter.
  void checkGradients() const;
  /// Two training steps, compiled, leave the parameters that the interpreter's leave.
  void compareTraining() const;

private:
  int64_t limitOf(const std::string &input) const;
};

} // namespace gptc::test
