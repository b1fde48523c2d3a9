// Means over a part of the data.
#pragma once

#include "runtime/runner.h"

#include <functional>

namespace gptc::runtime {

struct Evaluation {
  double loss = 0;
  std::vector<std::pair<std::string, double>> reports; // the other scalars
  int64_t items = 0;                                   // tokens or rows that the means are over
  bool stopped = false;                                // cut short; the numbers mean nothing then
};

/// Runs a program that returns means of a batch ("loss" and reports) over all
/// batches of a part and weights each by what it is a mean over (the result
/// NAME.count for each example; without it, the batch's tokens or rows), so that
/// the result is the mean over all of them. `stop` is asked before each batch.
llvm::Expected<Evaluation> evaluate(ProgramRun &run, Loader &loader, Loader::Part part, uint64_t seed = 0,
                                    const std::function<bool()> &stop = {});

} // namespace gptc::runtime
