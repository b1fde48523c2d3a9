// gptc check: parse and type-check, and say what the model is.
#include "compiler/commands/commands.h"
#include "compiler/session.h"

#include "ir/gpt/gpt.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <fmt/format.h>

using namespace gptc;

static std::string number(double value) {
  return fmt::format("{:g}", value);
}

static std::string bytes(int64_t count) {
  if (count < 1 << 20)
    return llvm::formatv("{0:f1} KiB", count / 1024.0);
  return llvm::formatv("{0:f1} MiB", count / 1048576.0);
}

static std::string grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (int64_t i = int64_t(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(i, ",");
  return digits;
}

/// Arena bytes of a program, by the stages up to `place`.
static llvm::Expected<int64_t> arenaBytes(Session &session, mlir::ModuleOp module, ProgramKind kind,
                                          int64_t batch, bool dynamicBatch) {
  RunOptions run;
  run.pipeline = session.pipeline(kind, batch, dynamicBatch);
  run.until = findStage("place");
  run.dumpDirectory = session.options.dumpIr;
  run.timing = session.options.timing ? &session.timing : nullptr;
  if (mlir::failed(runStages(module, run)))
    return runtime::failure("compiling {} failed", session.sources.name(session.file));
  auto arena = module->getAttrOfType<mlir::IntegerAttr>("rt.arena_bytes");
  if (!arena)
    return runtime::failure("internal error: gpt-place left no rt.arena_bytes");
  return arena.getInt();
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

int gptc::checkCommand(llvm::ArrayRef<const char *> words) {
  CommonOptions options;
  std::string path;
  std::vector<std::string> data;
  Arguments arguments("check MODEL [--data FILE] [--set NAME=VALUE]...",
                      "Reads a model, checks names and shapes, and prints its settings, its parameters and\n"
                      "the memory that a training step takes. Nothing is trained.");
  arguments.positional("MODEL", "the model file", path);
  arguments.option("--data", "FILE", "read sizes that depend on the data (vocabulary) from here", data);
  addSetOption(arguments, options);
  addTypeOption(arguments, options);
  addCompileOptions(arguments, options);
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
  llvm::Expected<int64_t> arena =
      arenaBytes(session, *lowered, kind, batch, trains ? !session.wholeBatches() : true);
  if (!arena)
    return reportError(arena.takeError());

  std::vector<std::string> settings;
  for (const SettingValue &setting : session.model->settings())
    settings.push_back(setting.name + " = " + number(setting.value) + (setting.overridden ? " (--set)" : ""));
  llvm::outs() << "model       " << path << "\nsettings    "
               << (settings.empty() ? "none" : llvm::join(settings, ", ")) << "\n";
  printData(session, !data.empty());
  printParameters(*module);
  llvm::outs() << "arena       " << bytes(*arena) << " for "
               << (trains ? "a training step of " + std::to_string(batch) +
                                (batch == 1 ? " example" : " examples")
                          : "one example")
               << "\n";
  return Success;
}
