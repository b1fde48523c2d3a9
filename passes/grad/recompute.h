// Large matrices that the way back needs are computed again.
#pragma once

#include "mlir/IR/Operation.h"

namespace gptc::grad {
/// Ops behind `last` in its block get large matrices (`isLargeMatrix`) that are
/// computed before it from copies of the ops that make them, so that the first
/// ones need not be kept. In a repeat, its vjp sees to that.
void recomputeMatrices(mlir::Operation *last);
} // namespace gptc::grad
