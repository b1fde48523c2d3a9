#include "frontend/overrides.h"

#include "frontend/fields.h"
#include "frontend/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace gptc::typed {

namespace {

std::vector<std::string> split(const std::string &name) {
  std::vector<std::string> parts(1);
  for (char c : name)
    if (c == '.')
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

bool hasField(ast::Statement::Kind kind, const std::string &name) {
  const std::vector<ConfigField> &fields = kind == ast::Statement::Train ? trainFields() : generateFields();
  return std::any_of(fields.begin(), fields.end(), [&](const ConfigField &field) { return field.name == name; });
}

class Overrides {
public:
  Overrides(SourceManager &sources, Program &program, Diagnostics &diagnostics)
      : sources(sources), program(program), diagnostics(diagnostics) {}

  void apply(const std::string &name, const std::string &text) {
    std::vector<std::string> path = split(name);
    if (path.size() == 1 && setSetting(name, text))
      return;
    std::vector<ast::Statement::Kind> kinds = {ast::Statement::Train, ast::Statement::Generate};
    if (path.size() > 1 && (path[0] == "train" || path[0] == "generate")) {
      kinds = {path[0] == "train" ? ast::Statement::Train : ast::Statement::Generate};
      path.erase(path.begin());
    }
    // A name of both, like `seed`, is meant wherever it is written, else in the first.
    std::vector<ast::Statement *> statements;
    std::optional<ast::Statement::Kind> missing;
    bool done = false;
    for (ast::Statement::Kind kind : kinds) {
      if (!hasField(kind, path[0]))
        continue;
      ast::Statement *statement = statementOf(kind);
      if (!statement) {
        missing = missing.value_or(kind);
        continue;
      }
      statements.push_back(statement);
      if (ast::Field *field = find(*statement, path[0])) {
        setPart(*field, name, path, text);
        done = true;
      }
    }
    if (done)
      return;
    if (statements.empty() && !missing)
      return unknown(name);
    if (path.size() > 1) {
      diagnostics.error(Span(), fmt::format("--set {}: the model gives no {}", name, path[0]));
      return;
    }
    ast::ExprPtr value = parsed(name, path[0], text);
    if (!value)
      return;
    ast::Statement *into = statements.empty() ? add(*missing) : statements.front();
    ast::Field field;
    field.name = {path[0], value->span};
    field.value = std::move(value);
    field.overridden = true;
    into->fields.push_back(std::move(field));
    dropOther(*into, path[0]);
  }

private:
  SourceManager &sources;
  Program &program;
  Diagnostics &diagnostics;

  ast::ExprPtr parsed(const std::string &name, const std::string &field, const std::string &text) {
    int32_t file = sources.add("--set " + name, text);
    // A text, which the shell has taken the quotes of.
    bool isText = field == "pad" || field == "stop" || field == "end";
    if (isText && !text.empty() && text.front() != '"' && !(field == "stop" && text.front() == '[')) {
      auto value = std::make_unique<ast::Expr>();
      value->kind = ast::Expr::String;
      value->text = text;
      value->span = {file, 0, uint32_t(text.size())};
      return value;
    }
    return parseValue(sources, file, diagnostics);
  }

  bool setSetting(const std::string &name, const std::string &text) {
    for (ast::File &file : program.model)
      for (ast::Statement &s : file.statements)
        if (s.kind == ast::Statement::Setting)
          for (ast::Field &field : s.fields)
            if (field.name.text == name) {
              if (ast::ExprPtr value = parsed(name, "", text))
                field.value = std::move(value);
              field.overridden = true;
              return true;
            }
    return false;
  }

  ast::Statement *statementOf(ast::Statement::Kind kind) {
    for (ast::File &file : program.model)
      for (ast::Statement &s : file.statements)
        if (s.kind == kind)
          return &s;
    return nullptr;
  }

  ast::Statement *add(ast::Statement::Kind kind) {
    ast::Statement empty;
    empty.kind = kind;
    empty.text = kind == ast::Statement::Train ? "train" : "generate";
    program.model.back().statements.push_back(std::move(empty));
    return &program.model.back().statements.back();
  }

  static ast::Field *find(ast::Statement &s, const std::string &name) {
    for (ast::Field &field : s.fields)
      if (field.name.text == name)
        return &field;
    return nullptr;
  }

  /// `steps` and `epochs` say the same: of a file's own and one of the command line the latter counts.
  static void dropOther(ast::Statement &s, const std::string &name) {
    std::string other = name == "steps" ? "epochs" : name == "epochs" ? "steps" : "";
    ast::Field *field = other.empty() ? nullptr : find(s, other);
    if (field && !field->overridden)
      s.fields.erase(s.fields.begin() + (field - s.fields.data()));
  }

  void setPart(ast::Field &field, const std::string &name, const std::vector<std::string> &path,
               const std::string &text) {
    ast::ExprPtr *at = &field.value;
    for (size_t i = 1; i < path.size(); ++i) {
      std::vector<ast::Expr *> calls;
      if (*at)
        collectCalls(**at, path[i], i + 1 == path.size(), calls);
      if (calls.size() != 1) {
        diagnostics.error(field.name.span, fmt::format("--set {}: the value of '{}' has {} '{}'", name, path[i - 1],
                                                       calls.empty() ? "no" : "more than one", path[i]));
        return;
      }
      at = argument(*calls[0], path[i]);
    }
    ast::ExprPtr value = parsed(name, path.size() == 1 ? path[0] : "", text);
    if (!value)
      return;
    *at = std::move(value);
    field.overridden = true;
  }

  /// The names of what is called, in order; "" for one that has none. Empty: anything goes by name.
  std::vector<std::string> formals(const std::string &callee) {
    if (callee == "adamw" || callee == "sgd")
      return {"lr"};
    if (callee == "ema")
      return {"", "from"};
    if (callee == "tokens")
      return {"", "rows"};
    for (std::vector<ast::File> *files : {&program.model, &program.library})
      for (const ast::File &file : *files)
        for (const ast::Statement &s : file.statements)
          if (s.kind == ast::Statement::Def && s.name.text == callee) {
            std::vector<std::string> names;
            for (const ast::FormalInput &input : s.inputs)
              names.push_back(input.name.text);
            return names;
          }
    return {};
  }

  static bool isNamed(const ast::Argument &argument, const std::string &name) {
    return argument.names.size() == 1 && argument.names[0].text == name;
  }

  /// Calls in an expression, not below one another, that have an argument of this name, or may have one.
  void collectCalls(ast::Expr &expr, const std::string &name, bool last, std::vector<ast::Expr *> &found) {
    if (expr.kind == ast::Expr::Call && !expr.children.empty() && expr.children[0]->kind == ast::Expr::Name) {
      const std::string &callee = expr.children[0]->text;
      std::vector<std::string> names = formals(callee);
      bool optimizer = callee == "adamw" || callee == "sgd"; // which says itself what it does not know
      if (std::find(names.begin(), names.end(), name) != names.end() || (optimizer && last) ||
          std::any_of(expr.arguments.begin(), expr.arguments.end(),
                      [&](const ast::Argument &argument) { return isNamed(argument, name); })) {
        found.push_back(&expr);
        return;
      }
      for (ast::Argument &argument : expr.arguments)
        if (argument.value)
          collectCalls(*argument.value, name, last, found);
      return;
    }
    for (ast::ExprPtr &child : expr.children)
      collectCalls(*child, name, last, found);
  }

  ast::ExprPtr *argument(ast::Expr &call, const std::string &name) {
    for (ast::Argument &argument : call.arguments)
      if (isNamed(argument, name))
        return &argument.value;
    std::vector<std::string> names = formals(call.children[0]->text);
    size_t place = std::find(names.begin(), names.end(), name) - names.begin();
    if (place < names.size() && place < call.arguments.size() && call.arguments[place].names.empty())
      return &call.arguments[place].value;
    ast::Argument added;
    added.names.push_back({name, call.span});
    added.span = call.span;
    call.arguments.push_back(std::move(added));
    return &call.arguments.back().value;
  }

  void unknown(const std::string &name) {
    std::string known;
    for (const ast::File &file : program.model)
      for (const ast::Statement &s : file.statements)
        if (s.kind == ast::Statement::Setting)
          for (const ast::Field &field : s.fields)
            known += (known.empty() ? "" : ", ") + field.name.text;
    std::string fields;
    for (const std::vector<ConfigField> *list : {&trainFields(), &generateFields()})
      for (const ConfigField &field : *list)
        fields += (fields.empty() ? "" : ", ") + field.name;
    diagnostics.error(Span(), fmt::format("the model has no setting '{}'", name)).help =
        (known.empty() ? "it has no settings at all" : "its settings are " + known) +
        "; train { } and generate { } may have " + fields;
  }
};

} // namespace

void applyOverrides(SourceManager &sources, const std::map<std::string, std::string> &overrides, Program &program,
                    Diagnostics &diagnostics) {
  if (program.model.empty() || diagnostics.hasErrors()) // what is not there may be what could not be read
    return;
  // What stands further inside comes later: `optimizer=...`, then `optimizer.lr=...`.
  Overrides all(sources, program, diagnostics);
  for (auto &[name, text] : overrides)
    all.apply(name, text);
}

} // namespace gptc::typed
