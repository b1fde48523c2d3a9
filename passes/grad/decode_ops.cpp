#include "passes/grad/decode_ops.h"

#include "ir/gpt/maps.h"

#include "mlir/IR/IRMapping.h"

namespace gptc::grad {
using namespace mlir;
using namespace gpt;

unsigned DecodeOps::baseNumber(Draft &draft, Value base, AffineMap stream) {
  for (auto [known, number] : draft.bases)
    if (known == base)
      return number;
  draft.indices.push_back(base);
  draft.indexMaps.push_back(stream);
  draft.bases.push_back({base, unsigned(draft.indices.size()) - 1});
  return draft.bases.back().second;
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
  bool batched = streamsOf(old) < 0 && (hasNew || anyBatched);
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
      return isPlainRead(op, i, index.index(), space) || !readsNew(index.value(), space);
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
  SmallVector<AffineExpr> local, absolute, inWindow;
  for (auto [d, p] : llvm::enumerate(place)) {
    AffineExpr here = p == ~0u ? b.getAffineConstantExpr(0) : b.getAffineDimExpr(p);
    auto role = space.find(d);
    Value base = role == space.end() ? Value() : baseOf(role->second);
    bool used = base && map.isFunctionOfDim(d);
    bool elsewhere = used && llvm::any_of(llvm::enumerate(map.getResults()), [&](auto index) {
                       return index.value().isFunctionOfDim(d) && !isPlainRead(op, i, index.index(), space);
                     });
    local.push_back(here);
    absolute.push_back(elsewhere && !windowed ? here + b.getAffineSymbolExpr(baseNumber(draft, base, stream))
                                              : here);
    bool atLast = elsewhere && windowed && role->second == Role::Last && lastNew;
    inWindow.push_back(atLast ? here + b.getAffineSymbolExpr(baseNumber(draft, lastNew, stream)) : here);
  }
  SmallVector<AffineExpr> indices;
  if (operand.batched)
    indices.push_back(b.getAffineDimExpr(streams));
  DimsAttr target = dimsOf(op->getOperand(i));
  for (auto [p, index] : llvm::enumerate(map.getResults())) {
    if (isPlainRead(op, i, p, space))
      indices.push_back(index.replaceDims(local));
    else if (windowed && positions.isPosition(target[p]))
      indices.push_back(index.replaceDims(inWindow) + plan.cacheOf(op->getOperand(i))->window);
    else
      indices.push_back(index.replaceDims(absolute));
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
