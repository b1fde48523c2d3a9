#include "test_support.h"

#include "runtime/tokenizer_pieces.h"
#include "runtime/utf8.h"

using namespace gptc::runtime;

namespace {

using Pieces = std::vector<std::string>;

std::unique_ptr<Tokenizer> given(Pieces pieces) {
  return valueOf(makeTokenizer("pieces", pieces, "", ""));
}

Pieces cut(const Tokenizer &tokenizer, const std::string &text) {
  std::vector<int32_t> tokens;
  EXPECT_EQ(messageOf(tokenizer.encode(text, tokens, "text")), "");
  EXPECT_EQ(tokenizer.decode(tokens), text);
  Pieces result;
  for (int32_t token : tokens) {
    result.emplace_back();
    tokenizer.append(result.back(), token);
  }
  return result;
}

// With decoys that lead astray who takes the longest piece first.
TEST(Pieces, TheLecturesWords) {
  auto tokenizer = given({"un", "forget", "table", "cat", "s", "unf", "for", "forge", "get", "tab", "able",
                          "le", "a", "ca", "ts", "orge"});
  EXPECT_EQ(cut(*tokenizer, "cats"), (Pieces{"cat", "s"}));
  EXPECT_EQ(cut(*tokenizer, "unforgettable"), (Pieces{"un", "forget", "table"}));
  EXPECT_EQ(cut(*tokenizer, "cats unforgettable"), (Pieces{"cat", "s", " ", "un", "forget", "table"}));
}

TEST(Pieces, Rules) {
  // Fewest bytes outside of pieces, even with more pieces.
  EXPECT_EQ(cut(*given({"abc", "ab", "c", "d", "cd"}), "abcd"), (Pieces{"abc", "d"}));
  EXPECT_EQ(cut(*given({"abc", "a", "b", "cd"}), "abcd"), (Pieces{"a", "b", "cd"}));
  // Then fewest pieces.
  EXPECT_EQ(cut(*given({"a", "b", "c", "ab", "abc"}), "abcab"), (Pieces{"abc", "ab"}));
  // Then the longest first.
  EXPECT_EQ(cut(*given({"a", "ab", "bc", "c"}), "abc"), (Pieces{"ab", "c"}));
}

TEST(Pieces, OtherTextIsBytes) {
  auto tokenizer = given({"cat", "é"});
  EXPECT_EQ(tokenizer->vocabulary(), 2 + 256);
  std::vector<int32_t> tokens;
  ASSERT_EQ(messageOf(tokenizer->encode("catté€", tokens, "text")), "");
  EXPECT_EQ(tokens, (std::vector<int32_t>{0, 2 + 't', 1, 2 + 0xE2, 2 + 0x82, 2 + 0xAC}));
  EXPECT_EQ(tokenizer->decode(tokens), "catté€");
  EXPECT_CONTAINS(messageOf(tokenizer->encode("cat\n\xff", tokens, "text")), "text:2: not valid UTF-8");
  EXPECT_EQ(tokenizer->decode({-1, 300}), "\uFFFD\uFFFD");
}

TEST(Pieces, LongRuns) {
  std::string text(1 << 20, 'a');
  auto tokenizer = given({"aa", "aaa"});
  std::vector<int32_t> tokens;
  ASSERT_EQ(messageOf(tokenizer->encode(text, tokens, "text")), "");
  EXPECT_EQ(tokens.size(), size_t(((1 << 20) + 2) / 3));
  EXPECT_EQ(tokenizer->decode(tokens), text);
}

TEST(Pieces, KeptByARun) {
  auto tokenizer = given({"un", "forget", "\n \"x\""});
  auto again = valueOf(loadTokenizer(tokenizer->save(), "config.json"));
  EXPECT_EQ(again->kind(), "pieces");
  EXPECT_EQ(cut(*again, "unforget\n \"x\""), (Pieces{"un", "forget", "\n \"x\""}));
}

TEST(Pieces, WithSpecials) {
  auto tokenizer =
      valueOf(makeTokenizer("pieces", {"cat", "s"}, llvm::ArrayRef<TokenizerText>(), {"<pad>", "<s>"}));
  std::vector<int32_t> tokens;
  ASSERT_EQ(messageOf(tokenizer->encode("cats", tokens, "text")), "");
  EXPECT_EQ(tokens, (std::vector<int32_t>{2, 3}));
  EXPECT_EQ(tokenizer->vocabulary(), 2 + 2 + 256);
  EXPECT_EQ(tokenizer->special("<s>"), 1);
  EXPECT_EQ(tokenizer->decode({1, 2, 3}), "<s>cats");
  auto again = valueOf(loadTokenizer(tokenizer->save(), "config.json"));
  EXPECT_EQ(again->decode({0, 3, 2}), "<pad>scat");
  EXPECT_CONTAINS(messageOf(makeTokenizer("ids", {"7"}, llvm::ArrayRef<TokenizerText>(), {"<s>"})),
                  "no special token '<s>'");
  EXPECT_EQ(valueOf(makeTokenizer("chars", {}, TokenizerText{"ba", "t"}, {"<pad>"}))->decode({0, 1, 2}),
            "<pad>ab");
}

TEST(Pieces, Errors) {
  EXPECT_CONTAINS(messageOf(makePieces({})), "at least one piece");
  EXPECT_CONTAINS(messageOf(makePieces({"a", ""})), "empty piece");
  EXPECT_CONTAINS(messageOf(makePieces({"a", "b", "a"})), "'a' is given twice");
  EXPECT_CONTAINS(messageOf(makePieces({"\xff"})), "not valid UTF-8");
}

} // namespace
