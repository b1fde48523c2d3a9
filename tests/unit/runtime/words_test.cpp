#include "test_support.h"

#include "runtime/tokenizer_words.h"
#include "runtime/unicode.h"

using namespace gptc::runtime;

namespace {

std::vector<std::string> words(llvm::StringRef text) {
  std::vector<std::string> result;
  for (size_t at = 0; at < text.size();)
    result.push_back(nextWord(text, at).str());
  return result;
}

using Words = std::vector<std::string>;

TEST(Words, RunsOfOneClass) {
  EXPECT_EQ(words("Hello world"), (Words{"Hello", " world"}));
  EXPECT_EQ(words("abc123!?"), (Words{"abc", "123", "!?"}));
  EXPECT_EQ(words("x = 10 * y"), (Words{"x", " =", " 10", " *", " y"}));
  EXPECT_EQ(words("Größe über 日本 ٣٤"), (Words{"Größe", " über", " 日本", " ٣٤"}));
  EXPECT_EQ(words("e\u0301a"), (Words{"e", "\u0301", "a"})); // a mark is no letter
}

TEST(Words, Contractions) {
  EXPECT_EQ(
      words("it's we'll they've don't I'm I'd we're"),
      (Words{"it", "'s", " we", "'ll", " they", "'ve", " don", "'t", " I", "'m", " I", "'d", " we", "'re"}));
  EXPECT_EQ(words("'tis"), (Words{"'t", "is"}));
  EXPECT_EQ(words("IT'S"), (Words{"IT", "'", "S"})); // small letters only
  EXPECT_EQ(words(" 's ''s"), (Words{" '", "s", " ''", "s"}));
}

TEST(Words, WhiteSpace) {
  EXPECT_EQ(words("a  b"), (Words{"a", " ", " b"}));
  EXPECT_EQ(words("a\nb"), (Words{"a", "\n", "b"}));
  EXPECT_EQ(words("a\n\nb"), (Words{"a", "\n", "\n", "b"}));
  EXPECT_EQ(words("a \n b"), (Words{"a", " \n", " b"}));
  EXPECT_EQ(words("a \nb"), (Words{"a", " ", "\n", "b"}));
  EXPECT_EQ(words("a \n"), (Words{"a", " \n"}));
  EXPECT_EQ(words("a "), (Words{"a", " "}));
  EXPECT_EQ(words("   "), (Words{"   "}));
  EXPECT_EQ(words("a\u3000\u00A0b"), (Words{"a", "\u3000", "\u00A0", "b"}));
}

TEST(Unicode, Classes) {
  using Class = CharacterClass;
  for (int32_t letter : {0x41, 0x7A, 0xAA, 0xE9, 0x3B1, 0x4E2D, 0xAC00, 0x10400, 0x323AF})
    EXPECT_EQ(classOf(letter), Class::Letter) << letter;
  for (int32_t number : {0x30, 0x39, 0xB2, 0xBC, 0x660, 0x2167, 0x1D7FF})
    EXPECT_EQ(classOf(number), Class::Number) << number;
  for (int32_t space : {0x9, 0xD, 0x20, 0x85, 0xA0, 0x1680, 0x2000, 0x200A, 0x2028, 0x3000})
    EXPECT_EQ(classOf(space), Class::Space) << space;
  for (int32_t other : {0x0, 0x1C, 0x40, 0x5B, 0x60, 0x7B, 0xD7, 0x300, 0x200B, 0xFEFF, 0x1F600, 0x10FFFF})
    EXPECT_EQ(classOf(other), Class::Other) << other;
  // Unicode 16.0 has so many of each.
  int counts[4] = {};
  for (int32_t c = 0; c < 0x110000; ++c)
    ++counts[int(classOf(c))];
  EXPECT_EQ(counts[int(Class::Letter)], 141028);
  EXPECT_EQ(counts[int(Class::Number)], 1911);
  EXPECT_EQ(counts[int(Class::Space)], 25);
}

} // namespace
