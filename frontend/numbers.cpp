#include "frontend/numbers.h"

#include <fmt/format.h>

#include <cctype>
#include <cmath>
#include <cstdlib>

namespace gptc::typed {

std::string folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

bool isNumberList(const ast::Expr &init) {
  return init.kind == ast::Expr::Call && init.children[0]->kind == ast::Expr::Name &&
         (init.children[0]->text == "file" || init.children[0]->text == "numbers");
}

std::optional<Span> numberSource(SourceManager &sources, const ast::Expr &call, Diagnostics &diagnostics) {
  bool isFile = call.children[0]->text == "file";
  if (call.arguments.size() != 1 || !call.arguments[0].names.empty() ||
      call.arguments[0].value->kind != ast::Expr::String) {
    diagnostics.error(call.span, fmt::format("'{}' takes one string", call.children[0]->text)).help =
        isFile ? "write `file(\"weights.csv\")`" : "write `numbers(\"0.1 0.2\")`";
    return std::nullopt;
  }
  const ast::Expr &argument = *call.arguments[0].value;
  if (!isFile) // between the quotes
    return Span{argument.span.file, argument.span.begin + 1, argument.span.end - 1};
  std::string path = argument.text;
  if (path.empty() || path[0] != '/')
    path = folderOf(sources.name(argument.span.file)) + path;
  std::string problem;
  std::optional<int32_t> file = sources.find(path);
  if (!file)
    file = sources.open(path, problem);
  if (!file) {
    diagnostics.error(argument.span, problem).help = "a file is looked for beside the one that names it";
    return std::nullopt;
  }
  return Span{*file, 0, uint32_t(sources.text(*file).size())};
}

Value Elaborator::numberList(const ast::Expr &call, const std::vector<Var *> &dims) {
  std::optional<Span> where = numberSource(sources, call, diagnostics);
  if (!where)
    return Value();
  const char *text = sources.text(where->file).c_str();
  std::vector<double> values;
  for (uint32_t at = where->begin; at < where->end;) {
    if (std::isspace(static_cast<unsigned char>(text[at])) || text[at] == ',' || text[at] == ';') {
      ++at;
      continue;
    }
    char *end = nullptr;
    double value = std::strtod(text + at, &end);
    uint32_t next = uint32_t(end - text);
    bool ends =
        next >= where->end || std::isspace(static_cast<unsigned char>(*end)) || *end == ',' || *end == ';';
    if (next == at || !ends) {
      while (next < where->end && !std::isspace(static_cast<unsigned char>(text[next])) && text[next] != ',')
        ++next;
      Diagnostic &d = error({where->file, at, next}, "this is no number");
      d.help = "numbers are separated by spaces, commas and ends of lines; there is no header";
      if (where->file != call.span.file)
        d.notes.push_back({call.span, "the file is read here"});
      return Value();
    }
    if (!std::isfinite(value)) {
      bool digits = std::isdigit(static_cast<unsigned char>(text[next - 1]));
      Diagnostic &d =
          error({where->file, at, next}, digits ? "this number is too large" : "this is no finite number");
      if (where->file != call.span.file)
        d.notes.push_back({call.span, "the file is read here"});
      return Value();
    }
    values.push_back(value);
    at = next;
  }
  int64_t needed = points(dims);
  if (int64_t(values.size()) != needed) {
    error(call.span, fmt::format("{} number{} here, but the parameter is {}: {} {} needed", values.size(),
                                 values.size() == 1 ? " is" : "s are", dimsText(dims), needed,
                                 needed == 1 ? "is" : "are"));
    return Value();
  }
  std::vector<Var *> own;
  for (const Var *var : dims)
    own.push_back(graph->makeVar(*var->range));
  Tensor *tensor = graph->makeTensor(Tensor::Constant, "", own, Type::Float, call.span);
  tensor->values = std::move(values);
  return tensorValue(tensor, call.span);
}

namespace {
/// One file's text with replacements, made from its start to its end.
struct Rewriter {
  SourceManager &sources;
  const std::string &text;
  std::string result;
  uint32_t at = 0;

  void replace(Span span, const std::string &with) {
    result.append(text, at, span.begin - at);
    result += with;
    at = span.end;
  }

  void initialiser(const ast::Expr &init) {
    if (!isNumberList(init) || init.children[0]->text != "file")
      return;
    Diagnostics quiet(sources); // what is used was read before, without an error
    std::optional<Span> where = numberSource(sources, init, quiet);
    if (!where)
      return;
    std::string numbers(sources.slice(*where));
    if (numbers.find_first_of("\"\\") != std::string::npos)
      return;
    for (char &c : numbers)
      if (c == '\n' || c == '\r' || c == '\t')
        c = ' ';
    replace(init.span, fmt::format("numbers(\"{}\")", numbers));
  }

  void visit(const std::vector<ast::Statement> &statements) {
    for (const ast::Statement &s : statements) {
      if (s.kind == ast::Statement::Use)
        replace(s.span, "");
      for (const ast::ParamDecl &param : s.params)
        if (param.init)
          initialiser(*param.init);
      if (s.body)
        visit(s.body->statements);
    }
  }
};
} // namespace

std::string standAlone(SourceManager &sources, const Program &program) {
  std::string result;
  for (const ast::File &file : program.model) {
    Rewriter rewriter{sources, sources.text(file.file), {}};
    rewriter.visit(file.statements);
    rewriter.result.append(rewriter.text, rewriter.at, std::string::npos);
    bool isMain = &file == &program.model.back();
    if (!isMain)
      result += fmt::format("# {}\n", sources.name(file.file));
    result += rewriter.result;
    if (!isMain && result.back() != '\n')
      result += '\n';
  }
  return result;
}

} // namespace gptc::typed
