#include "passes/codegen/column_bounds.h"

#include "ir/gpt/known_scalars.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;

namespace gptc {
namespace {

using gpt::isNumber;
using gpt::Known;
using Read = ColumnBound::Read;

//===-- Conditions as sums that are at least 0 ---------------------------------===//

/// The scalar i32 `value` of `op`'s body times `factor`, added to `sum`. False where it is no such sum.
bool addTo(ColumnBound &sum, gpt::GenericOp op, unsigned rows, Value value, int64_t factor) {
  APInt number;
  if (matchPattern(value, m_ConstantInt(&number))) {
    sum.constant += factor * number.getSExtValue();
    return true;
  }
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    unsigned operand = argument.getArgNumber();
    AffineMap map = op.getMap(operand);
    for (unsigned d = 0; d < map.getNumDims(); ++d)
      if (map.isFunctionOfDim(d) && d + 1 >= rows)
        return false;
    for (AffineExpr index : map.getResults())
      if (!isa<AffineDimExpr, AffineConstantExpr>(index))
        return false;
    for (Read &read : sum.reads)
      if (read.op->getOperand(read.operand) == op->getOperand(operand) &&
          read.op.getMap(read.operand).getResults() == map.getResults()) {
        read.factor += factor;
        return true;
      }
    sum.reads.push_back({op, operand, factor});
    return true;
  }
  return llvm::TypeSwitch<Operation *, bool>(value.getDefiningOp())
      .Case([&](gpt::IndexOp index) {
        sum.dims[index.getDim()] += factor;
        return true;
      })
      .Case([&](gpt::ExtentOp extent) {
        gpt::DimAttr dim = op.getDims()[extent.getDim()];
        if (!dim.isDynamic()) {
          sum.constant += factor * dim.getSize();
          return true;
        }
        for (auto &[name, known] : sum.extents)
          if (name == dim.getExtent()) {
            known += factor;
            return true;
          }
        sum.extents.push_back({dim.getExtent(), factor});
        return true;
      })
      .Case([&](arith::AddIOp add) {
        return addTo(sum, op, rows, add.getLhs(), factor) && addTo(sum, op, rows, add.getRhs(), factor);
      })
      .Case([&](arith::SubIOp sub) {
        return addTo(sum, op, rows, sub.getLhs(), factor) && addTo(sum, op, rows, sub.getRhs(), -factor);
      })
      .Case([&](arith::MulIOp mul) {
        APInt by;
        if (matchPattern(mul.getRhs(), m_ConstantInt(&by)))
          return addTo(sum, op, rows, mul.getLhs(), factor * by.getSExtValue());
        return matchPattern(mul.getLhs(), m_ConstantInt(&by)) &&
               addTo(sum, op, rows, mul.getRhs(), factor * by.getSExtValue());
      })
      .Default([](Operation *) { return false; });
}

/// The comparison holds where the sum is at least 0.
std::optional<ColumnBound> sumOf(arith::CmpIOp compare, gpt::GenericOp op, unsigned rows) {
  using Predicate = arith::CmpIPredicate;
  Predicate predicate = compare.getPredicate();
  bool less = predicate == Predicate::slt || predicate == Predicate::sle;
  if (!less && predicate != Predicate::sgt && predicate != Predicate::sge)
    return std::nullopt;
  if (op.getNumDims() > rows + 1 || !compare.getLhs().getType().isInteger(32))
    return std::nullopt;
  ColumnBound sum;
  sum.dims.assign(rows + 1, 0);
  Value small = less ? compare.getLhs() : compare.getRhs(),
        large = less ? compare.getRhs() : compare.getLhs();
  if (!addTo(sum, op, rows, large, 1) || !addTo(sum, op, rows, small, -1))
    return std::nullopt;
  if (predicate == Predicate::slt || predicate == Predicate::sgt)
    sum.constant -= 1;
  return sum;
}

/// sum >= 0 holds just where the other one is below 0.
ColumnBound opposite(ColumnBound sum) {
  for (int64_t &factor : sum.dims)
    factor = -factor;
  sum.constant = -sum.constant - 1;
  for (auto &[name, factor] : sum.extents)
    factor = -factor;
  for (Read &read : sum.reads)
    read.factor = -read.factor;
  return sum;
}

bool same(const ColumnBound &a, const ColumnBound &b) {
  if (a.dims != b.dims || a.constant != b.constant || a.extents.size() != b.extents.size() ||
      a.reads.size() != b.reads.size())
    return false;
  bool extents =
      llvm::all_of(a.extents, [&](const auto &entry) { return llvm::is_contained(b.extents, entry); });
  return extents && llvm::all_of(a.reads, [&](const Read &x) {
           return llvm::any_of(b.reads, [&](Read y) {
             auto xOp = x.op, yOp = y.op;
             return x.factor == y.factor && xOp->getOperand(x.operand) == yOp->getOperand(y.operand) &&
                    xOp.getMap(x.operand).getResults() == yOp.getMap(y.operand).getResults();
           });
         });
}

//===-- What is known where a condition is false -------------------------------===//

class Follower {
public:
  /// Where `bound` does not hold.
  Follower(const ColumnBound &bound, unsigned rows) : bound(bound), rows(rows) {}

  /// Every sum and maximum over columns or rows is the same without such places.
  bool countsForNothing(ArrayRef<Operation *> ops) {
    for (Operation *operation : ops) {
      auto op = cast<gpt::GenericOp>(operation);
      if (op.getNumDims() < rows + 1)
        continue; // one value a row
      if (op.getNumDims() > rows + 1) {
        // A product is not even computed; a fold adds nothing where its matrix is 0.
        bool fold = llvm::any_of(op.getInputs(), [](Value v) { return v.getDefiningOp(); });
        if (fold && llvm::none_of(op.getInputs(), [&](Value v) { return isNumber(matrices.lookup(v), 0); }))
          return false;
        continue;
      }
      SmallVector<Known> yielded = follow(op);
      if (op.getReduction() == gpt::ReductionKind::sum && !isNumber(yielded[0], 0))
        return false;
      if (op.getReduction() == gpt::ReductionKind::max && !isNumber(yielded[0], -INFINITY))
        return false;
      if (!op.isReduction())
        for (auto [result, known] : llvm::zip(op.getResults(), yielded))
          matrices[result] = known;
    }
    return true;
  }

private:
  SmallVector<Known> follow(gpt::GenericOp op) {
    SmallVector<Known> arguments = llvm::map_to_vector(
        op->getOperands(), [&](Value operand) { return matrices.lookup(operand); });
    return gpt::followKnown(*op.getBlock(), arguments, [&](arith::CmpIOp compare) -> Known {
      std::optional<ColumnBound> sum = sumOf(compare, op, rows);
      if (sum && same(*sum, bound))
        return 0;
      if (sum && same(opposite(*sum), bound))
        return 1;
      return {};
    });
  }

  const ColumnBound &bound;
  unsigned rows;
  DenseMap<Value, Known> matrices;
};

} // namespace

SmallVector<ColumnBound> findColumnBounds(ArrayRef<Operation *> ops, unsigned rows) {
  SmallVector<ColumnBound> bounds;
  for (Operation *operation : ops) {
    auto op = cast<gpt::GenericOp>(operation);
    for (Value result : op.getResults())
      if (cast<RankedTensorType>(result.getType()).getRank() == int64_t(rows) + 1 &&
          op.getNumDims() <= rows + 1 &&
          llvm::any_of(result.getUsers(), [](Operation *user) { return isa<func::ReturnOp>(user); }))
        return {};
  }
  for (Operation *operation : ops) {
    auto op = cast<gpt::GenericOp>(operation);
    if (op.getNumDims() != rows + 1)
      continue;
    for (auto compare : op.getBlock()->getOps<arith::CmpIOp>()) {
      std::optional<ColumnBound> sum = sumOf(compare, op, rows);
      if (!sum || std::abs(sum->dims[rows]) != 1)
        continue;
      for (const ColumnBound &candidate : {*sum, opposite(*sum)}) {
        bool known = llvm::any_of(bounds, [&](const ColumnBound &bound) { return same(bound, candidate); });
        if (!known && Follower(candidate, rows).countsForNothing(ops))
          bounds.push_back(candidate);
      }
    }
  }
  return bounds;
}

} // namespace gptc
