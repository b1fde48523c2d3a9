#include "runtime/log.h"

#include "runtime/files.h"

#include <cerrno>
#include <cmath>
#include <fcntl.h>
#include <iterator>
#include <sys/file.h>
#include <unistd.h>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

// Bytes of the whole lines before the first one behind step `done`.
static size_t keptBytes(StringRef text, int64_t done) {
  size_t kept = 0;
  while (kept < text.size()) {
    size_t end = text.find('\n', kept);
    if (end == StringRef::npos)
      break;
    StringRef line = text.slice(kept, end);
    int64_t step;
    if (!line.consume_front("{\"step\":") || line.consumeInteger(10, step) || step > done ||
        !line.ends_with("}"))
      break;
    kept = end + 1;
  }
  return kept;
}

Expected<RunLog> RunLog::open(StringRef path, int64_t done) {
  RunLog log;
  log.path = path.str();
  log.descriptor = ::open(log.path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (log.descriptor < 0 && errno == ELOOP)
    return failure("cannot write '{}': it is a symbolic link, and a run keeps its files itself", path);
  if (log.descriptor < 0)
    return systemFailure(errno, "cannot write '{}'", path);
  if (flock(log.descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return failure("'{}' is in use: another process trains in this directory", path);
  size_t kept = 0;
  if (done > 0) {
    auto buffer = readFile(path);
    if (!buffer)
      return buffer.takeError();
    kept = keptBytes((*buffer)->getBuffer(), done);
  }
  if (ftruncate(log.descriptor, off_t(kept)) != 0)
    return systemFailure(errno, "cannot truncate '{}'", path);
  return log;
}

RunLog::RunLog(RunLog &&other) noexcept
    : path(std::move(other.path)), descriptor(other.descriptor), line(std::move(other.line)) {
  other.descriptor = -1;
}

RunLog::~RunLog() {
  if (descriptor >= 0)
    close(descriptor);
}

// Shortest digits that read back as the same bits; JSON has no NaN.
static void appendNumber(fmt::memory_buffer &line, double value) {
  if (std::isfinite(value))
    fmt::format_to(std::back_inserter(line), "{}", value);
  else
    fmt::format_to(std::back_inserter(line), "null");
}

static void appendName(fmt::memory_buffer &line, StringRef name) {
  for (char c : name) {
    if (c == '"' || c == '\\')
      line.push_back('\\');
    line.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  }
}

Error RunLog::write(const LogEntry &entry) {
  line.clear();
  auto out = std::back_inserter(line);
  auto field = [&](StringRef name, double value) {
    fmt::format_to(out, ",\"{}\":", name);
    appendNumber(line, value);
  };
  fmt::format_to(out, "{{\"step\":{}", entry.step);
  field("loss", entry.loss);
  if (entry.lr)
    field("lr", *entry.lr);
  if (entry.gradNorm)
    field("grad_norm", *entry.gradNorm);
  field("tokens_per_s", std::round(entry.tokensPerSecond * 10) / 10);
  field("ms", std::round(entry.milliseconds * 1000) / 1000);
  auto object = [&](StringRef name, const NamedNumbers &numbers) {
    if (numbers.empty())
      return;
    fmt::format_to(out, ",\"{}\":{{", name);
    for (size_t i = 0; i < numbers.size(); ++i) {
      fmt::format_to(out, "{}\"", i ? "," : "");
      appendName(line, numbers[i].first);
      fmt::format_to(out, "\":");
      appendNumber(line, numbers[i].second);
    }
    fmt::format_to(out, "}}");
  };
  object("reports", entry.reports);
  if (entry.valLoss)
    field("val_loss", *entry.valLoss);
  object("gradients", entry.gradients);
  fmt::format_to(out, "}}\n");
  for (size_t done = 0; done < line.size();) {
    ssize_t written = ::write(descriptor, line.data() + done, line.size() - done);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return systemFailure(written < 0 ? errno : ENOSPC, "cannot write '{}'", path);
    done += size_t(written);
  }
  return Error::success();
}

} // namespace gptc::runtime
