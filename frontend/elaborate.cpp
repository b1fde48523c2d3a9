// Statements in order; names, values, the objective.
#include "frontend/elaborate.h"

#include "llvm/Support/SaveAndRestore.h"

#include <fmt/format.h>

#include <algorithm>

namespace gptc::typed {

/// Reports once for each place and text, however often a block is expanded, and
/// says through which uses the expansion came there.
Diagnostic &Elaborator::error(Span span, std::string message) {
  uint64_t place = (uint64_t(uint32_t(span.file)) << 32) | span.begin;
  if (!reported.insert({place, message}).second) {
    scratch = Diagnostic();
    return scratch;
  }
  Diagnostic &diagnostic = diagnostics.error(span, std::move(message));
  std::set<uint32_t> places; // a recursion passes one place many times
  for (size_t i = useSites.size(); i-- > 0 && places.size() < 4;)
    if (places.insert(useSites[i].first.begin).second)
      diagnostic.notes.push_back({useSites[i].first, fmt::format("in '{}', used here", useSites[i].second)});
    else
      break;
  return diagnostic;
}

std::unique_ptr<Elaborated> Elaborator::run(const Program &program, bool dataOnly) {
  result = std::make_unique<Elaborated>();
  graph = &result->graph;
  frames.emplace_back();
  frames.back().instance = &root;
  core = newScope(nullptr);
  core->frame = &frames.back();
  top = newScope(core);
  auto declare = [&](const std::vector<ast::File> &files, Scope *scope) {
    // Defs and blocks may be used above the line that defines them.
    for (const ast::File &file : files)
      for (const ast::Statement &s : file.statements)
        if (s.kind == ast::Statement::Def || s.kind == ast::Statement::Block) {
          Binding binding;
          binding.kind = s.kind == ast::Statement::Def ? Binding::Def : Binding::Block;
          binding.stmt = &s;
          binding.home = scope;
          checkFormals(s);
          define(scope, s.name, std::move(binding));
        }
  };
  declare(program.library, core);
  declare(program.model, top);
  const ast::Statement *trains = nullptr;
  for (const ast::File &file : program.model)
    for (const ast::Statement &s : file.statements) {
      if (s.kind == ast::Statement::Train)
        validationShare(s, top);
      if (dataOnly && s.kind != ast::Statement::Setting && s.kind != ast::Statement::Data)
        continue;
      if (s.kind == ast::Statement::Train)
        trains = &s;
      statement(s, top);
    }
  if (!dataOnly) {
    // A parameter that nothing uses is checked, but does not exist.
    std::vector<Tensor *> used = graph->params;
    for (auto &[name, binding] : top->names)
      if (binding.kind == Binding::Param)
        makeParam(binding);
    graph->params = std::move(used);
    if (trains)
      learningRate(*trains, top);
    if (trains && mode.training && result->loss && !dependsOnParameter(result->loss))
      error(lossStatement->span, "no parameter enters the loss, so there is nothing to train").help =
          graph->params.empty()
              ? "parameters are declared with `param w[4] ~ normal(0.1)`, or belong to blocks"
              : "it is a function of the data alone, or stop_gradient keeps its parameters out";
    checkSizes();
  }
  if (diagnostics.hasErrors())
    return nullptr;
  return std::move(result);
}

void Elaborator::statement(const ast::Statement &s, Scope *scope) {
  using S = ast::Statement;
  bool isTop = scope == top;
  auto topOnly = [&](const char *what) {
    if (!isTop)
      error(s.span, fmt::format("{} stands at the top of the file, not in a block", what));
    return isTop;
  };
  switch (s.kind) {
  case S::Use: topOnly("use"); return; // the files are here already
  case S::Setting:
    if (topOnly("setting"))
      setting(s, scope);
    return;
  case S::Data:
    if (topOnly("data"))
      data(s, scope);
    return;
  case S::Param: declareParams(s, scope); return;
  case S::Let: let(s, scope); return;
  case S::Assign: assign(s, scope); return;
  case S::Def:
  case S::Block:
    if (!isTop) {
      Binding binding;
      binding.kind = s.kind == S::Def ? Binding::Def : Binding::Block;
      binding.stmt = &s;
      binding.home = viewOf(scope);
      checkFormals(s);
      define(scope, s.name, std::move(binding));
    }
    return;
  case S::Repeat: repeat(s, scope); return;
  case S::Output:
    if (topOnly("output"))
      output(s, scope);
    return;
  case S::Loss:
  case S::Report:
    if (topOnly(s.text.c_str()))
      objective(s, scope);
    return;
  case S::Train:
  case S::Generate:
    if (topOnly(s.text.c_str()))
      config(s, scope);
    return;
  }
}

void Elaborator::setting(const ast::Statement &s, Scope *scope) {
  for (const ast::Field &field : s.fields) {
    std::optional<double> value;
    auto isNoNumber = [&] {
      // Of the command line, a word is a mistake for a number rather than an unknown name.
      const ast::Expr &given = *field.value;
      bool word = given.kind == ast::Expr::Name && !scope->find(given.text) && given.text != "inf" &&
                  given.text != "pi" && given.text != "true" && given.text != "false";
      return word || (value && !std::isfinite(*value));
    };
    if (field.value && !(field.overridden && isNoNumber()))
      value = constantOf(*field.value, scope, "a setting");
    if (field.overridden && field.value && isNoNumber()) {
      error(field.name.span, fmt::format("setting '{}' cannot be '{}': it is a number", field.name.text,
                                         sources.slice(field.value->span)));
      value.reset();
    }
    if (!value) {
      defineValue(scope, field.name, Value()); // known, and in error
      continue;
    }
    result->settings.push_back({field.name.text, *value, field.overridden, field.name.span});
    defineValue(scope, field.name, number(*value, field.name.span));
  }
}

/// Is this `Block(...)(...)`, so that the let gives the instance its name?
static bool appliesBlock(const ast::Expr &value, Scope *scope) {
  if (value.kind != ast::Expr::Call || value.children[0]->kind != ast::Expr::Call)
    return false;
  const ast::Expr &callee = *value.children[0]->children[0];
  Binding *binding = callee.kind == ast::Expr::Name ? scope->find(callee.text) : nullptr;
  return binding && binding->kind == Binding::Block;
}

void Elaborator::let(const ast::Statement &s, Scope *scope) {
  if (!s.value)
    return defineValue(scope, s.name, Value());
  if (!s.hasDims) {
    if (appliesBlock(*s.value, scope) && nameIsFree(s.name, scope))
      nameHint = s.name.text;
    Value value = evaluate(*s.value, scope);
    nameHint.clear();
    if (value.kind == Value::Instance || value.kind == Value::Function) {
      error(s.value->span, fmt::format("a let needs a value, this is a {}",
                                       value.kind == Value::Instance ? "block" : "function"))
          .help = fmt::format("write `{} = ...` to name it", s.name.text);
      value = Value();
    }
    value = materialise(std::move(value), s.name.text, scope, s.name.span);
    noteValue(s.name.text, value, scope);
    return defineValue(scope, s.name, std::move(value));
  }

  // The declared indices, then the value over them.
  llvm::SaveAndRestore<int> level(letDepth, letDepth + 1);
  Scope *inner = newScope(scope);
  inner->uses = {s.value.get()};
  rests.emplace_back();
  inner->rest = &rests.back();
  std::vector<std::vector<Var *>> places; // one a dimension; several where merged
  size_t restPlace = SIZE_MAX;
  bool bad = false;
  auto declareIndex = [&](const ast::Name &name) {
    Var *var = graph->makeVar(name.text, name.span);
    Binding binding;
    binding.kind = Binding::Index;
    binding.var = var;
    define(inner, name, std::move(binding));
    return var;
  };
  for (const ast::Dimension &dim : s.dims) {
    switch (dim.kind) {
    case ast::Dimension::Rest:
      bad |= restPlace != SIZE_MAX;
      restPlace = places.size();
      places.emplace_back();
      break;
    case ast::Dimension::Group: {
      std::vector<Var *> vars;
      for (const ast::Name &name : dim.group)
        vars.push_back(declareIndex(name));
      places.push_back(vars);
      break;
    }
    case ast::Dimension::Anonymous:
      error(dim.span, "a let declares indices, this is not a name").help =
          fmt::format("write `let {}[i: ...] = ...`", s.name.text);
      bad = true;
      break;
    default: {
      Var *var = declareIndex(dim.name);
      if (dim.size) {
        std::optional<int64_t> count = size(*dim.size, scope);
        bad |= !count;
        var->range = Dim{dim.name.text, count.value_or(1), "", dim.kind == ast::Dimension::Bounded, dim.span};
        var->declared = true;
        var->fixedAt = dim.span;
        var->fixedBy = s.name.text;
      }
      places.push_back({var});
    }
    }
  }
  Value value = evaluate(*s.value, inner);
  if (bad || !value.ok())
    return defineValue(scope, s.name, Value());
  if (value.kind != Value::Tensor) {
    error(s.value->span, "a let with indices needs a number for each of them");
    return defineValue(scope, s.name, Value());
  }
  std::vector<Var *> declared;
  for (const std::vector<Var *> &place : places)
    declared.insert(declared.end(), place.begin(), place.end());
  inferRanges(declared, inner);
  resolveGroups(true);
  if (restPlace != SIZE_MAX) {
    if (!inner->rest->known) {
      error(s.dims[restPlace].span, fmt::format("the value of '{}' never uses '..'", s.name.text)).help =
          "use it in a subscript, as in `x[.., c]`, or leave it out";
      return defineValue(scope, s.name, Value());
    }
    places[restPlace].clear();
  } else if (const std::vector<Var *> &brought = inner->rest->vars; !brought.empty()) {
    std::string names, dims = "..";
    for (const Var *var : brought)
      names += (names.empty() ? "" : ", ") + var->name;
    for (const ast::Dimension &dim : s.dims)
      dims += ", " + sources.quote(dim.span);
    error(brought.front()->span, fmt::format("'..' brings dimensions that '{}' does not declare: {}", s.name.text,
                                             names))
        .help = fmt::format("write `let {}[{}] = ...`, or an index of the let instead of '..'", s.name.text, dims);
    return defineValue(scope, s.name, Value());
  }
  if (!value.axes.empty()) {
    error(s.value->span, fmt::format("the value of '{}' still has dimensions of its own, {}", s.name.text,
                                     dimsText(value.axes)))
        .help = "subscript it with the let's indices, or declare no indices at all";
    return defineValue(scope, s.name, Value());
  }
  std::vector<Var *> dims;
  bool merges = false;
  for (size_t i = 0; i < places.size(); ++i) {
    if (i == restPlace)
      dims.insert(dims.end(), inner->rest->vars.begin(), inner->rest->vars.end());
    for (Var *var : places[i]) {
      bad |= !requireRange(var, inner);
      dims.push_back(var);
    }
    merges |= places[i].size() > 1;
  }
  if (bad)
    return defineValue(scope, s.name, Value());
  // Indices of the surroundings (in a def) come first.
  std::vector<Var *> axes = dims;
  value.axes = dims;
  value = materialise(std::move(value), s.name.text, scope, s.name.span, merges);
  if (merges) {
    Tensor *source = value.node->tensor;
    std::vector<Var *> merged;
    for (Var *var : source->dims)
      if (std::find(axes.begin(), axes.end(), var) == axes.end())
        merged.push_back(var);
    size_t leading = merged.size();
    for (size_t i = 0; i < places.size(); ++i) {
      if (i == restPlace)
        merged.insert(merged.end(), inner->rest->vars.begin(), inner->rest->vars.end());
      if (places[i].size() < 2) {
        merged.insert(merged.end(), places[i].begin(), places[i].end());
        continue;
      }
      Dim dim;
      dim.size = 1;
      dim.span = s.dims[i].span;
      for (Var *var : places[i]) {
        dim.name += (dim.name.empty() ? "" : "_") + var->name;
        dim.size = times(dim.size, var->range->size);
        if (var->range->isDynamic()) {
          error(dim.span,
                fmt::format("index '{}' cannot be merged: its extent is known only per batch", var->name));
          return defineValue(scope, s.name, Value());
        }
      }
      merged.push_back(graph->makeVar(dim));
    }
    Tensor *tensor = graph->makeTensor(Tensor::Reshape, s.name.text, merged, source->type, s.name.span);
    tensor->path = source->path;
    source->path += ".split";
    tensor->source = source;
    tensor->region = source->region;
    tensor->usesData = source->usesData;
    tensor->limit = source->limit;
    value = tensorValue(tensor, s.name.span);
    value.axes.assign(merged.begin() + leading, merged.end());
  }
  noteValue(s.name.text, value, scope);
  defineValue(scope, s.name, std::move(value));
}

/// `name = value` where that is no instance: what was meant depends on the name.
void Elaborator::assignedValue(const ast::Statement &s, Scope *scope) {
  const std::string &name = s.name.text;
  Binding *known = scope->find(name);
  bool isValue =
      known && known->span.valid() && (known->kind == Binding::Value || known->kind == Binding::Param);
  if (name == "loss" || name == "output") {
    error(s.span, fmt::format("'{}' is followed by what it is, without '='", name)).help =
        fmt::format("write `{} {}`", name, sources.quote(s.value->span));
  } else if (name == "report" || name == "setting" || name == "param") {
    error(s.span, fmt::format("'{}' is followed by a name", name)).help =
        fmt::format("write `{} NAME = {}`", name, sources.quote(s.value->span));
  } else if (isValue && findName(*s.value, name)) {
    Diagnostic &d = error(s.span, fmt::format("'{}' has a value already, and a value does not change", name));
    d.notes.push_back({known->span, "it is defined here"});
    d.help =
        fmt::format("give the new one a name of its own, `let {}2 = {}`; only the body of a repeat gives a "
                    "value its next one in this way",
                    name, sources.quote(s.value->span));
  } else {
    Diagnostic &d = error(
        s.span, fmt::format("'{}' would be given a value, but only a block is named in this way", name));
    if (isValue)
      d.notes.push_back({known->span, fmt::format("another '{}' is defined here", name)});
    d.help = fmt::format("write `let {}{} = ...`", name, isValue ? "2" : "");
  }
}

void Elaborator::assign(const ast::Statement &s, Scope *scope) {
  if (!s.value)
    return defineValue(scope, s.name, Value());
  // `f = Linear(c)`: an instance with this name.
  const ast::Expr *callee = s.value.get();
  if (callee->kind == ast::Expr::Call && callee->children[0]->kind == ast::Expr::Name) {
    Binding *binding = scope->find(callee->children[0]->text);
    if (binding && binding->kind == Binding::Block && nameIsFree(s.name, scope))
      nameHint = s.name.text;
  }
  Value value = evaluate(*s.value, scope);
  nameHint.clear();
  if (value.kind == Value::Tensor) {
    assignedValue(s, scope);
    value = Value();
  }
  if (!scope->names.count(s.name.text) || value.ok())
    defineValue(scope, s.name, std::move(value));
}

void Elaborator::output(const ast::Statement &s, Scope *scope) {
  if (!s.value)
    return;
  Value value = evaluate(*s.value, scope);
  if (!value.ok())
    return;
  if (value.kind != Value::Tensor) {
    error(s.value->span, "an output is a value");
    return;
  }
  std::string name = s.value->kind == ast::Expr::Name ? s.value->text : "output";
  while (!outputNames.insert(name).second)
    name = fmt::format("output{}", ++unnamedOutputs);
  if (!s.over.text.empty()) {
    Binding *over = scope->find(s.over.text);
    const Node *node = over && over->kind == Binding::Value ? over->value.node : nullptr;
    bool isClass = node && node->op == Op::Load && node->tensor->kind == Tensor::Input &&
                   result->data.kind == DataSpec::Rows && node->tensor->limit > 0;
    if (!isClass && (!over || !over->value.isConstant())) {
      error(s.over.span, fmt::format("'{}' is not a size", s.over.text)).help =
          "write `over vocabulary`, the number of tokens, or the name of a class column";
      return;
    }
    int64_t wanted = isClass ? node->tensor->limit : int64_t(node->number);
    if (value.axes.empty() || value.axes.back()->range->size != wanted) {
      error(s.value->span,
            fmt::format("the last dimension of this output, {}, is not '{}', {}",
                        value.axes.empty() ? "which has none" : value.axes.back()->range->text(), s.over.text,
                        wanted))
          .notes.push_back({over->span, fmt::format("'{}' comes from here", s.over.text)});
      return;
    }
  }
  Tensor *tensor = tensorOf(value, name, scope, s.value->span);
  if (!tensor)
    return;
  result->outputs.push_back({name, tensor});
  if (!s.over.text.empty())
    result->overs[name] = s.over.text;
}

Value Elaborator::batchMean(const Node *total, const Node *count, Span span) {
  auto make = [&](const Node *node, const char *name) {
    Value value;
    value.kind = Value::Tensor;
    value.node = graph->convert(node, Type::Float);
    value.span = span;
    return tensorOf(value, name, top, span);
  };
  Tensor *tensor = graph->makeTensor(Tensor::BatchMean, "", {}, Type::Float, span);
  tensor->source = make(total, "");
  tensor->count = make(count, "");
  tensor->hasBatchMean = true;
  return tensorValue(tensor, span);
}

void Elaborator::objective(const ast::Statement &s, Scope *scope) {
  bool isLoss = s.kind == ast::Statement::Loss;
  if (isLoss && lossStatement) {
    error(s.span, "a model has one loss").notes.push_back({lossStatement->span, "it is given here already"});
    return;
  }
  if (isLoss)
    lossStatement = &s;
  if (!s.value)
    return;
  batchScope = true;
  Value value = evaluate(*s.value, scope);
  batchScope = false;
  if (!value.ok())
    return;
  const char *what = isLoss ? "the loss" : "a report";
  if (value.kind != Value::Tensor || !value.axes.empty()) {
    error(s.value->span, fmt::format("{} is one number, this is {}", what, describe(value))).help =
        "sum or average over its dimensions: `mean(t: ...)`";
    return;
  }
  if (value.node->type == Type::Int)
    value.node = graph->op(Op::ToFloat, Type::Float, {value.node}, value.span);
  value.node = graph->convert(value.node, Type::Float);
  if (!value.node->hasBatchMean)
    value = batchMean(value.node, graph->constant(1, s.span), s.value->span);
  else if (value.node->usesData) {
    error(s.value->span, fmt::format("{} joins a mean over the batch with a value of one example", what))
        .help = "put everything that depends on the data inside of `mean(...)`";
    return;
  }
  std::string name = isLoss ? "loss" : s.name.text;
  Tensor *tensor = tensorOf(value, name, scope, s.value->span);
  if (isLoss)
    result->loss = tensor;
  else if (std::any_of(result->reports.begin(), result->reports.end(),
                       [&](auto &r) { return r.first == name; }))
    error(s.name.span, fmt::format("report '{}' is given twice", name));
  else
    result->reports.push_back({name, tensor});
}

//===-- Tensors ---------------------------------------------------------------===//

Value Elaborator::tensorValue(Tensor *tensor, Span span) {
  Value value;
  value.kind = Value::Tensor;
  value.axes = tensor->dims;
  value.span = span;
  std::vector<const Node *> indices;
  for (Var *var : tensor->dims)
    indices.push_back(graph->index(var, span));
  value.node = graph->load(tensor, std::move(indices), span);
  return value;
}

/// A load whose indices are different plain indices: the tensor under another
/// order of dimensions.
static bool isView(const Node *node) {
  if (node->op != Op::Load)
    return false;
  std::set<Var *> seen;
  return std::all_of(node->operands.begin(), node->operands.end(), [&](const Node *index) {
    Var *var = plainIndex(index);
    return var && seen.insert(var).second && var->range;
  });
}

Value Elaborator::materialise(Value value, const std::string &name, Scope *scope, Span span, bool force) {
  if (value.kind != Value::Tensor || (value.isConstant() && !force))
    return value;
  if (!force && isView(value.node)) {
    // A shorter declared range makes it a slice, which is a tensor of its own;
    // so does an index of the declaration that the load does not have.
    bool whole = value.node->free.size() == value.node->operands.size();
    for (size_t i = 0; whole && i < value.node->operands.size(); ++i)
      whole = value.node->operands[i]->var->range->sameRange(*value.node->tensor->dims[i]->range);
    for (Var *axis : value.axes)
      whole &= std::count(value.node->free.begin(), value.node->free.end(), axis) == 1;
    if (whole)
      return value;
  }
  std::vector<Var *> dims;
  for (Var *var : value.node->free)
    if (std::find(value.axes.begin(), value.axes.end(), var) == value.axes.end())
      dims.push_back(var);
  dims.insert(dims.end(), value.axes.begin(), value.axes.end());
  if (value.node->literal)
    value.node = graph->convert(value.node, Type::Float);
  Tensor *tensor =
      graph->makeTensor(Tensor::Let, name, dims, value.node->type, span.valid() ? span : value.span);
  tensor->body = value.node;
  tensor->limit = value.node->limit;
  Frame *frame = scope->findFrame();
  tensor->region = frame->region;
  if (!name.empty() && !frame->instance->path.empty())
    tensor->path = frame->instance->path + "." + name;
  tensor->usesData = value.node->usesData;
  tensor->hasBatchMean = value.node->hasBatchMean;
  std::vector<Var *> axes = value.axes;
  value = tensorValue(tensor, span);
  value.axes = std::move(axes);
  return value;
}

Value Elaborator::flattened(Value value, Scope *scope, Span span) {
  constexpr int most = 256;
  if (value.kind != Value::Tensor || value.node->height < most ||
      !std::all_of(value.node->free.begin(), value.node->free.end(), [](Var *v) { return v->range; }))
    return value;
  return materialise(std::move(value), "", scope, span);
}

Tensor *Elaborator::tensorOf(const Value &value, const std::string &name, Scope *scope, Span span) {
  if (value.kind != Value::Tensor)
    return nullptr;
  const Node *node = value.node;
  if (node->op == Op::Load && node->tensor->dims.size() == node->operands.size()) {
    bool same = node->operands.size() == value.axes.size();
    for (size_t i = 0; same && i < node->operands.size(); ++i)
      same = plainIndex(node->operands[i]) == value.axes[i] && value.axes[i]->range &&
             value.axes[i]->range->sameRange(*node->tensor->dims[i]->range);
    if (same)
      return node->tensor;
  }
  return materialise(value, name, scope, span, true).node->tensor;
}

void Elaborator::noteValue(const std::string &name, const Value &value, Scope *scope) {
  if (value.kind != Value::Tensor || value.isConstant())
    return;
  for (Scope *s = scope; s; s = s->parent)
    if (s->isFunction)
      return; // what a def computes inside has no name outside
  const std::string &prefix = scope->findFrame()->instance->path;
  std::string path = prefix.empty() ? name : prefix + "." + name;
  if (int n = valuePaths[path]++) {
    std::string again;
    do
      again = path + std::to_string(++n);
    while (valuePaths.count(again)); // a let may be called so
    valuePaths[path = again] = 1;
  }
  result->values.push_back({path, value});
  for (const Instance *i = scope->findFrame()->instance; i; i = i->parent)
    if (i->span.valid() && sources.name(i->span.file).rfind("<library>", 0) != 0) {
      result->valueUses[path] = i->span;
      break;
    }
}

} // namespace gptc::typed
