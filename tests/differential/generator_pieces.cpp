// Statements: free ones, and the structures that kernels are made for.
#include "differential/generator.h"

#include <algorithm>
#include <cmath>

namespace gptc::differential {

std::string Generator::act() {
  return d.of(std::vector<std::string>{"tanh", "relu", "gelu", "silu", "sigmoid", "sin", "abs", "erf"});
}
Generator::Made Generator::activated(Made x) {
  return d.chance(0.4) ? x : Made{makeCall(act(), {bounded(x, 10).e}), std::min(x.size, 10.0)};
}

/// A value with two dimensions, made where there is none.
Generator::Value *Generator::matrix() {
  std::vector<Value *> fitting;
  for (Value &v : values)
    if (v.type == Type::Float && v.dims.size() == 2 && !v.base)
      fitting.push_back(&v);
  if (!fitting.empty() && d.chance(0.85))
    return d.of(fitting);
  int64_t n = size(), m = size();
  if (isLarge && d.chance(0.6)) {
    n = d.of(std::vector<int64_t>{15, 16, 17, 31, 32, 33, 63, 64, 65});
    m = d.chance(0.5) ? n : size();
  }
  Value *vector = anyValue(1, 1);
  if (vector && d.chance(0.5) && vector->extents[0].empty()) {
    Value x = *vector;
    const Value w = param({n});
    NameId i = p.name(Name::Index, "t"), j = p.name(Name::Index, "c");
    let({named(i), named(j)}, {times(at(w.name, {i}), at(x.name, {j})), x.size}, {n, x.dims[0]}, {"", ""});
  } else {
    param({n, m});
  }
  return &values.back();
}

void Generator::freeLet() {
  std::vector<std::unique_ptr<Index>> own;
  Value *source = anyValue(1, 4);
  std::map<size_t, Index *> fixed;
  Value shape;
  static const std::vector<std::string> hints = {"i", "j", "t", "c", "k"};
  if (source && d.chance(0.75)) {
    shape = *source;
    for (size_t i = 0; i < shape.dims.size(); ++i)
      if (d.chance(0.85) && own.size() < 3) {
        own.push_back(
            std::make_unique<Index>(Index{p.name(Name::Index, d.of(hints)), shape.dims[i], shape.extents[i],
                                          false, false, shape.extents[i].empty()}));
        fixed[i] = own.back().get();
      }
  }
  for (int64_t n = own.empty() ? 1 + d.below(2) : d.chance(0.25); n > 0; --n) {
    int64_t room = 400;
    for (auto &index : own)
      room /= std::max<int64_t>(1, index->size);
    if (room >= 2)
      own.push_back(std::make_unique<Index>(
          Index{p.name(Name::Index, d.of(hints)), std::min(size(), room), "", false, false, true}));
  }
  if (d.chance(0.3))
    std::reverse(own.begin(), own.end());
  for (auto &index : own)
    indices.push_back(index.get());
  int budget = 2 + int(d.below(3));
  Made value = fixed.empty() ? any(budget) : load(shape, fixed);
  if (!fixed.empty() && d.chance(0.9))
    value = d.chance(0.3) ? unary(value) : binary(value, any(budget));
  if (d.chance(0.12))
    value = ofIndex(3);
  bool lost = false; // an index of a text must stand alone somewhere
  for (auto &index : own)
    lost |= !index->extent.empty() && !index->plain;
  if (d.chance(0.1) && !lost)
    value = choice(3);
  // What says the ranges of dynamic indices is in the value for sure.
  bool dynamic = std::any_of(own.begin(), own.end(), [](auto &index) { return !index->extent.empty(); });
  if (dynamic && !fixed.empty())
    value = {makeBinary("+", value.e, times(makeNumber(0.5), load(shape, fixed).e)), value.size + shape.size};
  indices.clear();
  std::vector<Dim> dims;
  std::vector<int64_t> sizes;
  std::vector<std::string> extents;
  for (auto &index : own) {
    bool inferred = !index->extent.empty() || (index->plain && !index->shorter && dynamic);
    dims.push_back(inferred ? named(index->name) : sized(index->name, index->size));
    if (!inferred && d.chance(0.1))
      dims.back().kind = Dim::Bounded;
    sizes.push_back(index->size);
    extents.push_back(index->extent);
  }
  let(dims, value, sizes, extents);
}

/// On whole tensors, without indices.
void Generator::wholeLet() {
  Value *first = anyValue(0, 3);
  if (!first)
    return;
  Value a = *first;
  Made value = {a.base ? a.base : makeRef(a.name), a.size};
  for (Value &b : values)
    if (&b != first && b.dims == a.dims && b.extents == a.extents && b.type == Type::Float && d.chance(0.5)) {
      value = binary(value, {b.base ? b.base : makeRef(b.name), b.size});
      break;
    }
  if (d.chance(0.5))
    value = unary(value);
  else
    value.e = times(value.e, number(0).e);
  value.size *= 3;
  let({}, value, a.dims, a.extents);
}

void Generator::integerLet() {
  Index index{p.name(Name::Index, "i"), size(), ""};
  indices = {&index};
  int64_t limit = std::max<int64_t>(2, size());
  Stmt s;
  s.kind = Stmt::Let;
  s.name = p.name(Name::Value, "n");
  s.dims = {sized(index.name, index.size)};
  s.value = makeBinary("+", integer(limit, 3), makeBinary("*", makeNumber(0), indexRef(&index)));
  indices.clear();
  add(s);
  values.push_back({s.name, {index.size}, {""}, Type::Int, limit, 1, nullptr});
}

void Generator::linear() {
  Value *first = anyValue(1, 3);
  if (!first)
    return;
  Value x = *first;
  int64_t n = size();
  if (isLarge && d.chance(0.4))
    n = d.of(std::vector<int64_t>{15, 16, 17, 31, 32, 33, 64, 65, 127, 128, 129});
  for (Value &v : values)
    if (v.type == Type::Int && v.limit > 1 && d.chance(0.4))
      n = v.limit;
  if (!x.extents.back().empty())
    return;
  const Value w =
      param(d.chance(0.7) ? std::vector<int64_t>{x.dims.back(), n} : std::vector<int64_t>{n, x.dims.back()});
  bool turned = w.dims[0] != x.dims.back() || (w.dims[0] == w.dims[1] && d.chance(0.4));
  NameId j = p.name(Name::Index, "j"), c = p.name(Name::Index, "c");
  std::vector<NameId> outer;
  std::vector<Dim> dims;
  for (size_t i = 0; i + 1 < x.dims.size(); ++i) {
    outer.push_back(p.name(Name::Index, i ? "u" : "t"));
    dims.push_back(named(outer.back()));
  }
  std::vector<NameId> in = outer;
  in.push_back(c);
  dims.push_back(named(j));
  ExprPtr product = times(at(x.name, in), turned ? at(w.name, {j, c}) : at(w.name, {c, j}));
  if (x.base)
    return;
  Made value = {makeBind("sum", {c}, product), x.size};
  if (d.chance(0.5)) {
    const Value b = param({n});
    value = {makeBinary("+", value.e, at(b.name, {j})), value.size + 1};
  }
  if (d.chance(0.15))
    value.e = makeBinary("/", value.e, makeNumber(3));
  value = activated(value);
  std::vector<int64_t> sizes(x.dims.begin(), x.dims.end() - 1);
  std::vector<std::string> extents(x.extents.begin(), x.extents.end() - 1);
  // A residual, an epilogue.
  if (n == x.dims.back() && d.chance(0.4)) {
    std::vector<NameId> here = outer;
    here.push_back(j);
    value = {makeBinary("+", value.e, at(x.name, here)), value.size + x.size};
  }
  sizes.push_back(n);
  extents.push_back("");
  let(dims, value, sizes, extents);
}

/// softmax(x·y) z, with and without an axis of heads.
void Generator::attention() {
  Value x = *matrix();
  if (!x.extents[1].empty())
    return;
  Value m = x;
  if (d.chance(0.3))
    if (Value *other = matrix(); other->dims[1] == x.dims[1] && other->extents[1].empty())
      m = *other;
  NameId t = p.name(Name::Index, "t"), s = p.name(Name::Index, "s"), c = p.name(Name::Index, "c");
  NameId h = p.name(Name::Index, "h"), e = p.name(Name::Index, "e");
  bool heads = d.chance(0.4), projects = d.chance(0.6);
  int64_t H = 1 + d.below(3), E = size(), C = x.dims[1];
  Value q = x, k = m, v = m;
  auto project = [&](const Value &from, const char *) {
    if (!projects && !heads)
      return from;
    const Value w = param(heads ? std::vector<int64_t>{C, H, E} : std::vector<int64_t>{C, E});
    NameId a = p.name(Name::Index, "t"), b = p.name(Name::Index, "c"), f = p.name(Name::Index, "e"),
           g = p.name(Name::Index, "h");
    std::vector<Dim> dims = {named(a)};
    std::vector<int64_t> sizes = {from.dims[0]};
    std::vector<std::string> extents = {from.extents[0]};
    ExprPtr weight = at(w.name, {b, f});
    if (heads) {
      weight = at(w.name, {b, g, f});
      dims.push_back(named(g));
      sizes.push_back(H);
      extents.push_back("");
    }
    dims.push_back(named(f));
    sizes.push_back(E);
    extents.push_back("");
    return let(dims, {makeBind("sum", {b}, times(at(from.name, {a, b}), weight)), 1}, sizes, extents);
  };
  q = project(q, "q");
  k = project(k, "k");
  v = project(v, "v");
  int64_t inner = q.dims.back();
  auto pick = [&](const Value &value, NameId row, NameId column) {
    return heads ? at(value.name, {row, h, column}) : at(value.name, {row, column});
  };
  ExprPtr score = makeBind("sum", {e}, times(pick(q, t, e), pick(k, s, e)));
  if (d.chance(0.5))
    score = times(score, makeNumber(1 / std::sqrt(double(inner))));
  std::vector<Dim> square = {named(t), named(s)};
  std::vector<int64_t> sizes = {q.dims[0], k.dims[0]};
  std::vector<std::string> extents = {q.extents[0], k.extents[0]};
  if (heads) {
    square.insert(square.begin(), named(h));
    sizes.insert(sizes.begin(), H);
    extents.insert(extents.begin(), "");
  }
  const Value scores = let(square, {score, 2}, sizes, extents);
  NameId t2 = p.name(Name::Index, "t"), s2 = p.name(Name::Index, "s"), h2 = p.name(Name::Index, "h");
  std::vector<NameId> here = {t2, s2};
  std::vector<Dim> dims = {named(t2), named(s2)};
  if (heads) {
    here.insert(here.begin(), h2);
    dims.insert(dims.begin(), named(h2));
  }
  ExprPtr logit = at(scores.name, here);
  if (d.chance(0.5))
    logit = makeWhere(makeBinary("<=", makeRef(s2), makeRef(t2)), logit, makeUnary("-", makeWord("inf")));
  ExprPtr weight = d.chance(0.8) ? makeBind("softmax", {d.chance(0.85) ? s2 : t2}, logit, nullptr, false)
                                 : makeCall("exp", {makeCall("min", {logit, makeNumber(1)})});
  if (d.chance(0.15))
    weight = makeCall("dropout", {weight, makeNumber(0.3)});
  const Value weights = let(dims, {weight, 1}, sizes, extents);
  if (d.chance(0.15))
    return; // the weights are the result
  NameId t3 = p.name(Name::Index, "t"), s3 = p.name(Name::Index, "s"), h3 = p.name(Name::Index, "h"),
         e3 = p.name(Name::Index, "e");
  std::vector<NameId> w3 = {t3, s3}, v3 = {s3, e3};
  std::vector<Dim> out = {named(t3)};
  std::vector<int64_t> outSizes = {q.dims[0]};
  std::vector<std::string> outExtents = {q.extents[0]};
  if (heads) {
    w3.insert(w3.begin(), h3);
    v3.insert(v3.begin() + 1, h3);
    if (d.chance(0.6)) {
      Dim group;
      group.kind = Dim::Group;
      group.group = {h3, e3};
      out.push_back(group);
      outSizes.push_back(H * v.dims.back());
      outExtents.push_back("");
    } else {
      out.push_back(named(h3));
      out.push_back(named(e3));
      outSizes.insert(outSizes.end(), {H, v.dims.back()});
      outExtents.insert(outExtents.end(), {"", ""});
    }
  } else {
    out.push_back(named(e3));
    outSizes.push_back(v.dims.back());
    outExtents.push_back("");
  }
  let(out, {makeBind("sum", {s3}, times(at(weights.name, w3), at(v.name, v3))), 1}, outSizes, outExtents);
  (void)c;
}

/// A product, then folds of it: rows, columns, other products.
void Generator::productAndFolds() {
  Value a = *matrix(), b = *matrix();
  if (b.dims[1] != a.dims[1] || b.extents[1] != a.extents[1])
    b = a;
  NameId t = p.name(Name::Index, "t"), u = p.name(Name::Index, "u"), r = p.name(Name::Index, "r");
  ExprPtr sum = makeBind("sum", {r}, times(at(a.name, {t, r}), at(b.name, {u, r})));
  if (d.chance(0.3))
    sum = makeCall(act(), {sum});
  const Value v =
      let({named(t), named(u)}, {sum, a.size * b.size}, {a.dims[0], b.dims[0]}, {a.extents[0], b.extents[0]});
  for (int64_t n = d.below(3); n > 0; --n) {
    NameId i = p.name(Name::Index, "i"), k = p.name(Name::Index, "k");
    bool rows = d.chance(0.5);
    ExprPtr element = rows ? at(v.name, {i, k}) : at(v.name, {k, i});
    std::string kind = d.of(std::vector<std::string>{"sum", "sum", "max", "mean", "min"});
    if (d.chance(0.5) && a.dims[0] == b.dims[0])
      element = times(element, rows ? at(v.name, {k, i}) : at(v.name, {i, k}));
    else if (d.chance(0.5))
      element = makeCall(act(), {element});
    let({named(i)}, {makeBind(kind, {k}, element), v.size * 2}, {rows ? a.dims[0] : b.dims[0]},
        {rows ? a.extents[0] : b.extents[0]});
  }
  if (d.chance(0.5)) { // a fold that is a contraction
    NameId i = p.name(Name::Index, "i"), j = p.name(Name::Index, "j"), k = p.name(Name::Index, "k");
    bool rows = d.chance(0.5);
    const Value &other = rows ? b : a;
    ExprPtr element = rows ? at(v.name, {i, k}) : at(v.name, {k, i});
    let({named(i), named(j)}, {makeBind("sum", {k}, times(element, at(other.name, {k, j}))), v.size * 2},
        {rows ? a.dims[0] : b.dims[0], other.dims[1]},
        {rows ? a.extents[0] : b.extents[0], other.extents[1]});
  }
}

void Generator::embedding() {
  Value *first = anyValue(0, 1, Type::Int);
  if (!first || first->limit < 1)
    return;
  Value token = *first;
  int64_t c = isLarge ? 2 + d.below(7) : size();
  const Value table = param({token.limit, c});
  NameId t = p.name(Name::Index, "t"), j = p.name(Name::Index, "c");
  bool flat = token.dims.empty();
  ExprPtr base = token.base ? token.base : makeRef(token.name);
  ExprPtr place = flat ? base : makeSubscript(base, {makeRef(t)});
  ExprPtr row = makeSubscript(makeRef(table.name), {place, makeRef(j)});
  if (!flat && d.chance(0.4)) {
    const Value positions = param({token.dims[0], c});
    row = makeBinary("+", row, at(positions.name, {t, j}));
    if (!token.extents[0].empty())
      row = makeBinary(
          "+", makeSubscript(makeRef(table.name), {place, makeRef(j)}),
          makeSubscript(makeRef(positions.name), {makeBinary("+", makeRef(t), makeNumber(0)), makeRef(j)}));
  }
  std::vector<Dim> dims = {named(j)};
  std::vector<int64_t> sizes = token.dims;
  std::vector<std::string> extents = token.extents;
  sizes.push_back(c);
  extents.push_back("");
  if (!flat)
    dims.insert(dims.begin(), named(t));
  Value x = let(dims, {row, 1}, sizes, extents);
  if (d.chance(0.4))
    freeLet();
  if (d.chance(0.5)) { // logits with the same table
    NameId t2 = p.name(Name::Index, "t"), w = p.name(Name::Index, "w"), k = p.name(Name::Index, "c");
    ExprPtr logit =
        makeBind("sum", {k}, times(flat ? at(x.name, {k}) : at(x.name, {t2, k}), at(table.name, {w, k})));
    if (d.chance(0.3)) {
      const Value bias = param({token.limit});
      logit = makeBinary("+", logit, at(bias.name, {w}));
    }
    sizes.back() = token.limit;
    std::vector<Dim> out = {named(w)};
    if (!flat)
      out.insert(out.begin(), named(t2));
    let(out, {logit, 2}, sizes, extents);
  }
}

void Generator::restLet() {
  Value *first = anyValue(1, 3);
  if (!first || first->base)
    return;
  Value x = *first;
  NameId c = p.name(Name::Index, "c");
  ExprPtr in = makeSubscript(makeRef(x.name), {makeRest(), makeRef(c)});
  Made value = d.chance(0.5) ? Made{makeBind("softmax", {c}, in, nullptr, false), 1} : unary({in, x.size});
  let({rest(), named(c)}, value, x.dims, x.extents);
}

/// Two indices merged into one axis, or an axis split.
void Generator::groupLet() {
  Value x = *matrix();
  if (!x.extents[0].empty() || !x.extents[1].empty())
    return;
  NameId i = p.name(Name::Index, "i"), j = p.name(Name::Index, "j");
  Dim group;
  group.kind = Dim::Group;
  group.group = {i, j};
  ExprPtr in = at(x.name, d.chance(0.5) ? std::vector<NameId>{i, j} : std::vector<NameId>{j, i});
  bool turned = in->kids[1]->name == j;
  int64_t n = x.dims[turned ? 1 : 0], m = x.dims[turned ? 0 : 1];
  const Value flat = let({group}, unary({in, x.size}), {n * m}, {""});
  if (d.chance(0.6)) {
    NameId a = p.name(Name::Index, "a"), b = p.name(Name::Index, "b");
    int64_t first = d.chance(0.5) ? n : m;
    let({sized(a, first), named(b)}, {makeSubscript(makeRef(flat.name), {makeGroup({a, b})}), flat.size},
        {first, n * m / first}, {"", ""});
  }
}

/// Running sums, convolutions, rings.
void Generator::scan() {
  Value *first = anyValue(1, 1);
  if (!first || first->base)
    return;
  Value x = *first;
  NameId i = p.name(Name::Index, "i"), k = p.name(Name::Index, "k");
  bool dynamic = !x.extents[0].empty();
  int64_t n = x.dims[0];
  if (d.chance(0.5) || dynamic) {
    std::string kind = d.of(std::vector<std::string>{"sum", "max", "mean"});
    ExprPtr condition = makeBinary("<=", makeRef(k), makeRef(i));
    let({named(i)},
        {makeBinary("+", makeBind(kind, {k}, at(x.name, {k}), condition),
                    times(makeNumber(0.5), at(x.name, {i}))),
         3 * x.size},
        {n}, x.extents);
    return;
  }
  const Value w = param({std::max<int64_t>(1, std::min<int64_t>(size(), 4))});
  ExprPtr place = makeBinary(d.chance(0.5) ? "+" : "-", makeRef(i), makeRef(k));
  if (d.chance(0.4))
    place = makeBinary("%", place, makeSize(n));
  let({sized(i, n)},
      {makeBind("sum", {k}, times(makeSubscript(makeRef(x.name), {place}), at(w.name, {k}))), 2 * x.size},
      {n}, {""});
}

/// Functions of the library on whole vectors.
void Generator::joined() {
  Value *first = anyValue(1, 1), *second = anyValue(1, 1), *kind = anyValue(0, 0, Type::Int);
  if (!first || !second || first->base || second->base || !first->extents[0].empty() ||
      !second->extents[0].empty())
    return;
  if (kind && kind->limit > 1 && d.chance(0.4)) {
    int64_t n = kind->limit;
    Value y = *kind;
    if (y.base)
      return;
    NameId k = p.name(Name::Index, "k");
    const Value w = param({n});
    ExprPtr one = makeSubscript(makeCall("one_hot", {makeRef(y.name)}), {makeRef(k)});
    let({named(k)}, {makeBinary("-", one, at(w.name, {k})), 1}, {n}, {""});
    return;
  }
  Value a = *first, b = *second;
  let({}, {makeCall("concat", {makeRef(a.name), makeCall("tanh", {makeRef(b.name)})}), std::max(a.size, 1.0)},
      {a.dims[0] + b.dims[0]}, {""});
}

/// Rows with a gain of a parameter, whose gradient sums over the rows; indices that the value does not have.
void Generator::gained() {
  Value x = *matrix();
  if (!x.extents[1].empty())
    return;
  const Value w = param(d.chance(0.7) ? std::vector<int64_t>{x.dims[1]} : std::vector<int64_t>{x.dims[1], 1});
  NameId t = p.name(Name::Index, "t"), c = p.name(Name::Index, "c"), j = p.name(Name::Index, "j"),
         r = p.name(Name::Index, "r");
  ExprPtr gain =
      w.dims.size() == 1 ? at(w.name, {c}) : makeSubscript(makeRef(w.name), {makeRef(c), makeNumber(0)});
  ExprPtr inner = d.chance(0.5)
                      ? makeBind("softmax", {d.chance(0.7) ? c : t}, at(x.name, {t, c}), nullptr, false)
                      : makeBinary("-", at(x.name, {t, c}), makeBind("mean", {r}, at(x.name, {t, r})));
  const Value y = let({named(t), named(c)}, {times(inner, gain), x.size}, x.dims, x.extents);
  if (d.chance(0.5)) {
    int64_t n = d.chance(0.6) ? p.batch : size();
    NameId i = p.name(Name::Index, "i");
    ExprPtr spread =
        d.chance(0.5)
            ? makeBind("softmax", {i},
                       at(w.name, w.dims.size() == 1 ? std::vector<NameId>{i} : std::vector<NameId>{i, j}),
                       nullptr, false)
            : at(w.name, w.dims.size() == 1 ? std::vector<NameId>{i} : std::vector<NameId>{i, j});
    std::vector<int64_t> sizes = {x.dims[1], std::min<int64_t>(n, 17)};
    if (w.dims.size() == 2)
      spread = makeBinary("+", makeSubscript(makeRef(w.name), {makeRef(i), makeNumber(0)}),
                          times(makeNumber(0), makeCall("float", {makeRef(j)})));
    let({sized(i, sizes[0]), sized(j, sizes[1])}, {spread, 1}, sizes, {"", ""});
  }
}

/// Sizes around those from which sums are cut into pieces and rows are too long.
void Generator::longReduction() {
  static const std::vector<int64_t> lengths = {255,  256,  257,  400,  511,   512,   513,
                                               1023, 1024, 1025, 2049, 16383, 16384, 16385};
  int64_t n = d.of(lengths);
  if (d.chance(0.03))
    n = 131073;
  const Value w = param({n});
  NameId i = p.name(Name::Index, "i");
  ExprPtr element = at(w.name, {i});
  if (d.chance(0.4))
    element = times(element, makeCall("sin", {makeCall("float", {makeRef(i)})}));
  if (d.chance(0.4))
    element = makeBinary("/", element, makeNumber(3));
  if (d.chance(0.3) && n < 3000)
    element = makeCall(act(), {element});
  std::string kind = d.of(std::vector<std::string>{"sum", "max", "mean", "min", "sum"});
  const Value s = let({}, {makeBind(kind, {i}, element), kind == "sum" ? std::sqrt(double(n)) : 1}, {}, {});
  if (d.chance(0.5) && n <= 1025) {
    NameId c = p.name(Name::Index, "c");
    let({named(c)}, {times(at(w.name, {c}), makeRef(s.name)), s.size}, {n}, {""});
  }
  values.erase(std::remove_if(values.begin(), values.end(), [&](const Value &v) { return count(v) > 2000; }),
               values.end());
}

void Generator::piece() {
  if (isLarge && d.chance(0.3))
    return longReduction();
  double what = d.unit();
  struct Kind {
    double share;
    void (Generator::*make)();
  };
  static const Kind kinds[] = {
      {0.20, &Generator::freeLet},   {0.05, &Generator::wholeLet},  {0.04, &Generator::integerLet},
      {0.09, &Generator::linear},    {0.08, &Generator::attention}, {0.08, &Generator::libraryBlock},
      {0.07, &Generator::ownBlock},  {0.04, &Generator::norm},      {0.07, &Generator::productAndFolds},
      {0.05, &Generator::embedding}, {0.02, &Generator::restLet},   {0.02, &Generator::groupLet},
      {0.03, &Generator::scan},      {0.02, &Generator::joined},    {0.06, &Generator::gained},
      {0.10, &Generator::repeat}};
  for (const Kind &kind : kinds) {
    if (what < kind.share)
      return (this->*kind.make)();
    what -= kind.share;
  }
  freeLet();
}

} // namespace gptc::differential
