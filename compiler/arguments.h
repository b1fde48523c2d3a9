// The command line of one command: a table of options that also writes --help,
// the manual page and the completion of shells (commands/describe.cpp).
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace gptc {

/// What every command ends with.
enum ExitCode { Success = 0, Failure = 1, Usage = 2, Interrupted = 130 };

class Arguments {
public:
  /// One row of the table, as it is described.
  struct Option {
    std::string name, value, help;                   // value is empty for a flag
    std::function<std::string(llvm::StringRef)> set; // returns what is wrong, or ""
    std::vector<std::string> words = {};             // what a choice is between
    bool given = false, valueOptional = false;
  };
  struct Positional {
    std::string name, help;
    std::string *target;
    bool required;
  };
  /// A list behind the options: names and sentences.
  struct List {
    std::string title;
    std::vector<std::pair<std::string, std::string>> rows;
  };

  /// `usage` is what follows the program's name: "train MODEL --data FILE -o RUN".
  Arguments(std::string usage, std::string summary) : usage(std::move(usage)), summary(std::move(summary)) {}

  /// Options that take a value; the target keeps its value where not given, and
  /// --help says it as the default, unless `help` speaks of one itself.
  /// Names are written as users do: "--data", "-o".
  void option(const char *name, const char *value, const char *help, std::string &target);
  void option(const char *name, const char *value, const char *help, std::vector<std::string> &target);
  /// Numbers outside of [least, most] are usage errors.
  void option(const char *name, const char *value, const char *help, int64_t &target, int64_t least,
              int64_t most);
  void option(const char *name, const char *value, const char *help, double &target, double least,
              double most);
  /// An integer that may be left out: then the target gets `otherwise`. What
  /// follows is its value only if it is an integer.
  void optional(const char *name, const char *value, const char *help, int64_t &target, int64_t otherwise,
                int64_t least, int64_t most);
  /// One of a few words.
  void choice(const char *name, const char *help, std::vector<std::string> words, std::string &target);
  /// `set` gets the value and returns what is wrong with it, or "".
  void checked(const char *name, const char *value, const char *help, std::function<std::string(llvm::StringRef)> set);
  /// An option without a value.
  void flag(const char *name, const char *help, bool &target);
  /// Arguments without a name, in order. Optional ones come last.
  void positional(const char *name, const char *help, std::string &target, bool required = true);
  /// A command line that --help shows, without the program's name: "train m.gpt --data text.txt -o run".
  void example(std::string command) { examples.push_back(std::move(command)); }
  /// Printed behind the options.
  void list(List list) { lists.push_back(std::move(list)); }

  /// Reads the words behind the command's name. A value: stop with this exit
  /// code, after --help (on standard output) or a usage error (standard error).
  std::optional<int> parse(llvm::ArrayRef<const char *> words);
  /// Reports a usage error that parse() could not see. Returns Usage.
  int usageError(const std::string &message) const;
  /// Whether an option of that name was given.
  bool given(llvm::StringRef name) const;
  /// At most 80 columns wide.
  std::string help() const;

  /// The table of a command: what it would read, without doing anything.
  static Arguments describe(int (*command)(llvm::ArrayRef<const char *>));

  std::string usage, summary;
  std::vector<Option> options;
  std::vector<Positional> positionals;
  std::vector<std::string> examples;
  std::vector<List> lists;

private:
  Option *find(llvm::StringRef name);
  std::string nearest(llvm::StringRef name) const;
  static std::optional<Arguments> *described; // where parse() puts the table, if anybody asks for it
};

constexpr const char *exitCodes =
    "Exit codes: 0 success, 1 bad input or failure, 2 wrong usage, 130 interrupted (after saving).";

/// In single quotes for a POSIX shell.
std::string shellQuoted(llvm::StringRef text);

/// The text with its words on lines of at most `width` columns, `indent` columns in front of all but the
/// first. Line ends in the text count as blanks.
std::string wrapWords(llvm::StringRef text, size_t width = 80, size_t indent = 0);
/// Two columns: names, and sentences beside them.
std::string helpRow(llvm::StringRef name, llvm::StringRef help, size_t column = 25);

/// The candidate that `name` was probably meant to be; "" where none is near.
std::string nearestName(llvm::StringRef name, llvm::ArrayRef<std::string> candidates);

/// What `gptc` is called: the name of the executable as started.
const std::string &programName();
void setProgramName(llvm::StringRef argv0);

} // namespace gptc
