#include "runtime/trainer.h"

#include "runtime/doing.h"
#include "runtime/gradients.h"
#include "runtime/interrupt.h"
#include "runtime/log.h"
#include "runtime/saver.h"

#include <chrono>
#include <cmath>
#include <utility>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

static constexpr int interruptedCode = 130;

namespace {
class Training {
public:
  explicit Training(TrainJob &job) : job(job), options(job.options) {}
  Expected<int> run();

private:
  Error prepare();
  Error startWeights();
  Error resumeWeights();
  Error takeStep();
  Error afterStep();
  void showGradients(bool table);
  Error evaluateNow(bool &best, bool &stopped);
  int64_t mostEvaluated() const;
  Error save(bool best, bool extra);
  Error saveInterrupted();
  void sayWhatWouldBeLost() const;
  std::string lastCheckpoint() const;
  bool due(int64_t interval) const { return interval > 0 && state.step % interval == 0; }
  bool isLast() const { return state.step == options.steps; }

  TrainJob &job;
  const TrainOptions &options;
  std::unique_ptr<ProgramRun> step, eval;
  std::optional<RunLog> log;
  std::optional<Progress> progress;
  BatchShape shape;
  TrainingState state;
  std::optional<Saver> saver;
  bool upToDate = false; // the checkpoint of this step is written, or being written
  std::chrono::steady_clock::time_point lastSave;
  bool evaluates = false, saidVanished = false, saidExploded = false;
  std::vector<size_t> reportIndices; // results of `step`
  LogEntry entry;
};
} // namespace

static Error checkOptions(const TrainOptions &options) {
  for (auto [name, value, least] :
       {std::tuple("steps", options.steps, int64_t(0)), std::tuple("batch", options.batch, int64_t(1)),
        std::tuple("the evaluation interval", options.evalInterval, int64_t(0)),
        std::tuple("the save interval", options.saveInterval, int64_t(0)),
        std::tuple("the interval of gradients", options.showGradients, int64_t(0)),
        std::tuple("the number of tokens or rows to evaluate", options.evalItems, int64_t(0)),
        std::tuple("the number of checkpoints to keep", options.keep, int64_t(1))})
    if (value < least)
      return failure("{} must be at least {}, not {}", name, least, value);
  return Error::success();
}

Error Training::prepare() {
  if (Error error = checkOptions(options))
    return error;
  Expected<std::unique_ptr<ProgramRun>> bound =
      ProgramRun::create(job.step, *job.store, *job.arena, *job.pool);
  if (!bound)
    return bound.takeError();
  step = std::move(*bound);
  shape = step->batchShape();
  if (options.batch > shape.rows || (shape.wholeRows && options.batch != shape.rows))
    return failure("a batch of {} examples, the program was compiled for {}{}", options.batch,
                   shape.wholeRows ? "exactly " : "at most ", shape.rows);
  shape.rows = options.batch;
  if (Error error = job.loader->check(step->inputs()))
    return error;
  if (Error error = job.loader->checkTraining(shape))
    return error;
  evaluates = job.compileEval && options.evalInterval > 0;
  if (evaluates && job.loader->evaluationBatches(Loader::Part::Validation, BatchShape()) == 0) {
    evaluates = false;
    Progress(0, 0, "", job.progress)
        .message("warning: too little data for a validation part; none is evaluated");
  }

  bool hasLoss = false;
  const auto &results = step->program().results;
  for (size_t i = 0; i < results.size(); ++i) {
    StringRef name = results[i].name;
    hasLoss |= name == "loss" && results[i].elements() == 1;
    if (!name.consume_front(reportPrefix) || results[i].elements() != 1)
      continue;
    reportIndices.push_back(i);
    entry.reports.push_back({name.str(), 0});
  }
  if (options.showGradients > 0 && gradientNorms(*step).empty())
    return failure("the training program returns no norms of gradients, so none can be shown");
  if (!hasLoss)
    return failure("the training program has no scalar result 'loss'");
  return Error::success();
}

Error Training::startWeights() {
  state.seed = options.seed;
  state.batch = options.batch;
  Expected<std::unique_ptr<ProgramRun>> init =
      ProgramRun::create(job.init, *job.store, *job.arena, *job.pool);
  if (!init)
    return init.takeError();
  (*init)->setLoopInputs(options.seed, 0, 0);
  (*init)->run();
  if (job.initFile.empty())
    return Error::success();
  Expected<SafeTensors> file = SafeTensors::open(job.initFile);
  if (!file)
    return file.takeError();
  if (Error error = file->verify())
    return error;
  if (Error error = job.store->load(*file, VariableKind::Parameter, /*exact=*/false))
    return error;
  Expected<std::vector<std::string>> unread = job.store->unread(*file, VariableKind::Parameter);
  if (!unread)
    return unread.takeError();
  llvm::ArrayRef<std::string> named = llvm::ArrayRef(*unread).take_front(5);
  if (!unread->empty())
    Progress(0, 0, "", job.progress)
        .message(fmt::format("warning: {}: the model has no {}{}; not read", job.initFile,
                             fmt::join(named.begin(), named.end(), ", "),
                             unread->size() > named.size()
                                 ? fmt::format(" and {} more tensors", unread->size() - named.size())
                                 : ""));
  return Error::success();
}

Error Training::resumeWeights() {
  // Variables that only the init program lists are part of a checkpoint, too.
  if (Error error = job.store->add(job.init.variables))
    return error;
  Expected<std::vector<std::string>> checkpoints = job.run->checkpoints();
  if (!checkpoints)
    return checkpoints.takeError();
  if (checkpoints->empty()) {
    // Killed before its first one; the start is as good as a checkpoint.
    Progress(0, 0, "", job.progress).message("no checkpoint yet: starting from the beginning");
    return startWeights();
  }
  Expected<RunDirectory::Loaded> loaded =
      job.run->load(*job.store, RunDirectory::Which::Latest, /*states=*/true);
  if (!loaded)
    return loaded.takeError();
  state = loaded->state;
  if (state.seed != options.seed)
    return failure("the run was started with seed {}, not {}", state.seed, options.seed);
  if (state.batch != options.batch && !job.dataChanged)
    return failure("the run was started with batches of {}, not {}", state.batch, options.batch);
  state.batch = options.batch;
  state.extra = false;
  saver->resumedFrom(state.step);
  upToDate = !state.pending;
  Progress notes(0, 0, "", job.progress);
  for (const std::string &warning : loaded->warnings)
    notes.message("warning: " + warning);
  notes.message(fmt::format("resumed from {}", loaded->name));
  return Error::success();
}

Error Training::takeStep() {
  auto started = std::chrono::steady_clock::now();
  Batch batch = job.loader->training(shape, options.seed, state.step, step->inputs());
  if (Error error = step->setBatch(batch))
    return error;
  step->setLoopInputs(options.seed, state.step, state.step * options.batch);
  step->run();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();

  entry.step = state.step + 1;
  entry.loss = *step->scalar("loss");
  entry.lr = step->scalar("lr");
  entry.gradNorm = step->scalar("grad_norm");
  entry.valLoss.reset();
  entry.milliseconds = seconds * 1e3;
  entry.tokensPerSecond = seconds > 0 ? double(batch.items) / seconds : 0;
  for (size_t i = 0; i < reportIndices.size(); ++i)
    entry.reports[i].second = ProgramRun::scalarOf(step->resultAt(reportIndices[i]));
  entry.gradients.clear();
  bool lossBroken = !std::isfinite(entry.loss);
  bool broken = lossBroken || (entry.gradNorm && !std::isfinite(*entry.gradNorm));
  bool shown = due(options.showGradients); // from the first step on
  if (options.showGradients > 0 && (broken || shown || entry.step == options.steps))
    showGradients(!broken || shown);
  if (!broken) {
    ++state.step;
    state.items += batch.items;
    state.valLoss.reset();
    upToDate = false;
    job.result.steps = state.step;
    job.result.loss = entry.loss;
    return Error::success();
  }
  // The step has changed nothing, so it can be looked at again.
  if (log)
    if (Error error = log->write(entry))
      return error;
  if (saver)
    if (Error error = saver->wait())
      return error;
  progress->finish();
  std::string where = job.diagnose ? job.diagnose(shape, state.step) : "";
  double value = lossBroken ? entry.loss : *entry.gradNorm;
  return failure("step {}: the {} is {}; training stopped, {}{}{}", entry.step,
                 lossBroken ? "loss" : "gradient's norm", std::isnan(value) ? NAN : value, lastCheckpoint(),
                 where.empty() ? "" : "\n", StringRef(where).rtrim());
}

std::string Training::lastCheckpoint() const {
  std::optional<int64_t> saved = saver ? saver->lastSaved() : std::nullopt;
  return saved ? "the last checkpoint is " + checkpointName(*saved) : "nothing was saved";
}

void Training::showGradients(bool table) {
  std::vector<GradientNorm> norms = gradientNorms(*step);
  for (const GradientNorm &norm : norms)
    entry.gradients.push_back({norm.name, norm.gradient});
  if (table)
    progress->message(fmt::format("gradients of step {} (norms)\n{}", entry.step, gradientTable(norms)));
  if (!std::isfinite(entry.loss) || !std::isfinite(entry.gradNorm.value_or(0)))
    return; // that is said in other words
  for (auto [said, text] :
       {std::pair(&saidVanished, vanishedGradient(norms)), std::pair(&saidExploded, explodedGradient(norms))})
    if (!text.empty() && !std::exchange(*said, true))
      progress->message(fmt::format("warning: step {}: {}", entry.step, text));
}

int64_t Training::mostEvaluated() const {
  if (options.evalItems)
    return options.evalItems;
  int64_t trained = isLast() ? state.items : state.items - state.itemsEvaluated;
  return std::max<int64_t>(1, int64_t(double(trained) * evaluatedShare));
}

Error Training::evaluateNow(bool &best, bool &stopped) {
  if (!eval) {
    Expected<Program> program = job.compileEval();
    if (!program)
      return program.takeError();
    Expected<std::unique_ptr<ProgramRun>> bound =
        ProgramRun::create(std::move(*program), *job.store, *job.arena, *job.pool, Weights::Inference);
    if (!bound)
      return bound.takeError();
    eval = std::move(*bound);
  }
  EvaluateOptions how;
  how.seed = options.seed;
  how.mostItems = mostEvaluated();
  how.stop = interrupted;
  how.progress = [&](double share) { progress->evaluating(share); };
  Expected<Evaluation> evaluation = evaluate(*eval, *job.loader, Loader::Part::Validation, how);
  if (!evaluation)
    return evaluation.takeError();
  stopped = evaluation->stopped;
  if (stopped)
    return Error::success();
  state.itemsEvaluated = state.items;
  entry.valLoss = state.valLoss = job.result.valLoss = evaluation->loss;
  if (std::isfinite(evaluation->loss) && (!state.bestLoss || evaluation->loss < *state.bestLoss)) {
    state.bestLoss = evaluation->loss;
    state.bestStep = state.step;
    best = true;
  }
  job.result.bestLoss = state.bestLoss;
  return Error::success();
}

Error Training::save(bool best, bool extra) {
  if (!job.run || upToDate)
    return Error::success();
  if (Error error = job.store->checkFinite()) {
    if (Error before = saver->wait())
      return llvm::joinErrors(std::move(error), std::move(before));
    progress->finish();
    std::string where = job.diagnose ? job.diagnose(shape, state.step) : "";
    return failure("after step {}: {}; not saved, training stopped, {}{}{}", state.step,
                   llvm::toString(std::move(error)), lastCheckpoint(), where.empty() ? "" : "\n",
                   StringRef(where).rtrim());
  }
  state.extra = extra;
  // At an end nothing is left to do beside.
  bool beside = options.saveBeside && !isLast() && !interrupted();
  Error error = beside ? saver->start(*job.store, state, best) : saver->save(*job.store, state, best);
  state.extra = false;
  if (error)
    return error;
  upToDate = true;
  lastSave = std::chrono::steady_clock::now();
  return Error::success();
}

void Training::sayWhatWouldBeLost() const {
  std::optional<int64_t> saved = saver ? saver->lastSaved() : std::nullopt;
  setWhatWouldBeLost(fmt::format(
      "stopped at once: {}{}", saved ? fmt::format("the steps behind {} are lost", checkpointName(*saved))
                                     : "nothing was saved, all steps are lost",
      job.goOn.empty() ? "" : "; to go on: " + job.goOn));
}

/// What a step needs once it is taken, or was taken by an interrupted process.
Error Training::afterStep() {
  bool best = false, stopped = false;
  if (saver)
    if (Error error = saver->check())
      return error;
  if (evaluates && (isLast() || due(options.evalInterval)))
    if (Error error = evaluateNow(best, stopped))
      return error;
  if (stopped) {
    // The step's line and all that follows from its evaluation come when the run is resumed.
    state.pending = entry;
    upToDate = false;
    return Error::success();
  }
  if (log)
    if (Error error = log->write(entry))
      return error;
  progress->update(state.step, entry.loss, entry.tokensPerSecond, entry.valLoss, entry.lr);
  sayWhatWouldBeLost();
  if (isLast() || best || due(options.saveInterval))
    return save(best, /*extra=*/false);
  double unsaved = std::chrono::duration<double>(std::chrono::steady_clock::now() - lastSave).count();
  if (options.saveSeconds > 0 && unsaved >= options.saveSeconds)
    return save(/*best=*/false, /*extra=*/true);
  return Error::success();
}

Error Training::saveInterrupted() {
  if (Error error = save(/*best=*/false, /*extra=*/true))
    return error;
  progress->finish();
  if (!job.run)
    return Error::success();
  if (Error error = saver->wait())
    return error;
  progress->message(fmt::format("interrupted: saved {}{}{}", checkpointName(state.step),
                                job.goOn.empty() ? "" : "; to go on: ", job.goOn));
  return Error::success();
}

Expected<int> Training::run() {
  if (job.run)
    saver.emplace(*job.run, options.keep);
  if (Error error = prepare())
    return error;
  if (Error error = job.resume ? resumeWeights() : startWeights())
    return error;
  job.result.steps = state.step;
  job.result.bestLoss = state.bestLoss;
  if (job.run) {
    Expected<RunLog> opened = RunLog::open(job.run->file("log.jsonl"), state.pending ? state.step - 1 : state.step);
    if (!opened)
      return opened.takeError();
    log.emplace(std::move(*opened));
    if (Error error = job.run->repair(state))
      return error;
  }
  if (job.begin)
    if (Error error = job.begin())
      return error;
  lastSave = std::chrono::steady_clock::now();
  progress.emplace(state.step, options.steps, job.loader->items(), job.progress);
  sayWhatWouldBeLost();
  if (state.pending) {
    NamedNumbers reports = entry.reports;
    entry = *std::exchange(state.pending, std::nullopt);
    if (entry.reports.size() != reports.size())
      return failure("the checkpoint of step {} is of a model with other reports", state.step);
    job.result.loss = entry.loss;
    progress->message(fmt::format("step {} was taken, but not evaluated: that comes first", state.step));
    if (Error error = afterStep())
      return error;
  } else if (state.step >= options.steps && state.step > 0) {
    progress->message(fmt::format("all {} steps are done already", options.steps));
  }
  while (state.step < options.steps && !state.pending && !interrupted()) {
    if (Error error = takeStep())
      return error;
    if (Error error = afterStep())
      return error;
  }
  if (state.step < options.steps || state.pending) {
    if (Error error = saveInterrupted())
      return error;
    return interruptedCode;
  }
  if (Error error = save(/*best=*/false, /*extra=*/false))
    return error;
  if (saver)
    if (Error error = saver->wait())
      return error;
  progress->finish();
  return 0;
}

Expected<int> train(TrainJob &job) {
  Doing doing("training");
  return Training(job).run();
}

} // namespace gptc::runtime
