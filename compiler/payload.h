// What `gptc build` appends to a copy of gptc: a model that is a program.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

#include <map>
#include <optional>
#include <string>

namespace gptc {

struct Payload {
  std::string file, source;                     // the model's name and text
  std::map<std::string, std::string> overrides; // settings
  std::string dtype = "f32";
  std::optional<llvm::json::Object> facts; // for Session::loadFacts: the tokenizer of a file beside the model
  std::string module; // its training program as emitted, as MLIR text; may be empty
};

/// The payload of this executable; null where it was built without one. Read once; ends the process with an error
/// where there has to be one and it is not there as it was built.
const Payload *findPayload();

/// Writes an executable: a copy of this one with the payload. Whole or not at all.
llvm::Error writeExecutable(llvm::StringRef path, const Payload &payload);

/// The commands of such an executable: train and generate.
int runPayload(llvm::ArrayRef<const char *> words);

} // namespace gptc
