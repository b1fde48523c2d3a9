#include "passes/codegen/packing.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace gptc {

Value LoopBuilder::constant(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
Value LoopBuilder::add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(x, y); }
Value LoopBuilder::sub(Value x, Value y) { return b.createOrFold<arith::SubIOp>(x, y); }
Value LoopBuilder::mul(Value x, Value y) { return b.createOrFold<arith::MulIOp>(x, y); }
Value LoopBuilder::div(Value x, Value y) { return b.createOrFold<arith::DivUIOp>(x, y); }
Value LoopBuilder::rem(Value x, Value y) { return b.createOrFold<arith::RemUIOp>(x, y); }
Value LoopBuilder::ceilDiv(Value x, int64_t y) { return y == 1 ? x : div(add(x, y - 1), constant(y)); }
Value LoopBuilder::min(Value x, Value y) { return b.createOrFold<arith::MinSIOp>(x, y); }
Value LoopBuilder::max(Value x, Value y) { return b.createOrFold<arith::MaxSIOp>(x, y); }

Value LoopBuilder::less(Value x, Value y) {
  return b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::slt, x, y);
}

Value LoopBuilder::lessOrEqual(Value x, Value y) {
  return b.createOrFold<arith::CmpIOp>(arith::CmpIPredicate::sle, x, y);
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

Value LoopBuilder::loadVector(Value memref, Value index, int64_t lanes) {
  Type element = cast<MemRefType>(memref.getType()).getElementType();
  return vector::LoadOp::create(b, VectorType::get({lanes}, element), memref, ValueRange(index));
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
SmallVector<Value>
overDepthFrom(LoopBuilder &l, ArrayRef<DepthRange> ranges, DepthPoint point, ValueRange inits,
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
    return {interleave(l, rows[0], rows[1], lanes, 2, 1, false), interleave(l, rows[0], rows[1], lanes, 2, 1, true)};
  Value low01 = interleave(l, rows[0], rows[1], lanes, 4, 1, false);
  Value low23 = interleave(l, rows[2], rows[3], lanes, 4, 1, false);
  Value high01 = interleave(l, rows[0], rows[1], lanes, 4, 1, true);
  Value high23 = interleave(l, rows[2], rows[3], lanes, 4, 1, true);
  return {interleave(l, low01, low23, lanes, 4, 2, false), interleave(l, low01, low23, lanes, 4, 2, true),
          interleave(l, high01, high23, lanes, 4, 2, false), interleave(l, high01, high23, lanes, 4, 2, true)};
}
} // namespace

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
  return l.loop(main, range.count, 1, carried, [&](Value k, ValueRange values) { return body(k, 0, values); });
}

void packPanelB(LoopBuilder &l, const ContractionPlan &plan, ArrayRef<DepthRange> depth, Value b, Value base,
                int64_t columns, int64_t vectors, Value panel) {
  int64_t lanes = plan.spec->lanes, width = vectors * lanes;
  const gpt::Length &strideN = plan.dims[plan.n].strideB, &strideK = depth.back().strideB;
  Type element = cast<MemRefType>(b.getType()).getElementType();

  auto copyRow = [&](Value from, Value to) {
    for (int64_t j = 0; j < vectors; ++j) {
      int64_t valid = std::min(lanes, columns - j * lanes);
      Value source = l.add(from, j * lanes), row;
      if (valid == lanes) {
        row = l.loadVector(b, source, lanes);
      } else {
        auto type = VectorType::get({lanes}, element);
        Value mask = vector::ConstantMaskOp::create(l.b, VectorType::get({lanes}, l.b.getI1Type()),
                                                    ArrayRef<int64_t>{valid});
        Value zero = arith::ConstantOp::create(l.b, l.b.getZeroAttr(type));
        row = vector::MaskedLoadOp::create(l.b, type, b, ValueRange(source), mask, zero);
      }
      l.store(row, panel, l.add(to, j * lanes));
    }
  };
  auto gatherRow = [&](Value from, Value to) {
    l.loop(l.constant(0), l.constant(columns), 1, [&](Value column) {
      l.store(l.loadScalar(b, l.add(from, l.mul(column, strideN))), panel, l.add(to, column));
    });
  };
  // A square of 16 bytes by 16 bytes at a time in each quarter register: the rows come in
  // by 16-byte loads, so only the shuffles within quarters are left.
  int64_t quarter = 16 / plan.elementBytes();
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
        l.store(row, panel, l.add(to, i * width + j * lanes));
    }
  };

  overDepth(l, depth, {}, [&](const DepthPoint &point, ValueRange) -> SmallVector<Value> {
    Value source = l.add(base, point.offsetB), target = l.mul(point.flat, width);
    auto at = [&](Value k, int64_t u, auto &&row) {
      row(l.add(l.add(source, l.mul(k, strideK)), u * strideK),
          l.add(l.add(target, l.mul(k, width)), u * width));
    };
    if (plan.panelB != PanelKind::Transpose) {
      int64_t unroll = plan.panelB == PanelKind::Gather ? 1 : 4;
      unrolled(l, depth.back(), unroll, {}, [&](Value k, int64_t u, ValueRange) -> SmallVector<Value> {
        if (plan.panelB == PanelKind::Gather)
          at(k, u, gatherRow);
        else
          at(k, u, copyRow);
        return {};
      });
      return {};
    }
    Value count = depth.back().count;
    Value main = depth.back().fixed ? l.constant(*depth.back().fixed / quarter * quarter)
                                    : l.sub(count, l.rem(count, l.constant(quarter)));
    l.loop(l.constant(0), main, quarter, [&](Value k) { at(k, 0, transposeRows); });
    l.loop(main, count, 1, [&](Value k) { at(k, 0, gatherRow); });
    return {};
  });
}

Value tileStart(LoopBuilder &l, const ContractionPlan &plan, Value row) {
  int64_t size = plan.mSize();
  return size % plan.rows == 0 ? row : l.min(row, l.constant(size - plan.rows));
}

void packPanelA(LoopBuilder &l, const ContractionPlan &plan, ArrayRef<DepthRange> depth, Value a, Value base,
                Value lo, Value hi, Value panel) {
  int64_t rows = plan.rows;
  const gpt::Length &strideK = depth.back().strideA;
  Value tiles = l.ceilDiv(l.sub(hi, lo), rows);
  // Some k of all tiles, then the next: each line that a load touches is used up at once.
  overDepth(l, depth, {}, [&](const DepthPoint &point, ValueRange) -> SmallVector<Value> {
    auto pack = [&](Value k, int64_t steps) {
      Value from = l.add(l.add(base, point.offsetA), l.mul(k, strideK));
      Value to = l.mul(l.add(point.flat, k), rows);
      l.loop(l.constant(0), tiles, 1, [&](Value tile) {
        Value source = l.add(from, tileStart(l, plan, l.add(lo, l.mul(tile, rows))));
        Value target = l.add(to, l.mul(tile, plan.kPanel * rows));
        for (int64_t u = 0; u < steps; ++u)
          l.store(l.loadVector(a, l.add(source, u * strideK), rows), panel, l.add(target, u * rows));
      });
    };
    constexpr int64_t unroll = 8;
    Value count = depth.back().count;
    Value main = depth.back().fixed ? l.constant(*depth.back().fixed / unroll * unroll)
                                    : l.sub(count, l.rem(count, l.constant(unroll)));
    l.loop(l.constant(0), main, unroll, [&](Value k) { pack(k, unroll); });
    l.loop(main, count, 1, [&](Value k) { pack(k, 1); });
    return {};
  });
}

} // namespace gptc
