// Maps over one iteration space as one op with several results.
#pragma once

#include "passes/fuse/space.h"

namespace gptc::fuse {

/// Replaces `maps` (generics without reduction and of equal dims, in program
/// order, that use each other by identity only) with one generic at the
/// builder's place that yields what is used outside of them. The users must
/// come behind that place. Returns the new op.
gpt::GenericOp mergeMaps(mlir::OpBuilder &builder, llvm::SmallVector<gpt::GenericOp> maps);

} // namespace gptc::fuse
