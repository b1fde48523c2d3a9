// Facts that analysis gives to the runtime, and the errors that users see.
#include "unit/frontend/model_fixture.h"

using namespace gptc;
using namespace gptc::test;

TEST(Analyse, DataOfRows) {
  Analysed m("rows x[2] = standardise(a, b), y = class(kind: leaf, flower)\noutput x\n");
  ASSERT_TRUE(m.model) << m.errors;
  const DataSpec &data = m.model->data();
  EXPECT_EQ(data.kind, DataSpec::Rows);
  ASSERT_EQ(data.columns.size(), 2u);
  EXPECT_TRUE(data.columns[0].standardise);
  EXPECT_EQ(data.columns[0].sources, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(data.columns[1].isClass);
  EXPECT_EQ(data.columns[1].sources, std::vector<std::string>{"kind"});
  EXPECT_EQ(data.columns[1].classes, (std::vector<std::string>{"leaf", "flower"}));
}

TEST(Analyse, DataOfTextBeforeTheVocabularyIsKnown) {
  SourceManager sources;
  AnalyseOptions options;
  options.overrides["context"] = "32";
  Diagnostics diagnostics(sources);
  int32_t file =
      sources.add("m.gpt", "setting context = 64\ntext token[t < context]: ids(100)\nlet y = nothing\n");
  DataSpec data = dataSpec(sources, file, options, diagnostics);
  EXPECT_FALSE(diagnostics.hasErrors());
  EXPECT_EQ(data.kind, DataSpec::Text);
  ASSERT_EQ(data.streams.size(), 1u);
  EXPECT_EQ(data.streams[0].bound, 32);
  EXPECT_EQ(data.streams[0].extent, "t");
  EXPECT_EQ(data.tokenizer, "ids");
  EXPECT_EQ(data.tokenizerArguments, std::vector<std::string>{"100"});
}

TEST(Analyse, SettingsAndOverrides) {
  Analysed m("setting n = 3, k = 2 * n\nrows x[3] = columns(a, b, c)\nlet y[i < k] = x[i - 1]\noutput y\n"
             "param w = 1\nloss mean(i: x[i] * w)\n"
             "train { batch: all, steps: 10, optimizer: adamw(lr: 0.1, betas: (0.9, 0.95)) }\n",
             {{"k", "2"}, {"steps", "20"}});
  ASSERT_TRUE(m.model) << m.errors;
  EXPECT_EQ(m.model->settings()[1].value, 2);
  EXPECT_TRUE(m.model->settings()[1].overridden);
  EXPECT_EQ(m.model->train().at("steps").number, 20);
  EXPECT_EQ(m.model->train().at("batch").word, "all");
  const ConfigValue &optimizer = m.model->train().at("optimizer");
  EXPECT_EQ(optimizer.word, "adamw");
  EXPECT_EQ(optimizer.arguments[1].second.arguments[1].second.number, 0.95);
}

TEST(Analyse, NamesOfCheckpoints) {
  Analysed m("text token[t < 8]: chars\nparam e[vocabulary, 8] ~ normal(1)\nlet x[t, c] = e[token[t], c]\n"
             "block B(heads) (x[t, c]) -> [t, c] { x + Attention(heads, causal, bias: false)(x, x) }\n"
             "repeat blocks[2] { x = B(2)(x) }\noutput x\n");
  ASSERT_TRUE(m.model) << m.errors;
  EXPECT_TRUE(has(m.model->printTyped(), "param blocks.attention.project.w: 2 x float[c=8, n=8]"));
}

struct Case {
  const char *text;                // what the user wrote
  std::vector<const char *> parts; // what stands in the error
};

class Errors : public testing::TestWithParam<Case> {};

TEST_P(Errors, Say) {
  Analysed m(GetParam().text);
  EXPECT_FALSE(m.model);
  for (const char *part : GetParam().parts)
    EXPECT_TRUE(has(m.errors, part));
}

#define ROWS "rows x[4] = columns(a, b, c, d), k = class(kind: p, q)\n"

INSTANTIATE_TEST_SUITE_P(
    Analyse, Errors,
    testing::Values(
        Case{ROWS "let y = relu(xx)\n", {"m.gpt:2:14: error: unknown name 'xx'", "did you mean 'x'?"}},
        Case{ROWS "let y[i] = softmx(i: x[i])\n", {"unknown function or block 'softmx'", "'softmax'"}},
        Case{ROWS "param w[5, 3] ~ normal(1)\nlet h[j] = sum(i: x[i] * w[i, j])\noutput h\n",
             {"index 'i' has 4 values in 'x', but 5 here, in 'w'",
              "m.gpt:1:8: note: the 4 of 'x' is declared here",
              "m.gpt:2:9: note: the 5 of 'w' is declared here"}},
        Case{ROWS "let h[j] = x[j, j]\n", {"'x' has 1 dimension, [i=4], but 2 indices are written here"}},
        Case{ROWS "let h[j] = x\n", {"still has dimensions of its own, [i=4]"}},
        Case{ROWS "let z[j: 2] = x[..] * 2\n", {"m.gpt:2:17: error: '..' brings dimensions that 'z' does not declare: i",
                                                "`let z[.., j: 2] = ...`"}},
        Case{ROWS "let h[j: 4] = x[0] * float(j)\nrepeat deep[2] {\n  let g[j: 4] = h[..] * 2\n  h = g\n}\noutput h\n",
             {"'..' brings dimensions that 'g' does not declare: j"}},
        Case{ROWS "block B (h[i, k]) -> [j] {\n  let g[j: 4] = sum(k: h[.., k])\n  g\n}\nb = B()\n"
                  "let h[i: 4, k: 4] = x[i] * x[k]\nlet y = b(h)\noutput y\n",
             {"'..' brings dimensions that 'g' does not declare: i"}},
        Case{ROWS "let h[j] = x[j - 1]\n", {"the range of index 'j' cannot be inferred", "`j: 3`"}},
        Case{ROWS "let h[i] = x[j]\n", {"unknown index 'j'"}},
        Case{ROWS "let a = x + (x > 0)\n", {"'+' needs numbers, this is a truth value"}},
        Case{ROWS "let a = where(x, 1, 2)\n", {"'where' needs a truth value here, this is float"}},
        Case{ROWS "let a = k + 0.5\n", {"an integer tensor does not become a float by itself", "float(...)"}},
        Case{ROWS "let a[i] = x[x[i]]\n", {"an index is an integer, this is float"}},
        Case{ROWS "let a = x[7]\n", {"index 7 lies outside of 'x', whose dimension has 4 values"}},
        Case{ROWS "param w[1] = 0\nlet a = w[k]\n", {"go from 0 to 1, but 'w' has 1 here"}},
        Case{ROWS "let p = softmax(i: x[i])\n", {"is a function of 'i', and there is no such index here"}},
        Case{ROWS "let r = sum(x)\n", {"'sum' needs the indices that it runs over"}},
        Case{ROWS "let a = Linear()(x)\n", {"block 'Linear' also needs its setting 'n'"}},
        Case{ROWS "let a = Linear(3, bia: 0)(x)\n", {"block 'Linear' has no setting 'bia'"}},
        Case{ROWS "let a = Linear(3)(x, x)\n", {"'Linear' takes 1 input, here are 2"}},
        Case{ROWS "let a = Linear(3) + x\n", {"'+' needs numbers, this is a block"}},
        Case{"param w[2, 3] = 0, v[2, 4] = 0\nblock B() (a[t, c], b[t, c]) { a + b }\nlet y = B()(w, v)\n",
             {"dimension 'c' of 'b' is 4 here, but 3 is needed", "m.gpt:2:17: note"}},
        Case{ROWS "block B() (a[c]) -> [2 * c] { a }\nlet y = B()(x)\n",
             {"the result of 'B' has 4 where 8 is declared", "in 'B', used here"}},
        Case{ROWS "param w[5, 4] = 0\nlet y = Attention(3, causal)(w, w)\n",
             {"a size is a positive integer, 'd' is 1.33333", "in 'Attention', used here"}},
        Case{ROWS "let y = x * 2\nrepeat blocks[3] { y = Linear(5)(y) }\n",
             {"'y' comes into the repeat as float [i=4] and leaves as float [j=5]"}},
        Case{ROWS "let y = x\nrepeat blocks[3] { let z = y }\n", {"this repeat changes nothing"}},
        Case{ROWS "def f(u) = f(u) + 1\nlet y = f(x)\n", {"this expands without end"}},
        Case{ROWS "loss x\n", {"the loss is one number, this is a value with dimensions [i=4]"}},
        Case{ROWS "loss x[0]\nloss x[1]\n", {"a model has one loss", "it is given here already"}},
        Case{ROWS "loss mean(i: x[i]) + x[0]\n", {"joins a mean over the batch with a value of one example"}},
        Case{ROWS "train { optimizer: adam(1) }\n", {"unknown optimizer"}},
        Case{ROWS "train { steps: 0.5, optimizer: sgd(1) }\n", {"'steps' is an integer, 0 for none, not 0.5"}},
        Case{ROWS "train { step: 3, optimizer: sgd(1) }\n", {"'step' is no setting of train"}},
        Case{ROWS "train { optimizer: sgd(x[0]) }\n", {"the learning rate depends on `step` only"}},
        Case{ROWS "setting a = 1\nsetting a = 2\n", {"'a' is defined twice", "it is defined here already"}},
        Case{ROWS "param w[d] = 0\n", {"unknown size 'd'"}},
        Case{ROWS "param w[3] = [1, 2]\n", {"parameter 'w' is [3], but its initial value is [i=2]"}},
        Case{ROWS "param w[3] ~ gauss(1)\n", {"expected a distribution after '~'"}},
        Case{ROWS "param w[3]\n", {"parameter 'w' has no initial value"}},
        Case{"rows x[3] = columns(a, b)\n",
             {"'x' has room for 3 numbers, but 2 are given", "declare `x[2]`"}},
        Case{"text token[t]: chars\n", {"a text has one dimension, with its length"}},
        Case{"text token[t < 4]: words\n", {"unknown tokenizer 'words'"}},
        Case{"use \"none.gpt\"\n", {"m.gpt:1:1: error: cannot read 'none.gpt'", "blocks.gpt, functions.gpt"}},
        Case{"rows x[6] = columns(a, b, c, d, e, f)\nlet y[i < 4, j] = x[(i j)]\n",
             {"(i j) has a multiple of 4 values, but 'x' has 6 here"}}));

TEST(Analyse, SeveralErrorsInOneRun) {
  Analysed m(ROWS "let a = one\nlet b = two\nlet c = a + b\n");
  EXPECT_TRUE(has(m.errors, "'one'"));
  EXPECT_TRUE(has(m.errors, "'two'"));
  EXPECT_EQ(m.errors.find("'c'"), std::string::npos);
}

TEST(Analyse, UnknownOverride) {
  Analysed m("setting width = 4\nrows x[4] = columns(a, b, c, d)\noutput x\n", {{"widht", "8"}});
  EXPECT_FALSE(m.model);
  EXPECT_TRUE(has(m.errors, "the model has no setting 'widht'"));
  EXPECT_TRUE(has(m.errors, "its settings are width"));
}

TEST(Analyse, OverrideThatIsNoNumber) {
  Analysed m("setting width = 4\nrows x[width] = columns(a, b, c, d)\noutput x\n", {{"width", "wide"}});
  EXPECT_TRUE(has(m.errors, "setting 'width' cannot be 'wide': it is a number"));
}
