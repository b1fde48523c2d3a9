#include "support/compiled_program.h"

using namespace gptc;
using namespace gptc::test;
using gpt::Tensor;

llvm::Expected<std::unique_ptr<CompiledProgram>> CompiledProgram::create(mlir::ModuleOp module,
                                                                         const CompileOptions &options,
                                                                         unsigned threads) {
  llvm::Expected<runtime::Program> compiled = compile(module, options);
  if (!compiled)
    return compiled.takeError();
  return create(std::move(*compiled), threads);
}

llvm::Expected<std::unique_ptr<CompiledProgram>> CompiledProgram::create(runtime::Program code, unsigned threads) {
  std::unique_ptr<CompiledProgram> program(new CompiledProgram());
  auto pool = runtime::Pool::create(threads);
  if (!pool)
    return pool.takeError();
  program->pool = std::move(*pool);
  auto run = runtime::ProgramRun::create(std::move(code), program->variables, program->arena, *program->pool);
  if (!run)
    return run.takeError();
  program->bound = std::move(*run);
  return program;
}

static void write(char *data, runtime::DType type, size_t i, double value) {
  switch (type) {
  case runtime::DType::F32: reinterpret_cast<float *>(data)[i] = float(value); break;
  case runtime::DType::F64: reinterpret_cast<double *>(data)[i] = value; break;
  case runtime::DType::I32: reinterpret_cast<int32_t *>(data)[i] = int32_t(value); break;
  case runtime::DType::Bool: data[i] = value != 0; break;
  }
}

/// Where in memory each element lies, in row-major order of bounds; -1 where it is not within the extents.
std::vector<int64_t> CompiledProgram::placesOf(const runtime::TensorInfo &info) const {
  auto extent = [&](const std::string &name) { return bound->extent(name); };
  std::vector<int64_t> strides = info.strides(extent), places(size_t(info.elements()));
  for (size_t i = 0; i < places.size(); ++i) {
    int64_t rest = int64_t(i);
    for (size_t d = strides.size(); d-- > 0; rest /= info.shape[d]) {
      int64_t at = rest % info.shape[d];
      bool inside = info.extents[d].empty() || at < extent(info.extents[d]);
      places[i] = places[i] < 0 || !inside ? -1 : places[i] + at * strides[d];
    }
  }
  return places;
}

Tensor CompiledProgram::load(const runtime::TensorInfo &info, const char *data) const {
  Tensor tensor = Tensor::zeros(info.shape);
  std::vector<int64_t> places = placesOf(info);
  for (size_t i = 0; i < tensor.data.size(); ++i) {
    int64_t at = places[i];
    if (at < 0)
      continue;
    switch (info.type) {
    case runtime::DType::F32: tensor.data[i] = reinterpret_cast<const float *>(data)[at]; break;
    case runtime::DType::F64: tensor.data[i] = reinterpret_cast<const double *>(data)[at]; break;
    case runtime::DType::I32: tensor.data[i] = reinterpret_cast<const int32_t *>(data)[at]; break;
    case runtime::DType::Bool: tensor.data[i] = data[at]; break;
    }
  }
  return tensor;
}

std::vector<Tensor> CompiledProgram::run(RunState &state) {
  for (const runtime::ExtentInfo &extent : bound->program().extents) {
    auto given = state.extents.find(extent.name);
    llvm::cantFail(
        bound->setExtent(extent.name, given == state.extents.end() ? extent.bound : given->second));
  }
  auto fill = [&](const runtime::TensorInfo &info, char *data, const std::map<std::string, Tensor> &values) {
    auto given = values.find(info.name);
    std::vector<int64_t> places = placesOf(info);
    for (size_t i = 0; i < places.size(); ++i)
      if (places[i] >= 0)
        write(data, info.type, size_t(places[i]), given == values.end() ? 0 : given->second.data[i]);
  };
  for (auto &variable : variables.all())
    fill(variable->info, variable->memory.data(), state.variables);
  for (const runtime::InputBuffer &input : bound->inputs())
    fill(*input.info, input.data, state.inputs);
  bound->run();
  std::vector<Tensor> results;
  for (size_t i = 0; i < bound->program().results.size(); ++i)
    results.push_back(load(bound->program().results[i], bound->resultAt(i).data));
  for (auto &variable : variables.all())
    state.variables[variable->info.name] = load(variable->info, variable->memory.data());
  return results;
}

double CompiledProgram::firstResultWith(const std::string &name, size_t element, double value) {
  runtime::Variable *variable = variables.find(name);
  double before = load(variable->info, variable->memory.data()).data[element];
  write(variable->memory.data(), variable->info.type, element, value); // a parameter: no dimension has an extent
  bound->run();
  double result = load(bound->program().results[0], bound->resultAt(0).data).data[0];
  write(variable->memory.data(), variable->info.type, element, before);
  return result;
}
