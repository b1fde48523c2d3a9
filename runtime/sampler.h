// One token from a row of logits.
#pragma once

#include "runtime/error.h"
#include "runtime/program.h"

#include "llvm/ADT/ArrayRef.h"

#include <vector>

namespace gptc::runtime {

struct SamplingOptions {
  double temperature = 1.0; // 0: always the most likely token
  int64_t topK = 0;         // only the k most likely ones; 0: all
  double topP = 1.0;        // only the most likely ones that reach this probability together
  double minP = 0;          // only those at least so likely as this share of the likeliest one
  double repetitionPenalty = 1; // divides the positive logits of repeated tokens, multiplies the negative ones (CTRL)
  int64_t repetitionWindow = 64; // so many last tokens count as said, the prompt's too; 0: all
  uint64_t seed = 0;

  /// An error for values that mean nothing (negative, NaN, topP of 0, no penalty).
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
  /// where no token is possible. `said`: the tokens so far, for the penalty.
  llvm::Expected<int32_t> sample(const char *logits, DType type, uint64_t number,
                                 llvm::ArrayRef<int32_t> said = {});

  /// What the last sample was chosen from, the likeliest first, at most `most`:
  /// the tokens that top-k, top-p and min-p left, whose probabilities add up to 1. At
  /// temperature 0 the shares are those of temperature 1.
  std::vector<Candidate> likeliest(size_t most);

private:
  llvm::Error read(const char *logits, DType type);
  void penalise(llvm::ArrayRef<int32_t> said);
  llvm::Expected<size_t> best() const;
  void share();
  void keepTopP();
  void keepMinP();

  SamplingOptions options;
  std::vector<Candidate> candidates; // after a sample the first `left` of them count
  size_t left = 0, sorted = 0;      // the first `sorted` stand in their order, and none behind comes before them
  double highestLogit = 0;
  bool isShared = false; // candidates have shares, no logits
  double total = 0; // of what stands as their probability
};

} // namespace gptc::runtime
