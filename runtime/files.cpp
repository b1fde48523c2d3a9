#include "runtime/files.h"

#include "runtime/utf8.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

static constexpr int deepestJson = 32;

Expected<std::unique_ptr<llvm::MemoryBuffer>> readFile(StringRef path) {
  // Opening a directory works and reading it fails with less to say.
  if (llvm::sys::fs::is_directory(path))
    return failure("cannot read '{}': it is a directory", path);
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return failure("cannot read '{}': {}", path, buffer.getError().message());
  return std::move(*buffer);
}

Expected<llvm::json::Object> parseJsonObject(StringRef bytes, StringRef source) {
  Expected<StringRef> plain = plainText(bytes, source);
  if (!plain)
    return plain.takeError();
  StringRef text = *plain;
  int depth = 0;
  bool quoted = false;
  size_t stringBegin = 0;
  StringRef last; // string; a name, if a colon follows
  llvm::StringSet<> names;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quoted) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        quoted = false;
        last = text.slice(stringBegin, i);
      }
    } else if (c == '"') {
      quoted = true;
      stringBegin = i + 1;
    } else if (c == ':' && depth == 1) {
      if (!names.insert(last).second)
        return failure("{}: the name '{}' occurs twice", source, last);
    } else if (c == '{' || c == '[') {
      if (++depth > deepestJson)
        return failure("{}: JSON nested deeper than {} levels", source, deepestJson);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  Expected<llvm::json::Value> value = llvm::json::parse(text);
  if (!value)
    return failure("{}: {}", source, llvm::toString(value.takeError()));
  llvm::json::Object *object = value->getAsObject();
  if (!object)
    return failure("{}: not a JSON object", source);
  if (object->size() != names.size()) // two that differ only in how they are escaped
    return failure("{}: a name occurs twice", source);
  return std::move(*object);
}

Expected<llvm::json::Object> readJsonFile(StringRef path) {
  auto buffer = readFile(path);
  if (!buffer)
    return buffer.takeError();
  return parseJsonObject((*buffer)->getBuffer(), path);
}

Expected<AtomicFile> AtomicFile::create(StringRef path) {
  AtomicFile file;
  file.path = file.target = path.str();
  llvm::SmallString<256> real;
  if (!llvm::sys::fs::real_path(path, real))
    file.target = real.str().str();
  struct stat info;
  if (stat(file.target.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    file.descriptor = open(file.target.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    llvm::SmallString<256> name(llvm::sys::path::parent_path(file.target));
    llvm::sys::path::append(name,
                            fmt::format(".{}.tmp-{}", llvm::sys::path::filename(file.target), getpid()));
    file.temporary = name.str().str();
    file.descriptor = open(file.temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  }
  if (file.descriptor < 0)
    return failure("cannot write '{}': {}", path, std::strerror(errno));
  return file;
}

AtomicFile::AtomicFile(AtomicFile &&other) noexcept
    : path(std::move(other.path)), target(std::move(other.target)), temporary(std::move(other.temporary)),
      descriptor(other.descriptor) {
  other.descriptor = -1;
  other.temporary.clear();
}

AtomicFile::~AtomicFile() {
  if (descriptor >= 0)
    close(descriptor);
  if (!temporary.empty())
    unlink(temporary.c_str());
}

Error AtomicFile::write(const void *data, size_t bytes) {
  const char *next = static_cast<const char *>(data);
  while (bytes > 0) {
    ssize_t written = ::write(descriptor, next, std::min(bytes, size_t(1) << 30));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return failure("cannot write '{}': {}", path, std::strerror(written < 0 ? errno : ENOSPC));
    next += written;
    bytes -= size_t(written);
  }
  return Error::success();
}

Error AtomicFile::commit() {
  if (fsync(descriptor) != 0 && !(temporary.empty() && errno == EINVAL)) // pipes cannot be synced
    return failure("cannot write '{}': {}", path, std::strerror(errno));
  int open = descriptor;
  descriptor = -1;
  if (close(open) != 0)
    return failure("cannot write '{}': {}", path, std::strerror(errno));
  if (temporary.empty())
    return Error::success();
  if (rename(temporary.c_str(), target.c_str()) != 0)
    return failure("cannot replace '{}': {}", path, std::strerror(errno));
  temporary.clear();
  return syncDirectory(llvm::sys::path::parent_path(target));
}

Error atomicWriteFile(StringRef path, StringRef contents) {
  Expected<AtomicFile> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  if (Error error = file->write(contents.data(), contents.size()))
    return error;
  return file->commit();
}

Error makeDirectories(StringRef path) {
  if (std::error_code code = llvm::sys::fs::create_directories(path))
    return failure("cannot create the directory '{}': {}", path, code.message());
  if (!llvm::sys::fs::is_directory(path))
    return failure("cannot create the directory '{}': a file has this name", path);
  return Error::success();
}

Error syncDirectory(StringRef path) {
  std::string name = path.empty() ? "." : path.str();
  int descriptor = open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0)
    return failure("cannot open the directory '{}': {}", name, std::strerror(errno));
  int result = fsync(descriptor);
  int code = errno;
  close(descriptor);
  // Some file systems cannot sync a directory; that is no failure of ours.
  if (result != 0 && code != EINVAL && code != EROFS)
    return failure("cannot sync the directory '{}': {}", name, std::strerror(code));
  return Error::success();
}

Error checkWritable(StringRef directory) {
  std::string probe = fmt::format("{}/.probe-{}", directory, getpid());
  int descriptor = open(probe.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0)
    return failure("cannot write to the directory '{}': {}", directory, std::strerror(errno));
  close(descriptor);
  unlink(probe.c_str());
  return Error::success();
}

} // namespace gptc::runtime
