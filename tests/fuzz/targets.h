// What is fuzzed: each function takes any bytes and must come back, without a crash and without an internal error.
#pragma once

#include "llvm/ADT/StringRef.h"

namespace gptc::fuzz {

/// A model file, checked, emitted and compiled up to the stage `place`.
void model(llvm::StringRef bytes);
/// A file of weights.
void safetensors(llvm::StringRef bytes);
/// A tokenizer.json; what it encodes decodes to the same text.
void tokenizer(llvm::StringRef bytes);
/// A table of rows.
void csv(llvm::StringRef bytes);
/// A run's directory: the bytes are files, each behind a line `--- NAME`.
void rundir(llvm::StringRef bytes);
/// The words of a command line, one a line, in a directory with a small model, text, table and run.
void commands(llvm::StringRef bytes);

/// Ends the process as a crash does, where what must be so is not.
void require(bool holds, const char *what);

struct Target {
  const char *name;
  void (*run)(llvm::StringRef bytes);
};
inline constexpr Target targets[] = {{"model", model}, {"safetensors", safetensors}, {"tokenizer", tokenizer},
                                     {"csv", csv},     {"rundir", rundir},           {"commands", commands}};

} // namespace gptc::fuzz
