#include "passes/codegen/op_plan.h"

#include "passes/codegen/body_emitter.h"
#include "passes/codegen/row_groups.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace gptc {

bool OpPlan::usesCoordinate(unsigned dim) const {
  bool used = false;
  if (!body)
    return false;
  for (gpt::IndexOp index : body->getOps<gpt::IndexOp>())
    used |= dimOf[index.getDim()] == int(dim);
  return used;
}

int64_t OpPlan::cost() const {
  int64_t cost = 1 + (body ? bodyCost(body) : 0);
  for (const Access &read : reads)
    cost += read.usesSymbols() ? 4 : 1;
  for (const auto &places : writes)
    cost += places.size();
  return cost;
}

Buffer Buffer::of(Value memref, Value value, const gpt::Limits &limits, unsigned dropped) {
  Buffer buffer;
  buffer.memref = memref;
  buffer.element = getElementTypeOrSelf(value.getType());
  buffer.dims = gpt::dimsOf(value);
  buffer.dropped = dropped;
  ArrayRef<gpt::DimAttr> stored = buffer.dims.getDims().drop_front(dropped);
  buffer.strides = gpt::stridesOf(stored, limits);
  buffer.elements = gpt::elementsOf(stored, limits);
  return buffer;
}

FailureOr<Access> makeAccess(AffineMap map, gpt::DimsAttr space, const Buffer &buffer, Value tensor) {
  Access access;
  access.memref = buffer.memref;
  access.element = buffer.element;
  access.tensor = tensor;
  access.elements = buffer.elements;
  access.past = buffer.past;
  access.offset = Offset(map.getNumDims(), map.getNumSymbols());
  for (auto [r, expr] : llvm::enumerate(map.getResults())) {
    std::optional<gpt::LinearIndex> index = gpt::linearize(expr, map.getNumDims(), map.getNumSymbols());
    if (!index)
      return failure();
    if (r < buffer.dropped) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim || dim.getPosition() != r)
        return failure();
      continue;
    }
    gpt::DimAttr target = buffer.dims[r];
    access.offset.add(*index, buffer.strides[r - buffer.dropped]);
    if (!gpt::neverOutside(expr, space, target))
      access.guards.push_back({*index, gpt::Length::of(target)});
  }
  return access;
}

/// Dimension d becomes d + by, modulo their number.
static void rotateDims(SmallVectorImpl<AffineMap> &maps, unsigned dims, unsigned by) {
  for (AffineMap &map : maps) {
    SmallVector<AffineExpr> moved;
    for (unsigned d = 0; d < dims; ++d)
      moved.push_back(getAffineDimExpr((d + by) % dims, map.getContext()));
    map = map.replaceDimsAndSymbols(moved, {}, dims, map.getNumSymbols());
  }
}

FailureOr<OpPlan> makePlan(Operation *op, const Buffers &buffers, unsigned rows) {
  OpPlan plan;
  plan.op = op;
  SmallVector<AffineMap> maps, resultMaps;
  gpt::DimsAttr space;
  unsigned numParallel = 0;
  if (auto generic = dyn_cast<gpt::GenericOp>(op)) {
    plan.body = generic.getBlock();
    plan.opDims = generic.getDims();
    plan.numIndices = generic.getIndices().size();
    plan.reduction = generic.getReduction();
    numParallel = generic.getNumParallel();
    for (unsigned i = 0; i < op->getNumOperands(); ++i)
      maps.push_back(generic.getMap(i));
    AffineMap identity = AffineMap::get(plan.opDims.size(), 0,
                                        AffineMap::getMultiDimIdentityMap(numParallel, op->getContext()).getResults(),
                                        op->getContext());
    resultMaps.assign(op->getNumResults(), identity);
    if (gpt::isOverRows(op)) {
      // Rows outside, columns inside: what is a reduction to the op adds to a place for each row here.
      unsigned all = plan.opDims.size(), reduced = all - numParallel;
      rotateDims(maps, all, reduced);
      SmallVector<gpt::DimAttr> dims(plan.opDims.getDims());
      std::rotate(dims.begin(), dims.begin() + numParallel, dims.end());
      space = gpt::DimsAttr::get(op->getContext(), dims);
      rotateDims(resultMaps, all, reduced);
      plan.reduction.reset();
      plan.accumulates = true;
    }
  } else {
    auto scatter = cast<gpt::ScatterOp>(op);
    plan.body = scatter.getBlock();
    plan.opDims = scatter.getDims();
    plan.numIndices = scatter.getIndices().size();
    for (unsigned i = 0; i < op->getNumOperands(); ++i)
      maps.push_back(scatter.getMap(i));
    resultMaps.push_back(scatter.getResultMap());
  }
  if (!space)
    space = plan.opDims;
  unsigned shift = plan.accumulates ? plan.opDims.size() - numParallel : 0;
  for (auto [i, dim] : llvm::enumerate(space.getDims())) {
    plan.dims.push_back({dim.getSize(), gpt::Length::of(dim)});
    // What a scatter cannot run in parallel is, to the loops, a reduction.
    plan.dims.back().reduction = isa<gpt::GenericOp>(op) ? !plan.accumulates && i >= numParallel
                                 : !llvm::is_contained(resultMaps[0].getResults(),
                                                       getAffineDimExpr(i, op->getContext()));
    plan.dimOf.push_back((i + shift) % space.size());
  }
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    auto places = buffers.find(operand);
    if (places == buffers.end())
      return op->emitError() << "operand " << i << " has no place in the kernel";
    FailureOr<Access> access = makeAccess(maps[i], space, places->second.front(), operand);
    if (failed(access))
      return op->emitError() << "operand " << i << " reads a value of the kernel at another row than its own ("
                             << rows << " shared dimensions)";
    plan.reads.push_back(std::move(*access));
  }
  for (auto [i, result] : llvm::enumerate(op->getResults())) {
    auto &places = plan.writes.emplace_back();
    for (const Buffer &buffer : buffers.lookup(result)) {
      FailureOr<Access> access = makeAccess(resultMaps[i], space, buffer, result);
      if (failed(access))
        return op->emitError() << "result " << i << " cannot be placed";
      places.push_back(std::move(*access));
    }
  }
  return plan;
}

namespace {

template <typename Function> bool allAccesses(const OpPlan &plan, Function check) {
  for (const Access &read : plan.reads)
    if (read.memref && read.producer < 0 && !check(read))
      return false;
  for (const auto &places : plan.writes)
    for (const Access &write : places)
      if (write.memref && !check(write))
        return false;
  return true;
}

bool canMerge(const OpPlan &plan, unsigned i) {
  const LoopDim &outer = plan.dims[i], &inner = plan.dims[i + 1];
  if (outer.reduction != inner.reduction || plan.usesCoordinate(i) || plan.usesCoordinate(i + 1))
    return false;
  return allAccesses(plan, [&](const Access &access) {
    if (access.offset.dims[i] != access.offset.dims[i + 1] * inner.count)
      return false;
    return llvm::none_of(access.guards, [&](const Guard &guard) {
      return guard.index.dims[i] != 0 || guard.index.dims[i + 1] != 0;
    });
  });
}

/// Removes dimension `dim`; the op's dimensions that were it become `now`.
void eraseDim(OpPlan &plan, unsigned dim, int now) {
  plan.dims.erase(plan.dims.begin() + dim);
  for (int &place : plan.dimOf)
    place = place == int(dim) ? now : place > int(dim) ? place - 1 : place;
  for (Access &read : plan.reads)
    read.eraseDim(dim);
  for (auto &places : plan.writes)
    for (Access &write : places)
      write.eraseDim(dim);
}

} // namespace

unsigned mergeDims(ArrayRef<OpPlan *> plans, unsigned first, unsigned last, const gpt::Limits &limits) {
  for (unsigned i = first; i < last;) {
    const LoopDim &dim = plans.front()->dims[i];
    if (!dim.isStatic() || dim.bound != 1) {
      ++i;
      continue;
    }
    for (OpPlan *plan : plans)
      eraseDim(*plan, i, -1);
    --last;
  }
  for (unsigned i = first; i + 1 < last;) {
    if (!llvm::all_of(plans, [&](OpPlan *plan) { return canMerge(*plan, i); })) {
      ++i;
      continue;
    }
    for (OpPlan *plan : plans) {
      LoopDim merged = plan->dims[i];
      merged.count *= plan->dims[i + 1].count;
      merged.bound = limits.most(merged.count);
      // The merged dimension advances as the inner one does.
      eraseDim(*plan, i, i);
      plan->dims[i] = merged;
    }
    --last;
  }
  return last;
}

} // namespace gptc
