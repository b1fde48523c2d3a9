// gpt-form-kernels: which ops become one loop nest.
#include "ir/gpt/axes.h"
#include "passes/fuse/groups.h"
#include "passes/fuse/merge_maps.h"
#include "passes/fuse/row_blocks.h"
#include "passes/fuse/space.h"
#include "passes/passes.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace gptc::gpt;
using gptc::fuse::Groups;

namespace gptc {
#define GEN_PASS_DEF_FORMKERNELSPASS
#include "passes/Passes.h.inc"

namespace {

constexpr unsigned mostMembers = 24;  // ops of a row group
constexpr int64_t fewestColumns = 8;  // of a sum over rows that joins one

/// The kernels of one block: first which ops belong together, then the ops.
class BlockKernels {
public:
  explicit BlockKernels(Block &block)
      : block(block), groups(block), rows(groups.size(), 0), blocks(groups.size(), 0), taken(groups.size()),
        products(groups.size()), overRows(groups.size()) {}

  void form() {
    fuse::formRowBlocks(block, groups, blocks, taken, axes);
    for (unsigned id = groups.size(); id-- > 0;)
      if (auto op = dyn_cast<GenericOp>(groups.operation(id));
          op && !taken.test(id) && fuse::isContraction(op))
        addEpilogue(op);
    for (unsigned id = groups.size(); id-- > 0;)
      if (auto op = dyn_cast<ScatterOp>(groups.operation(id)))
        addSum(op);
    formRowGroups();
    addRowSums();
    // What looks like a contraction but reads by rows, and found no company there.
    for (unsigned id = groups.size(); id-- > 0;)
      if (auto op = dyn_cast<GenericOp>(groups.operation(id)); op && !taken.test(id) && op.isContraction())
        addEpilogue(op);
    addBeside();
    joinMaps();
    build();
  }

private:
  /// Maps over a contraction's results, computed while these are in registers.
  void addEpilogue(GenericOp contraction) {
    ArrayRef<DimAttr> space = contraction.getDims().getDims().take_front(contraction.getNumParallel());
    unsigned group = groups.groupOf(contraction);
    taken.set(groups.idOf(contraction));
    products.set(groups.idOf(contraction));
    for (unsigned id = groups.idOf(contraction) + 1; id < groups.size(); ++id) {
      auto map = dyn_cast<GenericOp>(groups.operation(id));
      if (!map || taken.test(id) || !fuse::isMap(map) || !map.getIndices().empty() ||
          !sameExtents(map.getDims().getDims(), space))
        continue;
      bool uses = false, straight = true;
      for (auto [i, value] : llvm::enumerate(map.getInputs()))
        if (isMember(value, group)) {
          uses = true;
          straight &= fuse::isIdentity(map.getInputMap(i), map.getDims(), dimsOf(value));
        }
      if (uses && straight && groups.merge(group, id))
        taken.set(id);
    }
  }

  /// Maps that are left over and read, point by point, a value that a contraction's epilogue reads, too: what is there
  /// is loaded once, and what both compute of it (an activation and its derivative) computed once.
  void addBeside() {
    for (unsigned id = 0; id < groups.size(); ++id) {
      auto map = dyn_cast<GenericOp>(groups.operation(id));
      if (!map || taken.test(id) || !fuse::isMap(map) || !map.getIndices().empty())
        continue;
      auto isBeside = [&](Value value, GenericOp user) {
        unsigned group = groups.groupOf(user);
        bool withProduct =
            llvm::any_of(groups.members(group), [&](unsigned member) { return products.test(member); });
        return withProduct && fuse::isMap(user) &&
               sameExtents(user.getDims().getDims(), map.getDims().getDims()) && readsStraight(user, value) &&
               llvm::none_of(map->getOperands(), [&](Value operand) { return isMember(operand, group); }) &&
               mayStandBehind(map, group);
      };
      for (Value value : map.getInputs()) {
        if (!readsStraight(map, value))
          continue;
        auto beside = llvm::find_if(value.getUsers(), [&](Operation *user) {
          auto other = dyn_cast<GenericOp>(user);
          return other && other->getBlock() == &block && isBeside(value, other);
        });
        if (beside == value.user_end() || !groups.merge(groups.groupOf(*beside), id))
          continue;
        taken.set(id);
        break;
      }
    }
  }

  /// The product of the group, which comes first, does not read the map; what reads it does so point by point.
  bool mayStandBehind(GenericOp map, unsigned group) {
    return llvm::all_of(map->getUses(), [&](OpOperand &use) {
      Operation *reader = use.getOwner();
      if (reader->getBlock() != &block || groups.groupOf(reader) != group)
        return true;
      auto other = cast<GenericOp>(reader);
      return fuse::isMap(other) &&
             fuse::isIdentity(other.getMap(use.getOperandNumber()), other.getDims(), dimsOf(use.get()));
    });
  }

  /// Each point of `map` reads `value` there.
  static bool readsStraight(GenericOp map, Value value) {
    return llvm::any_of(llvm::enumerate(map.getInputs()), [&](auto input) {
      return input.value() == value &&
             fuse::isIdentity(map.getInputMap(input.index()), map.getDims(), dimsOf(value));
    });
  }

  /// The sum of what is scattered and another tensor, which the scatter can begin with instead of zeros.
  void addSum(ScatterOp scatter) {
    if (!scatter->hasOneUse())
      return;
    auto map = dyn_cast<GenericOp>(*scatter->user_begin());
    if (!map || map->getBlock() != &block || !isSum(map) || taken.test(groups.idOf(map)) ||
        !groups.merge(groups.groupOf(scatter), groups.idOf(map)))
      return;
    taken.set(groups.idOf(scatter));
    taken.set(groups.idOf(map));
  }

  bool isMember(Value value, unsigned group) {
    Operation *op = value.getDefiningOp();
    return op && op->getBlock() == &block && groups.groupOf(op) == group;
  }

  /// May be part of a row group with `rank` leading dimensions like `space`.
  bool fitsRows(unsigned id, ArrayRef<DimAttr> space) {
    auto op = dyn_cast<GenericOp>(groups.operation(id));
    if (!op || taken.test(id) || fuse::isContraction(op) || op.getNumParallel() < space.size())
      return false;
    ArrayRef<DimAttr> dims = op.getDims().getDims();
    if (!sameExtents(dims.take_front(space.size()), space) ||
        fuse::points(dims.drop_front(space.size())) > fuse::longestGroupRow)
      return false;
    return !op.isReduction() || (op.getNumParallel() == space.size() && fuse::readsRows(op));
  }

  /// All values that go from one group to the other stay in their row.
  bool staysInRow(unsigned from, unsigned to, unsigned rank) {
    for (unsigned id : groups.members(to)) {
      auto user = cast<GenericOp>(groups.operation(id));
      for (auto [i, value] : llvm::enumerate(user->getOperands()))
        if (isMember(value, from) &&
            (i < user.getIndices().size() ||
             !fuse::isIdentityOn(user.getMap(i), user.getDims(), dimsOf(value), rank)))
          return false;
    }
    return true;
  }

  /// Joins op `id` or its group to `group`, a row group.
  bool joinRows(unsigned group, unsigned id, ArrayRef<DimAttr> space) {
    unsigned other = groups.groupOf(groups.operation(id));
    if (other == group || groups.members(group).size() + groups.members(other).size() > mostMembers)
      return false;
    for (unsigned member : groups.members(other))
      if (!fitsRows(member, space))
        return false;
    return staysInRow(group, other, space.size()) && staysInRow(other, group, space.size()) &&
           groups.merge(group, other);
  }

  void formRowGroups() {
    for (unsigned seed = 0; seed < groups.size(); ++seed) {
      auto op = dyn_cast<GenericOp>(groups.operation(seed));
      if (!op || !op.isReduction() || op.getNumParallel() == 0)
        continue;
      SmallVector<DimAttr> space(op.getDims().getDims().take_front(op.getNumParallel()));
      unsigned group = groups.groupOf(op);
      if (groups.members(group).size() > 1 || !fitsRows(seed, space))
        continue;
      // Neighbours, until none joins any more.
      for (bool changed = true; changed;) {
        changed = false;
        llvm::SetVector<unsigned> neighbours;
        for (unsigned id : groups.members(group)) {
          for (Value operand : groups.operation(id)->getOperands())
            if (Operation *producer = operand.getDefiningOp(); producer && producer->getBlock() == &block)
              neighbours.insert(groups.idOf(producer));
          for (Operation *user : groups.operation(id)->getUsers())
            if (user->getBlock() == &block)
              neighbours.insert(groups.idOf(user));
        }
        SmallVector<unsigned> order(neighbours.begin(), neighbours.end());
        llvm::sort(order);
        for (unsigned id : order)
          changed |= joinRows(group, id, space);
      }
      if (groups.members(group).size() > 1)
        rows[group] = space.size();
    }
    for (unsigned id = 0; id < groups.size(); ++id)
      if (rows[groups.groupOf(groups.operation(id))] != 0)
        taken.set(id);
  }

  /// Sums over the rows of what a row group has at hand (gradients of a gain): each piece adds up its own rows, while
  /// they are in the first cache.
  void addRowSums() {
    for (unsigned id = 0; id < groups.size(); ++id) {
      auto op = dyn_cast<GenericOp>(groups.operation(id));
      if (!op || taken.test(id) || op.getReduction() != ReductionKind::sum || !op.getIndices().empty() ||
          fuse::isContraction(op) || !isa<FloatType>(getElementTypeOrSelf(op->getResult(0).getType())))
        continue;
      ArrayRef<DimAttr> columns = op.getDims().getDims().take_front(op.getNumParallel());
      int64_t count = fuse::points(columns);
      if (count < fewestColumns || count > fuse::longestGroupRow ||
          llvm::any_of(columns, [](DimAttr d) { return d.isDynamic(); }))
        continue;
      for (unsigned group = 0; group < groups.size(); ++group)
        if (rows[group] != 0 && hasAtHand(group, op) && groups.merge(group, id)) {
          taken.set(id);
          overRows.set(id);
          break;
        }
    }
  }

  /// `op` sums over the rows of the group, from which it takes values of its rows, and shares a large operand with it.
  bool hasAtHand(unsigned group, GenericOp op) {
    unsigned rank = rows[group], columns = op.getNumParallel();
    ArrayRef<unsigned> members = groups.members(group);
    if (members.size() >= mostMembers || op.getNumDims() != columns + rank)
      return false;
    unsigned first = *llvm::find_if(members, [&](unsigned member) { return !overRows.test(member); });
    auto seed = cast<GenericOp>(groups.operation(first));
    if (!sameExtents(seed.getDims().getDims().take_front(rank), op.getDims().getDims().take_back(rank)))
      return false;
    bool shares = false;
    for (auto [i, value] : llvm::enumerate(op.getInputs())) {
      AffineMap map = op.getInputMap(i);
      bool large = fuse::points(value) * 2 > fuse::points(op.getDims().getDims());
      if (isMember(value, group)) {
        for (unsigned d = 0; d < map.getNumResults(); ++d)
          if (d < rank ? map.getResult(d) != getAffineDimExpr(columns + d, map.getContext())
                       : llvm::any_of(llvm::seq(columns, columns + rank),
                                      [&](unsigned row) { return map.getResult(d).isFunctionOfDim(row); }))
            return false;
        shares |= large && map.getNumResults() >= rank;
      } else if (large) {
        shares |= llvm::any_of(value.getUses(), [&](OpOperand &use) {
          return use.getOwner()->getBlock() == &block && groups.groupOf(use.getOwner()) == group &&
                 readsSameRows(use, map, columns, rank);
        });
      }
    }
    return shares && llvm::none_of(op->getUsers(), [&](Operation *user) {
             return user->getBlock() == &block && groups.groupOf(user) == group;
           });
  }

  /// The op of a row group reads the operand at its rows just as `map`, whose rows are the `rank` dimensions from `first`
  /// on.
  bool readsSameRows(OpOperand &use, AffineMap map, unsigned first, unsigned rank) {
    auto member = cast<GenericOp>(use.getOwner());
    unsigned memberFirst = overRows.test(groups.idOf(member)) ? member.getNumParallel() : 0;
    auto rowOf = [&](AffineExpr index, unsigned begin) -> std::optional<unsigned> {
      auto dim = dyn_cast<AffineDimExpr>(index);
      bool isRow = dim && dim.getPosition() >= begin && dim.getPosition() < begin + rank;
      return isRow ? std::optional(dim.getPosition() - begin) : std::nullopt;
    };
    bool any = false;
    for (auto [own, other] : llvm::zip_equal(member.getMap(use.getOperandNumber()).getResults(), map.getResults())) {
      if (rowOf(own, memberFirst) != rowOf(other, first))
        return false;
      any |= rowOf(own, memberFirst).has_value();
    }
    return any;
  }

  /// Maps that are left over and compute on the same points: one loop instead of several.
  void joinMaps() {
    for (unsigned id = 0; id < groups.size(); ++id) {
      auto user = dyn_cast<GenericOp>(groups.operation(id));
      if (!user || taken.test(id) || !fuse::isMap(user))
        continue;
      for (Value operand : user->getOperands()) {
        auto producer = operand.getDefiningOp<GenericOp>();
        if (!producer || producer->getBlock() != &block || taken.test(groups.idOf(producer)) ||
            !fuse::isMap(producer) || producer.getDims() != user.getDims())
          continue;
        unsigned from = groups.groupOf(producer), to = groups.groupOf(user);
        unsigned rank = user.getNumDims();
        if (from != to && staysInRow(from, to, rank) && staysInRow(to, from, rank))
          groups.merge(from, to);
      }
    }
  }

  void build() {
    // The ops are replaced one by one; groups know only the old ones.
    llvm::MapVector<unsigned, SmallVector<Operation *>> kernels;
    for (unsigned id = 0; id < groups.size(); ++id) {
      Operation *op = groups.operation(id);
      if (!isa<GenericOp, ScatterOp>(op))
        continue;
      unsigned group = groups.groupOf(op);
      if (rows[group] != 0)
        axes[op] = axesInRowGroup(id, rows[group]);
      kernels[group].push_back(op);
    }
    for (auto &[op, own] : axes)
      setAxes(op, own);
    // A map that is computed beside a contraction may stand before it.
    for (auto &[group, ops] : kernels)
      std::stable_partition(ops.begin(), ops.end(), [&](Operation *op) { return products.test(groups.idOf(op)); });
    for (auto &[group, ops] : kernels) {
      bool maps = llvm::all_of(ops, [&](Operation *op) { return fuse::isMap(op); });
      if (maps && ops.size() > 1) {
        OpBuilder builder(ops.back());
        ops = {fuse::mergeMaps(builder,
                               llvm::map_to_vector(ops, [](Operation *op) { return cast<GenericOp>(op); }))};
      }
      makeKernel(ops, rows[group], blocks[group]);
    }
    sortBlock();
  }

  /// The rows' dimensions come first, or, in a sum over rows, last. Values pass between ops of the group on these
  /// (`staysInRow`, `hasAtHand`).
  fuse::Axes axesInRowGroup(unsigned id, unsigned rank) {
    auto op = cast<GenericOp>(groups.operation(id));
    unsigned first = overRows.test(id) ? op.getNumParallel() : 0;
    fuse::Axes own(op.getNumDims(), ownAxis);
    for (unsigned d = 0; d < rank; ++d)
      own[first + d] = d;
    return own;
  }

  /// A kernel stands where its last op stood; users of its first results may stand before. They follow as soon as all
  /// that they use is there: it is in the caches then, and its memory soon free.
  void sortBlock() {
    Operation *end = &block.back();
    llvm::DenseSet<Operation *> done;
    auto isReady = [&](Operation *op) {
      WalkResult found = op->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands()) {
          Operation *producer = operand.getDefiningOp();
          if (producer && producer->getBlock() == &block && !done.contains(producer))
            return WalkResult::interrupt();
        }
        return WalkResult::advance();
      });
      return !found.wasInterrupted();
    };
    SmallVector<Operation *> ops, waiting;
    for (Operation &op : block.without_terminator())
      ops.push_back(&op);
    auto place = [&](Operation *op) {
      op->moveBefore(end);
      done.insert(op);
    };
    for (Operation *op : ops) {
      if (!isReady(op)) {
        waiting.push_back(op);
        continue;
      }
      place(op);
      for (auto next = waiting.begin(); next != waiting.end();)
        if (isReady(*next)) {
          place(*next);
          waiting.erase(next);
          next = waiting.begin();
        } else {
          ++next;
        }
    }
  }

  static void makeKernel(ArrayRef<Operation *> ops, unsigned rows, unsigned blocks) {
    llvm::SetVector<Value> inputs, results;
    SmallVector<Location> locations;
    auto isInside = [&](Operation *op) { return op && llvm::is_contained(ops, op); };
    for (Operation *op : ops) {
      locations.push_back(op->getLoc());
      for (Value operand : op->getOperands())
        if (!isInside(operand.getDefiningOp()))
          inputs.insert(operand);
      for (OpResult result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !isInside(user); }))
          results.insert(result);
    }
    OpBuilder builder(ops.back());
    Location loc = FusedLoc::get(builder.getContext(), locations);
    SmallVector<Type> types = llvm::map_to_vector(results, [](Value v) { return v.getType(); });
    auto kernel = KernelOp::create(builder, loc, types, inputs.getArrayRef());
    if (rows != 0)
      kernel->setAttr(rowsName, builder.getI64IntegerAttr(rows));
    if (blocks != 0)
      kernel->setAttr(rowBlocksName, builder.getI64IntegerAttr(blocks));
    Block *body = builder.createBlock(&kernel.getBody());
    IRMapping mapping;
    for (Value input : inputs)
      mapping.map(input, body->addArgument(input.getType(), input.getLoc()));
    for (Operation *op : ops)
      builder.clone(*op, mapping);
    YieldOp::create(builder, loc, llvm::map_to_vector(results, [&](Value v) { return mapping.lookup(v); }));
    for (auto [before, after] :
         llvm::zip_equal(SmallVector<Value>(results.begin(), results.end()), kernel.getResults()))
      before.replaceAllUsesWith(after);
    for (Operation *op : llvm::reverse(ops))
      op->erase();
  }

  Block &block;
  Groups groups;
  SmallVector<unsigned> rows;   ///< of each group: shared leading dimensions, 0: no row group
  SmallVector<unsigned> blocks; ///< of each group: dimensions of rows that are worked on in blocks, 0: none
  llvm::BitVector taken;        ///< ops whose group is final
  llvm::BitVector products;     ///< contractions that begin a kernel
  llvm::BitVector overRows;     ///< sums over the rows of their group
  fuse::KernelAxes axes;        ///< of ops in kernels by rows
};

struct FormKernels : impl::FormKernelsPassBase<FormKernels> {
  void runOnOperation() override {
    SmallVector<Block *> blocks;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || function->hasAttr("gpt.kernel"))
        continue;
      blocks.push_back(&function.front());
      function.walk([&](RepeatOp repeat) { blocks.push_back(repeat.getBlock()); });
    }
    for (Block *block : blocks)
      if (!block->empty())
        BlockKernels(*block).form();
  }
};

} // namespace
} // namespace gptc
