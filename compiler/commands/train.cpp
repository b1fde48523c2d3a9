// gptc train: from a model and data to a run.
#include "compiler/commands/commands.h"
#include "compiler/diagnose.h"
#include "compiler/payload.h"
#include "compiler/session.h"
#include "compiler/trained.h"

#include "runtime/interrupt.h"
#include "runtime/profile.h"
#include "runtime/trainer.h"

#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>
#include <cmath>

using namespace gptc;

namespace {
struct TrainRequest {
  std::string model, out, resume, init, fromIr, stage;
  std::vector<std::string> data, validation;
  int64_t seed = 1, keep = 2, showGradients = 0;
  bool seedGiven = false, dtypeGiven = false;
};

class Training {
public:
  Training(Session &session, TrainRequest &request) : session(session), request(request) {}
  int run();

private:
  int train();
  bool openModel();
  bool openResumed();
  bool openModule(llvm::StringRef text, llvm::StringRef name);
  bool fits();
  int64_t steps(int64_t batch) const;
  llvm::json::Array absolute(const std::vector<std::string> &files) const;
  double field(const char *name, double otherwise) const;
  llvm::Error writeConfig(int64_t batch);
  llvm::Expected<runtime::Program> compileStep();

  Session &session;
  TrainRequest &request;
  std::optional<runtime::RunDirectory> directory;
  std::optional<llvm::json::Object> config; // of the run that is resumed
  mlir::OwningOpRef<mlir::ModuleOp> module; // of --from-ir
  const Stage *stage = nullptr;
  bool started = false;  // the run's files say so
  int64_t firstStep = 0; // of this process; more than 0 where a run is resumed
};
} // namespace

double Training::field(const char *name, double otherwise) const {
  auto found = session.model->train().find(name);
  return found != session.model->train().end() && found->second.kind == ConfigValue::Number
             ? found->second.number
             : otherwise;
}

/// "file:line:column: ", where the location knows one.
static std::string place(mlir::Location location) {
  if (auto file = location->findInstanceOf<mlir::FileLineColLoc>())
    return llvm::formatv("{0}:{1}:{2}: ", file.getFilename().getValue(), file.getLine(), file.getColumn());
  return "";
}

/// A dumped module brings model, settings and facts along.
bool Training::openModule(llvm::StringRef text, llvm::StringRef name) {
  std::string first; // error; what follows it is mostly its consequence
  {
    mlir::ScopedDiagnosticHandler handler(&session.mlirContext(), [&](mlir::Diagnostic &diagnostic) {
      if (first.empty())
        first = place(diagnostic.getLocation()) + diagnostic.str();
      return mlir::success();
    });
    mlir::ParserConfig parser(&session.mlirContext());
    module = mlir::parseSourceString<mlir::ModuleOp>(text, parser, name);
  }
  if (!module) {
    reportError(llvm::Twine(first.empty() ? name.str() + ": no module" : first) + "\n  expected what `" +
                programName() + " dump --stage STAGE` printed");
    return false;
  }
  mlir::ModuleOp op = *module;
  auto string = [&](const char *attribute) {
    auto value = op->getAttrOfType<mlir::StringAttr>(attribute);
    return value ? value.getValue() : llvm::StringRef();
  };
  stage = request.stage.empty() ? stageOf(op) : findStage(request.stage);
  if (!stage || stage->kind != Stage::Module || string("gpt.source").empty()) {
    reportError(llvm::Twine(name) +
                " does not say its stage and model (gpt.stage, gpt.source): dump it with `" + programName() +
                " dump`");
    return false;
  }
  if (!string("gpt.program").empty() && string("gpt.program") != "train") {
    reportError(llvm::Twine(name) + " holds the program `" + string("gpt.program") + "`, not `train`");
    return false;
  }
  if (!string("gpt.dtype").empty())
    session.options.dtype = string("gpt.dtype").str();
  if (auto settings = op->getAttrOfType<mlir::DictionaryAttr>("gpt.settings"))
    for (mlir::NamedAttribute setting : settings)
      if (auto value = llvm::dyn_cast<mlir::StringAttr>(setting.getValue()))
        session.overrides[setting.getName().str()] = value.str();
  return session.openText(string("gpt.file").str(), string("gpt.source").str());
}

/// Were the data read now those that the module was made for?
bool Training::fits() {
  auto sizes = (*module)->getAttrOfType<mlir::DictionaryAttr>("gpt.sizes");
  for (const auto &[name, size] : session.facts.sizes) {
    auto was = sizes ? sizes.getAs<mlir::IntegerAttr>(name) : mlir::IntegerAttr();
    if (was && was.getInt() == size)
      continue;
    if (request.fromIr.empty())
      return false; // the embedded module; the model's text serves as well
    reportError(llvm::formatv("{0}: {1} is {2} in the data, {3} in the IR; dump it with --data {4}",
                              request.fromIr, name, size, was ? std::to_string(was.getInt()) : "a guess",
                              llvm::join(request.data, " --data "))
                    .str());
    return false;
  }
  return true;
}

bool Training::openResumed() {
  auto opened = openRun(session, request.resume, config);
  if (!opened)
    return false;
  directory.emplace(std::move(*opened));
  int64_t seed = config->getInteger("seed").value_or(1);
  if (request.seedGiven && request.seed != seed) {
    reportError(
        llvm::formatv("{0} was started with seed {1}, not {2}", request.resume, seed, request.seed).str());
    return false;
  }
  request.seed = seed;
  if (session.options.memory == 0)
    session.options.memory = config->getInteger("memory").value_or(0);
  auto files = [&](const char *name, std::vector<std::string> &into) {
    const llvm::json::Array *saved = config->getArray(name);
    for (size_t i = 0; saved && i < saved->size(); ++i)
      into.push_back((*saved)[i].getAsString().value_or("").str());
  };
  if (request.data.empty())
    files("data_files", request.data);
  if (request.validation.empty())
    files("val_files", request.validation);
  if (directory->checkpoints().empty())
    request.init = config->getString("init_file").value_or("").str();
  if (!request.data.empty())
    return true;
  reportError(llvm::Twine(request.resume) +
              " does not say what it was trained on (a pipe cannot be read again); give --data FILE");
  return false;
}

bool Training::openModel() {
  if (!request.resume.empty())
    return openResumed();
  if (!request.fromIr.empty()) {
    auto text = runtime::readFile(request.fromIr);
    if (!text) {
      reportError(text.takeError());
      return false;
    }
    return openModule((*text)->getBuffer(), request.fromIr);
  }
  if (const Payload *payload = findPayload()) {
    // The module is of the type that it was built with; another one starts from the text.
    bool sameType = !request.dtypeGiven || session.options.dtype == payload->dtype;
    if (sameType)
      session.options.dtype = payload->dtype;
    session.overrides = payload->overrides;
    if (payload->facts && !session.loadFacts(*payload->facts))
      return false;
    if (session.options.set.empty() && sameType && !payload->module.empty())
      return openModule(payload->module, payload->file);
    return session.openText(payload->file, payload->source);
  }
  return session.open(request.model);
}

int64_t Training::steps(int64_t batch) const {
  if (double given = field("steps", 0))
    return int64_t(given);
  runtime::BatchShape shape;
  shape.rows = batch;
  shape.tokens = session.batchTokens();
  shape.wholeRows = session.wholeBatches();
  return session.loader->batchesOf(int64_t(field("epochs", 1)), shape, uint64_t(request.seed));
}

/// Paths that hold wherever the run is resumed; none where one is a pipe.
llvm::json::Array Training::absolute(const std::vector<std::string> &files) const {
  llvm::json::Array paths;
  // What a pipe held is gone then.
  if (!llvm::all_of(files, runtime::isLasting))
    return paths;
  for (const std::string &file : files) {
    llvm::SmallString<256> path(file);
    paths.push_back(llvm::sys::fs::make_absolute(path) ? file : path.str().str());
  }
  return paths;
}

llvm::Error Training::writeConfig(int64_t batch) {
  llvm::json::Object settings, values;
  for (const auto &[name, value] : session.overrides)
    settings[name] = value;
  for (const SettingValue &setting : session.model->settings())
    values[setting.name] = setting.value;
  llvm::SmallString<256> init(request.init);
  if (!init.empty() && llvm::sys::fs::make_absolute(init))
    init = request.init;
  if (llvm::Error error = directory->writeModel(session.model->text()))
    return error;
  return directory->writeConfig(llvm::json::Object{{"gptc", GPTC_VERSION},
                                                   {"model_file", session.sources.name(session.file)},
                                                   {"data_files", absolute(request.data)},
                                                   {"val_files", absolute(request.validation)},
                                                   {"init_file", init.str()},
                                                   {"dtype", session.options.dtype},
                                                   {"memory", session.options.memory},
                                                   {"seed", request.seed},
                                                   {"batch", batch},
                                                   {"overrides", std::move(settings)},
                                                   {"settings", std::move(values)},
                                                   {"data", session.savedFacts()}});
}

llvm::Expected<runtime::Program> Training::compileStep() {
  PipelineOptions pipeline =
      session.pipeline(ProgramKind::Train, session.trainingBatch(), !session.wholeBatches());
  pipeline.gradientNorms = request.showGradients > 0;
  // A module behind that stage has made its choice; a program's own text serves as well.
  if (module && session.options.memory && stage >= findStage("outline")) {
    if (!request.fromIr.empty())
      return runtime::failure("{} stands at the stage `{}`, where what is kept is settled: give --memory to `{} dump`",
                              request.fromIr, stage->name, programName());
    module = nullptr;
  }
  if (!module) {
    module = session.emit(ProgramKind::Train);
    stage = nullptr;
  }
  if (!module)
    return runtime::failure("compiling {} failed", session.sources.name(session.file));
  if (llvm::Error error = session.fitMemory(*module, pipeline))
    return error;
  return session.compile(pipeline, *module, stage);
}

int Training::run() {
  int code = train();
  if (code == Failure && !started && directory)
    directory->discard();
  return code;
}

int Training::train() {
  if (!openModel())
    return Failure;
  const llvm::json::Object *saved = config ? config->getObject("data") : nullptr;
  if (!session.loadData(request.data, request.seed, saved, {}, request.validation))
    return Failure;
  if (module && !fits()) {
    if (!request.fromIr.empty())
      return Failure;
    module = nullptr;
  }
  if (!session.analyse())
    return Failure;
  if (!session.checkTrains())
    return Failure;
  // The file's seed counts where the command line has none.
  if (!request.seedGiven && !config)
    request.seed = int64_t(field("seed", double(request.seed)));

  int64_t batch = session.trainingBatch();
  runtime::TrainJob job;
  job.options.steps = steps(batch);
  job.options.batch = batch;
  job.options.evalInterval =
      int64_t(field("eval_every", double(std::max<int64_t>(1, job.options.steps / 4))));
  job.options.saveInterval = int64_t(field("save_every", double(job.options.evalInterval)));
  if (session.spec.validation == 0 && request.validation.empty())
    job.options.evalInterval = 0;
  job.options.keep = request.keep;
  job.options.seed = request.seed;
  job.options.showGradients = request.showGradients;
  job.resume = config.has_value();
  job.initFile = request.init;
  job.loader = session.loader.get();
  job.progress = runtime::ProgressOptions::forStandardError();

  runtime::BatchShape shape;
  shape.rows = batch;
  shape.wholeRows = session.wholeBatches();
  if (llvm::Error error = session.loader->checkTraining(shape))
    return reportError(std::move(error));
  if (!request.init.empty()) {
    auto weights = runtime::SafeTensors::open(request.init);
    if (!weights)
      return reportError(weights.takeError());
  }
  if (!directory) {
    auto created = runtime::RunDirectory::create(request.out);
    if (!created)
      return reportError(created.takeError());
    directory.emplace(std::move(*created));
  }
  auto start = std::chrono::steady_clock::now();
  auto init = session.compile(session.pipeline(ProgramKind::Init, 1, false));
  if (!init)
    return reportError(init.takeError());
  auto step = compileStep();
  if (!step)
    return reportError(step.takeError());
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  runtime::VariableStore store;
  runtime::Arena arena;
  auto pool = runtime::Pool::create(session.options.threads);
  if (!pool)
    return reportError(pool.takeError());
  job.init = std::move(*init);
  job.step = std::move(*step);
  job.store = &store;
  job.arena = &arena;
  job.pool = pool->get();
  job.run = &*directory;
  // Only now: a start that fails must leave a run that is resumed as it was.
  job.begin = [&]() -> llvm::Error {
    started = true;
    firstStep = job.result.steps;
    return writeConfig(batch);
  };
  job.compileEval = [&] { return session.compile(session.pipeline(ProgramKind::Eval, batch, true)); };
  job.diagnose = [&](const runtime::BatchShape &shape, int64_t step) {
    return diagnoseStep(session, store, arena, **pool, shape, uint64_t(request.seed), step);
  };
  int64_t parameters = 0;
  for (const runtime::VariableInfo &variable : job.init.variables)
    if (variable.parameter)
      parameters += variable.elements();
  llvm::errs() << llvm::formatv(
      "{0}: {1} parameters, seed {2}, {3}, {4} threads, arena {5}, compiled in "
      "{6:f2} s\n",
      programName(), parameters, request.seed, session.options.dtype, session.options.threads,
      printSize(job.step.arenaBytes), seconds);
  if (session.options.memory)
    llvm::errs() << llvm::formatv("{0}: --memory {1}: {2} kept for the backward pass\n", programName(),
                                  printSize(session.options.memory), printSize(job.step.keptBytes));
  runtime::InterruptGuard guard; // until here Ctrl-C ends the process: nothing is lost
  runtime::Profile profile;
  if (session.options.profile)
    job.pool->setProfile(&profile);
  auto code = runtime::train(job);
  if (!code)
    return reportError(code.takeError());
  if (session.options.profile)
    llvm::errs() << profile.print(job.step, job.result.steps - firstStep);
  if (*code == Success) {
    llvm::errs() << programName() << ": " << directory->path() << " after " << job.result.steps << " steps";
    if (job.result.valLoss)
      llvm::errs() << llvm::formatv(": validation loss {0:f4}, best {1:f4}\n", *job.result.valLoss,
                                    job.result.bestLoss.value_or(*job.result.valLoss));
    else if (job.result.loss)
      llvm::errs() << llvm::formatv(": loss {0:f4}\n", *job.result.loss);
    else
      llvm::errs() << "\n";
  }
  return *code;
}

int gptc::trainCommand(llvm::ArrayRef<const char *> words) {
  CommonOptions options;
  TrainRequest request;
  bool embedded = findPayload();
  Arguments arguments(embedded ? "train --data FILE -o RUN" : "train MODEL --data FILE -o RUN",
                      "Compiles the model for this CPU and trains it. RUN is a new directory: checkpoints,\n"
                      "log.jsonl (one object a step), the model as compiled and its settings.\n"
                      "Ctrl-C saves and stops; --resume goes on bit for bit.");
  if (!embedded)
    arguments.positional("MODEL", "the model file (not with --resume or --from-ir)", request.model, false);
  arguments.option("--data", "FILE",
                   "the text or table to train on; for pairs of lines two files, source first", request.data);
  arguments.option("--val", "FILE",
                   "what to validate on, as --data (default: 10 % of the data, not trained on)",
                   request.validation);
  arguments.option("-o", "RUN", "the directory for the run", request.out);
  arguments.option("--resume", "RUN", "go on with a run where its newest checkpoint stands", request.resume);
  arguments.option("--init", "FILE", "start from the weights of this .safetensors file", request.init);
  arguments.option("--seed", "N", "of initial weights, batches and random masks", request.seed, 0, INT32_MAX);
  addSetOption(arguments, options);
  arguments.option("--keep", "N", "checkpoints to keep, beside the best", request.keep, 1, 1000000);
  arguments.option("--show-gradients", "N",
                   "every N steps, the norm of each parameter's gradient (also in log.jsonl), and a\n"
                   "                         warning where one is below 1e-7 or above 1e3 of its weight's",
                   request.showGradients, 1, INT64_MAX / 2);
  addTypeOption(arguments, options);
  addMemoryOption(arguments, options);
  arguments.option("--from-ir", "FILE", "go on from what `gptc dump --stage` printed", request.fromIr);
  arguments.option("--stage", "STAGE", "with --from-ir: the stage of FILE, where it is not what FILE says",
                   request.stage);
  arguments.flag("--profile", "say at the end where the time went, by line of the model", options.profile);
  addCompileOptions(arguments, options);
  if (std::optional<int> code = arguments.parse(words))
    return *code;
  request.seedGiven = arguments.given("--seed");
  request.dtypeGiven = arguments.given("--dtype");
  int sources = !request.model.empty() + !request.resume.empty() + !request.fromIr.empty();
  if (!embedded && sources != 1)
    return arguments.usageError("give one of MODEL, --resume RUN and --from-ir FILE");
  if (request.resume.empty() && request.data.empty())
    return arguments.usageError("--data is missing: the text or table to train on");
  if (request.resume.empty() == request.out.empty())
    return arguments.usageError(request.out.empty() ? "-o is missing: the directory for the run"
                                                    : "--resume goes on in its own directory, without -o");
  if (!request.resume.empty() && (!request.init.empty() || arguments.given("--dtype")))
    return arguments.usageError("--resume takes weights and type from the run, not from --init or --dtype");
  if (!request.fromIr.empty() && (request.dtypeGiven || !options.set.empty()))
    return arguments.usageError("--from-ir takes settings and type from the IR; give --set and --dtype to `" +
                                programName() + " dump`");
  if (!request.stage.empty() && (request.fromIr.empty() || !findStage(request.stage)))
    return arguments.usageError(request.fromIr.empty() ? "--stage goes with --from-ir"
                                                       : "no stage is called `" + request.stage +
                                                             "`; the stages are " + stageNames());
  Session session(options);
  return Training(session, request).run();
}
