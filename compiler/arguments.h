// The command line of one command: a table of options that also writes --help.
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
  /// `usage` is what follows the program's name: "train MODEL --data FILE -o RUN".
  Arguments(std::string usage, std::string summary) : usage(std::move(usage)), summary(std::move(summary)) {}

  /// Options that take a value; the target keeps its value where not given.
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
  /// Printed at the end of --help, as it is.
  void epilogue(std::string text) { last = std::move(text); }

  /// Reads the words behind the command's name. A value: stop with this exit
  /// code, after --help (on standard output) or a usage error (standard error).
  std::optional<int> parse(llvm::ArrayRef<const char *> words);
  /// Reports a usage error that parse() could not see. Returns Usage.
  int usageError(const std::string &message) const;
  /// Whether an option of that name was given.
  bool given(llvm::StringRef name) const;
  std::string help() const;

private:
  struct Option {
    std::string name, value, help;                   // value is empty for a flag
    std::function<std::string(llvm::StringRef)> set; // returns what is wrong, or ""
    bool given = false, valueOptional = false;
  };
  struct Positional {
    std::string name, help;
    std::string *target;
    bool required;
  };
  Option *find(llvm::StringRef name);
  std::string nearest(llvm::StringRef name) const;

  std::string usage, summary, last;
  std::vector<Option> options;
  std::vector<Positional> positionals;
};

/// The candidate that `name` was probably meant to be; "" where none is near.
std::string nearestName(llvm::StringRef name, llvm::ArrayRef<std::string> candidates);

/// What `gptc` is called: the name of the executable as started.
const std::string &programName();
void setProgramName(llvm::StringRef argv0);

} // namespace gptc
