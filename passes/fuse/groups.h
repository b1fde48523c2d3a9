// Groups of ops of one block that can become one op each.
#pragma once

#include "mlir/IR/Block.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"

namespace gptc::fuse {

/// A partition of a block's ops. Merging keeps the graph of groups free of
/// cycles, so that an order exists in which each group is one op.
class Groups {
public:
  explicit Groups(mlir::Block &block);

  /// Position in the block when the groups were made; ops of nested regions
  /// count as the op of the block that holds them.
  unsigned idOf(mlir::Operation *op) const;
  unsigned groupOf(mlir::Operation *op) const { return groups[idOf(op)]; }
  /// In program order.
  llvm::ArrayRef<unsigned> members(unsigned group) const { return contents[group]; }
  mlir::Operation *operation(unsigned id) const { return ops[id]; }
  unsigned size() const { return ops.size(); }

  /// False, and nothing done, where some op outside of both would have to run
  /// between them.
  bool merge(unsigned a, unsigned b);

private:
  /// A path from `from` to `to` that leaves both in between.
  bool reachesAround(unsigned from, unsigned to) const;

  llvm::SmallVector<mlir::Operation *> ops;
  llvm::DenseMap<mlir::Operation *, unsigned> ids;
  llvm::SmallVector<llvm::SmallVector<unsigned>> users; ///< of each op, without repeats
  llvm::SmallVector<unsigned> groups;
  llvm::SmallVector<llvm::SmallVector<unsigned>> contents;
};

} // namespace gptc::fuse
