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

/// The n-th sample depends on the logits, the seed and n alone.
class Sampler {
public:
  Sampler(const SamplingOptions &options, int64_t vocabulary);
  /// `logits` holds `vocabulary` values of F32 or F64. Fails on a NaN and
  /// where no token is possible.
  llvm::Expected<int32_t> sample(const char *logits, DType type, uint64_t number);

private:
  SamplingOptions options;
  struct Candidate {
    double weight;
    int32_t token;
  };
  std::vector<Candidate> candidates;
};

} // namespace gptc::runtime
