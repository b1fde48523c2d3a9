#include "passes/codegen/tiles.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <limits>
#include <numeric>

using namespace mlir;

namespace gptc {
namespace {

/// Whether `outer` and `inner` are one contiguous dimension in all operands, whatever the extents are.
bool canMerge(const PlanDim &outer, const PlanDim &inner) {
  if (outer.role != inner.role)
    return false;
  auto continues = [&](const gpt::Length &o, const gpt::Length &i) { return o == i * inner.count; };
  if (!continues(outer.strideA, inner.strideA) || !continues(outer.strideB, inner.strideB) ||
      !continues(outer.strideOut, inner.strideOut))
    return false;
  // Vectors run along n alone; rows are taken apart where the epilogue asks.
  if (inner.role != ContractionRole::N)
    return true;
  if (outer.separate || inner.separate)
    return false;
  return llvm::all_of(llvm::zip(outer.others, inner.others),
                [&](auto pair) { return continues(std::get<0>(pair), std::get<1>(pair)); });
}

void mergeDims(SmallVectorImpl<PlanDim> &dims, const gpt::Limits &limits) {
  for (bool changed = true; changed;) {
    changed = false;
    for (unsigned o = 0; o < dims.size() && !changed; ++o)
      for (unsigned i = 0; i < dims.size() && !changed; ++i) {
        if (o == i || !canMerge(dims[o], dims[i]))
          continue;
        PlanDim merged = dims[i];
        merged.count *= dims[o].count;
        merged.size = limits.most(merged.count);
        merged.originals = dims[o].originals;
        merged.originals.append(dims[i].originals.begin(), dims[i].originals.end());
        merged.separate |= dims[o].separate;
        dims[o] = std::move(merged);
        dims.erase(dims.begin() + i);
        changed = true;
      }
  }
}

std::optional<ContractionRole> roleOf(const ContractionDim &dim, bool swapped) {
  bool inA = (swapped ? dim.strideB : dim.strideA) != 0;
  bool inB = (swapped ? dim.strideA : dim.strideB) != 0;
  bool inOut = dim.strideOut != 0;
  if (inA && inB)
    return inOut ? ContractionRole::Batch : ContractionRole::K;
  if (inOut && (inA || inB))
    return inA ? ContractionRole::M : ContractionRole::N;
  return std::nullopt;
}

/// Larger operands come from memory each time they are read.
constexpr double lastCache = 16e6;

/// What stays in a core's second cache beside the panels that pass through it.
constexpr double stayingBytes = 800 * 1024;

/// Cycles a vector of an operand costs each time it is read anew and, in panels,
/// packed: what the multiplications, half a cycle a vector, do not hide.
double readCost(PanelKind kind, double bytes) {
  double far = bytes > lastCache ? 10 : bytes > 512 * 1024 ? 2.5 : 0; // not in the last cache, not in the second one
  switch (kind) {
  case PanelKind::Direct: return 1.5 + far;
  case PanelKind::Copy: return 3.5 + far;
  case PanelKind::Transpose: return 5.5 + far;
  case PanelKind::Gather: return 40;
  }
  return 0;
}

constexpr int64_t maxPanelDepth = 1024;
/// Memory that one panel's rows may span when they are read in place: more pages
/// than this are not in the first level of the TLB.
constexpr int64_t maxSpan = 256 * 1024;
constexpr int64_t minDirectDepth = 64;
/// Rows of tiles that are worth panels which other pieces have filled.
constexpr int64_t minSharedTiles = 4;
/// Below it waiting for panels costs more than packing twice from near caches. In bf16 everything is packed, and
/// multiplications take half the time.
double minSharedFlops(bool bf16) { return bf16 ? 1e7 : 4e8; }
constexpr int64_t maxWorkspace = 48 << 20;
/// Bytes of panels that a packing piece fills.
int64_t packingBytes(bool bf16) { return bf16 ? 32 * 1024 : 128 * 1024; }

/// A piece is worth its start and short beside the whole: up to 8e6 operations where the whole is small (what it
/// reads twice comes from near caches), a 64th of it where it is large.
double pieceFlops(double whole) { return std::max(std::clamp(whole / 16, 5e5, 8e6), whole / 64); }

/// Whether every pair along k has both elements.
bool pairsAreWhole(const ContractionPlan &plan) {
  const PlanDim &inner = plan.dims[plan.k.back()];
  return inner.count.isConstant() && inner.count.constant() % 2 == 0;
}

/// Whether the rows of A lie in memory as panels would have them: pairs of bf16.
bool hasPairs(const ContractionPlan &plan) {
  const PlanDim &inner = plan.dims[plan.k.back()];
  return plan.narrowA() && inner.halfA == 1 && pairsAreWhole(plan) &&
         !(plan.m && rowsCollide(plan.rows, plan.spec->limits.most(plan.dims[*plan.m].strideA) * 2));
}

/// Of rows `bytes` apart, the most that meet in one set of the first cache.
int64_t rowsOfSet(int64_t rows, int64_t bytes) {
  constexpr int64_t sets = 64;
  return bytes % 64 ? 1 : llvm::divideCeil(rows, sets / std::gcd<int64_t>(sets, bytes / 64));
}
constexpr int64_t waysOfFirstCache = 8;

/// Decides what is packed; returns how many k a panel may have. Where panels are shared or filled, packing costs little
/// and no depth is cut for what is read in place. What may be filled is not shared.
int64_t choosePacking(ContractionPlan &plan) {
  const PlanDim &n = plan.dims[plan.n], &inner = plan.dims[plan.k.back()];
  int64_t depth = maxPanelDepth;
  // Rows along n (or m) of one k each: in place, while k is short enough or cut short.
  auto readsInPlace = [&](const gpt::Length &strideK) {
    int64_t step = std::max<int64_t>(plan.spec->limits.most(strideK), 1); // 0: all k are one
    int64_t most = maxSpan / (step * plan.elementBytes());
    if (most < (plan.shared ? inner.size : std::min(minDirectDepth, inner.size)))
      return false;
    depth = std::min(depth, most);
    return true;
  };
  bool always = plan.spec->bf16;
  bool alongK = inner.strideB == inner.step;
  if (n.strideB != 1)
    plan.panelB = alongK ? PanelKind::Transpose : PanelKind::Gather;
  else
    plan.panelB = !always && (plan.mSize() <= minSharedTiles * plan.rows || readsInPlace(inner.strideB))
                      ? PanelKind::Direct
                      : PanelKind::Copy;
  plan.fillsB = plan.shared && plan.panelB == PanelKind::Copy && (!always || (plan.pairs && pairsAreWhole(plan)));
  plan.panelA = always && !hasPairs(plan) ? RowsKind::Rows : RowsKind::Direct;
  if (!plan.m || plan.rows < 8)
    return depth;
  int64_t bytesOfRow = plan.spec->limits.most(plan.dims[*plan.m].strideA) * plan.elementBytes();
  if (plan.dims[*plan.m].strideA == 1 && (always || !readsInPlace(inner.strideA))) {
    plan.panelA = RowsKind::Columns;
    plan.fillsA = plan.shared && !always;
    if (!plan.fillsA)
      plan.rows = 8; // whole vectors of a power of two
  } else if (!always && inner.strideA == 1 && rowsCollide(plan.rows, bytesOfRow) && plan.spec->tile.rows == 0) {
    // Between one k and the next a tile's rows need no more lines of a set than the cache has ways; columns instead.
    plan.rows = std::min(plan.rows, waysOfFirstCache);
    if (plan.nSize() % (3 * plan.spec->lanes) == 0)
      plan.vectors = 3;
  }
  return depth;
}

/// Cuts K into panels of at most `maxDepth`.
void blockDepth(ContractionPlan &plan, int64_t maxDepth) {
  int64_t inside = 1;
  unsigned level = plan.k.size();
  while (level > 0 && inside * plan.dims[plan.k[level - 1]].size <= maxDepth)
    inside *= plan.dims[plan.k[--level]].size;
  if (level == 0) {
    plan.kPanel = inside;
    plan.kBlock = plan.dims[plan.k[0]].size;
    return;
  }
  plan.kLevel = level - 1;
  int64_t size = plan.dims[plan.k[plan.kLevel]].size;
  int64_t blocks = llvm::divideCeil(size, std::max<int64_t>(1, maxDepth / inside));
  plan.kBlock = llvm::divideCeil(size, blocks);
  if (plan.kBlock > 4)
    plan.kBlock = llvm::alignTo(plan.kBlock, 4);
  plan.kPanel = plan.kBlock * inside;
  plan.kBlocked = true;
}

/// Rows x vectors of sums that stay in registers, beside one row of B and one element of A.
void chooseTile(ContractionPlan &plan) {
  const ContractionSpec &spec = *plan.spec;
  int64_t rows = plan.mSize();
  bool wide = spec.lanes * plan.elementBytes() >= 64; // 32 registers, or 16
  int64_t least = wide ? 8 : 4, most = wide ? 13 : 6;
  plan.rows = std::min(rows, least);
  if (rows >= least) {
    // Rows past the end are lost work; each tile costs its beginning and its end.
    double best = std::numeric_limits<double>::max();
    for (int64_t r = std::min(most, rows); r >= least; --r) {
      double cost = llvm::divideCeil(rows, r) * (r + 0.5);
      if (cost < best) {
        best = cost;
        plan.rows = r;
      }
    }
  }
  plan.vectors = 2;
  // Few rows: more columns, to keep both multipliers busy.
  if (plan.rows <= 2 && plan.nSize() >= 4 * int64_t(spec.lanes))
    plan.vectors = 4;
  if (plan.nSize() <= int64_t(spec.lanes))
    plan.vectors = 1;
  if (spec.tile.rows > 0)
    plan.rows = std::min(rows, spec.tile.rows);
  if (spec.tile.vectors > 0)
    plan.vectors = spec.tile.vectors;
}

/// Cuts the space into pieces.
void choosePieces(ContractionPlan &plan) {
  double outer = 1, depth = plan.kTotal;
  for (unsigned i : plan.outer)
    outer *= plan.dims[i].size;
  int64_t rows = plan.mSize(), columns = plan.nSize();
  double inner = 2.0 * rows * columns * depth;
  double target = pieceFlops(inner * outer);
  if (inner <= target) {
    plan.rowBlock = llvm::alignTo(rows, plan.rows);
    plan.columnBlock = llvm::alignTo(columns, plan.columns());
    plan.group = std::max<int64_t>(1, target / inner);
    return;
  }
  // Rows along k come ahead of their use even from the last cache. So pieces may have all of them, and panels that are
  // transposed are packed where they are used, each once, and nobody waits for them.
  bool streams = !plan.spec->bf16 && !plan.packsA() && plan.dims[plan.k.back()].strideA == 1 &&
                 double(rows) * depth * plan.elementBytes() <= lastCache;
  if (streams && !plan.shared && plan.panelB == PanelKind::Transpose && columns >= 32 * plan.columns()) {
    plan.rowBlock = llvm::alignTo(rows, plan.rows);
    plan.columnBlock = plan.columns();
    return;
  }
  // Rows of a piece that fit into the second cache stay there: the thread's next pieces have the same ones.
  PanelKind kindA = plan.packsA() && !plan.sharesA() && !plan.fillsA ? PanelKind::Copy : PanelKind::Direct;
  double nearA = readCost(kindA, 0), farA = readCost(kindA, rows * depth * plan.elementBytes());
  double bytesB = columns * depth * plan.elementBytes();
  double costB = readCost(plan.sharesB() || plan.fillsB ? PanelKind::Direct : plan.panelB, bytesB);
  if (plan.fillsB && plan.pairs) // f32 has twice the bytes
    costB = readCost(PanelKind::Copy, bytesB) + (plan.narrowB() ? 0 : readCost(PanelKind::Direct, bytesB));
  // Rows that are read in place from memory: the hardware sees a stream in long parts of them only.
  double shortRows = !plan.packsB() && bytesB > lastCache ? 192 : 0;
  double best = std::numeric_limits<double>::max();
  int64_t rowTiles = llvm::divideCeil(rows, plan.rows), columnTiles = llvm::divideCeil(columns, plan.columns());
  for (int64_t i = 1; i <= rowTiles; ++i) {
    int64_t rowBlock = llvm::divideCeil(rowTiles, i) * plan.rows;
    for (int64_t j = 1; j <= columnTiles; ++j) {
      int64_t columnBlock = llvm::divideCeil(columnTiles, j) * plan.columns();
      double flops = 2.0 * rowBlock * columnBlock * depth;
      // What is left when the blocks do not divide the shape makes pieces uneven.
      double padded = double(llvm::divideCeil(rows, rowBlock) * rowBlock) / rows *
                      double(llvm::divideCeil(columns, columnBlock) * columnBlock) / columns;
      bool stays = double(rowBlock) * plan.kPanel * plan.elementBytes() <= stayingBytes;
      double costA = stays ? nearA : farA;
      double cost = costB * (1 + shortRows / columnBlock) / (0.5 * rowBlock) + costA / (0.5 * columnBlock) +
                    0.5 * (padded - 1);
      // One panel that is packed once may take longer.
      bool once = stays && rowBlock >= rows && columnBlock == plan.columns() && flops <= inner * outer / 16;
      if (!once)
        cost += 0.3 * std::max(0.0, flops / target - 1.3);
      if (cost < best) {
        best = cost;
        plan.rowBlock = rowBlock;
        plan.columnBlock = columnBlock;
      }
    }
  }
}

/// What was asked for, in whole tiles and panels.
void overridePieces(ContractionPlan &plan) {
  const TileChoice &tile = plan.spec->tile;
  if (tile.rowBlock > 0)
    plan.rowBlock = llvm::alignTo(std::min(tile.rowBlock, plan.mSize()), plan.rows);
  if (tile.columnBlock > 0)
    plan.columnBlock = llvm::alignTo(std::min(tile.columnBlock, plan.nSize()), plan.columns());
  if (tile.rowBlock > 0 || tile.columnBlock > 0)
    plan.group = 1;
}

void placeScratch(ContractionPlan &plan) {
  auto take = [&](int64_t &bytes, int64_t elements) {
    int64_t at = bytes;
    bytes += llvm::alignTo(elements * plan.elementBytes(), 64);
    return at;
  };
  if (plan.shared) {
    auto perPiece = [&](int64_t elements) {
      return std::max<int64_t>(1, packingBytes(plan.spec->bf16) / (elements * plan.elementBytes()));
    };
    if (plan.sharesB()) {
      plan.panelsPerPiece = perPiece(plan.kTotal * plan.columns());
      plan.sharedBAt = take(plan.workspaceBytes, plan.panelBElements());
    }
    if (plan.sharesA()) {
      plan.tilesPerPiece = perPiece(plan.tileElements());
      plan.sharedAAt = take(plan.workspaceBytes, plan.panelAElements());
    }
  }
  // Rows of B that are read in place end in a part of a vector.
  bool tail = !plan.packsB() && plan.tailColumns() % plan.spec->lanes;
  if ((plan.packsB() && !plan.sharesB()) || tail)
    plan.panelBAt = take(plan.scratchBytes, plan.panelBElements());
  if (plan.packsA() && !plan.sharesA())
    plan.panelAAt = take(plan.scratchBytes, plan.panelAElements());
  plan.sumsAt = take(plan.scratchBytes, plan.sumsElements());
}

/// Packing, depth and pieces; with or without panels that are shared or filled.
ContractionPlan withPieces(ContractionPlan plan, bool shared) {
  plan.shared = shared;
  chooseTile(plan);
  int64_t depth = choosePacking(plan);
  // Few rows stay in the second cache whole, if panels are somewhat shallower: B is packed once, where it is used.
  int64_t staying = int64_t(stayingBytes) / (plan.mSize() * plan.elementBytes());
  if (!shared && plan.packsB() && staying >= maxPanelDepth / 2)
    depth = std::min(depth, staying);
  plan.shared = plan.sharesA() || plan.sharesB();
  blockDepth(plan, depth);
  choosePieces(plan);
  overridePieces(plan);
  placeScratch(plan);
  return plan;
}

} // namespace

bool rowsCollide(int64_t rows, int64_t bytes) {
  return rowsOfSet(rows, bytes) > waysOfFirstCache / 2;
}

int64_t ContractionPlan::columns() const { return vectors * spec->lanes; }

std::optional<ContractionPlan> planContraction(const ContractionSpec &spec) {
  ContractionPlan plan;
  plan.spec = &spec;
  auto unit = llvm::find_if(spec.dims, [](const ContractionDim &dim) { return dim.strideOut == 1 && dim.size > 1; });
  if (unit == spec.dims.end())
    return std::nullopt;
  plan.swapped = roleOf(*unit, false) == ContractionRole::M;

  for (auto [i, dim] : llvm::enumerate(spec.dims)) {
    if (dim.size == 1)
      continue;
    std::optional<ContractionRole> role = roleOf(dim, plan.swapped);
    if (!role)
      return std::nullopt;
    PlanDim planned;
    planned.role = *role;
    planned.size = dim.size;
    planned.count = dim.count;
    planned.originals = {unsigned(i)};
    planned.strideA = plan.swapped ? dim.strideB : dim.strideA;
    planned.strideB = plan.swapped ? dim.strideA : dim.strideB;
    planned.strideOut = dim.strideOut;
    planned.others = dim.others;
    planned.separate = dim.separate;
    plan.dims.push_back(std::move(planned));
  }
  mergeDims(plan.dims, spec.limits);
  // Out's order, outermost first: neighbouring pieces write neighbouring places.
  auto most = [&](const gpt::Length &stride) { return spec.limits.most(stride); };
  llvm::stable_sort(
      plan.dims, [&](const PlanDim &x, const PlanDim &y) { return most(x.strideOut) > most(y.strideOut); });

  std::optional<unsigned> n;
  for (auto [i, dim] : llvm::enumerate(plan.dims)) {
    if (dim.role == ContractionRole::N && dim.strideOut == 1)
      n = i;
    if (dim.role == ContractionRole::M && (!plan.m || dim.size > plan.dims[*plan.m].size))
      plan.m = i;
    if (dim.role == ContractionRole::K)
      plan.k.push_back(i);
  }
  if (!n)
    return std::nullopt;
  plan.n = *n;
  if (plan.k.empty()) { // every k had size 1
    plan.k.push_back(plan.dims.size());
    plan.dims.emplace_back();
    plan.dims.back().role = ContractionRole::K;
  }
  for (unsigned i = 0; i < plan.dims.size(); ++i)
    if (plan.dims[i].role != ContractionRole::K && i != plan.n && (!plan.m || i != *plan.m))
      plan.outer.push_back(i);
  // The innermost k is the one that is contiguous: in B where B is transposed, else in A.
  bool byB = plan.dims[plan.n].strideB != 1;
  llvm::stable_sort(plan.k, [&](unsigned x, unsigned y) {
    const PlanDim &a = plan.dims[x], &b = plan.dims[y];
    return byB ? most(a.strideB) > most(b.strideB) : most(a.strideA) > most(b.strideA);
  });

  if (spec.bf16 && spec.dot) {
    PlanDim &inner = plan.dims[plan.k.back()];
    plan.pairs = true;
    inner.step = 2;
    inner.size = llvm::divideCeil(inner.size, 2);
    inner.halfA = inner.strideA;
    inner.halfB = inner.strideB;
    inner.strideA *= 2;
    inner.strideB *= 2;
  }
  for (unsigned i : plan.k)
    plan.kTotal *= plan.dims[i].size;
  ContractionPlan own = withPieces(plan, false);
  // Panels that several pieces would pack again, or that are shallow because nobody packs them, are shared or filled.
  bool again = (own.packsB() && own.rowBlock < own.mSize()) || (own.packsA() && own.columnBlock < own.nSize()) ||
               (own.kBlocked && own.kPanel < maxPanelDepth / 2);
  double flops = 2.0 * plan.mSize() * plan.nSize() * plan.kTotal * (plan.pairs ? 2 : 1);
  if (!again || flops < minSharedFlops(spec.bf16) || !plan.outer.empty() || plan.mSize() <= minSharedTiles * own.rows)
    return own;
  ContractionPlan shared = withPieces(plan, true);
  bool packs = shared.packsA() || shared.packsB();
  return packs && shared.workspaceBytes <= maxWorkspace ? shared : own;
}

bool canLowerContraction(const ContractionSpec &spec) {
  return planContraction(spec).has_value();
}

std::optional<TileChoice> parseTile(StringRef text) {
  TileChoice tile;
  auto pair = [](StringRef part, int64_t &first, int64_t &second) {
    auto [left, right] = part.split('x');
    return !left.getAsInteger(10, first) && !right.getAsInteger(10, second) && first > 0 && second > 0 &&
           first <= (1 << 20) && second <= (1 << 20);
  };
  auto [registers, blocks] = text.split(',');
  bool fine = pair(registers, tile.rows, tile.vectors) && tile.rows <= 32 && tile.vectors <= 4;
  if (fine && !blocks.empty())
    fine = pair(blocks, tile.rowBlock, tile.columnBlock);
  return fine ? std::optional<TileChoice>(tile) : std::nullopt;
}

PieceInfo contractionPieces(MLIRContext *context, const ContractionSpec &spec, ArrayRef<StringAttr> names) {
  std::optional<ContractionPlan> plan = planContraction(spec);
  PieceInfo info;
  info.scratchBytes = plan->scratchBytes;
  info.workspaceBytes = plan->workspaceBytes;
  auto extent = [&](unsigned i) { return affineOf(context, plan->dims[i].count, names); };
  AffineExpr outer = getAffineConstantExpr(1, context);
  for (unsigned i : plan->outer)
    outer = outer * extent(i);
  AffineExpr pieces = outer.ceilDiv(plan->group);
  if (plan->m)
    pieces = pieces * extent(*plan->m).ceilDiv(plan->rowBlock);
  pieces = pieces * extent(plan->n).ceilDiv(plan->columnBlock);
  info.first = getAffineConstantExpr(0, context);
  if (plan->sharedBAt >= 0)
    info.first = info.first + extent(plan->n).ceilDiv(plan->columns() * plan->panelsPerPiece);
  if (plan->sharedAAt >= 0)
    info.first = info.first + extent(*plan->m).ceilDiv(plan->rows * plan->tilesPerPiece);
  info.pieces = info.first + pieces;
  return info;
}

} // namespace gptc
