// Pairs of lines: reading, batches by length, what a program gets.
#include "test_support.h"

#include "runtime/data/pairs_loader.h"
#include "runtime/data/separate_loader.h"
#include "runtime/data/text_loader.h"

#include <algorithm>
#include <map>
#include <random>

using namespace gptc::runtime;

namespace {

constexpr int32_t pad = 0, begin = 1, end = 2, first = 3; // ids(n) are 3 + n

/// Words are numbers: 5 is token 8, behind the special ones.
class Numbers : public Tokenizer {
public:
  llvm::StringRef kind() const override { return "numbers"; }
  int64_t vocabulary() const override { return 1003; }
  llvm::Error encodePart(llvm::StringRef part, llvm::StringRef whole, std::vector<int32_t> &tokens,
                         llvm::StringRef source) const override {
    size_t at = tokens.size();
    auto ids = valueOf(makeTokenizer("ids", {"1000"}, "", ""));
    if (llvm::Error error = ids->encodePart(part, whole, tokens, source))
      return error;
    for (; at < tokens.size(); ++at)
      tokens[at] += first;
    return llvm::Error::success();
  }
  void append(std::string &, int32_t) const override {}
  std::vector<SpecialToken> specials() const override {
    return {{"<pad>", pad}, {"<s>", begin}, {"</s>", end}};
  }
  llvm::json::Object save() const override { return {}; }
};

std::unique_ptr<Tokenizer> tokenizer() {
  return std::make_unique<Numbers>();
}

PairsOptions options(int64_t sourceBound, int64_t targetBound) {
  PairsOptions result;
  result.source = {"source", "s", sourceBound};
  result.target = {"target", "t", targetBound};
  return result;
}

llvm::Expected<std::unique_ptr<PairsLoader>> load(const std::string &source, const std::string &target,
                                                  int64_t sourceBound = 8, int64_t targetBound = 8) {
  return PairsLoader::create(source, target, {"a.en", "a.de"}, *tokenizer(), *tokenizer(),
                             options(sourceBound, targetBound));
}

TensorInfo info(const std::string &name, std::vector<int64_t> shape) {
  TensorInfo result;
  result.name = name;
  result.type = DType::I32;
  result.shape = std::move(shape);
  result.extents.resize(result.shape.size());
  return result;
}

/// The inputs of a program with room for `rows` pairs.
struct Inputs {
  Inputs(int64_t rows, int64_t sourceBound, int64_t targetBound) {
    infos = {info("source", {rows, sourceBound}),
             info("target", {rows, targetBound}),
             info("next(target)", {rows, targetBound}),
             info("length(source)", {rows}),
             info("length(target)", {rows}),
             info("seed", {}),
             info("example", {rows})};
    for (TensorInfo &one : infos)
      values.emplace_back(size_t(one.elements()), -7);
  }
  std::vector<InputBuffer> buffers() {
    std::vector<InputBuffer> result;
    for (size_t i = 0; i < infos.size(); ++i)
      result.push_back({&infos[i], reinterpret_cast<char *>(values[i].data())});
    return result;
  }
  /// A row of an input, up to the batch's extent.
  std::vector<int32_t> row(size_t input, int64_t number, int64_t extent) const {
    auto from = values[input].begin() + number * rowStride(infos[input], extent);
    return {from, from + extent};
  }
  std::vector<TensorInfo> infos;
  std::vector<std::vector<int32_t>> values;
};
enum { Source, Target, Next, SourceLength, TargetLength };

using Row = std::vector<int32_t>;

TEST(PairsLoader, FramesAndPads) {
  auto loader = valueOf(load("5 6\n7\n", "8\n9 10 11\r\n")); // a line's end may be \r\n
  EXPECT_EQ(loader->pairCount(), 2);
  EXPECT_EQ(loader->trainingPairs(), 1);
  BatchShape shape;
  shape.rows = 2;
  Inputs inputs(2, 8, 8);
  ASSERT_EQ(messageOf(loader->check(inputs.buffers())), "");
  ASSERT_EQ(loader->evaluationBatches(Loader::Part::All, shape), 1);
  Batch batch = loader->evaluation(Loader::Part::All, shape, 0, inputs.buffers());
  EXPECT_EQ(batch.rows, 2);
  EXPECT_EQ(batch.items, 2 + 4);
  EXPECT_EQ(batch.examples, (std::vector<int64_t>{0, 1}));
  ASSERT_EQ(batch.extents.size(), 2u);
  EXPECT_EQ(batch.extents[0].name, "s");
  EXPECT_EQ(batch.extents[0].value, 3);
  EXPECT_EQ(batch.extents[1].name, "t");
  EXPECT_EQ(batch.extents[1].value, 4);
  EXPECT_EQ(inputs.row(Source, 0, 3), (Row{first + 5, first + 6, end}));
  EXPECT_EQ(inputs.row(Source, 1, 3), (Row{first + 7, end, pad}));
  EXPECT_EQ(inputs.row(Target, 0, 4), (Row{begin, first + 8, pad, pad}));
  EXPECT_EQ(inputs.row(Target, 1, 4), (Row{begin, first + 9, first + 10, first + 11}));
  EXPECT_EQ(inputs.row(Next, 0, 4), (Row{first + 8, end, pad, pad}));
  EXPECT_EQ(inputs.row(Next, 1, 4), (Row{first + 9, first + 10, first + 11, end}));
  EXPECT_EQ(inputs.values[SourceLength], (Row{3, 2}));
  EXPECT_EQ(inputs.values[TargetLength], (Row{2, 4}));
  EXPECT_EQ(inputs.values[5], (Row{-7})); // the loop's
}

TEST(PairsLoader, LongPairsAreLeftOutOfTrainingAndCutInEvaluation) {
  auto loader = valueOf(load("1 2 3\n1 2 3 4\n1\n1\n", "1\n1\n1 2 3 4\n1 2 3 4 5 6\n", 4, 4));
  EXPECT_EQ(loader->trainingPairs(), 3);
  EXPECT_EQ(loader->trainingExamples(), 1);
  ASSERT_EQ(loader->warnings().size(), 1u);
  EXPECT_CONTAINS(loader->warnings()[0], "a.en, a.de: 3 of 4 pairs are longer than s < 4 or t < 4 tokens");
  BatchShape shape;
  shape.rows = 1;
  Inputs inputs(1, 4, 4);
  std::map<int64_t, std::vector<Row>> seen;
  for (int64_t i = 0; i < 4; ++i) {
    Batch batch = loader->evaluation(Loader::Part::All, shape, i, inputs.buffers());
    seen[batch.examples[0]] = {inputs.row(Source, 0, batch.extents[0].value),
                               inputs.row(Target, 0, batch.extents[1].value),
                               inputs.row(Next, 0, batch.extents[1].value)};
  }
  EXPECT_EQ(seen[0][0], (Row{4, 5, 6, end}));
  EXPECT_EQ(seen[1][0], (Row{4, 5, 6, 7})); // without its end
  EXPECT_EQ(seen[3][1], (Row{begin, 4, 5, 6}));
  EXPECT_EQ(seen[3][2], (Row{4, 5, 6, 7}));
  EXPECT_EQ(seen.size(), 4u);
}

TEST(PairsLoader, EmptyLinesAreSequences) {
  auto loader = valueOf(load("\n1", "2\n\n"));
  EXPECT_EQ(loader->pairCount(), 2);
  BatchShape shape;
  shape.rows = 2;
  Inputs inputs(2, 8, 8);
  Batch batch = loader->evaluation(Loader::Part::All, shape, 0, inputs.buffers());
  EXPECT_EQ(batch.items, 3);
  EXPECT_EQ(batch.examples, (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(inputs.row(Source, 1, 2), (Row{end, pad}));
  EXPECT_EQ(inputs.row(Next, 0, 2), (Row{end, pad}));
}

TEST(PairsLoader, SaysWhatIsWrong) {
  EXPECT_EQ(messageOf(load("1\n2\n", "1\n")),
            "a.en has 2 lines, a.de has 1: the lines of the two files are pairs, so they need as many");
  EXPECT_EQ(messageOf(load("", "1\n")), "a.en: the file is empty");
  EXPECT_EQ(messageOf(load("1\n", "")), "a.de: the file is empty");
  EXPECT_CONTAINS(messageOf(load("1\n2\n3\xff\n", "1\n2\n3\n")), "a.en:3:");
  EXPECT_CONTAINS(messageOf(load("1\n2\n3\n", "1\n2x\n3\n")), "a.de:2:1: '2x' is not a number");
  EXPECT_CONTAINS(messageOf(load("1\n", "1\n", 1)), "'source' has at most 1 tokens; a line needs 2 at least");
  auto plain = valueOf(makeTokenizer("ids", {"10"}, "", ""));
  EXPECT_CONTAINS(messageOf(PairsLoader::create("1", "1", {"a", "b"}, *plain, *plain, options(4, 4))),
                  "the tokenizer 'ids' has no tokens <pad>, <s> and </s>");
  auto loader = valueOf(load("1 2 3 4\n1\n", "1\n1\n", 4));
  EXPECT_CONTAINS(messageOf(loader->checkTraining(BatchShape())),
                  "no pair of the training part is within 4 and 8");
  BatchShape shape;
  shape.tokens = 7;
  EXPECT_CONTAINS(messageOf(valueOf(load("1\n", "1\n"))->checkTraining(shape)),
                  "a batch of 7 tokens does not hold one pair of 8 tokens (the bound of 'source')");
  TensorInfo other = info("token", {1, 8}), shorter = info("source", {1, 7});
  EXPECT_CONTAINS(messageOf(loader->check(InputBuffer{&other, nullptr})), "these pairs have no 'token'");
  EXPECT_CONTAINS(messageOf(loader->check(InputBuffer{&shorter, nullptr})),
                  "takes 7 tokens, lines have up to 4");
}

TEST(PairsLoader, UnknownCharactersAreNamedWithTheirLine) {
  auto letters = valueOf(makeTokenizer("alphabet", {"ab"}, {}, SpecialTokens::names()));
  EXPECT_CONTAINS(
      messageOf(PairsLoader::create("ab\nabc\n", "a\nb\n", {"x", "y"}, *letters, *letters, options(8, 8))),
      "x:2:3: character 'c' (U+0063) is not in the alphabet");
}

/// `count` pairs of random lengths; each source begins with its own number.
std::unique_ptr<PairsLoader> many(int64_t count) {
  std::mt19937 random(5);
  std::string source, target;
  for (int64_t i = 0; i < count; ++i) {
    source += std::to_string(i);
    for (unsigned n = random() % 12; n > 0; --n)
      source += " 0";
    for (unsigned n = random() % 12; n > 0; --n)
      target += "0 ";
    source += "\n", target += "\n";
  }
  return valueOf(load(source, target, 16, 16));
}

TEST(PairsLoader, EachPairOnceAnEpochWithinTheBounds) {
  auto loader = many(1000);
  ASSERT_EQ(loader->trainingExamples(), 900);
  for (auto [rows, tokens] : {std::pair<int64_t, int64_t>(8, 0), {64, 128}, {8, 64}, {1000, 16}}) {
    BatchShape shape;
    shape.rows = rows;
    shape.tokens = tokens;
    Inputs inputs(rows, 16, 16);
    int64_t step = 0, padded = 0, valid = 0, previous = 0;
    for (int64_t epoch = 1; epoch <= 3; ++epoch) {
      int64_t last = loader->batchesOf(epoch, shape, 9);
      EXPECT_GT(last, previous);
      previous = last;
      std::map<int32_t, int> seen;
      for (; step < last; ++step) {
        Batch batch = loader->training(shape, 9, step, inputs.buffers());
        ASSERT_GE(batch.rows, 1);
        ASSERT_LE(batch.rows, rows);
        int64_t s = batch.extents[0].value, t = batch.extents[1].value, items = 0;
        if (tokens) {
          ASSERT_LE(batch.rows * std::max(s, t), tokens);
        }
        for (int64_t row = 0; row < batch.rows; ++row) {
          ++seen[inputs.row(Source, row, s)[0] - first];
          items += inputs.values[TargetLength][size_t(row)];
          valid += inputs.values[TargetLength][size_t(row)] + inputs.values[SourceLength][size_t(row)];
        }
        ASSERT_EQ(batch.items, items);
        padded += batch.rows * (s + t);
      }
      ASSERT_EQ(seen.size(), 900u);
      for (auto &[number, times] : seen)
        ASSERT_TRUE(number < 900 && times == 1) << number;
    }
    // Sorting pays: at random, batches of 8 would be padded to about 1.8 times.
    if (rows == 8 && !tokens) {
      EXPECT_LT(double(padded) / double(valid), 1.25);
    }
  }
}

TEST(PairsLoader, BatchesDependOnSeedAndStepAlone) {
  auto one = many(1000), other = many(1000);
  BatchShape shape;
  shape.rows = 16;
  shape.tokens = 200;
  Inputs a(16, 16, 16), b(16, 16, 16);
  int64_t steps = one->batchesOf(2, shape, 3);
  std::vector<std::vector<int64_t>> inOrder;
  for (int64_t step = 0; step < steps; ++step)
    inOrder.push_back(one->training(shape, 3, step, a.buffers()).examples);
  // Resumed in the second epoch, or going back; other questions in between.
  for (int64_t step : {steps - 2, steps - 1, int64_t(0), steps / 2, steps - 2}) {
    EXPECT_EQ(other->training(shape, 3, step, b.buffers()).examples, inOrder[size_t(step)]);
    (void)other->evaluation(Loader::Part::Validation, shape, 0, b.buffers());
  }
  Batch batch = one->training(shape, 3, 11, a.buffers());
  other->training(shape, 3, 11, b.buffers());
  for (int64_t row = 0; row < batch.rows; ++row)
    for (auto [input, extent] : {std::pair(Source, 0), {Target, 1}, {Next, 1}})
      EXPECT_EQ(a.row(input, row, batch.extents[size_t(extent)].value),
                b.row(input, row, batch.extents[size_t(extent)].value));
  EXPECT_NE(other->training(shape, 4, 0, b.buffers()).examples, inOrder[0]);
  // Neighbouring batches are not of neighbouring lengths.
  EXPECT_NE(inOrder[0], inOrder[size_t(one->batchesOf(1, shape, 3))]);
}

TEST(PairsLoader, EvaluationTakesEachPairOnce) {
  auto loader = many(1000);
  BatchShape shape;
  shape.rows = 32;
  shape.tokens = 100;
  Inputs inputs(32, 16, 16);
  for (auto [part, from] : {std::pair(Loader::Part::All, 0), {Loader::Part::Validation, 900}}) {
    std::map<int64_t, int> seen;
    for (int64_t i = 0, n = loader->evaluationBatches(part, shape); i < n; ++i) {
      Batch batch = loader->evaluation(part, shape, i, inputs.buffers());
      EXPECT_LE(batch.rows * std::max(batch.extents[0].value, batch.extents[1].value), 100);
      for (int64_t row = 0; row < batch.rows; ++row) {
        ++seen[batch.examples[size_t(row)]];
        EXPECT_EQ(inputs.row(Source, row, 1)[0] - first, batch.examples[size_t(row)]);
      }
    }
    EXPECT_EQ(seen.size(), size_t(1000 - from));
    EXPECT_EQ(seen.begin()->first, from);
  }
}

TEST(SeparateLoader, TrainsOnOneAndValidatesOnTheOther) {
  auto ids = valueOf(makeTokenizer("ids", {"1000"}, "", ""));
  TextOptions text;
  text.context = 2;
  text.holdOut = false;
  auto training = valueOf(TextLoader::create("1 2 3 4", "a", *ids, text));
  EXPECT_EQ(training->trainingTokens(), 4);
  auto validation = valueOf(TextLoader::create("11 12 13 14 15", "b", *ids, text));
  SeparateLoader loader(std::move(training), std::move(validation));
  std::vector<int32_t> values(2);
  TensorInfo token = info("token", {1, 2});
  std::vector<InputBuffer> inputs = {{&token, reinterpret_cast<char *>(values.data())}};
  BatchShape shape;
  ASSERT_EQ(messageOf(loader.check(inputs)), "");
  ASSERT_EQ(messageOf(loader.checkTraining(shape)), "");
  for (int64_t step = 0; step < 20; ++step) {
    loader.training(shape, 1, step, inputs);
    EXPECT_LE(values[1], 3);
  }
  ASSERT_EQ(loader.evaluationBatches(Loader::Part::Validation, shape), 2);
  loader.evaluation(Loader::Part::Validation, shape, 1, inputs);
  EXPECT_EQ(values, (Row{13, 14}));
}

} // namespace
