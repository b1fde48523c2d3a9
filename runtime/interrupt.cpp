#include "runtime/interrupt.h"

#include <atomic>
#include <unistd.h>

namespace gptc::runtime {

static constexpr int signals[3] = {SIGINT, SIGTERM, SIGHUP};
static constexpr int interruptedCode = 130;
static std::atomic<bool> flag{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

static void onSignal(int) {
  if (flag.exchange(true))
    _exit(interruptedCode);
}

InterruptGuard::InterruptGuard() {
  struct sigaction action = {};
  action.sa_handler = onSignal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART; // a save that is under way goes on
  for (int i = 0; i < 3; ++i) {
    sigaction(signals[i], nullptr, &before[i]);
    if (before[i].sa_handler != SIG_IGN)
      sigaction(signals[i], &action, nullptr);
  }
}

InterruptGuard::~InterruptGuard() {
  for (int i = 0; i < 3; ++i)
    sigaction(signals[i], &before[i], nullptr);
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
