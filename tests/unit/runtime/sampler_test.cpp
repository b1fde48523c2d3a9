// Samples against the probabilities that they should have.
#include "unit/runtime/test_support.h"

#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>

using namespace gptc::runtime;

namespace {

/// P(X > x) of a chi-square distribution: the upper regularised gamma function.
double chiSquareTail(double x, double freedom) {
  double a = freedom / 2, z = x / 2;
  if (z <= 0)
    return 1;
  double scale = std::exp(a * std::log(z) - z - std::lgamma(a));
  if (z < a + 1) { // a series for the lower part
    double term = 1 / a, sum = term;
    for (int n = 1; n < 10000 && term > sum * 1e-16; ++n)
      sum += term *= z / (a + n);
    return 1 - scale * sum;
  }
  double f = 0; // a continued fraction, from behind
  for (int n = 500; n > 0; --n)
    f = n * (n - a) / (z + 2 * n + 1 - a - f);
  return scale / (z + 1 - a - f);
}

std::vector<double> softmax(std::vector<double> logits, double temperature) {
  double total = 0;
  for (double &logit : logits)
    total += logit = std::exp(logit / temperature);
  for (double &p : logits)
    p /= total;
  return logits;
}

/// 40 tokens: some likely, many rare.
std::vector<double> someLogits() {
  std::vector<double> logits;
  for (int i = 0; i < 40; ++i)
    logits.push_back(2 * std::sin(1.7 * i) - 0.1 * i);
  return logits;
}

/// Draws 100,000 times and returns the p-value against `expected`, cells that
/// expect fewer than 10 pooled. A token that cannot be drawn must not be.
double pValue(const std::vector<double> &logits, const SamplingOptions &options,
              const std::vector<double> &expected) {
  constexpr int draws = 100000;
  Sampler sampler(options, int64_t(logits.size()));
  std::vector<int> counts(logits.size());
  for (int n = 0; n < draws; ++n)
    ++counts[size_t(
        valueOf(sampler.sample(reinterpret_cast<const char *>(logits.data()), DType::F64, uint64_t(n))))];
  double chi = 0, pooledExpected = 0, pooledCount = 0;
  int cells = 0;
  auto cell = [&](double count, double wanted) {
    chi += (count - wanted) * (count - wanted) / wanted;
    ++cells;
  };
  for (size_t i = 0; i < logits.size(); ++i) {
    double wanted = draws * expected[i];
    if (wanted == 0) {
      EXPECT_EQ(counts[i], 0) << "token " << i << " has probability 0";
    } else if (wanted < 10) {
      pooledExpected += wanted;
      pooledCount += counts[i];
    } else {
      cell(counts[i], wanted);
    }
  }
  if (pooledExpected > 0)
    cell(pooledCount, pooledExpected);
  return chiSquareTail(chi, cells - 1);
}

/// The probabilities that top-k and top-p leave, worked out the slow way.
std::vector<double> renormalised(std::vector<double> p, size_t k, double topP) {
  std::vector<size_t> order(p.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] > p[b]; });
  if (k)
    order.resize(k);
  double total = 0, reached = 0;
  for (size_t i : order)
    total += p[i];
  std::vector<double> result(p.size());
  for (size_t i : order) {
    result[i] = p[i];
    reached += p[i];
    if (reached >= topP * total)
      break;
  }
  for (double &value : result)
    value /= reached;
  return result;
}

SamplingOptions with(double temperature, int64_t topK = 0, double topP = 1) {
  SamplingOptions options;
  options.temperature = temperature;
  options.topK = topK;
  options.topP = topP;
  options.seed = 7;
  return options;
}

TEST(Sampler, ChiSquareTailIsRight) {
  // Tables: the 5 % and 0.1 % points.
  EXPECT_NEAR(chiSquareTail(3.841, 1), 0.05, 1e-4);
  EXPECT_NEAR(chiSquareTail(18.307, 10), 0.05, 1e-4);
  EXPECT_NEAR(chiSquareTail(55.758, 40), 0.05, 1e-4);
  EXPECT_NEAR(chiSquareTail(29.588, 10), 0.001, 1e-5);
  EXPECT_NEAR(chiSquareTail(5, 10), 0.891178, 1e-5);
}

TEST(Sampler, SamplesFollowTheProbabilities) {
  std::vector<double> logits = someLogits();
  for (double temperature : {0.5, 1.0, 2.0})
    EXPECT_GT(pValue(logits, with(temperature), softmax(logits, temperature)), 1e-4)
        << "temperature " << temperature;
}

TEST(Sampler, TheTestSeesAWrongDistribution) {
  std::vector<double> logits = someLogits();
  EXPECT_LT(pValue(logits, with(1.0), softmax(logits, 1.05)), 1e-4);
}

TEST(Sampler, TopKAndTopPRenormalise) {
  std::vector<double> logits = someLogits(), p = softmax(logits, 0.8);
  EXPECT_GT(pValue(logits, with(0.8, 5), renormalised(p, 5, 1)), 1e-4);
  EXPECT_GT(pValue(logits, with(0.8, 0, 0.7), renormalised(p, 0, 0.7)), 1e-4);
  // Top-p counts within what top-k left.
  EXPECT_GT(pValue(logits, with(0.8, 12, 0.9), renormalised(p, 12, 0.9)), 1e-4);
  EXPECT_GT(pValue(logits, with(0.8, 1), renormalised(p, 1, 1)), 1e-4);
}

TEST(Sampler, MinPKeepsAShareOfTheLikeliest) {
  std::vector<double> logits = someLogits(), p = softmax(logits, 0.8), expected(p.size());
  double highest = *std::max_element(p.begin(), p.end()), kept = 0;
  for (size_t i = 0; i < p.size(); ++i)
    kept += expected[i] = p[i] >= 0.2 * highest ? p[i] : 0;
  for (double &value : expected)
    value /= kept;
  SamplingOptions options = with(0.8);
  options.minP = 0.2;
  EXPECT_GT(pValue(logits, options, expected), 1e-4);
}

TEST(Sampler, PenaltyIsThatOfRepeatedTokensOnceEach) {
  std::vector<double> logits = {2, -1, 3, 0.5};
  SamplingOptions options = with(1);
  options.repetitionPenalty = 2;
  std::vector<int32_t> said = {3, 2, 0, 0, 1, 99};
  auto shares = [&](int64_t window) {
    options.repetitionWindow = window;
    Sampler sampler(options, 4);
    valueOf(sampler.sample(reinterpret_cast<const char *>(logits.data()), DType::F64, 0, said));
    std::vector<double> result(4);
    for (const Candidate &candidate : sampler.likeliest(4))
      result[size_t(candidate.token)] = candidate.probability;
    return result;
  };
  std::vector<double> near = softmax({1, -2, 3, 0.5}, 1), all = softmax({1, -2, 1.5, 0.25}, 1);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(shares(4)[i], near[i], 1e-12);
    EXPECT_NEAR(shares(0)[i], all[i], 1e-12);
  }
}

// What top-p did before it sorted only what it needs.
TEST(Sampler, PartialSelectionChoosesWhatASortWould) {
  constexpr size_t vocabulary = 5000;
  std::vector<double> logits(vocabulary);
  for (size_t i = 0; i < vocabulary; ++i)
    logits[i] = std::floor(40 * std::sin(0.37 * double(i * i % 7919))) / 8; // with equal ones
  for (double topP : {0.1, 0.5, 0.9, 0.999})
    for (int64_t topK : {0, 700}) {
      std::vector<Candidate> order;
      for (size_t i = 0; i < vocabulary; ++i)
        order.push_back({std::exp(logits[i] - 5), int32_t(i)});
      std::sort(order.begin(), order.end(), [](const Candidate &a, const Candidate &b) {
        return a.probability != b.probability ? a.probability > b.probability : a.token < b.token;
      });
      if (topK)
        order.resize(size_t(topK));
      double total = 0, reached = 0;
      for (const Candidate &candidate : order)
        total += candidate.probability;
      size_t kept = 0;
      while (kept < order.size() && reached < topP * total)
        reached += order[kept++].probability;
      Sampler sampler(with(1, topK, topP), int64_t(vocabulary));
      valueOf(sampler.sample(reinterpret_cast<const char *>(logits.data()), DType::F64, 0));
      std::vector<Candidate> left = sampler.likeliest(vocabulary);
      ASSERT_EQ(left.size(), kept) << topP << " " << topK;
      for (size_t i = 0; i < kept; ++i)
        ASSERT_EQ(left[i].token, order[i].token) << topP << " " << topK;
    }
}

TEST(Sampler, SaysWhatAValueMustBe) {
  auto message = [](auto change) {
    SamplingOptions options = with(1);
    change(options);
    return llvm::toString(options.check());
  };
  EXPECT_EQ(message([](SamplingOptions &o) { o.minP = 1.5; }), "min-p must be between 0 and 1, not 1.5");
  EXPECT_EQ(message([](SamplingOptions &o) { o.repetitionPenalty = 0; }),
            "the repetition penalty must be between 0.01 and 100, not 0");
  EXPECT_EQ(message([](SamplingOptions &o) { o.repetitionWindow = -1; }),
            "the repetition window must be 0 (all) or more, not -1");
}

TEST(Sampler, GreedyTakesTheFirstOfTheLikeliest) {
  std::vector<float> logits = {1, 3, 3, 2};
  Sampler sampler(with(0), 4);
  EXPECT_EQ(valueOf(sampler.sample(reinterpret_cast<const char *>(logits.data()), DType::F32, 0)), 1);
  std::vector<Candidate> shown = sampler.likeliest(2);
  ASSERT_EQ(shown.size(), 2u);
  EXPECT_EQ(shown[0].token, 1);
  EXPECT_EQ(shown[1].token, 2);
  EXPECT_NEAR(shown[0].probability, softmax({1, 3, 3, 2}, 1)[1], 1e-12);
}

TEST(Sampler, LikeliestAreThoseOfTheSample) {
  std::vector<double> logits = {0, std::log(2), std::log(4), std::log(1)};
  auto shares = [&](SamplingOptions options, size_t most) {
    Sampler sampler(options, 4);
    valueOf(sampler.sample(reinterpret_cast<const char *>(logits.data()), DType::F64, 3));
    return sampler.likeliest(most);
  };
  std::vector<Candidate> all = shares(with(1), 10);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].token, 2);
  EXPECT_NEAR(all[0].probability, 0.5, 1e-12);
  EXPECT_NEAR(all[1].probability, 0.25, 1e-12);
  EXPECT_EQ(all[2].token, 0); // equal ones by number
  std::vector<Candidate> two = shares(with(1, 2), 10);
  ASSERT_EQ(two.size(), 2u);
  EXPECT_NEAR(two[0].probability, 2.0 / 3, 1e-12);
  EXPECT_EQ(shares(with(1, 0, 0.5), 10).size(), 1u);
  EXPECT_EQ(shares(with(1), 1).size(), 1u);
}

TEST(Sampler, TheSeedDecides) {
  std::vector<double> logits = someLogits();
  auto draw = [&](uint64_t seed) {
    SamplingOptions options = with(1);
    options.seed = seed;
    Sampler sampler(options, 40);
    std::vector<int32_t> tokens;
    for (uint64_t n = 0; n < 50; ++n)
      tokens.push_back(valueOf(sampler.sample(reinterpret_cast<const char *>(logits.data()), DType::F64, n)));
    return tokens;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
}

} // namespace
