#include "compiler/trained.h"

#include "llvm/Support/raw_ostream.h"

using namespace gptc;

std::optional<runtime::RunDirectory> gptc::openRun(Session &session, const std::string &path,
                                                   std::optional<llvm::json::Object> &config) {
  auto fail = [](llvm::Error error) -> std::optional<runtime::RunDirectory> {
    reportError(std::move(error));
    return std::nullopt;
  };
  auto run = runtime::RunDirectory::open(path);
  if (!run)
    return fail(run.takeError());
  auto read = run->readConfig();
  if (!read)
    return fail(read.takeError());
  auto text = run->readModel();
  if (!text)
    return fail(text.takeError());
  config.emplace(std::move(*read));
  std::string dtype = config->getString("dtype").value_or("f32").str();
  if (dtype != "f32" && dtype != "f64" && dtype != "bf16")
    return fail(runtime::failure("{}: unknown dtype '{}'", run->file("config.json"), dtype));
  session.options.dtype = dtype;
  if (const llvm::json::Object *overrides = config->getObject("overrides"))
    for (const auto &[name, value] : *overrides)
      session.overrides[name.str()] = value.getAsString().value_or("").str();
  if (!session.openText(run->file("model.gpt"), std::move(*text)))
    return std::nullopt;
  if (const llvm::json::Object *data = config->getObject("data"))
    if (!session.loadFacts(*data))
      return std::nullopt;
  return std::move(*run);
}

void gptc::addCheckpointOption(Arguments &arguments, std::string &which) {
  arguments.checked("--checkpoint", "latest|best|step-N", "which weights", [&which](llvm::StringRef text) {
    llvm::StringRef number = text;
    int64_t step;
    bool named = number.consume_front("step-") && !number.getAsInteger(10, step) && step >= 0;
    which = named ? runtime::checkpointName(step) : text.str();
    return named || text == "latest" || text == "best" ? "" : "is not latest, best or step-N";
  });
}

llvm::Expected<std::unique_ptr<Machine>> Machine::create(unsigned threads) {
  auto machine = std::make_unique<Machine>();
  auto pool = runtime::Pool::create(threads);
  if (!pool)
    return pool.takeError();
  machine->pool = std::move(*pool);
  return machine;
}

llvm::Expected<std::unique_ptr<runtime::ProgramRun>> Machine::bind(runtime::Program program) {
  return runtime::ProgramRun::create(std::move(program), store, arena, *pool);
}

llvm::Error Machine::load(Session &session, const runtime::RunDirectory &run, llvm::StringRef which) {
  // A program lists what it uses; a checkpoint holds every parameter.
  mlir::OwningOpRef<mlir::ModuleOp> init = session.emit(ProgramKind::Init);
  if (!init)
    return runtime::failure("the model's parameters are unknown");
  auto variables = variablesOf(*init);
  if (!variables)
    return variables.takeError();
  if (llvm::Error error = store.add(*variables))
    return error;
  using Which = runtime::RunDirectory::Which;
  Which kind = which == "best" ? Which::Best : which == "latest" ? Which::Latest : Which::Named;
  auto loaded = run.load(store, kind, /*states=*/false, which);
  if (!loaded)
    return loaded.takeError();
  for (const std::string &warning : loaded->warnings)
    llvm::errs() << programName() << ": warning: " << warning << "\n";
  return llvm::Error::success();
}
