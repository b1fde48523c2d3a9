// UTF-8 by code points.
#pragma once

#include "runtime/error.h"

#include <cstdint>
#include <string>

namespace gptc::runtime {

/// The code point at `at`, which moves behind it. -1, and `at` stays, where no
/// valid character starts there (overlong forms and surrogates included).
int32_t nextCodePoint(llvm::StringRef text, size_t &at);
/// Appends a code point's bytes.
void appendCodePoint(std::string &text, int32_t codePoint);
/// An error with line and byte for the first byte that is not valid UTF-8.
llvm::Error checkUtf8(llvm::StringRef text, llvm::StringRef source);
/// The same for a part of a text: the place is that in `whole`.
llvm::Error checkUtf8(llvm::StringRef part, llvm::StringRef whole, llvm::StringRef source);
/// The bytes of a text file without the byte order mark (U+FEFF) that UTF-8 may begin with.
/// An error for UTF-16 and UTF-32, which their marks or their zero bytes tell.
llvm::Expected<llvm::StringRef> plainText(llvm::StringRef bytes, llvm::StringRef source);
/// How many characters a text has: bytes that begin one.
size_t characterCount(llvm::StringRef text);
/// "'é' (U+00E9)", for messages.
std::string describeCharacter(int32_t codePoint);
/// A text as messages quote it: on one line, its first characters and how many bytes it has where it is long, other bytes
/// than those of characters that can be seen as \xNN.
std::string shown(llvm::StringRef text);
/// How many leading bytes form whole characters; what follows is the start of
/// one that may still be completed.
size_t wholeCharacters(llvm::StringRef bytes);
/// The text with every invalid byte as U+FFFD; or `byParts` with one for all bytes of a character that is
/// begun and breaks off.
std::string repairUtf8(llvm::StringRef bytes, bool byParts = false);

} // namespace gptc::runtime
