#include "passes/fuse/places.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc::fuse {

Place Place::plus(int64_t bytes) const {
  Place place = *this;
  place.offset += bytes;
  return place;
}

Place Place::plus(Term term) const {
  Place place = *this;
  place.terms.push_back(term);
  return place;
}

namespace {

/// The memory of one carried value or stack.
struct Storage {
  Place base;
  int64_t slot = 0; ///< bytes from one slot to the next
};

/// Bytes behind the tensor that kernels may read.
int64_t readPastOf(Type tensor, const Limits &limits) {
  int64_t bits = cast<RankedTensorType>(tensor).getElementTypeBitWidth();
  return gpt::boundedProduct(readPast(tensor, limits), (bits + 7) / 8);
}

class Assigner {
public:
  Assigner(func::FuncOp main, const Destinations &destinations)
      : main(main), destinations(destinations), limits(Limits::of(main)) {}

  FailureOr<Places> assign() {
    number(main.front());
    for (BlockArgument argument : main.getArguments()) {
      Place place;
      place.base = Place::Input;
      place.position = argument.getArgNumber();
      places.values[argument] = place;
    }
    placeBlock(main.front());
    for (auto &[value, place] : places.values)
      if (place.base == Place::Arena)
        extend(value, places.buffers[place.buffer]);
    places.arenaBytes = assignOffsets(places.buffers);
    for (auto &[value, place] : places.values)
      if (place.base == Place::Arena) {
        const Buffer &buffer = places.buffers[place.buffer];
        int64_t end = gpt::boundedSum(buffer.behind(), readPastOf(value.getType(), limits));
        places.arenaBytes = std::max(places.arenaBytes, end);
      }
    if (failed(verifyArena(places.buffers, places.arenaBytes)))
      return failure();
    return std::move(places);
  }

private:
  /// Times: a repeat begins before and ends after all ops of its body.
  void number(Block &block) {
    for (Operation &op : block) {
      begin[&op] = clock++;
      if (auto repeat = dyn_cast<RepeatOp>(op))
        number(*repeat.getBlock());
      end[&op] = clock++;
    }
  }

  Place makeBuffer(Operation *op, int64_t bytes) {
    Place place;
    place.buffer = places.buffers.size();
    places.buffers.emplace_back(op->getLoc(), op->getBlock(), bytes, begin.lookup(op), end.lookup(op));
    return place;
  }

  /// The buffer lives at least until the last use of `value`.
  void extend(Value value, Buffer &buffer) {
    for (Operation *user : value.getUsers())
      if (Operation *here = buffer.home->findAncestorOpInBlock(*user))
        buffer.end = std::max(buffer.end, end.lookup(here));
  }

  /// Memory of carried value `k`; `first` is the first op that uses it, in the repeat's block.
  Storage &carriedStorage(RepeatOp repeat, unsigned k, Operation *first) {
    auto [entry, added] = storages.try_emplace({repeat.getOperation(), k});
    Storage &storage = entry->second;
    if (!added)
      return storage;
    int64_t bytes = bytesOf(repeat.getInits()[k].getType(), limits), total = bytes;
    storage.slot = bytes;
    switch (destinations.repeats.at(repeat).carried[k]) {
    case RepeatPlan::Turns:
      storage.slot = (bytes + arenaAlignment - 1) / arenaAlignment * arenaAlignment;
      total = storage.slot + bytes;
      break;
    case RepeatPlan::Collected:
      total = gpt::boundedProduct(bytes, repeat.getCount() + 1);
      break;
    default:
      break;
    }
    storage.base = makeBuffer(first, total);
    Buffer &buffer = places.buffers[storage.base.buffer];
    buffer.end = std::max(buffer.end, end.lookup(repeat));
    return storage;
  }

  /// Where carried value `k` is before the first copy and behind the last, and
  /// where a copy finds and leaves it.
  struct CarriedPlaces {
    Place initial, final, read, write;
  };
  CarriedPlaces carriedPlaces(RepeatOp repeat, unsigned k, Operation *first) {
    const Storage &storage = carriedStorage(repeat, k, first);
    const Place &base = storage.base;
    int64_t slot = storage.slot, count = repeat.getCount();
    switch (destinations.repeats.at(repeat).carried[k]) {
    case RepeatPlan::Turns:
      return {base, base.plus(count % 2 * slot), base.plus({Place::Term::Turn, repeat, slot}),
              base.plus({Place::Term::OtherTurn, repeat, slot})};
    case RepeatPlan::Collected: {
      // Slot i is what copy i gets, or leaves where the copies run backwards.
      Place low = base.plus({Place::Term::Copy, repeat, slot}), high = low.plus(slot);
      if (repeat.getReverse())
        return {base.plus(count * slot), base, high, low};
      return {base, base.plus(count * slot), low, high};
    }
    default:
      return {base, base, base, base};
    }
  }

  Place stackPlace(RepeatOp repeat, unsigned j) {
    const RepeatPlan &plan = destinations.repeats.at(repeat);
    RepeatPlan::Shared shared = plan.stacks[j];
    if (shared.carried >= 0) {
      const Storage &storage = carriedStorage(repeat, shared.carried, repeat);
      bool high = shared.next != static_cast<bool>(repeat.getReverse());
      return storage.base.plus(high ? storage.slot : 0);
    }
    unsigned key = repeat.getInits().size() + j;
    auto [entry, added] = storages.try_emplace({repeat.getOperation(), key});
    if (added)
      entry->second.base = makeBuffer(repeat, bytesOf(repeat.getStacks()[j].getType(), limits));
    return entry->second.base;
  }

  Place placeOf(OpResult result) {
    auto known = destinations.results.find(result);
    if (known == destinations.results.end())
      return makeBuffer(result.getOwner(), bytesOf(result.getType(), limits));
    Destination destination = known->second;
    switch (destination.kind) {
    case Destination::Variable: {
      Place place;
      place.base = Place::Variable;
      place.variable = destination.variable;
      return place;
    }
    case Destination::Operand:
      return places.values.at(destination.operand);
    case Destination::Initial:
      return carriedPlaces(destination.repeat, destination.position, result.getOwner()).initial;
    case Destination::Carried:
      return carriedPlaces(destination.repeat, destination.position, destination.repeat).write;
    case Destination::Stack: {
      int64_t slot = bytesOf(result.getType(), limits);
      return stackPlace(destination.repeat, destination.position)
          .plus({Place::Term::Copy, destination.repeat, slot});
    }
    }
    llvm_unreachable("all kinds are handled");
  }

  void placeRepeat(RepeatOp repeat) {
    auto &values = places.values;
    const RepeatPlan &plan = destinations.repeats.at(repeat);
    if (!repeat.getCopyArgument().use_empty())
      values[repeat.getCopyArgument()] = makeBuffer(repeat, bytesOf(repeat.getCopyArgument().getType(), limits));
    for (auto [k, argument] : llvm::enumerate(repeat.getCarriedArguments()))
      values[argument] = plan.carried[k] == RepeatPlan::Unchanged ? values.at(repeat.getInits()[k])
                                                                  : carriedPlaces(repeat, k, repeat).read;
    for (auto [i, argument] : llvm::enumerate(repeat.getSliceArguments()))
      values[argument] =
          Place(values.at(repeat.getStacked()[i]))
              .plus({Place::Term::Copy, repeat, bytesOf(argument.getType(), limits)});
    placeBlock(*repeat.getBlock());
    for (auto [k, result] : llvm::enumerate(repeat.getCarried()))
      values[result] = plan.carried[k] == RepeatPlan::Unchanged ? Place(values.at(repeat.getInits()[k]))
                                                                : carriedPlaces(repeat, k, repeat).final;
    for (auto [j, result] : llvm::enumerate(repeat.getStacks()))
      values[result] = stackPlace(repeat, j);
  }

  void placeBlock(Block &block) {
    auto &values = places.values;
    for (Operation &op : block) {
      if (auto get = dyn_cast<GetOp>(op)) {
        Place place;
        place.base = Place::Variable;
        place.variable = get.getVariableAttr();
        values[get.getValue()] = place;
      } else if (auto constant = dyn_cast<ConstantOp>(op)) {
        Place place;
        place.base = Place::Constant;
        place.constant = constant.getValue();
        values[constant.getResult()] = place;
      } else if (auto reshape = dyn_cast<ReshapeOp>(op)) {
        values[reshape.getResult()] = Place(values.at(reshape.getSource()));
      } else if (auto repeat = dyn_cast<RepeatOp>(op)) {
        placeRepeat(repeat);
      } else if (auto store = dyn_cast<StoreOp>(op)) {
        Place place;
        place.base = Place::Variable;
        place.variable = store.getVariableAttr();
        // The slice of the copies that run.
        int64_t slice = bytesOf(store.getType(), limits);
        for (Value copy : llvm::reverse(store.getCopies())) {
          auto repeat = cast<RepeatOp>(cast<BlockArgument>(copy).getOwner()->getParentOp());
          place = place.plus({Place::Term::Copy, repeat, slice});
          slice = gpt::boundedProduct(slice, repeat.getCount());
        }
        values[store.getState()] = place;
      } else if (isa<LaunchOp>(op)) {
        for (OpResult result : op.getResults()) {
          Place place = placeOf(result);
          values[result] = place;
        }
      }
    }
  }

  func::FuncOp main;
  const Destinations &destinations;
  Limits limits;
  Places places;
  unsigned clock = 0;
  llvm::DenseMap<Operation *, unsigned> begin, end;
  llvm::DenseMap<std::pair<Operation *, unsigned>, Storage> storages;
};

} // namespace

FailureOr<Places> assignPlaces(func::FuncOp main, const Destinations &destinations) {
  return Assigner(main, destinations).assign();
}

} // namespace gptc::fuse
