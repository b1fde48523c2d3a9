// Nodes of the elaborated model: making, folding, substituting.
#include "frontend/typed.h"

#include "ir/gpt/most.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace gptc::typed {

std::string Dim::text() const {
  return isDynamic() ? extent + " <= " + std::to_string(size) : std::to_string(size);
}

Var *Graph::makeVar(std::string name, Span span) {
  vars.emplace_back();
  Var &var = vars.back();
  var.id = nextVar++;
  var.name = std::move(name);
  var.span = span;
  return &var;
}

Var *Graph::makeVar(const Dim &range) {
  Var *var = makeVar(range.name, range.span);
  var->range = range;
  return var;
}

Tensor *Graph::makeTensor(Tensor::Kind kind, std::string name, std::vector<Var *> dims, Type type,
                          Span span) {
  tensors.emplace_back();
  Tensor &tensor = tensors.back();
  tensor.kind = kind;
  tensor.path = tensor.name = std::move(name);
  tensor.dims = std::move(dims);
  tensor.type = type;
  tensor.span = span;
  return &tensor;
}

Region *Graph::makeRegion() {
  regions.emplace_back();
  return &regions.back();
}

static bool byId(const Var *a, const Var *b) {
  return a->id < b->id;
}

const Node *Graph::make(Node node) {
  std::vector<Var *> free;
  if (node.op == Op::Index)
    free.push_back(node.var);
  node.reduces = node.op == Op::Reduce;
  node.usesData = node.tensor && node.tensor->usesData;
  node.hasBatchMean = node.tensor && node.tensor->hasBatchMean;
  node.height = 1;
  for (const Node *operand : node.operands) {
    free.insert(free.end(), operand->free.begin(), operand->free.end());
    node.reduces |= operand->reduces;
    node.usesData |= operand->usesData;
    node.hasBatchMean |= operand->hasBatchMean;
    node.height = std::max(node.height, operand->height + 1);
  }
  std::sort(free.begin(), free.end(), byId);
  free.erase(std::unique(free.begin(), free.end()), free.end());
  if (node.op == Op::Reduce)
    for (Var *var : node.bound)
      free.erase(std::remove(free.begin(), free.end(), var), free.end());
  node.free = std::move(free);
  nodes.push_back(std::move(node));
  return &nodes.back();
}

const Node *Graph::constant(double number, Span span, bool literal, Type type) {
  Node node;
  node.op = Op::Const;
  node.number = number;
  node.literal = literal;
  node.type = type;
  node.exact = type == Type::Int && std::fabs(number) < (1 << 24);
  node.span = span;
  return make(std::move(node));
}

const Node *Graph::index(Var *var, Span span) {
  Node node;
  node.op = Op::Index;
  node.type = Type::Int;
  node.var = var;
  node.exact = true;
  node.span = span;
  return make(std::move(node));
}

const Node *Graph::load(Tensor *tensor, std::vector<const Node *> indices, Span span) {
  Node node;
  node.op = Op::Load;
  node.type = tensor->type;
  node.tensor = tensor;
  node.limit = tensor->limit;
  node.operands = std::move(indices);
  node.span = span;
  return make(std::move(node));
}

const Node *Graph::reduce(bool isMax, std::vector<Var *> bound, const Node *body, Span span) {
  Node node;
  node.op = Op::Reduce;
  node.type = body->type;
  node.isMax = isMax;
  node.bound = std::move(bound);
  node.operands = {body};
  node.exact = isMax && body->exact;
  node.span = span;
  return make(std::move(node));
}

/// A number as an integer of 32 bits: the next one where there is none, 0 of NaN.
static double asInteger(double number) {
  if (std::isnan(number))
    return 0;
  return std::clamp(std::trunc(number), -2147483648.0, 2147483647.0);
}

/// Integers of 32 bits, which wrap around, as generated code computes.
static std::optional<double> foldIntegers(Op op, const std::vector<const Node *> &operands) {
  auto at = [&](size_t i) { return int64_t(operands[i]->number); };
  auto wrapped = [](int64_t number) { return double(int32_t(uint32_t(number))); };
  switch (op) {
  case Op::Add: return wrapped(at(0) + at(1));
  case Op::Sub: return wrapped(at(0) - at(1));
  case Op::Mul: return wrapped(at(0) * at(1));
  case Op::Neg: return wrapped(-at(0));
  case Op::Rem: {
    if (at(1) == 0)
      return 0;
    int64_t rest = at(0) % at(1);
    return double(rest != 0 && (rest < 0) != (at(1) < 0) ? rest + at(1) : rest);
  }
  default: return std::nullopt;
  }
}

static std::optional<double> fold(Op op, const std::vector<const Node *> &operands) {
  auto at = [&](size_t i) { return operands[i]->number; };
  switch (op) {
  case Op::Add: return at(0) + at(1);
  case Op::Sub: return at(0) - at(1);
  case Op::Mul: return at(0) * at(1);
  case Op::Div: return at(0) / at(1);
  case Op::Rem: return at(0) - std::floor(at(0) / at(1)) * at(1);
  case Op::Neg: return -at(0);
  case Op::Max: return std::max(at(0), at(1));
  case Op::Min: return std::min(at(0), at(1));
  case Op::Less: return at(0) < at(1);
  case Op::LessEq: return at(0) <= at(1);
  case Op::Equal: return at(0) == at(1);
  case Op::NotEqual: return at(0) != at(1);
  case Op::And: return at(0) && at(1);
  case Op::Or: return at(0) || at(1);
  case Op::Not: return !at(0);
  case Op::Select: return at(0) ? at(1) : at(2);
  case Op::Exp: return std::exp(at(0));
  case Op::Log: return std::log(at(0));
  case Op::Sqrt: return std::sqrt(at(0));
  case Op::Rsqrt: return 1 / std::sqrt(at(0));
  case Op::Tanh: return std::tanh(at(0));
  case Op::Erf: return std::erf(at(0));
  case Op::Sin: return std::sin(at(0));
  case Op::Cos: return std::cos(at(0));
  case Op::Abs: return std::fabs(at(0));
  case Op::StopGradient:
  case Op::ToFloat: return at(0);
  case Op::ToInt: return asInteger(at(0));
  default: return std::nullopt;
  }
}

const Node *Graph::op(Op op, Type type, std::vector<const Node *> operands, Span span) {
  bool constants =
      std::all_of(operands.begin(), operands.end(), [](const Node *n) { return n->op == Op::Const; });
  if (constants && op != Op::Merge) {
    bool integers = type == Type::Int && std::all_of(operands.begin(), operands.end(),
                                                     [](const Node *n) { return n->type == Type::Int; });
    std::optional<double> number = integers ? foldIntegers(op, operands) : std::nullopt;
    if (!number)
      number = fold(op, operands);
    if (number) {
      bool literal = std::all_of(operands.begin(), operands.end(), [](const Node *n) { return n->literal; });
      return constant(*number, span, literal && type != Type::Bool, type);
    }
  }
  auto isConstant = [&](size_t i, double number) {
    return operands[i]->op == Op::Const && operands[i]->number == number;
  };
  // `y + where(bias, b[j], 0)` without bias is y.
  // (`int(x) + 0` says of an index that it may lie outside: Elaborator::indexFromData.)
  if ((op == Op::Add || op == Op::Sub) && isConstant(1, 0) && operands[0]->type == type &&
      operands[0]->op != Op::ToInt)
    return operands[0];
  if ((op == Op::Add && isConstant(0, 0)) || (op == Op::Mul && isConstant(0, 1)))
    if (operands[1]->type == type)
      return operands[1];
  if ((op == Op::Mul || op == Op::Div) && isConstant(1, 1) && operands[0]->type == type)
    return operands[0];
  if (op == Op::Select && operands[0]->op == Op::Const)
    return operands[0]->number ? operands[1] : operands[2];
  Node node;
  node.op = op;
  node.type = type;
  node.span = span;
  node.exact = type == Type::Int && std::all_of(operands.begin(), operands.end(), [](const Node *n) {
                 return n->exact || n->type == Type::Bool || n->op == Op::Const;
               });
  node.operands = std::move(operands);
  return make(std::move(node));
}

const Node *Graph::convert(const Node *node, Type type) {
  if (node->type == type && !node->literal)
    return node;
  if (node->op == Op::Const) {
    double number = type == Type::Int ? asInteger(node->number) : type == Type::Bool ? node->number != 0 : node->number;
    return constant(number, node->span, false, type);
  }
  if (node->type == type)
    return node;
  if (type == Type::Bool)
    return op(Op::NotEqual, Type::Bool, {node, constant(0, node->span, false, node->type)}, node->span);
  const Node *result = op(type == Type::Float ? Op::ToFloat : Op::ToInt, type, {node}, node->span);
  return result;
}

const Node *Graph::substitute(const Node *root, const std::map<Var *, const Node *> &with) {
  std::map<const Node *, const Node *> done;
  std::function<const Node *(const Node *)> visit = [&](const Node *node) -> const Node * {
    bool touched = std::any_of(node->free.begin(), node->free.end(), [&](Var *v) { return with.count(v); });
    if (!touched)
      return node;
    if (node->op == Op::Index)
      return with.at(node->var);
    auto found = done.find(node);
    if (found != done.end())
      return found->second;
    Node copy = *node;
    for (const Node *&operand : copy.operands)
      operand = visit(operand);
    return done[node] = make(std::move(copy));
  };
  return visit(root);
}

std::optional<Linear> linearForm(const Node *node) {
  Linear result;
  int left = 10000; // what is shared may be there any number of times
  // What is larger is no place of any tensor, and would wrap around in products with indices.
  auto fits = [](int64_t value) { return value > -gpt::mostElements && value < gpt::mostElements; };
  auto scaled = [&](int64_t factor, double number, int64_t &product) {
    return std::fabs(number) < double(gpt::mostElements) &&
           !__builtin_mul_overflow(factor, int64_t(number), &product) && fits(product);
  };
  std::function<bool(const Node *, int64_t)> add = [&](const Node *n, int64_t factor) {
    if (--left < 0)
      return false;
    int64_t product;
    switch (n->op) {
    case Op::Const:
      if (!scaled(factor, n->number, product))
        return false;
      result.constant += product;
      return fits(result.constant);
    case Op::Index:
      for (auto &term : result.terms)
        if (term.first == n->var) {
          term.second += factor;
          return fits(term.second);
        }
      result.terms.push_back({n->var, factor});
      return true;
    case Op::Add: return add(n->operands[0], factor) && add(n->operands[1], factor);
    case Op::Sub: return add(n->operands[0], factor) && add(n->operands[1], -factor);
    case Op::Neg: return add(n->operands[0], -factor);
    case Op::Mul:
      for (int i = 0; i < 2; ++i)
        if (n->operands[i]->op == Op::Const)
          return scaled(factor, n->operands[i]->number, product) && add(n->operands[1 - i], product);
      return false;
    case Op::Merge: {
      int64_t stride = 1;
      for (size_t i = n->operands.size(); i-- > 0;) {
        if (__builtin_mul_overflow(factor, stride, &product) || !fits(product) || !add(n->operands[i], product))
          return false;
        stride = times(stride, n->bound[i]->range ? n->bound[i]->range->size : 1);
      }
      return true;
    }
    default: return false;
    }
  };
  if (!add(node, 1))
    return std::nullopt;
  return result;
}

int32_t stableHash(const std::string &text) {
  uint32_t hash = 2166136261u;
  for (unsigned char c : text)
    hash = (hash ^ c) * 16777619u;
  return int32_t(hash);
}

} // namespace gptc::typed
