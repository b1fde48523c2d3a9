#include "passes/codegen/access.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace gptc {

//===-- Offset -----------------------------------------------------------------===//

Offset::Offset(const gpt::LinearIndex &index) : Offset(index.dims.size(), index.symbols.size()) {
  add(index, 1);
}

void Offset::add(const gpt::LinearIndex &index, const gpt::Length &stride) {
  for (auto [sum, term] : llvm::zip(dims, index.dims))
    sum += stride * term;
  for (auto [sum, term] : llvm::zip(symbols, index.symbols))
    sum += stride * term;
  constant += stride * index.constant;
}

//===-- Access -----------------------------------------------------------------===//

bool Access::usesDim(unsigned dim) const {
  if (offset.dims[dim] != 0)
    return true;
  return llvm::any_of(guards, [&](const Guard &guard) { return guard.index.dims[dim] != 0; });
}

bool Access::usesSymbols() const {
  auto any = [](ArrayRef<gpt::Length> symbols) {
    return llvm::any_of(symbols, [](const gpt::Length &s) { return s != 0; });
  };
  return any(offset.symbols) || llvm::any_of(guards, [&](const Guard &g) { return any(g.index.symbols); });
}

void Access::eraseDim(unsigned dim) {
  offset.dims.erase(offset.dims.begin() + dim);
  for (Guard &guard : guards)
    guard.index.dims.erase(guard.index.dims.begin() + dim);
}

//===-- Small builders ---------------------------------------------------------===//

Type storageType(Type type) {
  return type.isInteger(1) ? IntegerType::get(type.getContext(), 8) : type;
}

Value constantIndex(ImplicitLocOpBuilder &b, int64_t value) { return arith::ConstantIndexOp::create(b, value); }

Value addIndex(ImplicitLocOpBuilder &b, Value lhs, Value rhs) { return b.createOrFold<arith::AddIOp>(lhs, rhs); }

Value mulIndex(ImplicitLocOpBuilder &b, Value lhs, int64_t rhs) {
  return rhs == 1 ? lhs : b.createOrFold<arith::MulIOp>(lhs, constantIndex(b, rhs));
}

Value zeroOf(ImplicitLocOpBuilder &b, Type type) {
  return arith::ConstantOp::create(b, cast<TypedAttr>(b.getZeroAttr(type)));
}

Value broadcast(ImplicitLocOpBuilder &b, Value value, int64_t lanes) {
  if (isa<VectorType>(value.getType()))
    return value;
  return vector::BroadcastOp::create(b, VectorType::get(lanes, value.getType()), value);
}

Value iota(ImplicitLocOpBuilder &b, int64_t lanes, int64_t step) {
  SmallVector<int32_t> values;
  for (int64_t i = 0; i < lanes; ++i)
    values.push_back(i * step);
  auto type = VectorType::get(lanes, b.getI32Type());
  return arith::ConstantOp::create(b, DenseElementsAttr::get(type, ArrayRef<int32_t>(values)));
}

//===-- Points -----------------------------------------------------------------===//

Value Point::coordinateOf(ImplicitLocOpBuilder &b, int dim) const {
  if (dim < 0)
    return constantIndex(b, 0);
  return coordinate ? coordinate(b, dim) : coordinates[dim];
}

Value Point::sum(ImplicitLocOpBuilder &b, Extents &extents, ArrayRef<gpt::Length> coefficients) const {
  if (linear)
    return linear(b, coefficients);
  // Outer dimensions first, so that what does not change in an inner loop is a
  // sum of its own and leaves that loop.
  Value total;
  for (auto [dim, coefficient] : llvm::enumerate(coefficients)) {
    if (coefficient == 0)
      continue;
    Value term = extents.times(b, coordinates[dim], coefficient);
    total = total ? addIndex(b, total, term) : term;
  }
  return total ? total : constantIndex(b, 0);
}

bool variesAlong(const Access &access, int vectorDim, ArrayRef<bool> symbolVaries) {
  if (vectorDim < 0)
    return false;
  if (access.usesDim(vectorDim))
    return true;
  for (auto [k, varies] : llvm::enumerate(symbolVaries)) {
    if (!varies)
      continue;
    if (access.offset.usesSymbol(k))
      return true;
    if (llvm::any_of(access.guards, [k = k](const Guard &g) { return g.index.usesSymbol(k); }))
      return true;
  }
  return false;
}

namespace {

/// An index expression at a point, in a scalar part and, where lanes differ
/// by more than a stride, vector terms.
struct Evaluated {
  Value base;                                         // index
  gpt::Length stride;                                 // per lane
  SmallVector<std::pair<Value, gpt::Length>> vectors; // i32 vectors times a factor
  bool varies() const { return stride != 0 || !vectors.empty(); }
  bool isContiguous() const { return stride == 1 && vectors.empty(); }
};

Evaluated evaluate(ImplicitLocOpBuilder &b, Extents &extents, const Offset &index, const Point &point,
                   ArrayRef<Value> symbols) {
  Evaluated result;
  result.base = point.sum(b, extents, index.dims);
  if (point.isVector())
    result.stride = index.dims[point.vectorDim];
  for (auto [k, factor] : llvm::enumerate(index.symbols)) {
    if (factor == 0)
      continue;
    if (isa<VectorType>(symbols[k].getType())) {
      result.vectors.push_back({symbols[k], factor});
      continue;
    }
    Value symbol = arith::IndexCastOp::create(b, b.getIndexType(), symbols[k]);
    result.base = addIndex(b, result.base, extents.times(b, symbol, factor));
  }
  if (index.constant != 0)
    result.base = addIndex(b, result.base, extents.value(b, index.constant));
  return result;
}

/// The lanes' distances from the base as a vector of integers: 32 bits where
/// no element is further away than that.
Value laneOffsets(ImplicitLocOpBuilder &b, Extents &extents, const Evaluated &index, int64_t lanes,
                  bool wide) {
  Type element = wide ? b.getI64Type() : b.getI32Type();
  auto type = VectorType::get(lanes, element);
  auto widen = [&](Value value) -> Value {
    return wide ? arith::ExtSIOp::create(b, type, value).getResult() : value;
  };
  auto times = [&](Value value, const gpt::Length &factor) -> Value {
    if (factor == 1)
      return value;
    if (factor.isConstant()) {
      auto constant = DenseElementsAttr::get(type, b.getIntegerAttr(element, factor.constant()));
      return arith::MulIOp::create(b, value, arith::ConstantOp::create(b, constant));
    }
    Value scalar = arith::IndexCastOp::create(b, element, extents.value(b, factor));
    return arith::MulIOp::create(b, value, broadcast(b, scalar, lanes));
  };
  Value total;
  if (index.stride.isConstant() && (index.stride != 0 || index.vectors.empty()))
    total = widen(iota(b, lanes, index.stride.constant()));
  else if (!index.stride.isConstant())
    total = times(widen(iota(b, lanes)), index.stride);
  for (auto &[vec, factor] : index.vectors) {
    Value term = times(widen(vec), factor);
    total = total ? arith::AddIOp::create(b, total, term).getResult() : term;
  }
  return total;
}

/// The conditions of all guards: one i1 for all lanes (null: true) and a
/// vector of i1 (null: all true).
struct Validity {
  Value scalar, lanes;
};

Value andOf(ImplicitLocOpBuilder &b, Value lhs, Value rhs) {
  if (!lhs || !rhs)
    return lhs ? lhs : rhs;
  return arith::AndIOp::create(b, lhs, rhs);
}

Validity evaluateGuards(ImplicitLocOpBuilder &b, Extents &extents, const Access &access, const Point &point,
                        ArrayRef<Value> symbols) {
  Validity validity;
  for (const Guard &guard : access.guards) {
    Evaluated index = evaluate(b, extents, guard.index, point, symbols);
    Value extent = extents.value(b, guard.extent);
    // Unsigned: what is below 0 is far beyond the extent.
    if (!index.varies()) {
      Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, index.base, extent);
      validity.scalar = andOf(b, validity.scalar, inside);
      continue;
    }
    Value base = arith::IndexCastOp::create(b, b.getI32Type(), index.base);
    Value lanes = arith::AddIOp::create(b, broadcast(b, base, point.lanes),
                                        laneOffsets(b, extents, index, point.lanes, false));
    Value limit = arith::IndexCastOp::create(b, b.getI32Type(), extent);
    Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, lanes, broadcast(b, limit, point.lanes));
    validity.lanes = andOf(b, validity.lanes, inside);
  }
  return validity;
}

/// Mask of a vector access: point, guards; null when all lanes are valid.
Value maskOf(ImplicitLocOpBuilder &b, const Validity &validity, const Point &point) {
  Value mask = andOf(b, point.mask, validity.lanes);
  if (validity.scalar)
    mask = andOf(b, mask, broadcast(b, validity.scalar, point.lanes));
  return mask;
}

Value allTrue(ImplicitLocOpBuilder &b, int64_t lanes) {
  auto type = VectorType::get(lanes, b.getI1Type());
  return arith::ConstantOp::create(b, DenseElementsAttr::get(type, true));
}

Value fromStorage(ImplicitLocOpBuilder &b, Value value, Type element) {
  if (!element.isInteger(1))
    return value;
  return arith::CmpIOp::create(b, arith::CmpIPredicate::ne, value, zeroOf(b, value.getType()));
}

Value toStorage(ImplicitLocOpBuilder &b, Value value) {
  Type element = getElementTypeOrSelf(value.getType());
  if (!element.isInteger(1))
    return value;
  Type type = b.getI8Type();
  if (auto vec = dyn_cast<VectorType>(value.getType()))
    type = VectorType::get(vec.getShape(), type);
  return arith::ExtUIOp::create(b, type, value);
}

/// Vectors begin at multiples of their size: all memory does, and vector loops begin at multiples of their lanes.
bool isAligned(const Access &access, const Point &point) {
  auto isMultiple = [&](const gpt::Length &length) { return length == 0 || length.divisor() % point.lanes == 0; };
  for (auto [d, stride] : llvm::enumerate(access.offset.dims))
    if (int(d) != point.vectorDim && !isMultiple(stride))
      return false;
  return isMultiple(access.offset.constant);
}

bool needsWideOffsets(const Access &access) { return access.elements >= (int64_t(1) << 31); }

} // namespace

//===-- Loads and stores -------------------------------------------------------===//

Value emitLoad(ImplicitLocOpBuilder &b, Extents &extents, const Access &access, const Point &point,
               ArrayRef<Value> symbols) {
  Evaluated index = evaluate(b, extents, access.offset, point, symbols);
  Validity validity = evaluateGuards(b, extents, access, point, symbols);
  Type storage = storageType(access.element);
  if (!index.varies() && !validity.lanes) {
    Value address = index.base;
    if (validity.scalar) // Element 0 is always there.
      address = arith::SelectOp::create(b, validity.scalar, address, constantIndex(b, 0));
    Value value = memref::LoadOp::create(b, access.memref, address);
    value = fromStorage(b, value, access.element);
    if (validity.scalar)
      value = arith::SelectOp::create(b, validity.scalar, value, zeroOf(b, access.element));
    return value;
  }
  auto type = VectorType::get(point.lanes, storage);
  Value mask = maskOf(b, validity, point);
  Value value;
  if (index.isContiguous()) {
    if (mask)
      value = vector::MaskedLoadOp::create(b, type, access.memref, index.base, mask, zeroOf(b, type));
    else
      value = vector::LoadOp::create(b, type, access.memref, index.base);
  } else {
    Value lanes = laneOffsets(b, extents, index, point.lanes, needsWideOffsets(access));
    value = vector::GatherOp::create(b, type, access.memref, index.base, lanes,
                                     mask ? mask : allTrue(b, point.lanes), zeroOf(b, type));
  }
  return fromStorage(b, value, access.element);
}

void emitStore(ImplicitLocOpBuilder &b, Extents &extents, const Access &access, const Point &point,
               Value value) {
  Evaluated index = evaluate(b, extents, access.offset, point, {});
  if (!index.varies()) {
    memref::StoreOp::create(b, toStorage(b, value), access.memref, index.base);
    return;
  }
  value = toStorage(b, broadcast(b, value, point.lanes));
  if (index.stride == 1) {
    if (point.mask)
      vector::MaskedStoreOp::create(b, access.memref, index.base, point.mask, value);
    else if (access.past && isAligned(access, point))
      vector::StoreOp::create(b, value, access.memref, index.base, /*nontemporal=*/true,
                              llvm::MaybeAlign(point.lanes * storageType(access.element).getIntOrFloatBitWidth() / 8));
    else
      vector::StoreOp::create(b, value, access.memref, index.base);
    return;
  }
  Value lanes = laneOffsets(b, extents, index, point.lanes, needsWideOffsets(access));
  vector::ScatterOp::create(b, Type(), access.memref, index.base, lanes,
                            point.mask ? point.mask : allTrue(b, point.lanes), value);
}

void emitPrefetch(ImplicitLocOpBuilder &b, Extents &extents, const Access &access, const Point &point,
                  bool write, bool second) {
  Evaluated index = evaluate(b, extents, access.offset, point, {});
  memref::PrefetchOp::create(b, access.memref, ValueRange(index.base), write && !second,
                             /*localityHint=*/second ? 2 : 3, /*isDataCache=*/true);
}

void emitAccumulate(ImplicitLocOpBuilder &b, Extents &extents, const Access &access, const Point &point,
                    ArrayRef<Value> symbols, Value value) {
  Evaluated index = evaluate(b, extents, access.offset, point, symbols);
  Validity validity = evaluateGuards(b, extents, access, point, symbols);
  auto add = [&](Value lhs, Value rhs) -> Value {
    if (isa<FloatType>(getElementTypeOrSelf(lhs.getType())))
      return arith::AddFOp::create(b, lhs, rhs);
    return arith::AddIOp::create(b, lhs, rhs);
  };
  auto emit = [&] {
    if (!index.varies() && !validity.lanes) {
      Value old = memref::LoadOp::create(b, access.memref, index.base);
      memref::StoreOp::create(b, add(old, value), access.memref, index.base);
      return;
    }
    auto type = VectorType::get(point.lanes, access.element);
    Value mask = andOf(b, point.mask, validity.lanes);
    value = broadcast(b, value, point.lanes);
    if (index.isContiguous()) {
      if (mask) {
        Value old = vector::MaskedLoadOp::create(b, type, access.memref, index.base, mask, zeroOf(b, type));
        vector::MaskedStoreOp::create(b, access.memref, index.base, mask, add(old, value));
      } else {
        Value old = vector::LoadOp::create(b, type, access.memref, index.base);
        vector::StoreOp::create(b, add(old, value), access.memref, index.base);
      }
      return;
    }
    Value lanes = laneOffsets(b, extents, index, point.lanes, needsWideOffsets(access));
    mask = mask ? mask : allTrue(b, point.lanes);
    Value old = vector::GatherOp::create(b, type, access.memref, index.base, lanes, mask, zeroOf(b, type));
    vector::ScatterOp::create(b, Type(), access.memref, index.base, lanes, mask, add(old, value));
  };
  if (!validity.scalar)
    return emit();
  auto branch = scf::IfOp::create(b, validity.scalar, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  emit();
}

} // namespace gptc
