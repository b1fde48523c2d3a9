// Training and validation data from different files.
#pragma once

#include "runtime/data/loader.h"

#include <memory>

namespace gptc::runtime {

/// All of `training` is for training, all of `validation` for validation. Both
/// are opened alike, `training` without holding anything out.
class SeparateLoader : public Loader {
public:
  SeparateLoader(std::unique_ptr<Loader> training, std::unique_ptr<Loader> validation)
      : first(std::move(training)), second(std::move(validation)) {}

  llvm::StringRef items() const override { return first->items(); }
  llvm::Error check(llvm::ArrayRef<InputBuffer> inputs) const override;
  llvm::Error checkTraining(const BatchShape &shape) const override { return first->checkTraining(shape); }
  llvm::Error checkIndices(llvm::ArrayRef<IndexColumn> columns) const override {
    if (llvm::Error error = first->checkIndices(columns))
      return error;
    return second->checkIndices(columns);
  }
  int64_t batchesOf(int64_t epochs, const BatchShape &shape, uint64_t seed) override {
    return first->batchesOf(epochs, shape, seed);
  }
  int64_t trainingExamples() const override { return first->trainingExamples(); }
  Batch training(const BatchShape &shape, uint64_t seed, int64_t step,
                 llvm::ArrayRef<InputBuffer> inputs) override {
    return first->training(shape, seed, step, inputs);
  }
  /// All: the training data.
  int64_t evaluationBatches(Part part, const BatchShape &shape) const override;
  Batch evaluation(Part part, const BatchShape &shape, int64_t index,
                   llvm::ArrayRef<InputBuffer> inputs) override;
  /// The training data's.
  llvm::json::Object facts() const override { return first->facts(); }
  std::vector<std::string> warnings() const override;

private:
  std::unique_ptr<Loader> first, second;
};

} // namespace gptc::runtime
