// Files that are whole or not there.
#pragma once

#include "runtime/error.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <string>

namespace gptc::runtime {

/// The file's bytes; "-" is standard input. A regular file is read to the size that it has; a pipe (or a terminal, or a
/// file without a size, as in /proc) to its end, at most `mostStreamed` bytes. What came from a pipe is kept, so that it
/// can be read again. Directories, and devices that have no end, are errors.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> readFile(llvm::StringRef path);
constexpr int64_t mostStreamed = int64_t(1) << 30;

/// The bytes of a regular file, memory-mapped where it is large.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> mapFile(llvm::StringRef path);

/// Whether this is a file that can be opened again later: not a pipe, not a terminal.
bool isLasting(llvm::StringRef path);

/// Parses a JSON object; `source` names it in errors. Nesting is limited, so
/// that a hostile file cannot exhaust the stack, and no name may occur twice.
llvm::Expected<llvm::json::Object> parseJsonObject(llvm::StringRef text, llvm::StringRef source);
llvm::Expected<llvm::json::Object> readJsonFile(llvm::StringRef path);

/// A file under a temporary name in the same directory until commit(), which
/// syncs it, renames it and syncs the directory. Whatever fails before that,
/// the old file is as it was and the temporary one is removed. A symbolic link
/// stays one; what is no regular file (a pipe, /dev/null) is written in place.
class AtomicFile {
public:
  static llvm::Expected<AtomicFile> create(llvm::StringRef path);
  AtomicFile(AtomicFile &&other) noexcept;
  AtomicFile &operator=(AtomicFile &&) = delete;
  ~AtomicFile();

  llvm::Error write(const void *data, size_t bytes);
  llvm::Error commit();

private:
  AtomicFile() = default;
  std::string path, target, temporary; // target: where path leads; no temporary: in place
  int descriptor = -1;
};

llvm::Error atomicWriteFile(llvm::StringRef path, llvm::StringRef contents);

/// Creates the directory and those above it.
llvm::Error makeDirectories(llvm::StringRef path);
/// Makes renames and removals inside a directory lasting.
llvm::Error syncDirectory(llvm::StringRef path);
/// An error unless files can be created in this directory.
llvm::Error checkWritable(llvm::StringRef directory);

} // namespace gptc::runtime
