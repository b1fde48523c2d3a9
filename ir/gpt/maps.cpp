#include "ir/gpt/maps.h"

#include "mlir/IR/IRMapping.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace gptc::gpt {
namespace {

/// Adds `factor * expr` to `sum`; false where it is no linear sum.
bool accumulate(AffineExpr expr, int64_t factor, LinearIndex &sum) {
  auto add = [&](int64_t &place) { return !llvm::AddOverflow(place, factor, place); };
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dim.getPosition() < sum.dims.size() && add(sum.dims[dim.getPosition()]);
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return symbol.getPosition() < sum.symbols.size() && add(sum.symbols[symbol.getPosition()]);
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    int64_t value;
    return !llvm::MulOverflow(constant.getValue(), factor, value) &&
           !llvm::AddOverflow(sum.constant, value, sum.constant);
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  AffineExpr lhs = binary.getLHS(), rhs = binary.getRHS();
  if (expr.getKind() == AffineExprKind::Add)
    return accumulate(lhs, factor, sum) && accumulate(rhs, factor, sum);
  if (expr.getKind() != AffineExprKind::Mul)
    return false;
  if (isa<AffineConstantExpr>(lhs))
    std::swap(lhs, rhs);
  auto constant = dyn_cast<AffineConstantExpr>(rhs);
  int64_t product;
  return constant && !llvm::MulOverflow(constant.getValue(), factor, product) &&
         accumulate(lhs, product, sum);
}

} // namespace

std::optional<LinearIndex> linearize(AffineExpr expr, unsigned numDims, unsigned numSymbols) {
  LinearIndex sum;
  sum.dims.assign(numDims, 0);
  sum.symbols.assign(numSymbols, 0);
  if (!accumulate(expr, 1, sum))
    return std::nullopt;
  return sum;
}

bool neverOutside(AffineExpr index, DimsAttr space, DimAttr target) {
  std::optional<LinearIndex> sum = linearize(index, space.size(), 0);
  if (!sum)
    return false;
  if (target.isDynamic()) {
    // Only the very dimension of this extent is known to stay within it.
    auto dim = dyn_cast<AffineDimExpr>(index);
    return dim && space[dim.getPosition()].getExtent() == target.getExtent();
  }
  int64_t lowest = sum->constant, highest = sum->constant;
  for (size_t i = 0; i < space.size(); ++i) {
    int64_t reach, last = std::max<int64_t>(space[i].getSize() - 1, 0);
    int64_t &end = sum->dims[i] < 0 ? lowest : highest;
    if (llvm::MulOverflow(sum->dims[i], last, reach) || llvm::AddOverflow(end, reach, end))
      return false;
  }
  return lowest >= 0 && highest < target.getSize();
}

bool neverOutside(AffineMap map, DimsAttr space, DimsAttr target) {
  if (map.getNumResults() != target.size())
    return false;
  for (auto [index, dim] : llvm::zip(map.getResults(), target.getDims()))
    if (!neverOutside(index, space, dim))
      return false;
  return true;
}

bool sameExtent(DimAttr a, DimAttr b) {
  return a.getSize() == b.getSize() && a.getExtent() == b.getExtent();
}

bool sameExtents(ArrayRef<DimAttr> a, ArrayRef<DimAttr> b) {
  return llvm::equal(a, b, sameExtent);
}

SmallVector<Value> copyBody(OpBuilder &builder, Block &body, ValueRange arguments, ArrayRef<unsigned> place) {
  IRMapping mapping;
  mapping.map(body.getArguments(), arguments);
  for (Operation &part : body.without_terminator()) {
    Operation *copy = builder.clone(part, mapping);
    if (auto index = dyn_cast<IndexOp>(copy))
      index.setDim(place[index.getDim()]);
    else if (auto extent = dyn_cast<ExtentOp>(copy))
      extent.setDim(place[extent.getDim()]);
  }
  return llvm::map_to_vector(body.getTerminator()->getOperands(),
                             [&](Value value) { return mapping.lookupOrDefault(value); });
}

bool isSum(GenericOp op) {
  if (op.isReduction() || !op.getIndices().empty() || op.getInputs().size() != 2 || op->getNumResults() != 1)
    return false;
  auto sum = op.getYield().getValues()[0].getDefiningOp<arith::AddFOp>();
  if (!sum || &op.getBlock()->front() != sum || !isa<BlockArgument>(sum.getLhs()) ||
      !isa<BlockArgument>(sum.getRhs()) || sum.getLhs() == sum.getRhs())
    return false;
  return llvm::all_of(llvm::seq(0u, 2u), [&](unsigned i) {
    return op.getMap(i).isIdentity() && neverOutside(op.getMap(i), op.getDims(), dimsOf(op.getInputs()[i]));
  });
}

} // namespace gptc::gpt
