// Changing what goes into a repeat, from copy to copy, and out of it.
#pragma once

#include "ir/gpt/gpt.h"

namespace gptc::gpt {
/// What a new form of a repeat keeps of the old one, and adds.
struct RepeatChange {
  llvm::SmallVector<bool> carried, stacks, stacked; // which are kept
  llvm::SmallVector<mlir::Value> collect;           // values of the body that new stacks collect
  explicit RepeatChange(RepeatOp op);
};
/// Puts a changed repeat in the place of `op`, whose body moves into it. The
/// new stacks come last. Nothing kept may depend on what is dropped.
RepeatOp changeRepeat(RepeatOp op, const RepeatChange &change);
/// A name for the dimension of copies that no dimension of `slice` has.
std::string copiesName(mlir::RankedTensorType slice);

/// Removes operations of the block without effect or use, and those of bodies in it.
void removeDead(mlir::Block &block);
/// Drops carried values, stacks and slices that nothing depends on; true where there were any, and `op` is then
/// replaced.
bool pruneRepeat(RepeatOp op);
/// Both, until nothing changes.
void removeUnused(mlir::Operation *root);
} // namespace gptc::gpt
