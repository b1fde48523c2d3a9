#include "runtime/generator.h"

#include "runtime/interrupt.h"
#include "runtime/stop.h"

#include "llvm/ADT/STLExtras.h"

using llvm::Error;
using llvm::Expected;

namespace gptc::runtime {

Expected<int64_t> generate(TokenModel &model, const Tokenizer &tokenizer, llvm::ArrayRef<int32_t> prompt,
                           const GenerateOptions &options, const std::function<bool(llvm::StringRef)> &emit) {
  if (Error error = options.sampling.check())
    return error;
  if (options.tokens < 0)
    return failure("the number of tokens must be 0 or more, not {}", options.tokens);
  if (prompt.empty() && !options.pad)
    return failure("the prompt is empty: the model needs at least one token to go on from");
  if (model.vocabulary() != tokenizer.vocabulary())
    return failure("cannot generate: the output has {} values per token, the vocabulary {}", model.vocabulary(),
                   tokenizer.vocabulary());
  std::vector<int32_t> tokens(prompt.begin(), prompt.end());
  if (tokens.empty())
    tokens.push_back(*options.pad);
  model.seed = options.sampling.seed;
  Sampler sampler(options.sampling, model.vocabulary());
  StreamDecoder decoder(tokenizer, prompt.empty());
  StopFinder stop(options.stops);
  int64_t made = 0;
  for (; made < options.tokens && !interrupted(); ++made) {
    Expected<const char *> logits = model.next(tokens);
    if (!logits)
      return logits.takeError();
    Expected<int32_t> token = sampler.sample(*logits, model.type(), uint64_t(made), tokens);
    if (!token)
      return token.takeError();
    if (options.observe)
      options.observe(*token, sampler.likeliest(options.candidates));
    if (llvm::is_contained(options.ends, *token)) {
      ++made;
      break;
    }
    tokens.push_back(*token);
    std::string text = stop.push(decoder.push(*token));
    if ((!text.empty() && !emit(text)) || stop.found())
      return made + 1;
  }
  std::string rest = stop.push(decoder.finish());
  rest += stop.finish();
  if (!rest.empty())
    emit(rest);
  return made;
}

} // namespace gptc::runtime
