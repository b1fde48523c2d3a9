// gpt-lower-kernels: kernels to loops and vectors.
#include "ir/gpt/axes.h"
#include "ir/rt/rt.h"
#include "passes/codegen/kernel_builder.h"
#include "passes/passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace gptc {
#define GEN_PASS_DEF_LOWERKERNELSPASS
#include "passes/Passes.h.inc"

namespace {

/// Every named extent must be one that the program gets.
LogicalResult checkExtents(KernelBuilder &kernel) {
  auto check = [&](Operation *op, gpt::DimsAttr dims) -> LogicalResult {
    for (gpt::DimAttr dim : dims ? dims.getDims() : ArrayRef<gpt::DimAttr>())
      if (dim.isDynamic() && !llvm::is_contained(kernel.extentNames, dim.getExtent()))
        return op->emitError() << "extent '" << dim.getExtent().getValue()
                               << "' is not among the module's gpt.extents";
    return success();
  };
  for (Operation *op : kernel.ops()) {
    for (Value value : op->getOperands())
      if (failed(check(op, gpt::dimsOf(value))))
        return failure();
    if (auto generic = dyn_cast<gpt::GenericOp>(op))
      if (failed(check(op, generic.getDims())))
        return failure();
    if (auto scatter = dyn_cast<gpt::ScatterOp>(op))
      if (failed(check(op, scatter.getDims())) || failed(check(op, gpt::dimsOf(scatter.getResult()))))
        return failure();
  }
  return success();
}

LogicalResult lowerKernel(KernelBuilder &kernel) {
  SmallVector<Operation *> ops = kernel.ops();
  if (ops.empty())
    return kernel.function.emitError() << "the kernel has no op";
  if (auto insert = dyn_cast<gpt::InsertOp>(ops.front()); insert && ops.size() == 1)
    return failed(checkExtents(kernel)) ? failure() : lowerInsert(kernel, insert);
  for (Operation *op : ops)
    if (!isa<gpt::GenericOp, gpt::ScatterOp>(op))
      return op->emitError() << "'" << op->getName() << "' in a kernel: only gpt.generic and gpt.scatter are lowered";
  for (auto [i, result] : llvm::enumerate(kernel.source->getTerminator()->getOperands()))
    if (!result.getDefiningOp())
      return kernel.function.emitError() << "result " << i << " is an argument, which no loop computes";
  if (failed(checkExtents(kernel)))
    return failure();
  if (auto rows = kernel.function->getAttrOfType<IntegerAttr>(gpt::rowsName))
    return lowerRows(kernel, rows.getInt());
  if (auto rows = kernel.function->getAttrOfType<IntegerAttr>(gpt::rowBlocksName))
    return lowerRowBlocks(kernel, rows.getInt());
  if (canLowerContractionKernel(kernel))
    return lowerContractionKernel(kernel);
  if (auto scatter = dyn_cast<gpt::ScatterOp>(ops.front()))
    return lowerScatter(kernel, scatter, ArrayRef(ops).drop_front());
  if (ops.size() == 1)
    return lowerSingle(kernel, ops.front());
  // Several ops that share their parallel dimensions: rows of one element.
  auto first = dyn_cast<gpt::GenericOp>(ops.front());
  if (!first)
    return ops.front()->emitError() << "a scatter among other ops of a kernel";
  return lowerRows(kernel, first.getNumParallel());
}

struct LowerKernels : impl::LowerKernelsPassBase<LowerKernels> {
  using LowerKernelsPassBase::LowerKernelsPassBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<rt::RtDialect, affine::AffineDialect, arith::ArithDialect, LLVM::LLVMDialect,
                    memref::MemRefDialect, scf::SCFDialect, vector::VectorDialect>();
  }

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (!function->hasAttr("gpt.kernel") || function->hasAttr("rt.pieces"))
      return;
    Target target;
    target.vectorBits = vectorBits;
    target.fma = fma;
    target.bf16 = bf16Dot ? Bf16::Dot : bf16 ? Bf16::Round : Bf16::Off;
    if (!tile.empty()) {
      std::optional<TileChoice> choice = parseTile(tile);
      if (!choice) {
        function.emitError() << "'" << tile << "' is no tile: 8x2 or 8x2,128x256";
        return signalPassFailure();
      }
      target.tile = *choice;
    }
    KernelBuilder kernel(function, target);
    if (failed(lowerKernel(kernel)))
      signalPassFailure();
  }
};

} // namespace
} // namespace gptc
