// Calls: functions of the language, defs, reductions.
#include "frontend/elaborate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gptc::typed {

static const std::map<std::string, Op> &unaryFunctions() {
  static const std::map<std::string, Op> functions = {
      {"exp", Op::Exp}, {"log", Op::Log}, {"sqrt", Op::Sqrt}, {"rsqrt", Op::Rsqrt}, {"tanh", Op::Tanh},
      {"erf", Op::Erf}, {"sin", Op::Sin}, {"cos", Op::Cos},   {"abs", Op::Abs}};
  return functions;
}

/// Without binders or names, `count` of them.
std::vector<Value> Elaborator::positional(const ast::Expr &expr, Scope *scope, size_t count,
                                          const std::string &name, bool &ok) {
  std::vector<Value> values;
  ok = true;
  if (expr.arguments.size() != count) {
    error(expr.span, fmt::format("'{}' takes {} argument{}, here are {}", name, count, count == 1 ? "" : "s",
                                 expr.arguments.size()));
    ok = false;
    return values;
  }
  for (const ast::Argument &argument : expr.arguments) {
    if (!argument.names.empty()) {
      error(argument.names[0].span, fmt::format("'{}' takes no index and no name", name));
      ok = false;
      return values;
    }
    values.push_back(evaluate(*argument.value, scope));
    ok &= values.back().ok();
  }
  return values;
}

Value Elaborator::call(const ast::Expr &expr, Scope *scope) {
  const ast::Expr &callee = *expr.children[0];
  std::string hint = std::move(nameHint);
  nameHint.clear();
  if (callee.kind == ast::Expr::Name) {
    if (Binding *binding = lookup(scope, callee.text, callee.span)) {
      switch (binding->kind) {
      case Binding::Def: {
        bool saved = batchScope;
        batchScope = false;
        Value value = callDef(*binding->stmt, binding->home, expr, scope);
        batchScope = saved;
        return value;
      }
      case Binding::Block: nameHint = hint; return makeInstance(*binding, &expr, callee, scope);
      case Binding::Value:
        if (binding->value.kind == Value::Function)
          return callDef(*binding->value.def, binding->value.home, expr, scope);
        if (binding->value.kind == Value::Instance)
          return apply(binding->value.instance, expr, scope);
        if (binding->value.arity)
          return callPredicate(binding->value, callee.text, expr, scope);
        if (!binding->value.ok())
          return Value();
        [[fallthrough]];
      default:
        error(callee.span, fmt::format("'{}' is a value, it cannot be called", callee.text))
            .notes.push_back({binding->span, "it is defined here"});
        return Value();
      }
    }
    bool known = false;
    Value value = builtin(callee.text, expr, scope, known);
    if (!known)
      unknownFunction(callee, scope);
    return value;
  }
  bool saved = batchScope;
  batchScope = false;
  nameHint = hint; // `let f = Linear(c)(x)`: for the call inside
  Value value = evaluate(callee, scope);
  nameHint.clear();
  batchScope = saved;
  if (!value.ok())
    return value;
  if (value.kind == Value::Instance)
    return apply(value.instance, expr, scope);
  if (value.kind == Value::Function)
    return callDef(*value.def, value.home, expr, scope);
  error(callee.span, fmt::format("{} cannot be called", describe(value)));
  return Value();
}

/// `see(t, s)` where `see` is a truth value over its last index or indices.
Value Elaborator::callPredicate(const Value &predicate, const std::string &name, const ast::Expr &expr,
                                Scope *scope) {
  bool ok;
  std::vector<Value> values = positional(expr, scope, predicate.arity, name, ok);
  if (!ok)
    return Value();
  std::map<Var *, const Node *> with;
  size_t first = values.size() - predicate.axes.size();
  for (size_t i = 0; i < predicate.axes.size(); ++i) {
    const Value &value = values[first + i];
    Var *axis = predicate.axes[i];
    if (value.kind != Value::Tensor || !value.axes.empty() ||
        (value.node->type != Type::Int && !value.node->literal)) {
      error(expr.arguments[first + i].span,
            fmt::format("'{}' takes indices here, this is {}", name, describe(value)));
      return Value();
    }
    if (Var *index = plainIndex(value.node))
      if (!useIndex(index, *axis->range, expr.arguments[first + i].span, name))
        return Value();
    with[axis] = graph->convert(value.node, Type::Int);
  }
  Value value;
  value.kind = Value::Tensor;
  value.span = expr.span;
  value.node = graph->substitute(predicate.node, with);
  return value;
}

Value Elaborator::functionBody(const ast::Body &body, Scope *scope) {
  for (const ast::Statement &s : body.statements)
    statement(s, scope);
  if (body.value)
    return evaluate(*body.value, scope);
  error(body.span, "this has no value: its last line gives one");
  return Value();
}

Value Elaborator::callDef(const ast::Statement &def, Scope *home, const ast::Expr &expr, Scope *scope) {
  const std::string &name = def.name.text;
  Scope *caller = scope;
  Scope *inner = newScope(home);
  inner->frame = scope->findFrame();
  inner->isFunction = inner->isBody = true;
  std::vector<Var *> fresh;
  // Indices first: one that the caller has is meant by its name, else it is new.
  if (!def.binders.empty()) {
    const ast::Argument *first = expr.arguments.empty() ? nullptr : &expr.arguments[0];
    if (!first || first->names.size() != def.binders.size()) {
      error(expr.span, fmt::format("'{}' is a function of {} ind{}", name, def.binders.size(),
                                   def.binders.size() == 1 ? "ex" : "ices"))
          .help = fmt::format("write `{}({}: ...)`", name, def.binders[0].text);
      return Value();
    }
    if (first->condition) {
      error(first->condition->span, "'where' stands in sum, mean and max").help =
          "put the condition into the value: `where(condition, x, -inf)`";
      return Value();
    }
    caller = newScope(scope);
    for (const ast::Argument &argument : expr.arguments)
      caller->uses.push_back(argument.value.get());
    for (size_t i = 0; i < def.binders.size(); ++i) {
      const ast::Name &index = first->names[i];
      if (caller->names.count(index.text)) {
        error(index.span, fmt::format("'{}' is given the index '{}' twice", name, index.text));
        return Value();
      }
      Binding *outer = scope->find(index.text);
      Binding binding;
      binding.kind = Binding::Index;
      binding.span = index.span;
      if (outer && outer->kind == Binding::Index) {
        binding.var = outer->var;
        rangeFromUses(binding.var, scope); // all of them: the body takes the range as it is now
      } else {
        binding.var = graph->makeVar(index.text, index.span);
        fresh.push_back(binding.var);
      }
      caller->names[index.text] = binding;
      inner->names[def.binders[i].text] = binding;
    }
  }
  std::vector<bool> given(def.inputs.size());
  size_t next = 0;
  bool good = true;
  std::vector<Value> values(def.inputs.size());
  for (size_t i = 0; i < expr.arguments.size(); ++i) {
    const ast::Argument &argument = expr.arguments[i];
    size_t place = SIZE_MAX;
    if (argument.names.empty() || (i == 0 && !def.binders.empty())) {
      while (next < given.size() && given[next])
        ++next;
      place = next < given.size() ? next : SIZE_MAX;
    } else {
      for (size_t j = 0; j < def.inputs.size(); ++j)
        if (def.inputs[j].name.text == argument.names[0].text)
          place = j;
      if (place == SIZE_MAX || given[place]) {
        error(argument.names[0].span,
              fmt::format(place == SIZE_MAX ? "'{}' has no argument '{}'" : "'{}' is given '{}' twice", name,
                          argument.names[0].text))
            .notes.push_back({def.name.span, fmt::format("'{}' is defined here", name)});
        return Value();
      }
    }
    if (place == SIZE_MAX) {
      error(argument.span, fmt::format("'{}' takes {} argument{}", name, def.inputs.size(),
                                       def.inputs.size() == 1 ? "" : "s"))
          .notes.push_back({def.name.span, fmt::format("'{}' is defined here", name)});
      return Value();
    }
    given[place] = true;
    values[place] = evaluate(*argument.value, caller);
    good &= values[place].ok();
  }
  for (size_t j = 0; j < given.size(); ++j)
    if (!given[j]) {
      error(expr.span, fmt::format("'{}' also needs '{}'", name, def.inputs[j].name.text))
          .notes.push_back({def.inputs[j].name.span, "it is declared here"});
      return Value();
    }
  if (!good || !def.body)
    return Value();
  for (Var *var : fresh)
    good &= requireRange(var, caller, /*binder=*/true);
  // The body may name an argument often: what sums over something is made once.
  for (size_t j = 0; good && j < values.size(); ++j)
    if (values[j].kind == Value::Tensor && values[j].node->reduces &&
        std::all_of(values[j].node->free.begin(), values[j].node->free.end(),
                    [](Var *v) { return v->range; }))
      values[j] = materialise(values[j], "", scope, values[j].span);
  if (!good || !bindInputs(def.inputs, values, inner, name))
    return Value();
  useSites.push_back({expr.span, name});
  Value value = functionBody(*def.body, inner);
  if (value.ok() && def.gradient && values.size() == 1) {
    // f(x) + g * (x - stop(x)): the value of f, the derivative g.
    Value slope = elementwise(Op::StopGradient, {evaluate(*def.gradient, inner)}, expr.span);
    Value still = elementwise(Op::StopGradient, {values[0]}, expr.span);
    Value zero = elementwise(Op::Sub, {values[0], still}, expr.span);
    value = elementwise(
        Op::Add,
        {elementwise(Op::StopGradient, {value}, expr.span), elementwise(Op::Mul, {slope, zero}, expr.span)},
        expr.span);
  } else if (def.gradient) {
    error(def.gradient->span, "a gradient of its own has a def of one argument");
  }
  useSites.pop_back();
  if (value.kind != Value::Tensor)
    return value.kind == Value::Function ? value : Value();
  for (Var *var : fresh)
    if (std::count(value.node->free.begin(), value.node->free.end(), var)) {
      error(expr.span, fmt::format("'{}({}: ...)' is a function of '{}', and there is no such index here",
                                   name, var->name, var->name))
          .help = fmt::format("declare it: `let y[{}] = ...`", var->name);
      return Value();
    }
  return value;
}

/// Is this a call of a def with indices? One that the caller has is then meant by its name.
bool Elaborator::callsDef(const ast::Expr &expr, Scope *scope) const {
  if (expr.kind != ast::Expr::Call || expr.children[0]->kind != ast::Expr::Name)
    return false;
  Binding *binding = scope->find(expr.children[0]->text);
  const ast::Statement *def = !binding                                 ? nullptr
                              : binding->kind == Binding::Def          ? binding->stmt
                              : binding->value.kind == Value::Function ? binding->value.def
                                                                       : nullptr;
  return def && !def->binders.empty();
}

Value Elaborator::reduction(const std::string &name, const ast::Expr &expr, Scope *scope) {
  bool overBatch = batchScope && name == "mean";
  bool saved = batchScope;
  batchScope = false;
  const ast::Argument &argument = expr.arguments[0];
  if (expr.arguments.size() > 1) {
    error(expr.arguments[1].span, fmt::format("'{}' of indices takes one value", name));
    batchScope = saved;
    return Value();
  }
  Scope *inner = newScope(scope);
  inner->uses = {argument.condition.get(), argument.value.get()};
  std::vector<Var *> vars;
  std::map<Var *, const Node *> rename;
  for (const ast::Name &index : argument.names) {
    Var *var = graph->makeVar(index.text, index.span);
    // In a def, its own index stands for the caller's, in values made before.
    Scope::Found outer = scope->look(index.text);
    if (outer.binding && outer.binding->kind == Binding::Index && outer.scope->isFunction) {
      Var *meant = outer.binding->var;
      var->range = meant->range;
      rename[meant] = graph->index(var, index.span);
      if (!meant->range) {
        Span use = useSites.empty() ? meant->span : useSites.back().first;
        error(use,
              fmt::format("the range of index '{}' cannot be inferred before it is needed here", meant->name))
            .help =
            fmt::format("it follows from a subscript with just `{0}`, or is declared: `{0}: 3`", meant->name);
        return Value();
      }
    }
    Binding binding;
    binding.kind = Binding::Index;
    binding.var = var;
    define(inner, index, std::move(binding));
    vars.push_back(var);
  }
  Value condition;
  if (argument.condition)
    condition = evaluate(*argument.condition, inner);
  Value value = evaluate(*argument.value, inner);
  batchScope = saved;
  if (!value.ok() || (argument.condition && !condition.ok()))
    return Value();
  if (value.kind != Value::Tensor) {
    error(argument.value->span, fmt::format("'{}' needs numbers, this is {}", name, describe(value)));
    return Value();
  }
  // Groups with indices of the surroundings may wait for these.
  if (!inferRanges(vars, inner))
    resolveGroups(true);
  auto capture = [&](Value &v) {
    if (!rename.empty() && v.kind == Value::Tensor)
      v.node = graph->substitute(v.node, rename);
  };
  capture(value);
  capture(condition);
  for (Var *var : vars)
    if (!requireRange(var, inner, /*binder=*/true))
      return Value();
  Span span = expr.span;
  bool isMax = name == "max" || name == "min";
  if (value.node->type == Type::Bool && isMax) {
    error(argument.value->span, fmt::format("'{}' needs numbers, this is a truth value", name));
    return Value();
  }
  if (value.node->type == Type::Bool || value.node->literal ||
      (name == "mean" && value.node->type == Type::Int)) // truths count as 1 and 0
    value.node = value.node->type == Type::Int && !value.node->literal
                     ? graph->op(Op::ToFloat, Type::Float, {value.node}, span)
                     : graph->convert(value.node, Type::Float);
  if (name == "min")
    value = elementwise(Op::Neg, {value}, span);
  if (condition.ok()) {
    double outside = !isMax                          ? 0
                     : value.node->type == Type::Int ? double(std::numeric_limits<int32_t>::min())
                                                     : -std::numeric_limits<double>::infinity();
    Value other = number(outside, span, false, value.node->type);
    value = elementwise(Op::Select, {condition, value, other}, span);
    if (!value.ok())
      return Value();
  }
  Value total = value;
  total.node = graph->reduce(isMax, vars, value.node, span);
  total.span = span;
  if (name == "min")
    return elementwise(Op::Neg, {total}, span);
  if (name != "mean")
    return total;
  Value count = number(1, span);
  bool counted = condition.ok() && !condition.isConstant();
  for (Var *var : vars)
    counted |= var->range->isDynamic();
  if (counted) {
    Value one = number(1, span, false);
    if (condition.ok())
      one = elementwise(Op::Select, {condition, one, number(0, span, false)}, span);
    count = one;
    count.node = graph->reduce(false, vars, one.node, span);
  } else {
    for (Var *var : vars)
      count = elementwise(Op::Mul, {count, number(double(var->range->size), span)}, span);
  }
  if (overBatch) {
    if (!total.axes.empty()) {
      error(expr.span, fmt::format("a mean over the batch is one number, this has {}", dimsText(total.axes)));
      return Value();
    }
    return batchMean(total.node, count.node, span);
  }
  if (counted) // a mean over nothing is 0
    count = elementwise(Op::Max, {count, number(1, span)}, span);
  return elementwise(Op::Div, {total, count}, span);
}

Value Elaborator::where(const ast::Expr &expr, Scope *scope) {
  if (expr.arguments.size() != 3 || !std::all_of(expr.arguments.begin(), expr.arguments.end(),
                                                 [](const ast::Argument &a) { return a.names.empty(); })) {
    error(expr.span, "'where' takes a condition and two values: `where(x > 0, x, 0)`");
    return Value();
  }
  Value condition = evaluate(*expr.arguments[0].value, scope);
  if (!condition.ok())
    return Value();
  // Decided at compile time, the other value does not exist: its parameters neither.
  if (condition.isConstant())
    return evaluate(*expr.arguments[condition.node->number ? 1 : 2].value, scope);
  Value yes = evaluate(*expr.arguments[1].value, scope), no = evaluate(*expr.arguments[2].value, scope);
  return elementwise(Op::Select, {condition, yes, no}, expr.span);
}

/// Keyed by seed, step, example, coordinates and copy; each use has a site of its own.
const Node *Elaborator::randomNode(std::vector<const Node *> coordinates, Scope *scope, Span span) {
  Frame *frame = scope->findFrame();
  Node node;
  node.op = Op::Random;
  node.span = span;
  node.site = stableHash(fmt::format("{}#random{}", frame->instance->path, frame->instance->randomUses++));
  for (const char *key : {"seed", "step", "example"})
    node.operands.push_back(graph->load(input(key, {}, Type::Int, key == std::string("example"), span), {}, span));
  node.operands.insert(node.operands.end(), coordinates.begin(), coordinates.end());
  for (Region *region = frame->region; region; region = region->parent)
    node.operands.push_back(graph->load(region->copy, {}, span));
  return graph->make(std::move(node));
}

/// `random(x)`: a number for each element of x.
Value Elaborator::random(const ast::Expr &expr, Scope *scope) {
  bool ok;
  std::vector<Value> values = positional(expr, scope, 1, "random", ok);
  if (!ok || values[0].kind != Value::Tensor)
    return Value();
  Value like = values[0], value;
  std::vector<const Node *> coordinates;
  for (Var *var : like.node->free)
    if (std::find(like.axes.begin(), like.axes.end(), var) == like.axes.end())
      coordinates.push_back(graph->index(var, expr.span));
  for (Var *var : like.axes)
    coordinates.push_back(graph->index(var, expr.span));
  value.kind = Value::Tensor;
  value.axes = like.axes;
  value.node = randomNode(std::move(coordinates), scope, expr.span);
  return value;
}

/// `random[t, c]`: a number for these coordinates.
Value Elaborator::randomAt(const ast::Expr &expr, Scope *scope) {
  std::vector<const Node *> coordinates;
  for (const ast::Index &index : expr.indices) {
    if (index.kind != ast::Index::Expression || !index.expr) {
      error(index.span, "a coordinate of 'random' is one integer").help =
          "write `random(x)` for one number an element of x";
      return Value();
    }
    Value at = evaluate(*index.expr, scope);
    if (!at.ok())
      return Value();
    bool isWhole = at.isConstant() && at.node->literal && at.node->number == std::floor(at.node->number);
    if (at.kind != Value::Tensor || !at.axes.empty() || (at.node->type != Type::Int && !isWhole)) {
      error(index.expr->span, fmt::format("a coordinate of 'random' is one integer, this is {}",
                                          at.kind == Value::Tensor && at.axes.empty() ? typeName(at.node->type)
                                                                                      : describe(at)));
      return Value();
    }
    coordinates.push_back(graph->convert(at.node, Type::Int));
  }
  Value value;
  value.kind = Value::Tensor;
  value.node = randomNode(std::move(coordinates), scope, expr.span);
  return value;
}

Value Elaborator::builtin(const std::string &name, const ast::Expr &expr, Scope *scope, bool &known) {
  known = true;
  bool ok = true;
  auto unary = unaryFunctions().find(name);
  if (unary != unaryFunctions().end()) {
    std::vector<Value> values = positional(expr, scope, 1, name, ok);
    return ok ? elementwise(unary->second, std::move(values), expr.span) : Value();
  }
  bool indexed = !expr.arguments.empty() && !expr.arguments[0].names.empty();
  if (name == "sum" || name == "mean" || ((name == "max" || name == "min") && indexed)) {
    if (indexed)
      return reduction(name, expr, scope);
    error(expr.span, fmt::format("'{}' needs the indices that it runs over", name)).help =
        fmt::format("write `{}(i: x[i])`", name);
    return Value();
  }
  if (name == "max" || name == "min") {
    std::vector<Value> values = positional(expr, scope, 2, name, ok);
    return ok ? elementwise(name == "max" ? Op::Max : Op::Min, std::move(values), expr.span) : Value();
  }
  if (name == "where")
    return where(expr, scope);
  bool saved = batchScope;
  batchScope = false;
  Value result;
  if (name == "stop_gradient") {
    std::vector<Value> values = positional(expr, scope, 1, name, ok);
    if (ok)
      result = elementwise(Op::StopGradient, std::move(values), expr.span);
  } else if (name == "random") {
    result = random(expr, scope);
  } else if (name == "next") {
    result = next(expr, scope);
  } else if (name == "valid") {
    result = valid(expr, scope);
  } else if (name == "float" || name == "int") {
    std::vector<Value> values = positional(expr, scope, 1, name, ok);
    Type type = name == "float" ? Type::Float : Type::Int;
    if (ok && values[0].kind == Value::Tensor) {
      result = values[0];
      if (result.node->type != type || result.node->literal)
        result.node =
            result.node->op == Op::Const || result.node->type == Type::Bool
                ? graph->convert(result.node, type)
                : graph->op(type == Type::Float ? Op::ToFloat : Op::ToInt, type, {result.node}, expr.span);
    }
  } else if (name == "position") {
    std::vector<Value> values = positional(expr, scope, 1, name, ok);
    if (ok && values[0].kind == Value::Tensor && values[0].node->op == Op::Index)
      result = values[0];
    else if (ok && values[0].ok())
      error(expr.span, "'position' takes an index");
  } else if (name == "classes") {
    std::vector<Value> values = positional(expr, scope, 1, name, ok);
    if (ok && values[0].kind == Value::Tensor && values[0].node->limit)
      result = number(double(values[0].node->limit), expr.span);
    else if (ok && values[0].ok())
      error(expr.span, "how many values this has is not known").help = "it is known of tokens and of classes";
  } else {
    known = false;
  }
  batchScope = saved;
  return result;
}

} // namespace gptc::typed
