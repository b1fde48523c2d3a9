#include "passes/fuse/share_work.h"

#include "ir/gpt/products.h"
#include "passes/fuse/space.h"

#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/OperationSupport.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc::fuse {
namespace {

/// More than reading a value back from scratch.
bool isHeavy(Operation &op) {
  return isa<math::ExpOp, math::LogOp, math::TanhOp, math::ErfOp, math::SinOp, math::CosOp, math::PowFOp, RandomOp>(
      op);
}

/// Scalars of two bodies that are the same at the same point.
class Comparison {
public:
  Comparison(GenericOp one, GenericOp other) : one(one), other(other) {}

  bool same(Operation *a, Operation *b) {
    return OperationEquivalence::isEquivalentTo(
        a, b, [&](Value x, Value y) { return success(same(x, y)); }, nullptr,
        OperationEquivalence::IgnoreLocations, [&](ValueRange x, ValueRange y) {
          return success(llvm::all_of_zip(x, y, [&](Value v, Value w) { return same(v, w); }));
        });
  }

private:
  bool same(Value x, Value y) {
    auto a = dyn_cast<BlockArgument>(x), b = dyn_cast<BlockArgument>(y);
    if (a && b) {
      unsigned i = a.getArgNumber(), j = b.getArgNumber();
      return one->getOperand(i) == other->getOperand(j) && one.getMap(i) == other.getMap(j);
    }
    return !a && !b && same(x.getDefiningOp(), y.getDefiningOp());
  }

  GenericOp one, other;
};

/// The scalar as a map of its own, before `op`.
Value separate(GenericOp op, Operation *work) {
  SetVector<Operation *> slice;
  BackwardSliceOptions options;
  options.omitBlockArguments = true;
  options.inclusive = true;
  options.filter = [&](Operation *part) { return part->getBlock() == op.getBlock(); };
  (void)getBackwardSlice(work, &slice, options);
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  SmallVector<Value> arguments;
  for (BlockArgument argument : op.getBlock()->getArguments())
    if (llvm::any_of(argument.getUsers(), [&](Operation *user) { return slice.contains(user); })) {
      inputs.push_back(op->getOperand(argument.getArgNumber()));
      maps.push_back(op.getMap(argument.getArgNumber()));
      arguments.push_back(argument);
    }
  OpBuilder builder(op);
  auto made = GenericOp::create(builder, work->getLoc(), op.getDims(), op.getNumDims(), std::nullopt, ValueRange(),
                                inputs, maps, [&](OpBuilder &b, Location, ValueRange own) -> SmallVector<Value> {
                                  IRMapping mapping;
                                  mapping.map(arguments, own);
                                  for (Operation &part : op.getBlock()->without_terminator())
                                    if (slice.contains(&part))
                                      b.clone(part, mapping);
                                  return {mapping.lookup(work->getResult(0))};
                                });
  return made.getResult(0);
}

/// `work` of the body is read instead.
void replace(GenericOp op, Operation *work, Value shared) {
  StructuredOp structured = StructuredOp::get(op);
  AffineMap identity = AffineMap::getMultiDimIdentityMap(op.getNumDims(), op.getContext());
  work->getResult(0).replaceAllUsesWith(structured.addInput(shared, identity));
  structured.dropUnused();
}

bool shareFirst(MutableArrayRef<GenericOp> ops) {
  GenericOp first = ops.front();
  SmallVector<Operation *> heavy;
  for (Operation &part : llvm::reverse(first.getBlock()->without_terminator())) // the outermost first
    if (isHeavy(part))
      heavy.push_back(&part);
  for (Operation *work : heavy) {
    SmallVector<std::pair<GenericOp, Operation *>> twins;
    for (GenericOp other : ops.drop_front()) {
      if (other.getDims() != first.getDims())
        continue;
      for (Operation &part : other.getBlock()->without_terminator())
        if (isHeavy(part) && Comparison(first, other).same(work, &part)) {
          twins.push_back({other, &part});
          break;
        }
    }
    if (twins.empty())
      continue;
    Value shared = separate(first, work);
    replace(first, work, shared);
    for (auto [other, part] : twins)
      replace(other, part, shared);
    return true;
  }
  return false;
}

} // namespace

bool shareHeavyWork(Block &block) {
  SmallVector<GenericOp> ops;
  for (auto op : block.getOps<GenericOp>())
    if (isMap(op) && op.getIndices().empty() && op->getNumResults() == 1 && isLargeMatrix(op.getResult(0)))
      ops.push_back(op);
  bool changed = false;
  for (unsigned i = 0; i + 1 < ops.size(); ++i)
    while (shareFirst(MutableArrayRef(ops).drop_front(i)))
      changed = true;
  return changed;
}

} // namespace gptc::fuse
