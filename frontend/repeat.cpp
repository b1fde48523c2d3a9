// repeat: what is carried, and the copies' parameters.
#include "frontend/elaborate.h"

#include <fmt/format.h>

#include <algorithm>

namespace gptc::typed {

/// Names that get a next value here, in repeats inside too; not those that a declaration here makes.
static void assignedNames(const std::vector<ast::Statement> &statements, std::set<std::string> own,
                          std::vector<ast::Name> &names) {
  for (const ast::Statement &s : statements) {
    if (s.kind == ast::Statement::Assign && !own.count(s.name.text)) {
      own.insert(s.name.text); // once
      if (std::none_of(names.begin(), names.end(), [&](const ast::Name &n) { return n.text == s.name.text; }))
        names.push_back(s.name);
    }
    if (s.kind == ast::Statement::Let || s.kind == ast::Statement::Def || s.kind == ast::Statement::Block)
      own.insert(s.name.text);
    for (const ast::ParamDecl &param : s.params)
      own.insert(param.name.text);
    if (s.kind == ast::Statement::Repeat && s.body)
      assignedNames(s.body->statements, own, names);
  }
}

void Elaborator::repeat(const ast::Statement &s, Scope *scope) {
  if (!s.count || !s.body)
    return;
  std::optional<int64_t> count = size(*s.count, scope);
  if (!count)
    return;
  Frame *outer = scope->findFrame();
  if (outer->names[s.name.text]++) {
    error(s.name.span, fmt::format("the name '{}' is taken by another repeat or block here", s.name.text))
        .help = "the copies' parameters have it in their names";
    return;
  }
  Instance *instance = child(outer->instance, s.name.text);
  if (instance->copyKeys.size() == outer->instance->copyKeys.size()) {
    instance->copyKeys.push_back(instance);
    instance->copyCounts.push_back(*count);
    instance->pathParts.push_back("*");
    result->instances.push_back(fmt::format("{}: {} copies", instance->path, *count));
  }
  Region *region = graph->makeRegion();
  region->parent = outer->region;
  region->key = instance;
  region->name = s.name.text;
  region->count = *count;
  region->span = s.span;
  region->copy = graph->makeTensor(Tensor::Copy, s.name.text + ".copy", {}, Type::Int, s.name.span);
  region->copy->of = region->copy->region = region;
  region->copy->limit = *count;

  // What is assigned in the body and has a value before it is carried.
  Scope *inner = newScope(scope);
  frames.emplace_back();
  frames.back().instance = instance;
  frames.back().region = region;
  inner->frame = &frames.back();
  std::vector<std::string> names;
  std::vector<ast::Name> assigned;
  assignedNames(s.body->statements, {}, assigned);
  for (const ast::Name &name : assigned) {
    Scope::Found found = scope->look(name.text);
    Binding *binding = found.binding;
    if (!binding || (binding->kind != Binding::Value && binding->kind != Binding::Param))
      continue;
    Value value = bindingValue(*binding, name.text, name.span);
    if (value.kind == Value::Error)
      return;
    if (value.kind != Value::Tensor)
      continue;
    if (scope->crossesBody(found.scope)) {
      Diagnostic &d = error(name.span, fmt::format("'{}' stands outside of this block: only its user could "
                                                   "carry it on",
                                                   name.text));
      d.notes.push_back({binding->span, fmt::format("'{}' is defined here", name.text)});
      d.help =
          fmt::format("give the block a value of its own, `let own = {0} * 1`, and carry that", name.text);
      return;
    }
    if (value.node->literal)
      value.node = graph->convert(value.node, Type::Float);
    Tensor *init = tensorOf(value, name.text, scope, name.span);
    Tensor *argument = graph->makeTensor(Tensor::Carried, name.text, init->dims, init->type, name.span);
    argument->of = argument->region = region;
    argument->position = names.size();
    argument->limit = init->limit;
    argument->usesData = true; // the body may add it
    argument->path = instance->path + "." + name.text;
    region->inits.push_back(init);
    region->arguments.push_back(argument);
    Binding carried;
    carried.span = binding->span;
    carried.value = tensorValue(argument, name.span);
    inner->names[name.text] = std::move(carried);
    names.push_back(name.text);
  }
  if (names.empty())
    error(s.name.span, "this repeat changes nothing").help =
        "give a value from outside its next value: `x = Block()(x)`";
  bool good = true;
  for (const ast::Statement &b : s.body->statements) {
    bool isCarried = b.kind == ast::Statement::Assign && std::count(names.begin(), names.end(), b.name.text);
    if (!isCarried) {
      if (b.kind == ast::Statement::Assign || b.kind == ast::Statement::Let) {
        auto found = inner->names.find(b.name.text);
        if (found != inner->names.end() && std::count(names.begin(), names.end(), b.name.text)) {
          error(b.name.span, fmt::format("'{}' is carried, its next value has no let", b.name.text)).help =
              fmt::format("write `{} = ...`", b.name.text);
          continue;
        }
      }
      statement(b, inner);
      continue;
    }
    if (!b.value)
      continue;
    if (b.value->kind == ast::Expr::Call)
      nameHint = Instance::ownName;
    if (b.value->kind == ast::Expr::Call && b.value->children[0]->kind != ast::Expr::Call)
      nameHint.clear();
    Value value = evaluate(*b.value, inner);
    nameHint.clear();
    if (value.ok() && value.kind != Value::Tensor) {
      error(b.value->span,
            fmt::format("the next value of '{}' is a tensor, this is {}", b.name.text, describe(value)));
      value = Value();
    }
    good &= value.ok();
    value = materialise(std::move(value), b.name.text, inner, b.name.span);
    inner->names[b.name.text].value = std::move(value);
    inner->names[b.name.text].span = b.name.span;
  }
  if (s.body->value)
    error(s.body->value->span, "a repeat has no value").help = "assign it to a carried value: `x = ...`";
  for (size_t i = 0; i < names.size(); ++i) {
    Tensor *init = region->inits[i];
    Tensor *out = graph->makeTensor(Tensor::Result, names[i], init->dims, init->type, init->span);
    out->of = region;
    out->position = i;
    out->region = outer->region;
    out->limit = init->limit;
    out->usesData = true;
    out->path = instance->parent->path.empty() ? names[i] : instance->parent->path + "." + names[i];
    Value next = inner->names[names[i]].value;
    if (good && next.ok()) {
      if (init->type == Type::Float && next.node->type != Type::Float)
        next.node = graph->convert(next.node, Type::Float);
      bool same = next.axes.size() == init->dims.size() && next.node->type == init->type;
      for (size_t d = 0; same && d < init->dims.size(); ++d)
        same = next.axes[d]->range->sameRange(*init->dims[d]->range);
      if (!same) {
        error(inner->names[names[i]].span,
              fmt::format("'{}' comes into the repeat as {} {} and leaves as {} {}", names[i],
                          typeName(init->type), dimsText(init->dims), typeName(next.node->type),
                          dimsText(next.axes)))
            .notes.push_back({init->span, fmt::format("the first '{}' is made here", names[i])});
        good = false;
      } else {
        region->nexts.push_back(tensorOf(next, names[i], inner, s.name.span));
      }
    }
    region->results.push_back(out);
    Binding after;
    if (auto own = scope->names.find(names[i]); own != scope->names.end())
      after.order = own->second.order;
    after.span = s.name.span;
    after.value = good && next.ok() ? tensorValue(out, s.name.span) : Value();
    noteValue(names[i], after.value, scope);
    scope->names[names[i]] = std::move(after);
  }
}

} // namespace gptc::typed
