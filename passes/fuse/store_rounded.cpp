// gpt-store-rounded: what contractions alone read lies in memory as they multiply it.
#include "ir/gpt/axes.h"
#include "passes/fuse/space.h"
#include "passes/passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc {
#define GEN_PASS_DEF_STOREROUNDEDPASS
#include "passes/Passes.h.inc"

namespace {

RankedTensorType roundedType(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  return RankedTensorType::get(type.getShape(), BFloat16Type::get(type.getContext()), type.getEncoding());
}

/// A contraction, perhaps with maps behind it: the form that rounds its operands.
bool isContractionKernel(KernelOp kernel) {
  auto first = dyn_cast<GenericOp>(kernel.getBlock()->front());
  return first && fuse::isContraction(first) && !kernel->hasAttr(rowsName) && !kernel->hasAttr(rowBlocksName);
}

/// Where a value is read, under whatever shape.
struct Readers {
  SmallVector<ReshapeOp> reshapes;
  SmallVector<OpOperand *> inputs; ///< of kernels

  /// False where something else reads it than the contractions of kernels.
  bool collect(Value value) {
    return llvm::all_of(value.getUses(), [&](OpOperand &use) {
      if (auto reshape = dyn_cast<ReshapeOp>(use.getOwner())) {
        reshapes.push_back(reshape);
        return collect(reshape.getResult());
      }
      auto kernel = dyn_cast<KernelOp>(use.getOwner());
      if (!kernel || !isContractionKernel(kernel))
        return false;
      inputs.push_back(&use);
      BlockArgument argument = kernel.getBlock()->getArgument(use.getOperandNumber());
      return llvm::all_of(argument.getUsers(), [&](Operation *user) { return user == &kernel.getBlock()->front(); });
    });
  }

  void round() {
    for (ReshapeOp reshape : reshapes)
      reshape.getResult().setType(roundedType(reshape.getResult()));
    for (OpOperand *input : inputs) {
      auto kernel = cast<KernelOp>(input->getOwner());
      BlockArgument argument = kernel.getBlock()->getArgument(input->getOperandNumber());
      argument.setType(roundedType(argument));
      auto product = cast<GenericOp>(kernel.getBlock()->front());
      OpBuilder builder = OpBuilder::atBlockBegin(product.getBlock());
      for (auto [operand, element] : llvm::zip(product.getInputs(), product.getInputArguments())) {
        if (operand != argument)
          continue;
        Type wide = element.getType();
        element.setType(builder.getBF16Type());
        auto extended = arith::ExtFOp::create(builder, product.getLoc(), wide, element);
        element.replaceAllUsesExcept(extended, extended);
      }
    }
  }
};

/// Rounds result `number` in the map that computes it, or in a map behind the contraction; false where neither goes.
bool roundResult(KernelOp kernel, unsigned number) {
  YieldOp yield = kernel.getYield();
  Value value = yield.getValues()[number];
  auto producer = value.getDefiningOp<GenericOp>();
  // What a scatter begins with has the type of its sum.
  bool scatters = llvm::any_of(*kernel.getBlock(), [](Operation &op) { return isa<ScatterOp>(op); });
  if (!producer || scatters || kernel->hasAttr(rowBlocksName))
    return false;
  OpBuilder builder(producer.getYield());
  auto rounded = [&](OpBuilder &builder, Value wide) -> Value {
    return arith::TruncFOp::create(builder, wide.getLoc(), builder.getBF16Type(), wide);
  };
  if (!producer.isReduction() && value.hasOneUse()) {
    OpOperand &element = producer.getYield()->getOpOperand(cast<OpResult>(value).getResultNumber());
    element.set(rounded(builder, element.get()));
    value.setType(roundedType(value));
  } else if (isContractionKernel(kernel)) {
    builder.setInsertionPoint(yield);
    DimsAttr dims = dimsOf(value);
    auto map = GenericOp::create(builder, value.getLoc(), dims, dims.size(), std::nullopt, ValueRange(), value,
                                 builder.getMultiDimIdentityMap(dims.size()),
                                 [&](OpBuilder &builder, Location, ValueRange elements) -> SmallVector<Value> {
                                   return {rounded(builder, elements.front())};
                                 });
    yield->setOperand(number, map->getResult(0));
  } else {
    return false;
  }
  kernel->getResult(number).setType(roundedType(value));
  return true;
}

struct StoreRounded : impl::StoreRoundedPassBase<StoreRounded> {
  void runOnOperation() override {
    SmallVector<KernelOp> kernels;
    getOperation()->walk([&](KernelOp kernel) { kernels.push_back(kernel); });
    for (KernelOp kernel : kernels)
      for (OpResult result : kernel->getResults()) {
        Readers readers;
        if (cast<RankedTensorType>(result.getType()).getElementType().isF32() && !result.use_empty() &&
            readers.collect(result) && roundResult(kernel, result.getResultNumber()))
          readers.round();
      }
  }
};

} // namespace
} // namespace gptc
