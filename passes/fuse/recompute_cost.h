// What it costs to compute a value once more: the model by which `gpt-fit-memory` chooses.
#pragma once

#include "ir/gpt/gpt.h"
#include "ir/gpt/layout.h"

namespace gptc::fuse {
/// The time of one launch, in bytes that memory could move meanwhile: multiply-adds of contractions at the machine's
/// peak, other scalar work at a quarter of it, and inputs and results once each.
double recomputeCost(gpt::LaunchOp launch, const gpt::Limits &limits);

/// Of values that cost about the same for each byte that they free (within this factor), the smallest goes first, so
/// that no more is computed again than needed.
constexpr double aboutTheSame = 1.125;
} // namespace gptc::fuse
