// Text to tokens.
#pragma once

#include "frontend/source.h"

#include <vector>

namespace gptc {

struct Token {
  enum Kind {
    End,
    Newline, // one or more line ends outside of ( ) and [ ]
    Name,
    Number,
    String,
    Punctuation, // text is the operator: + - * / % ^ ( ) [ ] { } , : ; = ~ < <= > >= == != -> . ..
  } kind = End;
  Span span;
  std::string text;   // String: its contents; else as written
  double number = 0;  // Number
  bool isInteger = false;
  std::string unit;   // Number: of a time, "s", "min" or "h", written right behind it
};

/// All tokens of a file, ending in End. Comments (`#` to the end of the line) and blanks are dropped.
/// Bad characters and unfinished strings are reported and skipped.
std::vector<Token> tokenize(const SourceManager &sources, int32_t file, Diagnostics &diagnostics);

} // namespace gptc
