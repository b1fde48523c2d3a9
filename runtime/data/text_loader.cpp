#include "runtime/data/text_loader.h"

#include "runtime/files.h"
#include "runtime/random.h"
#include "runtime/utf8.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using llvm::ArrayRef;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

Expected<std::unique_ptr<TextLoader>> TextLoader::open(StringRef path, const Tokenizer &tokenizer,
                                                       const TextOptions &options) {
  auto buffer = readFile(path);
  if (!buffer)
    return buffer.takeError();
  return create((*buffer)->getBuffer(), path, tokenizer, options);
}

Expected<std::unique_ptr<TextLoader>>
TextLoader::create(StringRef bytes, StringRef source, const Tokenizer &tokenizer, const TextOptions &options) {
  Expected<StringRef> plain = plainText(bytes, source);
  if (!plain)
    return plain.takeError();
  StringRef text = *plain;
  if (options.context < 1)
    return failure("{}: a window needs at least 1 token, not {}", source, options.context);
  if (text.empty())
    return failure("{}: the file is empty", source);
  auto loader = std::make_unique<TextLoader>();
  loader->source = source.str();
  loader->options = options;
  loader->target = "next(" + options.stream + ")";
  if (Error error = tokenizer.encode(text, loader->tokens, source))
    return error;
  loader->tokens.shrink_to_fit();
  // Rounded up, but not for the last bit of a product that is whole.
  double kept = options.validation < 1
                    ? std::ceil(double(loader->tokenCount()) * options.validation * (1 - 1e-12))
                    : std::min(options.validation, double(loader->tokenCount()));
  loader->split = loader->tokenCount() - (options.holdOut ? int64_t(kept) : 0);
  if (const llvm::json::Object *facts = options.holdOut ? options.heldOut.facts : nullptr)
    if (options.heldOut.keep || facts->getInteger("tokens") == loader->tokenCount())
      loader->split = std::clamp<int64_t>(facts->getInteger("training_tokens").value_or(loader->split), 0,
                                          loader->tokenCount());
  loader->options.heldOut.facts = nullptr; // the caller's
  return loader;
}

Error TextLoader::check(ArrayRef<InputBuffer> inputs) const {
  for (const InputBuffer &input : inputs) {
    const TensorInfo &info = *input.info;
    if (isLoopInput(info.name))
      continue;
    if (info.name != options.stream && info.name != target)
      return failure("{}: this text has no '{}', only '{}' and '{}'", source, info.name, options.stream,
                     target);
    if (info.type != DType::I32 || info.shape.size() != 2)
      return failure("input '{}' is {} of rank {}; text is I32 of rank 2", info.name, nameOf(info.type),
                     info.shape.size());
    if (info.shape[1] != options.context)
      return failure("input '{}' takes {} tokens, windows have {}", info.name, info.shape[1],
                     options.context);
  }
  return Error::success();
}

Error TextLoader::checkTraining(const BatchShape &shape) const {
  if (split < options.context + 1)
    return failure(
        "{}: the text is too short: its training part has {} tokens, a window needs {} (context {} and the "
        "one that follows)",
        source, split, options.context + 1, options.context);
  return Error::success();
}

int64_t TextLoader::trainingExamples() const {
  return std::max<int64_t>(0, split - options.context);
}

int64_t TextLoader::batchesPerEpoch(const BatchShape &shape) const {
  return std::max<int64_t>(1, split / (shape.rows * options.context));
}

void TextLoader::fill(ArrayRef<InputBuffer> inputs, int64_t row, const int32_t *window,
                      int64_t length) const {
  for (const InputBuffer &input : inputs) {
    const std::string &name = input.info->name;
    if (isLoopInput(name))
      continue;
    auto *to = reinterpret_cast<int32_t *>(input.data) + row * rowStride(*input.info, length);
    std::memcpy(to, window + (name == target ? 1 : 0), size_t(length) * sizeof(int32_t));
  }
}

Batch TextLoader::training(const BatchShape &shape, uint64_t seed, int64_t step,
                           ArrayRef<InputBuffer> inputs) {
  bool all = shape.rows == trainingExamples(); // `batch: all`: each window once
  for (int64_t row = 0; row < shape.rows; ++row) {
    if (all) {
      fill(inputs, row, tokens.data() + row, options.context);
      continue;
    }
    uint64_t bits = randomBits(seed, RandomUse::Window, uint64_t(step), uint64_t(row));
    uint64_t offset = randomBelow(bits, uint64_t(split - options.context));
    fill(inputs, row, tokens.data() + offset, options.context);
  }
  return {shape.rows, options.context, shape.rows * options.context};
}

ArrayRef<int32_t> TextLoader::part(Part part) const {
  return part == Part::All ? ArrayRef<int32_t>(tokens) : ArrayRef<int32_t>(tokens).drop_front(size_t(split));
}

namespace {
// Windows of `context` tokens, then perhaps one of `rest`.
struct Windows {
  int64_t whole = 0, rest = 0;
};
} // namespace

static Windows windowsOf(ArrayRef<int32_t> part, int64_t context, const BatchShape &shape) {
  // The last token of a window is followed by another one, where that is asked for.
  int64_t last = shape.everyToken ? 0 : 1, count = std::max<int64_t>(0, int64_t(part.size()) - last);
  Windows windows{count / context, count % context};
  if (shape.wholeLength)
    windows.rest = 0;
  return windows;
}

// The shorter window is a batch of its own: windows of a batch share their length.
int64_t TextLoader::evaluationBatches(Part which, const BatchShape &shape) const {
  Windows windows = windowsOf(part(which), options.context, shape);
  int64_t whole =
      shape.wholeRows ? windows.whole / shape.rows : (windows.whole + shape.rows - 1) / shape.rows;
  return whole + (windows.rest && (!shape.wholeRows || shape.rows == 1) ? 1 : 0);
}

Batch TextLoader::evaluation(Part which, const BatchShape &shape, int64_t index,
                             ArrayRef<InputBuffer> inputs) {
  ArrayRef<int32_t> text = part(which);
  int64_t context = options.context, first = index * shape.rows;
  Windows windows = windowsOf(text, context, shape);
  if (first >= windows.whole) {
    fill(inputs, 0, text.data() + windows.whole * context, windows.rest);
    return {1, windows.rest, windows.rest};
  }
  int64_t rows = std::min(shape.rows, windows.whole - first);
  for (int64_t row = 0; row < rows; ++row)
    fill(inputs, row, text.data() + (first + row) * context, context);
  return {rows, context, rows * context};
}

llvm::json::Object TextLoader::facts() const {
  return llvm::json::Object{{"tokens", tokenCount()}, {"training_tokens", trainingTokens()}};
}

} // namespace gptc::runtime
