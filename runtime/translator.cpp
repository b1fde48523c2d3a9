#include "runtime/translator.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cstring>

using llvm::ArrayRef;
using llvm::Error;
using llvm::Expected;
using llvm::MutableArrayRef;
using llvm::StringRef;

namespace gptc::runtime {

static std::string lengthOf(StringRef stream) {
  return fmt::format("length({})", stream);
}

static std::string pastOf(StringRef stream) {
  return fmt::format("past({})", stream);
}

/// The program goes on from caches.
static bool goesOn(const ProgramRun &run) {
  return llvm::any_of(run.program().extents, [](const ExtentInfo &info) { return info.name == "positions.history"; });
}

Expected<std::unique_ptr<Translator>> Translator::create(ProgramRun &prepare, ProgramRun &step,
                                                         VariableStore &store, Names names,
                                                         SpecialTokens specials) {
  std::unique_ptr<Translator> translator(new Translator(prepare, step, std::move(names), specials));
  if (Error error = translator->bind(store))
    return error;
  return translator;
}

Expected<const InputBuffer *> Translator::stream(const ProgramRun &run, StringRef name) const {
  const InputBuffer *input = run.input(name);
  if (!input)
    return failure("cannot translate: the output '{}' does not depend on '{}'", names.result, name);
  const TensorInfo &info = *input->info;
  bool oneByOne = goesOn(run) && !info.shape.empty() && info.shape.back() == 1;
  if (info.type != DType::I32 || info.shape.size() != 2 || info.extents.size() != 2 ||
      info.extents[0].empty() || (info.extents[1].empty() && !oneByOne))
    return failure("cannot translate: the input '{}' is no batch of sequences of any length", name);
  return input;
}

Error Translator::checkInputs(const ProgramRun &run, StringRef stream, StringRef program) const {
  for (const InputBuffer &input : run.inputs()) {
    StringRef name = input.info->name;
    if (name != stream && name != lengthOf(stream) && name != pastOf(stream) && !isLoopInput(name))
      return failure("cannot translate: the program `{}` also needs '{}'", program, name);
  }
  return Error::success();
}

Error Translator::bind(VariableStore &store) {
  Expected<const InputBuffer *> source = stream(prepareRun, names.source);
  if (!source)
    return source.takeError();
  Expected<const InputBuffer *> target = stream(stepRun, names.target);
  if (!target)
    return target.takeError();
  sourceInput = *source;
  targetInput = *target;
  if (Error error = checkInputs(prepareRun, names.source, "prepare"))
    return error;
  if (Error error = checkInputs(stepRun, names.target, "step"))
    return error;
  if (sourceInput->info->shape[0] != targetInput->info->shape[0])
    return failure("cannot translate: the programs take {} and {} examples", sourceInput->info->shape[0],
                   targetInput->info->shape[0]);
  logits = stepRun.result(names.result).info;
  if (!logits || logits->shape.size() != 3 || (logits->type != DType::F32 && logits->type != DType::F64))
    return failure("cannot translate: '{}' is no output of logits for each position", names.result);
  pastInput = stepRun.input(pastOf(names.target));
  cached = goesOn(stepRun);
  most = targetInput->info->shape[1];
  for (const ExtentInfo &extent : stepRun.program().extents)
    if (extent.name == "positions.history")
      most = extent.bound;
  if (cached)
    bindCaches(store);
  const std::string &batch = targetInput->info->extents[0];
  for (const VariableInfo &info : stepRun.program().variables) {
    auto found = std::find(info.extents.begin(), info.extents.end(), batch);
    if (info.parameter || found == info.extents.end())
      continue;
    states.push_back({&info, store.find(info.name)->memory.data(), size_t(found - info.extents.begin()), {}});
  }
  return Error::success();
}

/// Behind the copies a state has the rows. No dimension is dynamic.
void Translator::bindCaches(VariableStore &store) {
  for (const VariableInfo &info : stepRun.program().variables) {
    StringRef name = info.name;
    if (info.parameter || name.starts_with("prepared."))
      continue;
    auto product = [&](size_t first, size_t end) {
      int64_t product = 1;
      for (size_t d = first; d < end; ++d)
        product *= info.shape[d];
      return product;
    };
    size_t row = size_t(info.copies), rank = info.shape.size();
    int64_t size = int64_t(sizeOf(info.type));
    Cache &cache = caches.emplace_back();
    cache.memory = store.find(info.name)->memory.data();
    cache.outer = product(0, row);
    cache.rowBytes = product(row + 1, rank) * size;
    cache.copyBytes = info.shape[row] * cache.rowBytes;
    if (info.positions < 0)
      continue;
    cache.parts = product(row + 1, size_t(info.positions));
    cache.positionBytes = product(size_t(info.positions) + 1, rank) * size;
  }
}

void Translator::reorder(ArrayRef<Row> rows, int64_t past) {
  if (past == 0)
    return;
  for (const Cache &cache : caches) {
    // Of each part of a row as many bytes as positions there are.
    int64_t part = cache.rowBytes / cache.parts, used = cache.positionBytes ? past * cache.positionBytes : part;
    for (int64_t copy = 0; copy < cache.outer; ++copy) {
      char *base = cache.memory + copy * cache.copyBytes;
      moved.clear();
      auto forMoved = [&](auto each) {
        for (size_t row = 0; row < rows.size(); ++row)
          for (int64_t i = 0; rows[row].parent != int64_t(row) && i < cache.parts; ++i)
            each(int64_t(row), i * part);
      };
      // All are read before one is written.
      forMoved([&](int64_t row, int64_t at) {
        const char *from = base + rows[size_t(row)].parent * cache.rowBytes + at;
        moved.insert(moved.end(), from, from + used);
      });
      const char *from = moved.data();
      forMoved([&](int64_t row, int64_t at) {
        std::memcpy(base + row * cache.rowBytes + at, from, size_t(used));
        from += used;
      });
    }
  }
}

Error Translator::setExtents(ProgramRun &run, int64_t rows, int64_t target) const {
  std::pair<StringRef, int64_t> values[] = {{targetInput->info->extents[0], rows},
                                            {sourceInput->info->extents[1], sourceLength},
                                            {cached ? StringRef("positions.history") : StringRef(targetInput->info->extents[1]), target}};
  for (auto [name, value] : values)
    if (run.extent(name))
      if (Error error = run.setExtent(name, value))
        return error;
  return Error::success();
}

/// One row of a stream, padded to `length`, and its length.
void Translator::fill(const ProgramRun &run, const InputBuffer &input, int64_t row, ArrayRef<int32_t> tokens,
                      int64_t length) const {
  auto *to = reinterpret_cast<int32_t *>(input.data) + row * rowStride(*input.info, length);
  std::copy(tokens.begin(), tokens.end(), to);
  std::fill(to + tokens.size(), to + length, specials.pad);
  if (const InputBuffer *lengths = run.input(lengthOf(input.info->name)))
    reinterpret_cast<int32_t *>(lengths->data)[row] = int32_t(tokens.size());
}

Error Translator::begin(ArrayRef<std::vector<int32_t>> sources) {
  if (sources.empty() || int64_t(sources.size()) > maxRows())
    return failure("between 1 and {} sentences can be translated together, not {}", maxRows(),
                   sources.size());
  std::vector<std::vector<int32_t>> rows;
  sourceLength = 1;
  for (const std::vector<int32_t> &source : sources) {
    std::vector<int32_t> &row = rows.emplace_back(source);
    row.push_back(specials.end);
    row.resize(std::min(row.size(), size_t(maxSource())));
    sourceLength = std::max(sourceLength, int64_t(row.size()));
  }
  for (size_t i = 0; i < rows.size(); ++i)
    fill(prepareRun, *sourceInput, int64_t(i), rows[i], sourceLength);
  sentences = int64_t(rows.size());
  if (Error error = setExtents(prepareRun, sentences, 1))
    return error;
  prepareRun.setLoopInputs(0, 0, 0);
  prepareRun.run();
  ++prepared;
  for (State &state : states)
    state.master.assign(state.memory, state.memory + state.info->elements() * int64_t(sizeOf(state.info->type)));
  current.assign(size_t(maxRows()), -1);
  for (int64_t i = 0; i < sentences; ++i)
    current[size_t(i)] = i;
  return Error::success();
}

/// Gives each row the state of its sentence.
void Translator::select(ArrayRef<Row> rows) {
  for (size_t row = 0; row < rows.size(); ++row) {
    int64_t sentence = rows[row].sentence;
    if (current[row] == sentence)
      continue;
    current[row] = sentence;
    for (State &state : states) {
      // The batch comes first, but for copies: only the extents of the source are asked for.
      std::vector<int64_t> strides =
          state.info->strides([&](const std::string &name) { return prepareRun.extent(name); });
      int64_t size = int64_t(sizeOf(state.info->type)), rowBytes = strides[state.place] * size, outer = 1;
      for (size_t d = 0; d < state.place; ++d)
        outer *= state.info->shape[d];
      int64_t outerBytes = state.place > 0 ? strides[state.place - 1] * size : 0;
      for (int64_t o = 0; o < outer; ++o)
        std::memcpy(state.memory + o * outerBytes + int64_t(row) * rowBytes,
                    state.master.data() + o * outerBytes + sentence * rowBytes, size_t(rowBytes));
    }
  }
}

Error Translator::next(ArrayRef<Row> rows, MutableArrayRef<float> into) {
  int64_t length = rows.empty() ? 0 : int64_t(rows[0].tokens.size());
  if (rows.empty() || int64_t(rows.size()) > maxRows() || length > maxTokens())
    return failure("a step takes 1 to {} hypotheses of at most {} tokens, not {} of {}", maxRows(),
                   maxTokens(), rows.size(), length);
  select(rows);
  if (cached) {
    for (const Row &row : rows)
      if (length > 1 && (row.parent < 0 || row.parent >= lastRows))
        return failure("a hypothesis goes on from row {} of {}", row.parent, lastRows);
    reorder(rows, length - 1);
    lastRows = int64_t(rows.size());
    for (size_t row = 0; row < rows.size(); ++row) {
      reinterpret_cast<int32_t *>(targetInput->data)[row] = rows[row].tokens.back();
      if (pastInput)
        reinterpret_cast<int32_t *>(pastInput->data)[row] = int32_t(length - 1);
    }
  } else {
    for (size_t row = 0; row < rows.size(); ++row)
      fill(stepRun, *targetInput, int64_t(row), rows[row].tokens, length);
  }
  if (Error error = setExtents(stepRun, int64_t(rows.size()), length))
    return error;
  stepRun.setLoopInputs(0, 0, 0);
  stepRun.run();
  ResultView view = stepRun.result(names.result);
  int64_t last = cached ? 0 : length - 1;
  int64_t width = vocabulary();
  for (size_t row = 0; row < rows.size(); ++row) {
    int64_t first = int64_t(row) * view.strides[0] + last * view.strides[1];
    float *to = into.data() + int64_t(row) * width;
    if (logits->type == DType::F32)
      std::copy_n(reinterpret_cast<const float *>(view.data) + first, width, to);
    else
      std::copy_n(reinterpret_cast<const double *>(view.data) + first, width, to);
  }
  return Error::success();
}

} // namespace gptc::runtime
