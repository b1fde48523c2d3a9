// Text from a trained model, token by token.
#pragma once

#include "runtime/sampler.h"
#include "runtime/token_model.h"
#include "runtime/tokenizer.h"

#include <functional>
#include <optional>

namespace gptc::runtime {

struct GenerateOptions {
  int64_t tokens = 0;
  SamplingOptions sampling;
  /// Called before a token's text is emitted, with the `candidates` likeliest
  /// ones that it was chosen among.
  std::function<void(int32_t token, llvm::ArrayRef<Candidate> candidates)> observe;
  size_t candidates = 0;
  /// What a text without prompt begins with.
  std::optional<int32_t> pad;
  /// The text ends before one of these strings, or of these tokens.
  std::vector<std::string> stops;
  std::vector<int32_t> ends;
};

/// Continues the prompt. Each token is sampled from the logits that the model gives after those so far. `emit` gets the decoded text as it
/// becomes whole characters, and returns false to stop. Returns the number of
/// tokens made: fewer than asked for when `emit`, an interrupt,
/// a stop or an end stopped it.
llvm::Expected<int64_t> generate(TokenModel &model, const Tokenizer &tokenizer, llvm::ArrayRef<int32_t> prompt,
                                 const GenerateOptions &options,
                                 const std::function<bool(llvm::StringRef)> &emit);

} // namespace gptc::runtime
