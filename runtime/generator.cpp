#include "runtime/generator.h"

#include "runtime/interrupt.h"

#include <algorithm>
#include <cstring>

using llvm::Error;
using llvm::Expected;

namespace gptc::runtime {

// The one input that takes the tokens so far.
static Expected<const InputBuffer *> tokenInput(const ProgramRun &run) {
  const InputBuffer *found = nullptr;
  for (const InputBuffer &input : run.inputs()) {
    const TensorInfo &info = *input.info;
    if (isLoopInput(info.name))
      continue;
    if (found || info.type != DType::I32 || info.shape.size() != 2)
      return failure("cannot generate: the outputs need '{}'; text generation needs one input of tokens",
                     info.name);
    found = &input;
  }
  if (!found)
    return failure("cannot generate: the outputs depend on no text");
  return found;
}

static Error checkLogits(const ResultView &logits, const GenerateOptions &options, int64_t vocabulary) {
  if (!logits.data)
    return failure("cannot generate: the model has no output '{}'", options.result);
  const ResultInfo &info = *logits.info;
  bool isFloat = info.type == DType::F32 || info.type == DType::F64;
  if (!isFloat || info.shape.size() < 2 || info.shape.size() > 3)
    return failure(
        "cannot generate: the output '{}' is {} of rank {} in a batch, logits are floats of rank 2 or 3",
        options.result, nameOf(info.type), info.shape.size());
  if (info.shape.back() != vocabulary)
    return failure("cannot generate: the output '{}' has {} values per token, the vocabulary {}",
                   options.result, info.shape.back(), vocabulary);
  return Error::success();
}

Expected<int64_t> generate(ProgramRun &run, const Tokenizer &tokenizer, llvm::ArrayRef<int32_t> prompt,
                           const GenerateOptions &options, const std::function<bool(llvm::StringRef)> &emit) {
  if (Error error = options.sampling.check())
    return error;
  if (options.tokens < 0)
    return failure("the number of tokens must be 0 or more, not {}", options.tokens);
  if (prompt.empty() && !options.pad)
    return failure("the prompt is empty: the model needs at least one token to go on from");
  Expected<const InputBuffer *> input = tokenInput(run);
  if (!input)
    return input.takeError();
  ResultView logits = run.result(options.result);
  if (Error error = checkLogits(logits, options, tokenizer.vocabulary()))
    return error;
  const ResultInfo &info = *logits.info;
  int64_t context = (*input)->info->shape[1], vocabulary = info.shape.back();

  // A window of fixed length takes no fewer tokens: there the pad stands for what is missing.
  const TensorInfo &window = *(*input)->info;
  bool fixed = window.extents.size() < 2 || window.extents[1].empty();
  int64_t missing = fixed ? std::max<int64_t>(0, context - int64_t(prompt.size())) : prompt.empty();
  if (missing && !options.pad)
    return failure(
        "the prompt has {} tokens, but the model looks at exactly {}; give a longer one, or say what "
        "fills the window up on the left: generate {{ pad: \" \" }}, or --pad \" \"",
        prompt.size(), context);
  std::vector<int32_t> tokens(size_t(missing), options.pad.value_or(0));
  tokens.insert(tokens.end(), prompt.begin(), prompt.end());
  Sampler sampler(options.sampling, vocabulary);
  StreamDecoder decoder(tokenizer, prompt.empty());
  int64_t made = 0;
  for (; made < options.tokens && !interrupted(); ++made) {
    int64_t length = std::min<int64_t>(context, int64_t(tokens.size()));
    std::memcpy((*input)->data, tokens.data() + tokens.size() - size_t(length),
                size_t(length) * sizeof(int32_t));
    if (Error error = run.setBatch(1, length))
      return error;
    run.setLoopInputs(options.sampling.seed, 0, 0);
    run.run();
    // Another program may have grown the arena since the last look.
    logits = run.result(options.result);
    int64_t row = info.shape.size() == 3 ? length - 1 : 0;
    const char *last = logits.data + row * vocabulary * int64_t(sizeOf(info.type));
    Expected<int32_t> token = sampler.sample(last, info.type, uint64_t(made));
    if (!token)
      return token.takeError();
    if (options.observe)
      options.observe(*token, sampler.likeliest(options.candidates));
    tokens.push_back(*token);
    std::string text = decoder.push(*token);
    if (!text.empty() && !emit(text)) {
      ++made;
      return made;
    }
  }
  std::string rest = decoder.finish();
  if (!rest.empty())
    emit(rest);
  return made;
}

} // namespace gptc::runtime
