// Factors that all terms of a sum share.
#pragma once

#include "mlir/IR/Block.h"

namespace gptc::fuse {

/// sum(c: x[r, c] * s[r]) becomes s[r] * sum(c: x[r, c]), where the sum is one over rows' elements; so do signs,
/// doubling, and a choice between a term and 0 that is the same for all terms. The map that multiplies stands
/// behind the sum and is work on rows, too.
void factorSums(mlir::Block &block);

} // namespace gptc::fuse
