#include "passes/grad/tensors.h"

using namespace mlir;

namespace gptc::grad {
using namespace gpt;

bool isFloatTensor(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && isa<FloatType>(tensor.getElementType());
}

int64_t byteSize(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return tensor.getNumElements() * ((tensor.getElementTypeBitWidth() + 7) / 8);
}

bool isCostly(Operation *scalar) {
  return isa<arith::DivFOp, arith::RemFOp, RandomOp>(scalar) || isa<math::MathDialect>(scalar->getDialect());
}

Value splat(OpBuilder &builder, Location loc, RankedTensorType type, double value) {
  Attribute element = builder.getFloatAttr(type.getElementType(), value);
  return gpt::ConstantOp::create(builder, loc, type,
                                 cast<ElementsAttr>(DenseElementsAttr::get(type, element)));
}

Value sum(OpBuilder &builder, Location loc, ValueRange values) {
  if (values.size() == 1)
    return values[0];
  DimsAttr dims = dimsOf(values[0]);
  AffineMap identity = builder.getMultiDimIdentityMap(dims.size());
  SmallVector<AffineMap> maps(values.size(), identity);
  auto body = [](OpBuilder &b, Location l, ValueRange terms) -> SmallVector<Value> {
    Value total = terms[0];
    for (Value term : terms.drop_front())
      total = arith::AddFOp::create(b, l, total, term);
    return {total};
  };
  return GenericOp::create(builder, loc, dims, dims.size(), std::nullopt, ValueRange{}, values, maps, body)
      ->getResult(0);
}

Value retype(OpBuilder &builder, Value value, Type type) {
  if (value.getType() == type)
    return value;
  return ReshapeOp::create(builder, value.getLoc(), type, value);
}

} // namespace gptc::grad
