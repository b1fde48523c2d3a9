// Expressions: loads with every kind of subscript, functions, reductions.
#include "differential/generator.h"

#include <algorithm>
#include <cmath>

namespace gptc::differential {

Generator::Made Generator::number(int budget) {
  static const std::vector<double> numbers = {0.5, 2, 3, 0.25, -1, 1.5, 0.1, 1, -0.3};
  if (!settings.empty() && d.chance(0.2)) {
    NameId setting = d.of(settings);
    return {makeRef(setting), settingValues[setting]};
  }
  double value = d.of(numbers);
  return {makeNumber(value), std::fabs(value)};
}

/// A subscript of a dimension of this size. An index that fits stands alone; else it is computed.
ExprPtr Generator::subscript(int64_t size, const std::string &extent) {
  std::vector<Index *> fitting, shorter;
  for (Index *index : indices) {
    if (index->size == size && index->extent == extent)
      fitting.push_back(index);
    else if (index->size < size && extent.empty() && index->extent.empty() && index->mayDeclare)
      shorter.push_back(index);
  }
  auto plus = [&](ExprPtr e, int64_t n) {
    return n < 0 ? makeBinary("-", e, makeNumber(double(-n))) : makeBinary("+", e, makeNumber(double(n)));
  };
  if (!fitting.empty() && d.chance(0.72)) {
    Index *index = d.of(fitting);
    index->plain = true;
    return indexRef(index);
  }
  if (!shorter.empty() && d.chance(0.25)) {
    Index *index = d.of(shorter);
    index->shorter = true;
    return indexRef(index);
  }
  if (indices.empty() || d.chance(0.12)) {
    if (d.chance(0.25))
      return integer(size, 2);
    return makeNumber(double(d.below(size)));
  }
  Index *index = d.of(indices), *other = d.of(indices);
  ExprPtr i = indexRef(index), j = indexRef(other);
  switch (d.below(11)) {
  case 0: return plus(i, -1);
  case 1: return plus(i, 1);
  case 2: return plus(i, 0);
  case 3: return makeBinary("-", makeNumber(double(size - 1)), i);
  case 4: return makeBinary("*", makeNumber(2), i);
  case 5: return plus(makeBinary("*", makeNumber(2), i), 1);
  case 6: return makeBinary("%", plus(i, 1 + d.below(2)), makeNumber(double(size)));
  case 7: return makeBinary("+", i, j);
  case 8: return plus(makeBinary("-", i, j), d.below(2));
  case 9: return integer(size, 2);
  default: {
    // A group, where two indices fill the dimension.
    for (Index *a : indices)
      for (Index *b : indices)
        if (a != b && a->size * b->size == size && extent.empty() && a->extent.empty() && b->extent.empty()) {
          a->shorter = b->shorter = true; // so that their sizes are written
          if (a->mayDeclare && b->mayDeclare)
            return makeGroup({a->name, b->name});
        }
    return plus(makeBinary("*", i, makeNumber(double(other->size))), d.below(3));
  }
  }
}

Generator::Made Generator::load(const Value &value, const std::map<size_t, Index *> &fixed) {
  std::vector<ExprPtr> at;
  Value copy = value; // names may be added meanwhile
  for (size_t i = 0; i < copy.dims.size(); ++i) {
    auto given = fixed.find(i);
    if (given != fixed.end()) {
      given->second->plain = true;
      at.push_back(indexRef(given->second));
    } else {
      at.push_back(subscript(copy.dims[i], copy.extents[i]));
    }
  }
  return {makeSubscript(copy.base ? copy.base : makeRef(copy.name), at), copy.size};
}

Generator::Made Generator::leaf() {
  double what = d.unit();
  if (what < 0.12)
    return number(0);
  if (what < 0.17 && !indices.empty())
    return {makeBinary("*", makeCall("float", {indexRef(d.of(indices))}), makeNumber(0.25)), 1};
  if (what < 0.19 && !indices.empty()) {
    std::vector<ExprPtr> at;
    for (Index *index : indices)
      if (d.chance(0.7))
        at.push_back(indexRef(index));
    if (!at.empty())
      return {makeSubscript(makeWord("random"), at), 1};
  }
  if (what < 0.21)
    if (Value *value = anyValue(0, 2, Type::Int))
      if (value->limit > 0)
        return {makeCall("float", {load(*value).e}), double(value->limit)};
  if (Value *value = anyValue(0, 4))
    return load(*value);
  return number(0);
}

Generator::Made Generator::bounded(Made x, double most) {
  if (x.size <= most)
    return x;
  if (d.chance(0.4))
    return {makeCall(d.chance(0.5) ? "tanh" : "sin", {x.e}), 1};
  double factor = std::max(0.001, std::round(1000 / x.size) / 1000);
  return {makeBinary("*", makeNumber(factor), x.e), x.size * factor};
}

Generator::Made Generator::unary(Made x) {
  auto call = [&](const char *name, ExprPtr e) { return makeCall(name, {e}); };
  auto plus = [&](ExprPtr e, double n) { return makeBinary("+", e, makeNumber(n)); };
  std::vector<Function> own;
  for (const Function &f : functions)
    if (f.kind == Function::Unary)
      own.push_back(f);
  if (!own.empty() && d.chance(0.2))
    return {makeCallOf(d.of(own).name, {x.e}), std::max(1.0, x.size)};
  switch (d.below(20)) {
  case 0: return {call("exp", bounded(x, 2).e), 7};
  case 1: return {call("log", plus(call("abs", x.e), 0.5)), 1 + std::log(1 + x.size)};
  case 2: return {call("sqrt", plus(makeBinary("*", x.e, x.e), 0.1)), x.size};
  case 3: return {call("rsqrt", plus(call("abs", x.e), 0.2)), 2};
  case 4: return {call("tanh", x.e), 1};
  case 5: return {call("erf", x.e), 1};
  case 6: return {call("sin", bounded(x, 20).e), 1};
  case 7: return {call("cos", bounded(x, 20).e), 1};
  case 8: return {call("abs", x.e), x.size};
  case 9: return {call("relu", x.e), x.size};
  case 10: return {call(d.chance(0.5) ? "gelu" : "gelu_tanh", bounded(x, 6).e), x.size};
  case 11: return {call(d.chance(0.5) ? "sigmoid" : "silu", bounded(x, 10).e), x.size};
  case 12: return {call("softplus", bounded(x, 10).e), x.size + 1};
  case 13:
    return {makeBinary("^", bounded(x, 3).e, makeNumber(double(2 + d.below(3)))),
            std::pow(std::min(x.size, 3.0), 3)};
  case 14: return {makeUnary("-", x.e), x.size};
  case 15: return {call("stop_gradient", x.e), x.size};
  case 16: return {makeBinary("/", x.e, number(0).e), x.size * 4};
  case 17:
    return {makeBinary("^", plus(call("abs", x.e), 0.5), makeNumber(d.chance(0.5) ? -0.5 : 1.5)), 1 + x.size};
  case 18: return {makeCall("dropout", {x.e, makeNumber(0.4)}), 2 * x.size};
  default:
    return {makeCall(d.chance(0.5) ? "max" : "min", {x.e, makeNumber(d.chance(0.6) ? 0 : 0.5)}), x.size};
  }
}

Generator::Made Generator::binary(Made a, Made b) {
  std::vector<Function> own;
  for (const Function &f : functions)
    if (f.kind == Function::Binary)
      own.push_back(f);
  if (!own.empty() && d.chance(0.1))
    return {makeCallOf(d.of(own).name, {bounded(a).e, bounded(b).e}), 1 + a.size};
  switch (d.below(12)) {
  case 0:
  case 1: return {makeBinary("+", a.e, b.e), a.size + b.size};
  case 2:
  case 3: return {makeBinary("-", a.e, b.e), a.size + b.size};
  case 4:
  case 5:
  case 6:
  case 7: return {makeBinary("*", a.e, b.e), a.size * b.size};
  case 8: return {makeBinary("/", a.e, makeBinary("+", makeNumber(1), makeCall("abs", {b.e}))), a.size};
  case 9:
    return {makeBinary("/", a.e, makeBinary("+", makeNumber(0.5), makeBinary("*", b.e, b.e))), 2 * a.size};
  case 10: return {makeCall("max", {a.e, b.e}), std::max(a.size, b.size)};
  default: return {makeCall("min", {a.e, b.e}), std::max(a.size, b.size)};
  }
}

/// A truth value of indices, numbers and integers.
ExprPtr Generator::truth(int budget) {
  static const std::vector<std::string> compare = {"<", "<=", ">", ">=", "==", "!="};
  if (budget > 2 && d.chance(0.25))
    return makeBinary(d.chance(0.5) ? "and" : "or", truth(budget - 2), truth(budget - 2));
  if (budget > 1 && d.chance(0.1))
    return makeUnary("not", truth(budget - 1));
  double what = d.unit();
  if (what < 0.35 && !indices.empty()) {
    Index *index = d.of(indices);
    ExprPtr right = d.chance(0.5) ? indexRef(d.of(indices)) : makeNumber(double(d.below(index->size + 1)));
    return makeBinary(d.of(compare), indexRef(index), right);
  }
  if (what < 0.5)
    if (Value *value = anyValue(0, 2, Type::Int))
      return makeBinary(d.of(compare), load(*value).e,
                        makeNumber(double(d.below(std::max<int64_t>(value->limit, 2)))));
  if (what < 0.6)
    if (Value *value = anyValue(1, 2, Type::Bool))
      return load(*value).e;
  if (what < 0.63)
    return makeWord("training");
  if (what < 0.68 && !indices.empty())
    return makeBinary("<", makeSubscript(makeWord("random"), {indexRef(d.of(indices))}), makeNumber(0.5));
  Made left = leaf();
  return makeBinary(d.chance(0.85) ? d.of(std::vector<std::string>{"<", ">", "<=", ">="}) : d.of(compare),
                    left.e, d.chance(0.6) ? makeNumber(d.chance(0.5) ? 0 : 0.25) : leaf().e);
}

/// An integer that is mostly in [0, limit).
ExprPtr Generator::integer(int64_t limit, int budget) {
  double what = d.unit();
  std::vector<Value *> fitting;
  for (Value &value : values)
    if (value.type == Type::Int && value.limit > 0 && value.limit <= limit && value.dims.size() <= 2)
      fitting.push_back(&value);
  if (what < 0.5 && !fitting.empty())
    return load(*d.of(fitting)).e;
  if (what < 0.6 && !indices.empty() && budget > 0) {
    Index *index = d.of(indices);
    ExprPtr other =
        d.chance(0.5) ? makeNumber(double(1 + d.below(4))) : indexRef(d.of(indices)); // which may be 0
    return makeBinary("%", indexRef(index), other);
  }
  if (what < 0.7)
    if (Value *value = anyValue(0, 2, Type::Int)) { // whatever it is, also a remainder by 0
      ExprPtr e = load(*value).e;
      ExprPtr divisor = d.chance(0.5) ? makeNumber(double(std::max<int64_t>(1, limit)))
                                      : makeBinary("-", load(*value).e, makeNumber(double(d.below(3))));
      return makeBinary("%", makeBinary("+", e, makeNumber(double(d.below(4)))), divisor);
    }
  if (what < 0.82)
    return makeCall("int", {bounded(leaf(), 100).e});
  if (what < 0.9 && budget > 0)
    if (Value *value = anyValue(1, 1)) {
      Index i{p.name(Name::Index, "a"), value->dims[0], value->extents[0]};
      if (value->dims[0] <= limit)
        return makeBind("argmax", {i.name}, load(*value, {{0, &i}}).e);
    }
  if (!indices.empty()) {
    Index *index = d.of(indices);
    return makeBinary("-", makeBinary("*", indexRef(index), makeNumber(double(1 + d.below(2)))),
                      makeNumber(double(d.below(2))));
  }
  return makeNumber(double(d.below(limit)));
}

Generator::Made Generator::choice(int budget) {
  Made yes = any(budget - 1), no = d.chance(0.4) ? number(0) : any(budget - 2);
  return {makeWhere(truth(budget - 1), yes.e, no.e), std::max(yes.size, no.size)};
}

/// A softmax and its kin, over an index that is there.
Generator::Made Generator::ofIndex(int budget) {
  std::vector<Index *> fitting = indices;
  if (fitting.empty())
    return any(budget - 1);
  Index *index = d.of(fitting);
  Made value = any(budget - 1);
  for (int tries = 0; tries < 3; ++tries) // mostly with a value in which it stands
    for (Value &v : values)
      if (v.type == Type::Float && !v.dims.empty() && d.chance(0.4))
        for (size_t i = 0; i < v.dims.size(); ++i)
          if (v.dims[i] == index->size && v.extents[i] == index->extent) {
            value = binary(load(v, {{i, index}}), value);
            tries = 3;
            break;
          }
  value = bounded(value, 10);
  if (d.chance(0.15))
    value.e = makeWhere(truth(1), value.e, makeUnary("-", makeWord("inf")));
  std::vector<Function> own;
  for (const Function &f : functions)
    if (f.kind == Function::OfIndex)
      own.push_back(f);
  if (!own.empty() && d.chance(0.3))
    return {makeBindOf(d.of(own).name, {index->name}, value.e, false), value.size};
  return {makeBind("softmax", {index->name}, value.e, nullptr, false), 1};
}

Generator::Made Generator::reduction(int budget, std::string kind) {
  std::vector<Index *> outside = indices;
  Value *first = anyValue(1, 4);
  if (!first)
    return leaf();
  Value chosen = *first;
  std::vector<size_t> places;
  for (size_t i = 0; i < chosen.dims.size(); ++i)
    places.push_back(i);
  while (places.size() > 1 && d.chance(outside.empty() && kind.size() ? 0.15 : 0.6))
    places.erase(places.begin() + d.below(int64_t(places.size())));
  std::vector<std::unique_ptr<Index>> own;
  std::map<size_t, Index *> fixed;
  int64_t terms = 1;
  for (size_t place : places) {
    own.push_back(std::make_unique<Index>());
    *own.back() = {p.name(Name::Index, std::vector<std::string>{"i", "j", "r", "c"}[size_t(d.below(4))]),
                   chosen.dims[place],
                   chosen.extents[place],
                   true,
                   false,
                   false};
    fixed[place] = own.back().get();
    terms *= chosen.dims[place];
  }
  // Inside of a large product nothing else is summed.
  int64_t around = terms;
  for (Index *index : outside)
    around *= index->size;
  if (around > 3000)
    budget = std::min(budget, 2);
  for (auto &index : own)
    indices.push_back(index.get());
  Made body = load(chosen, fixed);
  if (d.chance(0.6)) { // a product with something that has an index of it, too
    std::vector<std::pair<Value *, size_t>> others;
    for (Value &v : values)
      for (size_t i = 0; i < v.dims.size(); ++i)
        if (v.type == Type::Float && v.dims[i] == own[0]->size && v.extents[i] == own[0]->extent)
          others.push_back({&v, i});
    if (!others.empty()) {
      auto [other, place] = d.of(others);
      Made factor = load(*other, {{place, own[0].get()}});
      body = {makeBinary("*", body.e, factor.e), body.size * factor.size};
    }
  }
  if (budget > 1 && d.chance(0.55))
    body = d.chance(0.5) ? unary(body) : binary(body, any(budget - 2));
  if (d.chance(0.12))
    body = {makeBinary("/", body.e, makeNumber(3)), body.size};
  ExprPtr condition;
  if (d.chance(0.15))
    condition = truth(2);
  std::vector<NameId> binders;
  for (auto &index : own)
    binders.push_back(index->name);
  indices = outside;
  if (kind.empty()) {
    double what = d.unit();
    std::vector<Function> functionsOver;
    for (const Function &f : functions)
      if (f.kind == Function::OverIndex)
        functionsOver.push_back(f);
    if (!condition && own.size() == 1 && what < 0.1) {
      if (!functionsOver.empty())
        return {makeBindOf(d.of(functionsOver).name, binders, body.e, true), body.size * double(terms)};
      return {makeBind(d.chance(0.6) ? "logsumexp" : "variance", binders, bounded(body, 10).e),
              body.size * body.size};
    }
    kind = what < 0.6 ? "sum" : what < 0.75 ? "mean" : what < 0.9 ? "max" : "min";
  }
  bool isExtreme = kind == "max" || kind == "min";
  Made result = {makeBind(kind, binders, body.e, condition),
                 kind == "sum" ? body.size * std::sqrt(double(terms)) : body.size};
  if (isExtreme && condition && !outside.empty()) // -inf where there is none
    result.e = makeCall(kind == "max" ? "max" : "min", {result.e, makeNumber(kind == "max" ? -9 : 9)});
  return result;
}

Generator::Made Generator::any(int budget) {
  if (budget <= 0)
    return leaf();
  double what = d.unit();
  if (what < 0.2)
    return leaf();
  if (what < 0.42)
    return bounded(unary(any(budget - 1)), 50);
  if (what < 0.68)
    return bounded(binary(any(budget - 1), any(budget - 2)), 50);
  if (what < 0.88 && budget >= 2)
    return bounded(reduction(budget - 1), 50);
  if (what < 0.94)
    return choice(budget);
  return ofIndex(budget);
}

} // namespace gptc::differential
