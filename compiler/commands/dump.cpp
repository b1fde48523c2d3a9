// gptc dump: the IR at a named stage.
#include "compiler/commands/commands.h"
#include "compiler/jit.h"
#include "compiler/print.h"
#include "compiler/session.h"

#include "frontend/parser.h"

#include "llvm/Support/raw_ostream.h"

using namespace gptc;

static int write(const std::string &output, llvm::StringRef text) {
  if (output.empty()) {
    llvm::outs() << text;
    return Success;
  }
  std::string error;
  if (mlir::succeeded(writeText(output, text, error)))
    return Success;
  reportError(error);
  return Failure;
}

static int dumpText(Session &session, const Stage &stage, const std::string &output) {
  if (llvm::StringRef(stage.name) == "ast") {
    Diagnostics diagnostics(session.sources);
    ast::File tree = parse(session.sources, session.file, diagnostics);
    if (diagnostics.hasErrors()) {
      llvm::errs() << diagnostics.render(colourErrors());
      return Failure;
    }
    return write(output, print(tree));
  }
  if (!session.analyse())
    return Failure;
  return write(output, session.model->printTyped());
}

int gptc::dumpCommand(llvm::ArrayRef<const char *> words) {
  CommonOptions options;
  options.lineTables = true;
  std::string path, stageName, program, output;
  std::vector<std::string> data;
  int64_t batch = 0;
  std::vector<std::string> show;
  Arguments arguments(
      "dump MODEL --stage STAGE [--program train|init|eval|outputs|prepare|step|extend]",
      "Prints a program of the model as it is at a stage of compiling, with the lines of the\n"
      "model that it came from. gptc-opt reads what the stages gpt to llvm print, and\n"
      "`gptc train --from-ir` goes on from there.");
  arguments.positional("MODEL", "the model file", path);
  arguments.option("--stage", "STAGE", "one of the stages below", stageName);
  arguments.choice("--program", "which program (default: train, or outputs for a model without loss)",
                   {"init", "train", "eval", "outputs", "prepare", "step", "extend"}, program);
  arguments.option("--data", "FILE", "read sizes that depend on the data (vocabulary) from here", data);
  arguments.option("--batch", "N", "examples at a time (default: what train { } says)", batch, 1, 1 << 20);
  arguments.option("--show", "NAME", "for outputs: also this value of the file", show);
  arguments.option("-o", "FILE", "write to a file instead of standard output", output);
  addSetOption(arguments, options);
  addTypeOption(arguments, options);
  addMemoryOption(arguments, options);
  addCompileOptions(arguments, options, /*runs=*/false);
  arguments.list({"Stages, in order:", stageHelp()});
  arguments.example("dump model.gpt --stage typed");
  arguments.example("dump model.gpt --stage asm --data text.txt -o model.s");
  if (std::optional<int> code = arguments.parse(words))
    return *code;
  if (stageName.empty())
    return arguments.usageError("--stage is missing; the stages are " + stageNames());
  const Stage *stage = findStage(stageName);
  if (!stage)
    return arguments.usageError("no stage is called `" + stageName + "`; the stages are " + stageNames());

  Session session(options);
  if (!session.open(path) || (!data.empty() && !session.loadData(data, 0)))
    return Failure;
  if (stage->kind == Stage::Text)
    return dumpText(session, *stage, output);
  if (!session.analyse())
    return Failure;
  ProgramKind kind = session.model->hasLoss() ? ProgramKind::Train : ProgramKind::Outputs;
  if (!program.empty())
    parseProgramKind(program, kind);
  if (!stage->appliesTo(kind))
    return arguments.usageError("the stage `" + stageName + "` is not one of the program `" + nameOf(kind) +
                                "`");
  if (!session.model->hasLoss() && (kind == ProgramKind::Train || kind == ProgramKind::Eval)) {
    reportError(llvm::Twine(path) + " has no loss, so no program `" + nameOf(kind) + "`");
    return Failure;
  }
  if (kind == ProgramKind::Train && stage > findStage("grad") && !session.checkTrains())
    return Failure;
  bool isPart = kind == ProgramKind::Prepare || kind == ProgramKind::Step || kind == ProgramKind::Extend;
  if (isPart && session.spec.streams.empty()) {
    reportError(llvm::Twine(path) + " reads no sequences, so it has no program `" + nameOf(kind) + "`");
    return Failure;
  }
  mlir::OwningOpRef<mlir::ModuleOp> module = session.emit(kind, show);
  if (!module)
    return Failure;
  bool exact = kind == ProgramKind::Train && session.wholeBatches();
  RunOptions run;
  run.pipeline = session.pipeline(kind, batch ? batch : session.trainingBatch(), !exact);
  run.until = stage;
  if (kind == ProgramKind::Train && options.memory && session.trains())
    if (llvm::Error error = session.fitMemory(*module, run.pipeline))
      return reportError(std::move(error));
  run.dumpDirectory = options.dumpIr;
  run.timing = options.timing ? &session.timing : nullptr;
  if (mlir::failed(runStages(*module, run)))
    return Failure;
  if (stage->kind == Stage::Module)
    return write(output, printModule(*module));
  llvm::Expected<std::string> text = printCode(*module, llvm::StringRef(stage->name) == "asm");
  if (!text)
    return reportError(text.takeError());
  return write(output, *text);
}
