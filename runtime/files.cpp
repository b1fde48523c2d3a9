#include "runtime/files.h"
#include "runtime/utf8.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

static constexpr int deepestJson = 32;

namespace {
/// An open file, closed with it.
class OpenFile {
public:
  OpenFile(const OpenFile &) = delete;
  explicit OpenFile(StringRef path) : name(path.str()) {
    descriptor = path == "-" ? STDIN_FILENO : open(name.c_str(), O_RDONLY | O_CLOEXEC);
  }
  ~OpenFile() {
    if (descriptor > STDIN_FILENO)
      close(descriptor);
  }

  /// An error for what cannot be read.
  Error look() {
    if (descriptor < 0 || fstat(descriptor, &info) != 0)
      return cannot(std::strerror(errno));
    if (S_ISDIR(info.st_mode)) // opening one works, and reading it fails with less to say
      return cannot("it is a directory");
    bool nothing = S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3); // /dev/null
    if (S_ISBLK(info.st_mode) || (S_ISCHR(info.st_mode) && !nothing && !isatty(descriptor)))
      return cannot("it is a device; files and pipes can be read");
    return Error::success();
  }
  bool hasSize() const { return S_ISREG(info.st_mode) && info.st_size > 0; }
  Error cannot(StringRef why) const { return failure("cannot read '{}': {}", name, why); }

  /// Up to so many bytes; less only at the end.
  Expected<size_t> read(char *to, size_t bytes) {
    size_t done = 0;
    while (done < bytes) {
      ssize_t count = ::read(descriptor, to + done, std::min(bytes - done, size_t(1) << 30));
      if (count < 0 && errno == EINTR)
        continue;
      if (count < 0)
        return cannot(std::strerror(errno));
      if (count == 0)
        break;
      done += size_t(count);
    }
    return done;
  }

  struct stat info = {};

private:
  std::string name;
  int descriptor;
};
} // namespace

using Contents = Expected<std::unique_ptr<llvm::MemoryBuffer>>;

static Contents readWhole(OpenFile &file, StringRef path) {
  size_t size = size_t(file.info.st_size);
  auto buffer = llvm::WritableMemoryBuffer::getNewUninitMemBuffer(size, path);
  if (!buffer)
    return file.cannot(fmt::format("there is no memory for its {} bytes", size));
  Expected<size_t> count = file.read(buffer->getBufferStart(), size);
  if (!count)
    return count.takeError();
  if (*count < size)
    return file.cannot(fmt::format("it had {} bytes when it was opened, and only {} when it was read", size, *count));
  return std::move(buffer);
}

static Contents readStream(OpenFile &file, StringRef path) {
  // What a pipe held is gone when it is opened again.
  static std::map<std::pair<dev_t, ino_t>, std::string> kept;
  bool isPipe = !S_ISREG(file.info.st_mode);
  std::pair<dev_t, ino_t> key(file.info.st_dev, file.info.st_ino);
  auto known = isPipe ? kept.find(key) : kept.end();
  if (known != kept.end())
    return llvm::MemoryBuffer::getMemBuffer(known->second, path, /*RequiresNullTerminator=*/false);
  std::string text;
  for (size_t step = size_t(1) << 16;; step = std::min(2 * step, size_t(1) << 26)) {
    size_t before = text.size();
    text.resize(before + step);
    Expected<size_t> count = file.read(&text[before], step);
    if (!count)
      return count.takeError();
    text.resize(before + *count);
    if (*count < step)
      break;
    if (int64_t(text.size()) > mostStreamed)
      return file.cannot(fmt::format("more than {} MiB came from it, and no end; save it as a file first",
                                     mostStreamed >> 20));
  }
  if (!isPipe)
    return llvm::MemoryBuffer::getMemBufferCopy(text, path);
  const std::string &whole = kept[key] = std::move(text);
  return llvm::MemoryBuffer::getMemBuffer(whole, path, /*RequiresNullTerminator=*/false);
}

Contents readFile(StringRef path) {
  OpenFile file(path);
  if (Error error = file.look())
    return error;
  return file.hasSize() ? readWhole(file, path) : readStream(file, path);
}

Contents mapFile(StringRef path) {
  OpenFile file(path);
  if (Error error = file.look())
    return error;
  if (!file.hasSize())
    return readStream(file, path);
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return file.cannot(buffer.getError().message());
  return std::move(*buffer);
}

bool isLasting(StringRef path) {
  struct stat info;
  return path != "-" && (stat(path.str().c_str(), &info) != 0 || S_ISREG(info.st_mode));
}

Expected<llvm::json::Object> parseJsonObject(StringRef text, StringRef source) {
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
        return failure("{}: the name '{}' occurs twice", source, shown(last));
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
