// Data declarations: what a model reads, and as which inputs.
#include "frontend/elaborate.h"
#include "frontend/habits.h"

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
  for (const ast::DataDecl &decl : s.data)
    if (decl.name.text == "seed" || decl.name.text == "step" || decl.name.text == "example")
      error(decl.name.span,
            fmt::format("data cannot be called '{}': that is a number of the training loop", decl.name.text))
          .help = fmt::format("write `my_{}`", decl.name.text);
  if (s.text == "text") {
    result->data.kind = DataSpec::Text;
    textData(s, scope);
  } else if (s.text == "rows") {
    result->data.kind = DataSpec::Rows;
    rowsData(s, scope);
  } else {
    result->data.kind = DataSpec::Pairs;
    pairsData(s, scope);
  }
}

namespace {
/// What a tokenizer takes in a model file.
struct TokenizerForm {
  const char *name;
  bool strings;       // or numbers
  size_t least, most; // arguments
  const char *example;
};
} // namespace

static constexpr TokenizerForm tokenizerForms[] = {
    {"chars", true, 0, 0, "chars"},
    {"alphabet", true, 1, 1, "alphabet(\"abc\")"},
    {"bpe", false, 1, 1, "bpe(8000)"},
    {"pieces", true, 1, SIZE_MAX, "pieces(\"un\", \"forget\")"},
    {"tokenizer", true, 1, 1, "tokenizer(\"tokenizer.json\")"},
    {"ids", false, 1, 1, "ids(50257)"},
};

// A path in a model file starts from that file's folder.
static std::string besides(const std::string &file, const std::string &path) {
  size_t slash = file.rfind('/');
  return path.empty() || path[0] == '/' || slash == std::string::npos ? path
                                                                      : file.substr(0, slash + 1) + path;
}

// How many different characters UTF-8 has; a byte that continues none starts one.
static int64_t differentCharacters(const std::string &text) {
  std::set<std::string> seen;
  for (size_t at = 0, end; at < text.size(); at = end) {
    for (end = at + 1; end < text.size() && (text[end] & 0xc0) == 0x80;)
      ++end;
    seen.insert(text.substr(at, end - at));
  }
  return int64_t(seen.size());
}

/// The vocabulary's size; sets tokenizer and its arguments.
std::optional<int64_t> Elaborator::tokenizer(const ast::Statement &s, Scope *scope) {
  DataSpec &spec = result->data;
  if (!s.value) {
    bool text = spec.kind == DataSpec::Text;
    error(s.span, fmt::format("the {} no tokenizer", text ? "text has" : "pairs have")).help =
        text ? "write `text token[t < 64]: chars`"
             : "write `pairs source[s < 64], target[t < 64]: bpe(8000)`";
    return std::nullopt;
  }
  const ast::Expr &expr = *s.value;
  if (expr.kind == ast::Expr::List) {
    error(expr.span, "there is one tokenizer; both sides of pairs share it").help =
        "write `pairs source[s < 64], target[t < 64]: bpe(8000)`";
    return std::nullopt;
  }
  bool isCall = expr.kind == ast::Expr::Call && expr.children[0]->kind == ast::Expr::Name;
  spec.tokenizer = expr.kind == ast::Expr::Name ? expr.text : isCall ? expr.children[0]->text : "";
  spec.tokenizerSpan = expr.span;
  const TokenizerForm *form = nullptr;
  std::string examples;
  for (const TokenizerForm &known : tokenizerForms) {
    examples += (examples.empty() ? "" : ", ") + std::string(known.example);
    if (spec.tokenizer == known.name)
      form = &known;
  }
  if (!form) {
    error(expr.span, fmt::format("unknown tokenizer '{}'", spec.tokenizer)).help = "it is one of " + examples;
    return std::nullopt;
  }
  size_t given = expr.arguments.size();
  if (given < form->least || given > form->most) {
    error(expr.span, fmt::format("'{}' takes {}, here {} {} given", form->name,
                                 form->most == 0            ? "no arguments"
                                 : form->most > form->least ? "at least one piece"
                                 : form->strings            ? "one text in quotes"
                                                            : "the number of tokens",
                                 given == 0 ? "none" : std::to_string(given), given < 2 ? "is" : "are"))
        .help = fmt::format("write `{}`", form->example);
    return std::nullopt;
  }
  int64_t count = 0;
  for (const ast::Argument &argument : expr.arguments) {
    const ast::Expr &value = *argument.value;
    if (!argument.names.empty() || (value.kind == ast::Expr::String) != form->strings) {
      error(argument.span,
            fmt::format("'{}' takes {}", form->name, form->strings ? "text in quotes" : "a number"))
          .help = fmt::format("write `{}`", form->example);
      return std::nullopt;
    }
    if (form->strings) {
      spec.tokenizerArguments.push_back(value.text);
      count = differentCharacters(value.text);
    } else if (std::optional<int64_t> number = size(value, scope)) {
      spec.tokenizerArguments.push_back(std::to_string(*number));
      count = *number;
    } else {
      return std::nullopt;
    }
  }
  bool pairs = spec.kind == DataSpec::Pairs;
  if (pairs && spec.tokenizer == "ids") {
    error(expr.span, "pairs need tokens for begin, end and padding, which ids do not have").help =
        "write `bpe(8000)` or `chars`";
    return std::nullopt;
  }
  // A byte-pair vocabulary has the tokens of pairs within its size, others beside.
  int64_t extra = pairs ? DataSpec::pairTokens : 0;
  if (spec.tokenizer == "bpe" && count < 256 + extra) {
    error(expr.arguments[0].span, fmt::format("a byte-pair vocabulary of {} has no room for the 256 bytes{}",
                                              count, pairs ? " and padding, begin and end" : ""))
        .help = fmt::format("write at least `bpe({})`; a few hundred more are pieces of words", 256 + extra);
    return std::nullopt;
  }
  if (spec.tokenizer == "tokenizer")
    spec.tokenizerArguments[0] = besides(sources.name(expr.span.file), spec.tokenizerArguments[0]);
  if (spec.tokenizer == "pieces")
    return int64_t(given) + 256 + extra;
  if (spec.tokenizer == "alphabet" || spec.tokenizer == "ids")
    return count + extra;
  // Only the data, or the file, tells; of byte pairs the declaration tells a bound.
  auto fact = options.facts.sizes.find("vocabulary");
  if (fact != options.facts.sizes.end())
    return fact->second;
  if (spec.tokenizer == "bpe")
    return count;
  if (options.assumedSize > 0)
    return options.assumedSize;
  error(expr.span, "the vocabulary is not known without data").help = "give the text with --data";
  return std::nullopt;
}

void Elaborator::textData(const ast::Statement &s, Scope *scope) {
  std::optional<int64_t> vocabulary = tokenizer(s, scope);
  if (vocabulary)
    defineValue(scope, ast::Name{"vocabulary", s.value->span}, number(double(*vocabulary), s.value->span));
  else
    defineValue(scope, ast::Name{"vocabulary", s.span}, Value());
  for (const ast::DataDecl &decl : s.data) {
    bool good = decl.dims.size() == 1 && decl.dims[0].kind != ast::Dimension::Group;
    bool isName = good && !decl.dims[0].size && decl.dims[0].kind == ast::Dimension::Named &&
                  scope->find(decl.dims[0].name.text);
    std::optional<int64_t> bound;
    if (isName) { // `letter[window]`: the size of that name
      ast::Expr name;
      name.kind = ast::Expr::Name;
      name.text = decl.dims[0].name.text;
      name.span = decl.dims[0].name.span;
      bound = size(name, scope);
    } else if (good && decl.dims[0].size) {
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
    if (bounded)
      declareLength(dim, written.name, mode.dynamic, scope);
    result->data.streams.push_back({decl.name.text, *bound, bounded ? dim.name : ""});
    Tensor *tensor = input(decl.name.text, {graph->makeVar(dim)}, Type::Int, true, decl.name.span);
    tensor->limit = *vocabulary;
    defineValue(scope, decl.name, tensorValue(tensor, decl.name.span));
  }
}

/// The name of a length: an extent where it is known only per batch.
void Elaborator::declareLength(Dim &dim, const ast::Name &name, bool dynamic, Scope *scope) {
  if (dim.name == "b")
    error(name.span, "a length cannot be called 'b': that is the batch").help = "call it 't'";
  if (dynamic) {
    dim.extent = dim.name;
    result->extents.push_back({dim.name, dim.size});
  }
  declareSize(scope, name, dim);
}

void Elaborator::pairsData(const ast::Statement &s, Scope *scope) {
  const char *example = "write `pairs source[s < 64], target[t < 64]: bpe(8000)`";
  std::optional<int64_t> vocabulary = tokenizer(s, scope);
  if (vocabulary)
    defineValue(scope, ast::Name{"vocabulary", s.value->span}, number(double(*vocabulary), s.value->span));
  else
    defineValue(scope, ast::Name{"vocabulary", s.span}, Value());
  if (s.data.size() != 2)
    error(s.span, fmt::format("pairs have two sides, here {} declared",
                              s.data.size() == 1 ? "is 1" : fmt::format("are {}", s.data.size())))
        .help = example;
  for (const ast::DataDecl &decl : s.data) {
    const ast::Dimension *written = decl.dims.size() == 1 ? &decl.dims[0] : nullptr;
    int64_t bound = 0;
    if (decl.value)
      error(decl.value->span, "a side of pairs is a line of text, it has no value").help = example;
    if (!written || written->kind != ast::Dimension::Bounded || !written->size)
      error(decl.name.span, "a side of pairs has one dimension, a length with a bound").help =
          fmt::format("write `{}[{} < 64]`", decl.name.text, result->data.streams.empty() ? "s" : "t");
    else
      bound = size(*written->size, scope).value_or(0);
    for (const DataSpec::Stream &other : result->data.streams)
      if (bound && other.extent == written->name.text) {
        error(written->name.span, "the two sides have lengths of their own: they need two names").help =
            example;
        bound = 0;
      }
    if (!bound || !vocabulary) {
      defineValue(scope, decl.name, Value());
      continue;
    }
    Dim dim{written->name.text, bound, "", true, written->span};
    declareLength(dim, written->name, true, scope);
    result->data.streams.push_back({decl.name.text, bound, dim.name});
    Tensor *tensor = input(decl.name.text, {graph->makeVar(dim)}, Type::Int, true, decl.name.span);
    tensor->limit = *vocabulary;
    defineValue(scope, decl.name, tensorValue(tensor, decl.name.span));
  }
}

/// The stream that a call's only argument names; null after an error.
Tensor *Elaborator::streamArgument(const ast::Expr &call, Scope *scope, const std::string &function) {
  bool ok;
  std::vector<Value> values = positional(call, scope, 1, function, ok);
  if (!ok)
    return nullptr;
  const Node *node = values[0].kind == Value::Tensor ? values[0].node : nullptr;
  if (node && node->op == Op::Load && node->tensor->kind == Tensor::Input && values[0].axes.size() == 1)
    for (const DataSpec::Stream &stream : result->data.streams)
      if (stream.name == node->tensor->name)
        return node->tensor;
  if (function == "next")
    error(call.span, "'next' takes a text: the token that follows each").help = "write `next(token)[t]`";
  else
    error(call.span, fmt::format("'{}' takes a side of the pairs", function)).help =
        result->data.kind == DataSpec::Pairs && !result->data.streams.empty()
            ? fmt::format("write `{}({})`", function, result->data.streams[0].name)
            : "pairs are declared as `pairs source[s < 64], target[t < 64]: bpe(8000)`";
  return nullptr;
}

Value Elaborator::next(const ast::Expr &call, Scope *scope) {
  Tensor *stream = streamArgument(call, scope, "next");
  if (!stream)
    return Value();
  const DataSpec &data = result->data;
  if (data.kind == DataSpec::Pairs && stream->name != data.streams.back().name) {
    error(call.span,
          fmt::format("'{}' is what is given: only the second side of pairs is predicted", stream->name))
        .help = data.streams.size() == 2 ? fmt::format("write `next({})`", data.streams[1].name) : "";
    return Value();
  }
  Tensor *tensor = input("next(" + stream->name + ")", stream->dims, Type::Int, true, stream->span);
  tensor->limit = stream->limit;
  return tensorValue(tensor, call.span);
}

/// [s]: does position s lie within this example's length?
Value Elaborator::valid(const ast::Expr &call, Scope *scope) {
  Tensor *stream = streamArgument(call, scope, "valid");
  if (!stream)
    return Value();
  if (result->data.kind != DataSpec::Pairs) {
    error(call.span, fmt::format("every position of '{}' is valid: a text is not padded", stream->name))
        .help = "'valid' is for the sides of pairs";
    return Value();
  }
  Tensor *length = input("length(" + stream->name + ")", {}, Type::Int, true, stream->span);
  Value value;
  value.kind = Value::Tensor;
  value.span = call.span;
  value.axes = stream->dims;
  value.node =
      graph->op(Op::Less, Type::Bool,
                {graph->index(stream->dims[0], call.span), graph->load(length, {}, call.span)}, call.span);
  return value;
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
      column.isDistribution = kind == "distribution";
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
        if (scope->find(dim.name.text))
          n = size(name, scope);
        else if (decl.dims.size() == 1)
          n = int64_t(column.sources.size()); // its size is what is listed
        else
          error(dim.span, fmt::format("unknown size '{}'", dim.name.text)).help =
              namesTheBatch(dim.name.text) ? helpForName(dim.name.text)
                                           : fmt::format("give it one here: `{}: 3`", dim.name.text);
      } else {
        error(dim.span, "the columns' dimension is a size");
      }
      good &= n.has_value();
      count *= n.value_or(1);
      std::string name = !dim.name.text.empty()                          ? dim.name.text
                         : dim.size && dim.size->kind == ast::Expr::Name ? dim.size->text
                                                                         : "i";
      Dim range{name, n.value_or(1), "", false, dim.span};
      if (!dim.name.text.empty() && (dim.size || !scope->find(dim.name.text)))
        declareSize(scope, dim.name, range);
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
