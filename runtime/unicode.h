// Classes of characters.
#pragma once

#include <cstdint>

namespace gptc::runtime {

/// What a character is where text is split into words: Unicode 16.0's general
/// categories L* and N*, the property White_Space, and all the rest.
enum class CharacterClass { Letter, Number, Space, Other };

CharacterClass classOf(int32_t codePoint);

} // namespace gptc::runtime
