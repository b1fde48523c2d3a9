// Running text as windows of tokens.
#pragma once

#include "runtime/data/loader.h"
#include "runtime/tokenizer.h"

namespace gptc::runtime {

struct TextOptions {
  std::string stream = "token"; // inputs are "token" and "next(token)"
  int64_t context = 0;          // the stream's bound: tokens in a window
  bool holdOut = true;          // the last tokens are for validation, not for training
  double validation = 0.1;      // their share; from 1 on their number
  HeldOut heldOut;
};

/// Windows [batch, t] i32 of a text and, one token further, of its targets.
/// The first 1 - `validation` of the tokens (all, without holdOut) are for training, in windows at random
/// places keyed by seed, step and row, or, in a batch of as many as there are places, each window once; the
/// rest, in windows one after the other that predict each token once, for validation. With
/// BatchShape::everyToken windows hold each token once, the last one among them.
class TextLoader : public Loader {
public:
  /// `path` is memory-mapped and tokenised whole.
  static llvm::Expected<std::unique_ptr<TextLoader>> open(llvm::StringRef path, const Tokenizer &tokenizer,
                                                          const TextOptions &options);
  static llvm::Expected<std::unique_ptr<TextLoader>> create(llvm::StringRef text, llvm::StringRef source,
                                                            const Tokenizer &tokenizer,
                                                            const TextOptions &options);

  llvm::StringRef items() const override { return "tokens"; }
  llvm::Error check(llvm::ArrayRef<InputBuffer> inputs) const override;
  llvm::Error checkTraining(const BatchShape &shape) const override;
  int64_t batchesOf(int64_t epochs, const BatchShape &shape, uint64_t seed) override {
    return epochs * batchesPerEpoch(shape);
  }
  int64_t trainingExamples() const override;
  Batch training(const BatchShape &shape, uint64_t seed, int64_t step,
                 llvm::ArrayRef<InputBuffer> inputs) override;
  int64_t evaluationBatches(Part part, const BatchShape &shape) const override;
  Batch evaluation(Part part, const BatchShape &shape, int64_t index,
                   llvm::ArrayRef<InputBuffer> inputs) override;
  llvm::json::Object facts() const override;

  int64_t tokenCount() const { return int64_t(tokens.size()); }
  int64_t trainingTokens() const { return split; }

private:
  int64_t batchesPerEpoch(const BatchShape &shape) const;
  llvm::ArrayRef<int32_t> part(Part part) const;
  void fill(llvm::ArrayRef<InputBuffer> inputs, int64_t row, const int32_t *window, int64_t length) const;

  std::string source;
  TextOptions options;
  std::string target; // "next(token)"
  std::vector<int32_t> tokens;
  int64_t split = 0;
};

} // namespace gptc::runtime
