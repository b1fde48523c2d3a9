// How a tokenizer.json changes text before it is cut into words.
#pragma once

#include "runtime/json_part.h"
#include "runtime/pattern.h"

namespace gptc::runtime {

class Normalizer {
public:
  /// Adds what a normalizer of the file does: NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Prepend,
  /// Replace, ByteLevel, or a Sequence of them.
  void read(JsonPart part);
  bool empty() const { return steps.empty(); }
  /// Whether it may take characters away at the text's start.
  bool cutsStart() const;
  /// The changed text, which `buffer` may hold, or which is `text` itself. `text` is valid UTF-8.
  llvm::Expected<llvm::StringRef> run(llvm::StringRef text, std::string &buffer) const;

private:
  enum class Kind { Form, Lowercase, StripLeft, StripRight, Prepend, Replace, Bytes };
  struct Step {
    Kind kind;
    int form = 0;        // utf8proc's options
    std::string content; // of Prepend and Replace
    Pattern pattern;     // of Replace
  };
  /// Whether the step changes the text; `result` is then the changed one.
  static llvm::Expected<bool> change(const Step &step, llvm::StringRef text, std::string &result);

  std::vector<Step> steps;
};

/// The "pattern" of a part: {"String": ...} or {"Regex": ...}.
Pattern readPattern(JsonPart &part);
/// A text with the matches replaced; nothing where there are none. Errors of the search.
llvm::Expected<std::optional<std::string>> replaceAll(llvm::StringRef text, const Pattern &pattern,
                                                      llvm::StringRef by);

} // namespace gptc::runtime
