#include "runtime/trainer.h"

#include "runtime/doing.h"
#include "runtime/gradients.h"
#include "runtime/interrupt.h"
#include "runtime/log.h"

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
  Error evaluateNow(bool &best);
  Error save(bool best);
  bool due(int64_t interval) const { return interval > 0 && state.step % interval == 0; }

  TrainJob &job;
  const TrainOptions &options;
  std::unique_ptr<ProgramRun> step, eval;
  std::optional<RunLog> log;
  std::optional<Progress> progress;
  BatchShape shape;
  TrainingState state;
  int64_t lastSaved = -1;
  bool evaluates = false, saidVanished = false, saidExploded = false;
  std::vector<size_t> reportIndices;
  std::vector<LogReport> reports;
  LogEntry entry;
};
} // namespace

static Error checkOptions(const TrainOptions &options) {
  for (auto [name, value, least] :
       {std::tuple("steps", options.steps, int64_t(0)), std::tuple("batch", options.batch, int64_t(1)),
        std::tuple("the evaluation interval", options.evalInterval, int64_t(0)),
        std::tuple("the save interval", options.saveInterval, int64_t(0)),
        std::tuple("the interval of gradients", options.showGradients, int64_t(0)),
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
    bool isNorm = name.starts_with("grad_norm") || name.starts_with("weight_norm");
    if (name == "loss" || name == "lr" || isNorm || results[i].elements() != 1)
      continue;
    reportIndices.push_back(i);
    reports.push_back({name, 0});
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
  return job.store->load(*file, VariableKind::Parameter, /*exact=*/false);
}

Error Training::resumeWeights() {
  // Variables that only the init program lists are part of a checkpoint, too.
  if (Error error = job.store->add(job.init.variables))
    return error;
  if (job.run->checkpoints().empty()) {
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
  if (state.batch != options.batch)
    return failure("the run was started with batches of {}, not {}", state.batch, options.batch);
  lastSaved = state.step;
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

  entry.step = state.step;
  entry.loss = *step->scalar("loss");
  entry.lr = step->scalar("lr");
  entry.gradNorm = step->scalar("grad_norm");
  entry.valLoss.reset();
  entry.milliseconds = seconds * 1e3;
  entry.tokensPerSecond = seconds > 0 ? double(batch.items) / seconds : 0;
  for (size_t i = 0; i < reports.size(); ++i)
    reports[i].value = ProgramRun::scalarOf(step->resultAt(reportIndices[i]));
  entry.gradients.clear();
  bool lossBroken = !std::isfinite(entry.loss);
  bool broken = lossBroken || (entry.gradNorm && !std::isfinite(*entry.gradNorm));
  if (options.showGradients > 0 && (broken || due(options.showGradients) || state.step + 1 == options.steps))
    showGradients(!broken || due(options.showGradients));
  if (!broken) {
    ++state.step;
    job.result.steps = state.step;
    job.result.loss = entry.loss;
    return Error::success();
  }
  // The step has changed nothing, so it can be looked at again.
  if (log)
    if (Error error = log->write(entry, reports))
      return error;
  std::string kept =
      lastSaved < 0 ? "nothing was saved" : "the last checkpoint is " + checkpointName(lastSaved);
  progress->finish();
  std::string where = job.diagnose ? job.diagnose(shape, state.step) : "";
  double value = lossBroken ? entry.loss : *entry.gradNorm;
  return failure("step {}: the {} is {}; training stopped, {}{}{}", state.step,
                 lossBroken ? "loss" : "gradient's norm", std::isnan(value) ? NAN : value, kept,
                 where.empty() ? "" : "\n", StringRef(where).rtrim());
}

void Training::showGradients(bool table) {
  std::vector<GradientNorm> norms = gradientNorms(*step);
  for (const GradientNorm &norm : norms)
    entry.gradients.push_back({norm.name, norm.gradient});
  if (table)
    progress->message(fmt::format("gradients of step {} (norms)\n{}", state.step, gradientTable(norms)));
  if (!std::isfinite(entry.loss) || !std::isfinite(entry.gradNorm.value_or(0)))
    return; // that is said in other words
  for (auto [said, text] :
       {std::pair(&saidVanished, vanishedGradient(norms)), std::pair(&saidExploded, explodedGradient(norms))})
    if (!text.empty() && !std::exchange(*said, true))
      progress->message(fmt::format("warning: step {}: {}", state.step, text));
}

Error Training::evaluateNow(bool &best) {
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
  Expected<Evaluation> evaluation =
      evaluate(*eval, *job.loader, Loader::Part::Validation, options.seed, interrupted);
  if (!evaluation)
    return evaluation.takeError();
  if (evaluation->stopped)
    return Error::success();
  entry.valLoss = state.valLoss = job.result.valLoss = evaluation->loss;
  if (std::isfinite(evaluation->loss) && (!state.bestLoss || evaluation->loss < *state.bestLoss)) {
    state.bestLoss = evaluation->loss;
    state.bestStep = state.step;
    best = true;
  }
  job.result.bestLoss = state.bestLoss;
  return Error::success();
}

Error Training::save(bool best) {
  if (!job.run || lastSaved == state.step)
    return Error::success();
  if (Error error = job.store->checkFinite()) {
    progress->finish();
    std::string where = job.diagnose ? job.diagnose(shape, state.step) : "";
    return failure("after step {}: {}; not saved, training stopped{}{}", state.step - 1,
                   llvm::toString(std::move(error)), where.empty() ? "" : "\n", StringRef(where).rtrim());
  }
  if (Error error = job.run->save(*job.store, state, best, options.keep))
    return error;
  lastSaved = state.step;
  return Error::success();
}

Error Training::afterStep() {
  bool last = state.step == options.steps, best = false;
  state.valLoss.reset();
  if (evaluates && !interrupted() && (last || due(options.evalInterval)))
    if (Error error = evaluateNow(best))
      return error;
  if (log)
    if (Error error = log->write(entry, reports))
      return error;
  progress->update(state.step, entry.loss, entry.tokensPerSecond, entry.valLoss);
  if (last || best || interrupted() || due(options.saveInterval))
    return save(best);
  return Error::success();
}

Expected<int> Training::run() {
  if (Error error = prepare())
    return error;
  if (Error error = job.resume ? resumeWeights() : startWeights())
    return error;
  job.result.steps = state.step;
  job.result.bestLoss = state.bestLoss;
  if (job.run) {
    Expected<RunLog> opened = RunLog::open(job.run->file("log.jsonl"), state.step);
    if (!opened)
      return opened.takeError();
    log.emplace(std::move(*opened)); // holds the lock: nobody else saves here now
    job.run->removeLeftovers();
  }
  if (job.begin)
    if (Error error = job.begin())
      return error;
  progress.emplace(state.step, options.steps, job.loader->items(), job.progress);
  if (state.step >= options.steps && state.step > 0)
    progress->message(fmt::format("all {} steps are done already", options.steps));
  while (state.step < options.steps && !interrupted()) {
    if (Error error = takeStep())
      return error;
    if (Error error = afterStep())
      return error;
  }
  if (state.step < options.steps) {
    // An interrupt may have come between two steps.
    if (Error error = save(/*best=*/false))
      return error;
    progress->finish();
    if (job.run)
      progress->message(fmt::format("interrupted: saved {}", checkpointName(state.step)));
    return interruptedCode;
  }
  if (Error error = save(/*best=*/false))
    return error;
  progress->finish();
  return 0;
}

Expected<int> train(TrainJob &job) {
  Doing doing("training");
  return Training(job).run();
}

} // namespace gptc::runtime
