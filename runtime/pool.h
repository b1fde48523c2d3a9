// The thread pool behind gptc_launch.
#pragma once

#include "runtime/abi.h"
#include "runtime/memory.h"
#include "runtime/scheduled_thread.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <vector>

namespace gptc::runtime {

/// N threads, the caller among them, started once. Pieces are taken one by one,
/// and a launch waits only for pieces, never for threads: one that the system
/// gives no core simply takes none. Every other thread takes from the end, so
/// that of two threads each finds in its cache what it wrote in the last kernel.
///
/// In company, where other processes take our cores at times, a thread that waits gives its core to one of ours that
/// has work and no core, and one that begins on the core of another goes to a core where none of ours is: else the
/// system leaves two of ours on one core, and each waits for what the other has begun.
class Pool {
public:
  static constexpr unsigned mostThreads = 1024;
  static llvm::Expected<std::unique_ptr<Pool>> create(unsigned threads);
  ~Pool();
  Pool(const Pool &) = delete;
  Pool &operator=(const Pool &) = delete;

  unsigned threads() const { return unsigned(slots.size()); }

  /// Scratch of every thread is at least `bytes` from here on. Called when a
  /// program is loaded, so that launches allocate nothing.
  llvm::Error reserveScratch(int64_t bytes);

  /// As gptc_launch. Launches from several threads take turns; a launch from
  /// inside a kernel is a mistake, and runs on the thread it comes from.
  void launch(const gptc_context *context, gptc_kernel kernel, void *const *arguments, int64_t first,
              int64_t end, int64_t scratchBytes);

  /// Where launches note their times; null (the start): nowhere.
  void setProfile(class Profile *where) { profile = where; }

private:
  struct alignas(64) Slot {
    static constexpr int waits = -1, notThere = -2;
    std::atomic<int> core{notThere}; // where it began its work
    Pool *pool = nullptr;
    unsigned index = 0;
    pthread_t thread = {};
    bool started = false;
    Buffer scratch;
    ScheduledThread scheduled;
    int64_t waited = 0, watched = 0; // of the last look: how long it had waited for a core, and when that was
    bool disturbed = false;
  };
  struct Job {
    const gptc_context *context = nullptr;
    gptc_kernel kernel = nullptr;
    void *const *arguments = nullptr;
    int64_t first = 0; // the piece that `open` calls 0
    uint32_t pieces = 0;
    uint32_t floatControl = 0;
  };

  Pool() = default;
  static void *threadMain(void *slot);
  void work(Slot &slot);
  bool runPieces(Slot &slot);
  void runShared(uint32_t pieces);
  void wakeWorkers(uint32_t pieces);
  void waitForPieces(uint32_t pieces);
  void watchCompany();
  void takeCore(Slot &slot);
  void sleep(std::atomic<uint32_t> &word, uint32_t seen, Slot &slot);
  void lendCore(std::atomic<uint32_t> &word, uint32_t seen);
  template <typename Condition> bool spinUntil(Condition condition);

  std::vector<Slot> slots; // 0 is the caller's
  std::mutex launching;
  std::atomic<int64_t> scratchBytes{0};

  Job job; // written only while no piece is left or running
  uint32_t epoch = 0;
  bool maySpin = true;
  Profile *profile = nullptr;
  uint64_t launches = 0;
  size_t disturbed = 0; // how many threads are

  /// Pieces not yet taken are front .. back-1. The epoch keeps a thread that lost its core from
  /// taking a piece of another launch.
  struct Open {
    static constexpr int bits = 20;
    static constexpr uint64_t most = (uint64_t(1) << bits) - 1;
    uint64_t epoch, front, back;
    Open(uint64_t epoch, uint64_t front, uint64_t back) : epoch(epoch), front(front), back(back) {}
    explicit Open(uint64_t word) : epoch(word >> 2 * bits), front(word & most), back(word >> bits & most) {}
    uint64_t word() const { return epoch << 2 * bits | back << bits | front; }
    uint64_t left() const { return back - front; }
  };
  alignas(64) std::atomic<uint64_t> open{0};
  alignas(64) std::atomic<uint32_t> done{0};
  std::atomic<bool> callerSleeps{false};
  alignas(64) std::atomic<uint32_t> signal{0};
  std::atomic<uint32_t> sleepers{0};
  std::atomic<bool> stopping{false};
  std::atomic<bool> company{false};
};

/// The number of cores that this process may use: its affinity mask, cut to
/// the CPU quota of its control group. At least 1.
unsigned defaultThreads();

/// Cores' worth of CPU time that control groups (v1 or v2) grant, 0 where
/// nothing limits it. `membership` is /proc/self/cgroup's text, `root` where
/// control groups are mounted.
double cgroupCores(llvm::StringRef membership, llvm::StringRef root);

} // namespace gptc::runtime
