#include "compiler/classes.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace gptc;

std::vector<ClassResult> gptc::classResults(const Model &model, const runtime::Program &program) {
  std::vector<ClassResult> found;
  std::vector<DataSpec::Column> columns;
  for (const DataSpec::Column &column : model.data().columns)
    if (column.isClass)
      columns.push_back(column);
  std::vector<std::string> outputs = model.outputs();
  for (size_t i = 0; i < program.results.size(); ++i) {
    const runtime::ResultInfo &info = program.results[i];
    bool isFloat = info.type == runtime::DType::F32 || info.type == runtime::DType::F64;
    // Values of --show come behind the outputs and may have an output's name.
    if (i >= outputs.size() || info.name != outputs[i] || !isFloat || info.shape.size() != 2)
      continue;
    // Without a batch it says nothing about an example, as many columns as it may have.
    if (info.extents[0] != program.extents.front().name)
      continue;
    std::string over = model.over(info.name);
    for (const DataSpec::Column &column : columns)
      if (int64_t(column.classes.size()) == info.shape[1] &&
          (over == column.name || (over.empty() && columns.size() == 1)))
        found.push_back({i, column, column.sources.front()});
  }
  if (found.size() > 1)
    for (ClassResult &result : found)
      result.title += "(" + program.results[result.result].name + ")";
  return found;
}

int64_t ClassResult::likeliest(const runtime::ProgramRun &run, int64_t row) const {
  runtime::ResultView view = run.resultAt(result);
  int64_t count = view.info->shape[1], best = 0;
  double highest = -INFINITY;
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = row * count + i;
    double value = view.info->type == runtime::DType::F64
                       ? reinterpret_cast<const double *>(view.data)[at]
                       : double(reinterpret_cast<const float *>(view.data)[at]);
    if (std::isnan(value))
      return -1;
    if (value > highest) {
      highest = value;
      best = i;
    }
  }
  return best;
}
