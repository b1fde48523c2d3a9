// The tokenizers that a data declaration can name.
#include "unit/frontend/model_fixture.h"

using namespace gptc;
using namespace gptc::test;

namespace {

struct Declared {
  DataSpec spec;
  std::string errors, typed;

  explicit Declared(const std::string &tokenizer, int64_t vocabulary = 0, const std::string &file = "m.gpt") {
    SourceManager sources;
    AnalyseOptions options;
    if (vocabulary)
      options.facts.sizes["vocabulary"] = vocabulary;
    Diagnostics diagnostics(sources);
    int32_t number = sources.add(file, "text token[t < 8]: " + tokenizer +
                                           "\nparam e[vocabulary, 2] ~ normal(1)\n"
                                           "let y[t, c] = e[token[t], c]\noutput y\n");
    std::unique_ptr<Model> model = analyse(sources, number, options, diagnostics);
    errors = diagnostics.render(false);
    if (!model)
      return;
    spec = model->data();
    typed = model->printTyped();
  }
};

TEST(Tokenizers, SizesWithoutData) {
  EXPECT_TRUE(has(Declared("bpe(1000)").typed, "param e: float[vocabulary=1000, 2]"));
  EXPECT_TRUE(has(Declared("pieces(\"un\", \"forget\")").typed, "vocabulary=258"));
  EXPECT_TRUE(has(Declared("alphabet(\"aébaé\")").typed, "vocabulary=3"));
  EXPECT_TRUE(has(Declared("ids(50257)").typed, "vocabulary=50257"));
  EXPECT_TRUE(has(Declared("chars").typed, "vocabulary=256"));
  EXPECT_TRUE(has(Declared("tokenizer(\"t.json\")").typed, "vocabulary=256"));
}

TEST(Tokenizers, DataTellMore) {
  EXPECT_TRUE(has(Declared("bpe(1000)", 283).typed, "vocabulary=283"));
  EXPECT_TRUE(has(Declared("chars", 65).typed, "vocabulary=65"));
  EXPECT_TRUE(has(Declared("tokenizer(\"t.json\")", 777).typed, "vocabulary=777"));
}

TEST(Tokenizers, Arguments) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(Declared("pieces(\"un\", \"forget\")").spec.tokenizerArguments, (Words{"un", "forget"}));
  EXPECT_EQ(Declared("bpe(2 * 500)").spec.tokenizerArguments, Words{"1000"});
  // A path starts where the model file is.
  EXPECT_EQ(Declared("tokenizer(\"t.json\")").spec.tokenizerArguments, Words{"t.json"});
  EXPECT_EQ(Declared("tokenizer(\"t.json\")", 9, "a/b/m.gpt").spec.tokenizerArguments, Words{"a/b/t.json"});
  EXPECT_EQ(Declared("tokenizer(\"/x/t.json\")", 9, "a/m.gpt").spec.tokenizerArguments, Words{"/x/t.json"});
}

TEST(Tokenizers, Errors) {
  EXPECT_TRUE(has(Declared("words").errors, "m.gpt:1:20: error: unknown tokenizer 'words'"));
  EXPECT_TRUE(
      has(Declared("words").errors, "bpe(8000), pieces(\"un\", \"forget\"), tokenizer(\"tokenizer.json\")"));
  EXPECT_TRUE(has(Declared("bpe").errors, "'bpe' takes the number of tokens, here none is given"));
  EXPECT_TRUE(has(Declared("bpe(500, 600)").errors, "'bpe' takes the number of tokens, here 2 are given"));
  EXPECT_TRUE(has(Declared("bpe(\"500\")").errors, "'bpe' takes a number"));
  EXPECT_TRUE(has(Declared("bpe(size: 500)").errors, "'bpe' takes a number"));
  EXPECT_TRUE(
      has(Declared("bpe(100)").errors, "m.gpt:1:24: error: a byte-pair vocabulary of 100 has no room"));
  EXPECT_TRUE(has(Declared("pieces").errors, "'pieces' takes at least one piece, here none is given"));
  EXPECT_TRUE(has(Declared("pieces(\"a\", 5)").errors, "m.gpt:1:32: error: 'pieces' takes text in quotes"));
  EXPECT_TRUE(has(Declared("tokenizer(5)").errors, "'tokenizer' takes text in quotes"));
  EXPECT_TRUE(has(Declared("chars(5)").errors, "'chars' takes no arguments, here 1 is given"));
  EXPECT_TRUE(has(Declared("alphabet").errors, "write `alphabet(\"abc\")`"));
}

} // namespace
