// Going on from position to position gives what the whole program gives at each position: for models of every
// kind of dependence on earlier positions, in chunks of any size, for streams of different lengths.
#include "unit/model/model_runner.h"

#include "compiler/jit.h"
#include "passes/passes.h"

#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace gptc;
using namespace gptc::test;
using gpt::Tensor;

namespace {

constexpr int64_t streams = 3, context = 9;

struct Model {
  std::string name, text;
  /// Names of the states and how many elements a stream has in each, all copies together.
  std::map<std::string, int64_t> states;
};

const std::string embedded = R"(
text token[t < 9]: ids(7)
param embed[vocabulary, 4] ~ normal(0.5)
let x[t, c] = embed[token[t], c]
)";
const std::string placed =
    embedded + "param place[9, 4] ~ normal(0.5)\nlet y[t, c] = x[t, c] + place[t, c]\n";

/// A head of attention over `x`, with this score and mask.
std::string head(const std::string &score, const std::string &see) {
  return embedded + R"(param q[4, 3], k[4, 3], v[4, 3] ~ normal(0.7)
let query[t, e] = sum(c: x[t, c] * q[c, e])
let key[s, e] = sum(c: x[s, c] * k[c, e])
let value[s, e] = sum(c: x[s, c] * v[c, e])
let dots[t, s] = sum(e: query[t, e] * key[s, e])
let weight[t, s] = softmax(s: where()" +
         see + ", " + score + R"(, -inf))
let mix[t, e] = sum(s: weight[t, s] * value[s, e])
output mix
)";
}

std::vector<Model> models() {
  std::map<std::string, int64_t> keysAndValues = {{"cache.key", 27}, {"cache.value", 27}};
  return {
      {"attention",
       placed + R"(
block Layer() (x[t, c]) -> [t, c] {
  before = LayerNorm()
  attention = Attention(2, causal, std: 0.5, out: 0.5)
  feed = MLP(6, std: 0.5, out: 0.5)
  let a = before(x)
  let z = x + attention(a, a)
  z + feed(z)
}
repeat layers[2] { y = Layer()(y) }
output y
)",
       {{"cache.layers.attention.key", 72}, {"cache.layers.attention.value", 72}}},
      {"grouped, rotary",
       embedded + R"(
block Layer() (x[t, c]) -> [t, c] {
  attention = GroupedAttention(2, 1, causal, std: 0.5, out: 0.5)
  x + attention(x)
}
let y = x
repeat layers[2] { y = Layer()(y) }
output y
)",
       {{"cache.layers.attention.y", 36}, {"cache.layers.attention.value", 36}}},
      {"distance", head("dots[t, s] - 0.3 * (t - s)", "s <= t"), keysAndValues},
      {"window", head("dots[t, s]", "s <= t and t - s < 4"), keysAndValues},
      {"soft cap", head("2 * tanh(dots[t, s] / 2)", "t >= s"), keysAndValues},
      {"strictly before", head("dots[t, s]", "s < t"), keysAndValues},
      {"sink", head("dots[t, s]", "(s == 0 or t - s < 3) and s <= t"), keysAndValues},
      {"mask as a matrix",
       embedded + R"(
param q[4, 4] ~ normal(0.7)
let dots[t, s] = sum(c: x[t, c] * q[c, c] * x[s, c])
let mask[t, s] = where(s <= t, 0 * x[s, 0], -inf)
let weight[t, s] = softmax(s: dots[t, s] + mask[t, s])
let y[t, c] = sum(s: weight[t, s] * x[s, c])
output y
)",
       {}},
      {"zeros and ones",
       embedded + R"(
let seen[t, s] = where(s <= t and token[s] < 9, 1, 0)
let y[t, c] = sum(s: seen[t, s] * sin(x[s, c] * (t + 1)))
output y
)",
       {{"cache.token", 9}}},
      {"relative bias",
       embedded + R"(
param bias[9] ~ normal(0.7)
param v[4, 3] ~ normal(0.7)
let value[s, e] = sum(c: x[s, c] * v[c, e])
let weight[t, s] = softmax(s: where(s <= t, bias[t - s] + 0 * value[s, 0], -inf))
let y[t, e] = sum(s: weight[t, s] * value[s, e])
output y
)",
       {{"cache.value", 27}}},
      {"expanded heads",
       embedded + R"(
param k[4, 2], q[4, 2, 3] ~ normal(0.7)
let key[s, e] = sum(c: x[s, c] * k[c, e])
let wide[s, e, g: 3] = key[s, e] * (g + 1)
let query[t, e, g: 3] = sum(c: x[t, c] * q[c, e, g])
let score[t, s, g] = sum(e: query[t, e, g] * wide[s, e, g])
let weight[t, s, g] = softmax(s: where(s <= t, score[t, s, g], -inf))
let y[t, g, e] = sum(s: weight[t, s, g] * wide[s, e, g])
output y
)",
       {{"cache.key", 18}}},
      {"token shift",
       embedded + R"(
param w[4, 4] ~ normal(0.7)
let h[t, j] = sum(c: x[t, c] * w[c, j])
let y[t, c] = tanh(h[t, c] + 0.5 * h[t - 1, c] - h[t - 3, c])
output y
)",
       {{"window.h", 12}}},
      {"token before",
       embedded + R"(
param pair[vocabulary, 4] ~ normal(0.7)
let y[t, c] = x[t, c] * pair[token[t - 1], c]
output y
)",
       {{"window.token", 1}}},
      {"convolution",
       embedded + R"(
param w[3, 4] ~ normal(0.7), m[4, 4] ~ normal(0.7)
let h[t, j] = sum(c: x[t, c] * m[c, j])
let y[t, c] = sum(k: h[t - k, c] * w[k, c])
output y
)",
       {{"window.h", 8}}},
      {"mean so far",
       embedded + R"(
let y[t, c] = mean(s where s <= t: x[s, c] * x[s, c])
output y
)",
       {{"running.y", 4}, {"running.y.1", 1}}},
      {"maximum so far",
       embedded + R"(
let y[t, c] = max(s where s <= t: x[s, c] * 2)
output y
)",
       {{"running.y", 4}}},
      {"sum of those before",
       embedded + R"(
let y[t, c] = sum(s where s < t: x[s, c]) + x[t, c]
output y
)",
       {}},
      {"linear attention",
       embedded + R"(
param q[4, 3], k[4, 3] ~ normal(0.7)
block Layer() (x[t, c]) -> [t, c] {
  param q[c, 3], k[c, 3] ~ normal(0.7)
  let query[t, i] = exp(sum(c: x[t, c] * q[c, i]))
  let key[t, i] = exp(sum(c: x[t, c] * k[c, i]))
  let memory[t, i, j] = sum(s where s <= t: key[s, i] * x[s, j])
  let scale[t, i] = sum(s where s <= t: key[s, i])
  let y[t, j] = sum(i: query[t, i] * memory[t, i, j]) / sum(i: query[t, i] * scale[t, i])
  x + y
}
let y = x
repeat layers[3] { y = Layer()(y) }
output y
)",
       {{"running.layers.memory", 36}, {"running.layers.scale", 9}}},
      {"first position",
       embedded + R"(
param w[4, 4] ~ normal(0.7)
let h[t, j] = sum(c: x[t, c] * w[c, j])
let first[j] = h[0, j]
let y[t, j] = h[t, j] * first[j]
output y
)",
       {{"cache.h", 36}}},
      {"nested repeats",
       embedded + R"(
let y = x
repeat outer[2] {
  repeat inner[2] {
    param k[4, 4] ~ normal(0.7)
    let key[s, e] = sum(c: y[s, c] * k[c, e])
    let weight[t, s] = softmax(s: where(s <= t, sum(e: y[t, e] * key[s, e]), -inf))
    let next[t, c] = y[t, c] + sum(s: weight[t, s] * key[s, c])
    y = next
  }
}
output y
)",
       {{"cache.outer.inner.key", 144}}},
      {"scores that are carried",
       embedded + R"(
param k[4, 4] ~ normal(0.7)
let key[s, e] = sum(c: x[s, c] * k[c, e])
let score[t, s] = sum(e: x[t, e] * key[s, e])
let y = x
repeat layers[2] {
  let weight[t, s] = softmax(s: where(s <= t, score[t, s], -inf))
  let next[t, c] = y[t, c] + sum(s: weight[t, s] * key[s, c])
  let more[t, s] = score[t, s] * 1.5 + 0.1 * s
  y = next
  score = more
}
output y
)",
       {{"cache.key", 36}}},
      {"waves",
       embedded + R"(
let wave[t, c: 4] = sin(t * exp(-0.4 * c))
let y[t, c] = x[t, c] + wave[t, c] * wave[t, 1]
output y
)",
       {}},
      {"diagonal",
       embedded + R"(
param k[4, 4] ~ normal(0.7)
let key[s, e] = sum(c: x[s, c] * k[c, e])
let score[t, s] = sum(e: x[t, e] * key[s, e])
let weight[t, s] = softmax(s: where(s <= t, score[t, s] - score[t, t], -inf))
let y[t, c] = sum(s: weight[t, s] * key[s, c])
output y
)",
       {{"cache.key", 36}}},
  };
}

bool derive(mlir::ModuleOp module, int64_t rows, const std::string &results, bool ring = false) {
  DeriveDecodePassOptions options;
  options.ring = ring;
  options.growing = "token";
  options.rows = rows;
  options.results = results;
  mlir::PassManager manager(module.getContext());
  manager.addPass(createDeriveDecodePass(options));
  return mlir::succeeded(manager.run(module));
}

std::string name(const char *what) {
  return std::string(what) + "(token)";
}

/// A program that goes on, and how it is run: interpreted, or compiled.
struct Extend {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  int64_t rows;
  std::unique_ptr<CompiledModule> code = {};

  void compile(int64_t vectorBits) {
    code = std::make_unique<CompiledModule>(*module, "decode", vectorBits, ProgramKind::Extend);
    ASSERT_TRUE(code->ok());
  }

  /// Row i of the result of stream b, from inputs of that many new tokens each.
  Tensor run(RunState &state, const std::vector<std::vector<int32_t>> &tokens,
             const std::vector<int64_t> &past) {
    int64_t most = 1, history = 1;
    Tensor input = Tensor::zeros({streams, rows}), before = Tensor::zeros({streams}), count = before;
    for (int64_t b = 0; b < streams; ++b) {
      for (size_t i = 0; i < tokens[b].size(); ++i)
        input.data[b * rows + i] = tokens[b][i];
      before.data[b] = past[b];
      count.data[b] = tokens[b].size();
      most = std::max(most, int64_t(tokens[b].size()));
    }
    for (int64_t b = 0; b < streams; ++b)
      history = std::max(history, std::min(past[b] + most, context));
    state.inputs = {{"token", input}, {name("past"), before}, {name("count"), count}};
    state.extents = {{"b", streams}, {"positions.new", most}, {"positions.history", history}};
    std::vector<Tensor> results = code ? code->run(state) : interpret(*module, state);
    EXPECT_EQ(results.size(), 1u);
    return results.empty() ? Tensor() : results[0];
  }
};

/// How a model is run: interpreted in f64, or as code for these vectors.
struct Setup {
  bool f64 = true;
  int64_t vectorBits = 0; ///< 0: interpreted
};

/// Zeros for states that are not there yet; what they are called and how many elements a stream has in each.
std::map<std::string, int64_t> addStates(mlir::ModuleOp module, RunState &state) {
  std::map<std::string, int64_t> sizes;
  for (auto variable : module.getOps<gpt::VariableOp>())
    if (!variable.getParameter()) {
      state.variables.try_emplace(variable.getSymName().str(),
                                  Tensor::zeros(variable.getTensorType().getShape()));
      sizes[variable.getSymName().str()] = variable.getTensorType().getNumElements() / streams;
    }
  return sizes;
}

void compareWithWhole(const Model &model, const Setup &setup) {
  ModelRunner runner(model.text);
  ASSERT_TRUE(runner.model) << runner.errors;
  runner.batch = streams;
  auto whole = runner.emit(Program::Outputs, setup.f64, /*dynamic=*/true);
  ASSERT_TRUE(whole);
  RunState state = runner.state(*whole, setup.f64);
  double tolerance = setup.f64 ? 1e-12 : 1e-5;
  state.extents = {{"b", streams}, {"t", context}};
  Tensor tokens = state.inputs.at("token");
  std::vector<Tensor> expected = interpret(*whole, state);
  ASSERT_EQ(expected.size(), 1u);
  int64_t width = expected[0].data.size() / (streams * context);

  Extend chunk{whole->clone(), 4}, token{whole->clone(), 1};
  ASSERT_TRUE(derive(*chunk.module, 4, "all"));
  ASSERT_TRUE(derive(*token.module, 1, "last"));
  if (setup.vectorBits) {
    chunk.compile(setup.vectorBits);
    token.compile(setup.vectorBits);
  }
  RunState decode;
  decode.variables = state.variables;
  std::map<std::string, int64_t> states = addStates(*chunk.module, decode);
  EXPECT_EQ(states, addStates(*token.module, decode));
  if (!model.states.empty())
    EXPECT_EQ(states, model.states);

  std::vector<int64_t> past(streams, 0);
  auto check = [&](int64_t b, int64_t position, const Tensor &result, int64_t row, int64_t rows) {
    for (int64_t i = 0; i < width; ++i) {
      double wanted = expected[0].data[(b * context + position) * width + i];
      EXPECT_NEAR(result.data[(b * rows + row) * width + i], wanted, tolerance * (1 + std::abs(wanted)))
          << "stream " << b << " at " << position << ", element " << i;
    }
  };
  // Chunks and single tokens by turns; streams have different numbers of new tokens, perhaps none.
  int64_t cuts[][streams] = {{4, 2, 1}, {1, 1, 1}, {0, 3, 2}, {1, 1, 1}, {3, 1, 4}};
  for (auto &cut : cuts) {
    bool single = cut[0] == 1 && cut[1] == 1 && cut[2] == 1;
    std::vector<std::vector<int32_t>> next(streams);
    for (int64_t b = 0; b < streams; ++b)
      for (int64_t i = 0; i < cut[b]; ++i)
        next[b].push_back(int32_t(tokens.data[b * context + past[b] + i]));
    Extend &program = single ? token : chunk;
    Tensor result = program.run(decode, next, past);
    for (int64_t b = 0; b < streams; ++b)
      for (int64_t i = 0; i < cut[b]; ++i)
        check(b, past[b] + i, result, i, program.rows);
    for (int64_t b = 0; b < streams; ++b)
      past[b] += cut[b];
  }

  // The last position alone, of a chunk.
  Extend last{whole->clone(), 4};
  ASSERT_TRUE(derive(*last.module, 4, "last"));
  if (setup.vectorBits)
    last.compile(setup.vectorBits);
  RunState again;
  again.variables = state.variables;
  addStates(*last.module, again);
  std::vector<std::vector<int32_t>> first(streams);
  for (int64_t b = 0; b < streams; ++b)
    for (int64_t i = 0; i <= b; ++i)
      first[b].push_back(int32_t(tokens.data[b * context + i]));
  Tensor result = last.run(again, first, std::vector<int64_t>(streams, 0));
  for (int64_t b = 0; b < streams; ++b)
    check(b, b, result, 0, 1);
}

class Decode : public testing::TestWithParam<Model> {};
TEST_P(Decode, IsTheWholeProgram) {
  compareWithWhole(GetParam(), {});
}
TEST_P(Decode, CompiledInF64) {
  compareWithWhole(GetParam(), {true, host().vectorBits});
}
TEST_P(Decode, CompiledInF32) {
  compareWithWhole(GetParam(), {false, host().vectorBits});
}
TEST_P(Decode, CompiledForNarrowVectors) {
  compareWithWhole(GetParam(), {false, 128});
}

INSTANTIATE_TEST_SUITE_P(Models, Decode, testing::ValuesIn(models()), [](const auto &info) {
  std::string name;
  for (char c : info.param.name)
    name += std::isalnum(c) ? c : '_';
  return name;
});

/// Models in which positions only count, with a mask that no query sees further back than a context: `LENGTH` is how long
/// a sequence may be, `NEAR` who sees whom.
const char *const unbounded[] = {
    R"(
def near(t, s) = NEAR
block Layer() (x[t, c]) -> [t, c] {
  attention = GroupedAttention(2, 1, near, std: 0.5, out: 0.5)
  x + attention(x)
}
let y = x
repeat layers[2] { y = Layer()(y) }
output y
)",
    R"(
param q[4, 3], k[4, 3], bias[9] ~ normal(0.7)
let query[t, e] = sum(c: x[t, c] * q[c, e])
let key[s, e] = sum(c: x[s, c] * k[c, e])
let dots[t, s] = sum(e: query[t, e] * key[s, e])
let weight[t, s] = softmax(s: where(NEAR, dots[t, s] + bias[t - s] - 0.2 * (t - s) + sin(s), -inf))
let mix[t, e] = sum(s: weight[t, s] * key[s, e])
output mix
)",
    R"(
param w[4, 4] ~ normal(0.7)
let h[t, j] = sum(c: x[t, c] * w[c, j])
let y[t, c] = tanh(h[t, c] + 0.5 * h[t - 2, c]) + 0.1 * mean(s where s <= t: h[s, c]) + cos(t)
output y
)"};

TEST(DecodeRing, GoesOnBeyondTheContext) {
  constexpr int64_t length = 40;
  for (const char *body : unbounded) {
    auto text = [&](int64_t bound, const std::string &near) {
      std::string text = embedded + body;
      text.replace(text.find("t < 9"), 5, "t < " + std::to_string(bound));
      if (size_t at = text.find("NEAR"); at != std::string::npos)
        text.replace(at, 4, near);
      return text;
    };
    ModelRunner far(text(length, "s <= t and t - s < 9")), near(text(context, "s <= t"));
    ASSERT_TRUE(far.model && near.model) << far.errors << near.errors;
    far.batch = near.batch = streams;
    auto whole = far.emit(Program::Outputs, true, true);
    Extend token{near.emit(Program::Outputs, true, true), 1};
    ASSERT_TRUE(whole && token.module);
    RunState state = far.state(*whole, true), decode;
    state.extents = {{"b", streams}, {"t", length}};
    Tensor tokens = state.inputs.at("token");
    std::vector<Tensor> expected = interpret(*whole, state);
    ASSERT_EQ(expected.size(), 1u);
    int64_t width = expected[0].data.size() / (streams * length);
    ASSERT_TRUE(derive(*token.module, 1, "last", /*ring=*/true));
    EXPECT_TRUE((*token.module)->hasAttr("gpt.ring")) << body;
    token.compile(host().vectorBits);
    decode.variables = state.variables;
    addStates(*token.module, decode);
    for (int64_t t = 0; t < length; ++t) {
      // One stream begins later, and one begins anew.
      std::vector<int64_t> past = {t, std::max<int64_t>(t - 5, 0), t % 23};
      std::vector<std::vector<int32_t>> next;
      for (int64_t b = 0; b < streams; ++b)
        next.push_back({int32_t(tokens.data[b * length + past[b]])});
      Tensor result = token.run(decode, next, past);
      for (int64_t b = 0; b < streams; ++b)
        for (int64_t i = 0; i < width; ++i) {
          double wanted = expected[0].data[(b * length + past[b]) * width + i];
          EXPECT_NEAR(result.data[b * width + i], wanted, 1e-12 * (1 + std::abs(wanted)))
              << body << "stream " << b << " at " << past[b];
        }
    }
  }
}

TEST(DecodeRing, NotWherePositionsAreIndices) {
  for (const char *body : {"param place[9, 4] ~ normal(1)\nlet y[t, c] = x[t, c] + place[t, c]\noutput y\n",
                           "let y[t, c] = x[t, c] * x[0, c]\noutput y\n"}) {
    ModelRunner runner(embedded + body);
    ASSERT_TRUE(runner.model) << runner.errors;
    auto module = runner.emit(Program::Outputs, true, true);
    ASSERT_TRUE(module && derive(*module, 1, "last", /*ring=*/true));
    EXPECT_FALSE((*module)->hasAttr("gpt.ring")) << body;
  }
}

/// What looks ahead, where, and how it is said.
struct Ahead {
  std::string text, message;
};

TEST(DecodeLooksAhead, IsSaidAtTheOp) {
  const Ahead cases[] = {
      {"let y[t, c] = x[t, c] - mean(s: x[s, c])", "is made from all positions of 's'"},
      {"let y[t, c] = sum(s where s >= t: x[s, c])", "goes over all positions of 's', later ones too"},
      {"let y[t, c] = x[t + 1, c]", "reads later positions"},
      {"let y[t, c] = x[2 * t, c]", "reads later positions"},
      {"let y[t, c] = x[token[t], c]", "reads at positions that are computed"},
      {"let total[c] = sum(t: x[t, c])\nlet y[t, c] = x[t, c] * total[c]",
       "is made from all positions of 't'"},
      // The numerator is causal, but it is divided by the number of all positions.
      {"let y[t, c] = mean(s: where(s <= t, x[s, c], 0))", "is made from all positions of 's'"},
      {"let y[t, c] = sum(s where s <= t + 1: x[s, c])", "goes over all positions of 's', later ones too"},
  };
  for (const Ahead &one : cases) {
    ModelRunner runner(embedded + one.text + "\noutput y\n");
    ASSERT_TRUE(runner.model) << runner.errors;
    auto whole = runner.emit(Program::Outputs, true, true);
    ASSERT_TRUE(whole);
    std::string said;
    mlir::ScopedDiagnosticHandler handler(&modelContext(), [&](mlir::Diagnostic &diagnostic) {
      said += diagnostic.str();
      return mlir::success();
    });
    EXPECT_FALSE(derive(*whole, 1, "last")) << one.text;
    EXPECT_NE(said.find(one.message), std::string::npos) << one.text << "\n" << said;
  }
}

} // namespace
