#include "passes/codegen/body_emitter.h"

#include "ir/rt/rt.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace gptc {

SmallVector<Value> emitBody(ImplicitLocOpBuilder &b, Extents &extents, Block *body, gpt::DimsAttr dims,
                            ArrayRef<int> dimOf, const Point &point, ArrayRef<Value> elements) {
  IRMapping mapping;
  mapping.map(body->getArguments(), elements);
  Location outer = b.getLoc();

  auto emitIndex = [&](gpt::IndexOp op) -> Value {
    int dim = dimOf[op.getDim()];
    Value index = arith::IndexCastOp::create(b, b.getI32Type(), point.coordinateOf(b, dim));
    if (!point.isVector() || dim != point.vectorDim)
      return index;
    return arith::AddIOp::create(b, broadcast(b, index, point.lanes), iota(b, point.lanes));
  };
  auto emitExtent = [&](gpt::ExtentOp op) -> Value {
    gpt::DimAttr dim = dims[op.getDim()];
    if (!dim.isDynamic())
      return arith::ConstantOp::create(b, b.getI32IntegerAttr(dim.getSize()));
    return arith::IndexCastOp::create(b, b.getI32Type(), extents.get(dim.getExtent(), b.getLoc()));
  };
  // Operands are all vectors or all scalars: one vector makes all others one.
  auto operandsOf = [&](Operation *op, bool &isVector) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(mapping.lookup(operand));
    isVector = llvm::any_of(operands, [](Value v) { return isa<VectorType>(v.getType()); });
    if (isVector)
      for (Value &operand : operands)
        operand = broadcast(b, operand, point.lanes);
    return operands;
  };
  auto elementwise = [&](Type type, bool isVector) -> Type {
    return isVector ? Type(VectorType::get(point.lanes, type)) : type;
  };

  for (Operation &op : body->without_terminator()) {
    b.setLoc(op.getLoc());
    llvm::TypeSwitch<Operation *>(&op)
        .Case([&](gpt::IndexOp index) { mapping.map(index.getResult(), emitIndex(index)); })
        .Case([&](gpt::ExtentOp extent) { mapping.map(extent.getResult(), emitExtent(extent)); })
        .Case([&](gpt::StopGradientOp stop) { mapping.map(stop.getResult(), mapping.lookup(stop.getValue())); })
        .Case([&](gpt::RandomOp random) {
          // Keys that all lanes share stay scalars: most of the work leaves the loop.
          SmallVector<Value> keys;
          for (Value key : random.getKeys())
            keys.push_back(mapping.lookup(key));
          bool isVector = llvm::any_of(keys, [](Value key) { return isa<VectorType>(key.getType()); });
          Type type = elementwise(random.getType(), isVector);
          mapping.map(random.getResult(),
                      rt::RandomOp::create(b, type, random.getSiteAttr(), keys).getResult());
        })
        .Default([&](Operation *other) {
          bool isVector;
          SmallVector<Value> operands = operandsOf(other, isVector);
          Operation *copy = other->clone();
          copy->setOperands(operands);
          for (OpResult result : copy->getResults())
            result.setType(elementwise(result.getType(), isVector));
          b.insert(copy);
          mapping.map(other->getResults(), copy->getResults());
        });
  }
  b.setLoc(outer);
  SmallVector<Value> yielded;
  for (Value value : body->getTerminator()->getOperands())
    yielded.push_back(mapping.lookup(value));
  return yielded;
}

int64_t bodyCost(Block *body) {
  int64_t cost = 0;
  for (Operation &op : body->without_terminator()) {
    if (isa<gpt::RandomOp>(op))
      cost += 20;
    else if (isa<math::SqrtOp, math::RsqrtOp, arith::DivFOp, arith::DivSIOp, arith::RemSIOp>(op))
      cost += 4;
    else if (isa<math::AbsFOp, math::FloorOp, math::CeilOp, math::CopySignOp, math::FmaOp>(op))
      cost += 1;
    else if (isa<math::MathDialect>(op.getDialect()))
      cost += 12;
    else if (!op.hasTrait<OpTrait::ConstantLike>())
      cost += 1;
  }
  return cost;
}

} // namespace gptc
