// Text to integers and back.
#pragma once

#include "runtime/error.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/JSON.h"

#include <memory>
#include <string>
#include <vector>

namespace gptc::runtime {

class Tokenizer {
public:
  virtual ~Tokenizer() = default;
  /// The name in model files: "chars".
  virtual llvm::StringRef kind() const = 0;
  virtual int64_t vocabulary() const = 0;
  /// Appends the text's tokens. `source` names the text in errors ("prompt").
  virtual llvm::Error encode(llvm::StringRef text, std::vector<int32_t> &tokens,
                             llvm::StringRef source) const = 0;
  /// Appends a token's bytes; a character may need several tokens. Tokens
  /// outside of the vocabulary give U+FFFD.
  virtual void append(std::string &bytes, int32_t token) const = 0;
  /// What config.json keeps; loadTokenizer takes it back.
  virtual llvm::json::Object save() const = 0;

  /// The text of whole token sequences; always valid UTF-8.
  std::string decode(llvm::ArrayRef<int32_t> tokens) const;
};

/// Tokens to text as they come: holds back the bytes of an unfinished character.
class StreamDecoder {
public:
  explicit StreamDecoder(const Tokenizer &tokenizer) : tokenizer(tokenizer) {}
  /// The text that this token completes, valid UTF-8, perhaps empty.
  std::string push(int32_t token);
  /// What is left at the end, unfinished bytes as U+FFFD.
  std::string finish();

private:
  const Tokenizer &tokenizer;
  std::string pending;
};

/// A tokenizer by its name and arguments in a model file:
///   chars          the text's own code points, sorted
///   alphabet(TEXT) the given code points, sorted
///   ids(N)         decimal numbers below N, separated by white space
/// `text` is the training text (valid UTF-8 or an error), needed for chars only.
llvm::Expected<std::unique_ptr<Tokenizer>> makeTokenizer(llvm::StringRef kind,
                                                         llvm::ArrayRef<std::string> arguments,
                                                         llvm::StringRef text, llvm::StringRef source);
/// A tokenizer from what save() gave.
llvm::Expected<std::unique_ptr<Tokenizer>> loadTokenizer(const llvm::json::Object &saved,
                                                         llvm::StringRef source);

} // namespace gptc::runtime
