// Pairs of lines: two files whose n-th lines belong together.
#pragma once

#include "runtime/data/loader.h"
#include "runtime/special_tokens.h"

#include <memory>

namespace gptc::runtime {

struct PairsSide {
  std::string name;   // of the input: "source"
  std::string extent; // of its length: "s"
  int64_t bound = 0;  // of its length, in tokens
};

struct PairsOptions {
  PairsSide source, target;
  bool holdOut = true;     // the last pairs are for validation, not for training
  double validation = 0.1; // their share, rounded down, at least 1 pair; from 1 on their number
  HeldOut heldOut;
};

/// Of a line w1 ... wn, `source` is w1 ... wn </s>; `target` is <s> w1 ... wn,
/// and `next(target)` w1 ... wn </s>: what follows each of its tokens. Inputs:
/// these three, i32 [batch, length], padded to the longest of a batch, and
/// `length(source)` and `length(target)`, i32 [batch].
///
/// A pair with a side of more tokens than its bound is left out of training;
/// evaluation cuts the side to its first tokens. A line end at the end of a file
/// begins no line; an empty line is a sequence without words.
///
/// Batches hold pairs of about the same length: an epoch shuffles all pairs,
/// sorts within pools of 32 times the most rows, cuts each pool into batches (as
/// many rows as shape.rows and shape.tokens allow), and shuffles these.
class PairsLoader : public Loader {
public:
  /// Both files are memory-mapped and tokenised whole.
  static llvm::Expected<std::unique_ptr<PairsLoader>>
  open(llvm::StringRef sourcePath, llvm::StringRef targetPath, const Tokenizer &sourceTokenizer,
       const Tokenizer &targetTokenizer, const PairsOptions &options);
  /// `names` are those of the two files, for messages.
  static llvm::Expected<std::unique_ptr<PairsLoader>>
  create(llvm::StringRef sourceText, llvm::StringRef targetText,
         std::pair<llvm::StringRef, llvm::StringRef> names, const Tokenizer &sourceTokenizer,
         const Tokenizer &targetTokenizer, const PairsOptions &options);

  llvm::StringRef items() const override { return "tokens"; }
  llvm::Error check(llvm::ArrayRef<InputBuffer> inputs) const override;
  llvm::Error checkTraining(const BatchShape &shape) const override;
  int64_t batchesOf(int64_t epochs, const BatchShape &shape, uint64_t seed) override;
  /// Pairs that training has, those that are too long not among them.
  int64_t trainingExamples() const override { return int64_t(kept.size()); }
  Batch training(const BatchShape &shape, uint64_t seed, int64_t step,
                 llvm::ArrayRef<InputBuffer> inputs) override;
  int64_t evaluationBatches(Part part, const BatchShape &shape) const override;
  /// Sorted by length; Batch::examples says which lines they are.
  Batch evaluation(Part part, const BatchShape &shape, int64_t index,
                   llvm::ArrayRef<InputBuffer> inputs) override;
  llvm::json::Object facts() const override;
  std::vector<std::string> warnings() const override;

  int64_t pairCount() const { return count; }
  int64_t trainingPairs() const { return split; }

private:
  struct Side {
    PairsSide spec;
    std::string source; // the file
    SpecialTokens specials;
    std::vector<int32_t> tokens; // of all lines
    std::vector<int64_t> starts; // one a line, and the end

    llvm::ArrayRef<int32_t> line(int64_t pair) const;
    /// With its begin or end token, cut to the bound.
    int64_t length(int64_t pair) const;
    bool tooLong(int64_t pair) const { return int64_t(line(pair).size()) + 1 > spec.bound; }
  };
  /// Pairs in an order, cut into batches: batch n is [ends[n - 1], ends[n]).
  struct Plan {
    std::vector<int64_t> order, ends;
    int64_t batches() const { return int64_t(ends.size()); }
    llvm::ArrayRef<int64_t> batch(int64_t index) const;
  };

  static llvm::Error read(Side &side, llvm::StringRef text, const Tokenizer &tokenizer);
  void sortByLength(llvm::MutableArrayRef<int64_t> pairs) const;
  void cut(llvm::ArrayRef<int64_t> pairs, const BatchShape &shape, Plan &plan) const;
  Plan epochPlan(const BatchShape &shape, uint64_t seed, int64_t epoch) const;
  Plan evaluationPlan(Part part, const BatchShape &shape) const;
  /// Makes `plan` that of the epoch that a step lies in. Returns its place there.
  int64_t findEpoch(const BatchShape &shape, uint64_t seed, int64_t step);
  void start(const BatchShape &shape, uint64_t seed);
  Batch fill(llvm::ArrayRef<int64_t> pairs, llvm::ArrayRef<InputBuffer> inputs) const;

  Side source, target;
  int64_t count = 0, split = 0;
  std::vector<int64_t> kept; // of the training part

  // Where epochs end, in steps, as far as they were asked for; of one shape and seed.
  std::vector<int64_t> epochEnds;
  BatchShape plannedShape;
  uint64_t plannedSeed = 0;
  Plan plan; // of epoch number plannedEpoch
  int64_t plannedEpoch = -1;
  std::optional<Plan> evaluated;
  Part evaluatedPart = Part::All;
  BatchShape evaluatedShape;
};

} // namespace gptc::runtime
