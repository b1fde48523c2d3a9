#include "passes/fuse/arena.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/STLExtras.h"

#include <limits>
#include <numeric>

using namespace mlir;

namespace gptc::fuse {

int64_t assignOffsets(MutableArrayRef<Buffer> buffers) {
  SmallVector<unsigned> order(buffers.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::stable_sort(order, [&](unsigned a, unsigned b) { return buffers[a].bytes > buffers[b].bytes; });

  SmallVector<unsigned> byOffset; // those with a place
  int64_t total = 0;
  for (unsigned i : order) {
    Buffer &buffer = buffers[i];
    int64_t size = buffer.padded(), free = 0, best = -1, bestGap = std::numeric_limits<int64_t>::max();
    for (unsigned k : byOffset) {
      const Buffer &other = buffers[k];
      if (!buffer.livesWith(other))
        continue;
      int64_t gap = other.offset - free;
      if (gap >= size && gap < bestGap) {
        best = free;
        bestGap = gap;
      }
      free = std::max(free, other.behind());
    }
    buffer.offset = best >= 0 ? best : free;
    total = std::max(total, buffer.behind());
    auto at = llvm::upper_bound(byOffset, buffer.offset,
                                [&](int64_t offset, unsigned k) { return offset < buffers[k].offset; });
    byOffset.insert(at, i);
  }
  return total;
}

LogicalResult verifyArena(ArrayRef<Buffer> buffers, int64_t arenaBytes) {
  for (auto [i, buffer] : llvm::enumerate(buffers)) {
    if (buffer.offset < 0 || buffer.offset % arenaAlignment != 0 || buffer.behind() > arenaBytes)
      return emitError(buffer.loc) << "internal error: a buffer of " << buffer.bytes << " bytes lies at offset "
                                   << buffer.offset << " of an arena of " << arenaBytes << " bytes";
    for (const Buffer &other : buffers.drop_front(i + 1)) {
      bool apart = buffer.behind() <= other.offset || other.behind() <= buffer.offset;
      if (apart || !buffer.livesWith(other))
        continue;
      InFlightDiagnostic error = emitError(buffer.loc)
                                 << "internal error: " << buffer.bytes << " bytes at offset " << buffer.offset
                                 << ", live from " << buffer.begin << " to " << buffer.end
                                 << ", overlap a buffer that is live at the same time";
      error.attachNote(other.loc) << other.bytes << " bytes at offset " << other.offset << ", live from "
                                  << other.begin << " to " << other.end;
      return error;
    }
  }
  return success();
}

} // namespace gptc::fuse
