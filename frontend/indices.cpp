// Subscripts, and what ranges the indices get from them.
#include "frontend/elaborate.h"
#include "frontend/habits.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace gptc::typed {

std::string Elaborator::describe(const Value &value) {
  switch (value.kind) {
  case Value::Function: return "a function";
  case Value::Instance: return "a block";
  case Value::Error: return "an error";
  case Value::Tensor: break;
  }
  if (value.axes.empty())
    return value.isConstant() ? "the number " + numberText(value.node->number) : "one number";
  return fmt::format("a value with dimensions {}", dimsText(value.axes));
}

bool Elaborator::useIndex(Var *var, const Dim &dim, Span use, const std::string &of) {
  if (!var->range) {
    var->range = dim;
    var->range->name = var->name;
    var->fixedAt = use;
    var->fixedBy = of;
    return true;
  }
  Dim &range = *var->range;
  if (range.sameRange(dim))
    return true;
  // A part of what is indexed: a declared range, or text up to its bound.
  if (range.size <= dim.size && !dim.isDynamic() && (var->declared || range.bounded))
    return true;
  if (dim.bounded && !range.isDynamic() && dim.size <= range.size && !var->declared) {
    range = dim;
    range.name = var->name;
    return true;
  }
  std::string what = var->name.empty() ? "the index" : fmt::format("index '{}'", var->name);
  Diagnostic &d = error(use, fmt::format("{} has {} values in '{}', but {} here, in '{}'", what, range.text(),
                                         var->fixedBy, dim.text(), of));
  if (range.span.valid())
    d.notes.push_back(
        {range.span, fmt::format("the {} of '{}' is declared here", range.text(), var->fixedBy)});
  else if (var->fixedAt.valid())
    d.notes.push_back({var->fixedAt, fmt::format("the {} of '{}' is used here", range.text(), var->fixedBy)});
  if (dim.span.valid())
    d.notes.push_back({dim.span, fmt::format("the {} of '{}' is declared here", dim.text(), of)});
  if (var->declared && range.size > dim.size && !var->name.empty())
    d.help = fmt::format("`{0} + 0` in place of `{0}` reads 0 beyond the end of '{1}'", var->name, of);
  return false;
}

void Elaborator::group(std::vector<Var *> vars, const Dim &dim, Span span, const std::string &of) {
  pendingGroups.push_back({std::move(vars), dim, span, of, letDepth});
  resolveGroups(false);
}

void Elaborator::resolveGroups(bool final) {
  std::vector<PendingGroup> later;
  for (PendingGroup &pending : pendingGroups) {
    Var *unknown = nullptr;
    int unknowns = 0;
    int64_t product = 1;
    std::string names;
    for (Var *var : pending.vars) {
      names += (names.empty() ? "" : " ") + var->name;
      if (var->range) {
        product = times(product, var->range->size);
      } else {
        unknown = var;
        ++unknowns;
      }
    }
    if (pending.dim.isDynamic()) {
      error(pending.span, fmt::format("'{}' cannot be split into ({}): its extent is known only per batch",
                                      pending.of, names));
    } else if (unknowns > 1) {
      if (!final || pending.level < letDepth) {
        later.push_back(pending);
        continue;
      }
      error(pending.span, fmt::format("the ranges of ({}) cannot be inferred, only their product, {}", names,
                                      pending.dim.text()))
          .help = fmt::format("declare all but one of them, as in `let y[{}: ...]`", pending.vars[0]->name);
    } else if (unknowns == 0 ? product != pending.dim.size : pending.dim.size % product != 0) {
      Diagnostic &d = error(pending.span, fmt::format("({}) has {}{} values, but '{}' has {} here", names,
                                                      unknowns ? "a multiple of " : "", product, pending.of,
                                                      pending.dim.text()));
      if (pending.dim.span.valid())
        d.notes.push_back({pending.dim.span,
                           fmt::format("the {} of '{}' is declared here", pending.dim.text(), pending.of)});
    } else if (unknown) {
      unknown->range = Dim{unknown->name, pending.dim.size / product, "", false, pending.dim.span};
      unknown->fixedAt = pending.span;
      unknown->fixedBy = pending.of;
      continue;
    } else {
      continue;
    }
    for (Var *var : pending.vars) // report once
      if (!var->range)
        var->range = Dim{var->name, 1, "", false, pending.span};
  }
  pendingGroups = std::move(later);
}

/// Without a plain use, a size of the same name says an index's range: the nearest of that name where
/// the index is declared, and only if it is a size.
bool Elaborator::rangeByName(Var *var, Scope *scope) {
  auto declares = [&](Scope *s) {
    auto found = s->names.find(var->name);
    return found != s->names.end() && found->second.kind == Binding::Index && found->second.var == var;
  };
  while (scope && !declares(scope))
    scope = scope->parent;
  for (Scope *s = scope; s && !var->range; s = s->parent) {
    auto found = s->names.find(var->name);
    if (found == s->names.end() || found->second.kind == Binding::Index)
      continue;
    Binding &binding = found->second;
    std::optional<int64_t> count = binding.sizeIfKnown();
    if (!count)
      return false;
    var->range =
        binding.kind == Binding::Size ? binding.size : Dim{var->name, *count, "", false, binding.span};
  }
  if (!var->range)
    return false;
  var->range->name = var->name;
  var->fixedAt = var->span;
  var->fixedBy = var->name;
  return true;
}

bool Elaborator::inferRanges(const std::vector<Var *> &vars, Scope *scope) {
  auto known = [&] {
    resolveGroups(false);
    return std::all_of(vars.begin(), vars.end(), [](const Var *var) { return var->range.has_value(); });
  };
  for (Var *var : vars)
    if (!known() && !var->range)
      rangeByName(var, scope);
  if (known())
    return true;
  // An index of the surroundings in the same group may have a size's name.
  std::vector<PendingGroup> waiting = pendingGroups; // which rangeByName() may resolve
  for (const PendingGroup &pending : waiting)
    for (Var *var : pending.vars)
      if (!var->range)
        rangeByName(var, scope);
  return known();
}

/// The dimension at a place of a value; none where it is not known without evaluating.
std::optional<Dim> Elaborator::dimensionAt(const ast::Expr &base, Scope *scope, size_t fromFront,
                                           size_t fromBack, bool afterRest) {
  if (base.kind == ast::Expr::Call && base.children[0]->kind == ast::Expr::Name &&
      base.arguments.size() == 1) {
    // next(token) and valid(source) have the dimension of what they are of.
    const std::string &function = base.children[0]->text;
    if ((function == "next" || function == "valid") && !scope->find(function) && base.arguments[0].value)
      return dimensionAt(*base.arguments[0].value, scope, fromFront, fromBack, afterRest);
    return std::nullopt;
  }
  Binding *binding = base.kind == ast::Expr::Name ? scope->find(base.text) : nullptr;
  bool isValue = binding && binding->kind == Binding::Value && binding->value.kind == Value::Tensor;
  if (!isValue && !(binding && binding->kind == Binding::Param))
    return std::nullopt;
  size_t count = isValue ? binding->value.axes.size() : binding->param->dims.size();
  if (fromFront + fromBack >= count)
    return std::nullopt; // which is an error elsewhere
  size_t place = afterRest ? count - 1 - fromBack : fromFront;
  if (isValue)
    return binding->value.axes[place]->range;
  std::optional<int64_t> size = parameterSize(*binding, place);
  return size ? std::optional<Dim>(Dim{"", *size, "", false, binding->param->dims[place].span})
              : std::nullopt;
}

/// Plain uses of an index in an expression that is not evaluated yet.
void Elaborator::rangeFromUses(Var *var, const ast::Expr &expr, Scope *scope) {
  if (expr.kind == ast::Expr::Subscript)
    for (size_t i = 0; i < expr.indices.size(); ++i) {
      const ast::Index &index = expr.indices[i];
      if (index.kind != ast::Index::Expression || !index.expr || index.expr->kind != ast::Expr::Name ||
          index.expr->text != var->name)
        continue;
      bool afterRest = std::any_of(expr.indices.begin(), expr.indices.begin() + i,
                                   [](const ast::Index &other) { return other.kind == ast::Index::Rest; });
      std::optional<Dim> dim =
          dimensionAt(*expr.children[0], scope, i - afterRest, expr.indices.size() - 1 - i, afterRest);
      if (dim)
        useIndex(var, *dim, index.span, sources.quote(expr.children[0]->span));
    }
  for (const ast::ExprPtr &child : expr.children)
    if (child)
      rangeFromUses(var, *child, scope);
  for (const ast::Argument &argument : expr.arguments) {
    if (std::any_of(argument.names.begin(), argument.names.end(),
                    [&](const ast::Name &name) { return name.text == var->name; }) &&
        !callsDef(expr, scope))
      continue; // an index of its own
    for (const ast::Expr *part : {argument.condition.get(), argument.value.get()})
      if (part)
        rangeFromUses(var, *part, scope);
  }
  for (const ast::Index &index : expr.indices)
    if (index.expr)
      rangeFromUses(var, *index.expr, scope);
}

/// The range of an index from all of the declaration that it belongs to: what needs it at once, as the
/// sum in a softmax does, may stand before the use that tells.
void Elaborator::rangeFromUses(Var *var, Scope *scope) {
  if (var->declared)
    return;
  for (Scope *s = scope; s; s = s->parent) {
    auto found = s->names.find(var->name);
    if (found == s->names.end() || found->second.kind != Binding::Index || found->second.var != var)
      continue;
    for (const ast::Expr *use : s->uses)
      if (use)
        rangeFromUses(var, *use, s);
    if (!s->uses.empty())
      return;
  }
}

bool Elaborator::requireRange(Var *var, Scope *scope, bool binder) {
  if (!var->range)
    rangeFromUses(var, scope);
  if (var->range || inferRanges({var}, scope))
    return true;
  error(var->span, fmt::format("the range of index '{}' cannot be inferred", var->name)).help =
      binder && namesTheBatch(var->name) ? helpForName(var->name)
      : binder
          ? fmt::format("it follows from a subscript with just `{0}`, or from a size of that name; or a let "
                        "declares it before: `let part[{0}: 3] = ...`, then `part[{0}]`",
                        var->name)
          : fmt::format("it follows from a subscript with just `{0}`, or is declared: `{0}: 3`", var->name);
  var->range = Dim{var->name, 1, "", false, var->span};
  return false;
}

/// `e[int(user)]` with a column of rows: its values are checked when they are read. One that is computed
/// further, `int(user) + 0`, may lie outside.
void Elaborator::indexFromData(const Node *index, const Dim &dim, const std::string &of) {
  while (index->op == Op::Load && index->tensor->kind == Tensor::Let && index->operands.empty())
    index = index->tensor->body; // `let k = int(user)`
  const Node *number = index->op == Op::ToInt ? index->operands[0] : nullptr;
  if (!number || number->op != Op::Load || number->tensor->kind != Tensor::Input || dim.isDynamic())
    return;
  for (const DataSpec::Column &column : result->data.columns) {
    if (column.name != number->tensor->name || column.standardise)
      continue;
    // One of its columns, or all where the place is an index.
    size_t first = 0, count = 1;
    for (size_t i = 0; i < number->operands.size(); ++i) {
      const Node *at = number->operands[i];
      first = first * size_t(number->tensor->dims[i]->range->size) + size_t(at->number);
      if (at->op != Op::Const)
        count = column.sources.size();
    }
    for (size_t i = count == 1 ? first : 0, end = i + count; i < end; ++i) {
      DataSpec::IndexUse use{column.name, i, dim.size, of};
      auto same =
          std::find_if(result->data.indexUses.begin(), result->data.indexUses.end(),
                       [&](const DataSpec::IndexUse &u) { return u.column == use.column && u.source == i; });
      if (same == result->data.indexUses.end())
        result->data.indexUses.push_back(std::move(use));
      else if (dim.size < same->below)
        *same = std::move(use);
    }
  }
}

Value Elaborator::subscript(const ast::Expr &expr, Scope *scope) {
  const ast::Expr &callee = *expr.children[0];
  if (callee.kind == ast::Expr::Name && callee.text == "random" && !scope->find("random"))
    return randomAt(expr, scope);
  Value base = evaluate(*expr.children[0], scope);
  if (!base.ok())
    return base;
  if (base.kind != Value::Tensor) {
    error(expr.children[0]->span, fmt::format("{} has no indices", describe(base)));
    return Value();
  }
  return subscriptValue(std::move(base), expr, scope);
}

/// The least and the most that an integer is, as far as its text says; an index of a range that is not known yet counts as
/// one of two values.
static std::pair<double, double> rangeOf(const Node *node, int depth = 0) {
  constexpr int deepest = 12; // of a sum of products of indices; who writes more computes something else
  bool isSum = node->op == Op::Add || node->op == Op::Sub || node->op == Op::Mul || node->op == Op::Neg;
  if (node->op == Op::Const)
    return {node->number, node->number};
  if (node->op == Op::Index)
    return {0, node->var->range ? double(node->var->range->size - 1) : 1};
  if (!isSum || depth == deepest)
    return {0, 0};
  auto [a, b] = rangeOf(node->operands[0], depth + 1);
  if (node->op == Op::Neg)
    return {-b, -a};
  auto [c, d] = rangeOf(node->operands[1], depth + 1);
  if (node->op == Op::Add)
    return {a + c, b + d};
  if (node->op == Op::Sub)
    return {a - d, b - c};
  return {std::min(std::min(a * c, a * d), std::min(b * c, b * d)),
          std::max(std::max(a * c, a * d), std::max(b * c, b * d))};
}

Value Elaborator::subscriptValue(Value base, const ast::Expr &expr, Scope *scope) {
  std::string of = base.node->op == Op::Load && !base.node->tensor->name.empty()
                       ? base.node->tensor->name
                       : sources.quote(expr.children[0]->span);
  if (expr.children[0]->kind == ast::Expr::Name)
    of = expr.children[0]->text;
  size_t written = 0;
  for (const ast::Index &index : expr.indices)
    written += index.kind != ast::Index::Rest;
  if (written > base.axes.size()) {
    Diagnostic &d =
        error(expr.span, fmt::format("'{}' has {} dimension{}, {}, but {} {} written here", of,
                                     base.axes.size(), base.axes.size() == 1 ? "" : "s", dimsText(base.axes),
                                     written, written == 1 ? "index is" : "indices are"));
    const Tensor *loaded = base.node->op == Op::Load ? base.node->tensor : nullptr;
    if (loaded && loaded->span.valid())
      d.notes.push_back({loaded->span, fmt::format("'{}' is declared here", of)});
    if (loaded && loaded->kind == Tensor::Input && written == base.axes.size() + 1)
      d.help = "a model is written for one example: data have no index of the batch";
    return Value();
  }
  std::map<Var *, const Node *> with;
  std::vector<Var *> axes;
  size_t at = 0;
  bool good = true;
  for (const ast::Index &index : expr.indices) {
    if (index.kind == ast::Index::Rest) {
      Rest *rest = scope->findRest();
      size_t count = base.axes.size() - written;
      if (!rest) {
        for (size_t i = 0; i < count; ++i) // as written by nobody: these stay
          axes.push_back(base.axes[at++]);
        continue;
      }
      if (!rest->known) {
        rest->known = true;
        for (size_t i = 0; i < count; ++i)
          rest->vars.push_back(graph->makeVar(base.axes[at + i]->name, index.span));
      }
      if (rest->vars.size() != count) {
        error(index.span, fmt::format("'..' stands for {} indices here, in '{}', but for {} before", count,
                                      of, rest->vars.size()));
        return Value();
      }
      for (size_t i = 0; i < count; ++i, ++at) {
        good &= useIndex(rest->vars[i], *base.axes[at]->range, index.span, of);
        with[base.axes[at]] = graph->index(rest->vars[i], index.span);
      }
      continue;
    }
    Var *axis = base.axes[at++];
    if (index.kind == ast::Index::Group) {
      std::vector<Var *> vars;
      std::vector<const Node *> nodes;
      for (const ast::Name &name : index.group) {
        Binding *binding = lookup(scope, name.text, name.span);
        if (!binding || binding->kind != Binding::Index) {
          error(name.span, fmt::format("'{}' is not an index here", name.text)).help =
              "a group names indices of the let or of a binder around it";
          return Value();
        }
        vars.push_back(binding->var);
        nodes.push_back(graph->index(binding->var, name.span));
      }
      group(vars, *axis->range, index.span, of);
      Node merge;
      merge.op = Op::Merge;
      merge.type = Type::Int;
      merge.exact = true;
      merge.span = index.span;
      merge.operands = nodes;
      merge.bound = vars;
      with[axis] = graph->make(std::move(merge));
      continue;
    }
    if (!index.expr)
      return Value();
    Binding *binding = index.expr->kind == ast::Expr::Name ? scope->find(index.expr->text) : nullptr;
    if (binding && binding->kind == Binding::Index) {
      good &= useIndex(binding->var, *axis->range, index.span, of);
      with[axis] = graph->index(binding->var, index.span);
      continue;
    }
    if (binding && binding->kind == Binding::Size && binding->size.isDynamic()) {
      const std::string &name = index.expr->text;
      Diagnostic &d = error(index.expr->span, fmt::format("'{}' is no index here, it is a length", name));
      d.notes.push_back({binding->span, "it is declared here"});
      d.help = fmt::format("an index is introduced by the let, `let y[{0}] = ...`, or by what runs over it, "
                           "`mean({0}: ...)`",
                           name);
      good = false;
      continue;
    }
    if (!binding && index.expr->kind == ast::Expr::Name) {
      error(index.expr->span, fmt::format("unknown index '{}'", index.expr->text)).help = fmt::format(
          "an index is introduced by the let, `let y[{0}] = ...`, or by a binder, `sum({0}: ...)`",
          index.expr->text);
      good = false;
      continue;
    }
    Value value = evaluate(*index.expr, scope);
    if (!value.ok()) {
      good = false;
      continue;
    }
    if (value.kind != Value::Tensor || (value.node->type != Type::Int && !value.node->literal)) {
      bool truth = value.kind == Value::Tensor && value.node->type == Type::Bool;
      error(index.expr->span, fmt::format("an index is an integer, this is {}",
                                          truth                         ? "a truth value"
                                          : value.kind == Value::Tensor ? typeName(value.node->type)
                                                                        : describe(value)))
          .help = truth ? "elements are not left out of a value; a sum or mean leaves them out, "
                          "`sum(i where x[i] > 0: x[i])`, or `where(x > 0, x, 0)` makes them 0"
                        : "`int(...)` makes an integer of a number";
      good = false;
      continue;
    }
    if (value.isConstant()) {
      double n = value.node->number;
      if (n != double(int64_t(n)) || n < 0 || n >= double(axis->range->size)) {
        error(index.expr->span, fmt::format("index {} lies outside of '{}', whose dimension has {} values",
                                            numberText(n), of, axis->range->text()))
            .help = n == -1 && !axis->range->isDynamic()
                        ? fmt::format("places count from 0; the last one is {}", axis->range->size - 1)
                        : "";
        good = false;
        continue;
      }
    }
    const Node *node = graph->convert(value.node, Type::Int);
    indexFromData(node, *axis->range, of);
    if (auto [least, most] = rangeOf(node); std::max(-least, most) > double(INT32_MAX)) {
      error(index.expr->span, fmt::format("the values of this index go from {} to {}; integers have 32 bits",
                                          numberText(least), numberText(most)));
      good = false;
    }
    if (node->limit && !axis->range->isDynamic() && node->limit > axis->range->size) {
      Diagnostic &d = error(index.expr->span,
                            fmt::format("the values of this index go from 0 to {}, but '{}' has {} here",
                                        node->limit - 1, of, axis->range->text()));
      if (axis->range->span.valid())
        d.notes.push_back(
            {axis->range->span, fmt::format("the {} of '{}' is declared here", axis->range->text(), of)});
      good = false;
    }
    with[axis] = node;
    axes.insert(axes.end(), value.axes.begin(), value.axes.end());
  }
  if (!good)
    return Value();
  axes.insert(axes.end(), base.axes.begin() + at, base.axes.end());
  Value result;
  result.kind = Value::Tensor;
  result.node = graph->substitute(base.node, with);
  result.axes = std::move(axes);
  result.span = expr.span;
  return result;
}

} // namespace gptc::typed
