// One structured op of a kernel as a loop nest: dimensions, accesses, body.
#pragma once

#include "passes/codegen/access.h"

namespace gptc {

/// Where a graph value lives inside a kernel.
struct Buffer {
  mlir::Value memref;   ///< null: in a register (a scalar of the current row)
  mlir::Type element;
  gpt::DimsAttr dims;
  unsigned dropped = 0;                        ///< leading dimensions that are not stored (the row's)
  llvm::SmallVector<gpt::Length> strides = {}; ///< of the dimensions that are stored
  int64_t elements = 1;                        ///< of the memref
  bool past = false;                           ///< so large that it is written past the caches

  /// Strides as memory has them.
  static Buffer of(mlir::Value memref, mlir::Value value, const gpt::Limits &limits, unsigned dropped = 0);
};

/// Each graph value's places: the one to read from first, all to be written.
using Buffers = llvm::DenseMap<mlir::Value, llvm::SmallVector<Buffer, 1>>;

struct OpPlan {
  mlir::Operation *op = nullptr;
  mlir::Block *body = nullptr; ///< null: writes zeros
  gpt::DimsAttr opDims;
  unsigned numIndices = 0;
  llvm::SmallVector<LoopDim, 6> dims;
  llvm::SmallVector<int> dimOf;             ///< of each of the op's dimensions; -1: of one element
  std::vector<Access> reads;               ///< of index operands, then inputs
  std::vector<std::vector<Access>> writes; ///< of each result
  std::optional<gpt::ReductionKind> reduction;
  bool accumulates = false;                ///< a sum over rows: each adds to what its places hold

  bool usesCoordinate(unsigned dim) const;
  /// Simple operations at one point.
  int64_t cost() const;
};

/// The plan of a gpt.generic or gpt.scatter. `rows`: how many leading
/// dimensions all ops of the kernel share. Fails with an error at the op where
/// it reads a value of another row.
mlir::FailureOr<OpPlan> makePlan(mlir::Operation *op, const Buffers &buffers, unsigned rows);

/// The access through `map` from the iteration space `space` into `buffer`.
/// Fails without a word where a dropped dimension is not the row's.
mlir::FailureOr<Access> makeAccess(mlir::AffineMap map, gpt::DimsAttr space, const Buffer &buffer,
                                   mlir::Value tensor);

/// Merges neighbours among dimensions first..last-1 where every access of every
/// plan runs through both as through one, whatever the extents are, and drops those
/// of one element, so that loops are long. Returns the new `last`.
unsigned mergeDims(llvm::ArrayRef<OpPlan *> plans, unsigned first, unsigned last, const gpt::Limits &limits);

} // namespace gptc
