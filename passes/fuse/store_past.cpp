// gpt-store-past: what is read only when no cache has it any more is written past the caches.
#include "passes/fuse/destinations.h"
#include "passes/passes.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc {
#define GEN_PASS_DEF_STOREPASTPASS
#include "passes/Passes.h.inc"

namespace {

constexpr int64_t never = int64_t(1) << 60;
constexpr int64_t least = int64_t(1) << 16; ///< bytes of a result that are worth it

/// How many bytes the program writes, and reads for the first time in a copy, between two points: about as many as the
/// caches must hold to have a value still when it is read.
class Distances {
public:
  Distances(func::FuncOp main, const Limits &limits) : limits(limits) { length(main.front()); }

  /// From the end of the launch to the first that reads the result.
  int64_t toReader(OpResult result) {
    Operation *launch = result.getOwner();
    visited.clear();
    return bytes(result) + from(result, begins[launch] + lengths[launch]);
  }

  int64_t bytes(Value value) { return fuse::bytesOf(value.getType(), limits); }

private:
  /// Bytes of a block; for each op where it begins, and its length.
  int64_t length(Block &block) {
    int64_t at = 0;
    for (Operation &op : block) {
      int64_t taken = 0;
      if (auto launch = dyn_cast<LaunchOp>(op)) {
        for (Value result : launch.getResults())
          taken += bytes(result);
        for (Value input : launch.getInputs())
          if (isFar(input))
            taken += bytes(input);
      } else if (auto repeat = dyn_cast<RepeatOp>(op)) {
        taken = length(*repeat.getBlock()) * repeat.getCount();
      }
      begins[&op] = at;
      lengths[&op] = taken;
      at += taken;
    }
    return ends[&block] = at;
  }

  /// Parameters and slices: memory that no launch of this block has written.
  static bool isFar(Value value) {
    Value storage = fuse::storageOf(value);
    return isa<BlockArgument>(storage) || isa<GetOp>(storage.getDefiningOp());
  }

  /// From byte `at` of the value's block to its first reader there or further on.
  int64_t from(Value value, int64_t at) {
    if (!visited.insert(value).second)
      return never;
    Block *block = value.getParentBlock();
    int64_t nearest = never;
    for (OpOperand &use : value.getUses())
      nearest = std::min(nearest, to(use, block->findAncestorOpInBlock(*use.getOwner()), at));
    return nearest;
  }

  int64_t to(OpOperand &use, Operation *user, int64_t at) {
    Block *block = user->getBlock();
    if (user != use.getOwner()) // used within a repeat
      return begins[user] - at;
    if (auto reshape = dyn_cast<ReshapeOp>(user))
      return from(reshape.getResult(), at);
    if (auto repeat = dyn_cast<RepeatOp>(user))
      return begins[user] - at + into(repeat, use.getOperandNumber());
    if (isa<YieldOp>(user))
      return ends[block] - at + outOf(cast<RepeatOp>(block->getParentOp()), use.getOperandNumber());
    if (auto set = dyn_cast<SetOp>(user)) { // read by the next run
      for (auto get : block->getOps<GetOp>())
        if (get.getVariable() == set.getVariable())
          return ends[block] - at + from(get.getResult(), 0);
      return never;
    }
    return begins[user] - at; // a launch or the program's end
  }

  /// From the begin of the repeat; a slice waits for half of the copies, on average.
  int64_t into(RepeatOp repeat, unsigned operand) {
    int64_t waits = operand < repeat.getInits().size() ? 0 : lengths[repeat] / 2;
    return waits + from(repeat.getBlock()->getArgument(1 + operand), 0);
  }

  /// From the end of a copy.
  int64_t outOf(RepeatOp repeat, unsigned yielded) {
    int64_t after = from(repeat.getResult(yielded), begins[repeat] + lengths[repeat]);
    if (yielded < repeat.getInits().size())
      return std::min(after, from(repeat.getBlock()->getArgument(1 + yielded), 0));
    return lengths[repeat] / 2 + after;
  }

  const Limits &limits;
  llvm::DenseMap<Operation *, int64_t> begins, lengths;
  llvm::DenseMap<Block *, int64_t> ends;
  llvm::DenseSet<Value> visited; ///< on the way from one launch
};

struct StorePast : impl::StorePastPassBase<StorePast> {
  using StorePastPassBase::StorePastPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>("main");
    if (!main || main.isExternal())
      return;
    Limits limits = Limits::of(module);
    Distances distances(main, limits);
    // Launches share kernels: one that needs a result soon decides.
    llvm::MapVector<func::FuncOp, SmallVector<int64_t>> nearest;
    main.walk([&](LaunchOp launch) {
      auto kernel = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(launch, launch.getKernelAttr());
      SmallVector<int64_t> &nearby = nearest[kernel];
      nearby.resize(launch->getNumResults(), never);
      for (auto [distance, result] : llvm::zip_equal(nearby, launch->getResults()))
        distance = std::min(distance, distances.bytes(result) < least ? 0 : distances.toReader(result));
    });
    for (auto &[kernel, nearby] : nearest)
      for (auto [i, distance] : llvm::enumerate(nearby))
        if (distance >= bytes)
          kernel.setResultAttr(i, "gpt.past", UnitAttr::get(&getContext()));
  }
};

} // namespace
} // namespace gptc
