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

/// The help with the default, where there is one that it does not speak of itself.
static std::string withDefault(llvm::StringRef help, llvm::StringRef value) {
  bool said = value.empty() || help.contains("default");
  return help.str() + (said ? "" : " (default " + value.str() + ")");
}

void Arguments::option(const char *name, const char *value, const char *help, std::string &target) {
  options.push_back({name, value, withDefault(help, target), [&target](llvm::StringRef text) {
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
  std::string text = withDefault(help, std::to_string(target));
  options.push_back({name, value, text, [&target, least, most](llvm::StringRef text) {
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
  std::string said = withDefault(help, fmt::format("{}", target));
  options.push_back({name, value, said, [&target, least, most](llvm::StringRef text) -> std::string {
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
  std::string said = withDefault(help, target);
  options.push_back({name, value, said, [&target, words, value](llvm::StringRef text) -> std::string {
                       if (!llvm::is_contained(words, text.str()))
                         return "is not one of " + value;
                       target = text.str();
                       return "";
                     }});
  options.back().words = std::move(words);
}

void Arguments::checked(const char *name, const char *value, const char *help,
                        std::function<std::string(llvm::StringRef)> set) {
  options.push_back({name, value, help, std::move(set)});
  llvm::StringRef words = value; // latest|best|step-N
  if (words.contains('|') && words.lower() == words)
    for (llvm::StringRef word : llvm::split(words, '|'))
      options.back().words.push_back(word.str());
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

std::optional<Arguments> *Arguments::described = nullptr;

Arguments Arguments::describe(int (*command)(llvm::ArrayRef<const char *>)) {
  std::optional<Arguments> table;
  described = &table;
  (void)command({});
  described = nullptr;
  return table ? std::move(*table) : Arguments("", "");
}

std::optional<int> Arguments::parse(llvm::ArrayRef<const char *> words) {
  if (described) {
    *described = *this;
    return Success;
  }
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

std::string gptc::shellQuoted(llvm::StringRef text) {
  std::string result = "'";
  for (char c : text)
    result += c == '\'' ? "'\\''" : std::string(1, c);
  return result + "'";
}

std::string gptc::wrapWords(llvm::StringRef text, size_t width, size_t indent) {
  std::string wrapped;
  size_t used = 0;
  llvm::SmallVector<llvm::StringRef> words;
  llvm::SplitString(text, words, " \n");
  for (llvm::StringRef word : words) {
    if (used > 0 && used + 1 + word.size() > width) {
      wrapped += "\n" + std::string(indent, ' ');
      used = indent;
    } else if (used > 0) {
      wrapped += ' ';
      ++used;
    } else {
      used = 0;
    }
    wrapped += word;
    used += word.size();
  }
  return wrapped;
}

std::string gptc::helpRow(llvm::StringRef name, llvm::StringRef help, size_t column) {
  std::string row = "  " + name.str();
  if (row.size() + 1 >= column)
    row += "\n" + std::string(column, ' ');
  else
    row += std::string(column - row.size(), ' ');
  // The words begin behind the column already.
  std::string words = wrapWords(help, 80 - column);
  for (char c : words) {
    row += c;
    if (c == '\n')
      row += std::string(column, ' ');
  }
  return row + "\n";
}

std::string Arguments::help() const {
  std::string text = wrapWords(programName() + " " + usage, 80, 4) + "\n\n" + wrapWords(summary) + "\n\n";
  for (const Positional &positional : positionals)
    text += helpRow(positional.name, positional.help);
  for (const Option &option : options)
    text += helpRow(option.value.empty()   ? option.name
                    : option.valueOptional ? option.name + " [" + option.value + "]"
                                           : option.name + " " + option.value,
                    option.help);
  for (const List &list : lists) {
    size_t column = 0;
    for (const auto &[name, sentence] : list.rows)
      column = std::max(column, name.size() + 4);
    text += "\n" + wrapWords(list.title) + "\n";
    for (const auto &[name, sentence] : list.rows)
      text += helpRow(name, sentence, std::min<size_t>(column, 25));
  }
  text += examples.empty() ? "" : "\nFor example:\n";
  for (const std::string &command : examples)
    text += "  " + wrapWords(programName() + " " + command, 78, 6) + "\n";
  return text + "\n" + wrapWords(exitCodes) + "\n";
}
