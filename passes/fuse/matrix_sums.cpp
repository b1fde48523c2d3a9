#include "passes/fuse/matrix_sums.h"

#include "ir/gpt/products.h"
#include "passes/fuse/two_steps.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc::fuse {

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
      // First over the matrix' columns, then over the rest.
      auto order = llvm::map_to_vector(map.getResults(), [](AffineExpr index) {
        return cast<AffineDimExpr>(index).getPosition();
      });
      op.replaceAllUsesWith(reduceInTwoSteps(op, order, rank - 1)->getResults());
      op.erase();
      break;
    }
  }
}

} // namespace gptc::fuse
