// Kernels of row blocks: matrices of products that are never stored whole. For
// each outer index a block of rows of all matrices is at work: products write it
// to scratch, row-wise work goes over it there, and folds read it. Operands that
// all blocks of an outer index share lie in panels that are made once.
#include "ir/gpt/products.h"
#include "passes/codegen/block_product.h"
#include "passes/codegen/kernel_builder.h"
#include "passes/codegen/pieces.h"
#include "passes/codegen/row_groups.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace gptc {
namespace {

constexpr int64_t blockBytes = 512 * 1024; // of all rows at work: half of a second cache
constexpr int64_t fewestRows = 32, mostRows = 64;

LoopDim loopDim(gpt::DimAttr dim) {
  LoopDim result;
  result.bound = dim.getSize();
  result.extent = dim.getExtent();
  return result;
}

/// One contraction of the kernel: a product or a fold.
struct Contraction {
  gpt::GenericOp op;
  bool isFold = false;
  SmallVector<unsigned> place;   ///< the op's dimension for each of the matrix
  unsigned own = 0;              ///< its remaining dimension
  unsigned sideInput = 0;        ///< the input that is read in panels
  Access lines, panels, result;  ///< what is read line by line (a product's), in panels; a fold's result
  bool overColumns = false, accumulate = false;
  PanelShape shape;
  int64_t panelsAt = 0;
  unsigned packLevel = 0;        ///< outer dimensions that the panels depend on, up to the last one
};

/// Ops that run together, in order: one contraction, or one loop over the elements of a row.
struct Unit {
  OpGroup ops;
  std::optional<Contraction> contraction;
  std::vector<OpPlan> plans;
  SmallVector<OpPlan *> group;
  VectorChoice choice;
};

/// Where the rows of a block of one value lie in scratch.
struct Slot {
  int64_t at = 0, stride = 1; // bytes, elements
  Type storage;
  Value memref;               // the block; its first row stands for the current row in plans
  unsigned lastUse = 0;       // number of a unit
};

class RowBlocks {
public:
  RowBlocks(KernelBuilder &kernel, unsigned rows) : kernel(kernel), b(kernel.b), rows(rows) {}

  LogicalResult lower() {
    if (failed(findSpace()) || failed(schedule()))
      return failure();
    placeValues();
    for (Unit &unit : units)
      if (failed(plan(unit)))
        return failure();
    findPieces();
    PiecePlan pieces;
    pieces.rows = pieceDims;
    ArrayRef<LoopDim> dims = ArrayRef<LoopDim>(space).take_front(pieceDims);
    emitPiece(b, kernel.extents, dims, pieces, kernel.piece(), [&](ArrayRef<Range> ranges) {
      at.assign(rows, Value());
      for (unsigned d = 0; d < pieceDims; ++d)
        at[d] = ranges[d].lower;
      LoopBuilder l(b, b.getLoc());
      for (Unit &unit : units)
        if (unit.contraction && unit.contraction->accumulate)
          emitZeros(l, *unit.contraction);
      emitOuter(l, pieceDims);
    });
    kernel.finish(pieceCount(b.getContext(), dims, pieces, kernel.extentNames));
    return success();
  }

private:
  //===-- What there is -------------------------------------------------------===//

  LogicalResult findSpace() {
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
      return kernel.function.emitError() << "a kernel of row blocks has no product of " << rows + 1 << " dimensions";
    isDouble = element.isF64();
    elementBytes = isDouble ? 8 : 4;
    lanes = kernel.target.vectorBits / (8 * elementBytes);
    tileRows = kernel.target.vectorBits >= 512 ? 8 : 4;
    return success();
  }

  bool isInside(Value value) { return value.getDefiningOp() != nullptr; }

  /// Products first, then row-wise work, folds when nothing else is left to do.
  LogicalResult schedule() {
    SmallVector<Operation *> waiting = kernel.ops();
    llvm::SmallPtrSet<Operation *, 32> done;
    auto isReady = [&](Operation *op) {
      return llvm::all_of(op->getOperands(), [&](Value v) { return !isInside(v) || done.contains(v.getDefiningOp()); });
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

  unsigned unitOf(Operation *op) {
    for (auto [i, unit] : llvm::enumerate(units))
      if (llvm::is_contained(unit.ops, op))
        return i;
    llvm_unreachable("every op is in a unit");
  }
  /// Units between which the loop over a block's rows need not end.
  bool sameRun(unsigned first, unsigned last) {
    for (unsigned i = first; i <= last; ++i)
      if (units[i].contraction)
        return false;
    return true;
  }

  /// A place for each value of the kernel: memory, scratch, or registers while a row is at work.
  void placeValues() {
    int64_t matrixBytes = 0;
    for (auto [u, unit] : llvm::enumerate(units)) {
      for (Operation *op : unit.ops)
        for (Value value : op->getResults()) {
          auto type = cast<RankedTensorType>(value.getType());
          bool isMatrix = type.getRank() == int64_t(rows) + 1;
          bool isFold = unit.contraction && llvm::any_of(op->getOperands(), [&](Value v) { return isInside(v); });
          if (isFold)
            continue;
          unsigned last = u;
          for (Operation *user : value.getUsers())
            if (!isa<func::ReturnOp>(user))
              last = std::max(last, unitOf(user));
          bool registers = isMatrix ? !unit.contraction && !leavesGroup(value, unit.ops) : sameRun(u, last);
          if (kernel.buffers.contains(value) && (registers || !isMatrix))
            continue; // in memory
          Buffer buffer;
          buffer.element = type.getElementType();
          buffer.dims = gpt::dimsOf(value);
          buffer.dropped = rows;
          if (!registers)
            buffer.memref = slotFor(buffer.element, isMatrix ? space.back().bound : 1, u, last,
                                    !unit.contraction, matrixBytes);
          auto &places = kernel.buffers[value];
          places.insert(places.begin(), buffer);
        }
    }
    blockRows = llvm::alignTo(std::clamp(blockBytes / std::max<int64_t>(matrixBytes, 1), fewestRows,
                                         space.back().bound <= 512 ? fewestRows : mostRows),
                              tileRows);
    blockRows = std::min<int64_t>(blockRows, llvm::alignTo(space[rows - 1].bound, tileRows));
    int64_t next = kernel.scratchBytes;
    for (Slot &slot : slots) {
      slot.at = next;
      int64_t elements = blockRows * slot.stride;
      // The placeholder is filled in: the block begins here.
      Value offset = constantIndex(b, next);
      Value view = memref::ViewOp::create(b, MemRefType::get({elements}, slot.storage), kernel.scratch(), offset,
                                          ValueRange());
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
  Value slotFor(Type type, int64_t elements, unsigned first, unsigned last, bool inPlace, int64_t &matrixBytes) {
    Type storage = storageType(type);
    int64_t bytes = storage.getIntOrFloatBitWidth() / 8, stride = elements;
    if (elements > 1) {
      // Whole lines, an odd number of them: else the rows of a tile meet in few sets of the cache.
      int64_t lines = llvm::divideCeil(elements * bytes, 64);
      stride = (lines + (lines % 2 == 0)) * 64 / bytes;
    }
    for (Slot &slot : slots)
      if (slot.storage == storage && slot.stride == stride &&
          (slot.lastUse < first || (inPlace && slot.lastUse == first))) {
        slot.lastUse = last;
        return slot.memref;
      }
    matrixBytes += stride * bytes;
    Slot &slot = slots.emplace_back();
    slot.stride = stride;
    slot.storage = storage;
    slot.lastUse = last;
    slot.memref = memref::ViewOp::create(b, MemRefType::get({1}, storage), kernel.scratch(), constantIndex(b, 0),
                                         ValueRange());
    return slot.memref;
  }

  LogicalResult plan(Unit &unit) {
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

  FailureOr<Access> accessOf(gpt::GenericOp op, AffineMap map, Value value) {
    auto places = kernel.buffers.find(value);
    if (places == kernel.buffers.end() || places->second.empty())
      return op.emitError() << "a value has no place in the kernel";
    FailureOr<Access> access = makeAccess(map, op.getDims(), places->second.front(), value);
    if (failed(access))
      return op.emitError() << "an operand cannot be read by row blocks";
    return access;
  }

  LogicalResult planContraction(Contraction &c) {
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
      AffineMap result = AffineMap::get(op.getNumDims(), 0,
                                        b.getMultiDimIdentityMap(op.getNumParallel()).getResults(), b.getContext());
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
    c.shape = panelShape(depth, columns, lanes, isDouble);
    for (unsigned d = 0; d + 1 < rows; ++d)
      if (c.panels.offset.dims[c.place[d]] != 0)
        c.packLevel = d + 1;
    c.panelsAt = kernel.scratchBytes;
    kernel.scratchBytes = llvm::alignTo(kernel.scratchBytes + c.shape.bytes(), 64);
    return success();
  }

  /// The outer dimensions that no fold sums over: each of their points is a piece.
  void findPieces() {
    pieceDims = rows - 1;
    for (Unit &unit : units)
      if (unit.contraction && unit.contraction->isFold)
        for (unsigned d = 0; d < pieceDims; ++d)
          if (unit.contraction->place[d] >= unit.contraction->op.getNumParallel())
            pieceDims = d;
  }

  //===-- Loops ---------------------------------------------------------------===//

  Value extent(LoopBuilder &l, const LoopDim &dim) { return kernel.extents.tripCount(l.b, dim); }

  /// Where an operand's element with the current outer indices, and 0 elsewhere, lies.
  Value outerOffset(LoopBuilder &l, const Contraction &c, const Access &access) {
    Value sum = l.constant(access.offset.constant);
    for (unsigned d = 0; d + 1 < rows; ++d)
      if (int64_t stride = strideOf(access, c.place[d]))
        sum = l.add(sum, l.mul(at[d], stride));
    return sum;
  }
  static int64_t strideOf(const Access &access, unsigned dim) {
    return dim < access.offset.dims.size() ? access.offset.dims[dim] : 0;
  }

  /// What is added to begins with zeros: all of the result that this piece owns.
  void emitZeros(LoopBuilder &l, Contraction &c) {
    SmallVector<unsigned> loops;
    Value base = l.constant(0);
    for (unsigned d = 0; d < c.op.getNumParallel(); ++d) {
      auto found = llvm::find(c.place, d);
      unsigned position = found - c.place.begin();
      if (found != c.place.end() && position < pieceDims)
        base = l.add(base, l.mul(at[position], c.result.offset.dims[d]));
      else if (d != c.own)
        loops.push_back(d);
    }
    auto type = VectorType::get({lanes}, element);
    Value zero = arith::ConstantOp::create(l.b, l.b.getZeroAttr(type));
    std::function<void(unsigned, Value)> level = [&](unsigned i, Value place) {
      if (i < loops.size()) {
        Value size = extent(l, loopDim(c.op.getDims()[loops[i]]));
        l.loop(l.constant(0), size, 1, [&](Value index) {
          level(i + 1, l.add(place, l.mul(index, c.result.offset.dims[loops[i]])));
        });
        return;
      }
      for (int64_t n = 0, size = c.shape.columns; n < size; n += lanes) {
        Value here = l.add(place, n);
        if (size - n >= lanes) {
          l.store(zero, c.result.memref, here);
          continue;
        }
        Value mask = vector::ConstantMaskOp::create(l.b, VectorType::get({lanes}, l.b.getI1Type()),
                                                    ArrayRef<int64_t>{size - n});
        vector::MaskedStoreOp::create(l.b, c.result.memref, ValueRange(here), mask, zero);
      }
    };
    level(0, base);
  }

  void emitOuter(LoopBuilder &l, unsigned level) {
    for (Unit &unit : units)
      if (unit.contraction && !isPackedByBlock(*unit.contraction) &&
          std::max(unit.contraction->packLevel, pieceDims) == level)
        pack(l, *unit.contraction, l.constant(0), extent(l, space.back()));
    if (level + 1 == rows)
      return emitBlocks(l);
    l.loop(l.constant(0), extent(l, space[level]), 1, [&](Value index) {
      at[level] = index;
      emitOuter(l, level + 1);
    });
  }

  static bool isPackedByBlock(const Contraction &c) { return c.isFold && !c.overColumns; }

  /// Panels of rows (a fold over rows) or columns `first` ... `first` + `count` - 1.
  void pack(LoopBuilder &l, Contraction &c, Value first, Value count) {
    unsigned side = c.place[isPackedByBlock(c) ? rows - 1 : rows];
    int64_t strideSide = strideOf(c.panels, side), strideOwn = strideOf(c.panels, c.own);
    Value base = l.add(outerOffset(l, c, c.panels), l.mul(first, strideSide));
    Value own = extent(l, loopDim(c.op.getDims()[c.own]));
    if (c.isFold)
      packPanels(l, c.shape, kernel.scratch(), c.panelsAt, c.panels.memref, base, strideSide, strideOwn, count, own);
    else
      packPanels(l, c.shape, kernel.scratch(), c.panelsAt, c.panels.memref, base, strideOwn, strideSide, own, count);
  }

  void emitBlocks(LoopBuilder &l) {
    const LoopDim &dim = space[rows - 1];
    Value size = extent(l, dim);
    bool whole = dim.isStatic() && dim.bound % blockRows == 0;
    l.loop(l.constant(0), size, blockRows, [&](Value first) {
      Value count = whole ? l.constant(blockRows) : l.min(l.constant(blockRows), l.sub(size, first));
      Range columns = wholeRange(l.b, kernel.extents, space.back());
      for (unsigned u = 0; u < units.size();) {
        if (units[u].contraction) {
          emitProduct(l, *units[u++].contraction, first, count, whole, columns);
          continue;
        }
        unsigned end = u;
        while (end < units.size() && !units[end].contraction)
          ++end;
        emitRows(l, MutableArrayRef<Unit>(units).slice(u, end - u), first, count, columns);
        u = end;
      }
    });
  }

  void emitProduct(LoopBuilder &l, Contraction &c, Value first, Value count, bool whole, const Range &columns) {
    BlockProduct p;
    p.shape = c.shape;
    p.scratch = kernel.scratch();
    p.panelsAt = c.panelsAt;
    p.rows = tileRows;
    p.fma = kernel.target.fma;
    Value zero = l.constant(0), own = extent(l, loopDim(c.op.getDims()[c.own]));
    const Slot *matrix = nullptr;
    Value value = c.isFold ? c.op.getInputs()[1 - c.sideInput] : c.op.getResult(0);
    for (const Slot &slot : slots)
      if (slot.memref == kernel.buffers[value].front().memref)
        matrix = &slot;
    if (!c.isFold) {
      p.a = c.lines.memref;
      p.strideM = strideOf(c.lines, c.place[rows - 1]);
      p.strideK = strideOf(c.lines, c.own);
      p.baseA = l.add(outerOffset(l, c, c.lines), l.mul(first, p.strideM));
      p.c = matrix->memref;
      p.baseC = zero;
      p.strideC = matrix->stride;
      p.mLower = zero, p.mUpper = count;
      p.wholeTiles = whole && blockRows % tileRows == 0;
      p.nLower = columns.lower, p.nUpper = columns.upper;
      p.kLower = zero, p.kUpper = own;
      p.fixedDepth = !c.op.getDims()[c.own].isDynamic();
      return emitBlockProduct(l, p);
    }
    p.a = matrix->memref;
    p.baseA = zero;
    p.c = c.result.memref;
    p.baseC = outerOffset(l, c, c.result);
    p.nLower = zero, p.nUpper = own;
    p.accumulate = c.accumulate;
    p.exact = true;
    if (c.overColumns) {
      p.strideM = matrix->stride, p.strideK = 1;
      p.strideC = strideOf(c.result, c.place[rows - 1]);
      p.baseC = l.add(p.baseC, l.mul(first, p.strideC));
      p.mLower = zero, p.mUpper = count;
      p.wholeTiles = whole && blockRows % tileRows == 0;
      p.kLower = columns.lower, p.kUpper = columns.upper;
    } else {
      pack(l, c, first, count);
      p.strideM = 1, p.strideK = matrix->stride;
      p.strideC = strideOf(c.result, c.place[rows]);
      p.mLower = columns.lower, p.mUpper = columns.upper;
      p.wholeTiles = columns.multiple % tileRows == 0;
      p.kLower = zero, p.kUpper = count;
      p.fixedDepth = whole;
    }
    emitBlockProduct(l, p);
  }

  /// All work on one row, then on the next.
  void emitRows(LoopBuilder &l, MutableArrayRef<Unit> run, Value first, Value count, const Range &columns) {
    l.loop(l.constant(0), count, 1, [&](Value row) {
      at[rows - 1] = l.add(first, row);
      SmallVector<Range> ranges;
      for (Value coordinate : at) {
        Range range;
        range.lower = coordinate;
        ranges.push_back(range);
      }
      DenseMap<Value, Value> views;
      auto moveToRow = [&](Access &access) {
        for (const Slot &slot : slots) {
          if (access.memref != slot.memref)
            continue;
          Value &view = views[slot.memref];
          if (!view) {
            int64_t bytes = slot.storage.getIntOrFloatBitWidth() / 8;
            Value offset = l.add(l.mul(row, slot.stride * bytes), slot.at);
            view = memref::ViewOp::create(l.b, MemRefType::get({slot.stride}, slot.storage), kernel.scratch(), offset,
                                          ValueRange());
          }
          access.memref = view;
          return;
        }
      };
      Registers registers;
      for (Unit &unit : run) {
        for (OpPlan *plan : unit.group) {
          for (Access &read : plan->reads)
            moveToRow(read);
          for (auto &places : plan->writes)
            for (Access &write : places)
              moveToRow(write);
        }
        SmallVector<Range> own(ranges);
        if (unit.group.front()->dims.size() > rows)
          own.push_back(columns);
        l.b.setLoc(unit.ops.front()->getLoc());
        emitGroup(l.b, kernel.extents, unit.group, rows, own, unit.choice, registers);
      }
    });
  }

  KernelBuilder &kernel;
  ImplicitLocOpBuilder &b;
  unsigned rows;                // leading dimensions: outer ones, then the row's
  SmallVector<LoopDim> space;   // these, and the column
  Type element;
  bool isDouble = false;
  int64_t elementBytes = 4, lanes = 16, tileRows = 8, blockRows = 8;
  unsigned pieceDims = 0;
  std::vector<Unit> units;
  std::vector<Slot> slots;
  SmallVector<Value> at;        // outer indices and the row, where the code stands
};

} // namespace

LogicalResult lowerRowBlocks(KernelBuilder &kernel, unsigned rows) { return RowBlocks(kernel, rows).lower(); }

} // namespace gptc
