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

namespace {
struct Command {
  const char *name, *summary;
  CommandFunction run;
};
} // namespace

static constexpr Command commands[] = {
    {"check", "parse and type-check a model", checkCommand},
    {"train", "train a model on a text or a table", trainCommand},
    {"generate", "continue a text with a trained model", generateCommand},
    {"eval", "the loss of a trained model on other data", evalCommand},
    {"run", "the outputs of a model for given inputs", runCommand},
    {"weights", "the parameters of a trained model, and which of their rows are alike", weightsCommand},
    {"dump", "the IR at a named stage of compiling", dumpCommand},
    {"tokenizer", "learn a vocabulary, and turn text into tokens and back", tokenizerCommand},
    {"bleu", "how near translations are to references", bleuCommand},
    {"build", "one executable from a model", buildCommand},
    {"library", "the standard library's files, to read and to copy", libraryCommand},
};

static void printHelp(llvm::raw_ostream &out) {
  out << "usage: " << programName() << " COMMAND ...\n\n";
  for (const Command &command : commands)
    out << llvm::formatv("  {0,-10} {1}\n", command.name, command.summary);
  out << "\n  " << programName() << " COMMAND --help   says what a command takes\n  " << programName()
      << " --version        the versions and this CPU\n\n"
      << "Results go to standard output, messages and progress to standard error.\n"
      << "Exit codes: 0 success, 1 bad input or failure, 2 wrong usage, 130 interrupted (after saving).\n";
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
  if (first == "--help" || first == "-h" || first == "help") {
    printHelp(llvm::outs());
    return Success;
  }
  if (first == "--version") {
    printVersion();
    return Success;
  }
  std::vector<std::string> names;
  for (const Command &command : commands) {
    if (first == command.name)
      return command.run(words.drop_front());
    names.push_back(command.name);
  }
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
