#include "runtime/runner.h"

#include "llvm/ADT/STLExtras.h"

#include <cstring>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

Expected<std::unique_ptr<ProgramRun>> ProgramRun::create(Program program, VariableStore &store, Arena &arena,
                                                         Pool &pool, Weights weights) {
  std::unique_ptr<ProgramRun> run(new ProgramRun(std::move(program), arena, pool));
  if (Error error = run->bind(store, weights))
    return error;
  return run;
}

Error ProgramRun::bind(VariableStore &store, Weights weights) {
  if (!code.entry)
    return failure("the program has no code");
  if (Error error = store.add(code.variables))
    return error;
  for (const VariableInfo &info : code.variables)
    variables.push_back(store.find(info.name, weights)->memory.data());
  for (const TensorInfo &info : code.inputs) {
    std::optional<int64_t> bytes = info.bytes();
    if (!bytes)
      return failure("input '{}' is too large", info.name);
    Expected<Buffer> buffer = Buffer::allocate(*bytes);
    if (!buffer)
      return buffer.takeError();
    buffers.push_back({&info, buffer->data()});
    pointers.push_back(buffer->data());
    memory.push_back(std::move(*buffer));
  }
  for (const ExtentInfo &extent : code.extents)
    extents.push_back(extent.bound);
  for (size_t i = 1; code.batchTokens && i < extents.size(); ++i)
    extents[0] = std::max<int64_t>(1, std::min(extents[0], code.batchTokens / extents[i]));
  for (const ResultInfo &result : code.results) {
    int64_t bytes = (result.most ? result.most : result.elements()) * int64_t(sizeOf(result.type));
    if (result.arenaOffset < 0 || bytes < 0 || result.arenaOffset > code.arenaBytes - bytes)
      return failure("result '{}' lies outside of the arena", result.name);
  }
  if (Error error = pool.reserveScratch(code.scratchBytes))
    return error;
  return arena.reserve(code.arenaBytes);
}

const InputBuffer *ProgramRun::input(StringRef name) const {
  auto found = llvm::find_if(buffers, [&](const InputBuffer &buffer) { return buffer.info->name == name; });
  return found == buffers.end() ? nullptr : &*found;
}

Error ProgramRun::setExtent(StringRef name, int64_t value) {
  for (size_t i = 0; i < extents.size(); ++i) {
    if (code.extents[i].name != name)
      continue;
    if (value < 1 || value > code.extents[i].bound)
      return failure("the extent '{}' must be between 1 and {}, not {}", name, code.extents[i].bound, value);
    extents[i] = value;
    return Error::success();
  }
  return failure("the program has no extent '{}'", name);
}

int64_t ProgramRun::extent(StringRef name) const {
  for (size_t i = 0; i < extents.size(); ++i)
    if (code.extents[i].name == name)
      return extents[i];
  return 0;
}

Error ProgramRun::setDimension(size_t dimension, int64_t value, const char *what) {
  for (const InputBuffer &buffer : buffers) {
    const TensorInfo &info = *buffer.info;
    if (info.shape.size() <= dimension || (dimension > 0 && isLoopInput(info.name)))
      continue;
    if (dimension < info.extents.size() && !info.extents[dimension].empty()) {
      if (Error error = setExtent(info.extents[dimension], value))
        return error;
    } else if (info.shape[dimension] != value) {
      return failure("the program was compiled for exactly {} {}, not {} (input '{}')", info.shape[dimension],
                     what, value, info.name);
    }
  }
  return Error::success();
}

/// There is memory for so many tokens only.
Error ProgramRun::checkTokens() const {
  for (size_t i = 1; code.batchTokens && i < extents.size(); ++i)
    if (extents[0] * extents[i] > std::max(code.batchTokens, code.extents[i].bound))
      return failure("the program was compiled for batches of at most {} tokens, not {} times {}", code.batchTokens,
                     extents[0], extents[i]);
  return Error::success();
}

Error ProgramRun::setBatch(int64_t rows, int64_t length) {
  if (Error error = setDimension(0, rows, "examples"))
    return error;
  if (Error error = length ? setDimension(1, length, "tokens") : Error::success())
    return error;
  return checkTokens();
}

Error ProgramRun::setBatch(const Batch &batch) {
  if (batch.extents.empty())
    return setBatch(batch.rows, batch.length);
  if (Error error = setDimension(0, batch.rows, "examples"))
    return error;
  for (const Batch::Extent &extent : batch.extents)
    if (llvm::any_of(code.extents, [&](const ExtentInfo &info) { return info.name == extent.name; }))
      if (Error error = setExtent(extent.name, extent.value))
        return error;
  return checkTokens();
}

BatchShape ProgramRun::batchShape() const {
  BatchShape shape;
  shape.tokens = code.batchTokens;
  bool found = false;
  for (const InputBuffer &buffer : buffers) {
    const TensorInfo &info = *buffer.info;
    if (info.shape.empty()) // a number of the training loop; of its inputs `example` has the batch
      continue;
    auto isStatic = [&](size_t d) { return d >= info.extents.size() || info.extents[d].empty(); };
    shape.rows = found ? std::min(shape.rows, info.shape[0]) : info.shape[0];
    shape.wholeRows |= isStatic(0);
    shape.wholeLength |= info.shape.size() > 1 && isStatic(1);
    found = true;
  }
  if (!found) // nothing depends on an example: any number of them
    shape.rows = INT32_MAX;
  return shape;
}

void ProgramRun::setLoopInputs(uint64_t seed, int64_t step, int64_t firstExample) {
  for (const InputBuffer &buffer : buffers) {
    const TensorInfo &info = *buffer.info;
    int64_t value;
    if (info.name == "seed")
      value = int64_t(seed);
    else if (info.name == "step")
      value = step;
    else if (info.name == "example")
      value = firstExample;
    else
      continue;
    auto *data = reinterpret_cast<int32_t *>(buffer.data);
    for (int64_t i = 0, n = info.elements(); i < n; ++i)
      data[i] = int32_t(uint32_t(uint64_t(info.name == "example" ? value + i : value)));
  }
}

void ProgramRun::run() {
  gptc_context context = {arena.data(), variables.data(), pointers.data(), extents.data(), &pool};
  code.entry(&context);
}

ResultView ProgramRun::resultAt(size_t index) const {
  const ResultInfo &info = code.results[index];
  return {&info, arena.data() + info.arenaOffset, info.strides([&](const std::string &name) { return extent(name); })};
}

ResultView ProgramRun::result(StringRef name) const {
  for (size_t i = 0; i < code.results.size(); ++i)
    if (code.results[i].name == name)
      return resultAt(i);
  return {};
}

double ProgramRun::scalarOf(const ResultView &view) {
  switch (view.info->type) {
  case DType::F32: return *reinterpret_cast<const float *>(view.data);
  case DType::F64: return *reinterpret_cast<const double *>(view.data);
  case DType::I32: return *reinterpret_cast<const int32_t *>(view.data);
  case DType::Bool: return *view.data ? 1 : 0;
  }
  return 0;
}

std::optional<double> ProgramRun::scalar(StringRef name) const {
  ResultView view = result(name);
  if (!view.data || view.info->elements() != 1)
    return std::nullopt;
  return scalarOf(view);
}

} // namespace gptc::runtime
