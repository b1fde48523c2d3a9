#include "support/source_tree.h"
#include "test_support.h"

#include "runtime/tokenizer_bytepair.h"
#include "runtime/tokenizer_json.h"
#include "runtime/tokenizer_symbols.h"
#include "runtime/tokenizer_words.h"
#include "runtime/utf8.h"

#include <algorithm>
#include <cstdint>
#include <map>

using namespace gptc::runtime;

namespace {

std::unique_ptr<Tokenizer> bpe(const std::string &text, int size, std::vector<std::string> specials = {}) {
  return valueOf(makeTokenizer("bpe", {std::to_string(size)}, TokenizerText{text, "text"}, specials));
}

std::vector<int32_t> encoded(const Tokenizer &tokenizer, llvm::StringRef text) {
  std::vector<int32_t> tokens;
  EXPECT_EQ(messageOf(tokenizer.encode(text, tokens, "text")), "");
  return tokens;
}

std::vector<std::string> pieces(const Tokenizer &tokenizer, llvm::StringRef text) {
  std::vector<std::string> result;
  for (int32_t token : encoded(tokenizer, text)) {
    result.emplace_back();
    tokenizer.append(result.back(), token);
  }
  return result;
}

std::vector<std::string> merges(const BytePairs &pairs) {
  std::vector<std::string> result;
  for (const Merge &merge : pairs.merges)
    result.push_back(pairs.tokens[size_t(merge.left)] + "+" + pairs.tokens[size_t(merge.right)]);
  return result;
}

BytePairs learned(const std::string &text, int64_t size, std::vector<std::string> specials = {}) {
  return valueOf(trainBytePairs(TokenizerText{text, "text"}, size, specials));
}

/// Numbers that are the same everywhere.
struct Numbers {
  uint64_t state;
  uint32_t below(uint32_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return uint32_t((state >> 33) % bound);
  }
};

/// Characters of every length, white space, letters, numbers, contractions.
std::string randomText(uint64_t seed, int count) {
  static const std::pair<int32_t, int32_t> kinds[] = {
      {0, 0x80},      {'a', 26},     {'a', 3},        {' ', 1},       {'\t', 5},
      {'0', 10},      {0x80, 0x780}, {0x800, 0xD000}, {0xE000, 8192}, {0x10000, 1048576},
      {0x2000, 0x30}, {0x300, 0x70}, {'\'', 1},       {0x660, 10},    {0x4E00, 50}};
  Numbers numbers{seed};
  std::string text;
  for (int i = 0; i < count; ++i) {
    auto [first, size] = kinds[numbers.below(std::size(kinds))];
    appendCodePoint(text, first + int32_t(numbers.below(uint32_t(size))));
  }
  return text;
}

//===-- Learning ------------------------------------------------------------------===//

// The words are "aab", " aab" and " ab". Neighbours: a b 3 times, a a and " " a twice.
// With ab one token: a ab 2 times, " " a and " " ab once. With aab one token, no pair is
// there twice.
TEST(BytePairs, MergesByHand) {
  BytePairs pairs = learned("aab aab ab", 1000);
  EXPECT_EQ(merges(pairs), (std::vector<std::string>{"a+b", "a+ab"}));
  EXPECT_EQ(pairs.tokens.size(), 258u); // 1000 is a bound
  BytePairTokenizer tokenizer(pairs);
  EXPECT_EQ(pieces(tokenizer, "aab abab"), (std::vector<std::string>{"aab", " ", "ab", "ab"}));
}

// The words are "ab", " cd" and " ab": ab, cd, " a" and " c" are there twice. Of a, b, c
// and the blank a has the lowest number, the blank the highest (byteOrder).
TEST(BytePairs, TiesGoToLowerNumbers) {
  BytePairs pairs = learned("ab cd ab cd ab", 1000);
  EXPECT_EQ(merges(pairs), (std::vector<std::string>{"a+b", "c+d", " +ab", " +cd"}));
  EXPECT_EQ(merges(learned("ab cd ab cd ab", 258)), (std::vector<std::string>{"a+b", "c+d"}));
}

// "aaa" holds the pair a a twice, and one merge of it.
TEST(BytePairs, RunsOfOneByte) {
  BytePairs pairs = learned("aaa", 1000);
  EXPECT_EQ(merges(pairs), (std::vector<std::string>{"a+a"}));
  EXPECT_EQ(pieces(BytePairTokenizer(pairs), "aaaaa"), (std::vector<std::string>{"aa", "aa", "a"}));
}

TEST(BytePairs, MergesByRankNotByLength) {
  // b c merges first, so "abc" is a + bc although ab is a token.
  BytePairs pairs = learned("bc bc bc bc ab ab ab", 1000);
  EXPECT_EQ(merges(pairs)[0], "b+c");
  EXPECT_EQ(pieces(BytePairTokenizer(pairs), "abc"), (std::vector<std::string>{"a", "bc"}));
}

TEST(BytePairs, NumbersOfBytes) {
  const auto &order = byteOrder();
  EXPECT_EQ(order[0], '!');
  EXPECT_EQ(order[93], '~');
  EXPECT_EQ(order[94], 0xA1);
  EXPECT_EQ(order[188], 0);
  EXPECT_EQ(order[188 + 32], ' ');
  EXPECT_EQ(order[255], 0xAD);
  std::vector<bool> seen(256);
  for (uint8_t byte : order)
    seen[byte] = true;
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 256);
  EXPECT_EQ(byteSymbols(" a\n\xff"), "ĠaĊÿ");
}

TEST(BytePairs, SpecialsComeFirst) {
  std::vector<std::string> names = {"<pad>", "<s>", "</s>"};
  auto tokenizer = bpe("<s>low lower</s><s>lowest</s>", 400, names);
  EXPECT_EQ(tokenizer->special("<pad>"), 0);
  EXPECT_EQ(tokenizer->special("<s>"), 1);
  EXPECT_EQ(tokenizer->special("</s>"), 2);
  EXPECT_EQ(tokenizer->special("<mask>"), std::nullopt);
  EXPECT_EQ(tokenizer->specials().size(), 3u);
  EXPECT_EQ(tokenizer->decode({1, 3, 2}), "<s>!</s>");
}

// A target that holds "</s>" would end there.
TEST(BytePairs, TextNeverBecomesASpecialToken) {
  std::vector<std::string> names = {"<pad>", "<s>", "</s>", "x"};
  std::string text;
  for (int i = 0; i < 50; ++i)
    text += "<s> </s> <pad></s> x xx</s>\n";
  for (int size : {260, 300, 400}) {
    std::vector<std::string> first(names.begin(), names.begin() + 3);
    auto tokenizer = bpe(text, size, first);
    for (int32_t token : encoded(*tokenizer, text + "<s>!</s> </s>"))
      EXPECT_GE(token, 3) << size;
  }
  // Names of one byte are the file's only trouble: it could not tell the two.
  EXPECT_CONTAINS(messageOf(trainBytePairs(TokenizerText{text, "t"}, 400, names)), "cannot be told from");
}

TEST(BytePairs, NamesThatAreAskedForAreTokens) {
  auto tokenizer = bpe("xx", 300, {"<a>", "<a><b>", "<b>"});
  auto with = [&](std::vector<std::string> names, const std::string &text) {
    std::vector<int32_t> tokens;
    EXPECT_EQ(messageOf(tokenizer->encode(text, names, tokens, "text")), "");
    return tokens;
  };
  EXPECT_EQ(with({"<a>", "<a><b>", "<b>"}, "<a><b><b><a>"), (std::vector<int32_t>{1, 2, 0})); // the longest
  EXPECT_EQ(with({"<b>"}, "<b>!<b>"), (std::vector<int32_t>{2, 3, 2}));
  EXPECT_EQ(with({"<b>"}, "<a>"), encoded(*tokenizer, "<a>"));
  EXPECT_EQ(with({}, "<a>"), encoded(*tokenizer, "<a>"));
  std::vector<int32_t> tokens;
  EXPECT_CONTAINS(messageOf(tokenizer->encode("x", {"<c>"}, tokens, "text")),
                  "no special token '<c>'; it has <a>, <a><b>, <b>");
}

TEST(BytePairs, SeveralTextsShareOneVocabulary) {
  TokenizerText texts[] = {{"the the the", "a.en"}, {"der der der", "a.de"}};
  BytePairs pairs = valueOf(trainBytePairs(texts, 1000, {}));
  std::vector<std::string> found = merges(pairs);
  EXPECT_TRUE(std::count(found.begin(), found.end(), " +the"));
  EXPECT_TRUE(std::count(found.begin(), found.end(), " +der"));
}

TEST(BytePairs, Errors) {
  EXPECT_CONTAINS(messageOf(trainBytePairs(TokenizerText{"ab", "t"}, 255, {})), "at least 256 (256 bytes)");
  EXPECT_CONTAINS(messageOf(trainBytePairs(TokenizerText{"ab", "t"}, 256, {"<s>"})),
                  "at least 257 (256 bytes and 1 special tokens)");
  EXPECT_CONTAINS(messageOf(trainBytePairs(TokenizerText{"", "t.txt"}, 300, {})), "t.txt: empty");
  EXPECT_CONTAINS(messageOf(trainBytePairs(TokenizerText{"a\nb\xff", "t.txt"}, 300, {})),
                  "t.txt:2: not valid UTF-8: byte 0xff at offset 3");
  EXPECT_CONTAINS(messageOf(trainBytePairs(TokenizerText{"ab", "t"}, 300, {"<s>", "<s>"})),
                  "'<s>' is named twice");
  EXPECT_CONTAINS(messageOf(trainBytePairs(TokenizerText{"ab", "t"}, 300, {""})), "needs a name");
  EXPECT_CONTAINS(messageOf(trainBytePairs(TokenizerText{"ab", "t"}, 300, {"a"})), "cannot be told from");
  std::vector<int32_t> tokens;
  EXPECT_CONTAINS(messageOf(bpe("ab", 300)->encode("x\xc3", tokens, "prompt")), "prompt:1: not valid UTF-8");
}

//===-- Round trips ---------------------------------------------------------------===//

TEST(BytePairs, RandomTextRoundTrips) {
  auto tokenizer = bpe(randomText(1, 20000), 2000, {"<s>"});
  for (uint64_t seed = 2; seed < 60; ++seed) {
    std::string text = randomText(seed, 500);
    std::vector<int32_t> tokens = encoded(*tokenizer, text);
    EXPECT_EQ(tokenizer->decode(tokens), text) << seed;
    // As they come, and never half a character.
    StreamDecoder decoder(*tokenizer);
    std::string streamed;
    for (int32_t token : tokens) {
      std::string piece = decoder.push(token);
      EXPECT_EQ(messageOf(checkUtf8(piece, "piece")), "");
      streamed += piece;
    }
    EXPECT_EQ(streamed + decoder.finish(), text) << seed;
  }
  EXPECT_EQ(encoded(*tokenizer, "").size(), 0u);
}

TEST(BytePairs, SameTextSameTokenizer) {
  std::string text = randomText(7, 20000);
  BytePairs a = learned(text, 1500), b = learned(text, 1500);
  EXPECT_EQ(tokenizerJson(a), tokenizerJson(b));
  // A smaller vocabulary is the beginning of a larger one.
  BytePairs small = learned(text, 700);
  for (size_t i = 0; i < small.tokens.size(); ++i)
    EXPECT_EQ(small.tokens[i], a.tokens[i]);
}

TEST(BytePairs, OneWordOfAMillionBytes) {
  std::string text(1 << 20, 'a');
  auto tokenizer = bpe(text, 300);
  std::vector<int32_t> tokens = encoded(*tokenizer, text);
  EXPECT_EQ(tokens.size(), 2u); // runs of 2, 4, 8, ... 2^19 are tokens; two of those are a pair met once
  EXPECT_EQ(tokenizer->decode(tokens), text);
}

/// The definition, pair by pair: after each merge everything is counted again.
std::vector<std::string> slowMerges(const std::string &text, size_t size) {
  std::vector<std::vector<std::string>> words;
  std::map<std::string, int> idOf;
  BytePairs none = learned(text, 256);
  for (size_t id = 0; id < none.tokens.size(); ++id)
    idOf[none.tokens[id]] = int(id);
  for (size_t at = 0; at < text.size();) {
    words.emplace_back();
    for (char c : nextWord(text, at))
      words.back().push_back(std::string(1, c));
  }
  std::vector<std::string> result;
  while (idOf.size() < size) {
    std::map<std::pair<int, int>, int> counts;
    for (const auto &word : words)
      for (size_t i = 0; i + 1 < word.size(); ++i)
        ++counts[{idOf[word[i]], idOf[word[i + 1]]}];
    std::pair<int, int> best;
    int most = 1;
    for (const auto &[pair, count] : counts) // in the order of ids: the first of equal ones
      if (count > most)
        std::tie(best, most) = std::pair(pair, count);
    if (most < 2)
      break;
    std::string left, right;
    for (const auto &[bytes, id] : idOf) {
      left = id == best.first ? bytes : left;
      right = id == best.second ? bytes : right;
    }
    for (auto &word : words)
      for (size_t i = 0; i + 1 < word.size(); ++i)
        if (word[i] == left && word[i + 1] == right) {
          word[i] += right;
          word.erase(word.begin() + long(i) + 1);
        }
    idOf.try_emplace(left + right, int(idOf.size()));
    result.push_back(left + "+" + right);
  }
  return result;
}

TEST(BytePairs, LearningDoesWhatItsDefinitionSays) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Numbers numbers{seed};
    std::string text;
    uint32_t letters = 1 + uint32_t(seed) % 4, blanks = seed % 3 == 0 ? 0 : 6;
    for (int i = 0; i < 400; ++i)
      text += blanks && numbers.below(blanks) == 0 ? ' ' : char('a' + numbers.below(letters));
    EXPECT_EQ(merges(learned(text, 300)), slowMerges(text, 300)) << text;
  }
}

TEST(BytePairs, ATextWithoutBlanksTakesNoLongerThanOthers) {
  // The letters of a genome, as one word: each merge changes places all over it.
  Numbers numbers{7};
  std::string text;
  for (int i = 0; i < 1 << 20; ++i)
    text += "acgt"[numbers.below(4)];
  BytePairs pairs = learned(text, 2000);
  EXPECT_EQ(pairs.tokens.size(), 2000u);
  EXPECT_EQ(pairs.merges.size(), 2000u - 256u);
}

void roundTrips(const std::vector<std::string> &files, int size, size_t most) {
  std::string folder = gptc::test::sourcePath("../shared/data/");
  std::vector<std::string> contents;
  for (const std::string &file : files) {
    contents.push_back(readAll(folder + file));
    if (contents.back() == "<missing>")
      GTEST_SKIP() << "no " << folder << file;
  }
  std::vector<TokenizerText> texts;
  for (size_t i = 0; i < files.size(); ++i)
    texts.push_back({contents[i], files[i]});
  auto tokenizer = valueOf(makeTokenizer("bpe", {std::to_string(size)}, texts, {"<pad>", "<s>", "</s>"}));
  EXPECT_EQ(tokenizer->vocabulary(), size);
  size_t tokens = 0;
  for (const std::string &content : contents) {
    std::vector<int32_t> all = encoded(*tokenizer, content);
    EXPECT_EQ(tokenizer->decode(all), content);
    tokens += all.size();
  }
  EXPECT_LT(tokens, most);
}

TEST(BytePairs, Shakespeare) {
  roundTrips({"tinyshakespeare.txt"}, 1000, 500000);
}

TEST(BytePairs, Multi30k) {
  roundTrips({"multi30k/train.en", "multi30k/train.de", "multi30k/val.en", "multi30k/val.de",
              "multi30k/test.en", "multi30k/test.de"},
             8000, 1000000);
}

} // namespace
