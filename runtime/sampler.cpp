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

// Most likely first; equal ones by number, so that the order is one.
static bool before(const Candidate &a, const Candidate &b) {
  return a.probability != b.probability ? a.probability > b.probability : a.token < b.token;
}

/// Fills the candidates with the logits; returns the place of the highest.
llvm::Expected<size_t> Sampler::read(const char *logits, DType type) {
  size_t best = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    double value = type == DType::F64 ? reinterpret_cast<const double *>(logits)[i]
                                      : double(reinterpret_cast<const float *>(logits)[i]);
    if (std::isnan(value) || value == INFINITY)
      return failure("the logit of token {} is not finite", i);
    candidates[i] = {value, int32_t(i)};
    if (value > candidates[best].probability)
      best = i;
  }
  if (candidates.empty() || candidates[best].probability == -INFINITY)
    return failure("no token is possible: every logit is -inf");
  return best;
}

llvm::Expected<int32_t> Sampler::sample(const char *logits, DType type, uint64_t number) {
  llvm::Expected<size_t> best = read(logits, type);
  if (!best)
    return best.takeError();
  const Candidate top = candidates[*best];
  bool greedy = options.temperature == 0;
  left = candidates.size();
  if (options.topK > 0 && size_t(options.topK) < left) {
    std::nth_element(candidates.begin(), candidates.begin() + options.topK, candidates.end(), before);
    left = size_t(options.topK);
  }
  if (left < candidates.size() || options.topP < 1)
    std::sort(candidates.begin(), candidates.begin() + int64_t(left), before);
  total = 0;
  for (size_t i = 0; i < left; ++i) {
    double &value = candidates[i].probability;
    value = std::exp((value - top.probability) / (greedy ? 1 : options.temperature));
    total += value;
  }
  if (options.topP < 1) {
    double reached = 0;
    for (size_t i = 0; i < left; ++i) {
      reached += candidates[i].probability;
      if (reached >= options.topP * total) {
        left = i + 1;
        total = reached;
      }
    }
  }
  if (greedy)
    return top.token;
  double place = randomUniform(randomBits(options.seed, RandomUse::Sample, number, 0)) * total;
  int32_t chosen = candidates[0].token;
  for (size_t i = 0; i < left; ++i) {
    if (candidates[i].probability > 0)
      chosen = candidates[i].token; // rounding may leave `place` at the very end
    place -= candidates[i].probability;
    if (place < 0)
      break;
  }
  return chosen;
}

std::vector<Candidate> Sampler::likeliest(size_t most) const {
  std::vector<Candidate> result(candidates.begin(), candidates.begin() + int64_t(left));
  most = std::min(most, left);
  std::partial_sort(result.begin(), result.begin() + int64_t(most), result.end(), before);
  result.resize(most);
  for (Candidate &candidate : result)
    candidate.probability /= total;
  return result;
}

} // namespace gptc::runtime
