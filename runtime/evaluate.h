// Means over a part of the data.
#pragma once

#include "runtime/runner.h"

#include <functional>

namespace gptc::runtime {

struct Evaluation {
  double loss = 0;
  std::vector<std::pair<std::string, double>> reports; // of the model
  int64_t items = 0;                                   // tokens or rows that the means are over
  bool stopped = false;                                // cut short; the numbers mean nothing then
};

struct EvaluateOptions {
  uint64_t seed = 0;
  /// The most tokens or rows that are read, but one batch at least; 0: all. Which ones are read depends on this number
  /// and the data alone: batches from all over the part, and those of a smaller number are among those of a larger.
  int64_t mostItems = 0;
  std::function<bool()> stop;             // asked before each batch
  std::function<void(double)> progress{}; // told the share that is done, before each batch
};

/// Runs a program that returns means of a batch ("loss" and reports) over the
/// batches of a part and weights each by what it is a mean over (the result
/// NAME.count for each example; without it, the batch's tokens or rows), so that
/// the result is the mean over all of them.
llvm::Expected<Evaluation> evaluate(ProgramRun &run, Loader &loader, Loader::Part part,
                                    const EvaluateOptions &options = {});

} // namespace gptc::runtime
