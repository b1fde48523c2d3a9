#include "differential/shrink.h"

#include <algorithm>
#include <set>

namespace gptc::differential {

namespace {
/// All places of a tree by number, in one walk: statements that can go, expressions
/// that can be something smaller.
class Edit {
public:
  /// Applies edit `wanted`; `count` is how many there are.
  Edit(const ModelTree &program, int wanted) : wanted(wanted) {
    result = program;
    result.statements = statements(program.statements);
    number([&] { result.batch = 1; }, program.batch > 1);
    number([&] { result.batch = std::max<int64_t>(1, program.batch / 2); }, program.batch > 3);
    number([&] { --result.batch; }, program.batch > 2);
    number([&] { result.dataMode = 0; }, program.dataMode != 0);
  }
  ModelTree result;
  int count = 0;

private:
  int wanted;

  bool here() { return count++ == wanted; }
  template <typename Change> void number(Change change, bool possible) {
    if (possible && here())
      change();
  }

  std::vector<StmtPtr> statements(const std::vector<StmtPtr> &list) {
    std::vector<StmtPtr> kept;
    for (const StmtPtr &s : list) {
      if (here())
        continue;
      if (s->kind == Stmt::Repeat && here()) { // its body once
        kept.insert(kept.end(), s->body.begin(), s->body.end());
        continue;
      }
      kept.push_back(statement(s));
    }
    return kept;
  }

  StmtPtr statement(const StmtPtr &s) {
    Stmt copy = *s;
    copy.body = statements(s->body);
    copy.value = expr(s->value, true);
    copy.gradient = expr(s->gradient, false);
    copy.count = expr(s->count, false);
    if (s->gradient && here())
      copy.gradient = nullptr;
    if (s->kind == Stmt::Let)
      for (size_t i = 0; i < s->dims.size(); ++i)
        if (here())
          copy.dims.erase(copy.dims.begin() + std::ptrdiff_t(i));
    if (s->kind == Stmt::Param && s->text != "~ normal(1)" && here())
      copy.text = "~ normal(1)";
    if (s->kind == Stmt::Data && s->formals.size() > 1 && s->text == "rows")
      for (size_t i = 0; i < s->formals.size(); ++i)
        if (here()) {
          copy.formals.erase(copy.formals.begin() + std::ptrdiff_t(i));
          copy.words.erase(copy.words.begin() + std::ptrdiff_t(i));
        }
    if (s->kind == Stmt::Train) {
      for (size_t i = 3; i < s->words.size(); ++i)
        if (here())
          copy.words.erase(copy.words.begin() + std::ptrdiff_t(i));
      if (s->words.size() > 2 && s->words[2] != "optimizer: sgd(0.1)" && here())
        copy.words[2] = "optimizer: sgd(0.1)";
    }
    return std::make_shared<const Stmt>(std::move(copy));
  }

  ExprPtr expr(const ExprPtr &e, bool whole) {
    if (!e)
      return e;
    bool isIndex = e->kind == Expr::Size || e->kind == Expr::Group || e->kind == Expr::Rest;
    // One of its parts instead, or a number.
    if (!isIndex && e->kind != Expr::Number && e->kind != Expr::Word) {
      size_t first = e->kind == Expr::Apply ? 1 : 0;
      for (size_t i = first; i < e->kids.size(); ++i)
        if (e->kind != Expr::Subscript && here())
          return e->kids[i];
      if (e->kind != Expr::Ref && here())
        return makeNumber(1);
      if (e->kind == Expr::Bind && e->kids.size() > 1 && here()) {
        Expr copy = *e;
        copy.kids.pop_back();
        return std::make_shared<const Expr>(copy);
      }
      if (e->kind == Expr::Bind && e->binders.size() > 1 && here()) {
        Expr copy = *e;
        copy.binders.pop_back();
        return std::make_shared<const Expr>(copy);
      }
    }
    if (e->kids.empty())
      return e;
    Expr copy = *e;
    bool changed = false;
    for (ExprPtr &kid : copy.kids) {
      ExprPtr next = expr(kid, false);
      changed |= next != kid;
      kid = next;
    }
    (void)whole;
    return changed ? std::make_shared<const Expr>(copy) : e;
  }
};

/// Every size `from` as `to`.
class Resize {
public:
  Resize(int64_t from, int64_t to) : from(from), to(to) {}
  ModelTree operator()(ModelTree program) const {
    program.statements = list(program.statements);
    if (program.batch == from)
      program.batch = to;
    return program;
  }
  static void sizesOf(const std::vector<StmtPtr> &statements, std::set<int64_t> &into) {
    for (const StmtPtr &s : statements) {
      collect(s->value, into);
      collect(s->count, into);
      for (const Dim &dim : s->dims)
        collect(dim.size, into);
      for (const Formal &formal : s->formals)
        for (const Dim &dim : formal.dims)
          collect(dim.size, into);
      sizesOf(s->body, into);
    }
  }

private:
  int64_t from, to;
  static void collect(const ExprPtr &e, std::set<int64_t> &into) {
    if (!e)
      return;
    if (e->kind == Expr::Size)
      into.insert(e->size);
    for (const ExprPtr &kid : e->kids)
      collect(kid, into);
  }
  ExprPtr expr(const ExprPtr &e) const {
    if (!e)
      return e;
    if (e->kind == Expr::Size)
      return e->size == from ? makeSize(to) : e;
    Expr copy = *e;
    for (ExprPtr &kid : copy.kids)
      kid = expr(kid);
    return std::make_shared<const Expr>(copy);
  }
  std::vector<Dim> dims(std::vector<Dim> list) const {
    for (Dim &dim : list)
      dim.size = expr(dim.size);
    return list;
  }
  std::vector<StmtPtr> list(const std::vector<StmtPtr> &statements) const {
    std::vector<StmtPtr> result;
    for (const StmtPtr &s : statements) {
      Stmt copy = *s;
      copy.dims = dims(s->dims);
      copy.value = expr(s->value);
      copy.gradient = expr(s->gradient);
      copy.count = expr(s->count);
      for (Formal &formal : copy.formals)
        formal.dims = dims(formal.dims);
      copy.body = list(s->body);
      result.push_back(std::make_shared<const Stmt>(copy));
    }
    return result;
  }
};
} // namespace

ModelTree shrink(ModelTree program, const std::function<bool(const ModelTree &)> &fails, int tries) {
  bool progress = true;
  while (progress && tries > 0) {
    progress = false;
    for (int edit = 0; tries > 0; ++edit) {
      Edit made(program, edit);
      if (edit >= made.count)
        break;
      --tries;
      if (fails(made.result)) {
        program = made.result;
        progress = true;
        --edit; // what was behind it is here now
      }
    }
    std::set<int64_t> sizes;
    Resize::sizesOf(program.statements, sizes);
    for (int64_t size : sizes)
      for (int64_t to : {int64_t(1), int64_t(2), size / 2, size - 1}) {
        if (to < 1 || to >= size || tries-- <= 0)
          continue;
        ModelTree smaller = Resize(size, to)(program);
        if (fails(smaller)) {
          program = smaller;
          progress = true;
          break;
        }
      }
  }
  return program;
}

} // namespace gptc::differential
