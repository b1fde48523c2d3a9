// Compiles one kernel, runs it, and compares it with the reference interpreter.
#pragma once

#include "ir/gpt/interpreter.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <memory>

namespace gptc::testing {

struct RunOptions {
  int64_t vectorBits = 512;
  bool fma = true;
  std::map<std::string, int64_t> extents; ///< missing ones are at their bound
  /// Contractions multiply in bf16. Floats of the inputs are such numbers then, so that products are exact. At 512
  /// bits by VDPBF16PS, where this CPU has it.
  bool bf16 = false;
  int inPlace = -1; ///< the first result lies in the memory of this input
};

/// A module whose kernel `@k` (a func.func with `gpt.kernel`) takes and gives tensors.
class KernelRunner {
public:
  /// Fails the running test where the text is wrong.
  explicit KernelRunner(llvm::StringRef text);
  ~KernelRunner();

  /// Tensors of the arguments' shapes: floats in [-2, 2), truth values, and
  /// integers in [lowest, highest], from the seed. `bf16`: floats that bf16 can hold.
  std::vector<gpt::Tensor> randomInputs(uint32_t seed, int64_t lowest = -2, int64_t highest = 8, bool bf16 = false);

  llvm::Expected<std::vector<gpt::Tensor>> interpret(llvm::ArrayRef<gpt::Tensor> inputs, const RunOptions &options);

  /// Compiles and runs. Pieces run in an odd order, each with scratch of noise;
  /// memory beside the results must stay as it was.
  llvm::Expected<std::vector<gpt::Tensor>> run(llvm::ArrayRef<gpt::Tensor> inputs, const RunOptions &options);

  /// Pieces that the last run had.
  int64_t pieces() const { return lastPieces; }
  /// Nanoseconds of one run of all pieces, the best of `repeats`; 0: not measured.
  int repeats = 0;
  double nanoseconds = 0;

private:
  struct State;
  std::unique_ptr<State> state;
  int64_t lastPieces = 0;
};

/// Bits of this CPU's vectors. Of wider ones LLVM cannot split everything: kernels get none.
int64_t widestVector();

/// Runs with vectors of 128, 256 and 512 bits and expects what the interpreter
/// gives, each element within `tolerance` times (1 + its size).
void expectSame(llvm::StringRef text, double tolerance, const RunOptions &options = {}, int64_t lowest = -2,
                int64_t highest = 8);

} // namespace gptc::testing
