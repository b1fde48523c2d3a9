#include "passes/codegen/row_groups.h"

#include "ir/gpt/maps.h"

#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;

namespace gptc {
namespace {

/// A loop over all dimensions beyond the rows, with other ops in it.
bool canShare(gpt::GenericOp op, unsigned rows) {
  return op.getNumDims() > rows && (!op.isReduction() || gpt::isOverRows(op) || op.getNumParallel() == int64_t(rows));
}

/// The rows first.
SmallVector<gpt::DimAttr> dimsOf(gpt::GenericOp op, unsigned rows) {
  SmallVector<gpt::DimAttr> dims(op.getDims().getDims());
  if (gpt::isOverRows(op))
    std::rotate(dims.begin(), dims.end() - rows, dims.end());
  return dims;
}

/// Each point reads the element of the same place.
bool readsStraight(gpt::GenericOp op, AffineMap map, unsigned rows) {
  unsigned rank = map.getNumResults(), shift = gpt::isOverRows(op) ? rank - rows : 0;
  if (rank != op.getNumDims())
    return false;
  for (unsigned i = 0; i < rank; ++i)
    if (map.getResult(i) != getAffineDimExpr((i + shift) % rank, map.getContext()))
      return false;
  return true;
}

bool canShare(gpt::GenericOp op, const OpGroup &group, unsigned rows) {
  auto other = cast<gpt::GenericOp>(group.front());
  return canShare(other, rows) && gpt::sameExtents(dimsOf(op, rows), dimsOf(other, rows));
}

bool isReturned(Operation *op) {
  return llvm::any_of(op->getUsers(), [](Operation *user) { return user->hasTrait<OpTrait::IsTerminator>(); });
}

bool readsByElement(gpt::GenericOp op, Value value, unsigned rows) {
  for (auto [i, operand] : llvm::enumerate(op->getOperands()))
    if (operand == value && !readsStraight(op, op.getMap(i), rows))
      return false;
  return true;
}

/// Arguments of the kernel whose memory a returned result of `op` may be: those of its type that the op reads, and where the
/// program says that a result takes the place of an argument (gpt-place), all of its type.
llvm::SmallSetVector<Value, 4> mayTakePlaceOf(Operation *op) {
  llvm::SmallSetVector<Value, 4> places;
  auto add = [&](Value value) {
    if (isa<BlockArgument>(value) && llvm::is_contained(op->getResultTypes(), value.getType()))
      places.insert(value);
  };
  llvm::for_each(op->getOperands(), add);
  auto function = op->getParentOfType<FunctionOpInterface>();
  for (OpOperand &returned : op->getBlock()->getTerminator()->getOpOperands())
    if (returned.get().getDefiningOp() == op && function &&
        function.getResultAttr(returned.getOperandNumber(), "gpt.in_place"))
      llvm::for_each(op->getBlock()->getArguments(), add);
  return places;
}

/// How many of `op`'s operands the rest of `group` has at hand.
unsigned sharedOperands(gpt::GenericOp op, const OpGroup &group) {
  llvm::SmallDenseSet<Value> operands(op->operand_begin(), op->operand_end());
  return llvm::count_if(operands, [&](Value operand) {
    return llvm::any_of(group, [&](Operation *other) {
      return other != op && (operand.getDefiningOp() == other || llvm::is_contained(other->getOperands(), operand));
    });
  });
}

/// A result of `group` may lie where one of `op`'s operands lies.
bool mayOverwrite(const OpGroup &group, gpt::GenericOp op) {
  return llvm::any_of(group, [&](Operation *other) {
    return isReturned(other) && llvm::any_of(op->getOperands(), [&](Value operand) {
             return isa<BlockArgument>(operand) && llvm::is_contained(other->getResultTypes(), operand.getType());
           });
  });
}

/// Nothing of a row waits for sums over rows: each goes to the loop that reads most of the same, if that comes later.
void delaySums(SmallVector<OpGroup> &groups, unsigned rows) {
  for (unsigned g = 0; g < groups.size(); ++g)
    for (Operation *op : OpGroup(groups[g])) {
      if (!gpt::isOverRows(op))
        continue;
      auto sum = cast<gpt::GenericOp>(op);
      unsigned best = g, most = sharedOperands(sum, groups[g]);
      for (unsigned later = g + 1; later < groups.size() && !mayOverwrite(groups[later - 1], sum); ++later)
        if (canShare(sum, groups[later], rows) && sharedOperands(sum, groups[later]) > most) {
          best = later;
          most = sharedOperands(sum, groups[later]);
        }
      if (best == g)
        continue;
      llvm::erase(groups[g], op);
      groups[best].push_back(op);
    }
  llvm::erase_if(groups, [](const OpGroup &group) { return group.empty(); });
}

} // namespace

SmallVector<OpGroup> formGroups(ArrayRef<Operation *> ops, unsigned rows) {
  SmallVector<OpGroup> groups;
  DenseMap<Operation *, unsigned> groupOf;
  for (Operation *op : ops) {
    auto generic = dyn_cast<gpt::GenericOp>(op);
    bool shares = generic && canShare(generic, rows);
    unsigned earliest = 0;
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      auto known = groupOf.find(operand.getDefiningOp());
      if (known == groupOf.end())
        continue;
      auto producer = dyn_cast<gpt::GenericOp>(known->first);
      bool passes = shares && producer && !producer.isReduction() && readsStraight(generic, generic.getMap(i), rows) &&
                    canShare(generic, groups[known->second], rows);
      earliest = std::max(earliest, known->second + (passes ? 0 : 1));
    }
    if (shares && isReturned(op))
      for (Value operand : mayTakePlaceOf(op))
        for (Operation *reader : operand.getUsers()) {
          auto known = groupOf.find(reader);
          if (known == groupOf.end())
            continue;
          bool passes = readsByElement(cast<gpt::GenericOp>(reader), operand, rows) &&
                        canShare(generic, groups[known->second], rows);
          earliest = std::max(earliest, known->second + (passes ? 0 : 1));
        }
    unsigned place = groups.size();
    for (unsigned g = earliest; shares && g < groups.size() && place == groups.size(); ++g)
      if (canShare(generic, groups[g], rows))
        place = g;
    if (place == groups.size())
      groups.emplace_back();
    groups[place].push_back(op);
    groupOf[op] = place;
  }
  delaySums(groups, rows);
  return groups;
}

bool leavesGroup(Value value, const OpGroup &group) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) { return !llvm::is_contained(group, user); });
}

void connect(ArrayRef<OpPlan *> group) {
  for (OpPlan *plan : group)
    for (Access &read : plan->reads)
      for (auto [p, other] : llvm::enumerate(group))
        if (read.tensor.getDefiningOp() == other->op) {
          read.producer = p;
          read.result = cast<OpResult>(read.tensor).getResultNumber();
        }
}

} // namespace gptc
