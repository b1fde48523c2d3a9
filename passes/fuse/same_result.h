// Launches of different kernels that compute the same value.
#pragma once

#include "ir/gpt/gpt.h"

namespace gptc::fuse {

/// The result of `larger` that is, bit for bit, the only one of `smaller`: that one's kernel is a single op, which the
/// other kernel has, too, on the same values. Null where there is none.
mlir::Value sameResult(gpt::LaunchOp smaller, gpt::LaunchOp larger);

} // namespace gptc::fuse
