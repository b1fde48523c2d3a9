// The commands of gptc, one file each.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace gptc {

/// `words` is what follows the command's name; returns the exit code.
using CommandFunction = int (*)(llvm::ArrayRef<const char *> words);

struct Command {
  const char *name, *summary;
  CommandFunction run;
  llvm::ArrayRef<Command> actions = {}; // of a command that has several: `gptc tokenizer train`
};

/// All of them, in the order in which `gptc --help` lists them.
llvm::ArrayRef<Command> commands();
/// What `gptc tokenizer` does.
llvm::ArrayRef<Command> tokenizerActions();
/// Null where there is none.
const Command *findCommand(llvm::ArrayRef<Command> among, llvm::StringRef name);

int checkCommand(llvm::ArrayRef<const char *> words);
int trainCommand(llvm::ArrayRef<const char *> words);
int generateCommand(llvm::ArrayRef<const char *> words);
int evalCommand(llvm::ArrayRef<const char *> words);
int weightsCommand(llvm::ArrayRef<const char *> words);
int runCommand(llvm::ArrayRef<const char *> words);
int dumpCommand(llvm::ArrayRef<const char *> words);
int tokenizerCommand(llvm::ArrayRef<const char *> words);
int bleuCommand(llvm::ArrayRef<const char *> words);
int buildCommand(llvm::ArrayRef<const char *> words);
int libraryCommand(llvm::ArrayRef<const char *> words);
int completionCommand(llvm::ArrayRef<const char *> words);
int manCommand(llvm::ArrayRef<const char *> words);

} // namespace gptc
