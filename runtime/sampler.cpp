#include "runtime/sampler.h"

#include "runtime/random.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gptc::runtime {

llvm::Error SamplingOptions::check() const {
  if (!(temperature >= 0) || !std::isfinite(temperature))
    return failure("the temperature must be 0 or more, not {}", temperature);
  if (topK < 0)
    return failure("top-k must be 0 (all) or more, not {}", topK);
  if (!(topP > 0 && topP <= 1))
    return failure("top-p must be above 0 and at most 1, not {}", topP);
  if (!(minP >= 0 && minP <= 1))
    return failure("min-p must be between 0 and 1, not {}", minP);
  if (!(repetitionPenalty >= 0.01 && repetitionPenalty <= 100))
    return failure("the repetition penalty must be between 0.01 and 100, not {}", repetitionPenalty);
  if (repetitionWindow < 0)
    return failure("the repetition window must be 0 (all) or more, not {}", repetitionWindow);
  return llvm::Error::success();
}

Sampler::Sampler(const SamplingOptions &options, int64_t vocabulary) : options(options) {
  candidates.resize(size_t(vocabulary));
}

// Most likely first; equal ones by number, so that the order is one.
static bool before(const Candidate &a, const Candidate &b) {
  return a.probability != b.probability ? a.probability > b.probability : a.token < b.token;
}

/// Fills the candidates with the logits.
llvm::Error Sampler::read(const char *logits, DType type) {
  for (size_t i = 0; i < candidates.size(); ++i) {
    double value = type == DType::F64 ? reinterpret_cast<const double *>(logits)[i]
                                      : double(reinterpret_cast<const float *>(logits)[i]);
    if (std::isnan(value) || value == INFINITY)
      return failure("the logit of token {} is not finite", i);
    candidates[i] = {value, int32_t(i)};
  }
  return llvm::Error::success();
}

/// Each token once, however often it was said.
void Sampler::penalise(llvm::ArrayRef<int32_t> said) {
  if (options.repetitionPenalty == 1)
    return;
  if (options.repetitionWindow > 0 && said.size() > size_t(options.repetitionWindow))
    said = said.take_back(size_t(options.repetitionWindow));
  std::vector<int32_t> tokens(said.begin(), said.end());
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  for (int32_t token : tokens) {
    if (token < 0 || size_t(token) >= candidates.size())
      continue;
    double &logit = candidates[size_t(token)].probability;
    logit = logit > 0 ? logit / options.repetitionPenalty : logit * options.repetitionPenalty;
    if (logit > std::numeric_limits<double>::max())
      logit = std::numeric_limits<double>::max(); // a penalty below 1
  }
}

/// The place of the highest, the first of equal ones.
llvm::Expected<size_t> Sampler::best() const {
  size_t best = 0;
  for (size_t i = 0; i < candidates.size(); ++i)
    if (candidates[i].probability > candidates[best].probability)
      best = i;
  if (candidates.empty() || candidates[best].probability == -INFINITY)
    return failure("no token is possible: every logit is -inf");
  return best;
}

/// Sorts only so many of the likeliest as it takes to reach the probability.
void Sampler::keepTopP() {
  double reached = 0;
  for (size_t i = 0; i < left; ++i) {
    if (i == sorted) {
      auto from = candidates.begin() + int64_t(sorted), end = candidates.begin() + int64_t(left);
      sorted = std::min(left, std::max<size_t>(64, 4 * sorted));
      auto to = candidates.begin() + int64_t(sorted);
      if (to != end)
        std::nth_element(from, to, end, before);
      std::sort(from, to, before);
    }
    reached += candidates[i].probability;
    if (reached >= options.topP * total) {
      left = i + 1;
      total = reached;
    }
  }
}

/// The likeliest has 1 here, so that shares of it need no total.
void Sampler::keepMinP() {
  size_t kept = 0;
  total = 0;
  for (size_t i = 0; i < left; ++i) {
    if (candidates[i].probability < options.minP)
      continue;
    total += candidates[i].probability;
    candidates[kept++] = candidates[i];
  }
  left = kept;
}

/// Logits become shares, of which top-p and min-p leave some.
void Sampler::share() {
  total = 0;
  for (size_t i = 0; i < left; ++i) {
    double &value = candidates[i].probability;
    value = std::exp((value - highestLogit) / (options.temperature == 0 ? 1 : options.temperature));
    total += value;
  }
  if (options.topP < 1)
    keepTopP();
  if (options.minP > 0)
    keepMinP();
  isShared = true;
}

llvm::Expected<int32_t> Sampler::sample(const char *logits, DType type, uint64_t number,
                                        llvm::ArrayRef<int32_t> said) {
  if (llvm::Error error = read(logits, type))
    return error;
  penalise(said);
  llvm::Expected<size_t> highest = best();
  if (!highest)
    return highest.takeError();
  const Candidate top = candidates[*highest];
  bool greedy = options.temperature == 0;
  left = candidates.size();
  sorted = 0;
  if (options.topK > 0 && size_t(options.topK) < left) {
    std::nth_element(candidates.begin(), candidates.begin() + options.topK, candidates.end(), before);
    sorted = left = size_t(options.topK);
    std::sort(candidates.begin(), candidates.begin() + int64_t(left), before);
  }
  highestLogit = top.probability;
  isShared = false;
  if (greedy)
    return top.token;
  share();
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

std::vector<Candidate> Sampler::likeliest(size_t most) {
  if (!isShared) // at temperature 0 nobody has asked so far
    share();
  std::vector<Candidate> result(candidates.begin(), candidates.begin() + int64_t(left));
  most = std::min(most, left);
  std::partial_sort(result.begin(), result.begin() + int64_t(most), result.end(), before);
  result.resize(most);
  for (Candidate &candidate : result)
    candidate.probability /= total;
  return result;
}

} // namespace gptc::runtime
