#include "runtime/beam.h"
#include "runtime/log_sum_exp.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>

using llvm::ArrayRef;
using llvm::Error;
using llvm::Expected;

namespace gptc::runtime {

double lengthPenaltyOf(int64_t length, double alpha) {
  return std::pow((5 + double(length)) / 6, alpha);
}

Error BeamOptions::check(const StepModel &model) const {
  if (beams < 1)
    return failure("the beam must be 1 (greedy) or more, not {}", beams);
  if (!(lengthPenalty >= 0) || !std::isfinite(lengthPenalty))
    return failure("the length penalty must be 0 (none) or more, not {}", lengthPenalty);
  if (beams > model.maxRows())
    return failure("the beam must be at most {}, not {}", model.maxRows(), beams);
  if (tokens < 0)
    return failure("the number of tokens must be 0 or more, not {}", tokens);
  for (int32_t token : {begin, end})
    if (token < 0 || token >= model.vocabulary())
      return failure("token {} is not in the vocabulary of {}", token, model.vocabulary());
  return Error::success();
}

namespace {
/// A hypothesis that goes on.
struct Active {
  std::vector<int32_t> tokens; // begin first
  double logProbability = 0;
  int64_t parent = -1; // the row of the last step that it goes on from
  int64_t row = -1;    // its own in this step
};

struct Candidate {
  double logProbability;
  size_t from; // the active hypothesis
  int32_t token;
  bool operator<(const Candidate &other) const { // the better first
    if (logProbability != other.logProbability)
      return logProbability > other.logProbability;
    return from != other.from ? from < other.from : token < other.token;
  }
};

struct Sentence {
  std::vector<Active> active;
  std::vector<Hypothesis> finished;
};

class Search {
public:
  Search(StepModel &model, int64_t count, const BeamOptions &options)
      : model(model), options(options), sentences(size_t(count)), excluded(size_t(model.vocabulary())) {
    // A row of the model holds begin and all tokens but the last.
    limit = options.tokens ? std::min(options.tokens, model.maxTokens()) : model.maxTokens();
    for (int32_t token : options.never)
      if (token >= 0 && token < model.vocabulary())
        excluded[size_t(token)] = true;
    for (Sentence &sentence : sentences)
      sentence.active.push_back({{options.begin}, 0});
  }

  Expected<bool> run(const std::function<bool()> &stop) {
    for (int64_t length = 1; length <= limit && !done(); ++length) {
      if (stop && stop())
        return false;
      if (Error error = step(length))
        return error;
    }
    return true;
  }

  std::vector<std::vector<Hypothesis>> results() {
    std::vector<std::vector<Hypothesis>> all;
    for (Sentence &sentence : sentences) {
      llvm::stable_sort(sentence.finished, [](const Hypothesis &a, const Hypothesis &b) {
        return a.ended != b.ended ? a.ended : a.score > b.score;
      });
      all.push_back(std::move(sentence.finished));
    }
    return all;
  }

private:
  bool done() const {
    return llvm::all_of(sentences, [](const Sentence &sentence) { return sentence.active.empty(); });
  }

  Error step(int64_t length) {
    std::vector<StepModel::Row> rows;
    for (auto [i, sentence] : llvm::enumerate(sentences))
      for (Active &active : sentence.active) {
        active.row = int64_t(rows.size());
        rows.push_back({int64_t(i), active.tokens, active.parent});
      }
    size_t width = excluded.size();
    logits.resize(rows.size() * width);
    if (Error error = model.next(rows, logits))
      return error;
    const float *row = logits.data();
    for (Sentence &sentence : sentences) {
      std::vector<Candidate> candidates;
      for (size_t from = 0; from < sentence.active.size(); ++from, row += width)
        if (Error error = propose(sentence.active[from], from, row, candidates))
          return error;
      std::sort(candidates.begin(), candidates.end());
      take(sentence, candidates, length);
    }
    return Error::success();
  }

  /// Adds the best continuations of one hypothesis: as many as could be taken
  /// even if all the others of the beam end.
  Error propose(const Active &active, size_t from, const float *row, std::vector<Candidate> &candidates) {
    float highest = -INFINITY;
    bool finite = true;
    for (size_t i = 0; i < excluded.size(); ++i) {
      finite &= row[i] < INFINITY; // false for NaN
      highest = std::max(highest, row[i]);
    }
    for (size_t i = 0; !finite && i < excluded.size(); ++i)
      if (!(row[i] < INFINITY))
        return failure("the logit of token {} is not finite", i);
    if (highest == -INFINITY)
      return failure("no token is possible: every logit is -inf");
    double norm = active.logProbability - logSumExp(row, int64_t(excluded.size()), highest);
    // The best so far, the worst of them first.
    size_t most = size_t(2 * options.beams), begin = candidates.size();
    float worst = -INFINITY;
    for (size_t i = 0; i < excluded.size(); ++i) {
      if (!(row[i] > worst) || excluded[i])
        continue; // of equal ones the first come first
      if (candidates.size() - begin == most) {
        std::pop_heap(candidates.begin() + int64_t(begin), candidates.end());
        candidates.pop_back();
      }
      candidates.push_back({norm + row[i], from, int32_t(i)});
      std::push_heap(candidates.begin() + int64_t(begin), candidates.end());
      if (candidates.size() - begin == most)
        worst = row[candidates[begin].token];
    }
    return Error::success();
  }

  void take(Sentence &sentence, ArrayRef<Candidate> candidates, int64_t length) {
    size_t beams = size_t(options.beams);
    double penalty = lengthPenaltyOf(length, options.lengthPenalty);
    std::vector<Active> next;
    for (auto [rank, candidate] : llvm::enumerate(candidates)) {
      const Active &from = sentence.active[candidate.from];
      bool ends = candidate.token == options.end;
      if (ends && rank < beams) {
        finish(sentence, from.tokens, candidate.logProbability, penalty, true);
      } else if (!ends && next.size() < beams) {
        next.push_back({from.tokens, candidate.logProbability, from.row});
        next.back().tokens.push_back(candidate.token);
      }
    }
    // Nothing is possible any more but what is there.
    if (candidates.empty())
      for (const Active &active : sentence.active)
        finish(sentence, active.tokens, active.logProbability,
               lengthPenaltyOf(length - 1, options.lengthPenalty), false);
    if (length == limit) {
      for (const Active &active : next)
        finish(sentence, active.tokens, active.logProbability, penalty, false);
      next.clear();
    }
    if (sentence.finished.size() >= beams || cannotImprove(sentence, next))
      next.clear();
    sentence.active = std::move(next);
  }

  void finish(Sentence &sentence, ArrayRef<int32_t> tokens, double logProbability, double penalty,
              bool ended) {
    Hypothesis hypothesis;
    hypothesis.tokens = tokens.drop_front().vec();
    hypothesis.logProbability = logProbability;
    hypothesis.score = logProbability / penalty;
    hypothesis.ended = ended;
    sentence.finished.push_back(std::move(hypothesis));
  }

  /// Probabilities only fall; the longest hypothesis has the mildest penalty.
  bool cannotImprove(const Sentence &sentence, ArrayRef<Active> next) const {
    if (sentence.finished.empty() || next.empty())
      return false;
    double best = -INFINITY;
    for (const Hypothesis &hypothesis : sentence.finished)
      best = std::max(best, hypothesis.score);
    return best >= next.front().logProbability / lengthPenaltyOf(limit, options.lengthPenalty);
  }

  StepModel &model;
  const BeamOptions &options;
  std::vector<Sentence> sentences;
  std::vector<bool> excluded;
  std::vector<float> logits;
  int64_t limit = 0;
};
} // namespace

Expected<std::vector<std::vector<Hypothesis>>> beamSearch(StepModel &model, int64_t sentences,
                                                          const BeamOptions &options,
                                                          const std::function<bool()> &stop) {
  if (Error error = options.check(model))
    return error;
  if (sentences * options.beams > model.maxRows())
    return failure("{} sentences with a beam of {} are more than the {} rows of a step", sentences,
                   options.beams, model.maxRows());
  Search search(model, sentences, options);
  Expected<bool> whole = search.run(stop);
  if (!whole)
    return whole.takeError();
  if (!*whole)
    return std::vector<std::vector<Hypothesis>>();
  return search.results();
}

} // namespace gptc::runtime
