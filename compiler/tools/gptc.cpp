// gptc: a model file in, a trained model that talks out.
#include "compiler/arguments.h"
#include "compiler/commands/commands.h"
#include "compiler/jit.h"
#include "compiler/payload.h"
#include "compiler/tools/out_of_memory.h"

#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

#include <csignal>

using namespace gptc;

static void printHelp(llvm::raw_ostream &out) {
  out << "usage: " << programName() << " COMMAND ...\n\n";
  for (const Command &command : commands())
    out << helpRow(command.name, command.summary, 13);
  out << "\n  " << programName() << " help COMMAND   what a command takes\n  " << programName()
      << " version        the versions and this CPU\n\nFor example:\n  " << programName()
      << " train model.gpt --data text.txt -o run\n  " << programName()
      << " generate run --prompt \"Once upon\"\n\n"
      << "Results go to standard output, messages and progress to standard error.\n"
      << wrapWords(exitCodes) << "\n";
}

/// `gptc help`, `gptc help train`, `gptc help tokenizer train`.
static int printHelpOf(llvm::ArrayRef<const char *> words) {
  llvm::ArrayRef<Command> among = commands();
  const Command *found = nullptr;
  for (const char *word : words) {
    const Command *next = findCommand(among, word);
    if (!next) {
      std::vector<std::string> names;
      for (const Command &command : among)
        names.push_back(command.name);
      std::string meant = nearestName(word, names);
      llvm::errs() << programName() << ": there is no command `" << word << "`"
                   << (meant.empty() ? "" : "; did you mean `" + meant + "`?") << "\n  usage: " << programName()
                   << " help [COMMAND]\n";
      return Usage;
    }
    found = next;
    among = found->actions;
  }
  if (found)
    return found->run({"--help"});
  printHelp(llvm::outs());
  return Success;
}

static void printVersion() {
  llvm::outs() << "gptc " GPTC_VERSION "\nLLVM " LLVM_VERSION_STRING "\nCPU " << host().cpu << ", vectors of "
               << host().vectorBits << " bits\nfeatures " << host().features << "\n";
}

static int run(llvm::ArrayRef<const char *> words) {
  // What `gptc build` made is a program of its own.
  if (findPayload())
    return runPayload(words);
  if (words.empty()) {
    printHelp(llvm::errs());
    return Usage;
  }
  llvm::StringRef first = words.front();
  if (first == "--help" || first == "-h" || first == "help")
    return printHelpOf(words.drop_front());
  if (first == "--version" || first == "version") {
    printVersion();
    return Success;
  }
  if (const Command *command = findCommand(commands(), first))
    return command->run(words.drop_front());
  std::vector<std::string> names = {"help", "version"};
  for (const Command &command : commands())
    names.push_back(command.name);
  std::string meant = nearestName(first, names);
  llvm::errs() << programName() << ": unknown command `" << first << "`"
               << (meant.empty() ? "" : "; did you mean `" + meant + "`?") << "\n\n";
  printHelp(llvm::errs());
  return Usage;
}

/// Results that could not be written are a failure, said once. A reader that
/// has gone (a closed pipe) has seen what it wanted and gets no message.
static int finish(int code) {
  llvm::outs().flush();
  if (std::error_code error = llvm::outs().error()) {
    llvm::outs().clear_error();
    if (code == Success)
      code = Failure;
    if (error != std::errc::broken_pipe)
      llvm::errs() << programName() << ": cannot write to standard output: " << error.message() << "\n";
  }
  llvm::errs().clear_error(); // nobody is left to be told
  return code;
}

int main(int argc, char **argv) {
  setProgramName(argv[0]);
  catchExhaustion();
  // A file of ours must not become "standard output" because that was closed.
  (void)llvm::sys::Process::FixupStandardFileDescriptors();
  // Errors of write() then say what is wrong, and training outlives its reader.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  return finish(run(llvm::ArrayRef<const char *>(argv + 1, argc - 1)));
}
