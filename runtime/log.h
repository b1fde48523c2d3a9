// log.jsonl: one JSON object per step.
#pragma once

#include "runtime/error.h"

#include <optional>
#include <string>
#include <vector>

namespace gptc::runtime {

/// Numbers by name, in the order of the model.
using NamedNumbers = std::vector<std::pair<std::string, double>>;

struct LogEntry {
  int64_t step = 0; // counted from 1: the checkpoint with this number is the state behind it
  double loss = 0;
  std::optional<double> lr, gradNorm, valLoss;
  double tokensPerSecond = 0; // rows per second where the data is rows
  double milliseconds = 0;
  NamedNumbers reports;   // of the model; an object of their own, as their names may be any
  NamedNumbers gradients; // norms by parameter, where they are shown
};

/// Appends lines, each with one write, so that a killed run leaves whole ones.
class RunLog {
public:
  /// Opens the file for appending and drops the lines behind step `done`, and
  /// an unfinished last one. Fails while another process writes there.
  static llvm::Expected<RunLog> open(llvm::StringRef path, int64_t done);
  RunLog(RunLog &&other) noexcept;
  RunLog &operator=(RunLog &&) = delete;
  ~RunLog();

  llvm::Error write(const LogEntry &entry);

private:
  RunLog() = default;
  std::string path;
  int descriptor = -1;
  fmt::memory_buffer line;
};

} // namespace gptc::runtime
