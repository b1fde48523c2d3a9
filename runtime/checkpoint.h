// A run's directory:
//   model.gpt     the model's text as compiled
//   config.json   settings, facts of the data, dtype, seed, version
//   tokenizer.json  of models that read text as byte pairs
//   log.jsonl     one object per step
//   latest, best  names of checkpoints
//   checkpoints/step-00001000/{weights.safetensors,optimizer.safetensors,state.json}
// Where parameters are averaged, weights.safetensors holds the averages, which is
// what inference uses, and optimizer.safetensors the parameters, as NAME.current.
// Every file and every checkpoint is whole or not there.
#pragma once

#include "runtime/log.h"
#include "runtime/variables.h"

#include <optional>

namespace gptc::runtime {

/// Where training stands, beside the variables.
struct TrainingState {
  int64_t step = 0; // steps done
  uint64_t seed = 0;
  int64_t batch = 0;
  int64_t items = 0;             // tokens or rows trained on
  int64_t itemsEvaluated = 0;    // as many of them were before the last evaluation
  std::optional<double> valLoss; // of this checkpoint, where evaluated
  std::optional<double> bestLoss;
  int64_t bestStep = 0;
  /// Saved because of an interrupt or of the time that had passed: no step asked for it, and it goes with the next one.
  bool extra = false;
  /// An interrupt came before the step's evaluation was done. It is to be done first, then this line is to be logged.
  std::optional<LogEntry> pending;

  llvm::json::Object toJson() const;
  static llvm::Expected<TrainingState> fromJson(const llvm::json::Object &object, llvm::StringRef source);
};

/// Everything that a checkpoint holds, in memory.
class Snapshot {
public:
  /// Views of the store's variables: good as long as they do not change.
  static llvm::Expected<Snapshot> view(const VariableStore &store, const TrainingState &state);
  /// Copies the variables into memory of its own, which is used again the next time.
  llvm::Error copy(const VariableStore &store, const TrainingState &state);

  /// Bytes of that memory.
  int64_t size() const { return memory.size(); }

  TrainingState state;
  std::vector<TensorView> weights, states;

private:
  Buffer memory;
};

/// Only one process at a time changes a run: create() and lock() fail while another one holds the directory.
class RunDirectory {
public:
  enum class Which { Latest, Best, Named };
  struct Loaded {
    std::string name; // "step-00001000"
    TrainingState state;
    std::vector<std::string> warnings; // checkpoints passed over, and why
  };

  /// A new run. Fails where a run or anything else is already, or nothing can
  /// be written. What an earlier start without a checkpoint has left may stay.
  /// The directory is locked before anything is written into it.
  static llvm::Expected<RunDirectory> create(llvm::StringRef path);
  /// An existing run, to read.
  static llvm::Expected<RunDirectory> open(llvm::StringRef path);

  const std::string &path() const { return root; }
  std::string file(llvm::StringRef name) const { return root + "/" + name.str(); }

  llvm::Error writeModel(llvm::StringRef text);
  llvm::Expected<std::string> readModel() const;
  /// `text` of data.tokenizer (Tokenizer::save) becomes the file tokenizer.json; reading puts it back.
  llvm::Error writeConfig(llvm::json::Object config);
  llvm::Expected<llvm::json::Object> readConfig() const;

  /// Takes the run for this process, until the object goes.
  llvm::Error lock();

  /// Writes a checkpoint, then `latest` (and `best`), then removes all but the
  /// newest `keep`, the best, and an extra one that is the newest. A failure leaves what was there before.
  llvm::Error save(const Snapshot &snapshot, bool best, int64_t keep);
  llvm::Error save(const VariableStore &store, const TrainingState &state, bool best, int64_t keep);
  /// Fills the store from the newest whole checkpoint, the best, or the one that is
  /// named. With `states` the optimizer's, too. The store is unchanged on an error.
  llvm::Expected<Loaded> load(VariableStore &store, Which which, bool states,
                              llvm::StringRef named = "") const;
  /// The file with the weights of the newest whole checkpoint; `warnings` gets those
  /// passed over, and why.
  llvm::Expected<std::string> newestWeights(std::vector<std::string> &warnings) const;
  /// Names of checkpoints, newest first, whole or not. An error where the directory cannot be read.
  llvm::Expected<std::vector<std::string>> checkpoints() const;
  /// Removes what an interrupted save has left, and makes `latest` and `best` what the state from which training goes
  /// on says. Needs the lock.
  llvm::Error repair(const TrainingState &state);
  /// Takes create() back, where nothing was saved: removes the directories that it made.
  void discard();

private:
  explicit RunDirectory(llvm::StringRef path);
  llvm::Expected<bool> tryLock();
  std::string folder(llvm::StringRef checkpoint) const { return root + "/checkpoints/" + checkpoint.str(); }
  llvm::Error place(const std::string &temporary, const std::string &target);
  llvm::Error prune(int64_t keep);
  llvm::Error removeCheckpoint(const std::string &name);

  std::string root;
  std::vector<std::string> made; // directories that create() made, outermost first
  std::shared_ptr<int> held;     // the descriptor that holds the lock
};

std::string checkpointName(int64_t step);

} // namespace gptc::runtime
