// Scopes: what a name means where it stands, and what a declaration adds.
#include "frontend/elaborate.h"

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <cmath>

namespace gptc::typed {

Scope::Found Scope::look(const std::string &name) {
  int seen = INT_MAX;
  Found result;
  for (Scope *scope = this; scope; scope = scope->parent) {
    auto found = scope->names.find(name);
    if (found != scope->names.end()) {
      if (result.binding) { // found further in already, but defined below the one who asks
        result.other = &found->second;
        return result;
      }
      result.binding = &found->second;
      result.scope = scope;
      if (found->second.order <= seen)
        return result;
    }
    seen = scope->seen.value_or(INT_MAX);
  }
  return result;
}

Rest *Scope::findRest() {
  for (Scope *scope = this; scope; scope = scope->parent)
    if (scope->rest)
      return scope->rest;
  return nullptr;
}
Frame *Scope::findFrame() {
  for (Scope *scope = this; scope; scope = scope->parent)
    if (scope->frame)
      return scope->frame;
  return nullptr;
}

bool Scope::crossesBody(const Scope *owner) const {
  for (const Scope *scope = this; scope && scope != owner; scope = scope->parent)
    if (scope->isBody)
      return true;
  return false;
}

std::optional<int64_t> Binding::sizeIfKnown() const {
  if (kind == Size)
    return size.size;
  if (kind != Value || !value.isConstant() || value.node->type == Type::Bool)
    return std::nullopt;
  double n = value.node->number;
  return n >= 1 && n <= 1e9 && n == std::floor(n) ? std::optional<int64_t>(int64_t(n)) : std::nullopt;
}

Scope *Elaborator::newScope(Scope *parent) {
  scopes.emplace_back();
  scopes.back().parent = parent;
  return &scopes.back();
}

/// `scope` for what is evaluated later: names that it gets from here on do not hide others.
Scope *Elaborator::viewOf(Scope *scope) {
  Scope *view = newScope(scope);
  view->seen = definitions;
  return view;
}

/// What a name means; reports where two meanings are possible. Null: unknown.
Binding *Elaborator::lookup(Scope *scope, const std::string &name, Span span) {
  Scope::Found found = scope->look(name);
  if (!found.other)
    return found.binding;
  Diagnostic &d = error(span, fmt::format("'{}' may mean two things here: what stands outside, or what is "
                                          "defined further down and would hide it",
                                          name));
  if (found.other->span.valid())
    d.notes.push_back({found.other->span, "the outer one"});
  if (found.binding->span.valid())
    d.notes.push_back({found.binding->span, "the inner one"});
  d.help = fmt::format("give one of them another name, or define the inner '{}' above its use", name);
  static Binding neither;
  return &neither;
}

void Elaborator::define(Scope *scope, const ast::Name &name, Binding binding) {
  auto found = scope->names.find(name.text);
  if (found != scope->names.end() && found->second.span.valid()) {
    error(name.span, fmt::format("'{}' is defined twice", name.text))
        .notes.push_back({found->second.span, "it is defined here already"});
    return;
  }
  binding.span = name.span;
  binding.order = ++definitions;
  scope->names[name.text] = std::move(binding);
}

void Elaborator::defineValue(Scope *scope, const ast::Name &name, Value value) {
  Binding binding;
  binding.value = std::move(value);
  define(scope, name, std::move(binding));
}

/// A dimension's name is its size from here on. It hides what stands outside; in one scope a name
/// is one size.
void Elaborator::declareSize(Scope *scope, const ast::Name &name, Dim size) {
  auto found = scope->names.find(name.text);
  if (found == scope->names.end()) {
    Binding binding;
    binding.kind = Binding::Size;
    binding.size = std::move(size);
    return define(scope, name, std::move(binding));
  }
  const Binding &other = found->second;
  std::optional<int64_t> known = other.sizeIfKnown();
  if (known == size.size || (other.kind == Binding::Value && !other.value.ok()))
    return;
  Diagnostic &d =
      error(name.span,
            known ? fmt::format("'{}' is {} here already, and would be {}", name.text, *known, size.size)
                  : fmt::format("'{}' is defined here already, so it cannot name a dimension", name.text));
  if (other.span.valid())
    d.notes.push_back({other.span, "it is defined here"});
  d.help = fmt::format("give the dimension another name, or leave the name out: `[{}]`", size.size);
}

/// A name that a def or block declares twice would hide itself.
void Elaborator::checkFormals(const ast::Statement &s) {
  std::map<std::string, Span> seen;
  auto add = [&](const ast::Name &name) {
    auto [found, fresh] = seen.insert({name.text, name.span});
    if (!fresh)
      error(name.span, fmt::format("'{}' is declared twice in '{}'", name.text, s.name.text))
          .notes.push_back({found->second, "it is declared here already"});
  };
  for (const ast::Name &binder : s.binders)
    add(binder);
  for (const ast::FormalSetting &setting : s.settings)
    add(setting.name);
  for (const ast::FormalInput &input : s.inputs)
    add(input.name);
}

/// Where the expression names something that no binder of its own declares, or null.
const ast::Expr *findName(const ast::Expr &expr, const std::string &name) {
  if (expr.kind == ast::Expr::Name)
    return expr.text == name ? &expr : nullptr;
  const ast::Expr *found = nullptr;
  auto visit = [&](const ast::Expr *child) {
    if (child && !found)
      found = findName(*child, name);
  };
  for (const ast::ExprPtr &child : expr.children)
    visit(child.get());
  for (const ast::Argument &argument : expr.arguments) {
    if (std::any_of(argument.names.begin(), argument.names.end(),
                    [&](const ast::Name &binder) { return binder.text == name; }))
      continue;
    visit(argument.condition.get());
    visit(argument.value.get());
  }
  for (const ast::Index &index : expr.indices)
    visit(index.expr.get());
  return found;
}

/// A name of this kind that nothing has in the frame yet: `linear`, `linear2`.
std::string Elaborator::freeName(Frame *frame, const std::string &name) {
  int n = frame->names[name]++;
  if (n == 0)
    return name;
  std::string free;
  do
    free = name + std::to_string(++n);
  while (frame->names.count(free));
  frame->names[free] = 1;
  return free;
}

/// May an instance be called so? Parameters are found by that name, so it is not changed in silence.
bool Elaborator::nameIsFree(const ast::Name &name, Scope *scope) {
  for (Scope *s = scope; s; s = s->parent)
    if (s->isFunction)
      return true; // each use of a def makes instances of its own, which are numbered
  if (!scope->findFrame()->names.count(name.text))
    return true;
  error(name.span, fmt::format("the name '{}' is taken by another repeat or block here", name.text)).help =
      "blocks without a name are called like `linear` and `linear2`; the names stand in those of parameters";
  return false;
}

} // namespace gptc::typed
