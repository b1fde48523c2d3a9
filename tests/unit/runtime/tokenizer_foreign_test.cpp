// Files of others, one for each thing that they have: what the library `tokenizers` makes of them.
#include "test_support.h"

#include "runtime/tokenizer_json.h"
#include "runtime/tokenizer_symbols.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace gptc::runtime;

namespace {

using Names = std::vector<std::string>;

/// A tokenizer.json by its parts; tokens are numbered in their order.
struct File {
  std::string normalizer = "null", preTokenizer = "null", decoder = "null", postProcessor = "null";
  std::string model;            // fields of the model besides: R"("fuse_unk": true)"
  Names vocabulary = letters(); // of the model
  std::vector<std::pair<std::string, std::string>> merges = {};
  std::vector<std::pair<std::string, std::string>> added = {}; // name, fields: R"("lstrip": true)"

  static Names letters() {
    Names names;
    for (const char *name = "abcdefghijklmnopqrstuvwxyzABS .,'123"; *name; ++name)
      names.push_back(std::string(1, *name));
    for (const char *name : {"▁", "é", "\u0301", "日", "ſ"})
      names.push_back(name);
    return names;
  }

  Names names() const {
    Names all = vocabulary;
    for (auto [left, right] : merges)
      if (!llvm::is_contained(all, left + right))
        all.push_back(left + right);
    for (auto &[name, fields] : added)
      if (!llvm::is_contained(all, name))
        all.push_back(name);
    return all;
  }

  std::string json() const {
    std::string vocab, pairs, tokens;
    Names all = names();
    auto quote = [](const std::string &text) { return llvm::formatv("{0}", llvm::json::Value(text)).str(); };
    for (size_t id = 0; id < all.size(); ++id) {
      auto token = llvm::find_if(added, [&](auto &entry) { return entry.first == all[id]; });
      if (token == added.end() || llvm::is_contained(vocabulary, all[id]))
        vocab += fmt::format("{}{}: {}", vocab.empty() ? "" : ", ", quote(all[id]), id);
      if (token == added.end())
        continue;
      std::string fields = fmt::format(R"("id": {}, "content": {})", id, quote(all[id]));
      for (const char *flag : {"special", "normalized", "lstrip", "rstrip", "single_word"})
        if (token->second.find(fmt::format("\"{}\"", flag)) == std::string::npos)
          fields += fmt::format(R"(, "{}": false)", flag);
      tokens += fmt::format("{}{{{}{}{}}}", tokens.empty() ? "" : ", ", fields,
                            token->second.empty() ? "" : ", ", token->second);
    }
    for (auto &[left, right] : merges)
      pairs += fmt::format("{}[{}, {}]", pairs.empty() ? "" : ", ", quote(left), quote(right));
    return fmt::format(R"({{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [{}],
                          "normalizer": {}, "pre_tokenizer": {}, "post_processor": {}, "decoder": {},
                          "model": {{"type": "BPE", {}{}"vocab": {{{}}}, "merges": [{}]}}}})",
                       tokens, normalizer, preTokenizer, postProcessor, decoder, model,
                       model.empty() ? "" : ", ", vocab, pairs);
  }

  std::unique_ptr<BytePairTokenizer> open() const { return valueOf(parseTokenizerJson(json(), "t.json")); }
};

/// The names of a text's tokens; `special`: with all special tokens recognised.
Names cut(const File &file, const std::string &text, bool special = true) {
  auto tokenizer = file.open();
  Names wanted, all = file.names(), result;
  for (const SpecialToken &token : tokenizer->specials())
    if (special)
      wanted.push_back(token.name);
  std::vector<int32_t> tokens;
  EXPECT_EQ(messageOf(tokenizer->encode(text, wanted, tokens, "text")), "");
  for (int32_t token : tokens)
    result.push_back(all.at(size_t(token)));
  return result;
}

/// Reads a part of a tokenizer.json, all of whose fields must be understood.
template <typename Part> void readPart(Part &made, const std::string &text) {
  llvm::json::Object root = std::move(*valueOf(llvm::json::parse("{\"part\": " + text + "}")).getAsObject());
  JsonPart part = JsonPart::root(root, "t.json");
  made.read(part.part("part"));
  EXPECT_EQ(messageOf(part.takeError()), "");
}

/// The words that a pre-tokenizer makes: letters that stand together merge completely.
Names words(const std::string &preTokenizer, const std::string &text) {
  PreTokenizer made;
  readPart(made, preTokenizer);
  made.finish();
  Names result;
  EXPECT_EQ(messageOf(made.run(text, /*first=*/true,
                               [&](llvm::StringRef word) {
                                 result.push_back(word.str());
                                 return llvm::Error::success();
                               })),
            "");
  return result;
}

std::string normalized(const std::string &normalizer, const std::string &text) {
  Normalizer made;
  readPart(made, normalizer);
  std::string buffer;
  return valueOf(made.run(text, buffer)).str();
}

std::string split(const char *pattern, const char *behavior, bool invert) {
  return fmt::format(R"({{"type": "Split", "pattern": {}, "behavior": "{}", "invert": {}}})", pattern,
                     behavior, invert);
}

//===-- Normalizers ---------------------------------------------------------------===//

TEST(ForeignTokenizer, NormalForms) {
  EXPECT_EQ(normalized(R"({"type": "NFC"})", "e\u0301 \u1100\u1161 a\u0307\u0323"), "é 가 \u1EA1\u0307");
  EXPECT_EQ(normalized(R"({"type": "NFD"})", "é가"), "e\u0301\u1100\u1161");
  EXPECT_EQ(normalized(R"({"type": "NFKC"})", "ﬁ①½e\u0301"), "fi11\u20442é");
  EXPECT_EQ(normalized(R"({"type": "NFKD"})", "éｱ"), "e\u0301ア");
  // Forms are Unicode 9.0's: these came later, and stay (modifier letter, square era name, combining mark).
  EXPECT_EQ(normalized(R"({"type": "NFKC"})", "\U0001E030\u32FFﬁ"), "\U0001E030\u32FFfi");
  EXPECT_EQ(normalized(R"({"type": "NFD"})", "a\u0345\u1DF6é"), "a\u0345\u1DF6e\u0301");
  EXPECT_EQ(normalized(R"({"type": "NFD"})", "a\u0345\u0323"), "a\u0323\u0345");
}

TEST(ForeignTokenizer, NormalizersOfText) {
  EXPECT_EQ(normalized(R"({"type": "Lowercase"})", "AÉİΣ\U00010D50"), "aéi\u0307σ\U00010D70");
  EXPECT_EQ(normalized(R"({"type": "Strip", "strip_left": true, "strip_right": false})", "\u3000 a "), "a ");
  EXPECT_EQ(normalized(R"({"type": "Strip", "strip_left": false, "strip_right": true})", " a\n "), " a");
  EXPECT_EQ(normalized(R"({"type": "Strip"})", " \n"), "");
  EXPECT_EQ(normalized(R"({"type": "StripAccents"})", "e\u0301é"), "eé");
  EXPECT_EQ(normalized(R"({"type": "Prepend", "prepend": "▁"})", "a"), "▁a");
  EXPECT_EQ(normalized(R"({"type": "Prepend", "prepend": "▁"})", ""), "");
  EXPECT_EQ(normalized(R"({"type": "Replace", "pattern": {"String": "."}, "content": "$0"})", "a.b."),
            "a$0b$0");
  EXPECT_EQ(normalized(R"({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "})", "a   b c"),
            "a b c");
  EXPECT_EQ(normalized(R"({"type": "Sequence", "normalizers": []})", " É"), " É");
  EXPECT_EQ(
      normalized(R"({"type": "Sequence", "normalizers": [{"type": "Lowercase"}, {"type": "NFD"}]})", "É"),
      "e\u0301");
  EXPECT_EQ(normalized(R"({"type": "ByteLevel"})", " é"), "ĠÃ©");
}

//===-- Pre-tokenizers ------------------------------------------------------------===//

TEST(ForeignTokenizer, BehaviorsOfSplit) {
  const char *pattern = R"({"Regex": "[,.]"})";
  struct {
    const char *behavior;
    Names plain, inverted;
  } cases[] = {{"Removed", {"ab", "c"}, {",", "."}},
               {"Isolated", {"ab", ",", ".", "c"}, {"ab", ",", ".", "c"}},
               {"MergedWithPrevious", {"ab,", ".", "c"}, {"ab", ",", ".c"}},
               {"MergedWithNext", {"ab", ",", ".c"}, {"ab,", ".", "c"}},
               {"Contiguous", {"ab", ",.", "c"}, {"ab", ",.", "c"}}};
  for (auto &[behavior, plain, inverted] : cases) {
    EXPECT_EQ(words(split(pattern, behavior, false), "ab,.c"), plain) << behavior;
    EXPECT_EQ(words(split(pattern, behavior, true), "ab,.c"), inverted) << behavior;
  }
  EXPECT_EQ(words(split(R"({"String": "."})", "MergedWithPrevious", false), "a.b.."),
            (Names{"a.", "b.", "."}));
}

TEST(ForeignTokenizer, SmallPreTokenizers) {
  EXPECT_EQ(words(R"({"type": "Digits", "individual_digits": true})", "a12½"), (Names{"a", "1", "2", "½"}));
  EXPECT_EQ(words(R"({"type": "Digits", "individual_digits": false})", "a12b"), (Names{"a", "12", "b"}));
  EXPECT_EQ(words(R"({"type": "Punctuation", "behavior": "Isolated"})", "a+b，c"),
            (Names{"a", "+", "b", "，", "c"}));
  EXPECT_EQ(words(R"({"type": "Whitespace"})", "don't  a_b ①"), (Names{"don", "'", "t", "a_b", "①"}));
  EXPECT_EQ(words(R"({"type": "WhitespaceSplit"})", " a, b\u3000c"), (Names{"a,", "b", "c"}));
  EXPECT_EQ(words(R"({"type": "CharDelimiterSplit", "delimiter": "-"})", "a--b"), (Names{"a", "b"}));
}

TEST(ForeignTokenizer, MetaspaceAndWhereATextBegins) {
  auto metaspace = [](const char *scheme, bool cuts) {
    return fmt::format(R"({{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "{}", "split": {}}})",
                       scheme, cuts);
  };
  EXPECT_EQ(words(metaspace("always", true), "a  b"), (Names{"▁a", "▁", "▁b"}));
  EXPECT_EQ(words(metaspace("never", true), "a b"), (Names{"a", "▁b"}));
  EXPECT_EQ(words(metaspace("always", false), " a b"), (Names{"▁a▁b"}));
  // Only what begins the whole text gets the sign.
  File file;
  file.preTokenizer = metaspace("first", false);
  file.added = {{"<x>", R"("special": true)"}};
  EXPECT_EQ(cut(file, "a<x>b"), (Names{"▁", "a", "<x>", "b"}));
  EXPECT_EQ(cut(file, "<x>a b"), (Names{"<x>", "a", "▁", "b"}));
  file.preTokenizer = metaspace("always", false);
  EXPECT_EQ(cut(file, "a<x>b"), (Names{"▁", "a", "<x>", "▁", "b"}));
}

TEST(ForeignTokenizer, ByteLevelAndPatterns) {
  std::string bytes =
      R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false})";
  EXPECT_EQ(words(R"({"type": "ByteLevel", "add_prefix_space": true, "use_regex": true})", "a 12"),
            (Names{" a", " 12"}));
  EXPECT_EQ(words(bytes, "a b"), (Names{"a b"}));
  auto sequence = [&](const char *pattern) {
    return fmt::format(R"({{"type": "Sequence", "pretokenizers": [{}, {}]}})",
                       split(fmt::format(R"({{"Regex": {}}})", pattern).c_str(), "Isolated", false), bytes);
  };
  // Numbers of up to three digits, contractions in both cases, one sign before a word.
  std::string threes = sequence(
      R"("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")");
  EXPECT_EQ(words(threes, "It'S 12345\r\n  $x -- y\n\n"),
            (Names{"It", "'S", " ", "123", "45", "\r\n", " ", " $", "x", " --", " y", "\n\n"}));
  EXPECT_EQ(words(threes, "x'ſ"), (Names{"x", "'ſ"}));
  // Capitals end where small letters have begun.
  std::string cases = sequence(
      R"("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+|\\p{N}{1,3}|\\s+")");
  EXPECT_EQ(words(cases, "HTTPServer's aB日本"), (Names{"HTTPServer's", " a", "B日本"}));
}

//===-- The model -----------------------------------------------------------------===//

TEST(ForeignTokenizer, ByteFallbackAndUnknown) {
  File file;
  file.vocabulary.push_back("<unk>");
  file.model = R"("unk_token": "<unk>")";
  EXPECT_EQ(cut(file, "aXYb"), (Names{"a", "<unk>", "<unk>", "b"}));
  file.model = R"("unk_token": "<unk>", "fuse_unk": true)";
  EXPECT_EQ(cut(file, "aXYbZ"), (Names{"a", "<unk>", "b", "<unk>"}));
  file.model = R"("unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true)";
  for (const char *byte : {"<0xC3>", "<0xBC>"})
    file.vocabulary.push_back(byte);
  EXPECT_EQ(cut(file, "aüb"), (Names{"a", "<0xC3>", "<0xBC>", "b"}));
  // A character falls back as a whole or not at all; what is unknown waits for the next token of the
  // vocabulary.
  EXPECT_EQ(cut(file, "aöb"), (Names{"a", "<unk>", "b"}));
  EXPECT_EQ(cut(file, "öüb"), (Names{"<0xC3>", "<0xBC>", "<unk>", "b"}));
  file.model = R"("byte_fallback": true)";
  std::vector<int32_t> tokens;
  EXPECT_CONTAINS(messageOf(file.open()->encode("a\n日ö", tokens, "text")),
                  "text:1: the tokenizer has no token for '\\n'");
  EXPECT_CONTAINS(messageOf(file.open()->encode("a\xff", tokens, "text")), "text:1: not valid UTF-8");
}

TEST(ForeignTokenizer, MergesOfCharacters) {
  File file;
  file.normalizer = R"({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})";
  file.merges = {{"▁", "t"}, {"h", "e"}, {"▁t", "he"}, {"▁", "▁"}, {"a", "b"}, {"b", "c"}};
  // No word is cut out, and yet none of what merges is missed where a text is cut into pieces.
  EXPECT_EQ(cut(file, "abc the   thee"), (Names{"ab", "c", "▁the", "▁▁", "▁the", "e"}));
  std::string longText;
  Names expected;
  for (int i = 0; i < 5000; ++i) {
    longText += " the";
    expected.push_back("▁the");
  }
  EXPECT_EQ(cut(file, longText), expected);
  // One word of 200 000 characters that all may merge.
  File run;
  run.merges = {{"a", "a"}, {"aa", "aa"}};
  EXPECT_EQ(cut(run, std::string(200001, 'a')).size(), 50001u);
}

TEST(ForeignTokenizer, IgnoreMerges) {
  File file;
  file.preTokenizer = R"({"type": "WhitespaceSplit"})";
  file.merges = {{"b", "c"}, {"a", "b"}};
  file.vocabulary.push_back("abc"); // a token that no merge makes
  EXPECT_EQ(cut(file, "abc abcd"), (Names{"a", "bc", "a", "bc", "d"}));
  file.model = R"("ignore_merges": true)";
  EXPECT_EQ(cut(file, "abc abcd"), (Names{"abc", "a", "bc", "d"}));
  // Not so where the token is special: text stays text.
  file.added = {{"abc", R"("special": true)"}};
  EXPECT_EQ(cut(file, "abc", false), (Names{"a", "bc"}));
  EXPECT_EQ(cut(file, "abc", true), (Names{"abc"}));
  File merged;
  merged.merges = {{"a", "b"}};
  merged.vocabulary.push_back("ab");
  merged.added = {{"ab", R"("special": true)"}};
  EXPECT_EQ(cut(merged, "ab", false), (Names{"a", "b"}));
}

TEST(ForeignTokenizer, HolesInTheNumbering) {
  std::string text = R"({"added_tokens": [], "model": {"vocab": {"a": 0, "b": 3, "ab": 9}, "merges": ["a b"]},
                         "decoder": {"type": "Fuse"}})";
  auto tokenizer = valueOf(parseTokenizerJson(text, "t.json"));
  EXPECT_EQ(tokenizer->vocabulary(), 10);
  std::vector<int32_t> tokens;
  EXPECT_EQ(messageOf(tokenizer->encode("abb", tokens, "text")), "");
  EXPECT_EQ(tokens, (std::vector<int32_t>{9, 3}));
  EXPECT_EQ(tokenizer->decode({0, 5, 9}), "aab");
  EXPECT_EQ(tokenizer->decode({0, 10}), "a\uFFFD");
  // The library would number this one otherwise than the file says.
  size_t list = text.find("[]");
  text.replace(list, 2, R"([{"id": 12, "content": "<x>", "special": true}])");
  EXPECT_CONTAINS(messageOf(parseTokenizerJson(text, "t.json")),
                  "added_tokens: the token '<x>' has the number 12, but behind the vocabulary, in the order "
                  "of the file, it is 3");
}

//===-- Added tokens --------------------------------------------------------------===//

TEST(ForeignTokenizer, SpecialTokensAndText) {
  File file;
  file.vocabulary.insert(file.vocabulary.end(), {"<", ">"});
  file.added = {{"<s>", R"("special": true)"}, {"<s", ""}, {"<sb>", ""}};
  EXPECT_EQ(cut(file, "a<s>b<sb><s", true), (Names{"a", "<s>", "b", "<sb>", "<s"}));
  // What a special token's name covers is text, all of it.
  EXPECT_EQ(cut(file, "a<s>b<sb>", false), (Names{"a", "<", "s", ">", "b", "<sb>"}));
}

TEST(ForeignTokenizer, WhiteSpaceBesideAddedTokens) {
  File file;
  file.added = {{"<l>", R"("lstrip": true)"}, {"<r>", R"("rstrip": true)"}, {"ab", R"("single_word": true)"}};
  EXPECT_EQ(cut(file, "a  <l> b"), (Names{"a", "<l>", " ", "b"}));
  EXPECT_EQ(cut(file, "a <r>\u3000\n b"), (Names{"a", " ", "<r>", "b"}));
  EXPECT_EQ(cut(file, "<r>  <l>"), (Names{"<r>", "<l>"}));
  EXPECT_EQ(cut(file, "ab abc.ab éab"), (Names{"ab", " ", "a", "b", "c", ".", "ab", " ", "é", "a", "b"}));
  EXPECT_EQ(cut(file, "ab\u0301"), (Names{"a", "b", "\u0301"}));
}

TEST(ForeignTokenizer, NormalizedAddedTokens) {
  File file;
  file.normalizer = R"({"type": "Lowercase"})";
  file.added = {{"XY", R"("normalized": true)"}, {"QR", R"("normalized": false)"}};
  EXPECT_EQ(cut(file, "xyXYxY"), (Names{"XY", "XY", "XY"}));
  EXPECT_EQ(cut(file, "qrQRb"), (Names{"q", "r", "QR", "b"}));
  // Decoded it is what it was looked for as.
  file.decoder = R"({"type": "Fuse"})";
  auto tokenizer = file.open();
  std::vector<int32_t> tokens;
  EXPECT_EQ(messageOf(tokenizer->encode("XYQR", tokens, "text")), "");
  EXPECT_EQ(tokenizer->decode(tokens), "xyQR");
}

// The library takes any of the two.
TEST(ForeignTokenizer, AddedTokensThatAreTheSameNormalized) {
  File file;
  file.normalizer = R"({"type": "Lowercase"})";
  file.added = {{"XY", R"("normalized": true)"}, {"xY", R"("normalized": true)"}};
  EXPECT_CONTAINS(messageOf(parseTokenizerJson(file.json(), "t.json")),
                  "t.json: added_tokens: the tokens 'XY' and 'xY' are both 'xy' after the normalizer");
  file.added[1].second = "";
  EXPECT_EQ(cut(file, "xYxy"), (Names{"xY", "XY"}));
  file.normalizer = R"({"type": "Replace", "pattern": {"String": "XY"}, "content": ""})";
  EXPECT_CONTAINS(messageOf(parseTokenizerJson(file.json(), "t.json")),
                  "added_tokens: the normalizer leaves nothing of the token 'XY'");
}

//===-- Begin, end, decoders ------------------------------------------------------===//

TEST(ForeignTokenizer, Frames) {
  File file;
  std::string byTemplate = R"({"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "B", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
               {"SpecialToken": {"id": "E", "type_id": 0}}],
    "pair": [], "special_tokens": {"B": {"id": "B", "ids": [26, 27], "tokens": ["A", "B"]},
                                   "E": {"id": "E", "ids": [28], "tokens": ["S"]}}})";
  file.postProcessor = byTemplate;
  EXPECT_EQ(file.open()->frame().begin, (std::vector<int32_t>{26, 27}));
  EXPECT_EQ(file.open()->frame().end, (std::vector<int32_t>{28}));
  std::string roberta =
      R"({"type": "RobertaProcessing", "cls": ["a", 0], "sep": ["b", 1], "trim_offsets": true})";
  file.postProcessor = fmt::format(
      R"({{"type": "Sequence", "processors": [{{"type": "ByteLevel"}}, {}, {}]}})", roberta, byTemplate);
  EXPECT_EQ(file.open()->frame().begin, (std::vector<int32_t>{26, 27, 0}));
  EXPECT_EQ(file.open()->frame().end, (std::vector<int32_t>{1, 28}));
  file.postProcessor =
      R"({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "B"}}], "special_tokens": {}})";
  EXPECT_CONTAINS(messageOf(parseTokenizerJson(file.json(), "t.json")),
                  "post_processor.single[0].Sequence.id: \"B\"");
  file.postProcessor =
      R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "X"}}], "special_tokens": {}})";
  EXPECT_CONTAINS(messageOf(parseTokenizerJson(file.json(), "t.json")),
                  "post_processor.special_tokens.X: nothing");
}

/// The text of tokens given by name, and the same token by token.
std::string decoded(const File &file, const Names &tokens) {
  auto tokenizer = file.open();
  Names names = file.names();
  std::vector<int32_t> ids;
  for (const std::string &token : tokens)
    ids.push_back(int32_t(llvm::find(names, token) - names.begin()));
  StreamDecoder stream(*tokenizer);
  std::string streamed, text = tokenizer->decode(ids);
  for (int32_t id : ids)
    streamed += stream.push(id);
  EXPECT_EQ(streamed + stream.finish(), text);
  return text;
}

TEST(ForeignTokenizer, Decoders) {
  File file;
  file.vocabulary.insert(file.vocabulary.end(), {"<0xE2>", "<0x82>", "<0xAC>", "▁a", "▁▁", "Ġ", "Ã", "©"});
  EXPECT_EQ(decoded(file, {"a", "b"}), "a b"); // no decoder: a blank between tokens
  std::string llama = R"({"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
      {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})";
  file.decoder = llama;
  EXPECT_EQ(decoded(file, {"▁a", "b", "▁a"}), "ab a");
  EXPECT_EQ(decoded(file, {"▁▁", "a"}), " a");
  EXPECT_EQ(decoded(file, {"a", "<0xE2>", "<0x82>", "<0xAC>"}), "a€");
  // Bytes in a row that are no text are one sign each.
  EXPECT_EQ(decoded(file, {"<0xE2>", "a"}), "\uFFFDa");
  EXPECT_EQ(file.open()->decode({int32_t(file.vocabulary.size()) - 8, int32_t(file.vocabulary.size()) - 7}),
            "\uFFFD\uFFFD");
  file.decoder = R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true})";
  EXPECT_EQ(decoded(file, {"▁▁", "b", "▁a"}), "b a"); // all signs of the first token
  file.decoder = R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never"})";
  EXPECT_EQ(decoded(file, {"▁a", "▁a"}), " a a");
  file.decoder = R"({"type": "ByteLevel"})";
  EXPECT_EQ(decoded(file, {"Ġ", "Ã", "©"}), " é");
  EXPECT_EQ(decoded(file, {"日"}), "日"); // no symbol: as it is
  EXPECT_EQ(file.open()->decode({int32_t(file.vocabulary.size()) - 2}), "\uFFFD");
  file.decoder =
      R"({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 0, "stop": 1}]})";
  EXPECT_CONTAINS(messageOf(parseTokenizerJson(file.json(), "t.json")),
                  "decoder: a Strip with 'stop' behind Fuse");
}

// A run keeps the file byte for byte.
TEST(ForeignTokenizer, IsSavedAsItIs) {
  File file;
  file.normalizer = R"({"type": "NFC"})";
  file.added = {{"<s>", R"("special": true)"}};
  std::string text = file.json();
  auto loaded = valueOf(loadTokenizer(file.open()->save(), "config.json"));
  EXPECT_EQ(loaded->save().getString("text"), llvm::StringRef(text));
  EXPECT_EQ(loaded->special("<s>"), int32_t(file.names().size()) - 1);
}

} // namespace
