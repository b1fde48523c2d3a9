// Lines of a text: where they end, and which ones a message means.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <string>

namespace gptc::runtime {

/// Takes the next line off a text, without the "\n" or "\r\n" that ends it.
/// Any other "\r" is part of the line.
llvm::StringRef nextLine(llvm::StringRef &text);

/// "line 3", or "lines 3, 17, 20, 21, 40 and 12 more". Lines count from 1.
std::string nameLines(llvm::ArrayRef<int64_t> lines);

/// The text with lines wider than `columns` broken between words. What goes on is indented by two
/// columns more than its line; a word that is too long stays whole.
std::string wrapLines(llvm::StringRef text, size_t columns);

} // namespace gptc::runtime
