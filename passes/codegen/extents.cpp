#include "passes/codegen/extents.h"

#include "ir/rt/rt.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace gptc {

Value Extents::get(StringAttr name, Location loc) {
  for (auto &[known, value] : values)
    if (known == name)
      return value;
  OpBuilder b = OpBuilder::atBlockBegin(entry);
  Value value = rt::ExtentOp::create(b, loc, b.getIndexType(), name);
  values.push_back({name, value});
  return value;
}

Value Extents::product(ImplicitLocOpBuilder &b, ArrayRef<gpt::Length::Extent> extents) {
  Value last = get(extents.back().name, b.getLoc());
  if (extents.size() == 1)
    return last;
  gpt::Length::Term term{1, SmallVector<gpt::Length::Extent, 2>(extents)};
  for (auto &[known, value] : products)
    if (known.hasSameExtents(term))
      return value;
  Value others = product(b, extents.drop_back());
  Operation *later = last.getDefiningOp();
  if (later->isBeforeInBlock(others.getDefiningOp()))
    later = others.getDefiningOp();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfter(later);
  Value value = arith::MulIOp::create(b, others, last);
  products.push_back({std::move(term), value});
  return value;
}

Value Extents::times(ImplicitLocOpBuilder &b, Value value, const gpt::Length &length) {
  Value sum;
  for (const gpt::Length::Term &term : length.getTerms()) {
    // What does not change in a loop is one factor.
    Value factor;
    if (!term.extents.empty())
      factor = product(b, term.extents);
    if (!factor || term.factor != 1) {
      Value number = arith::ConstantIndexOp::create(b, term.factor);
      factor = factor ? b.createOrFold<arith::MulIOp>(factor, number) : number;
    }
    Value part = value ? b.createOrFold<arith::MulIOp>(value, factor) : factor;
    sum = sum ? b.createOrFold<arith::AddIOp>(sum, part) : part;
  }
  return sum ? sum : arith::ConstantIndexOp::create(b, 0).getResult();
}

AffineExpr affineOf(MLIRContext *context, const gpt::Length &length, ArrayRef<StringAttr> names) {
  AffineExpr sum = getAffineConstantExpr(0, context);
  for (const gpt::Length::Term &term : length.getTerms()) {
    AffineExpr product = getAffineConstantExpr(term.factor, context);
    for (const gpt::Length::Extent &extent : term.extents)
      product = product * getAffineSymbolExpr(llvm::find(names, extent.name) - names.begin(), context);
    sum = sum + product;
  }
  return sum;
}

} // namespace gptc
