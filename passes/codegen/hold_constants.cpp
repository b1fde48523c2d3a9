// rt-hold-constants: constants in registers for the loops that use them, and no longer.
#include "passes/passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace gptc {
#define GEN_PASS_DEF_HOLDCONSTANTSPASS
#include "passes/Passes.h.inc"

namespace {

/// What a loop carries beyond this is a register tile.
constexpr int64_t mostCarried = 4;
/// Registers that constants may take of 32: the rest is for what is computed.
constexpr size_t mostHeld = 22;
/// The narrowest vector register.
constexpr int64_t fewestBits = 128;

/// Of a vector of numbers; 0 for all else: truth values and indices have other places.
int64_t bitsOf(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  if (!vector || vector.getRank() != 1 || vector.isScalable())
    return 0;
  Type element = vector.getElementType();
  if (!element.isF32() && !element.isF64() && !element.isInteger(8) && !element.isInteger(16) &&
      !element.isInteger(32) && !element.isInteger(64))
    return 0;
  return vector.getNumElements() * element.getIntOrFloatBitWidth();
}

/// Neither the loop nor one inside of it has a register tile.
bool leavesRegisters(scf::ForOp loop) {
  auto isVector = [](Type type) { return bitsOf(type) >= fewestBits; };
  return !loop
              ->walk([&](scf::ForOp inner) {
                return llvm::count_if(inner.getResultTypes(), isVector) > mostCarried ? WalkResult::interrupt()
                                                                                      : WalkResult::advance();
              })
              .wasInterrupted();
}

struct HoldConstants : impl::HoldConstantsPassBase<HoldConstants> {
  using HoldConstantsPassBase::HoldConstantsPassBase;

  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<LLVM::LLVMDialect>(); }

  void runOnOperation() override {
    if (!getOperation()->hasAttr("rt.tiles"))
      return;
    getOperation()->walk<WalkOrder::PreOrder>([&](scf::ForOp loop) {
      if (!leavesRegisters(loop))
        return WalkResult::advance();
      hold(loop);
      return WalkResult::skip();
    });
  }

private:
  /// One register holds all of it.
  bool fitsRegister(Type type) {
    int64_t bits = bitsOf(type);
    return bits >= fewestBits && bits <= vectorBits && llvm::isPowerOf2_64(bits);
  }

  void hold(scf::ForOp loop) {
    llvm::MapVector<Value, SmallVector<OpOperand *>> uses;
    loop->walk([&](Operation *op) {
      for (OpOperand &operand : op->getOpOperands()) {
        auto constant = operand.get().getDefiningOp<arith::ConstantOp>();
        bool isZero = matchPattern(operand.get(), m_Zero()) || matchPattern(operand.get(), m_AnyZeroFloat());
        if (constant && fitsRegister(constant.getType()) && !isZero)
          uses[constant].push_back(&operand);
      }
    });
    auto held = uses.takeVector();
    llvm::stable_sort(held, [](const auto &x, const auto &y) { return x.second.size() > y.second.size(); });
    held.resize(std::min(held.size(), mostHeld));
    OpBuilder b(loop);
    for (auto &[constant, operands] : held) {
      // Canonicalization leaves constants at the function's begin; one that stands in the loop comes out of it.
      Operation *definition = constant.getDefiningOp();
      if (loop->isAncestor(definition))
        definition->moveBefore(loop);
      auto copy = LLVM::InlineAsmOp::create(b, loop.getLoc(), constant.getType(), constant, "", "=v,0",
                                            /*has_side_effects=*/true, /*is_align_stack=*/false,
                                            LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
      for (OpOperand *operand : operands)
        operand->set(copy.getRes());
    }
  }
};

} // namespace
} // namespace gptc
