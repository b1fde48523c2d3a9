// Training steps by the oracle: optimizers, clipping, averages, written plainly.
#pragma once

#include "differential/oracle.h"

namespace gptc::differential {

/// What a step returns, by name: "loss", reports, "grad_norm", "lr".
using Scalars = std::vector<std::pair<std::string, double>>;

/// Parameters and states of the optimizer while a model is trained.
class Training {
public:
  /// `parameters` by path. `others`: parameters with their ranks that an evaluation has and training perhaps
  /// not.
  Training(typed::Elaborated &model, std::map<std::string, Array> parameters, const Rounding &rounding,
           llvm::ArrayRef<typed::Tensor *> others = {});
  /// One step on a batch; empty where the model is too large to evaluate.
  Scalars step(const Situation &situation);
  /// NAME, NAME.m, NAME.v, NAME.momentum, NAME.average; and the last gradients.
  std::map<std::string, Array> variables, gradients;

private:
  typed::Elaborated &model;
  std::map<std::string, size_t> ranks; ///< as declared
  Rounding rounding;
};

} // namespace gptc::differential
