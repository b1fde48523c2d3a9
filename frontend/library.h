// The files of frontend/library, held by the program itself.
#pragma once

#include <string_view>

namespace gptc {

struct LibraryFile {
  std::string_view name; // "standard.gpt"
  std::string_view text;
  bool implicit; // part of every model without `use`
};

/// All of them, in order of their names.
const LibraryFile *libraryBegin();
const LibraryFile *libraryEnd();

} // namespace gptc
