// Text cut into words, inside which byte pairs merge.
#pragma once

#include "llvm/ADT/StringRef.h"

namespace gptc::runtime {

/// The word that begins at `at`, which moves behind it. `text` is valid UTF-8 and
/// not empty from there. Of these rules (GPT-2's) the first that applies:
///   1. one of 's 't 'm 'd 're 've 'll, as after "it" in "it's"
///   2. a run of letters, or of numbers, or of what is neither and no white space,
///      with the one blank that may stand before it
///   3. a run of white space to the end of the text
///   4. a run of white space less its last character, which may belong to the next word
///   5. one character of white space
/// The words of a text, one after the other, are the text.
llvm::StringRef nextWord(llvm::StringRef text, size_t &at);

} // namespace gptc::runtime
