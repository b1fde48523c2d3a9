#include "passes/grad/decode_states.h"

#include "ir/gpt/repeat.h"

namespace gptc::grad {
using namespace mlir;
using namespace gpt;

StringRef DecodeStates::nameOf(Location loc) {
  StringRef name;
  loc->walk([&](Location inner) {
    auto named = dyn_cast<NameLoc>(inner);
    if (named)
      name = named.getName().getValue();
    return named ? WalkResult::interrupt() : WalkResult::advance();
  });
  return name;
}

std::string DecodeStates::nameFor(StringRef kind, Value value) {
  StringRef name;
  for (Operation *op = nullptr; name.empty(); op = *value.user_begin(), value = op->getResult(0)) {
    name = nameOf(op ? op->getLoc() : value.getLoc());
    Operation *user = value.use_empty() ? nullptr : *value.user_begin();
    if (name.empty() && (!user || user->getNumResults() == 0))
      name = "value";
  }
  std::string whole = (kind + "." + name).str();
  for (int i = 1; !taken.insert(whole).second; ++i)
    whole = (kind + "." + name + "." + std::to_string(i)).str();
  return whole;
}

State DecodeStates::declare(StringRef kind, Value value, int64_t size, int64_t drop) {
  DimsAttr dims = dimsOf(value);
  SmallVector<DimAttr> slice;
  MLIRContext *context = b.getContext();
  auto fixed = [&](DimAttr dim, int64_t to) { return DimAttr::getStatic(context, dim.getName(), to); };
  if (streamsOf(dims) < 0)
    slice.push_back(fixed(batch, batch.getSize()));
  for (auto [d, dim] : llvm::enumerate(dims.getDims()))
    if (int64_t(d) != drop)
      slice.push_back(fixed(dim, positions.isPosition(dim) ? size : dim.getSize()));
  Operation *home = value.getParentBlock()->getParentOp();
  SmallVector<DimAttr> copies;
  SmallVector<StringRef> path;
  std::string name = nameFor(kind, value);
  path.push_back(kind);
  for (Operation *around = home; around; around = around->getParentOp())
    if (auto repeat = dyn_cast<RepeatOp>(around)) {
      std::string called = copiesName(tensorType(context, slice, b.getI32Type()));
      slice.insert(slice.begin(), DimAttr::getStatic(context, called, repeat.getCount()));
      path.push_back("*");
    }
  std::string rest = name.substr(kind.size() + 1);
  path.push_back(rest);
  IntegerAttr place;
  for (auto [d, dim] : llvm::enumerate(dims.getDims()))
    if (kind == "cache" && positions.isPosition(dim))
      place = b.getI64IntegerAttr(path.size() - 2 + (streamsOf(dims) < 0) + d);
  OpBuilder variables(main);
  auto type = tensorType(context, slice, getElementTypeOrSelf(value.getType()));
  auto variable = VariableOp::create(
      variables, value.getLoc(), variables.getStringAttr(name), TypeAttr::get(type),
      /*parameter=*/UnitAttr(), b.getI64IntegerAttr(path.size() - 2), b.getStrArrayAttr(path), place);
  return {variable, home, {}};
}

void DecodeStates::declareStates(Block &block) {
  auto declareFor = [&](Value value) {
    const Cache *cache = plan.cacheOf(value);
    if (!cache)
      return;
    states[value] =
        declare(cache->window ? "window" : "cache", value, cache->window ? cache->window : capacity);
    if (cache->window)
      read(states[value]);
  };
  llvm::for_each(block.getArguments(), declareFor);
  for (Operation &op : block) {
    auto generic = dyn_cast<GenericOp>(op);
    std::optional<RunningReduction> running = generic ? plan.running(generic) : std::nullopt;
    if (running && !plan.rolesOf(op.getResult(0)).empty()) {
      State state = declare("running", op.getResult(0), 0, running->row);
      read(state);
      sums[&op] = state;
    }
    if (auto repeat = dyn_cast<RepeatOp>(op))
      declareStates(*repeat.getBlock());
    llvm::for_each(op.getResults(), declareFor);
  }
}

void DecodeStates::read(State &state) {
  auto symbol = FlatSymbolRefAttr::get(state.variable.getSymNameAttr());
  state.current = GetOp::create(b, state.variable.getLoc(), state.variable.getTensorType(), symbol);
}

RankedTensorType DecodeStates::sliceOf(State &state) {
  return tensorType(b.getContext(),
                    dimsOf(state.variable.getTensorType()).getDims().drop_front(copies.size()),
                    state.variable.getTensorType().getElementType());
}

Value DecodeStates::store(State &state, Value value, Value at, ValueRange after, std::optional<int64_t> dim) {
  return StoreOp::create(b, value.getLoc(), sliceOf(state),
                         FlatSymbolRefAttr::get(state.variable.getSymNameAttr()), copies, value, at, after,
                         dim ? b.getI64IntegerAttr(*dim) : IntegerAttr(), FlatSymbolRefAttr());
}

void DecodeStates::keep(Value old) {
  const Cache *cache = plan.cacheOf(old);
  if (!cache)
    return;
  Instance rowsNow = lookup(old, {Role::New});
  unsigned place = positions.positionsOf(dimsOf(old)).front() + rowsNow.batched;
  State &state = states.find(old)->second;
  bool batched = streamsOf(dimsOf(old)) < 0;
  if (cache->window) {
    windows[old] = {keepWindow(state, rowsNow.value, place, cache->window), batched};
    return;
  }
  bind(old, {Role::History}, {store(state, rowsNow.value, slot, {}, place), batched});
}

Value DecodeStates::keepWindow(State &state, Value now, unsigned place, int64_t window) {
  SmallVector<DimAttr> dims(dimsOf(now).getDims());
  unsigned rank = dims.size();
  auto sized = [&](int64_t size) {
    SmallVector<DimAttr> changed = dims;
    changed[place] = DimAttr::getStatic(b.getContext(), dims[place].getName(), size);
    return DimsAttr::get(b.getContext(), changed);
  };
  auto shifted = [&](AffineExpr by, unsigned symbols) {
    SmallVector<AffineExpr> indices;
    for (unsigned d = 0; d < rank; ++d)
      indices.push_back(d == place ? b.getAffineDimExpr(d) + by : b.getAffineDimExpr(d));
    return AffineMap::get(rank, symbols, indices, b.getContext());
  };
  AffineExpr zero = b.getAffineConstantExpr(0);
  AffineMap stream = AffineMap::get(rank, 0, b.getAffineDimExpr(streamsOf(dimsOf(now))));
  // Outside of either lies 0. A stream that begins has nothing before: its state is another's.
  Value both =
      GenericOp::create(b, now.getLoc(), sized(window + rows), rank, std::nullopt, past,
                        ValueRange{state.current, now},
                        ArrayRef<AffineMap>{stream, shifted(zero, 0), shifted(zero - window, 0)},
                        [&](OpBuilder &body, Location loc, ValueRange arguments) -> SmallVector<Value> {
                          auto number = [&](int64_t value) -> Value {
                            return arith::ConstantOp::create(body, loc, body.getI32IntegerAttr(value));
                          };
                          Value row = IndexOp::create(body, loc, body.getI32Type(), place);
                          Value position = arith::AddIOp::create(body, loc, row, arguments[0]);
                          Value there = arith::CmpIOp::create(body, loc, arith::CmpIPredicate::sge, position,
                                                              number(window));
                          Type type = arguments[1].getType();
                          Value none = arith::ConstantOp::create(body, loc, body.getZeroAttr(type));
                          Value before = arith::SelectOp::create(body, loc, there, arguments[1], none);
                          return {join(body, loc, ReductionKind::sum, before, arguments[2])};
                        })
          ->getResult(0);
  SmallVector<Value> indices;
  SmallVector<AffineMap> maps;
  AffineExpr by = b.getAffineConstantExpr(1);
  if (count) {
    indices.push_back(count);
    maps.push_back(stream);
    by = b.getAffineSymbolExpr(0);
  }
  maps.push_back(shifted(by, indices.size()));
  Value next = GenericOp::create(b, now.getLoc(), sized(window), rank, std::nullopt, indices, both, maps,
                                 [](OpBuilder &, Location, ValueRange arguments) -> SmallVector<Value> {
                                   return {arguments.back()};
                                 })
                   ->getResult(0);
  store(state, next, {}, both, std::nullopt);
  return both;
}

Value DecodeStates::joinBefore(GenericOp op, State &state, Value now, int row) {
  DimsAttr dims = dimsOf(now);
  SmallVector<AffineExpr> indices;
  for (unsigned d = 0; d < dims.size(); ++d)
    if (int(d) != row)
      indices.push_back(b.getAffineDimExpr(d));
  unsigned rank = dims.size();
  AffineMap map = AffineMap::get(rank, 0, indices, b.getContext());
  AffineMap stream = AffineMap::get(rank, 0, b.getAffineDimExpr(streamsOf(dims)));
  // A stream that begins has nothing before: its state is another's.
  return GenericOp::create(b, op.getLoc(), dims, rank, std::nullopt, past, ValueRange{state.current, now},
                           ArrayRef<AffineMap>{stream, map, b.getMultiDimIdentityMap(rank)},
                           [&](OpBuilder &body, Location loc, ValueRange arguments) -> SmallVector<Value> {
                             Value zero = arith::ConstantOp::create(body, loc, body.getI32IntegerAttr(0));
                             Value any = arith::CmpIOp::create(body, loc, arith::CmpIPredicate::sgt,
                                                               arguments[0], zero);
                             Value joined = join(body, loc, *op.getReduction(), arguments[1], arguments[2]);
                             return {arith::SelectOp::create(body, loc, any, joined, arguments[2])};
                           })
      ->getResult(0);
}

} // namespace gptc::grad
