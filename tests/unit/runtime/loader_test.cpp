#include "test_support.h"

#include "runtime/data/rows_loader.h"
#include "runtime/data/text_loader.h"
#include "runtime/lines.h"
#include "runtime/utf8.h"

#include <cmath>
#include <map>
#include <set>

using namespace gptc::runtime;

namespace {

TensorInfo info(const std::string &name, DType type, std::vector<int64_t> shape) {
  TensorInfo result;
  result.name = name;
  result.type = type;
  result.shape = std::move(shape);
  result.extents.resize(result.shape.size());
  return result;
}

struct TextInputs {
  TextInputs(int64_t rows, int64_t context)
      : context(context), token(size_t(rows * context), -1), next(token),
        tokenInfo(info("token", DType::I32, {rows, context})),
        nextInfo(info("next(token)", DType::I32, {rows, context})) {}
  std::vector<InputBuffer> buffers() {
    return {{&tokenInfo, reinterpret_cast<char *>(token.data())},
            {&nextInfo, reinterpret_cast<char *>(next.data())}};
  }
  int64_t context;
  std::vector<int32_t> token, next;
  TensorInfo tokenInfo, nextInfo;
};

std::string numbers(int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += std::to_string(i) + " ";
  return text;
}

std::unique_ptr<TextLoader> textLoader(int count, int64_t context) {
  auto tokenizer = valueOf(makeTokenizer("ids", {"100000"}, "", ""));
  TextOptions options;
  options.context = context;
  return valueOf(TextLoader::create(numbers(count), "text.txt", *tokenizer, options));
}

TEST(TextLoader, TrainingWindowsDependOnSeedAndStepAlone) {
  auto loader = textLoader(1000, 8);
  EXPECT_EQ(loader->trainingTokens(), 900);
  BatchShape shape;
  shape.rows = 4;
  TextInputs a(4, 8), b(4, 8);
  ASSERT_EQ(messageOf(loader->check(a.buffers())), "");
  std::set<int32_t> starts;
  for (int64_t step = 0; step < 2000; ++step) {
    Batch batch = loader->training(shape, 3, step, a.buffers());
    EXPECT_EQ(batch.rows, 4);
    EXPECT_EQ(batch.length, 8);
    EXPECT_EQ(batch.items, 32);
    for (size_t i = 0; i < 32; ++i) {
      ASSERT_EQ(a.next[i], a.token[i] + 1); // token n of this text is n
      ASSERT_EQ(a.token[i], a.token[i / 8 * 8] + int32_t(i % 8));
      ASSERT_LT(a.next[i], 900);
    }
    for (size_t row = 0; row < 4; ++row)
      starts.insert(a.token[row * 8]);
  }
  // Uniform over 892 places: 8000 draws leave out nearly none.
  EXPECT_GE(starts.size(), 885u);
  EXPECT_TRUE(starts.count(0));
  EXPECT_TRUE(starts.count(891));
  loader->training(shape, 3, 77, a.buffers());
  loader->training(shape, 3, 5, b.buffers());
  EXPECT_NE(a.token, b.token);
  loader->training(shape, 3, 77, b.buffers());
  EXPECT_EQ(a.token, b.token);
  loader->training(shape, 4, 77, b.buffers());
  EXPECT_NE(a.token, b.token);
}

TEST(TextLoader, ABatchOfAllHasEachWindowOnce) {
  auto loader = textLoader(100, 8);
  BatchShape shape;
  shape.rows = loader->trainingExamples();
  shape.wholeRows = true;
  ASSERT_EQ(shape.rows, 82); // of 90 training tokens
  TextInputs inputs(shape.rows, 8);
  for (int64_t step : {0, 1, 7}) {
    EXPECT_EQ(loader->training(shape, 3, step, inputs.buffers()).rows, shape.rows);
    for (int64_t row = 0; row < shape.rows; ++row)
      for (int64_t t = 0; t < 8; ++t) {
        ASSERT_EQ(inputs.token[size_t(row * 8 + t)], row + t);
        ASSERT_EQ(inputs.next[size_t(row * 8 + t)], row + t + 1);
      }
  }
  EXPECT_EQ(loader->batchesOf(5, shape, 1), 5);
}

TEST(TextLoader, ValidationPredictsEachTokenOnce) {
  for (int count : {1000, 999, 1003, 845, 90, 12})
    for (int64_t rows : {1, 3, 5}) {
      auto loader = textLoader(count, 8);
      BatchShape shape;
      shape.rows = rows;
      TextInputs inputs(rows, 8);
      for (Loader::Part part : {Loader::Part::Validation, Loader::Part::All}) {
        int32_t first = part == Loader::Part::All ? 0 : int32_t(loader->trainingTokens());
        int32_t expected = first;
        int64_t batches = loader->evaluationBatches(part, shape), items = 0;
        for (int64_t index = 0; index < batches; ++index) {
          Batch batch = loader->evaluation(part, shape, index, inputs.buffers());
          EXPECT_EQ(batch.items, batch.rows * batch.length);
          items += batch.items;
          for (int64_t row = 0; row < batch.rows; ++row)
            for (int64_t t = 0; t < batch.length; ++t, ++expected) {
              ASSERT_EQ(inputs.token[size_t(row * 8 + t)], expected);
              ASSERT_EQ(inputs.next[size_t(row * 8 + t)], expected + 1);
            }
        }
        EXPECT_EQ(expected, std::max(first, count - 1)) << count << " tokens, " << rows << " rows";
        EXPECT_EQ(items, expected - first);
      }
    }
}

TEST(TextLoader, StaticProgramsGetWholeBatches) {
  auto loader = textLoader(1000, 8); // 99 predicted tokens: 12 windows and 3 tokens
  BatchShape shape{5, true, true};
  TextInputs inputs(5, 8);
  ASSERT_EQ(loader->evaluationBatches(Loader::Part::Validation, shape), 2);
  for (int64_t index = 0; index < 2; ++index) {
    Batch batch = loader->evaluation(Loader::Part::Validation, shape, index, inputs.buffers());
    EXPECT_EQ(batch.rows, 5);
    EXPECT_EQ(batch.length, 8);
  }
}

TEST(TextLoader, Errors) {
  auto tokenizer = valueOf(makeTokenizer("chars", {}, "abc", ""));
  TextOptions options;
  options.context = 8;
  EXPECT_CONTAINS(messageOf(TextLoader::create("", "t.txt", *tokenizer, options)),
                  "t.txt: the file is empty");
  EXPECT_CONTAINS(messageOf(TextLoader::create("abcx", "t.txt", *tokenizer, options)), "t.txt:1:4");
  EXPECT_CONTAINS(messageOf(TextLoader::open("/no/such/file", *tokenizer, options)), "No such file");
  auto shortOne = valueOf(TextLoader::create("abcabcabc", "t.txt", *tokenizer, options));
  std::string message = messageOf(shortOne->checkTraining({}));
  EXPECT_CONTAINS(message, "the text is too short");
  EXPECT_CONTAINS(message, "its training part has 8 tokens, a window needs 9");
  EXPECT_EQ(
      messageOf(valueOf(TextLoader::create("abcabcabca", "t.txt", *tokenizer, options))->checkTraining({})),
      "");
  TextInputs inputs(1, 8);
  inputs.nextInfo.name = "next(word)";
  EXPECT_CONTAINS(messageOf(shortOne->check(inputs.buffers())), "no 'next(word)'");
  TextInputs wide(1, 9);
  EXPECT_CONTAINS(messageOf(shortOne->check(wide.buffers())), "takes 9 tokens, windows have 8");
}

//===-- Rows ------------------------------------------------------------------------===//

RowsOptions leafOptions() {
  RowsOptions options;
  options.columns = {{"x", {"red", "volume"}, true, false, {}},
                     {"y", {"kind"}, false, true, {"leaf", "flower"}}};
  options.seed = 5;
  return options;
}

std::string leafTable(int rows) {
  std::string text = "red,name,volume,kind\n";
  for (int i = 0; i < rows; ++i)
    text += fmt::format("{},\"n {}, \"\"q\"\"\",{},{}\n", i, i, 3 * i + 1, i % 3 ? "leaf" : "flower");
  return text;
}

struct RowInputs {
  explicit RowInputs(int64_t rows)
      : x(size_t(rows * 2)), y(size_t(rows)), xInfo(info("x", DType::F32, {rows, 2})),
        yInfo(info("y", DType::I32, {rows})) {}
  std::vector<InputBuffer> buffers() {
    return {{&xInfo, reinterpret_cast<char *>(x.data())}, {&yInfo, reinterpret_cast<char *>(y.data())}};
  }
  std::vector<float> x;
  std::vector<int32_t> y;
  TensorInfo xInfo, yInfo;
};

TEST(Loaders, KeepTheShareApartThatIsAskedFor) {
  auto tokenizer = valueOf(makeTokenizer("ids", {"100000"}, "", ""));
  TextOptions text;
  text.context = 1;
  RowsOptions rows = leafOptions();
  auto training = [&](int count, double validation) {
    text.validation = rows.validation = validation;
    int64_t tokens = valueOf(TextLoader::create(numbers(count), "t", *tokenizer, text))->trainingTokens();
    int64_t examples = valueOf(RowsLoader::create(leafTable(count), "r", rows))->trainingExamples();
    return std::pair(tokens, examples);
  };
  EXPECT_EQ(training(100, 0), std::pair(int64_t(100), int64_t(100)));
  EXPECT_EQ(training(100, 0.1), std::pair(int64_t(90), int64_t(90)));
  EXPECT_EQ(training(109, 0.1),
            std::pair(int64_t(98), int64_t(99))); // both round towards more rows, fewer tokens
  EXPECT_EQ(training(100, 0.29), std::pair(int64_t(71), int64_t(71)));
  EXPECT_EQ(training(5, 0.01), std::pair(int64_t(4), int64_t(4)));
}

TEST(RowsLoader, EpochsAndPartsCoverEveryRow) {
  auto loader = valueOf(RowsLoader::create(leafTable(103), "leaf.csv", leafOptions()));
  EXPECT_EQ(loader->trainingExamples(), 93);
  BatchShape shape;
  shape.rows = 10;
  EXPECT_EQ(loader->batchesOf(1, shape, 0), 10);
  RowInputs inputs(10);
  ASSERT_EQ(messageOf(loader->check(inputs.buffers())), "");
  std::map<float, int> seen;
  std::vector<float> firstOrder, secondOrder;
  double sum = 0, squares = 0;
  for (int64_t step = 0; step < 20; ++step) {
    Batch batch = loader->training(shape, 9, step, inputs.buffers());
    EXPECT_EQ(batch.rows, step % 10 == 9 ? 3 : 10);
    for (int64_t row = 0; row < batch.rows; ++row) {
      float x = inputs.x[size_t(row * 2)];
      ++seen[x];
      EXPECT_NEAR(x, inputs.x[size_t(row * 2 + 1)], 1e-5); // two columns that differ by scale only
      (step < 10 ? firstOrder : secondOrder).push_back(x);
      sum += x;
      squares += double(x) * x;
    }
  }
  EXPECT_EQ(seen.size(), 93u);
  for (auto &[x, times] : seen)
    EXPECT_EQ(times, 2);
  EXPECT_NE(firstOrder, secondOrder);
  EXPECT_NEAR(sum / 186, 0, 1e-5); // standardised on the training part
  EXPECT_NEAR(squares / 186, 1, 1e-5);
  int64_t validation = 0;
  for (int64_t i = 0; i < loader->evaluationBatches(Loader::Part::Validation, shape); ++i) {
    Batch batch = loader->evaluation(Loader::Part::Validation, shape, i, inputs.buffers());
    validation += batch.rows;
    for (int64_t row = 0; row < batch.rows; ++row)
      EXPECT_FALSE(seen.count(inputs.x[size_t(row * 2)]));
  }
  EXPECT_EQ(validation, 10);
  std::vector<float> again;
  for (int64_t step : {7, 13, 7}) {
    loader->training(shape, 9, step, inputs.buffers());
    if (step == 13)
      again.clear();
    else
      again = inputs.x;
  }
  EXPECT_EQ(again[0], firstOrder[70]);
}

TEST(RowsLoader, StatisticsAndClassesAreKept) {
  RowsOptions options = leafOptions();
  options.columns[1].classes.clear();
  auto trained = valueOf(RowsLoader::create(leafTable(50), "leaf.csv", options));
  EXPECT_EQ(trained->classes("y").vec(), (std::vector<std::string>{"flower", "leaf"}));
  llvm::json::Object facts = trained->facts();
  options.facts = &facts;
  auto other = valueOf(RowsLoader::create("volume,kind,red\n1,leaf,0\n", "other.csv", options));
  llvm::json::Object otherFacts = other->facts();
  for (const char *name : {"x", "y"})
    EXPECT_EQ(*otherFacts.get(name), *facts.get(name));
  RowInputs a(50), b(1);
  trained->evaluation(Loader::Part::All, {50, false, false}, 0, a.buffers());
  other->evaluation(Loader::Part::All, {1, false, false}, 0, b.buffers());
  EXPECT_EQ(a.x[0], b.x[0]); // row 0 of the first table has the same numbers
  EXPECT_EQ(b.y[0], 1);
  options.needed = {"x"};
  EXPECT_EQ(valueOf(RowsLoader::create("volume,red\n1,0\n", "o.csv", options))->rowCount(), 1);
}

// What asks for no next token sees the last one, too.
TEST(TextLoader, EveryTokenWhereNoneIsPredicted) {
  for (int count : {1, 7, 8, 9, 16, 17}) {
    auto loader = textLoader(count, 8);
    TextInputs inputs(2, 8);
    std::vector<InputBuffer> token = {inputs.buffers().front()};
    BatchShape shape;
    shape.rows = 2;
    shape.everyToken = true;
    int32_t expected = 0;
    for (int64_t i = 0, n = loader->evaluationBatches(Loader::Part::All, shape); i < n; ++i) {
      Batch batch = loader->evaluation(Loader::Part::All, shape, i, token);
      for (int64_t row = 0; row < batch.rows; ++row)
        for (int64_t t = 0; t < batch.length; ++t)
          ASSERT_EQ(inputs.token[size_t(row * 8 + t)], expected++);
    }
    EXPECT_EQ(expected, count);
  }
}

// Which rows are held out belongs to the run: another share, another shuffle or more rows change nothing about it.
TEST(RowsLoader, HeldOutRowsStayHeldOut) {
  auto heldOut = [](RowsLoader &loader) { return loader.facts().getString("held out")->str(); };
  auto trained = valueOf(RowsLoader::create(leafTable(50), "leaf.csv", leafOptions()));
  llvm::json::Object facts = trained->facts();
  EXPECT_EQ(trained->trainingExamples(), 45);
  RowsOptions options = leafOptions();
  options.facts = &facts;
  options.seed = 77;
  options.validation = 0.5;
  auto same = valueOf(RowsLoader::create(leafTable(50), "leaf.csv", options));
  EXPECT_EQ(heldOut(*same), heldOut(*trained));
  EXPECT_EQ(same->trainingExamples(), 45);
  // A table with other rows says nothing, unless the run goes on with it.
  auto other = valueOf(RowsLoader::create(leafTable(60), "leaf.csv", options));
  EXPECT_EQ(other->trainingExamples(), 30);
  options.keepHeldOut = true;
  auto longer = valueOf(RowsLoader::create(leafTable(60), "leaf.csv", options));
  EXPECT_EQ(heldOut(*longer), heldOut(*trained));
  EXPECT_EQ(longer->trainingExamples(), 55);
  auto shorter = valueOf(RowsLoader::create(leafTable(40), "leaf.csv", options));
  EXPECT_TRUE(llvm::StringRef(heldOut(*trained)).starts_with(heldOut(*shorter)));
  // The same rows in the same order as without facts: a resumed run has the same batches.
  options = leafOptions();
  options.facts = &facts;
  auto again = valueOf(RowsLoader::create(leafTable(50), "leaf.csv", options));
  BatchShape shape;
  shape.rows = 10;
  RowInputs a(10), b(10);
  for (int64_t step = 0; step < 12; ++step) {
    trained->training(shape, 9, step, a.buffers());
    again->training(shape, 9, step, b.buffers());
    EXPECT_EQ(a.x, b.x);
  }
  llvm::json::Object bad{{"all rows", 50}, {"held out", "1 x"}};
  options.facts = &bad;
  EXPECT_CONTAINS(messageOf(RowsLoader::create(leafTable(50), "leaf.csv", options)), "no list of rows");
  // A number instead of a share.
  options = leafOptions();
  options.validation = 7;
  EXPECT_EQ(valueOf(RowsLoader::create(leafTable(50), "leaf.csv", options))->trainingExamples(), 43);
}

std::string rowsError(const std::string &text) {
  return messageOf(RowsLoader::create(text, "leaf.csv", leafOptions()));
}

TEST(RowsLoader, ColumnsThatAreIndicesAreChecked) {
  RowsOptions options;
  options.columns.push_back({"user", {"user"}});
  options.columns.push_back({"x", {"item", "stars"}});
  auto loader = valueOf(RowsLoader::create("user,item,stars\n0,2,9\n\n6039,3,-7\n", "r.csv", options));
  std::vector<IndexColumn> good = {{"user", 0, 6040, "e"}, {"x", 0, 4, "f"}};
  EXPECT_EQ(messageOf(loader->checkIndices(good)), "");
  EXPECT_CONTAINS(
      messageOf(loader->checkIndices(IndexColumn{"user", 0, 6039, "e"})),
      "r.csv:4: column 'user' is 6039 here, but the model uses it as an index of 'e', which has 6039 "
      "values, 0 to 6038");
  EXPECT_CONTAINS(messageOf(loader->checkIndices(IndexColumn{"x", 0, 3, "f"})),
                  "r.csv:4: column 'item' is 3 here");
  EXPECT_CONTAINS(messageOf(loader->checkIndices(IndexColumn{"x", 1, 10, "g"})),
                  "r.csv:4: column 'stars' is -7 here");
}

TEST(RowsLoader, ErrorsHavePlaces) {
  EXPECT_EQ(rowsError("red,volume,kind\r\n 1 , 2,leaf\r\n\r\n\"3\",4,\"flower\""), "");
  EXPECT_CONTAINS(rowsError(""), "leaf.csv: the file is empty");
  EXPECT_CONTAINS(rowsError("red,volume,kind\n"), "no row");
  EXPECT_CONTAINS(rowsError("red,volume,kind\n1,2\n"), "leaf.csv:2:1: the row has 2 fields, the header 3");
  EXPECT_CONTAINS(rowsError("red,volume\n1,2\n"), "there is no column 'kind'; there are red, volume");
  EXPECT_CONTAINS(rowsError("red,volume,kind\n1,2,leaf\n1, two,leaf\n"),
                  "leaf.csv:3:4: 'two' is not a number");
  EXPECT_CONTAINS(rowsError("red,volume,kind\n1,,leaf\n"), "leaf.csv:2:3: '' is not a number");
  EXPECT_CONTAINS(rowsError("red,volume,kind\n1,nan,leaf\n"), "is not a number");
  EXPECT_CONTAINS(rowsError("red,volume,kind\n1,2,tree\n"),
                  "leaf.csv:2:5: 'tree' is no class of column 'kind'");
  EXPECT_CONTAINS(rowsError("red,volume,kind\n1,2,\"leaf\n"), "leaf.csv:2:5: the quote is never closed");
  EXPECT_CONTAINS(rowsError("red,volume,kind\n1,2,\"leaf\"x\n"), "text after a closing quote");
  EXPECT_CONTAINS(rowsError("red,red,kind\n1,2,leaf\n"), "leaf.csv:1:5: two columns");
  EXPECT_CONTAINS(rowsError("red,volume,kind\n1,2,\xff\n"), "leaf.csv:2: not valid UTF-8");
}

// What cannot be read exactly is an error or a warning, with its place.
std::vector<std::string> rowsWarnings(const std::string &numbers, bool f64 = false, bool standardise = false) {
  RowsOptions options;
  options.columns = {{"x", {"n"}, standardise, false, {}, false}};
  options.f64 = f64;
  return valueOf(RowsLoader::create("n\n" + numbers, "t.csv", options))->warnings();
}

TEST(RowsLoader, NumbersThatTheTypeDoesNotHold) {
  std::vector<std::string> found = rowsWarnings("1\n20170103\n20170104\n20170105\n");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_CONTAINS(found[0], "t.csv:3:1: '20170103' becomes 20170104 in f32 (column 'n'), and 1 more numbers change");
  EXPECT_TRUE(rowsWarnings("20170103\n20170104\n", /*f64=*/true).empty());
  EXPECT_TRUE(rowsWarnings("20170103\n20170104\n", false, /*standardise=*/true).empty());
  EXPECT_TRUE(rowsWarnings("16777216\n0.1\n1e30\n-3\n0\n0.00\n-0\n0e5\n123456.789\n").empty());
  EXPECT_EQ(rowsWarnings("9007199254740993\n", true).size(), 1u);
  EXPECT_TRUE(rowsWarnings("9007199254740992\n", true).empty());
  EXPECT_CONTAINS(rowsWarnings("1e-50\n")[0], "'1e-50' becomes 0 in f32");
  EXPECT_CONTAINS(rowsWarnings("1e-400\n", true)[0], "'1e-400' becomes 0 in f64");
  RowsOptions options;
  options.columns = {{"x", {"n"}, false, false, {}, false}};
  auto error = [&](const std::string &text) { return messageOf(RowsLoader::create(text, "t.csv", options)); };
  EXPECT_CONTAINS(error("n\n1\n1e39\n"), "t.csv:3:1: '1e39' is more than f32 can hold (column 'n'); --dtype f64");
  options.f64 = true;
  EXPECT_EQ(error("n\n1\n1e39\n"), "");
  EXPECT_CONTAINS(error("n\n1\n1e400\n"), "t.csv:3:1: '1e400' is more than f64 can hold");
  EXPECT_CONTAINS(error("n\n1\ninf\n"), "t.csv:3:1: 'inf' is not a number");
  EXPECT_CONTAINS(error(std::string("n,m\n1,3\0xyz\n", 13)), "t.csv:2:4: a zero byte");
}

TEST(RowsLoader, BlankLinesOfOneColumnAreRows) {
  RowsOptions options;
  options.columns = {{"x", {"n"}, false, false, {}, false}};
  auto error = [&](const std::string &text) { return messageOf(RowsLoader::create(text, "t.csv", options)); };
  EXPECT_CONTAINS(error("n\n1\n\n3\n"), "t.csv:3:1: '' is not a number");
  EXPECT_CONTAINS(error("n\r\n1\r\n\r\n3\r\n"), "t.csv:3:1: '' is not a number");
  EXPECT_EQ(error("\n\nn\n1\n3\n\n\n"), ""); // before the header and behind the last row there is none
  EXPECT_EQ(error("n,m\n1,2\n\n3,4\n"), "");
}

TEST(PlainText, ByteOrderMarks) {
  auto of = [](llvm::StringRef bytes) { return valueOf(plainText(bytes, "t.txt")).str(); };
  EXPECT_EQ(of("\xEF\xBB\xBF" "abc"), "abc");
  EXPECT_EQ(of(""), "");
  EXPECT_EQ(of("a\xEF\xBB\xBF"), "a\xEF\xBB\xBF");
  EXPECT_EQ(of(llvm::StringRef("\0\0\0\0ab", 6)), llvm::StringRef("\0\0\0\0ab", 6));
  for (auto [bytes, name] : {std::pair(llvm::StringRef("\xFF\xFE" "a\0b\0", 6), "UTF-16"),
                             {llvm::StringRef("\xFE\xFF\0a\0b", 6), "UTF-16"},
                             {llvm::StringRef("a\0b\0c\0", 6), "UTF-16"},
                             {llvm::StringRef("\0a\0b", 4), "UTF-16"},
                             {llvm::StringRef("\xFF\xFE\0\0a\0\0\0", 8), "UTF-32"},
                             {llvm::StringRef("a\0\0\0b\0\0\0", 8), "UTF-32"},
                             {llvm::StringRef("\0\0\0a\0\0\0b", 8), "UTF-32"}})
    EXPECT_CONTAINS(messageOf(plainText(bytes, "t.txt")), std::string("t.txt: the text is in ") + name);
}

TEST(Lines, EndsAndNames) {
  llvm::StringRef text = "a\rb\r\n\nc\r";
  EXPECT_EQ(nextLine(text), "a\rb");
  EXPECT_EQ(nextLine(text), "");
  EXPECT_EQ(nextLine(text), "c");
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(nameLines({7}), "line 7");
  EXPECT_EQ(nameLines({1, 2, 3, 4, 5, 6, 9}), "lines 1, 2, 3, 4, 5 and 2 more");
}

TEST(Lines, AreWrappedBetweenWords) {
  EXPECT_EQ(wrapLines("a line that fits\n", 40), "a line that fits\n");
  EXPECT_EQ(wrapLines("gptc: some words of a message", 16), "gptc: some words\n  of a message");
  EXPECT_EQ(wrapLines("  in front some words\nnext", 14), "  in front\n    some words\nnext");
  EXPECT_EQ(wrapLines("averyveryverylongword and more", 10), "averyveryverylongword\n  and more");
  EXPECT_EQ(wrapLines("\u00e4\u00e4\u00e4\u00e4 \u00e4\u00e4", 7), "\u00e4\u00e4\u00e4\u00e4 \u00e4\u00e4");
}

TEST(RowsLoader, ConstantColumnsAndSingleRows) {
  auto loader =
      valueOf(RowsLoader::create("red,volume,kind\n7,1,leaf\n7,2,leaf\n7,3,leaf\n", "l", leafOptions()));
  RowInputs inputs(3);
  loader->evaluation(Loader::Part::All, {3, false, false}, 0, inputs.buffers());
  EXPECT_EQ(inputs.x[0], 0);
  auto one = valueOf(RowsLoader::create("red,volume,kind\n7,1,leaf\n", "l", leafOptions()));
  EXPECT_EQ(one->trainingExamples(), 1);
  EXPECT_EQ(one->evaluationBatches(Loader::Part::Validation, {}), 0);
}

} // namespace
