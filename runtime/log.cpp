#include "runtime/log.h"

#include "runtime/files.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <iterator>
#include <sys/file.h>
#include <unistd.h>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

// Bytes of the whole lines before the first of step `from` or later.
static size_t keptBytes(StringRef text, int64_t from) {
  size_t kept = 0;
  while (kept < text.size()) {
    size_t end = text.find('\n', kept);
    if (end == StringRef::npos)
      break;
    StringRef line = text.slice(kept, end);
    int64_t step;
    if (!line.consume_front("{\"step\":") || line.consumeInteger(10, step) || step >= from ||
        !line.ends_with("}"))
      break;
    kept = end + 1;
  }
  return kept;
}

Expected<RunLog> RunLog::open(StringRef path, int64_t from) {
  RunLog log;
  log.path = path.str();
  log.descriptor = ::open(log.path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (log.descriptor < 0)
    return failure("cannot write '{}': {}", path, std::strerror(errno));
  if (flock(log.descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return failure("'{}' is in use: another process trains in this directory", path);
  size_t kept = 0;
  if (from > 0) {
    auto buffer = readFile(path);
    if (!buffer)
      return buffer.takeError();
    kept = keptBytes((*buffer)->getBuffer(), from);
  }
  if (ftruncate(log.descriptor, off_t(kept)) != 0)
    return failure("cannot truncate '{}': {}", path, std::strerror(errno));
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

Error RunLog::write(const LogEntry &entry, llvm::ArrayRef<LogReport> reports) {
  line.clear();
  auto out = std::back_inserter(line);
  auto field = [&](StringRef name, double value) {
    fmt::format_to(out, ",\"");
    appendName(line, name);
    fmt::format_to(out, "\":");
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
  for (const LogReport &report : reports)
    field(report.name, report.value);
  if (entry.valLoss)
    field("val_loss", *entry.valLoss);
  if (!entry.gradients.empty()) {
    fmt::format_to(out, ",\"gradients\":{{");
    for (size_t i = 0; i < entry.gradients.size(); ++i) {
      fmt::format_to(out, "{}\"", i ? "," : "");
      appendName(line, entry.gradients[i].first);
      fmt::format_to(out, "\":");
      appendNumber(line, entry.gradients[i].second);
    }
    fmt::format_to(out, "}}");
  }
  fmt::format_to(out, "}}\n");
  for (size_t done = 0; done < line.size();) {
    ssize_t written = ::write(descriptor, line.data() + done, line.size() - done);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return failure("cannot write '{}': {}", path, std::strerror(written < 0 ? errno : ENOSPC));
    done += size_t(written);
  }
  return Error::success();
}

} // namespace gptc::runtime
