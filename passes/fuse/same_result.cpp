#include "passes/fuse/same_result.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc::fuse {
namespace {

func::FuncOp kernelOf(LaunchOp launch) {
  auto kernel = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(launch, launch.getKernelAttr());
  return kernel && !kernel.isExternal() ? kernel : func::FuncOp();
}

/// What the launch's kernel calls `inside`, as its caller does; null where the caller does not see it.
Value outside(LaunchOp launch, Value inside) {
  if (auto argument = dyn_cast<BlockArgument>(inside))
    return launch.getInputs()[argument.getArgNumber()];
  Operation *end = inside.getParentBlock()->getTerminator();
  auto place = llvm::find(end->getOperands(), inside);
  return place == end->operand_end() ? Value() : launch.getResult(unsigned(place - end->operand_begin()));
}

} // namespace

Value sameResult(LaunchOp smaller, LaunchOp larger) {
  func::FuncOp one = kernelOf(smaller), many = kernelOf(larger);
  if (!one || !many || smaller.getNumResults() != 1 || !llvm::hasNItems(one.front().without_terminator(), 1))
    return {};
  Operation &wanted = one.front().front();
  if (wanted.getNumResults() != 1)
    return {};
  // An op is equivalent to itself whatever it is launched on.
  if (one == many)
    return smaller.getInputs() == larger.getInputs() ? larger.getResult(0) : Value();
  for (Operation &op : many.front().without_terminator()) {
    llvm::DenseMap<Value, Value> inner; // values of the bodies
    auto same = [&](Value a, Value b) {
      if (auto known = inner.find(a); known != inner.end())
        return success(known->second == b);
      if (a.getParentBlock() != &one.front() || b.getParentBlock() != &many.front())
        return failure();
      Value seen = outside(larger, b);
      return success(seen && outside(smaller, a) == seen);
    };
    auto mark = [&](Value a, Value b) { inner[a] = b; };
    if (OperationEquivalence::isEquivalentTo(&wanted, &op, same, mark, OperationEquivalence::IgnoreLocations))
      if (Value result = outside(larger, op.getResult(0)))
        return result;
  }
  return {};
}

} // namespace gptc::fuse
