#include "frontend/habits.h"
#include "frontend/parser_state.h"

#include <cctype>

namespace gptc {

ExprPtr Parser::make(Expr::Kind kind, Span span, std::string text) {
  auto result = std::make_unique<Expr>();
  result->kind = kind;
  result->span = span;
  result->text = std::move(text);
  return result;
}

ExprPtr Parser::binary(const Token &op, ExprPtr left, ExprPtr right) {
  if (!left || !right)
    return nullptr;
  auto result = make(Expr::Binary, left->span.to(right->span), op.text);
  result->children.push_back(std::move(left));
  result->children.push_back(std::move(right));
  return result;
}

bool Parser::operatorAt(int level) const {
  const Token &token = current();
  if (level == 0)
    return isName("or");
  if (level == 1)
    return isName("and");
  if (token.kind != Token::Punctuation)
    return false;
  const std::string &t = token.text;
  if (level == 2)
    return t == "<" || t == "<=" || t == ">" || t == ">=" || t == "==" || t == "!=";
  if (level == 3)
    return t == "+" || t == "-";
  return level == 4 && (t == "*" || t == "/" || t == "%"); // beyond are operands only
}

ExprPtr Parser::expression(int level) {
  if (++depth > maxDepth) {
    error(current().span, "this expression is nested too deeply");
    --depth;
    return nullptr;
  }
  ExprPtr result = level == 2 && isName("not") ? negation() : level > 4 ? unary() : expression(level + 1);
  int operators = 0;
  while (result && !failed && operatorAt(level)) {
    Token op = current();
    if (++operators > mostOperators) {
      if (Diagnostic *d =
              error(op.span, fmt::format("more than {} operators one after the other", mostOperators)))
        d->help = "write a sum of indexed values as `sum(i: ...)`, or parts of it as lets";
      result = nullptr;
      break;
    }
    ++at;
    skipNewlines();
    ExprPtr right = expression(level + 1);
    if (right && level == 2 && operatorAt(2)) {
      if (Diagnostic *d = error(current().span, "comparisons do not chain"))
        d->help = "write `a < b and b < c`";
      right = nullptr;
    }
    result = binary(op, std::move(result), std::move(right));
  }
  --depth;
  return failed ? nullptr : std::move(result);
}

ExprPtr Parser::negation() {
  Token op = current();
  ++at;
  return prefix(op, expression(2));
}

ExprPtr Parser::prefix(const Token &op, ExprPtr operand) {
  if (!operand)
    return nullptr;
  auto result = make(Expr::Unary, op.span.to(operand->span), op.text);
  result->children.push_back(std::move(operand));
  return result;
}

ExprPtr Parser::unary() {
  if (isPunctuation("-") || isPunctuation("+")) {
    Token op = current();
    ++at;
    if (++depth > maxDepth) {
      error(current().span, "this expression is nested too deeply");
      --depth;
      return nullptr;
    }
    ExprPtr operand = unary();
    --depth;
    return op.text == "+" ? std::move(operand) : prefix(op, std::move(operand));
  }
  ExprPtr base = postfix();
  if (base && isPunctuation("^")) {
    Token op = current();
    ++at;
    skipNewlines();
    return binary(op, std::move(base), unary()); // right-associative, -x^2 = -(x^2)
  }
  return base;
}

ExprPtr Parser::postfix() {
  ExprPtr result = primary();
  for (int count = 0; result && !failed; ++count) {
    if (count == maxDepth && (isPunctuation("(") || isPunctuation("[") || isPunctuation("."))) {
      error(current().span, "this expression is nested too deeply");
      return nullptr;
    }
    if (isPunctuation("("))
      result = call(std::move(result));
    else if (isPunctuation("["))
      result = subscript(std::move(result));
    else if (isPunctuation(".")) {
      ++at;
      Name member = name("a name after '.'");
      if (failed)
        return nullptr;
      auto node = make(Expr::Member, result->span.to(member.span), member.text);
      node->children.push_back(std::move(result));
      result = std::move(node);
    } else
      break;
  }
  return failed ? nullptr : std::move(result);
}

ExprPtr Parser::primary() {
  const Token token = current();
  switch (token.kind) {
  case Token::Number: {
    ++at;
    auto result = make(Expr::Number, token.span, token.text);
    result->number = token.number;
    result->isInteger = token.isInteger;
    return token.unit.empty() ? std::move(result) : time(token, std::move(result));
  }
  case Token::String:
    ++at;
    return make(Expr::String, token.span, token.text);
  case Token::Name:
    // `let a = 1 +` and then a line `let b = 2`: what is missing is on the first.
    if (peek().kind == Token::Name && ruleOf(token.text))
      break;
    ++at;
    return make(Expr::Name, token.span, token.text);
  default:
    break;
  }
  if (isPunctuation("(") || isPunctuation("["))
    return listOrGroup();
  expected("an expression", isPunctuation(":")
                                ? "a whole dimension is left out, `w[1]`, or has an index of the let: "
                                  "`let y[i] = w[i, 0]`"
                            : token.kind == Token::Punctuation && token.text == ".." && peek().text == "."
                                ? "`..` stands for all leading indices"
                                : "");
  return nullptr;
}

ExprPtr Parser::time(const Token &token, ExprPtr number) {
  if (!inConfig) {
    if (Diagnostic *d = error(token.span, fmt::format("'{}' is neither a number nor a name", token.text)))
      d->help = "a name starts with a letter; between a number and a name stands an operator";
    return nullptr;
  }
  number->number *= token.unit == "h" ? 3600 : token.unit == "min" ? 60 : 1;
  number->text = fmt::format("{}", number->number);
  auto result = make(Expr::Call, token.span);
  result->children.push_back(make(Expr::Name, token.span, "seconds"));
  Argument argument;
  argument.span = token.span;
  argument.value = std::move(number);
  result->arguments.push_back(std::move(argument));
  return result;
}

ExprPtr Parser::listOrGroup() {
  Token open = current();
  bool square = open.text == "[";
  const char *close = square ? "]" : ")";
  ++at;
  auto list = make(Expr::List, open.span);
  bool comma = false;
  skipNewlines();
  while (!isPunctuation(close)) {
    ExprPtr element = expression();
    if (!element)
      return nullptr;
    list->children.push_back(std::move(element));
    skipNewlines();
    if (!accept(","))
      break;
    comma = true;
    skipNewlines();
  }
  if (!closing(open, close))
    return nullptr;
  list->span = open.span.to(before());
  if (!square && list->children.empty()) {
    error(list->span, "expected an expression between '(' and ')'");
    return nullptr;
  }
  if (square || comma)
    return list;
  ExprPtr inner = std::move(list->children[0]);
  inner->span = list->span; // the parentheses belong to it
  return inner;
}

bool Parser::closing(const Token &open, const char *close) {
  skipNewlines();
  if (accept(close))
    return true;
  if (!failed) {
    expected(fmt::format("'{}'", close));
    lastError->notes.push_back({open.span, fmt::format("'{}' was opened here", open.text)});
  }
  return false;
}

bool Parser::bindersAhead(bool several) const {
  size_t i = at;
  if (several && at < noBinders) // in the middle of a list of names that has ended without
    return false;
  while (tokens[i].kind == Token::Name) {
    const Token &after = tokens[i + 1];
    if (isPunctuation(after, ":") || (after.kind == Token::Name && after.text == "where"))
      return true;
    if (!several || !isPunctuation(after, ","))
      break;
    i += 2;
  }
  if (several)
    noBinders = i;
  return false;
}

ExprPtr Parser::call(ExprPtr callee) {
  // Only functions take several binders: in `Linear(c, bias: 0)` and in
  // train { }, `c` before `bias:` is an argument of its own.
  bool several = !inConfig && callee->kind == Expr::Name && std::islower((unsigned char)callee->text[0]);
  Token open = current();
  ++at;
  auto result = make(Expr::Call, callee->span);
  Span start = callee->span;
  result->children.push_back(std::move(callee));
  skipNewlines();
  while (!isPunctuation(")")) {
    Argument argument;
    argument.span = current().span;
    if (bindersAhead(several)) {
      do {
        skipNewlines();
        argument.names.push_back(name("an index"));
      } while (!failed && accept(","));
      if (isName("where")) {
        ++at;
        argument.condition = expression();
      }
      if (failed || !expect(":", "after the index"))
        return nullptr;
      skipNewlines();
    }
    argument.value = expression();
    if (!argument.value)
      return nullptr;
    argument.span = argument.span.to(argument.value->span);
    result->arguments.push_back(std::move(argument));
    skipNewlines();
    if (!accept(","))
      break;
    skipNewlines();
  }
  if (!closing(open, ")"))
    return nullptr;
  result->span = start.to(before());
  return result;
}

bool Parser::groupAhead() const {
  return isPunctuation("(") && peek(1).kind == Token::Name && peek(2).kind == Token::Name &&
         peek(2).text != "and" && peek(2).text != "or";
}

ExprPtr Parser::indexExpression() {
  ExprPtr result = expression();
  if (result && result->kind == Expr::List) {
    if (Diagnostic *d = error(result->span, "expected an index, found a list"))
      d->help = "the indices of a group stand side by side: `(h e)`";
    return nullptr;
  }
  return result;
}

std::vector<Name> Parser::group() {
  std::vector<Name> names;
  ++at;
  while (!failed && current().kind == Token::Name)
    names.push_back(name("an index"));
  if (!failed && isPunctuation(","))
    expected("')' (the indices of a group stand side by side, without commas)");
  else
    expect(")", "after the group's indices");
  return names;
}

ExprPtr Parser::subscript(ExprPtr base) {
  Token open = current();
  ++at;
  auto result = make(Expr::Subscript, base->span);
  Span start = base->span;
  result->children.push_back(std::move(base));
  while (!isPunctuation("]")) {
    Index index;
    index.span = current().span;
    if (accept("..")) {
      index.kind = Index::Rest;
    } else if (groupAhead()) {
      index.kind = Index::Group;
      index.group = group();
    } else {
      index.expr = indexExpression();
    }
    if (failed)
      return nullptr;
    index.span = index.span.to(before());
    result->indices.push_back(std::move(index));
    if (isPunctuation(":")) {
      expected("',' or ']'",
               "a part of a value is a let with a range of its own: `let part[i: 2] = x[i + 1]`");
      return nullptr;
    }
    if (isPunctuation(".") && before().end == current().span.begin) {
      expected("',' or ']'", "`..` stands for all leading indices");
      return nullptr;
    }
    if (!accept(","))
      break;
  }
  if (!closing(open, "]"))
    return nullptr;
  result->span = start.to(before());
  return result;
}

} // namespace gptc
