#include "differential/oracle.h"
#include "differential/numbers.h"

#include "ir/gpt/random.h"

#include <cmath>
#include <cstring>
#include <limits>

using namespace gptc;
using namespace gptc::differential;
using typed::Node;
using typed::Op;
using typed::Tensor;

static constexpr double infinity = std::numeric_limits<double>::infinity();

/// Where tensors live: the model, or one copy of a repeat.
struct Oracle::Frame {
  Frame *parent = nullptr;
  typed::Region *region = nullptr;
  int64_t copy = 0, example = -1;
  std::vector<Numbers> carried;
  std::map<const Tensor *, Numbers> values;
  std::map<const typed::Region *, std::pair<std::vector<Numbers>, std::vector<Numbers>>>
      repeats; // results, stacks
  struct Memo {
    std::vector<Number> numbers;
    std::vector<bool> known;
  };
  std::map<const Node *, Memo> memos;
};

Oracle::Oracle(typed::Elaborated &model, const Situation &situation, const Rounding &rounding)
    : model(model), situation(situation), rounding(rounding) {}
Oracle::~Oracle() = default;


double Oracle::disturbed(double value, uint64_t key, double units) {
  ++operations;
  if (rounding.unit == 0 || value == 0 || !std::isfinite(value))
    return value;
  double share = 2 * (double(scramble(key ^ scramble(rounding.seed)) >> 11) / 9007199254740992.0) - 1;
  value *= 1 + rounding.unit * units * share;
  return rounding.single ? double(float(value)) : value;
}

/// In a disturbed run, what rounding may make of `a` in a comparison with `b`: two
/// numbers that are nearly but not quite equal may change sides or become equal
/// (in bf16 often), which a few random runs would seldom show.
Oracle::Side Oracle::side(double a, double b) const {
  const double near = 8 * rounding.unit * std::max(std::fabs(a), std::fabs(b));
  // Infinity is near to nothing: a maximum over no element is far below every number.
  if (a == b || rounding.unit == 0 || !std::isfinite(near) || !(std::fabs(a - b) <= near))
    return a < b ? Below : a == b ? Same : Above; // NaN is nowhere: see its users
  if (rounding.seed % 3 == 2)
    return Same;
  return a < b ? Above : Below;
}

/// A term more of a sum. In every third disturbed run all terms round the same way, as
/// those of a long sum of equal terms do; random ones would cancel.
double Oracle::summed(double sum, double term, uint64_t key) {
  if (rounding.unit == 0 || rounding.seed % 3 != 0)
    return disturbed(sum + term, key);
  ++operations;
  double value = (sum + term) * (1 + rounding.unit / 4);
  return rounding.single ? double(float(value)) : value;
}

//===-- Tape ---------------------------------------------------------------===//

int32_t Oracle::push(int32_t a, double da, int32_t b, double db) {
  if (a < 0 && b < 0)
    return -1;
  tape.push_back({a, b, da, db});
  return int32_t(tape.size() - 1);
}

Number Oracle::make(double value, const Number &a, double da) {
  return {value, push(a.place, da)};
}
Number Oracle::make(double value, const Number &a, double da, const Number &b, double db) {
  return {value, push(a.place, da, b.place, db)};
}
Number Oracle::add(const Number &a, const Number &b) {
  return make(summed(a.value, b.value, keyOf(int(Op::Add), a.value, b.value)), a, 1, b, 1);
}

void Oracle::setParameter(const Tensor *param, const Array &value) {
  auto &[numbers, shape] = params[param->path];
  numbers.clear();
  shape = value.shape;
  for (double v : value.data) {
    tape.push_back({-1, -1, 0, 0});
    numbers.push_back({v, int32_t(tape.size() - 1)});
  }
}

//===-- Tensors ------------------------------------------------------------===//

int64_t Oracle::sizeOf(const typed::Var *var) const {
  const typed::Dim &range = *var->range;
  if (!range.isDynamic())
    return range.size;
  auto found = situation.extents.find(range.extent);
  return found == situation.extents.end() ? range.size : found->second;
}

int64_t &Oracle::at(const typed::Var *var) {
  if (vars.size() <= size_t(var->id))
    vars.resize(size_t(var->id) + 64);
  return vars[size_t(var->id)];
}

Oracle::Frame *Oracle::frameOf(int64_t example) {
  if (example < 0) {
    if (!batch)
      batch = std::make_unique<Frame>();
    return batch.get();
  }
  while (int64_t(examples.size()) <= example) {
    examples.push_back(std::make_unique<Frame>());
    examples.back()->example = int64_t(examples.size()) - 1;
  }
  return examples[size_t(example)].get();
}

/// The numbers of a tensor, and its sizes as they lie in memory.
const Number *Oracle::numbers(Tensor *tensor, Frame *frame, std::vector<int64_t> *sizes) {
  if (sizes) {
    sizes->clear();
    for (const typed::Var *var : tensor->dims)
      sizes->push_back(sizeOf(var));
  }
  if (tensor->kind == Tensor::Param) {
    const auto &[values, shape] = params.at(tensor->path);
    int64_t offset = 0;
    for (size_t i = 0; i < tensor->copyKeys.size(); ++i) {
      Frame *copy = frame;
      while (copy && !(copy->region && copy->region->key == tensor->copyKeys[i]))
        copy = copy->parent;
      offset = offset * tensor->copyCounts[i] + (copy ? copy->copy : 0);
    }
    for (const typed::Var *var : tensor->dims)
      offset *= sizeOf(var);
    return values.data() + offset;
  }
  Frame *home = frame;
  while (home->region && home->region != tensor->region)
    home = home->parent;
  // What is the same for all examples is computed once.
  if (!tensor->usesData && !tensor->hasBatchMean && !tensor->region && !home->region)
    home = frameOf(-1);
  if (tensor->kind == Tensor::Carried)
    return home->carried[tensor->position].data();
  auto found = home->values.find(tensor);
  if (found == home->values.end()) {
    Numbers made = compute(tensor, home);
    found = home->values.emplace(tensor, std::move(made)).first;
  }
  return found->second.data();
}

Oracle::Numbers Oracle::compute(Tensor *tensor, Frame *home) {
  int64_t count = 1;
  std::vector<int64_t> sizes;
  for (const typed::Var *var : tensor->dims) {
    sizes.push_back(sizeOf(var));
    count *= sizes.back();
  }
  Numbers result;
  switch (tensor->kind) {
  case Tensor::Let: {
    std::vector<int64_t> saved;
    for (const typed::Var *var : tensor->dims) {
      saved.push_back(at(var));
      at(var) = 0;
    }
    result.reserve(size_t(count));
    for (int64_t i = 0; i < count && ok(); ++i) {
      result.push_back(evaluate(tensor->body, home));
      for (size_t d = sizes.size(); d-- > 0;) {
        if (++at(tensor->dims[d]) < sizes[d])
          break;
        at(tensor->dims[d]) = 0;
      }
    }
    result.resize(size_t(count));
    for (size_t d = 0; d < saved.size(); ++d)
      at(tensor->dims[d]) = saved[d];
    return result;
  }
  case Tensor::Input: {
    if (tensor->name == "seed" || tensor->name == "step")
      return {{double(tensor->name == "seed" ? situation.seed : situation.step), -1}};
    if (tensor->name == "example") {
      size_t e = size_t(home->example);
      return {{double(e < situation.exampleNumbers.size() ? situation.exampleNumbers[e] : int64_t(e)), -1}};
    }
    const Array &given = situation.input(*tensor);
    int64_t bounds = 1;
    for (const typed::Var *var : tensor->dims)
      bounds *= var->range->size;
    int64_t first = tensor->perExample ? home->example * bounds : 0;
    for (int64_t i = 0; i < count; ++i) {
      int64_t rest = i, place = 0, stride = 1;
      for (size_t d = sizes.size(); d-- > 0;) {
        place += rest % sizes[d] * stride;
        rest /= sizes[d];
        stride *= tensor->dims[d]->range->size;
      }
      result.push_back({given.data[size_t(first + place)], -1});
    }
    return result;
  }
  case Tensor::Constant:
    for (double value : tensor->values)
      result.push_back({constant(value), -1});
    return result;
  case Tensor::Reshape: {
    const Number *source = numbers(tensor->source, home);
    return Numbers(source, source + count);
  }
  case Tensor::BatchMean: return {batchMean(tensor)};
  case Tensor::Result:
  case Tensor::Stack: {
    if (!home->repeats.count(tensor->of))
      run(tensor->of, home);
    auto &[results, stacks] = home->repeats[tensor->of];
    return tensor->kind == Tensor::Result ? results[tensor->position] : stacks[tensor->position];
  }
  case Tensor::Copy: return {{double(home->copy), -1}};
  case Tensor::Param:
  case Tensor::Carried: break;
  }
  return result;
}

void Oracle::run(typed::Region *region, Frame *home) {
  std::vector<Numbers> now, stacks(region->stackSources.size());
  auto all = [&](Tensor *tensor, Frame *frame) {
    std::vector<int64_t> sizes;
    const Number *first = numbers(tensor, frame, &sizes);
    int64_t count = 1;
    for (int64_t size : sizes)
      count *= size;
    return Numbers(first, first + count);
  };
  for (Tensor *init : region->inits)
    now.push_back(all(init, home));
  for (int64_t copy = 0; copy < region->count && ok(); ++copy) {
    Frame frame;
    frame.parent = home;
    frame.region = region;
    frame.copy = copy;
    frame.example = home->example;
    frame.carried = now;
    std::vector<Numbers> next;
    for (Tensor *tensor : region->nexts)
      next.push_back(all(tensor, &frame));
    for (size_t i = 0; i < stacks.size(); ++i) {
      Numbers slice = all(region->stackSources[i], &frame);
      stacks[i].insert(stacks[i].end(), slice.begin(), slice.end());
    }
    now = std::move(next);
  }
  home->repeats[region] = {std::move(now), std::move(stacks)};
}

/// A ratio of totals over the batch; 0 where nothing is counted.
Number Oracle::batchMean(Tensor *tensor) {
  Number total, count;
  for (int64_t e = 0; e < situation.examples; ++e) {
    Number term = *numbers(tensor->source, frameOf(e));
    total = e ? add(total, term) : term;
    count.value += numbers(tensor->count, frameOf(e))->value;
  }
  if (count.value == 0)
    return {};
  double value = disturbed(total.value / count.value, keyOf(int(Op::Div), total.value, count.value));
  return make(value, total, 1 / count.value);
}

double Oracle::batchValue(Tensor *tensor) {
  return numbers(tensor, frameOf(-1))->value;
}

Array Oracle::value(Tensor *tensor) {
  Array array;
  std::vector<int64_t> sizes;
  int64_t times = tensor->usesData ? situation.examples : 1;
  if (tensor->usesData)
    array.shape.push_back(times);
  for (int64_t e = 0; e < times; ++e) {
    const Number *first = numbers(tensor, frameOf(e), &sizes);
    int64_t count = 1;
    for (int64_t size : sizes)
      count *= size;
    for (int64_t i = 0; i < count; ++i)
      array.data.push_back(first[i].value);
  }
  array.shape.insert(array.shape.end(), sizes.begin(), sizes.end());
  return array;
}

//===-- Scalars ------------------------------------------------------------===//

/// Sums and what shares operands are worth remembering.
static bool isRemembered(const Node *node) {
  return node->op == Op::Reduce ||
         (node->operands.size() >= 2 && node->op != Op::Load && node->op != Op::Random);
}

Number Oracle::evaluate(const Node *node, Frame *frame) {
  if (node->op == Op::Const)
    return {node->type == typed::Type::Float ? constant(node->number) : node->number, -1};
  if (node->op == Op::Index)
    return {double(at(node->var)), -1};
  if (!isRemembered(node) || !ok())
    return computeNode(node, frame);
  int64_t place = 0, count = 1;
  for (const typed::Var *var : node->free) {
    int64_t size = sizeOf(var);
    place = place * size + at(var);
    count *= size;
  }
  Frame::Memo &memo = frame->memos[node];
  if (memo.known.empty()) {
    memo.known.resize(size_t(count));
    memo.numbers.resize(size_t(count));
  }
  if (place < count && memo.known[size_t(place)])
    return memo.numbers[size_t(place)];
  Number result = computeNode(node, frame);
  if (place < count) {
    memo.known[size_t(place)] = true;
    memo.numbers[size_t(place)] = result;
  }
  return result;
}

Number Oracle::load(const Node *node, Frame *frame) {
  std::vector<int64_t> sizes;
  const Number *first = numbers(node->tensor, frame, &sizes);
  int64_t place = 0;
  for (size_t i = 0; i < node->operands.size(); ++i) {
    double index = evaluate(node->operands[i], frame).value;
    if (index < 0 || index >= double(sizes[i]))
      return {}; // outside of its dimension a value is 0
    place = place * sizes[i] + int64_t(index);
  }
  return first[place];
}

Number Oracle::reduce(const Node *node, Frame *frame) {
  std::vector<int64_t> saved, sizes;
  int64_t count = 1;
  for (const typed::Var *var : node->bound) {
    saved.push_back(at(var));
    sizes.push_back(sizeOf(var));
    at(var) = 0;
    count *= sizes.back();
  }
  Number result;
  std::vector<Number> terms;
  bool isFloat = node->type == typed::Type::Float;
  for (int64_t i = 0; i < count && ok(); ++i) {
    Number term = evaluate(node->operands[0], frame);
    if (node->isMax)
      terms.push_back(term);
    else if (isFloat)
      result = i ? add(result, term) : term;
    else
      result.value = double(int32_t(uint32_t(int64_t(result.value)) + uint32_t(int64_t(term.value))));
    for (size_t d = sizes.size(); d-- > 0;) {
      if (++at(node->bound[d]) < sizes[d])
        break;
      at(node->bound[d]) = 0;
    }
  }
  for (size_t d = 0; d < saved.size(); ++d)
    at(node->bound[d]) = saved[d];
  if (!node->isMax)
    return result;
  // The highest; equals share the derivative.
  result.value = isFloat ? -infinity : double(std::numeric_limits<int32_t>::min());
  for (const Number &term : terms) {
    if (std::isnan(term.value))
      return {term.value, -1};
    result.value = std::max(result.value, term.value);
  }
  // Those that rounding may make the highest: the lowest of them in one run, the
  // next below in another, all of them in a third.
  double lowest = result.value, next = -infinity;
  if (isFloat && std::isfinite(result.value))
    for (const Number &term : terms)
      if (term.value != result.value && side(term.value, result.value) != Below) {
        lowest = std::min(lowest, term.value);
        next = std::max(next, term.value);
      }
  const uint64_t run = rounding.seed % 3;
  const bool all = run == 2;
  if (lowest != result.value && !all)
    result.value = run ? next : lowest;
  auto chosen = [&](double value) { return all ? value >= lowest : value == result.value; };
  int64_t equals = 0;
  for (const Number &term : terms)
    equals += chosen(term.value);
  for (const Number &term : terms)
    if (chosen(term.value) && term.place >= 0)
      result.place = push(term.place, 1 / double(equals), result.place, 1);
  return result;
}

Number Oracle::unary(Op op, const Number &x) {
  double v = x.value, key = v;
  auto rounded = [&](double value, double units = 1) { return disturbed(value, keyOf(int(op), key), units); };
  auto again = [&](double value) { return disturbed(value, keyOf(int(op) + 200, value)); };
  switch (op) {
  case Op::Neg: return make(-v, x, -1);
  case Op::Exp: {
    double y = rounded(std::exp(v), 4);
    return make(y, x, y);
  }
  case Op::Log: return make(rounded(std::log(v), 4), x, 1 / v);
  case Op::Sqrt: {
    double y = rounded(std::sqrt(v));
    return make(y, x, 0.5 / y);
  }
  case Op::Rsqrt: {
    double y = rounded(1 / std::sqrt(v), 2);
    return make(y, x, -0.5 * y * y * y);
  }
  case Op::Tanh: {
    double y = rounded(std::tanh(v), 4);
    return make(y, x, again(1 - again(y * y)));
  }
  case Op::Erf: {
    double bell = again(std::exp(-again(v * v)));
    return make(rounded(std::erf(v), 4), x, bell * 2 / std::sqrt(M_PI));
  }
  case Op::Sin: return make(rounded(std::sin(v), 4), x, again(std::cos(v)));
  case Op::Cos: return make(rounded(std::cos(v), 4), x, -again(std::sin(v)));
  case Op::Abs: return make(std::fabs(v), x, v > 0 ? 1 : v < 0 ? -1 : 0);
  default: return {};
  }
}

Number Oracle::binary(const Node *node, const Number &x, const Number &y) {
  double a = x.value, b = y.value;
  if (node->type == typed::Type::Int) {
    auto wrap = [](int64_t value) { return Number{double(int32_t(uint32_t(value))), -1}; };
    int64_t p = int64_t(a), q = int64_t(b);
    switch (node->op) {
    case Op::Add: return wrap(p + q);
    case Op::Sub: return wrap(p - q);
    case Op::Mul: return wrap(p * q);
    case Op::Max: return wrap(std::max(p, q));
    case Op::Min: return wrap(std::min(p, q));
    case Op::Rem: return wrap(q == 0 ? 0 : ((p % q) + q) % q); // the divisor's sign; by 0 it is 0
    default: return {};
    }
  }
  auto rounded = [&](double value, double units = 1) {
    return disturbed(value, keyOf(int(node->op), a, b), units);
  };
  switch (node->op) {
  case Op::Add: return make(rounded(a + b), x, 1, y, 1);
  case Op::Sub: return make(rounded(a - b), x, 1, y, -1);
  case Op::Mul: return make(rounded(a * b), x, b, y, a);
  case Op::Div: {
    double q = rounded(a / b, 2);
    return make(q, x, 1 / b, y, -q / b);
  }
  case Op::Max:
  case Op::Min: {
    if (std::isnan(a) || std::isnan(b))
      return {std::numeric_limits<double>::quiet_NaN(), -1};
    bool constant = node->operands[0]->op == Op::Const || node->operands[1]->op == Op::Const;
    double tie = constant ? 0 : 0.5;
    Side at = side(a, b);
    double mine = at == Same ? tie : (node->op == Op::Max) == (at == Above) ? 1 : 0;
    double other = at == Same ? tie : 1 - mine;
    return make(mine == 1 || at == Same ? a : b, x, mine, y, other);
  }
  default: return {};
  }
}

Number Oracle::computeNode(const Node *node, Frame *frame) {
  auto operand = [&](size_t i) { return evaluate(node->operands[i], frame); };
  auto truth = [](bool value) { return Number{value ? 1.0 : 0.0, -1}; };
  ++operations;
  switch (node->op) {
  case Op::Const:
  case Op::Index: return evaluate(node, frame);
  case Op::Merge: {
    int64_t place = 0;
    for (size_t i = 0; i < node->operands.size(); ++i)
      place = place * node->bound[i]->range->size + int64_t(operand(i).value);
    return {double(place), -1};
  }
  case Op::Load: return load(node, frame);
  case Op::Reduce: return reduce(node, frame);
  case Op::Random: {
    std::vector<uint32_t> keys;
    for (size_t i = 0; i < node->operands.size(); ++i)
      keys.push_back(uint32_t(int64_t(operand(i).value)));
    return {double(gpt::random::uniform(uint32_t(node->site), keys)), -1};
  }
  case Op::Select: return operand(0).value != 0 ? operand(1) : operand(2);
  case Op::Less:
  case Op::LessEq:
  case Op::Equal:
  case Op::NotEqual: {
    double a = operand(0).value, b = operand(1).value;
    if (std::isnan(a) || std::isnan(b))
      return truth(node->op == Op::NotEqual);
    Side at = node->operands[0]->type == typed::Type::Float ? side(a, b)
              : a < b                                       ? Below
              : a == b                                      ? Same
                                                            : Above;
    return truth(node->op == Op::Less     ? at == Below
                 : node->op == Op::LessEq ? at != Above
                 : node->op == Op::Equal  ? at == Same
                                          : at != Same);
  }
  case Op::And: return truth(operand(0).value != 0 && operand(1).value != 0);
  case Op::Or: return truth(operand(0).value != 0 || operand(1).value != 0);
  case Op::Not: return truth(operand(0).value == 0);
  case Op::StopGradient: return {operand(0).value, -1};
  case Op::ToFloat: return {constant(operand(0).value), -1};
  case Op::ToInt: return {std::trunc(operand(0).value), -1};
  case Op::Neg:
    if (node->type == typed::Type::Int)
      return {-operand(0).value, -1};
    return unary(node->op, operand(0));
  case Op::Exp:
  case Op::Log:
  case Op::Sqrt:
  case Op::Rsqrt:
  case Op::Tanh:
  case Op::Erf:
  case Op::Sin:
  case Op::Cos:
  case Op::Abs: return unary(node->op, operand(0));
  default: {
    Number x = operand(0), y = operand(1);
    return binary(node, x, y);
  }
  }
}
