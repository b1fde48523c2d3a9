#include "passes/codegen/block_product.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace gptc {

int64_t PanelShape::tailVectors() const {
  return llvm::divideCeil(tail(), lanes);
}

PanelShape panelShape(int64_t depth, int64_t columns, int64_t lanes, bool isDouble) {
  PanelShape shape;
  shape.depth = depth;
  shape.columns = columns;
  shape.lanes = lanes;
  shape.isDouble = isDouble;
  shape.vectors = columns <= lanes ? 1 : 2;
  return shape;
}

static Type elementOf(LoopBuilder &l, const PanelShape &shape) {
  return shape.isDouble ? Type(l.b.getF64Type()) : Type(l.b.getF32Type());
}

/// Elements of scratch from byte `offset` on.
static Value viewAt(LoopBuilder &l, const PanelShape &shape, Value scratch, Value offset, int64_t elements) {
  auto type = MemRefType::get({elements}, elementOf(l, shape));
  return memref::ViewOp::create(l.b, type, scratch, offset, ValueRange());
}

/// Calls body(number of the panel, its columns, its vectors) for the panels that hold columns
/// lower ... upper - 1.
static void overPanels(LoopBuilder &l, const PanelShape &shape, Value lower, Value upper,
                       function_ref<void(Value, int64_t, int64_t)> body) {
  int64_t width = shape.width(), whole = shape.whole();
  if (whole > 0) {
    Value first = l.div(lower, l.constant(width));
    Value last = l.min(l.ceilDiv(upper, width), l.constant(whole));
    l.loop(first, last, 1, [&](Value panel) { body(panel, width, shape.vectors); });
  }
  if (shape.tail() == 0)
    return;
  auto tail = [&] { body(l.constant(whole), shape.tail(), shape.tailVectors()); };
  if (whole == 0)
    return tail();
  l.branch(l.less(l.constant(whole * width), upper), tail, nullptr);
}

namespace {

/// B where it lies, and the panels that it goes to.
struct Packing {
  const PanelShape &shape;
  Value b, base, panels; ///< B[k, n] at base + k * strideK + n * strideN; all panels
  gpt::Length strideK, strideN;
};

/// Columns are contiguous and few: row by row, each into all panels, so that no line is left half read.
void packRows(LoopBuilder &l, const Packing &p, Value depth) {
  constexpr int64_t ahead = 12; // rows
  int64_t lanes = p.shape.lanes;
  l.loop(l.constant(0), depth, 1, [&](Value k) {
    Value from = l.add(p.base, l.mul(k, p.strideK));
    for (int64_t n = 0; n < p.shape.columns; n += lanes) {
      int64_t panel = n / p.shape.width(), valid = std::min(lanes, p.shape.columns - n);
      int64_t width = panel < p.shape.whole() ? p.shape.width() : p.shape.tailVectors() * lanes;
      l.prefetch(p.b, l.add(l.add(from, n), ahead * p.strideK));
      Value row = l.loadVector(p.b, l.add(from, n), lanes, valid);
      int64_t start = panel * p.shape.depth * p.shape.width() + n % p.shape.width();
      l.store(row, p.panels, l.add(l.mul(k, width), start));
    }
  });
}

/// k is contiguous: squares of whole vectors, then what is left of k one by one.
void packColumns(LoopBuilder &l, const Packing &p, Value depth, Value columns) {
  int64_t lanes = p.shape.lanes;
  Value main = l.sub(depth, l.rem(depth, l.constant(lanes)));
  overPanels(l, p.shape, l.constant(0), columns, [&](Value panel, int64_t valid, int64_t vectors) {
    int64_t width = vectors * lanes;
    Value to = l.mul(panel, p.shape.depth * p.shape.width());
    for (int64_t j = 0; j < vectors; ++j) {
      Value first = l.add(p.base, l.mul(l.add(l.mul(panel, p.shape.width()), j * lanes), p.strideN));
      int64_t last = std::min(lanes, valid - j * lanes) - 1; // columns past the end repeat the last one
      l.loop(l.constant(0), main, lanes, [&](Value k) {
        SmallVector<Value> rows;
        for (int64_t i = 0; i < lanes; ++i) {
          Value from = l.add(l.add(first, std::min(i, last) * p.strideN), k);
          l.prefetch(p.b, l.add(from, lanes * p.strideN));
          rows.push_back(l.loadVector(p.b, from, lanes));
        }
        rows = transposeSquare(l, rows, p.shape.isDouble ? 2 : 4);
        for (int64_t i = 0; i < lanes; ++i)
          l.store(rows[i], p.panels, l.add(l.add(to, l.mul(l.add(k, i), width)), j * lanes));
      });
      l.loop(main, depth, 1, [&](Value k) {
        l.loop(l.constant(0), l.constant(last + 1), 1, [&](Value i) {
          Value element = l.loadScalar(p.b, l.add(l.add(first, l.mul(i, p.strideN)), k));
          l.store(element, p.panels, l.add(l.add(l.add(to, l.mul(k, width)), j * lanes), i));
        });
      });
    }
  });
}

/// Whatever the strides are.
void packElements(LoopBuilder &l, const Packing &p, Value depth, Value columns) {
  overPanels(l, p.shape, l.constant(0), columns, [&](Value panel, int64_t valid, int64_t vectors) {
    Value from = l.add(p.base, l.mul(panel, p.shape.width() * p.strideN));
    Value to = l.mul(panel, p.shape.depth * p.shape.width());
    l.loop(l.constant(0), depth, 1, [&](Value k) {
      l.loop(l.constant(0), l.constant(valid), 1, [&](Value n) {
        Value element = l.loadScalar(p.b, l.add(l.add(from, l.mul(k, p.strideK)), l.mul(n, p.strideN)));
        l.store(element, p.panels, l.add(l.add(to, l.mul(k, vectors * p.shape.lanes)), n));
      });
    });
  });
}

/// Columns are contiguous, panel by panel.
void packPanelRows(LoopBuilder &l, const Packing &p, Value depth, Value columns) {
  int64_t lanes = p.shape.lanes;
  overPanels(l, p.shape, l.constant(0), columns, [&](Value panel, int64_t valid, int64_t vectors) {
    Value from = l.add(p.base, l.mul(panel, p.shape.width()));
    Value to = l.mul(panel, p.shape.depth * p.shape.width());
    l.loop(l.constant(0), depth, 1, [&](Value k) {
      for (int64_t j = 0; j < vectors; ++j) {
        Value source = l.add(l.add(from, l.mul(k, p.strideK)), j * lanes);
        Value row = l.loadVector(p.b, source, lanes, valid - j * lanes);
        l.store(row, p.panels, l.add(l.add(to, l.mul(k, vectors * lanes)), j * lanes));
      }
    });
  });
}

} // namespace

void packPanels(LoopBuilder &l, const PanelShape &shape, Value scratch, int64_t offset, Value b, Value base,
                const gpt::Length &strideK, const gpt::Length &strideN, Value depth, Value columns) {
  Packing p{shape,   b,      base, viewAt(l, shape, scratch, l.constant(offset), shape.elements()),
            strideK, strideN};
  if (strideN == 1 && shape.columns <= 16 * shape.lanes)
    packRows(l, p, depth);
  else if (strideN == 1)
    packPanelRows(l, p, depth, columns);
  else if (strideK == 1)
    packColumns(l, p, depth, columns);
  else
    packElements(l, p, depth, columns);
}

namespace {

/// The register tile of `rows` x `vectors` whose first element is C[m, n].
void emitTile(LoopBuilder &l, const BlockProduct &p, Value panels, Value panelBase, Value m, Value n,
              int64_t rows, int64_t valid, int64_t vectors) {
  int64_t lanes = p.shape.lanes, width = vectors * lanes;
  auto type = VectorType::get({lanes}, elementOf(l, p.shape));
  Value zero = arith::ConstantOp::create(l.b, l.b.getZeroAttr(type));
  Value place = l.add(l.add(p.baseC, l.mul(m, p.strideC)), n);
  auto maskOf = [&](int64_t j) -> Value {
    int64_t exists = std::min(lanes, valid - j * lanes);
    if (!p.exact || exists == lanes)
      return {};
    return vector::ConstantMaskOp::create(l.b, VectorType::get({lanes}, l.b.getI1Type()),
                                          ArrayRef<int64_t>{exists});
  };
  auto placeOf = [&](int64_t r, int64_t j) { return l.add(place, r * p.strideC + j * lanes); };

  SmallVector<Value> sums;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < vectors; ++j) {
      if (!p.accumulate)
        sums.push_back(zero);
      else if (Value mask = maskOf(j))
        sums.push_back(vector::MaskedLoadOp::create(l.b, type, p.c, ValueRange(placeOf(r, j)), mask, zero));
      else
        sums.push_back(l.loadVector(p.c, placeOf(r, j), lanes));
    }
  Value beginA = l.add(l.add(p.baseA, l.mul(m, p.strideM)), l.mul(p.kLower, p.strideK));
  Value beginB = l.add(panelBase, l.mul(p.kLower, width));
  DepthRange depth;
  depth.count = p.fixedDepth ? l.constant(p.shape.depth) : l.sub(p.kUpper, p.kLower);
  if (p.fixedDepth)
    depth.fixed = p.shape.depth;
  sums = unrolled(l, depth, 4, sums, [&](Value k, int64_t u, ValueRange carried) {
    SmallVector<Value> columns, next(carried);
    Value indexA = l.add(beginA, l.mul(k, p.strideK)), indexB = l.add(beginB, l.mul(k, width));
    for (int64_t j = 0; j < vectors; ++j)
      columns.push_back(l.loadVector(panels, l.add(indexB, u * width + j * lanes), lanes));
    for (int64_t r = 0; r < rows; ++r) {
      Value scalar = l.loadScalar(p.a, l.add(indexA, u * p.strideK + r * p.strideM));
      Value row = vector::BroadcastOp::create(l.b, type, scalar);
      for (int64_t j = 0; j < vectors; ++j) {
        Value &sum = next[r * vectors + j];
        if (p.fma)
          sum = vector::FMAOp::create(l.b, row, columns[j], sum);
        else
          sum = arith::AddFOp::create(l.b, sum, arith::MulFOp::create(l.b, row, columns[j]));
      }
    }
    return next;
  });
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < vectors; ++j) {
      Value sum = sums[r * vectors + j];
      if (Value mask = maskOf(j))
        vector::MaskedStoreOp::create(l.b, p.c, ValueRange(placeOf(r, j)), mask, sum);
      else
        l.store(sum, p.c, placeOf(r, j));
    }
}

} // namespace

void emitBlockProduct(LoopBuilder &l, const BlockProduct &p) {
  Value panels = viewAt(l, p.shape, p.scratch, l.constant(p.panelsAt), p.shape.elements());
  overPanels(l, p.shape, p.nLower, p.nUpper, [&](Value panel, int64_t valid, int64_t vectors) {
    Value base = l.mul(panel, p.shape.depth * p.shape.width()), n = l.mul(panel, p.shape.width());
    auto tiles = [&](Value from, Value to, int64_t rows) {
      l.loop(from, to, rows, [&](Value m) { emitTile(l, p, panels, base, m, n, rows, valid, vectors); });
    };
    if (p.wholeTiles)
      return tiles(p.mLower, p.mUpper, p.rows);
    Value left = l.rem(l.sub(p.mUpper, p.mLower), l.constant(p.rows));
    Value rest = l.sub(p.mUpper, left);
    tiles(p.mLower, rest, p.rows);
    tiles(rest, p.mUpper, 1);
  });
}

} // namespace gptc
