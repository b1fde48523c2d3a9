// Classes of characters.
#pragma once

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>

namespace gptc::runtime {

/// What a character is where text is split into words: Unicode 16.0's general
/// categories L* and N*, the property White_Space, and all the rest.
enum class CharacterClass { Letter, Number, Space, Other };

CharacterClass classOf(int32_t codePoint);

/// Whether a word has the character: letters and marks, decimal numbers, '_' and the like (\w of UTS #18).
bool isWordCharacter(int32_t codePoint);

/// Code points of one general category ("Lu") or script ("Han").
struct UnicodeAddition {
  int32_t first, last;
  char of[11];
};

/// What Unicode 15.0 to 16.0 added to the general categories other than C and to the scripts that
/// patterns name (pattern.h): libraries of Debian 12 know Unicode 14.0.
llvm::ArrayRef<UnicodeAddition> unicodeAdditions();

} // namespace gptc::runtime
