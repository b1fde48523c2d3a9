#include "differential/check.h"
#include "differential/compare.h"
#include "differential/numbers.h"
#include "differential/reading.h"
#include "differential/training.h"
#include "support/compiled_program.h"

#include "compiler/jit.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"

#include <algorithm>
#include <cmath>
#include <ctime>

using namespace gptc;
using namespace gptc::differential;

//===-- Plans ------------------------------------------------------------------===//

std::string Setup::text() const {
  return cpu +
         (bf16     ? " bf16"
          : single ? " f32"
                   : " f64") +
         " threads=" + std::to_string(threads) + (keep >= 0 ? " keep=" + std::to_string(keep) : "") +
         (dynamicBatch ? " dynamic-batch" : "") + (shortBatch ? " short-batch" : "");
}

static const char *const cpus[] = {"native", "x86-64-v3", "x86-64"};

Plan gptc::differential::planOf(uint64_t seed) {
  Draw d(hashOf("plan", seed));
  Plan plan;
  plan.train.cpu = cpus[seed % 3];
  plan.outputs.cpu = cpus[(seed / 3) % 3];
  plan.outputs.single = d.chance(0.35);
  plan.outputs.shortBatch = d.chance(0.4);
  plan.train.shortBatch = d.chance(0.25);
  plan.train.dynamicBatch = plan.train.shortBatch || d.chance(0.3);
  Setup other = plan.train;
  other.cpu = cpus[d.below(3)];
  other.single = true;
  other.shortBatch = d.chance(0.2);
  other.dynamicBatch = other.shortBatch || d.chance(0.3);
  double what = d.unit();
  if (what < 0.42)
    plan.others.push_back(other);
  else if (what < 0.48) {
    other.bf16 = true;
    plan.others.push_back(other);
  }
  plan.withOutputs = d.chance(0.65);
  plan.budget = d.chance(0.12);
  plan.threads = d.chance(0.3);
  plan.verify = d.chance(0.25);
  return plan;
}

std::vector<Plan> gptc::differential::allPlans() {
  std::vector<Plan> plans;
  for (const char *cpu : cpus) {
    Plan plan;
    plan.train.cpu = plan.outputs.cpu = cpu;
    plan.verify = plan.threads = plan.budget = cpu == cpus[0];
    Setup other = plan.train;
    other.single = true;
    plan.others.push_back(other);
    other.bf16 = true;
    if (cpu == cpus[0])
      plan.others.push_back(other);
    plans.push_back(plan);
  }
  Plan plan;
  plan.outputs.single = plan.outputs.shortBatch = true;
  plan.train.shortBatch = plan.train.dynamicBatch = true;
  plans.push_back(plan);
  return plans;
}

Subject gptc::differential::modelOf(const ModelTree &program) {
  Subject model;
  model.means = print(program, nameTexts(program, false));
  model.text = print(program, nameTexts(program, true));
  model.seed = program.seed;
  model.batch = program.batch;
  model.dataMode = program.dataMode;
  return model;
}

std::string Finding::signature() const {
  std::string text;
  bool digits = false;
  for (char c : what.substr(0, what.find('\n'))) {
    bool digit = isdigit(static_cast<unsigned char>(c));
    if (digit && digits)
      continue;
    text += digit ? '#' : c;
    digits = digit;
  }
  return kind == "names" || kind == "rejected" ? kind : kind + ": " + text.substr(0, 100);
}

namespace {
/// Adds the time of a scope, of a core, to a count.
class Watch {
public:
  explicit Watch(int64_t &count) : count(count), since(now()) {}
  ~Watch() { count += now() - since; }

private:
  static int64_t now() {
    timespec time = {};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
  }
  int64_t &count;
  int64_t since;
};

class Checker {
public:
  Checker(const Subject &model, const Plan &plan)
      : model(model), plan(plan), means(model.means), own(model.text) {}

  Outcome run() {
    if (!means.model && !own.model) {
      outcome.state = Outcome::Rejected;
      outcome.findings.push_back({"rejected", means.errors, ""});
      return std::move(outcome);
    }
    if (!means.model || !own.model || means.parameters.size() != own.parameters.size()) {
      find("names", (means.model ? own : means).errors,
           means.model ? "accepted only where all names are different"
                       : "accepted only where names hide others");
      return std::move(outcome);
    }
    training = means.elaborate(true);
    evaluation = means.elaborate(false);
    if (!training || !evaluation) {
      find("rejected", "no elaboration", "");
      return std::move(outcome);
    }
    data = std::make_unique<Data>(model, *training);
    for (const char *part : {"outputs", "train"}) {
      bool trains = training->loss && training->train.count("optimizer") && !training->graph.params.empty();
      if (std::string(part) == "outputs" && !evaluation->outputs.empty() && (plan.withOutputs || !trains))
        compareOutputs(plan.outputs);
      if (std::string(part) == "train" && trains)
        compareTraining();
    }
    chooseCpu("native", true);
    return std::move(outcome);
  }

private:
  const Subject &model;
  const Plan &plan;
  Text means, own;
  std::unique_ptr<typed::Elaborated> training, evaluation;
  std::unique_ptr<Data> data;
  Outcome outcome;

  void find(std::string kind, std::string what, std::string detail) {
    outcome.findings.push_back({std::move(kind), std::move(what), std::move(detail)});
  }

  /// Compiles; a finding and null where that fails.
  std::shared_ptr<runtime::Program> compileProgram(gptc::Program which, ProgramKind kind, const Setup &setup,
                                                   int64_t keep, int64_t *kept = nullptr) {
    Watch watch(outcome.counts["ms of compiling"]);
    chooseCpu(setup.cpu, true);
    gptc::Model::EmitOptions emit;
    emit.program = which;
    emit.f64 = !setup.single;
    mlir::OwningOpRef<mlir::ModuleOp> module = own.model->emit(&context(), emit);
    std::string messages;
    mlir::ScopedDiagnosticHandler handler(&context(), [&](mlir::Diagnostic &diagnostic) {
      messages += diagnostic.str() + "\n";
      return mlir::success();
    });
    if (!module) {
      find("compile", "cannot be emitted: " + messages, setup.text());
      return nullptr;
    }
    RunOptions stages;
    PipelineOptions &pipeline = stages.pipeline;
    pipeline.program = kind;
    pipeline.batch = model.batch;
    pipeline.dynamicBatch = setup.shortBatch || kind != ProgramKind::Train || setup.dynamicBatch;
    pipeline.vectorBits = host().vectorBits;
    pipeline.fma = host().fma;
    pipeline.bf16 = setup.bf16;
    pipeline.bf16Dot = setup.bf16 && host().bf16;
    pipeline.keep = keep;
    stages.until = findStage("llvm");
    std::string failedBehind;
    stages.behind = [&](const Stage &stage) {
      llvm::StringRef name = stage.name;
      if (name == "outline")
        countForms(*module);
      bool isLate = &stage >= findStage("loops");
      if (isLate && plan.verify && mlir::failed(mlir::verify(*module))) {
        failedBehind = stage.name;
        return mlir::failure();
      }
      return mlir::success();
    };
    ++outcome.counts["programs compiled"];
    bool failed;
    {
      Watch passes(outcome.counts["ms of passes"]);
      failed = mlir::failed(runStages(*module, stages));
    }
    if (failed) {
      find("compile", (failedBehind.empty() ? "" : "not valid behind " + failedBehind + ": ") + messages,
           setup.text());
      return nullptr;
    }
    CompileOptions options;
    options.pipeline = pipeline;
    options.after = findStage("llvm");
    llvm::Expected<runtime::Program> compiled = compile(*module, options);
    if (!compiled) {
      find("compile", llvm::toString(compiled.takeError()) + messages, setup.text());
      return nullptr;
    }
    if (kept)
      *kept = compiled->keptBytes;
    return std::make_shared<runtime::Program>(std::move(*compiled));
  }

  void countForms(mlir::ModuleOp module) {
    module.walk([&](mlir::Operation *op) {
      llvm::StringRef name = op->getName().getStringRef();
      if (name == "gpt.scatter" || name == "gpt.repeat")
        ++outcome.counts["op " + name.str()];
    });
    for (auto function : module.getOps<mlir::func::FuncOp>()) {
      if (!function->hasAttr("gpt.kernel"))
        continue;
      bool rows = function->hasAttr("gpt.rows"), blocks = function->hasAttr("gpt.row_blocks");
      size_t ops = 0;
      function.walk([&](mlir::Operation *op) { ops += op->getName().getStringRef() == "gpt.generic"; });
      ++outcome.counts[blocks    ? "kernel row blocks"
                       : rows    ? "kernel rows"
                       : ops > 1 ? "kernel of several"
                                 : "kernel of one"];
    }
  }

  std::unique_ptr<test::CompiledProgram> bind(const std::shared_ptr<runtime::Program> &program,
                                              unsigned threads) {
    auto made = test::CompiledProgram::create(*program, threads);
    if (made)
      return std::move(*made);
    find("compile", llvm::toString(made.takeError()), "");
    return nullptr;
  }

  Situation situation(const Setup &setup, bool dynamicTexts, int64_t step) {
    Situation s;
    s.examples = setup.shortBatch ? std::max<int64_t>(1, model.batch - 1) : model.batch;
    s.step = step;
    for (int64_t e = 0; e < model.batch; ++e)
      s.exampleNumbers.push_back(e + 7);
    const typed::Elaborated &typed = dynamicTexts ? *evaluation : *training;
    for (auto &[name, bound] : typed.extents)
      s.extents[name] = setup.shortBatch ? std::max<int64_t>(1, bound - 1) : bound;
    s.input = [this](const typed::Tensor &tensor) -> const Array & { return data->input(tensor); };
    return s;
  }

  /// The same for a compiled program. Inputs that the oracle has not asked for matter to nothing.
  test::RunState runState(const test::CompiledProgram &program, const Situation &s) {
    test::RunState state;
    for (const runtime::ExtentInfo &extent : program.program().extents)
      state.extents[extent.name] = s.extents.count(extent.name) ? s.extents.at(extent.name) : s.examples;
    for (const runtime::TensorInfo &info : program.program().inputs) {
      gpt::Tensor tensor = gpt::Tensor::zeros(info.shape);
      if (info.name == "seed" || info.name == "step") {
        tensor.data[0] = double(info.name == "seed" ? s.seed : s.step);
      } else if (info.name == "example") {
        for (size_t i = 0; i < tensor.data.size(); ++i)
          tensor.data[i] = double(s.exampleNumbers[i]);
      } else {
        std::vector<int64_t> shape(info.shape.begin() + 1, info.shape.end());
        bool isFloat = info.type == runtime::DType::F32 || info.type == runtime::DType::F64;
        tensor.data = data->input(info.name, true, shape, isFloat, data->limitOf(info.name)).data;
      }
      state.inputs[info.name] = tensor;
    }
    return state;
  }

  /// Parameters of a compiled program by number.
  std::vector<std::pair<std::string, Array>> parametersOf(const runtime::Program &program) {
    std::vector<std::pair<std::string, Array>> result;
    for (const runtime::VariableInfo &info : program.variables)
      if (info.parameter) {
        size_t index = size_t(std::find(own.parameters.begin(), own.parameters.end(), info.name) -
                              own.parameters.begin());
        result.push_back({info.name, data->parameter(index, info.shape)});
      }
    return result;
  }
  std::string meansOf(const std::string &parameter) const {
    size_t index =
        size_t(std::find(own.parameters.begin(), own.parameters.end(), parameter) - own.parameters.begin());
    return index < means.parameters.size() ? means.parameters[index] : "";
  }
  std::map<std::string, Array> meantParameters(const runtime::Program &program) {
    std::map<std::string, Array> result;
    for (auto &[name, array] : parametersOf(program))
      result[meansOf(name)] = array;
    return result;
  }

  //===-- outputs ------------------------------------------------------------------===//

  void compareOutputs(const Setup &setup) {
    auto program = compileProgram(gptc::Program::Outputs, ProgramKind::Outputs, setup, -1);
    if (!program)
      return;
    auto compiled = bind(program, setup.threads);
    if (!compiled)
      return;
    Situation s = situation(setup, true, 0);
    auto evaluate = [&](const Rounding &rounding) {
      Watch watch(outcome.counts["ms of the oracle"]);
      std::vector<Array> results;
      Oracle oracle(*evaluation, s, rounding);
      std::map<std::string, Array> params = meantParameters(*program);
      for (typed::Tensor *param : evaluation->graph.params)
        oracle.setParameter(param, params.at(param->path));
      for (auto &[name, tensor] : evaluation->outputs)
        results.push_back(oracle.value(tensor));
      if (!oracle.ok())
        results.clear();
      return results;
    };
    Samples<std::vector<Array>> samples(setup, evaluate);
    if (samples.base.empty() ||
        llvm::any_of(samples.disturbed, [](auto &sample) { return sample.empty(); })) {
      ++outcome.counts["too large"];
      return;
    }
    test::RunState state = runState(*compiled, s);
    for (auto &[name, array] : parametersOf(*program))
      state.variables[name] = tensorOf(array);
    std::vector<gpt::Tensor> actual = compiled->run(state);
    for (size_t i = 0; i < samples.base.size() && i < actual.size(); ++i) {
      // Carried values count as different for each example until their repeat is known.
      dropBatch(samples, i, actual[i]);
      std::vector<const Array *> disturbed;
      for (const std::vector<Array> &sample : samples.disturbed)
        disturbed.push_back(&sample[i]);
      compare(actual[i], samples.base[i], disturbed, setup, "output " + own.model->outputs()[i], "");
    }
  }

  void dropBatch(Samples<std::vector<Array>> &samples, size_t i, const gpt::Tensor &actual) {
    if (actual.shape.size() + 1 != samples.base[i].shape.size())
      return;
    auto drop = [](Array &array) {
      size_t n = array.data.size() / size_t(array.shape[0]);
      array.shape.erase(array.shape.begin());
      array.data.resize(n);
    };
    drop(samples.base[i]);
    for (std::vector<Array> &sample : samples.disturbed)
      drop(sample[i]);
  }

  static gpt::Tensor tensorOf(const Array &array) {
    gpt::Tensor tensor = gpt::Tensor::zeros(array.shape);
    tensor.data = array.data;
    return tensor;
  }

  void compare(const gpt::Tensor &actual, const Array &expected, const std::vector<const Array *> &disturbed,
               const Setup &setup, const std::string &what, const std::string &when) {
    Comparison result = differential::compare(denseOf(actual, expected), expected, disturbed, setup);
    outcome.counts["numbers compared"] += result.compared;
    outcome.counts["numbers ill-conditioned"] += result.skipped;
    if (!result.problem.empty())
      find("numbers", what + when, result.problem + " [" + setup.text() + "]");
  }

  /// The elements within the extents, as the oracle has them.
  static std::vector<double> denseOf(const gpt::Tensor &tensor, const Array &like) {
    std::vector<double> dense;
    if (tensor.shape.size() != like.shape.size())
      return tensor.data;
    std::vector<int64_t> at(like.shape.size(), 0);
    for (size_t i = 0; i < like.data.size(); ++i) {
      int64_t place = 0;
      for (size_t d = 0; d < at.size(); ++d)
        place = place * tensor.shape[d] + at[d];
      if (size_t(place) < tensor.data.size())
        dense.push_back(tensor.data[size_t(place)]);
      for (size_t d = at.size(); d-- > 0;) {
        if (++at[d] < like.shape[d])
          break;
        at[d] = 0;
      }
    }
    return dense;
  }

  //===-- training ---------------------------------------------------------------------===//

  static constexpr int64_t steps = 3;
  struct Trained {
    std::vector<Scalars> scalars;
    std::vector<std::map<std::string, Array>> variables; // after each step
  };

  Trained trainedByOracle(const Setup &setup, const runtime::Program &program, const Rounding &rounding) {
    Watch watch(outcome.counts["ms of the oracle"]);
    Trained result;
    Training trained(*training, meantParameters(program), rounding, evaluation->graph.params);
    for (int64_t step = 0; step < steps; ++step) {
      Scalars scalars = trained.step(situation(setup, false, step));
      if (scalars.empty())
        return {};
      result.scalars.push_back(scalars);
      result.variables.push_back(trained.variables);
    }
    return result;
  }

  using Run = std::vector<std::pair<std::vector<gpt::Tensor>, std::map<std::string, gpt::Tensor>>>;
  Run runTraining(const std::shared_ptr<runtime::Program> &program, const Setup &setup, unsigned threads) {
    Run steps;
    auto compiled = bind(program, threads);
    if (!compiled)
      return steps;
    test::RunState state;
    for (int64_t step = 0; step < Checker::steps; ++step) {
      std::map<std::string, gpt::Tensor> variables = std::move(state.variables);
      state = runState(*compiled, situation(setup, false, step));
      if (step == 0) {
        for (auto &[name, array] : parametersOf(*program))
          state.variables[name] = tensorOf(array);
      } else {
        state.variables = std::move(variables);
      }
      std::vector<gpt::Tensor> results = compiled->run(state);
      steps.push_back({results, state.variables});
    }
    return steps;
  }

  void sameBits(const Run &a, const Run &b, const std::string &what) {
    auto different = [](const gpt::Tensor &x, const gpt::Tensor &y) -> std::string {
      char text[128] = "another size";
      if (x.data.size() != y.data.size())
        return text;
      for (size_t i = 0; i < x.data.size(); ++i)
        if (x.data[i] != y.data[i] && !(std::isnan(x.data[i]) && std::isnan(y.data[i]))) {
          snprintf(text, sizeof text, "element %zu: %.17g and %.17g", i, x.data[i], y.data[i]);
          return text;
        }
      return "";
    };
    for (size_t step = 0; step < a.size() && step < b.size(); ++step) {
      std::string when = "step " + std::to_string(step) + ", ";
      for (size_t i = 0; i < a[step].first.size(); ++i)
        if (std::string how = different(a[step].first[i], b[step].first[i]); !how.empty())
          return find("bits", "result " + std::to_string(i) + " " + what, when + how);
      for (auto &[name, tensor] : a[step].second)
        if (std::string how = different(tensor, b[step].second.at(name)); !how.empty())
          return find("bits", "variable " + what, name + ", " + when + how);
    }
  }

  void compareTraining() {
    std::vector<Setup> setups = plan.others;
    setups.insert(setups.begin(), plan.train);
    for (size_t n = 0; n < setups.size(); ++n) {
      const Setup &setup = setups[n];
      int64_t kept = 0;
      auto program = compileProgram(gptc::Program::Train, ProgramKind::Train, setup, -1, &kept);
      if (!program)
        continue;
      Run run = runTraining(program, setup, setup.threads);
      if (run.empty())
        continue;
      if (plan.threads)
        sameBits(run, runTraining(program, setup, setup.threads == 1 ? 2 : 1),
                 "with another number of threads");
      if (plan.budget && kept > 0)
        for (int64_t keep : {model.seed % 2 ? int64_t(0) : kept / 2})
          if (auto less = compileProgram(gptc::Program::Train, ProgramKind::Train, setup, keep)) {
            Run other = runTraining(less, setup, setup.threads);
            sameBits(other, runTraining(less, setup, setup.threads), "run again");
            sameBits(run, other, "with less memory");
          }
      compareRun(run, *program, setup);
      if (!outcome.findings.empty())
        return; // the rest would say the same
    }
  }

  void compareRun(const Run &run, const runtime::Program &program, const Setup &setup) {
    auto evaluate = [&](const Rounding &rounding) { return trainedByOracle(setup, program, rounding); };
    Samples<Trained> samples(setup, evaluate);
    auto isEmpty = [](const Trained &sample) { return sample.scalars.empty(); };
    if (isEmpty(samples.base) || llvm::any_of(samples.disturbed, isEmpty)) {
      ++outcome.counts["too large"];
      return;
    }
    // In bf16 so little is left of the digits that later steps say nothing.
    for (int64_t step = 0; step < (setup.bf16 ? 1 : steps); ++step) {
      std::string when = step ? " after " + std::to_string(step) + " steps" : "";
      size_t found = outcome.findings.size();
      for (size_t i = 0; i < program.results.size(); ++i) {
        const std::string &name = program.results[i].name;
        const Scalars &scalars = samples.base.scalars[size_t(step)];
        for (size_t k = 0; k < scalars.size(); ++k) {
          bool isReport = k > 0 && k + 2 < scalars.size();
          if (scalars[k].first != name || (isReport && name == "loss"))
            continue;
          Array expected{{}, {scalars[k].second}};
          std::vector<Array> arrays;
          for (const Trained &sample : samples.disturbed)
            arrays.push_back({{}, {sample.scalars[size_t(step)][k].second}});
          std::vector<const Array *> disturbed;
          for (const Array &array : arrays)
            disturbed.push_back(&array);
          compare(run[size_t(step)].first[i], expected, disturbed, setup,
                  name == "loss" || name == "grad_norm" || name == "lr" ? name : "report", when);
          break;
        }
      }
      int64_t before = outcome.counts["numbers ill-conditioned"];
      for (const runtime::VariableInfo &info : program.variables) {
        std::string name = info.name, suffix;
        if (!info.parameter) {
          size_t dot = name.rfind('.');
          suffix = "#" + name.substr(dot + 1);
          name = name.substr(0, dot);
        }
        std::string meant = meansOf(name) + suffix;
        auto expected = samples.base.variables[size_t(step)].find(meant);
        if (expected == samples.base.variables[size_t(step)].end())
          continue; // a state that a step which is not finite has not made
        std::vector<const Array *> disturbed;
        for (const Trained &sample : samples.disturbed)
          // A state that a disturbed step, which was not finite, has not made: whether there is a step hangs
          // on rounding.
          disturbed.push_back(sample.variables[size_t(step)].count(meant)
                                  ? &sample.variables[size_t(step)].at(meant)
                                  : nullptr);
        compare(run[size_t(step)].second.at(info.name), expected->second, disturbed, setup,
                info.parameter ? "parameter" : "state " + suffix.substr(1),
                " (" + info.name + ")" + (step ? " after " + std::to_string(step + 1) + " steps" : ""));
      }
      // Steps of which nothing is said go on to anything: a condition may hold or not, and Adam divides by
      // what is left where a gradient cancels.
      if (outcome.findings.size() > found || outcome.counts["numbers ill-conditioned"] > before)
        return;
    }
  }
};
} // namespace

Outcome gptc::differential::check(const Subject &model, const Plan &plan) {
  return Checker(model, plan).run();
}
