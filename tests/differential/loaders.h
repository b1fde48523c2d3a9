// A model trained by the program `gptc`, from files, against the oracle.
#pragma once

#include "differential/check.h"

namespace gptc::differential {

/// Writes the model's data as a table, trains it with `batch: all` and in an epoch of cut batches, and runs
/// it. Nothing to do (Skipped) for models without rows, and where the order of examples matters.
Outcome checkLoaders(const ModelTree &tree, const std::string &gptc);

} // namespace gptc::differential
