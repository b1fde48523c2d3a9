// What panels hold of operands' elements (scalars or vectors): as they are, rounded to bf16, or in pairs; and
// how these are multiplied.
#pragma once

#include "passes/codegen/packing.h"

namespace gptc {

class PanelElements {
public:
  PanelElements(LoopBuilder &l, Bf16 mode) : l(l), mode(mode) {}

  /// `load(offset)`: the element (or vector) there; `half`: from a pair's first element to its second, which
  /// is 0 where `single`.
  mlir::Value at(mlir::Value from, const gpt::Length &half, bool single,
                 llvm::function_ref<mlir::Value(mlir::Value)> load);
  /// Neighbours along k as half as many pairs.
  mlir::Value pairsOf(mlir::Value vector);
  /// The pair that begins at this element of a memref of bf16.
  mlir::Value pairAt(mlir::Value memref, mlir::Value index);
  /// To bf16 and back where operands are rounded, as integers: without instructions for it a conversion would
  /// be a call.
  mlir::Value rounded(mlir::Value value);
  /// sum + row * column, of vectors as panels have them.
  mlir::Value multiplyAdd(mlir::Value row, mlir::Value column, mlir::Value sum, bool fma);

private:
  mlir::Type like(mlir::Type type, mlir::Type element);
  mlir::Value truncated(mlir::Value value);
  mlir::Value bits(mlir::Value scalar);
  mlir::Value joined(mlir::Value first, mlir::Value second, mlir::VectorType type);
  mlir::Value constant(mlir::Type type, int64_t value);

  LoopBuilder &l;
  Bf16 mode;
};

} // namespace gptc
