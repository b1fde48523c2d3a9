#include "compiler/session.h"
#include "compiler/jit.h"
#include "compiler/registry.h"

#include "runtime/data/rows_loader.h"
#include "runtime/data/text_loader.h"
#include "runtime/files.h"
#include "runtime/pool.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectRegistry.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

using namespace gptc;

CommonOptions::CommonOptions() : threads(runtime::defaultThreads()) {}

void gptc::addSetOption(Arguments &arguments, CommonOptions &options) {
  arguments.option("--set", "NAME=VALUE", "give a setting (or a field of train, generate) another value",
                   options.set);
}

void gptc::addCompileOptions(Arguments &arguments, CommonOptions &options) {
  arguments.option("--threads", "N", "threads (default: what affinity and the container's quota allow)",
                   options.threads, 1, 4096);
  arguments.option("--dump-ir", "DIR", "write the IR after each pass that changed it", options.dumpIr);
  arguments.flag("--timing", "say how long each stage of compiling took", options.timing);
  arguments.flag("--line-tables", "tell debuggers and profilers about generated code", options.lineTables);
}

void gptc::reportError(const llvm::Twine &message) {
  llvm::errs() << programName() << ": " << message << "\n";
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
  case ProgramKind::Init:
    return Program::Init;
  case ProgramKind::Train:
    return Program::Train;
  case ProgramKind::Eval:
    return Program::Eval;
  case ProgramKind::Outputs:
    return Program::Outputs;
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
  auto buffer = runtime::readFile(path);
  if (!buffer) {
    reportError(buffer.takeError());
    return false;
  }
  return openText(path, (*buffer)->getBuffer().str());
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

bool Session::makeTokenizer(llvm::StringRef text, llvm::StringRef source) {
  auto made = runtime::makeTokenizer(spec.tokenizer, spec.tokenizerArguments, text, source);
  if (!made) {
    reportError(made.takeError());
    return false;
  }
  tokenizer = std::move(*made);
  facts.sizes["vocabulary"] = tokenizer->vocabulary();
  return true;
}

static runtime::RowsOptions rowsOptions(const DataSpec &spec, uint64_t seed) {
  runtime::RowsOptions rows;
  rows.seed = seed;
  for (const DataSpec::Column &column : spec.columns)
    rows.columns.push_back({column.name, column.sources, column.standardise, column.isClass, column.classes});
  return rows;
}

bool Session::loadData(const std::string &path, uint64_t seed, const llvm::json::Object *saved,
                       const std::vector<std::string> &needed) {
  if (!readDataSpec() || (saved && !loadFacts(*saved)))
    return false;
  switch (spec.kind) {
  case DataSpec::None:
    reportError(llvm::Twine(sources.name(file)) + " declares no data, so `--data` means nothing to it");
    return false;
  case DataSpec::Pairs:
    reportError(llvm::Twine(sources.name(file)) + " declares pairs of sequences, which cannot be read yet");
    return false;
  case DataSpec::Text: {
    auto text = runtime::readFile(path);
    if (!text) {
      reportError(text.takeError());
      return false;
    }
    if (!tokenizer && !makeTokenizer((*text)->getBuffer(), path))
      return false;
    runtime::TextOptions textOptions;
    textOptions.stream = spec.streams.front().name;
    textOptions.context = spec.streams.front().bound;
    auto made = runtime::TextLoader::create((*text)->getBuffer(), path, *tokenizer, textOptions);
    if (!made) {
      reportError(made.takeError());
      return false;
    }
    loader = std::move(*made);
    return true;
  }
  case DataSpec::Rows: {
    runtime::RowsOptions rows = rowsOptions(spec, seed);
    rows.needed = needed;
    rows.facts = saved ? saved->getObject("loader") : nullptr;
    auto made = runtime::RowsLoader::open(path, rows);
    if (!made) {
      reportError(made.takeError());
      return false;
    }
    for (const DataSpec::Column &column : spec.columns)
      if (column.isClass)
        facts.sizes[column.name] = (*made)->classes(column.name).size();
    loader = std::move(*made);
    return true;
  }
  }
  return false;
}

bool Session::loadFacts(const llvm::json::Object &saved) {
  if (const llvm::json::Object *sizes = saved.getObject("sizes"))
    for (const auto &[name, value] : *sizes)
      if (auto size = value.getAsInteger())
        facts.sizes[name.str()] = *size;
  if (const llvm::json::Object *object = saved.getObject("tokenizer")) {
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
  AnalyseOptions analyseOptions;
  analyseOptions.overrides = overrides;
  analyseOptions.facts = facts;
  Diagnostics diagnostics(sources);
  model = gptc::analyse(sources, file, analyseOptions, diagnostics);
  if (!render(diagnostics))
    return false;
  spec = model->data();
  // Only what this command line says; a run's own settings are in its config.
  for (const SettingValue &setting : model->settings())
    for (const std::string &assignment : options.set)
      if (llvm::StringRef(assignment).split('=').first.trim() == setting.name)
        llvm::errs() << programName() << ": " << setting.name << " = "
                     << llvm::StringRef(assignment).split('=').second.trim() << " (set on the command line)\n";
  return true;
}

mlir::OwningOpRef<mlir::ModuleOp> Session::emit(ProgramKind kind, std::vector<std::string> show) {
  Model::EmitOptions emitOptions;
  emitOptions.program = programOf(kind);
  emitOptions.f64 = f64();
  emitOptions.show = std::move(show);
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
  op->setAttr("gpt.source", builder.getStringAttr(sources.text(file)));
  op->setAttr("gpt.settings", builder.getDictionaryAttr(settings));
  op->setAttr("gpt.sizes", builder.getDictionaryAttr(sizes));
  op->setAttr("gpt.dtype", builder.getStringAttr(options.dtype));
  markStage(op, *findStage("gpt"), kind);
  return module;
}

int64_t Session::trainingBatch() const {
  auto field = model->train().find("batch");
  if (field == model->train().end())
    return 1;
  if (field->second.kind == ConfigValue::Number)
    return std::max<int64_t>(1, int64_t(field->second.number));
  // `all`
  return loader ? std::max<int64_t>(1, loader->trainingExamples()) : 256;
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
  result.lineTables = options.lineTables;
  return result;
}

llvm::Expected<runtime::Program> Session::compile(const PipelineOptions &pipeline, std::vector<std::string> show) {
  mlir::OwningOpRef<mlir::ModuleOp> module = emit(pipeline.program, std::move(show));
  if (!module)
    return runtime::failure("compiling {} failed", sources.name(file));
  return compile(pipeline, *module, nullptr);
}

llvm::Expected<runtime::Program> Session::compile(const PipelineOptions &pipeline, mlir::ModuleOp module,
                                                  const Stage *after) {
  CompileOptions compileOptions;
  compileOptions.pipeline = pipeline;
  compileOptions.after = after;
  compileOptions.threads = options.threads;
  compileOptions.dumpDirectory = options.dumpIr;
  compileOptions.timing = options.timing ? &timing : nullptr;
  return gptc::compile(module, compileOptions);
}
