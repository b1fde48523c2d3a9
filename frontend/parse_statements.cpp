#include "frontend/habits.h"
#include "frontend/parser_state.h"

namespace gptc {

std::vector<Dimension> Parser::dimensions() {
  std::vector<Dimension> result;
  Token open = current();
  if (!expect("[", "before the dimensions"))
    return result;
  while (!failed && !isPunctuation("]")) {
    Dimension dim;
    dim.span = current().span;
    if (accept("..")) {
      dim.kind = Dimension::Rest;
    } else if (groupAhead()) {
      dim.kind = Dimension::Group;
      dim.group = group();
    } else if (current().kind == Token::Name && (isPunctuation(peek(), ",") || isPunctuation(peek(), "]"))) {
      dim.name = name("an index");
    } else if (current().kind == Token::Name && isPunctuation(peek(), ":")) {
      dim.kind = Dimension::Sized;
      dim.name = name("an index");
      ++at;
      dim.size = expression();
    } else if (current().kind == Token::Name && isPunctuation(peek(), "<")) {
      dim.kind = Dimension::Bounded;
      dim.name = name("an index");
      ++at;
      dim.size = expression();
    } else {
      dim.kind = Dimension::Anonymous;
      dim.size = indexExpression();
    }
    dim.span = dim.span.to(before());
    result.push_back(std::move(dim));
    if (!accept(","))
      break;
  }
  if (!failed)
    closing(open, "]");
  return result;
}

Field Parser::field(const char *separator) {
  Field result;
  result.name = name("a name");
  if (!failed && expect(separator, fmt::format("after '{}'", result.name.text)))
    result.value = expression();
  return result;
}

std::unique_ptr<Body> Parser::body() {
  skipNewlines();
  Token open = current();
  auto result = std::make_unique<Body>();
  result->span = open.span;
  if (!expect("{", "before the body"))
    return nullptr;
  while (true) {
    skipSeparators();
    if (isPunctuation("}") || current().kind == Token::End)
      break;
    if (startsStatement()) {
      if (result->value && !failed) {
        error(result->value->span, "a body's value must be its last line");
        recover();
        result->value = nullptr;
      }
      statement(result->statements);
    } else {
      ExprPtr value = expression();
      if (result->value && value)
        error(result->value->span, "a body has one value, its last line; this one is not used");
      if (value)
        result->value = std::move(value);
    }
    recover();
  }
  if (!closing(open, "}"))
    return nullptr;
  result->span = open.span.to(before());
  return result;
}

Parser::Rule Parser::ruleOf(const std::string &keyword) {
  static const std::pair<const char *, Rule> rules[] = {
      {"use", &Parser::use},       {"setting", &Parser::setting}, {"text", &Parser::data},
      {"rows", &Parser::data},     {"pairs", &Parser::data},      {"param", &Parser::param},
      {"let", &Parser::let},       {"def", &Parser::def},         {"block", &Parser::block},
      {"repeat", &Parser::repeat}, {"output", &Parser::output},   {"loss", &Parser::loss},
      {"report", &Parser::report}, {"train", &Parser::config},    {"generate", &Parser::config}};
  for (auto &[text, rule] : rules)
    if (keyword == text)
      return rule;
  return nullptr;
}

bool Parser::assignmentAhead() const { return current().kind == Token::Name && isPunctuation(peek(), "="); }

bool Parser::keywordAhead() const {
  if (current().kind != Token::Name || !ruleOf(current().text))
    return false;
  // `text` and the like may be names too: a keyword is not followed by these.
  const Token &next = peek();
  return next.kind == Token::Name || next.kind == Token::String || next.kind == Token::Number ||
         isPunctuation(next, "{") || isPunctuation(next, "(") || isPunctuation(next, "-") ||
         next.kind == Token::Newline || next.kind == Token::End;
}

bool Parser::startsStatement() const {
  if (assignmentAhead())
    return true;
  if (!keywordAhead())
    return false;
  // A call or a value on a line of its own: `text(x)`, `loss`.
  const Token &next = peek();
  return !(isPunctuation(next, "(") || isPunctuation(next, "-")) || current().text == "loss";
}

void Parser::statement(std::vector<Statement> &out) {
  Statement s;
  s.span = current().span;
  if (assignmentAhead()) {
    list([&] {
      Statement assign;
      assign.kind = Statement::Assign;
      assign.span = current().span;
      assign.name = name("a name");
      if (failed || !expect("=", "after the name"))
        return;
      assign.value = expression();
      assign.span = assign.span.to(before());
      if (!failed)
        out.push_back(std::move(assign));
    });
    return;
  }
  if (!keywordAhead()) {
    if (current().kind == Token::Name)
      unknownKeyword();
    else
      expected("a statement", "a line starts with one of use, setting, text, rows, pairs, param, let, def, block, "
                              "repeat, output, loss, report, train, generate, or with `name = ...`");
    return;
  }
  s.text = current().text;
  Rule rule = ruleOf(s.text);
  ++at;
  (this->*rule)(s);
  s.span = s.span.to(before());
  if (!failed)
    out.push_back(std::move(s));
}

std::string Parser::endHelp() const {
  std::string habit = current().kind == Token::Name ? helpForStatement(current().text) : "";
  const Token *last = at && tokens[at - 1].kind == Token::Name ? &tokens[at - 1] : nullptr;
  if (habit.empty() && last)
    habit = helpForName(last->text);
  bool startsLine = at < 2 || tokens[at - 2].kind == Token::Newline || isPunctuation(tokens[at - 2], "{");
  if (habit.empty() && last && startsLine) // `return x`: it was taken for a value
    habit = helpForStatement(last->text);
  return habit.empty() ? "statements stand on lines of their own, or are separated by ';'" : habit;
}

void Parser::unknownKeyword() {
  Diagnostic *d = error(current().span, fmt::format("'{}' does not start a statement", current().text));
  if (!d)
    return;
  d->help = helpForStatement(current().text);
  if (d->help.empty())
    d->help = isPunctuation(peek(), "[")
                  ? fmt::format("a value is defined with `let {}[...] = ...`", current().text)
                  : "a line starts with one of use, setting, text, rows, pairs, param, let, "
                    "def, block, repeat, output, loss, report, train, generate, or with "
                    "`name = ...`";
}

void Parser::use(Statement &s) {
  s.kind = Statement::Use;
  if (current().kind != Token::String)
    return expected("the file's name in quotes", "write `use \"blocks.gpt\"`");
  s.text = current().text;
  ++at;
}

void Parser::setting(Statement &s) {
  s.kind = Statement::Setting;
  list([&] { s.fields.push_back(field("=")); });
}

void Parser::data(Statement &s) {
  s.kind = Statement::Data;
  list([&] {
    DataDecl decl;
    decl.name = name("the data's name");
    if (!failed && isPunctuation("["))
      decl.dims = dimensions();
    if (!failed && accept("="))
      decl.value = expression();
    s.data.push_back(std::move(decl));
  });
  if (!failed && accept(":"))
    s.value = expression();
}

void Parser::param(Statement &s) {
  s.kind = Statement::Param;
  list([&] {
    ParamDecl decl;
    decl.name = name("the parameter's name");
    if (!failed && isPunctuation("["))
      decl.dims = dimensions();
    if (!failed && (isPunctuation("~") || isPunctuation("="))) {
      decl.distribution = current().text == "~";
      ++at;
      decl.init = expression();
    }
    s.params.push_back(std::move(decl));
  });
  // `wq[..], wk[..] ~ d`: the next initialiser holds for those without.
  bool later = false, distribution = false;
  for (size_t i = s.params.size(); i-- > 0;) {
    ParamDecl &decl = s.params[i];
    if (decl.init) {
      later = true;
      distribution = decl.distribution;
    } else if (later) {
      decl.sharesInit = true;
      decl.distribution = distribution;
    }
  }
}

void Parser::let(Statement &s) {
  s.kind = Statement::Let;
  s.name = name("the value's name");
  if (!failed && isPunctuation("[")) {
    s.hasDims = true;
    s.dims = dimensions();
  }
  if (failed || !expect("=", fmt::format("after '{}'", s.name.text)))
    return;
  skipNewlines();
  s.value = expression();
}

FormalInput Parser::formalInput() {
  FormalInput input;
  input.name = name("an input's name");
  if (!failed && isPunctuation("[")) {
    input.hasDims = true;
    input.dims = dimensions();
  }
  return input;
}

void Parser::def(Statement &s) {
  s.kind = Statement::Def;
  s.name = name("the function's name");
  if (failed || !expect("(", "before the function's arguments"))
    return;
  if (bindersAhead(true)) {
    do
      s.binders.push_back(name("an index"));
    while (!failed && accept(","));
    if (failed || !expect(":", "after the indices"))
      return;
  }
  if (!isPunctuation(")"))
    list([&] { s.inputs.push_back(formalInput()); });
  if (failed || !expect(")", "after the function's arguments"))
    return;
  if (accept("=")) {
    skipNewlines();
    s.body = std::make_unique<Body>();
    s.body->value = expression();
    if (s.body->value)
      s.body->span = s.body->value->span;
  } else {
    s.body = body();
  }
  if (!failed && isName("gradient")) {
    ++at;
    s.gradient = expression();
  }
}

bool Parser::twoGroups() const {
  int level = 0;
  for (size_t i = at; i < tokens.size(); ++i) {
    if (tokens[i].kind == Token::Newline || isPunctuation(tokens[i], "{"))
      return false;
    if (isPunctuation(tokens[i], "("))
      ++level;
    if (isPunctuation(tokens[i], ")") && --level == 0)
      return isPunctuation(tokens[i + 1], "(");
  }
  return false;
}

void Parser::block(Statement &s) {
  s.kind = Statement::Block;
  s.name = name("the block's name");
  if (failed || !isPunctuation("("))
    return expected("'(' before the block's inputs");
  if (twoGroups()) {
    ++at;
    if (!isPunctuation(")"))
      list([&] {
        FormalSetting formal;
        formal.name = name("a setting's name");
        if (!failed && accept("(")) {
          formal.isFunction = true;
          list([&] { formal.parameters.push_back(name("an index")); });
          expect(")", "after the indices");
        } else if (!failed && accept("=")) {
          formal.defaultValue = expression();
        }
        s.settings.push_back(std::move(formal));
      });
    if (failed || !expect(")", "after the block's settings"))
      return;
  }
  if (!expect("(", "before the block's inputs"))
    return;
  if (!isPunctuation(")"))
    list([&] { s.inputs.push_back(formalInput()); });
  if (failed || !expect(")", "after the block's inputs"))
    return;
  if (accept("->"))
    list([&] { s.results.push_back(dimensions()); });
  if (!failed)
    s.body = body();
}

void Parser::repeat(Statement &s) {
  s.kind = Statement::Repeat;
  s.name = name("the name of the copies");
  if (failed || !expect("[", "before the number of copies"))
    return;
  s.count = expression();
  if (failed || !expect("]", "after the number of copies"))
    return;
  s.body = body();
}

void Parser::output(Statement &s) {
  s.kind = Statement::Output;
  s.value = expression();
  if (!failed && isName("over")) {
    ++at;
    s.over = name("a name after 'over'");
  }
}

void Parser::loss(Statement &s) {
  s.kind = Statement::Loss;
  s.value = expression();
}

void Parser::report(Statement &s) {
  s.kind = Statement::Report;
  s.name = name("the report's name");
  if (!failed && expect("=", fmt::format("after '{}'", s.name.text)))
    s.value = expression();
}

void Parser::config(Statement &s) {
  s.kind = s.text == "train" ? Statement::Train : Statement::Generate;
  inConfig = true;
  skipNewlines();
  Token open = current();
  if (expect("{", fmt::format("after '{}'", s.text))) {
    skipSeparators();
    while (!failed && !isPunctuation("}") && current().kind != Token::End) {
      s.fields.push_back(field(":"));
      if (!accept(",") && !isPunctuation("}") && current().kind != Token::Newline && !isPunctuation(";"))
        expected("',' between the settings");
      skipSeparators();
    }
    if (!failed)
      closing(open, "}");
  }
  inConfig = false;
}

ast::ExprPtr parseValue(const SourceManager &sources, int32_t file, Diagnostics &diagnostics) {
  return Parser(sources, file, diagnostics).value();
}

ast::File parse(const SourceManager &sources, int32_t file, Diagnostics &diagnostics) {
  ast::File result;
  result.file = file;
  result.statements = Parser(sources, file, diagnostics).run();
  return result;
}

} // namespace gptc
