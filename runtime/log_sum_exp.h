// The logarithm of a sum of exponentials: what turns logits into log probabilities.
#pragma once

#include <cstdint>

namespace gptc::runtime {

/// log(sum of exp(x[i])) for `count` numbers, `highest` the largest of them and finite; relative error below
/// 1e-6.
double logSumExp(const float *x, int64_t count, float highest);

} // namespace gptc::runtime
