// gpt-inline-maps: elementwise work goes into the bodies of its users.
#include "passes/fuse/factor_sums.h"
#include "passes/fuse/share_work.h"
#include "passes/fuse/space.h"
#include "passes/passes.h"

#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/CSE.h"

using namespace mlir;
using namespace gptc::gpt;
using gptc::fuse::StructuredOp;

namespace gptc {
#define GEN_PASS_DEF_INLINEMAPSPASS
#include "passes/Passes.h.inc"

namespace {

constexpr unsigned cheapOperations = 4; // recomputed for each user rather than stored
constexpr unsigned longestBody = 96;
constexpr unsigned mostOperands = 16;

/// The body hands on an input's element as it is: only maps change.
bool isView(GenericOp producer) {
  return producer.getIndices().empty() && producer.getInputs().size() == 1 &&
         producer.getYield().getValues()[0] == producer.getBlock()->getArgument(0);
}

/// Inputs about as large as the producer's own space; the others cost no traffic.
unsigned countLargeInputs(GenericOp producer) {
  int64_t all = fuse::points(producer.getDims().getDims());
  return llvm::count_if(producer.getInputs(), [&](Value input) { return fuse::points(input) * 8 > all; });
}

/// Whether input `i` of `consumer` may be replaced by `producer`'s body at all.
bool canInline(StructuredOp consumer, unsigned i, GenericOp producer) {
  if (producer.isReduction() || producer->getNumResults() != 1)
    return false;
  // Outside of the producer's extent the consumer reads 0, which no body gives. Never true for gathers.
  AffineMap map = consumer.inputMap(i);
  if (!neverOutside(map, consumer.dims(), dimsOf(producer->getResult(0))))
    return false;
  auto generic = dyn_cast<GenericOp>(consumer.operation());
  if (generic && fuse::isContraction(generic)) {
    // Stays a contraction: only a transposition may go in.
    AffineMap composed = isView(producer) ? producer.getMap(0).compose(map) : AffineMap();
    return composed && composed.isProjectedPermutation() &&
           neverOutside(composed, consumer.dims(), dimsOf(producer.getInputs()[0]));
  }
  if (consumer.operation()->getNumOperands() + producer->getNumOperands() > mostOperands)
    return false;
  return consumer.body().getOperations().size() + producer.getBlock()->getOperations().size() <= longestBody;
}

/// The scalar value of a linear index at the consumer's point.
Value materializeIndex(OpBuilder &builder, Location loc, AffineExpr index, unsigned numDims) {
  Type i32 = builder.getI32Type();
  std::optional<LinearIndex> sum = linearize(index, numDims, 0);
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(builder, loc, builder.getIntegerAttr(i32, value));
  };
  Value total;
  for (auto [d, coefficient] : llvm::enumerate(sum->dims)) {
    if (coefficient == 0)
      continue;
    Value term = IndexOp::create(builder, loc, i32, d);
    if (coefficient != 1)
      term = arith::MulIOp::create(builder, loc, term, constant(coefficient));
    total = total ? arith::AddIOp::create(builder, loc, total, term).getResult() : term;
  }
  if (!total)
    return constant(sum->constant);
  if (sum->constant != 0)
    total = arith::AddIOp::create(builder, loc, total, constant(sum->constant));
  return total;
}

/// Input `i` of `consumer` is computed in its body from the producer's operands.
void inlineProducer(StructuredOp consumer, unsigned i, GenericOp producer) {
  AffineMap map = consumer.inputMap(i);
  unsigned numDims = consumer.dims().size();
  // From the producer's space to the consumer's: the map uses no symbols.
  AffineMap place = AffineMap::get(numDims, 0, map.getResults(), map.getContext());
  auto compose = [&](AffineMap inner) {
    SmallVector<AffineExpr> indices;
    for (AffineExpr index : inner.getResults())
      indices.push_back(simplifyAffineExpr(index.replaceDims(place.getResults()), numDims, inner.getNumSymbols()));
    return indices;
  };

  IRMapping mapping;
  SmallVector<AffineExpr> symbols;
  unsigned numIndices = producer.getIndices().size();
  for (auto [k, value] : llvm::enumerate(producer.getIndices())) {
    AffineMap composed = AffineMap::get(numDims, 0, compose(producer.getMap(k)), map.getContext());
    symbols.push_back(getAffineSymbolExpr(consumer.addIndex(value, composed), map.getContext()));
  }
  for (unsigned k = 0; k < numIndices; ++k)
    mapping.map(producer.getBlock()->getArgument(k),
                consumer.body().getArgument(cast<AffineSymbolExpr>(symbols[k]).getPosition()));
  for (auto [k, value] : llvm::enumerate(producer.getInputs())) {
    SmallVector<AffineExpr> indices = compose(producer.getInputMap(k));
    for (AffineExpr &index : indices)
      index = index.replaceSymbols(symbols);
    AffineMap composed = AffineMap::get(numDims, consumer.numIndices(), indices, map.getContext());
    mapping.map(producer.getInputArguments()[k], consumer.addInput(value, composed));
  }

  OpBuilder builder = OpBuilder::atBlockBegin(&consumer.body());
  for (Operation &op : producer.getBlock()->without_terminator()) {
    if (auto index = dyn_cast<IndexOp>(op)) {
      Value value = materializeIndex(builder, op.getLoc(), place.getResult(index.getDim()), numDims);
      mapping.map(index.getResult(), value);
    } else if (auto extent = dyn_cast<ExtentOp>(op)) {
      // A dynamic extent is reached by the plain dimension only (neverOutside).
      DimAttr dim = producer.getDims()[extent.getDim()];
      Value value;
      if (dim.isDynamic())
        value = ExtentOp::create(builder, op.getLoc(), builder.getI32Type(),
                                 cast<AffineDimExpr>(place.getResult(extent.getDim())).getPosition());
      else
        value = arith::ConstantOp::create(builder, op.getLoc(), builder.getI32IntegerAttr(dim.getSize()));
      mapping.map(extent.getResult(), value);
    } else {
      builder.clone(op, mapping);
    }
  }
  consumer.inputArgument(i).replaceAllUsesWith(mapping.lookupOrDefault(producer.getYield().getValues()[0]));
  consumer.removeInput(i);
  Operation *op = consumer.operation();
  if (!fuse::nameOf(producer.getLoc()).empty() || isa<UnknownLoc>(op->getLoc()))
    op->setLoc(FusedLoc::get(op->getContext(), {op->getLoc(), producer.getLoc()}));
}

/// Whether recomputing `producer` for each of its users is worth not storing it.
bool isWorthwhile(GenericOp producer) {
  Value value = producer->getResult(0);
  int64_t all = fuse::points(producer.getDims().getDims());
  fuse::BodyCost cost = fuse::bodyCost(*producer.getBlock());
  unsigned uses = 0, large = countLargeInputs(producer);
  bool more = false;
  for (OpOperand &use : value.getUses()) {
    StructuredOp consumer = StructuredOp::get(use.getOwner());
    if (!consumer || use.getOwner()->getBlock() != producer->getBlock() ||
        use.getOperandNumber() < consumer.numIndices() ||
        !canInline(consumer, use.getOperandNumber() - consumer.numIndices(), producer))
      return false;
    ++uses;
    more |= fuse::points(consumer.dims().getDims()) > all;
  }
  if (isView(producer))
    return true;
  bool cheap = !cost.heavy && cost.operations <= cheapOperations;
  if (!more)
    return uses == 1 || (cheap && large <= 1);
  // Evaluated more often than it has points, so from few and small operands only.
  return cheap && producer->getNumOperands() <= 2;
}

/// Elements of a splat are scalar constants of the body.
bool inlineSplats(StructuredOp consumer) {
  auto generic = dyn_cast<GenericOp>(consumer.operation());
  if (generic && generic.isContraction())
    return false;
  bool changed = false;
  for (unsigned i = consumer.numInputs(); i-- > 0;) {
    auto constant = consumer.input(i).getDefiningOp<ConstantOp>();
    auto splat = constant ? dyn_cast<SplatElementsAttr>(constant.getValue()) : SplatElementsAttr();
    if (!splat || !neverOutside(consumer.inputMap(i), consumer.dims(), dimsOf(constant.getResult())))
      continue;
    OpBuilder builder = OpBuilder::atBlockBegin(&consumer.body());
    Value scalar = arith::ConstantOp::create(builder, constant.getLoc(), splat.getSplatValue<TypedAttr>());
    consumer.inputArgument(i).replaceAllUsesWith(scalar);
    consumer.removeInput(i);
    changed = true;
  }
  return changed;
}

struct InlineMaps : impl::InlineMapsPassBase<InlineMaps> {
  bool inlineInto(StructuredOp consumer) {
    bool changed = inlineSplats(consumer);
    for (bool again = true; again;) {
      again = false;
      for (unsigned i = 0; i < consumer.numInputs() && !again; ++i) {
        auto producer = consumer.input(i).getDefiningOp<GenericOp>();
        if (!producer || producer->getBlock() != consumer.operation()->getBlock() || producer.isReduction() ||
            producer->getNumResults() != 1 || !isWorthwhile(producer) || !canInline(consumer, i, producer))
          continue;
        inlineProducer(consumer, i, producer);
        if (producer->use_empty())
          producer->erase();
        again = changed = true;
      }
    }
    return changed;
  }

  void eraseDead() {
    SmallVector<Operation *> ops;
    getOperation()->walk([&](Operation *op) {
      if (isa<GenericOp, ScatterOp, ConstantOp, ReshapeOp, GetOp>(op))
        ops.push_back(op);
    });
    // Users come behind their operands.
    for (Operation *op : llvm::reverse(ops))
      if (op->use_empty())
        op->erase();
  }

  /// Blocks that hold structured ops, not their bodies.
  void shareWork() {
    getOperation()->walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isa<GenericOp, ScatterOp, KernelOp>(op))
        return WalkResult::skip();
      for (Region &region : op->getRegions())
        for (Block &block : region)
          fuse::shareHeavyWork(block);
      return WalkResult::advance();
    });
  }

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    {
      DominanceInfo dominance(getOperation());
      eliminateCommonSubExpressions(rewriter, dominance, getOperation());
    }
    shareWork();
    for (bool changed = true; changed;) {
      {
        DominanceInfo dominance(getOperation());
        eliminateCommonSubExpressions(rewriter, dominance, getOperation());
      }
      eraseDead();
      SmallVector<Operation *> consumers;
      getOperation()->walk<WalkOrder::PreOrder>([&](Operation *op) {
        if (isa<KernelOp>(op))
          return WalkResult::skip();
        if (isa<GenericOp, ScatterOp>(op))
          consumers.push_back(op);
        return WalkResult::advance();
      });
      changed = false;
      // In program order: what is inlined into a consumer has taken in its own producers already,
      // and is erased only behind this point.
      for (Operation *op : consumers)
        changed |= inlineInto(StructuredOp::get(op));
    }
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || function->hasAttr("gpt.kernel"))
        continue;
      fuse::factorSums(function.front());
      function.walk([](RepeatOp repeat) { fuse::factorSums(*repeat.getBlock()); });
    }
    eraseDead();
  }
};

} // namespace
} // namespace gptc
