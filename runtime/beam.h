// Beam search: the likeliest sequences that a model of the next token gives.
#pragma once

#include "runtime/error.h"

#include "llvm/ADT/ArrayRef.h"

#include <functional>
#include <vector>

namespace gptc::runtime {

/// What can say which token comes next, for several hypotheses at once.
class StepModel {
public:
  /// A hypothesis: of which sentence, its tokens so far (begin first), and which row of the call before had these but the
  /// last one; -1 where there is only the first.
  struct Row {
    int64_t sentence;
    llvm::ArrayRef<int32_t> tokens;
    int64_t parent = -1;
  };

  virtual ~StepModel() = default;
  virtual int64_t vocabulary() const = 0;
  /// The most rows of one call.
  virtual int64_t maxRows() const = 0;
  /// The most tokens of a row.
  virtual int64_t maxTokens() const = 0;
  /// The logits of the next token, one row of `vocabulary` values a hypothesis.
  /// All rows are of one length and ordered by sentence. A call with rows of one token begins anew.
  virtual llvm::Error next(llvm::ArrayRef<Row> rows, llvm::MutableArrayRef<float> logits) = 0;
};

struct BeamOptions {
  int64_t beams = 1;          // hypotheses kept a sentence; 1: greedy
  double lengthPenalty = 0.6; // alpha, 0 or more: scores are log P / ((5 + length) / 6)^alpha
  int64_t tokens = 0;         // the most tokens of a hypothesis, the end counted; 0: what the model takes
  int32_t begin = 0, end = 0; // every hypothesis starts with one and is over with the other
  std::vector<int32_t> never; // tokens that are not chosen, such as padding

  /// An error for values that mean nothing.
  llvm::Error check(const StepModel &model) const;
};

struct Hypothesis {
  std::vector<int32_t> tokens; // without begin and end
  double logProbability = 0;   // of all tokens, the end among them
  double score = 0;            // by which hypotheses are compared
  bool ended = false;          // with the end token; else it came to the limit
};

/// The length penalty of Wu et al., "Google's Neural Machine Translation
/// System" (2016), equation 14. `length` counts the end token.
double lengthPenaltyOf(int64_t length, double alpha);

/// For each of the sentences the finished hypotheses, the best first, at least
/// one. Each step takes, of all continuations of a sentence, the `beams` best;
/// those among them that end are finished, and the next best take their place.
/// A sentence is done when `beams` hypotheses are finished or nothing that goes
/// on can still be better. Equal scores go by hypothesis, then by token. Ask
/// for sentences * beams rows at most. `stop` is asked before each step; where
/// it says so, the result is empty.
llvm::Expected<std::vector<std::vector<Hypothesis>>> beamSearch(StepModel &model, int64_t sentences,
                                                                const BeamOptions &options,
                                                                const std::function<bool()> &stop = {});

} // namespace gptc::runtime
