#include "runtime/progress.h"

#include "runtime/lines.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <sys/ioctl.h>
#include <unistd.h>

namespace gptc::runtime {

static constexpr double barInterval = 0.1, lineInterval = 10;
static constexpr int lineParts = 10, leastCells = 5;

static bool isSet(const char *name) {
  const char *value = std::getenv(name);
  return value && *value;
}

static bool isUtf8Locale() {
  for (const char *name : {"LC_ALL", "LC_CTYPE", "LANG"})
    if (const char *value = std::getenv(name); value && *value)
      return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
  return false;
}

ProgressOptions ProgressOptions::forStandardError() {
  ProgressOptions options;
  const char *terminal = std::getenv("TERM");
  bool able = isatty(STDERR_FILENO) && terminal && std::strcmp(terminal, "dumb") != 0;
  options.bar = able && !isSet("CI");
  options.colour = options.bar && !isSet("NO_COLOR");
  options.blocks = isUtf8Locale();
  return options;
}

// Where nobody can read it (a full disk, a closed pipe), training goes on without.
static void write(std::FILE *stream, llvm::StringRef text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

static void appendDuration(fmt::memory_buffer &text, double seconds) {
  auto out = std::back_inserter(text);
  int64_t whole = std::isfinite(seconds) ? int64_t(std::clamp(seconds, 0.0, 1e9) + 0.5) : 0;
  if (whole >= 3600)
    fmt::format_to(out, "{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  else
    fmt::format_to(out, "{}:{:02}", whole / 60, whole % 60);
}

static void appendCount(fmt::memory_buffer &text, double count) {
  auto out = std::back_inserter(text);
  if (count >= 999.5e6)
    fmt::format_to(out, "{:.1f}G", count / 1e9);
  else if (count >= 999.5e3)
    fmt::format_to(out, "{:.1f}M", count / 1e6);
  else if (count >= 999.5)
    fmt::format_to(out, "{:.1f}k", count / 1e3);
  else
    fmt::format_to(out, "{:.0f}", count);
}

std::string formatDuration(double seconds) {
  fmt::memory_buffer text;
  appendDuration(text, seconds);
  return fmt::to_string(text);
}

std::string formatCount(double count) {
  fmt::memory_buffer text;
  appendCount(text, count);
  return fmt::to_string(text);
}

int terminalColumns(std::FILE *stream) {
  winsize size = {};
  return isatty(fileno(stream)) && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

Progress::Progress(int64_t first, int64_t total, llvm::StringRef items, const ProgressOptions &options)
    : options(options), items(items.str()), first(first), total(total), done(first), started(Clock::now()),
      lastDrawn(started) {}

Progress::~Progress() {
  finish();
}

void Progress::update(int64_t nowDone, double nowLoss, double itemsPerSecond, std::optional<double> val,
                      std::optional<double> nowRate) {
  done = nowDone;
  evaluationShare.reset();
  // Smoothed over about twenty steps; one that is not finite shows as it is.
  constexpr double share = 0.1;
  lossSum = std::isfinite(lossSum) ? lossSum + share * (nowLoss - lossSum) : nowLoss;
  lossWeight = std::isfinite(lossSum) ? lossWeight + share * (1 - lossWeight) : 1;
  // The first ones warm up caches.
  rate = rate == 0 ? itemsPerSecond : rate + share * (itemsPerSecond - rate);
  learningRate = nowRate;
  if (val) {
    valLoss = val;
    if (!options.quiet) {
      std::string line;
      for (const std::string &part : parts(/*stays=*/true))
        line += (line.empty() ? "" : "  ") + part;
      bool bar = visible;
      evaluated = done;
      message(line);
      lastDrawn = Clock::now();
      if (!bar)
        drawn = done; // this line says it
    }
  }
  draw(false);
}

double Progress::smoothed() const {
  return lossSum / lossWeight;
}

double Progress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - started).count();
}

/// What is to say, the most important first: what does not fit is left out from the end.
std::vector<std::string> Progress::parts(bool stays) const {
  if (evaluationShare)
    return {fmt::format("step {}/{}", done, total),
            fmt::format("evaluating: {:.0f} %", 100 * std::clamp(*evaluationShare, 0.0, 1.0))};
  double elapsed = seconds();
  std::vector<std::string> all = {fmt::format("step {}/{}", done, total), fmt::format("loss {:.4f}", smoothed())};
  if (valLoss)
    all.push_back(fmt::format("val {:.4f}", *valLoss));
  // The time that has passed, and what is left.
  std::string time = formatDuration(elapsed);
  if (!stays && done > first && done < total)
    time += ", " + formatDuration(elapsed / double(done - first) * double(total - done)) + " left";
  all.push_back(time);
  if (learningRate)
    all.push_back(fmt::format("lr {:.1e}", *learningRate));
  all.push_back(fmt::format("{} {}/s", formatCount(rate), items));
  return all;
}

void Progress::evaluating(double share) {
  double waited = std::chrono::duration<double>(Clock::now() - lastDrawn).count();
  if (options.quiet || waited < (options.bar ? barInterval : lineInterval))
    return;
  evaluationShare = share;
  drawn = -1;
  draw(true);
}

void Progress::draw(bool last) {
  if (options.quiet || done == drawn)
    return;
  double waited = std::chrono::duration<double>(Clock::now() - lastDrawn).count();
  if (options.bar) {
    if (!last && visible && waited < barInterval)
      return;
  } else {
    int64_t part = std::max<int64_t>(1, (total - first) / lineParts);
    bool due = waited >= lineInterval || (waited >= 1 && (done - first) / part > (drawn - first) / part);
    if (!last && drawn >= 0 && !due)
      return;
  }
  drawn = done;
  lastDrawn = Clock::now();
  text.clear();
  options.bar ? drawBar() : drawLine();
  write(options.stream, llvm::StringRef(text.data(), text.size()));
}

void Progress::drawLine() {
  for (const std::string &part : parts(/*stays=*/false))
    fmt::format_to(std::back_inserter(text), "{}{}", text.size() ? "  " : "", part);
  text.push_back('\n');
}

void Progress::drawBar() {
  int width = terminalColumns(options.stream), columns = (width ? width : 80) - 1;
  // A line that is longer than the terminal would scroll it at every step.
  int room = columns >= 60 ? leastCells + 2 : 0; // for the bar
  std::string line;
  for (const std::string &part : parts(/*stays=*/false)) {
    if (!line.empty() && int(line.size() + 2 + part.size()) > columns - room)
      break;
    line += (line.empty() ? "" : "  ") + part;
  }
  line.resize(std::min(line.size(), size_t(std::max(columns, 0))));
  int cells = std::min(30, columns - int(line.size()) - 2);
  auto out = std::back_inserter(text);
  fmt::format_to(out, "\r");
  if (cells >= leastCells) {
    int filled = total > 0 ? int(int64_t(cells) * done / total) : cells;
    fmt::format_to(out, "{}", options.colour ? "\033[32m" : "");
    for (int i = 0; i < cells; ++i) {
      if (options.colour && i == filled)
        fmt::format_to(out, "\033[2m");
      fmt::format_to(out, "{}", options.blocks ? (i < filled ? "━" : "─") : (i < filled ? "#" : "."));
    }
    fmt::format_to(out, "{}  ", options.colour ? "\033[0m" : "");
  }
  // What a wider line has left behind when the terminal was made narrower goes, too.
  fmt::format_to(out, "{}\033[J", line);
  visible = true;
}

void Progress::message(llvm::StringRef message) {
  int columns = terminalColumns(options.stream);
  std::string line = columns ? wrapLines(message, size_t(columns)) : message.str();
  write(options.stream, fmt::format("{}{}\n", visible ? "\r\033[J" : "", line));
  if (visible) {
    visible = false;
    drawn = -1;
    if (!finished)
      draw(false);
  }
}

void Progress::finish() {
  if (finished)
    return;
  // The line of an evaluation says it all already.
  bool said = evaluated == done;
  if (done > first && !said)
    draw(true);
  finished = true;
  if (visible)
    write(options.stream, said ? "\r\033[J" : "\n");
  visible = false;
}

} // namespace gptc::runtime
