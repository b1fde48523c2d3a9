// Checks in child processes: a model that crashes or hangs ends its child only.
#pragma once

#include "differential/check.h"

#include <functional>

namespace gptc::differential {

/// What happened to one of the things that were checked.
struct Report {
  uint64_t index = 0;
  Outcome outcome;
};

/// Runs `one` for each index of [begin, end) in up to `jobs` children at a time,
/// and tells `done` about each, in order of completion. A crash and more than
/// `seconds` for one index are findings of it.
void runAll(uint64_t begin, uint64_t end, unsigned jobs, double seconds,
            const std::function<Outcome(uint64_t)> &one, const std::function<void(const Report &)> &done);

/// The same for one check.
Outcome runApart(const std::function<Outcome()> &one, double seconds);

} // namespace gptc::differential
