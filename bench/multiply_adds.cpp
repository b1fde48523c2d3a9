#include "multiply_adds.h"

#include "ir/rt/rt.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace {

/// Operations of one instruction on a vector; 0 where it is none.
int64_t operationsOf(Operation &op) {
  if (auto fma = dyn_cast<vector::FMAOp>(op))
    return 2 * fma.getVectorType().getNumElements();
  if (auto call = dyn_cast<LLVM::CallIntrinsicOp>(op); call && call.getIntrin().contains("dpbf16ps"))
    return 4 * cast<VectorType>(call.getResult(0).getType()).getNumElements(); // pairs
  return 0;
}

/// Walks the loops of one function.
class Walker {
public:
  explicit Walker(ModuleOp module) : module(module) {}

  std::optional<double> count(func::FuncOp function, int64_t piece) {
    for (BlockArgument argument : function.getArguments())
      if (argument.getType().isIndex())
        known[argument] = IntegerAttr::get(argument.getType(), piece); // the first, and in kernels the only one
    function.walk([&](Operation *op) {
      if (operationsOf(*op) > 0 || isa<gptc::rt::LaunchOp>(op))
        for (Operation *around = op; around != function; around = around->getParentOp())
          counting.insert(around);
    });
    needBounds(function);
    double sum = count(function.getBody().front());
    return failed ? std::nullopt : std::optional(sum);
  }

  /// Whether pieces differ.
  bool needsPiece(func::FuncOp function) const { return needed.contains(function.getArgument(0)); }

private:
  /// Finds all that decides how often something is counted.
  void needBounds(func::FuncOp function) {
    function.walk([&](Operation *op) {
      if (!counting.contains(op))
        return;
      if (auto loop = dyn_cast<scf::ForOp>(op))
        needed.insert_range(ArrayRef<Value>{loop.getLowerBound(), loop.getUpperBound(), loop.getStep()});
      if (auto branch = dyn_cast<scf::IfOp>(op))
        needed.insert(branch.getCondition());
    });
    for (unsigned i = 0; i < needed.size(); ++i) // grows meanwhile
      if (Operation *op = needed[i].getDefiningOp())
        needed.insert_range(op->getOperands());
  }

  std::optional<int64_t> valueOf(Value value) {
    if (auto number = dyn_cast_or_null<IntegerAttr>(known.lookup(value)))
      return number.getInt();
    failed = true;
    return {};
  }

  double count(Block &block) {
    double sum = 0;
    for (Operation &op : block) {
      if (llvm::any_of(op.getResults(), [&](Value result) { return needed.contains(result); }))
        evaluate(op);
      if (!counting.contains(&op))
        continue;
      if (auto loop = dyn_cast<scf::ForOp>(op))
        sum += count(loop);
      else if (auto branch = dyn_cast<scf::IfOp>(op))
        sum += count(branch);
      else if (auto launch = dyn_cast<gptc::rt::LaunchOp>(op))
        sum += count(launch);
      else
        sum += double(operationsOf(op));
    }
    return sum;
  }

  double count(scf::ForOp loop) {
    auto lower = valueOf(loop.getLowerBound()), upper = valueOf(loop.getUpperBound()), step = valueOf(loop.getStep());
    if (failed || *lower >= *upper)
      return 0;
    Value index = loop.getInductionVar();
    auto at = [&](int64_t i) {
      known[index] = IntegerAttr::get(index.getType(), i);
      return count(*loop.getBody());
    };
    if (!needed.contains(index)) // each time is like the first
      return double((*upper - *lower + *step - 1) / *step) * at(*lower);
    double sum = 0;
    for (int64_t i = *lower; i < *upper && !failed; i += *step)
      sum += at(i);
    return sum;
  }

  double count(scf::IfOp branch) {
    std::optional<int64_t> condition = valueOf(branch.getCondition());
    if (failed)
      return 0;
    Block *taken = *condition != 0 ? branch.thenBlock() : branch.elseBlock();
    return taken ? count(*taken) : 0;
  }

  double count(gptc::rt::LaunchOp launch) {
    auto kernel = module.lookupSymbol<func::FuncOp>(launch.getKernel());
    AffineMap map = cast<AffineMapAttr>(kernel->getAttr("rt.pieces")).getValue();
    if (!map.isSingleConstant()) {
      failed = true;
      return 0;
    }
    int64_t pieces = map.getSingleConstantResult();
    double sum = 0;
    for (int64_t piece = 0; piece < pieces && !failed; ++piece) {
      Walker walker(module);
      std::optional<double> one = walker.count(kernel, piece);
      failed |= !one;
      sum += one.value_or(0);
      if (!walker.needsPiece(kernel))
        return double(pieces) * sum;
    }
    return sum;
  }

  void evaluate(Operation &op) {
    SmallVector<Attribute> operands;
    for (Value operand : op.getOperands())
      operands.push_back(known.lookup(operand));
    SmallVector<OpFoldResult> results;
    for (Value result : op.getResults())
      known.erase(result);
    if (succeeded(op.fold(operands, results)) && results.size() == op.getNumResults())
      for (auto [result, folded] : llvm::zip(op.getResults(), results))
        known[result] = isa<Attribute>(folded) ? cast<Attribute>(folded) : known.lookup(cast<Value>(folded));
  }

  ModuleOp module;
  DenseMap<Value, Attribute> known;
  llvm::SmallSetVector<Value, 32> needed; ///< values that bounds and conditions depend on
  DenseSet<Operation *> counting;         ///< what is counted, and all around it
  bool failed = false;
};

} // namespace

std::optional<double> gptc::bench::multiplyAdds(ModuleOp module) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  return main ? Walker(module).count(main, 0) : std::nullopt;
}
