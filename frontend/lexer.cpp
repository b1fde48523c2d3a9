#include "frontend/lexer.h"

#include "frontend/habits.h"

#include "llvm/Support/JSON.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

namespace gptc {

namespace {

bool isNameStart(unsigned char c) {
  return std::isalpha(c) || c == '_';
}
bool isNamePart(unsigned char c) {
  return std::isalnum(c) || c == '_';
}

class Lexer {
public:
  Lexer(const SourceManager &sources, int32_t file, Diagnostics &diagnostics)
      : text(sources.text(file)), file(file), diagnostics(diagnostics) {}

  std::vector<Token> run() {
    size_t bad = 0;
    if (!llvm::json::isUTF8(text, &bad)) {
      // Most likely no text at all; what else it lacks would be noise.
      diagnostics.error(span(bad, bad + 1),
                        fmt::format("byte 0x{:02x} is not valid UTF-8; a model file is text in UTF-8",
                                    static_cast<unsigned char>(text[bad])));
      at = text.size();
    }
    while (at < text.size() && tokens.size() < mostTokens)
      next();
    if (at < text.size())
      diagnostics
          .error(span(at, at + 1),
                 fmt::format("a model file has at most {} words and signs, and here this one has more",
                             mostTokens))
          .help = "long lists of numbers stand in a file of their own: `param w[1000] = file(\"w.csv\")`";
    add(Token::End, at, at);
    return std::move(tokens);
  }

private:
  const std::string &text;
  int32_t file;
  Diagnostics &diagnostics;
  uint32_t at = 0;
  // Open brackets. A line end inside of ( ) or [ ] is a blank; in { } it counts.
  std::vector<char> open;
  size_t braces = 0; // of them
  /// Far more than anybody writes; a program that writes more should use `repeat`.
  static constexpr size_t mostTokens = 1000000;
  std::vector<Token> tokens;

  Span span(uint32_t begin, uint32_t end) const { return {file, begin, end}; }

  Token &add(Token::Kind kind, uint32_t begin, uint32_t end) {
    tokens.push_back({kind, span(begin, end), text.substr(begin, end - begin), 0, false});
    return tokens.back();
  }

  void next() {
    unsigned char c = text[at];
    if (c == '\n')
      return lineEnd();
    if (c == ' ' || c == '\t' || c == '\r') {
      ++at;
      return;
    }
    if (c == '#') {
      while (at < text.size() && text[at] != '\n')
        ++at;
      return;
    }
    if (isNameStart(c)) {
      uint32_t begin = at;
      while (at < text.size() && isNamePart(text[at]))
        ++at;
      add(Token::Name, begin, at);
      return;
    }
    if (std::isdigit(c) || (c == '.' && at + 1 < text.size() && std::isdigit((unsigned char)text[at + 1])))
      return number();
    if (c == '"')
      return string();
    punctuation();
  }

  void lineEnd() {
    uint32_t begin = at++;
    bool inside = !open.empty() && open.back() != '{';
    if (inside && statementAt(at)) {
      // A forgotten ')' or ']' should not swallow the statements that follow.
      while (!open.empty() && open.back() != '{')
        open.pop_back();
      inside = false;
    }
    if (!inside && !tokens.empty() && tokens.back().kind != Token::Newline)
      add(Token::Newline, begin, begin);
  }

  /// Does the line at `i` start with a keyword and a name?
  bool statementAt(uint32_t i) const {
    while (i < text.size() && (text[i] == ' ' || text[i] == '\t'))
      ++i;
    uint32_t begin = i;
    while (i < text.size() && isNamePart(text[i]))
      ++i;
    std::string_view word = std::string_view(text).substr(begin, i - begin);
    while (i < text.size() && text[i] == ' ')
      ++i;
    if (i >= text.size() || !isNameStart(text[i]))
      return false;
    for (const char *keyword : {"setting", "text", "rows", "pairs", "param", "let", "def", "block", "repeat",
                                "output", "loss", "report"})
      if (word == keyword)
        return true;
    return false;
  }

  void number() {
    uint32_t begin = at;
    bool integer = true;
    auto digits = [&] {
      while (at < text.size() && (std::isdigit((unsigned char)text[at]) || text[at] == '_'))
        ++at;
    };
    digits();
    // `2..` is a number and a rest, not 2. and a dot.
    if (at < text.size() && text[at] == '.' && !(at + 1 < text.size() && text[at + 1] == '.')) {
      integer = false;
      ++at;
      digits();
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
      uint32_t mark = at++;
      if (at < text.size() && (text[at] == '+' || text[at] == '-'))
        ++at;
      if (at < text.size() && std::isdigit((unsigned char)text[at])) {
        integer = false;
        digits();
      } else {
        at = mark;
      }
    }
    uint32_t numberEnd = at;
    if (at < text.size() && isNamePart(text[at])) {
      uint32_t end = at;
      while (end < text.size() && isNamePart(text[end]))
        ++end;
      std::string unit = text.substr(at, end - at);
      if (unit == "s" || unit == "min" || unit == "h") { // a time, where the parser takes one
        at = end;
        addNumber(begin, numberEnd, integer).unit = unit;
        return;
      }
      diagnostics
          .error(span(begin, end),
                 fmt::format("'{}' is neither a number nor a name", text.substr(begin, end - begin)))
          .help = "a name starts with a letter; between a number and a name stands an operator";
      at = end;
    }
    addNumber(begin, at, integer);
  }

  Token &addNumber(uint32_t begin, uint32_t numberEnd, bool integer) {
    Token &token = add(Token::Number, begin, at);
    std::string digitsOnly;
    for (char c : token.text.substr(0, numberEnd - begin))
      if (c != '_')
        digitsOnly += c;
    token.number = std::strtod(digitsOnly.c_str(), nullptr);
    token.isInteger = integer;
    if (!std::isfinite(token.number)) {
      diagnostics.error(token.span, fmt::format("number {} is too large", token.text));
      token.number = 0;
    }
    return token;
  }

  void string() {
    uint32_t begin = at++;
    std::string value;
    while (at < text.size() && text[at] != '"' && text[at] != '\n') {
      char c = text[at++];
      if (c == '\\' && at < text.size()) {
        char escaped = text[at++];
        switch (escaped) {
        case 'n': c = '\n'; break;
        case 't': c = '\t'; break;
        case '\\':
        case '"': c = escaped; break;
        default:
          diagnostics.error(span(at - 2, at), fmt::format("unknown escape '\\{}' in a string", escaped))
              .help = "known are \\n, \\t, \\\\ and \\\"";
          c = escaped;
        }
      }
      value += c;
    }
    if (at >= text.size() || text[at] != '"') {
      diagnostics.error(span(begin, at), "this string has no end on its line").help = "close it with \"";
    } else {
      ++at;
    }
    add(Token::String, begin, at).text = std::move(value);
  }

  void punctuation() {
    static const char *const two[] = {"<=", ">=", "==", "!=", "->", ".."};
    for (const char *candidate : two) {
      if (text.compare(at, 2, candidate) == 0) {
        add(Token::Punctuation, at, at + 2);
        at += 2;
        return;
      }
    }
    if (const ForeignSign *foreign = foreignSign(std::string_view(text).substr(at))) {
      uint32_t begin = at;
      at += uint32_t(std::string_view(foreign->sign).size());
      diagnostics.error(span(begin, at), fmt::format("'{}' is no sign of this language", foreign->sign))
          .help = foreign->help;
      if (*foreign->sign == '\'') { // what it encloses is a string
        while (at < text.size() && text[at] != '\n' && text[at] != '\'')
          ++at;
        add(Token::String, begin, at).text = text.substr(begin + 1, at - begin - 1);
        at += at < text.size() && text[at] == '\'';
      }
      if (*foreign->sign == '?') // nothing behind it can be understood
        while (at < text.size() && text[at] != '\n')
          ++at;
      if (*foreign->meant) {
        bool word = std::isalpha(static_cast<unsigned char>(*foreign->meant));
        add(word ? Token::Name : Token::Punctuation, begin, at).text = foreign->meant;
      }
      return;
    }
    char c = text[at];
    if (std::string_view("+-*/%^()[]{},:;=~<>.").find(c) != std::string_view::npos) {
      if (c == '(' || c == '[' || c == '{')
        open.push_back(c);
      braces += c == '{';
      if ((c == ')' || c == ']' || c == '}') && !open.empty())
        closeBracket(c);
      add(Token::Punctuation, at, at + 1);
      ++at;
      return;
    }
    uint32_t begin = at++;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80)
      ++at;
    unsigned char first = text[begin];
    std::string shown =
        first < 0x20 || first == 0x7F ? fmt::format("\\x{:02x}", first) : text.substr(begin, at - begin);
    diagnostics.error(span(begin, at), fmt::format("unexpected character '{}'", shown));
  }

  /// A closing brace ends forgotten ( and [ too, so that one mistake stays in its block.
  void closeBracket(char c) {
    char wanted = c == ')' ? '(' : c == ']' ? '[' : '{';
    if (c == '}') {
      if (braces == 0)
        return;
      --braces;
      for (size_t i = open.size(); i-- > 0;)
        if (open[i] == '{') {
          open.resize(i);
          return;
        }
      return;
    }
    if (open.back() == wanted)
      open.pop_back();
  }
};

} // namespace

std::vector<Token> tokenize(const SourceManager &sources, int32_t file, Diagnostics &diagnostics) {
  return Lexer(sources, file, diagnostics).run();
}

} // namespace gptc
