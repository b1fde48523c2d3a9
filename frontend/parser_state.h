// The parser's state and productions; parser.h is what others call. Tokens here, expressions in
// parse_expressions.cpp, declarations and statements in parse_statements.cpp.
#pragma once

#include "frontend/lexer.h"
#include "frontend/parser.h"

#include <fmt/format.h>

namespace gptc {

using namespace ast;

/// Recursive descent. A production that fails has reported its error, sets
/// `failed` and returns at once; the statement is then skipped as a whole.
class Parser {
public:
  Parser(const SourceManager &sources, int32_t file, Diagnostics &diagnostics)
      : tokens(tokenize(sources, file, diagnostics)), diagnostics(diagnostics) {}

  std::vector<Statement> run() {
    std::vector<Statement> result;
    while (true) {
      skipSeparators();
      if (current().kind == Token::End)
        return result;
      if (isPunctuation("}")) {
        error(current().span, "unexpected '}': no block is open here");
        failed = false;
        ++at;
        continue;
      }
      statement(result);
      recover();
    }
  }

  /// The whole text as a value of train { }.
  ExprPtr value() {
    inConfig = true;
    skipNewlines();
    ExprPtr result = expression();
    skipSeparators();
    if (!failed && current().kind != Token::End)
      expected("the end of the value");
    return failed ? nullptr : std::move(result);
  }

private:
  std::vector<Token> tokens;
  Diagnostics &diagnostics;
  size_t at = 0;
  bool failed = false;
  Diagnostic *lastError = nullptr;
  bool inConfig = false; // train { } and generate { }
  int depth = 0;
  static constexpr int maxDepth = 200;
  static constexpr int mostOperators = 10000; // one after the other
  mutable size_t noBinders = 0;               // bindersAhead() has looked so far and found none

  //===-- Tokens --------------------------------------------------------------===//

  const Token &current() const { return tokens[at]; }
  const Token &peek(size_t n = 1) const { return tokens[std::min(at + n, tokens.size() - 1)]; }
  static bool isPunctuation(const Token &token, std::string_view text) {
    return token.kind == Token::Punctuation && token.text == text;
  }
  bool isPunctuation(std::string_view text) const { return isPunctuation(current(), text); }
  bool isName(std::string_view text) const { return current().kind == Token::Name && current().text == text; }
  bool accept(std::string_view text) {
    if (!isPunctuation(text))
      return false;
    ++at;
    return true;
  }
  Span before() const { return at ? tokens[at - 1].span : tokens[0].span; }

  static std::string describe(const Token &token) {
    switch (token.kind) {
    case Token::End: return "the end of the file";
    case Token::Newline: return "the end of the line";
    case Token::String: return "a string";
    default: return "'" + token.text + "'";
    }
  }

  Diagnostic *error(Span span, std::string message) {
    if (failed)
      return nullptr;
    failed = true;
    lastError = &diagnostics.error(span, std::move(message));
    return lastError;
  }

  void expected(std::string_view what, std::string help = {}) {
    Span span = current().span;
    if (current().kind == Token::Newline || current().kind == Token::End)
      span = {span.file, before().end > 0 ? before().end - 1 : 0, before().end};
    if (Diagnostic *d = error(span, fmt::format("expected {}, found {}", what, describe(current()))))
      d->help = std::move(help);
  }

  bool expect(std::string_view text, std::string_view context) {
    if (accept(text))
      return true;
    expected(fmt::format("'{}' {}", text, context));
    return false;
  }

  Name name(std::string_view what) {
    if (current().kind != Token::Name) {
      expected(what);
      return {};
    }
    Name result{current().text, current().span};
    ++at;
    return result;
  }

  void skipNewlines() {
    while (current().kind == Token::Newline)
      ++at;
  }
  void skipSeparators() {
    while (current().kind == Token::Newline || isPunctuation(";"))
      ++at;
  }

  /// What helps where a statement goes on that should have ended.
  std::string endHelp() const;
  /// After a statement: its end must follow; after a failed one, go to its end.
  void recover() {
    if (!failed && current().kind != Token::Newline && current().kind != Token::End && !isPunctuation(";") &&
        !isPunctuation("}"))
      expected("the end of the statement", endHelp());
    if (!failed)
      return;
    int braces = 0;
    while (current().kind != Token::End) {
      if (isPunctuation("{"))
        ++braces;
      if (isPunctuation("}") && braces-- == 0)
        break;
      if (braces == 0 && (current().kind == Token::Newline || isPunctuation(";")))
        break;
      if (braces == 0 && at > 0 && tokens[at - 1].kind == Token::Newline && startsStatement())
        break;
      ++at;
    }
    failed = false;
  }

  //===-- Expressions ----------------------------------------------------------===//

  ExprPtr make(Expr::Kind kind, Span span, std::string text = {});
  ExprPtr binary(const Token &op, ExprPtr left, ExprPtr right);

  /// Level 0: or; 1: and; 2: comparison; 3: + -; 4: * / %.
  bool operatorAt(int level) const;
  ExprPtr expression(int level = 0);
  ExprPtr negation();
  ExprPtr prefix(const Token &op, ExprPtr operand);
  ExprPtr unary();
  ExprPtr postfix();
  ExprPtr primary();
  /// `10min` as `seconds(600)`; only train { } and generate { } have times.
  ExprPtr time(const Token &token, ExprPtr number);

  /// `(e)`, a list `(a, b)`, or a list `[a, b]`.
  ExprPtr listOrGroup();
  bool closing(const Token &open, const char *close);

  /// Does `i, j:` or `t where` stand here? (Binders, or a key with its value.)
  bool bindersAhead(bool several) const;
  ExprPtr call(ExprPtr callee);
  bool groupAhead() const;
  ExprPtr indexExpression();
  std::vector<Name> group();
  ExprPtr subscript(ExprPtr base);

  //===-- Declarations --------------------------------------------------------===//

  /// `[t, hidden: 3, 4, (h e), ..]`, the opening bracket being current.
  std::vector<Dimension> dimensions();

  /// One or more elements; a line may end after a comma.
  template <typename F> void list(F element) {
    element();
    while (!failed && accept(",")) {
      skipNewlines();
      element();
    }
  }

  /// `name = value, ...` of setting (separator "="), `name: value` of train (":").
  Field field(const char *separator);
  std::unique_ptr<Body> body();

  //===-- Statements -----------------------------------------------------------===//

  using Rule = void (Parser::*)(Statement &);
  static Rule ruleOf(const std::string &keyword);
  bool assignmentAhead() const;
  bool keywordAhead() const;
  bool startsStatement() const;
  void statement(std::vector<Statement> &out);
  void unknownKeyword();
  void use(Statement &s);
  void setting(Statement &s);
  void data(Statement &s);
  void param(Statement &s);
  void let(Statement &s);
  FormalInput formalInput();
  void def(Statement &s);

  /// Are there two groups of parentheses here, settings and inputs?
  bool twoGroups() const;
  void block(Statement &s);
  void repeat(Statement &s);
  void output(Statement &s);
  void loss(Statement &s);
  void report(Statement &s);
  void config(Statement &s);
};

} // namespace gptc
