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
    binding.home = scope;
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
        Binding *known = scope->find(dim.name.text);
        if (!count || known)
          continue;
        Binding named;
        named.kind = Binding::Size;
        named.size = Dim{dim.name.text, *count, "", false, dim.span};
        define(scope, dim.name, std::move(named));
      }
    define(scope, decl.name, std::move(binding));
  }
}

Tensor *Elaborator::makeParam(Binding &binding) {
  const ast::ParamDecl &decl = *binding.param;
  Scope *scope = binding.home;
  Instance *owner = binding.owner;
  std::vector<Var *> dims;
  auto sizeOf = [&](const ast::Name &name) -> std::optional<int64_t> {
    Binding *known = scope->find(name.text);
    if (!known) {
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
  bool good = true;
  for (const ast::Dimension &dim : decl.dims) {
    std::optional<int64_t> count;
    std::string name = dim.name.text;
    if (dim.kind == ast::Dimension::Group) {
      int64_t product = 1;
      for (const ast::Name &part : dim.group) {
        std::optional<int64_t> one = sizeOf(part);
        product = times(product, one.value_or(0));
        name += (name.empty() ? "" : "_") + part.text;
      }
      if (product)
        count = product;
    } else if (dim.kind == ast::Dimension::Rest) {
      error(dim.span, "a parameter's dimensions are all written");
    } else if (dim.size) {
      count = size(*dim.size, scope);
      if (name.empty() && dim.size->kind == ast::Expr::Name)
        name = dim.size->text;
    } else {
      count = sizeOf(dim.name);
    }
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
  if (good && !tensor) {
    tensor = graph->makeTensor(Tensor::Param, decl.name.text, dims, Type::Float, decl.name.span);
    tensor->path = (owner->path.empty() ? "" : owner->path + ".") + decl.name.text;
    tensor->copyKeys = owner->copyKeys;
    tensor->copyCounts = owner->copyCounts;
    tensor->pathParts = owner->pathParts;
    tensor->pathParts.push_back(decl.name.text);
    owner->params[decl.name.text] = tensor;
    for (Tensor *other : graph->params)
      if (other->path == tensor->path) {
        error(decl.name.span, fmt::format("two parameters would be called '{}'", tensor->path))
            .notes.push_back({other->span, "the other is declared here"});
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

static bool usesParams(const Node *node) {
  if (node->tensor) {
    if (node->tensor->kind == Tensor::Let)
      return usesParams(node->tensor->body);
    if (node->tensor->kind != Tensor::Constant)
      return true;
  }
  return std::any_of(node->operands.begin(), node->operands.end(), usesParams);
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
  for (Var *var : param->dims) {
    if (var->name.empty())
      continue;
    Binding index;
    index.kind = Binding::Index;
    index.var = var;
    index.span = var->span;
    inner->names[var->name] = std::move(index);
  }
  for (Var *var : param->dims)
    var->fixedBy = param->name, var->fixedAt = var->range->span;
  Value value = listed.ok() ? listed : evaluate(init, inner);
  batchScope = saved;
  if (!value.ok())
    return;
  if (value.kind != Value::Tensor || usesParams(value.node)) {
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
