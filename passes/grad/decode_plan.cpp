#include "passes/grad/decode_plan.h"
#include "passes/grad/min_cut.h"
#include "passes/grad/program.h"

#include "ir/gpt/maps.h"
#include "ir/gpt/most.h"

#include "mlir/IR/TypeUtilities.h"

namespace gptc::grad {
using namespace mlir;
using namespace gpt;

bool DecodePlan::hasLast(Value value) {
  Operation *op = value.getDefiningOp();
  return op && isa<GenericOp, ReshapeOp>(op) && isa<func::FuncOp>(op->getParentOp());
}

ArrayRef<Roles> DecodePlan::rolesOf(Value value) const {
  auto found = needed.find(value);
  return found == needed.end() ? ArrayRef<Roles>() : ArrayRef<Roles>(found->second);
}

const Cache *DecodePlan::cacheOf(Value value) const {
  auto found = caches.find(value);
  return found == caches.end() ? nullptr : &found->second;
}

/// History of one dimension over positions of what comes from the stream.
bool DecodePlan::mayKeep(Value value) const {
  return positions->isHistory(value) && positions->positionsOf(dimsOf(value)).size() == 1;
}

DenseMap<unsigned, Role> DecodePlan::spaceRoles(GenericOp op, ArrayRef<Role> result) const {
  DenseMap<unsigned, Role> roles;
  bool goesOn = op.isReduction() && running(op).has_value();
  size_t next = 0;
  for (unsigned d : positions->positionsOf(op.getDims()))
    roles[d] = d < op.getNumParallel() ? result[next++] : goesOn ? Role::New : Role::History;
  return roles;
}

Roles DecodePlan::operandRoles(GenericOp op, unsigned operand, const DenseMap<unsigned, Role> &space) const {
  Roles roles;
  AffineMap map = op.getMap(operand);
  for (unsigned p : positions->positionsOf(dimsOf(op->getOperand(operand)))) {
    auto dim = dyn_cast<AffineDimExpr>(map.getResult(p));
    auto role = dim ? space.find(dim.getPosition()) : space.end();
    roles.push_back(role == space.end() ? Role::History : role->second);
  }
  return roles;
}

/// How far before the new positions the history of the operand is read.
void DecodePlan::noteRead(GenericOp op, unsigned operand, const DenseMap<unsigned, Role> &space) {
  Value value = op->getOperand(operand);
  AffineMap map = op.getMap(operand);
  unsigned place = positions->positionsOf(dimsOf(value)).front();
  std::optional<LinearIndex> index = linearize(map.getResult(place), map.getNumDims(), map.getNumSymbols());
  int64_t lowest = index ? index->constant : 0, rows = 0;
  bool near = index && llvm::all_of(index->symbols, [](int64_t factor) { return factor == 0; });
  for (unsigned d = 0; near && d < op.getNumDims(); ++d) {
    int64_t factor = index->dims[d];
    auto role = space.find(d);
    if (role != space.end() && factor != 0) {
      near = role->second != Role::History && factor == 1;
      ++rows;
    } else if (factor < 0) {
      near &= !op.getDims()[d].isDynamic();
      lowest += factor * std::max<int64_t>(op.getDims()[d].getSize() - 1, 0);
    }
  }
  auto [known, added] = reach.try_emplace(value, 0);
  if (!near || rows != 1)
    known->second = -1;
  else if (known->second >= 0)
    known->second = std::max(known->second, -lowest);
}

/// Where positions are used as indices of what has not their extent, and histories read elsewhere than at a
/// whole row.
void DecodePlan::noteNumbers(GenericOp op, unsigned operand, const DenseMap<unsigned, Role> &space) {
  Value value = op->getOperand(operand);
  AffineMap map = op.getMap(operand);
  for (auto [p, dim] : llvm::enumerate(dimsOf(value).getDims())) {
    AffineExpr index = map.getResult(p);
    if (positions->isPosition(dim)) {
      if (!isa<AffineDimExpr>(index))
        shifted.insert(value);
      continue;
    }
    int64_t sum = 0; // of two positions only the distance counts
    std::optional<LinearIndex> linear = linearize(index, map.getNumDims(), map.getNumSymbols());
    for (auto [d, role] : space)
      sum += linear ? linear->dims[d] : 0;
    goesRound &= sum == 0;
  }
}

void DecodePlan::needOperands(GenericOp op, ArrayRef<Role> result) {
  DenseMap<unsigned, Role> space = spaceRoles(op, result);
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    Roles roles = operandRoles(op, i, space);
    if (roles.size() == 1 && roles[0] == Role::History && mayKeep(operand))
      noteRead(op, i, space);
    noteNumbers(op, i, space);
    need(operand, roles);
  }
}

void DecodePlan::need(Value value, Roles roles) {
  SmallVector<Roles, 2> &known = needed[value];
  if (llvm::is_contained(known, roles))
    return;
  known.push_back(roles);
  if (llvm::is_contained(roles, Role::Last) && !hasLast(value)) {
    for (Role &role : roles)
      role = role == Role::Last ? Role::New : role;
    return need(value, roles);
  }
  bool history = roles.size() == 1 && roles[0] == Role::History;
  if (history && (chosen ? caches.contains(value) : mayKeep(value))) {
    caches.insert({value, {}});
    return need(value, {Role::New});
  }
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto repeat = dyn_cast<RepeatOp>(argument.getOwner()->getParentOp());
    unsigned number = argument.getArgNumber();
    if (!repeat || number == 0)
      return;
    unsigned carried = repeat.getInits().size();
    if (number > carried)
      return need(repeat.getStacked()[number - 1 - carried], roles);
    need(repeat.getInits()[number - 1], roles);
    return need(repeat.getYield().getValues()[number - 1], roles);
  }
  Operation *op = value.getDefiningOp();
  if (auto generic = dyn_cast<GenericOp>(op))
    return needOperands(generic, roles);
  if (auto reshape = dyn_cast<ReshapeOp>(op))
    return need(reshape.getSource(), roles);
  if (auto repeat = dyn_cast<RepeatOp>(op)) {
    unsigned number = cast<OpResult>(value).getResultNumber();
    need(repeat.getYield().getValues()[number], roles);
    if (number < repeat.getInits().size()) {
      need(repeat.getInits()[number], roles);
      need(repeat.getCarriedArguments()[number], roles);
    }
    return;
  }
  for (Value operand : op->getOperands()) // none of them has positions: these would look ahead
    need(operand, {});
}

void DecodePlan::needResults(bool last) {
  for (Value result : main.front().getTerminator()->getOperands())
    need(result, Roles(positions->positionsOf(dimsOf(result)).size(), last ? Role::Last : Role::New));
}

/// Of the values whose history is needed: which are kept, and which are computed again from kept ones,
/// without any reduction, where this takes fewer bytes.
LogicalResult DecodePlan::chooseCaches() {
  MinCut graph;
  llvm::MapVector<Value, unsigned> nodes;
  SmallVector<Value> pending;
  auto nodeOf = [&](Value value) {
    auto [entry, added] = nodes.insert({value, 0});
    if (added) {
      DimsAttr dims = dimsOf(value);
      unsigned place = positions->positionsOf(dims).front();
      int64_t bytes = (getElementTypeOrSelf(value.getType()).getIntOrFloatBitWidth() + 7) / 8;
      for (unsigned d = 0; d < dims.size(); ++d)
        if (dims[d].isDynamic() && d != place && d != 0)
          bytes = MinCut::never;
        else if (d != place && !dims[d].isDynamic())
          bytes = boundedProduct(bytes, dims[d].getSize());
      for (Operation *around = value.getParentBlock()->getParentOp(); around; around = around->getParentOp())
        if (auto repeat = dyn_cast<RepeatOp>(around))
          bytes = boundedProduct(bytes, repeat.getCount());
      entry->second = graph.addNode(bytes);
      pending.push_back(value);
    }
    return entry->second;
  };
  // What is only read a few rows back is a window of these: to compute it again would take the history of something.
  SmallVector<Value> kept;
  for (auto &[value, cache] : caches)
    if (reach.lookup(value) > 0)
      kept.push_back(value);
    else
      graph.markSink(nodeOf(value));
  while (!pending.empty()) {
    Value value = pending.pop_back_val();
    unsigned node = nodeOf(value);
    SmallVector<Value> makers;
    auto generic = value.getDefiningOp<GenericOp>();
    auto reshape = value.getDefiningOp<ReshapeOp>();
    bool again = reshape || (generic && !generic.isReduction());
    if (again)
      for (Value operand : value.getDefiningOp()->getOperands()) {
        if (!positions->isHistory(operand))
          continue;
        again &= mayKeep(operand);
        makers.push_back(operand);
      }
    if (!again) {
      graph.markSource(node);
      continue;
    }
    for (Value maker : makers)
      graph.addEdge(nodeOf(maker), node);
  }
  bool possible = true;
  SmallVector<unsigned> cut = graph.cut(possible);
  if (!possible)
    return main.emitError() << "a value whose history is needed has sizes that differ from run to run";
  for (auto &[value, node] : nodes)
    if (llvm::is_contained(cut, node))
      kept.push_back(value);
  caches.clear();
  for (Value value : kept)
    caches.insert({value, {}});
  chosen = true;
  return success();
}

FailureOr<DecodePlan> DecodePlan::make(func::FuncOp main, const Positions &positions, bool last,
                                       int64_t capacity) {
  Operation *end = main.front().getTerminator();
  for (Value result : end->getOperands())
    if (const LookAhead *why = positions.looksAhead(result)) {
      (why->op ? why->op : end)->emitError() << "this looks ahead: it " << why->reason;
      return failure();
    }
  DecodePlan plan(main, positions);
  plan.needResults(last);
  if (failed(plan.chooseCaches()))
    return failure();
  plan.needed.clear();
  plan.reach.clear();
  plan.shifted.clear();
  plan.goesRound = true;
  plan.needResults(last);
  for (auto &[value, cache] : plan.caches) {
    int64_t reach = plan.reach.lookup(value);
    if (reach > 0 && reach < capacity)
      cache.window = reach;
  }
  for (Value value : plan.shifted) {
    const Cache *cache = plan.cacheOf(value);
    plan.goesRound &= cache && cache->window > 0;
  }
  return plan;
}

void forgetLengths(func::FuncOp main, ArrayRef<BlockArgument> lengths) {
  for (BlockArgument length : lengths)
    for (OpOperand &use : length.getUses()) {
      auto op = dyn_cast<GenericOp>(use.getOwner());
      if (!op)
        continue;
      Value scalar = op.getBlock()->getArgument(use.getOperandNumber());
      for (Operation *user : llvm::make_early_inc_range(scalar.getUsers())) {
        auto compare = dyn_cast<arith::CmpIOp>(user);
        if (!compare)
          continue;
        using P = arith::CmpIPredicate;
        bool right = compare.getRhs() == scalar;
        auto index = (right ? compare.getLhs() : compare.getRhs()).getDefiningOp<IndexOp>();
        P inside = right ? P::slt : P::sgt, outside = right ? P::sge : P::sle;
        if (!index || (compare.getPredicate() != inside && compare.getPredicate() != outside))
          continue;
        OpBuilder builder(compare);
        compare.replaceAllUsesWith(
            arith::ConstantOp::create(builder, compare.getLoc(),
                                      builder.getBoolAttr(compare.getPredicate() == inside))
                .getResult());
        compare.erase();
      }
    }
}

} // namespace gptc::grad
