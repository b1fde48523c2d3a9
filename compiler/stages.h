// The one table of named stages, in order. It drives compiling, `gptc dump
// --stage`, `--dump-ir`, `--timing` and the tests.
#pragma once

#include "compiler/options.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LogicalResult.h"

#include <functional>
#include <string>
#include <vector>

namespace gptc {

struct Stage {
  enum Kind {
    Text,   // the model as text; made by the front end
    Module, // an MLIR module; `passes` turn the stage before into it
    Code,   // LLVM IR or assembly; made by the JIT
  };
  const char *name;
  const char *sentence;
  Kind kind;
  /// Passes in the textual form of `gptc-opt --pass-pipeline`, one an element.
  std::vector<std::string> (*passes)(const PipelineOptions &options);
  /// The programs that have it.
  enum Programs { All, Training, Parts, Extending } programs = All;

  bool appliesTo(ProgramKind program) const {
    bool extends = program == ProgramKind::Extend;
    switch (programs) {
    case All:
      return true;
    case Training:
      return program == ProgramKind::Train;
    case Parts:
      return extends || program == ProgramKind::Prepare || program == ProgramKind::Step;
    case Extending:
      return extends;
    }
    return false;
  }
};

/// All stages, in order.
llvm::ArrayRef<Stage> stages();
/// The stage of that name; null where there is none.
const Stage *findStage(llvm::StringRef name);
/// "ast, typed, gpt, ...", in order.
std::string stageNames();
/// A table for `--help`: a line for each stage.
std::vector<std::pair<std::string, std::string>> stageHelp();

/// Seconds spent, by stage and pass, in the order in which they ran.
class Timing {
public:
  void add(std::string what, double seconds) { entries.emplace_back(std::move(what), seconds); }
  std::string print() const;

private:
  std::vector<std::pair<std::string, double>> entries;
};

struct RunOptions {
  PipelineOptions pipeline;
  const Stage *after = nullptr; // start behind this stage; null: behind `gpt`
  const Stage *until = nullptr; // the last stage to run; null: the last module stage
  std::string dumpDirectory;    // one numbered file for each pass that changed something; "" for none
  Timing *timing = nullptr;
  /// Asked behind each stage; a failure ends the run.
  std::function<mlir::LogicalResult(const Stage &)> behind;
};

/// Runs the module stages on `module` and names in `gpt.stage` and
/// `gpt.program` where it stands. A failure is reported on standard error with
/// the pass, the place, the reproducer's file and the command that runs it.
mlir::LogicalResult runStages(mlir::ModuleOp module, const RunOptions &options);

/// The stage that a dumped module says it is at; null where it says none.
const Stage *stageOf(mlir::ModuleOp module);
/// Marks where a module stands.
void markStage(mlir::ModuleOp module, const Stage &stage, ProgramKind program);

} // namespace gptc
