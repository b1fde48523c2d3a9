// Kernels that begin with a contraction: our ops in the terms of contraction.h.
#include "ir/rt/rt.h"
#include "passes/codegen/body_emitter.h"
#include "passes/codegen/contraction.h"
#include "passes/codegen/kernel_builder.h"
#include "passes/codegen/row_groups.h"
#include "passes/codegen/tiles.h"

using namespace mlir;

namespace gptc {
namespace {

/// The contraction, the maps over its result, and what their accesses mean for it.
struct ContractionKernel {
  OpPlan product;
  std::vector<OpPlan> maps;
  ContractionSpec spec;
};

FailureOr<ContractionKernel> analyse(KernelBuilder &kernel) {
  SmallVector<Operation *> ops = kernel.ops();
  ContractionKernel result;
  Buffers buffers = kernel.buffers;
  for (Operation *op : ops)
    for (Value value : op->getResults())
      if (!buffers.contains(value)) // Stays in registers.
        buffers[value].push_back(Buffer::of(Value(), value, kernel.limits));
  for (auto [i, op] : llvm::enumerate(ops)) {
    FailureOr<OpPlan> plan = makePlan(op, buffers, 0);
    if (failed(plan))
      return failure();
    if (i == 0)
      result.product = std::move(*plan);
    else
      result.maps.push_back(std::move(*plan));
  }
  OpPlan &product = result.product;
  SmallVector<OpPlan *> group = {&product};
  for (OpPlan &map : result.maps)
    group.push_back(&map);
  connect(group);

  ContractionSpec &spec = result.spec;
  const Access &a = product.reads[0], &b = product.reads[1];
  spec.a = a.memref;
  spec.b = b.memref;
  spec.offsetA = a.offset.constant;
  spec.offsetB = b.offset.constant;
  spec.isDouble = a.element.isF64();
  spec.lanes = kernel.target.vectorBits / (spec.isDouble ? 64 : 32);
  spec.fma = kernel.target.fma;
  spec.limits = kernel.limits;
  spec.tile = kernel.target.tile;
  spec.narrowA = a.element.isBF16();
  spec.narrowB = b.element.isBF16();
  spec.bf16 = kernel.target.bf16 != Bf16::Off && (spec.narrowA || a.element.isF32()) &&
              (spec.narrowB || b.element.isF32());
  spec.dot = kernel.target.bf16 == Bf16::Dot && spec.lanes == 16;
  int64_t cost = 0;
  for (OpPlan &map : result.maps)
    cost += bodyCost(map.body);
  spec.cheapEpilogue = cost <= 8;
  // Row-major strides of the sums, whether or not they are stored.
  SmallVector<gpt::Length> strides(product.dims.size());
  gpt::Length stride = 1;
  for (int d = int(product.dims.size()) - 1; d >= 0; --d)
    if (!product.dims[d].reduction) {
      strides[d] = stride;
      stride *= product.dims[d].count;
    }
  for (auto [d, dim] : llvm::enumerate(product.dims)) {
    ContractionDim &out = spec.dims.emplace_back();
    out.size = dim.bound;
    out.count = dim.count;
    out.strideA = a.offset.dims[d];
    out.strideB = b.offset.dims[d];
    out.strideOut = strides[d];
    if (dim.reduction)
      continue;
    for (OpPlan &map : result.maps)
      out.separate |= map.usesCoordinate(d);
  }
  auto addOther = [&](const Access &access) {
    if (!access.memref || access.producer >= 0)
      return;
    for (auto [d, dim] : llvm::enumerate(spec.dims)) {
      bool has = d < access.offset.dims.size();
      dim.others.push_back(has ? access.offset.dims[d] : gpt::Length());
      dim.separate |=
          has && llvm::any_of(access.guards, [d = d](const Guard &g) { return g.index.dims[d] != 0; });
    }
  };
  for (const Access &write : product.writes.front())
    addOther(write);
  for (OpPlan &map : result.maps) {
    for (const Access &read : map.reads)
      addOther(read);
    for (const auto &places : map.writes)
      for (const Access &write : places)
        addOther(write);
  }
  return result;
}

} // namespace

bool canLowerContractionKernel(KernelBuilder &kernel) {
  SmallVector<Operation *> ops = kernel.ops();
  auto product = dyn_cast<gpt::GenericOp>(ops.front());
  if (!product || !product.isContraction())
    return false;
  for (Operation *op : llvm::drop_begin(ops)) {
    auto map = dyn_cast<gpt::GenericOp>(op);
    if (!map || map.isReduction() || !map.getIndices().empty() || map.getNumDims() != product.getNumParallel())
      return false;
    for (auto [i, operand] : llvm::enumerate(map.getInputs()))
      if (operand.getDefiningOp() && !map.getInputMap(i).isIdentity())
        return false;
  }
  FailureOr<ContractionKernel> parts = analyse(kernel);
  if (failed(parts))
    return false;
  const ContractionSpec &spec = parts->spec;
  bool narrow = spec.narrowA || spec.narrowB;
  return (!narrow || (spec.bf16 && spec.dot)) && canLowerContraction(spec);
}

LogicalResult lowerContractionKernel(KernelBuilder &kernel) {
  FailureOr<ContractionKernel> parts = analyse(kernel);
  if (failed(parts))
    return failure();
  ContractionSpec &spec = parts->spec;
  OpPlan &product = parts->product;
  ImplicitLocOpBuilder &b = kernel.b;
  b.setLoc(product.op->getLoc());
  PieceInfo info = contractionPieces(b.getContext(), spec, kernel.extentNames);

  auto pointOf = [&](const TilePoint &tile) {
    Point point;
    point.vectorDim = tile.vectorDim();
    point.lanes = spec.lanes;
    point.linear = [&](ImplicitLocOpBuilder &b, ArrayRef<gpt::Length> coefficients) {
      SmallVector<gpt::Length> strides(coefficients);
      strides.resize(spec.dims.size());
      return tile.linear(b, b.getLoc(), strides);
    };
    point.coordinate = [&](ImplicitLocOpBuilder &b, unsigned dim) { return tile.coordinate(b, b.getLoc(), dim); };
    return point;
  };
  auto epilogue = [&](OpBuilder &builder, Location loc, const TilePoint &tile, Value sums, Value mask) {
    ImplicitLocOpBuilder b(loc, builder);
    Point point = pointOf(tile);
    point.mask = mask;
    // All that is read before anything is written: what several maps read and compute is then seen to be the same.
    SmallVector<SmallVector<Value>> yielded = {{sums}};
    for (OpPlan &map : parts->maps) {
      SmallVector<Value> elements;
      for (const Access &read : map.reads)
        elements.push_back(read.producer >= 0 ? yielded[read.producer][read.result]
                                              : emitLoad(b, kernel.extents, read, point, {}));
      yielded.push_back(emitBody(b, kernel.extents, map.body, map.opDims, map.dimOf, point, elements));
    }
    auto store = [&](const OpPlan &plan, ArrayRef<Value> values) {
      for (auto [places, value] : llvm::zip_equal(plan.writes, values))
        for (const Access &place : places)
          if (place.memref)
            emitStore(b, kernel.extents, place, point, value);
    };
    store(product, yielded.front());
    for (auto [map, values] : llvm::zip_equal(parts->maps, llvm::drop_begin(yielded)))
      store(map, values);
    builder.restoreInsertionPoint(b.saveInsertionPoint());
  };
  auto prefetch = [&](OpBuilder &builder, Location loc, const TilePoint &tile) {
    ImplicitLocOpBuilder b(loc, builder);
    Point point = pointOf(tile);
    auto ask = [&](const Access &access, bool write) {
      if (!access.memref || access.producer >= 0 || access.offset.dims[point.vectorDim] != 1 ||
          access.usesSymbols() || (write && access.past))
        return;
      const ContractionPlan &plan = *tile.plan;
      gpt::Length stride = plan.m ? access.offset.dims[plan.dims[*plan.m].originals.back()] : gpt::Length();
      bool second = rowsCollide(plan.rows, spec.limits.most(stride) * plan.elementBytes());
      emitPrefetch(b, kernel.extents, access, point, write, second);
    };
    for (const Access &place : product.writes.front())
      ask(place, true);
    for (const OpPlan &map : parts->maps) {
      for (const Access &read : map.reads)
        ask(read, false);
      for (const auto &places : map.writes)
        for (const Access &place : places)
          ask(place, true);
    }
    builder.restoreInsertionPoint(b.saveInsertionPoint());
  };
  Value workspace;
  if (info.workspaceBytes > 0)
    workspace = rt::WorkspaceOp::create(b, kernel.scratch().getType());
  emitContraction(b, b.getLoc(), kernel.extents, spec, kernel.piece(), kernel.scratch(), workspace, epilogue,
                  prefetch);
  kernel.scratchBytes = info.scratchBytes;
  if (info.workspaceBytes > 0) {
    kernel.function->setAttr("rt.workspace", b.getI64IntegerAttr(info.workspaceBytes));
    kernel.function->setAttr("rt.first",
                             AffineMapAttr::get(AffineMap::get(0, kernel.extentNames.size(), info.first)));
  }
  kernel.hasTiles = true;
  kernel.finish(AffineMap::get(0, kernel.extentNames.size(), info.pieces));
  return success();
}

} // namespace gptc
