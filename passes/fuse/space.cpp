#include "passes/fuse/space.h"

#include "ir/gpt/most.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc::fuse {

bool sameDim(DimAttr a, DimAttr b) { return a.getSize() == b.getSize() && a.getExtent() == b.getExtent(); }

bool sameDims(ArrayRef<DimAttr> a, ArrayRef<DimAttr> b) {
  return a.size() == b.size() && llvm::all_of(llvm::zip(a, b), [](auto pair) {
           return sameDim(std::get<0>(pair), std::get<1>(pair));
         });
}

int64_t points(ArrayRef<DimAttr> dims) {
  int64_t product = 1;
  for (DimAttr dim : dims)
    product = boundedProduct(product, dim.getSize());
  return product;
}

int64_t points(Value tensor) {
  DimsAttr dims = dimsOf(tensor);
  return dims ? points(dims.getDims()) : cast<RankedTensorType>(tensor.getType()).getNumElements();
}

bool isMap(Operation *op) {
  auto generic = dyn_cast<GenericOp>(op);
  return generic && !generic.isReduction();
}

bool isIdentityOn(AffineMap map, DimsAttr space, DimsAttr operand, unsigned rank) {
  if (map.getNumResults() < rank || space.size() < rank || !operand || operand.size() != map.getNumResults())
    return false;
  for (auto [i, index] : llvm::enumerate(map.getResults())) {
    if (i < rank) {
      auto dim = dyn_cast<AffineDimExpr>(index);
      if (!dim || dim.getPosition() != i || !sameDim(space[i], operand[i]))
        return false;
      continue;
    }
    for (unsigned d = 0; d < rank; ++d)
      if (index.isFunctionOfDim(d))
        return false;
  }
  return true;
}

bool isIdentity(AffineMap map, DimsAttr space, DimsAttr operand) {
  return map.getNumResults() == space.size() && isIdentityOn(map, space, operand, space.size());
}

static bool dependsOnAny(AffineMap map, unsigned begin, unsigned end) {
  for (unsigned d = begin; d < end; ++d)
    if (map.isFunctionOfDim(d))
      return true;
  return false;
}

bool readsRows(GenericOp op) {
  if (!op.isReduction())
    return false;
  unsigned numDims = op.getNumDims(), numParallel = op.getNumParallel();
  for (unsigned i = 0; i < op.getInputs().size(); ++i) {
    AffineMap map = op.getInputMap(i);
    if (!dependsOnAny(map, numParallel, numDims) || map.getNumResults() == 0)
      continue;
    // A gather may end in a symbol: it jumps in either order.
    std::optional<LinearIndex> last =
        linearize(map.getResults().back(), map.getNumDims(), map.getNumSymbols());
    if (!last)
      return false;
    for (unsigned d = 0; d < numParallel; ++d)
      if (last->dims[d] != 0 && op.getDims()[d].getSize() != 1)
        return false;
  }
  return true;
}

bool isContraction(GenericOp op) {
  // Times one number is no product of matrices.
  if (!op.isContraction() || llvm::any_of(op.getInputs(), [](Value input) { return points(input) == 1; }))
    return false;
  bool lacks[2] = {false, false};
  for (unsigned i = 0; i < 2; ++i)
    for (unsigned d = 0; d < op.getNumParallel(); ++d)
      lacks[i] |= op.getDims()[d].getSize() != 1 && !op.getInputMap(i).isFunctionOfDim(d);
  if (lacks[0] && lacks[1])
    return true;
  return (lacks[0] || lacks[1]) && !readsRows(op);
}

BodyCost bodyCost(Block &body) {
  BodyCost cost;
  for (Operation &op : body.without_terminator()) {
    if (op.hasTrait<OpTrait::ConstantLike>() || isa<StopGradientOp, ExtentOp>(op))
      continue;
    ++cost.operations;
    // All of math is a root, a power or a polynomial, but for these.
    bool mathematics = isa<math::MathDialect>(op.getDialect()) && !isa<math::AbsFOp, math::AbsIOp, math::FmaOp,
                       math::CopySignOp, math::FloorOp, math::CeilOp>(op);
    cost.heavy |= mathematics || isa<arith::DivFOp, arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp,
                                     arith::RemFOp, RandomOp>(op);
  }
  return cost;
}

//===-- StructuredOp ---------------------------------------------------------===//

StructuredOp StructuredOp::get(Operation *op) {
  return StructuredOp(isa_and_nonnull<GenericOp, ScatterOp>(op) ? op : nullptr);
}

DimsAttr StructuredOp::dims() const {
  if (auto generic = dyn_cast<GenericOp>(op))
    return generic.getDims();
  return cast<ScatterOp>(op).getDims();
}

unsigned StructuredOp::numIndices() const {
  if (auto generic = dyn_cast<GenericOp>(op))
    return generic.getIndices().size();
  return cast<ScatterOp>(op).getIndices().size();
}

SmallVector<AffineMap> StructuredOp::maps() const {
  ArrayAttr attribute = isa<GenericOp>(op) ? cast<GenericOp>(op).getMaps() : cast<ScatterOp>(op).getMaps();
  return llvm::map_to_vector(attribute, [](Attribute map) { return cast<AffineMapAttr>(map).getValue(); });
}

AffineMap StructuredOp::map(unsigned operand) const {
  if (auto generic = dyn_cast<GenericOp>(op))
    return generic.getMap(operand);
  return cast<ScatterOp>(op).getMap(operand);
}

void StructuredOp::setMaps(ArrayRef<AffineMap> maps) {
  // Maps of inputs (and a scatter's result) have one symbol an index operand, as they are parsed.
  unsigned numIndices = this->numIndices();
  SmallVector<Attribute> attributes;
  for (auto [i, map] : llvm::enumerate(maps))
    attributes.push_back(AffineMapAttr::get(
        AffineMap::get(map.getNumDims(), i < numIndices ? 0 : numIndices, map.getResults(), op->getContext())));
  ArrayAttr attribute = ArrayAttr::get(op->getContext(), attributes);
  if (auto generic = dyn_cast<GenericOp>(op))
    generic.setMapsAttr(attribute);
  else
    cast<ScatterOp>(op).setMapsAttr(attribute);
}

unsigned StructuredOp::addIndex(Value value, AffineMap map) {
  SmallVector<AffineMap> maps = this->maps();
  unsigned count = numIndices();
  for (unsigned i = 0; i < count; ++i)
    if (index(i) == value && maps[i].getResults() == map.getResults())
      return i;
  body().insertArgument(count, cast<RankedTensorType>(value.getType()).getElementType(), value.getLoc());
  if (auto generic = dyn_cast<GenericOp>(op))
    generic.getIndicesMutable().append(value);
  else
    cast<ScatterOp>(op).getIndicesMutable().append(value);
  maps.insert(maps.begin() + count, map);
  setMaps(maps);
  return count;
}

BlockArgument StructuredOp::addInput(Value value, AffineMap map) {
  SmallVector<AffineMap> maps = this->maps();
  unsigned first = numIndices(), count = numInputs();
  for (unsigned i = 0; i < count; ++i)
    if (input(i) == value && maps[first + i].getResults() == map.getResults())
      return inputArgument(i);
  BlockArgument argument =
      body().addArgument(cast<RankedTensorType>(value.getType()).getElementType(), value.getLoc());
  if (auto generic = dyn_cast<GenericOp>(op))
    generic.getInputsMutable().append(value);
  else
    cast<ScatterOp>(op).getInputsMutable().append(value);
  maps.insert(maps.begin() + first + count, map);
  setMaps(maps);
  return argument;
}

void StructuredOp::dropUnused() {
  for (Operation &part : llvm::make_early_inc_range(llvm::reverse(body())))
    if (isOpTriviallyDead(&part))
      part.erase();
  for (unsigned i = numInputs(); i-- > 0;)
    if (inputArgument(i).use_empty())
      removeInput(i);
}

void StructuredOp::removeInput(unsigned i) {
  SmallVector<AffineMap> maps = this->maps();
  unsigned position = numIndices() + i;
  body().eraseArgument(position);
  maps.erase(maps.begin() + position);
  if (auto generic = dyn_cast<GenericOp>(op))
    generic.getInputsMutable().erase(i);
  else
    cast<ScatterOp>(op).getInputsMutable().erase(i);
  setMaps(maps);
}

StringRef nameOf(Location loc) {
  if (auto named = dyn_cast<NameLoc>(loc))
    return named.getName().getValue();
  if (auto fused = dyn_cast<FusedLoc>(loc)) {
    for (Location part : fused.getLocations())
      if (StringRef name = nameOf(part); !name.empty())
        return name;
  }
  if (auto call = dyn_cast<CallSiteLoc>(loc)) {
    StringRef name = nameOf(call.getCallee());
    return name.empty() ? nameOf(call.getCaller()) : name;
  }
  return {};
}

} // namespace gptc::fuse
