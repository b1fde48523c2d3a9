// How cotangents of an operand's elements are collected from the points of an
// iteration space.
#pragma once

#include "ir/gpt/gpt.h"

namespace gptc::grad {
/// For an operand read at `map`: an iteration over the operand's own indices,
/// then whatever else is summed over, that visits each point of the original
/// space once.
///
/// Steps: a `gpt.generic` over `dims`; its result is reshaped to `merged`; where
/// `pad` is set, the operand's cotangent at an index is the element of that at
/// `pad` (0 outside of it).
struct Collection {
  llvm::SmallVector<mlir::AffineExpr> original; // each original dimension, in terms of `dims`
  llvm::SmallVector<gpt::DimAttr> dims;
  int64_t numParallel = 0; // how many of them index the generic's result
  llvm::SmallVector<gpt::DimAttr> merged;
  mlir::AffineMap pad;
  /// Original dimensions that are computed: `x[t + k]` is collected over its own
  /// index i with t = i - k. Points where t is outside of its extent must add 0.
  llvm::SmallVector<unsigned> solved;
};

/// Nothing where only a scatter will do: gathers, diagonals, strides. Only the
/// first `numParallel` dimensions may be solved for.
std::optional<Collection> planCollection(mlir::AffineMap map, gpt::DimsAttr space, int64_t numParallel,
                                         gpt::DimsAttr operand);
} // namespace gptc::grad
