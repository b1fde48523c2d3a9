// How a tokenizer.json makes text of tokens again.
#pragma once

#include "runtime/json_part.h"
#include "runtime/pattern.h"

namespace gptc::runtime {

class Decoder {
public:
  /// The bytes of ByteLevel's symbols: what gptc's own byte pairs have.
  static Decoder byteLevel();
  /// Adds what a decoder of the file does: ByteLevel, ByteFallback, Metaspace, Replace, Fuse, Strip, or a
  /// Sequence of them.
  void read(JsonPart part);
  /// Call when all is read; an error where the end of a text would be cut off, as text comes token by token.
  void finish(JsonPart part);
  /// Without a decoder tokens stand with a blank between them.
  bool empty() const { return steps.empty(); }

  /// The text of all tokens, as they are written in the vocabulary; valid UTF-8.
  std::string text(std::vector<std::string> tokens) const;
  /// The bytes of one token; `first`: it begins the text.
  std::string bytes(llvm::StringRef token, bool first) const;

private:
  enum class Kind { Bytes, ByteFallback, Metaspace, Replace, Fuse, Strip };
  struct Step {
    Kind kind;
    std::string content; // of Metaspace, Replace and Strip
    Pattern pattern;     // of Replace
    int64_t start = 0, stop = 0;
    bool skipsFirst = false; // of Metaspace
  };
  void readMetaspace(JsonPart &part);

  std::vector<Step> steps;
};

} // namespace gptc::runtime
