// train { } and generate { }: values for the runtime; the learning rate.
#include "frontend/fields.h"
#include "frontend/overrides.h"

#include <fmt/format.h>

#include <cstdint>
#include <cmath>

namespace gptc::typed {

ConfigValue Elaborator::configValue(const ast::Expr &expr, Scope *scope) {
  ConfigValue value;
  value.span = expr.span;
  switch (expr.kind) {
  case ast::Expr::Name:
    if (Binding *binding = scope->find(expr.text))
      if (binding->kind == Binding::Value && binding->value.isConstant()) {
        value.number = binding->value.node->number;
        return value;
      }
    value.kind = ConfigValue::Word;
    value.word = expr.text;
    return value;
  case ast::Expr::String:
    value.kind = ConfigValue::Word;
    value.word = expr.text;
    return value;
  case ast::Expr::List:
    value.kind = ConfigValue::List;
    for (const ast::ExprPtr &element : expr.children)
      value.arguments.push_back({"", configValue(*element, scope)});
    return value;
  case ast::Expr::Call:
    if (expr.children[0]->kind == ast::Expr::Name) {
      value.kind = ConfigValue::Call;
      value.word = expr.children[0]->text;
      for (const ast::Argument &argument : expr.arguments)
        value.arguments.push_back(
            {argument.names.empty() ? "" : argument.names[0].text, configValue(*argument.value, scope)});
      return value;
    }
    [[fallthrough]];
  default: {
    Value number = evaluate(expr, scope);
    if (number.isConstant()) {
      value.number = number.node->number;
    } else {
      value.kind = ConfigValue::Call; // a learning rate in terms of `step`
      value.word = "expression";
    }
    return value;
  }
  }
}

namespace {
/// What a number of train { } or generate { } may be.
struct Range {
  const char *name;
  double least, most;
  bool integer;
  const char *words;
};
constexpr double large = 1e15; // steps and tokens are counted in 64 bits
constexpr Range ranges[] = {
    {"batch", 1, 1 << 24, true, "an integer between 1 and 16777216"},
    {"steps", 0, large, true, "an integer, 0 for none"},
    {"epochs", 1, 1e6, true, "an integer between 1 and 1000000"},
    {"eval_every", 0, large, true, "an integer, 0 for never"},
    {"save_every", 0, large, true, "an integer, 0 for only at the end, or a time, `10min`"},
    {"seed", 0, INT32_MAX, true, "an integer between 0 and 2147483647"},
    {"tokens", 0, large, true, "an integer, 0 or more"},
    {"beam", 1, 1024, true, "an integer between 1 and 1024"},
    {"length_penalty", 0, 100, false, "a number between 0 and 100"},
    {"top_k", 0, INT32_MAX, true, "an integer, 0 for all"},
    {"min_p", 0, 1, false, "a number between 0 and 1"},
    {"repetition_penalty", 0.01, 100, false, "a number between 0.01 and 100"},
    {"repetition_window", 0, INT32_MAX, true, "an integer, 0 for all"},
    {"slide", 0, 1, true, "0 or 1"},
    {"clip", 1e-30, HUGE_VAL, false, "a positive number"},
    {"temperature", 0, 1e6, false, "a number between 0 and 1000000"},
    {"top_p", 1e-30, 1, false, "a number above 0 and at most 1"},
    {"eps", 1e-300, HUGE_VAL, false, "a positive number"},
    {"decay", 0, HUGE_VAL, false, "a number, 0 or more"},
    {"momentum", 0, 1 - 1e-9, false, "a number from 0 to below 1"},
    {"decay_min_rank", 0, 1000, true, "an integer between 0 and 1000"},
};
} // namespace

void Elaborator::checkRange(const std::string &name, const ConfigValue &value, bool overridden) {
  for (const Range &range : ranges)
    if (name == range.name && (!(value.number >= range.least && value.number <= range.most) ||
                               (range.integer && value.number != std::floor(value.number))))
      error(value.span, fmt::format("'{}' is {}, not {}{}", name, range.words, numberText(value.number),
                                    overridden ? " (of --set)" : ""));
}

void Elaborator::config(const ast::Statement &s, Scope *scope) {
  bool isTrain = s.kind == ast::Statement::Train;
  std::set<std::string> known;
  for (const ConfigField &field : isTrain ? trainFields() : generateFields())
    known.insert(field.name);
  std::map<std::string, ConfigValue> &into = isTrain ? result->train : result->generate;
  for (const ast::Field &field : s.fields) {
    if (!field.value)
      continue;
    const std::string &name = field.name.text;
    if (!known.count(name)) {
      std::string list;
      for (const std::string &one : known)
        list += (list.empty() ? "" : ", ") + one;
      error(field.name.span, fmt::format("'{}' is no setting of {}", name, s.text)).help =
          "its settings are " + list;
      continue;
    }
    if (into.count(name)) {
      error(field.name.span, fmt::format("'{}' is given twice", name))
          .notes.push_back({into[name].span, "it is given here already"});
      continue;
    }
    // Some fields are more than a number.
    bool mayCall = name == "optimizer" || name == "batch" || name == "average" || name == "save_every";
    ConfigValue value;
    ast::Expr::Kind kind = field.value->kind;
    if (kind == ast::Expr::Call && field.value->children[0]->text == "seconds" && name != "save_every") {
      error(field.value->span, fmt::format("'{}' is no time", name)).help = "only `save_every` may be one";
      continue;
    }
    if (!mayCall && kind != ast::Expr::Name && kind != ast::Expr::String && kind != ast::Expr::List) {
      std::optional<double> number = constantOf(*field.value, scope, "a setting");
      if (!number)
        continue;
      value = ConfigValue{ConfigValue::Number, *number, "", {}, field.value->span};
    } else {
      value = configValue(*field.value, scope);
    }
    if (value.kind == ConfigValue::Number && !scope->find(name))
      result->settings.push_back({name, value.number, field.overridden, field.name.span});
    if (value.kind == ConfigValue::Number)
      checkRange(name, value, field.overridden);
    if (name == "save_every" && value.kind == ConfigValue::Call && !(value.seconds().value_or(0) > 0))
      error(field.value->span, "this is neither a number of steps nor a time").help =
          "write `save_every: 100` or `save_every: 10min`";
    if (name == "pad") {
      if (field.value->kind != ast::Expr::String)
        error(field.value->span, "'pad' is a symbol of the text in quotes").help = "write `pad: \" \"`";
    } else if (name == "end") {
      if (field.value->kind != ast::Expr::String)
        error(field.value->span, "'end' is the name of a special token in quotes").help = "write `end: \"</s>\"`";
    } else if (name == "stop") {
      bool strings = kind == ast::Expr::String || kind == ast::Expr::List;
      if (kind == ast::Expr::List)
        for (const ast::ExprPtr &element : field.value->children)
          strings &= element->kind == ast::Expr::String;
      if (!strings)
        error(field.value->span, "'stop' is a string in quotes, or a list of them").help =
            "write `stop: \"\\n\"` or `stop: [\"A:\", \"B:\"]`";
    } else if (name != "optimizer" && value.kind == ConfigValue::Word &&
               !(name == "batch" && value.word == "all"))
      error(field.value->span, fmt::format("'{}' is a number, not '{}'", name, value.word));
    if (name == "batch" && value.kind == ConfigValue::Call)
      tokenBatch(value, field.value->span);
    if (name == "average")
      average(value, field.value->span);
    into[name] = std::move(value);
  }
}

/// `batch: tokens(4096)` and `batch: tokens(4096, rows: 256)`.
void Elaborator::tokenBatch(const ConfigValue &value, Span span) {
  bool good = value.word == "tokens" && !value.arguments.empty() && value.arguments.size() <= 2;
  for (size_t i = 0; good && i < value.arguments.size(); ++i) {
    auto &[name, number] = value.arguments[i];
    good = name == (i ? "rows" : "") && number.kind == ConfigValue::Number && number.number >= 1 &&
           number.number <= 1e9 && number.number == std::floor(number.number);
  }
  if (!good) {
    error(span, "this is no size of a batch").help = "write `batch: 32`, `batch: all`, or for pairs `batch: "
                                                     "tokens(4096)` or `batch: tokens(4096, rows: 256)`";
    return;
  }
  if (result->data.kind != DataSpec::Pairs)
    error(span, "'tokens' makes batches of lines by their length, which only pairs have").help =
        "declare the pairs above, or write `batch: 32`";
}

/// `average: 0.999` and `average: ema(0.999, from: 1000)`.
void Elaborator::average(const ConfigValue &value, Span span) {
  const char *help = "write `average: 0.999` or `average: ema(0.999, from: 1000)`";
  auto isDecay = [](const ConfigValue &v) {
    return v.kind == ConfigValue::Number && v.number > 0 && v.number < 1;
  };
  bool good = value.kind == ConfigValue::Number ? isDecay(value)
                                                : value.kind == ConfigValue::Call && value.word == "ema" &&
                                                      !value.arguments.empty() && value.arguments.size() <= 2;
  for (size_t i = 0; good && i < value.arguments.size(); ++i) {
    auto &[name, number] = value.arguments[i];
    good = i == 0 ? name.empty() && isDecay(number)
                  : name == "from" && number.kind == ConfigValue::Number && number.number >= 0 &&
                        number.number == std::floor(number.number);
  }
  if (!good)
    error(span, "averaging keeps a share between 0 and 1 of the old average").help = help;
}

/// `validation` of train { }, which the loaders need before sizes are known.
void Elaborator::validationShare(const ast::Statement &s, Scope *scope) {
  for (const ast::Field &field : s.fields) {
    if (field.name.text != "validation" || !field.value)
      continue;
    std::optional<double> share = constantOf(*field.value, scope, "'validation'");
    bool isShare = share && *share >= 0 && *share < 1;
    bool isCount = share && *share >= 1 && *share <= 1e15 && *share == std::floor(*share);
    if (share && !isShare && !isCount)
      error(field.value->span, fmt::format("'validation' is a share from 0 to below 1, or a number of tokens (of rows "
                                           "or pairs: examples), not {}",
                                           numberText(*share)))
          .help = "write `validation: 0.1` to keep a tenth of the data apart, or `validation: 5000`";
    else if (share)
      result->data.validation = *share;
  }
}

bool Elaborator::dependsOnParameter(const Tensor *root) {
  std::set<const void *> seen;
  std::vector<const Tensor *> tensors = {root};
  std::vector<const Node *> nodes;
  auto push = [&](const Tensor *tensor) {
    if (tensor && seen.insert(tensor).second)
      tensors.push_back(tensor);
  };
  while (!tensors.empty() || !nodes.empty()) {
    if (!nodes.empty()) {
      const Node *node = nodes.back();
      nodes.pop_back();
      if (!node || !seen.insert(node).second || node->op == Op::StopGradient || node->type != Type::Float)
        continue; // integers and truth values have no gradient
      push(node->tensor);
      nodes.insert(nodes.end(), node->operands.begin(), node->operands.end());
      continue;
    }
    const Tensor *tensor = tensors.back();
    tensors.pop_back();
    if (tensor->kind == Tensor::Param)
      return true;
    if (tensor->type == Type::Float)
      nodes.push_back(tensor->body);
    push(tensor->source);
    if (tensor->kind != Tensor::Carried && tensor->kind != Tensor::Result)
      continue;
    for (const Tensor *other : tensor->of->inits)
      push(other);
    for (const Tensor *other : tensor->of->nexts)
      push(other);
  }
  return false;
}

void Elaborator::learningRate(const ast::Statement &s, Scope *scope) {
  const ast::Expr *optimizer = nullptr;
  for (const ast::Field &field : s.fields)
    if (field.name.text == "optimizer")
      optimizer = field.value.get();
  if (!optimizer) {
    error(s.span, "train { } has no optimizer").help = "write `optimizer: adamw(lr: 1e-3)`";
    return;
  }
  const ConfigValue &config = result->train["optimizer"];
  static const std::map<std::string, std::set<std::string>> known = {
      {"adamw", {"lr", "betas", "eps", "decay", "decay_min_rank"}},
      {"sgd", {"lr", "momentum", "decay", "decay_min_rank"}}};
  auto found = known.find(config.word);
  if (config.kind != ConfigValue::Call || found == known.end()) {
    error(optimizer->span, config.word.empty() ? "this is no optimizer"
                                               : fmt::format("unknown optimizer '{}'", config.word))
        .help = "it is adamw(lr: 1e-3, ...) or sgd(0.1, ...)";
    return;
  }
  const ast::Expr *rate = nullptr;
  for (const ast::Argument &argument : optimizer->arguments) {
    std::string name = argument.names.empty() ? "lr" : argument.names[0].text;
    if (name == "lr" && !rate)
      rate = argument.value.get();
    else if (!found->second.count(name) || argument.names.empty())
      error(argument.span,
            argument.names.empty()
                ? fmt::format("'{}' takes one value without a name, the learning rate", config.word)
                : fmt::format("'{}' has no setting '{}'", config.word, name))
          .help = config.word == "sgd" ? "its settings are lr, momentum, decay, decay_min_rank"
                                       : "its settings are lr, betas, eps, decay, decay_min_rank";
  }
  for (auto &[name, value] : config.arguments) {
    if (!found->second.count(name))
      continue; // which is reported
    if (name == "betas") {
      bool pair = value.kind == ConfigValue::List && value.arguments.size() == 2;
      for (auto &element : value.arguments)
        pair &= element.second.kind == ConfigValue::Number && element.second.number >= 0 &&
                element.second.number < 1;
      if (!pair)
        error(value.span, "betas are two numbers from 0 to below 1: `betas: (0.9, 0.99)`");
    } else if (!name.empty() && name != "lr" && value.kind != ConfigValue::Number) {
      error(value.span, fmt::format("'{}' is a number", name));
    } else if (!name.empty() && value.kind == ConfigValue::Number) {
      checkRange(name, value, false);
    }
  }
  if (!rate) {
    error(optimizer->span, "the optimizer has no learning rate").help =
        fmt::format("write `{}(lr: 1e-3)`", config.word);
    return;
  }
  Value value = evaluate(*rate, scope);
  if (!value.ok())
    return;
  if (value.kind != Value::Tensor || !value.axes.empty() || value.node->type == Type::Bool) {
    error(rate->span, fmt::format("the learning rate is one number, this is {}", describe(value)));
    return;
  }
  if (value.node->usesData || value.node->hasBatchMean) {
    error(rate->span, "the learning rate depends on `step` only, not on the data");
    return;
  }
  if (value.node->type == Type::Int && value.node->op != Op::Const)
    value.node = graph->op(Op::ToFloat, Type::Float, {value.node}, value.span);
  value.node = graph->convert(value.node, Type::Float);
  result->learningRate = tensorOf(value, "lr", scope, rate->span);
}

} // namespace gptc::typed
