#include "compiler/arguments.h"

#include "frontend/source.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <fmt/format.h>

#include <cmath>

using namespace gptc;

static std::string name = "gptc";
const std::string &gptc::programName() {
  return name;
}
void gptc::setProgramName(llvm::StringRef argv0) {
  if (!argv0.empty())
    name = llvm::sys::path::filename(argv0).str();
}

std::string gptc::nearestName(llvm::StringRef name, llvm::ArrayRef<std::string> candidates) {
  std::string best;
  unsigned bestDistance = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string &candidate : candidates) {
    unsigned distance = name.edit_distance(candidate);
    if (distance < bestDistance) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best;
}

void Arguments::option(const char *name, const char *value, const char *help, std::string &target) {
  options.push_back({name, value, help, [&target](llvm::StringRef text) {
                       target = text.str();
                       return std::string();
                     }});
}

void Arguments::option(const char *name, const char *value, const char *help,
                       std::vector<std::string> &target) {
  options.push_back({name, value, help, [&target](llvm::StringRef text) {
                       target.push_back(text.str());
                       return std::string();
                     }});
}

static std::string readInteger(llvm::StringRef text, int64_t &target, int64_t least, int64_t most) {
  int64_t number = 0;
  if (text.getAsInteger(10, number))
    return "is not an integer";
  if (number < least || number > most)
    return most == INT64_MAX ? fmt::format("is not {} or more", least)
                             : fmt::format("is not between {} and {}", least, most);
  target = number;
  return "";
}

void Arguments::option(const char *name, const char *value, const char *help, int64_t &target, int64_t least,
                       int64_t most) {
  options.push_back({name, value, help, [&target, least, most](llvm::StringRef text) {
                       return readInteger(text, target, least, most);
                     }});
}

void Arguments::optional(const char *name, const char *value, const char *help, int64_t &target,
                         int64_t otherwise, int64_t least, int64_t most) {
  options.push_back({name, value, help, [=, &target](llvm::StringRef text) {
                       if (!text.empty())
                         return readInteger(text, target, least, most);
                       target = otherwise;
                       return std::string();
                     }});
  options.back().valueOptional = true;
}

void Arguments::option(const char *name, const char *value, const char *help, double &target, double least,
                       double most) {
  options.push_back({name, value, help, [&target, least, most](llvm::StringRef text) -> std::string {
                       double number = 0;
                       if (!llvm::to_float(text, number) || std::isnan(number))
                         return "is not a number";
                       if (number < least || number > most)
                         return fmt::format("is not between {} and {}", least, most);
                       target = number;
                       return "";
                     }});
}

void Arguments::choice(const char *name, const char *help, std::vector<std::string> words,
                       std::string &target) {
  std::string value = llvm::join(words, "|");
  options.push_back({name, value, help, [&target, words, value](llvm::StringRef text) -> std::string {
                       if (!llvm::is_contained(words, text.str()))
                         return "is not one of " + value;
                       target = text.str();
                       return "";
                     }});
}

void Arguments::checked(const char *name, const char *value, const char *help,
                        std::function<std::string(llvm::StringRef)> set) {
  options.push_back({name, value, help, std::move(set)});
}

void Arguments::flag(const char *name, const char *help, bool &target) {
  options.push_back({name, "", help, [&target](llvm::StringRef) {
                       target = true;
                       return std::string();
                     }});
}

void Arguments::positional(const char *name, const char *help, std::string &target, bool required) {
  positionals.push_back({name, help, &target, required});
}

Arguments::Option *Arguments::find(llvm::StringRef name) {
  for (Option &option : options)
    if (name == option.name)
      return &option;
  return nullptr;
}

bool Arguments::given(llvm::StringRef name) const {
  for (const Option &option : options)
    if (name == option.name)
      return option.given;
  return false;
}

std::string Arguments::nearest(llvm::StringRef name) const {
  std::vector<std::string> names = {"--help"};
  for (const Option &option : options)
    names.push_back(option.name);
  return nearestName(name, names);
}

int Arguments::usageError(const std::string &message) const {
  llvm::errs() << programName() << ": " << readable(message) << "\n  usage: " << programName() << " " << usage
               << "\n  more: " << programName() << " " << llvm::StringRef(usage).split(' ').first
               << " --help\n";
  return Usage;
}

std::optional<int> Arguments::parse(llvm::ArrayRef<const char *> words) {
  size_t nextPositional = 0;
  bool onlyPositionals = false;
  for (size_t i = 0; i < words.size(); ++i) {
    llvm::StringRef word = words[i];
    if (onlyPositionals || word == "-" || !word.starts_with("-")) {
      if (nextPositional == positionals.size())
        return usageError(llvm::formatv("`{0}` is one argument too many", word));
      *positionals[nextPositional++].target = word.str();
      continue;
    }
    if (word == "--") {
      onlyPositionals = true;
      continue;
    }
    if (word == "--help" || word == "-h") {
      llvm::outs() << help();
      return Success;
    }
    auto [name, inlined] = word.split('=');
    bool hasInlined = name.size() != word.size();
    Option *option = find(name);
    if (!option) {
      std::string meant = nearest(name);
      return usageError(llvm::formatv("unknown option `{0}`{1}", name,
                                      meant.empty() ? "" : "; did you mean `" + meant + "`?"));
    }
    if (option->value.empty() && hasInlined)
      return usageError(llvm::formatv("`{0}` takes no value", name));
    llvm::StringRef value = inlined;
    if (option->valueOptional && !hasInlined) {
      int64_t number;
      if (i + 1 < words.size() && !llvm::StringRef(words[i + 1]).getAsInteger(10, number))
        value = words[++i];
    } else if (!option->value.empty() && !hasInlined) {
      if (i + 1 == words.size())
        return usageError(llvm::formatv("`{0}` needs a value: {0} {1}", name, option->value));
      value = words[++i];
    }
    option->given = true;
    std::string wrong = option->set(value);
    if (!wrong.empty())
      return usageError(llvm::formatv("`{0} {1}`: `{1}` {2}", name, value, wrong));
  }
  if (nextPositional < positionals.size() && positionals[nextPositional].required)
    return usageError(llvm::formatv("{0} is missing: {1}", positionals[nextPositional].name,
                                    positionals[nextPositional].help));
  return std::nullopt;
}

std::string Arguments::help() const {
  std::string text = programName() + " " + usage + "\n\n" + summary + "\n\n";
  for (const Positional &positional : positionals)
    text += llvm::formatv("  {0,-22} {1}\n", positional.name, positional.help).str();
  for (const Option &option : options) {
    std::string left = option.value.empty()   ? option.name
                       : option.valueOptional ? option.name + " [" + option.value + "]"
                                              : option.name + " " + option.value;
    text +=
        llvm::formatv(left.size() > 22 ? "  {0}\n  {2,-22} {1}\n" : "  {0,-22} {1}\n", left, option.help, "")
            .str();
  }
  if (!last.empty())
    text += "\n" + last;
  text += "\nExit codes: 0 success, 1 bad input or failure, 2 wrong usage, 130 interrupted (after saving).\n";
  return text;
}
