// Regular expressions as Oniguruma reads them, run by PCRE2.
#pragma once

#include "runtime/error.h"

#include <memory>
#include <optional>
#include <utility>

namespace gptc::runtime {

/// A regular expression, or a string, to find in valid UTF-8. A copy shares the compiled code; one
/// search at a time.
class Pattern {
public:
  /// A regular expression of the part of Oniguruma's syntax where what it matches is certain: groups,
  /// lookaround, alternatives, repetition, classes of characters, general categories and common scripts
  /// (Unicode 16.0), `(?i:` on ASCII letters. An error names what is not in that part, and where.
  static llvm::Expected<Pattern> regex(llvm::StringRef expression);
  /// A string as it is, not empty.
  static Pattern string(llvm::StringRef text);

  using Match = std::pair<size_t, size_t>; // bytes: begin and end
  /// The matches of a text from left to right; none overlaps another, and an empty one does not follow
  /// another one immediately.
  class Matches {
  public:
    Matches(const Pattern &pattern, llvm::StringRef text) : pattern(pattern), text(text) {}
    /// Nothing after the last one, or where the search fails.
    std::optional<Match> next();
    /// Why the search failed (too much backtracking); success where it did not.
    llvm::Error takeError();

  private:
    const Pattern &pattern;
    llvm::StringRef text;
    size_t from = 0;
    std::optional<size_t> lastEnd;
    int problem = 0;
  };

private:
  struct Code;
  std::shared_ptr<Code> code; // null for a string
  std::string literal;
};

/// An Oniguruma expression as one of PCRE2 (UTF, UCP, MULTILINE, line feeds as line ends) that matches the
/// same. Errors as for Pattern::regex.
llvm::Expected<std::string> translatePattern(llvm::StringRef expression);

} // namespace gptc::runtime
