#include "passes/codegen/block_product.h"

#include "passes/codegen/panel_elements.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;

namespace gptc {

int64_t PanelShape::tailVectors() const {
  return llvm::divideCeil(tail(), lanes);
}

Type PanelShape::element(MLIRContext *context) const {
  if (bf16 == Bf16::Dot)
    return IntegerType::get(context, 32);
  return isDouble ? Type(Float64Type::get(context)) : Float32Type::get(context);
}

PanelShape panelShape(int64_t depth, int64_t columns, int64_t lanes, bool isDouble, Bf16 bf16) {
  PanelShape shape;
  shape.depth = depth;
  shape.columns = columns;
  shape.lanes = lanes;
  shape.isDouble = isDouble;
  shape.bf16 = bf16;
  shape.vectors = columns <= lanes ? 1 : 2;
  return shape;
}

/// What panels hold, in scratch from byte `offset` on.
static Value viewAt(LoopBuilder &l, const PanelShape &shape, Value scratch, int64_t offset, int64_t elements) {
  auto type = MemRefType::get({elements}, shape.element(l.b.getContext()));
  return memref::ViewOp::create(l.b, type, scratch, l.constant(offset), ValueRange());
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

/// Calls body(step, whether it is a pair of one) for the steps of k = 0 ... depth - 1.
static void overSteps(LoopBuilder &l, const PanelShape &shape, Value depth,
                      function_ref<void(Value, bool)> body) {
  Value whole = l.div(depth, l.constant(shape.step()));
  l.loop(l.constant(0), whole, 1, [&](Value step) { body(step, false); });
  if (shape.step() > 1)
    l.loop(whole, l.ceilDiv(depth, shape.step()), 1, [&](Value step) { body(step, true); });
}

/// A vector of `lanes` out of two of half as many.
static Value joined(LoopBuilder &l, Value low, Value high, int64_t lanes) {
  SmallVector<int64_t> order(lanes);
  std::iota(order.begin(), order.end(), 0);
  return vector::ShuffleOp::create(l.b, low, high, order);
}

namespace {

/// B where it lies, and the panels that it goes to.
struct Packing {
  const PanelShape &shape;
  Value b, base, panels; ///< B[k, n] at base + k * strideK + n * strideN; all panels
  gpt::Length strideK, strideN;
  PanelElements elements;

  Value vectorAt(LoopBuilder &l, Value from, bool single, int64_t valid) {
    return elements.at(from, strideK, single,
                       [&](Value at) { return l.loadVector(b, at, shape.lanes, valid); });
  }
  Value scalarAt(LoopBuilder &l, Value from, bool single) {
    return elements.at(from, strideK, single, [&](Value at) { return l.loadScalar(b, at); });
  }
};

/// Columns are contiguous and few: row by row, each into all panels, so that no line is left half read.
void packRows(LoopBuilder &l, Packing &p, Value depth) {
  constexpr int64_t ahead = 12; // rows
  int64_t lanes = p.shape.lanes, step = p.shape.step();
  overSteps(l, p.shape, depth, [&](Value k, bool single) {
    Value from = l.add(p.base, l.mul(k, step * p.strideK));
    for (int64_t n = 0; n < p.shape.columns; n += lanes) {
      int64_t panel = n / p.shape.width(), valid = std::min(lanes, p.shape.columns - n);
      int64_t width = panel < p.shape.whole() ? p.shape.width() : p.shape.tailVectors() * lanes;
      for (int64_t i = 0; i < step; ++i)
        l.prefetch(p.b, l.add(l.add(from, n), (ahead + i) * p.strideK));
      int64_t start = panel * p.shape.steps() * p.shape.width() + n % p.shape.width();
      l.store(p.vectorAt(l, l.add(from, n), single, valid), p.panels, l.add(l.mul(k, width), start));
    }
  });
}

/// k is contiguous: squares of whole vectors, then what is left of k step by step.
void packColumns(LoopBuilder &l, Packing &p, Value depth, Value columns) {
  int64_t lanes = p.shape.lanes, step = p.shape.step();
  auto multiple = [&](int64_t unit) { return l.sub(depth, l.rem(depth, l.constant(unit))); };
  overPanels(l, p.shape, l.constant(0), columns, [&](Value panel, int64_t valid, int64_t vectors) {
    int64_t width = vectors * lanes;
    Value to = l.mul(panel, p.shape.steps() * p.shape.width());
    for (int64_t j = 0; j < vectors; ++j) {
      Value first = l.add(p.base, l.mul(l.add(l.mul(panel, p.shape.width()), j * lanes), p.strideN));
      int64_t last = std::min(lanes, valid - j * lanes) - 1; // columns past the end repeat the last one
      // In pairs, a register of steps is two of k; one of k is half a register.
      auto squares = [&](Value k, int64_t registers) {
        SmallVector<Value> rows;
        for (int64_t i = 0; i < lanes; ++i) {
          Value from = l.add(l.add(first, std::min(i, last) * p.strideN), k);
          l.prefetch(p.b, l.add(from, lanes * p.strideN));
          Value row = l.loadVector(p.b, from, lanes);
          if (step > 1) {
            Value low = p.elements.pairsOf(row);
            Value high = registers > 1 ? p.elements.pairsOf(l.loadVector(p.b, l.add(from, lanes), lanes)) : low;
            row = joined(l, low, high, lanes);
          } else {
            row = p.elements.rounded(row);
          }
          rows.push_back(row);
        }
        rows = transposeSquare(l, rows, p.shape.isDouble ? 2 : 4);
        Value at = l.add(l.add(to, l.mul(l.div(k, l.constant(step)), width)), j * lanes);
        for (int64_t i = 0; i < registers * lanes / step; ++i)
          l.store(rows[i], p.panels, l.add(at, i * width));
      };
      Value main = multiple(step * lanes), end = multiple(lanes);
      l.loop(l.constant(0), main, step * lanes, [&](Value k) { squares(k, step); });
      if (step > 1)
        l.loop(main, end, lanes, [&](Value k) { squares(k, 1); });
      overSteps(l, p.shape, l.sub(depth, end), [&](Value k, bool single) {
        Value from = l.add(l.add(first, end), l.mul(k, step));
        Value at = l.add(l.add(to, l.mul(l.add(l.div(end, l.constant(step)), k), width)), j * lanes);
        l.loop(l.constant(0), l.constant(last + 1), 1, [&](Value i) {
          l.store(p.scalarAt(l, l.add(from, l.mul(i, p.strideN)), single), p.panels, l.add(at, i));
        });
      });
    }
  });
}

/// Whatever the strides are.
void packElements(LoopBuilder &l, Packing &p, Value depth, Value columns) {
  overPanels(l, p.shape, l.constant(0), columns, [&](Value panel, int64_t valid, int64_t vectors) {
    Value from = l.add(p.base, l.mul(panel, p.shape.width() * p.strideN));
    Value to = l.mul(panel, p.shape.steps() * p.shape.width());
    overSteps(l, p.shape, depth, [&](Value k, bool single) {
      l.loop(l.constant(0), l.constant(valid), 1, [&](Value n) {
        Value source = l.add(l.add(from, l.mul(k, p.shape.step() * p.strideK)), l.mul(n, p.strideN));
        l.store(p.scalarAt(l, source, single), p.panels,
                l.add(l.add(to, l.mul(k, vectors * p.shape.lanes)), n));
      });
    });
  });
}

/// Columns are contiguous, panel by panel.
void packPanelRows(LoopBuilder &l, Packing &p, Value depth, Value columns) {
  int64_t lanes = p.shape.lanes;
  overPanels(l, p.shape, l.constant(0), columns, [&](Value panel, int64_t valid, int64_t vectors) {
    Value from = l.add(p.base, l.mul(panel, p.shape.width()));
    Value to = l.mul(panel, p.shape.steps() * p.shape.width());
    overSteps(l, p.shape, depth, [&](Value k, bool single) {
      for (int64_t j = 0; j < vectors; ++j) {
        Value source = l.add(l.add(from, l.mul(k, p.shape.step() * p.strideK)), j * lanes);
        l.store(p.vectorAt(l, source, single, valid - j * lanes), p.panels,
                l.add(l.add(to, l.mul(k, vectors * lanes)), j * lanes));
      }
    });
  });
}

} // namespace

void packPanels(LoopBuilder &l, const PanelShape &shape, Value scratch, int64_t offset, Value b, Value base,
                const gpt::Length &strideK, const gpt::Length &strideN, Value depth, Value columns) {
  Packing p{shape,   b,       base, viewAt(l, shape, scratch, offset, shape.elements()),
            strideK, strideN, PanelElements(l, shape.bf16)};
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

/// Elements between two lines of A in scratch: whole lines of the cache, an odd number of them.
int64_t linesPitch(const PanelShape &shape, int64_t mBound, bool rowsOfK) {
  return (llvm::divideCeil(rowsOfK ? mBound : shape.steps(), shape.lanes) | 1) * shape.lanes;
}

/// The product with A in scratch, as panels have it: its strides are those of a step.
BlockProduct withLines(LoopBuilder &l, const BlockProduct &p) {
  int64_t lanes = p.shape.lanes, step = p.shape.step();
  int64_t pitch = linesPitch(p.shape, p.mBound, p.rowsOfK);
  BlockProduct lines = p;
  lines.a = viewAt(l, p.shape, p.scratch, p.linesAt, linesBytes(p.shape, p.mBound, p.rowsOfK) / 4);
  lines.baseA = l.constant(0);
  lines.strideM = p.rowsOfK ? 1 : pitch;
  lines.strideK = p.rowsOfK ? pitch : 1;
  PanelElements elements(l, p.shape.bf16);
  auto load = [&](int64_t width) {
    return [&, width](Value at) { return width > 1 ? l.loadVector(p.a, at, width) : l.loadScalar(p.a, at); };
  };
  Value firstStep = l.div(p.kLower, l.constant(step)), depth = l.sub(p.kUpper, p.kLower);
  if (p.rowsOfK) {
    overSteps(l, p.shape, depth, [&](Value k, bool single) {
      Value from = l.add(p.baseA, l.mul(l.add(p.kLower, l.mul(k, step)), p.strideK));
      Value to = l.mul(l.add(firstStep, k), pitch);
      l.loop(p.mLower, p.mUpper, lanes, [&](Value m) {
        l.store(elements.at(l.add(from, m), p.strideK, single, load(lanes)), lines.a, l.add(to, m));
      });
    });
    return lines;
  }
  l.loop(p.mLower, p.mUpper, 1, [&](Value m) {
    Value from = l.add(l.add(p.baseA, l.mul(m, p.strideM)), l.mul(p.kLower, p.strideK));
    Value to = l.add(l.mul(m, pitch), firstStep);
    Value whole = l.constant(0);
    if (p.strideK == 1) {
      whole = l.sub(depth, l.rem(depth, l.constant(lanes)));
      l.loop(l.constant(0), whole, lanes, [&](Value k) {
        Value read = l.loadVector(p.a, l.add(from, k), lanes);
        l.store(step > 1 ? elements.pairsOf(read) : elements.rounded(read), lines.a,
                l.add(to, l.div(k, l.constant(step))));
      });
    }
    overSteps(l, p.shape, l.sub(depth, whole), [&](Value k, bool single) {
      Value at = l.add(from, l.mul(l.add(whole, l.mul(k, step)), p.strideK));
      l.store(elements.at(at, p.strideK, single, load(1)), lines.a,
              l.add(to, l.add(l.div(whole, l.constant(step)), k)));
    });
  });
  return lines;
}

/// A panel, or some of its vectors.
struct PanelPart {
  Value base, n;          ///< the panel's first element; its first column
  int64_t valid, width;   ///< columns of the panel: those that exist; with those past the end
  int64_t first, vectors; ///< the part
};

/// The register tile of `rows` x `part.vectors` whose first row is C's row m.
void emitTile(LoopBuilder &l, const BlockProduct &p, Value panels, const PanelPart &part, Value m,
              int64_t rows) {
  int64_t lanes = p.shape.lanes, vectors = part.vectors, shift = part.first * lanes;
  Type element = p.shape.isDouble ? Type(l.b.getF64Type()) : Type(l.b.getF32Type());
  auto type = VectorType::get({lanes}, element);
  Value zero = arith::ConstantOp::create(l.b, l.b.getZeroAttr(type));
  Value place = l.add(l.add(p.baseC, l.mul(m, p.strideC)), l.add(part.n, shift));
  auto maskOf = [&](int64_t j) -> Value {
    int64_t exists = std::min(lanes, part.valid - shift - j * lanes);
    if (!p.exact || exists == lanes)
      return {};
    return vector::ConstantMaskOp::create(l.b, VectorType::get({lanes}, l.b.getI1Type()),
                                          ArrayRef<int64_t>{exists});
  };
  auto placeOf = [&](int64_t r, int64_t j) { return l.add(place, r * p.strideC + j * lanes); };

  SmallVector<Value> zeros(rows * vectors, zero);
  auto loadSums = [&] {
    SmallVector<Value> sums;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < vectors; ++j) {
        if (Value mask = maskOf(j))
          sums.push_back(vector::MaskedLoadOp::create(l.b, type, p.c, ValueRange(placeOf(r, j)), mask, zero));
        else
          sums.push_back(l.loadVector(p.c, placeOf(r, j), lanes));
      }
    return sums;
  };
  SmallVector<Value> sums = zeros;
  if (p.begins)
    sums = l.choose(p.begins, [&] { return zeros; }, loadSums);
  else if (p.accumulate)
    sums = loadSums();
  // What is added to comes from memory, rows far from each other: the next tile's is asked for now.
  if ((p.begins || p.accumulate) && rows == p.rows)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < vectors; ++j)
        l.prefetch(p.c, placeOf(rows + r, j));
  Value firstStep = l.div(p.kLower, l.constant(p.shape.step()));
  Value beginA = l.add(l.add(p.baseA, l.mul(m, p.strideM)), l.mul(firstStep, p.strideK));
  Value beginB = l.add(part.base, l.add(l.mul(firstStep, part.width), shift));
  DepthRange depth;
  depth.count = p.fixedDepth ? l.constant(p.shape.steps())
                             : l.ceilDiv(l.sub(p.kUpper, p.kLower), p.shape.step());
  if (p.fixedDepth)
    depth.fixed = p.shape.steps();
  PanelElements elements(l, p.shape.bf16);
  sums = unrolled(l, depth, 4, sums, [&](Value k, int64_t u, ValueRange carried) {
    SmallVector<Value> columns, next(carried);
    Value indexA = l.add(beginA, l.mul(k, p.strideK)), indexB = l.add(beginB, l.mul(k, part.width));
    for (int64_t j = 0; j < vectors; ++j)
      columns.push_back(l.loadVector(panels, l.add(indexB, u * part.width + j * lanes), lanes));
    for (int64_t r = 0; r < rows; ++r) {
      Value scalar = l.loadScalar(p.a, l.add(indexA, u * p.strideK + r * p.strideM));
      Value row = vector::BroadcastOp::create(l.b, VectorType::get({lanes}, scalar.getType()), scalar);
      for (int64_t j = 0; j < vectors; ++j) {
        Value &sum = next[r * vectors + j];
        sum = elements.multiplyAdd(row, columns[j], sum, p.fma);
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

int64_t linesBytes(const PanelShape &shape, int64_t mBound, bool rowsOfK) {
  if (shape.bf16 == Bf16::Off)
    return 0;
  return 4 * linesPitch(shape, mBound, rowsOfK) * (rowsOfK ? shape.steps() : mBound);
}

void emitBlockProduct(LoopBuilder &l, const BlockProduct &product) {
  BlockProduct p = product.shape.bf16 == Bf16::Off ? product : withLines(l, product);
  Value panels = viewAt(l, p.shape, p.scratch, p.panelsAt, p.shape.elements());
  auto tiles = [&](const PanelPart &part, Value from, Value to, int64_t rows) {
    if (rows < p.rows && p.depthOf) // parts of one tile
      std::tie(p.kLower, p.kUpper) = p.depthOf(from);
    l.loop(from, to, rows, [&](Value m) {
      if (rows == p.rows && p.depthOf)
        std::tie(p.kLower, p.kUpper) = p.depthOf(m);
      emitTile(l, p, panels, part, m, rows);
    });
  };
  auto lines = [&](const PanelPart &part, Value lower, Value upper) {
    if (p.wholeTiles)
      return tiles(part, lower, upper, p.rows);
    Value rest = l.sub(upper, l.rem(l.max(l.sub(upper, lower), l.constant(0)), l.constant(p.rows)));
    tiles(part, lower, rest, p.rows);
    tiles(part, rest, upper, 1);
  };
  overPanels(l, p.shape, p.nLower, p.nUpper, [&](Value panel, int64_t valid, int64_t vectors) {
    PanelPart part{l.mul(panel, p.shape.steps() * p.shape.width()), l.mul(panel, p.shape.width()), valid,
                   vectors * p.shape.lanes, 0, vectors};
    if (!p.linesOf)
      return lines(part, p.mLower, p.mUpper);
    if (vectors == 1 || !(p.linesBeginLater || p.linesEndLater)) {
      auto [lower, upper] = p.linesOf(part.n, part.width);
      return lines(part, lower, upper);
    }
    auto [lowerA, upperA] = p.linesOf(part.n, p.shape.lanes);
    auto [lowerB, upperB] = p.linesOf(l.add(part.n, p.shape.lanes), p.shape.lanes);
    PanelPart first = part, second = part;
    first.vectors = second.vectors = second.first = 1;
    if (p.linesBeginLater)
      lines(first, lowerA, l.min(lowerB, upperA));
    lines(part, lowerB, upperA);
    if (p.linesEndLater)
      lines(second, l.max(lowerB, upperA), upperB);
  });
}

} // namespace gptc
