// How a tokenizer.json cuts text into words, inside which tokens merge.
#pragma once

#include "runtime/json_part.h"
#include "runtime/pattern.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace gptc::runtime {

class PreTokenizer {
public:
  /// GPT-2's words (tokenizer_words.h), as bytes: what gptc's own byte pairs have.
  static PreTokenizer words();
  /// Adds what a pre-tokenizer of the file does: ByteLevel, Metaspace, Split, CharDelimiterSplit, Digits,
  /// Punctuation, Whitespace, WhitespaceSplit, or a Sequence of them.
  void read(JsonPart part);
  /// Call when all is read: words as bytes are then left to the model (`bytes`), where nothing comes after.
  void finish();
  /// Whether the model gets words whose bytes stand for themselves.
  bool bytes() const { return wordsAreBytes; }
  /// Whether it looks at where in the whole text a part begins.
  bool looksAtStart() const;

  using Word = llvm::function_ref<llvm::Error(llvm::StringRef)>;
  /// Calls `word` with the words of a part of a text, none empty. `first`: the part begins the text.
  llvm::Error run(llvm::StringRef part, bool first, Word word) const { return run(0, part, first, word); }

private:
  enum class Kind { Words, Split, Prepend, PrependFirst, Replace, Bytes };
  enum class Behavior { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous };
  struct Step {
    Kind kind;
    Behavior behavior = Behavior::Isolated;
    bool invert = false;
    std::string content; // of Prepend and Replace
    Pattern pattern;     // of Split and Replace
  };
  void split(Pattern pattern, Behavior behavior, bool invert = false) {
    steps.push_back({Kind::Split, behavior, invert, {}, std::move(pattern)});
  }
  void readMetaspace(JsonPart &part);
  static Behavior readBehavior(JsonPart &part, bool needed);
  llvm::Error run(size_t step, llvm::StringRef part, bool first, Word word) const;
  llvm::Error runWords(size_t step, llvm::StringRef part, bool first, Word word) const;
  llvm::Error runSplit(size_t step, llvm::StringRef part, bool first, Word word) const;

  std::vector<Step> steps;
  bool wordsAreBytes = false;
};

} // namespace gptc::runtime
