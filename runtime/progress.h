// How a run is getting on, on standard error.
#pragma once

#include "runtime/error.h"

#include <chrono>
#include <cstdio>
#include <optional>
#include <vector>

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

/// The columns of the terminal that a stream is; 0 where it is none. Asked anew each
/// time: terminals are resized.
int terminalColumns(std::FILE *stream);

/// A live bar, or a plain line every tenth of the way or ten seconds; and in both a
/// line that stays for each evaluation.
class Progress {
public:
  /// Steps `first` to `total`; `items` is what is counted ("tokens").
  Progress(int64_t first, int64_t total, llvm::StringRef items, const ProgressOptions &options);
  ~Progress();

  /// `done` steps are done.
  void update(int64_t done, double loss, double itemsPerSecond, std::optional<double> valLoss,
              std::optional<double> rate = std::nullopt);
  /// An evaluation has come so far, from 0 to 1; update() ends it.
  void evaluating(double share);
  /// A line of its own; the bar moves below it. Words are wrapped on a terminal.
  void message(llvm::StringRef text);
  /// Draws the last state and leaves the line.
  void finish();
  /// Since the first of these steps.
  double seconds() const;

private:
  using Clock = std::chrono::steady_clock;
  void draw(bool last);
  void drawBar();
  void drawLine();
  std::vector<std::string> parts(bool stays) const;
  double smoothed() const;

  ProgressOptions options;
  std::string items;
  int64_t first, total, done = 0, drawn = -1, evaluated = -1; // steps: now, in the bar, in a line that stays
  double lossSum = 0, lossWeight = 0; // an exponential average: what is older counts less
  double rate = 0;
  std::optional<double> valLoss, learningRate;
  std::optional<double> evaluationShare; // of an evaluation that runs
  Clock::time_point started, lastDrawn;
  bool visible = false, finished = false;
  fmt::memory_buffer text;
};

/// "1:05", "2:03:04" for seconds.
std::string formatDuration(double seconds);
/// "950", "12.3k", "1.2M".
std::string formatCount(double count);

} // namespace gptc::runtime
