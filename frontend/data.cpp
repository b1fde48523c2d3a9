// Data declarations: what a model reads, and as which inputs.
#include "frontend/elaborate.h"

#include <fmt/format.h>

#include <algorithm>

namespace gptc::typed {

Tensor *Elaborator::input(const std::string &name, std::vector<Var *> dims, Type type, bool perExample,
                          Span span) {
  Tensor *&slot = inputs[name];
  if (!slot) {
    slot = graph->makeTensor(Tensor::Input, name, std::move(dims), type, span);
    slot->perExample = slot->usesData = perExample;
  }
  return slot;
}

void Elaborator::data(const ast::Statement &s, Scope *scope) {
  if (result->data.kind != DataSpec::None) {
    error(s.span, "a model has one data declaration");
    return;
  }
  if (s.text == "text") {
    result->data.kind = DataSpec::Text;
    textData(s, scope);
  } else if (s.text == "rows") {
    result->data.kind = DataSpec::Rows;
    rowsData(s, scope);
  } else {
    result->data.kind = DataSpec::Pairs;
    error(s.span, "pairs of sequences are not supported yet").help = "text and rows are";
    for (const ast::DataDecl &decl : s.data)
      defineValue(scope, decl.name, Value());
  }
}

/// The vocabulary's size; sets tokenizer and its arguments.
std::optional<int64_t> Elaborator::tokenizer(const ast::Statement &s, Scope *scope) {
  DataSpec &spec = result->data;
  if (!s.value) {
    error(s.span, "the text has no tokenizer").help = "write `text token[t < 64]: chars`";
    return std::nullopt;
  }
  const ast::Expr &expr = *s.value;
  bool isCall = expr.kind == ast::Expr::Call && expr.children[0]->kind == ast::Expr::Name;
  spec.tokenizer = expr.kind == ast::Expr::Name ? expr.text : isCall ? expr.children[0]->text : "";
  static const std::vector<std::string> known = {"chars", "ids", "bpe", "alphabet"};
  if (std::find(known.begin(), known.end(), spec.tokenizer) == known.end()) {
    error(expr.span, fmt::format("unknown tokenizer '{}'", spec.tokenizer)).help =
        "it is one of chars, ids(50257), bpe(8000), alphabet(\"abc\")";
    return std::nullopt;
  }
  std::optional<int64_t> count;
  for (const ast::Argument &argument : expr.arguments) {
    if (argument.value->kind == ast::Expr::String) {
      spec.tokenizerArguments.push_back(argument.value->text);
      // Characters of UTF-8: every byte that continues none.
      count = std::count_if(argument.value->text.begin(), argument.value->text.end(),
                            [](unsigned char c) { return (c & 0xc0) != 0x80; });
    } else {
      count = size(*argument.value, scope);
      if (!count)
        return std::nullopt;
      spec.tokenizerArguments.push_back(std::to_string(*count));
    }
  }
  if (spec.tokenizer == "chars") {
    auto fact = options.facts.sizes.find("vocabulary");
    if (fact != options.facts.sizes.end())
      return fact->second;
    if (options.assumedSize > 0)
      return options.assumedSize;
    error(expr.span, "the vocabulary is not known without data").help = "give the text with --data";
    return std::nullopt;
  }
  if (!count)
    error(expr.span, fmt::format("'{}' needs {}", spec.tokenizer,
                                 spec.tokenizer == "alphabet" ? "its characters: alphabet(\"abc\")"
                                                              : "the number of tokens, as in ids(50257)"));
  return count;
}

void Elaborator::textData(const ast::Statement &s, Scope *scope) {
  std::optional<int64_t> vocabulary = tokenizer(s, scope);
  if (vocabulary)
    defineValue(scope, ast::Name{"vocabulary", s.value->span}, number(double(*vocabulary), s.value->span));
  else
    defineValue(scope, ast::Name{"vocabulary", s.span}, Value());
  for (const ast::DataDecl &decl : s.data) {
    bool good = decl.dims.size() == 1 && decl.dims[0].size && decl.dims[0].kind != ast::Dimension::Group;
    std::optional<int64_t> bound;
    if (good) {
      bound = size(*decl.dims[0].size, scope);
    } else {
      error(decl.name.span, "a text has one dimension, with its length").help =
          fmt::format("write `text {}[t < 64]: chars`", decl.name.text);
    }
    if (!bound || !vocabulary) {
      defineValue(scope, decl.name, Value());
      continue;
    }
    const ast::Dimension &written = decl.dims[0];
    bool bounded = written.kind == ast::Dimension::Bounded;
    Dim dim{written.name.text.empty() ? "t" : written.name.text, *bound, "", bounded, written.span};
    if (bounded) {
      result->extents.push_back({dim.name, *bound});
      if (mode.dynamic)
        dim.extent = dim.name;
      if (!scope->find(dim.name)) {
        Binding binding;
        binding.kind = Binding::Size;
        binding.size = dim;
        define(scope, written.name, std::move(binding));
      }
    }
    result->data.streams.push_back({decl.name.text, *bound, bounded ? dim.name : ""});
    Tensor *tensor = input(decl.name.text, {graph->makeVar(dim)}, Type::Int, true, decl.name.span);
    tensor->limit = *vocabulary;
    defineValue(scope, decl.name, tensorValue(tensor, decl.name.span));
  }
}

Value Elaborator::next(const ast::Expr &call, Scope *scope) {
  bool ok;
  std::vector<Value> values = positional(call, scope, 1, "next", ok);
  if (!ok)
    return Value();
  const Node *node = values[0].kind == Value::Tensor ? values[0].node : nullptr;
  if (!node || node->op != Op::Load || node->tensor->kind != Tensor::Input ||
      node->tensor->type != Type::Int || result->data.kind != DataSpec::Text || values[0].axes.size() != 1) {
    error(call.span, "'next' takes a text: the token that follows each").help = "write `next(token)[t]`";
    return Value();
  }
  Tensor *tensor =
      input("next(" + node->tensor->name + ")", node->tensor->dims, Type::Int, true, node->tensor->span);
  tensor->limit = node->tensor->limit;
  return tensorValue(tensor, call.span);
}

void Elaborator::rowsData(const ast::Statement &s, Scope *scope) {
  if (s.value)
    error(s.value->span, "rows have no tokenizer");
  for (const ast::DataDecl &decl : s.data) {
    DataSpec::Column column;
    column.name = decl.name.text;
    auto fail = [&](Span span, std::string message, std::string help) {
      error(span, std::move(message)).help = std::move(help);
      defineValue(scope, decl.name, Value());
    };
    std::string example = fmt::format("write `{}[2] = columns(a, b)` or `{} = class(kind: leaf, flower)`",
                                      decl.name.text, decl.name.text);
    if (!decl.value) {
      fail(decl.name.span, fmt::format("'{}' does not say which columns it is", decl.name.text), example);
      continue;
    }
    const ast::Expr &expr = *decl.value;
    std::string kind = expr.kind == ast::Expr::Name ? "columns"
                       : expr.kind == ast::Expr::Call && expr.children[0]->kind == ast::Expr::Name
                           ? expr.children[0]->text
                           : "";
    auto word = [&](const ast::Expr &e) -> std::string {
      return e.kind == ast::Expr::Name || e.kind == ast::Expr::String ? e.text
             : e.kind == ast::Expr::Number                            ? std::string(sources.slice(e.span))
                                                                      : "";
    };
    bool good = true;
    auto add = [&](std::vector<std::string> &list, const ast::Expr &e) {
      list.push_back(word(e));
      if (list.back().empty()) {
        error(e.span, "expected a column's or a class's name");
        good = false;
      }
    };
    if (kind == "class") {
      column.isClass = true;
      for (const ast::Argument &argument : expr.arguments) {
        for (const ast::Name &name : argument.names)
          column.sources.push_back(name.text);
        add(column.classes, *argument.value);
      }
      if (good &&
          (column.sources.size() != 1 || column.classes.size() < 2 || expr.arguments[0].names.empty())) {
        fail(expr.span, "a class needs its column and at least two classes",
             "write `class(kind: leaf, flower)`");
        continue;
      }
    } else if (kind == "standardise" || kind == "columns" || kind == "distribution") {
      column.standardise = kind == "standardise";
      if (expr.kind == ast::Expr::Name)
        column.sources.push_back(expr.text);
      for (const ast::Argument &argument : expr.arguments)
        add(column.sources, *argument.value);
    } else {
      fail(expr.span, fmt::format("unknown kind of columns '{}'", kind),
           "it is one of columns(...), standardise(...), distribution(...), class(column: a, b)");
      continue;
    }
    std::vector<Var *> dims;
    int64_t count = 1;
    for (const ast::Dimension &dim : decl.dims) {
      std::optional<int64_t> n;
      if (dim.size) {
        n = size(*dim.size, scope);
      } else if (dim.kind == ast::Dimension::Named) {
        ast::Expr name;
        name.kind = ast::Expr::Name;
        name.text = dim.name.text;
        name.span = dim.name.span;
        if (!scope->find(dim.name.text))
          n = int64_t(column.sources.size()); // its size is what is listed
        else
          n = size(name, scope);
      } else {
        error(dim.span, "the columns' dimension is a size");
      }
      good &= n.has_value();
      count *= n.value_or(1);
      std::string name = !dim.name.text.empty()                          ? dim.name.text
                         : dim.size && dim.size->kind == ast::Expr::Name ? dim.size->text
                                                                         : "i";
      Dim range{name, n.value_or(1), "", false, dim.span};
      if (!dim.name.text.empty() && !scope->find(dim.name.text)) {
        Binding binding;
        binding.kind = Binding::Size;
        binding.size = range;
        define(scope, dim.name, std::move(binding));
      }
      dims.push_back(graph->makeVar(range));
    }
    if (!good) {
      defineValue(scope, decl.name, Value());
      continue;
    }
    size_t needed = column.isClass ? 1 : column.sources.size();
    if (count != int64_t(needed) || (column.isClass && !dims.empty())) {
      fail(decl.name.span,
           fmt::format("'{}' has room for {} number{}, but {} {} given", decl.name.text, count,
                       count == 1 ? "" : "s", needed, needed == 1 ? "is" : "are"),
           column.isClass ? "a class has no dimensions"
                          : fmt::format("declare `{}[{}]`", decl.name.text, needed));
      continue;
    }
    Tensor *tensor =
        input(decl.name.text, dims, column.isClass ? Type::Int : Type::Float, true, decl.name.span);
    if (column.isClass)
      tensor->limit = int64_t(column.classes.size());
    result->data.columns.push_back(std::move(column));
    defineValue(scope, decl.name, tensorValue(tensor, decl.name.span));
  }
}

} // namespace gptc::typed
