// How a run is getting on, on standard error.
#pragma once

#include "runtime/error.h"

#include <chrono>
#include <cstdio>
#include <optional>

namespace gptc::runtime {

struct ProgressOptions {
  std::FILE *stream = stderr;
  bool bar = false; // one line that is redrawn
  bool colour = false;
  bool blocks = false; // the bar in block characters
  bool quiet = false;  // messages only

  /// A bar on a terminal, unless CI is set or the terminal is dumb; colour
  /// unless NO_COLOR is set.
  static ProgressOptions forStandardError();
};

/// A live bar, or a plain line every tenth of the way or ten seconds.
class Progress {
public:
  /// Steps `first` to `total`; `items` is what is counted ("tokens").
  Progress(int64_t first, int64_t total, llvm::StringRef items, const ProgressOptions &options);
  ~Progress();

  /// `done` steps are done.
  void update(int64_t done, double loss, double itemsPerSecond, std::optional<double> valLoss);
  /// A line of its own; the bar moves below it.
  void message(llvm::StringRef text);
  /// Draws the last state and leaves the line.
  void finish();

private:
  using Clock = std::chrono::steady_clock;
  void draw(bool last);
  void drawBar();
  void drawLine();
  int width() const;

  ProgressOptions options;
  std::string items;
  int64_t first, total, done = 0, drawn = -1;
  double loss = 0, rate = 0;
  std::optional<double> valLoss;
  Clock::time_point started, lastDrawn;
  bool visible = false, finished = false;
  fmt::memory_buffer text;
};

/// "1:05", "2:03:04" for seconds.
std::string formatDuration(double seconds);
/// "950", "12.3k", "1.2M".
std::string formatCount(double count);

} // namespace gptc::runtime
