#include "runtime/saver.h"

#include "runtime/files.h"

#include <csignal>
#include <sys/resource.h>
#include <unistd.h>

using llvm::Error;

namespace gptc::runtime {

static constexpr int niceness = 5; // training goes before writing

// A copy up to this size is kept for the next time; of a larger one the memory goes back.
static constexpr int64_t keptCopy = int64_t(256) << 20;

// The number in a file of the system: behind `name`, or the only one. None where there is no such number.
static std::optional<int64_t> systemNumber(llvm::StringRef path, llvm::StringRef name) {
  auto buffer = readFile(path);
  if (!buffer) {
    llvm::consumeError(buffer.takeError());
    return std::nullopt;
  }
  llvm::StringRef text = (*buffer)->getBuffer();
  if (!name.empty()) {
    size_t at = text.find(name);
    if (at == llvm::StringRef::npos)
      return std::nullopt;
    text = text.drop_front(at + name.size());
  }
  int64_t number;
  return text.ltrim().consumeInteger(10, number) ? std::nullopt : std::optional<int64_t>(number);
}

// Whether so much memory can be had without driving others, or us, out of it.
static bool isAvailable(int64_t bytes) {
  std::optional<int64_t> kib = systemNumber("/proc/meminfo", "MemAvailable:");
  std::optional<int64_t> most = systemNumber("/sys/fs/cgroup/memory.max", "");
  std::optional<int64_t> used = systemNumber("/sys/fs/cgroup/memory.current", "");
  int64_t wanted = bytes + bytes / 4;
  return (!kib || wanted <= *kib * 1024) && (!most || !used || wanted <= *most - *used);
}

Saver::~Saver() {
  llvm::consumeError(wait());
}

void Saver::write() {
  Error error = run.save(snapshot, best, keep);
  failed = error ? llvm::toString(std::move(error)) : "";
  done = true;
}

Error Saver::start(const VariableStore &store, const TrainingState &state, bool isBest) {
  if (Error error = wait())
    return error;
  // Where there is no memory for a copy, or no thread, the step waits for the disk.
  int64_t bytes = 0;
  for (const auto &variable : store.all())
    bytes += variable->memory.size();
  if (bytes > snapshot.size() && !isAvailable(bytes))
    return save(store, state, isBest);
  if (Error error = snapshot.copy(store, state)) {
    llvm::consumeError(std::move(error));
    return save(store, state, isBest);
  }
  best = isBest;
  done = false;
  auto entry = [](void *argument) -> void * {
    setpriority(PRIO_PROCESS, id_t(gettid()), niceness);
    static_cast<Saver *>(argument)->write();
    return nullptr;
  };
  // Signals belong to the thread that trains: a write that goes on is not interrupted.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  running = pthread_create(&thread, nullptr, entry, this) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return running ? Error::success() : save(store, state, isBest);
}

Error Saver::save(const VariableStore &store, const TrainingState &state, bool isBest) {
  if (Error error = wait())
    return error;
  if (Error error = run.save(store, state, isBest, keep))
    return error;
  saved = state.step;
  return Error::success();
}

Error Saver::wait() {
  if (!running)
    return Error::success();
  pthread_join(thread, nullptr);
  running = false;
  int64_t step = snapshot.state.step;
  if (snapshot.size() > keptCopy)
    snapshot = Snapshot();
  if (!failed.empty())
    return failure("{}", failed);
  saved = step;
  return Error::success();
}

} // namespace gptc::runtime
