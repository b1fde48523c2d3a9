// Parameters: made when first used; their initial values.
#include "frontend/elaborate.h"

#include <fmt/format.h>

#include <algorithm>

namespace gptc::typed {

void Elaborator::declareParams(const ast::Statement &s, Scope *scope) {
  Frame *frame = scope->findFrame();
  for (size_t i = 0; i < s.params.size(); ++i) {
    const ast::ParamDecl &decl = s.params[i];
    Binding binding;
    binding.kind = Binding::Param;
    binding.param = &decl;
    for (size_t j = i; j < s.params.size() && !binding.init; ++j)
      binding.init = s.params[j].init.get();
    binding.distribution = decl.distribution;
    binding.owner = frame->instance;
    if (!binding.init) {
      error(decl.name.span, fmt::format("parameter '{}' has no initial value", decl.name.text)).help =
          fmt::format("write `param {}[...] ~ normal(0.02)` or `= 0`", decl.name.text);
      defineValue(scope, decl.name, Value());
      continue;
    }
    // A dimension with a size names that size from here on.
    for (const ast::Dimension &dim : decl.dims)
      if (dim.kind == ast::Dimension::Sized || dim.kind == ast::Dimension::Bounded) {
        std::optional<int64_t> count = size(*dim.size, scope);
        binding.sizes[dim.name.text] = count.value_or(0);
        if (count)
          declareSize(scope, dim.name, Dim{dim.name.text, *count, "", false, dim.span});
      }
    binding.home = viewOf(scope); // it is made when it is first used
    define(scope, decl.name, std::move(binding));
  }
}

/// The size of one dimension of a declared parameter; none after an error.
std::optional<int64_t> Elaborator::parameterSize(const Binding &binding, size_t place) {
  const ast::Dimension &dim = binding.param->dims[place];
  Scope *scope = binding.home;
  auto sizeOf = [&](const ast::Name &name) -> std::optional<int64_t> {
    if (!scope->find(name.text)) {
      error(name.span, fmt::format("unknown size '{}'", name.text)).help =
          fmt::format("give it one here: `{}: 3`", name.text);
      return std::nullopt;
    }
    ast::Expr expr;
    expr.kind = ast::Expr::Name;
    expr.text = name.text;
    expr.span = name.span;
    return size(expr, scope);
  };
  if (dim.kind == ast::Dimension::Group) {
    int64_t product = 1;
    for (const ast::Name &part : dim.group)
      product = times(product, sizeOf(part).value_or(0));
    return product ? std::optional<int64_t>(product) : std::nullopt;
  }
  if (dim.kind == ast::Dimension::Rest) {
    error(dim.span, "a parameter's dimensions are all written");
    return std::nullopt;
  }
  auto named = binding.sizes.find(dim.name.text);
  if (dim.size && named != binding.sizes.end()) // known since it is declared; 0: its error is reported
    return named->second ? std::optional<int64_t>(named->second) : std::nullopt;
  return dim.size ? size(*dim.size, scope) : sizeOf(dim.name);
}

Tensor *Elaborator::makeParam(Binding &binding) {
  const ast::ParamDecl &decl = *binding.param;
  Instance *owner = binding.owner;
  std::vector<Var *> dims;
  bool good = true;
  for (size_t i = 0; i < decl.dims.size(); ++i) {
    const ast::Dimension &dim = decl.dims[i];
    std::optional<int64_t> count = parameterSize(binding, i);
    std::string name = dim.name.text;
    for (const ast::Name &part : dim.group)
      name += (name.empty() ? "" : "_") + part.text;
    if (name.empty() && dim.size && dim.size->kind == ast::Expr::Name)
      name = dim.size->text;
    good &= count.has_value();
    Var *var = graph->makeVar(Dim{name, count.value_or(1), "", false, dim.span});
    var->declared = true;
    dims.push_back(var);
  }
  auto existing = owner->params.find(decl.name.text);
  Tensor *tensor = existing == owner->params.end() ? nullptr : existing->second;
  if (good && tensor) {
    for (size_t i = 0; i < dims.size(); ++i)
      if (!dims[i]->range->sameRange(*tensor->dims[i]->range)) {
        error(decl.name.span,
              fmt::format("parameter '{}' of the shared '{}' would be {} here, and was {}", decl.name.text,
                          owner->path, dimsText(dims), dimsText(tensor->dims)))
            .notes.push_back(
                {owner->span, fmt::format("'{}' is named here; its uses share parameters", owner->path)});
        good = false;
        break;
      }
  }
  Binding made;
  made.span = binding.span;
  made.order = binding.order;
  if (good && !tensor) {
    tensor = graph->makeTensor(Tensor::Param, decl.name.text, dims, Type::Float, decl.name.span);
    tensor->path = (owner->path.empty() ? "" : owner->path + ".") + decl.name.text;
    tensor->copyKeys = owner->copyKeys;
    tensor->copyCounts = owner->copyCounts;
    tensor->pathParts = owner->pathParts;
    tensor->pathParts.push_back(decl.name.text);
    owner->params[decl.name.text] = tensor;
    if (!paramPaths.insert(tensor->path).second) {
      Diagnostic &d = error(decl.name.span, fmt::format("two parameters would be called '{}'", tensor->path));
      for (Tensor *other : graph->params)
        if (other->path == tensor->path)
          d.notes.push_back({other->span, "the other is declared here"});
      good = false;
    }
    graph->params.push_back(tensor);
    initialise(tensor, binding);
  }
  if (good) {
    made.value = tensorValue(tensor, decl.name.span);
    made.value.axes = tensor->dims;
  }
  binding = std::move(made);
  return good ? tensor : nullptr;
}

static bool usesParams(const Node *node, std::set<const Node *> &seen) {
  if (!node || !seen.insert(node).second)
    return false;
  if (node->tensor && node->tensor->kind != Tensor::Let && node->tensor->kind != Tensor::Constant)
    return true;
  if (node->tensor && usesParams(node->tensor->body, seen))
    return true;
  return std::any_of(node->operands.begin(), node->operands.end(),
                     [&](const Node *operand) { return usesParams(operand, seen); });
}

void Elaborator::initialise(Tensor *param, Binding &binding) {
  const ast::Expr &init = *binding.init;
  bool saved = batchScope;
  batchScope = false;
  if (binding.distribution) {
    bool isCall = init.kind == ast::Expr::Call && init.children[0]->kind == ast::Expr::Name;
    const std::string name = isCall ? init.children[0]->text : "";
    size_t count = name == "normal" ? 1 : name == "uniform" ? 2 : 0;
    if (!count) {
      error(init.span, "expected a distribution after '~'").help =
          "write `~ normal(0.02)` or `~ uniform(-1, 1)`; a value stands after '='";
    } else if (init.arguments.size() != count) {
      error(init.span, fmt::format("'{}' takes {} number{}", name, count, count == 1 ? "" : "s")).help =
          "normal(standard deviation), uniform(lowest, highest)";
    } else {
      std::optional<double> first =
          constantOf(*init.arguments[0].value, binding.home, "a distribution's argument");
      std::optional<double> second =
          count == 2 ? constantOf(*init.arguments[1].value, binding.home, "a distribution's argument") : 0;
      param->init.kind = count == 1 ? Initialiser::Normal : Initialiser::Uniform;
      param->init.first = first.value_or(0);
      param->init.second = second.value_or(0);
    }
    batchScope = saved;
    return;
  }
  Value listed;
  if (isNumberList(init)) {
    listed = numberList(init, param->dims);
    batchScope = saved;
    if (!listed.ok())
      return;
  }
  // An expression of the dimensions' names.
  Scope *inner = newScope(binding.home);
  const std::vector<ast::Dimension> &written = binding.param->dims;
  for (size_t i = 0; i < written.size(); ++i) {
    const ast::Name &name = written[i].name;
    if (name.text.empty())
      continue;
    Binding index;
    index.kind = Binding::Index;
    index.var = param->dims[i];
    index.span = name.span;
    bool again = !inner->names.emplace(name.text, std::move(index)).second;
    const ast::Expr *use = again || !written[i].size ? findName(init, name.text) : nullptr;
    if (!use)
      continue;
    Diagnostic &d = error(use->span, again ? fmt::format("'{}' may be either of two indices of '{}' here",
                                                         name.text, param->name)
                                           : fmt::format("'{}' may be the index of this dimension here, or "
                                                         "its size",
                                                         name.text));
    d.notes.push_back({written[i].span, "the dimension is declared here"});
    d.help = fmt::format("name the index: `{}[i: {}]`", param->name, name.text);
    batchScope = saved;
    return;
  }
  for (Var *var : param->dims)
    var->fixedBy = param->name, var->fixedAt = var->range->span;
  Value value = listed.ok() ? listed : evaluate(init, inner);
  batchScope = saved;
  if (!value.ok())
    return;
  std::set<const Node *> seen;
  if (value.kind != Value::Tensor || usesParams(value.node, seen)) {
    error(init.span, "an initial value depends on indices and settings only");
    return;
  }
  if (!value.axes.empty()) {
    bool same = value.axes.size() == param->dims.size();
    std::map<Var *, const Node *> with;
    for (size_t i = 0; same && i < value.axes.size(); ++i) {
      same = value.axes[i]->range->sameRange(*param->dims[i]->range);
      with[value.axes[i]] = graph->index(param->dims[i], init.span);
    }
    if (!same) {
      error(init.span, fmt::format("parameter '{}' is {}, but its initial value is {}", param->name,
                                   dimsText(param->dims), dimsText(value.axes)))
          .notes.push_back({param->span, "the parameter is declared here"});
      return;
    }
    value.node = graph->substitute(value.node, with);
  }
  const Node *node = value.node;
  if (node->type == Type::Int && node->op != Op::Const)
    node = graph->op(Op::ToFloat, Type::Float, {node}, init.span);
  param->init.value = graph->convert(node, Type::Float);
}

} // namespace gptc::typed
