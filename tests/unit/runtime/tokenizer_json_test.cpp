#include "test_support.h"

#include "runtime/tokenizer_json.h"

using namespace gptc::runtime;

namespace {

// GPT-2's form: no type, merges as text, an added token that the vocabulary has too.
const char *gpt2 = R"({
  "version": "1.0", "truncation": null, "padding": null,
  "added_tokens": [{"id": 6, "special": true, "content": "<|endoftext|>", "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": true}],
  "normalizer": null,
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
  "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false},
  "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true},
  "model": {"dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
            "fuse_unk": false, "vocab": {"a": 0, "b": 1, "\u0120": 2, "ab": 3, "\u0120ab": 4, "\u00c3": 5,
            "<|endoftext|>": 6}, "merges": ["a b", "\u0120 ab"]}})";

std::string changed(std::string from, std::string to) {
  std::string text = gpt2;
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string errorOf(const std::string &text) {
  return messageOf(parseTokenizerJson(text, "t.json"));
}

std::vector<int32_t> encoded(const std::string &json, const std::string &text) {
  BytePairTokenizer tokenizer(valueOf(parseTokenizerJson(json, "t.json")));
  std::vector<int32_t> tokens;
  EXPECT_EQ(messageOf(tokenizer.encode(text, tokens, "text")), "");
  EXPECT_EQ(tokenizer.decode(tokens), text);
  return tokens;
}

TEST(TokenizerJson, ReadsGpt2sForm) {
  EXPECT_EQ(encoded(gpt2, "ab abba"), (std::vector<int32_t>{3, 4, 1, 0}));
  BytePairTokenizer tokenizer(valueOf(parseTokenizerJson(gpt2, "t.json")));
  std::vector<int32_t> tokens;
  EXPECT_EQ(messageOf(tokenizer.encode("ab ab<|endoftext|>ba", {"<|endoftext|>"}, tokens, "text")), "");
  EXPECT_EQ(tokens, (std::vector<int32_t>{3, 4, 6, 1, 0}));
  // The letters of its name have no tokens in this vocabulary, so the text cannot be written.
  EXPECT_CONTAINS(messageOf(tokenizer.encode("ab<|endoftext|>", tokens, "text")), "no token for byte 0x3c");
}

// Added tokens that are not special are as good as letters.
TEST(TokenizerJson, AddedTokensThatAreNotSpecial) {
  std::string plain = changed(R"("special": true)", R"("special": false)");
  EXPECT_EQ(encoded(plain, "ab ab<|endoftext|>ba"), (std::vector<int32_t>{3, 4, 6, 1, 0}));
  BytePairs pairs = valueOf(parseTokenizerJson(plain, "t.json"));
  EXPECT_TRUE(pairs.specials.empty());
  EXPECT_EQ(pairs.added, (std::vector<int32_t>{6}));
  BytePairs again = valueOf(parseTokenizerJson(tokenizerJson(pairs), "t.json"));
  EXPECT_EQ(again.added, pairs.added);
  EXPECT_TRUE(again.specials.empty());
}

TEST(TokenizerJson, MergesAsPairs) {
  std::string pairs = changed(R"(["a b", "\u0120 ab"])", R"([["a", "b"], ["\u0120", "ab"]])");
  EXPECT_EQ(encoded(pairs, "ab ab"), (std::vector<int32_t>{3, 4}));
}

TEST(TokenizerJson, AddedTokensBehindTheVocabulary) {
  std::string text = changed(R"(,
            "<|endoftext|>": 6})",
                             "}");
  EXPECT_EQ(valueOf(parseTokenizerJson(text, "t")).specials, (std::vector<int32_t>{6}));
  EXPECT_EQ(valueOf(parseTokenizerJson(text, "t")).tokens.size(), 7u);
}

TEST(TokenizerJson, OurOwnComeBack) {
  std::string text = "the cat, the hat; die Größe 日本 \t\n\"quoted\" the cats' hats the größe";
  BytePairs pairs = valueOf(trainBytePairs(TokenizerText{text, "t"}, 400, {"<pad>", "<s>", "</s>"}));
  std::string json = tokenizerJson(pairs);
  BytePairs again = valueOf(parseTokenizerJson(json, "t.json"));
  EXPECT_EQ(tokenizerJson(again), json);
  EXPECT_EQ(again.tokens, pairs.tokens);
  EXPECT_EQ(again.specials, pairs.specials);
  EXPECT_EQ(encoded(json, text + "<s>"), encoded(tokenizerJson(again), text + "<s>"));
  EXPECT_EQ(again.added, pairs.added);
  // And through a run's config.json.
  BytePairTokenizer tokenizer(pairs);
  auto loaded = valueOf(loadTokenizer(tokenizer.save(), "config.json"));
  EXPECT_EQ(loaded->special("</s>"), 2);
  EXPECT_EQ(loaded->vocabulary(), tokenizer.vocabulary());
}

TEST(TokenizerJson, BytesThatAreMissing) {
  BytePairTokenizer tokenizer(valueOf(parseTokenizerJson(gpt2, "t.json")));
  std::vector<int32_t> tokens;
  EXPECT_CONTAINS(messageOf(tokenizer.encode("ab\xC3\xA9", tokens, "prompt")),
                  "prompt:1: the tokenizer has no token for byte 0xa9 of 'é' (U+00E9)");
  EXPECT_CONTAINS(errorOf(changed(R"("unk_token": null)", R"("unk_token": "a")")),
                  "unk_token is not supported where the vocabulary lacks bytes");
}

TEST(TokenizerJson, NamesWhatItDoesNotSupport) {
  EXPECT_CONTAINS(errorOf(changed(R"("normalizer": null)", R"("normalizer": {"type": "NFC"})")),
                  "t.json: normalizer 'NFC' is not supported");
  EXPECT_CONTAINS(
      errorOf(changed(R"("pre_tokenizer": {"type": "ByteLevel")", R"("pre_tokenizer": {"type": "Split")")),
      "pre_tokenizer 'Split' is not supported; ByteLevel is");
  EXPECT_CONTAINS(errorOf(changed(R"("add_prefix_space": false)", R"("add_prefix_space": true)")),
                  "add_prefix_space");
  EXPECT_CONTAINS(errorOf(changed(R"("trim_offsets": true},
  "post)",
                                  R"("use_regex": false},
  "post)")),
                  "use_regex");
  EXPECT_CONTAINS(
      errorOf(changed(R"("decoder": {"type": "ByteLevel")", R"("decoder": {"type": "Metaspace")")),
      "decoder 'Metaspace' is not supported");
  EXPECT_CONTAINS(errorOf(changed(R"("post_processor": {"type": "ByteLevel")",
                                  R"("post_processor": {"type": "TemplateProcessing")")),
                  "post_processor 'TemplateProcessing' is not supported");
  EXPECT_CONTAINS(errorOf(changed(R"("truncation": null)", R"("truncation": {"max_length": 5})")),
                  "truncation");
  EXPECT_CONTAINS(errorOf(changed(R"("padding": null)", R"("padding": {"strategy": "x"})")), "padding");
  EXPECT_CONTAINS(errorOf(changed(R"("dropout": null)", R"("dropout": 0.1)")), "dropout");
  EXPECT_CONTAINS(errorOf(changed(R"("dropout": null)", R"("type": "WordPiece")")),
                  "the model 'WordPiece' is not supported; BPE is");
  EXPECT_CONTAINS(errorOf(changed(R"("dropout": null)", R"("type": 5)")), "is not supported; BPE is");
  EXPECT_CONTAINS(errorOf(changed(R"("end_of_word_suffix": "")", R"("end_of_word_suffix": "</w>")")),
                  "end_of_word_suffix '</w>'");
  EXPECT_CONTAINS(errorOf(changed(R"("fuse_unk": false)", R"("byte_fallback": true)")), "byte_fallback");
  EXPECT_CONTAINS(errorOf(changed(R"("fuse_unk": false)", R"("ignore_merges": true)")), "ignore_merges");
  EXPECT_CONTAINS(errorOf(changed(R"("lstrip": false)", R"("lstrip": true)")), "lstrip of the added token");
}

TEST(TokenizerJson, HostileFiles) {
  EXPECT_CONTAINS(errorOf(""), "t.json: ");
  EXPECT_CONTAINS(errorOf("[]"), "t.json: not a JSON object");
  EXPECT_CONTAINS(errorOf("{}"), "t.json: it has no model");
  EXPECT_CONTAINS(errorOf(R"({"model": 5})"), "no model");
  EXPECT_CONTAINS(errorOf(R"({"model": {"merges": []}})"), "no vocab");
  EXPECT_CONTAINS(errorOf(std::string(100000, '[')), "nested deeper");
  EXPECT_CONTAINS(errorOf(changed(R"("a": 0)", R"("a": 1)")), "two tokens have the number 1");
  EXPECT_CONTAINS(errorOf(changed(R"("a": 0)", R"("a": 7)")), "has number 7, but the 7 tokens");
  EXPECT_CONTAINS(errorOf(changed(R"("a": 0)", R"("a": -1)")), "has number -1");
  EXPECT_CONTAINS(errorOf(changed(R"("a": 0)", R"("a": 9223372036854775807)")),
                  "has number 9223372036854775807");
  EXPECT_CONTAINS(errorOf(changed(R"("a": 0)", R"("a": "0")")), "token 'a' has no number");
  EXPECT_CONTAINS(errorOf(changed(R"("a": 0)", R"("a": 0.5)")), "token 'a' has no number");
  EXPECT_CONTAINS(errorOf(changed(R"("a": 0)", R"("日": 0)")), "token '日' is not written in the symbols");
  EXPECT_CONTAINS(errorOf(changed(R"("a": 0)", R"("": 0)")), "token '' is not written in the symbols");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", R"("a c")")), "merge 0 ('a' and 'c') needs the token 'c'");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", R"("b a")")), "needs the token 'ba'");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", R"("a b c")")), "merge 0 is neither");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", R"("ab")")), "merge 0 is neither");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", R"(["a"])")), "merge 0 is neither");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", R"(["a", 5])")), "merge 0 is neither");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", "null")), "merge 0 is neither");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", R"("a b", "a b")")), "merge 1 ('a' and 'b') is there twice");
  EXPECT_CONTAINS(errorOf(changed(R"(["a b", "\u0120 ab"])", "7")), "no list of merges");
  EXPECT_CONTAINS(errorOf(changed(R"("id": 6,)", "")), "no id or no content");
  EXPECT_CONTAINS(errorOf(changed(R"("id": 6)", R"("id": 5)")), "another one in the vocabulary");
  EXPECT_CONTAINS(errorOf(changed("<|endoftext|>", "")), "no id or no content");
  // Cut anywhere, it is one error and no crash.
  std::string whole = gpt2;
  for (size_t length = 0; length + 1 < whole.size(); ++length)
    EXPECT_CONTAINS(errorOf(whole.substr(0, length)), "t.json: ");
}

} // namespace
