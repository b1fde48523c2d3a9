// Names, numbers, operators: values and their types.
#include "frontend/elaborate.h"
#include "frontend/habits.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace gptc::typed {

namespace {
/// The nearest of `names` to a misspelt one, or empty.
std::string nearest(const std::string &word, const std::set<std::string> &names) {
  std::string best;
  size_t bestDistance = word.size() < 4 ? 2 : 3; // at most 1, or 2 edits
  for (const std::string &name : names) {
    std::vector<size_t> row(name.size() + 1);
    for (size_t j = 0; j < row.size(); ++j)
      row[j] = j;
    for (size_t i = 1; i <= word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= name.size(); ++j) {
        size_t change = diagonal + (word[i - 1] != name[j - 1]);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
      }
    }
    if (row[name.size()] < bestDistance) {
      bestDistance = row[name.size()];
      best = name;
    }
  }
  return best;
}

} // namespace

/// A name that is like this one and known here; "" where none is.
std::string Elaborator::helpFor(const std::string &word, Scope *scope) const {
  if (diagnostics.all().size() > 100) // nobody reads so far
    return "";
  std::set<std::string> names;
  for (; scope; scope = scope->parent)
    for (auto &[name, binding] : scope->names)
      names.insert(name);
  std::string near = nearest(word, names);
  return near.empty() ? "" : fmt::format("did you mean '{}'?", near);
}

Value Elaborator::number(double number, Span span, bool literal, Type type) {
  Value value;
  value.kind = Value::Tensor;
  value.node = graph->constant(number, span, literal, type);
  value.span = span;
  return value;
}

Value Elaborator::evaluate(const ast::Expr &expr, Scope *scope) {
  // Only the whole of an objective, and sums of such, average over the batch.
  bool saved = batchScope;
  if (expr.kind != ast::Expr::Call && expr.kind != ast::Expr::Binary && expr.kind != ast::Expr::Unary)
    batchScope = false;
  if (expr.kind != ast::Expr::Call)
    nameHint.clear();
  Value value;
  if (endless) {
    // What follows would only take time.
  } else if (depth > 400) {
    error(expr.span, "this expands without end: a def or block that uses itself?");
    endless = true;
  } else if (++work > mostWork) {
    error(expr.span, fmt::format("expanded, this model has more than {} expressions", mostWork)).help =
        "defs and blocks are expanded wherever they are used: one that uses another twice, and that a third, "
        "grows "
        "without measure; the same layers again and again are a `repeat`";
    endless = true;
  } else {
    ++depth;
    switch (expr.kind) {
    case ast::Expr::Number: value = number(expr.number, expr.span); break;
    case ast::Expr::String: error(expr.span, "a string is not a value"); break;
    case ast::Expr::Name: value = name(expr, scope); break;
    case ast::Expr::Unary: value = unary(expr, scope); break;
    case ast::Expr::Binary: value = binary(expr, scope); break;
    case ast::Expr::Call: value = call(expr, scope); break;
    case ast::Expr::Subscript: value = subscript(expr, scope); break;
    case ast::Expr::List: value = list(expr, scope); break;
    case ast::Expr::Member: {
      const ast::Expr &of = *expr.children[0];
      std::string habit = of.kind == ast::Expr::Name && !scope->find(of.text) ? helpForName(of.text) : "";
      if (habit.empty())
        habit = helpForMember(expr.text);
      error(expr.span, fmt::format("'.{}' has no meaning here", expr.text)).help =
          habit.empty() ? "numbers of an instance belong to it; give them out as the block's value" : habit;
      break;
    }
    }
    --depth;
  }
  batchScope = saved;
  if (value.ok())
    value.span = expr.span;
  return value;
}

Value Elaborator::bindingValue(Binding &binding, const std::string &name, Span span) {
  Value value;
  value.kind = Value::Tensor;
  value.span = span;
  switch (binding.kind) {
  case Binding::Value: return binding.value;
  case Binding::Index: value.node = graph->index(binding.var, span); return value;
  case Binding::Size:
    if (binding.size.isDynamic()) {
      error(span, fmt::format("'{}' is known only per batch, at most {}: it is no number at compile time",
                              name, binding.size.size))
          .help = "a mean divides by it; `where` leaves positions out";
      return Value();
    }
    return number(double(binding.size.size), span);
  case Binding::Def:
    value.kind = Value::Function;
    value.def = binding.stmt;
    value.home = binding.home;
    return value;
  case Binding::Block:
    error(span, fmt::format("'{}' is a block: a use of it makes parameters", name)).help =
        fmt::format("write `{}(...)` with its settings, then `(...)` with its inputs", name);
    return Value();
  case Binding::Param: {
    Tensor *tensor = makeParam(binding);
    return tensor ? tensorValue(tensor, span) : Value();
  }
  }
  return Value();
}

Value Elaborator::name(const ast::Expr &expr, Scope *scope) {
  if (Binding *binding = lookup(scope, expr.text, expr.span))
    return bindingValue(*binding, expr.text, expr.span);
  if (expr.text == "inf")
    return number(std::numeric_limits<double>::infinity(), expr.span, false);
  if (expr.text == "pi")
    return number(3.14159265358979323846, expr.span);
  if (expr.text == "true" || expr.text == "false")
    return number(expr.text == "true", expr.span, false, Type::Bool);
  if (expr.text == "training")
    return number(mode.training, expr.span, false, Type::Bool);
  if (expr.text == "step") {
    Value value = tensorValue(input("step", {}, Type::Int, false, expr.span), expr.span);
    Node node = *value.node;
    node.exact = true; // steps stay below 2^24
    value.node = graph->make(std::move(node));
    return value;
  }
  if (expr.text == "steps") {
    auto found = result->train.find("steps");
    if (found != result->train.end() && found->second.kind == ConfigValue::Number)
      return number(found->second.number, expr.span);
    error(expr.span, "'steps' is not known: train { } gives no number of steps");
    return Value();
  }
  if (expr.text == "vocabulary") {
    error(expr.span, "'vocabulary' is known only in a model of text").help =
        "declare `text token[t < 64]: chars`";
    return Value();
  }
  std::string habit = helpForName(expr.text);
  error(expr.span, fmt::format("unknown name '{}'", expr.text)).help =
      habit.empty() ? helpFor(expr.text, scope) : habit;
  return Value();
}

bool Elaborator::toFloat(const Node *&node, Span span) {
  if (node->type == Type::Bool) {
    error(span, "a truth value is not a number").help = "write `where(condition, 1, 0)`";
    return false;
  }
  if (node->type == Type::Int && node->op != Op::Const && !node->exact) {
    error(span, "an integer tensor does not become a float by itself: large ones would lose digits").help =
        "write `float(...)`";
    return false;
  }
  node = graph->convert(node, Type::Float);
  return true;
}

const Node *Elaborator::typedOp(Op op, std::vector<const Node *> operands, const std::vector<Span> &spans,
                                Span span) {
  auto spanOf = [&](size_t i) { return spans[i].valid() ? spans[i] : span; };
  auto allFloat = [&](size_t from) {
    for (size_t i = from; i < operands.size(); ++i)
      if (!operands[i]->literal && !toFloat(operands[i], spanOf(i)))
        return false;
    return true;
  };
  /// Operands from `from` on get one numeric type.
  auto join = [&](size_t from, Type &type) {
    bool anyFloat = false, anyInt = false;
    for (size_t i = from; i < operands.size(); ++i) {
      const Node *n = operands[i];
      if (n->type == Type::Bool) {
        error(spanOf(i), fmt::format("'{}' needs numbers, this is a truth value", opName(op))).help =
            "write `where(condition, 1, 0)`";
        return false;
      }
      if (n->literal)
        anyFloat |= n->number != std::floor(n->number) || std::fabs(n->number) > 2e9;
      else
        (n->type == Type::Float ? anyFloat : anyInt) = true;
    }
    bool allLiteral =
        std::all_of(operands.begin() + from, operands.end(), [](const Node *n) { return n->literal; });
    type = anyFloat || !anyInt ? Type::Float : Type::Int;
    if (allLiteral && from == 0)
      return true; // folded below, still a literal
    for (size_t i = from; i < operands.size(); ++i) {
      if (type == Type::Float && !operands[i]->literal && !toFloat(operands[i], spanOf(i)))
        return false;
      operands[i] = graph->convert(operands[i], type);
    }
    return true;
  };
  auto truth = [&](size_t i) {
    const Node *&n = operands[i];
    if (n->literal)
      n = graph->constant(n->number != 0, n->span, false, Type::Bool);
    if (n->type == Type::Bool)
      return true;
    error(spanOf(i), fmt::format("'{}' needs a truth value here, this is {}", opName(op), typeName(n->type)))
        .help = "compare it with something, as in `x > 0`";
    return false;
  };
  Type type = Type::Float;
  switch (op) {
  case Op::Add:
  case Op::Sub:
  case Op::Mul:
  case Op::Max:
  case Op::Min:
    if (!join(0, type))
      return nullptr;
    break;
  case Op::Rem:
    if (!join(0, type))
      return nullptr;
    if (type == Type::Float && !(operands[0]->literal && operands[1]->literal)) {
      error(span, "'%' is the remainder of integers");
      return nullptr;
    }
    break;
  case Op::Neg:
  case Op::Abs:
    if (!join(0, type))
      return nullptr;
    if (op == Op::Abs && type == Type::Int)
      return graph->op(Op::Max, type, {operands[0], graph->op(Op::Neg, type, {operands[0]}, span)}, span);
    break;
  case Op::Less:
  case Op::LessEq:
  case Op::Equal:
  case Op::NotEqual:
    type = Type::Bool;
    if ((op == Op::Equal || op == Op::NotEqual) && operands[0]->type == Type::Bool) {
      if (!truth(0) || !truth(1))
        return nullptr;
      break;
    } else {
      Type joined;
      if (!join(0, joined))
        return nullptr;
    }
    break;
  case Op::And:
  case Op::Or:
  case Op::Not:
    type = Type::Bool;
    for (size_t i = 0; i < operands.size(); ++i)
      if (!truth(i))
        return nullptr;
    break;
  case Op::Select:
    if (!truth(0))
      return nullptr;
    if (operands[0]->op == Op::Const)
      return operands[0]->number ? operands[1] : operands[2];
    if (operands[1]->type == Type::Bool || operands[2]->type == Type::Bool) {
      if (!truth(1) || !truth(2))
        return nullptr;
      type = Type::Bool;
    } else if (!join(1, type)) {
      return nullptr;
    }
    break;
  default: // functions of floats, and division
    if (!allFloat(0))
      return nullptr;
    if (!std::all_of(operands.begin(), operands.end(), [](const Node *n) { return n->literal; }))
      for (const Node *&operand : operands)
        operand = graph->convert(operand, Type::Float);
  }
  if ((op == Op::Div || op == Op::Rem) && operands[0]->op == Op::Const && operands[1]->op == Op::Const &&
      operands[1]->number == 0) {
    error(span, op == Op::Div ? "division by zero" : "remainder of a division by zero");
    return nullptr;
  }
  return graph->op(op, type, std::move(operands), span);
}

bool Elaborator::sameAxes(std::vector<Value> &operands, std::vector<Var *> &axes, Span span) {
  const Value *first = nullptr;
  for (Value &value : operands)
    if (!value.axes.empty() && !first)
      first = &value;
  if (!first)
    return true;
  axes = first->axes;
  for (Value &value : operands) {
    if (value.axes.empty() || value.axes == axes)
      continue;
    if (value.axes.size() != axes.size()) {
      Diagnostic &d = error(span, fmt::format("these have different dimensions: {} and {}", dimsText(axes),
                                              dimsText(value.axes)));
      d.help = "write the indices, as in `let y[t, c] = x[t, c] + b[c]`";
      d.notes.push_back({first->span, fmt::format("this has {}", dimsText(axes))});
      d.notes.push_back({value.span, fmt::format("this has {}", dimsText(value.axes))});
      return false;
    }
    std::map<Var *, const Node *> with;
    for (size_t i = 0; i < axes.size(); ++i) {
      const Dim &a = *axes[i]->range, &b = *value.axes[i]->range;
      if (!a.sameRange(b)) {
        Diagnostic &d =
            error(span, fmt::format("dimension '{}' is {} on one side, {} on the other: {} and {}",
                                    axes[i]->name, a.text(), b.text(), dimsText(axes), dimsText(value.axes)));
        if (a.span.valid())
          d.notes.push_back({a.span, fmt::format("the {} is declared here", a.text())});
        if (b.span.valid())
          d.notes.push_back({b.span, fmt::format("the {} is declared here", b.text())});
        return false;
      }
      with[value.axes[i]] = graph->index(axes[i], span);
    }
    value.node = graph->substitute(value.node, with);
    value.axes = axes;
  }
  return true;
}

Value Elaborator::elementwise(Op op, std::vector<Value> operands, Span span) {
  for (const Value &value : operands) {
    if (!value.ok())
      return Value();
    if (value.kind != Value::Tensor) {
      error(value.span.valid() ? value.span : span,
            fmt::format("'{}' needs numbers, this is {}", opName(op), describe(value)))
          .help = value.kind == Value::Instance ? "apply the block to its inputs: `Block(...)(x)`" : "";
      return Value();
    }
  }
  Value value;
  if (!sameAxes(operands, value.axes, span))
    return Value();
  std::vector<const Node *> nodes;
  std::vector<Span> spans;
  for (const Value &operand : operands) {
    nodes.push_back(operand.node);
    spans.push_back(operand.span);
  }
  value.node = typedOp(op, std::move(nodes), spans, span);
  if (!value.node)
    return Value();
  value.kind = Value::Tensor;
  value.span = span;
  return value;
}

Value Elaborator::power(Value base, Value exponent, Span span) {
  if (!base.ok() || !exponent.ok())
    return Value();
  if (base.isConstant() && exponent.isConstant())
    return number(std::pow(base.node->number, exponent.node->number), span,
                  base.node->literal && exponent.node->literal);
  if (exponent.isConstant()) {
    double n = exponent.node->number;
    if (n == 0.5)
      return elementwise(Op::Sqrt, {base}, span);
    if (n == -0.5)
      return elementwise(Op::Rsqrt, {base}, span);
    if (n == std::floor(n) && std::fabs(n) <= 64) {
      // By squaring: x^4 is (x^2)^2.
      Value power = base, product;
      for (uint64_t rest = uint64_t(std::fabs(n)); rest; rest >>= 1) {
        if (rest & 1)
          product = product.ok() ? elementwise(Op::Mul, {product, power}, span) : power;
        if (rest > 1)
          power = elementwise(Op::Mul, {power, power}, span);
      }
      if (!product.ok())
        return number(1, span);
      return n < 0 ? elementwise(Op::Div, {number(1, span), product}, span) : product;
    }
  }
  // For positive bases.
  return elementwise(Op::Exp, {elementwise(Op::Mul, {exponent, elementwise(Op::Log, {base}, span)}, span)},
                     span);
}

/// `a + b + c + ...` is as high as it is long: the left operands are no recursion.
Value Elaborator::binary(const ast::Expr &expr, Scope *scope) {
  std::vector<const ast::Expr *> chain = {&expr};
  while (chain.back()->children[0]->kind == ast::Expr::Binary)
    chain.push_back(chain.back()->children[0].get());
  Value value = evaluate(*chain.back()->children[0], scope);
  for (size_t i = chain.size(); i-- > 0;) {
    value = flattened(binaryOf(*chain[i], std::move(value), scope), scope, chain[i]->span);
    if (value.ok())
      value.span = chain[i]->span;
  }
  return value;
}

Value Elaborator::binaryOf(const ast::Expr &expr, Value left, Scope *scope) {
  static const std::map<std::string, Op> ops = {
      {"+", Op::Add},       {"-", Op::Sub},     {"*", Op::Mul},  {"/", Op::Div},     {"%", Op::Rem},
      {"<", Op::Less},      {"<=", Op::LessEq}, {">", Op::Less}, {">=", Op::LessEq}, {"==", Op::Equal},
      {"!=", Op::NotEqual}, {"and", Op::And},   {"or", Op::Or}};
  // `training and ...` is decided before the rest is looked at.
  if (left.isConstant() && (expr.text == "and" || expr.text == "or") &&
      (left.node->number != 0) == (expr.text == "or"))
    return number(expr.text == "or", expr.span, false, Type::Bool);
  Value right = evaluate(*expr.children[1], scope);
  if (!left.ok() || !right.ok())
    return Value();
  if (expr.text == "^")
    return power(std::move(left), std::move(right), expr.span);
  if (expr.text[0] == '>')
    std::swap(left, right);
  return elementwise(ops.at(expr.text), {std::move(left), std::move(right)}, expr.span);
}

Value Elaborator::unary(const ast::Expr &expr, Scope *scope) {
  Value operand = evaluate(*expr.children[0], scope);
  return elementwise(expr.text == "not" ? Op::Not : Op::Neg, {std::move(operand)}, expr.span);
}

Value Elaborator::list(const ast::Expr &expr, Scope *scope) {
  std::vector<int64_t> shape;
  std::vector<double> values;
  bool good = true;
  auto visit = [&](auto &&self, const ast::Expr &e, size_t level) -> void {
    if (e.kind != ast::Expr::List) {
      if (level != shape.size() && good) {
        error(e.span, "a number where the list has lists");
        good = false;
      }
      std::optional<double> value = constantOf(e, scope, "an element of a list");
      good &= value.has_value();
      values.push_back(value.value_or(0));
      return;
    }
    if (level == shape.size()) {
      if (!values.empty() && good) {
        error(e.span, "a list where the list has numbers");
        good = false;
      }
      shape.push_back(int64_t(e.children.size()));
    } else if (shape[level] != int64_t(e.children.size()) && good) {
      error(e.span,
            fmt::format("this row has {} elements, the first one {}", e.children.size(), shape[level]));
      good = false;
    }
    for (const ast::ExprPtr &element : e.children)
      if (element)
        self(self, *element, level + 1);
  };
  visit(visit, expr, 0);
  if (!good)
    return Value();
  std::vector<Var *> dims;
  static const char *names[] = {"i", "j", "k", "l", "m", "n"};
  for (size_t i = 0; i < shape.size(); ++i)
    dims.push_back(graph->makeVar(Dim{names[i % 6], shape[i], "", false, expr.span}));
  Tensor *tensor = graph->makeTensor(Tensor::Constant, "", dims, Type::Float, expr.span);
  tensor->values = std::move(values);
  return tensorValue(tensor, expr.span);
}

std::optional<double> Elaborator::constantOf(const ast::Expr &expr, Scope *scope, const char *what) {
  Value value = evaluate(expr, scope);
  if (!value.ok())
    return std::nullopt;
  if (!value.isConstant()) {
    error(expr.span, fmt::format("{} is a number known at compile time, this is {}", what, describe(value)));
    return std::nullopt;
  }
  return value.node->number;
}

std::optional<int64_t> Elaborator::size(const ast::Expr &expr, Scope *scope) {
  std::optional<double> value = constantOf(expr, scope, "a size");
  if (!value)
    return std::nullopt;
  if (*value != std::floor(*value) || *value < 1 || *value > 1e9) {
    std::string text = sources.quote(expr.span);
    Diagnostic &d = error(
        expr.span, text == numberText(*value)
                       ? fmt::format("a size is a positive integer, not {}", text)
                       : fmt::format("a size is a positive integer, '{}' is {}", text, numberText(*value)));
    Binding *named = expr.kind == ast::Expr::Name ? scope->find(expr.text) : nullptr;
    if (named && named->span.valid()) {
      d.notes.push_back({named->span, fmt::format("'{}' is defined here", expr.text)});
      named->value = Value(); // one error is enough
    }
    if (*value != std::floor(*value) && expr.kind != ast::Expr::Number)
      d.help = "a division in a size must leave no remainder";
    return std::nullopt;
  }
  return int64_t(*value);
}

void Elaborator::unknownFunction(const ast::Expr &callee, Scope *scope) {
  std::string habit = helpForFunction(callee.text);
  error(callee.span, fmt::format("unknown function or block '{}'", callee.text)).help =
      habit.empty() ? helpFor(callee.text, scope) : habit;
}

} // namespace gptc::typed
