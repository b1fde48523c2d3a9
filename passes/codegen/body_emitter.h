// The scalar body of a structured op, on scalars or vectors.
#pragma once

#include "passes/codegen/access.h"

namespace gptc {

/// Emits the body at a point with these elements (scalars, or vectors of the
/// point's lanes; what is the same for all lanes stays scalar). `dims` are the
/// op's own dimensions and `dimOf` the place of each in the loop nest. Returns
/// what the body yields, scalars or vectors.
llvm::SmallVector<mlir::Value> emitBody(mlir::ImplicitLocOpBuilder &b, Extents &extents, mlir::Block *body,
                                        gpt::DimsAttr dims, llvm::ArrayRef<int> dimOf, const Point &point,
                                        llvm::ArrayRef<mlir::Value> elements);

/// The cost of one evaluation of the body, in simple operations.
int64_t bodyCost(mlir::Block *body);

} // namespace gptc
