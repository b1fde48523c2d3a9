// Every example and everything of the library: generated code against the
// reference interpreter, gradients against central differences.
#include "unit/model/model_runner.h"
#include "support/source_tree.h"

#include "frontend/library.h"
#include "frontend/parser.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>

using namespace gptc;
using namespace gptc::test;

namespace {

const std::string folder = sourcePath("examples/");

std::vector<std::string> examples() {
  std::vector<std::string> names;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator at(folder, error), end; at != end && !error; at.increment(error))
    if (llvm::StringRef(at->path()).ends_with(".gpt"))
      names.push_back(llvm::sys::path::filename(at->path()).str());
  std::sort(names.begin(), names.end());
  return names;
}

/// Settings that make a model small, whatever it is.
std::map<std::string, std::string> smallSettings(const Model &model) {
  static const std::map<std::string, std::string> small = {
      {"context", "5"}, {"width", "8"},  {"heads", "2"},  {"layers", "2"}, {"hidden", "3"}, {"groups", "2"},
      {"inner", "8"},   {"length", "5"}, {"blocks", "2"}, {"window", "3"}, {"depth", "2"}};
  std::map<std::string, std::string> overrides;
  for (const SettingValue &setting : model.settings())
    if (auto found = small.find(setting.name);
        found != small.end() && setting.value > std::stod(found->second))
      overrides.insert(*found);
  return overrides;
}

/// The example with small settings, as it is where they do not fit.
std::unique_ptr<ModelRunner> smallExample(const std::string &name) {
  auto text = llvm::MemoryBuffer::getFile(folder + name);
  if (!text)
    return nullptr;
  // The interpreter is slow: a vocabulary of some dozens does.
  std::string source = std::regex_replace((*text)->getBuffer().str(), std::regex("ids\\([0-9]{3,}\\)"), "ids(40)");
  auto whole = std::make_unique<ModelRunner>(source, std::map<std::string, std::string>(), folder + name);
  if (!whole->model)
    return whole;
  auto small = std::make_unique<ModelRunner>(source, smallSettings(*whole->model), folder + name);
  return small->model ? std::move(small) : std::move(whole);
}

class Example : public testing::TestWithParam<std::string> {};

TEST_P(Example, CodeComputesWhatTheInterpreterDoes) {
  auto runner = smallExample(GetParam());
  ASSERT_TRUE(runner && runner->model) << (runner ? runner->errors : "it cannot be read");
  runner->compareWithInterpreter();
}

TEST_P(Example, GradientsAreThoseOfDifferences) {
  auto runner = smallExample(GetParam());
  ASSERT_TRUE(runner && runner->model) << (runner ? runner->errors : "it cannot be read");
  if (!runner->model->hasLoss())
    return;
  runner->checkGradients();
}

TEST_P(Example, TrainingStepsAreThoseOfTheInterpreter) {
  auto runner = smallExample(GetParam());
  ASSERT_TRUE(runner && runner->model) << (runner ? runner->errors : "it cannot be read");
  if (!runner->model->hasLoss() || runner->model->train().empty())
    return;
  runner->compareTraining();
}

INSTANTIATE_TEST_SUITE_P(Examples, Example, testing::ValuesIn(examples()), [](const auto &info) {
  std::string name = info.param;
  for (char &c : name)
    c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

//===-- Forms of the language and of its library -------------------------------===//

struct Form {
  const char *name;
  int rank;         // of y
  const char *text; // defines y; x[4], k (of 3), param w[4], m[3, 4] are there
};

std::string modelOf(const Form &form) {
  static const char *losses[] = {"y * 1.7", "sum(i: y[i] * sin(1 + 2.3 * i))",
                                 "sum(i, j: y[i, j] * sin(1 + 2.3 * i + 0.7 * j))",
                                 "sum(i, j, l: y[i, j, l] * sin(1 + 2.3 * i + 0.7 * j + 1.9 * l))"};
  bool isText = llvm::StringRef(form.text).contains("token");
  std::string data = isText ? "text token[t < 5]: ids(7)\nparam e[vocabulary, 4] ~ normal(1)\n"
                              "let x[t, c] = e[token[t], c]\n"
                            : "rows x[4] = columns(a, b, c, d), k = class(kind: p, q, r)\n"
                              "param w[4] ~ normal(1), m[3, 4] ~ normal(1)\n";
  std::string loss = losses[form.rank];
  if (isText) // its own length may be short: a mean over what is there
    loss = form.rank == 1 ? "mean(i: y[i] * sin(1 + 2.3 * i))"
                          : "mean(i: sum(j: y[i, j] * sin(1 + 2.3 * i + 0.7 * j)))";
  return data + form.text + "\noutput y\nloss " + loss +
         "\ntrain { batch: 3, optimizer: sgd(0.1, momentum: 0.5) }\n";
}

const Form forms[] = {
    {"Arithmetic", 1, "let y[i] = (w[i] + x[i]) * (w[i] - 2) / (3 + w[i]) - (-w[i])^3 + w[i]^2 * x[i]"},
    {"Powers", 1, "let y[i] = (2 + w[i])^0.5 + (2 + w[i])^-0.5 + (2 + w[i])^x[i] + (2 + w[i])^-2 + 3^w[i]"},
    {"Exponentials", 1, "let y[i] = exp(w[i]) * log(2 + w[i]) + tanh(w[i]) * erf(w[i] * x[i])"},
    {"Roots", 1, "let y[i] = sqrt(1 + w[i]) + rsqrt(2 + w[i]) * x[i]"},
    {"Circles", 1, "let y[i] = sin(3 * w[i]) * cos(w[i] + x[i])"},
    {"Kinks", 1, "let y[i] = max(w[i], 0.1) * 2 + min(w[i], x[i]) + abs(w[i] - 0.3) + max(w[i], x[i])"},
    {"Conditions", 1,
     "let y[i] = where(x[i] > 0 and not (i == 2) or w[i] >= 0.5, w[i]^2, where(x[i] <= 0, 1, w[i]))"},
    {"HiddenInfinities", 1, "let y[i] = where(x[i] > 0, log(x[i]) * w[i], w[i])"},
    {"StopGradient", 1, "param u[4] = 1\nlet y[i] = w[i] + stop_gradient(x[i]) * u[i]"},
    {"Sum", 0, "let y = sum(i: w[i]^2 * x[i])"},
    {"SumWhere", 0, "let y = sum(i where x[i] > 0: w[i]^2)"},
    {"SumOfTwo", 0, "let y = sum(i, j: m[i, j]^2 * w[j])"},
    {"SumOfNothing", 0, "let y = sum(i where x[i] > 9: w[i]) + w[0]"},
    {"Mean", 1, "let y[i] = mean(j: m[i, j]^2)"},
    {"MeanWhere", 1, "let y[i] = mean(j where x[j] > 0: m[i, j]^2)"},
    {"Max", 1, "let y[i] = max(j: m[i, j] * x[j])"},
    {"MaxWhere", 0, "let y = max(i where i > 0: w[i])"},
    {"Min", 0, "let y = min(i, j: m[i, j])"},
    {"Argmax", 0, "let y = w[argmax(i: w[i] * x[i])]^2"},
    {"Contraction", 1, "let y[i] = sum(j: m[i, j] * w[j])"},
    {"OuterProduct", 2, "let y[i, j] = w[i] * m[j, i]"},
    {"MatrixProducts", 2,
     "let a[i, j] = sum(l: m[i, l] * m[j, l])\nlet b[i, j] = sum(l: m[l, i] * m[l, j])\n"
     "let c[i, j] = sum(l: a[i, l] * m[l, j])\nlet y[i, j] = sum(l: c[i, l] * b[l, j])"},
    {"ThreeFactors", 0, "let y = sum(i, j: m[i, j] * w[j] * x[j] * m[i, 3 - j])"},
    {"Shift", 1, "let y[i] = w[i - 1] * w[i] + w[i + 1] * x[i]"},
    {"ShiftWithValueOutside", 1, "let y[i: 4] = where(i >= 2, w[i - 2], w[0])^2"},
    {"Reverse", 1, "let y[i: 4] = w[3 - i]^2"},
    {"Stride", 1, "let y[i: 2] = w[2 * i]^2 + w[2 * i + 1]"},
    {"Ring", 1, "let y[i: 4] = w[(i + 1) % 4] * w[i]"},
    {"Slice", 2, "let y[i: 2, j: 2] = m[i + 1, j + 2]^2"},
    {"Row", 1, "let y = m[1] * w"},
    {"Element", 0, "let y = m[1, 2] * w[3]"},
    {"Diagonal", 1, "let y[i: 3] = m[i, i]^2"},
    {"Transposed", 2, "let y[i, j] = m[j, i]^2"},
    {"Concatenated", 1, "let y = concat(w * 2, m[1])"},
    {"Gather", 1, "let y[i] = m[k, i]^2"},
    {"GatherOfGather", 1, "let r[i: 4] = w[(i + k) % 4]\nlet y[i] = r[i] * m[k, i]"},
    {"Split", 2, "let y[i: 2, j] = w[(i j)]^2"},
    {"SplitOfThree", 3, "param u[8] ~ normal(1)\nlet y[i: 2, j: 2, l] = u[(i j l)]^2"},
    {"Merged", 1, "let z[(j i)] = m[i, j]^2\nlet y = z * z"},
    {"MergedInBoth", 1, "let y[(i j)] = m[i, j] * w[j]"},
    {"GroupedParameter", 2,
     "setting g = 2, r = 2\nparam u[3, (g r)] ~ normal(1)\n"
     "let y[i, g] = sum(r: u[i, (g r)] * w[(g r)])"},
    {"IndexAsNumber", 1, "let y[i] = w[i] * i + where(i < 2, w[i]^2, 0) + cos(w[i] * float(i))"},
    {"Convolution", 1, "param c[3] ~ normal(1)\nlet y[i: 4] = sum(l: c[l] * w[i + l - 1])"},
    {"Window", 1, "let y[i] = sum(j where j <= i and i - j < 2: w[i] * w[j] * x[j])"},
    {"OwnGradient", 1, "def cube(v) = v^3 gradient 3 * v^2\nlet y[i] = cube(w[i]) * x[i]"},
    {"Repeat", 1, "let y = x * w\nrepeat layers[3] { y = tanh(Linear(4)(y)) }"},
    {"RepeatOfSeveral", 1,
     "let u = x * w\nlet s = 0 * w\n"
     "repeat layers[3] {\n  u = tanh(Linear(4)(u) + s)\n  s = s + 0.3 * u * w\n}\nlet y = u * s"},
    {"RepeatWithSharedParts", 1,
     "shared = Linear(4)\nlet y = x * w\n"
     "repeat layers[3] {\n  own = Linear(4)\n  y = tanh(own(shared(y)) * w)\n}"},
    {"RepeatsNested", 1,
     "block Two() (u[c]) -> [c] {\n  let v = u * w\n  repeat inner[2] { v = tanh(Linear(c)(v)) }\n"
     "  v\n}\nlet y = x + 0\nrepeat outer[2] { y = Two()(y) }"},
    {"Softmax", 1, "let y[i] = softmax(i: w[i] * 2)"},
    {"SoftmaxOfSome", 1, "let y[i] = softmax(i: where(x[i] > 0, w[i], -inf))"},
    {"SoftmaxOfNone", 1, "let y[i] = softmax(i: where(x[i] > 9, w[i], -inf)) + w[i]"},
    {"Logsumexp", 0, "let y = logsumexp(i: w[i] * 3)"},
    {"LogSoftmax", 1, "let y[i] = log_softmax(i: w[i] * 3)"},
    {"Variance", 0, "let y = variance(i: w[i])"},
    {"CrossEntropy", 0,
     "let z[i: 3] = w[i]\nlet y = cross_entropy(z, k) + cross_entropy_smooth(2 * z, k, 0.2)"},
    {"Classes", 1,
     "let hot = one_hot(k)\nlet z[i: 3] = w[i]\nlet y[i] = (hot[i] - z[i])^2 + correct(z, k) * z[i]"},
    {"Activations", 1,
     "let y[i] = relu(w[i]) + sigmoid(w[i]) * silu(2 * w[i]) + softplus(w[i]) + gelu(w[i]) * "
     "gelu_tanh(w[i])"},
    {"Dropout", 1, "let y = dropout(w, 0.4) * x"},
    {"Random", 1, "let y[i] = where(random[i, 7] < 0.5, w[i], 2 * w[i]) * random(x[i])"},
    {"Linear", 2, "let y = Linear(3)(m)"},
    {"LinearWithoutBias", 1, "let y = Linear(3, bias: false)(w)"},
    {"LayerNorm", 2, "let y = LayerNorm()(m)"},
    {"LayerNormWithoutBias", 1, "let y = LayerNorm(bias: false)(w)"},
    {"RMSNorm", 2, "let y = RMSNorm()(m)"},
    {"MLP", 2, "let y = MLP(5)(m)"},
    {"FeedForward", 2, "let y = FeedForward(5, std: 1)(m)"},
    {"CrossAttention", 2, "param u[5, 4] ~ normal(1)\nlet y = Attention(2, everything)(m, u)"},
    {"Rotary", 2, "let y[i, j] = rotary(m[i], i, 10)[j] * x[j]"},
    {"SwiGLU", 2, "let y = SwiGLU(5)(m)"},
    {"GroupedAttention", 2, "let y = GroupedAttention(2, 1, causal, base: 10)(x) # token"},
    {"Gathered", 2, "let y[t, c] = x[t, c]^2 # token"},
    {"CausalAttention", 2, "let y = Attention(2, causal)(x, x) # token"},
    {"WindowAttention", 2,
     "def near(t, s) = s <= t and t - s < 2\nlet y = Attention(2, near, bias: false)(x, x) # token"},
    {"MaskedByData", 2, "def some(t, s) = s <= t and token[s] > 2\nlet y = Attention(1, some)(x, x) + x"},
    {"ShiftOfText", 2, "let y[t, c] = x[t - 1, c] * x[t, c] + x[t + 1, c] # token"},
    {"MeanOverTime", 2, "let a[c] = mean(t: x[t, c]^2)\nlet y[t, c] = a[c] * x[t, c] # token"},
    {"MaxOverTime", 2, "let a[c] = max(t: x[t, c])\nlet y[t, c] = a[c] * x[t, c] # token"},
    {"RunningSum", 2, "let y[t, c] = sum(s where s <= t: x[s, c]^2) # token"},
    {"TransformerBlock", 2,
     "let a = LayerNorm()(x)\nlet b = x + Attention(2, causal)(a, a)\n"
     "let y = b + MLP(8)(LayerNorm()(b)) # token"},
    {"SeveralLayers", 2,
     "block B() (u[t, c]) -> [t, c] {\n  let a = RMSNorm()(u)\n  u + Attention(2, causal)(a, a)\n}\n"
     "let y = x * 1 # token\nrepeat layers[2] { y = B()(y) }"},
};

class LanguageForm : public testing::TestWithParam<Form> {};

TEST_P(LanguageForm, GradientsAreThoseOfDifferences) {
  ModelRunner runner(modelOf(GetParam()));
  ASSERT_TRUE(runner.model) << runner.errors;
  runner.checkGradients();
}

TEST_P(LanguageForm, CodeComputesWhatTheInterpreterDoes) {
  ModelRunner runner(modelOf(GetParam()));
  ASSERT_TRUE(runner.model) << runner.errors;
  runner.compareWithInterpreter();
}

INSTANTIATE_TEST_SUITE_P(Forms, LanguageForm, testing::ValuesIn(forms),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(LanguageForms, HoldEverythingOfTheLibrary) {
  std::string all;
  for (const Form &form : forms)
    all += std::string(form.text) + "\n";
  // Functions of the step: tests of the optimizer and of the language's answers.
  const std::set<std::string> others = {"cosine", "linear_decay", "noam"};
  SourceManager sources;
  Diagnostics diagnostics(sources);
  for (const LibraryFile *file = libraryBegin(); file != libraryEnd(); ++file) {
    ast::File tree =
        parse(sources, sources.add(std::string(file->name), std::string(file->text)), diagnostics);
    for (const ast::Statement &s : tree.statements)
      if (!s.name.text.empty() && !others.count(s.name.text))
        EXPECT_NE(all.find(s.name.text), std::string::npos)
            << s.name.text << " of " << std::string(file->name) << " has no form above";
  }
}

} // namespace
