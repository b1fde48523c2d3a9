#include "differential/generator.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace gptc::differential {

ModelTree generate(uint64_t seed) {
  return Generator(seed).make();
}

Generator::Generator(uint64_t seed) : d(hashOf("model", seed)) {
  p.seed = seed;
}

/// Sizes are often equal: most come from one or two.
void Generator::choosePalette() {
  static const std::vector<int64_t> small = {1, 2, 2, 3, 3, 4, 4, 4, 5}, middle = {8, 8, 16, 17, 7, 9};
  palette.push_back(d.chance(0.8) ? d.of(small) : d.of(middle));
  if (d.chance(0.6))
    palette.push_back(d.chance(0.8) ? d.of(small) : d.of(middle));
  if (d.chance(0.3))
    palette.push_back(d.of(middle));
  isLarge = d.chance(0.1);
}

int64_t Generator::size() {
  return d.chance(0.8) ? d.of(palette) : 1 + d.below(5);
}

int64_t Generator::count(const Value &value) {
  int64_t n = 1;
  for (int64_t dim : value.dims)
    n *= dim;
  return n;
}

/// A value of at least and at most so many dimensions; null where there is none.
Generator::Value *Generator::anyValue(size_t least, size_t most, Type type) {
  std::vector<Value *> fitting;
  for (Value &value : values)
    if (value.type == type && value.dims.size() >= least && value.dims.size() <= most) {
      fitting.push_back(&value);
      if (&value - values.data() + 3 >= std::ptrdiff_t(values.size()))
        fitting.push_back(&value); // later ones more often
    }
  return fitting.empty() ? nullptr : d.of(fitting);
}

void Generator::makeSettings() {
  for (int64_t n = d.below(3); n > 0; --n) {
    Stmt s;
    s.kind = Stmt::Setting;
    s.name = p.name(Name::Size, d.chance(0.5) ? "n" : "width");
    int64_t value = size();
    s.value = makeSize(value);
    settings.push_back(s.name);
    settingValues[s.name] = double(value);
    add(s);
  }
}

void Generator::makeData() {
  double kind = d.unit();
  data = kind < 0.66 ? "rows" : kind < 0.84 ? "text" : kind < 0.92 ? "pairs" : "";
  p.dataMode = d.chance(0.55) ? 0 : int(1 + d.below(2));
  if (data.empty())
    return;
  Stmt s;
  s.kind = Stmt::Data;
  s.text = data;
  auto formal = [&](const std::string &name, std::vector<Dim> dims) {
    Formal f;
    f.name = p.name(Name::Fixed, name);
    f.hasDims = true;
    f.dims = std::move(dims);
    s.formals.push_back(f);
    return f.name;
  };
  if (data == "rows") {
    for (int64_t i = 0, n = 1 + d.below(3); i < n; ++i) {
      std::vector<Dim> dims;
      std::vector<int64_t> sizes;
      int64_t rank = d.below(10) < 2 ? 0 : d.below(10) < 6 ? 1 : 2;
      for (int64_t r = 0; r < rank; ++r) {
        Dim dim;
        sizes.push_back(size());
        dim.size = makeSize(sizes.back());
        dims.push_back(dim);
      }
      NameId name = formal(std::string(1, char('x' + i % 3)), dims);
      bool shares = rank == 1 && sizes[0] > 1 && d.chance(0.1);
      s.words.push_back(shares ? "distribution" : d.chance(0.1) ? "standardise" : "columns");
      values.push_back({name, sizes, std::vector<std::string>(sizes.size()), Type::Float, 0, 1, nullptr});
    }
    if (d.chance(0.4)) {
      NameId name = formal("kind", {});
      int64_t classes = std::max<int64_t>(2, size());
      std::string words = "class(kind: ";
      for (int64_t i = 0; i < classes; ++i)
        words += (i ? ", k" : "k") + std::to_string(i);
      s.words.push_back(words + ")");
      values.push_back({name, {}, {}, Type::Int, classes, 1, nullptr});
    }
    add(s);
    return;
  }
  length = isLarge ? 8 + d.below(10) : std::max<int64_t>(1, size());
  vocabulary = std::max<int64_t>(2, size()) + (isLarge ? 60 : 0);
  auto stream = [&](const std::string &name, const std::string &extent, int64_t bound) {
    Dim dim;
    dim.kind = Dim::Bounded;
    dim.name = p.name(Name::Fixed, extent);
    dim.size = makeSize(bound);
    return formal(name, {dim});
  };
  if (data == "text") {
    bool fixedLength = d.chance(0.15);
    NameId name;
    if (fixedLength) {
      Dim dim;
      dim.size = makeSize(length);
      name = formal("token", {dim});
    } else {
      name = stream("token", "t", length);
    }
    s.tail = ": ids(" + std::to_string(vocabulary) + ")";
    std::string extent = fixedLength ? "" : "t";
    values.push_back({name, {length}, {extent}, Type::Int, vocabulary, 1, nullptr});
    values.push_back({name, {length}, {extent}, Type::Int, vocabulary, 1, makeCall("next", {makeRef(name)})});
  } else {
    int64_t other = d.chance(0.5) ? length : std::max<int64_t>(1, size());
    NameId source = stream("source", "s", other), target = stream("target", "t", length);
    std::string letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    vocabulary = std::min<int64_t>(vocabulary, int64_t(letters.size()));
    s.tail = ": alphabet(\"" + letters.substr(0, size_t(vocabulary)) + "\")";
    vocabulary += 3;
    values.push_back({source, {other}, {"s"}, Type::Int, vocabulary, 1, nullptr});
    values.push_back({target, {length}, {"t"}, Type::Int, vocabulary, 1, nullptr});
    values.push_back(
        {target, {length}, {"t"}, Type::Int, vocabulary, 1, makeCall("next", {makeRef(target)})});
    values.push_back({source, {other}, {"s"}, Type::Bool, 0, 1, makeCall("valid", {makeRef(source)})});
    values.push_back({target, {length}, {"t"}, Type::Bool, 0, 1, makeCall("valid", {makeRef(target)})});
  }
  add(s);
}

const Generator::Value &Generator::param(std::vector<int64_t> dims, double std) {
  Stmt s;
  s.kind = Stmt::Param;
  s.name = p.name(inRepeat || into != &p.statements ? Name::Value : Name::Fixed, "w");
  if (p.names[size_t(s.name)].kind == Name::Fixed)
    p.names[size_t(s.name)].hint = "w" + std::to_string(s.name);
  for (int64_t size : dims) {
    Dim dim;
    dim.size = makeSize(size);
    for (NameId setting : settings)
      if (settingValues[setting] == double(size) && d.chance(0.3))
        dim.size = makeRef(setting);
    s.dims.push_back(dim);
  }
  char text[32];
  snprintf(text, sizeof text, "~ normal(%g)", std);
  s.text = d.chance(0.1) ? "~ uniform(-1, 1)" : d.chance(0.1) ? "= 0.5" : text;
  add(s);
  values.push_back({s.name, dims, std::vector<std::string>(dims.size()), Type::Float, 0, 0.5, nullptr});
  return values.back();
}

void Generator::makeParams() {
  for (int64_t n = 1 + d.below(3); n > 0; --n) {
    std::vector<int64_t> dims;
    for (int64_t rank = d.below(10) < 1 ? 0 : 1 + d.below(3); rank > 0; --rank)
      dims.push_back(dims.size() == 2 ? std::min<int64_t>(size(), 4) : size());
    param(dims);
  }
}

/// A let, its indices declared where nothing else says their range.
const Generator::Value &Generator::let(std::vector<Dim> dims, Made value, std::vector<int64_t> sizes,
                                       std::vector<std::string> extents) {
  Stmt s;
  s.kind = Stmt::Let;
  s.name = p.name(Name::Value, std::vector<std::string>{"h", "u", "y", "z"}[size_t(d.below(4))]);
  value = bounded(value);
  s.dims = std::move(dims);
  s.value = value.e;
  add(s);
  values.push_back({s.name, std::move(sizes), std::move(extents), Type::Float, 0, value.size, nullptr});
  return values.back();
}

/// Functions of the model's own.
void Generator::makeFunctions() {
  for (int64_t n = d.below(3); n > 0; --n) {
    Stmt s;
    s.kind = Stmt::Def;
    s.name = p.name(Name::Callable, "f");
    int64_t kind = d.below(6);
    NameId x = p.name(Name::Value, "x");
    ExprPtr X = makeRef(x);
    Formal f;
    f.name = x;
    s.formals = {f};
    auto half = [&](ExprPtr e) { return makeBinary("*", makeNumber(0.5), e); };
    auto square = [&](ExprPtr e) { return makeBinary("^", e, makeNumber(2)); };
    if (kind == 0) { // a step trained as if it were smooth
      s.value = makeWhere(makeBinary(">", X, makeNumber(0)), makeNumber(1), makeNumber(0));
      s.gradient = makeBinary("/", makeNumber(1), makeBinary("+", makeNumber(1), square(X)));
      functions.push_back({s.name, Function::Unary});
    } else if (kind == 1) { // a derivative of its own beside a smooth value
      s.value = makeCall("tanh", {X});
      s.gradient = makeBinary("+", half(X), makeNumber(0.25));
      functions.push_back({s.name, Function::Unary});
    } else if (kind == 2) {
      NameId y = p.name(Name::Value, "y");
      Formal g;
      g.name = y;
      s.formals.push_back(g);
      s.value = makeBinary("+", half(X), makeCall("sin", {makeBinary("*", X, makeRef(y))}));
      functions.push_back({s.name, Function::Binary});
    } else if (kind == 3) { // with statements, as softplus
      NameId inner = p.name(Name::Value, "m");
      Stmt l;
      l.kind = Stmt::Let;
      l.name = inner;
      l.value = makeCall("min", {X, makeNumber(2)});
      s.body.push_back(std::make_shared<const Stmt>(l));
      s.value = makeCall("log", {makeBinary("+", makeNumber(1), makeCall("exp", {makeRef(inner)}))});
      functions.push_back({s.name, Function::Unary});
    } else {
      NameId i = p.name(Name::Index, "i");
      s.binders = {i};
      ExprPtr mean = makeBind("mean", {i}, X, nullptr, true);
      if (kind == 4) {
        s.value = makeCall(
            "sqrt", {makeBinary("+", makeBind("sum", {i}, square(X), nullptr, true), makeNumber(0.1))});
        functions.push_back({s.name, Function::OverIndex});
      } else {
        s.value = makeBinary("-", X, mean);
        functions.push_back({s.name, Function::OfIndex});
      }
    }
    add(s);
  }
}

/// Does a parameter stand in the expression, or in a value that it uses?
bool Generator::hasParameter(const ExprPtr &root) const {
  std::set<NameId> with;
  auto has = [&](const ExprPtr &e, auto &&self) -> bool {
    if (!e)
      return false;
    if (e->kind == Expr::Apply || with.count(e->name))
      return true;
    return std::any_of(e->kids.begin(), e->kids.end(), [&](const ExprPtr &kid) { return self(kid, self); });
  };
  auto scan = [&](const std::vector<StmtPtr> &list, auto &&self) -> void {
    for (const StmtPtr &s : list) {
      if (s->kind == Stmt::Param || ((s->kind == Stmt::Let || s->kind == Stmt::Assign) && has(s->value, has)))
        with.insert(s->name);
      self(s->body, self);
    }
  };
  scan(p.statements, scan);
  return has(root, has);
}

void Generator::makeObjective() {
  for (int64_t n = d.chance(0.5) ? 1 : 2; n > 0; --n)
    if (Value *value = anyValue(0, 4, d.chance(0.95) ? Type::Float : Type::Int)) {
      Stmt s;
      s.kind = Stmt::Output;
      s.value = value->base ? value->base : makeRef(value->name);
      add(s);
    }
  if (d.chance(0.04))
    return; // no loss: it is only run
  auto objective = [&](Stmt s) {
    // The last values, so that what was built is used.
    Made total{nullptr, 0};
    bool means = d.chance(0.4), crossEntropy = false;
    for (int64_t n = 1 + d.below(2); n > 0; --n) {
      Made term;
      Value *logits = nullptr, *target = nullptr;
      for (Value &v : values)
        for (Value &y : values)
          if (v.type == Type::Float && y.type == Type::Int && !v.dims.empty() && v.dims.back() == y.limit &&
              v.extents.back().empty() && v.dims.size() == y.dims.size() + 1 &&
              std::equal(y.dims.begin(), y.dims.end(), v.dims.begin()) &&
              std::equal(y.extents.begin(), y.extents.end(), v.extents.begin()))
            logits = &v, target = &y;
      if (logits && !crossEntropy && d.chance(0.7)) {
        crossEntropy = true;
        Index t{p.name(Name::Index, "t"), target->dims.empty() ? 0 : target->dims[0],
                target->dims.empty() ? "" : target->extents[0]};
        bool flat = target->dims.empty();
        std::vector<ExprPtr> at;
        if (!flat)
          at.push_back(makeRef(t.name));
        auto ref = [](Value *v) { return v->base ? v->base : makeRef(v->name); };
        std::vector<ExprPtr> arguments = {makeSubscript(ref(logits), at), makeSubscript(ref(target), at)};
        bool smooth = d.chance(0.25);
        if (smooth)
          arguments.push_back(makeNumber(0.1));
        ExprPtr each = makeCall(smooth ? "cross_entropy_smooth" : "cross_entropy", arguments);
        ExprPtr condition;
        if (!flat && data == "pairs" && d.chance(0.8))
          condition = makeSubscript(makeCall("valid", {makeRef(target->name)}), {makeRef(t.name)});
        else if (!flat && d.chance(0.2))
          condition = makeBinary("!=", makeSubscript(ref(target), at), makeNumber(0));
        term = {flat ? each : makeBind(means ? "mean" : "sum", {t.name}, each, condition), 3};
        if (flat && means) // a mean over the batch stands beside no value of one example
          term.e = makeBind(
              "mean", {t.name},
              makeBinary("+", each,
                         makeBinary("*", makeNumber(0), load(*logits, {{logits->dims.size() - 1, &t}}).e)));
      } else {
        indices.clear();
        term =
            reduction(4, means ? "mean" : d.of(std::vector<std::string>{"sum", "sum", "sum", "max", "min"}));
        if (!means && d.chance(0.15))
          if (Value *zero = anyValue(0, 0))
            term = binary(load(*zero), term);
      }
      total = total.e ? Made{makeBinary(d.chance(0.5) ? "+" : "-", total.e, term.e), total.size + term.size}
                      : term;
    }
    if (d.chance(0.1) || (s.kind == Stmt::Loss && !hasParameter(total.e))) {
      const Value &w = param({size()});
      NameId i = p.name(Name::Index, "i");
      ExprPtr square = makeBinary("^", makeSubscript(makeRef(w.name), {makeRef(i)}), makeNumber(2));
      total.e = makeBinary("+", total.e, makeBinary("*", makeNumber(0.01), makeBind("sum", {i}, square)));
    }
    s.value = total.e;
    add(s);
  };
  Stmt loss;
  loss.kind = Stmt::Loss;
  objective(loss);
  if (d.chance(0.2))
    for (Value &v : values)
      if (v.type == Type::Float && v.dims.size() == 1 && !v.base && v.extents[0].empty())
        for (Value &y : values)
          if (y.type == Type::Int && y.dims.empty() && y.limit == v.dims[0] && d.chance(0.5)) {
            Stmt s;
            s.kind = Stmt::Report;
            s.name = p.name(Name::Fixed, "right");
            s.value = makeCall("correct", {makeRef(v.name), makeRef(y.name)});
            add(s);
            return;
          }
  if (d.chance(0.3)) {
    Stmt report;
    report.kind = Stmt::Report;
    report.name = p.name(Name::Fixed, "report");
    objective(report);
  }
}

void Generator::makeTrain() {
  Stmt s;
  s.kind = Stmt::Train;
  static const std::vector<std::string> rates = {"0.1",
                                                 "0.05",
                                                 "0.3 / (step + 1)",
                                                 "cosine(0.2, 0.01, 1)",
                                                 "linear_decay(0.2, 0.02, 2)",
                                                 "noam(4, 2)",
                                                 "0.1 * min(1, (step + 1) / 2)",
                                                 "where(step < 2, 0.05, 0.1)"};
  std::string rate = d.chance(0.4) ? rates[0] : d.of(rates), optimizer;
  if (d.chance(0.55)) {
    optimizer = "sgd(" + rate;
    if (d.chance(0.3))
      optimizer += ", momentum: 0.9";
    if (d.chance(0.2))
      optimizer += ", decay: 0.1";
  } else {
    optimizer = "adamw(lr: " + rate;
    if (d.chance(0.3))
      optimizer += ", betas: (0.8, 0.9)";
    if (d.chance(0.3))
      optimizer += ", eps: 1e-4";
    if (d.chance(0.3))
      optimizer += ", decay: 0.1";
  }
  if (d.chance(0.15))
    optimizer += ", decay_min_rank: " + std::to_string(d.below(3));
  s.words = {"batch: " + std::to_string(p.batch), "steps: 3", "optimizer: " + optimizer + ")"};
  if (d.chance(0.2))
    s.words.push_back(d.chance(0.5) ? "clip: 1" : "clip: 0.01");
  if (d.chance(0.2))
    s.words.push_back(d.chance(0.5) ? "average: 0.9" : "average: ema(0.5, from: 1)");
  add(s);
}

ModelTree Generator::make() {
  into = &p.statements;
  choosePalette();
  static const std::vector<int64_t> batches = {1, 2, 3, 4, 5, 8};
  p.batch = d.chance(0.6) ? d.of(palette) : d.of(batches);
  if (isLarge && d.chance(0.4))
    p.batch = d.of(std::vector<int64_t>{16, 17, 33, 64, 100});
  makeSettings();
  makeData();
  makeParams();
  makeFunctions();
  if (isLarge && data != "rows" && !data.empty() && d.chance(0.7))
    embedding(); // logits over a vocabulary
  for (int64_t n = 1 + d.below(4); n > 0; --n)
    piece();
  makeObjective();
  makeTrain();
  return std::move(p);
}

} // namespace gptc::differential
