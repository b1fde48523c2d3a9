// What every kind of data offers to training and evaluation.
#pragma once

#include "runtime/error.h"
#include "runtime/program.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/JSON.h"

#include <string>
#include <vector>

namespace gptc::runtime {

/// Where an input of a program lies.
struct InputBuffer {
  const TensorInfo *info = nullptr;
  char *data = nullptr;
};

/// Elements from one row of an input [batch, length] to the next, where the
/// batch's extent of the second dimension is `extent`.
inline int64_t rowStride(const TensorInfo &info, int64_t extent) {
  return info.shape.empty() ? 1 : info.strides([&](const std::string &) { return extent; }).front();
}

/// What a program takes at a time.
struct BatchShape {
  int64_t rows = 1;         // the most examples
  int64_t tokens = 0;       // the most of rows times the longest sequence, padding included; 0: any
  bool wholeRows = false;   // exactly so many; a smaller rest is left out
  bool wholeLength = false; // only windows of full length; a shorter rest is left out
  bool everyToken = false;  // nothing asks for the token that follows, so the last one needs none
};

/// What a loader has filled in.
struct Batch {
  int64_t rows = 0;   // examples, the extent of every input's first dimension
  int64_t length = 0; // the extent of a text window; 0 for rows
  int64_t items = 0;  // tokens or rows: the weight of this batch's mean
  /// Where sequences have lengths of their own: extents by name.
  struct Extent {
    std::string name;
    int64_t value;
  };
  std::vector<Extent> extents = {};
  /// Which examples of the data these are, from 0; empty: the next ones in order.
  std::vector<int64_t> examples = {};
};

/// The inputs that no data fills: they come from the training loop.
inline bool isLoopInput(llvm::StringRef name) {
  return name == "seed" || name == "step" || name == "example";
}

/// What is held out for validation where a run was trained on the data before.
struct HeldOut {
  /// Loader::facts() of the run; null: a new run.
  const llvm::json::Object *facts = nullptr;
  /// The data are not those of the facts, but the run goes on with them: what was held out stays so, as far as it is
  /// there. Else facts of other data say nothing about what is held out.
  bool keep = false;
};

/// A column of rows that the model uses as an index, `table[int(column)]`.
struct IndexColumn {
  std::string input;
  size_t source = 0; // which of its columns
  int64_t below = 0; // its numbers are from 0 to below this
  std::string table; // what is indexed, for the message
};

/// Batches by number: the n-th one depends on the data, the seed and n alone,
/// so a resumed run goes on where it stopped.
class Loader {
public:
  enum class Part { Validation, All };

  virtual ~Loader() = default;
  /// "tokens" or "rows".
  virtual llvm::StringRef items() const = 0;
  /// An error unless every data input of a program is one that this data has,
  /// in this type and shape.
  virtual llvm::Error check(llvm::ArrayRef<InputBuffer> inputs) const = 0;
  /// An error, with its line, for a number of these columns that is no index.
  virtual llvm::Error checkIndices(llvm::ArrayRef<IndexColumn> columns) const {
    return llvm::Error::success();
  }
  /// An error where the training part is too small for one batch.
  virtual llvm::Error checkTraining(const BatchShape &shape) const = 0;
  /// Training batches that go so many times over the data, at least 1 each time.
  virtual int64_t batchesOf(int64_t epochs, const BatchShape &shape, uint64_t seed) = 0;
  /// Examples in the training part, which are `batch: all`: rows, pairs, or windows of a text from each of
  /// its places (they overlap).
  virtual int64_t trainingExamples() const = 0;
  /// Fills in the training batch of this step. Inputs have passed check().
  virtual Batch training(const BatchShape &shape, uint64_t seed, int64_t step,
                         llvm::ArrayRef<InputBuffer> inputs) = 0;
  /// Batches of a part, taken in order, each item once; 0 where it has none.
  virtual int64_t evaluationBatches(Part part, const BatchShape &shape) const = 0;
  virtual Batch evaluation(Part part, const BatchShape &shape, int64_t index,
                           llvm::ArrayRef<InputBuffer> inputs) = 0;
  /// What the run keeps of this data in config.json.
  virtual llvm::json::Object facts() const = 0;
  /// What the user should know of the data, a sentence each.
  virtual std::vector<std::string> warnings() const { return {}; }
};

} // namespace gptc::runtime
