#include "passes/fuse/matrix_sums.h"

#include "ir/gpt/products.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc::fuse {

/// The sum with the same terms first over the columns of `matrix`, its operand, then over the rest.
static void splitByRows(GenericOp op, unsigned matrix) {
  MLIRContext *context = op.getContext();
  AffineMap order = op.getMap(matrix); // dimensions of the matrix to those of the op
  unsigned rank = op.getNumDims();
  SmallVector<unsigned> place(rank); // of the op's dimensions in the matrix
  SmallVector<AffineExpr> moved(rank);
  SmallVector<DimAttr> dims(rank);
  for (auto [i, index] : llvm::enumerate(order.getResults())) {
    unsigned dim = cast<AffineDimExpr>(index).getPosition();
    place[dim] = i;
    moved[dim] = getAffineDimExpr(i, context);
    dims[i] = op.getDims()[dim];
  }
  SmallVector<AffineMap> maps;
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    AffineMap map = op.getMap(i);
    maps.push_back(map.replaceDimsAndSymbols(moved, {}, rank, map.getNumSymbols()));
  }
  OpBuilder builder(op);
  auto body = [&](OpBuilder &b, Location, ValueRange arguments) -> SmallVector<Value> {
    IRMapping mapping;
    mapping.map(op.getBlock()->getArguments(), arguments);
    for (Operation &part : op.getBlock()->without_terminator()) {
      Operation *copy = b.clone(part, mapping);
      if (auto index = dyn_cast<IndexOp>(copy))
        index.setDim(place[index.getDim()]);
      else if (auto extent = dyn_cast<ExtentOp>(copy))
        extent.setDim(place[extent.getDim()]);
    }
    return {mapping.lookupOrDefault(op.getYield().getValues()[0])};
  };
  auto byRows = GenericOp::create(builder, op.getLoc(), DimsAttr::get(context, dims), rank - 1,
                                  ReductionKind::sum, op.getIndices(), op.getInputs(), maps, body);
  unsigned column = cast<AffineDimExpr>(order.getResult(rank - 1)).getPosition();
  SmallVector<DimAttr> left;
  SmallVector<AffineExpr> indices(rank - 1);
  for (unsigned d = 0; d < rank; ++d) {
    if (d == column)
      continue;
    indices[place[d]] = getAffineDimExpr(left.size(), context);
    left.push_back(op.getDims()[d]);
  }
  AffineMap map = AffineMap::get(rank - 1, 0, indices, context);
  auto rest = GenericOp::create(
      builder, op.getLoc(), DimsAttr::get(context, left), op.getNumParallel(), ReductionKind::sum,
      ValueRange{}, byRows->getResult(0), map,
      [](OpBuilder &, Location, ValueRange arguments) -> SmallVector<Value> { return {arguments[0]}; });
  op.replaceAllUsesWith(rest->getResults());
  op.erase();
}

void splitMatrixSums(Block &block) {
  for (auto op : llvm::make_early_inc_range(block.getOps<GenericOp>())) {
    unsigned rank = op.getNumDims();
    if (op.getReduction() != ReductionKind::sum || rank < 3 || op.getNumParallel() + 1 >= int64_t(rank))
      continue;
    for (unsigned i = op.getIndices().size(); i < op->getNumOperands(); ++i) {
      AffineMap map = op.getMap(i);
      if (!map.isPermutation() || !isLargeMatrix(op->getOperand(i)) ||
          cast<AffineDimExpr>(map.getResult(rank - 1)).getPosition() < op.getNumParallel())
        continue;
      splitByRows(op, i);
      break;
    }
  }
}

} // namespace gptc::fuse
