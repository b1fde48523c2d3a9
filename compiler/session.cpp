#include "compiler/session.h"
#include "compiler/jit.h"
#include "compiler/registry.h"

#include "frontend/fields.h"

#include "passes/codegen/contraction.h"
#include "runtime/data/pairs_loader.h"
#include "runtime/data/rows_loader.h"
#include "runtime/data/separate_loader.h"
#include "runtime/data/text_loader.h"
#include "runtime/doing.h"
#include "runtime/files.h"
#include "runtime/lines.h"
#include "runtime/pool.h"
#include "runtime/progress.h"
#include "runtime/utf8.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectRegistry.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>

using namespace gptc;

CommonOptions::CommonOptions() : threads(runtime::defaultThreads()) {}

void gptc::addSetOption(Arguments &arguments, CommonOptions &options) {
  arguments.option("--set", "NAME=VALUE", "gives a setting of the file, or a field of train { } and generate { }, another value; may be repeated",
                   options.set);
}

void gptc::addTypeOption(Arguments &arguments, CommonOptions &options, const char *help) {
  arguments.choice("--dtype", help, {"f32", "f64", "bf16"}, options.dtype);
}

void gptc::addMemoryOption(Arguments &arguments, CommonOptions &options) {
  arguments.checked("--memory", "SIZE",
                    "the most memory that a training step may take, as 800MiB or 1.5GiB: parameters, optimizer, "
                     "batch and all values; what does not fit is recomputed in the backward pass (default: no limit)",
                    [&options](llvm::StringRef text) -> std::string {
                      std::optional<int64_t> size = parseSize(text);
                      options.memory = size.value_or(0);
                      return size ? "" : "is no size: 800MiB, 1.5GiB";
                    });
}

void gptc::addCompileOptions(Arguments &arguments, CommonOptions &options, bool runs) {
  arguments.checked("--cpu", "NAME", "generate code for this CPU, as x86-64-v3 (default: the one we run on)",
                    [runs](llvm::StringRef name) { return chooseCpu(name, runs); });
  arguments.option("--threads", "N", "threads (default: what affinity and the container's quota allow)",
                   options.threads, 1, runtime::Pool::mostThreads);
  arguments.checked("--tile", "RxV[,MxN]",
                    "for experiments: contractions in tiles of R rows and V vectors, pieces of M "
                    "rows and N columns (default: as the shapes and the CPU say)",
                    [&options](llvm::StringRef text) -> std::string {
                      options.tile = text.str();
                      return parseTile(text) ? "" : "is no tile: 8x2 or 8x2,128x256";
                    });
  arguments.option("--dump-ir", "DIR", "write the IR after each pass that changed it", options.dumpIr);
  arguments.flag("--timing", "say how long each stage of compiling took", options.timing);
  arguments.flag("--line-tables", "tell debuggers and profilers about generated code", options.lineTables);
}

void gptc::addFields(Arguments &arguments, bool training) {
  Arguments::List list;
  list.title = training ? "Fields of train { } in a model file, `train { batch: 32, steps: 1000 }`; "
                          "--set changes them:"
                        : "Fields of generate { } in a model file, which the options above override:";
  for (const ConfigField &field : training ? trainFields() : generateFields())
    list.rows.push_back({field.name, "as " + field.value + ": " + field.meaning +
                                         (field.otherwise.empty() ? " (must be given)"
                                                                  : " (default: " + field.otherwise + ")")});
  arguments.list(std::move(list));
}

void gptc::say(const llvm::Twine &message) {
  std::string text = programName() + ": " + message.str() + "\n";
  if (int columns = runtime::terminalColumns(stderr))
    text = runtime::wrapLines(text, size_t(columns));
  llvm::errs() << text;
}

void gptc::reportError(const llvm::Twine &message) {
  // What follows the first line was made for reading, perhaps with colours.
  std::string text = message.str();
  auto [first, rest] = llvm::StringRef(text).split('\n');
  say(readable(first.str()) + (rest.empty() ? "" : "\n" + rest));
}

int gptc::reportError(llvm::Error error) {
  llvm::handleAllErrors(std::move(error),
                        [](const llvm::ErrorInfoBase &info) { reportError(llvm::Twine(info.message())); });
  return Failure;
}

bool gptc::colourErrors() {
  return llvm::sys::Process::StandardErrHasColors() && !llvm::sys::Process::GetEnv("NO_COLOR");
}

Program gptc::programOf(ProgramKind kind) {
  switch (kind) {
  case ProgramKind::Init: return Program::Init;
  case ProgramKind::Train: return Program::Train;
  case ProgramKind::Eval: return Program::Eval;
  case ProgramKind::Outputs:
  case ProgramKind::Prepare:
  case ProgramKind::Step:
  case ProgramKind::Extend: return Program::Outputs;
  }
  return Program::Outputs;
}

Session::Session(const CommonOptions &options) : options(options) {}

Session::~Session() {
  if (options.timing)
    llvm::errs() << timing.print();
}

mlir::MLIRContext &Session::mlirContext() {
  if (!context) {
    mlir::DialectRegistry registry;
    registerDialects(registry);
    registerPasses();
    context = std::make_unique<mlir::MLIRContext>(registry, mlir::MLIRContext::Threading::DISABLED);
    if (options.threads > 1) {
      pool = std::make_unique<llvm::DefaultThreadPool>(llvm::hardware_concurrency(options.threads));
      context->setThreadPool(*pool);
    }
    context->loadAllAvailableDialects();
  }
  return *context;
}

bool Session::render(const Diagnostics &diagnostics) const {
  if (!diagnostics.hasErrors())
    return true;
  llvm::errs() << diagnostics.render(colourErrors());
  return false;
}

bool Session::open(const std::string &path) {
  runtime::Doing doing("reading " + path);
  std::string problem;
  std::optional<int32_t> opened = sources.open(path, problem);
  if (!opened) {
    reportError(problem);
    return false;
  }
  if (llvm::StringRef(sources.text(*opened)).trim().empty()) {
    reportError(llvm::Twine(path) +
                ": the file is empty; a model file says at least what is read and computed");
    return false;
  }
  file = *opened;
  return readSettings();
}

bool Session::openText(const std::string &name, std::string text) {
  if (!readSettings())
    return false;
  file = sources.add(name, std::move(text));
  return true;
}

bool Session::readSettings() {
  for (const std::string &assignment : options.set) {
    auto [key, value] = llvm::StringRef(assignment).split('=');
    if (key.trim().empty() || value.trim().empty()) {
      reportError("--set " + llvm::Twine(assignment) + ": expected NAME=VALUE");
      return false;
    }
    overrides[key.trim().str()] = value.trim().str();
  }
  return true;
}

bool Session::readDataSpec() {
  AnalyseOptions analyseOptions;
  analyseOptions.overrides = overrides;
  Diagnostics diagnostics(sources);
  spec = dataSpec(sources, file, analyseOptions, diagnostics);
  return render(diagnostics);
}

bool Session::makeTokenizerFor(llvm::ArrayRef<std::string> files) {
  runtime::Doing doing("making a vocabulary of " + llvm::join(files, ", "));
  std::vector<std::unique_ptr<llvm::MemoryBuffer>> buffers;
  std::vector<runtime::TokenizerText> texts;
  std::vector<std::string> lines;
  lines.reserve(files.size());
  for (const std::string &name : files) {
    auto buffer = runtime::readFile(name);
    if (!buffer) {
      reportError(buffer.takeError());
      return false;
    }
    buffers.push_back(std::move(*buffer));
    auto text = runtime::plainText(buffers.back()->getBuffer(), name);
    if (!text) {
      reportError(text.takeError());
      return false;
    }
    texts.push_back({*text, name});
    // A line's end belongs to no line of pairs, so it is no character there.
    if (spec.kind == DataSpec::Pairs && spec.tokenizer == "chars") {
      if (llvm::Error error = runtime::checkUtf8(*text, name)) { // while lines still have numbers
        reportError(std::move(error));
        return false;
      }
      std::string &joined = lines.emplace_back();
      for (llvm::StringRef rest = *text; !rest.empty();)
        joined += runtime::nextLine(rest);
      texts.back().text = joined;
    }
  }
  return makeTokenizer(texts);
}

/// The tokenizer of the run that the weights come from, which must be what the file declares.
bool Session::takeTokenizer(llvm::ArrayRef<std::string> files) {
  auto fail = [&](const llvm::Twine &why) {
    reportError("--init " + startName + ": " + why);
    return false;
  };
  const llvm::json::Object *saved = start->getObject("tokenizer");
  if (!saved)
    return fail("the run was not trained on text, so its weights know no tokens");
  auto loaded = runtime::loadTokenizer(*saved, startName + "/config.json");
  if (!loaded) {
    reportError(loaded.takeError());
    return false;
  }
  if (!tokenizerNeedsText()) {
    if (!makeTokenizerFor(files))
      return false;
    return tokenizer->save() == (*loaded)->save() ||
           fail("its weights were trained on other tokens than " + sources.name(file) + " declares");
  }
  if ((*loaded)->kind() != spec.tokenizer)
    return fail("its tokens are of the kind `" + (*loaded)->kind() + "`, and " + sources.name(file) +
                " declares `" + spec.tokenizer + "`");
  if (spec.kind == DataSpec::Pairs && !runtime::SpecialTokens::of(**loaded))
    return fail("its tokens have no padding, begin and end, which pairs need");
  tokenizer = std::move(*loaded);
  facts.sizes["vocabulary"] = tokenizer->vocabulary();
  say("the vocabulary of " + llvm::Twine(tokenizer->vocabulary()) + " tokens is that of " + startName);
  return true;
}

bool Session::makeTokenizer(llvm::StringRef text, llvm::StringRef source) {
  return makeTokenizer(runtime::TokenizerText{text, source});
}

bool Session::makeTokenizer(llvm::ArrayRef<runtime::TokenizerText> texts) {
  std::vector<std::string> specials;
  if (spec.kind == DataSpec::Pairs)
    specials = runtime::SpecialTokens::names();
  auto made = runtime::makeTokenizer(spec.tokenizer, spec.tokenizerArguments, texts, specials);
  if (!made && tokenizerNeedsText())
    reportError(made.takeError());
  else if (!made) {
    // What is wrong stands in the model file.
    Diagnostics diagnostics(sources);
    diagnostics.error(spec.tokenizerSpan, llvm::toString(made.takeError()));
    render(diagnostics);
  }
  if (!made)
    return false;
  tokenizer = std::move(*made);
  facts.sizes["vocabulary"] = tokenizer->vocabulary();
  return true;
}

bool Session::tokenizerNeedsText() const {
  return spec.tokenizer == "chars" || spec.tokenizer == "bpe";
}

bool Session::readVocabulary() {
  if (facts.sizes.count("vocabulary"))
    return true;
  AnalyseOptions analyseOptions;
  analyseOptions.overrides = overrides;
  Diagnostics quiet(sources); // analysing says it all
  spec = dataSpec(sources, file, analyseOptions, quiet);
  if (quiet.hasErrors() || spec.tokenizer.empty() || spec.tokenizer == "chars")
    return true;
  if (spec.tokenizer != "bpe")
    return makeTokenizer("", "");
  // Where there is no text yet, its bound is its size.
  int64_t bound;
  if (!llvm::StringRef(spec.tokenizerArguments[0]).getAsInteger(10, bound))
    facts.sizes["vocabulary"] = bound;
  return true;
}

static runtime::RowsOptions rowsOptions(const DataSpec &spec, uint64_t seed) {
  runtime::RowsOptions rows;
  rows.seed = seed;
  rows.validation = spec.validation;
  for (const DataSpec::Column &column : spec.columns)
    rows.columns.push_back({column.name, column.sources, column.standardise, column.isClass, column.classes,
                            column.isDistribution});
  return rows;
}

bool Session::checkFiles(const std::vector<std::string> &files, const char *option) const {
  size_t wanted = spec.kind == DataSpec::Pairs ? 2 : 1;
  if (files.size() == wanted)
    return true;
  std::string which = "one file";
  if (wanted == 2)
    which = llvm::formatv("two files of lines: {0} FILE of `{1}`, then {0} FILE of `{2}`", option,
                          spec.streams.front().name, spec.streams.back().name);
  reportError(llvm::formatv("{0} reads {1}; {2} is given {3} time{4}", sources.name(file), which, option,
                            files.size(), files.size() == 1 ? "" : "s")
                  .str());
  return false;
}

llvm::Expected<std::unique_ptr<runtime::Loader>> Session::makeLoader(const std::vector<std::string> &files,
                                                                     const LoaderRequest &request) {
  runtime::Doing doing("reading " + llvm::join(files, ", "));
  switch (spec.kind) {
  case DataSpec::None: break;
  case DataSpec::Text: {
    runtime::TextOptions text;
    text.stream = spec.streams.front().name;
    text.context = spec.streams.front().bound;
    text.holdOut = request.holdOut;
    text.validation = spec.validation;
    text.heldOut = {request.facts, request.keepHeldOut};
    return runtime::TextLoader::open(files.front(), *tokenizer, text);
  }
  case DataSpec::Pairs: {
    runtime::PairsOptions pairs;
    auto side = [](const DataSpec::Stream &stream) {
      return runtime::PairsSide{stream.name, stream.extent, stream.bound};
    };
    pairs.source = side(spec.streams.front());
    pairs.target = side(spec.streams.back());
    pairs.holdOut = request.holdOut;
    pairs.validation = spec.validation;
    pairs.heldOut = {request.facts, request.keepHeldOut};
    return runtime::PairsLoader::open(files[0], files[1], *tokenizer, *tokenizer, pairs);
  }
  case DataSpec::Rows: {
    runtime::RowsOptions rows = rowsOptions(spec, request.seed);
    rows.needed = request.needed;
    rows.facts = request.facts;
    rows.f64 = f64();
    rows.holdOut = request.holdOut;
    rows.keepHeldOut = request.keepHeldOut;
    auto made = runtime::RowsLoader::open(files.front(), rows);
    if (!made)
      return made.takeError();
    for (const DataSpec::Column &column : spec.columns)
      if (column.isClass)
        facts.sizes[column.name] = (*made)->classes(column.name).size();
    return made;
  }
  }
  return runtime::failure("{} declares no data, so `--data` means nothing to it", sources.name(file));
}

bool Session::loadData(const std::vector<std::string> &data, uint64_t seed, const llvm::json::Object *saved,
                       const std::vector<std::string> &needed, const std::vector<std::string> &validation,
                       bool holdOut, bool keepHeldOut) {
  if (!readDataSpec() || (saved && !loadFacts(*saved)))
    return false;
  if (spec.kind != DataSpec::None &&
      (!checkFiles(data, "--data") || (!validation.empty() && !checkFiles(validation, "--val"))))
    return false;
  bool isText = spec.kind == DataSpec::Text || spec.kind == DataSpec::Pairs;
  if (isText && !tokenizer && !(start ? takeTokenizer(data) : makeTokenizerFor(data)))
    return false;
  LoaderRequest request;
  request.seed = seed;
  request.facts = saved ? saved->getObject("loader") : start ? start->getObject("loader") : nullptr;
  request.needed = needed;
  request.holdOut = holdOut && validation.empty();
  request.keepHeldOut = keepHeldOut;
  auto made = makeLoader(data, request);
  if (!made) {
    reportError(made.takeError());
    return false;
  }
  loader = std::move(*made);
  if (!validation.empty()) {
    // Statistics and classes are those of the training data.
    llvm::json::Object own = loader->facts();
    request.facts = &own;
    auto second = makeLoader(validation, request);
    if (!second) {
      reportError(second.takeError());
      return false;
    }
    loader = std::make_unique<runtime::SeparateLoader>(std::move(loader), std::move(*second));
  }
  for (const std::string &warning : loader->warnings())
    if (warned.insert(warning).second)
      say("warning: " + warning);
  return !model || checkIndices();
}

/// Are the columns that the model uses as indices ones? Known once both the model and its data are read.
bool Session::checkIndices() const {
  std::vector<runtime::IndexColumn> indices;
  for (const DataSpec::IndexUse &use : model->data().indexUses)
    indices.push_back({use.column, use.source, use.below, use.table});
  llvm::Error error = loader ? loader->checkIndices(indices) : llvm::Error::success();
  if (!error)
    return true;
  reportError(std::move(error));
  return false;
}

bool Session::loadFacts(const llvm::json::Object &saved) {
  if (const llvm::json::Object *sizes = saved.getObject("sizes"))
    for (const auto &[name, value] : *sizes)
      if (auto size = value.getAsInteger())
        facts.sizes[name.str()] = *size;
  // Read once: whoever asked for it may hold on to it.
  if (const llvm::json::Object *object = tokenizer ? nullptr : saved.getObject("tokenizer")) {
    auto loaded = runtime::loadTokenizer(*object, "config.json");
    if (!loaded) {
      reportError(loaded.takeError());
      return false;
    }
    tokenizer = std::move(*loaded);
  }
  return true;
}

llvm::json::Object Session::savedFacts() const {
  llvm::json::Object saved, sizes;
  for (const auto &[name, size] : facts.sizes)
    sizes[name] = size;
  saved["sizes"] = std::move(sizes);
  if (tokenizer)
    saved["tokenizer"] = tokenizer->save();
  if (loader)
    saved["loader"] = loader->facts();
  return saved;
}

bool Session::analyse() {
  runtime::Doing doing("checking " + sources.name(file));
  if (!readVocabulary())
    return false;
  AnalyseOptions analyseOptions;
  analyseOptions.overrides = overrides;
  analyseOptions.facts = facts;
  Diagnostics diagnostics(sources);
  model = gptc::analyse(sources, file, analyseOptions, diagnostics);
  if (!render(diagnostics))
    return false;
  spec = model->data();
  // Only what this command line says; a run's own settings are in its config.
  for (const std::string &assignment : options.set)
    llvm::errs() << programName() << ": " << llvm::StringRef(assignment).split('=').first.trim() << " = "
                 << llvm::StringRef(assignment).split('=').second.trim() << " (set on the command line)\n";
  return checkIndices();
}

mlir::OwningOpRef<mlir::ModuleOp> Session::emit(ProgramKind kind, std::vector<std::string> show,
                                                bool training) {
  Model::EmitOptions emitOptions;
  emitOptions.program = programOf(kind);
  emitOptions.f64 = f64();
  emitOptions.show = std::move(show);
  emitOptions.training = training;
  mlir::OwningOpRef<mlir::ModuleOp> module = model->emit(&mlirContext(), emitOptions);
  if (!module) {
    reportError("internal error: the " + llvm::Twine(nameOf(kind)) + " program was not emitted");
    return module;
  }
  mlir::Builder builder(context.get());
  llvm::SmallVector<mlir::NamedAttribute> settings, sizes;
  for (const auto &[name, value] : overrides)
    settings.push_back(builder.getNamedAttr(name, builder.getStringAttr(value)));
  for (const auto &[name, size] : facts.sizes)
    sizes.push_back(builder.getNamedAttr(name, builder.getI64IntegerAttr(size)));
  mlir::ModuleOp op = *module;
  op->setAttr("gpt.file", builder.getStringAttr(sources.name(file)));
  op->setAttr("gpt.source", builder.getStringAttr(model->text()));
  op->setAttr("gpt.settings", builder.getDictionaryAttr(settings));
  op->setAttr("gpt.sizes", builder.getDictionaryAttr(sizes));
  op->setAttr("gpt.dtype", builder.getStringAttr(options.dtype));
  markStage(op, *findStage("gpt"), kind);
  return module;
}

bool Session::checkTrains() const {
  if (trains())
    return true;
  if (!model->hasLoss())
    reportError(llvm::Twine(sources.name(file)) + " has no loss, so there is nothing to train");
  else
    reportError(llvm::Twine(sources.name(file)) + " does not say how to train; add for example\n" +
                "  train { steps: 1000, optimizer: adamw(lr: 1e-3) }");
  return false;
}

llvm::Expected<std::string> Session::logitsName() const {
  for (const std::string &output : model->outputs())
    if (model->over(output) == "vocabulary")
      return output;
  return runtime::failure(
      "{}: no output of this model is over the vocabulary, so there is nothing to choose tokens "
      "by; declare it: `output logits over vocabulary`",
      sources.name(file));
}

int64_t Session::trainingBatch() const {
  auto field = model->train().find("batch");
  if (field == model->train().end())
    return 1;
  if (field->second.kind == ConfigValue::Number)
    return std::max<int64_t>(1, int64_t(field->second.number));
  if (field->second.kind == ConfigValue::Call) { // tokens(N, rows: R)
    const auto &arguments = field->second.arguments;
    return std::max<int64_t>(1,
                             arguments.size() > 1 ? int64_t(arguments[1].second.number) : batchTokens() / 16);
  }
  // `all`
  return loader ? std::max<int64_t>(1, loader->trainingExamples()) : 256;
}

int64_t Session::batchTokens() const {
  auto field = model->train().find("batch");
  if (field == model->train().end() || field->second.kind != ConfigValue::Call)
    return 0;
  return int64_t(field->second.arguments.front().second.number);
}

bool Session::wholeBatches() const {
  auto field = model->train().find("batch");
  bool all = field != model->train().end() && field->second.kind == ConfigValue::Word;
  return spec.kind == DataSpec::Text || all;
}

PipelineOptions Session::pipeline(ProgramKind kind, int64_t batch, bool dynamicBatch) const {
  PipelineOptions result;
  result.program = kind;
  result.batch = batch;
  result.dynamicBatch = dynamicBatch;
  result.vectorBits = host().vectorBits;
  result.fma = host().fma;
  result.bf16 = options.dtype == "bf16";
  result.tile = options.tile;
  result.bf16Dot = host().bf16 && host().vectorBits == 512;
  result.lineTables = options.lineTables;
  bool isPart = kind == ProgramKind::Prepare || kind == ProgramKind::Step || kind == ProgramKind::Extend;
  if (isPart && !spec.streams.empty())
    result.growing = spec.streams.back().name; // the target of pairs
  if ((kind == ProgramKind::Train || kind == ProgramKind::Eval) && dynamicBatch && spec.kind == DataSpec::Pairs)
    result.batchTokens = batchTokens();
  return result;
}

llvm::Error Session::fitMemory(mlir::ModuleOp module, PipelineOptions &pipeline) {
  if (options.memory == 0)
    return llvm::Error::success();
  runtime::Doing doing("fitting a training step of " + sources.name(file) + " into memory");
  auto start = std::chrono::steady_clock::now();
  auto memory = gptc::fitMemory(module, options.memory, unsigned(options.threads), pipeline);
  if (options.timing)
    timing.add(llvm::formatv("{0,-8} {1,-10} {2}", "train", "memory", "what fits into --memory"),
               std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return memory ? llvm::Error::success() : memory.takeError();
}

llvm::Expected<runtime::Program> Session::compile(const PipelineOptions &pipeline,
                                                  std::vector<std::string> show) {
  mlir::OwningOpRef<mlir::ModuleOp> module = emit(pipeline.program, std::move(show));
  if (!module)
    return runtime::failure("compiling {} failed", sources.name(file));
  return compile(pipeline, *module, nullptr);
}

llvm::Expected<runtime::Program> Session::compile(const PipelineOptions &pipeline, mlir::ModuleOp module,
                                                  const Stage *after) {
  runtime::Doing doing("compiling the " + std::string(nameOf(pipeline.program)) + " program of " + sources.name(file));
  CompileOptions compileOptions;
  compileOptions.pipeline = pipeline;
  compileOptions.after = after;
  compileOptions.threads = options.threads;
  compileOptions.dumpDirectory = options.dumpIr;
  compileOptions.profile = options.profile;
  compileOptions.timing = options.timing ? &timing : nullptr;
  return gptc::compile(module, compileOptions);
}
