#include "runtime/token_model.h"

#include <algorithm>
#include <cstring>

using llvm::ArrayRef;
using llvm::Error;
using llvm::Expected;

namespace gptc::runtime {

/// The output of logits; `kind`: what makes the text.
static Expected<const ResultInfo *> findLogits(const ProgramRun &run, const std::string &name) {
  ResultView logits = run.result(name);
  if (!logits.data)
    return failure("cannot generate: the model has no output '{}'", name);
  const ResultInfo &info = *logits.info;
  bool isFloat = info.type == DType::F32 || info.type == DType::F64;
  if (!isFloat || info.shape.size() < 2 || info.shape.size() > 3)
    return failure(
        "cannot generate: the output '{}' is {} of rank {} in a batch, logits are floats of rank 2 or 3",
        name, nameOf(info.type), info.shape.size());
  return &info;
}

//===-- Windows ----------------------------------------------------------------===//

Expected<std::unique_ptr<WindowModel>> WindowModel::create(ProgramRun &run, std::string result,
                                                           std::optional<int32_t> pad) {
  std::unique_ptr<WindowModel> model(new WindowModel(run, std::move(result), pad));
  for (const InputBuffer &input : run.inputs()) {
    const TensorInfo &info = *input.info;
    if (isLoopInput(info.name))
      continue;
    if (model->input || info.type != DType::I32 || info.shape.size() != 2)
      return failure("cannot generate: the outputs need '{}'; text generation needs one input of tokens",
                     info.name);
    model->input = &input;
  }
  if (!model->input)
    return failure("cannot generate: the outputs depend on no text");
  Expected<const ResultInfo *> logits = findLogits(run, model->name);
  if (!logits)
    return logits.takeError();
  model->info = *logits;
  const TensorInfo &window = *model->input->info;
  model->fixed = window.extents.size() < 2 || window.extents[1].empty();
  return model;
}

Expected<const char *> WindowModel::next(ArrayRef<int32_t> tokens) {
  int64_t most = window(), length = std::min<int64_t>(most, int64_t(tokens.size()));
  auto *to = reinterpret_cast<int32_t *>(input->data);
  int64_t missing = fixed ? most - length : 0;
  if (missing && !pad)
    return failure(
        "the prompt has {} tokens, but the model looks at exactly {}; give a longer one, or say what fills "
        "the window up on the left: generate {{ pad: \" \" }}, or --pad \" \"",
        tokens.size(), most);
  std::fill_n(to, missing, pad.value_or(0));
  std::copy(tokens.end() - length, tokens.end(), to + missing);
  if (Error error = run.setBatch(1, missing + length))
    return error;
  run.setLoopInputs(seed, 0, 0);
  run.run();
  int64_t row = info->shape.size() == 3 ? missing + length - 1 : 0;
  // Another program may have grown the arena since the last look.
  return run.result(name).data + row * vocabulary() * int64_t(sizeOf(info->type));
}

//===-- Caches -----------------------------------------------------------------===//

/// As many new tokens, or more, are worth the program for many.
static constexpr size_t fewTokens = 8;

Expected<std::unique_ptr<CachedModel>> CachedModel::create(ProgramRun &token, ChunkProgram chunk,
                                                           std::string stream, std::string result,
                                                           int64_t capacity, bool ring) {
  std::unique_ptr<CachedModel> model(
      new CachedModel(token, std::move(chunk), std::move(stream), std::move(result), capacity, ring));
  Expected<const ResultInfo *> logits = findLogits(token, model->name);
  if (!logits)
    return logits.takeError();
  model->info = *logits;
  return model;
}

Error CachedModel::extend(ProgramRun &run, ArrayRef<int32_t> tokens) {
  auto fill = [&](const std::string &input, ArrayRef<int32_t> values) {
    if (const InputBuffer *buffer = run.input(input))
      std::copy(values.begin(), values.end(), reinterpret_cast<int32_t *>(buffer->data));
  };
  int32_t before = int32_t(past), count = int32_t(tokens.size());
  fill(stream, tokens);
  fill("past(" + stream + ")", before);
  fill("count(" + stream + ")", count);
  past += count;
  for (auto [extent, value] :
       {std::pair("positions.new", int64_t(count)), std::pair("positions.history", std::min(past, capacity))})
    if (run.extent(extent))
      if (Error error = run.setExtent(extent, value))
        return error;
  run.setLoopInputs(seed, 0, 0);
  run.run();
  last = &run;
  return Error::success();
}

Expected<const char *> CachedModel::next(ArrayRef<int32_t> tokens) {
  if (!ring && int64_t(tokens.size()) - first > capacity) {
    first = int64_t(tokens.size()) - (past ? (capacity + 1) / 2 : capacity);
    past = 0;
  }
  while (first + past < int64_t(tokens.size())) {
    ArrayRef<int32_t> rest = tokens.drop_front(size_t(first + past));
    // A chunk's rows need all that the caches have.
    size_t room = size_t(std::max<int64_t>(capacity - past, 0));
    if (std::min(rest.size(), room) < fewTokens) {
      if (Error error = extend(token, rest.take_front(1)))
        return error;
      continue;
    }
    if (!chunk) {
      Expected<ProgramRun *> made = chunkProgram();
      if (!made)
        return made.takeError();
      chunk = *made;
    }
    size_t rows = size_t(chunk->input(stream)->info->shape[1]);
    if (Error error = extend(*chunk, rest.take_front(std::min(rows, room))))
      return error;
  }
  return last->result(name).data;
}

} // namespace gptc::runtime
