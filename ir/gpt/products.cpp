#include "ir/gpt/products.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace gptc::gpt {

std::optional<MatrixProduct> matrixProduct(GenericOp op) {
  unsigned parallel = op.getNumParallel();
  if (!op.isContraction() || op.getNumDims() != parallel + 1 || parallel < 3)
    return std::nullopt;
  for (unsigned i = 0; i < 2; ++i) {
    AffineMap map = op.getInputMap(i);
    if (!map.isProjectedPermutation() || !map.isFunctionOfDim(parallel))
      return std::nullopt;
  }
  MatrixProduct product;
  product.row = parallel - 2;
  product.column = parallel - 1;
  product.inner = parallel;
  product.left = op.getInputMap(0).isFunctionOfDim(product.row) ? 0 : 1;
  product.right = 1 - product.left;
  AffineMap left = op.getInputMap(product.left), right = op.getInputMap(product.right);
  if (!left.isFunctionOfDim(product.row) || left.isFunctionOfDim(product.column) ||
      right.isFunctionOfDim(product.row) || !right.isFunctionOfDim(product.column))
    return std::nullopt;
  bool shared = false;
  for (unsigned d = 0; d < product.row; ++d)
    shared |= left.isFunctionOfDim(d) && right.isFunctionOfDim(d);
  if (!shared)
    return std::nullopt;
  return product;
}

std::optional<MatrixFold> matrixFold(GenericOp op, unsigned matrix) {
  AffineMap map = op.getInputMap(matrix);
  unsigned rank = map.getNumResults(), parallel = op.getNumParallel();
  if (!op.isContraction() || rank < 3 || op.getNumDims() != rank + 1 || parallel == 0 ||
      !map.isProjectedPermutation())
    return std::nullopt;
  MatrixFold fold;
  fold.matrix = matrix;
  fold.other = 1 - matrix;
  for (AffineExpr index : map.getResults())
    fold.place.push_back(cast<AffineDimExpr>(index).getPosition());
  fold.own = parallel - 1;
  unsigned row = fold.place[rank - 2], column = fold.place[rank - 1];
  fold.overColumns = column >= parallel;
  unsigned summed = fold.overColumns ? column : row, stays = fold.overColumns ? row : column;
  AffineMap other = op.getInputMap(fold.other);
  if (map.isFunctionOfDim(fold.own) || op.getDims()[fold.own].isDynamic() || summed < parallel ||
      stays >= parallel || !other.isProjectedPermutation() || !other.isFunctionOfDim(fold.own) ||
      !other.isFunctionOfDim(summed) || other.isFunctionOfDim(stays))
    return std::nullopt;
  for (unsigned d : ArrayRef(fold.place).drop_back(2))
    fold.sumsOuter |= d >= parallel;
  return fold;
}

bool isLargeProduct(GenericOp op) {
  if (!matrixProduct(op))
    return false;
  auto elements = [](Value value) { return cast<RankedTensorType>(value.getType()).getNumElements(); };
  return 2 * elements(op.getResult(0)) >= elements(op.getInputs()[0]) + elements(op.getInputs()[1]);
}

bool isLargeMatrix(Value value) {
  auto op = value.getDefiningOp<GenericOp>();
  if (!op || isLargeProduct(op))
    return static_cast<bool>(op);
  return !op.isReduction() && llvm::any_of(llvm::enumerate(op.getInputs()), [&](auto input) {
    return op.getInputMap(input.index()).isIdentity() && isLargeMatrix(input.value());
  });
}

} // namespace gptc::gpt
