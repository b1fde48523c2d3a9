// One static arena: offsets for buffers that live at known times.
#pragma once

#include "ir/gpt/most.h"

#include "mlir/IR/Block.h"
#include "mlir/IR/Location.h"
#include "mlir/Support/LogicalResult.h"
#include "llvm/ADT/SmallVector.h"

namespace gptc::fuse {

constexpr int64_t arenaAlignment = 64; ///< bytes, of every buffer; also what pads its end

/// Memory that is live from `begin` to `end`, both included. Times are positions
/// in the program, in which a loop's body stands once.
struct Buffer {
  Buffer(mlir::Location loc, mlir::Block *home, int64_t bytes, unsigned begin, unsigned end)
      : loc(loc), home(home), bytes(bytes), begin(begin), end(end) {}
  mlir::Location loc;
  mlir::Block *home; ///< uses in nested blocks count at their ancestor's end in this block
  int64_t bytes;     ///< without padding
  unsigned begin, end;
  int64_t offset = -1; ///< bytes, once assigned

  /// Bytes taken in the arena: rounded up, and one more line, so that a whole
  /// vector may be read at the last element.
  int64_t padded() const { return (bytes + arenaAlignment - 1) / arenaAlignment * arenaAlignment + arenaAlignment; }
  /// The first byte behind it.
  int64_t behind() const { return gpt::boundedSum(offset, padded()); }
  bool livesWith(const Buffer &other) const { return begin <= other.end && other.begin <= end; }
};

/// Assigns all offsets (the largest first, each into the tightest gap); returns
/// the arena's size in bytes.
int64_t assignOffsets(llvm::MutableArrayRef<Buffer> buffers);

/// Reports an internal error where two buffers that live at one time share a
/// byte, are not aligned or end behind `arenaBytes`.
mlir::LogicalResult verifyArena(llvm::ArrayRef<Buffer> buffers, int64_t arenaBytes);

} // namespace gptc::fuse
