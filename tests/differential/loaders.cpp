#include "differential/loaders.h"
#include "differential/compare.h"
#include "differential/numbers.h"
#include "differential/reading.h"
#include "differential/training.h"

#include "runtime/safetensors.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace gptc::differential {

namespace {
bool hasRandom(const std::string &text) {
  return text.find("random") != std::string::npos || text.find("dropout") != std::string::npos ||
         text.find("drop:") != std::string::npos;
}

/// The names under which a checkpoint holds a parameter, one for each copy.
std::vector<std::string> storedNames(const typed::Tensor &param) {
  std::vector<std::string> names = {""};
  size_t at = 0;
  for (const std::string &part : param.pathParts) {
    std::vector<std::string> longer;
    int64_t count = part == "*" ? param.copyCounts[at++] : 1;
    for (const std::string &name : names)
      for (int64_t i = 0; i < count; ++i)
        longer.push_back(name + (name.empty() ? "" : ".") + (part == "*" ? std::to_string(i) : part));
    names = longer;
  }
  return names;
}

class LoaderCheck {
public:
  LoaderCheck(const ModelTree &tree, const std::string &gptc)
      : gptc(gptc), tree(tree), draw(hashOf("loaders", tree.seed)) {}

  Outcome run() {
    outcome.state = Outcome::Skipped;
    ModelTree changed = tree;
    bool rows = false, trains = false;
    examples = 1 + draw.below(3 * tree.batch + 1);
    all = draw.chance(0.5);
    for (StmtPtr &s : changed.statements) {
      Stmt copy = *s;
      if (s->kind == Stmt::Data) {
        rows = s->text == "rows";
        for (std::string &word : copy.words)
          if (word == "standardise" || word == "distribution")
            word = "columns";
      }
      if (s->kind == Stmt::Train) {
        trains = true;
        if (all) { // each step sees every example
          copy.words[0] = "batch: all";
        } else { // one epoch, in which nothing moves: what is seen shows in the losses
          copy.words[1] = "epochs: 1";
          copy.words[2] = "optimizer: sgd(1e-300)";
          copy.words.resize(3);
        }
        copy.words.push_back("validation: 0");
      }
      s = std::make_shared<const Stmt>(copy);
    }
    changed.batch = examples;
    subject = modelOf(changed);
    if (!rows || !trains || hasRandom(subject.means) || examples * 1 > 200)
      return std::move(outcome);
    Text text(subject.means);
    if (!text.model)
      return std::move(outcome);
    training = text.elaborate(true);
    if (!training || !training->loss || training->graph.params.empty())
      return std::move(outcome);
    // Over a whole epoch losses of examples add up; means of the batch do not.
    if (!all && training->loss->kind == typed::Tensor::BatchMean && training->loss->count->body &&
        training->loss->count->body->op != typed::Op::Const)
      return std::move(outcome);
    outcome.state = Outcome::Passed;
    data = std::make_unique<Data>(subject, *training);
    const char *temporary = getenv("TMPDIR");
    folder = std::string(temporary ? temporary : "/tmp") + "/gptc-loaders-" + std::to_string(getpid());
    mkdir(folder.c_str(), 0700);
    std::ofstream(folder + "/m.gpt") << subject.means;
    writeTable();
    if (writeWeights(text))
      trainAndCompare();
    if (system(("rm -rf " + folder).c_str()))
      find("compile", "the folder cannot be removed", folder);
    return std::move(outcome);
  }

private:
  std::string gptc, folder;
  const ModelTree &tree;
  Draw draw;
  int64_t examples = 1;
  bool all = true;
  Subject subject;
  std::unique_ptr<typed::Elaborated> training;
  std::unique_ptr<Data> data;
  std::map<std::string, Array> parameters;
  Outcome outcome;

  void find(std::string kind, std::string what, std::string detail) {
    outcome.findings.push_back({std::move(kind), std::move(what), std::move(detail)});
  }

  void writeTable() {
    std::ofstream file(folder + "/d.csv");
    std::string header;
    for (const DataSpec::Column &column : training->data.columns)
      for (const std::string &source : column.sources)
        header += (header.empty() ? "" : ",") + source;
    file << header << "\n";
    for (int64_t e = 0; e < examples; ++e) {
      std::string line;
      for (const DataSpec::Column &column : training->data.columns) {
        std::vector<int64_t> shape = {int64_t(column.sources.size())};
        const Array &array =
            data->input(column.name, true, shape, !column.isClass, int64_t(column.classes.size()));
        for (size_t i = 0; i < column.sources.size(); ++i) {
          double value = array.data[size_t(e) * column.sources.size() + i];
          char number[32];
          snprintf(number, sizeof number, "%.17g", value);
          line += (line.empty() ? "" : ",") +
                  (column.isClass ? column.classes[size_t(value)] : std::string(number));
        }
      }
      file << line << "\n";
    }
  }

  bool writeWeights(Text &text) {
    std::vector<runtime::TensorView> views;
    for (size_t n = 0; n < text.parameters.size(); ++n)
      for (typed::Tensor *param : training->graph.params) {
        if (param->path != text.parameters[n])
          continue;
        std::vector<int64_t> shape(param->copyCounts.begin(), param->copyCounts.end()), one;
        for (const typed::Var *var : param->dims)
          one.push_back(var->range->size);
        shape.insert(shape.end(), one.begin(), one.end());
        Array &array = parameters[param->path] = data->parameter(n, shape);
        std::vector<std::string> names = storedNames(*param);
        for (size_t i = 0; i < names.size(); ++i)
          views.push_back(
              {names[i], runtime::StoredType::F64, one,
               reinterpret_cast<const char *>(array.data.data() + i * (array.data.size() / names.size()))});
      }
    for (const std::string &name : text.parameters) // a parameter of evaluation alone would need values, too
      if (!parameters.count(name))
        return false;
    llvm::Error error = runtime::writeSafeTensors(folder + "/init.safetensors", views, {});
    return !error || (llvm::consumeError(std::move(error)), false);
  }

  void trainAndCompare() {
    std::string command = gptc + " train " + folder + "/m.gpt --data " + folder + "/d.csv --init " + folder +
                          "/init.safetensors --dtype f64 --seed 3 -o " + folder + "/run >" + folder +
                          "/said 2>&1";
    int status = system(command.c_str());
    std::ifstream output(folder + "/said");
    std::stringstream said;
    said << output.rdbuf();
    // A loss that is not finite ends the training: rightly where the oracle has one, too.
    bool stopped = status == 256 && said.str().find("training stopped") != std::string::npos, finite = true;
    // An index that is in no table is refused when the data are read; in a program it reads 0.
    if (status == 256 && said.str().find("but the model uses it as an index of") != std::string::npos) {
      ++outcome.counts["data refused"];
      return;
    }
    if (status && !stopped) {
      find(status == 256 ? "compile" : "crash", "gptc train: status " + std::to_string(status), said.str());
      return;
    }
    int64_t steps = all ? 3 : 1;
    std::vector<Training> runs;
    std::vector<Scalars> losses;
    for (uint64_t sample = 0; sample < 4; ++sample) {
      Rounding rounding;
      rounding.unit = sample ? 0x1p-40 : 0;
      rounding.seed = sample;
      runs.emplace_back(*training, parameters, rounding);
      for (int64_t step = 0; step < steps; ++step) {
        Situation s;
        s.examples = examples;
        s.step = step;
        s.input = [this](const typed::Tensor &tensor) -> const Array & { return data->input(tensor); };
        Scalars scalars = runs.back().step(s);
        if (scalars.empty())
          return;
        for (const auto &[name, value] : scalars)
          finite &= std::isfinite(value);
        if (step == 0)
          losses.push_back(scalars);
      }
    }
    if (stopped) {
      if (finite && all)
        find("numbers", "gptc train stopped, all is finite", said.str());
      return;
    }
    if (!all)
      return compareEpoch(losses);
    auto file = runtime::SafeTensors::open(folder + "/run/checkpoints/step-00000003/weights.safetensors");
    if (!file)
      return find("compile", llvm::toString(file.takeError()), "");
    bool averages = training->train.count("average");
    for (typed::Tensor *param : training->graph.params) {
      std::string name = param->path + (averages ? "#average" : "");
      if (!runs[0].variables.count(name))
        return; // steps that were not finite
      Array &expected = runs[0].variables[name];
      std::vector<double> actual;
      for (const std::string &stored : storedNames(*param)) {
        const runtime::StoredTensor *tensor = file->find(stored);
        if (!tensor || tensor->type != runtime::StoredType::F64)
          return find("numbers", "a parameter is not in the checkpoint", stored);
        for (int64_t i = 0; i < tensor->elements(); ++i) {
          double value;
          std::memcpy(&value, tensor->bytes.data() + i * 8, 8);
          actual.push_back(value);
        }
      }
      std::vector<const Array *> samples;
      for (size_t i = 1; i < runs.size(); ++i)
        samples.push_back(&runs[i].variables[name]);
      compareNumbers(actual, expected, samples, "batch: all, parameter (" + param->path + ")");
    }
  }

  void compareNumbers(const std::vector<double> &actual, const Array &expected,
                      const std::vector<const Array *> &samples, const std::string &what) {
    Comparison result = differential::compare(actual, expected, samples, Setup());
    outcome.counts["numbers compared"] += result.compared;
    ++outcome.counts["parameters of checkpoints"];
    if (!result.problem.empty())
      find("numbers", what, result.problem);
  }

  /// The losses of the batches of an epoch, weighted, are the loss of all examples, if each counts alike:
  /// what a condition on a binder leaves out does not count.
  void compareEpoch(const std::vector<Scalars> &losses) {
    if (subject.means.find(" where ") != std::string::npos)
      return;
    std::ifstream log(folder + "/run/log.jsonl");
    std::string line;
    double total = 0;
    int64_t steps = 0, batch = 1, seen = 0;
    if (auto given = training->train.find("batch"); given != training->train.end())
      batch = int64_t(given->second.number);
    while (std::getline(log, line)) {
      size_t at = line.find("\"loss\":");
      if (at == std::string::npos || line.find("\"step\"") == std::string::npos)
        continue;
      int64_t here = std::min(batch, examples - seen);
      total += std::atof(line.c_str() + at + 7) * double(here);
      seen += here;
      ++steps;
    }
    if (seen != examples || steps != (examples + batch - 1) / batch)
      return find("numbers", "steps of an epoch",
                  std::to_string(steps) + " steps for " + std::to_string(examples) +
                      " examples in batches of " + std::to_string(batch));
    double expected = losses[0][0].second, moved = 0;
    for (const Scalars &scalars : losses)
      moved = std::max(moved, std::fabs(scalars[0].second - expected));
    double actual = total / double(examples);
    if (std::isfinite(expected) && std::fabs(actual - expected) > 1e-5 * (std::fabs(expected) + 1e-3) &&
        moved < 1e-6 * std::fabs(expected) + 1e-9)
      find("numbers", "the losses of an epoch",
           std::to_string(actual) + ", expected " + std::to_string(expected));
    ++outcome.counts["epochs compared"];
  }
};
} // namespace

Outcome checkLoaders(const ModelTree &tree, const std::string &gptc) {
  return LoaderCheck(tree, gptc).run();
}
} // namespace gptc::differential
