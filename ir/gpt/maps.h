// What can be read off the index maps of gpt.generic and gpt.scatter.
#pragma once

#include "ir/gpt/gpt.h"

namespace gptc::gpt {
/// A map result as a sum: coefficients of all dimensions and symbols, and a
/// constant.
struct LinearIndex {
  llvm::SmallVector<int64_t> dims;
  llvm::SmallVector<int64_t> symbols;
  int64_t constant = 0;
};

/// Nothing where the expression has a div or mod, a product of two variables,
/// a variable beyond the counts, or overflows.
std::optional<LinearIndex> linearize(mlir::AffineExpr expr, unsigned numDims, unsigned numSymbols);

/// True when the index stays within `target`'s extent at every point of the
/// iteration space `space`, whatever the extents are. Never true for symbols.
bool neverOutside(mlir::AffineExpr index, DimsAttr space, DimAttr target);
/// The same for every result of an operand's map.
bool neverOutside(mlir::AffineMap map, DimsAttr space, DimsAttr target);

/// Both run over the same range, whatever the extents are. It does not say that they are the same dimension.
bool sameExtent(DimAttr a, DimAttr b);
bool sameExtents(llvm::ArrayRef<DimAttr> a, llvm::ArrayRef<DimAttr> b);

/// The ops of a generic's or scatter's body again, for dimensions that have other numbers (`place` of each).
/// Returns what they yield.
llvm::SmallVector<mlir::Value> copyBody(mlir::OpBuilder &builder, mlir::Block &body, mlir::ValueRange arguments,
                                        llvm::ArrayRef<unsigned> place);

/// Element by element, the sum of two tensors of one shape.
bool isSum(GenericOp op);
} // namespace gptc::gpt
