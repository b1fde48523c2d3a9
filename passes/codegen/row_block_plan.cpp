#include "passes/codegen/row_block_plan.h"

#include "ir/gpt/products.h"
#include "passes/codegen/row_groups.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace mlir;

namespace gptc {

// Rows at work at a time: the more, the more often a panel is used while it is near. All matrices' rows at work
// should leave the second cache room for panels.
constexpr int64_t mostRows = 64, fewestRows = 16;
constexpr int64_t blockBytes = 1024 * 1024;
// Fewer would leave threads idle. Each packs the shared operands for itself.
constexpr int64_t fewestPieces = 8;

LoopDim loopDim(gpt::DimAttr dim) {
  return {dim.getSize(), gpt::Length::of(dim)};
}

LogicalResult RowBlockPlan::make() {
  if (failed(findSpace()) || failed(schedule()))
    return failure();
  bounds = findColumnBounds(kernel.ops(), rows);
  auto rowFactor = [&](const ColumnBound &bound) { return std::abs(bound.dims[rows - 1]); };
  tilewise = lanes % tileRows == 0 &&
             llvm::any_of(bounds, [&](const ColumnBound &bound) { return rowFactor(bound) == 1; }) &&
             llvm::all_of(bounds, [&](const ColumnBound &bound) { return rowFactor(bound) <= 1; });
  placeValues();
  int64_t bytes = 0; // of lines: one contraction after the other uses them
  for (RowBlockUnit &unit : units) {
    if (failed(plan(unit)))
      return failure();
    if (const auto &c = unit.contraction)
      bytes = std::max(bytes, linesBytes(c->shape, c->linesBound, c->overRows()));
  }
  linesAt = kernel.scratchBytes;
  kernel.scratchBytes += llvm::alignTo(bytes, 64);
  findPieces();
  return success();
}

LogicalResult RowBlockPlan::findSpace() {
  for (Operation *op : kernel.ops()) {
    auto generic = dyn_cast<gpt::GenericOp>(op);
    if (!generic)
      return op->emitError() << "'" << op->getName() << "' in a kernel of row blocks";
    if (!space.empty() || !gpt::matrixProduct(generic) || generic.getNumParallel() != rows + 1)
      continue;
    for (gpt::DimAttr dim : generic.getDims().getDims().take_front(rows + 1))
      space.push_back(loopDim(dim));
    element = getElementTypeOrSelf(generic.getResult(0).getType());
  }
  if (space.empty() || rows < 2)
    return kernel.function.emitError()
           << "a kernel of row blocks has no product of " << rows + 1 << " dimensions";
  isDouble = element.isF64();
  elementBytes = isDouble ? 8 : 4;
  lanes = kernel.target.vectorBits / (8 * elementBytes);
  if (element.isF32() && kernel.target.bf16 != Bf16::Off)
    bf16 = kernel.target.bf16 == Bf16::Dot && lanes == 16 ? Bf16::Dot : Bf16::Round;
  tileRows = kernel.target.vectorBits >= 512 ? 8 : 4;
  return success();
}

static bool isInside(Value value) {
  return value.getDefiningOp() != nullptr;
}

/// Products first, then row-wise work, folds when nothing else is left to do.
LogicalResult RowBlockPlan::schedule() {
  SmallVector<Operation *> waiting = kernel.ops();
  llvm::SmallPtrSet<Operation *, 32> done;
  auto isReady = [&](Operation *op) {
    return llvm::all_of(op->getOperands(),
                        [&](Value v) { return !isInside(v) || done.contains(v.getDefiningOp()); });
  };
  auto take = [&](llvm::function_ref<bool(gpt::GenericOp)> wanted) {
    OpGroup taken;
    for (Operation *op : waiting)
      if (wanted(cast<gpt::GenericOp>(op)) && isReady(op)) {
        taken.push_back(op);
        done.insert(op);
      }
    llvm::erase_if(waiting, [&](Operation *op) { return done.contains(op); });
    return taken;
  };
  auto hasOwnDim = [&](gpt::GenericOp op) { return op.getNumDims() == rows + 2; };
  auto addContractions = [&](const OpGroup &ops) {
    for (Operation *op : ops) {
      units.emplace_back().ops = {op};
      units.back().contraction.emplace().op = cast<gpt::GenericOp>(op);
    }
    return !ops.empty();
  };
  while (!waiting.empty()) {
    bool products = addContractions(take([&](gpt::GenericOp op) {
      return hasOwnDim(op) && llvm::none_of(op->getOperands(), [&](Value v) { return isInside(v); });
    }));
    // All row-wise work that has become possible, in one piece.
    OpGroup work = take([&](gpt::GenericOp op) { return !hasOwnDim(op); });
    for (const OpGroup &group : formGroups(work, rows))
      units.emplace_back().ops = group;
    if (products || !work.empty())
      continue;
    if (!addContractions(take([&](gpt::GenericOp op) { return hasOwnDim(op); })))
      return waiting.front()->emitError() << "the ops of a kernel of row blocks have no order";
  }
  return success();
}

unsigned RowBlockPlan::unitOf(Operation *op) {
  for (auto [i, unit] : llvm::enumerate(units))
    if (llvm::is_contained(unit.ops, op))
      return i;
  llvm_unreachable("every op is in a unit");
}
/// Units between which the loop over a block's rows need not end.
bool RowBlockPlan::sameRun(unsigned first, unsigned last) {
  for (unsigned i = first; i <= last; ++i)
    if (units[i].contraction)
      return false;
  return true;
}

/// A place for each value of the kernel: memory, scratch, or registers while a row is at work.
void RowBlockPlan::placeValues() {
  int64_t matrixBytes = 0;
  for (auto [u, unit] : llvm::enumerate(units)) {
    for (Operation *op : unit.ops)
      for (Value value : op->getResults()) {
        auto type = cast<RankedTensorType>(value.getType());
        bool isMatrix = type.getRank() == int64_t(rows) + 1;
        bool isFold =
            unit.contraction && llvm::any_of(op->getOperands(), [&](Value v) { return isInside(v); });
        if (isFold)
          continue;
        unsigned last = u;
        for (Operation *user : value.getUsers())
          if (!isa<func::ReturnOp>(user))
            last = std::max(last, unitOf(user));
        bool registers = isMatrix ? !unit.contraction && !leavesGroup(value, unit.ops) : sameRun(u, last);
        if (kernel.buffers.contains(value) && (registers || !isMatrix))
          continue; // in memory
        Buffer buffer = Buffer::of(Value(), value, kernel.limits, rows);
        if (!registers)
          buffer.memref = slotFor(buffer.element, isMatrix ? space.back().bound : 1, u, last,
                                  !unit.contraction, matrixBytes);
        auto &places = kernel.buffers[value];
        places.insert(places.begin(), buffer);
      }
  }
  blockRows = mostRows;
  while (blockRows > fewestRows && blockRows * matrixBytes > blockBytes)
    blockRows /= 2;
  blockRows = std::min<int64_t>(blockRows, llvm::alignTo(space[rows - 1].bound, tileRows));
  int64_t next = kernel.scratchBytes;
  for (RowBlockSlot &slot : slots) {
    slot.at = next;
    int64_t elements = blockRows * slot.stride;
    // The placeholder is filled in: the block begins here.
    Value offset = constantIndex(b, next);
    Value view = memref::ViewOp::create(b, MemRefType::get({elements}, slot.storage), kernel.scratch(),
                                        offset, ValueRange());
    slot.memref.replaceAllUsesWith(view);
    for (auto &[value, places] : kernel.buffers)
      for (Buffer &place : places)
        if (place.memref == slot.memref)
          place.memref = view;
    slot.memref.getDefiningOp()->erase();
    slot.memref = view;
    next = llvm::alignTo(next + elements * (slot.storage.getIntOrFloatBitWidth() / 8), 64);
  }
  kernel.scratchBytes = next;
}

/// A slot that is free from unit `first` on; row-wise work may write over what it reads.
Value RowBlockPlan::slotFor(Type type, int64_t elements, unsigned first, unsigned last, bool inPlace,
                            int64_t &matrixBytes) {
  Type storage = storageType(type);
  int64_t bytes = storage.getIntOrFloatBitWidth() / 8, stride = elements;
  if (elements > 1) {
    // Whole lines, an odd number of them: else the rows of a tile meet in few sets of the cache.
    int64_t lines = llvm::divideCeil(elements * bytes, 64);
    stride = (lines + (lines % 2 == 0)) * 64 / bytes;
  }
  for (RowBlockSlot &slot : slots)
    if (slot.storage == storage && slot.stride == stride &&
        (slot.lastUse < first || (inPlace && slot.lastUse == first))) {
      slot.lastUse = last;
      return slot.memref;
    }
  matrixBytes += stride * bytes;
  RowBlockSlot &slot = slots.emplace_back();
  slot.stride = stride;
  slot.storage = storage;
  slot.lastUse = last;
  slot.memref = memref::ViewOp::create(b, MemRefType::get({1}, storage), kernel.scratch(),
                                       constantIndex(b, 0), ValueRange());
  return slot.memref;
}

LogicalResult RowBlockPlan::plan(RowBlockUnit &unit) {
  if (unit.contraction)
    return planContraction(*unit.contraction);
  unit.plans.reserve(unit.ops.size());
  for (Operation *op : unit.ops) {
    FailureOr<OpPlan> made = makePlan(op, kernel.buffers, rows);
    if (failed(made))
      return failure();
    unit.plans.push_back(std::move(*made));
    unit.group.push_back(&unit.plans.back());
  }
  connect(unit.group);
  unit.choice = chooseVector(unit.group, rows, kernel.target.vectorBits);
  return success();
}

FailureOr<Access> RowBlockPlan::accessOf(gpt::GenericOp op, AffineMap map, Value value) {
  auto places = kernel.buffers.find(value);
  if (places == kernel.buffers.end() || places->second.empty())
    return op.emitError() << "a value has no place in the kernel";
  FailureOr<Access> access = makeAccess(map, op.getDims(), places->second.front(), value);
  if (failed(access))
    return op.emitError() << "an operand cannot be read by row blocks";
  return access;
}

LogicalResult RowBlockPlan::planContraction(RowBlockContraction &c) {
  gpt::GenericOp op = c.op;
  unsigned linesInput;
  int64_t depth;
  auto inside = llvm::find_if(op.getInputs(), [&](Value v) { return isInside(v); });
  c.isFold = inside != op.getInputs().end();
  if (c.isFold) {
    linesInput = inside - op.getInputs().begin();
    std::optional<gpt::MatrixFold> fold = gpt::matrixFold(op, linesInput);
    if (!fold || fold->place.size() != rows + 1)
      return op.emitError() << "a contraction of a kernel of row blocks is no fold of its matrix";
    c.place = fold->place;
    c.own = fold->own;
    c.sideInput = fold->other;
    c.overColumns = fold->overColumns;
    c.accumulate = !fold->overColumns || fold->sumsOuter;
    AffineMap result = AffineMap::get(
        op.getNumDims(), 0, b.getMultiDimIdentityMap(op.getNumParallel()).getResults(), b.getContext());
    FailureOr<Access> write = accessOf(op, result, op.getResult(0));
    if (failed(write))
      return failure();
    c.result = std::move(*write);
    depth = c.overColumns ? space.back().bound : blockRows;
  } else {
    std::optional<gpt::MatrixProduct> product = gpt::matrixProduct(op);
    if (!product || op.getNumParallel() != rows + 1)
      return op.emitError() << "a contraction of a kernel of row blocks is no product of matrices";
    for (unsigned d = 0; d <= rows; ++d)
      c.place.push_back(d);
    c.own = product->inner;
    c.sideInput = product->right;
    linesInput = product->left;
    depth = op.getDims()[c.own].getSize();
    FailureOr<Access> lines = accessOf(op, op.getInputMap(linesInput), op.getInputs()[linesInput]);
    if (failed(lines))
      return failure();
    c.lines = std::move(*lines);
  }
  FailureOr<Access> panels = accessOf(op, op.getInputMap(c.sideInput), op.getInputs()[c.sideInput]);
  if (failed(panels))
    return failure();
  c.panels = std::move(*panels);
  int64_t columns = c.isFold ? op.getDims()[c.own].getSize() : space.back().bound;
  c.shape = panelShape(depth, columns, lanes, isDouble, bf16);
  c.linesBound = c.overRows() ? space.back().bound : blockRows;
  for (unsigned d = 0; d + 1 < rows; ++d)
    if (c.panels.offset.dims[c.place[d]] != 0)
      c.packLevel = d + 1;
  c.panelsAt = kernel.scratchBytes;
  kernel.scratchBytes = llvm::alignTo(kernel.scratchBytes + c.shape.bytes(), 64);
  return success();
}

/// The outer dimensions that no fold sums over: each of their points is a piece. Where these are few and nothing is
/// added to across blocks of rows, several blocks are one.
void RowBlockPlan::findPieces() {
  pieceDims = rows - 1;
  for (RowBlockUnit &unit : units) {
    if (!unit.contraction || !unit.contraction->isFold)
      continue;
    adds |= unit.contraction->accumulate;
    for (unsigned d = 0; d < pieceDims; ++d)
      if (unit.contraction->place[d] >= unit.contraction->op.getNumParallel())
        pieceDims = d;
  }
  int64_t points = 1;
  for (const LoopDim &dim : ArrayRef(space).take_front(pieceDims))
    points *= dim.bound;
  if (adds || pieceDims + 1 < rows || points >= fewestPieces)
    return;
  int64_t blocks = llvm::divideCeil(space[rows - 1].bound, blockRows);
  pieceRows = blockRows * llvm::divideCeil(blocks, llvm::divideCeil(fewestPieces, points));
  if (pieceRows >= space[rows - 1].bound)
    pieceRows = 0;
}

} // namespace gptc
