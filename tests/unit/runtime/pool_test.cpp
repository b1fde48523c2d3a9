#include "test_support.h"

#include "runtime/pool.h"

#include <atomic>
#include <cfloat>
#include <chrono>
#include <csignal>
#include <numeric>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

using namespace gptc::runtime;

namespace {

void countPiece(const gptc_context *, void *const *arguments, char *scratch, int64_t piece) {
  scratch[0] = 1;
  static_cast<std::atomic<int> *>(arguments[0])[piece]++;
}

struct Counted {
  explicit Counted(int64_t pieces) : seen(size_t(pieces)) {}
  void launch(Pool &pool, int64_t scratch = 64) {
    gptc_context context = {};
    context.pool = &pool;
    void *arguments[] = {seen.data()};
    gptc_launch(&context, countPiece, arguments, 0, int64_t(seen.size()), scratch);
  }
  bool all(int times) const {
    return std::all_of(seen.begin(), seen.end(), [&](const std::atomic<int> &n) { return n == times; });
  }
  std::vector<std::atomic<int>> seen;
};

TEST(Pool, RunsEveryPieceOnce) {
  for (unsigned threads = 1; threads <= 4; ++threads) {
    auto pool = valueOf(Pool::create(threads));
    EXPECT_EQ(pool->threads(), threads);
    for (int64_t pieces : {0, 1, 2, 3, 7, 64, 1000}) {
      Counted counted(pieces);
      for (int time = 1; time <= 50; ++time) {
        counted.launch(*pool);
        ASSERT_TRUE(counted.all(time)) << threads << " threads, " << pieces << " pieces";
      }
    }
  }
}

TEST(Pool, ManySmallLaunches) {
  auto pool = valueOf(Pool::create(3));
  Counted counted(5);
  for (int time = 0; time < 20000; ++time)
    counted.launch(*pool);
  EXPECT_TRUE(counted.all(20000));
}

/// A process that spins for each core.
class Company {
public:
  Company() {
    for (unsigned i = 0; i < defaultThreads(); ++i)
      if (pid_t process = fork(); process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); // whatever becomes of the test
        for (;;) {
        }
      } else
        processes.push_back(process);
  }
  ~Company() {
    for (pid_t process : processes) {
      kill(process, SIGKILL);
      waitpid(process, nullptr, 0);
    }
  }

private:
  std::vector<pid_t> processes;
};

void slowPiece(const gptc_context *context, void *const *arguments, char *scratch, int64_t piece) {
  auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(20);
  while (std::chrono::steady_clock::now() < end) {
  }
  countPiece(context, arguments, scratch, piece);
}

// Long enough for the pool to notice.
TEST(Pool, InCompany) {
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  for (unsigned threads : {2u, defaultThreads(), defaultThreads() + 1}) {
    auto pool = valueOf(Pool::create(threads));
    Company company;
    gptc_context context = {};
    context.pool = pool.get();
    std::vector<std::atomic<int>> seen(6);
    void *arguments[] = {seen.data()};
    for (int time = 1; time <= 3000; ++time) {
      gptc_launch(&context, slowPiece, arguments, 0, 6, 64);
      ASSERT_TRUE(std::all_of(seen.begin(), seen.end(), [&](auto &n) { return n == time; })) << threads << " threads";
    }
  }
  ASSERT_EQ(sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST(Pool, WakesSleepingWorkers) {
  auto pool = valueOf(Pool::create(4));
  Counted counted(9);
  for (int time = 1; time <= 20; ++time) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    counted.launch(*pool);
    ASSERT_TRUE(counted.all(time));
  }
}

void scratchPiece(const gptc_context *, void *const *arguments, char *scratch, int64_t) {
  auto *bad = static_cast<std::atomic<int> *>(arguments[0]);
  if (reinterpret_cast<uintptr_t>(scratch) % 64)
    ++*bad;
  // Whoever shared this scratch would see another's value.
  auto *mine = reinterpret_cast<std::thread::id *>(scratch);
  for (int i = 0; i < 1000; ++i) {
    *const_cast<volatile std::thread::id *>(mine), *mine = std::this_thread::get_id();
    if (*mine != std::this_thread::get_id())
      ++*bad;
  }
}

TEST(Pool, ScratchIsAlignedAndOnesOwn) {
  auto pool = valueOf(Pool::create(4));
  ASSERT_EQ(messageOf(pool->reserveScratch(100)), "");
  std::atomic<int> bad{0};
  void *arguments[] = {&bad};
  gptc_context context = {};
  context.pool = pool.get();
  for (int64_t bytes : {100, 5000, 10 << 20})
    gptc_launch(&context, scratchPiece, arguments, 0, 64, bytes);
  EXPECT_EQ(bad, 0);
}

struct Nested {
  std::atomic<int> pieces{0};
};
void innerPiece(const gptc_context *, void *const *arguments, char *scratch, int64_t) {
  scratch[127] = 1;
  ++static_cast<Nested *>(arguments[0])->pieces;
}
void outerPiece(const gptc_context *context, void *const *arguments, char *scratch, int64_t) {
  scratch[0] = 42;
  gptc_launch(context, innerPiece, arguments, 0, 10, 128);
  if (scratch[0] == 42)
    ++static_cast<Nested *>(arguments[0])->pieces;
}

TEST(Pool, NestedLaunchRunsInPlace) {
  auto pool = valueOf(Pool::create(3));
  Nested nested;
  void *arguments[] = {&nested};
  gptc_context context = {};
  context.pool = pool.get();
  gptc_launch(&context, outerPiece, arguments, 0, 8, 64);
  EXPECT_EQ(nested.pieces, 8 * 11);
  gptc_launch(&context, outerPiece, arguments, 0, 1, 64);
  EXPECT_EQ(nested.pieces, 9 * 11);
}

TEST(Pool, TwoCallersTakeTurns) {
  auto pool = valueOf(Pool::create(2));
  Counted a(16), b(16);
  std::thread other([&] {
    for (int i = 0; i < 2000; ++i)
      a.launch(*pool);
  });
  for (int i = 0; i < 2000; ++i)
    b.launch(*pool);
  other.join();
  EXPECT_TRUE(a.all(2000));
  EXPECT_TRUE(b.all(2000));
}

TEST(Pool, LaunchesWithoutAPool) {
  gptc_context context = {};
  std::vector<std::atomic<int>> seen(5);
  void *arguments[] = {seen.data()};
  gptc_launch(&context, countPiece, arguments, 0, 5, 64);
  EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](auto &n) { return n == 1; }));
}

TEST(Pool, RefusesAbsurdThreadCounts) {
  EXPECT_CONTAINS(messageOf(Pool::create(0)), "between 1 and");
  EXPECT_CONTAINS(messageOf(Pool::create(1000000)), "1000000");
}

#if defined(__x86_64__)
void flushPiece(const gptc_context *, void *const *arguments, char *, int64_t piece) {
  volatile float tiny = FLT_MIN;
  static_cast<float *>(arguments[0])[piece] = tiny / 4;
  std::this_thread::sleep_for(std::chrono::milliseconds(1)); // lets every thread have a piece
}

TEST(Pool, WorkersTakeTheCallersFloatControl) {
  auto pool = valueOf(Pool::create(3));
  float values[12];
  void *arguments[] = {values};
  gptc_context context = {};
  context.pool = pool.get();
  unsigned before = _mm_getcsr();
  _mm_setcsr(before | _MM_FLUSH_ZERO_ON);
  gptc_launch(&context, flushPiece, arguments, 0, 12, 0);
  _mm_setcsr(before);
  for (float value : values)
    EXPECT_EQ(value, 0.0f);
  gptc_launch(&context, flushPiece, arguments, 0, 12, 0);
  for (float value : values)
    EXPECT_GT(value, 0.0f);
}
#endif

TEST(Threads, DefaultIsAtLeastOne) {
  EXPECT_GE(defaultThreads(), 1u);
  EXPECT_LE(defaultThreads(), 4096u);
}

TEST(Threads, ControlGroupQuotas) {
  TemporaryDirectory root;
  EXPECT_EQ(cgroupCores("0::/a/b\n", root.path), 0);
  llvm::sys::fs::create_directories(root.file("a/b"));
  writeAll(root.file("a/b/cpu.max"), "max 100000\n");
  EXPECT_EQ(cgroupCores("0::/a/b\n", root.path), 0);
  writeAll(root.file("a/cpu.max"), "250000 100000\n");
  EXPECT_EQ(cgroupCores("0::/a/b\n", root.path), 2.5);
  writeAll(root.file("cpu.max"), "150000 100000\n"); // as seen inside a container
  EXPECT_EQ(cgroupCores("0::/\n", root.path), 1.5);
  EXPECT_EQ(cgroupCores("0::/elsewhere/on/the/host\n", root.path), 1.5);
  llvm::sys::fs::create_directories(root.file("cpu/job"));
  writeAll(root.file("cpu/job/cpu.cfs_quota_us"), "300000\n");
  writeAll(root.file("cpu/job/cpu.cfs_period_us"), "100000\n");
  EXPECT_EQ(cgroupCores("4:cpu,cpuacct:/job\n3:memory:/job\n", root.path), 3);
  writeAll(root.file("cpu/job/cpu.cfs_quota_us"), "-1\n");
  EXPECT_EQ(cgroupCores("4:cpu,cpuacct:/job\n", root.path), 0);
}

TEST(Memory, ControlGroupsLimitIt) {
  TemporaryDirectory root;
  EXPECT_EQ(cgroupBytes("0::/a/b\n", root.path), 0);
  llvm::sys::fs::create_directories(root.file("a/b"));
  writeAll(root.file("a/b/memory.max"), "max\n");
  EXPECT_EQ(cgroupBytes("0::/a/b\n", root.path), 0);
  writeAll(root.file("a/memory.max"), "536870912\n");
  EXPECT_EQ(cgroupBytes("0::/a/b\n", root.path), 536870912);
  llvm::sys::fs::create_directories(root.file("memory/job"));
  writeAll(root.file("memory/job/memory.limit_in_bytes"), "1000000\n");
  EXPECT_EQ(cgroupBytes("4:cpu,cpuacct:/job\n3:memory:/job\n", root.path), 1000000);
  EXPECT_GT(machineMemory(), 0);
}

} // namespace
