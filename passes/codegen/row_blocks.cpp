// Kernels of row blocks: matrices of products that are never stored whole. For
// each outer index a block of rows of all matrices is at work: products write it
// to scratch, row-wise work goes over it there, and folds read it. Operands that
// all blocks of an outer index share lie in panels that are made once.
#include "passes/codegen/pieces.h"
#include "passes/codegen/row_block_plan.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

#include <numeric>

using namespace mlir;

namespace gptc {
namespace {

/// Bytes that may wait in the second cache for the next outer point.
constexpr int64_t mostAhead = 256 * 1024;

class RowBlocks : RowBlockPlan {
public:
  using RowBlockPlan::RowBlockPlan;

  LogicalResult lower() {
    if (failed(make()))
      return failure();
    PiecePlan pieces;
    pieces.rows = pieceDims;
    pieces.chunk = pieceRows;
    ArrayRef<LoopDim> dims = ArrayRef<LoopDim>(space).take_front(pieceDims + (pieceRows > 0));
    emitPiece(b, kernel.extents, dims, pieces, kernel.piece(), [&](ArrayRef<Range> ranges) {
      at.assign(rows, Value());
      for (unsigned d = 0; d < pieceDims; ++d)
        at[d] = ranges[d].lower;
      LoopBuilder l(b, b.getLoc(), kernel.extents);
      const LoopDim &row = space[rows - 1];
      pieceBegin = pieceRows > 0 ? ranges.back().lower : l.constant(0);
      pieceEnd = pieceRows > 0 ? ranges.back().upper : extent(l, row);
      emitOuter(l, pieceDims);
    });
    kernel.hasTiles = true;
    kernel.finish(pieceCount(b.getContext(), dims, pieces, kernel.extentNames));
    return success();
  }

private:
  Value extent(LoopBuilder &l, const LoopDim &dim) { return l.value(dim.count); }

  /// Where an operand's element with the current outer indices, and 0 elsewhere, lies.
  Value outerOffset(LoopBuilder &l, const RowBlockContraction &c, const Access &access) {
    Value sum = l.value(access.offset.constant);
    for (unsigned d = 0; d + 1 < rows; ++d)
      if (gpt::Length stride = strideOf(access, c.place[d]); stride != 0)
        sum = l.add(sum, l.mul(at[d], stride));
    return sum;
  }
  static gpt::Length strideOf(const Access &access, unsigned dim) {
    return dim < access.offset.dims.size() ? access.offset.dims[dim] : gpt::Length();
  }

  void emitOuter(LoopBuilder &l, unsigned level) {
    for (RowBlockUnit &unit : units)
      if (unit.contraction && !unit.contraction->overRows() &&
          std::max(unit.contraction->packLevel, pieceDims) == level)
        pack(l, *unit.contraction, l.constant(0), extent(l, space.back()));
    if (level + 1 == rows)
      return emitBlocks(l);
    l.loop(l.constant(0), extent(l, space[level]), 1, [&](Value index) {
      at[level] = index;
      emitOuter(l, level + 1);
    });
  }

  /// Panels of rows (a fold over rows) or columns `first` ... `first` + `count` - 1.
  void pack(LoopBuilder &l, RowBlockContraction &c, Value first, Value count) {
    unsigned side = c.place[c.overRows() ? rows - 1 : rows];
    gpt::Length strideSide = strideOf(c.panels, side), strideOwn = strideOf(c.panels, c.own);
    Value base = l.add(outerOffset(l, c, c.panels), l.mul(first, strideSide));
    Value own = extent(l, loopDim(c.op.getDims()[c.own]));
    if (c.isFold)
      packPanels(l, c.shape, kernel.scratch(), c.panelsAt, c.panels.memref, base, strideSide, strideOwn,
                 count, own);
    else
      packPanels(l, c.shape, kernel.scratch(), c.panelsAt, c.panels.memref, base, strideOwn, strideSide, own,
                 count);
  }

  void emitBlocks(LoopBuilder &l) {
    const LoopDim &dim = space[rows - 1];
    Value size = extent(l, dim);
    bool whole = dim.isStatic() && dim.bound % blockRows == 0;
    rests.clear();
    for (ColumnBound &bound : bounds)
      rests.push_back(restOf(l, bound));
    findAhead(l);
    // The first block writes what folds over rows add to: the last rows do, which have most columns under a causal
    // mask.
    Value last = l.mul(l.div(l.sub(pieceEnd, l.constant(1)), l.constant(blockRows)), blockRows);
    l.loop(pieceBegin, pieceEnd, blockRows, [&](Value begin) {
      Value first = adds ? l.sub(last, begin) : begin;
      isFirst = l.equal(begin, pieceBegin);
      Value count = whole ? l.constant(blockRows) : l.min(l.constant(blockRows), l.sub(size, first));
      // Whole vectors; and whole tiles, since a fold over rows has columns for its tiles' rows: what lies in a tile is
      // computed, or none of it counts.
      Range columns = columnsOf(l, first, count, std::max(lanes, tileRows));
      for (unsigned u = 0; u < units.size();) {
        if (units[u].contraction) {
          emitProduct(l, *units[u++].contraction, first, count, whole, columns);
          continue;
        }
        unsigned end = u;
        while (end < units.size() && !units[end].contraction)
          ++end;
        emitRows(l, MutableArrayRef<RowBlockUnit>(units).slice(u, end - u), first, count, columns);
        u = end;
      }
    });
  }

  /// What a bound adds to the row's and the column's part.
  Value restOf(LoopBuilder &l, ColumnBound &bound) {
    Value sum = l.constant(bound.constant);
    for (unsigned d = 0; d + 1 < rows; ++d)
      if (bound.dims[d] != 0)
        sum = l.add(sum, l.mul(at[d], bound.dims[d]));
    for (auto &[name, factor] : bound.extents)
      sum = l.add(sum, l.mul(kernel.extents.get(name, l.b.getLoc()), factor));
    for (ColumnBound::Read &read : bound.reads)
      sum = l.add(sum, l.mul(readInteger(l, read), read.factor));
    return sum;
  }

  /// Finds what memory is read later, row by row: by the next outer point, if that is little enough to wait in the
  /// second cache; else by the next block.
  void findAhead(LoopBuilder &l) {
    ahead.clear();
    if (pieceRows > 0 || !nextPoint(l))
      nextBlock(l);
  }

  bool nextPoint(LoopBuilder &l) {
    int64_t bytes = 0;
    SmallVector<Value> here = at;
    Value point = l.constant(0);
    for (unsigned d = 0; d + 1 < rows; ++d)
      point = l.add(l.mul(point, space[d].count), at[d]);
    point = l.add(point, 1);
    for (unsigned d = rows - 1; d-- > 0;) {
      Value size = extent(l, space[d]);
      at[d] = d > 0 ? l.rem(point, size) : point;
      point = l.div(point, size);
    }
    for (RowBlockUnit &unit : units)
      if (auto &c = unit.contraction) {
        bytes += addAhead(l, *c, c->panels, c->overRows() ? rows - 1 : rows);
        if (!c->isFold)
          bytes += addAhead(l, *c, c->lines, rows - 1);
      }
    at = here;
    return bytes <= mostAhead;
  }

  void nextBlock(LoopBuilder &l) {
    ahead.clear();
    for (RowBlockUnit &unit : units)
      if (auto &c = unit.contraction) {
        if (c->overRows())
          addAhead(l, *c, c->panels, rows - 1);
        if (!c->isFold)
          addAhead(l, *c, c->lines, rows - 1);
      }
    for (Ahead &next : ahead) {
      Value step = l.mul(l.constant(blockRows), next.stride);
      next.base = adds ? l.sub(next.base, step) : l.add(next.base, step);
    }
  }

  /// Rows or columns (`side`) of an operand at the outer indices `at`, if it is new; how many bytes these are.
  int64_t addAhead(LoopBuilder &l, RowBlockContraction &c, const Access &access, unsigned side) {
    bool known = llvm::any_of(ahead, [&](const Ahead &other) { return other.memref == access.memref; });
    if (known || strideOf(access, c.own) != 1)
      return 0;
    int64_t row = c.op.getDims()[c.own].getSize() * elementBytes;
    ahead.push_back({access.memref, outerOffset(l, c, access), strideOf(access, c.place[side]),
                     int64_t(llvm::divideCeil(row, 64))});
    return row * space[side].bound;
  }

  /// Asks for one row of each of these.
  void askAhead(LoopBuilder &l) {
    for (const Ahead &next : ahead)
      for (int64_t line = 0; line < next.lines; ++line)
        l.prefetch(next.memref, l.add(l.add(next.base, l.mul(at[rows - 1], next.stride)), line * 64 / elementBytes),
                   /*near=*/false);
  }

  /// The columns that count for some of the rows, rounded to multiples of `unit`.
  Range columnsOf(LoopBuilder &l, Value first, Value count, int64_t unit) {
    Range range = wholeRange(l.b, kernel.extents, space.back());
    if (bounds.empty())
      return range;
    Value size = range.upper, lower = range.lower, upper = size;
    for (auto [bound, rest] : llvm::zip(bounds, rests)) {
      // column * factor + sum >= 0, for the row where the sum is highest
      Value sum = rest;
      if (int64_t factor = bound.dims[rows - 1]) {
        Value row = factor > 0 ? l.sub(l.add(first, count), l.constant(1)) : first;
        sum = l.add(sum, l.mul(row, factor));
      }
      if (bound.dims[rows] < 0)
        upper = l.min(upper, l.add(sum, 1));
      else
        lower = l.max(lower, l.sub(l.constant(0), sum));
    }
    lower = l.mul(l.div(l.min(lower, size), l.constant(unit)), unit);
    upper = l.min(l.mul(l.ceilDiv(l.max(upper, lower), unit), unit), size);
    range.lower = lower;
    range.upper = upper;
    range.trip = -1;
    range.multiple = std::gcd(range.multiple, unit);
    return range;
  }

  /// Of `count` rows from `first` on, the whole tiles for which some of the columns from `column` on count. Where a
  /// tile of rows is among these, `columnsOf` it has the vectors of these columns.
  BlockProduct::Bounds rowsOf(LoopBuilder &l, Value first, Value count, Value column, int64_t columns) {
    Value lower = l.constant(0), upper = count;
    for (auto [bound, rest] : llvm::zip(bounds, rests)) {
      int64_t factor = bound.dims[rows - 1];
      if (factor == 0)
        continue;
      // row * factor + sum >= 0, for the column where the sum is highest; counted from `first` on
      Value sum = bound.dims[rows] < 0 ? l.sub(rest, column) : l.add(rest, l.add(column, columns - 1));
      sum = l.add(sum, l.mul(first, factor));
      if (factor > 0)
        lower = l.max(lower, l.sub(l.constant(0), sum));
      else
        upper = l.min(upper, l.add(sum, 1));
    }
    lower = l.mul(l.div(lower, l.constant(tileRows)), tileRows);
    upper = l.mul(l.ceilDiv(l.max(upper, l.constant(0)), tileRows), tileRows);
    lower = l.min(lower, count);
    return {lower, l.max(l.min(upper, count), lower)};
  }

  Value readInteger(LoopBuilder &l, ColumnBound::Read &read) {
    Value tensor = read.op->getOperand(read.operand);
    Access access =
        *makeAccess(read.op.getMap(read.operand), read.op.getDims(), kernel.buffers[tensor].front(), tensor);
    Point point;
    point.coordinates.assign(read.op.getNumDims(), l.constant(0));
    for (unsigned d = 0; d + 1 < rows; ++d)
      point.coordinates[d] = at[d];
    Value integer = emitLoad(l.b, kernel.extents, access, point, {});
    return arith::IndexCastOp::create(l.b, l.b.getIndexType(), integer);
  }

  void emitProduct(LoopBuilder &l, RowBlockContraction &c, Value first, Value count, bool whole,
                   const Range &columns) {
    BlockProduct p;
    p.shape = c.shape;
    p.scratch = kernel.scratch();
    p.panelsAt = c.panelsAt;
    p.linesAt = linesAt;
    p.mBound = c.linesBound;
    p.rowsOfK = c.overRows();
    p.rows = tileRows;
    p.fma = kernel.target.fma;
    Value zero = l.constant(0), own = extent(l, loopDim(c.op.getDims()[c.own]));
    const RowBlockSlot *matrix = nullptr;
    Value value = c.isFold ? c.op.getInputs()[1 - c.sideInput] : c.op.getResult(0);
    for (const RowBlockSlot &slot : slots)
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
      if (tilewise) {
        p.linesOf = [&](Value n, int64_t columns) { return rowsOf(l, first, count, n, columns); };
        for (const ColumnBound &bound : bounds) {
          p.linesBeginLater |= bound.dims[rows - 1] > 0 && bound.dims[rows] < 0;
          p.linesEndLater |= bound.dims[rows - 1] < 0 && bound.dims[rows] > 0;
        }
      }
      return emitBlockProduct(l, p);
    }
    p.a = matrix->memref;
    p.baseA = zero;
    p.c = c.result.memref;
    p.baseC = outerOffset(l, c, c.result);
    p.nLower = zero, p.nUpper = own;
    if (c.accumulate)
      p.begins = isFirstTerm(l, c);
    p.exact = true;
    if (c.overColumns) {
      p.strideM = matrix->stride, p.strideK = 1;
      p.strideC = strideOf(c.result, c.place[rows - 1]);
      p.baseC = l.add(p.baseC, l.mul(first, p.strideC));
      p.mLower = zero, p.mUpper = count;
      p.wholeTiles = whole && blockRows % tileRows == 0;
      p.kLower = columns.lower, p.kUpper = columns.upper;
      if (tilewise)
        p.depthOf = [&](Value m) {
          Range own = tileColumns(l, first, count, m, tileRows);
          return BlockProduct::Bounds(own.lower, own.upper);
        };
    } else {
      pack(l, c, first, count);
      p.strideM = 1, p.strideK = matrix->stride;
      p.strideC = strideOf(c.result, c.place[rows]);
      // The first block writes all columns: zeros where none of its rows counts.
      Value size = extent(l, space.back());
      auto ifBegins = [&](Value yes, Value no) {
        return l.b.createOrFold<arith::SelectOp>(p.begins, yes, no);
      };
      p.mLower = ifBegins(zero, columns.lower), p.mUpper = ifBegins(size, columns.upper);
      p.wholeTiles = columns.multiple % tileRows == 0;
      p.kLower = zero, p.kUpper = count;
      p.fixedDepth = whole && bounds.empty();
      if (!bounds.empty())
        p.depthOf = [&](Value m) {
          BlockProduct::Bounds depth(zero, count);
          if (tilewise)
            depth = rowsOf(l, first, count, m, tileRows);
          Value counts = l.b.createOrFold<arith::AndIOp>(l.lessOrEqual(columns.lower, m), l.less(m, columns.upper));
          depth.second = l.b.createOrFold<arith::SelectOp>(counts, depth.second, depth.first);
          return depth;
        };
    }
    emitBlockProduct(l, p);
  }

  /// Whether what the fold adds now is the first to be added where it goes.
  Value isFirstTerm(LoopBuilder &l, RowBlockContraction &c) {
    Value first = c.overRows() ? isFirst : arith::ConstantOp::create(l.b, l.b.getBoolAttr(true)).getResult();
    for (unsigned d = pieceDims; d + 1 < rows; ++d)
      if (c.place[d] >= c.op.getNumParallel())
        first = l.b.createOrFold<arith::AndIOp>(first, l.equal(at[d], l.constant(0)));
    return first;
  }

  /// The columns of the tile of rows from `tile` on, counted within the block.
  Range tileColumns(LoopBuilder &l, Value first, Value count, Value tile, int64_t unit) {
    return columnsOf(l, l.add(first, tile), l.sub(tileEnd(l, count, tile), tile), unit);
  }
  Value tileEnd(LoopBuilder &l, Value count, Value tile) {
    llvm::APInt known;
    Value end = l.add(tile, tileRows);
    bool whole = matchPattern(count, m_ConstantInt(&known)) && known.getSExtValue() % tileRows == 0;
    return whole ? end : l.min(end, count);
  }

  /// All work on one row, then on the next.
  void emitRows(LoopBuilder &l, MutableArrayRef<RowBlockUnit> run, Value first, Value count,
                const Range &columns) {
    if (!tilewise)
      return emitRows(l, run, first, l.constant(0), count, columns);
    l.loop(l.constant(0), count, tileRows, [&](Value tile) {
      emitRows(l, run, first, tile, tileEnd(l, count, tile), tileColumns(l, first, count, tile, lanes));
    });
  }

  void emitRows(LoopBuilder &l, MutableArrayRef<RowBlockUnit> run, Value first, Value begin, Value end,
                const Range &columns) {
    l.loop(begin, end, 1, [&](Value row) {
      at[rows - 1] = l.add(first, row);
      if (&run.front() == &*llvm::find_if(units, [](auto &unit) { return !unit.contraction; }))
        askAhead(l);
      SmallVector<Range> ranges;
      for (Value coordinate : at) {
        Range range;
        range.lower = coordinate;
        ranges.push_back(range);
      }
      DenseMap<Value, Value> views;
      auto moveToRow = [&](Access &access) {
        for (const RowBlockSlot &slot : slots) {
          if (access.memref != slot.memref)
            continue;
          Value &view = views[slot.memref];
          if (!view) {
            int64_t bytes = slot.storage.getIntOrFloatBitWidth() / 8;
            Value offset = l.add(l.mul(row, slot.stride * bytes), slot.at);
            view = memref::ViewOp::create(l.b, MemRefType::get({slot.stride}, slot.storage), kernel.scratch(),
                                          offset, ValueRange());
          }
          access.memref = view;
          return;
        }
      };
      Registers registers;
      for (RowBlockUnit &unit : run) {
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

  SmallVector<Value> at;    // outer indices and the row, where the code stands
  SmallVector<Value> rests; // of the bounds there
  Value pieceBegin, pieceEnd; // rows of the piece
  Value isFirst;              // whether the block of rows is the first one
  struct Ahead {
    Value memref, base;
    gpt::Length stride;
    int64_t lines; // of 64 bytes, of a row
  };
  SmallVector<Ahead> ahead;
};

} // namespace

LogicalResult lowerRowBlocks(KernelBuilder &kernel, unsigned rows) {
  return RowBlocks(kernel, rows).lower();
}

} // namespace gptc
