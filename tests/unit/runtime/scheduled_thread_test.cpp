#include "test_support.h"

#include "runtime/scheduled_thread.h"

#include <atomic>
#include <future>
#include <sched.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace gptc::runtime;

namespace {

std::vector<int> coresOfMine() {
  cpu_set_t cores;
  EXPECT_EQ(sched_getaffinity(0, sizeof(cores), &cores), 0);
  std::vector<int> numbers;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &cores))
      numbers.push_back(core);
  return numbers;
}

void spin(const ScheduledThread &thread, int64_t nanoseconds) {
  for (int64_t end = thread.ran() + nanoseconds; thread.ran() < end;) {}
}

TEST(ScheduledThread, RunsOnlyWhileItHasACore) {
  std::promise<ScheduledThread> started;
  std::promise<void> on, spun, finish;
  std::thread other([&] {
    ScheduledThread me = ScheduledThread::current();
    started.set_value(me);
    on.get_future().wait();
    spin(me, 3000000);
    spun.set_value();
    finish.get_future().wait();
  });
  ScheduledThread thread = started.get_future().get();
  while (true) { // until it sleeps
    int64_t before = thread.ran();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (thread.ran() == before)
      break;
  }
  int64_t before = thread.ran();
  spin(ScheduledThread::current(), 2000000);
  EXPECT_EQ(thread.ran(), before);
  on.set_value();
  spun.get_future().wait();
  EXPECT_GE(thread.ran() - before, 3000000);
  finish.set_value();
  other.join();
}

TEST(ScheduledThread, WaitsWhereAnotherHasItsCore) {
  if (access("/proc/self/schedstat", R_OK) != 0)
    GTEST_SKIP() << "the system does not tell how long threads wait";
  std::thread([] {
    int core = coresOfMine().front();
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    ScheduledThread me = ScheduledThread::current();
    std::atomic<bool> stop{false};
    std::promise<ScheduledThread> started;
    std::thread other([&] { // on the same core: it inherits the set
      started.set_value(ScheduledThread::current());
      while (!stop) {}
    });
    ScheduledThread thread = started.get_future().get();
    int64_t before = me.waited() + thread.waited();
    spin(me, 30000000);
    stop = true;
    other.join();
    // Some waiting of its own last wait is not counted yet.
    EXPECT_GT(me.waited() - before, 5000000);
  }).join();
}

TEST(ScheduledThread, MovesToACoreAndStaysFree) {
  ScheduledThread me = ScheduledThread::current();
  std::vector<int> cores = coresOfMine();
  for (int core : cores) {
    bool there = false; // the system may take it away again at once
    for (int i = 0; i < 100 && !there; ++i) {
      EXPECT_TRUE(me.moveTo(core));
      there = currentCore() == core;
    }
    EXPECT_TRUE(there) << core;
    EXPECT_EQ(coresOfMine(), cores);
  }
  EXPECT_FALSE(me.moveTo(-1));
  EXPECT_FALSE(me.moveTo(CPU_SETSIZE));
  EXPECT_FALSE(ScheduledThread().moveTo(cores.front()));
}

TEST(ScheduledThread, MovesOnlyToCoresThatItMayUse) {
  std::vector<int> cores = coresOfMine();
  if (cores.size() < 2)
    GTEST_SKIP() << "needs two cores";
  std::thread([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cores[0], &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    EXPECT_FALSE(ScheduledThread::current().moveTo(cores[1]));
    EXPECT_EQ(coresOfMine(), std::vector<int>{cores[0]});
  }).join();
}

} // namespace
