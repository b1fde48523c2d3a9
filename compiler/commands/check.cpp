// gptc check: parse and type-check, and say what the model is.
#include "compiler/commands/commands.h"
#include "compiler/decode.h"
#include "compiler/print.h"
#include "compiler/schedule.h"
#include "compiler/session.h"

#include "ir/gpt/gpt.h"
#include "runtime/doing.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <fmt/format.h>

using namespace gptc;

static std::string number(double value) {
  return fmt::format("{:g}", value);
}

static std::string grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (int64_t i = int64_t(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(i, ",");
  return digits;
}

/// What generation keeps of earlier positions, or why it keeps nothing.
static llvm::Error printCaches(Session &session) {
  std::string output;
  if (auto logits = session.logitsName())
    output = *logits;
  else
    llvm::consumeError(logits.takeError());
  auto programs = DecodePrograms::create(session, output, /*streams=*/1);
  if (!programs)
    return programs.takeError();
  const DecodeInfo &info = (*programs)->info();
  if (!info.derived) {
    llvm::outs() << "caches      none, each token takes the whole window: " << info.line
                 << (info.line.empty() ? "" : ": ") << info.reason << "\n";
    return llvm::Error::success();
  }
  int64_t total = 0, each = 0;
  for (const DecodeInfo::State &state : info.states) {
    total += state.bytes;
    each += state.perPosition;
  }
  llvm::outs() << "caches      " << printSize(total) << " per stream, " << grouped(each) << " bytes per position of "
               << (*programs)->capacity() << "\n";
  for (const DecodeInfo::State &state : info.states)
    llvm::outs() << llvm::formatv("  {0,-34} {1,16}  {2}\n", state.name,
                                  state.perPosition ? grouped(state.perPosition) + " B each" : printSize(state.bytes),
                                  state.line);
  return llvm::Error::success();
}

/// Lowers `module` as far as memory is settled.
static llvm::Error lower(Session &session, mlir::ModuleOp module, const PipelineOptions &pipeline) {
  runtime::Doing doing("compiling " + session.sources.name(session.file));
  RunOptions run;
  run.pipeline = pipeline;
  run.until = findStage("loops");
  run.dumpDirectory = session.options.dumpIr;
  run.timing = session.options.timing ? &session.timing : nullptr;
  if (mlir::failed(runStages(module, run)))
    return runtime::failure("compiling {} failed", session.sources.name(session.file));
  return llvm::Error::success();
}

/// What waits for the backward pass, the largest first.
static void printKept(mlir::ModuleOp module) {
  auto kept = module->getAttrOfType<mlir::ArrayAttr>("rt.kept");
  if (!kept)
    return;
  auto size = [](mlir::DictionaryAttr entry) { return entry.getAs<mlir::IntegerAttr>("bytes").getInt(); };
  llvm::SmallVector<mlir::DictionaryAttr> entries(kept.getAsRange<mlir::DictionaryAttr>());
  llvm::stable_sort(entries, [&](mlir::DictionaryAttr a, mlir::DictionaryAttr b) { return size(a) > size(b); });
  for (mlir::DictionaryAttr entry : entries)
    llvm::outs() << llvm::formatv("  {0,-34} {1,16}  {2}\n", entry.getAs<mlir::StringAttr>("name").getValue(),
                                  printSize(size(entry)),
                                  sourceLine(module, entry.getAs<mlir::LocationAttr>("at")));
}

static void printMemory(const StepMemory &memory, bool trains, int64_t batch) {
  llvm::outs() << "arena       " << printSize(memory.arena) << " for "
               << (trains ? "a training step of " + std::to_string(batch) + (batch == 1 ? " example" : " examples")
                          : "one example")
               << "\n";
  if (!trains)
    return;
  llvm::outs() << "kept        " << printSize(memory.kept) << " of it for the backward pass\n"
               << "memory      " << printSize(memory.total(), /*up=*/true) << ": arena, parameters "
               << printSize(memory.parameters) << ", optimizer " << printSize(memory.states) << ", batch "
               << printSize(memory.inputs) << ", threads " << printSize(memory.scratch) << "\n";
}

static void printParameters(mlir::ModuleOp module) {
  int64_t total = 0;
  std::string lines;
  for (auto variable : module.getOps<gpt::VariableOp>()) {
    if (!variable.getParameter())
      continue;
    auto type = variable.getTensorType();
    total += type.getNumElements();
    std::vector<std::string> sizes;
    for (int64_t size : type.getShape())
      sizes.push_back(std::to_string(size));
    lines += llvm::formatv("  {0,-34} {1,16}  {2,14}\n", variable.getSymName(), llvm::join(sizes, " x "),
                           grouped(type.getNumElements()))
                 .str();
  }
  llvm::outs() << "parameters  " << grouped(total) << "\n" << lines;
}

static std::string tokenizerAsWritten(const DataSpec &spec) {
  bool number = spec.tokenizer == "bpe" || spec.tokenizer == "ids";
  return number ? spec.tokenizer + "(" + spec.tokenizerArguments[0] + ")" : spec.tokenizer;
}

static void printData(const Session &session, bool read) {
  const DataSpec &spec = session.spec;
  llvm::outs() << "data        ";
  switch (spec.kind) {
  case DataSpec::None: llvm::outs() << "none\n"; return;
  case DataSpec::Rows: {
    std::vector<std::string> names;
    for (const DataSpec::Column &column : spec.columns)
      names.push_back(column.name);
    llvm::outs() << "rows of " << llvm::join(names, ", ") << "\n";
    return;
  }
  case DataSpec::Text:
  case DataSpec::Pairs:
    for (const DataSpec::Stream &stream : spec.streams)
      llvm::outs() << stream.name << ", at most " << stream.bound << " tokens of " << tokenizerAsWritten(spec)
                   << "; ";
    if (session.tokenizer)
      llvm::outs() << "vocabulary " << session.tokenizer->vocabulary() << "\n";
    else if (spec.tokenizer == "bpe")
      llvm::outs() << "vocabulary at most " << spec.tokenizerArguments[0] << " (--data says it exactly)\n";
    else if (spec.tokenizer == "chars" && !read)
      llvm::outs() << "vocabulary taken as 256 (--data says it exactly)\n";
    else
      llvm::outs() << "vocabulary declared\n";
  }
}

/// The optimizer, how long it works, and its learning rate on the way.
static llvm::Error printTraining(const Session &session, mlir::ModuleOp module) {
  const auto &fields = session.model->train();
  std::string steps = session.model->written("steps"), epochs = session.model->written("epochs");
  auto count = fields.find("steps");
  int64_t known = count != fields.end() ? int64_t(count->second.number) : 0;
  llvm::Expected<std::string> schedule = describeSchedule(module, known);
  if (!schedule)
    return schedule.takeError();
  std::string clip = session.model->written("clip");
  llvm::outs() << "optimizer   " << session.model->written("optimizer")
               << (clip.empty() ? "" : ", clip: " + clip) << "\n"
               << "schedule    "
               << (!steps.empty()    ? number(double(known)) + " steps"
                   : !epochs.empty() ? epochs + " epochs"
                                     : "1 epoch")
               << "; learning rate " << *schedule << "\n";
  return llvm::Error::success();
}

int gptc::checkCommand(llvm::ArrayRef<const char *> words) {
  CommonOptions options;
  std::string path;
  std::vector<std::string> data;
  bool kept = false, caches = false;
  Arguments arguments("check MODEL [--data FILE] [--set NAME=VALUE]...",
                      "Reads a model, checks names and shapes, and prints its settings, its parameters and\n"
                      "the memory that a training step takes. Nothing is trained.");
  arguments.positional("MODEL", "the model file", path);
  arguments.option("--data", "FILE", "read sizes that depend on the data (vocabulary) from here", data);
  addSetOption(arguments, options);
  addTypeOption(arguments, options);
  addMemoryOption(arguments, options);
  arguments.flag("--kept", "list what is kept for the backward pass, by line of the model", kept);
  arguments.flag("--caches", "list what generation keeps of earlier positions, by line of the model", caches);
  addCompileOptions(arguments, options);
  arguments.example("check model.gpt");
  arguments.example("check model.gpt --data text.txt --memory 1GiB --kept");
  if (std::optional<int> code = arguments.parse(words))
    return *code;

  Session session(options);
  if (!session.open(path) || (!data.empty() && !session.loadData(data, 0)) || !session.analyse())
    return Failure;
  bool trains = session.trains();
  ProgramKind kind = trains ? ProgramKind::Train : ProgramKind::Outputs;
  int64_t batch = trains ? session.trainingBatch() : 1;
  mlir::OwningOpRef<mlir::ModuleOp> module = session.emit(kind);
  if (!module)
    return Failure;
  mlir::OwningOpRef<mlir::ModuleOp> lowered = (*module).clone();
  PipelineOptions pipeline = session.pipeline(kind, batch, trains ? !session.wholeBatches() : true);
  if (trains)
    if (llvm::Error error = session.fitMemory(*lowered, pipeline))
      return reportError(std::move(error));
  if (llvm::Error error = lower(session, *lowered, pipeline))
    return reportError(std::move(error));
  llvm::Expected<StepMemory> memory = memoryOf(*lowered, unsigned(options.threads));
  if (!memory)
    return reportError(memory.takeError());

  std::vector<std::string> settings;
  for (const SettingValue &setting : session.model->settings())
    settings.push_back(setting.name + " = " + number(setting.value) + (setting.overridden ? " (--set)" : ""));
  llvm::outs() << "model       " << path << "\nsettings    "
               << (settings.empty() ? "none" : llvm::join(settings, ", ")) << "\n";
  printData(session, !data.empty());
  if (trains)
    if (llvm::Error error = printTraining(session, *module))
      return reportError(std::move(error));
  printParameters(*module);
  printMemory(*memory, trains, batch);
  if (kept)
    printKept(*lowered);
  if (caches)
    if (llvm::Error error = printCaches(session))
      return reportError(std::move(error));
  return Success;
}
