// Statements: blocks of the library and of the model, norms, repeats.
#include "differential/generator.h"

#include <algorithm>
#include <cmath>

namespace gptc::differential {

void Generator::libraryBlock() {
  Value *first = d.chance(0.4) ? matrix() : anyValue(1, 3);
  if (!first || first->base || !first->extents.back().empty())
    return;
  Value x = *first;
  int64_t c = x.dims.back(), n = size();
  auto keyed = [&](const char *name, std::vector<ExprPtr> kids, std::vector<std::string> keys) {
    return makeCall(name, std::move(kids), std::move(keys));
  };
  ExprPtr callee;
  std::vector<int64_t> sizes = x.dims;
  std::vector<ExprPtr> inputs = {makeRef(x.name)};
  switch (d.below(9)) {
  case 0:
  case 1:
    callee = d.chance(0.7) ? keyed("Linear", {makeSize(n)}, {})
                           : keyed("Linear", {makeSize(n), makeWord("false")}, {"", "bias"});
    sizes.back() = n;
    break;
  case 2: callee = keyed("LayerNorm", {}, {}); break;
  case 3: callee = keyed(d.chance(0.5) ? "RMSNorm" : "LayerNorm", {makeNumber(0.01)}, {"eps"}); break;
  case 4: callee = keyed("MLP", {makeSize(n)}, {}); break;
  case 5:
    callee = d.chance(0.5) ? keyed("FeedForward", {makeSize(n), makeNumber(0.25)}, {"", "drop"})
                           : keyed("SwiGLU", {makeSize(n)}, {});
    break;
  case 6:
  case 7: {
    if (x.dims.size() != 2)
      return;
    std::vector<int64_t> divisors;
    for (int64_t h = 1; h <= c && h <= 4; ++h)
      if (c % h == 0)
        divisors.push_back(h);
    ExprPtr see = makeWord(d.chance(0.5) ? "causal" : "everything");
    for (Value &v : values)
      if (v.type == Type::Bool && v.dims.size() == 1 && v.extents[0] == x.extents[0] &&
          v.dims[0] == x.dims[0] && d.chance(0.7))
        see = v.base;
    inputs.push_back(makeRef(x.name));
    callee = d.chance(0.7)
                 ? keyed("Attention", {makeSize(d.of(divisors)), see}, {})
                 : keyed("Attention", {makeSize(d.of(divisors)), see, makeNumber(0.3)}, {"", "", "drop"});
    break;
  }
  default: {
    if (x.dims.size() != 2 || c % 2)
      return;
    int64_t heads = c % 4 == 0 && d.chance(0.5) ? 2 : 1;
    if (c / heads % 2)
      return;
    callee = keyed("GroupedAttention",
                   {makeSize(heads), makeSize(d.chance(0.5) ? 1 : heads), makeWord("causal")}, {});
  }
  }
  bool keeps = sizes == x.dims && inputs.size() == 1;
  if (d.chance(0.35)) { // an instance that is used twice
    Stmt s;
    s.kind = Stmt::Assign;
    s.name = p.name(Name::Fixed, "f" + std::to_string(p.names.size()));
    s.value = callee;
    add(s);
    ExprPtr once = makeApply(makeRef(s.name), inputs);
    ExprPtr twice = keeps ? makeApply(makeRef(s.name), {d.chance(0.5) ? once : makeCall("tanh", {once})})
                          : makeBinary("*", once, makeNumber(0.5));
    let({}, {twice, 3}, sizes, x.extents);
    p.names[size_t(values.back().name)].kind = Name::Fixed; // it names the instance
    p.names[size_t(values.back().name)].hint = "v" + std::to_string(values.back().name);
    return;
  }
  ExprPtr value = makeApply(callee, inputs);
  if (sizes == x.dims && d.chance(0.4))
    value = makeBinary("+", makeRef(x.name), value);
  let({}, {value, 3}, sizes, x.extents);
  p.names[size_t(values.back().name)].kind = Name::Fixed;
  p.names[size_t(values.back().name)].hint = "v" + std::to_string(values.back().name);
}

/// A block of the model's own: its names hide others.
void Generator::ownBlock() {
  Value *first = d.chance(0.5) ? matrix() : anyValue(1, 3);
  if (!first || first->base || !first->extents.back().empty())
    return;
  Value x = *first;
  Stmt block;
  block.kind = Stmt::Block;
  block.name = p.name(Name::Fixed, "B" + std::to_string(p.names.size()));
  int64_t kind = d.below(3);
  NameId in = p.name(Name::Value, "x"), c = p.name(Name::Size, "c"), n = p.name(Name::Size, "n");
  NameId size1 = p.name(Name::Size, "d");
  int64_t width = size();
  std::vector<int64_t> sizes = x.dims;
  std::vector<StmtPtr> *outer = into;
  std::vector<ExprPtr> arguments;
  std::vector<Value> saved = values;
  into = &block.body;
  Formal input;
  input.name = in;
  input.hasDims = true;
  auto letIn = [&](std::vector<Dim> dims, ExprPtr value) {
    Stmt s;
    s.kind = Stmt::Let;
    s.name = p.name(Name::Value, "y");
    s.dims = std::move(dims);
    s.value = std::move(value);
    add(s);
    return s.name;
  };
  auto paramIn = [&](std::vector<Dim> dims) {
    Stmt s;
    s.kind = Stmt::Param;
    s.name = p.name(Name::Value, "w");
    s.dims = std::move(dims);
    s.text = "~ normal(0.5)";
    add(s);
    return s.name;
  };
  auto ofRef = [&](NameId size) {
    Dim dim;
    dim.size = makeRef(size);
    return dim;
  };
  NameId i = p.name(Name::Index, "i"), j = p.name(Name::Index, "j");
  if (kind < 2 || x.dims.size() != 2) {
    // (x[.., c]) with a parameter whose second dimension gets a name, or is a setting.
    bool isSetting = d.chance(0.4);
    input.dims = {rest(), named(c)};
    if (isSetting) {
      Formal setting;
      setting.name = n;
      block.settings.push_back(setting);
      arguments.push_back(makeSize(width));
    }
    NameId w = paramIn({ofRef(c), isSetting ? ofRef(n) : sized(size1, width)});
    ExprPtr sum =
        makeBind("sum", {i}, times(makeSubscript(makeRef(in), {makeRest(), makeRef(i)}), at(w, {i, j})));
    if (d.chance(0.6))
      sum = times(sum, makeBinary("/", makeRef(d.chance(0.7) ? (isSetting ? n : size1) : c), makeNumber(4)));
    NameId y = letIn({rest(), named(j)}, sum);
    ExprPtr result = makeRef(y);
    if (d.chance(0.4)) {
      NameId b = paramIn({isSetting ? ofRef(n) : ofRef(size1)});
      NameId k = p.name(Name::Index, "k");
      result =
          makeRef(letIn({rest(), named(k)},
                        makeBinary("+", makeSubscript(makeRef(y), {makeRest(), makeRef(k)}), at(b, {k}))));
    }
    block.value = d.chance(0.5) ? makeCall(act(), {result}) : result;
    sizes.back() = width;
  } else {
    // With a predicate.
    Formal setting;
    setting.name = p.name(Name::Callable, "see");
    setting.hasDims = true;
    NameId t = p.name(Name::Size, "t");
    setting.dims = {named(p.name(Name::Index, "a")), named(p.name(Name::Index, "b"))};
    block.settings.push_back(setting);
    input.dims = {named(t), named(c)};
    NameId s = p.name(Name::Index, "s");
    NameId y = letIn(
        {named(i), named(j)},
        makeBinary("+",
                   makeBind("sum", {s}, at(in, {s, j}), makeCallOf(setting.name, {makeRef(i), makeRef(s)})),
                   times(makeNumber(0.25), at(in, {i, j}))));
    NameId k = p.name(Name::Index, "k"), l = p.name(Name::Index, "l");
    block.value = makeRef(
        letIn({named(k), named(l)}, makeBinary("+", times(makeNumber(0.5), at(y, {k, l})), at(in, {k, l}))));
    if (d.chance(0.5)) {
      arguments.push_back(makeWord(d.chance(0.5) ? "causal" : "everything"));
    } else {
      Stmt def;
      def.kind = Stmt::Def;
      def.name = p.name(Name::Callable, "see");
      Formal a, b;
      a.name = p.name(Name::Value, "t");
      b.name = p.name(Name::Value, "s");
      def.formals = {a, b};
      def.value = makeBinary("<", makeBinary("-", makeRef(a.name), makeRef(b.name)),
                             makeNumber(double(1 + d.below(3))));
      arguments.push_back(makeRef(def.name));
      outer->push_back(std::make_shared<const Stmt>(def));
    }
  }
  block.formals = {input};
  into = outer;
  values = saved;
  NameId name = block.name;
  add(block);
  ExprPtr callee = makeCallOf(name, arguments), value = makeApply(callee, {makeRef(x.name)});
  if (d.chance(0.3) && sizes == x.dims) // two instances
    value = makeBinary("-", value, makeApply(callee, {makeCall("tanh", {makeRef(x.name)})}));
  let({}, {value, 6}, sizes, x.extents);
  p.names[size_t(values.back().name)].kind = Name::Fixed;
  p.names[size_t(values.back().name)].hint = "v" + std::to_string(values.back().name);
}

void Generator::norm() {
  Value *first = anyValue(1, 3);
  if (!first || first->base || !first->extents.back().empty())
    return;
  Value x = *first;
  NameId c = p.name(Name::Index, "c");
  auto in = [&] { return makeSubscript(makeRef(x.name), {makeRest(), makeRef(c)}); };
  std::vector<int64_t> outer(x.dims.begin(), x.dims.end() - 1);
  std::vector<std::string> extents(x.extents.begin(), x.extents.end() - 1);
  const Value middle = let({rest()}, {makeBind("mean", {c}, in()), x.size}, outer, extents);
  auto m = [&] { return makeSubscript(makeRef(middle.name), {makeRest()}); };
  const Value spread = let(
      {rest()}, {makeBind("mean", {c}, makeBinary("^", makeBinary("-", in(), m()), makeNumber(2))), x.size},
      outer, extents);
  NameId j = p.name(Name::Index, "j");
  const Value gain = param({x.dims.back()});
  ExprPtr here = makeSubscript(makeRef(x.name), {makeRest(), makeRef(j)});
  ExprPtr root = makeCall(
      "rsqrt", {makeBinary("+", makeSubscript(makeRef(spread.name), {makeRest()}), makeNumber(0.1))});
  let({rest(), named(j)}, {times(times(makeBinary("-", here, m()), root), at(gain.name, {j})), 2}, x.dims,
      x.extents);
}

void Generator::repeat() {
  std::vector<Value> carried;
  for (int64_t n = 1 + d.below(3); n > 0; --n) {
    Value *first = anyValue(d.chance(0.15) ? 0 : 1, 2);
    if (!first || count(*first) > 80)
      continue;
    Value v = *first;
    ExprPtr whole = v.base ? v.base : makeRef(v.name);
    let({}, d.chance(0.6) ? Made{times(whole, makeNumber(1)), v.size} : Made{makeCall("tanh", {whole}), 1},
        v.dims, v.extents);
    carried.push_back(values.back());
  }
  if (carried.empty())
    return;
  Stmt r;
  r.kind = Stmt::Repeat;
  r.name = p.name(Name::Fixed, "layers" + std::to_string(p.names.size()));
  r.count = makeSize(1 + d.below(4));
  std::vector<StmtPtr> *outer = into;
  std::vector<Value> outside = values;
  into = &r.body;
  ++inRepeat;
  if (d.chance(0.5))
    param({size()});
  for (int64_t n = d.below(3); n > 0; --n)
    switch (d.below(inRepeat > 1 ? 5 : 6)) {
    case 0:
    case 1: freeLet(); break;
    case 2: linear(); break;
    case 3: libraryBlock(); break;
    case 4: attention(); break;
    default: repeat();
    }
  for (const Value &h : carried) {
    Stmt s;
    s.kind = Stmt::Assign;
    s.name = h.name;
    ExprPtr next;
    double what = d.unit();
    bool fits = !h.dims.empty() && h.extents.back().empty();
    if (what < 0.25 && fits) {
      ExprPtr block =
          d.chance(0.5) ? makeCall("Linear", {makeSize(h.dims.back())}) : makeCall("LayerNorm", {});
      next = makeApply(block, {makeRef(h.name)});
      if (d.chance(0.5))
        next = makeBinary("+", makeRef(h.name), d.chance(0.5) ? makeCall("tanh", {next}) : next);
    } else if (what < 0.8 && !h.dims.empty()) {
      std::vector<std::unique_ptr<Index>> own;
      std::map<size_t, Index *> fixed;
      std::vector<Dim> dims;
      for (size_t i = 0; i < h.dims.size(); ++i) {
        own.push_back(std::make_unique<Index>(Index{p.name(Name::Index, i ? "j" : "i"), h.dims[i],
                                                    h.extents[i], true, false, h.extents[i].empty()}));
        fixed[i] = own.back().get();
        indices.push_back(own.back().get());
      }
      Made value = binary(load(h, fixed), any(3));
      if (d.chance(0.4))
        value = {makeBinary("+", times(makeNumber(0.5), load(h, fixed).e), value.e), value.size + h.size};
      value = {makeBinary("+", value.e, times(makeNumber(0.25), load(h, fixed).e)), value.size + h.size};
      indices.clear();
      for (auto &index : own)
        dims.push_back(index->extent.empty() ? sized(index->name, index->size) : named(index->name));
      value.size = 20; // a tanh or a small factor, often
      let(dims, value, h.dims, h.extents);
      next = makeRef(values.back().name);
      if (d.chance(0.3))
        next = makeBinary("+", makeRef(h.name), next);
    } else {
      Made value = {makeRef(h.name), 1};
      for (Value &v : values)
        if (v.dims == h.dims && v.extents == h.extents && v.type == Type::Float && v.name != h.name &&
            !v.base && d.chance(0.5)) {
          value = {makeBinary(d.chance(0.5) ? "+" : "*", value.e, makeRef(v.name)), 2};
          break;
        }
      next = makeCall("tanh", {value.e});
    }
    s.value = next;
    add(s);
  }
  --inRepeat;
  into = outer;
  values = outside;
  add(r);
}

} // namespace gptc::differential
