#include "runtime/tokenizer_words.h"

#include "runtime/unicode.h"
#include "runtime/utf8.h"

using llvm::StringRef;

namespace gptc::runtime {

// The class of the character at `at`, which moves behind it.
static CharacterClass nextClass(StringRef text, size_t &at) {
  int32_t codePoint = nextCodePoint(text, at);
  if (codePoint < 0) // not for valid text; a byte of its own keeps this finite
    ++at;
  return codePoint < 0 ? CharacterClass::Other : classOf(codePoint);
}

static size_t contraction(StringRef text) {
  for (StringRef ending : {"'s", "'t", "'m", "'d", "'re", "'ve", "'ll"})
    if (text.starts_with(ending))
      return ending.size();
  return 0;
}

StringRef nextWord(StringRef text, size_t &at) {
  size_t begin = at;
  if (size_t length = text[at] == '\'' ? contraction(text.substr(at)) : 0) {
    at += length;
    return text.substr(begin, length);
  }
  // Rule 2; `first` is where the run itself starts.
  size_t first = text[at] == ' ' && at + 1 < text.size() ? at + 1 : at;
  size_t end = first;
  CharacterClass run = nextClass(text, end);
  if (run != CharacterClass::Space) {
    for (size_t next = end; next < text.size() && nextClass(text, next) == run;)
      end = next;
    at = end;
    return text.slice(begin, end);
  }
  // Rules 3 to 5.
  size_t last = begin; // where the run's last character starts
  end = begin;
  for (size_t next = begin; next < text.size() && nextClass(text, next) == CharacterClass::Space;) {
    last = end;
    end = next;
  }
  at = end == text.size() || last == begin ? end : last;
  return text.slice(begin, at);
}

} // namespace gptc::runtime
