// A module of the gpt dialect (or of any later stage) to a program that runs.
#pragma once

#include "compiler/stages.h"
#include "runtime/program.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace gptc {

struct CompileOptions {
  PipelineOptions pipeline;
  const Stage *after = nullptr; // the stage that the module is at; null: `gpt`
  unsigned threads = 1;         // changes no bit of the code
  std::string dumpDirectory;    // --dump-ir
  bool profile = false;         // --profile: fill in the program's kernels
  Timing *timing = nullptr;     // --timing
};

/// Compiles the module, which is used up. Errors are internal ones; what a
/// pass had to say is on standard error already, with the reproducer.
llvm::Expected<runtime::Program> compile(mlir::ModuleOp module, const CompileOptions &options);

/// Memory and names of a program as its module has them behind the stage
/// `place`; without code.
llvm::Expected<runtime::Program> describe(mlir::ModuleOp module);

/// The variables of a module, at any stage.
llvm::Expected<std::vector<runtime::VariableInfo>> variablesOf(mlir::ModuleOp module);

} // namespace gptc
