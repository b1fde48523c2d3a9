// gptc build: one executable from a model.
#include "compiler/commands/commands.h"
#include "compiler/payload.h"
#include "compiler/print.h"
#include "compiler/session.h"

#include "llvm/Support/raw_ostream.h"

using namespace gptc;

int gptc::buildCommand(llvm::ArrayRef<const char *> words) {
  CommonOptions options;
  std::string path, output;
  std::vector<std::string> data;
  Arguments arguments(
      "build MODEL -o EXECUTABLE",
      "Makes one executable of our runtime and the model: `./EXECUTABLE train --data FILE -o RUN`\n"
      "and `./EXECUTABLE generate RUN` compile for the CPU that they run on.");
  arguments.positional("MODEL", "the model file", path);
  arguments.option("-o", "EXECUTABLE", "the file to write", output);
  arguments.option("--data", "FILE", "read sizes that depend on the data (vocabulary) from here", data);
  addSetOption(arguments, options);
  addTypeOption(arguments, options);
  arguments.example("build model.gpt -o shakespeare");
  if (std::optional<int> code = arguments.parse(words))
    return *code;
  if (output.empty())
    return arguments.usageError("-o is missing: the executable to write");

  Session session(options);
  if (!session.open(path) || (!data.empty() && !session.loadData(data, 0)) || !session.analyse())
    return Failure;
  if (!session.checkTrains())
    return Failure;
  mlir::OwningOpRef<mlir::ModuleOp> module = session.emit(ProgramKind::Train);
  if (!module)
    return Failure;
  Payload payload;
  payload.file = session.sources.name(session.file);
  payload.source = session.model->text();
  payload.overrides = session.overrides;
  payload.dtype = options.dtype;
  if (session.spec.tokenizer == "tokenizer") {
    payload.facts = session.savedFacts();
    payload.facts->erase("loader");
  }
  PrintOptions plain;
  plain.sourceLines = false;
  payload.module = printModule(*module, plain);
  if (llvm::Error error = writeExecutable(output, payload))
    return reportError(std::move(error));
  llvm::errs() << programName() << ": wrote " << output << "; " << output << " --help says what it does\n";
  return Success;
}
