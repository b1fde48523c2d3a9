// gptc completion, gptc man: the tables of all commands in other forms.
#include "compiler/arguments.h"
#include "compiler/commands/commands.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace gptc;

namespace {
/// A command, or one action of a command, with its table.
struct Described {
  std::string name; // "train", "tokenizer train"
  std::string summary;
  Arguments arguments;
};
} // namespace

static std::vector<Described> describeAll() {
  std::vector<Described> all;
  for (const Command &command : commands()) {
    if (command.actions.empty())
      all.push_back({command.name, command.summary, Arguments::describe(command.run)});
    for (const Command &action : command.actions)
      all.push_back({std::string(command.name) + " " + action.name, action.summary,
                     Arguments::describe(action.run)});
  }
  return all;
}

/// Names of the commands, or of a command's actions.
static std::string namesOf(llvm::ArrayRef<Command> list) {
  std::vector<std::string> names;
  for (const Command &command : list)
    names.push_back(command.name);
  return llvm::join(names, " ");
}

/// The text with a backslash before each of `special`.
static std::string escaped(llvm::StringRef text, llvm::StringRef special) {
  std::string result;
  for (char c : text) {
    if (special.contains(c))
      result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result;
}

/// The first sentence: what a line of a menu has room for.
static std::string brief(llvm::StringRef help) {
  std::string text = wrapWords(help, SIZE_MAX);
  size_t end = llvm::StringRef(text).find_first_of(";(:");
  llvm::StringRef first = llvm::StringRef(text).take_front(end).rtrim();
  return first.empty() ? text : first.str();
}

//===-- Shells ----------------------------------------------------------------------===//

static void printBash(llvm::raw_ostream &out, llvm::ArrayRef<Described> all) {
  out << "# Completion of gptc for bash: source it, or put it into\n"
         "# ~/.local/share/bash-completion/completions/gptc\n"
         "_gptc() {\n"
         "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
         "  local command=\"${COMP_WORDS[1]}\" words=\"\"\n"
         "  COMPREPLY=()\n"
         "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
         "    COMPREPLY=($(compgen -W \""
      << namesOf(commands())
      << " help version --help --version\" -- \"$current\"))\n"
         "    return\n"
         "  fi\n"
         "  case \"$command\" in\n"
         "    help) words=\""
      << namesOf(commands()) << "\" ;;\n";
  for (const Command &command : commands())
    if (!command.actions.empty())
      out << "    " << command.name << ")\n"
          << "      if [ \"$COMP_CWORD\" -eq 2 ]; then\n"
          << "        COMPREPLY=($(compgen -W \"" << namesOf(command.actions) << "\" -- \"$current\"))\n"
          << "        return\n"
          << "      fi\n"
          << "      command=\"$command ${COMP_WORDS[2]}\" ;;\n";
  // Values that are words; of all others files are tried.
  out << "  esac\n"
         "  case \"$command $previous\" in\n";
  for (const Described &one : all)
    for (const Arguments::Option &option : one.arguments.options)
      if (!option.words.empty())
        out << "    " << shellQuoted(one.name + " " + option.name) << ") words=\"" << llvm::join(option.words, " ")
            << "\" ;;\n";
  out << "  esac\n"
         "  if [ -z \"$words\" ] && [[ \"$current\" == -* ]]; then\n"
         "    case \"$command\" in\n";
  for (const Described &one : all) {
    out << "      " << shellQuoted(one.name) << ") words=\"--help";
    for (const Arguments::Option &option : one.arguments.options)
      out << " " << option.name;
    out << "\" ;;\n";
  }
  out << "    esac\n"
         "  fi\n"
         "  [ -n \"$words\" ] && COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -o bashdefault -o default -F _gptc gptc\n";
}

static void printZsh(llvm::raw_ostream &out, llvm::ArrayRef<Described> all) {
  out << "#compdef gptc\n"
         "# Completion of gptc for zsh: a file called _gptc in a directory of $fpath.\n"
         "_gptc() {\n"
         "  local -a names\n"
         "  local command=\"$words[2]\"\n"
         "  if (( CURRENT == 2 )); then\n"
         "    names=(\n";
  for (const Command &command : commands())
    out << "      " << shellQuoted(std::string(command.name) + ":" + escaped(command.summary, ":")) << "\n";
  out << "    )\n"
         "    _describe command names\n"
         "    return\n"
         "  fi\n"
         "  shift words; (( CURRENT-- ))\n";
  for (const Command &command : commands())
    if (!command.actions.empty()) {
      out << "  if [[ $command == " << command.name << " ]]; then\n"
          << "    if (( CURRENT == 2 )); then\n"
          << "      names=(\n";
      for (const Command &action : command.actions)
        out << "        " << shellQuoted(std::string(action.name) + ":" + escaped(action.summary, ":")) << "\n";
      out << "      )\n"
             "      _describe action names\n"
             "      return\n"
             "    fi\n"
             "    command=\"$command $words[2]\"\n"
             "    shift words; (( CURRENT-- ))\n"
             "  fi\n";
    }
  out << "  case \"$command\" in\n";
  for (const Described &one : all) {
    out << "    " << shellQuoted(one.name) << ")\n      _arguments";
    for (const Arguments::Option &option : one.arguments.options) {
      std::string spec = "*" + option.name + "[" + escaped(brief(option.help), "[]:\\") + "]";
      if (!option.value.empty())
        spec += std::string(option.valueOptional ? "::" : ":") + escaped(option.value, ":\\") + ":" +
                (option.words.empty() ? "_files" : "(" + llvm::join(option.words, " ") + ")");
      out << " \\\n        " << shellQuoted(spec);
    }
    out << " \\\n        '*:file:_files'\n      ;;\n";
  }
  out << "  esac\n"
         "}\n"
         "_gptc \"$@\"\n";
}

static void printFish(llvm::raw_ostream &out, llvm::ArrayRef<Described> all) {
  auto text = [](llvm::StringRef words) { return "'" + escaped(words, "'\\") + "'"; };
  out << "# Completion of gptc for fish: ~/.config/fish/completions/gptc.fish\n"
         "complete -c gptc -n __fish_use_subcommand -f\n";
  for (const Command &command : commands()) {
    out << "complete -c gptc -n __fish_use_subcommand -a " << command.name << " -d " << text(command.summary)
        << "\n";
    std::string names = namesOf(command.actions);
    for (const Command &action : command.actions)
      out << "complete -c gptc -n '__fish_seen_subcommand_from " << command.name
          << "; and not __fish_seen_subcommand_from " << names << "' -f -a " << action.name << " -d "
          << text(action.summary) << "\n";
  }
  for (const Described &one : all) {
    auto [command, action] = llvm::StringRef(one.name).split(' ');
    std::string when = "__fish_seen_subcommand_from " + command.str() +
                       (action.empty() ? "" : "; and __fish_seen_subcommand_from " + action.str());
    // `tokenizer train` is not `train`.
    if (action.empty())
      for (const Command &other : commands())
        if (findCommand(other.actions, command))
          when += "; and not __fish_seen_subcommand_from " + std::string(other.name);
    for (const Arguments::Option &option : one.arguments.options) {
      llvm::StringRef name = option.name;
      bool isLong = name.consume_front("--");
      name.consume_front("-");
      out << "complete -c gptc -n " << text(when) << (isLong ? " -l " : " -s ") << name;
      if (!option.words.empty())
        out << " -x -a " << text(llvm::join(option.words, " "));
      else if (!option.value.empty() && !option.valueOptional)
        out << " -r";
      out << " -d " << text(brief(option.help)) << "\n";
    }
  }
}

int gptc::completionCommand(llvm::ArrayRef<const char *> words) {
  std::string shell;
  Arguments arguments("completion bash|zsh|fish",
                      "Prints a script that makes a shell complete gptc's commands, options and their values.");
  arguments.positional("SHELL", "bash, zsh or fish", shell);
  arguments.example("completion bash > ~/.local/share/bash-completion/completions/gptc");
  if (std::optional<int> code = arguments.parse(words))
    return *code;
  if (shell != "bash" && shell != "zsh" && shell != "fish")
    return arguments.usageError("there is completion for bash, zsh and fish, not for `" + shell + "`");
  std::vector<Described> all = describeAll();
  (shell == "bash" ? printBash : shell == "zsh" ? printZsh : printFish)(llvm::outs(), all);
  return Success;
}

//===-- The manual page -------------------------------------------------------------===//

/// Text for troff: no line begins with a dot, backslashes and minus signs are themselves.
static std::string troff(llvm::StringRef text) {
  std::string result;
  for (char c : wrapWords(text, SIZE_MAX))
    result += c == '\\' ? "\\e" : c == '-' ? "\\-" : std::string(1, c);
  return (llvm::StringRef(result).starts_with(".") || llvm::StringRef(result).starts_with("'") ? "\\&" : "") +
         result;
}

static void printTable(llvm::raw_ostream &out, const Described &one) {
  const Arguments &table = one.arguments;
  out << ".SS gptc " << troff(one.name) << "\n.B gptc " << troff(table.usage) << "\n.PP\n"
      << troff(table.summary) << "\n";
  auto row = [&](const std::string &name, llvm::StringRef help) {
    out << ".TP\n.B " << troff(name) << "\n" << troff(help) << "\n";
  };
  for (const Arguments::Positional &positional : table.positionals)
    row(positional.name, positional.help);
  for (const Arguments::Option &option : table.options)
    row(option.name + (option.value.empty()   ? ""
                       : option.valueOptional ? " [" + option.value + "]"
                                              : " " + option.value),
        option.help);
  for (const Arguments::List &list : table.lists) {
    out << ".PP\n" << troff(list.title) << "\n";
    for (const auto &[name, sentence] : list.rows)
      row(name, sentence);
  }
  if (!table.examples.empty())
    out << ".PP\nFor example:\n.PP\n.nf\n";
  for (const std::string &command : table.examples)
    out << "    gptc " << troff(command) << "\n";
  if (!table.examples.empty())
    out << ".fi\n";
}

int gptc::manCommand(llvm::ArrayRef<const char *> words) {
  Arguments arguments("man", "Prints the manual page of gptc and all of its commands, as `man` reads it.");
  arguments.example("man > gptc.1 && man ./gptc.1");
  if (std::optional<int> code = arguments.parse(words))
    return *code;
  llvm::raw_ostream &out = llvm::outs();
  out << ".TH GPTC 1 \"\" \"gptc " GPTC_VERSION "\" \"User Commands\"\n"
         ".SH NAME\ngptc \\- a model written down as mathematics in, a trained model out\n"
         ".SH SYNOPSIS\n.B gptc\n.I COMMAND\n[\\fIoptions\\fR]\n"
         ".SH DESCRIPTION\n"
      << troff("gptc takes a model that is written down as mathematics in a small text file, compiles its "
               "training step to machine code for this CPU, and trains it. Results go to standard output, "
               "messages and progress to standard error.")
      << "\n";
  for (const Command &command : commands())
    out << ".TP\n.B " << command.name << "\n" << troff(command.summary) << "\n";
  out << ".SH COMMANDS\n";
  for (const Described &one : describeAll())
    printTable(out, one);
  out << ".SH EXIT STATUS\n" << troff(llvm::StringRef(exitCodes).substr(12)) << "\n"
      << ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nno colours\n.TP\n.B CI\nno bar, but lines of progress\n";
  return Success;
}
