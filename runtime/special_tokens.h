// The tokens that frame sequences: padding, begin and end.
#pragma once

#include "runtime/tokenizer.h"

namespace gptc::runtime {

struct SpecialTokens {
  /// What makeTokenizer takes for data that needs them.
  static std::vector<std::string> names() { return {"<pad>", "<s>", "</s>"}; }
  /// Those of a tokenizer; nothing where it lacks one.
  static std::optional<SpecialTokens> of(const Tokenizer &tokenizer) {
    std::optional<int32_t> pad = tokenizer.special("<pad>"), begin = tokenizer.special("<s>"),
                           end = tokenizer.special("</s>");
    if (!pad || !begin || !end)
      return std::nullopt;
    return SpecialTokens{*pad, *begin, *end};
  }

  int32_t pad = 0, begin = 1, end = 2;
};

} // namespace gptc::runtime
