#include "passes/codegen/row_groups.h"

using namespace mlir;

namespace gptc {
namespace {

bool sameDims(ArrayRef<gpt::DimAttr> a, ArrayRef<gpt::DimAttr> b) {
  return a.size() == b.size() && llvm::all_of(llvm::zip(a, b), [](auto pair) {
           auto [x, y] = pair;
           return x.getSize() == y.getSize() && x.getExtent() == y.getExtent();
         });
}

/// A loop over all dimensions beyond the rows, with other ops in it.
bool canShare(gpt::GenericOp op, unsigned rows) {
  return op.getNumDims() > rows && (!op.isReduction() || op.getNumParallel() == int64_t(rows));
}

bool canShare(gpt::GenericOp op, const OpGroup &group, unsigned rows) {
  auto other = cast<gpt::GenericOp>(group.front());
  return canShare(other, rows) && sameDims(op.getDims().getDims(), other.getDims().getDims());
}

bool isReturned(Operation *op) {
  return llvm::any_of(op->getUsers(), [](Operation *user) { return user->hasTrait<OpTrait::IsTerminator>(); });
}

bool readsByElement(gpt::GenericOp op, Value value) {
  for (auto [i, operand] : llvm::enumerate(op->getOperands()))
    if (operand == value && !op.getMap(i).isIdentity())
      return false;
  return true;
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
      bool passes = shares && producer && !producer.isReduction() && generic.getMap(i).isIdentity() &&
                    canShare(generic, groups[known->second], rows);
      earliest = std::max(earliest, known->second + (passes ? 0 : 1));
    }
    if (shares && isReturned(op))
      for (auto [i, operand] : llvm::enumerate(op->getOperands()))
        for (Operation *reader : operand.getUsers()) {
          auto known = groupOf.find(reader);
          if (!isa<BlockArgument>(operand) || known == groupOf.end())
            continue;
          bool passes = readsByElement(cast<gpt::GenericOp>(reader), operand) && canShare(generic, groups[known->second], rows);
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
