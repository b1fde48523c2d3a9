// Kernels of `gpt.store`: rows, or all elements, of a value go into a state's memory.
#include "passes/codegen/kernel_builder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace gptc {
namespace {

class Inserter {
public:
  Inserter(KernelBuilder &kernel, gpt::InsertOp op)
      : b(kernel.b), extents(kernel.extents), op(op), dims(gpt::dimsOf(op.getValue())),
        source(kernel.buffers.lookup(op.getValue()).front()),
        target(kernel.buffers.lookup(op.getResult()).front()), vectorBits(kernel.target.vectorBits) {
    if (op.getAt())
      at = kernel.buffers.lookup(op.getAt()).front().memref;
    // What lies together in both is copied together.
    outer = dims.size();
    int64_t first = op.getDim() ? *op.getDim() + 1 : 1;
    while (int64_t(outer) > first && !dims[outer - 1].isDynamic() && source.strides[outer - 1] == together &&
           target.strides[outer - 1] == together)
      together *= dims[--outer].getSize();
  }

  /// Stream `stream`; a value without dimensions is one element.
  void emit(Value stream) {
    Value from = constantIndex(b, 0), to = from;
    if (dims.size() > 0) {
      from = extents.times(b, stream, source.strides[0]);
      to = extents.times(b, stream, target.strides[0]);
    }
    if (at) {
      Value row = arith::IndexCastOp::create(b, b.getIndexType(), memref::LoadOp::create(b, at, stream));
      first = row;
    }
    emitDim(1, from, to);
  }

private:
  void emitDim(unsigned d, Value from, Value to) {
    if (d >= outer)
      return emitCopy(from, to);
    Value count = extents.value(b, gpt::Length::of(dims[d]));
    auto loop = scf::ForOp::create(b, constantIndex(b, 0), count, constantIndex(b, 1));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    Value index = loop.getInductionVar();
    from = addIndex(b, from, extents.times(b, index, source.strides[d]));
    bool isRow = at && op.getDim() == d;
    Value place = isRow ? addIndex(b, first, index) : index;
    if (isRow) { // unsigned: what is below 0 is far beyond the size
      Value size = constantIndex(b, target.dims[d].getSize());
      Value fits = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, place, size);
      auto inside = scf::IfOp::create(b, fits, /*withElseRegion=*/false);
      b.setInsertionPointToStart(inside.thenBlock());
    }
    to = addIndex(b, to, extents.times(b, place, target.strides[d]));
    emitDim(d + 1, from, to);
  }

  /// `together` elements, by vectors and what is left of them.
  void emitCopy(Value from, Value to) {
    Type storage = storageType(source.element);
    int64_t lanes = std::max<int64_t>(1, vectorBits / storage.getIntOrFloatBitWidth());
    int64_t whole = lanes > 1 ? together / lanes * lanes : 0;
    auto loop = [&](int64_t begin, int64_t end, int64_t step, function_ref<void(Value, Value)> body) {
      if (begin == end)
        return;
      auto each =
          scf::ForOp::create(b, constantIndex(b, begin), constantIndex(b, end), constantIndex(b, step));
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(each.getBody()->getTerminator());
      body(addIndex(b, from, each.getInductionVar()), addIndex(b, to, each.getInductionVar()));
    };
    loop(0, whole, lanes, [&](Value in, Value out) {
      Value vector = vector::LoadOp::create(b, VectorType::get(lanes, storage), source.memref, in);
      vector::StoreOp::create(b, vector, target.memref, out);
    });
    loop(whole, together, 1, [&](Value in, Value out) {
      Value element = memref::LoadOp::create(b, source.memref, in);
      memref::StoreOp::create(b, element, target.memref, out);
    });
  }

  ImplicitLocOpBuilder &b;
  Extents &extents;
  gpt::InsertOp op;
  gpt::DimsAttr dims;
  Buffer source, target;
  int64_t vectorBits;
  Value at, first;
  unsigned outer = 0;   ///< dimensions that loops run over
  int64_t together = 1; ///< elements behind these
};

} // namespace

LogicalResult lowerInsert(KernelBuilder &kernel, gpt::InsertOp op) {
  kernel.b.setLoc(op.getLoc());
  gpt::DimsAttr dims = gpt::dimsOf(op.getValue());
  Inserter(kernel, op).emit(kernel.piece());
  AffineExpr streams = dims.size() == 0
                           ? getAffineConstantExpr(1, op.getContext())
                           : affineOf(op.getContext(), gpt::Length::of(dims[0]), kernel.extentNames);
  kernel.finish(AffineMap::get(0, kernel.extentNames.size(), streams));
  return success();
}

} // namespace gptc
