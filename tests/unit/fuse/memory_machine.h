// Runs a placed program (after gpt-place, before its kernels are lowered) on
// bytes: the interpreter runs the kernels, everything else happens as the IR
// says. Finds what a wrong place does: a value overwritten while it is needed.
#pragma once

#include "ir/gpt/interpreter.h"

#include "mlir/IR/BuiltinOps.h"

namespace gptc::test {

struct MemoryMachine {
  std::map<std::string, gpt::Tensor> variables;
  std::map<std::string, int64_t> extents;

  /// The program's results, in order. An access outside of the memory, an
  /// unaligned view and a result that overlaps an input (other than being the
  /// same memory) are errors. Memory that nothing wrote holds NaN.
  llvm::Expected<std::vector<gpt::Tensor>> run(mlir::ModuleOp module, llvm::ArrayRef<gpt::Tensor> inputs);
};

} // namespace gptc::test
