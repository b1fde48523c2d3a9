// A compiled program with its memory, ready to run.
#pragma once

#include "runtime/data/loader.h"
#include "runtime/pool.h"
#include "runtime/variables.h"

namespace gptc::runtime {

/// A result after a run; its memory lasts until a program runs in the arena.
struct ResultView {
  const ResultInfo *info = nullptr;
  const char *data = nullptr;
  std::vector<int64_t> strides; // of each dimension, in elements
};

class ProgramRun {
public:
  /// Binds a program to its variables (created where new), grows the arena and
  /// the pool's scratch, and allocates its inputs, zeroed. Extents start at
  /// their bounds, that of a batch of tokens at what the others allow. With Weights::Inference it reads averages of parameters
  /// where the store has them. Store, arena and pool must outlive the result.
  static llvm::Expected<std::unique_ptr<ProgramRun>> create(Program program, VariableStore &store,
                                                            Arena &arena, Pool &pool,
                                                            Weights weights = Weights::Training);

  const Program &program() const { return code; }
  llvm::ArrayRef<InputBuffer> inputs() const { return buffers; }
  /// The input of this name, null where the program has none.
  const InputBuffer *input(llvm::StringRef name) const;

  /// 0 or less, more than the bound, or an unknown name is an error.
  llvm::Error setExtent(llvm::StringRef name, int64_t value);
  /// What an extent is now; 0 where the program has none of this name.
  int64_t extent(llvm::StringRef name) const;
  /// The extents of a batch: `rows` for the first dimension of every input,
  /// `length` (unless 0) for the second. Where such a dimension is static, the
  /// value must be its size.
  llvm::Error setBatch(int64_t rows, int64_t length);
  /// The same for what a loader filled in, with the lengths that it names.
  llvm::Error setBatch(const Batch &batch);
  /// What the program takes at a time, from the inputs that data fills.
  BatchShape batchShape() const;
  /// Fills in the inputs "seed", "step" and "example" (firstExample + row),
  /// those of them that the program has. They wrap around at 32 bits.
  void setLoopInputs(uint64_t seed, int64_t step, int64_t firstExample);

  void run();

  /// The result of this name; null data where there is none.
  ResultView result(llvm::StringRef name) const;
  /// A rank-0 float or integer result after a run.
  std::optional<double> scalar(llvm::StringRef name) const;
  static double scalarOf(const ResultView &view);
  ResultView resultAt(size_t index) const;

private:
  ProgramRun(Program program, Arena &arena, Pool &pool)
      : code(std::move(program)), arena(arena), pool(pool) {}
  llvm::Error bind(VariableStore &store, Weights weights);
  llvm::Error setDimension(size_t dimension, int64_t value, const char *what);
  llvm::Error checkTokens() const;

  Program code;
  Arena &arena;
  Pool &pool;
  std::vector<char *> variables;
  std::vector<Buffer> memory;
  std::vector<InputBuffer> buffers;
  std::vector<const char *> pointers;
  std::vector<int64_t> extents;
};

} // namespace gptc::runtime
