// A run's directory:
//   model.gpt     the model's text as compiled
//   config.json   settings, facts of the data, dtype, seed, version
//   tokenizer.json  of models that read text as byte pairs
//   log.jsonl     one object a step
//   latest, best  names of checkpoints
//   checkpoints/step-00001000/{weights.safetensors,optimizer.safetensors,state.json}
// Where parameters are averaged, weights.safetensors holds the averages, which is
// what inference uses, and optimizer.safetensors the parameters, as NAME.current.
// Every file and every checkpoint is whole or not there.
#pragma once

#include "runtime/variables.h"

#include <optional>

namespace gptc::runtime {

/// Where training stands, beside the variables.
struct TrainingState {
  int64_t step = 0; // steps done; the next one has this number, and so has its data
  uint64_t seed = 0;
  int64_t batch = 0;
  std::optional<double> valLoss; // of this checkpoint, where evaluated
  std::optional<double> bestLoss;
  int64_t bestStep = 0;

  llvm::json::Object toJson() const;
  static llvm::Expected<TrainingState> fromJson(const llvm::json::Object &object, llvm::StringRef source);
};

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

  /// Writes a checkpoint, then `latest` (and `best`), then removes all but the
  /// newest `keep` and the best. A failure leaves what was there before.
  llvm::Error save(const VariableStore &store, const TrainingState &state, bool best, int64_t keep);
  /// Fills the store from the newest whole checkpoint, the best, or the one that is
  /// named. With `states` the optimizer's, too. The store is unchanged on an error.
  llvm::Expected<Loaded> load(VariableStore &store, Which which, bool states,
                              llvm::StringRef named = "") const;
  /// The file with the weights of the newest whole checkpoint; `warnings` gets those
  /// passed over, and why.
  llvm::Expected<std::string> newestWeights(std::vector<std::string> &warnings) const;
  /// Names of checkpoints, newest first, whole or not.
  std::vector<std::string> checkpoints() const;
  /// Removes what an interrupted save has left. Only for the run's own trainer.
  void removeLeftovers();
  /// Takes create() back, where it made the directory and nothing was saved.
  void discard();

private:
  explicit RunDirectory(llvm::StringRef path) : root(path.str()) {}
  std::string folder(llvm::StringRef checkpoint) const { return root + "/checkpoints/" + checkpoint.str(); }
  llvm::Error place(const std::string &temporary, const std::string &target);
  void prune(int64_t keep);

  std::string root;
  bool made = false; // by create()
};

std::string checkpointName(int64_t step);

} // namespace gptc::runtime
