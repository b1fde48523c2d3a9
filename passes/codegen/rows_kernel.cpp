// Kernels of ops that share rows: all work on a row, then on the next; and sums over the rows.
#include "ir/rt/rt.h"
#include "passes/codegen/kernel_builder.h"
#include "passes/codegen/pieces.h"
#include "passes/codegen/reductions.h"
#include "passes/codegen/row_groups.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace gptc {
namespace {

constexpr int64_t sumPieces = 32;     ///< of a kernel with sums over rows: each has its own sums
constexpr int64_t totalColumns = 256; ///< of a piece that joins them
constexpr int64_t secondCache = int64_t(1) << 20; ///< what is larger comes from farther away
constexpr int64_t askingCost = 8; ///< what a loop must compute for each operand that it asks for
constexpr int64_t restingCost = 16; ///< of a loop in which memory would rest for long
constexpr int64_t bytesAhead = 12 << 10; ///< of an operand, to the row that is asked for

/// A sum over the rows. Each piece adds up its own in the workspace; other pieces join these.
struct RowSum {
  gpt::GenericOp op;
  SmallVector<Buffer, 1> results;
  int64_t at = 0; ///< bytes from the start of a piece's sums
};

class RowsKernel {
public:
  RowsKernel(KernelBuilder &kernel, unsigned rows) : kernel(kernel), b(kernel.b), rows(rows) {}

  LogicalResult lower() {
    ops = kernel.ops();
    groups = formGroups(ops, rows);
    placeValues();
    if (failed(makePlans()))
      return failure();
    PiecePlan pieces = choosePieces(rows, work, past);
    ArrayRef<LoopDim> rowDims = ArrayRef<LoopDim>(plans.front().dims).take_front(rows);
    gpt::Length allRows = 1;
    for (const LoopDim &dim : rowDims)
      allRows *= dim.count;
    int64_t mostRows = kernel.limits.most(allRows);
    if (!sums.empty())
      pieces.rowsPerPiece = std::max(pieces.rowsPerPiece, int64_t(llvm::divideCeil(mostRows, sumPieces)));
    AffineMap count = pieceCount(b.getContext(), rowDims, pieces, kernel.extentNames);
    if (sums.empty()) {
      emitWork(rowDims, pieces);
      kernel.finish(count);
      return success();
    }
    Value total = constantIndex(b, 1);
    for (const LoopDim &dim : rowDims)
      total = b.createOrFold<arith::MulIOp>(total, kernel.extents.value(b, dim.count));
    Value first = b.createOrFold<arith::CeilDivUIOp>(total, constantIndex(b, pieces.rowsPerPiece));
    Value isWork = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, kernel.piece(), first);
    auto branch = scf::IfOp::create(b, isWork, /*withElseRegion=*/true);
    b.setInsertionPointToStart(branch.thenBlock());
    clearSums();
    emitWork(rowDims, pieces);
    b.setInsertionPointToStart(branch.elseBlock());
    int64_t workspaceBytes = llvm::divideCeil(mostRows, pieces.rowsPerPiece) * pitch;
    emitTotals(first, workspaceBytes);
    kernel.function->setAttr("rt.workspace", b.getI64IntegerAttr(workspaceBytes));
    kernel.function->setAttr("rt.first", AffineMapAttr::get(count));
    kernel.finish(AffineMap::get(0, count.getNumSymbols(), count.getResult(0) + totalPieces));
    return success();
  }

private:
  KernelBuilder &kernel;
  ImplicitLocOpBuilder &b;
  unsigned rows;
  SmallVector<Operation *> ops;
  SmallVector<OpGroup> groups;
  std::vector<OpPlan> plans; ///< of `ops`, in the order of groups
  SmallVector<SmallVector<OpPlan *>> planGroups;
  SmallVector<VectorChoice> choices;
  std::vector<std::vector<AskAhead>> ahead; ///< of each group
  int64_t work = 0; ///< of a row
  int64_t past = 0; ///< bytes of a row that are written past the caches

  SmallVector<RowSum> sums;
  int64_t pitch = 0; ///< bytes from one piece's sums to the next one's
  int64_t totalPieces = 0;
  Value workspace;

  void placeValues() {
    for (const OpGroup &group : groups)
      for (Operation *op : group) {
        if (gpt::isOverRows(op)) {
          placeSum(cast<gpt::GenericOp>(op));
          continue;
        }
        for (Value result : op->getResults()) {
          if (kernel.buffers.contains(result))
            continue;
          if (leavesGroup(result, group))
            kernel.placeRow(result, rows);
          else // Seen by ops of the same loop only; a place on paper.
            kernel.buffers[result].push_back(Buffer::of(Value(), result, kernel.limits, rows));
        }
      }
    // The views of a piece's sums, now that it is known how far apart they are.
    if (sums.empty())
      return;
    workspace = rt::WorkspaceOp::create(b, kernel.scratch().getType());
    Value start = mulIndex(b, kernel.piece(), pitch);
    for (RowSum &sum : sums) {
      Buffer &buffer = kernel.buffers[sum.op.getResult(0)].front();
      buffer.memref = memref::ViewOp::create(b, MemRefType::get({buffer.elements}, buffer.element), workspace,
                                             addIndex(b, start, constantIndex(b, sum.at)), ValueRange());
    }
  }

  void placeSum(gpt::GenericOp op) {
    Value result = op.getResult(0);
    RowSum sum;
    sum.op = op;
    sum.at = pitch;
    std::swap(sum.results, kernel.buffers[result]);
    Buffer buffer = Buffer::of(Value(), result, kernel.limits);
    int64_t bytes = buffer.element.getIntOrFloatBitWidth() / 8;
    totalPieces = std::max(totalPieces, int64_t(llvm::divideCeil(buffer.elements, totalColumns)));
    buffer.elements = llvm::alignTo(buffer.elements * bytes, 64) / bytes;
    pitch += buffer.elements * bytes;
    kernel.buffers[result].push_back(buffer);
    sums.push_back(std::move(sum));
  }

  LogicalResult makePlans() {
    plans.reserve(ops.size()); // Groups point to them.
    SmallVector<OpPlan *> all;
    for (const OpGroup &group : groups) {
      auto &members = planGroups.emplace_back();
      for (Operation *op : group) {
        FailureOr<OpPlan> plan = makePlan(op, kernel.buffers, rows);
        if (failed(plan))
          return failure();
        plans.push_back(std::move(*plan));
        members.push_back(&plans.back());
        all.push_back(&plans.back());
      }
      connect(members);
    }
    rows = mergeDims(all, 0, rows, kernel.limits);
    for (SmallVector<OpPlan *> &group : planGroups) {
      mergeDims(group, rows, group.front()->dims.size(), kernel.limits);
      choices.push_back(chooseVector(group, rows, kernel.target.vectorBits));
      for (OpPlan *plan : group) {
        int64_t points = 1, results = 1;
        for (const LoopDim &dim : llvm::drop_begin(plan->dims, rows)) {
          points *= dim.bound;
          results *= dim.reduction ? 1 : dim.bound;
        }
        work += plan->cost() * points;
        past += bytesPast(*plan) * results;
      }
    }
    askForLaterRows();
    return success();
  }

  /// While loops run over a row in the first cache, nothing comes from memory. The hardware keeps up where a loop is
  /// the first to read one operand that does not fit into the second cache, not where it begins with several, nor
  /// where that is all that is read and another loop computes for long. So these are asked for some rows ahead, each
  /// in the loop that computes most. One that writes past the caches keeps memory busy itself.
  void askForLaterRows() {
    ahead.resize(planGroups.size());
    if (rows == 0 || planGroups.size() < 2)
      return;
    SmallVector<int64_t> time;
    for (const SmallVector<OpPlan *> &group : planGroups) {
      int64_t &cost = time.emplace_back();
      for (OpPlan *plan : group)
        cost += bytesPast(*plan) ? INT32_MIN : plan->cost();
    }
    llvm::DenseSet<Value> known;
    SmallVector<SmallVector<const Access *>> begun(planGroups.size());
    for (auto [g, group] : llvm::enumerate(planGroups))
      for (OpPlan *plan : group)
        for (const Access &read : plan->reads)
          if (comesFromFar(read, choices[g]) && known.insert(read.memref).second)
            begun[g].push_back(&read);
    bool rests = known.size() == 1 && *llvm::max_element(time) >= restingCost;
    for (auto [g, reads] : llvm::enumerate(begun)) {
      if (reads.size() < 2 && !rests)
        continue;
      for (const Access *read : reads) {
        unsigned best = g;
        for (unsigned other = 0; other < planGroups.size(); ++other)
          if (runAlike(g, other) && time[other] > time[best])
            best = other;
        time[best] -= askingCost;
        ahead[best].push_back({*read, int64_t(llvm::divideCeil(bytesAhead, rowBytes(*read, g)))});
      }
    }
  }

  /// Of one row of an operand.
  int64_t rowBytes(const Access &read, unsigned g) {
    int64_t bytes = storageType(read.element).getIntOrFloatBitWidth() / 8;
    for (auto [d, dim] : llvm::enumerate(planGroups[g].front()->dims))
      if (d >= rows && read.usesDim(d))
        bytes *= dim.bound;
    return bytes;
  }

  /// A stream of rows that the second cache cannot hold.
  bool comesFromFar(const Access &read, const VectorChoice &choice) {
    return read.memref && isa<BlockArgument>(read.tensor) && choice.dim >= 0 && read.offset.dims[choice.dim] == 1 &&
           read.usesDim(rows - 1) && !read.usesSymbols() && read.guards.empty() &&
           read.elements * (storageType(read.element).getIntOrFloatBitWidth() / 8) > secondCache;
  }

  /// Loops over the same points, in the same order.
  bool runAlike(unsigned g, unsigned other) {
    ArrayRef<LoopDim> a = planGroups[g].front()->dims, b = planGroups[other].front()->dims;
    return choices[g].dim == choices[other].dim && choices[g].lanes == choices[other].lanes && a.size() == b.size() &&
           llvm::all_of(llvm::zip(a, b), [](auto pair) { return std::get<0>(pair).count == std::get<1>(pair).count; });
  }

  void emitWork(ArrayRef<LoopDim> rowDims, const PiecePlan &pieces) {
    emitPiece(b, kernel.extents, rowDims, pieces, kernel.piece(), [&](ArrayRef<Range> rowRanges) {
      Registers registers;
      for (auto [group, choice, next] : llvm::zip(planGroups, choices, ahead)) {
        SmallVector<Range> ranges(rowRanges);
        for (const LoopDim &dim : llvm::drop_begin(group.front()->dims, rows))
          ranges.push_back(wholeRange(b, kernel.extents, dim));
        b.setLoc(group.front()->op->getLoc());
        emitGroup(b, kernel.extents, group, rows, ranges, choice, registers, next);
      }
    });
  }

  VectorType vectorOf(RowSum &sum) {
    Type element = kernel.buffers[sum.op.getResult(0)].front().element;
    return VectorType::get(kernel.target.vectorBits / element.getIntOrFloatBitWidth(), element);
  }

  void clearSums() {
    for (RowSum &sum : sums) {
      const Buffer &buffer = kernel.buffers[sum.op.getResult(0)].front();
      VectorType type = vectorOf(sum);
      int64_t lanes = type.getNumElements();
      emitFor(b, constantIndex(b, 0), constantIndex(b, buffer.elements), lanes, buffer.elements == lanes, {},
              [&](Value column, ValueRange) {
                vector::StoreOp::create(b, zeroOf(b, type), buffer.memref, column);
                return SmallVector<Value>();
              });
    }
  }

  /// The pieces' sums joined, in their order.
  void emitTotals(Value first, int64_t workspaceBytes) {
    Value chunk = arith::SubIOp::create(b, kernel.piece(), first);
    for (RowSum &sum : sums) {
      VectorType type = vectorOf(sum);
      int64_t lanes = type.getNumElements(), bytes = type.getElementTypeBitWidth() / 8;
      int64_t columns = gpt::elementsOf(sum.op.getResult(0).getType(), kernel.limits);
      auto all = MemRefType::get({(workspaceBytes - sum.at) / bytes}, type.getElementType());
      Value end = constantIndex(b, columns);
      Value from = mulIndex(b, chunk, totalColumns);
      Value to = arith::MinUIOp::create(b, addIndex(b, from, constantIndex(b, totalColumns)), end);
      Value elements = constantIndex(b, pitch / bytes);
      Value partial = memref::ViewOp::create(b, all, workspace, constantIndex(b, sum.at), ValueRange());
      emitFor(b, from, to, lanes, false, {}, [&](Value column, ValueRange) {
        Value total = emitFor(b, constantIndex(b, 0), first, 1, false, zeroOf(b, type),
                              [&](Value piece, ValueRange carried) -> SmallVector<Value> {
                                Value place = arith::MulIOp::create(b, piece, elements);
                                place = addIndex(b, place, column);
                                Value own = vector::LoadOp::create(b, type, partial, place);
                                return {arith::AddFOp::create(b, carried.front(), own)};
                              })
                          .front();
        for (const Buffer &result : sum.results) {
          if (columns % lanes == 0) {
            vector::StoreOp::create(b, total, result.memref, column);
            continue;
          }
          Value rest = arith::SubIOp::create(b, end, column);
          Value mask = vector::CreateMaskOp::create(b, VectorType::get(lanes, b.getI1Type()), rest);
          vector::MaskedStoreOp::create(b, result.memref, column, mask, total);
        }
        return SmallVector<Value>();
      });
    }
  }
};

} // namespace

LogicalResult lowerRows(KernelBuilder &kernel, unsigned rows) { return RowsKernel(kernel, rows).lower(); }

} // namespace gptc
