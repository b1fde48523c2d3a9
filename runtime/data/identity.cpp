#include "runtime/data/identity.h"

#include "runtime/files.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/xxhash.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

static constexpr size_t blockBytes = size_t(1) << 20;

static int64_t nanoseconds(const struct stat &info) {
  return int64_t(info.st_mtim.tv_sec) * 1000000000 + info.st_mtim.tv_nsec;
}

static Error changed(StringRef file) {
  return failure("'{}' was changed by another process while it was read", file);
}

Expected<DataIdentity> DataIdentity::of(StringRef file) {
  DataIdentity identity;
  identity.file = file.str();
  if (!isLasting(file))
    return identity; // a pipe is read once, by whoever wants its text
  struct stat info;
  if (stat(identity.file.c_str(), &info) != 0)
    return systemFailure(errno, "cannot read '{}'", file);
  int descriptor = open(identity.file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return systemFailure(errno, "cannot read '{}'", file);
  identity.bytes = info.st_size;
  identity.modified = nanoseconds(info);
  // The hash of the blocks' hashes: the file may be larger than memory.
  std::vector<uint8_t> block(size_t(std::min<int64_t>(info.st_size, blockBytes)));
  std::vector<uint64_t> hashes;
  int64_t done = 0;
  int code = 0;
  while (done < info.st_size) {
    size_t wanted = size_t(std::min<int64_t>(info.st_size - done, int64_t(block.size()))), filled = 0;
    while (filled < wanted) {
      ssize_t got = read(descriptor, block.data() + filled, wanted - filled);
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        code = errno;
      if (got <= 0)
        break;
      filled += size_t(got);
    }
    hashes.push_back(llvm::xxh3_64bits(llvm::ArrayRef<uint8_t>(block.data(), filled)));
    done += int64_t(filled);
    if (filled < wanted)
      break;
  }
  close(descriptor);
  if (code)
    return systemFailure(code, "cannot read '{}'", file);
  if (done < info.st_size)
    return changed(file);
  identity.hash = fmt::format(
      "{:016x}", llvm::xxh3_64bits(llvm::ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(hashes.data()),
                                                           hashes.size() * sizeof(uint64_t))));
  if (Error error = identity.checkUnchanged())
    return error;
  return identity;
}

Error DataIdentity::checkUnchanged() const {
  struct stat info;
  if (hash.empty())
    return Error::success();
  if (stat(file.c_str(), &info) != 0)
    return systemFailure(errno, "cannot read '{}'", file);
  return info.st_size == bytes && nanoseconds(info) == modified ? Error::success() : changed(file);
}

llvm::json::Object DataIdentity::toJson() const {
  return llvm::json::Object{{"file", file}, {"bytes", bytes}, {"modified", modified}, {"hash", hash}};
}

std::optional<DataIdentity> DataIdentity::fromJson(const llvm::json::Value &value) {
  const llvm::json::Object *object = value.getAsObject();
  if (!object)
    return std::nullopt;
  DataIdentity identity;
  identity.file = object->getString("file").value_or("").str();
  identity.bytes = object->getInteger("bytes").value_or(0);
  identity.modified = object->getInteger("modified").value_or(0);
  identity.hash = object->getString("hash").value_or("").str();
  return identity;
}

static std::string timeText(int64_t nanoseconds) {
  time_t seconds = time_t(nanoseconds / 1000000000);
  tm parts;
  char text[64] = "";
  if (gmtime_r(&seconds, &parts))
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text;
}

std::string differences(llvm::ArrayRef<DataIdentity> then, llvm::ArrayRef<DataIdentity> now, StringRef what) {
  if (then.size() != now.size())
    return fmt::format("{} gave {} files when the run began, now {}", what, then.size(), now.size());
  std::string text;
  for (size_t i = 0; i < then.size(); ++i) {
    const DataIdentity &a = then[i], &b = now[i];
    if (a.hash.empty() || b.hash.empty() || (a.bytes == b.bytes && a.hash == b.hash))
      continue;
    std::string name = a.file == b.file ? "" : fmt::format(" (then '{}')", a.file);
    std::string size = a.bytes == b.bytes ? fmt::format("as many bytes, {}, but not the same ones", a.bytes)
                                          : fmt::format("{} bytes when the run began, now {}", a.bytes, b.bytes);
    text += fmt::format("{}'{}'{}: {}; written {}, then {}", text.empty() ? "" : "\n  ", b.file, name, size,
                        timeText(b.modified), timeText(a.modified));
  }
  return text;
}

} // namespace gptc::runtime
