// A thread as the system's scheduler sees it: what it has had of a core, and which core it runs on.
#pragma once

#include <cstdint>
#include <ctime>
#include <sys/types.h>

namespace gptc::runtime {

class ScheduledThread {
public:
  /// The thread that asks. It must live as long as others ask for it; of one that ended, nothing is known.
  static ScheduledThread current();

  /// Nanoseconds that it has run; 0 where the system does not tell.
  int64_t ran() const;

  /// Nanoseconds that it could have run and had no core; 0 where the system does not tell. Takes some
  /// microseconds to ask.
  int64_t waited() const;

  /// Makes it go on on this core. From there the system may take it to all cores that it was free to use
  /// before. False where it may not use this one, or where another thread is being moved.
  bool moveTo(int core) const;

private:
  pid_t id = 0;
  clockid_t clock = {};
};

/// The core that the caller runs on.
int currentCore();

} // namespace gptc::runtime
