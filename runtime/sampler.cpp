#include "runtime/sampler.h"

#include "runtime/random.h"

#include <algorithm>
#include <cmath>

namespace gptc::runtime {

llvm::Error SamplingOptions::check() const {
  if (!(temperature >= 0) || !std::isfinite(temperature))
    return failure("the temperature must be 0 or more, not {}", temperature);
  if (topK < 0)
    return failure("top-k must be 0 (all) or more, not {}", topK);
  if (!(topP > 0 && topP <= 1))
    return failure("top-p must be above 0 and at most 1, not {}", topP);
  return llvm::Error::success();
}

Sampler::Sampler(const SamplingOptions &options, int64_t vocabulary) : options(options) {
  candidates.resize(size_t(vocabulary));
}

llvm::Expected<int32_t> Sampler::sample(const char *logits, DType type, uint64_t number) {
  size_t count = candidates.size(), best = 0;
  for (size_t i = 0; i < count; ++i) {
    double value = type == DType::F64 ? reinterpret_cast<const double *>(logits)[i]
                                      : double(reinterpret_cast<const float *>(logits)[i]);
    if (std::isnan(value) || value == INFINITY)
      return failure("the logit of token {} is not finite", i);
    candidates[i] = {value, int32_t(i)};
    if (value > candidates[best].weight)
      best = i;
  }
  if (count == 0 || candidates[best].weight == -INFINITY)
    return failure("no token is possible: every logit is -inf");
  if (options.temperature == 0)
    return int32_t(best);

  // Most likely first; equal ones by number, so that the order is one.
  auto before = [](const Candidate &a, const Candidate &b) {
    return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
  };
  double highest = candidates[best].weight;
  if (options.topK > 0 && size_t(options.topK) < count) {
    std::nth_element(candidates.begin(), candidates.begin() + options.topK, candidates.end(), before);
    count = size_t(options.topK);
  }
  bool sorted = count < candidates.size() || options.topP < 1;
  if (sorted)
    std::sort(candidates.begin(), candidates.begin() + int64_t(count), before);
  double total = 0;
  for (size_t i = 0; i < count; ++i) {
    candidates[i].weight = std::exp((candidates[i].weight - highest) / options.temperature);
    total += candidates[i].weight;
  }
  if (options.topP < 1) {
    double reached = 0;
    for (size_t i = 0; i < count; ++i) {
      reached += candidates[i].weight;
      if (reached >= options.topP * total) {
        count = i + 1;
        total = reached;
      }
    }
  }
  double place = randomUniform(randomBits(options.seed, RandomUse::Sample, number, 0)) * total;
  int32_t chosen = candidates[0].token;
  for (size_t i = 0; i < count; ++i) {
    if (candidates[i].weight > 0)
      chosen = candidates[i].token; // rounding may leave `place` at the very end
    place -= candidates[i].weight;
    if (place < 0)
      break;
  }
  // candidates are rebuilt from the logits at the next call; nothing to restore.
  return chosen;
}

} // namespace gptc::runtime
