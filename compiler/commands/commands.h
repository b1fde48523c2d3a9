// The commands of gptc, one file each.
#pragma once

#include "llvm/ADT/ArrayRef.h"

namespace gptc {

/// `words` is what follows the command's name; returns the exit code.
using CommandFunction = int (*)(llvm::ArrayRef<const char *> words);

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

} // namespace gptc
