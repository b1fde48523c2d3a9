// Words and scores as an independent program in Python gives them, which
// applies mteval-v13a's four regular expressions with `re` and counts n-grams
// with `Counter`; the small ones can be counted by hand.
#include "runtime/bleu.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace gptc::runtime;

namespace {

using Words = std::vector<std::string>;

Bleu score(const Words &hypotheses, const Words &references) {
  auto result = bleu(hypotheses, references);
  if (!result) {
    ADD_FAILURE() << llvm::toString(result.takeError());
    return {};
  }
  return *result;
}

TEST(Bleu, Words13a) {
  EXPECT_EQ(words13a("Hello, world!"), (Words{"Hello", ",", "world", "!"}));
  EXPECT_EQ(words13a("It costs 3.50, or 1,000.5 (in $)."),
            (Words{"It", "costs", "3.50", ",", "or", "1,000.5", "(", "in", "$", ")", "."}));
  EXPECT_EQ(words13a("a..b 5-6 x-y don't"), (Words{"a", ".", ".", "b", "5", "-", "6", "x-y", "don't"}));
  EXPECT_EQ(words13a("&quot;A&amp;B&quot; <skipped>e.g. 2,"),
            (Words{"\"", "A", "&", "B", "\"", "e", ".", "g", ".", "2", ","}));
  // An en dash and German quotes are no ASCII symbols; a no-break space is white space.
  EXPECT_EQ(
      words13a("Ein Mann \xe2\x80\x93 \xe2\x80\x9eHallo\xe2\x80\x9c, sagt er.\xc2\xa0Ja"),
      (Words{"Ein", "Mann", "\xe2\x80\x93", "\xe2\x80\x9eHallo\xe2\x80\x9c", ",", "sagt", "er", ".", "Ja"}));
  EXPECT_EQ(words13a("  \t\xe3\x80\x80 "), Words{});
}

TEST(Bleu, CorpusWithBrevityPenalty) {
  Bleu result =
      score({"The cat sat on the mat .", "A man sleeps.", "Zwei Hunde spielen, sagt er."},
            {"The cat sat on a mat .", "A man is sleeping.", "Zwei Hunde spielen im Schnee, sagt er."});
  // 16 of 18 words, 10 of 15, 5 of 12 and 2 of 9 longer n-grams; 18 words for 21.
  EXPECT_NEAR(result.precisions[0], 1600.0 / 18, 1e-9);
  EXPECT_NEAR(result.precisions[1], 1000.0 / 15, 1e-9);
  EXPECT_NEAR(result.precisions[2], 500.0 / 12, 1e-9);
  EXPECT_NEAR(result.precisions[3], 200.0 / 9, 1e-9);
  EXPECT_NEAR(result.brevity, std::exp(1 - 21.0 / 18), 1e-12);
  EXPECT_NEAR(result.score, 40.968560269396335, 1e-9);
  EXPECT_EQ(result.print(), "BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp = 40.97 88.9/66.7/41.7/22.2 "
                            "(BP = 0.846 ratio = 0.857 hyp_len = 18 ref_len = 21)");
}

TEST(Bleu, CountsAreClipped) {
  // "the" counts once, though the hypothesis says it four times; no bigram fits:
  // 1/2, 1/4 and 1/8 of a match.
  Bleu result = score({"the the the the", "a b"}, {"the cat is here now", "c d e"});
  EXPECT_NEAR(result.precisions[0], 100.0 / 6, 1e-9);
  EXPECT_NEAR(result.precisions[1], 100.0 / (2 * 4), 1e-9);
  EXPECT_NEAR(result.precisions[2], 100.0 / (4 * 2), 1e-9);
  EXPECT_NEAR(result.precisions[3], 100.0 / (8 * 1), 1e-9);
  EXPECT_NEAR(result.score, 9.624537519408873, 1e-9);
}

TEST(Bleu, SmoothsOnlyOrdersWithoutMatch) {
  Bleu result = score({"a b c d x y z w"}, {"a b q d x r z u"});
  EXPECT_NEAR(result.precisions[2], 100.0 / 12, 1e-9);
  EXPECT_NEAR(result.precisions[3], 100.0 / 20, 1e-9);
  EXPECT_NEAR(result.score, 16.515821590069027, 1e-9);
}

TEST(Bleu, Ends) {
  EXPECT_NEAR(score({"Ein Mann schl\xc3\xa4"
                     "ft ."},
                    {"Ein Mann schl\xc3\xa4"
                     "ft ."})
                  .score,
              100, 1e-9);
  EXPECT_EQ(score({"ein mann schlief"}, {"Ein Mann Schlief"}).score, 0); // case counts
  EXPECT_EQ(score({"a b c"}, {"a b c"}).score, 0);                       // no 4-gram at all
  EXPECT_EQ(score({""}, {"a b c d"}).score, 0);
  auto error = bleu(Words{"a"}, Words{"a", "b"});
  EXPECT_EQ(llvm::toString(error.takeError()),
            "1 hypotheses, but 2 references: BLEU needs one for each line");
  EXPECT_EQ(llvm::toString(bleu({}, {}).takeError()), "BLEU needs at least one line");
}

} // namespace
