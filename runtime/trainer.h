// The training loop.
#pragma once

#include "runtime/checkpoint.h"
#include "runtime/evaluate.h"
#include "runtime/progress.h"

namespace gptc::runtime {

struct TrainOptions {
  int64_t steps = 0;        // in all, those of an earlier part of the run included
  int64_t batch = 1;        // examples per step
  int64_t evalInterval = 0; // steps between evaluations, and one at the end; 0: none
  int64_t saveInterval = 0; // steps between checkpoints, and one at the end; 0: only then
  double saveSeconds = 0;   // besides, a checkpoint after so much time without one; 0: none
  bool saveBeside = true;   // write checkpoints from a copy, in a thread of its own
  /// The most tokens or rows that an evaluation reads; 0: a share of those trained on since the one before, the one at
  /// the end the same share of all (evaluatedShare).
  int64_t evalItems = 0;
  int64_t keep = 2;         // checkpoints kept, beside the best
  uint64_t seed = 0;
  int64_t showGradients = 0; // steps between tables of gradient norms, which the step must return; 0: none
};

/// Of what was trained on, an evaluation reads at most a tenth, so that it never takes most of the time.
constexpr double evaluatedShare = 0.1;

struct TrainJob {
  Program init; // sets every parameter; not run where weights are resumed
  Program step; // one step: loss, gradients, update
  /// Compiles the evaluation when it is first needed. Empty: no evaluation.
  std::function<llvm::Expected<Program>()> compileEval;
  /// Says which value of a step was not finite, given what the step took. Asked
  /// once, when the loss or the gradient's norm has turned out so; such a step
  /// leaves the variables as they were. Empty: nothing is said.
  std::function<std::string(const BatchShape &shape, int64_t step)> diagnose;

  VariableStore *store = nullptr;
  Arena *arena = nullptr;
  Pool *pool = nullptr;
  Loader *loader = nullptr;
  RunDirectory *run = nullptr; // null: nothing is saved or logged
  bool resume = false;         // go on from the run's newest whole checkpoint, or the start where it has none
  bool dataChanged = false;    // resume on other data: a batch of all rows may have another size
  std::string initFile;        // a safetensors file with the parameters to start from
  std::string goOn;            // the command that goes on with the run, for the message of an interrupt
  /// Called when nothing is wrong and the run's directory is ours alone, before
  /// the first step. May be empty.
  std::function<llvm::Error()> begin;
  TrainOptions options;
  ProgressOptions progress;

  /// What came out, also after an interrupt.
  struct Result {
    int64_t steps = 0;          // done in all
    std::optional<double> loss; // of the last step; none where no step was left to do
    std::optional<double> valLoss, bestLoss;
  } result;
};

/// Trains and returns the exit code: 0, or 130 where an interrupt ended it, the
/// state saved. Errors: input that does not fit, a loss that is not finite (the
/// good checkpoints stay), a file that cannot be written.
llvm::Expected<int> train(TrainJob &job);

} // namespace gptc::runtime
