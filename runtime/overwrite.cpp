#include "runtime/overwrite.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

/// An error unless the directory holds what a run writes and nothing else.
static llvm::Error checkIsRun(const std::string &path) {
  static constexpr StringRef names[] = {"model.gpt", "config.json", "tokenizer.json", "log.jsonl",
                                        "latest",    "best",        "checkpoints"};
  std::error_code code;
  for (llvm::sys::fs::directory_iterator entry(path, code), end; entry != end; entry.increment(code)) {
    if (code)
      break;
    StringRef name = llvm::sys::path::filename(entry->path());
    if (!llvm::is_contained(names, name) && !name.starts_with("."))
      return failure("--overwrite: '{}' holds '{}', which is no part of a run; it stays as it is", path, name);
  }
  if (code)
    return failure("cannot read the directory '{}': {}", path, code.message());
  if (!llvm::sys::fs::exists(path + "/config.json") && !llvm::sys::fs::is_directory(path + "/checkpoints"))
    return failure("--overwrite: '{}' is not a run; it stays as it is", path);
  return llvm::Error::success();
}

Expected<RunAside> RunAside::move(StringRef path) {
  RunAside run;
  run.place = (path.rtrim('/').empty() ? path : path.rtrim('/')).str();
  std::error_code code;
  if (!llvm::sys::fs::exists(run.place))
    return run;
  if (!llvm::sys::fs::is_directory(run.place))
    return failure("--overwrite: '{}' is no directory; it stays as it is", path);
  llvm::sys::fs::directory_iterator first(run.place, code);
  if (!code && first == llvm::sys::fs::directory_iterator())
    return run;
  if (llvm::Error error = checkIsRun(run.place))
    return error;
  // Who trains there holds this lock.
  int log = open((run.place + "/log.jsonl").c_str(), O_RDWR | O_CLOEXEC);
  bool busy = log >= 0 && flock(log, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  std::string aside = fmt::format("{}.overwritten-{}", run.place, getpid());
  bool moved = !busy && rename(run.place.c_str(), aside.c_str()) == 0;
  int problem = errno;
  if (log >= 0)
    close(log);
  if (busy)
    return failure("'{}' is in use: another process trains in this directory", path);
  if (!moved)
    return failure("cannot rename '{}' to '{}': {}", run.place, aside, std::strerror(problem));
  run.aside = aside;
  return run;
}

void RunAside::remove() {
  if (!aside.empty())
    (void)llvm::sys::fs::remove_directories(aside, /*IgnoreErrors=*/true);
  aside.clear();
}

RunAside::~RunAside() {
  // An empty directory may stand in the place, nothing else is replaced.
  if (!aside.empty())
    (void)rename(aside.c_str(), place.c_str());
}

} // namespace gptc::runtime
