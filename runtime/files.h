// Files that are whole or not there.
#pragma once

#include "runtime/error.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <string>
#include <vector>

namespace gptc::runtime {

/// The bytes of a file of known size, or of a pipe up to 1 GiB; "-" is standard input. They are read, not mapped: what
/// another process does to the file later cannot reach us, and a file that becomes shorter meanwhile is an error. What
/// came from a pipe is kept, so that it can be read again. Devices, which have no end, are errors.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> readFile(llvm::StringRef path);

/// Whether another process can read the same there later: not from a pipe, a terminal or standard input.
bool isLasting(llvm::StringRef path);

/// Whether an error says that there is no such file; any other error of reading does not mean that.
bool isMissing(const llvm::Error &error);
/// Whether an error came from the system (systemFailure), not from what a file holds.
bool isOfSystem(const llvm::Error &error);

enum class FileKind { Missing, Regular, Directory, Other };
/// What a path leads to. An error where that cannot be known (no permission).
llvm::Expected<FileKind> kindOf(llvm::StringRef path);
/// The names in a directory, sorted, without "." and "..".
llvm::Expected<std::vector<std::string>> listDirectory(llvm::StringRef path);

/// ".tmp-" and 64 random bits: nobody can put something in its place beforehand.
std::string temporaryName();
bool isTemporaryName(llvm::StringRef name);

/// Parses a JSON object; `source` names it in errors. Nesting is limited, so
/// that a hostile file cannot exhaust the stack, and no name may occur twice. A
/// byte order mark is left out.
llvm::Expected<llvm::json::Object> parseJsonObject(llvm::StringRef text, llvm::StringRef source);
llvm::Expected<llvm::json::Object> readJsonFile(llvm::StringRef path);

/// A file under a temporary name in the same directory until commit(), which
/// syncs it, renames it and syncs the directory. Whatever fails before that,
/// the old file is as it was and the temporary one is removed. A symbolic link
/// stays one, unless somebody else has put it into a directory that all share;
/// what is no regular file (a pipe, /dev/null) is written in place.
class AtomicFile {
public:
  /// `mode`: permissions of a new file, as the umask restricts them. A file that is replaced keeps its own, with the
  /// right to run it added where `mode` has it.
  static llvm::Expected<AtomicFile> create(llvm::StringRef path, unsigned mode = 0666);
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

/// Creates the directory and those above it, as the umask allows. `made` gets those that were not there before,
/// outermost first.
llvm::Error makeDirectories(llvm::StringRef path, std::vector<std::string> *made = nullptr);
/// A new directory in `parent` with a name of temporaryName(). Returns its path.
llvm::Expected<std::string> makeTemporaryDirectory(llvm::StringRef parent);
/// Makes renames and removals inside a directory lasting.
llvm::Error syncDirectory(llvm::StringRef path);
/// An error unless files can be created in this directory.
llvm::Error checkWritable(llvm::StringRef directory);

} // namespace gptc::runtime
