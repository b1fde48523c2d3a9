#include "passes/fuse/two_steps.h"

#include "ir/gpt/maps.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc::fuse {

GenericOp reduceInTwoSteps(GenericOp op, ArrayRef<unsigned> order, unsigned kept) {
  MLIRContext *context = op.getContext();
  unsigned rank = op.getNumDims();
  SmallVector<DimAttr> dims;
  SmallVector<unsigned> place(rank); // of the op's dimensions in the first step
  SmallVector<AffineExpr> moved(rank);
  for (auto [i, dim] : llvm::enumerate(order)) {
    dims.push_back(op.getDims()[dim]);
    place[dim] = i;
    moved[dim] = getAffineDimExpr(i, context);
  }
  SmallVector<AffineMap> maps;
  for (unsigned i = 0; i < op->getNumOperands(); ++i)
    maps.push_back(op.getMap(i).replaceDimsAndSymbols(moved, {}, rank, op.getMap(i).getNumSymbols()));
  OpBuilder builder(op);
  auto partial = GenericOp::create(
      builder, op.getLoc(), DimsAttr::get(context, dims), kept, kept < rank ? op.getReduction() : std::nullopt,
      op.getIndices(), op.getInputs(), maps,
      [&](OpBuilder &b, Location, ValueRange arguments) { return copyBody(b, *op.getBlock(), arguments, place); });

  // In the op's order again, the parallel ones first.
  SmallVector<DimAttr> left;
  SmallVector<AffineExpr> indices(kept);
  for (unsigned d = 0; d < rank; ++d)
    if (place[d] < kept) {
      indices[place[d]] = getAffineDimExpr(left.size(), context);
      left.push_back(op.getDims()[d]);
    }
  return GenericOp::create(builder, op.getLoc(), DimsAttr::get(context, left), op.getNumParallel(), op.getReduction(),
                           ValueRange(), partial->getResults(), AffineMap::get(kept, 0, indices, context),
                           [](OpBuilder &, Location, ValueRange arguments) { return SmallVector<Value>(arguments); });
}

} // namespace gptc::fuse
