#include "passes/fuse/recompute_cost.h"

#include "passes/fuse/destinations.h"
#include "passes/fuse/space.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc::fuse {
namespace {

// Of the machine in README.md: 230 GFLOP/s and 46 GB/s. Such ratios are common.
constexpr double operationsAByte = 5;
constexpr double ofScalarWork = 4; // times as slow as multiply-adds in register tiles
constexpr double ofFunctions = 16; // operations of an exponential, a root or a division

double operations(Operation *op) {
  StructuredOp structured = StructuredOp::get(op);
  if (!structured)
    return 0;
  double count = 0, space = double(points(structured.dims().getDims()));
  for (Operation &scalar : structured.body().without_terminator()) {
    bool function = isa<arith::DivFOp, arith::RemFOp>(scalar) || isa<math::MathDialect>(scalar.getDialect());
    count += function ? ofFunctions : 1;
  }
  auto generic = dyn_cast<GenericOp>(op);
  if (generic && generic.isContraction())
    return space * 2; // a multiplication and an addition
  return space * count * ofScalarWork;
}

} // namespace

double recomputeCost(LaunchOp launch, const Limits &limits) {
  double cost = 0;
  if (auto kernel = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(launch, launch.getKernelAttr()))
    for (Operation &op : kernel.getOps())
      cost += operations(&op) / operationsAByte;
  for (ValueRange tensors : {ValueRange(launch.getInputs()), ValueRange(launch.getResults())})
    for (Value tensor : tensors)
      cost += double(bytesOf(tensor.getType(), limits));
  return cost;
}

} // namespace gptc::fuse
