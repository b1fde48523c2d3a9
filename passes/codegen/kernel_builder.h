// The parts that all forms of kernels share while they are lowered: the new
// function, places of values, extents.
#pragma once

#include "passes/codegen/contraction.h"
#include "passes/codegen/op_plan.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace gptc {

/// What the machine offers, and what is asked of it.
struct Target {
  int64_t vectorBits = 512;
  bool fma = true;
  Bf16 bf16 = Bf16::Off;
  TileChoice tile;
};

/// A kernel on its way from tensors to memory. Its function has a new entry
/// block with (piece, scratch, one memref an input, one a result); the old one
/// stays beside it until `finish`.
class KernelBuilder {
public:
  KernelBuilder(mlir::func::FuncOp function, const Target &target);

  mlir::func::FuncOp function;
  Target target;
  mlir::Block *source; ///< the ops on tensors
  mlir::Block *entry;
  mlir::ImplicitLocOpBuilder b;
  Extents extents;
  gpt::Limits limits;
  Buffers buffers;
  llvm::SmallVector<mlir::StringAttr> extentNames;
  int64_t scratchBytes = 0;
  bool storesPast = false;
  bool hasTiles = false; ///< sums in so many registers that none is left for constants of the loops around

  mlir::Value piece() const { return entry->getArgument(0); }
  mlir::Value scratch() const { return entry->getArgument(1); }
  llvm::SmallVector<mlir::Operation *> ops() const;

  /// A place in scratch for one row of `value`.
  void placeRow(mlir::Value value, unsigned rows);

  /// Gives the function its attributes and drops the ops on tensors.
  void finish(mlir::AffineMap pieces);

private:
  Buffer resultBuffer(mlir::Value memref, mlir::Value result, unsigned number);
};

/// Kernel forms. Each fails with an error at the op that does not fit.
mlir::LogicalResult lowerSingle(KernelBuilder &kernel, mlir::Operation *op);
mlir::LogicalResult lowerRows(KernelBuilder &kernel, unsigned rows);
mlir::LogicalResult lowerRowBlocks(KernelBuilder &kernel, unsigned rows);
/// `sum`: empty, or what adds the scattered to another tensor, which then is what the scatter begins with.
mlir::LogicalResult lowerScatter(KernelBuilder &kernel, gpt::ScatterOp op, llvm::ArrayRef<mlir::Operation *> sum);
/// What a `gpt.store` puts into a state.
mlir::LogicalResult lowerInsert(KernelBuilder &kernel, gpt::InsertOp op);
/// False where the first op is no contraction that `contraction.h` serves.
bool canLowerContractionKernel(KernelBuilder &kernel);
mlir::LogicalResult lowerContractionKernel(KernelBuilder &kernel);

} // namespace gptc
