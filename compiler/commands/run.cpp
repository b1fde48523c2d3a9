// gptc run: the outputs of a model for given inputs, as CSV or to read.
#include "compiler/commands/commands.h"
#include "compiler/commands/results.h"
#include "compiler/trained.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <csignal>
#include <unistd.h>

using namespace gptc;

/// Do sizes of this model hang on data that only reading shows?
static bool sizesFromData(const DataSpec &spec) {
  if (spec.kind == DataSpec::Text || spec.kind == DataSpec::Pairs)
    return spec.tokenizer == "chars" || spec.tokenizer == "bpe";
  return llvm::any_of(
      spec.columns, [](const DataSpec::Column &column) { return column.isClass && column.classes.empty(); });
}

/// Which text each extent is the length of.
static std::map<std::string, std::string> streamsOf(const DataSpec &spec) {
  std::map<std::string, std::string> streams;
  for (const DataSpec::Stream &stream : spec.streams)
    if (!stream.extent.empty())
      streams[stream.extent] = stream.name;
  return streams;
}

/// Makes the prompt the one example of the program's batch. Reports its errors.
static bool setPrompt(const Session &session, runtime::ProgramRun &run, const std::string &prompt,
                      const std::vector<std::string> &specials, runtime::Batch &batch) {
  auto fail = [](llvm::Error error) {
    reportError(std::move(error));
    return false;
  };
  std::vector<int32_t> tokens;
  if (llvm::Error error = session.tokenizer->encode(prompt, specials, tokens, "the prompt"))
    return fail(std::move(error));
  if (tokens.empty())
    return fail(runtime::failure("the prompt is empty: the model needs at least one token"));
  const DataSpec::Stream &stream = session.spec.streams.front();
  if (int64_t(tokens.size()) > stream.bound)
    return fail(runtime::failure(
        "the prompt has {} tokens, but '{}' takes at most {}; give a longer text with --data", tokens.size(),
        stream.name, stream.bound));
  for (const runtime::InputBuffer &input : run.inputs()) {
    if (runtime::isLoopInput(input.info->name))
      continue;
    if (input.info->name != stream.name)
      return fail(runtime::failure(
          "what is asked for depends on '{}', which a prompt does not have; give --data", input.info->name));
    std::copy(tokens.begin(), tokens.end(), reinterpret_cast<int32_t *>(input.data));
  }
  batch.rows = 1;
  batch.length = batch.items = int64_t(tokens.size());
  if (llvm::Error error = run.setBatch(1, batch.length))
    return fail(std::move(error));
  return true;
}

/// Nothing is kept that an interrupt could lose, so the first one ends the process, wherever it is.
static void endWhenInterrupted() {
  static std::string said = programName() + ": interrupted\n";
  auto end = [](int) {
    (void)!write(STDERR_FILENO, said.data(), said.size());
    _exit(Interrupted);
  };
  for (int number : {SIGINT, SIGTERM, SIGHUP})
    if (std::signal(number, end) == SIG_IGN)
      std::signal(number, SIG_IGN);
}

int gptc::runCommand(llvm::ArrayRef<const char *> words) {
  CommonOptions options;
  std::string path, prompt, which = "latest", format = "csv";
  std::vector<std::string> show, data, specials;
  int64_t seed = 1;
  Arguments arguments(
      "run RUN|MODEL --data FILE|--prompt TEXT [--show NAME]...",
      "Prints the model's outputs for given inputs as CSV, one line per example, or as tables to\n"
      "read. With a model file the weights are its initial ones.");
  arguments.positional("RUN|MODEL", "the directory of a run, or a model file", path);
  arguments.option("--data", "FILE", "the inputs: a table, a text, or for pairs of lines two files", data);
  arguments.option("--prompt", "TEXT",
                   "the one input of a model of text; --data then only says its characters", prompt);
  arguments.option("--special", "NAME", "where NAME stands in the prompt, it is that special token", specials);
  arguments.option("--show", "NAME", "also this value of the file, whether stored or not", show);
  arguments.choice("--format", "csv, or tables to read: these show just the values of --show, if given",
                   {"csv", "table"}, format);
  arguments.option("--seed", "N", "of the initial weights of a model file (default 1)", seed, 0, INT32_MAX);
  addCheckpointOption(arguments, which);
  addSetOption(arguments, options);
  addTypeOption(arguments, options, "for a model file: the type of floating-point numbers");
  addCompileOptions(arguments, options);
  arguments.example("run run --data rows.csv");
  arguments.example("run run --prompt \"the cat\" --show attention.weight --format table");
  if (std::optional<int> code = arguments.parse(words))
    return *code;

  endWhenInterrupted();
  Session session(options);
  bool isRun = llvm::sys::fs::is_directory(path);
  std::optional<llvm::json::Object> config;
  std::optional<runtime::RunDirectory> directory;
  if (isRun) {
    if (!options.set.empty() || arguments.given("--dtype"))
      return arguments.usageError(
          "a run has its settings and type already; --set and --dtype are for model files");
    directory = openRun(session, path, config);
    if (!directory)
      return Failure;
    seed = config->getInteger("seed").value_or(seed);
  } else if (!session.open(path)) {
    return Failure;
  }
  const llvm::json::Object *saved = config ? config->getObject("data") : nullptr;
  if (!session.readDataSpec())
    return Failure;
  bool hasData = session.spec.kind != DataSpec::None;
  bool hasPrompt = arguments.given("--prompt");
  if (hasPrompt && session.spec.kind != DataSpec::Text) {
    reportError(llvm::Twine(path) + " reads no text, so `--prompt` means nothing to it");
    return Failure;
  }
  if (hasPrompt && !saved && data.empty() && sizesFromData(session.spec))
    return arguments.usageError("--data is missing: the text whose characters the model file knows");
  if (hasPrompt && saved && !data.empty())
    return arguments.usageError("give one of --data and --prompt");
  if (hasData && data.empty() && !hasPrompt)
    return arguments.usageError("--data is missing: the inputs of the model");
  if (!hasData && !data.empty()) {
    reportError(llvm::Twine(path) + " declares no data, so `--data` means nothing to it");
    return Failure;
  }
  // Without a run nothing is trained, so all rows count for the statistics of columns.
  auto load = [&](const std::vector<std::string> &needed) {
    return session.loadData(data, uint64_t(seed), saved, needed, {}, /*holdOut=*/saved != nullptr);
  };
  if (!saved && sizesFromData(session.spec) && !load({}))
    return Failure;
  // Without data a declared tokenizer is made from its declaration alone.
  if (hasPrompt && !session.tokenizer && !session.makeTokenizer("", "the prompt"))
    return Failure;
  if (!session.analyse())
    return Failure;
  std::vector<std::string> known = session.model->values();
  for (const std::string &name : show) {
    if (llvm::is_contained(known, name))
      continue;
    std::string meant = nearestName(name, known);
    reportError("--show " + llvm::Twine(name) + ": the model has no value of that name" +
                (meant.empty() ? "; it has " + llvm::join(known, ", ") : "; did you mean `" + meant + "`?"));
    return Failure;
  }

  auto machine = Machine::create(options.threads);
  if (!machine)
    return reportError(machine.takeError());
  auto program = session.compile(session.pipeline(ProgramKind::Outputs,
                                                  hasPrompt ? 1
                                                  : hasData ? 64
                                                            : 1,
                                                  hasData),
                                 show);
  if (!program)
    return reportError(program.takeError());
  // The table need not have what the outputs do not ask for, such as labels.
  std::vector<std::string> needed;
  for (const runtime::TensorInfo &input : program->inputs)
    if (!runtime::isLoopInput(input.name))
      needed.push_back(input.name);
  auto bound = (*machine)->bind(std::move(*program));
  if (!bound)
    return reportError(bound.takeError());
  if (directory) {
    if (llvm::Error error = (*machine)->load(session, *directory, which))
      return reportError(std::move(error));
  } else {
    auto init = session.compile(session.pipeline(ProgramKind::Init, 1, false));
    if (!init)
      return reportError(init.takeError());
    auto first = (*machine)->bind(std::move(*init));
    if (!first)
      return reportError(first.takeError());
    (*first)->setLoopInputs(uint64_t(seed), 0, 0);
    (*first)->run();
  }

  runtime::ProgramRun &run = **bound;
  std::vector<ClassResult> classes = classResults(*session.model, run.program());
  std::unique_ptr<ResultPrinter> printer =
      format == "csv" ? printCsv(run, std::move(classes))
                      : printTables(run, session.tokenizer.get(), streamsOf(session.spec),
                                    {show.begin(), show.end()}, std::move(classes));
  if (!hasData || needed.empty() || hasPrompt) {
    runtime::Batch one;
    one.rows = 1;
    if (hasPrompt && !setPrompt(session, run, prompt, specials, one))
      return Failure;
    run.setLoopInputs(uint64_t(seed), 0, 0);
    run.run();
    printer->header();
    printer->rows(one);
    return Success; // what could not be written is said at the end
  }
  if (!load(needed))
    return Failure;
  if (llvm::Error error = session.loader->check(run.inputs()))
    return reportError(std::move(error));
  printer->header();
  runtime::BatchShape shape = run.batchShape();
  bool isText = session.spec.kind == DataSpec::Text;
  shape.everyToken =
      isText && !llvm::is_contained(needed, "next(" + session.spec.streams.front().name + ")");
  using Part = runtime::Loader::Part;
  int64_t example = 0, items = 0;
  for (int64_t i = 0, n = session.loader->evaluationBatches(Part::All, shape); i < n; ++i) {
    runtime::Batch batch = session.loader->evaluation(Part::All, shape, i, run.inputs());
    if (llvm::Error error = run.setBatch(batch))
      return reportError(std::move(error));
    run.setLoopInputs(uint64_t(seed), 0, example);
    run.run();
    if (!printer->rows(batch))
      return Failure;
    example += batch.rows;
    items += batch.items;
  }
  int64_t tokens = isText ? session.loader->facts().getInteger("tokens").value_or(0) : 0;
  if (tokens > items + !shape.everyToken)
    llvm::errs() << programName() << ": warning: the last " << tokens - items << " of " << tokens
                 << " tokens fill no window of " << session.spec.streams.front().bound
                 << ", so they are left out\n";
  return Success;
}
