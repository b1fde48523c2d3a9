// The elaborated model as text.
#include "frontend/typed.h"

#include <cmath>
#include <fmt/format.h>

namespace gptc::typed {

const char *typeName(Type type) {
  return type == Type::Float ? "float" : type == Type::Int ? "int" : "bool";
}

const char *opName(Op op) {
  static const char *names[] = {"const", "index", "merge", "load", "reduce", "random", "+",   "-",
                                "*",     "/",     "%",     "-",    "max",    "min",    "<",   "<=",
                                "==",    "!=",    "and",   "or",   "not",    "where",  "exp", "log",
                                "sqrt",  "rsqrt", "tanh",  "erf",  "sin",    "cos",    "abs", "stop_gradient",
                                "float", "int"};
  return names[int(op)];
}

std::string numberText(double number) {
  if (std::isinf(number))
    return number < 0 ? "-inf" : "inf";
  if (number == std::floor(number) && std::fabs(number) < 1e15)
    return std::to_string(int64_t(number));
  return fmt::format("{:g}", number);
}

std::string dimsText(const std::vector<Var *> &dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) {
    const Var *var = dims[i];
    text += i ? ", " : "";
    text += var->name.empty() ? "" : var->name;
    if (!var->range)
      continue;
    if (var->range->isDynamic())
      text += "<=" + std::to_string(var->range->size) +
              (var->range->extent == var->name ? "" : " of " + var->range->extent);
    else
      text += (var->name.empty() ? "" : "=") + std::to_string(var->range->size);
  }
  return text + "]";
}

/// `left`: how many more nodes are written; what is used twice is written twice.
static std::string nodeText(const Node *node, int &left) {
  if (--left < 0)
    return "...";
  auto list = [&](const std::vector<const Node *> &nodes) {
    std::string text;
    for (const Node *n : nodes)
      text += (text.empty() ? "" : ", ") + nodeText(n, left);
    return text;
  };
  switch (node->op) {
  case Op::Const:
    return node->type == Type::Bool ? (node->number ? "true" : "false") : numberText(node->number);
  case Op::Index: return node->var->name;
  case Op::Merge: {
    std::string text;
    for (const Node *n : node->operands)
      text += (text.empty() ? "(" : " ") + nodeText(n, left);
    return text + ")";
  }
  case Op::Load: {
    std::string name = node->tensor->path.empty() ? "value" : node->tensor->path;
    return node->operands.empty() ? name : name + "[" + list(node->operands) + "]";
  }
  case Op::Reduce: {
    std::string names;
    for (const Var *var : node->bound)
      names += (names.empty() ? "" : ", ") + var->name;
    return fmt::format("{}({}: {})", node->isMax ? "max" : "sum", names, nodeText(node->operands[0], left));
  }
  case Op::Random: return "random[" + list(node->operands) + "]";
  case Op::Add:
  case Op::Sub:
  case Op::Mul:
  case Op::Div:
  case Op::Rem:
  case Op::Less:
  case Op::LessEq:
  case Op::Equal:
  case Op::NotEqual:
  case Op::And:
  case Op::Or: {
    std::string first = nodeText(node->operands[0], left);
    return fmt::format("({} {} {})", first, opName(node->op), nodeText(node->operands[1], left));
  }
  case Op::Neg: return "-" + nodeText(node->operands[0], left);
  default: return std::string(opName(node->op)) + "(" + list(node->operands) + ")";
  }
}

std::string nodeText(const Node *node) {
  int left = 10000;
  return nodeText(node, left);
}

} // namespace gptc::typed
