// Norms of gradients as a training step returns them, and what they say.
#pragma once

#include "runtime/runner.h"

namespace gptc::runtime {

/// One tensor of a checkpoint: "blocks.3.attention.q".
struct GradientNorm {
  std::string name;
  double gradient = 0, weight = 0; // norms (roots of sums of squares), the weight's before the step
  bool isWeight = false;           // of rank 2 or more as declared
};

/// The results `grad_norm(NAME)` and `weight_norm(NAME)` of a step that has
/// run, a copy of a repeat an element, in the order of the program. Empty for
/// a program that returns none.
std::vector<GradientNorm> gradientNorms(const ProgramRun &run);

/// A line for each: name, gradient, weight, and their ratio.
std::string gradientTable(llvm::ArrayRef<GradientNorm> norms);

/// The ratio of a gradient's norm to its weight's: below the first number a
/// gradient counts as vanished, above the second as exploded.
constexpr double vanishedBelow = 1e-7, explodedAbove = 1e3;

/// A sentence that names the worst weight (rank 2 or more, not all 0) whose
/// gradient has vanished or exploded; "" where none has.
std::string vanishedGradient(llvm::ArrayRef<GradientNorm> norms);
std::string explodedGradient(llvm::ArrayRef<GradientNorm> norms);

} // namespace gptc::runtime
