// Ctrl-C and termination.
#pragma once

#include "llvm/ADT/StringRef.h"

#include <csignal>

namespace gptc::runtime {

/// While it lives, SIGINT, SIGTERM and SIGHUP (a closed terminal) set a flag, and the first of them says at once on
/// standard error what will be done. Further ones change nothing, but for the third SIGINT within a second: it says
/// what is lost and ends the process with code 130. A signal that was ignored stays ignored.
class InterruptGuard {
public:
  /// `first`: what an interrupt will do, one line without its end.
  explicit InterruptGuard(llvm::StringRef first);
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard &) = delete;

private:
  struct sigaction before[3];
};

/// What is lost where the process has to end at once: one line, without its end, at most 500 bytes.
void setWhatWouldBeLost(llvm::StringRef text);

bool interrupted();
/// Sets the flag, as a signal would.
void requestInterrupt();
/// Takes the flag back.
void clearInterrupt();

} // namespace gptc::runtime
