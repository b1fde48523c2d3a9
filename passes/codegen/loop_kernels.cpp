// Kernels made of generic loops: one op, or a scatter.
#include "ir/gpt/maps.h"
#include "passes/codegen/kernel_builder.h"
#include "passes/codegen/pieces.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace gptc {

LogicalResult lowerSingle(KernelBuilder &kernel, Operation *op) {
  FailureOr<OpPlan> plan = makePlan(op, kernel.buffers, 0);
  if (failed(plan))
    return failure();
  OpPlan *group[] = {&*plan};
  mergeDims(group, 0, plan->dims.size(), kernel.limits);
  VectorChoice choice = chooseVector(group, 0, kernel.target.vectorBits);
  PiecePlan pieces = choosePieces(*plan, choice);
  Registers registers;
  kernel.b.setLoc(op->getLoc());
  emitPiece(kernel.b, kernel.extents, plan->dims, pieces, kernel.piece(), [&](ArrayRef<Range> ranges) {
    emitGroup(kernel.b, kernel.extents, group, pieces.rows, ranges, choice, registers);
  });
  kernel.finish(pieceCount(op->getContext(), plan->dims, pieces, kernel.extentNames));
  return success();
}

/// A plan that writes what a scatter begins with: the addend of `sum`, zeros where there is none.
static FailureOr<OpPlan> planBegin(KernelBuilder &kernel, gpt::ScatterOp op, gpt::GenericOp sum) {
  MLIRContext *context = op.getContext();
  gpt::DimsAttr target = gpt::dimsOf(op.getResult());
  AffineMap map = AffineMap::getMultiDimIdentityMap(target.size(), context);
  if (sum) {
    // As a copy, which writes to the memory of the sum.
    Value addend = sum.getInputs()[sum.getInputs()[0] == op.getResult() ? 1 : 0];
    OpBuilder builder(sum);
    auto copy = gpt::GenericOp::create(
        builder, op.getLoc(), target, target.size(), std::nullopt, ValueRange(), addend, map,
        [](OpBuilder &, Location, ValueRange arguments) { return SmallVector<Value>(arguments); });
    kernel.buffers[copy->getResult(0)] = SmallVector<Buffer>(kernel.buffers.lookup(op.getResult()));
    return makePlan(copy, kernel.buffers, 0);
  }
  OpPlan fill;
  fill.op = nullptr;
  for (gpt::DimAttr dim : target.getDims())
    fill.dims.push_back({dim.getSize(), gpt::Length::of(dim)});
  auto &places = fill.writes.emplace_back();
  for (const Buffer &buffer : kernel.buffers.lookup(op.getResult()))
    places.push_back(*makeAccess(map, target, buffer, op.getResult()));
  return fill;
}

/// Only where some of `places` is other memory than `from`.
static void emitUnlessSame(ImplicitLocOpBuilder &b, Value from, ArrayRef<Access> places, function_ref<void()> body) {
  auto address = [&](Value memory) { return memref::ExtractAlignedPointerAsIndexOp::create(b, memory); };
  Value differs;
  for (const Access &place : places) {
    Value other = b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::ne, address(from), address(place.memref));
    differs = differs ? b.createOrFold<arith::OrIOp>(differs, other) : other;
  }
  auto branch = scf::IfOp::create(b, differs);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  body();
}

LogicalResult lowerScatter(KernelBuilder &kernel, gpt::ScatterOp op, ArrayRef<Operation *> sums) {
  gpt::GenericOp sum;
  if (!sums.empty()) {
    sum = dyn_cast<gpt::GenericOp>(sums.front());
    if (sums.size() > 1 || !sum || !gpt::isSum(sum) || !op->hasOneUse() || !llvm::is_contained(sum.getInputs(), op.getResult()))
      return op.emitError() << "a scatter among other ops of a kernel";
    kernel.buffers[op.getResult()] = SmallVector<Buffer>(kernel.buffers.lookup(sum->getResult(0)));
  }
  FailureOr<OpPlan> plan = makePlan(op, kernel.buffers, 0);
  if (failed(plan))
    return failure();
  OpPlan *group[] = {&*plan};
  VectorChoice choice = chooseVector(group, 0, kernel.target.vectorBits);
  gpt::DimsAttr target = gpt::dimsOf(op.getResult());
  FailureOr<OpPlan> begin = planBegin(kernel, op, sum);
  if (failed(begin))
    return failure();
  OpPlan &fill = *begin;

  // Columns that never meet can be added to at the same time.
  int column = -1;
  PiecePlan pieces;
  int64_t work = plan->cost();
  for (const LoopDim &dim : plan->dims)
    work *= dim.bound;
  AffineExpr vectorExpr = choice.dim >= 0 ? getAffineDimExpr(choice.dim, op.getContext()) : AffineExpr();
  for (auto [r, expr] : llvm::enumerate(op.getResultMap().getResults()))
    if (expr == vectorExpr && gpt::Length::of(target[r]) == plan->dims[choice.dim].count)
      column = r;
  int64_t chunk = 4 * choice.lanes;
  if (column >= 0 && work > pieceWork && target[column].getSize() > chunk)
    pieces.chunk = chunk;

  ImplicitLocOpBuilder &b = kernel.b;
  b.setLoc(op.getLoc());
  LoopDim chunked = column >= 0 ? fill.dims[column] : LoopDim();
  emitPiece(b, kernel.extents, chunked, pieces, kernel.piece(), [&](ArrayRef<Range> columnRange) {
    SmallVector<Range> fillRanges, ranges;
    for (const LoopDim &dim : fill.dims)
      fillRanges.push_back(wholeRange(b, kernel.extents, dim));
    for (const LoopDim &dim : plan->dims)
      ranges.push_back(wholeRange(b, kernel.extents, dim));
    OpPlan *fillGroup[] = {&fill};
    if (pieces.chunk > 0) {
      fillRanges[column] = columnRange.front();
      ranges[choice.dim] = columnRange.front();
    } else {
      mergeDims(fillGroup, 0, fill.dims.size(), kernel.limits);
      fillRanges.clear();
      for (const LoopDim &dim : fill.dims)
        fillRanges.push_back(wholeRange(b, kernel.extents, dim));
    }
    Registers registers;
    VectorChoice fillChoice = chooseVector(fillGroup, 0, kernel.target.vectorBits);
    auto emitBegin = [&] { emitGroup(b, kernel.extents, fillGroup, 0, fillRanges, fillChoice, registers); };
    if (sum)
      emitUnlessSame(b, fill.reads.front().memref, fill.writes.front(), emitBegin);
    else
      emitBegin();
    emitGroup(b, kernel.extents, group, 0, ranges, choice, registers);
  });
  kernel.finish(pieceCount(op.getContext(), chunked, pieces, kernel.extentNames));
  return success();
}

} // namespace gptc
