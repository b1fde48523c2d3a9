#include "runtime/gradients.h"

#include <cmath>
#include <iterator>

namespace gptc::runtime {

static double element(const ResultView &view, int64_t index) {
  return view.info->type == DType::F64 ? reinterpret_cast<const double *>(view.data)[index]
                                       : double(reinterpret_cast<const float *>(view.data)[index]);
}

std::vector<GradientNorm> gradientNorms(const ProgramRun &run) {
  std::vector<GradientNorm> norms;
  for (const VariableInfo &variable : run.program().variables) {
    ResultView gradient = run.result("grad_norm(" + variable.name + ")");
    ResultView weight = run.result("weight_norm(" + variable.name + ")");
    if (!gradient.data || !weight.data)
      continue;
    std::vector<int64_t> copy(size_t(variable.copies));
    for (int64_t i = 0, n = gradient.info->elements(); i < n; ++i) {
      int64_t rest = i;
      for (size_t d = copy.size(); d-- > 0; rest /= variable.shape[d])
        copy[d] = rest % variable.shape[d];
      norms.push_back({tensorName(variable, copy), element(gradient, i), element(weight, i),
                       int64_t(variable.shape.size()) - variable.copies >= 2});
    }
  }
  return norms;
}

std::string gradientTable(llvm::ArrayRef<GradientNorm> norms) {
  size_t width = 9;
  for (const GradientNorm &norm : norms)
    width = std::max(width, norm.name.size());
  std::string text =
      fmt::format("  {:<{}}  {:>10}  {:>10}  {:>10}", "parameter", width, "gradient", "weight", "ratio");
  for (const GradientNorm &norm : norms)
    fmt::format_to(std::back_inserter(text), "\n  {:<{}}  {:>10.3e}  {:>10.3e}  {:>10}", norm.name, width,
                   norm.gradient, norm.weight,
                   norm.weight > 0 ? fmt::format("{:.1e}", norm.gradient / norm.weight) : "");
  return text;
}

/// The weight with the lowest (sign 1) or highest (sign -1) ratio.
static const GradientNorm *extreme(llvm::ArrayRef<GradientNorm> norms, double sign) {
  const GradientNorm *found = nullptr;
  for (const GradientNorm &norm : norms)
    if (norm.isWeight && norm.weight > 0 && std::isfinite(norm.gradient) && std::isfinite(norm.weight) &&
        (!found || sign * norm.gradient / norm.weight < sign * found->gradient / found->weight))
      found = &norm;
  return found;
}

std::string vanishedGradient(llvm::ArrayRef<GradientNorm> norms) {
  const GradientNorm *least = extreme(norms, 1);
  if (!least || least->gradient >= vanishedBelow * least->weight)
    return "";
  return fmt::format(
      "the gradient vanishes: that of {} is {:.1e} times as large as the weight (below {:.0e}), so "
      "it learns next to nothing",
      least->name, least->gradient / least->weight, vanishedBelow);
}

std::string explodedGradient(llvm::ArrayRef<GradientNorm> norms) {
  const GradientNorm *most = extreme(norms, -1);
  if (!most || most->gradient <= explodedAbove * most->weight)
    return "";
  return fmt::format(
      "the gradient explodes: that of {} is {:.1e} times as large as the weight (above {:.0e})", most->name,
      most->gradient / most->weight, explodedAbove);
}

} // namespace gptc::runtime
