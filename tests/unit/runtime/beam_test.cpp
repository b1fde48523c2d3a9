// Beam search over a model that is a table: the best sequence is known by
// trying all of them.
#include "runtime/beam.h"

#include "gtest/gtest.h"

#include <cmath>
#include <map>

using namespace gptc::runtime;

namespace {

constexpr int32_t begin = 0, end = 1, a = 2, b = 3, c = 4;

/// Probabilities of the next token by all tokens so far; by the last one where
/// the table has no such row.
class TableModel : public StepModel {
public:
  using Table = std::map<std::vector<int32_t>, std::vector<double>>;
  explicit TableModel(Table table, int64_t maxTokens = 6) : table(std::move(table)), most(maxTokens) {}

  int64_t vocabulary() const override { return 5; }
  int64_t maxRows() const override { return 16; }
  int64_t maxTokens() const override { return most; }

  const std::vector<double> &row(int64_t sentence, llvm::ArrayRef<int32_t> tokens) const {
    std::vector<int32_t> key(tokens.begin(), tokens.end());
    // The second sentence sees b and c exchanged.
    if (sentence == 1)
      for (int32_t &token : key)
        token = token == b ? c : token == c ? b : token;
    auto found = table.find(key);
    return found != table.end() ? found->second : table.at({key.back()});
  }
  double probability(int64_t sentence, llvm::ArrayRef<int32_t> tokens, int32_t token) const {
    int32_t as = sentence != 1 ? token : token == b ? c : token == c ? b : token;
    return row(sentence, tokens)[size_t(as)];
  }

  llvm::Error next(llvm::ArrayRef<Row> rows, llvm::MutableArrayRef<float> logits) override {
    ++calls;
    mostRows = std::max(mostRows, rows.size());
    for (size_t r = 0; r < rows.size(); ++r)
      for (int32_t token = 0; token < 5; ++token) // logits may have any constant added
        logits[r * 5 + size_t(token)] =
            float(std::log(probability(rows[r].sentence, rows[r].tokens, token)) + 3.5);
    return llvm::Error::success();
  }

  int calls = 0;
  size_t mostRows = 0;

private:
  Table table;
  int64_t most;
};

/// Greedy falls for `a` (0.5), whose continuations are all unlikely.
TableModel::Table gardenPath() {
  return {{{begin}, {0, 0, 0.5, 0.4, 0.1}},
          {{a}, {0, 0.3, 0.2, 0.25, 0.25}},
          {{b}, {0, 0.1, 0.0, 0.0, 0.9}},
          {{c}, {0, 0.9, 0.05, 0.05, 0.0}}};
}

/// The best of all sequences that end within `limit` tokens.
Hypothesis exhaustive(const TableModel &model, int64_t sentence, double alpha, int64_t limit) {
  Hypothesis best;
  best.score = -INFINITY;
  std::function<void(std::vector<int32_t>, double)> visit = [&](std::vector<int32_t> tokens, double logs) {
    int64_t length = int64_t(tokens.size());
    for (int32_t token = 0; token < 5; ++token) {
      double p = model.probability(sentence, tokens, token);
      if (p == 0)
        continue;
      if (token == end) {
        double score = (logs + std::log(p)) / std::pow((5.0 + length) / 6.0, alpha);
        if (score > best.score)
          best = {std::vector<int32_t>(tokens.begin() + 1, tokens.end()), logs + std::log(p), score, true};
      } else if (length < limit) {
        std::vector<int32_t> longer = tokens;
        longer.push_back(token);
        visit(longer, logs + std::log(p));
      }
    }
  };
  visit({begin}, 0);
  return best;
}

std::vector<std::vector<Hypothesis>> search(TableModel &model, int64_t sentences, int64_t beams,
                                            double alpha = 0.6) {
  BeamOptions options;
  options.beams = beams;
  options.lengthPenalty = alpha;
  options.begin = begin;
  options.end = end;
  auto found = beamSearch(model, sentences, options);
  if (!found) {
    ADD_FAILURE() << llvm::toString(found.takeError());
    return {};
  }
  return *found;
}

TEST(Beam, GreedyTakesTheLikeliestToken) {
  TableModel model(gardenPath());
  auto found = search(model, 1, 1);
  ASSERT_EQ(found.size(), 1u);
  ASSERT_EQ(found[0].size(), 1u);
  // a (0.5), then the end (0.3).
  EXPECT_EQ(found[0][0].tokens, std::vector<int32_t>{a});
  EXPECT_TRUE(found[0][0].ended);
  EXPECT_NEAR(found[0][0].logProbability, std::log(0.15), 1e-6);
  EXPECT_EQ(model.calls, 2);
}

TEST(Beam, TwoFindWhatGreedyMisses) {
  TableModel model(gardenPath());
  Hypothesis best = exhaustive(model, 0, 0.6, 6);
  // b (0.4), c (0.9), the end (0.9).
  EXPECT_EQ(best.tokens, (std::vector<int32_t>{b, c}));
  auto found = search(model, 1, 2);
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0][0].tokens, best.tokens);
  EXPECT_NEAR(found[0][0].score, best.score, 1e-6);
  EXPECT_NEAR(found[0][0].score, std::log(0.4 * 0.9 * 0.9) / std::pow(8.0 / 6.0, 0.6), 1e-6);
}

TEST(Beam, WholeBeamIsExhaustive) {
  for (double alpha : {0.0, 0.6, 1.5}) {
    TableModel model(gardenPath(), /*maxTokens=*/4);
    Hypothesis best = exhaustive(model, 0, alpha, 4);
    auto found = search(model, 1, 16, alpha);
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found[0][0].tokens, best.tokens) << alpha;
    EXPECT_NEAR(found[0][0].score, best.score, 1e-6);
  }
}

TEST(Beam, LengthPenaltyPrefersLongerOnes) {
  // The end at once: 0.3. Or a a a, then the end: 0.7 * 0.8 * 0.8 * 0.6.
  TableModel::Table table = {{{begin}, {0, 0.3, 0.7, 0, 0}},
                             {{begin, a}, {0, 0.2, 0.8, 0, 0}},
                             {{begin, a, a}, {0, 0.2, 0.8, 0, 0}},
                             {{begin, a, a, a}, {0, 0.6, 0.4, 0, 0}},
                             {{a}, {0, 1, 0, 0, 0}}};
  TableModel model(table);
  EXPECT_TRUE(search(model, 1, 4, 0.0)[0][0].tokens.empty());
  EXPECT_EQ(search(model, 1, 4, 2.0)[0][0].tokens, (std::vector<int32_t>{a, a, a}));
  EXPECT_NEAR(lengthPenaltyOf(1, 0.6), 1, 1e-12);
  EXPECT_NEAR(lengthPenaltyOf(7, 1), 2, 1e-12);
}

TEST(Beam, SentencesDoNotMeetEachOther) {
  TableModel model(gardenPath());
  auto both = search(model, 2, 2);
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0][0].tokens, (std::vector<int32_t>{b, c}));
  EXPECT_EQ(both[1][0].tokens, (std::vector<int32_t>{c, b}));
  EXPECT_EQ(both[0][0].score, both[1][0].score);
  EXPECT_LE(model.mostRows, 4u);
}

TEST(Beam, TiesGoByTheToken) {
  TableModel::Table table = {{{begin}, {0, 0, 0.5, 0.25, 0.25}},
                             {{a}, {0, 1, 0, 0, 0}},
                             {{b}, {0, 1, 0, 0, 0}},
                             {{c}, {0, 1, 0, 0, 0}}};
  TableModel model(table);
  auto found = search(model, 1, 2, 0);
  ASSERT_EQ(found[0].size(), 2u);
  EXPECT_EQ(found[0][0].tokens, std::vector<int32_t>{a});
  EXPECT_EQ(found[0][1].tokens, std::vector<int32_t>{b}); // as likely as c
}

TEST(Beam, TiesGoByTheHypothesisFirst) {
  TableModel::Table table = {{{begin}, {0, 0, 0.5, 0.5, 0}},
                             {{begin, a}, {0, 0, 0.5, 0, 0.5}},
                             {{begin, b}, {0, 0, 0.5, 0.5, 0}},
                             {{a}, {0, 1, 0, 0, 0}},
                             {{b}, {0, 1, 0, 0, 0}},
                             {{c}, {0, 1, 0, 0, 0}}};
  TableModel model(table);
  auto found = search(model, 1, 2, 0);
  // Of probability 1/4 are: a a; a c; b a; b b.
  ASSERT_EQ(found[0].size(), 2u);
  EXPECT_EQ(found[0][0].tokens, (std::vector<int32_t>{a, a}));
  EXPECT_EQ(found[0][1].tokens, (std::vector<int32_t>{a, c}));
}

TEST(Beam, LimitEndsWhatDoesNotEnd) {
  TableModel::Table table = {{{begin}, {0, 0, 1, 0, 0}}, {{a}, {0, 0, 1, 0, 0}}};
  TableModel model(table, /*maxTokens=*/3);
  auto found = search(model, 1, 2);
  ASSERT_EQ(found[0].size(), 1u);
  EXPECT_EQ(found[0][0].tokens, (std::vector<int32_t>{a, a, a}));
  EXPECT_FALSE(found[0][0].ended);
}

TEST(Beam, NeverChoosesWhatIsExcluded) {
  TableModel model(gardenPath());
  BeamOptions options;
  options.begin = begin;
  options.end = end;
  options.never = {a};
  auto found = beamSearch(model, 1, options);
  ASSERT_TRUE(bool(found));
  EXPECT_EQ((*found)[0][0].tokens, (std::vector<int32_t>{b, c}));
}

TEST(Beam, Errors) {
  TableModel model(gardenPath());
  auto message = [&](BeamOptions options, int64_t sentences = 1) {
    auto found = beamSearch(model, sentences, options);
    return found ? std::string() : llvm::toString(found.takeError());
  };
  BeamOptions options;
  options.end = end;
  options.beams = 0;
  EXPECT_EQ(message(options), "the beam must be 1 (greedy) or more, not 0");
  options.beams = 17;
  EXPECT_EQ(message(options), "the beam must be at most 16, not 17");
  options.beams = 9;
  EXPECT_EQ(message(options, 2), "2 sentences with a beam of 9 are more than the 16 rows of a step");
  options.beams = 1;
  options.lengthPenalty = -1;
  EXPECT_EQ(message(options), "the length penalty must be 0 (none) or more, not -1");
  options.lengthPenalty = 0;
  options.end = 5;
  EXPECT_EQ(message(options), "token 5 is not in the vocabulary of 5");
}

TEST(Beam, StopsWhenAsked) {
  TableModel model(gardenPath());
  BeamOptions options;
  options.end = end;
  int asked = 0;
  auto found = beamSearch(model, 1, options, [&] { return ++asked == 2; });
  ASSERT_TRUE(bool(found));
  EXPECT_TRUE(found->empty());
  EXPECT_EQ(model.calls, 1);
}

} // namespace
