#include "differential/reading.h"
#include "differential/numbers.h"

#include "compiler/registry.h"
#include "frontend/library.h"
#include "frontend/parser.h"
#include "passes/passes.h"

#include <algorithm>
#include <cmath>

namespace gptc::differential {

mlir::MLIRContext &context() {
  static std::unique_ptr<mlir::MLIRContext> made = [] {
    mlir::DialectRegistry registry;
    registerDialects(registry);
    registerPasses();
    auto context = std::make_unique<mlir::MLIRContext>(registry, mlir::MLIRContext::Threading::DISABLED);
    context->loadAllAvailableDialects();
    return context;
  }();
  return *made;
}

Text::Text(const std::string &text) {
  int32_t file = sources.add("model.gpt", text);
  Diagnostics diagnostics(sources);
  model = analyse(sources, file, options, diagnostics);
  errors = diagnostics.render(false);
  if (!model)
    return;
  std::vector<std::string> names = model->values();
  while (!names.empty() && model->valueInfo(names.back()).parameter) {
    parameters.insert(parameters.begin(), names.back());
    names.pop_back();
  }
  Diagnostics quiet(sources);
  for (const LibraryFile *f = libraryBegin(); f != libraryEnd(); ++f)
    if (f->implicit)
      parsed.library.push_back(
          parse(sources, sources.add("<library>/" + std::string(f->name), std::string(f->text)), quiet));
  parsed.model.push_back(parse(sources, file, quiet));
}

std::unique_ptr<typed::Elaborated> Text::elaborate(bool training) {
  Diagnostics quiet(sources);
  typed::Mode mode;
  mode.training = training;
  mode.dynamic = !training;
  return typed::Elaborator(sources, options, quiet, mode).run(parsed);
}
double Data::number(Draw &d) const {
  if (model.dataMode == 1) {
    static const std::vector<double> few = {-1, -0.5, 0, 0.5, 1, 0.25};
    return d.of(few);
  }
  if (model.dataMode == 2)
    return d.chance(0.3) ? 0 : double(d.below(5)) - 2;
  return double(float(2 * d.unit() - 1));
}

const Array &Data::input(const std::string &name, bool perExample, std::vector<int64_t> shape, bool isFloat,
                         int64_t limit) {
  if (perExample)
    shape.insert(shape.begin(), model.batch);
  Array &array = inputs[name];
  if (!array.data.empty())
    return array;
  array.shape = shape;
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  Draw d(hashOf(name, model.seed));
  for (int64_t i = 0; i < count; ++i)
    array.data.push_back(isFloat ? number(d) : double(d.below(std::max<int64_t>(1, limit))));
  if (name.rfind("length(", 0) == 0) {
    int64_t bound = 1;
    for (const DataSpec::Stream &stream : typed.data.streams)
      if ("length(" + stream.name + ")" == name)
        bound = stream.bound;
    for (double &length : array.data)
      length = double(1 + d.below(std::max<int64_t>(1, bound - 1)));
  }
  for (const DataSpec::Column &column : typed.data.columns)
    if (column.isDistribution && column.name == name)
      for (size_t at = 0, n = size_t(shape.back()); at + n <= array.data.size(); at += n) {
        double sum = 0;
        for (size_t i = 0; i < n; ++i)
          sum += array.data[at + i] = std::fabs(array.data[at + i]) + 0.125;
        for (size_t i = 0; i < n; ++i)
          array.data[at + i] = double(float(array.data[at + i] / sum));
      }
  return array;
}

const Array &Data::input(const typed::Tensor &tensor) {
  std::vector<int64_t> shape;
  for (const typed::Var *var : tensor.dims)
    shape.push_back(var->range->size);
  return input(tensor.name, tensor.perExample, shape, tensor.type == typed::Type::Float, tensor.limit);
}

int64_t Data::limitOf(const std::string &input) const {
  for (const DataSpec::Column &column : typed.data.columns)
    if (column.name == input && column.isClass)
      return int64_t(column.classes.size());
  int64_t extra = typed.data.kind == DataSpec::Pairs ? DataSpec::pairTokens : 0;
  if (typed.data.tokenizerArguments.empty())
    return 1;
  const std::string &argument = typed.data.tokenizerArguments[0];
  return extra + (typed.data.tokenizer == "ids"
                      ? std::atoll(argument.c_str())
                      : int64_t(std::set<char>(argument.begin(), argument.end()).size()));
}

Array Data::parameter(size_t index, std::vector<int64_t> shape) const {
  Array array{shape, {}};
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  Draw d(hashOf("parameter", model.seed * 131 + index));
  bool few = model.dataMode && d.chance(0.6);
  for (int64_t i = 0; i < count; ++i)
    array.data.push_back(few ? number(d) : double(float(1.4 * d.unit() - 0.7)));
  return array;
}

} // namespace gptc::differential
