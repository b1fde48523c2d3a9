#include "runtime/files.h"

#include "runtime/utf8.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

static constexpr int deepestJson = 32;

// A pipe does not say how much will come.
static constexpr size_t mostFromPipe = size_t(1) << 30;

//===-- Reading ---------------------------------------------------------------===//

namespace {
struct Descriptor {
  explicit Descriptor(int number) : number(number) {}
  Descriptor(const Descriptor &) = delete;
  ~Descriptor() {
    if (number >= 0)
      close(number);
  }
  int number;
};
} // namespace

// Bytes read, fewer than asked for only at the end; -1 for an error.
static ssize_t readAll(int descriptor, char *to, size_t bytes) {
  size_t done = 0;
  while (done < bytes) {
    ssize_t got = read(descriptor, to + done, std::min(bytes - done, size_t(1) << 30));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return -1;
    if (got == 0)
      break;
    done += size_t(got);
  }
  return ssize_t(done);
}

static Error readToEnd(int descriptor, StringRef path, llvm::SmallVectorImpl<char> &bytes) {
  for (size_t size = 0;;) {
    bytes.resize_for_overwrite(std::max<size_t>(size * 2, 1 << 16));
    ssize_t got = readAll(descriptor, bytes.data() + size, bytes.size() - size);
    if (got < 0)
      return systemFailure(errno, "cannot read '{}'", path);
    size += size_t(got);
    if (size > mostFromPipe)
      return failure("cannot read '{}': more than {} MiB come from it; put them into a file", path,
                     mostFromPipe >> 20);
    if (size < bytes.size()) {
      bytes.truncate(size);
      return Error::success();
    }
  }
}

using Contents = Expected<std::unique_ptr<llvm::MemoryBuffer>>;

// What came from a pipe is gone when it is opened again, if that ends at all: so it is kept until the program ends.
using Pipes = std::map<std::pair<dev_t, ino_t>, llvm::SmallVector<char, 0>>;
static Pipes &pipes() {
  static Pipes kept;
  return kept;
}

static Contents contentsOf(const Pipes::value_type &kept, StringRef path) {
  return llvm::MemoryBuffer::getMemBuffer(StringRef(kept.second.data(), kept.second.size()), path,
                                          /*RequiresNullTerminator=*/false);
}

Contents readFile(StringRef path) {
  bool isInput = path == "-";
  std::string name = path.str();
  struct stat info;
  if (isInput ? fstat(STDIN_FILENO, &info) == 0 : stat(name.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
    if (auto known = pipes().find({info.st_dev, info.st_ino}); known != pipes().end())
      return contentsOf(*known, path);
  Descriptor file(isInput ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                          : open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (file.number < 0 || fstat(file.number, &info) != 0)
    return systemFailure(errno, "cannot read '{}'", path);
  // Opening a directory works and reading it fails with less to say.
  if (S_ISDIR(info.st_mode))
    return failure("cannot read '{}': it is a directory", path);
  bool isRegular = S_ISREG(info.st_mode);
  bool isPipe = isInput || S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode) || isatty(file.number);
  if (isPipe || (isRegular && info.st_size == 0)) { // files of the kernel say that they are empty and are not
    llvm::SmallVector<char, 0> bytes;
    if (Error error = readToEnd(file.number, path, bytes))
      return error;
    if (isPipe)
      return contentsOf(*pipes().emplace(std::pair(info.st_dev, info.st_ino), std::move(bytes)).first, path);
    return llvm::MemoryBuffer::getMemBufferCopy(StringRef(bytes.data(), bytes.size()), path);
  }
  if (!isRegular) {
    char first;
    ssize_t got = read(file.number, &first, 1);
    if (got == 0) // /dev/null
      return llvm::MemoryBuffer::getMemBufferCopy("", path);
    return failure("cannot read '{}': it is a device, which has no end", path);
  }
  auto buffer = llvm::WritableMemoryBuffer::getNewUninitMemBuffer(size_t(info.st_size), path);
  if (!buffer)
    return failure("cannot read '{}': there is no memory for its {} bytes", path, info.st_size);
  ssize_t got = readAll(file.number, buffer->getBufferStart(), size_t(info.st_size));
  if (got < 0)
    return systemFailure(errno, "cannot read '{}'", path);
  if (got < info.st_size)
    return failure("cannot read '{}': another process made it shorter meanwhile, {} bytes instead of {}", path,
                   got, info.st_size);
  return std::unique_ptr<llvm::MemoryBuffer>(std::move(buffer));
}

bool isLasting(StringRef path) {
  struct stat info;
  return path != "-" && (stat(path.str().c_str(), &info) != 0 || S_ISREG(info.st_mode));
}

static std::error_code codeOf(const Error &error) {
  std::error_code code = llvm::inconvertibleErrorCode();
  llvm::visitErrors(error, [&](const llvm::ErrorInfoBase &info) { code = info.convertToErrorCode(); });
  return code;
}

bool isMissing(const Error &error) {
  std::error_code code = codeOf(error);
  return code == std::errc::no_such_file_or_directory || code == std::errc::not_a_directory;
}
bool isOfSystem(const Error &error) {
  return codeOf(error) != llvm::inconvertibleErrorCode();
}

Expected<FileKind> kindOf(StringRef path) {
  struct stat info;
  if (stat(path.str().c_str(), &info) == 0)
    return S_ISREG(info.st_mode) ? FileKind::Regular : S_ISDIR(info.st_mode) ? FileKind::Directory : FileKind::Other;
  if (errno == ENOENT || errno == ENOTDIR)
    return FileKind::Missing;
  return systemFailure(errno, "cannot look at '{}'", path);
}

Expected<std::vector<std::string>> listDirectory(StringRef path) {
  DIR *directory = opendir(path.str().c_str());
  if (!directory)
    return systemFailure(errno, "cannot read the directory '{}'", path);
  std::vector<std::string> names;
  errno = 0;
  while (dirent *entry = readdir(directory)) {
    StringRef name = entry->d_name;
    if (name != "." && name != "..")
      names.push_back(name.str());
    errno = 0;
  }
  int code = errno;
  closedir(directory);
  if (code)
    return systemFailure(code, "cannot read the directory '{}'", path);
  llvm::sort(names);
  return names;
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

//===-- Writing ---------------------------------------------------------------===//

static constexpr llvm::StringLiteral temporaryPrefix = ".tmp-";

std::string temporaryName() {
  uint64_t bits = 0;
  while (getrandom(&bits, sizeof(bits), 0) < 0 && errno == EINTR)
    ;
  return fmt::format("{}{:016x}", temporaryPrefix, bits);
}

bool isTemporaryName(StringRef name) {
  return name.consume_front(temporaryPrefix) && name.size() == 16 && llvm::all_of(name, llvm::isHexDigit);
}

// Who puts a link into a directory like /tmp chooses which of our files is written. The kernel refuses to follow such
// links when it opens a file; a rename to where they lead must not do it either.
static bool isPlantedLink(StringRef path) {
  struct stat link, parent;
  StringRef above = llvm::sys::path::parent_path(path);
  if (lstat(path.str().c_str(), &link) != 0 || !S_ISLNK(link.st_mode) ||
      stat(above.empty() ? "." : above.str().c_str(), &parent) != 0)
    return false;
  bool shared = (parent.st_mode & S_ISVTX) && (parent.st_mode & S_IWOTH);
  return shared && link.st_uid != geteuid() && link.st_uid != parent.st_uid;
}

Expected<AtomicFile> AtomicFile::create(StringRef path, unsigned mode) {
  AtomicFile file;
  file.path = file.target = path.str();
  if (isPlantedLink(path))
    return failure("cannot write '{}': it is a link that another user has put into a directory that all share", path);
  llvm::SmallString<256> real;
  if (!llvm::sys::fs::real_path(path, real))
    file.target = real.str().str();
  struct stat info;
  bool exists = stat(file.target.c_str(), &info) == 0;
  if (exists && !S_ISREG(info.st_mode)) {
    file.descriptor = open(file.target.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (file.descriptor < 0)
      return systemFailure(errno, "cannot write '{}'", path);
    return file;
  }
  for (int attempt = 0; attempt < 100 && file.descriptor < 0; ++attempt) {
    llvm::SmallString<256> name(llvm::sys::path::parent_path(file.target));
    llvm::sys::path::append(name, temporaryName());
    file.descriptor = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (file.descriptor >= 0)
      file.temporary = name.str().str();
    else if (errno != EEXIST)
      break;
  }
  if (file.descriptor < 0)
    return systemFailure(errno, "cannot write '{}'", path);
  struct stat made;
  if (exists && fstat(file.descriptor, &made) == 0) {
    // Who may read the old file may read the new one; a file system without permissions is no failure.
    mode_t rights = (info.st_mode & 0777) | (made.st_mode & 0111);
    if (rights != (made.st_mode & 0777))
      (void)!fchmod(file.descriptor, rights);
  }
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
      return systemFailure(written < 0 ? errno : ENOSPC, "cannot write '{}'", path);
    next += written;
    bytes -= size_t(written);
  }
  return Error::success();
}

Error AtomicFile::commit() {
  if (fsync(descriptor) != 0 && !(temporary.empty() && errno == EINVAL)) // pipes cannot be synced
    return systemFailure(errno, "cannot write '{}'", path);
  int open = descriptor;
  descriptor = -1;
  if (close(open) != 0)
    return systemFailure(errno, "cannot write '{}'", path);
  if (temporary.empty())
    return Error::success();
  if (rename(temporary.c_str(), target.c_str()) != 0)
    return systemFailure(errno, "cannot replace '{}'", path);
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

Error makeDirectories(StringRef path, std::vector<std::string> *made) {
  std::string name = path.str();
  if (mkdir(name.c_str(), 0777) == 0) {
    if (made)
      made->push_back(name);
    return Error::success();
  }
  int code = errno;
  if (code == ENOENT) {
    StringRef above = llvm::sys::path::parent_path(path);
    if (!above.empty() && above != path) {
      if (Error error = makeDirectories(above, made))
        return error;
      if (mkdir(name.c_str(), 0777) == 0) {
        if (made)
          made->push_back(name);
        return Error::success();
      }
      code = errno;
    }
  }
  if (code != EEXIST)
    return systemFailure(code, "cannot create the directory '{}'", path);
  Expected<FileKind> kind = kindOf(path);
  if (!kind)
    return kind.takeError();
  if (*kind != FileKind::Directory)
    return failure("cannot create the directory '{}': a file has this name", path);
  return Error::success();
}

Expected<std::string> makeTemporaryDirectory(StringRef parent) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    llvm::SmallString<256> name(parent);
    llvm::sys::path::append(name, temporaryName());
    if (mkdir(name.c_str(), 0777) == 0)
      return name.str().str();
    if (errno != EEXIST)
      break;
  }
  return systemFailure(errno, "cannot create a directory in '{}'", parent);
}

Error syncDirectory(StringRef path) {
  std::string name = path.empty() ? "." : path.str();
  int descriptor = open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0)
    return systemFailure(errno, "cannot open the directory '{}'", name);
  int result = fsync(descriptor);
  int code = errno;
  close(descriptor);
  // Some file systems cannot sync a directory; that is no failure of ours.
  if (result != 0 && code != EINVAL && code != EROFS)
    return systemFailure(code, "cannot sync the directory '{}'", name);
  return Error::success();
}

Error checkWritable(StringRef directory) {
  std::string probe = (directory + "/" + temporaryName()).str();
  int descriptor = open(probe.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (descriptor < 0)
    return systemFailure(errno, "cannot write to the directory '{}'", directory);
  close(descriptor);
  unlink(probe.c_str());
  return Error::success();
}

} // namespace gptc::runtime
