// What the forward half of a training step leaves in memory for the backward half.
#pragma once

#include "passes/fuse/places.h"

namespace gptc::fuse {
struct Kept {
  mlir::Value value; ///< the first one that lies there
  mlir::Location loc; ///< of what computes it, in the model
  int64_t bytes;     ///< of the whole buffer, padding included
};

/// Buffers of the arena that hold a value of the forward half which the backward half reads (`gpt::Halves`), each
/// once, in the order of the program. Empty where the program does not train. `main` is still of tensors.
llvm::SmallVector<Kept> keptBuffers(mlir::func::FuncOp main, const Places &places);
} // namespace gptc::fuse
