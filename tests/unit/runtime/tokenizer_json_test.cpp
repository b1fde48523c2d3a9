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

std::vector<int32_t> encodedOnly(const std::string &json, const std::string &text) {
  auto tokenizer = valueOf(parseTokenizerJson(json, "t.json"));
  std::vector<int32_t> tokens;
  EXPECT_EQ(messageOf(tokenizer->encode(text, tokens, "text")), "");
  return tokens;
}

std::vector<int32_t> encoded(const std::string &json, const std::string &text) {
  auto tokenizer = valueOf(parseTokenizerJson(json, "t.json"));
  std::vector<int32_t> tokens;
  EXPECT_EQ(messageOf(tokenizer->encode(text, tokens, "text")), "");
  EXPECT_EQ(tokenizer->decode(tokens), text);
  return tokens;
}

TEST(TokenizerJson, ReadsGpt2sForm) {
  EXPECT_EQ(encoded(gpt2, "ab abba"), (std::vector<int32_t>{3, 4, 1, 0}));
  auto tokenizer = valueOf(parseTokenizerJson(gpt2, "t.json"));
  std::vector<int32_t> tokens;
  EXPECT_EQ(messageOf(tokenizer->encode("ab ab<|endoftext|>ba", {"<|endoftext|>"}, tokens, "text")), "");
  EXPECT_EQ(tokens, (std::vector<int32_t>{3, 4, 6, 1, 0}));
  // The letters of its name have no tokens in this vocabulary, so the text cannot be written.
  EXPECT_CONTAINS(messageOf(tokenizer->encode("ab<|endoftext|>", tokens, "text")), "no token for byte 0x3c");
}

// Added tokens that are not special are as good as letters.
TEST(TokenizerJson, AddedTokensThatAreNotSpecial) {
  std::string plain = changed(R"("special": true)", R"("special": false)");
  EXPECT_EQ(encoded(plain, "ab ab<|endoftext|>ba"), (std::vector<int32_t>{3, 4, 6, 1, 0}));
  EXPECT_TRUE(valueOf(parseTokenizerJson(plain, "t.json"))->specials().empty());
}

TEST(TokenizerJson, MergesAsPairs) {
  std::string pairs = changed(R"(["a b", "\u0120 ab"])", R"([["a", "b"], ["\u0120", "ab"]])");
  EXPECT_EQ(encoded(pairs, "ab ab"), (std::vector<int32_t>{3, 4}));
}

TEST(TokenizerJson, AddedTokensBehindTheVocabulary) {
  std::string text = changed(R"(,
            "<|endoftext|>": 6})",
                             "}");
  EXPECT_EQ(valueOf(parseTokenizerJson(text, "t"))->special("<|endoftext|>"), 6);
  EXPECT_EQ(valueOf(parseTokenizerJson(text, "t"))->vocabulary(), 7);
}

TEST(TokenizerJson, OurOwnComeBack) {
  std::string text = "the cat, the hat; die Größe 日本 \t\n\"quoted\" the cats' hats the größe";
  BytePairs pairs = valueOf(trainBytePairs(TokenizerText{text, "t"}, 400, {"<pad>", "<s>", "</s>"}));
  std::string json = tokenizerJson(pairs);
  auto again = valueOf(parseTokenizerJson(json, "t.json"));
  EXPECT_EQ(again->save(), BytePairTokenizer(pairs).save());
  std::vector<int32_t> tokens;
  EXPECT_EQ(messageOf(BytePairTokenizer(pairs).encode(text + "<s>", tokens, "text")), "");
  EXPECT_EQ(encoded(json, text + "<s>"), tokens);
  for (int32_t id = 0; id < again->vocabulary(); ++id) {
    std::string bytes;
    again->append(bytes, id);
    EXPECT_EQ(bytes, pairs.tokens[size_t(id)]) << id;
  }
  // And through a run's config.json.
  BytePairTokenizer tokenizer(pairs);
  auto loaded = valueOf(loadTokenizer(tokenizer.save(), "config.json"));
  EXPECT_EQ(loaded->special("</s>"), 2);
  EXPECT_EQ(loaded->vocabulary(), tokenizer.vocabulary());
}

TEST(TokenizerJson, BytesThatAreMissing) {
  auto tokenizer = valueOf(parseTokenizerJson(gpt2, "t.json"));
  std::vector<int32_t> tokens;
  EXPECT_CONTAINS(messageOf(tokenizer->encode("ab\xC3\xA9", tokens, "prompt")),
                  "prompt:1: the tokenizer has no token for byte 0xa9 of 'é' (U+00E9)");
  // With a token for what is not known it is that one.
  EXPECT_EQ(encodedOnly(changed(R"("unk_token": null)", R"("unk_token": "a")"), "xbx"),
            (std::vector<int32_t>{3, 0})); // it merges, too
  EXPECT_CONTAINS(errorOf(changed(R"("unk_token": null)", R"("unk_token": "q")")),
                  "model.unk_token: 'q' is not in the vocabulary");
}

// The place in the file, what is there, and what would be understood.
TEST(TokenizerJson, NamesWhatItDoesNotSupport) {
  EXPECT_CONTAINS(errorOf(changed(R"("normalizer": null)", R"("normalizer": {"type": "BertNormalizer"})")),
                  "t.json: normalizer.type: \"BertNormalizer\" is not supported; ByteLevel, Lowercase, NFC");
  EXPECT_CONTAINS(
      errorOf(changed(
          R"("normalizer": null)",
          R"("normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Nmt"}]})")),
      "t.json: normalizer.normalizers[1].type: \"Nmt\" is not supported");
  EXPECT_CONTAINS(errorOf(changed(R"("normalizer": null)", R"("normalizer": {"type": "NFC", "version": 9})")),
                  "normalizer.version: 9 is not supported: the field is not known");
  EXPECT_CONTAINS(errorOf(changed(R"("pre_tokenizer": {"type": "ByteLevel")",
                                  R"("pre_tokenizer": {"type": "UnicodeScripts")")),
                  "t.json: pre_tokenizer.type: \"UnicodeScripts\" is not supported; ByteLevel");
  EXPECT_CONTAINS(errorOf(changed(R"("add_prefix_space": false)", R"("add_prefix_space": 1)")),
                  "pre_tokenizer.add_prefix_space: 1 is neither true nor false");
  EXPECT_CONTAINS(errorOf(changed(R"("decoder": {"type": "ByteLevel")", R"("decoder": {"type": "CTC")")),
                  "decoder.type: \"CTC\" is not supported");
  EXPECT_CONTAINS(
      errorOf(changed(R"("post_processor": {"type": "ByteLevel")", R"("post_processor": {"type": "X")")),
      "post_processor.type: \"X\" is not supported");
  EXPECT_CONTAINS(errorOf(changed(R"("truncation": null)", R"("truncation": {"max_length": 5})")),
                  "truncation: {");
  EXPECT_CONTAINS(errorOf(changed(R"("padding": null)", R"("padding": {"strategy": "x"})")), "padding: {");
  EXPECT_CONTAINS(errorOf(changed(R"("version": "1.0")", R"("version": "2.0")")),
                  "version: \"2.0\" is not supported");
  EXPECT_CONTAINS(errorOf(changed(R"("version": "1.0")", R"("extra": [1])")),
                  "t.json: extra: [1] is not supported");
  EXPECT_CONTAINS(errorOf(changed(R"("dropout": null)", R"("dropout": 0.1)")), "model.dropout: 0.1");
  EXPECT_CONTAINS(errorOf(changed(R"("dropout": null)", R"("type": "WordPiece")")),
                  "model.type: \"WordPiece\" is not supported; BPE is");
  EXPECT_CONTAINS(errorOf(changed(R"("dropout": null)", R"("type": 5)")), "model.type: 5 where a text");
  EXPECT_CONTAINS(errorOf(changed(R"("dropout": null)", R"("shape": 5)")), "model.shape: 5 is not supported");
  EXPECT_CONTAINS(errorOf(changed(R"("end_of_word_suffix": "")", R"("end_of_word_suffix": "</w>")")),
                  "model.end_of_word_suffix: \"</w>\" is not supported");
  EXPECT_CONTAINS(
      errorOf(changed(R"("fuse_unk": false)", R"("byte_fallback": true)")),
      "model.byte_fallback: true is not supported with ByteLevel where the vocabulary lacks bytes");
  EXPECT_CONTAINS(errorOf(changed(R"("lstrip": false)", R"("lstrip": "yes")")),
                  "added_tokens[0].lstrip: \"yes\" is neither");
  EXPECT_CONTAINS(errorOf(changed(R"("lstrip": false)", R"("sticky": true)")),
                  "added_tokens[0].sticky: true");
}

// However long what is wrong is, an error quotes a part of it.
TEST(TokenizerJson, ErrorsQuoteAPart) {
  std::string endless(100000, 'q');
  for (const std::string &text :
       {changed(R"("version": "1.0")", "\"" + endless + "\": 1"),
        changed(R"("normalizer": null)", R"("normalizer": {"type": ")" + endless + "\"}"),
        changed(R"("normalizer": null)",
                R"("normalizer": {"type": "Replace", "content": "", "pattern": {"Regex": "\\p{)" + endless +
                    "}\"}}"),
        changed(R"("a b")", "\"a " + endless + "\"")}) {
    std::string message = errorOf(text);
    EXPECT_CONTAINS(message, "t.json: ");
    EXPECT_LT(message.size(), 1000u);
  }
}

TEST(TokenizerJson, HostileFiles) {
  EXPECT_CONTAINS(errorOf(""), "t.json: ");
  EXPECT_CONTAINS(errorOf("[]"), "t.json: not a JSON object");
  EXPECT_CONTAINS(errorOf("{}"), "t.json: it has no model");
  EXPECT_CONTAINS(errorOf(R"({"model": 5})"), "model: 5 where an object");
  EXPECT_CONTAINS(errorOf(R"({"model": {"merges": []}})"), "model.vocab: nothing where an object");
  EXPECT_CONTAINS(errorOf(std::string(100000, '[')), "nested deeper");
  EXPECT_CONTAINS(errorOf(changed(R"("a": 0)", R"("a": 1)")), "two tokens have the number 1");
  EXPECT_CONTAINS(errorOf(changed(R"("a": 0)", R"("a": 70000)")), "number 70000, far beyond the 7 tokens");
  EXPECT_CONTAINS(errorOf(changed(R"("a": 0)", R"("a": -1)")), "has the number -1");
  EXPECT_CONTAINS(errorOf(changed(R"("a": 0)", R"("a": 9223372036854775807)")),
                  "has the number 9223372036854775807, far beyond");
  EXPECT_CONTAINS(errorOf(changed(R"("a": 0)", R"("a": "0")")), "token 'a' has no number");
  EXPECT_CONTAINS(errorOf(changed(R"("a": 0)", R"("a": 0.5)")), "token 'a' has no number");
  EXPECT_CONTAINS(errorOf(changed(R"("a": 0)", R"("": 0)")), "a token has no characters");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", R"("a c")")), "merge 0 ('a' and 'c') needs the token 'c'");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", R"("b a")")), "needs the token 'ba'");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", R"("a b c")")), "merge 0 is neither");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", R"("ab")")), "merge 0 is neither");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", R"(["a"])")), "merge 0 is neither");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", R"(["a", 5])")), "merge 0 is neither");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", "null")), "merge 0 is neither");
  EXPECT_CONTAINS(errorOf(changed(R"("a b")", R"("a b", "a b")")), "merge 1 ('a' and 'b') is there twice");
  EXPECT_CONTAINS(errorOf(changed(R"(["a b", "\u0120 ab"])", "7")),
                  "model.merges: 7 where a list is expected");
  EXPECT_CONTAINS(errorOf(changed(R"("id": 6,)", "")), "no id or no content");
  EXPECT_CONTAINS(errorOf(changed(R"("id": 6)", R"("id": 5)")), "another one in the vocabulary");
  EXPECT_CONTAINS(errorOf(changed("<|endoftext|>", "")), "no id or no content");
  // Cut anywhere, it is one error and no crash.
  std::string whole = gpt2;
  for (size_t length = 0; length + 1 < whole.size(); ++length)
    EXPECT_CONTAINS(errorOf(whole.substr(0, length)), "t.json: ");
}

} // namespace
