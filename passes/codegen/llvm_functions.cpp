#include "passes/codegen/llvm_functions.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MathToLibm/MathToLibm.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace gptc {
namespace {

struct LowerBodyPass : PassWrapper<LowerBodyPass, OperationPass<LLVM::LLVMFuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerBodyPass)

  StringRef getArgument() const override { return "rt-lower-body"; }

  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<LLVM::LLVMDialect, arith::ArithDialect, cf::ControlFlowDialect, vector::VectorDialect>();
  }

  /// Patterns are made once for all functions: making them takes longer than applying them to a small one.
  LogicalResult initialize(MLIRContext *context) override {
    converter = std::make_shared<LLVMTypeConverter>(context, LowerToLLVMOptions(context));
    vectors = vectorPatterns(context);
    controlFlow = controlFlowPatterns(context);
    operations = llvmPatterns(context, *converter);
    return success();
  }

  void runOnOperation() override {
    LLVM::LLVMFuncOp function = getOperation();
    if (function.isExternal())
      return;
    lowerVectors(function);
    if (failed(lowerControlFlow(function)) || failed(lowerToLLVM(function)))
      signalPassFailure();
  }

private:
  std::shared_ptr<LLVMTypeConverter> converter; // that `operations` refer to
  FrozenRewritePatternSet vectors, controlFlow, operations;

  static RewritePatternSet vectorPatterns(MLIRContext *context) {
    RewritePatternSet patterns(context);
    vector::populateVectorToVectorCanonicalizationPatterns(patterns);
    vector::populateVectorBroadcastLoweringPatterns(patterns);
    vector::populateVectorMaskOpLoweringPatterns(patterns);
    vector::populateVectorMaskMaterializationPatterns(patterns, /*force32BitVectorIndices=*/true);
    vector::populateVectorShapeCastLoweringPatterns(patterns);
    vector::populateVectorInterleaveLoweringPatterns(patterns);
    vector::populateVectorTransposeLoweringPatterns(patterns, vector::VectorTransposeLowering::Shuffle16x16);
    vector::populateVectorStepLoweringPatterns(patterns);
    vector::populateVectorRankReducingFMAPattern(patterns);
    vector::populateVectorInsertExtractStridedSliceTransforms(patterns);
    return patterns;
  }

  static RewritePatternSet controlFlowPatterns(MLIRContext *context) {
    RewritePatternSet patterns(context);
    populateSCFToControlFlowConversionPatterns(patterns);
    return patterns;
  }

  static RewritePatternSet llvmPatterns(MLIRContext *context, const LLVMTypeConverter &converter) {
    RewritePatternSet patterns(context);
    populateVectorToLLVMConversionPatterns(converter, patterns, /*reassociateFPReductions=*/false,
                                           /*force32BitVectorIndices=*/true);
    arith::populateArithToLLVMConversionPatterns(converter, patterns);
    arith::populateArithExpandOpsPatterns(patterns);
    populateMathToLLVMConversionPatterns(converter, patterns);
    populateFinalizeMemRefToLLVMConversionPatterns(converter, patterns);
    cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
    index::populateIndexToLLVMConversionPatterns(converter, patterns);
    ub::populateUBToLLVMConversionPatterns(converter, patterns);
    return patterns;
  }

  /// Vectors of higher rank and what has no LLVM form to forms that do.
  void lowerVectors(LLVM::LLVMFuncOp function) {
    GreedyRewriteConfig config;
    config.enableConstantCSE(false);
    // Not reaching a fixed point is no error: what is left is converted below or reported there.
    (void)applyPatternsGreedily(function, vectors, config);
  }

  LogicalResult lowerControlFlow(LLVM::LLVMFuncOp function) {
    ConversionTarget target(getContext());
    target.addIllegalDialect<scf::SCFDialect>();
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    return applyPartialConversion(function, target, controlFlow, noRollback());
  }

  LogicalResult lowerToLLVM(LLVM::LLVMFuncOp function) {
    LLVMConversionTarget target(getContext());
    target.addLegalOp<UnrealizedConversionCastOp>();
    if (failed(applyFullConversion(function, target, operations, noRollback())))
      return failure();
    SmallVector<UnrealizedConversionCastOp> casts;
    function.walk([&](UnrealizedConversionCastOp cast) { casts.push_back(cast); });
    SmallVector<UnrealizedConversionCastOp> left;
    reconcileUnrealizedCasts(casts, &left);
    if (!left.empty())
      return left.front().emitError() << "a type has no LLVM form";
    return success();
  }

  /// A function that cannot be converted is an internal error; nothing needs to be as it was then.
  static ConversionConfig noRollback() {
    ConversionConfig result;
    result.allowPatternRollback = false;
    return result;
  }
};

/// Ops that need no library.
bool isInline(Operation *op) {
  return isa<math::AbsFOp, math::AbsIOp, math::CeilOp, math::FloorOp, math::RoundEvenOp, math::TruncOp, math::SqrtOp,
             math::CopySignOp, math::FmaOp, math::ClampFOp, math::CountLeadingZerosOp, math::CountTrailingZerosOp,
             math::CtPopOp, math::IsFiniteOp, math::IsInfOp, math::IsNaNOp, math::IsNormalOp>(op);
}

} // namespace

std::unique_ptr<Pass> createLowerBodyPass() { return std::make_unique<LowerBodyPass>(); }

LogicalResult callMathLibrary(ModuleOp module) {
  bool any = false;
  module.walk([&](Operation *op) { any |= isa<math::MathDialect>(op->getDialect()) && !isInline(op); });
  if (!any)
    return success();
  MLIRContext *context = module.getContext();
  RewritePatternSet patterns(context);
  populateMathToLibmConversionPatterns(patterns);
  ConversionTarget target(*context);
  target.markUnknownOpDynamicallyLegal(
      [](Operation *op) { return !isa<math::MathDialect>(op->getDialect()) || isInline(op); });
  if (failed(applyPartialConversion(module, target, std::move(patterns))))
    return failure();
  SmallVector<func::CallOp> calls;
  module.walk([&](func::CallOp call) { calls.push_back(call); });
  for (func::CallOp call : calls) {
    OpBuilder b(call);
    auto direct = LLVM::CallOp::create(b, call.getLoc(), call.getResultTypes(), call.getCallee(), call.getOperands());
    call.replaceAllUsesWith(direct.getResults());
    call.erase();
  }
  for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
    if (!function.isExternal())
      continue;
    OpBuilder b(function);
    Type result = function.getNumResults() == 1 ? function.getResultTypes()[0] : LLVM::LLVMVoidType::get(context);
    LLVM::LLVMFuncOp::create(b, function.getLoc(), function.getName(),
                             LLVM::LLVMFunctionType::get(result, function.getArgumentTypes()));
    function.erase();
  }
  return success();
}

} // namespace gptc
