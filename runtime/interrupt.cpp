#include "runtime/interrupt.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <unistd.h>

namespace gptc::runtime {

static constexpr int signals[3] = {SIGINT, SIGTERM, SIGHUP};
static constexpr int interruptedCode = 130;
static constexpr int64_t impatience = 1000000000; // ns in which three SIGINT are an order to end at once
static std::atomic<bool> flag{false}, terminal{false};
static std::atomic<int64_t> lastInt{INT64_MIN}, intBefore{INT64_MIN};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int64_t>::is_always_lock_free,
              "a signal handler sets them");

namespace {
// A line that a signal handler may print while another one is being written.
class Line {
public:
  void set(llvm::StringRef text) {
    int next = 1 - current.load();
    size_t bytes = std::min(text.size(), sizeof(texts[next]) - 1);
    std::memcpy(texts[next], text.data(), bytes);
    texts[next][bytes] = 0;
    current = next;
  }
  void print() const {
    const char *text = texts[current.load()];
    if (!*text)
      return;
    // A bar of progress stays in its own line.
    char line[sizeof(texts[0]) + 2];
    size_t size = 0;
    if (terminal)
      line[size++] = '\n';
    for (const char *c = text; *c; ++c)
      line[size++] = *c;
    line[size++] = '\n';
    (void)!write(STDERR_FILENO, line, size);
  }

private:
  char texts[2][512] = {};
  std::atomic<int> current{0};
};
} // namespace

static Line firstLine, lostLine;

static int64_t now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t(time.tv_sec) * 1000000000 + time.tv_nsec;
}

static void onSignal(int number) {
  int code = errno;
  if (!flag.exchange(true))
    firstLine.print();
  if (number == SIGINT) {
    int64_t time = now(), last = lastInt.exchange(time), twoAgo = intBefore.exchange(last);
    if (twoAgo != INT64_MIN && time - twoAgo <= impatience) {
      lostLine.print();
      _exit(interruptedCode);
    }
  }
  errno = code;
}

InterruptGuard::InterruptGuard(llvm::StringRef first) {
  firstLine.set(first);
  terminal = isatty(STDERR_FILENO);
  lastInt = intBefore = INT64_MIN;
  struct sigaction action = {};
  action.sa_handler = onSignal;
  sigemptyset(&action.sa_mask);
  for (int number : signals) // one message at a time
    sigaddset(&action.sa_mask, number);
  action.sa_flags = SA_RESTART; // a save that is under way goes on
  for (int i = 0; i < 3; ++i) {
    sigaction(signals[i], nullptr, &before[i]);
    if (before[i].sa_handler != SIG_IGN)
      sigaction(signals[i], &action, nullptr);
  }
}

InterruptGuard::~InterruptGuard() {
  if (flag) { // all is saved and said, and the program ends: a late signal must not change its exit code
    lostLine.set("");
    return;
  }
  for (int i = 0; i < 3; ++i)
    sigaction(signals[i], &before[i], nullptr);
}

void setWhatWouldBeLost(llvm::StringRef text) {
  lostLine.set(text);
}

bool interrupted() {
  return flag.load(std::memory_order_relaxed);
}
void requestInterrupt() {
  flag = true;
}
void clearInterrupt() {
  flag = false;
}

} // namespace gptc::runtime
