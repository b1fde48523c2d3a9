// What the scalars of a body surely are where something is assumed: 0 behind a false condition, -inf under a
// mask.
#pragma once

#include "ir/gpt/gpt.h"

namespace gptc::gpt {

/// A number that a scalar surely is; true is 1. Nothing where it may be any.
using Known = std::optional<double>;
inline bool isNumber(const Known &known, double number) {
  return known && *known == number;
}

/// Follows numbers through the body: from `arguments`, one a block argument, and from what `compare` says of
/// comparisons of integers. Returns what is known of each yielded scalar. -inf stays -inf whatever is added,
/// and 0 stays 0 whatever it is multiplied by: true unless the result is NaN.
llvm::SmallVector<Known> followKnown(mlir::Block &body, llvm::ArrayRef<Known> arguments,
                                     llvm::function_ref<Known(mlir::arith::CmpIOp)> compare);

} // namespace gptc::gpt
