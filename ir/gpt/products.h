// Matrices of products: which contractions have results that are worth more as
// a formula than as memory.
#pragma once

#include "ir/gpt/gpt.h"

namespace gptc::gpt {
/// result[outer..., row, column] = sum over inner of left[..., row, inner] *
/// right[..., column, inner]: for each outer index a matrix of which each operand
/// has one side.
struct MatrixProduct {
  unsigned left = 0, right = 1;            ///< the inputs
  unsigned row = 0, column = 0, inner = 0; ///< dimensions of the op; those before `row` are the outer ones
};

/// Nothing where the op has another form: dimensions in another order, none that
/// both operands share, indices that are no plain dimensions, several inner ones.
std::optional<MatrixProduct> matrixProduct(GenericOp op);

/// result[..., row, own] = sum over column of matrix[outer..., row, column] *
/// other[..., column, own], or the same with row and column exchanged; outer
/// dimensions may be summed over, too.
struct MatrixFold {
  unsigned matrix = 0, other = 1;    ///< the inputs
  llvm::SmallVector<unsigned> place; ///< the op's dimension for each one of the matrix
  unsigned own = 0;                  ///< the last of the result's dimensions
  bool overColumns = true;
  bool sumsOuter = false;
};

/// The contraction as a fold of its input `matrix`; nothing where it has another form.
std::optional<MatrixFold> matrixFold(GenericOp op, unsigned matrix);

/// A matrix of products that is at least half as large as its operands
/// together: scores of sequences no shorter than a head is wide. It, and what is computed from it
/// element by element, is computed again where it is needed rather than kept.
bool isLargeProduct(GenericOp op);

/// The result of a large product, or computed from one point by point.
bool isLargeMatrix(mlir::Value value);
} // namespace gptc::gpt
