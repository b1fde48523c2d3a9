#include "test_support.h"

#include "runtime/pattern.h"
#include "runtime/unicode.h"
#include "runtime/utf8.h"

using namespace gptc::runtime;

namespace {

using Texts = std::vector<std::string>;

/// What a pattern finds in a text.
Texts found(const std::string &expression, llvm::StringRef text) {
  Pattern pattern = valueOf(Pattern::regex(expression));
  Pattern::Matches matches(pattern, text);
  Texts result;
  while (auto match = matches.next())
    result.push_back(text.slice(match->first, match->second).str());
  EXPECT_EQ(messageOf(matches.takeError()), "");
  return result;
}

std::string refused(const std::string &expression) {
  return messageOf(Pattern::regex(expression));
}

/// Code points that a pattern matches.
int64_t countOf(const std::string &expression) {
  std::string all;
  for (int32_t c = 0; c < 0x110000; ++c)
    if (c < 0xD800 || c > 0xDFFF)
      appendCodePoint(all, c);
  return int64_t(found(expression, all).size());
}

// The white space of Unicode, which U+180E is no more, and which PCRE2's own \s has.
TEST(Pattern, WhiteSpaceIsUnicodes) {
  EXPECT_EQ(countOf("\\s"), 25);
  EXPECT_EQ(found("\\s", "a\u180Eb\u0085c\u3000\vd"), (Texts{"\u0085", "\u3000", "\v"}));
  EXPECT_EQ(found("[^\\S\\n]+", " \n\t x"), (Texts{" ", "\t "}));
}

// Unicode 16.0, whatever the library knows: as many as the classes that split our own words.
TEST(Pattern, CategoriesAreThoseOfUnicode16) {
  int64_t letters = 0, numbers = 0;
  for (int32_t c = 0; c < 0x110000; ++c) {
    letters += classOf(c) == CharacterClass::Letter;
    numbers += classOf(c) == CharacterClass::Number;
  }
  EXPECT_EQ(countOf("\\p{L}"), letters);
  EXPECT_EQ(countOf("\\p{N}"), numbers);
  EXPECT_EQ(countOf("[\\p{Lu}\\p{Ll}\\p{Lt}\\p{Lm}\\p{Lo}]"), letters);
  EXPECT_EQ(countOf("\\P{L}"), 0x110000 - 0x800 - letters);
  EXPECT_EQ(countOf("[^\\s\\p{L}\\p{N}]"), 0x110000 - 0x800 - letters - numbers - 25);
  EXPECT_EQ(countOf("\\d"), 760); // as Oniguruma counts them
  EXPECT_EQ(countOf("\\p{M}"), 2501);
  EXPECT_EQ(found("\\p{Han}+", "a日本\U00031350b"), (Texts{"日本\U00031350"}));
}

TEST(Pattern, CaseOfLettersBeyondAscii) {
  EXPECT_EQ(found("(?i:'s|'k)", "x'ſy'\u212Az'Sa's'ß"), (Texts{"'ſ", "'\u212A", "'S", "'s"}));
  EXPECT_EQ(found("'(?i:[sk])t", "'ſt 'st 'sT"), (Texts{"'ſt", "'st"}));
  EXPECT_EQ(found("(?i)ab|c", "AbCABa"), (Texts{"Ab", "C", "AB"}));
}

// A + behind {} repeats the repetition; behind others it does not give back.
TEST(Pattern, PossessiveRepetition) {
  EXPECT_EQ(found("\\p{N}{1,3}+", "12345678"), (Texts{"12345678"}));
  EXPECT_EQ(found("\\p{N}{1,3}", "12345678"), (Texts{"123", "456", "78"}));
  EXPECT_EQ(found("a?+ab", "ab aab"), (Texts{"aab"}));
  EXPECT_EQ(found("a?ab", "ab aab"), (Texts{"ab", "aab"}));
  EXPECT_EQ(found("(?>a+)b|a", "aab aa"), (Texts{"aab", "a", "a"}));
  EXPECT_EQ(found("x{,2}y", "xxxy"), (Texts{"xxy"}));
}

TEST(Pattern, AnchorsAreThoseOfLines) {
  EXPECT_EQ(found("^b", "b\nb\nab"), (Texts{"b", "b"}));
  EXPECT_EQ(found("a$", "a\r\na\na"), (Texts{"a", "a"}));
  EXPECT_EQ(found("\\Ab|b\\z", "b\nb\nb"), (Texts{"b", "b"}));
  EXPECT_EQ(found(".+", "a\rb\nc"), (Texts{"a\rb", "c"}));
  EXPECT_EQ(found("\\bé", "é éé"), (Texts{"é", "é"}));
}

// An empty match stands between others, never right behind one.
TEST(Pattern, EmptyMatches) {
  EXPECT_EQ(found("a*", "aabaab"), (Texts{"aa", "aa", ""}));
  EXPECT_EQ(found("a*", "baab"), (Texts{"", "aa", ""}));
  EXPECT_EQ(found("a*", "é"), (Texts{"", ""}));
  EXPECT_EQ(found("(?<=a)(?=b)", "abab"), (Texts{"", ""}));
}

TEST(Pattern, RunsOfAMillion) {
  std::string blanks(1000000, ' '), letters(1000000, 'A');
  EXPECT_EQ(found("\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", blanks).size(), 1u);
  EXPECT_EQ(found("\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", blanks + "x").size(), 2u);
  EXPECT_EQ(found("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{M}]*[\\p{Ll}\\p{M}]+|[\\p{Lu}\\p{M}]+", letters).size(),
            1u);
  // Without end it is an error, not a hang.
  Pattern pattern = valueOf(Pattern::regex("(a|aa|aaa)+[bc]"));
  std::string text(100, 'a');
  Pattern::Matches matches(pattern, text);
  EXPECT_EQ(matches.next(), std::nullopt);
  EXPECT_CONTAINS(messageOf(matches.takeError()), "the search with a regular expression failed");
}

TEST(Pattern, NamesWhatItDoesNotUnderstand) {
  EXPECT_CONTAINS(refused("a[[:alpha:]]"),
                  "'a[[:alpha:]]' is not understood at character 3: a class within a class");
  EXPECT_CONTAINS(refused("[a&&b]"), "'&&' within a class");
  EXPECT_CONTAINS(refused("(?<n>a)"), "'(?<'");
  EXPECT_CONTAINS(refused("(?m:a)"), "'(?m'");
  EXPECT_CONTAINS(refused("a(?i)b"), "'(?i'");
  EXPECT_CONTAINS(refused("\\1"), "'\\1'");
  EXPECT_CONTAINS(refused("\\X"), "'\\X'");
  EXPECT_CONTAINS(refused("\\p{Emoji}"), "the property 'Emoji'; known are L, Lu");
  EXPECT_CONTAINS(refused("\\pL"), "\\p without {name}");
  EXPECT_CONTAINS(refused("[^\\P{L}]"), "all but a set, within a class");
  EXPECT_CONTAINS(refused("(?i:ss)"), "'ss', which ligatures fold to");
  EXPECT_CONTAINS(refused("(?i:é)"), "a character beyond ASCII");
  EXPECT_CONTAINS(refused("(?i:\\p{Lu})"), "the property 'Lu' where case does not count");
  EXPECT_CONTAINS(refused("a**"), "a repetition of a repetition");
  EXPECT_CONTAINS(refused("+a"), "'+' that repeats nothing");
  EXPECT_CONTAINS(refused("a{2}?"), "'{n}?'");
  EXPECT_CONTAINS(refused("a{x"), "'{' that begins no {n,m}");
  EXPECT_CONTAINS(refused("a{3,2}"), "'{' that begins no {n,m}");
  EXPECT_CONTAINS(refused("(a"), "a group without ')'");
  EXPECT_CONTAINS(refused("a)"), "')' closes no group");
  EXPECT_CONTAINS(refused("[a"), "a class without ']'");
  EXPECT_CONTAINS(refused("[]"), "an empty class");
  EXPECT_CONTAINS(refused("[z-a]"), "ends before it begins");
  EXPECT_CONTAINS(refused("[\\w-x]"), "a range that starts with a set");
  EXPECT_CONTAINS(refused("\\xFF"), "no number of a character");
  EXPECT_CONTAINS(refused("\\uD800"), "no number of a character");
  EXPECT_CONTAINS(refused("a\\"), "a backslash at the end");
  EXPECT_CONTAINS(refused("\xff"), "not valid UTF-8");
  EXPECT_CONTAINS(refused(std::string(1000, '(') + std::string(1000, ')')), "more than 200 groups");
  EXPECT_CONTAINS(refused("(?<=a+)b"), "is not understood: "); // no fixed length
  // Cut anywhere it is understood or refused, and never a crash.
  std::string whole = "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}| "
                      "?[^\\s\\x{3b1}-\\u03c9]+[\\r\\n/]*|\\s+(?!\\S)";
  for (size_t length = 0; length < whole.size(); ++length)
    (void)refused(whole.substr(0, length));
}

} // namespace
