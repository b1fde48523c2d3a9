#include "passes/codegen/pieces.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace gptc {

static int64_t saturatingProduct(int64_t a, int64_t b) {
  int64_t product;
  return llvm::MulOverflow(a, b, product) ? INT64_MAX : product;
}

int64_t bytesPast(const OpPlan &plan) {
  int64_t bytes = 0;
  for (const auto &places : plan.writes)
    for (const Access &write : places)
      if (write.past)
        bytes += storageType(write.element).getIntOrFloatBitWidth() / 8;
  return bytes;
}

/// Work that makes a piece worth it, where so much of it goes with so many bytes written past the caches.
static int64_t enoughWork(int64_t work, int64_t bytes) {
  if (bytes == 0)
    return pieceWork;
  return std::max(pieceWork, saturatingProduct(work, llvm::divideCeil(pieceBytesPast, bytes)));
}

/// Pieces of whole rows; `work`: of one.
static PiecePlan wholeRows(unsigned rows, int64_t work, int64_t enough) {
  PiecePlan pieces;
  pieces.rows = rows;
  pieces.rowsPerPiece = std::max<int64_t>(1, enough / work);
  return pieces;
}

PiecePlan choosePieces(unsigned rows, int64_t work, int64_t bytes) {
  work = std::max<int64_t>(work, 1);
  return wholeRows(rows, work, enoughWork(work, bytes));
}

PiecePlan choosePieces(const OpPlan &plan, const VectorChoice &vector) {
  // Work inside of dimensions d, d + 1, ...
  SmallVector<int64_t> work(plan.dims.size() + 1, plan.cost());
  unsigned parallel = 0;
  for (const LoopDim &dim : plan.dims)
    parallel += !dim.reduction;
  for (int d = int(plan.dims.size()) - 1; d >= 0; --d)
    work[d] = saturatingProduct(work[d + 1], plan.dims[d].bound);
  int64_t enough = enoughWork(work[parallel], bytesPast(plan));
  unsigned rows = 0;
  while (rows < parallel && work[rows] > enough)
    ++rows;
  // The loop whose vectors are long stays whole unless it is the long one itself.
  if (vector.dim >= 0 && vector.dim < int(parallel))
    rows = std::min<unsigned>(rows, vector.dim);
  if (work[rows] <= enough || rows == parallel)
    return wholeRows(rows, std::max<int64_t>(work[rows], 1), enough);
  PiecePlan pieces;
  pieces.rows = rows;
  pieces.chunk = std::max<int64_t>(1, enough / std::max<int64_t>(work[rows + 1], 1));
  if (int(rows) == vector.dim)
    pieces.chunk = llvm::alignTo(pieces.chunk, vector.lanes * std::max<int64_t>(vector.unroll, 4));
  if (pieces.chunk >= plan.dims[rows].bound)
    pieces.chunk = 0;
  return pieces;
}

AffineMap pieceCount(MLIRContext *context, ArrayRef<LoopDim> dims, const PiecePlan &pieces,
                     ArrayRef<StringAttr> names) {
  AffineExpr count = getAffineConstantExpr(1, context);
  for (const LoopDim &dim : dims.take_front(pieces.rows))
    count = count * affineOf(context, dim.count, names);
  count = count.ceilDiv(pieces.rowsPerPiece);
  if (pieces.chunk > 0)
    count = count * affineOf(context, dims[pieces.rows].count, names).ceilDiv(pieces.chunk);
  return AffineMap::get(0, names.size(), count);
}

void emitPiece(ImplicitLocOpBuilder &b, Extents &extents, ArrayRef<LoopDim> dims, const PiecePlan &pieces,
               Value piece, llvm::function_ref<void(ArrayRef<Range>)> body) {
  SmallVector<Range> ranges;
  for (const LoopDim &dim : dims)
    ranges.push_back(wholeRange(b, extents, dim));
  Value rowBlock = piece;
  if (pieces.chunk > 0) {
    Range &range = ranges[pieces.rows];
    Value size = constantIndex(b, pieces.chunk);
    Value position = piece;
    if (pieces.rows > 0) {
      Value chunks = b.createOrFold<arith::CeilDivUIOp>(range.upper, size);
      position = arith::RemUIOp::create(b, piece, chunks);
      rowBlock = arith::DivUIOp::create(b, piece, chunks);
    }
    bool even = range.trip >= 0 && range.trip % pieces.chunk == 0;
    range.lower = arith::MulIOp::create(b, position, size);
    Value end = addIndex(b, range.lower, size);
    range.upper = even ? end : arith::MinUIOp::create(b, end, range.upper).getResult();
    range.multiple = even ? pieces.chunk : std::gcd(range.multiple, pieces.chunk);
    range.trip = even ? pieces.chunk : -1;
  }
  if (pieces.rows == 0) {
    body(ranges);
    return;
  }
  Value total = constantIndex(b, 1);
  for (unsigned d = 0; d < pieces.rows; ++d)
    total = b.createOrFold<arith::MulIOp>(total, ranges[d].upper);
  Value first = mulIndex(b, rowBlock, pieces.rowsPerPiece);
  Value last = addIndex(b, first, constantIndex(b, pieces.rowsPerPiece));
  last = arith::MinUIOp::create(b, last, total);
  emitFor(b, first, last, 1, pieces.rowsPerPiece == 1, {}, [&](Value row, ValueRange) {
    for (int d = int(pieces.rows) - 1; d >= 0; --d) {
      Value size = ranges[d].upper;
      ranges[d].lower = d == 0 ? row : arith::RemUIOp::create(b, row, size).getResult();
      if (d > 0)
        row = arith::DivUIOp::create(b, row, size);
    }
    body(ranges);
    return SmallVector<Value>();
  });
}

} // namespace gptc
