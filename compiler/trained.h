// A run's directory as a model that can be asked.
#pragma once

#include "compiler/session.h"
#include "runtime/checkpoint.h"
#include "runtime/runner.h"

namespace gptc {

/// Opens a run: its model's text, settings, type and facts go to the session,
/// its config.json to `config`. Reports its errors.
std::optional<runtime::RunDirectory> openRun(Session &session, const std::string &path,
                                             std::optional<llvm::json::Object> &config);

/// `--checkpoint latest|best|step-N`; `which` becomes the checkpoint's full name.
void addCheckpointOption(Arguments &arguments, std::string &which);

/// Variables, memory and threads for programs of one model.
struct Machine {
  static llvm::Expected<std::unique_ptr<Machine>> create(unsigned threads);
  /// A program ready to run here.
  llvm::Expected<std::unique_ptr<runtime::ProgramRun>> bind(runtime::Program program);
  /// Loads a run's weights ("latest", "best", or a checkpoint's name).
  llvm::Error load(Session &session, const runtime::RunDirectory &run, llvm::StringRef which);

  runtime::VariableStore store;
  runtime::Arena arena;
  std::unique_ptr<runtime::Pool> pool;
};

} // namespace gptc
