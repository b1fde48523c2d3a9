// Ctrl-C and termination.
#pragma once

#include <csignal>

namespace gptc::runtime {

/// While it lives, the first SIGINT, SIGTERM or SIGHUP (a closed terminal) sets
/// a flag and a second one ends the process with code 130. A signal that was
/// ignored stays ignored.
class InterruptGuard {
public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard &) = delete;

private:
  struct sigaction before[3];
};

bool interrupted();
/// Sets the flag, as a signal would.
void requestInterrupt();
/// Takes the flag back.
void clearInterrupt();

} // namespace gptc::runtime
