// gptc train: from a model and data to a run.
#include "compiler/commands/commands.h"
#include "compiler/commands/training.h"
#include "compiler/diagnose.h"
#include "compiler/payload.h"
#include "compiler/schedule.h"
#include "compiler/session.h"
#include "compiler/trained.h"

#include "runtime/data/identity.h"
#include "runtime/interrupt.h"
#include "runtime/overwrite.h"
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

double Training::field(const char *name, double otherwise) const {
  auto found = session.model->train().find(name);
  return found != session.model->train().end() && found->second.kind == ConfigValue::Number
             ? found->second.number
             : otherwise;
}

int64_t Training::steps(int64_t batch) const {
  if (double given = field("steps", -1); given >= 0)
    return int64_t(given);
  runtime::BatchShape shape;
  shape.rows = batch;
  shape.tokens = session.batchTokens();
  shape.wholeRows = session.wholeBatches();
  return session.loader->batchesOf(int64_t(field("epochs", 1)), shape, uint64_t(request.seed));
}

/// `batch: all` may be more than there is room for, of a text above all, which has a window from each place.
/// `bytes`: what a step takes, 0 where that is not known yet.
llvm::Error Training::checkAll(int64_t batch, int64_t bytes) const {
  auto field = session.model->train().find("batch");
  if (field == session.model->train().end() || field->second.kind != ConfigValue::Word)
    return llvm::Error::success();
  constexpr int64_t most = 1 << 24; // what `batch: N` may be
  std::string what = batch > most ? fmt::format("more than the {} that a batch may have", most)
                     : bytes > runtime::machineMemory()
                         ? fmt::format("a step of which takes {}, more than the {} that this process may have",
                                       printSize(bytes), printSize(runtime::machineMemory()))
                         : "";
  if (what.empty())
    return llvm::Error::success();
  return runtime::failure(
      "{}: `batch: all` is {} {} {}; write `batch: 32`", session.sources.name(session.file), batch,
      session.spec.kind == DataSpec::Text ? "windows, one from each place of the text," : "examples,", what);
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
  // What a resumed run was started with stays as it was.
  auto first = [&](const char *name, std::string otherwise) {
    auto saved = config ? config->getString(name) : std::nullopt;
    return saved ? saved->str() : otherwise;
  };
  auto identities = [](llvm::ArrayRef<runtime::DataIdentity> list) {
    llvm::json::Array array;
    for (const runtime::DataIdentity &identity : list)
      array.push_back(identity.toJson());
    return array;
  };
  llvm::SmallString<256> init(request.init);
  if (!init.empty() && llvm::sys::fs::make_absolute(init))
    init = request.init;
  if (llvm::Error error = directory->writeModel(session.model->text()))
    return error;
  return directory->writeConfig(llvm::json::Object{{"gptc", GPTC_VERSION},
                                                   {"model_file", first("model_file", session.sources.name(session.file))},
                                                   {"data_files", absolute(request.data)},
                                                   {"val_files", absolute(request.validation)},
                                                   {"data_seen", identities(data)},
                                                   {"val_seen", identities(validation)},
                                                   {"init_file", init.str()},
                                                   {"keep", request.keep},
                                                   {"show_gradients", request.showGradients},
                                                   {"dtype", session.options.dtype},
                                                   {"memory", session.options.memory},
                                                   {"seed", request.seed},
                                                   {"batch", batch},
                                                   {"overrides", std::move(settings)},
                                                   {"settings", std::move(values)},
                                                   {"data", session.savedFacts()}});
}

/// `save_every`: steps, and ten minutes besides; or a time alone. 0: only at the end.
void Training::setSaving(runtime::TrainOptions &options) const {
  constexpr double usual = 600;
  auto found = session.model->train().find("save_every");
  options.saveInterval = options.evalInterval;
  options.saveSeconds = usual;
  // A copy of everything would not be within the memory that was given.
  options.saveBeside = session.options.memory == 0;
  if (found == session.model->train().end())
    return;
  const ConfigValue &value = found->second;
  if (value.kind == ConfigValue::Number) {
    options.saveInterval = int64_t(value.number);
    options.saveSeconds = value.number > 0 ? usual : 0;
  } else {
    options.saveInterval = 0;
    options.saveSeconds = value.seconds().value_or(usual);
  }
}

/// A word of a command line, in quotes where a shell needs them.
static std::string shellWord(llvm::StringRef word) {
  bool plain = !word.empty() && llvm::all_of(word, [](char c) {
    return llvm::isAlnum(c) || llvm::StringRef("_-./:=,+@%").contains(c);
  });
  if (plain)
    return word.str();
  return shellQuoted(word);
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
  return code; // what --overwrite has moved aside goes back then
}

int Training::train() {
  if (!openModel())
    return Failure;
  const llvm::json::Object *saved = config ? config->getObject("data") : nullptr;
  bool fromRun = !request.init.empty() && llvm::sys::fs::is_directory(request.init);
  if (fromRun && !openInit())
    return Failure;
  if (!identifyData() || (config && !checkData()))
    return Failure;
  if (!session.loadData(request.data, request.seed, saved, {}, request.validation, /*holdOut=*/true, dataChanged))
    return Failure;
  for (const auto *files : {&data, &validation})
    for (const runtime::DataIdentity &identity : *files)
      if (llvm::Error error = identity.checkUnchanged())
        return reportError(std::move(error));
  if (module && !fits()) {
    if (!request.fromIr.empty())
      return Failure;
    module = nullptr;
  }
  if (config)
    for (const std::string &word : session.options.set)
      if (llvm::StringRef(word).split('=').first.trim() == "validation")
        llvm::errs() << programName()
                     << ": warning: `validation` says nothing here: what was held out when the run began stays so\n";
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
  setSaving(job.options);
  if (session.spec.validation == 0 && request.validation.empty())
    job.options.evalInterval = 0;
  if (session.spec.validation >= 1)
    // A number of examples, which of pairs is none of tokens: then all are read.
    job.options.evalItems = session.spec.kind == DataSpec::Pairs ? INT64_MAX / 2 : int64_t(session.spec.validation);
  job.options.keep = request.keep;
  job.options.seed = request.seed;
  job.options.showGradients = request.showGradients;
  job.resume = config.has_value();
  job.dataChanged = dataChanged;
  job.initFile = request.init;
  job.goOn = programName() + " train --resume " + shellWord(request.resume.empty() ? request.out : request.resume);
  job.loader = session.loader.get();
  job.progress = runtime::ProgressOptions::forStandardError();

  runtime::BatchShape shape;
  shape.rows = batch;
  shape.wholeRows = session.wholeBatches();
  if (llvm::Error error = checkAll(batch, 0))
    return reportError(std::move(error));
  if (llvm::Error error = session.loader->checkTraining(shape))
    return reportError(std::move(error));
  if (!request.init.empty() && !config) {
    auto weights = runtime::SafeTensors::open(request.init);
    if (!weights)
      return reportError(weights.takeError());
  }
  if (!directory && request.overwrite) {
    auto aside = runtime::RunAside::move(request.out);
    if (!aside)
      return reportError(aside.takeError());
    replaced.emplace(std::move(*aside));
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
  if (llvm::Error error = checkAll(batch, step->arenaBytes))
    return reportError(std::move(error));
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
    if (!request.init.empty() && !fromRun && !config)
      warnOfInit(session, request.init);
    firstStep = job.result.steps;
    if (config && !session.options.set.empty())
      if (llvm::Error error = saySchedule(session, *config, firstStep))
        return error;
    if (replaced)
      replaced->remove();
    started = true;
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
  say(llvm::formatv("{0} parameters, seed {1}, {2}, {3} thread{4}, arena {5}, compiled in {6:f2} s", parameters,
                    request.seed, session.options.dtype, session.options.threads,
                    session.options.threads == 1 ? "" : "s", printSize(job.step.arenaBytes), seconds)
          .str());
  if (session.options.memory)
    say("--memory " + printSize(session.options.memory) + ": " + printSize(job.step.keptBytes) +
        " kept for the backward pass");
  // Until here Ctrl-C ends the process: nothing is lost.
  runtime::InterruptGuard guard(programName() + ": interrupted: finishes this step, saves it and stops; "
                                                "Ctrl-C three times within a second stops at once");
  runtime::Profile profile;
  if (session.options.profile)
    job.pool->setProfile(&profile);
  auto begun = std::chrono::steady_clock::now();
  auto code = runtime::train(job);
  if (!code)
    return reportError(code.takeError());
  if (session.options.profile)
    llvm::errs() << profile.print(job.step, job.result.steps - firstStep);
  if (*code == Success)
    sayFinished(job, std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
  return *code;
}

/// What came out, and the command that uses it.
void Training::sayFinished(const runtime::TrainJob &job, double seconds) const {
  std::string loss;
  if (job.result.valLoss)
    loss = llvm::formatv(", validation loss {0:f4}, best {1:f4}", *job.result.valLoss,
                         job.result.bestLoss.value_or(*job.result.valLoss));
  else if (job.result.loss)
    loss = llvm::formatv(", loss {0:f4}", *job.result.loss);
  say("run '" + directory->path() + "' finished: " + llvm::Twine(job.result.steps) +
      (job.result.steps == 1 ? " step" : " steps") + loss + ", " + runtime::formatDuration(seconds));
  std::string word = shellWord(directory->path());
  bool hasOutput = !session.model->outputs().empty();
  if (hasOutput && session.spec.kind == DataSpec::Text && session.tokenizer->kind() != "ids")
    llvm::errs() << "  " << programName() << " generate " << word << " --prompt TEXT\n";
  else if (hasOutput && session.spec.kind == DataSpec::Pairs)
    llvm::errs() << "  " << programName() << " generate " << word << " --data FILE\n";
  else if (hasOutput && session.spec.kind == DataSpec::Rows && !findPayload())
    llvm::errs() << "  " << programName() << " run " << word << " --data FILE\n";
}

int gptc::trainCommand(llvm::ArrayRef<const char *> words) {
  CommonOptions options;
  TrainRequest request;
  bool embedded = findPayload();
  Arguments arguments(embedded ? "train --data FILE -o RUN" : "train MODEL --data FILE -o RUN",
                      "Compiles the model for this CPU and trains it. RUN is a new directory: checkpoints,\n"
                      "log.jsonl (one object per step), the model as compiled and its settings.\n"
                      "Ctrl-C saves and stops; --resume goes on bit for bit.");
  if (!embedded)
    arguments.positional("MODEL", "the model file (not with --resume or --from-ir)", request.model, false);
  arguments.option("--data", "FILE",
                   "the text or table to train on; for pairs of lines two files, source first", request.data);
  arguments.option("--val", "FILE",
                   "what to validate on, as --data (default: 10 % of the data, not trained on)",
                   request.validation);
  arguments.option("-o", "RUN", "the directory for the run", request.out);
  arguments.flag("--overwrite", "-o may name a run that is there: it is removed when the new one begins",
                 request.overwrite);
  arguments.option("--resume", "RUN", "go on with a run where its newest checkpoint stands", request.resume);
  arguments.option("--init", "RUN|FILE",
                   "start from the weights of this run, which bring their tokenizer, or of this "
                     ".safetensors file",
                   request.init);
  arguments.option("--seed", "N", "of initial weights, batches and random masks (default: that of the file, else 1)", request.seed, 0, INT32_MAX);
  addSetOption(arguments, options);
  arguments.option("--keep", "N", "checkpoints to keep, beside the best (default 2)", request.keep, 1, 1000000);
  arguments.flag("--changed-data", "with --resume: go on although the data are not those of the start",
                 request.changedData);
  arguments.option("--show-gradients", "N",
                   "every N steps, the norm of each parameter's gradient (also in log.jsonl; default: never), and a "
                     "warning where one is below 1e-7 or above 1e3 of its weight's",
                   request.showGradients, 1, INT64_MAX / 2);
  arguments.example(embedded ? "train --data text.txt -o run" : "train model.gpt --data text.txt -o run");
  if (!embedded)
    arguments.example("train translate.gpt --data train.en --data train.de -o run");
  arguments.example("train --resume run --set steps=4000");
  addFields(arguments, /*training=*/true);
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
  request.keepGiven = arguments.given("--keep");
  int sources = !request.model.empty() + !request.resume.empty() + !request.fromIr.empty();
  if (!embedded && sources != 1)
    return arguments.usageError("give one of MODEL, --resume RUN and --from-ir FILE");
  if (request.resume.empty() && request.data.empty())
    return arguments.usageError("--data is missing: the text or table to train on");
  if (request.resume.empty() == request.out.empty())
    return arguments.usageError(request.out.empty() ? "-o is missing: the directory for the run"
                                                    : "--resume goes on in its own directory, without -o");
  if (request.overwrite && !request.resume.empty())
    return arguments.usageError("--overwrite begins anew, and --resume goes on");
  if (!request.resume.empty() && (!request.init.empty() || arguments.given("--dtype")))
    return arguments.usageError("--resume takes weights and type from the run, not from --init or --dtype");
  if (request.resume.empty() && request.changedData)
    return arguments.usageError("--changed-data goes with --resume");
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
