#include "passes/codegen/contraction.h"

#include "passes/codegen/packing.h"
#include "passes/codegen/panel_elements.h"
#include "passes/codegen/tiles.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace gptc {

//===-- TilePoint --------------------------------------------------------------===//

unsigned TilePoint::vectorDim() const {
  return plan->dims[plan->n].originals.back();
}

Value TilePoint::coordinate(OpBuilder &b, Location loc, unsigned dim) const {
  LoopBuilder l(b, loc, *extents);
  for (auto [planned, at] : llvm::zip(plan->dims, position)) {
    auto found = llvm::find(planned.originals, dim);
    if (found == planned.originals.end())
      continue;
    Value whole = l.add(at.first ? at.first : l.constant(0), at.second);
    gpt::Length inside = 1; // of the dims that lie within this one
    for (auto it = std::next(found); it != planned.originals.end(); ++it)
      inside *= plan->spec->dims[*it].count;
    Value coordinate = inside == 1 ? whole : l.div(whole, l.value(inside));
    if (found != planned.originals.begin())
      coordinate = l.rem(coordinate, l.value(plan->spec->dims[dim].count));
    return coordinate;
  }
  return l.constant(0); // a dimension of size 1
}

Value TilePoint::linear(OpBuilder &b, Location loc, ArrayRef<gpt::Length> strides) const {
  LoopBuilder l(b, loc, *extents);
  Value sum;
  gpt::Length fixed;
  auto accumulate = [&](Value value, const gpt::Length &stride) {
    if (!value || stride == 0)
      return;
    Value term = stride == 1 ? value : l.mul(value, stride);
    sum = sum ? l.add(sum, term) : term;
  };
  for (auto [planned, at] : llvm::zip(plan->dims, position)) {
    if (planned.role == ContractionRole::K)
      continue;
    bool whole = true;
    for (unsigned i = 1; i < planned.originals.size(); ++i)
      whole &= strides[planned.originals[i - 1]] ==
               strides[planned.originals[i]] * plan->spec->dims[planned.originals[i]].count;
    if (whole) {
      const gpt::Length &stride = strides[planned.originals.back()];
      accumulate(at.first, stride);
      fixed += at.second * stride;
    } else {
      for (unsigned i : planned.originals)
        if (strides[i] != 0)
          accumulate(coordinate(b, loc, i), strides[i]);
    }
  }
  return sum ? l.add(sum, fixed) : l.value(fixed);
}

//===-- The loops of a piece ---------------------------------------------------===//

namespace {

/// Where the inner loop finds one operand: base + flat * strideK in a panel,
/// base + (offset of k) in place.
struct OperandSource {
  Value memref, base;
  bool panel = false;
  gpt::Length strideK, strideRow = 1;
  Value fill = nullptr, fillAt = nullptr; ///< a panel that gets what is loaded, from this element on; or none
};

class PieceEmitter {
public:
  PieceEmitter(OpBuilder &builder, Location loc, Extents &extents, const ContractionPlan &plan, Value scratch,
               Value workspace, const ContractionEpilogue &epilogue, const ContractionPrefetch &prefetch,
               int64_t scratchOffset)
      : l(builder, loc, extents), plan(plan), spec(*plan.spec), scratch(scratch), workspace(workspace),
        epilogue(epilogue), prefetch(prefetch), scratchOffset(scratchOffset) {}

  void emit(Value piece);

private:
  /// Columns that one register tile works on; all but `start` and `end` are known
  /// when the code is made.
  struct Columns {
    Value start;       ///< first column
    int64_t valid = 0; ///< columns that exist, by the bound
    int64_t vectors = 2;
    bool full = false; ///< all lanes of all vectors are valid
  };
  struct Rows {
    Value first; ///< the tile's begin, in steps of plan.rows
    Value start; ///< row of the tile's first register row
    Value tile;  ///< number within the piece
  };

  Value elements(const PlanDim &dim) { return l.value(dim.count); } ///< the extent before pairs are made
  Value extent(const PlanDim &dim) { return l.ceilDiv(elements(dim), dim.step); }
  Value view(Value memory, int64_t at, int64_t elements, bool panel = true);
  void emitPacking(Value piece, Value piecesB);
  void emitProducts(Value piece);
  void emitOuterPoint();
  SmallVector<DepthRange, 2> depthFrom(unsigned level);
  void overColumns(function_ref<void(const Columns &)> body);
  void overRows(function_ref<void(const Rows &)> body);
  void emitPanels(ArrayRef<DepthRange> depth, Value baseA, Value baseB, Value flat);
  SmallVector<Value> multiply(ArrayRef<DepthRange> depth, const OperandSource &a, const OperandSource &b,
                              int64_t vectors, ArrayRef<Value> sums);
  Value sumsIndex(const Rows &rows, const Columns &columns);
  void prefetchTile(const Rows &rows, const Columns &columns);
  void prefetchPanel(ArrayRef<DepthRange> depth, Value base, const Rows &rows);
  void finishTile(const Rows &rows, const Columns &columns, ArrayRef<Value> sums);
  void finishFromScratch(const Rows &rows, const Columns &columns);
  void finishVector(const Rows &rows, Value row, int64_t rowConstant, Value column, int64_t columnConstant,
                    Value vec, Value mask);
  void overDepthBlocks(unsigned level, Value baseA, Value baseB, Value flat,
                       function_ref<void(Value, Value, Value, Value, Value)> body);

  LoopBuilder l;
  const ContractionPlan &plan;
  const ContractionSpec &spec;
  Value scratch, workspace;
  const ContractionEpilogue &epilogue;
  const ContractionPrefetch &prefetch;
  int64_t scratchOffset;

  Value a, b; // memrefs, by role
  VectorType vectorType;
  Value rowLo, rowHi, columnLo, columnHi;
  Value sumsView, panelAView, panelBView; // panels: in the workspace where they are shared
  TilePoint point; // outer coordinates are set
};

Value PieceEmitter::view(Value memory, int64_t at, int64_t elements, bool panel) {
  Type element = panel && plan.pairs ? Type(l.b.getI32Type()) : vectorType.getElementType();
  auto type = MemRefType::get({elements}, element);
  return memref::ViewOp::create(l.b, type, memory, l.constant(at), ValueRange());
}

void PieceEmitter::emit(Value piece) {
  Type element = spec.isDouble ? Type(l.b.getF64Type()) : Type(l.b.getF32Type());
  vectorType = VectorType::get({int64_t(spec.lanes)}, element);
  a = plan.swapped ? spec.b : spec.a;
  b = plan.swapped ? spec.a : spec.b;
  point.plan = &plan;
  point.extents = &l.extents;
  point.position.assign(plan.dims.size(), {Value(), 0});

  if (plan.panelBAt >= 0)
    panelBView = view(scratch, scratchOffset + plan.panelBAt, plan.panelBElements());
  if (plan.panelAAt >= 0)
    panelAView = view(scratch, scratchOffset + plan.panelAAt, plan.panelAElements());
  sumsView = view(scratch, scratchOffset + plan.sumsAt, plan.sumsElements(), /*panel=*/false);
  if (!plan.shared)
    return emitProducts(piece);

  // piece = packing pieces of B, then of A, then products
  Value piecesB = l.constant(0), pieces = piecesB;
  if (plan.sharedBAt >= 0) {
    panelBView = view(workspace, plan.sharedBAt, plan.panelBElements());
    piecesB = l.ceilDiv(extent(plan.dims[plan.n]), plan.columns() * plan.panelsPerPiece);
  }
  if (plan.sharedAAt >= 0) {
    panelAView = view(workspace, plan.sharedAAt, plan.panelAElements());
    pieces = l.ceilDiv(extent(plan.dims[*plan.m]), plan.rows * plan.tilesPerPiece);
  }
  pieces = l.add(piecesB, pieces);
  l.branch(
      l.less(piece, pieces), [&] { emitPacking(piece, piecesB); },
      [&] { emitProducts(l.sub(piece, pieces)); });
}

/// Fills some panels of B or some tiles of A, along all k.
void PieceEmitter::emitPacking(Value piece, Value piecesB) {
  SmallVector<DepthRange, 2> depth = depthFrom(0);
  Value baseA = l.value(plan.swapped ? spec.offsetB : spec.offsetA);
  Value baseB = l.value(plan.swapped ? spec.offsetA : spec.offsetB);
  auto packB = [&] {
    int64_t step = plan.columns() * plan.panelsPerPiece;
    columnLo = l.mul(piece, step);
    columnHi = l.min(l.add(columnLo, step), extent(plan.dims[plan.n]));
    overColumns([&](const Columns &columns) {
      Value from = l.add(baseB, l.mul(columns.start, plan.dims[plan.n].strideB));
      packPanelB(l, plan, depth, b, from, columns.valid, columns.vectors, panelBView,
                 l.mul(columns.start, plan.kTotal));
    });
  };
  auto packA = [&] {
    Value tile = l.mul(l.sub(piece, piecesB), plan.tilesPerPiece), lo = l.mul(tile, plan.rows);
    Value hi = l.min(l.add(lo, plan.rows * plan.tilesPerPiece), extent(plan.dims[*plan.m]));
    packPanelA(l, plan, depth, a, baseA, lo, hi, panelAView, l.mul(tile, plan.tileElements()));
  };
  if (plan.sharedBAt < 0)
    return packA();
  if (plan.sharedAAt < 0)
    return packB();
  l.branch(l.less(piece, piecesB), packB, packA);
}

void PieceEmitter::emitProducts(Value piece) {
  // piece = (outer group * row blocks + row block) * column blocks + column block: the next kernel's thread finds
  // in its cache the rows that it has written.
  Value rowExtent = plan.m ? extent(plan.dims[*plan.m]) : l.constant(1);
  Value columnExtent = extent(plan.dims[plan.n]);
  auto range = [&](Value size, int64_t bound, int64_t block, Value &lo, Value &hi) {
    if (bound <= block) {
      lo = l.constant(0);
      hi = size;
      return;
    }
    Value blocks = l.ceilDiv(size, block);
    lo = l.mul(l.rem(piece, blocks), block);
    hi = l.min(l.add(lo, block), size);
    piece = l.div(piece, blocks);
  };
  range(columnExtent, plan.nSize(), plan.columnBlock, columnLo, columnHi);
  range(rowExtent, plan.mSize(), plan.rowBlock, rowLo, rowHi);
  if (plan.outer.empty())
    return emitOuterPoint();

  Value total = l.constant(1);
  for (unsigned i : plan.outer)
    total = l.mul(total, extent(plan.dims[i]));
  auto atPoint = [&](Value index) {
    for (unsigned i : llvm::reverse(plan.outer)) {
      bool last = i == plan.outer.front();
      Value size = extent(plan.dims[i]);
      point.position[i] = {last ? index : l.rem(index, size), 0};
      if (!last)
        index = l.div(index, size);
    }
    emitOuterPoint();
  };
  if (plan.group == 1)
    return atPoint(piece);
  Value first = l.mul(piece, plan.group);
  l.loop(first, l.min(l.add(first, plan.group), total), 1, atPoint);
}

/// The k dims of a panel: those from `level` on.
SmallVector<DepthRange, 2> PieceEmitter::depthFrom(unsigned level) {
  SmallVector<DepthRange, 2> depth;
  for (unsigned i = level; i < plan.k.size(); ++i) {
    const PlanDim &dim = plan.dims[plan.k[i]];
    DepthRange &range = depth.emplace_back();
    range.count = extent(dim);
    range.strideA = dim.strideA;
    range.strideB = dim.strideB;
    range.halfA = dim.halfA;
    range.halfB = dim.halfB;
    range.whole = l.div(elements(dim), l.constant(dim.step));
    llvm::APInt known;
    if (!dim.dynamic()) {
      range.fixed = dim.size;
      if (matchPattern(range.whole, m_ConstantInt(&known)))
        range.fixedWhole = known.getSExtValue();
    }
  }
  return depth;
}

void PieceEmitter::emitOuterPoint() {
  Value baseA = l.value(plan.swapped ? spec.offsetB : spec.offsetA);
  Value baseB = l.value(plan.swapped ? spec.offsetA : spec.offsetB);
  for (unsigned i : plan.outer) {
    baseA = l.add(baseA, l.mul(point.position[i].first, plan.dims[i].strideA));
    baseB = l.add(baseB, l.mul(point.position[i].first, plan.dims[i].strideB));
  }

  SmallVector<DepthRange, 2> depth = depthFrom(plan.kLevel);
  if (!plan.kBlocked)
    return emitPanels(depth, baseA, baseB, l.constant(0));

  Value zero = arith::ConstantOp::create(l.b, l.b.getZeroAttr(vectorType));
  Value used = l.mul(l.ceilDiv(l.sub(columnHi, columnLo), plan.columns()), plan.rowBlock * plan.columns());
  l.loop(l.constant(0), used, spec.lanes, [&](Value i) { l.store(zero, sumsView, i); });
  DepthRange all = depth.front();
  bool divides = all.fixed && *all.fixed % plan.kBlock == 0;
  std::optional<int64_t> block = divides ? std::optional<int64_t>(plan.kBlock) : std::nullopt;
  overDepthBlocks(0, baseA, baseB, l.constant(0),
                  [&](Value blockA, Value blockB, Value flat, Value k, Value count) {
                    depth.front().count = count;
                    depth.front().fixed = block;
                    // A block inside of the dim that is in pairs may hold the incomplete one.
                    bool complete = all.fixed && all.fixed == all.fixedWhole;
                    depth.front().whole = complete ? count : l.min(count, l.sub(all.whole, k));
                    depth.front().fixedWhole = complete ? block : std::nullopt;
                    emitPanels(depth, blockA, blockB, flat);
                  });
  overColumns(
      [&](const Columns &columns) { overRows([&](const Rows &rows) { finishFromScratch(rows, columns); }); });
}

/// Calls body(base of A, base of B, k before it, its begin and count along dim kLevel) for each panel's part
/// of K. `flat`: how many of the dims before this one lie before.
void PieceEmitter::overDepthBlocks(unsigned level, Value baseA, Value baseB, Value flat,
                                   function_ref<void(Value, Value, Value, Value, Value)> body) {
  const PlanDim &dim = plan.dims[plan.k[level]];
  Value size = extent(dim);
  bool isBlocked = level == plan.kLevel;
  l.loop(l.constant(0), size, isBlocked ? plan.kBlock : 1, [&](Value k) {
    Value nextA = l.add(baseA, l.mul(k, dim.strideA)), nextB = l.add(baseB, l.mul(k, dim.strideB));
    Value before = l.add(l.mul(flat, size), k);
    if (!isBlocked)
      return overDepthBlocks(level + 1, nextA, nextB, before, body);
    for (unsigned inner = level + 1; inner < plan.k.size(); ++inner)
      before = l.mul(before, extent(plan.dims[plan.k[inner]]));
    body(nextA, nextB, before, k, l.min(l.constant(plan.kBlock), l.sub(size, k)));
  });
}

void PieceEmitter::overColumns(function_ref<void(const Columns &)> body) {
  int64_t width = plan.columns(), tail = plan.tailColumns();
  Columns columns;
  columns.valid = width;
  columns.vectors = plan.vectors;
  columns.full = !plan.dims[plan.n].dynamic();
  Value tailStart = l.constant(plan.tailStart());
  if (plan.tailStart() > 0) {
    Value end = tail ? l.min(columnHi, tailStart) : columnHi;
    l.loop(columnLo, end, width, [&](Value start) {
      columns.start = start;
      body(columns);
    });
  }
  if (!tail)
    return;
  columns.start = tailStart;
  columns.valid = tail;
  columns.vectors = llvm::divideCeil(tail, spec.lanes);
  columns.full &= tail % spec.lanes == 0;
  if (plan.tailStart() == 0)
    return body(columns);
  l.branch(
      l.less(tailStart, columnHi), [&] { body(columns); }, nullptr);
}

void PieceEmitter::overRows(function_ref<void(const Rows &)> body) {
  l.loop(rowLo, rowHi, plan.rows, [&](Value first) {
    Rows rows;
    rows.first = first;
    rows.start = tileStart(l, plan, first);
    rows.tile = l.div(l.sub(first, rowLo), l.constant(plan.rows));
    body(rows);
  });
}

/// All tiles of the piece, for one panel's part of K.
void PieceEmitter::emitPanels(ArrayRef<DepthRange> depth, Value baseA, Value baseB, Value flat) {
  gpt::Length strideM = plan.m ? plan.dims[*plan.m].strideA : gpt::Length();
  const gpt::Length &strideN = plan.dims[plan.n].strideB;
  if (plan.panelAAt >= 0 && !plan.fillsA)
    packPanelA(l, plan, depth, a, baseA, rowLo, rowHi, panelAView, l.constant(0));
  overColumns([&](const Columns &columns) {
    OperandSource inPlaceB{b, l.add(baseB, l.mul(columns.start, strideN)), false, 0}, sourceB = inPlaceB;
    int64_t width = columns.vectors * spec.lanes;
    bool fillsB = plan.fillsB && columns.valid % spec.lanes == 0;
    if (plan.sharedBAt >= 0) {
      Value at = l.add(l.mul(columns.start, plan.kTotal), l.mul(flat, width));
      sourceB = {panelBView, at, true, width};
    } else if (plan.packsB() || columns.valid % spec.lanes != 0) {
      if (!fillsB)
        packPanelB(l, plan, depth, b, inPlaceB.base, columns.valid, columns.vectors, panelBView, l.constant(0));
      sourceB = {panelBView, l.constant(0), true, width};
    }
    if (fillsB) {
      inPlaceB.fill = panelBView;
      inPlaceB.fillAt = l.constant(0);
    }
    Value isFirstPanel = l.equal(columns.start, columnLo);
    overRows([&](const Rows &rows) {
      OperandSource inPlaceA{a, l.add(baseA, l.mul(rows.start, strideM)), false, 0, strideM}, sourceA = inPlaceA;
      if (plan.packsA()) {
        bool byRows = plan.panelA == RowsKind::Rows;
        Value tile = rows.tile;
        if (plan.sharesA())
          tile = l.add(l.div(rowLo, l.constant(plan.rows)), tile);
        Value at = l.mul(tile, plan.tileElements());
        if (plan.sharesA())
          at = l.add(at, l.mul(flat, byRows ? 1 : plan.rows));
        sourceA = {panelAView, at, true, byRows ? 1 : plan.rows, byRows ? plan.pitchA() : 1};
        if (plan.fillsA) {
          inPlaceA.fill = panelAView;
          inPlaceA.fillAt = at;
        }
      }
      if (prefetch && !plan.kBlocked)
        prefetchTile(rows, columns);
      if (plan.panelBAt >= 0 && plan.packsB() && (!fillsB || plan.pairs))
        prefetchPanel(depth, l.add(baseB, l.mul(l.add(columns.start, plan.columns()), strideN)), rows);
      SmallVector<Value> sums;
      Value zero = arith::ConstantOp::create(l.b, l.b.getZeroAttr(vectorType));
      Value index = plan.kBlocked ? sumsIndex(rows, columns) : Value();
      for (int64_t r = 0; r < plan.rows; ++r)
        for (int64_t j = 0; j < columns.vectors; ++j)
          sums.push_back(plan.kBlocked
                             ? l.loadVector(sumsView, l.add(index, r * width + j * spec.lanes), spec.lanes)
                             : zero);
      auto withB = [&](const OperandSource &fromB) {
        auto from = [&](const OperandSource &fromA) {
          return multiply(depth, fromA, fromB, columns.vectors, sums);
        };
        if (!plan.fillsA)
          return from(sourceA);
        return l.choose(isFirstPanel, [&] { return from(inPlaceA); }, [&] { return from(sourceA); });
      };
      if (fillsB)
        sums = l.choose(l.equal(rows.first, rowLo), [&] { return withB(inPlaceB); }, [&] { return withB(sourceB); });
      else
        sums = withB(sourceB);
      if (!plan.kBlocked)
        return finishTile(rows, columns, sums);
      for (auto [i, sum] : llvm::enumerate(sums))
        l.store(sum, sumsView, l.add(index, i * spec.lanes));
    });
  });
}

SmallVector<Value> PieceEmitter::multiply(ArrayRef<DepthRange> depth, const OperandSource &sourceA,
                                          const OperandSource &sourceB, int64_t vectors,
                                          ArrayRef<Value> sums) {
  const DepthRange &inner = depth.back();
  return overDepth(l, depth, sums, [&](const DepthPoint &at, ValueRange carried) {
    auto begin = [&](const OperandSource &source, Value offset) {
      return l.add(source.base, source.panel ? l.mul(at.flat, source.strideK) : offset);
    };
    Value beginA = begin(sourceA, at.offsetA), beginB = begin(sourceB, at.offsetB);
    const gpt::Length &strideA = sourceA.panel ? sourceA.strideK : inner.strideA;
    const gpt::Length &strideB = sourceB.panel ? sourceB.strideK : inner.strideB;
    constexpr int64_t unroll = 4;
    PanelElements elements(l, plan.bf16());
    // What fills a panel lies in rows far apart: no stream that the hardware would see.
    constexpr int64_t ahead = 32;
    int64_t width = vectors * spec.lanes;
    auto fill = [&](const OperandSource &source, Value value, Value k, int64_t perK, int64_t element) {
      if (source.fill)
        l.store(value, source.fill, l.add(l.add(source.fillAt, l.mul(l.add(at.flat, k), perK)), element));
    };
    return unrolled(l, inner, unroll, carried, [&](Value k, int64_t u, ValueRange values) {
      Value indexA = l.add(beginA, l.mul(k, strideA)), indexB = l.add(beginB, l.mul(k, strideB));
      SmallVector<Value> columns, next(values);
      for (int64_t j = 0; j < vectors; ++j) {
        Value index = l.add(indexB, u * strideB + j * spec.lanes);
        auto load = [&](Value from) { return l.loadVector(sourceB.memref, from, spec.lanes); };
        bool makesPairs = plan.pairs && !sourceB.panel;
        columns.push_back(makesPairs ? elements.at(index, inner.halfB, /*single=*/false, load) : load(index));
        if (sourceB.fill)
          prefetchRow(l, plan, b, l.add(index, ahead * strideB), inner.halfB);
        fill(sourceB, columns.back(), k, width, u * width + j * spec.lanes);
      }
      if (sourceA.fill)
        for (int64_t r : {int64_t(0), plan.rows - 1})
          l.prefetch(sourceA.memref, l.add(indexA, (ahead + u) * strideA + r), /*near=*/false);
      for (int64_t r = 0; r < plan.rows; ++r) {
        Value at = l.add(indexA, u * strideA + r * sourceA.strideRow);
        Value scalar = plan.pairs && !sourceA.panel ? elements.pairAt(sourceA.memref, at)
                                                    : l.loadScalar(sourceA.memref, at);
        fill(sourceA, scalar, k, plan.rows, u * plan.rows + r);
        Value row = vector::BroadcastOp::create(l.b, VectorType::get({int64_t(spec.lanes)}, scalar.getType()),
                                                scalar);
        for (int64_t j = 0; j < vectors; ++j)
          next[r * vectors + j] = elements.multiplyAdd(row, columns[j], next[r * vectors + j], spec.fma);
      }
      return next;
    });
  });
}

/// Where a tile's sums lie in scratch.
Value PieceEmitter::sumsIndex(const Rows &rows, const Columns &columns) {
  if (!plan.kBlocked)
    return l.constant(0);
  Value panel = l.div(l.sub(columns.start, columnLo), l.constant(plan.columns()));
  return l.mul(l.add(l.mul(panel, plan.rowBlock / plan.rows), rows.tile), plan.rows * plan.columns());
}

/// A tile's rows lie far from each other, so the hardware sees no stream: we ask for them, and they come
/// while the sums are computed.
void PieceEmitter::prefetchTile(const Rows &rows, const Columns &columns) {
  l.loop(l.constant(0), l.constant(plan.rows), 1, [&](Value row) {
    for (int64_t j = 0; j < columns.vectors; ++j) {
      if (plan.m)
        point.position[*plan.m] = {l.add(rows.start, row), 0};
      point.position[plan.n] = {columns.start, j * spec.lanes};
      prefetch(l.b, l.b.getLoc(), point);
    }
  });
}

/// What the next panel is filled from comes while this one is multiplied, a part with each tile of rows. At a
/// piece's end that is what follows it.
void PieceEmitter::prefetchPanel(ArrayRef<DepthRange> depth, Value base, const Rows &rows) {
  int64_t tiles = plan.rowBlock / plan.rows, line = plan.lineElements();
  if (depth.size() != 1 || tiles < 4 || plan.panelB == PanelKind::Gather)
    return;
  const DepthRange &k = depth.front();
  bool alongK = plan.panelB == PanelKind::Transpose;
  const gpt::Length &strideN = plan.dims[plan.n].strideB;
  // Lines lie along n in every k, or along k in every n.
  Value all = alongK ? l.constant(plan.columns()) : k.count;
  Value part = l.ceilDiv(all, tiles), from = l.mul(rows.tile, part);
  l.loop(from, l.min(l.add(from, part), all), 1, [&](Value i) {
    if (alongK)
      return l.loop(l.constant(0), k.count, line, [&](Value at) {
        l.prefetch(b, l.add(l.add(base, l.mul(i, strideN)), l.mul(at, k.strideB)), /*near=*/false);
      });
    for (int64_t at = 0; at < plan.columns(); at += line)
      prefetchRow(l, plan, b, l.add(l.add(base, at), l.mul(i, k.strideB)), k.halfB);
  });
}

void PieceEmitter::finishTile(const Rows &rows, const Columns &columns, ArrayRef<Value> sums) {
  auto store = [&] {
    for (auto [i, sum] : llvm::enumerate(sums))
      l.store(sum, sumsView, l.constant(i * spec.lanes));
    finishFromScratch(rows, columns);
  };
  if (!spec.cheapEpilogue || (columns.valid % spec.lanes && columns.full))
    return store();
  // Whole tiles need no detour.
  auto straight = [&] {
    for (int64_t r = 0; r < plan.rows; ++r)
      for (int64_t j = 0; j < columns.vectors; ++j)
        finishVector(rows, rows.start, r, columns.start, j * spec.lanes, sums[r * columns.vectors + j],
                     Value());
  };
  bool wholeRows = !plan.m || (!plan.dims[*plan.m].dynamic() && plan.mSize() % plan.rows == 0);
  Value condition;
  auto require = [&](Value test) {
    condition = condition ? l.b.createOrFold<arith::AndIOp>(condition, test) : test;
  };
  if (!wholeRows) {
    require(l.lessOrEqual(l.add(rows.first, plan.rows), rowHi));
    if (plan.mSize() % plan.rows)
      require(l.b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::eq, rows.first, rows.start));
  }
  if (!columns.full)
    require(l.lessOrEqual(l.add(columns.start, columns.vectors * spec.lanes), columnHi));
  if (!condition)
    return straight();
  l.branch(condition, straight, store);
}

/// The epilogue of a tile whose sums are in scratch, in loops, with all tails.
void PieceEmitter::finishFromScratch(const Rows &rows, const Columns &columns) {
  Value index = sumsIndex(rows, columns);
  Value lo = l.sub(rows.first, rows.start), hi = l.min(l.constant(plan.rows), l.sub(rowHi, rows.start));
  int64_t width = columns.vectors * spec.lanes;
  Value exists = columns.full ? l.constant(columns.valid)
                              : l.min(l.constant(columns.valid), l.sub(columnHi, columns.start));
  auto maskType = VectorType::get({int64_t(spec.lanes)}, l.b.getI1Type());
  l.loop(lo, hi, 1, [&](Value row) {
    Value rowIndex = l.add(index, l.mul(row, width)), at = l.add(rows.start, row);
    l.loop(l.constant(0), exists, spec.lanes, [&](Value column) {
      Value vec = l.loadVector(sumsView, l.add(rowIndex, column), spec.lanes);
      Value start = l.add(columns.start, column);
      if (columns.full)
        return finishVector(rows, at, 0, start, 0, vec, Value());
      l.branch(
          l.lessOrEqual(l.add(column, spec.lanes), exists),
          [&] { finishVector(rows, at, 0, start, 0, vec, Value()); },
          [&] {
            Value mask = vector::CreateMaskOp::create(l.b, maskType, ValueRange(l.sub(exists, column)));
            finishVector(rows, at, 0, start, 0, vec, mask);
          });
    });
  });
}

void PieceEmitter::finishVector(const Rows &rows, Value row, int64_t rowConstant, Value column,
                                int64_t columnConstant, Value vec, Value mask) {
  if (plan.m)
    point.position[*plan.m] = {row, rowConstant};
  point.position[plan.n] = {column, columnConstant};
  epilogue(l.b, l.b.getLoc(), point, vec, mask);
}

} // namespace

void emitContraction(OpBuilder &b, Location loc, Extents &extents, const ContractionSpec &spec, Value piece,
                     Value scratch, Value workspace, const ContractionEpilogue &epilogue,
                     const ContractionPrefetch &prefetch, int64_t scratchOffset) {
  std::optional<ContractionPlan> plan = planContraction(spec);
  PieceEmitter(b, loc, extents, *plan, scratch, workspace, epilogue, prefetch, scratchOffset).emit(piece);
}

} // namespace gptc
