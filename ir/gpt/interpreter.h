// The reference interpreter: slow and obvious, the oracle of every pass.
#pragma once

#include "ir/gpt/gpt.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/Error.h"
#include <map>
#include <string>
#include <vector>

namespace gptc::gpt {

/// A value: elements in row-major order of the bounds. Integers and truth values are whole numbers. What lies beyond an
/// extent is 0 in results.
struct Tensor {
  llvm::SmallVector<int64_t> shape;   ///< sizes and bounds
  llvm::SmallVector<int64_t> extents; ///< what is in use, each at most the bound
  std::vector<double> data;

  static Tensor zeros(llvm::ArrayRef<int64_t> shape);
  /// `data` must have as many elements as `shape`.
  static Tensor of(llvm::ArrayRef<int64_t> shape, std::vector<double> data);
  static Tensor scalar(double value) { return of({}, {value}); }

  /// The place in `data`; nothing outside of the extents.
  std::optional<size_t> find(llvm::ArrayRef<int64_t> index) const;
};

/// Runs a function of gpt ops. All values are doubles; wrong IR and wrong
/// inputs are errors, never crashes.
struct Interpreter {
  /// Parameters and state by symbol name; gpt.set is visible after a run.
  std::map<std::string, Tensor> variables;
  /// Extents of dynamic dimensions by name; missing ones are at their bound.
  std::map<std::string, int64_t> extents;
  /// Rounds each float to its type after each op, as generated code does.
  bool roundFloats = false;

  /// `inputs` need shape and data only. Variables are unchanged after an error.
  llvm::Expected<std::vector<Tensor>> run(mlir::func::FuncOp function, llvm::ArrayRef<Tensor> inputs);
};

} // namespace gptc::gpt
