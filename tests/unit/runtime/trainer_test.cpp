// Training with a program written by hand: least squares by gradient descent
// with momentum, its pieces on the pool.
#include "test_support.h"

#include "runtime/data/rows_loader.h"
#include "runtime/generator.h"
#include "runtime/interrupt.h"
#include "runtime/trainer.h"

#include "llvm/ADT/STLExtras.h"

#include <csignal>
#include <cstring>

using namespace gptc::runtime;

namespace {

constexpr int64_t batchBound = 8, features = 2;

// Hooks for single tests; programs are plain C functions.
int64_t poisonStep = -1, interruptStep = -1, evalRuns = 0;

float *variable(const gptc_context *context, int i) {
  return reinterpret_cast<float *>(context->variables[i]);
}

void initEntry(const gptc_context *context) {
  int32_t seed = *reinterpret_cast<const int32_t *>(context->inputs[0]);
  for (int64_t i = 0; i < features; ++i)
    variable(context, 0)[i] = 0.01f * float(seed) + float(i);
}

// The squared difference of one example.
void examplePiece(const gptc_context *context, void *const *arguments, char *, int64_t row) {
  auto *x = reinterpret_cast<const float *>(context->inputs[0]) + row * features;
  auto *y = reinterpret_cast<const float *>(context->inputs[1]);
  auto *w = static_cast<const float *>(arguments[0]);
  float predicted = 0;
  for (int64_t i = 0; i < features; ++i)
    predicted += w[i] * x[i];
  static_cast<float *>(arguments[1])[row] = predicted - y[row];
}

// Arena: loss at 0, norm at 64, differences from 128 on.
float lossOf(const gptc_context *context, const float *w) {
  auto *difference = reinterpret_cast<float *>(context->arena + 128);
  void *arguments[] = {const_cast<float *>(w), difference};
  gptc_launch(context, examplePiece, arguments, 0, context->extents[0], 64);
  float sum = 0;
  for (int64_t row = 0; row < context->extents[0]; ++row)
    sum += difference[row] * difference[row];
  return *reinterpret_cast<float *>(context->arena) = sum / float(context->extents[0]);
}

void stepEntry(const gptc_context *context) {
  float *momentum = variable(context, 0), *w = variable(context, 1);
  int32_t step = *reinterpret_cast<const int32_t *>(context->inputs[2]);
  auto *example = reinterpret_cast<const int32_t *>(context->inputs[3]);
  EXPECT_EQ(example[1], step * 8 + 1);
  lossOf(context, w);
  auto *difference = reinterpret_cast<float *>(context->arena + 128);
  auto *x = reinterpret_cast<const float *>(context->inputs[0]);
  float norm = 0;
  for (int64_t i = 0; i < features; ++i) {
    float gradient = 0;
    for (int64_t row = 0; row < context->extents[0]; ++row)
      gradient += 2 * difference[row] * x[row * features + i] / float(context->extents[0]);
    norm += gradient * gradient;
    momentum[i] = 0.9f * momentum[i] + gradient;
    w[i] -= 0.01f * momentum[i];
  }
  *reinterpret_cast<float *>(context->arena + 64) = norm;
  if (step == poisonStep)
    *reinterpret_cast<float *>(context->arena) = w[0] = NAN;
  if (step == interruptStep)
    std::raise(SIGINT);
}

void evalEntry(const gptc_context *context) {
  ++evalRuns;
  lossOf(context, variable(context, 0));
}

TensorInfo tensor(const std::string &name, DType type, std::vector<int64_t> shape, bool batch) {
  TensorInfo info;
  info.name = name;
  info.type = type;
  info.extents.resize(shape.size());
  if (batch)
    info.extents[0] = "b";
  info.shape = std::move(shape);
  return info;
}

VariableInfo parameter() {
  VariableInfo info;
  static_cast<TensorInfo &>(info) = tensor("w", DType::F32, {features}, false);
  info.parameter = true;
  info.path = {"w"};
  return info;
}

ResultInfo result(const std::string &name, int64_t offset) {
  ResultInfo info;
  static_cast<TensorInfo &>(info) = tensor(name, DType::F32, {}, false);
  info.arenaOffset = offset;
  return info;
}

Program initProgram() {
  Program program;
  program.entry = initEntry;
  program.variables = {parameter()};
  program.inputs = {tensor("seed", DType::I32, {}, false)};
  return program;
}

Program stepProgram() {
  Program program;
  program.entry = stepEntry;
  program.arenaBytes = 256;
  program.variables = {parameter(), parameter()};
  program.variables[0].name = "w.momentum";
  program.variables[0].path = {"w", "momentum"};
  program.variables[0].parameter = false;
  program.inputs = {tensor("x", DType::F32, {batchBound, features}, true),
                    tensor("y", DType::F32, {batchBound}, true), tensor("step", DType::I32, {}, false),
                    tensor("example", DType::I32, {batchBound}, true)};
  program.results = {result("loss", 0), result("grad_norm", 64)};
  program.extents = {{"b", batchBound}};
  return program;
}

Program evalProgram() {
  Program program = stepProgram();
  program.entry = evalEntry;
  program.arenaBytes = 4096;
  program.variables = {parameter()};
  program.results = {result("loss", 0)};
  return program;
}

std::string table() {
  std::string text = "a,b,c\n";
  for (int i = 0; i < 61; ++i) {
    double a = (i % 7) * 0.3 - 1, b = (i % 5) * 0.4 - 0.9;
    text += fmt::format("{},{},{}\n", a, b, 2 * a - b + 0.05 * (i % 3));
  }
  return text;
}

/// One run of the program above, in a directory that may be used again.
struct Trial {
  explicit Trial(const std::string &path, unsigned threads = 2) : path(path) {
    poisonStep = interruptStep = -1;
    clearInterrupt();
    RowsOptions rows;
    rows.columns = {{"x", {"a", "b"}, false, false, {}}, {"y", {"c"}, false, false, {}}};
    loader = valueOf(RowsLoader::create(table(), "table", rows));
    pool = valueOf(Pool::create(threads));
    job.init = initProgram();
    job.step = stepProgram();
    job.compileEval = [] { return llvm::Expected<Program>(evalProgram()); };
    job.store = &store;
    job.arena = &arena;
    job.pool = pool.get();
    job.loader = loader.get();
    job.progress.quiet = true;
    job.progress.stream = output = std::tmpfile();
    job.options.batch = 8;
    job.options.evalInterval = 5;
    job.options.saveInterval = 4;
    job.options.seed = 3;
  }
  ~Trial() { std::fclose(output); }
  llvm::Expected<int> go(int64_t steps, bool resume = false) {
    if (!path.empty()) {
      if (!resume) {
        run.emplace(valueOf(RunDirectory::create(path)));
        EXPECT_EQ(messageOf(run->writeConfig(llvm::json::Object{{"seed", 3}})), "");
      } else {
        run.emplace(valueOf(RunDirectory::open(path)));
      }
      job.run = &*run;
    }
    job.options.steps = steps;
    job.resume = resume;
    return train(job);
  }
  std::vector<float> weights() {
    auto *w = reinterpret_cast<float *>(store.find("w")->memory.data());
    auto *m = reinterpret_cast<float *>(store.find("w.momentum")->memory.data());
    return {w[0], w[1], m[0], m[1]};
  }

  std::string path;
  std::FILE *output = nullptr;
  VariableStore store;
  Arena arena;
  std::unique_ptr<Pool> pool;
  std::unique_ptr<RowsLoader> loader;
  std::optional<RunDirectory> run;
  TrainJob job;
};

/// The log without what differs from run to run.
std::string losses(const std::string &path) {
  std::string kept;
  llvm::SmallVector<llvm::StringRef> lines;
  std::string text = readAll(path + "/log.jsonl");
  llvm::StringRef(text).split(lines, '\n', -1, false);
  for (llvm::StringRef line : lines) {
    auto object = llvm::json::parse(line);
    EXPECT_TRUE(bool(object));
    object->getAsObject()->erase("ms");
    object->getAsObject()->erase("tokens_per_s");
    llvm::raw_string_ostream(kept) << *object << '\n';
  }
  return kept;
}

TEST(Trainer, LearnsSavesAndLogs) {
  TemporaryDirectory directory;
  Trial trial(directory.file("run"));
  evalRuns = 0;
  trial.job.options.saveInterval = 100;
  trial.job.options.evalInterval = 50;
  EXPECT_EQ(valueOf(trial.go(200)), 0);
  EXPECT_EQ(trial.job.result.steps, 200);
  EXPECT_LT(trial.job.result.loss, 0.05);
  EXPECT_EQ(evalRuns, 4); // the validation part is one batch
  ASSERT_TRUE(trial.job.result.valLoss);
  std::string log = readAll(directory.file("run/log.jsonl"));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 200);
  EXPECT_CONTAINS(log, "{\"step\":1,\"loss\":");
  EXPECT_CONTAINS(log, "\n{\"step\":200,\"loss\":"); // the last one has the number of the checkpoint
  EXPECT_EQ(valueOf(trial.run->checkpoints())[0], "step-00000200");
  EXPECT_LE(valueOf(trial.run->checkpoints()).size(), 3u);
}

TEST(Trainer, ThreadsChangeNothing) {
  std::vector<float> first;
  for (unsigned threads : {1, 2, 3}) {
    Trial trial("", threads);
    EXPECT_EQ(valueOf(trial.go(30)), 0);
    if (first.empty())
      first = trial.weights();
    EXPECT_EQ(first, trial.weights());
  }
}

TEST(Trainer, ResumesBitForBit) {
  TemporaryDirectory directory;
  Trial whole(directory.file("whole")), start(directory.file("parts")), rest(directory.file("parts"), 3);
  EXPECT_EQ(valueOf(whole.go(37)), 0);
  EXPECT_EQ(valueOf(start.go(19)), 0);
  EXPECT_EQ(valueOf(rest.go(37, /*resume=*/true)), 0);
  EXPECT_EQ(whole.weights(), rest.weights());
  // The first part ended with an evaluation that the whole run does not have.
  std::string a = losses(directory.file("whole")), b = losses(directory.file("parts"));
  EXPECT_EQ(a.substr(a.find("\"step\":20")), b.substr(b.find("\"step\":20")));
}

TEST(Trainer, ResumesFromAnOlderCheckpoint) {
  TemporaryDirectory directory;
  Trial whole(directory.file("whole")), start(directory.file("parts")), rest(directory.file("parts"));
  EXPECT_EQ(valueOf(whole.go(20)), 0);
  EXPECT_EQ(valueOf(start.go(20)), 0);
  writeAll(directory.file("parts/checkpoints/step-00000020/weights.safetensors"), "damaged");
  EXPECT_EQ(valueOf(rest.go(20, true)), 0);
  EXPECT_EQ(whole.weights(), rest.weights());
  EXPECT_EQ(losses(directory.file("whole")), losses(directory.file("parts")));
  std::rewind(rest.output);
  char text[400] = {};
  (void)!std::fread(text, 1, sizeof(text) - 1, rest.output);
  EXPECT_CONTAINS(text, "warning: step-00000020 is broken");
}

TEST(Trainer, InterruptSaves) {
  TemporaryDirectory directory;
  Trial whole(directory.file("whole"));
  EXPECT_EQ(valueOf(whole.go(20)), 0);
  {
    Trial trial(directory.file("run"));
    std::signal(SIGINT, SIG_DFL); // ignored in what a script runs in the background
    InterruptGuard guard("interrupted");
    interruptStep = 10;
    EXPECT_EQ(valueOf(trial.go(20)), 130);
    EXPECT_EQ(trial.job.result.steps, 11);
    EXPECT_EQ(valueOf(trial.run->checkpoints())[0], "step-00000011");
  }
  Trial rest(directory.file("run"));
  EXPECT_EQ(valueOf(rest.go(20, true)), 0);
  EXPECT_EQ(whole.weights(), rest.weights());
  EXPECT_EQ(losses(directory.file("whole")), losses(directory.file("run")));
}

int64_t interruptEval = -1; // the number of the evaluation in which an interrupt comes

/// Every file of a run but times, by name.
std::string filesOf(const std::string &path) {
  std::string text;
  std::error_code code;
  std::vector<std::string> names;
  for (llvm::sys::fs::recursive_directory_iterator entry(path, code), end; !code && entry != end;
       entry.increment(code))
    names.push_back(entry->path());
  llvm::sort(names);
  for (const std::string &name : names)
    if (llvm::sys::fs::is_regular_file(name))
      text += name.substr(path.size()) + "\n" +
              (llvm::StringRef(name).ends_with("log.jsonl") ? losses(path) : readAll(name)) + "\n";
  return text;
}

// An interrupt in any evaluation, or in the step before it: what is missing comes first when the run is resumed.
TEST(Trainer, InterruptedEvaluationsAreMadeUpFor) {
  TemporaryDirectory directory;
  auto program = [] {
    Program program = evalProgram();
    program.entry = [](const gptc_context *context) {
      if (evalRuns == interruptEval)
        requestInterrupt();
      evalEntry(context);
    };
    // Six rows in batches of at most two: an interrupt finds an evaluation that has begun and is not done.
    for (TensorInfo &input : program.inputs)
      if (!input.shape.empty() && input.extents[0] == "b")
        input.shape[0] = 2;
    program.extents[0].bound = 2;
    return llvm::Expected<Program>(program);
  };
  auto start = [&](Trial &trial) {
    trial.job.compileEval = program;
    trial.job.options.keep = 2;
    evalRuns = 0;
  };
  interruptEval = -1;
  Trial whole(directory.file("whole"));
  start(whole);
  EXPECT_EQ(valueOf(whole.go(20)), 0);
  // Of some 40 rows that were trained on, a tenth; at the end all six, as 159 were.
  int64_t total = evalRuns;
  EXPECT_GE(total, 3 + 3);
  EXPECT_LE(total, 3 * 2 + 3);
  for (int64_t number = 0; number < total; ++number) {
    std::string path = directory.file(fmt::format("run{}", number));
    {
      Trial trial(path);
      start(trial);
      interruptEval = number;
      EXPECT_EQ(valueOf(trial.go(20)), number < total - 1 ? 130 : 0); // nothing is left to do behind the last
    }
    interruptEval = -1;
    clearInterrupt();
    Trial rest(path);
    start(rest);
    EXPECT_EQ(valueOf(rest.go(20, /*resume=*/true)), 0);
    EXPECT_EQ(filesOf(directory.file("whole")), filesOf(path)) << number;
  }
  for (int64_t step : {3, 4, 5, 14, 18, 19}) { // steps counted from 0
    std::string path = directory.file(fmt::format("step{}", step));
    {
      Trial trial(path);
      start(trial);
      std::signal(SIGINT, SIG_DFL);
      InterruptGuard guard("interrupted");
      interruptStep = step;
      EXPECT_EQ(valueOf(trial.go(20)), 130);
    }
    Trial rest(path);
    start(rest);
    EXPECT_EQ(valueOf(rest.go(20, /*resume=*/true)), 0);
    EXPECT_EQ(filesOf(directory.file("whole")), filesOf(path)) << step;
  }
}

// By time, beside training or not: the same files at the end.
TEST(Trainer, TimedCheckpointsAreExtra) {
  TemporaryDirectory directory;
  Trial whole(directory.file("whole"));
  EXPECT_EQ(valueOf(whole.go(20)), 0);
  for (bool beside : {true, false}) {
    std::string path = directory.file(beside ? "beside" : "between");
    Trial timed(path);
    timed.job.options.saveSeconds = 1e-9;
    timed.job.options.saveBeside = beside;
    EXPECT_EQ(valueOf(timed.go(20)), 0);
    EXPECT_EQ(filesOf(directory.file("whole")), filesOf(path));
  }
}

TEST(Trainer, BrokenLossStopsWithoutSaving) {
  TemporaryDirectory directory;
  Trial trial(directory.file("run"));
  poisonStep = 11;
  std::string asked;
  trial.job.diagnose = [&](const BatchShape &shape, int64_t step) {
    asked += std::to_string(shape.rows) + " at " + std::to_string(step);
    return std::string("m.gpt:3:5: error: 'h' is nan\n");
  };
  std::string message = messageOf(trial.go(20));
  EXPECT_EQ(asked, "8 at 11");
  EXPECT_TRUE(llvm::StringRef(message).ends_with("\nm.gpt:3:5: error: 'h' is nan")) << message;
  EXPECT_CONTAINS(message, "step 12: the loss is nan; training stopped, the last checkpoint is step-000000");
  VariableStore store;
  ASSERT_EQ(messageOf(store.add(stepProgram().variables)), "");
  auto loaded = valueOf(trial.run->load(store, RunDirectory::Which::Latest, true));
  EXPECT_LE(loaded.state.step, 11);
  EXPECT_GE(loaded.state.step, 8);
  EXPECT_EQ(messageOf(store.checkFinite()), "");
}

TEST(Trainer, InitFile) {
  TemporaryDirectory directory;
  float values[] = {0.25f, -4};
  ASSERT_EQ(messageOf(writeSafeTensors(directory.file("w"),
                                       {{"w", StoredType::F32, {2}, reinterpret_cast<char *>(values)}})),
            "");
  Trial trial("");
  trial.job.initFile = directory.file("w");
  EXPECT_EQ(valueOf(trial.go(0)), 0);
  EXPECT_EQ(trial.weights()[0], 0.25f);
  EXPECT_EQ(trial.weights()[1], -4.0f);
}

TEST(Trainer, WrongOptions) {
  TemporaryDirectory directory;
  auto with = [&](auto change, bool resume = false) {
    Trial trial(resume ? directory.file("run") : "");
    change(trial.job);
    return messageOf(trial.go(3, resume));
  };
  EXPECT_CONTAINS(with([](TrainJob &job) { job.options.batch = 9; }), "at most 8");
  EXPECT_CONTAINS(with([](TrainJob &job) { job.options.batch = 0; }), "batch must be at least 1");
  EXPECT_CONTAINS(with([](TrainJob &job) { job.options.keep = 0; }), "keep must be at least 1");
  EXPECT_CONTAINS(with([](TrainJob &job) { job.step.results.clear(); }), "no scalar result 'loss'");
  EXPECT_CONTAINS(with([](TrainJob &job) { job.step.results[0].arenaOffset = 254; }), "outside of the arena");
  EXPECT_CONTAINS(with([](TrainJob &job) { job.step.inputs[0].name = "z"; }), "no 'z'");
  EXPECT_CONTAINS(with([](TrainJob &job) { job.initFile = "/no/such"; }), "No such file");
  Trial first(directory.file("run"));
  EXPECT_EQ(valueOf(first.go(2)), 0);
  EXPECT_CONTAINS(with([](TrainJob &job) { job.options.seed = 4; }, true), "started with seed 3, not 4");
  EXPECT_EQ(with([](TrainJob &job) {}, true), "");
}

TEST(Evaluate, WeightsBatchesByTheirRows) {
  Trial trial("");
  ASSERT_EQ(messageOf(trial.store.add({parameter()})), "");
  auto mean = [&](int64_t bound) {
    Program program = evalProgram();
    program.inputs[0].shape[0] = program.inputs[1].shape[0] = program.inputs[3].shape[0] = bound;
    program.extents[0].bound = bound;
    auto run = valueOf(ProgramRun::create(program, trial.store, trial.arena, *trial.pool));
    Evaluation evaluation = valueOf(evaluate(*run, *trial.loader, Loader::Part::All));
    EXPECT_EQ(evaluation.items, 61);
    return evaluation.loss;
  };
  EXPECT_NEAR(mean(8), mean(61), 1e-6);
  EXPECT_NEAR(mean(60), mean(61), 1e-6);
}

TEST(Evaluate, ReadsAsMuchAsItMay) {
  Trial trial("");
  ASSERT_EQ(messageOf(trial.store.add({parameter()})), "");
  auto run = valueOf(ProgramRun::create(evalProgram(), trial.store, trial.arena, *trial.pool));
  auto items = [&](int64_t most) {
    EvaluateOptions options;
    options.mostItems = most;
    double told = -1;
    options.progress = [&](double share) {
      EXPECT_GT(share, told);
      EXPECT_LT(share, 1);
      told = share;
    };
    return valueOf(evaluate(*run, *trial.loader, Loader::Part::All, options)).items;
  };
  EXPECT_EQ(items(0), 61);
  EXPECT_EQ(items(1000), 61); // eight batches of at most eight rows
  EXPECT_EQ(items(1), 8);     // one at least
  EXPECT_EQ(items(8), 8);
  EXPECT_EQ(items(31), 24);
  EXPECT_EQ(items(32), 32);
}

//===-- Generation -------------------------------------------------------------------===//

constexpr int64_t context = 4, vocabulary = 5;

// After token n, token n + 1 is certain; the length of the window is checked.
void nextEntry(const gptc_context *c) {
  auto *token = reinterpret_cast<const int32_t *>(c->inputs[0]);
  auto *logits = reinterpret_cast<float *>(c->arena);
  for (int64_t t = 0; t < c->extents[1]; ++t)
    for (int64_t v = 0; v < vocabulary; ++v)
      logits[t * vocabulary + v] = v == (token[t] + 1) % vocabulary ? 0 : -INFINITY;
}

TEST(Generator, ContinuesThePrompt) {
  Program program;
  program.entry = nextEntry;
  program.arenaBytes = 4096;
  program.inputs = {tensor("token", DType::I32, {1, context}, true)};
  program.inputs[0].extents[1] = "t";
  program.extents = {{"b", 1}, {"t", context}};
  program.results = {result("logits", 0)};
  program.results[0].shape = {1, context, vocabulary};
  VariableStore store;
  Arena arena;
  auto pool = valueOf(Pool::create(1));
  clearInterrupt();
  auto run = valueOf(ProgramRun::create(program, store, arena, *pool));
  auto tokenizer = valueOf(makeTokenizer("chars", {}, "abcdé", "text"));
  GenerateOptions options;
  options.tokens = 12;
  std::string text;
  auto emit = [&](llvm::StringRef piece) {
    text += piece;
    return text.size() < 100;
  };
  auto model = valueOf(WindowModel::create(*run, "logits", std::nullopt));
  EXPECT_EQ(valueOf(generate(*model, *tokenizer, {1}, options, emit)), 12);
  EXPECT_EQ(text, "cdéabcdéabcd");
  EXPECT_CONTAINS(messageOf(generate(*model, *tokenizer, {}, options, emit)), "the prompt is empty");
  EXPECT_CONTAINS(messageOf(WindowModel::create(*run, "p", std::nullopt)), "no output 'p'");
  auto wide = valueOf(makeTokenizer("chars", {}, "abcdef", "text"));
  EXPECT_CONTAINS(messageOf(generate(*model, *wide, {1}, options, emit)), "5 values per token, the vocabulary 6");
  text.clear();
  EXPECT_EQ(valueOf(generate(*model, *tokenizer, {1}, options, [](llvm::StringRef) { return false; })), 1);
  EXPECT_CONTAINS(messageOf(run->setExtent("t", 5)), "between 1 and 4, not 5");
  EXPECT_CONTAINS(messageOf(run->setExtent("s", 1)), "no extent 's'");
}

// A window of fixed length: after it, how often the first token stands in it.
void countEntry(const gptc_context *c) {
  auto *token = reinterpret_cast<const int32_t *>(c->inputs[0]);
  auto *logits = reinterpret_cast<float *>(c->arena);
  int64_t count = std::count(token, token + context, 0);
  for (int64_t v = 0; v < vocabulary; ++v)
    logits[v] = v == count ? 0 : -INFINITY;
}

TEST(Generator, FillsAFixedWindowUp) {
  Program program;
  program.entry = countEntry;
  program.arenaBytes = 4096;
  program.inputs = {tensor("token", DType::I32, {1, context}, true)};
  program.extents = {{"b", 1}};
  program.results = {result("logits", 0)};
  program.results[0].shape = {1, vocabulary};
  VariableStore store;
  Arena arena;
  auto pool = valueOf(Pool::create(1));
  clearInterrupt();
  auto run = valueOf(ProgramRun::create(program, store, arena, *pool));
  auto tokenizer = valueOf(makeTokenizer("chars", {}, "01234", "text"));
  GenerateOptions options;
  options.tokens = 1;
  std::string text;
  auto emit = [&](llvm::StringRef piece) {
    text += piece;
    return true;
  };
  auto bare = valueOf(WindowModel::create(*run, "logits", std::nullopt));
  EXPECT_CONTAINS(messageOf(generate(*bare, *tokenizer, {1}, options, emit)),
                  "the prompt has 1 tokens, but the model looks at exactly 4");
  EXPECT_EQ(text, "");
  options.pad = 0;
  auto model = valueOf(WindowModel::create(*run, "logits", 0));
  EXPECT_EQ(valueOf(generate(*model, *tokenizer, {1}, options, emit)), 1);
  EXPECT_EQ(valueOf(generate(*model, *tokenizer, {}, options, emit)), 1);
  EXPECT_EQ(valueOf(generate(*model, *tokenizer, {1, 1, 1, 1, 0}, options, emit)), 1);
  EXPECT_EQ(text, "341");
}

} // namespace
