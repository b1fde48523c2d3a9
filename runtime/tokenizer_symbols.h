// Bytes as a byte-level tokenizer.json writes them, one character a byte.
#pragma once

#include "llvm/ADT/StringRef.h"

#include <array>
#include <optional>
#include <string>

namespace gptc::runtime {

/// The 256 bytes in the order in which a vocabulary has them: those whose symbol is the character itself,
/// then the others.
const std::array<uint8_t, 256> &byteOrder();
/// The symbols of bytes: U+0021 to U+007E, U+00A1 to U+00AC and U+00AE to U+00FF are bytes of that number,
/// U+0100 to U+0143 the others in their order (a blank is U+0120).
std::string byteSymbols(llvm::StringRef bytes);
/// The bytes of symbols; nothing where a character is none.
std::optional<std::string> symbolBytes(llvm::StringRef symbols);

} // namespace gptc::runtime
