#include "runtime/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <sys/ioctl.h>
#include <unistd.h>

namespace gptc::runtime {

static constexpr double barInterval = 0.1, lineInterval = 10;
static constexpr int lineParts = 10;

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

Progress::Progress(int64_t first, int64_t total, llvm::StringRef items, const ProgressOptions &options)
    : options(options), items(items.str()), first(first), total(total), done(first), started(Clock::now()),
      lastDrawn(started) {}

Progress::~Progress() {
  finish();
}

void Progress::update(int64_t nowDone, double nowLoss, double itemsPerSecond, std::optional<double> val) {
  done = nowDone;
  loss = nowLoss;
  // Smoothed over about twenty steps; the first ones warm up caches.
  rate = rate == 0 ? itemsPerSecond : rate + 0.1 * (itemsPerSecond - rate);
  if (val)
    valLoss = val;
  draw(false);
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

int Progress::width() const {
  winsize size = {};
  if (ioctl(fileno(options.stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  return 80;
}

void Progress::drawLine() {
  auto out = std::back_inserter(text);
  fmt::format_to(out, "step {}/{}  loss {:.4f}", done, total, loss);
  if (valLoss)
    fmt::format_to(out, "  val {:.4f}", *valLoss);
  fmt::format_to(out, "  ");
  appendCount(text, rate);
  fmt::format_to(out, " {}/s", items);
  double elapsed = std::chrono::duration<double>(Clock::now() - started).count();
  if (done > first && done < total) {
    fmt::format_to(out, "  ");
    appendDuration(text, elapsed / double(done - first) * double(total - done));
    fmt::format_to(out, " left");
  }
  if (!options.bar)
    text.push_back('\n');
}

void Progress::drawBar() {
  drawLine();
  int columns = width() - 1, used = int(text.size()), cells = std::min(30, columns - used - 3);
  fmt::memory_buffer line;
  auto out = std::back_inserter(line);
  fmt::format_to(out, "\r");
  if (cells >= 5) {
    int filled = total > 0 ? int(int64_t(cells) * done / total) : cells;
    fmt::format_to(out, "{}", options.colour ? "\033[32m" : "");
    for (int i = 0; i < cells; ++i) {
      if (options.colour && i == filled)
        fmt::format_to(out, "\033[2m");
      fmt::format_to(out, "{}", options.blocks ? (i < filled ? "━" : "─") : (i < filled ? "#" : "."));
    }
    fmt::format_to(out, "{}  ", options.colour ? "\033[0m" : "");
  }
  // A line that is longer than the terminal would scroll it at every step.
  size_t shown = std::min(text.size(), size_t(std::max(columns, 0)));
  line.append(text.data(), text.data() + shown);
  fmt::format_to(out, "\033[K");
  text.clear();
  text.append(line.data(), line.data() + line.size());
  visible = true;
}

void Progress::message(llvm::StringRef line) {
  write(options.stream, fmt::format("{}{}\n", visible ? "\r\033[K" : "", line));
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
  if (done > first)
    draw(true);
  finished = true;
  if (visible)
    write(options.stream, "\n");
  visible = false;
}

} // namespace gptc::runtime
