// log.jsonl: one JSON object a step.
#pragma once

#include "runtime/error.h"

#include "llvm/ADT/ArrayRef.h"

#include <optional>
#include <string>
#include <vector>

namespace gptc::runtime {

struct LogEntry {
  int64_t step = 0; // counted from 0
  double loss = 0;
  std::optional<double> lr, gradNorm, valLoss;
  double tokensPerSecond = 0; // rows a second where the data is rows
  double milliseconds = 0;
  std::vector<std::pair<std::string, double>> gradients; // norms by parameter, where they are shown
};

/// A named number beside the fixed fields.
struct LogReport {
  llvm::StringRef name;
  double value = 0;
};

/// Appends lines, each with one write, so that a killed run leaves whole ones.
class RunLog {
public:
  /// Opens the file for appending and drops the lines from step `from` on, and
  /// an unfinished last one. Fails while another process writes there.
  static llvm::Expected<RunLog> open(llvm::StringRef path, int64_t from);
  RunLog(RunLog &&other) noexcept;
  RunLog &operator=(RunLog &&) = delete;
  ~RunLog();

  llvm::Error write(const LogEntry &entry, llvm::ArrayRef<LogReport> reports = {});

private:
  RunLog() = default;
  std::string path;
  int descriptor = -1;
  fmt::memory_buffer line;
};

} // namespace gptc::runtime
