// A reduction as two, one after the other.
#pragma once

#include "ir/gpt/gpt.h"

namespace gptc::fuse {

/// What `op`, a reduction, computes, in two steps before it: first over all but the first `kept` dimensions of
/// `order`, then over those kept that the op reduces. `order` has all dimensions; the parallel ones are kept. The
/// first step is a map where nothing is left to reduce. The op stays.
gpt::GenericOp reduceInTwoSteps(gpt::GenericOp op, llvm::ArrayRef<unsigned> order, unsigned kept);

} // namespace gptc::fuse
