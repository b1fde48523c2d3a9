// Builders and helper methods of the gpt ops.
#include "ir/gpt/gpt.h"
#include "ir/gpt/maps.h"

#include "mlir/IR/TypeUtilities.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

#define GET_OP_CLASSES
#include "ir/gpt/GptOps.cpp.inc"

using namespace mlir;

namespace gptc::gpt {

void GenericOp::build(OpBuilder &builder, OperationState &state, DimsAttr dims, int64_t numParallel,
                      std::optional<ReductionKind> reduction, ValueRange indices, ValueRange inputs,
                      ArrayRef<AffineMap> maps,
                      function_ref<SmallVector<Value>(OpBuilder &, Location, ValueRange)> body) {
  Region *region = state.addRegion();
  SmallVector<Value> scalars;
  {
    OpBuilder::InsertionGuard guard(builder);
    Block *block = builder.createBlock(region);
    for (ValueRange operands : {indices, inputs})
      for (Value operand : operands)
        block->addArgument(getElementTypeOrSelf(operand.getType()), operand.getLoc());
    scalars = body(builder, state.location, block->getArguments());
    // The body may have moved the builder.
    builder.setInsertionPointToEnd(block);
    YieldOp::create(builder, state.location, scalars);
  }
  state.addOperands(indices);
  state.addOperands(inputs);
  Properties &properties = state.getOrAddProperties<Properties>();
  properties.operandSegmentSizes = {static_cast<int32_t>(indices.size()),
                                    static_cast<int32_t>(inputs.size())};
  properties.dims = dims;
  properties.num_parallel = builder.getI64IntegerAttr(numParallel);
  properties.maps = builder.getAffineMapArrayAttr(maps);
  if (reduction)
    properties.reduction = ReductionKindAttr::get(builder.getContext(), *reduction);
  ArrayRef<DimAttr> parallel = dims.getDims().take_front(numParallel);
  for (Value scalar : scalars)
    state.addTypes(tensorType(builder.getContext(), parallel, scalar.getType()));
}

void YieldOp::build(OpBuilder &, OperationState &) {}

YieldOp GenericOp::getYield() {
  return cast<YieldOp>(getBlock()->getTerminator());
}
YieldOp RepeatOp::getYield() {
  return cast<YieldOp>(getBlock()->getTerminator());
}
YieldOp KernelOp::getYield() {
  return cast<YieldOp>(getBlock()->getTerminator());
}

/// Results are sums of dimensions with positive coefficients, no dimension
/// twice: merged groups such as `h * 32 + e`, or plain dimensions.
static bool isGrouping(AffineMap map) {
  SmallVector<bool> seen(map.getNumDims(), false);
  for (AffineExpr result : map.getResults()) {
    std::optional<LinearIndex> sum = linearize(result, map.getNumDims(), 0);
    if (!sum || sum->constant != 0)
      return false;
    for (auto [i, coefficient] : llvm::enumerate(sum->dims)) {
      if (coefficient == 0)
        continue;
      if (coefficient < 0 || seen[i])
        return false;
      seen[i] = true;
    }
  }
  return true;
}

bool GenericOp::isContraction() {
  if (getReduction() != ReductionKind::sum || !getIndices().empty() || getInputs().size() != 2)
    return false;
  Block *block = getBlock();
  YieldOp yield = getYield();
  auto product = yield.getValues()[0].getDefiningOp<arith::MulFOp>();
  auto fits = [&](Operation &op) { return &op == product || &op == yield || isa<arith::ExtFOp>(op); };
  if (!product || !llvm::all_of(*block, fits))
    return false;
  // Elements as they are, or widened.
  auto narrow = [](Value value) {
    auto extended = value.getDefiningOp<arith::ExtFOp>();
    return extended ? extended.getIn() : value;
  };
  Value first = block->getArgument(0), second = block->getArgument(1);
  Value left = narrow(product.getLhs()), right = narrow(product.getRhs());
  bool straight = left == first && right == second;
  bool crossed = left == second && right == first;
  if (!straight && !crossed)
    return false;
  for (unsigned i = 0; i < 2; ++i) {
    DimsAttr dims = dimsOf(getInputs()[i]);
    if (!dims || !isGrouping(getInputMap(i)) || !neverOutside(getInputMap(i), getDims(), dims))
      return false;
  }
  return true;
}

SmallVector<Value> RepeatOp::getCaptures() {
  llvm::SetVector<Value> captures;
  visitUsedValuesDefinedAbove(getBody(), [&](OpOperand *operand) { captures.insert(operand->get()); });
  return captures.takeVector();
}

RankedTensorType RepeatOp::sliceType(RankedTensorType stacked) {
  ArrayRef<int64_t> shape = stacked.getShape().drop_front();
  DimsAttr dims = dimsOf(stacked);
  Attribute inner = dims ? DimsAttr::get(dims.getContext(), dims.getDims().drop_front()) : Attribute();
  return RankedTensorType::get(shape, stacked.getElementType(), inner);
}

RankedTensorType RepeatOp::stackType(RankedTensorType slice, int64_t count, StringRef name) {
  SmallVector<DimAttr> dims = {DimAttr::getStatic(slice.getContext(), name, count)};
  if (DimsAttr inner = dimsOf(slice))
    llvm::append_range(dims, inner.getDims());
  return tensorType(slice.getContext(), dims, slice.getElementType());
}

} // namespace gptc::gpt
