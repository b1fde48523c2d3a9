#include "passes/grad/decode_ops.h"

#include "ir/gpt/maps.h"

#include "mlir/IR/IRMapping.h"

namespace gptc::grad {
using namespace mlir;
using namespace gpt;

unsigned DecodeOps::baseNumber(Draft &draft, Value base, AffineMap map) {
  for (unsigned number : draft.bases)
    if (draft.indices[number] == base && draft.indexMaps[number] == map)
      return number;
  draft.indices.push_back(base);
  draft.indexMaps.push_back(map);
  draft.bases.push_back(draft.indices.size() - 1);
  return draft.bases.back();
}

bool DecodeOps::usesHistoryNumbers(GenericOp op, const DenseMap<unsigned, Role> &space) const {
  auto isHistory = [&](unsigned d) {
    auto role = space.find(d);
    return role != space.end() && role->second == Role::History;
  };
  bool uses = false;
  op.getBlock()->walk([&](IndexOp index) { uses |= isHistory(index.getDim()); });
  for (auto [i, operand] : llvm::enumerate(op->getOperands()))
    for (auto [p, index] : llvm::enumerate(op.getMap(i).getResults()))
      for (unsigned d = 0; d < op.getNumDims(); ++d)
        uses |= isHistory(d) && index.isFunctionOfDim(d) && !positions.isPosition(dimsOf(operand)[p]);
  return uses;
}

/// The map to the coordinates `first` and `second`.
static AffineMap mapTo(OpBuilder &b, unsigned rank, unsigned first, unsigned second) {
  return AffineMap::get(rank, 0, {b.getAffineDimExpr(first), b.getAffineDimExpr(second)}, b.getContext());
}

void DecodeOps::emitGeneric(GenericOp op, const Roles &roles) {
  DenseMap<unsigned, Role> space = plan.spaceRoles(op, roles);
  emitGeneric(op, roles, space, /*drop=*/-1);
}

SmallVector<Value> DecodeOps::emitGeneric(GenericOp op, ArrayRef<Role> roles,
                                          const DenseMap<unsigned, Role> &space, int drop,
                                          int64_t dropOffset) {
  DimsAttr old = op.getDims();
  SmallVector<Instance> operands;
  SmallVector<bool> windowed;
  bool anyBatched = false;
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    Roles at = plan.operandRoles(op, i, space);
    auto window = windows.find(operand);
    bool isWindow = window != windows.end() && at.size() == 1 && at[0] == Role::History;
    operands.push_back(isWindow ? window->second : lookup(operand, at));
    windowed.push_back(isWindow);
    anyBatched |= operands.back().batched;
  }
  bool hasNew = llvm::any_of(space, [](auto entry) { return entry.second != Role::History; });
  bool byPlace = slotPositions && usesHistoryNumbers(op, space);
  bool batched = streamsOf(old) < 0 && (hasNew || anyBatched || byPlace);
  // The new space.
  SmallVector<DimAttr> dims;
  SmallVector<unsigned> place(old.size(), ~0u);
  if (batched)
    dims.push_back(batch);
  for (unsigned d = 0; d < old.size(); ++d) {
    if (int(d) == drop)
      continue;
    place[d] = dims.size();
    auto role = space.find(d);
    dims.push_back(role == space.end() ? old[d] : dimAt(old[d], role->second));
  }
  unsigned rank = dims.size();
  DimsAttr newDims = DimsAttr::get(b.getContext(), dims);
  int streams = streamsOf(newDims);
  AffineMap stream = streams >= 0 ? AffineMap::get(rank, 0, b.getAffineDimExpr(streams)) : AffineMap();
  Draft draft;
  // Index operands first: their numbers are those of the symbols. What they read elsewhere is brought here
  // before.
  for (unsigned i = 0; i < op.getIndices().size(); ++i) {
    AffineMap map = op.getMap(i);
    bool plain = !windowed[i] && llvm::all_of(llvm::enumerate(map.getResults()), [&](auto index) {
      return isPlainRead(op, i, index.index(), space) ||
             (!readsNew(index.value(), space) &&
              !(byPlace && !positions.isPosition(dimsOf(op->getOperand(i))[index.index()])));
    });
    if (plain) {
      draft.indices.push_back(operands[i].value);
      draft.indexMaps.push_back(localMap(map, place, rank, operands[i].batched, streams));
    } else {
      draft.indices.push_back(bringHere(op, i, operands[i], windowed[i], space, newDims, place, stream));
      draft.indexMaps.push_back(b.getMultiDimIdentityMap(rank));
    }
  }
  for (unsigned i = op.getIndices().size(); i < op->getNumOperands(); ++i) {
    draft.inputs.push_back(operands[i].value);
    draft.inputMaps.push_back(
        absoluteMap(op, i, operands[i], windowed[i], space, place, rank, stream, streams, draft));
  }
  // Numbers of positions that the body computes with.
  DenseMap<unsigned, unsigned> offsets;
  op.getBlock()->walk([&](IndexOp index) {
    auto role = space.find(index.getDim());
    if (int64_t(drop) == index.getDim())
      offsets[index.getDim()] = baseNumber(draft, last, stream);
    else if (role != space.end() && baseOf(role->second))
      offsets[index.getDim()] = baseNumber(draft, baseOf(role->second), stream);
    else if (role != space.end() && slotPositions)
      offsets[index.getDim()] =
          baseNumber(draft, slotPositions, mapTo(b, rank, streams, place[index.getDim()]));
  });
  unsigned symbols = draft.indices.size();
  for (AffineMap &map : draft.inputMaps)
    map = AffineMap::get(rank, symbols, map.getResults(), b.getContext());
  SmallVector<Value> allIndices = draft.indices;
  SmallVector<AffineMap> maps = draft.indexMaps;
  llvm::append_range(maps, draft.inputMaps);
  unsigned parallel = op.getNumParallel() + batched - (drop >= 0);
  auto created = GenericOp::create(
      b, op.getLoc(), newDims, parallel, op.getReduction(), allIndices, draft.inputs, maps,
      [&](OpBuilder &body, Location, ValueRange arguments) {
        IRMapping mapping;
        unsigned oldIndices = op.getIndices().size();
        for (unsigned i = 0; i < op->getNumOperands(); ++i)
          mapping.map(op.getBlock()->getArgument(i),
                      arguments[i < oldIndices ? i : i - oldIndices + draft.indices.size()]);
        for (Operation &part : op.getBlock()->without_terminator()) {
          auto index = dyn_cast<IndexOp>(part);
          if (!index) {
            Operation *copy = body.clone(part, mapping);
            if (auto extent = dyn_cast<ExtentOp>(copy))
              extent.setDim(place[extent.getDim()]);
            continue;
          }
          unsigned d = index.getDim();
          Location loc = index.getLoc();
          auto offset = offsets.find(d);
          Value base = offset == offsets.end() ? Value() : arguments[offset->second];
          Value value;
          if (int(d) == drop) {
            value = base;
            if (dropOffset != 0)
              value = arith::AddIOp::create(
                  body, loc, base, arith::ConstantOp::create(body, loc, body.getI32IntegerAttr(dropOffset)));
          } else if (base && slotPositions && space.lookup(d) == Role::History) {
            value = base;
          } else {
            value = IndexOp::create(body, loc, body.getI32Type(), place[d]);
            if (base)
              value = arith::AddIOp::create(body, loc, value, base);
          }
          mapping.map(index.getResult(), value);
        }
        return llvm::map_to_vector(op.getYield().getValues(),
                                   [&](Value value) { return mapping.lookupOrDefault(value); });
      });
  created->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  SmallVector<Value> results(created->getResults());
  if (drop < 0)
    for (auto [oldResult, value] : llvm::zip_equal(op.getResults(), results))
      bind(oldResult, roles, {value, batched});
  return results;
}

bool DecodeOps::readsNew(AffineExpr index, const DenseMap<unsigned, Role> &space) {
  return llvm::any_of(
      space, [&](auto entry) { return entry.second != Role::History && index.isFunctionOfDim(entry.first); });
}

bool DecodeOps::isPlainRead(GenericOp op, unsigned operand, unsigned p,
                            const DenseMap<unsigned, Role> &space) const {
  auto dim = dyn_cast<AffineDimExpr>(op.getMap(operand).getResult(p));
  return dim && space.contains(dim.getPosition()) && positions.isPosition(dimsOf(op->getOperand(operand))[p]);
}

AffineMap DecodeOps::localMap(AffineMap map, ArrayRef<unsigned> place, unsigned rank, bool batched,
                              int streams) {
  SmallVector<AffineExpr> dims;
  for (unsigned p : place)
    dims.push_back(p == ~0u ? b.getAffineConstantExpr(0) : b.getAffineDimExpr(p));
  SmallVector<AffineExpr> indices;
  if (batched)
    indices.push_back(b.getAffineDimExpr(streams));
  for (AffineExpr index : map.getResults())
    indices.push_back(index.replaceDims(dims));
  return AffineMap::get(rank, map.getNumSymbols(), indices, b.getContext());
}

AffineMap DecodeOps::absoluteMap(GenericOp op, unsigned i, const Instance &operand, bool windowed,
                                 const DenseMap<unsigned, Role> &space, ArrayRef<unsigned> place,
                                 unsigned rank, AffineMap stream, int streams, Draft &draft) {
  AffineMap map = op.getMap(i);
  DimsAttr target = dimsOf(op->getOperand(i));
  auto symbol = [&](Value base, AffineMap by) { return b.getAffineSymbolExpr(baseNumber(draft, base, by)); };
  auto replace = [&](AffineExpr index, auto coordinate) {
    SmallVector<AffineExpr> dims;
    for (auto [d, p] : llvm::enumerate(place)) {
      AffineExpr here = p == ~0u ? b.getAffineConstantExpr(0) : b.getAffineDimExpr(p);
      auto role = space.find(d);
      bool isPosition = role != space.end() && index.isFunctionOfDim(d);
      dims.push_back(isPosition ? coordinate(here, p, role->second) : here);
    }
    return index.replaceDims(dims);
  };
  SmallVector<AffineExpr> indices;
  if (operand.batched)
    indices.push_back(b.getAffineDimExpr(streams));
  for (auto [p, index] : llvm::enumerate(map.getResults())) {
    bool isPosition = positions.isPosition(target[p]);
    if (isPlainRead(op, i, p, space))
      indices.push_back(replace(index, [](AffineExpr here, unsigned, Role) { return here; }));
    else if (windowed && isPosition)
      indices.push_back(plan.cacheOf(op->getOperand(i))->window +
                        replace(index, [&](AffineExpr here, unsigned, Role role) {
                          return role == Role::Last && lastNew ? here + symbol(lastNew, stream) : here;
                        }));
    else
      indices.push_back(replace(index, [&](AffineExpr here, unsigned at, Role role) {
        if (Value base = baseOf(role))
          return here + symbol(base, stream);
        return slotPositions && !isPosition ? symbol(slotPositions, mapTo(b, rank, streams, at)) : here;
      }));
  }
  return AffineMap::get(rank, 64, indices, b.getContext());
}

Value DecodeOps::bringHere(GenericOp op, unsigned i, const Instance &operand, bool windowed,
                           const DenseMap<unsigned, Role> &space, DimsAttr dims, ArrayRef<unsigned> place,
                           AffineMap stream) {
  Draft draft;
  unsigned rank = dims.size();
  AffineMap map = absoluteMap(op, i, operand, windowed, space, place, rank, stream, streamsOf(dims), draft);
  SmallVector<AffineMap> maps = draft.indexMaps;
  maps.push_back(AffineMap::get(rank, draft.indices.size(), map.getResults(), b.getContext()));
  return GenericOp::create(b, op.getLoc(), dims, rank, std::nullopt, draft.indices, operand.value, maps,
                           [](OpBuilder &, Location, ValueRange arguments) -> SmallVector<Value> {
                             return {arguments.back()};
                           })
      ->getResult(0);
}

} // namespace gptc::grad
