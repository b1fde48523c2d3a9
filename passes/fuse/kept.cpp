#include "passes/fuse/kept.h"

#include "ir/gpt/halves.h"

#include "llvm/ADT/SmallSet.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc::fuse {
namespace {

/// Where the value is computed: not the launch or the repeat, but the op in there.
Location origin(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto reshape = dyn_cast_or_null<ReshapeOp>(op))
    return origin(reshape.getSource());
  unsigned number = op ? cast<OpResult>(value).getResultNumber() : 0;
  if (auto repeat = dyn_cast_or_null<RepeatOp>(op))
    return origin(repeat.getYield().getValues()[number]);
  if (auto launch = dyn_cast_or_null<LaunchOp>(op))
    if (auto kernel = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(op, launch.getKernelAttr()))
      return origin(kernel.front().getTerminator()->getOperand(number));
  return value.getLoc();
}

} // namespace

SmallVector<Kept> keptBuffers(func::FuncOp main, const Places &places) {
  SmallVector<Kept> kept;
  llvm::SmallSet<unsigned, 32> seen;
  for (Value value : halvesOf(main).kept()) {
    const Place &place = places.values.at(value);
    if (place.base == Place::Arena && seen.insert(place.buffer).second)
      kept.push_back({value, origin(value), places.buffers[place.buffer].padded()});
  }
  return kept;
}

} // namespace gptc::fuse
