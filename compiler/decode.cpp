#include "compiler/decode.h"
#include "compiler/print.h"

#include "passes/grad/program.h"
#include "passes/passes.h"

#include "ir/gpt/gpt.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"

using namespace gptc;

/// New positions of a run that reads a prompt: enough for contractions to run at full speed.
static constexpr int64_t rowsOfAChunk = 256;

/// Drops all results of @main but one.
static llvm::Error keepResult(mlir::ModuleOp module, const std::string &name) {
  auto main = module.lookupSymbol<mlir::func::FuncOp>("main");
  std::optional<unsigned> number = main ? grad::findOutput(main, name) : std::nullopt;
  if (!number)
    return runtime::failure("cannot generate: the model has no output '{}'", name);
  mlir::Value value = main.front().getTerminator()->getOperand(*number);
  grad::setResults(main, value, grad::resultAttributes(main, *number));
  return llvm::Error::success();
}

PipelineOptions DecodePrograms::pipeline(ProgramKind kind) const {
  PipelineOptions options = session.pipeline(kind, streams, /*dynamicBatch=*/true);
  options.growing = session.spec.streams.back().name;
  return options;
}

/// The program of a part, up to the stage `part`.
mlir::OwningOpRef<mlir::ModuleOp> DecodePrograms::part(ProgramKind kind) {
  mlir::OwningOpRef<mlir::ModuleOp> module = session.emit(kind);
  if (!module)
    return {};
  if (!output.empty())
    if (llvm::Error error = keepResult(*module, output)) {
      reportError(std::move(error));
      return {};
    }
  RunOptions run;
  run.pipeline = pipeline(kind);
  run.until = findStage("part");
  if (mlir::failed(runStages(*module, run)))
    return {};
  return module;
}

void DecodePrograms::describe(mlir::ModuleOp module) {
  for (auto variable : module.getOps<gpt::VariableOp>()) {
    llvm::StringRef name = variable.getSymName();
    if (variable.getParameter() || name.starts_with("prepared."))
      continue;
    mlir::RankedTensorType type = variable.getTensorType();
    DecodeInfo::State &state = found.states.emplace_back();
    state.name = name.str();
    state.line = sourceLine(module, variable.getLoc());
    state.bytes = type.getNumElements() * int64_t((type.getElementTypeBitWidth() + 7) / 8) / streams;
    if (name.starts_with("cache."))
      state.perPosition = state.bytes / most;
  }
}

llvm::Expected<std::unique_ptr<DecodePrograms>> DecodePrograms::create(Session &session, std::string output,
                                                                       int64_t streams) {
  std::unique_ptr<DecodePrograms> programs(new DecodePrograms(session, std::move(output), streams));
  if (session.spec.streams.empty())
    return runtime::failure("the model reads no sequence");
  const DataSpec::Stream &stream = session.spec.streams.back();
  programs->most = stream.bound;
  if (stream.extent.empty()) {
    programs->found.reason = "it takes windows of one length";
    return programs;
  }
  mlir::OwningOpRef<mlir::ModuleOp> module = programs->part(ProgramKind::Extend);
  if (!module)
    return runtime::failure("compiling {} failed", session.sources.name(session.file));
  // What looks ahead is no error here.
  mlir::ScopedDiagnosticHandler handler(module->getContext(), [&](mlir::Diagnostic &diagnostic) {
    if (programs->found.reason.empty()) {
      programs->found.reason = diagnostic.str();
      programs->found.line = sourceLine(*module, diagnostic.getLocation());
    }
    return mlir::success();
  });
  DeriveDecodePassOptions options;
  options.growing = stream.name;
  options.ring = true;
  mlir::PassManager manager(module->getContext());
  manager.addPass(createDeriveDecodePass(options));
  programs->found.derived = mlir::succeeded(manager.run(*module));
  programs->found.ring = (*module)->hasAttr("gpt.ring");
  if (programs->found.derived)
    programs->describe(*module);
  return programs;
}

llvm::Expected<std::optional<runtime::Program>> DecodePrograms::prepare() {
  mlir::OwningOpRef<mlir::ModuleOp> module = part(ProgramKind::Prepare);
  if (!module)
    return runtime::failure("compiling {} failed", session.sources.name(session.file));
  auto isPrepared = [](gpt::VariableOp variable) { return variable.getSymName().starts_with("prepared."); };
  if (llvm::none_of(module->getOps<gpt::VariableOp>(), isPrepared))
    return std::optional<runtime::Program>();
  auto program = session.compile(pipeline(ProgramKind::Prepare), *module, findStage("part"));
  if (!program)
    return program.takeError();
  return std::optional(std::move(*program));
}

llvm::Expected<runtime::Program> DecodePrograms::extend(int64_t rows, bool ring, bool all) {
  mlir::OwningOpRef<mlir::ModuleOp> module = part(ProgramKind::Extend);
  if (!module)
    return runtime::failure("compiling {} failed", session.sources.name(session.file));
  PipelineOptions options = pipeline(ProgramKind::Extend);
  options.newPositions = rows;
  options.ring = ring;
  options.allPositions = all;
  return session.compile(options, *module, findStage("part"));
}

llvm::Expected<std::unique_ptr<Generation>> gptc::makeGeneration(Session &session, Machine &machine,
                                                                 const std::string &output,
                                                                 std::optional<int32_t> pad, bool recompute) {
  auto generation = std::make_unique<Generation>();
  auto programs = DecodePrograms::create(session, output, /*streams=*/1);
  if (!programs)
    return programs.takeError();
  generation->programs = std::move(*programs);
  auto bind =
      [&](llvm::Expected<runtime::Program> program) -> llvm::Expected<std::unique_ptr<runtime::ProgramRun>> {
    if (!program)
      return program.takeError();
    return machine.bind(std::move(*program));
  };
  if (recompute || !generation->programs->info().derived) {
    auto run = bind(session.compile(session.pipeline(ProgramKind::Outputs, 1, false)));
    if (!run)
      return run.takeError();
    generation->token = std::move(*run);
    auto model = runtime::WindowModel::create(*generation->token, output, pad);
    if (!model)
      return model.takeError();
    generation->model = std::move(*model);
    return generation;
  }
  bool ring = generation->programs->info().ring;
  auto run = bind(generation->programs->extend(1, ring));
  if (!run)
    return run.takeError();
  generation->token = std::move(*run);
  Generation *made = generation.get();
  int64_t capacity = made->programs->capacity();
  auto chunk = [made, bind, capacity]() -> llvm::Expected<runtime::ProgramRun *> {
    auto program = bind(made->programs->extend(std::min(capacity, rowsOfAChunk)));
    if (!program)
      return program.takeError();
    made->chunk = std::move(*program);
    return made->chunk.get();
  };
  auto model = runtime::CachedModel::create(*made->token, chunk, session.spec.streams.back().name, output,
                                            capacity, ring);
  if (!model)
    return model.takeError();
  generation->model = std::move(*model);
  return generation;
}
