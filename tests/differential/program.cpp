#include "differential/program.h"
#include "differential/numbers.h"

#include <cmath>
#include <functional>
#include <map>
#include <set>

namespace gptc::differential {

//===-- Making -----------------------------------------------------------------===//

static ExprPtr make(Expr expr) {
  return std::make_shared<const Expr>(std::move(expr));
}

ExprPtr makeNumber(double value) {
  Expr e;
  char text[32];
  snprintf(text, sizeof text, "%.9g", std::fabs(value));
  e.text = text;
  if (e.text.find_first_of(".e") == std::string::npos && value != std::floor(value))
    e.text += ".0";
  ExprPtr number = make(e);
  return value < 0 ? makeUnary("-", number) : number;
}
ExprPtr makeSize(int64_t size) {
  Expr e;
  e.kind = Expr::Size;
  e.size = size;
  return make(e);
}
ExprPtr makeWord(std::string text) {
  Expr e;
  e.kind = Expr::Word;
  e.text = std::move(text);
  return make(e);
}
ExprPtr makeRef(NameId name) {
  Expr e;
  e.kind = Expr::Ref;
  e.name = name;
  return make(e);
}
ExprPtr makeSubscript(ExprPtr base, std::vector<ExprPtr> indices) {
  if (indices.empty())
    return base;
  Expr e;
  e.kind = Expr::Subscript;
  e.kids = {std::move(base)};
  e.kids.insert(e.kids.end(), indices.begin(), indices.end());
  return make(e);
}
ExprPtr makeGroup(std::vector<NameId> names) {
  Expr e;
  e.kind = Expr::Group;
  e.binders = std::move(names);
  return make(e);
}
ExprPtr makeRest() {
  Expr e;
  e.kind = Expr::Rest;
  return make(e);
}
ExprPtr makeCall(std::string text, std::vector<ExprPtr> kids, std::vector<std::string> keys) {
  Expr e;
  e.kind = Expr::Call;
  e.text = std::move(text);
  e.kids = std::move(kids);
  e.keys = std::move(keys);
  return make(e);
}
ExprPtr makeCallOf(NameId name, std::vector<ExprPtr> kids) {
  Expr e;
  e.kind = Expr::Call;
  e.name = name;
  e.kids = std::move(kids);
  return make(e);
}
ExprPtr makeApply(ExprPtr callee, std::vector<ExprPtr> inputs) {
  Expr e;
  e.kind = Expr::Apply;
  e.kids = {std::move(callee)};
  e.kids.insert(e.kids.end(), inputs.begin(), inputs.end());
  return make(e);
}
ExprPtr makeBind(std::string text, std::vector<NameId> binders, ExprPtr value, ExprPtr condition,
                 bool fresh) {
  Expr e;
  e.kind = Expr::Bind;
  e.text = std::move(text);
  e.binders = std::move(binders);
  e.kids = {std::move(value)};
  if (condition)
    e.kids.push_back(std::move(condition));
  e.fresh = fresh;
  return make(e);
}
ExprPtr makeBindOf(NameId def, std::vector<NameId> binders, ExprPtr value, bool fresh) {
  Expr e;
  e.kind = Expr::Bind;
  e.name = def;
  e.binders = std::move(binders);
  e.kids = {std::move(value)};
  e.fresh = fresh;
  return make(e);
}
ExprPtr makeUnary(std::string text, ExprPtr kid) {
  Expr e;
  e.kind = Expr::Unary;
  e.text = std::move(text);
  e.kids = {std::move(kid)};
  return make(e);
}
ExprPtr makeBinary(std::string text, ExprPtr a, ExprPtr b) {
  Expr e;
  e.kind = Expr::Binary;
  e.text = std::move(text);
  e.kids = {std::move(a), std::move(b)};
  return make(e);
}
ExprPtr times(ExprPtr a, ExprPtr b) {
  return makeBinary("*", std::move(a), std::move(b));
}
ExprPtr at(NameId name, std::vector<NameId> indices) {
  std::vector<ExprPtr> list;
  for (NameId index : indices)
    list.push_back(makeRef(index));
  return makeSubscript(makeRef(name), list);
}
Dim named(NameId name) {
  Dim dim;
  dim.kind = Dim::Named;
  dim.name = name;
  return dim;
}
Dim sized(NameId name, int64_t size) {
  Dim dim = named(name);
  dim.kind = Dim::Sized;
  dim.size = makeSize(size);
  return dim;
}
Dim rest() {
  Dim dim;
  dim.kind = Dim::Rest;
  return dim;
}
ExprPtr makeWhere(ExprPtr condition, ExprPtr yes, ExprPtr no) {
  return makeCall("where", {std::move(condition), std::move(yes), std::move(no)});
}

int64_t sizeOfDims(const std::vector<Dim> &dims) {
  int64_t size = 1;
  for (const Dim &dim : dims)
    if (dim.size && dim.size->kind == Expr::Size)
      size *= dim.size->size;
  return size;
}

//===-- Printing ---------------------------------------------------------------===//

namespace {
class Printer {
public:
  Printer(const ModelTree &program, const std::vector<std::string> &texts) : program(program), texts(texts) {}

  std::string all() {
    statements(program.statements, 0);
    return out;
  }

private:
  const ModelTree &program;
  const std::vector<std::string> &texts;
  std::string out;

  const std::string &text(NameId name) const { return texts[size_t(name)]; }
  std::string names(const std::vector<NameId> &list, const char *between) const {
    std::string result;
    for (NameId name : list)
      result += (result.empty() ? "" : between) + text(name);
    return result;
  }
  std::string kids(const Expr &e, size_t first) {
    std::string result;
    for (size_t i = first; i < e.kids.size(); ++i) {
      if (i > first)
        result += ", ";
      if (i < e.keys.size() && !e.keys[i].empty())
        result += e.keys[i] + ": ";
      result += expr(*e.kids[i]);
    }
    return result;
  }

  std::string expr(const Expr &e) {
    std::string callee = e.name >= 0 ? text(e.name) : e.text;
    switch (e.kind) {
    case Expr::Number:
    case Expr::Word: return e.text;
    case Expr::Size: return std::to_string(e.size);
    case Expr::Ref: return text(e.name);
    case Expr::Subscript: {
      bool plain =
          e.kids[0]->kind == Expr::Ref || e.kids[0]->kind == Expr::Call || e.kids[0]->kind == Expr::Word;
      std::string base = expr(*e.kids[0]);
      return (plain ? base : "(" + base + ")") + "[" + kids(e, 1) + "]";
    }
    case Expr::Group: return "(" + names(e.binders, " ") + ")";
    case Expr::Rest: return "..";
    case Expr::Call: return callee + "(" + kids(e, 0) + ")";
    case Expr::Apply: return expr(*e.kids[0]) + "(" + kids(e, 1) + ")";
    case Expr::Bind:
      return callee + "(" + names(e.binders, ", ") + (e.kids.size() > 1 ? " where " + expr(*e.kids[1]) : "") +
             ": " + expr(*e.kids[0]) + ")";
    case Expr::Unary: return "(" + e.text + (e.text == "not" ? " " : "") + expr(*e.kids[0]) + ")";
    case Expr::Binary: return "(" + expr(*e.kids[0]) + " " + e.text + " " + expr(*e.kids[1]) + ")";
    case Expr::List: return "[" + kids(e, 0) + "]";
    case Expr::Tuple: return "(" + kids(e, 0) + ")";
    }
    return "";
  }

  /// Without the brackets around the whole.
  std::string outer(const Expr &e) {
    std::string result = expr(e);
    if (e.kind == Expr::Unary || e.kind == Expr::Binary)
      return result.substr(1, result.size() - 2);
    return result;
  }

  std::string dims(const std::vector<Dim> &list) {
    if (list.empty())
      return "";
    std::string result = "[";
    for (const Dim &dim : list) {
      if (result.size() > 1)
        result += ", ";
      switch (dim.kind) {
      case Dim::Named: result += text(dim.name); break;
      case Dim::Sized: result += text(dim.name) + ": " + expr(*dim.size); break;
      case Dim::Bounded: result += text(dim.name) + " < " + expr(*dim.size); break;
      case Dim::Anonymous: result += expr(*dim.size); break;
      case Dim::Group: result += "(" + names(dim.group, " ") + ")"; break;
      case Dim::Rest: result += ".."; break;
      }
    }
    return result + "]";
  }

  std::string formals(const std::vector<Formal> &list, bool predicates) {
    std::string result;
    for (const Formal &formal : list) {
      result += (result.empty() ? "" : ", ") + text(formal.name);
      if (predicates && formal.hasDims) {
        std::string indices;
        for (const Dim &dim : formal.dims)
          indices += (indices.empty() ? "" : ", ") + text(dim.name);
        result += "(" + indices + ")";
      } else if (formal.hasDims) {
        result += dims(formal.dims);
      }
    }
    return result;
  }

  void statements(const std::vector<StmtPtr> &list, int level) {
    for (const StmtPtr &s : list)
      statement(*s, level);
  }

  void block(const Stmt &s, int level) {
    out += " {\n";
    statements(s.body, level + 1);
    if (s.value)
      out += std::string(size_t(level + 1) * 2, ' ') + outer(*s.value) + "\n";
    out += std::string(size_t(level) * 2, ' ') + "}";
  }

  void data(const Stmt &s) {
    out += s.text + " ";
    for (size_t i = 0; i < s.formals.size(); ++i) {
      const Formal &formal = s.formals[i];
      out += (i ? ", " : "") + text(formal.name) + dims(formal.dims);
      if (s.text != "rows")
        continue;
      out += " = ";
      const std::string &kind = s.words[i];
      if (kind.rfind("class(", 0) == 0) {
        out += kind;
        continue;
      }
      out += kind + "(";
      for (int64_t c = 0, n = sizeOfDims(formal.dims); c < n; ++c)
        out += (c ? ", " : "") + text(formal.name) + "_" + std::to_string(c);
      out += ")";
    }
    out += s.tail;
  }

  void statement(const Stmt &s, int level) {
    out += std::string(size_t(level) * 2, ' ');
    switch (s.kind) {
    case Stmt::Setting: out += "setting " + text(s.name) + " = " + outer(*s.value); break;
    case Stmt::Data: data(s); break;
    case Stmt::Param: out += "param " + text(s.name) + dims(s.dims) + " " + s.text; break;
    case Stmt::Let: out += "let " + text(s.name) + dims(s.dims) + " = " + outer(*s.value); break;
    case Stmt::Assign: out += text(s.name) + " = " + outer(*s.value); break;
    case Stmt::Def:
      out += "def " + text(s.name) + "(" + names(s.binders, ", ") + (s.binders.empty() ? "" : ": ") +
             formals(s.formals, false) + ")";
      if (s.body.empty())
        out += " = " + outer(*s.value);
      else
        block(s, level);
      if (s.gradient)
        out += " gradient " + outer(*s.gradient);
      break;
    case Stmt::Block:
      out +=
          "block " + text(s.name) + "(" + formals(s.settings, true) + ") (" + formals(s.formals, false) + ")";
      block(s, level);
      break;
    case Stmt::Repeat:
      out += "repeat " + text(s.name) + "[" + expr(*s.count) + "]";
      block(s, level);
      break;
    case Stmt::Output: out += "output " + outer(*s.value) + s.tail; break;
    case Stmt::Loss: out += "loss " + outer(*s.value); break;
    case Stmt::Report: out += "report " + text(s.name) + " = " + outer(*s.value); break;
    case Stmt::Train: {
      out += "train { ";
      for (size_t i = 0; i < s.words.size(); ++i)
        out += (i ? ", " : "") + s.words[i];
      out += " }";
      break;
    }
    }
    out += "\n";
  }
};

//===-- Names that hide others --------------------------------------------------===//

/// Walks the scopes in order and gives each inner name, where that is possible,
/// the text of an outer one that nothing inside refers to.
class Hider {
public:
  Hider(const ModelTree &program, std::vector<std::string> &texts)
      : program(program), texts(texts), draw(hashOf("hide", program.seed)) {}

  void run() {
    Scope top{nullptr, {}, {}};
    for (const StmtPtr &s : program.statements)
      walk(*s, top, false);
  }

private:
  struct Scope {
    const Scope *outer;
    std::vector<NameId> names;
    std::set<std::string> own;
  };
  using Refs = std::set<NameId>;

  const ModelTree &program;
  std::vector<std::string> &texts;
  Draw draw;

  void refs(const ExprPtr &e, Refs &into) const {
    if (!e)
      return;
    if (e->name >= 0)
      into.insert(e->name);
    into.insert(e->binders.begin(), e->binders.end());
    for (const ExprPtr &kid : e->kids)
      refs(kid, into);
  }
  void refs(const std::vector<Dim> &dims, Refs &into) const {
    for (const Dim &dim : dims) {
      refs(dim.size, into);
      into.insert(dim.group.begin(), dim.group.end());
      if (dim.name >= 0)
        into.insert(dim.name);
    }
  }
  void refs(const Stmt &s, Refs &into) const {
    if (s.name >= 0)
      into.insert(s.name);
    refs(s.dims, into);
    refs(s.value, into);
    refs(s.gradient, into);
    refs(s.count, into);
    for (const auto *list : {&s.formals, &s.settings})
      for (const Formal &formal : *list) {
        into.insert(formal.name);
        refs(formal.dims, into);
      }
    for (const StmtPtr &inner : s.body)
      refs(*inner, into);
  }

  /// `name` is new in `scope`; `inside` is what is referred to where it is visible.
  void declare(NameId name, Scope &scope, const Refs &inside, bool mayHide, bool onlyValues = false) {
    const Name &info = program.names[size_t(name)];
    if (mayHide && info.kind != Name::Fixed && draw.chance(0.6)) {
      std::vector<std::string> candidates;
      std::set<std::string> needed = scope.own;
      for (NameId other : inside)
        needed.insert(texts[size_t(other)]);
      for (const Scope *s = scope.outer; s; s = s->outer)
        for (NameId other : s->names) {
          const Name &o = program.names[size_t(other)];
          bool isNumber = o.kind == Name::Size;
          if (!needed.count(texts[size_t(other)]) && !(onlyValues && isNumber))
            candidates.push_back(texts[size_t(other)]);
        }
      if (!candidates.empty())
        texts[size_t(name)] = draw.of(candidates);
    }
    scope.names.push_back(name);
    scope.own.insert(texts[size_t(name)]);
  }

  void walk(const ExprPtr &e, const Scope &scope) {
    if (!e)
      return;
    if (e->kind == Expr::Bind && e->fresh) {
      Scope inner{&scope, {}, {}};
      Refs inside;
      for (const ExprPtr &kid : e->kids)
        refs(kid, inside);
      // A def's own index is the caller's where the caller has one of this name.
      bool builtin = e->text == "sum" || e->text == "mean" || e->text == "max" || e->text == "min";
      for (NameId binder : e->binders)
        declare(binder, inner, inside, builtin, true);
      for (const ExprPtr &kid : e->kids)
        walk(kid, inner);
      return;
    }
    for (const ExprPtr &kid : e->kids)
      walk(kid, scope);
  }

  void declareDims(const std::vector<Dim> &dims, Scope &scope, const Refs &inside, bool mayHide, bool sizes) {
    for (const Dim &dim : dims) {
      std::vector<NameId> names = dim.group;
      if (dim.name >= 0)
        names.push_back(dim.name);
      for (NameId name : names) {
        bool known = false; // `x[t, c], m[s, c]`: once
        for (NameId other : scope.names)
          known |= other == name;
        if (!known)
          declare(name, scope, inside, mayHide, !sizes && dim.kind != Dim::Sized);
      }
    }
  }

  void walk(const Stmt &s, Scope &scope, bool inner) {
    Refs none;
    Refs inside;
    switch (s.kind) {
    case Stmt::Let: {
      Scope own{&scope, {}, {}};
      refs(s.value, inside);
      declareDims(s.dims, own, inside, true, false);
      walk(s.value, own);
      declareLater(s.name, scope, inner && !appliesBlock(s.value));
      break;
    }
    case Stmt::Param: {
      // The name of a dimension is a size from here on, for what is in the same scope.
      for (const Dim &dim : s.dims)
        if (dim.name >= 0 && dim.kind == Dim::Sized)
          declareLater(dim.name, scope, inner);
      declareLater(s.name, scope, inner);
      break;
    }
    case Stmt::Def:
    case Stmt::Block: {
      Scope own{&scope, {}, {}};
      for (const StmtPtr &b : s.body)
        refs(*b, inside);
      refs(s.value, inside);
      refs(s.gradient, inside);
      for (const Formal &formal : s.settings)
        declare(formal.name, own, inside, false);
      for (NameId binder : s.binders)
        declare(binder, own, inside, true, true);
      for (const Formal &formal : s.formals) {
        declareDims(formal.dims, own, inside, true, true);
        declare(formal.name, own, inside, true);
      }
      bodyRefs = &inside;
      for (const StmtPtr &b : s.body) {
        bodyRefs = &inside;
        walk(*b, own, true);
      }
      walk(s.value, own);
      walk(s.gradient, own);
      scope.names.push_back(s.name);
      scope.own.insert(texts[size_t(s.name)]);
      break;
    }
    case Stmt::Repeat: {
      Scope own{&scope, {}, {}};
      for (const StmtPtr &b : s.body)
        refs(*b, inside);
      for (const StmtPtr &b : s.body) {
        bodyRefs = &inside;
        walk(*b, own, true);
      }
      break;
    }
    default:
      walk(s.value, scope);
      for (const Formal &formal : s.formals) {
        for (const Dim &dim : formal.dims)
          if (dim.name >= 0)
            declare(dim.name, scope, none, false);
        declare(formal.name, scope, none, false);
      }
      if (s.name >= 0 && (s.kind == Stmt::Setting || s.kind == Stmt::Assign))
        declare(s.name, scope, none, false);
    }
  }

  /// In a body a name may hide whatever the body does not use.
  void declareLater(NameId name, Scope &scope, bool mayHide) {
    declare(name, scope, mayHide && bodyRefs ? *bodyRefs : Refs(), mayHide && bodyRefs);
  }
  const Refs *bodyRefs = nullptr;

  static bool appliesBlock(const ExprPtr &e) {
    if (e->kind == Expr::Apply)
      return true;
    for (const ExprPtr &kid : e->kids)
      if (appliesBlock(kid))
        return true;
    return false;
  }
};
} // namespace

std::vector<std::string> nameTexts(const ModelTree &program, bool hide) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < program.names.size(); ++i) {
    const Name &name = program.names[i];
    texts.push_back(name.kind == Name::Fixed ? name.hint : name.hint + std::to_string(i));
  }
  if (hide)
    Hider(program, texts).run();
  return texts;
}

std::string print(const ModelTree &program, const std::vector<std::string> &texts) {
  return Printer(program, texts).all();
}

} // namespace gptc::differential
