// Which ops around a matrix of products become one kernel of row blocks.
#pragma once

#include "passes/fuse/groups.h"

#include "llvm/ADT/BitVector.h"

namespace gptc::fuse {

/// `gpt.axes` of one op, and those of ops that become kernels.
using Axes = llvm::SmallVector<int64_t>;
using KernelAxes = llvm::DenseMap<mlir::Operation *, Axes>;

/// Finds large products (`isLargeProduct`), the work on their rows and the
/// contractions that fold these, and merges them in `groups`. Sets, for each
/// such group, how many leading dimensions its rows have in `blocks`, and the bits
/// of its ops in `taken`, and these ops' `axes`. A group is made only where no product is needed outside of it.
void formRowBlocks(mlir::Block &block, Groups &groups, llvm::SmallVectorImpl<unsigned> &blocks,
                   llvm::BitVector &taken, KernelAxes &axes);

} // namespace gptc::fuse
