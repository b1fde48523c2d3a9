// Which columns of matrices count for nothing: where a condition on indices is
// false, as behind a causal mask, a window or the end of a sentence, terms of
// sums are 0 and those of maxima -inf. Found by following these values through
// the bodies of a kernel of row blocks.
#pragma once

#include "ir/gpt/gpt.h"

namespace gptc {

/// Only columns with a sum of at least 0 count.
struct ColumnBound {
  llvm::SmallVector<int64_t>
      dims; ///< factors of the outer indices, the row and the column; the last is 1 or -1
  int64_t constant = 0;
  /// Extents and their factors.
  llvm::SmallVector<std::pair<mlir::StringAttr, int64_t>> extents;
  /// Integers that an op reads, the same for a whole matrix: op, operand, factor.
  struct Read {
    gpt::GenericOp op;
    unsigned operand = 0;
    int64_t factor = 0;
  };
  llvm::SmallVector<Read> reads;
};

/// The bounds of a kernel whose matrices have `rows` dimensions before the
/// column. A result is the same without the other columns unless it is NaN with
/// them. No bounds where a matrix leaves the kernel.
llvm::SmallVector<ColumnBound> findColumnBounds(llvm::ArrayRef<mlir::Operation *> ops, unsigned rows);

} // namespace gptc
