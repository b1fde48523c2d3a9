// rt-hold-constants: constants in registers for the loops that use them, and no longer.
#include "passes/passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace gptc {
#define GEN_PASS_DEF_HOLDCONSTANTSPASS
#include "passes/Passes.h.inc"

namespace {

/// What a loop carries beyond this is a register tile.
constexpr int64_t mostCarried = 4;
/// Registers that constants may take of 32: the rest is for what is computed.
constexpr size_t mostHeld = 22;

bool isVector(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return vector && vector.getElementTypeBitWidth() * vector.getNumElements() >= 128;
}

/// Neither the loop nor one inside of it has a register tile.
bool leavesRegisters(scf::ForOp loop) {
  return !loop
              ->walk([](scf::ForOp inner) {
                return llvm::count_if(inner.getResultTypes(), isVector) > mostCarried ? WalkResult::interrupt()
                                                                                      : WalkResult::advance();
              })
              .wasInterrupted();
}

void hold(scf::ForOp loop) {
  llvm::MapVector<Value, SmallVector<OpOperand *>> uses;
  loop->walk([&](Operation *op) {
    for (OpOperand &operand : op->getOpOperands()) {
      auto constant = operand.get().getDefiningOp<arith::ConstantOp>();
      bool isZero = matchPattern(operand.get(), m_Zero()) || matchPattern(operand.get(), m_AnyZeroFloat());
      if (constant && isVector(constant.getType()) && !isZero)
        uses[constant].push_back(&operand);
    }
  });
  auto held = uses.takeVector();
  llvm::stable_sort(held, [](const auto &x, const auto &y) { return x.second.size() > y.second.size(); });
  held.resize(std::min(held.size(), mostHeld));
  OpBuilder b(loop);
  for (auto &[constant, operands] : held) {
    auto copy = LLVM::InlineAsmOp::create(b, loop.getLoc(), constant.getType(), constant, "", "=v,0",
                                          /*has_side_effects=*/true, /*is_align_stack=*/false,
                                          LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
    for (OpOperand *operand : operands)
      operand->set(copy.getRes());
  }
}

struct HoldConstants : impl::HoldConstantsPassBase<HoldConstants> {
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<LLVM::LLVMDialect>(); }

  void runOnOperation() override {
    if (!getOperation()->hasAttr("rt.tiles"))
      return;
    getOperation()->walk<WalkOrder::PreOrder>([](scf::ForOp loop) {
      if (!leavesRegisters(loop))
        return WalkResult::advance();
      hold(loop);
      return WalkResult::skip();
    });
  }
};

} // namespace
} // namespace gptc
