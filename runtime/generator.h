// Text from a trained model, token by token.
#pragma once

#include "runtime/runner.h"
#include "runtime/sampler.h"
#include "runtime/tokenizer.h"

#include <functional>
#include <optional>

namespace gptc::runtime {

struct GenerateOptions {
  int64_t tokens = 0;
  SamplingOptions sampling;
  std::string result = "logits"; // F32 or F64 [b, t, vocabulary], or [b, vocabulary]
  /// Called before a token's text is emitted, with the `candidates` likeliest
  /// ones that it was chosen among.
  std::function<void(int32_t token, llvm::ArrayRef<Candidate> candidates)> observe;
  size_t candidates = 0;
  /// Fills a window of fixed length up on the left while there are fewer tokens.
  std::optional<int32_t> pad;
};

/// Continues the prompt. Each token is sampled from the logits after the last
/// tokens that fit the program's window. `emit` gets the decoded text as it
/// becomes whole characters, and returns false to stop. Returns the number of
/// tokens made: fewer than asked for when `emit` or an interrupt stopped it.
llvm::Expected<int64_t> generate(ProgramRun &run, const Tokenizer &tokenizer, llvm::ArrayRef<int32_t> prompt,
                                 const GenerateOptions &options,
                                 const std::function<bool(llvm::StringRef)> &emit);

} // namespace gptc::runtime
