// Heavy work that several ops would do on the elements of one matrix.
#pragma once

#include "mlir/IR/Block.h"

namespace gptc::fuse {

/// Where two maps over a large matrix (`isLargeMatrix`) have a transcendental function or a random number of the
/// same elements, it becomes a map of its own, before them, that both read: as with tanh, of which a forward and a
/// backward formula each have one. Other tensors would go through memory for it. True where anything changed.
bool shareHeavyWork(mlir::Block &block);

} // namespace gptc::fuse
