#include "test_support.h"

#include "runtime/sampler.h"
#include "runtime/tokenizer.h"
#include "runtime/utf8.h"

#include <cmath>

using namespace gptc::runtime;

namespace {

std::unique_ptr<Tokenizer> chars(const std::string &text) {
  return valueOf(makeTokenizer("chars", {}, text, "text"));
}

TEST(Tokenizer, CharactersRoundTrip) {
  std::string text = "hello\nwörld €𝄞";
  auto tokenizer = chars(text);
  EXPECT_EQ(tokenizer->vocabulary(), 12);
  std::vector<int32_t> tokens;
  ASSERT_EQ(messageOf(tokenizer->encode(text, tokens, "text")), "");
  EXPECT_EQ(tokens.size(), 14u);
  EXPECT_EQ(tokens[5], 0);   // the line end is the lowest code point
  EXPECT_EQ(tokens[13], 11); // U+1D11E is the highest
  EXPECT_EQ(tokenizer->decode(tokens), text);
  auto again = valueOf(loadTokenizer(tokenizer->save(), "config.json"));
  std::vector<int32_t> same;
  ASSERT_EQ(messageOf(again->encode(text, same, "text")), "");
  EXPECT_EQ(same, tokens);
}

TEST(Tokenizer, UnknownCharactersAreNamed) {
  auto tokenizer = chars("abc\n");
  std::vector<int32_t> tokens;
  std::string message = messageOf(tokenizer->encode("abc\nabéc", tokens, "prompt"));
  EXPECT_CONTAINS(message,
                  "prompt:2:3: character 'é' (U+00E9) is not in the alphabet of 4 characters: \\nabc");
  EXPECT_CONTAINS(messageOf(tokenizer->encode("a\x1b", tokens, "prompt")), "(U+001B)");
}

TEST(Tokenizer, InvalidUtf8HasAPlace) {
  auto tokenizer = chars("abc\n");
  std::vector<int32_t> tokens;
  EXPECT_CONTAINS(messageOf(tokenizer->encode("ab\nc\xff", tokens, "t.txt")),
                  "t.txt:2: not valid UTF-8: byte 0xff at offset 4");
  for (const char *bad :
       {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x9f\x98"})
    EXPECT_CONTAINS(messageOf(makeTokenizer("chars", {}, bad, "t")), "not valid UTF-8") << bad;
  EXPECT_CONTAINS(messageOf(makeTokenizer("chars", {}, "", "t")), "empty");
}

TEST(Tokenizer, OtherKinds) {
  auto ids = valueOf(makeTokenizer("ids", {"50257"}, "", "t"));
  std::vector<int32_t> tokens;
  ASSERT_EQ(messageOf(ids->encode("0 17\n50256\n", tokens, "t")), "");
  EXPECT_EQ(tokens, (std::vector<int32_t>{0, 17, 50256}));
  EXPECT_CONTAINS(messageOf(ids->encode("1\n50257", tokens, "t")), "t:2:1: 50257 is not between 0 and 50256");
  EXPECT_CONTAINS(messageOf(ids->encode("1 x", tokens, "t")), "'x' is not a number");
  EXPECT_EQ(ids->decode({0, 17, 50256}), "0 17 50256");
  // What follows other ids keeps a distance from them, too.
  StreamDecoder begins(*ids), follows(*ids, /*begins=*/false);
  std::string first = begins.push(5), second = follows.push(5);
  EXPECT_EQ(first + begins.push(6), "5 6");
  EXPECT_EQ(second + follows.push(6), " 5 6");
  EXPECT_EQ(valueOf(makeTokenizer("alphabet", {"cba"}, "", "t"))->decode({0, 1, 2}), "abc");
  EXPECT_CONTAINS(messageOf(makeTokenizer("words", {"8000"}, "", "t")), "no tokenizer 'words'");
  EXPECT_CONTAINS(messageOf(makeTokenizer("ids", {}, "", "t")), "takes 1 arguments");
  EXPECT_CONTAINS(messageOf(loadTokenizer(llvm::json::Object{{"kind", "x"}}, "config.json")), "config.json");
}

TEST(Tokenizer, PartsHaveTheirPlaceInTheWhole) {
  llvm::StringRef whole = "ab\na\xff\nax\n1 y";
  std::vector<int32_t> tokens;
  auto letters = chars("ab\n");
  EXPECT_CONTAINS(messageOf(letters->encodePart(whole.slice(3, 5), whole, tokens, "t")),
                  "t:2: not valid UTF-8: byte 0xff at offset 4");
  EXPECT_CONTAINS(messageOf(letters->encodePart(whole.slice(6, 8), whole, tokens, "t")), "t:3:2: character 'x'");
  auto ids = valueOf(makeTokenizer("ids", {"9"}, "", "t"));
  EXPECT_CONTAINS(messageOf(ids->encodePart(whole.substr(9), whole, tokens, "t")), "t:4:3: 'y' is not a number");
}

/// A token is one byte, so that characters come in parts.
class Bytes : public Tokenizer {
public:
  llvm::StringRef kind() const override { return "bytes"; }
  int64_t vocabulary() const override { return 256; }
  llvm::Error encodePart(llvm::StringRef part, llvm::StringRef, std::vector<int32_t> &tokens,
                         llvm::StringRef) const override {
    for (unsigned char c : part)
      tokens.push_back(c);
    return llvm::Error::success();
  }
  void append(std::string &bytes, int32_t token) const override { bytes += char(token); }
  llvm::json::Object save() const override { return llvm::json::Object(); }
};

TEST(Tokenizer, NeverHalfACharacter) {
  Bytes bytes;
  std::string text = "aé€𝄞z", out;
  StreamDecoder decoder(bytes);
  for (unsigned char c : text) {
    std::string piece = decoder.push(c);
    EXPECT_EQ(messageOf(checkUtf8(piece, "piece")), "");
    out += piece;
  }
  EXPECT_EQ(out + decoder.finish(), text);
  StreamDecoder broken(bytes);
  EXPECT_EQ(broken.push(0xE2), "");
  EXPECT_EQ(broken.push('x'), "\uFFFDx"); // the start is given up, the rest is kept
  EXPECT_EQ(broken.push(0xF0), "");
  EXPECT_EQ(broken.finish(), "\uFFFD");
}

//===-- Sampling ------------------------------------------------------------------===//

TEST(Sampler, GreedyAtTemperatureZero) {
  SamplingOptions options;
  options.temperature = 0;
  Sampler sampler(options, 4);
  float logits[] = {1, 3, 3, -INFINITY};
  EXPECT_EQ(valueOf(sampler.sample(reinterpret_cast<char *>(logits), DType::F32, 0)), 1);
  double doubles[] = {1, 3, 3.0000000001, 0};
  EXPECT_EQ(valueOf(sampler.sample(reinterpret_cast<char *>(doubles), DType::F64, 0)), 2);
}

std::vector<int> counts(const SamplingOptions &options, std::vector<float> logits, int samples) {
  Sampler sampler(options, int64_t(logits.size()));
  std::vector<int> counted(logits.size());
  for (int i = 0; i < samples; ++i)
    ++counted[size_t(
        valueOf(sampler.sample(reinterpret_cast<char *>(logits.data()), DType::F32, uint64_t(i))))];
  return counted;
}

TEST(Sampler, FollowsTheDistribution) {
  // Chi-square with 4 degrees of freedom: 18.47 is passed once in a thousand;
  // the seed is fixed, so the test is not.
  std::vector<float> logits = {0, 1, 2, -1, 0.5f};
  for (double temperature : {0.5, 1.0, 2.0}) {
    SamplingOptions options;
    options.temperature = temperature;
    options.seed = 7;
    const int samples = 50000;
    std::vector<int> counted = counts(options, logits, samples);
    double total = 0, chi = 0;
    for (float logit : logits)
      total += std::exp(logit / temperature);
    for (size_t i = 0; i < logits.size(); ++i) {
      double expected = samples * std::exp(logits[i] / temperature) / total;
      chi += (counted[i] - expected) * (counted[i] - expected) / expected;
    }
    EXPECT_LT(chi, 18.47) << temperature;
  }
}

TEST(Sampler, TopKAndTopP) {
  SamplingOptions options;
  options.topK = 2;
  auto counted = counts(options, {0, 1, 2, -1, 1}, 2000);
  EXPECT_EQ(counted[0] + counted[3] + counted[4], 0); // of equal ones, the first
  EXPECT_GT(counted[1], 400);
  EXPECT_GT(counted[2], 1200);
  options = {};
  options.topP = 0.6; // probabilities 0.5, 0.25, 0.125, 0.125
  counted = counts(options, {std::log(4.0f), std::log(2.0f), 0, 0}, 2000);
  EXPECT_EQ(counted[2] + counted[3], 0);
  EXPECT_NEAR(counted[0], 1333, 100);
  options.topP = 1e-9;
  EXPECT_EQ(counts(options, {0, 1, 2}, 100)[2], 100);
  EXPECT_EQ(counts({}, {-INFINITY, 0, -INFINITY}, 100)[1], 100);
}

TEST(Sampler, SeededByCounter) {
  SamplingOptions options;
  options.seed = 3;
  std::vector<float> logits(50, 0.0f);
  Sampler a(options, 50), b(options, 50);
  options.seed = 4;
  Sampler c(options, 50);
  int differ = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    auto at = [&](Sampler &sampler) {
      return valueOf(sampler.sample(reinterpret_cast<char *>(logits.data()), DType::F32, i));
    };
    EXPECT_EQ(at(a), at(b));
    differ += at(a) != at(c);
  }
  EXPECT_GT(differ, 80);
}

TEST(Sampler, Errors) {
  Sampler sampler({}, 2);
  float nan[] = {0, NAN}, none[] = {-INFINITY, -INFINITY};
  EXPECT_CONTAINS(messageOf(sampler.sample(reinterpret_cast<char *>(nan), DType::F32, 0)),
                  "token 1 is not finite");
  EXPECT_CONTAINS(messageOf(sampler.sample(reinterpret_cast<char *>(none), DType::F32, 0)),
                  "no token is possible");
  SamplingOptions options;
  options.temperature = -1;
  EXPECT_CONTAINS(messageOf(options.check()), "temperature");
  options = {};
  options.topP = 0;
  EXPECT_CONTAINS(messageOf(options.check()), "top-p");
  options = {};
  options.topK = -1;
  EXPECT_CONTAINS(messageOf(options.check()), "top-k");
}

} // namespace
