// Sums of all that is in large matrices.
#pragma once

#include "mlir/IR/Block.h"

namespace gptc::fuse {

/// Sums of elements of large matrices (`isLargeMatrix`) over columns and more, as
/// in the gradient of a number that all scores share, become sums over columns,
/// then over the rest: the first ones are work on rows.
void splitMatrixSums(mlir::Block &block);

} // namespace gptc::fuse
