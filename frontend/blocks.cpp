// Blocks: instances and what names them, application.
#include "frontend/elaborate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace gptc::typed {

std::string Elaborator::snakeCase(const std::string &name) {
  std::string text;
  for (size_t i = 0; i < name.size(); ++i) {
    bool upper = std::isupper(static_cast<unsigned char>(name[i]));
    bool before = i && !std::isupper(static_cast<unsigned char>(name[i - 1])) && name[i - 1] != '_';
    bool after = i && i + 1 < name.size() && std::islower(static_cast<unsigned char>(name[i + 1]));
    if (upper && (before || after))
      text += '_';
    text += char(std::tolower(static_cast<unsigned char>(name[i])));
  }
  return text;
}

Instance *Elaborator::child(Instance *parent, const std::string &name) {
  std::unique_ptr<Instance> &slot = parent->children[name];
  if (slot)
    return slot.get();
  slot = std::make_unique<Instance>();
  slot->parent = parent;
  slot->path = parent->path;
  slot->pathParts = parent->pathParts;
  if (name != Instance::ownName) {
    slot->path += (slot->path.empty() ? "" : ".") + name;
    slot->pathParts.push_back(name);
  }
  slot->copyKeys = parent->copyKeys;
  slot->copyCounts = parent->copyCounts;
  return slot.get();
}

/// A default that names a setting behind it, or an input, would mean something else of that name.
bool Elaborator::checkDefault(const ast::Statement &block, size_t place) {
  const ast::FormalSetting &setting = block.settings[place];
  auto refuse = [&](const ast::Name &name, const char *what) {
    const ast::Expr *use = findName(*setting.defaultValue, name.text);
    if (use)
      error(use->span, fmt::format("the default of '{}' cannot use '{}', which is {} of '{}'",
                                   setting.name.text, name.text, what, block.name.text))
          .notes.push_back({name.span, "it is declared here"});
    return !use;
  };
  bool good = true;
  for (size_t i = place; i < block.settings.size(); ++i)
    good &= refuse(block.settings[i].name, i == place ? "that setting itself" : "a later setting");
  auto before = [&](const ast::Name &name) {
    return std::any_of(block.settings.begin(), block.settings.begin() + place,
                       [&](const ast::FormalSetting &s) { return s.name.text == name.text; });
  };
  for (const ast::FormalInput &input : block.inputs) {
    good &= refuse(input.name, "an input");
    for (const ast::Dimension &dim : input.dims)
      if (!dim.name.text.empty() && !before(dim.name))
        good &= refuse(dim.name, "a dimension of an input");
  }
  return good;
}

Value Elaborator::makeInstance(const Binding &block, const ast::Expr *call, const ast::Expr &at,
                               Scope *scope) {
  const ast::Statement &stmt = *block.stmt;
  Frame *frame = scope->findFrame();
  std::string name = nameHint.empty() ? snakeCase(stmt.name.text) : nameHint;
  nameHint.clear();
  if (name == Instance::ownName && frame->ownNameTaken)
    name = snakeCase(stmt.name.text);
  if (name == Instance::ownName)
    frame->ownNameTaken = true;
  else
    name = freeName(frame, name);
  Instance *instance = child(frame->instance, name);
  if (!instance->block)
    result->instances.push_back(fmt::format("{}: {}", instance->path, stmt.name.text));
  instance->block = &stmt;
  instance->home = block.home;
  instance->span = at.span;

  std::vector<bool> given(stmt.settings.size());
  size_t next = 0;
  bool good = true;
  auto take = [&](size_t place, const ast::Expr &expr, Scope *in) {
    const ast::FormalSetting &formal = stmt.settings[place];
    given[place] = true;
    Value value = evaluate(expr, in);
    good &= value.ok();
    bool isMask = formal.isFunction && value.kind == Value::Tensor && value.node->type == Type::Bool &&
                  !value.axes.empty() && value.axes.size() <= formal.parameters.size();
    if (isMask) {
      value.arity = formal.parameters.size();
    } else if (value.ok() && (value.kind == Value::Function) != formal.isFunction) {
      error(expr.span,
            fmt::format("setting '{}' of '{}' is a {}, this is {}", formal.name.text, stmt.name.text,
                        formal.isFunction ? "function" : "number", describe(value)))
          .notes.push_back({formal.name.span, "it is declared here"});
      good = false;
    } else if (value.kind == Value::Function && value.def->inputs.size() != formal.parameters.size()) {
      error(expr.span,
            fmt::format("'{}' takes {} arguments, but setting '{}' of '{}' has {}", value.def->name.text,
                        value.def->inputs.size(), formal.name.text, stmt.name.text, formal.parameters.size()))
          .notes.push_back({formal.name.span, "it is declared here"});
      good = false;
    } else if (value.kind == Value::Tensor && !value.isConstant()) {
      error(expr.span, fmt::format("setting '{}' of '{}' is known at compile time, this is {}",
                                   formal.name.text, stmt.name.text, describe(value)));
      good = false;
    }
    instance->settings[formal.name.text] = std::move(value);
  };
  for (const ast::Argument &argument : call->arguments) {
    size_t place = SIZE_MAX;
    if (argument.names.empty()) {
      while (next < given.size() && given[next])
        ++next;
      place = next < given.size() ? next : SIZE_MAX;
      if (place != SIZE_MAX && stmt.settings[place].defaultValue) {
        // `Linear(64, 10)`, `LayerNorm(64)`: elsewhere these are sizes.
        const ast::FormalSetting &formal = stmt.settings[place];
        std::string written = sources.quote(argument.span);
        Diagnostic &d =
            error(argument.span, fmt::format("setting '{}' of '{}' has a default, so it is given by name",
                                             formal.name.text, stmt.name.text));
        d.notes.push_back({formal.name.span, fmt::format("'{}' is declared here", formal.name.text)});
        d.help = fmt::format("write `{}: {}`, or leave it out; the sizes of its inputs a block finds itself",
                             formal.name.text, written);
        return Value();
      }
    } else {
      for (size_t i = 0; i < stmt.settings.size(); ++i)
        if (stmt.settings[i].name.text == argument.names[0].text)
          place = i;
      if (place == SIZE_MAX || given[place]) {
        error(argument.names[0].span, fmt::format(place == SIZE_MAX ? "block '{}' has no setting '{}'"
                                                                    : "block '{}' is given '{}' twice",
                                                  stmt.name.text, argument.names[0].text))
            .notes.push_back({stmt.name.span, fmt::format("'{}' is declared here", stmt.name.text)});
        return Value();
      }
    }
    if (place == SIZE_MAX) {
      Diagnostic &d = error(argument.span, fmt::format("block '{}' has {} setting{}", stmt.name.text,
                                                       given.size(), given.size() == 1 ? "" : "s"));
      d.notes.push_back({stmt.name.span, fmt::format("'{}' is declared here", stmt.name.text)});
      d.help = fmt::format("its inputs follow in parentheses of their own: `{}(...)(x)`", stmt.name.text);
      return Value();
    }
    take(place, *argument.value, scope);
  }
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i])
      continue;
    if (!stmt.settings[i].defaultValue) {
      error(call->span,
            fmt::format("block '{}' also needs its setting '{}'", stmt.name.text, stmt.settings[i].name.text))
          .notes.push_back({stmt.settings[i].name.span, "it is declared here"});
      return Value();
    }
    if (!checkDefault(stmt, i))
      return Value();
    // A default may use the settings before it.
    Scope *scope = newScope(block.home);
    for (size_t j = 0; j < i; ++j) {
      Binding binding;
      binding.span = stmt.settings[j].name.span;
      binding.value = instance->settings[stmt.settings[j].name.text];
      scope->names[stmt.settings[j].name.text] = std::move(binding);
    }
    take(i, *stmt.settings[i].defaultValue, scope);
  }
  if (!good)
    return Value();
  Value value;
  value.kind = Value::Instance;
  value.instance = instance;
  value.span = call->span;
  return value;
}

/// The inputs of a def or block and the names of their dimensions. Names come first, so that a size
/// that is written, `x[2 * n]`, may use what a later input names.
bool Elaborator::bindInputs(const std::vector<ast::FormalInput> &formals, const std::vector<Value> &values,
                            Scope *scope, const std::string &owner) {
  for (size_t i = 0; i < formals.size(); ++i) {
    Binding binding;
    binding.value = values[i];
    binding.span = formals[i].name.span;
    scope->names[formals[i].name.text] = std::move(binding);
  }
  bool good = true;
  for (size_t i = 0; i < formals.size(); ++i)
    good &= !formals[i].hasDims || bindNames(formals[i], values[i], scope, owner);
  for (size_t i = 0; good && i < formals.size(); ++i)
    good &= !formals[i].hasDims || checkSizes(formals[i], values[i], scope, owner);
  return good;
}

/// Calls `each(dimension, range)` for the dimensions of an input but those of `..`.
template <typename F>
static void eachDimension(const ast::FormalInput &formal, const std::vector<Var *> &axes, F each) {
  size_t rest = axes.size() + 1 - formal.dims.size(), at = 0;
  for (const ast::Dimension &dim : formal.dims)
    if (dim.kind == ast::Dimension::Rest)
      at += rest;
    else
      each(dim, *axes[at++]->range);
}

bool Elaborator::bindNames(const ast::FormalInput &formal, const Value &value, Scope *scope,
                           const std::string &owner) {
  if (value.kind != Value::Tensor) {
    error(value.span, fmt::format("'{}' of '{}' needs a value with dimensions, this is {}", formal.name.text,
                                  owner, describe(value)));
    return false;
  }
  size_t fixed = 0;
  bool hasRest = false;
  for (const ast::Dimension &dim : formal.dims) {
    fixed += dim.kind != ast::Dimension::Rest;
    hasRest |= dim.kind == ast::Dimension::Rest;
  }
  if (value.axes.size() < fixed || (!hasRest && value.axes.size() != fixed)) {
    Diagnostic &d =
        error(value.span, fmt::format("'{}' of '{}' has {}{} dimension{}, but this has {}: {}",
                                      formal.name.text, owner, hasRest ? "at least " : "", fixed,
                                      fixed == 1 ? "" : "s", value.axes.size(), dimsText(value.axes)));
    d.notes.push_back({formal.name.span, fmt::format("'{}' is declared here", formal.name.text)});
    return false;
  }
  bool good = true;
  eachDimension(formal, value.axes, [&](const ast::Dimension &dim, const Dim &actual) {
    if (dim.name.text.empty())
      return;
    auto found = scope->names.find(dim.name.text);
    if (found == scope->names.end()) {
      Binding binding;
      binding.kind = Binding::Size;
      binding.span = dim.span;
      binding.size = actual;
      if (!binding.size.span.valid())
        binding.size.span = dim.span;
      scope->names[dim.name.text] = std::move(binding);
      return;
    }
    // A dimension of another input, or a number: it is the same. Another value cannot name a dimension.
    const Binding &known = found->second;
    if (known.kind == Binding::Value && !known.value.ok()) {
      good = false;
    } else if (known.kind != Binding::Size && !(known.kind == Binding::Value && known.value.isConstant())) {
      error(dim.name.span, fmt::format("'{}' names a dimension of '{}' and something else in '{}'",
                                       dim.name.text, formal.name.text, owner))
          .notes.push_back({known.span, "the other is declared here"});
      good = false;
    } else if (known.kind == Binding::Size
                   ? !known.size.sameRange(actual)
                   : actual.isDynamic() || double(actual.size) != known.value.node->number) {
      std::string expected =
          known.kind == Binding::Size ? known.size.text() : numberText(known.value.node->number);
      dimensionDiffers(formal, value, dim, actual, expected, known.span, owner);
      good = false;
    }
  });
  return good;
}

void Elaborator::dimensionDiffers(const ast::FormalInput &formal, const Value &value,
                                  const ast::Dimension &dim, const Dim &actual, const std::string &expected,
                                  Span declared, const std::string &owner) {
  Diagnostic &d = error(value.span, fmt::format("dimension '{}' of '{}' is {} here, but {} is needed",
                                                dim.name.text.empty() ? actual.name : dim.name.text,
                                                formal.name.text, actual.text(), expected));
  d.notes.push_back({declared, fmt::format("the {} of '{}' is declared here", expected, owner)});
  if (actual.span.valid())
    d.notes.push_back({actual.span, fmt::format("the {} is declared here", actual.text())});
}

bool Elaborator::checkSizes(const ast::FormalInput &formal, const Value &value, Scope *scope,
                            const std::string &owner) {
  bool good = true;
  eachDimension(formal, value.axes, [&](const ast::Dimension &dim, const Dim &actual) {
    if (!dim.size)
      return;
    std::optional<int64_t> wanted = size(*dim.size, scope);
    good &= wanted.has_value();
    if (wanted && (actual.isDynamic() || actual.size != *wanted)) {
      dimensionDiffers(formal, value, dim, actual, std::to_string(*wanted), dim.span, owner);
      good = false;
    }
  });
  return good;
}

bool Elaborator::checkResult(const ast::Statement &block, const Value &value, Span use, Scope *scope) {
  if (block.results.empty())
    return true;
  if (block.results.size() > 1) {
    error(block.name.span, "a block has one result; several are not supported yet");
    return false;
  }
  const std::vector<ast::Dimension> &dims = block.results[0];
  size_t fixed = 0;
  bool hasRest = false;
  for (const ast::Dimension &dim : dims) {
    fixed += dim.kind != ast::Dimension::Rest;
    hasRest |= dim.kind == ast::Dimension::Rest;
  }
  if (value.axes.size() < fixed || (!hasRest && value.axes.size() != fixed)) {
    error(block.body->value ? block.body->value->span : block.span,
          fmt::format("block '{}' declares {}{} dimension{} for its result, this has {}: {}", block.name.text,
                      hasRest ? "at least " : "", fixed, fixed == 1 ? "" : "s", value.axes.size(),
                      dimsText(value.axes)))
        .notes.push_back({block.name.span, "the block is declared here"});
    return false;
  }
  size_t at = 0;
  bool good = true;
  for (const ast::Dimension &dim : dims) {
    if (dim.kind == ast::Dimension::Rest) {
      at += value.axes.size() - fixed;
      continue;
    }
    const Dim &actual = *value.axes[at++]->range;
    Dim wanted;
    std::string name = dim.name.text;
    if (dim.size) {
      std::optional<int64_t> count = size(*dim.size, scope);
      if (!count)
        return false;
      wanted.size = *count;
    } else {
      Binding *binding = scope->find(name);
      if (binding && binding->kind == Binding::Size)
        wanted = binding->size;
      else if (binding && binding->kind == Binding::Value && binding->value.isConstant())
        wanted.size = int64_t(binding->value.node->number);
      else
        continue; // a new name: any size
    }
    if (wanted.sameRange(actual))
      continue;
    Diagnostic &d =
        error(block.body->value ? block.body->value->span : block.span,
              fmt::format("the result of '{}' has {} where {} is declared{}", block.name.text, actual.text(),
                          wanted.text(), name.empty() ? "" : " as '" + name + "'"));
    d.notes.push_back({dim.span, "it is declared here"});
    good = false;
  }
  return good;
}

Value Elaborator::apply(Instance *instance, const ast::Expr &expr, Scope *scope) {
  const ast::Statement &block = *instance->block;
  const std::string &name = block.name.text;
  if (expr.arguments.size() != block.inputs.size()) {
    error(expr.span, fmt::format("'{}' takes {} input{}, here are {}", name, block.inputs.size(),
                                 block.inputs.size() == 1 ? "" : "s", expr.arguments.size()))
        .notes.push_back({block.name.span, fmt::format("'{}' is declared here", name)});
    return Value();
  }
  Scope *inner = newScope(instance->home);
  inner->isBody = true;
  for (auto &[setting, value] : instance->settings) {
    Binding binding;
    binding.value = value;
    for (const ast::FormalSetting &formal : block.settings)
      if (formal.name.text == setting)
        binding.span = formal.name.span;
    inner->names[setting] = std::move(binding);
  }
  bool good = true;
  bool saved = batchScope;
  batchScope = false;
  std::vector<Value> values;
  for (size_t i = 0; i < block.inputs.size(); ++i) {
    const ast::Argument &argument = expr.arguments[i];
    if (!argument.names.empty() && argument.names[0].text != block.inputs[i].name.text) {
      error(argument.names[0].span,
            fmt::format("input {} of '{}' is '{}'", i + 1, name, block.inputs[i].name.text));
      good = false;
    }
    Value value = evaluate(*argument.value, scope);
    good &= value.ok();
    Span span = argument.value->span;
    values.push_back(materialise(std::move(value), "", scope, span));
    values.back().span = span;
  }
  batchScope = saved;
  if (!good)
    return Value();
  if (!bindInputs(block.inputs, values, inner, name) || !block.body)
    return Value();
  frames.emplace_back();
  frames.back().instance = instance;
  frames.back().region = scope->findFrame()->region;
  inner->frame = &frames.back();
  useSites.push_back({expr.span, name});
  batchScope = false;
  Value value = functionBody(*block.body, inner);
  batchScope = saved;
  if (value.ok() && value.kind != Value::Tensor) {
    error(block.body->value->span,
          fmt::format("the value of a block is a number or a tensor, this is {}", describe(value)));
    value = Value();
  }
  if (value.ok() && !checkResult(block, value, expr.span, inner))
    value = Value();
  if (value.ok())
    value = materialise(std::move(value), "", inner, block.body->value->span);
  useSites.pop_back();
  return value;
}

} // namespace gptc::typed
