#include "runtime/scheduled_thread.h"

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

namespace gptc::runtime {

ScheduledThread ScheduledThread::current() {
  ScheduledThread thread;
  thread.id = gettid();
  if (pthread_getcpuclockid(pthread_self(), &thread.clock) != 0)
    thread.id = 0;
  return thread;
}

int64_t ScheduledThread::ran() const {
  timespec time;
  if (!id || clock_gettime(clock, &time) != 0)
    return 0;
  return int64_t(time.tv_sec) * 1000000000 + time.tv_nsec;
}

// Of its three numbers (time run, time waited, times run) the second.
int64_t ScheduledThread::waited() const {
  char text[80];
  std::snprintf(text, sizeof(text), "/proc/self/task/%d/schedstat", int(id));
  int file = open(text, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return 0;
  ssize_t length = read(file, text, sizeof(text) - 1);
  close(file);
  text[length > 0 ? length : 0] = 0;
  char *second = text;
  std::strtoll(text, &second, 10);
  return std::strtoll(second, nullptr, 10);
}

// Who moves a thread narrows its set of cores for a moment; nobody else may take that for what it was.
static std::mutex moving;

bool ScheduledThread::moveTo(int core) const {
  std::unique_lock<std::mutex> lock(moving, std::try_to_lock);
  if (!lock)
    return false;
  cpu_set_t before, one;
  if (!id || sched_getaffinity(id, sizeof(before), &before) != 0)
    return false;
  if (core < 0 || core >= CPU_SETSIZE || !CPU_ISSET(core, &before))
    return false;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  if (sched_setaffinity(id, sizeof(one), &one) != 0)
    return false;
  return sched_setaffinity(id, sizeof(before), &before) == 0;
}

int currentCore() {
  return sched_getcpu();
}

} // namespace gptc::runtime
