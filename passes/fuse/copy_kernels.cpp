#include "passes/fuse/copy_kernels.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc::fuse {

/// The kernel yields its argument or, where there is one, `element` everywhere.
func::FuncOp CopyKernels::makeKernel(Location loc, StringRef name, RankedTensorType type, TypedAttr element) {
  OpBuilder builder(type.getContext());
  SmallVector<Type> inputs;
  if (!element)
    inputs.push_back(type);
  auto function = func::FuncOp::create(builder, loc, name, builder.getFunctionType(inputs, {type}));
  function.setPrivate();
  function->setAttr("gpt.kernel", builder.getUnitAttr());
  Block *entry = function.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  DimsAttr dims = dimsOf(type);
  auto body = [&](OpBuilder &inside, Location at, ValueRange arguments) -> SmallVector<Value> {
    if (!element)
      return {arguments[0]};
    return {arith::ConstantOp::create(inside, at, element)};
  };
  SmallVector<AffineMap> maps;
  if (!element)
    maps.push_back(AffineMap::getMultiDimIdentityMap(dims.size(), type.getContext()));
  auto op = GenericOp::create(builder, loc, dims, dims.size(), std::nullopt, ValueRange(), entry->getArguments(), maps,
                              body);
  func::ReturnOp::create(builder, loc, op->getResults());
  symbols.insert(function); // makes the name unique
  return function;
}

Value CopyKernels::copy(OpBuilder &builder, Location loc, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  func::FuncOp &kernel = copies[type];
  if (!kernel)
    kernel = makeKernel(loc, "copy_kernel", type, {});
  return LaunchOp::create(builder, loc, TypeRange(type), FlatSymbolRefAttr::get(kernel.getSymNameAttr()),
                          ValueRange(value))
      ->getResult(0);
}

Value CopyKernels::fill(OpBuilder &builder, Location loc, RankedTensorType type, TypedAttr element) {
  func::FuncOp &kernel = fills[{type, element}];
  if (!kernel)
    kernel = makeKernel(loc, "fill_kernel", type, element);
  return LaunchOp::create(builder, loc, TypeRange(type), FlatSymbolRefAttr::get(kernel.getSymNameAttr()), ValueRange())
      ->getResult(0);
}

} // namespace gptc::fuse
