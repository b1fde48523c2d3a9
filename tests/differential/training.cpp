#include "differential/training.h"
#include "differential/numbers.h"

#include <cmath>
#include <cstring>

using namespace gptc;
using namespace gptc::differential;

Training::Training(typed::Elaborated &model, std::map<std::string, Array> parameters,
                   const Rounding &rounding, llvm::ArrayRef<typed::Tensor *> others)
    : variables(std::move(parameters)), model(model), rounding(rounding) {
  for (llvm::ArrayRef<typed::Tensor *> params : {others, llvm::ArrayRef(model.graph.params)})
    for (typed::Tensor *param : params)
      ranks[param->path] = param->dims.size();
}

static double numberOf(const std::map<std::string, ConfigValue> &config, const std::string &name,
                       double otherwise) {
  auto found = config.find(name);
  return found == config.end() ? otherwise : found->second.number;
}

Scalars Training::step(const Situation &situation) {
  Oracle oracle(model, situation, rounding);
  std::vector<typed::Tensor *> params = model.graph.params;
  for (typed::Tensor *param : params)
    oracle.setParameter(param, variables.at(param->path));
  Scalars results;
  double loss = oracle.batchValue(model.loss);
  results.push_back({"loss", loss});
  for (auto &[name, tensor] : model.reports)
    results.push_back({name, oracle.batchValue(tensor)});
  double rate = model.learningRate ? oracle.batchValue(model.learningRate) : 0;
  std::map<std::string, Array> found = oracle.gradients(model.loss);
  if (!oracle.ok())
    return {};
  // Parameters that this program does not use have a gradient of 0.
  gradients.clear();
  std::vector<std::string> names;
  for (auto &[name, value] : variables)
    if (name.find('#') == std::string::npos)
      names.push_back(name);
  for (const std::string &name : names) {
    Array gradient = variables[name];
    gradient.data.assign(gradient.data.size(), 0.0);
    auto given = found.find(name);
    gradients[name] = given == found.end() ? gradient : given->second;
  }

  auto round = [&](double value) {
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return oracle.disturbed(value, scramble(bits ^ 991), 2);
  };
  // Squares overflow, or vanish, where the norm does not.
  double highest = 0;
  for (auto &[name, gradient] : gradients)
    for (double g : gradient.data)
      highest = std::max(highest, std::fabs(g));
  const int exponent = highest > 0 && std::isfinite(highest) ? std::ilogb(highest) : 0;
  double squares = 0;
  uint64_t place = 0; // a sum's terms round each in its own way
  for (auto &[name, gradient] : gradients)
    for (double g : gradient.data) {
      double part = std::ldexp(g, -exponent);
      squares = oracle.summed(squares, round(part * part), scramble(++place));
    }
  double norm = round(std::ldexp(std::sqrt(squares), exponent));
  results.push_back({"grad_norm", norm});
  results.push_back({"lr", rate});

  const auto &train = model.train;
  const ConfigValue &optimizer = train.at("optimizer");
  std::map<std::string, ConfigValue> settings;
  double beta1 = 0.9, beta2 = 0.999;
  for (auto &[name, value] : optimizer.arguments) {
    settings[name] = value;
    if (name == "betas") {
      beta1 = value.arguments[0].second.number;
      beta2 = value.arguments[1].second.number;
    }
  }
  bool adamw = optimizer.word == "adamw";
  double momentum = numberOf(settings, "momentum", 0), decay = numberOf(settings, "decay", adamw ? 0.01 : 0);
  double eps = numberOf(settings, "eps", 1e-8), leastRank = numberOf(settings, "decay_min_rank", 2);
  double scale = 1;
  if (train.count("clip"))
    scale = std::min(1.0, round(numberOf(train, "clip", 1) / (norm + 1e-6)));
  double average = 0, from = 0;
  if (auto given = train.find("average"); given != train.end()) {
    average = given->second.number;
    for (auto &[name, value] : given->second.arguments)
      (name == "from" ? from : average) = value.number;
  }
  if (!std::isfinite(norm) || !std::isfinite(loss))
    return results; // such a step changes nothing
  double count = double(situation.step) + 1;
  for (const std::string &name : names) {
    Array &weight = variables[name];
    const Array &gradient = gradients[name];
    auto state = [&](const char *suffix) -> Array & {
      Array &array = variables[name + "#" + suffix];
      if (array.data.empty())
        array = Array{weight.shape, std::vector<double>(weight.data.size(), 0.0)};
      return array;
    };
    bool decays = double(ranks[name]) >= leastRank && decay != 0;
    for (size_t i = 0; i < weight.data.size(); ++i) {
      double g = round(gradient.data[i] * scale), &w = weight.data[i];
      if (adamw) {
        double &m = state("m").data[i], &v = state("v").data[i];
        if (decays)
          w = round(w * (1 - rate * decay));
        m = round(beta1 * m + (1 - beta1) * g);
        v = round(beta2 * v + (1 - beta2) * g * g);
        double first = m / (1 - std::pow(beta1, count)), second = v / (1 - std::pow(beta2, count));
        w = round(w - round(rate * first / (std::sqrt(second) + eps)));
      } else {
        if (decays)
          g = round(g + decay * w);
        if (momentum > 0) {
          double &b = state("momentum").data[i];
          b = round(momentum * b + g);
          g = b;
        }
        w = round(w - round(rate * g));
      }
      if (average > 0) {
        // Weighted by how long ago: 1 for the newest, each older one `average` times as much.
        double n = std::max(1.0, count - from), sum = (1 - std::pow(average, n)) / (1 - average);
        double &a = state("average").data[i];
        a = round(w / sum + a * (1 - 1 / sum));
      }
    }
  }
  return results;
}
