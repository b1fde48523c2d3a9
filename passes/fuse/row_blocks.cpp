#include "passes/fuse/row_blocks.h"

#include "ir/gpt/axes.h"
#include "ir/gpt/products.h"
#include "passes/fuse/space.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc::fuse {
namespace {

constexpr int64_t longestRow = 16384; // elements; some rows lie in the second cache
constexpr unsigned mostMembers = 32;

/// What an op of the group makes.
enum class Part {
  None,
  Product, ///< a matrix, from operands outside of the group
  Matrix,  ///< a matrix, element by element
  Row,     ///< one value a row
  Fold,    ///< something that leaves the group
};

class RowBlocks {
public:
  RowBlocks(Block &block, const Groups &groups, const llvm::BitVector &taken, GenericOp seed)
      : block(block), groups(groups), taken(taken),
        space(seed.getDims().getDims().take_front(seed.getNumParallel())), group(groups.groupOf(seed)) {
    Axes own = llvm::to_vector(llvm::seq<int64_t>(0, space.size()));
    own.push_back(ownAxis);
    axes[seed] = own;
  }

  /// Grows the group. False where none comes about that is worth it.
  bool form() {
    if (space.back().getSize() > longestRow)
      return false;
    for (bool changed = true; changed;) {
      changed = false;
      for (unsigned id : neighbours())
        changed |= join(id);
    }
    bool folds = false;
    for (unsigned id : members()) {
      auto op = cast<GenericOp>(groups.operation(id));
      Part part = partOf(op);
      folds |= part == Part::Fold;
      // A product has no place in memory; other matrices are stored, too, where they are needed elsewhere.
      if (part == Part::Product && llvm::any_of(op->getUsers(), [&](Operation *user) { return !isMember(user); }))
        return false;
    }
    return folds;
  }

  ArrayRef<unsigned> members() const { return groups.members(group); }
  const Groups &result() const { return groups; }
  const KernelAxes &memberAxes() const { return axes; }
  unsigned number() const { return group; }

private:
  bool isMember(Operation *op) { return op && op->getBlock() == &block && groups.groupOf(op) == group; }

  SmallVector<unsigned> neighbours() {
    llvm::SetVector<unsigned> found;
    for (unsigned id : members()) {
      // What a fold makes, and what a product is made of, is no affair of the group.
      Part part = partOf(cast<GenericOp>(groups.operation(id)));
      if (part != Part::Product && part != Part::Fold)
        for (Value operand : groups.operation(id)->getOperands())
          if (Operation *producer = operand.getDefiningOp(); producer && producer->getBlock() == &block)
            found.insert(groups.idOf(producer));
      if (part != Part::Fold)
        for (Operation *user : groups.operation(id)->getUsers())
          if (user->getBlock() == &block)
            found.insert(groups.idOf(user));
    }
    SmallVector<unsigned> order = llvm::to_vector(llvm::make_filter_range(
        found, [&](unsigned id) { return groups.groupOf(groups.operation(id)) != group; }));
    llvm::sort(order);
    return order;
  }

  /// A matrix that the group computes.
  bool isMatrix(Value value) {
    Operation *producer = value.getDefiningOp();
    return isMember(producer) && cast<RankedTensorType>(value.getType()).getRank() == int64_t(space.size()) &&
           isLeading(ArrayRef(axes.lookup(producer)).take_front(space.size()), space.size());
  }

  /// Which of the space's dimensions each of `op`'s is, by the values that it shares with the group; nothing where these
  /// contradict each other, or pass other than by plain dimensions.
  std::optional<Axes> findAxes(GenericOp op) {
    Axes found(op.getNumDims(), ownAxis);
    bool fits = true;
    auto set = [&](unsigned dim, int64_t axis) {
      if (axis == ownAxis)
        return;
      fits &= found[dim] == axis || (found[dim] == ownAxis && !llvm::is_contained(found, axis) &&
                                     sameExtent(op.getDims()[dim], space[axis]));
      found[dim] = axis;
    };
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      Operation *producer = operand.getDefiningOp();
      if (!isMember(producer))
        continue;
      for (auto [index, axis] : llvm::zip(op.getMap(i).getResults(), axes.lookup(producer)))
        if (auto dim = dyn_cast<AffineDimExpr>(index))
          set(dim.getPosition(), axis);
        else
          fits = false;
    }
    for (OpOperand &use : op->getUses()) {
      auto user = dyn_cast<GenericOp>(use.getOwner());
      if (!user || !isMember(user))
        continue;
      const Axes &theirs = axes.find(user)->second;
      for (auto [r, index] : llvm::enumerate(user.getMap(use.getOperandNumber()).getResults()))
        if (auto dim = dyn_cast<AffineDimExpr>(index))
          set(r, theirs[dim.getPosition()]);
        else
          fits = false;
    }
    return fits ? std::optional(found) : std::nullopt;
  }

  /// The kind of op by its axes.
  Part partOf(GenericOp op) {
    const Axes &own = axes.find(op)->second;
    unsigned rank = space.size();
    if (isLeading(own, rank)) {
      if (!op.isReduction())
        return Part::Matrix;
      return op.getNumParallel() + 1 == int64_t(rank) ? Part::Row : Part::None;
    }
    if (isLeading(own, rank - 1))
      return op.isReduction() ? Part::None : Part::Row;
    if (llvm::none_of(op->getOperands(), [&](Value v) { return isMember(v.getDefiningOp()); }))
      return matrixProduct(op) && isLeading(ArrayRef(own).drop_back(), rank) ? Part::Product : Part::None;
    for (unsigned i = 0; i < op.getInputs().size() && op.getInputs().size() == 2; ++i)
      if (isMatrix(op.getInputs()[i]) && matrixFold(op, i))
        return Part::Fold;
    return Part::None;
  }

  /// Every value of the group that `op` uses, it uses in a way that the kernel serves.
  bool readsWell(GenericOp op) {
    Part part = partOf(op);
    for (auto [i, value] : llvm::enumerate(op->getOperands())) {
      auto producer = value.getDefiningOp<GenericOp>();
      if (!producer || !isMember(producer))
        continue;
      Part from = partOf(producer);
      if (part == Part::Fold) {
        bool only = !isMember(op->getOperand(1 - i).getDefiningOp());
        if (from == Part::Row || from == Part::Fold || !only || !matrixFold(op, i) || !isMatrix(value))
          return false;
        continue;
      }
      if (part == Part::Product || from == Part::Fold || i < op.getIndices().size())
        return false;
      unsigned rank = from == Part::Row ? space.size() - 1 : space.size();
      AffineMap map = op.getMap(i);
      if (map.getNumResults() != rank || !isIdentityOn(map, op.getDims(), dimsOf(value), rank))
        return false;
    }
    return true;
  }

  /// Makes what the group needs, or needs a matrix of the group. One that shares row statistics
  /// only, like the same work for the backward pass, belongs to another time.
  bool isAttached(GenericOp op, Part part) {
    if (llvm::any_of(op->getUsers(), [&](Operation *user) { return isMember(user); }))
      return true;
    return llvm::any_of(op->getOperands(), [&](Value value) {
      return isMember(value.getDefiningOp()) && (isMatrix(value) || (part == Part::Row && !op.isReduction()));
    });
  }

  bool isServed(Type type) {
    Type element = cast<RankedTensorType>(type).getElementType();
    return element.isF32() || element.isF64();
  }

  bool join(unsigned id) {
    auto op = dyn_cast<GenericOp>(groups.operation(id));
    if (!op || taken.test(id) || groups.members(groups.groupOf(op)).size() > 1 ||
        members().size() >= mostMembers)
      return false;
    std::optional<Axes> own = findAxes(op);
    if (!own || !llvm::all_of(op->getResultTypes(), [&](Type type) { return isServed(type); }))
      return false;
    axes[op] = *own;
    Part part = partOf(op);
    Groups before = groups;
    if (part != Part::None && isAttached(op, part) && groups.merge(group, id) &&
        llvm::all_of(members(),
                     [&](unsigned member) { return readsWell(cast<GenericOp>(groups.operation(member))); }))
      return true;
    groups = std::move(before);
    axes.erase(op);
    return false;
  }

  Block &block;
  Groups groups;
  const llvm::BitVector &taken;
  ArrayRef<DimAttr> space; // outer dimensions, row, column
  unsigned group;
  KernelAxes axes; // of the members
};

} // namespace

void formRowBlocks(Block &block, Groups &groups, SmallVectorImpl<unsigned> &blocks, llvm::BitVector &taken,
                   KernelAxes &axes) {
  for (unsigned id = 0; id < groups.size(); ++id) {
    auto seed = dyn_cast<GenericOp>(groups.operation(id));
    if (!seed || taken.test(id) || !isLargeProduct(seed))
      continue;
    RowBlocks attempt(block, groups, taken, seed);
    if (!attempt.form())
      continue;
    groups = attempt.result();
    blocks[attempt.number()] = seed.getNumParallel() - 1;
    for (unsigned member : groups.members(attempt.number()))
      taken.set(member);
    axes.insert(attempt.memberAxes().begin(), attempt.memberAxes().end());
  }
}

} // namespace gptc::fuse
