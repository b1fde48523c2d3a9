// The list of commands.
#include "compiler/commands/commands.h"

using namespace gptc;

llvm::ArrayRef<Command> gptc::commands() {
  static const Command table[] = {
      {"check", "reads and checks a model; prints its parameters and memory", checkCommand},
      {"train", "trains a model on a text or a table", trainCommand},
      {"generate", "continues a text with a trained model, or translates lines", generateCommand},
      {"eval", "the loss of a trained model on other data", evalCommand},
      {"run", "the outputs of a model for given inputs", runCommand},
      {"weights", "the parameters of a trained model, and which of their rows are alike", weightsCommand},
      {"dump", "the IR at a named stage of compiling", dumpCommand},
      {"tokenizer", "learns a vocabulary, turns text into tokens and back", tokenizerCommand,
       tokenizerActions()},
      {"bleu", "how near translations are to references", bleuCommand},
      {"build", "makes one executable from a model", buildCommand},
      {"library", "prints the standard library's files, to read and to copy", libraryCommand},
      {"completion", "prints what makes a shell complete these commands", completionCommand},
      {"man", "prints the manual page", manCommand},
  };
  return table;
}

const Command *gptc::findCommand(llvm::ArrayRef<Command> among, llvm::StringRef name) {
  for (const Command &command : among)
    if (name == command.name)
      return &command;
  return nullptr;
}
