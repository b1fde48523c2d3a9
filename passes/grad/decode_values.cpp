#include "passes/grad/decode_values.h"

namespace gptc::grad {
using namespace mlir;
using namespace gpt;

DimAttr DecodeValues::dimAt(DimAttr dim, Role role) const {
  if (role == Role::History)
    return DimAttr::getBounded(b.getContext(), dim.getName(), capacity, historyExtent);
  if (role == Role::Last || rows == 1)
    return DimAttr::getStatic(b.getContext(), dim.getName(), 1);
  return DimAttr::getBounded(b.getContext(), dim.getName(), rows, newExtent);
}

SmallVector<DimAttr> DecodeValues::dimsAt(DimsAttr dims, ArrayRef<Role> roles, bool batched) const {
  SmallVector<DimAttr> result;
  if (batched)
    result.push_back(batch);
  size_t next = 0;
  for (DimAttr dim : dims.getDims())
    result.push_back(positions.isPosition(dim) ? dimAt(dim, roles[next++]) : dim);
  return result;
}

RankedTensorType DecodeValues::typeOf(Type type, ArrayRef<Role> roles, bool batched) const {
  return tensorType(b.getContext(), dimsAt(dimsOf(type), roles, batched), getElementTypeOrSelf(type));
}

int DecodeValues::streamsOf(DimsAttr dims) const {
  for (auto [d, dim] : llvm::enumerate(dims.getDims()))
    if (dim.getExtent() == batch.getExtent())
      return d;
  return -1;
}

void DecodeValues::bind(Value old, ArrayRef<Role> roles, Instance instance) {
  instances[old].push_back({Roles(roles), instance});
}

const Instance *DecodeValues::find(Value old, ArrayRef<Role> roles) const {
  auto known = instances.find(old);
  if (known != instances.end())
    for (const auto &[at, instance] : known->second)
      if (ArrayRef<Role>(at) == roles)
        return &instance;
  return nullptr;
}

Instance DecodeValues::lookup(Value old, Roles roles) {
  if (const Instance *known = find(old, roles))
    return *known;
  // The last rows are among the new ones.
  assert(llvm::is_contained(roles, Role::Last) && "the plan names all that is needed");
  Roles wide = roles;
  for (Role &role : wide)
    role = role == Role::Last ? Role::New : role;
  Instance instance = lookup(old, wide);
  if (lastNew)
    instance.value = takeLast(instance, dimsOf(old), roles);
  bind(old, roles, instance);
  return instance;
}

Value DecodeValues::adds(Value x, Value y, int64_t number) {
  SmallVector<Value> inputs = {x};
  if (y)
    inputs.push_back(y);
  SmallVector<AffineMap> maps(inputs.size(), b.getMultiDimIdentityMap(1));
  return GenericOp::create(
             b, main.getLoc(), dimsOf(x), 1, std::nullopt, ValueRange(), inputs, maps,
             [&](OpBuilder &body, Location loc, ValueRange arguments) -> SmallVector<Value> {
               Value sum = arguments[0];
               if (y)
                 sum = arith::AddIOp::create(body, loc, sum, arguments[1]);
               return {arith::AddIOp::create(
                   body, loc, sum, arith::ConstantOp::create(body, loc, body.getI32IntegerAttr(number)))};
             })
      ->getResult(0);
}

Value DecodeValues::takeLast(const Instance &from, DimsAttr old, ArrayRef<Role> roles) {
  SmallVector<DimAttr> dims = dimsAt(old, roles, from.batched);
  DimsAttr space = DimsAttr::get(b.getContext(), dims);
  SmallVector<AffineExpr> indices;
  size_t next = 0;
  for (auto [d, dim] : llvm::enumerate(dims)) {
    bool position = d >= size_t(from.batched) && positions.isPosition(old[d - from.batched]);
    AffineExpr index = b.getAffineDimExpr(d);
    indices.push_back(position && roles[next++] == Role::Last ? index + b.getAffineSymbolExpr(0) : index);
  }
  AffineMap stream = AffineMap::get(dims.size(), 0, b.getAffineDimExpr(streamsOf(space)));
  AffineMap map = AffineMap::get(dims.size(), 1, indices, b.getContext());
  return GenericOp::create(
             b, from.value.getLoc(), space, dims.size(), std::nullopt, lastNew, from.value,
             ArrayRef<AffineMap>{stream, map},
             [](OpBuilder &, Location, ValueRange arguments) -> SmallVector<Value> { return {arguments[1]}; })
      ->getResult(0);
}

Value DecodeValues::join(OpBuilder &body, Location loc, ReductionKind kind, Value x, Value y) {
  bool isFloat = isa<FloatType>(x.getType());
  if (x.getType().isInteger(1))
    return arith::OrIOp::create(body, loc, x, y);
  if (kind == ReductionKind::sum)
    return isFloat ? arith::AddFOp::create(body, loc, x, y).getResult()
                   : arith::AddIOp::create(body, loc, x, y).getResult();
  return isFloat ? arith::MaximumFOp::create(body, loc, x, y).getResult()
                 : arith::MaxSIOp::create(body, loc, x, y).getResult();
}

Value DecodeValues::broadcast(Value value, ArrayRef<DimAttr> dims) {
  SmallVector<AffineExpr> indices;
  for (unsigned d = 1; d < dims.size(); ++d)
    indices.push_back(b.getAffineDimExpr(d));
  return GenericOp::create(
             b, value.getLoc(), DimsAttr::get(b.getContext(), dims), dims.size(), std::nullopt, ValueRange(),
             value, AffineMap::get(dims.size(), 0, indices, b.getContext()),
             [](OpBuilder &, Location, ValueRange arguments) -> SmallVector<Value> { return {arguments[0]}; })
      ->getResult(0);
}

} // namespace gptc::grad
