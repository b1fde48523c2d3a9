// Generated code of a module with all that it runs on, for tests.
#pragma once

#include "compiler/compile.h"
#include "ir/gpt/interpreter.h"
#include "runtime/runner.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gptc::test {

/// What a program is run on and what it leaves.
struct RunState {
  std::map<std::string, gpt::Tensor> variables;
  std::map<std::string, gpt::Tensor> inputs; // by name; missing ones are zero
  std::map<std::string, int64_t> extents;    // missing ones are at their bound
};

class CompiledProgram {
public:
  /// Compiles `module`, which is used up; the program has a pool of `threads`.
  static llvm::Expected<std::unique_ptr<CompiledProgram>> create(mlir::ModuleOp module, const CompileOptions &options,
                                                                 unsigned threads);
  static llvm::Expected<std::unique_ptr<CompiledProgram>> create(runtime::Program program, unsigned threads);
  /// Results; variables that the program sets are changed in `state`.
  std::vector<gpt::Tensor> run(RunState &state);
  /// The same variables and inputs as the last run, but for one element of one.
  double firstResultWith(const std::string &variable, size_t element, double value);
  const runtime::Program &program() const { return bound->program(); }

private:
  CompiledProgram() = default;
  std::vector<int64_t> placesOf(const runtime::TensorInfo &info) const;
  gpt::Tensor load(const runtime::TensorInfo &info, const char *data) const;

  runtime::VariableStore variables;
  runtime::Arena arena;
  std::unique_ptr<runtime::Pool> pool;
  std::unique_ptr<runtime::ProgramRun> bound;
};

} // namespace gptc::test
