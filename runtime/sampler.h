// One token from a row of logits.
#pragma once

#include "runtime/error.h"
#include "runtime/program.h"

#include <vector>

namespace gptc::runtime {

struct SamplingOptions {
  double temperature = 1.0; // 0: always the most likely token
  int64_t topK = 0;         // only the k most likely ones; 0: all
  double topP = 1.0;        // only the most likely ones that reach this probability together
  uint64_t seed = 0;

  /// An error for values that mean nothing (negative, NaN, topP of 0).
  llvm::Error check() const;
};

/// A token that may be chosen, and how likely.
struct Candidate {
  double probability;
  int32_t token;
};

/// The n-th sample depends on the logits, the seed and n alone.
class Sampler {
public:
  Sampler(const SamplingOptions &options, int64_t vocabulary);
  /// `logits` holds `vocabulary` values of F32 or F64. Fails on a NaN and
  /// where no token is possible.
  llvm::Expected<int32_t> sample(const char *logits, DType type, uint64_t number);

  /// What the last sample was chosen from, the likeliest first, at most `most`:
  /// the tokens that top-k and top-p left, whose probabilities add up to 1. At
  /// temperature 0 the shares are those of temperature 1.
  std::vector<Candidate> likeliest(size_t most) const;

private:
  llvm::Expected<size_t> read(const char *logits, DType type);

  SamplingOptions options;
  std::vector<Candidate> candidates; // after a sample the first `left` of them count
  size_t left = 0;
  double total = 0; // of what stands as their probability
};

} // namespace gptc::runtime
