#include "frontend/parser.h"

#include <gtest/gtest.h>

using namespace gptc;

namespace {

struct Parsed {
  SourceManager sources;
  Diagnostics diagnostics{sources};
  ast::File file;
  explicit Parsed(std::string text) : file(parse(sources, sources.add("m.gpt", std::move(text)), diagnostics)) {}
  std::string errors() { return diagnostics.render(false); }
};

std::string printed(const std::string &text) {
  Parsed p(text);
  EXPECT_EQ(p.errors(), "");
  return print(p.file);
}

/// What was printed parses to what prints the same.
void expectStable(const std::string &text) {
  std::string once = printed(text);
  EXPECT_EQ(printed(once), once);
}

std::string expression(const std::string &text) {
  std::string out = printed("let a = " + text);
  return out.substr(8, out.size() - 9);
}

} // namespace

TEST(Parser, Precedence) {
  EXPECT_EQ(expression("a + b * c ^ d ^ e"), "a + b * c ^ d ^ e");
  EXPECT_EQ(expression("(a + b) * c"), "(a + b) * c");
  EXPECT_EQ(expression("a - (b - c)"), "a - (b - c)");
  EXPECT_EQ(expression("(a - b) - c"), "a - b - c");
  EXPECT_EQ(expression("-a ^ 2"), "-a ^ 2");
  EXPECT_EQ(expression("(-a) ^ 2"), "(-a) ^ 2");
  EXPECT_EQ(expression("not a < b and c or d"), "not a < b and c or d");
  EXPECT_EQ(expression("2 ^ -1"), "2 ^ -1");
  EXPECT_EQ(expression("(a ^ b) ^ c"), "(a ^ b) ^ c");
}

TEST(Parser, IndicesAndBinders) {
  EXPECT_EQ(expression("sum(s, e: w[t, (h e)] * v[.., e])"), "sum(s, e: w[t, (h e)] * v[.., e])");
  EXPECT_EQ(expression("mean(t where valid(x)[t]: c[t - 1])"), "mean(t where valid(x)[t]: c[t - 1])");
  EXPECT_EQ(expression("Linear(c, bias: 0)(x)"), "Linear(c, bias: 0)(x)");
  EXPECT_EQ(expression("[[0.1, -2], [3, 4]]"), "[[0.1, -2], [3, 4]]");
}

TEST(Parser, WholeModelIsStable) {
  expectStable(R"(
use "blocks.gpt"
setting context = 64, width = 128,
        heads = 4
text token[t < context]: chars
def softmax(i: x) { let z = exp(x - stop_gradient(max(i: x)));  z / sum(i: z) }
def causal(t, s)  = s <= t
block Linear(n) (x[.., c]) -> [.., n] {
  param w[c, n] ~ normal(0.02),  b[n] = 0
  let y[.., j] = sum(c: x[.., c] * w[c, j]) + b[j]
  y
}
block Attention(heads, see(t, s), scale = 1) (x[t, c], m[s, c]) -> [t, c] {
  param wq[c, heads, d: c / heads], wk[c, heads, d] ~ normal(0.02)
  let mix[t, (h e)] = sum(s: weight[h, t, s] * v[s, h, e])
  Linear(c)(mix)
}
block LayerNorm (x[.., c]) -> [.., c] { x }
before = LayerNorm(), after = LayerNorm()
repeat blocks[layers] { x = Block(heads)(x) }
output logits over vocabulary
loss mean(t: cross_entropy(logits[t], next(token)[t]))
report accuracy = mean(t: 1)
train { batch: 12, optimizer: adamw(lr: cosine(peak, to: 1e-4), betas: (0.9, 0.99)),
        clip: 1.0 }
generate { tokens: 300 }
)");
  expectStable("rows x[4] = standardise(red, green, blue, volume), y = class(kind: leaf, flower)\n");
  expectStable("pairs source[s < 128], target[t < 128]: bpe(8000)\n");
  expectStable("def step(x) = x gradient 2 * x\n");
}

TEST(Parser, SharedInitialiser) {
  Parsed p("param a[3], b[4] ~ normal(1), c = 2, d[1]\n");
  ASSERT_EQ(p.errors(), "");
  auto &params = p.file.statements[0].params;
  EXPECT_TRUE(params[0].sharesInit && params[0].distribution);
  EXPECT_TRUE(params[1].init && params[1].distribution);
  EXPECT_FALSE(params[2].distribution);
  EXPECT_FALSE(params[3].init || params[3].sharesInit);
}

TEST(Parser, RecoversAndReportsSeveral) {
  Parsed p("let a = 1 +\n\nlet b = (2\nlet c = 3\nlet d = ]\nlet e[i = 4\n");
  std::string errors = p.errors();
  EXPECT_NE(errors.find("m.gpt:5:9: error: expected an expression, found ']'"), std::string::npos) << errors;
  EXPECT_NE(errors.find("m.gpt:3:1: error: expected an expression, found 'let'"), std::string::npos) << errors;
  EXPECT_NE(errors.find("error: expected ')', found 'let'"), std::string::npos) << errors;
  EXPECT_EQ(p.diagnostics.all().size(), 4u) << errors;
  EXPECT_EQ(print(p.file), "let c = 3\n");
}

TEST(Parser, ErrorsShowPlaceAndUnderline) {
  Parsed p("setting width = 3\nlet h = width * * 2\n");
  EXPECT_EQ(p.errors(), "m.gpt:2:17: error: expected an expression, found '*'\n"
                        "    2 | let h = width * * 2\n"
                        "      |                 ^\n");
}

TEST(Parser, WrongInputs) {
  struct Case { const char *text, *error; };
  for (Case c : {Case{"lett x = 3\n", "'lett' does not start a statement"},
                 Case{"let x = a < b < c\n", "comparisons do not chain"},
                 Case{"let x = \"abc\n", "this string has no end on its line"},
                 Case{"let x = 3y\n", "'3y' is neither a number nor a name"},
                 Case{"let x = 1e999\n", "number 1e999 is too large"},
                 Case{"let x = $\n", "unexpected character '$'"},
                 Case{"block B (x[t] { x }\n", "expected ')'"},
                 Case{"train { batch 12 }\n", "expected ':' after 'batch', found '12'"},
                 Case{"}\n", "unexpected '}'"},
                 Case{"let x[t, (h, e)] = 1\n", "expected an index, found a list"},
                 Case{"use blocks\n", "expected the file's name in quotes"},
                 Case{"let x = 1 let y = 2\n", "expected the end of the statement"}}) {
    Parsed p(c.text);
    EXPECT_NE(p.errors().find(c.error), std::string::npos) << c.text << p.errors();
  }
}

TEST(Parser, DeepNestingIsAnError) {
  Parsed p("let x = " + std::string(100000, '(') + "\n");
  EXPECT_NE(p.errors().find("nested too deeply"), std::string::npos);
  Parsed q("let x = " + std::string(100000, '-') + "1\n");
  EXPECT_NE(q.errors().find("nested too deeply"), std::string::npos);
}

TEST(Parser, AnyBytesEnd) {
  // Every prefix of a model, and bytes that are no text, give errors, never a crash.
  std::string model = "block B(n, f(t)) (x[t, c]) -> [t, n] {\n param w[c, n] ~ normal(0.1)\n let y[(t c)] = "
                      "sum(c: x[t, c] * w[c, n])\n y\n}\ntrain { lr: f(1, a: (2, 3)) }\n";
  for (size_t i = 0; i <= model.size(); ++i) {
    Parsed p(model.substr(0, i));
    Parsed q(model.substr(i));
    Parsed r(model.substr(0, i) + "\xff\x01\"" + model.substr(i));
    (void)r.errors();
  }
}
