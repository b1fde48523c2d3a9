// Checkpoints that are written beside training.
#pragma once

#include "runtime/checkpoint.h"

#include <atomic>
#include <pthread.h>

namespace gptc::runtime {

/// Writes one checkpoint at a time in a thread of its own. What is to be written is copied first, so that the next step
/// waits for the copy and not for the disk.
class Saver {
public:
  Saver(RunDirectory &run, int64_t keep) : run(run), keep(keep) {}
  /// Waits; an error that nobody has asked for is lost.
  ~Saver();
  Saver(const Saver &) = delete;

  /// Begins to write. Waits for the checkpoint before, and returns its error.
  llvm::Error start(const VariableStore &store, const TrainingState &state, bool best);
  /// Writes now, without a copy, behind what is being written.
  llvm::Error save(const VariableStore &store, const TrainingState &state, bool best);
  /// Waits until what was begun is written.
  llvm::Error wait();
  /// The same without waiting: an error where what was begun has failed.
  llvm::Error check() { return running && done ? wait() : llvm::Error::success(); }
  /// The step of the last checkpoint that is whole on the disk as far as is known here; none before the first.
  std::optional<int64_t> lastSaved() const { return saved; }
  void resumedFrom(int64_t step) { saved = step; }

private:
  void write();

  RunDirectory &run;
  int64_t keep;
  Snapshot snapshot;
  bool best = false, running = false;
  pthread_t thread = {};
  std::optional<int64_t> saved;
  std::string failed; // what write() failed with
  std::atomic<bool> done{false};
};

} // namespace gptc::runtime
