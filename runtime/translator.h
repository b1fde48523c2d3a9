// A model of pairs as what beam search asks for: the source is read once, then
// each step looks at the targets so far.
#pragma once

#include "runtime/beam.h"
#include "runtime/runner.h"
#include "runtime/special_tokens.h"

#include <memory>

namespace gptc::runtime {

class Translator : public StepModel {
public:
  /// Names of inputs ("source": i32 [batch, length]) and of the output with the
  /// logits, floats [batch, length, vocabulary].
  struct Names {
    std::string source, target, result;
  };

  /// Two programs of one model that share state: `prepare` reads the source and
  /// sets state variables, `step` reads these and the target: the whole of it, or, where it has an input `past(target)`, the
  /// last token, and goes on from caches (gpt-derive-decode with one row). Batches and
  /// lengths are dynamic. All arguments must outlive the result.
  static llvm::Expected<std::unique_ptr<Translator>>
  create(ProgramRun &prepare, ProgramRun &step, VariableStore &store, Names names, SpecialTokens specials);

  int64_t vocabulary() const override { return logits->shape.back(); }
  int64_t maxRows() const override { return targetInput->info->shape[0]; }
  int64_t maxTokens() const override { return most; }
  /// The most tokens of a source, its end counted; begin() cuts longer ones.
  int64_t maxSource() const { return sourceInput->info->shape[1]; }

  /// Reads the sources (tokens without end) of some sentences, at most maxRows():
  /// one run of `prepare`. From then on rows name sentences by their place here.
  llvm::Error begin(llvm::ArrayRef<std::vector<int32_t>> sources);
  llvm::Error next(llvm::ArrayRef<Row> rows, llvm::MutableArrayRef<float> logits) override;

  /// How often `prepare` has run.
  int64_t preparations() const { return prepared; }

private:
  /// A state variable with a row for each example: what begin() left in it.
  struct State {
    const VariableInfo *info;
    char *memory;
    size_t place; // of the batch among the dimensions
    std::vector<char> master;
  };
  /// What the rows of the last step have left for the next.
  struct Cache {
    char *memory;
    int64_t outer, copyBytes, rowBytes; // copies, the bytes of one, and of one row in it
    int64_t parts = 1;                  // of a row, each with all positions
    int64_t positionBytes = 0;          // of a position in a part; 0: a row has no positions
  };

  Translator(ProgramRun &prepare, ProgramRun &step, Names names, SpecialTokens specials)
      : prepareRun(prepare), stepRun(step), names(std::move(names)), specials(specials) {}
  llvm::Error bind(VariableStore &store);
  void bindCaches(VariableStore &store);
  llvm::Error checkInputs(const ProgramRun &run, llvm::StringRef stream, llvm::StringRef program) const;
  llvm::Expected<const InputBuffer *> stream(const ProgramRun &run, llvm::StringRef name) const;
  llvm::Error setExtents(ProgramRun &run, int64_t rows, int64_t target) const;
  void fill(const ProgramRun &run, const InputBuffer &input, int64_t row, llvm::ArrayRef<int32_t> tokens,
            int64_t length) const;
  void select(llvm::ArrayRef<Row> rows);
  /// Gives each row the caches of its parent, which have `past` positions.
  void reorder(llvm::ArrayRef<Row> rows, int64_t past);

  ProgramRun &prepareRun, &stepRun;
  Names names;
  SpecialTokens specials;
  const InputBuffer *sourceInput = nullptr, *targetInput = nullptr;
  const ResultInfo *logits = nullptr;
  std::vector<State> states;
  std::vector<Cache> caches;
  std::vector<char> moved;
  int64_t most = 0, lastRows = 0; // tokens of a target; rows of the last step
  const InputBuffer *pastInput = nullptr; // null where the model counts no positions
  bool cached = false;                    // `step` goes on from caches
  std::vector<int64_t> current; // the sentence whose state each row has
  int64_t sentences = 0, sourceLength = 1, prepared = 0;
};

} // namespace gptc::runtime
