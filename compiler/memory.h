// The memory of a training step, and fitting it into a budget.
#pragma once

#include "compiler/stages.h"

#include "llvm/Support/Error.h"

#include <optional>

namespace gptc {

/// Bytes of a training step: all that is allocated for it, and nothing of the process beside it (code, data sets).
struct StepMemory {
  int64_t parameters = 0;
  int64_t states = 0;  ///< of the optimizer
  int64_t inputs = 0;  ///< one batch
  int64_t arena = 0;   ///< values of the step, and the panels that contractions share
  int64_t kept = 0;    ///< of the arena: what waits for the backward pass
  int64_t scratch = 0; ///< of all threads
  int64_t total() const { return parameters + states + inputs + arena + scratch; }
};

/// "1GiB", "1.5 GiB", "800MB", "64k" (of 1024), "123456": bytes. Nothing where it is no size, 0 or too large.
std::optional<int64_t> parseSize(llvm::StringRef text);
/// "30.1 MiB"; `up`: no less than it is.
std::string printSize(int64_t bytes, bool up = false);

/// What the step takes as `module` is behind the stage `loops`.
llvm::Expected<StepMemory> memoryOf(mlir::ModuleOp module, unsigned threads);

/// Finds the largest `pipeline.keep` at which the training step takes at most `budget` bytes; leaves it alone where
/// everything fits anyway. `module` stands before the stage `outline`, and stays there. The error says how much is
/// needed at least.
llvm::Expected<StepMemory> fitMemory(mlir::ModuleOp module, int64_t budget, unsigned threads,
                                     PipelineOptions &pipeline);

} // namespace gptc
