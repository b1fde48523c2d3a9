#include "runtime/pool.h"

#include "runtime/profile.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace gptc::runtime {

static constexpr int64_t spinNanoseconds = 20000;

// A thread that waits for a core for more than this share of the time has company.
static constexpr double disturbedShare = 0.05;

// How long a thread waits before it looks whether others have a core.
static constexpr timespec look = {0, 50000};

// True on every thread that runs a kernel, for nested launches.
static thread_local bool insideKernel = false;

static void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// The control word without its sticky exception flags.
static uint32_t floatControl() {
#if defined(__x86_64__)
  return _mm_getcsr() & ~0x3fu;
#else
  return 0;
#endif
}

static void setFloatControl(uint32_t control) {
#if defined(__x86_64__)
  if (floatControl() != control)
    _mm_setcsr(control);
#endif
}

static int64_t nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t(now.tv_sec) * 1000000000 + now.tv_nsec;
}

static void futexWait(std::atomic<uint32_t> &word, uint32_t seen, const timespec *atMost = nullptr) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE, seen, atMost, nullptr, 0);
}

static void futexWake(std::atomic<uint32_t> &word, int threads) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE, threads, nullptr, nullptr, 0);
}

llvm::Expected<std::unique_ptr<Pool>> Pool::create(unsigned threads) {
  if (threads < 1 || threads > mostThreads)
    return failure("the number of threads must be between 1 and {}, not {}", mostThreads, threads);
  std::unique_ptr<Pool> pool(new Pool);
  pool->slots = std::vector<Slot>(threads);
  // More threads than cores: whoever spins keeps another from working.
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0)
    pool->maySpin = threads <= unsigned(CPU_COUNT(&cores));
  pool->slots[0].scheduled = ScheduledThread::current(); // who makes a pool uses it
  pool->slots[0].core = Slot::waits;

  // Signals belong to the caller's thread.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = 0;
  for (unsigned i = 0; i < threads && !error; ++i) {
    Slot &slot = pool->slots[i];
    slot.pool = pool.get();
    slot.index = i;
    if (i == 0)
      continue;
    error = pthread_create(&slot.thread, nullptr, threadMain, &slot);
    slot.started = !error;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error)
    return failure("cannot start {} threads: {}; --threads 1 needs none", threads, std::strerror(error));
  return pool;
}

Pool::~Pool() {
  stopping = true;
  signal.fetch_add(1);
  futexWake(signal, INT_MAX);
  for (Slot &slot : slots)
    if (slot.started)
      pthread_join(slot.thread, nullptr);
}

void *Pool::threadMain(void *argument) {
  Slot &slot = *static_cast<Slot *>(argument);
  insideKernel = true;
  slot.scheduled = ScheduledThread::current();
  slot.core.store(Slot::waits, std::memory_order_release);
  slot.pool->work(slot);
  return nullptr;
}

llvm::Error Pool::reserveScratch(int64_t bytes) {
  if (bytes <= scratchBytes.load())
    return llvm::Error::success();
  std::lock_guard<std::mutex> lock(launching);
  for (Slot &slot : slots) {
    llvm::Expected<Buffer> buffer = Buffer::allocate(bytes);
    if (!buffer)
      return failure("no scratch for {} threads: {}", slots.size(), llvm::toString(buffer.takeError()));
    slot.scratch = std::move(*buffer);
  }
  scratchBytes = bytes;
  return llvm::Error::success();
}

template <typename Condition> bool Pool::spinUntil(Condition condition) {
  if (condition())
    return true;
  if (!maySpin)
    return false;
  for (int64_t end = nanoseconds() + spinNanoseconds; nanoseconds() < end;)
    for (int i = 0; i < 16; ++i) {
      relax();
      if (condition())
        return true;
    }
  return false;
}

void Pool::work(Slot &slot) {
  auto haveWork = [&] { return Open(open.load(std::memory_order_acquire)).left() != 0; };
  for (;;) {
    uint32_t seen = signal.load();
    if (stopping.load())
      return;
    if (runPieces(slot))
      continue;
    if (spinUntil([&] { return haveWork() || stopping.load(std::memory_order_relaxed); }))
      continue;
    // The caller raises the signal before it looks for sleepers, we count
    // ourselves before we look at the signal: one of us sees the other.
    sleepers.fetch_add(1);
    if (!stopping.load())
      sleep(signal, seen, slot);
    sleepers.fetch_sub(1);
  }
}

// Numbers are taken from both ends, but whoever begins at the end is to go upwards through memory, too: the hardware
// fetches ahead that way. So the second half is turned round.
static uint32_t upwards(uint32_t number, uint32_t pieces) {
  uint32_t half = (pieces + 1) / 2;
  return number < half ? number : half + (pieces - 1 - number);
}

bool Pool::runPieces(Slot &slot) {
  bool any = false;
  uint64_t word = open.load(std::memory_order_acquire);
  for (;;) {
    Open now(word);
    if (now.left() == 0)
      return any;
    if (!any) {
      any = true;
      takeCore(slot);
      word = open.load(std::memory_order_acquire);
      continue;
    }
    bool atFront = slot.index % 2 == 0;
    Open next = atFront ? Open(now.epoch, now.front + 1, now.back) : Open(now.epoch, now.front, now.back - 1);
    if (!open.compare_exchange_weak(word, next.word(), std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    // A piece is ours, so the job stays as it is until we report it done.
    uint32_t pieces = job.pieces;
    setFloatControl(job.floatControl);
    uint32_t piece = upwards(atFront ? now.front : next.back, pieces);
    job.kernel(job.context, job.arguments, slot.scratch.data(), job.first + piece);
    if (done.fetch_add(1) + 1 == pieces && callerSleeps.load())
      futexWake(done, 1);
    word = open.load(std::memory_order_acquire);
  }
}

void Pool::wakeWorkers(uint32_t pieces) {
  signal.fetch_add(1);
  if (uint32_t asleep = sleepers.load())
    futexWake(signal, int(std::min(asleep, pieces - 1)));
}

void Pool::waitForPieces(uint32_t pieces) {
  if (spinUntil([&] { return done.load(std::memory_order_acquire) == pieces; }))
    return;
  callerSleeps = true;
  for (uint32_t now; (now = done.load()) != pieces;)
    sleep(done, now, slots[0]);
  callerSleeps = false;
}

void Pool::takeCore(Slot &slot) {
  int core = currentCore();
  slot.core.store(core, std::memory_order_release);
  if (!company.load(std::memory_order_relaxed))
    return;
  cpu_set_t taken;
  CPU_ZERO(&taken);
  bool shared = false;
  for (Slot &other : slots)
    if (int theirs = other.core.load(std::memory_order_relaxed); theirs >= 0 && theirs < CPU_SETSIZE) {
      CPU_SET(theirs, &taken);
      shared |= theirs == core && other.index < slot.index;
    }
  cpu_set_t cores;
  if (!shared || sched_getaffinity(0, sizeof(cores), &cores) != 0)
    return;
  for (int next = 0; next < CPU_SETSIZE; ++next)
    if (CPU_ISSET(next, &cores) && !CPU_ISSET(next, &taken) && slot.scheduled.moveTo(next))
      return slot.core.store(next, std::memory_order_release);
}

void Pool::sleep(std::atomic<uint32_t> &word, uint32_t seen, Slot &slot) {
  slot.core.store(Slot::waits, std::memory_order_release);
  // The caller looks after the others, one of them after the caller: more would take it from each other.
  if (slot.index < 2 && company.load(std::memory_order_relaxed))
    lendCore(word, seen);
  futexWait(word, seen);
  slot.core.store(currentCore(), std::memory_order_release);
}

// Sleeps until `word` changes or a thread that works has got our core.
void Pool::lendCore(std::atomic<uint32_t> &word, uint32_t seen) {
  auto works = [](const Slot &slot) { return slot.core.load(std::memory_order_acquire) >= 0; };
  while (word.load() == seen) {
    auto other = std::find_if(slots.begin(), slots.end(), works);
    int64_t before = other == slots.end() ? 0 : other->scheduled.ran();
    futexWait(word, seen, &look);
    if (word.load() == seen && other != slots.end() && works(*other) && other->scheduled.ran() == before &&
        other->scheduled.moveTo(currentCore()))
      return;
  }
}

// Company is who makes our threads wait for a core. We look at one thread at a time.
void Pool::watchCompany() {
  if (!maySpin || ++launches % 256 != 0)
    return;
  Slot &slot = slots[launches / 256 % slots.size()];
  if (slot.core.load(std::memory_order_acquire) == Slot::notThere)
    return;
  int64_t now = nanoseconds(), waited = slot.scheduled.waited();
  bool has = slot.watched && double(waited - slot.waited) > disturbedShare * double(now - slot.watched);
  disturbed = disturbed + has - slot.disturbed;
  company.store(disturbed != 0, std::memory_order_relaxed);
  slot.watched = now;
  slot.waited = waited;
  slot.disturbed = has;
}

void Pool::runShared(uint32_t pieces) {
  job.pieces = pieces;
  done.store(0, std::memory_order_relaxed);
  open.store(Open(++epoch, 0, pieces).word(), std::memory_order_seq_cst);
  wakeWorkers(pieces);
  runPieces(slots[0]);
  waitForPieces(pieces);
}

// Where no pool can help: every piece in order, with scratch of its own.
static void runAlone(const gptc_context *context, gptc_kernel kernel, void *const *arguments, int64_t first,
                     int64_t end, int64_t scratchBytes) {
  llvm::Expected<Buffer> scratch = Buffer::allocate(scratchBytes);
  if (!scratch) {
    fmt::print(stderr, "gptc: {}\n", llvm::toString(scratch.takeError()));
    std::abort();
  }
  for (int64_t piece = first; piece < end; ++piece)
    kernel(context, arguments, scratch->data(), piece);
}

void Pool::launch(const gptc_context *context, gptc_kernel kernel, void *const *arguments, int64_t first,
                  int64_t end, int64_t bytes) {
  if (first >= end)
    return;
  if (insideKernel)
    return runAlone(context, kernel, arguments, first, end, bytes);
  if (bytes > scratchBytes.load(std::memory_order_relaxed)) {
    // A program that was loaded without its scratch: grows once, at its first run.
    if (llvm::Error error = reserveScratch(bytes)) {
      fmt::print(stderr, "gptc: {}\n", llvm::toString(std::move(error)));
      std::abort();
    }
  }
  std::lock_guard<std::mutex> lock(launching);
  insideKernel = true;
  int64_t start = profile ? nanoseconds() : 0;
  if (end - first == 1 || slots.size() == 1) {
    for (int64_t piece = first; piece < end; ++piece)
      kernel(context, arguments, slots[0].scratch.data(), piece);
  } else {
    job.context = context;
    job.kernel = kernel;
    job.arguments = arguments;
    job.floatControl = floatControl();
    const int64_t most = Open::most;
    for (job.first = first; job.first < end; job.first += most)
      runShared(uint32_t(std::min(most, end - job.first)));
    watchCompany();
  }
  if (profile)
    profile->add(kernel, nanoseconds() - start);
  insideKernel = false;
}

} // namespace gptc::runtime

extern "C" void gptc_launch(const gptc_context *context, gptc_kernel kernel, void *const *arguments,
                            int64_t first, int64_t end, int64_t scratch_bytes) {
  auto *pool = static_cast<gptc::runtime::Pool *>(context->pool);
  if (!pool)
    return gptc::runtime::runAlone(context, kernel, arguments, first, end, scratch_bytes);
  pool->launch(context, kernel, arguments, first, end, scratch_bytes);
}
