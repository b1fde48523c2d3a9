// Text to integers and back.
#pragma once

#include "runtime/error.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/JSON.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gptc::runtime {

/// A token that stands for no text: <pad>, <s>, </s>.
struct SpecialToken {
  std::string name;
  int32_t id;
};

/// The tokens that a tokenizer's file puts before a text and behind it: <s>, </s>.
struct TextFrame {
  std::vector<int32_t> begin, end;
};

class Tokenizer {
public:
  virtual ~Tokenizer() = default;
  /// The name in model files: "chars".
  virtual llvm::StringRef kind() const = 0;
  virtual int64_t vocabulary() const = 0;
  /// Appends the text's tokens. Text never becomes a special token, whatever it says.
  /// `source` names the text in errors ("prompt").
  llvm::Error encode(llvm::StringRef text, std::vector<int32_t> &tokens, llvm::StringRef source) const {
    return encodePart(text, text, tokens, source);
  }
  /// The same for a part of a text, such as a line: errors say where in `whole` it stands.
  virtual llvm::Error encodePart(llvm::StringRef part, llvm::StringRef whole, std::vector<int32_t> &tokens,
                                 llvm::StringRef source) const = 0;
  /// The same, but where one of these names of special tokens stands in the text, it is that
  /// token (of several names there the longest). An error for names that the tokenizer has not.
  llvm::Error encode(llvm::StringRef text, llvm::ArrayRef<std::string> names, std::vector<int32_t> &tokens,
                     llvm::StringRef source) const;
  /// Appends a token's bytes; a character may need several tokens. Tokens
  /// outside of the vocabulary give U+FFFD.
  virtual void append(std::string &bytes, int32_t token) const = 0;
  /// The same for the token that begins a text: some files leave a blank out there.
  virtual void appendFirst(std::string &bytes, int32_t token) const { append(bytes, token); }
  /// What stands between the texts of two tokens: a blank between ids.
  virtual llvm::StringRef separator() const { return ""; }
  /// The two tokens that make this one; nothing where it is made of none.
  virtual std::optional<std::pair<int32_t, int32_t>> parts(int32_t token) const { return std::nullopt; }
  /// The special tokens by id.
  virtual std::vector<SpecialToken> specials() const { return {}; }
  /// The id of the special token of that name; nothing where there is none.
  std::optional<int32_t> special(llvm::StringRef name) const;
  /// Nobody puts them there unless asked; none for most tokenizers.
  virtual TextFrame frame() const { return {}; }
  /// What config.json keeps; loadTokenizer takes it back.
  virtual llvm::json::Object save() const = 0;

  /// The text of whole token sequences; always valid UTF-8.
  virtual std::string decode(llvm::ArrayRef<int32_t> tokens) const;

protected:
  /// Appends the text's tokens, where the names of these special tokens stand them.
  virtual llvm::Error encodeSpecial(llvm::StringRef text, llvm::ArrayRef<SpecialToken> wanted,
                                    std::vector<int32_t> &tokens, llvm::StringRef source) const;
};

/// Tokens to text as they come: holds back the bytes of an unfinished character.
class StreamDecoder {
public:
  /// `begins`: the first token begins the text; else it follows others.
  explicit StreamDecoder(const Tokenizer &tokenizer, bool begins = true)
      : tokenizer(tokenizer), begins(begins) {}
  /// The text that this token completes, valid UTF-8, perhaps empty.
  std::string push(int32_t token);
  /// What is left at the end, unfinished bytes as U+FFFD.
  std::string finish();

private:
  const Tokenizer &tokenizer;
  bool begins;
  std::string pending;
};

constexpr int64_t largestVocabulary = int64_t(1) << 30;

/// A text that a tokenizer is made from; `source` names it in errors.
struct TokenizerText {
  llvm::StringRef text, source;
};

/// A tokenizer by its name and arguments in a model file:
///   chars            the texts' own code points, sorted
///   alphabet(TEXT)   the given code points, sorted
///   ids(N)           decimal numbers below N, separated by white space
///   bpe(N)           byte pairs learned from the texts, at most N tokens
///   pieces(A, B, ...) the given pieces, then the 256 bytes for all else
///   tokenizer(FILE)  what a tokenizer.json says
/// `texts` are the training texts (valid UTF-8 or an error), one vocabulary for
/// all; only chars and bpe look at them. `specials` are names of special tokens:
/// they get ids 0, 1, ... in their order, before all other tokens, and count
/// towards N. ids takes none; a tokenizer.json must have them already, under any ids
/// (ask special()).
llvm::Expected<std::unique_ptr<Tokenizer>> makeTokenizer(llvm::StringRef kind,
                                                         llvm::ArrayRef<std::string> arguments,
                                                         llvm::ArrayRef<TokenizerText> texts,
                                                         llvm::ArrayRef<std::string> specials = {});
/// The same for one text.
llvm::Expected<std::unique_ptr<Tokenizer>> makeTokenizer(llvm::StringRef kind,
                                                         llvm::ArrayRef<std::string> arguments,
                                                         llvm::StringRef text, llvm::StringRef source);
/// A tokenizer from a file: a tokenizer.json (tokenizer_json.h).
llvm::Expected<std::unique_ptr<Tokenizer>> readTokenizer(llvm::StringRef path);
/// A tokenizer from what save() gave.
llvm::Expected<std::unique_ptr<Tokenizer>> loadTokenizer(const llvm::json::Object &saved,
                                                         llvm::StringRef source);

} // namespace gptc::runtime
