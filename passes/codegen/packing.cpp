#include "passes/codegen/packing.h"

#include "passes/codegen/panel_elements.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

#include <numeric>

using namespace mlir;

namespace gptc {

Value LoopBuilder::constant(int64_t value) {
  return arith::ConstantIndexOp::create(b, value);
}
Value LoopBuilder::add(Value x, Value y) {
  return b.createOrFold<arith::AddIOp>(x, y);
}
Value LoopBuilder::sub(Value x, Value y) {
  return b.createOrFold<arith::SubIOp>(x, y);
}
Value LoopBuilder::mul(Value x, Value y) {
  return b.createOrFold<arith::MulIOp>(x, y);
}
Value LoopBuilder::div(Value x, Value y) {
  return b.createOrFold<arith::DivUIOp>(x, y);
}
Value LoopBuilder::rem(Value x, Value y) {
  return b.createOrFold<arith::RemUIOp>(x, y);
}
Value LoopBuilder::ceilDiv(Value x, int64_t y) {
  return y == 1 ? x : div(add(x, y - 1), constant(y));
}
Value LoopBuilder::min(Value x, Value y) {
  return b.createOrFold<arith::MinSIOp>(x, y);
}
Value LoopBuilder::max(Value x, Value y) {
  return b.createOrFold<arith::MaxSIOp>(x, y);
}

Value LoopBuilder::less(Value x, Value y) {
  return b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::slt, x, y);
}

Value LoopBuilder::lessOrEqual(Value x, Value y) {
  return b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::sle, x, y);
}

Value LoopBuilder::equal(Value x, Value y) {
  return b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::eq, x, y);
}

SmallVector<Value> LoopBuilder::loop(Value lo, Value hi, int64_t step, ValueRange inits, Body body) {
  llvm::APInt first, last;
  if (matchPattern(lo, m_ConstantInt(&first)) && matchPattern(hi, m_ConstantInt(&last))) {
    int64_t distance = last.getSExtValue() - first.getSExtValue();
    if (distance <= 0)
      return SmallVector<Value>(inits);
    if (distance <= step)
      return body(lo, inits);
  }
  auto forOp = scf::ForOp::create(b, lo, hi, constant(step), inits);
  OpBuilder::InsertionGuard guard(b);
  Block *block = forOp.getBody();
  if (inits.empty())
    b.setInsertionPoint(block->getTerminator());
  else
    b.setInsertionPointToEnd(block);
  SmallVector<Value> next = body(forOp.getInductionVar(), forOp.getRegionIterArgs());
  if (!inits.empty())
    scf::YieldOp::create(b, next);
  return SmallVector<Value>(forOp.getResults());
}

void LoopBuilder::loop(Value lo, Value hi, int64_t step, function_ref<void(Value)> body) {
  loop(lo, hi, step, ValueRange(), [&](Value i, ValueRange) -> SmallVector<Value> {
    body(i);
    return {};
  });
}

void LoopBuilder::branch(Value condition, function_ref<void()> then, function_ref<void()> otherwise) {
  llvm::APInt known;
  if (matchPattern(condition, m_ConstantInt(&known))) {
    if (!known.isZero())
      then();
    else if (otherwise)
      otherwise();
    return;
  }
  auto ifOp = scf::IfOp::create(b, condition, /*withElseRegion=*/static_cast<bool>(otherwise));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(ifOp.thenBlock()->getTerminator());
  then();
  if (otherwise) {
    b.setInsertionPoint(ifOp.elseBlock()->getTerminator());
    otherwise();
  }
}

SmallVector<Value> LoopBuilder::choose(Value condition, Values then, Values otherwise) {
  llvm::APInt known;
  if (matchPattern(condition, m_ConstantInt(&known)))
    return known.isZero() ? otherwise() : then();
  auto region = [&](Values values) {
    return [&, values](OpBuilder &inner, Location loc) {
      OpBuilder::InsertionGuard guard(b);
      b.restoreInsertionPoint(inner.saveInsertionPoint());
      scf::YieldOp::create(b, values());
    };
  };
  return SmallVector<Value>(scf::IfOp::create(b, condition, region(then), region(otherwise)).getResults());
}

Value LoopBuilder::loadVector(Value memref, Value index, int64_t lanes) {
  Type element = cast<MemRefType>(memref.getType()).getElementType();
  return vector::LoadOp::create(b, VectorType::get({lanes}, element), memref, ValueRange(index));
}

Value LoopBuilder::loadVector(Value memref, Value index, int64_t lanes, int64_t valid) {
  if (valid >= lanes)
    return loadVector(memref, index, lanes);
  auto type = VectorType::get({lanes}, cast<MemRefType>(memref.getType()).getElementType());
  Value mask =
      vector::ConstantMaskOp::create(b, VectorType::get({lanes}, b.getI1Type()), ArrayRef<int64_t>{valid});
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type));
  return vector::MaskedLoadOp::create(b, type, memref, ValueRange(index), mask, zero);
}

void LoopBuilder::prefetch(Value memref, Value index, bool near) {
  memref::PrefetchOp::create(b, memref, ValueRange(index), /*isWrite=*/false, /*localityHint=*/near ? 3 : 2,
                             /*isDataCache=*/true);
}

Value LoopBuilder::loadScalar(Value memref, Value index) {
  return memref::LoadOp::create(b, memref, ValueRange(index));
}

void LoopBuilder::store(Value value, Value memref, Value index) {
  if (isa<VectorType>(value.getType()))
    vector::StoreOp::create(b, value, memref, ValueRange(index));
  else
    memref::StoreOp::create(b, value, memref, ValueRange(index));
}

namespace {
SmallVector<Value> overDepthFrom(LoopBuilder &l, ArrayRef<DepthRange> ranges, DepthPoint point,
                                 ValueRange inits,
                                 function_ref<SmallVector<Value>(const DepthPoint &, ValueRange)> leaf) {
  if (ranges.size() == 1)
    return leaf(point, inits);
  const DepthRange &range = ranges.front();
  return l.loop(l.constant(0), range.count, 1, inits, [&](Value k, ValueRange carried) {
    DepthPoint inner;
    inner.offsetA = l.add(point.offsetA, l.mul(k, range.strideA));
    inner.offsetB = l.add(point.offsetB, l.mul(k, range.strideB));
    inner.flat = l.mul(l.add(point.flat, k), ranges[1].count);
    return overDepthFrom(l, ranges.drop_front(), inner, carried, leaf);
  });
}

/// A vector of `lanes` elements out of quarter registers: lane group q is
/// `parts[q]` (16 bytes).
Value joinQuarters(LoopBuilder &l, ArrayRef<Value> parts, int64_t lanes) {
  SmallVector<Value> joined(parts);
  int64_t width = lanes / parts.size();
  while (joined.size() > 1) {
    SmallVector<int64_t> mask(2 * width);
    for (int64_t i = 0; i < 2 * width; ++i)
      mask[i] = i;
    SmallVector<Value> next;
    for (size_t i = 0; i < joined.size(); i += 2)
      next.push_back(vector::ShuffleOp::create(l.b, joined[i], joined[i + 1], mask));
    joined = std::move(next);
    width *= 2;
  }
  return joined.front();
}

/// Interleaves x and y by units of `unit` elements within each 16 bytes (`quarter`
/// elements): the low or the high halves.
Value interleave(LoopBuilder &l, Value x, Value y, int64_t lanes, int64_t quarter, int64_t unit, bool high) {
  SmallVector<int64_t> mask;
  for (int64_t q = 0; q < lanes; q += quarter)
    for (int64_t i = 0; i < quarter / 2; i += unit)
      for (int64_t source = 0; source < 2; ++source)
        for (int64_t e = 0; e < unit; ++e)
          mask.push_back(source * lanes + q + (high ? quarter / 2 : 0) + i + e);
  return vector::ShuffleOp::create(l.b, x, y, mask);
}

/// In each 16 bytes, transposes the square that rows[0], rows[1], ... hold there.
SmallVector<Value> transposeQuarters(LoopBuilder &l, ArrayRef<Value> rows, int64_t lanes) {
  int64_t quarter = rows.size();
  if (quarter == 2)
    return {interleave(l, rows[0], rows[1], lanes, 2, 1, false),
            interleave(l, rows[0], rows[1], lanes, 2, 1, true)};
  Value low01 = interleave(l, rows[0], rows[1], lanes, 4, 1, false);
  Value low23 = interleave(l, rows[2], rows[3], lanes, 4, 1, false);
  Value high01 = interleave(l, rows[0], rows[1], lanes, 4, 1, true);
  Value high23 = interleave(l, rows[2], rows[3], lanes, 4, 1, true);
  return {interleave(l, low01, low23, lanes, 4, 2, false), interleave(l, low01, low23, lanes, 4, 2, true),
          interleave(l, high01, high23, lanes, 4, 2, false),
          interleave(l, high01, high23, lanes, 4, 2, true)};
}

/// Quarter registers of x and y in the order `picks`: 0, 1, ... are x's, then come y's.
Value pickQuarters(LoopBuilder &l, Value x, Value y, int64_t quarter, ArrayRef<int64_t> picks) {
  SmallVector<int64_t> mask;
  for (int64_t pick : picks)
    for (int64_t e = 0; e < quarter; ++e)
      mask.push_back(pick * quarter + e);
  return vector::ShuffleOp::create(l.b, x, y, mask);
}

} // namespace

SmallVector<Value> transposeSquare(LoopBuilder &l, ArrayRef<Value> rows, int64_t quarter) {
  int64_t lanes = rows.size(), quarters = lanes / quarter;
  SmallVector<SmallVector<Value>> groups; // groups[g][i]: element i of each quarter of rows g * quarter ...
  for (int64_t g = 0; g < quarters; ++g)
    groups.push_back(transposeQuarters(l, rows.slice(g * quarter, quarter), lanes));
  SmallVector<Value> result(lanes);
  for (int64_t i = 0; i < quarter; ++i) {
    auto set = [&](int64_t q, Value row) { result[q * quarter + i] = row; };
    if (quarters == 1) {
      set(0, groups[0][i]);
    } else if (quarters == 2) {
      set(0, pickQuarters(l, groups[0][i], groups[1][i], quarter, {0, 2}));
      set(1, pickQuarters(l, groups[0][i], groups[1][i], quarter, {1, 3}));
    } else {
      Value low01 = pickQuarters(l, groups[0][i], groups[1][i], quarter, {0, 1, 4, 5});
      Value low23 = pickQuarters(l, groups[2][i], groups[3][i], quarter, {0, 1, 4, 5});
      Value high01 = pickQuarters(l, groups[0][i], groups[1][i], quarter, {2, 3, 6, 7});
      Value high23 = pickQuarters(l, groups[2][i], groups[3][i], quarter, {2, 3, 6, 7});
      set(0, pickQuarters(l, low01, low23, quarter, {0, 2, 4, 6}));
      set(1, pickQuarters(l, low01, low23, quarter, {1, 3, 5, 7}));
      set(2, pickQuarters(l, high01, high23, quarter, {0, 2, 4, 6}));
      set(3, pickQuarters(l, high01, high23, quarter, {1, 3, 5, 7}));
    }
  }
  return result;
}

SmallVector<Value> overDepth(LoopBuilder &l, ArrayRef<DepthRange> ranges, ValueRange inits,
                             function_ref<SmallVector<Value>(const DepthPoint &, ValueRange)> leaf) {
  Value zero = l.constant(0);
  return overDepthFrom(l, ranges, {zero, zero, zero}, inits, leaf);
}

SmallVector<Value> unrolled(LoopBuilder &l, const DepthRange &range, int64_t unroll, ValueRange inits,
                            function_ref<SmallVector<Value>(Value, int64_t, ValueRange)> body) {
  Value main = range.fixed ? l.constant(*range.fixed - *range.fixed % unroll)
                           : l.sub(range.count, l.rem(range.count, l.constant(unroll)));
  SmallVector<Value> carried = l.loop(l.constant(0), main, unroll, inits, [&](Value k, ValueRange values) {
    SmallVector<Value> now(values);
    for (int64_t u = 0; u < unroll; ++u)
      now = body(k, u, now);
    return now;
  });
  if (range.fixed && *range.fixed % unroll == 0)
    return carried;
  return l.loop(main, range.count, 1, carried,
                [&](Value k, ValueRange values) { return body(k, 0, values); });
}

namespace {
/// The part of a range in which every count has all its elements; after it, pairs of one.
DepthRange wholePart(const ContractionPlan &plan, const DepthRange &range) {
  DepthRange whole = range;
  if (plan.pairs) {
    whole.count = range.whole;
    whole.fixed = range.fixedWhole;
  }
  return whole;
}

Value multipleOf(LoopBuilder &l, const DepthRange &range, int64_t unit) {
  return range.fixed ? l.constant(*range.fixed / unit * unit)
                     : l.sub(range.count, l.rem(range.count, l.constant(unit)));
}
} // namespace

void prefetchRow(LoopBuilder &l, const ContractionPlan &plan, Value b, Value at, const gpt::Length &half) {
  l.prefetch(b, at, /*near=*/false);
  if (plan.pairs)
    l.prefetch(b, l.add(at, half), /*near=*/false);
}

void packPanelB(LoopBuilder &l, const ContractionPlan &plan, ArrayRef<DepthRange> depth, Value b, Value base,
                int64_t columns, int64_t vectors, Value panel, Value start) {
  int64_t lanes = plan.spec->lanes, width = vectors * lanes;
  const gpt::Length &strideN = plan.dims[plan.n].strideB, &strideK = depth.back().strideB;
  const gpt::Length &half = depth.back().halfB;
  PanelElements elements(l, plan.bf16());
  constexpr int64_t ahead = 16; // rows

  auto copyRow = [&](Value from, Value to, bool single) {
    for (int64_t j = 0; j < vectors; ++j) {
      int64_t valid = std::min(lanes, columns - j * lanes);
      auto load = [&](Value source) { return l.loadVector(b, source, lanes, valid); };
      // Rows lie far apart: no stream that the hardware would see.
      if (plan.shared)
        l.prefetch(b, l.add(l.add(from, j * lanes), ahead * strideK));
      l.store(elements.at(l.add(from, j * lanes), half, single, load), panel, l.add(to, j * lanes));
    }
  };
  auto gatherRow = [&](Value from, Value to, bool single) {
    l.loop(l.constant(0), l.constant(columns), 1, [&](Value column) {
      Value value = elements.at(l.add(from, l.mul(column, strideN)), half, single,
                                [&](Value source) { return l.loadScalar(b, source); });
      l.store(value, panel, l.add(to, column));
    });
  };
  // Whole registers of k, so that each line of memory is touched once: the columns may lie a multiple of 4
  // KiB apart, where few lines at a time stay in the first cache.
  int64_t quarter = 16 / plan.elementBytes();
  auto transposeSquares = [&](Value from, Value to) {
    for (int64_t j = 0; j < vectors; ++j) {
      SmallVector<Value> rows;
      for (int64_t i = 0; i < lanes; ++i) {
        Value source = l.add(from, std::min(j * lanes + i, columns - 1) * strideN);
        if (!plan.pairs) {
          rows.push_back(l.loadVector(b, source, lanes));
          continue;
        }
        if (plan.narrowB()) {
          rows.push_back(elements.pairsOf(l.loadVector(b, source, 2 * lanes)));
          continue;
        }
        SmallVector<int64_t> joined(lanes);
        std::iota(joined.begin(), joined.end(), 0);
        rows.push_back(vector::ShuffleOp::create(
            l.b, elements.pairsOf(l.loadVector(b, source, lanes)),
            elements.pairsOf(l.loadVector(b, l.add(source, lanes), lanes)), joined));
      }
      for (auto [i, row] : llvm::enumerate(transposeSquare(l, rows, quarter)))
        l.store(plan.pairs ? row : elements.rounded(row), panel, l.add(to, i * width + j * lanes));
    }
  };
  // What is left: squares of 16 bytes by 16 bytes in each quarter register, which come in by 16-byte loads.
  auto transposeRows = [&](Value from, Value to) {
    for (int64_t j = 0; j < vectors; ++j) {
      SmallVector<Value> rows;
      for (int64_t i = 0; i < quarter; ++i) {
        SmallVector<Value> parts;
        for (int64_t q = 0; q < lanes; q += quarter) {
          int64_t column = std::min(j * lanes + q + i, columns - 1);
          parts.push_back(l.loadVector(b, l.add(from, column * strideN), quarter));
        }
        rows.push_back(joinQuarters(l, parts, lanes));
      }
      for (auto [i, row] : llvm::enumerate(transposeQuarters(l, rows, lanes)))
        l.store(elements.rounded(row), panel, l.add(to, i * width + j * lanes));
    }
  };

  overDepth(l, depth, {}, [&](const DepthPoint &point, ValueRange) -> SmallVector<Value> {
    Value source = l.add(base, point.offsetB), target = l.add(start, l.mul(point.flat, width));
    auto at = [&](Value k, int64_t u, auto &&row) {
      row(l.add(l.add(source, l.mul(k, strideK)), u * strideK),
          l.add(l.add(target, l.mul(k, width)), u * width));
    };
    bool copies = plan.panelB == PanelKind::Copy || plan.panelB == PanelKind::Direct;
    auto byRow = [&](Value k, int64_t u, bool single) {
      at(k, u,
         [&](Value from, Value to) { copies ? copyRow(from, to, single) : gatherRow(from, to, single); });
    };
    DepthRange whole = wholePart(plan, depth.back());
    if (plan.panelB != PanelKind::Transpose) {
      unrolled(l, whole, copies ? 4 : 1, {}, [&](Value k, int64_t u, ValueRange) -> SmallVector<Value> {
        byRow(k, u, false);
        return {};
      });
    } else {
      Value squares = multipleOf(l, whole, lanes),
            quarters = plan.pairs ? squares : multipleOf(l, whole, quarter);
      l.loop(l.constant(0), squares, lanes, [&](Value k) { at(k, 0, transposeSquares); });
      if (!plan.pairs)
        l.loop(squares, quarters, quarter, [&](Value k) { at(k, 0, transposeRows); });
      l.loop(quarters, whole.count, 1, [&](Value k) { byRow(k, 0, false); });
    }
    if (plan.pairs)
      l.loop(whole.count, depth.back().count, 1, [&](Value k) { byRow(k, 0, true); });
    return {};
  });
}

Value tileStart(LoopBuilder &l, const ContractionPlan &plan, Value row) {
  int64_t size = plan.mSize();
  return size % plan.rows == 0 ? row : l.min(row, l.constant(size - plan.rows));
}

/// panel[tile][row][k]: whole registers along k, where it is contiguous.
static void copyRows(LoopBuilder &l, const ContractionPlan &plan, ArrayRef<DepthRange> depth, Value a,
                     Value base, Value lo, Value tiles, Value panel, Value start) {
  int64_t rows = plan.rows, lanes = plan.spec->lanes, pitch = plan.pitchA();
  gpt::Length strideM = plan.m ? plan.dims[*plan.m].strideA : gpt::Length();
  const gpt::Length &strideK = depth.back().strideA, &half = depth.back().halfA;
  int64_t step = plan.pairs ? 2 : 1, unit = lanes / step; // a register of elements: pairs, or elements
  PanelElements elements(l, plan.bf16());
  l.loop(l.constant(0), tiles, 1, [&](Value tile) {
    Value first = tileStart(l, plan, l.add(lo, l.mul(tile, rows)));
    l.loop(l.constant(0), l.constant(rows), 1, [&](Value row) {
      Value from = l.add(base, l.mul(l.add(first, row), strideM));
      Value to = l.add(start, l.mul(l.add(l.mul(tile, rows), row), pitch));
      overDepth(l, depth, {}, [&](const DepthPoint &point, ValueRange) -> SmallVector<Value> {
        Value source = l.add(from, point.offsetA), target = l.add(to, point.flat);
        DepthRange whole = wholePart(plan, depth.back());
        Value vectors = strideK == step ? multipleOf(l, whole, unit) : l.constant(0);
        l.loop(l.constant(0), vectors, unit, [&](Value k) {
          Value read = l.loadVector(a, l.add(source, l.mul(k, strideK)), lanes);
          l.store(plan.pairs ? elements.pairsOf(read) : elements.rounded(read), panel, l.add(target, k));
        });
        auto one = [&](Value k, bool single) {
          Value value = elements.at(l.add(source, l.mul(k, strideK)), half, single,
                                    [&](Value at) { return l.loadScalar(a, at); });
          l.store(value, panel, l.add(target, k));
        };
        l.loop(vectors, whole.count, 1, [&](Value k) { one(k, false); });
        if (plan.pairs)
          l.loop(whole.count, depth.back().count, 1, [&](Value k) { one(k, true); });
        return {};
      });
    });
  });
}

void packPanelA(LoopBuilder &l, const ContractionPlan &plan, ArrayRef<DepthRange> depth, Value a, Value base,
                Value lo, Value hi, Value panel, Value start) {
  int64_t rows = plan.rows;
  const gpt::Length &strideK = depth.back().strideA, &half = depth.back().halfA;
  Value tiles = l.ceilDiv(l.sub(hi, lo), rows);
  if (plan.panelA == RowsKind::Rows)
    return copyRows(l, plan, depth, a, base, lo, tiles, panel, start);
  PanelElements elements(l, plan.bf16());
  // Some k of all tiles, then the next: each line that a load touches is used up at once.
  overDepth(l, depth, {}, [&](const DepthPoint &point, ValueRange) -> SmallVector<Value> {
    auto pack = [&](Value k, int64_t steps, bool single) {
      Value from = l.add(l.add(base, point.offsetA), l.mul(k, strideK));
      Value to = l.add(start, l.mul(l.add(point.flat, k), rows));
      l.loop(l.constant(0), tiles, 1, [&](Value tile) {
        Value source = l.add(from, tileStart(l, plan, l.add(lo, l.mul(tile, rows))));
        Value target = l.add(to, l.mul(tile, plan.tileElements()));
        for (int64_t u = 0; u < steps; ++u) {
          Value value = elements.at(l.add(source, u * strideK), half, single,
                                    [&](Value at) { return l.loadVector(a, at, rows); });
          l.store(value, panel, l.add(target, u * rows));
        }
      });
    };
    constexpr int64_t unroll = 8;
    DepthRange whole = wholePart(plan, depth.back());
    Value main = multipleOf(l, whole, unroll);
    l.loop(l.constant(0), main, unroll, [&](Value k) { pack(k, unroll, false); });
    l.loop(main, whole.count, 1, [&](Value k) { pack(k, 1, false); });
    if (plan.pairs)
      l.loop(whole.count, depth.back().count, 1, [&](Value k) { pack(k, 1, true); });
    return {};
  });
}

} // namespace gptc
