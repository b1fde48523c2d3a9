// gpt-derive-decode: see passes/Passes.td. decode_plan.* decides; here the new program is written beside the old one.
#include "passes/grad/decode_plan.h"
#include "passes/grad/program.h"
#include "passes/grad/tensors.h"
#include "passes/passes.h"

#include "ir/gpt/maps.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/StringSet.h"

namespace gptc {
#define GEN_PASS_DEF_DERIVEDECODEPASS
#include "passes/Passes.h.inc"

namespace {
using namespace mlir;
using namespace gpt;
using namespace grad;

constexpr llvm::StringLiteral newExtent = "positions.new", historyExtent = "positions.history";

/// A value of the old program at some roles, in the new one.
struct Instance {
  Value value;
  bool batched = false; ///< it has the streams' dimension in front, which the old value has not
};

/// A state that a repeat's copies have a slice of each.
struct State {
  VariableOp variable;
  Operation *home = nullptr; ///< the old op around the value: @main or the innermost repeat
  Value current;             ///< the whole of it, or its slice where ops are written now
};

class Emitter {
public:
  Emitter(func::FuncOp main, const Positions &positions, const DecodePlan &plan, DimAttr batch, int64_t rows,
          int64_t capacity)
      : main(main), positions(positions), plan(plan), batch(batch), rows(rows), capacity(capacity),
        b(main.getContext()) {}

  void run(ArrayRef<std::string> names) {
    Block *before = &main.front(), *after = new Block;
    main.getBody().push_back(after);
    b.setInsertionPointToEnd(after);
    SmallVector<DictionaryAttr> attributes;
    for (BlockArgument argument : before->getArguments()) {
      Roles roles(positions.positionsOf(dimsOf(argument)).size(), Role::New);
      Type type = typeOf(argument.getType(), roles, false);
      instances[argument].push_back({roles, {after->addArgument(type, argument.getLoc()), false}});
      attributes.push_back(main.getArgAttrDict(argument.getArgNumber()));
    }
    auto perStream = [&](StringRef name) {
      attributes.push_back(b.getDictionaryAttr({b.getNamedAttr(inputAttr, b.getStringAttr(name)),
                                                b.getNamedAttr(perExampleAttr, b.getUnitAttr())}));
      return after->addArgument(streamType(), main.getLoc());
    };
    past = perStream(names[0]);
    count = rows == 1 ? Value() : Value(perStream(names[1]));
    last = count ? adds(past, count, -1) : past;
    lastNew = count ? adds(count, Value(), -1) : Value();
    declareStates(*before);
    for (BlockArgument argument : before->getArguments())
      keep(argument);
    emitBlock(*before);
    auto end = cast<func::ReturnOp>(before->getTerminator());
    SmallVector<Value> results;
    for (Value result : end.getOperands())
      results.push_back(lookup(result, resultRoles(result)).value);
    func::ReturnOp::create(b, end.getLoc(), results);
    before->dropAllReferences();
    before->dropAllDefinedValueUses();
    before->erase();
    main.setType(FunctionType::get(b.getContext(), after->getArgumentTypes(), ValueRange(results).getTypes()));
    main.setAllArgAttrs(attributes);
  }

private:
  Roles resultRoles(Value result) { return plan.rolesOf(result).front(); }

  //===-- Types ------------------------------------------------------------------===//

  DimAttr dimAt(DimAttr dim, Role role) const {
    if (role == Role::History)
      return DimAttr::getBounded(b.getContext(), dim.getName(), capacity, historyExtent);
    if (role == Role::Last || rows == 1)
      return DimAttr::getStatic(b.getContext(), dim.getName(), 1);
    return DimAttr::getBounded(b.getContext(), dim.getName(), rows, newExtent);
  }

  SmallVector<DimAttr> dimsAt(DimsAttr dims, ArrayRef<Role> roles, bool batched) const {
    SmallVector<DimAttr> result;
    if (batched)
      result.push_back(batch);
    size_t next = 0;
    for (DimAttr dim : dims.getDims())
      result.push_back(positions.isPosition(dim) ? dimAt(dim, roles[next++]) : dim);
    return result;
  }

  RankedTensorType typeOf(Type type, ArrayRef<Role> roles, bool batched) const {
    return tensorType(b.getContext(), dimsAt(dimsOf(type), roles, batched), getElementTypeOrSelf(type));
  }

  RankedTensorType streamType() { return tensorType(b.getContext(), {batch}, b.getI32Type()); }

  /// Where the dims have the streams; -1: nowhere.
  int streamsOf(DimsAttr dims) const {
    for (auto [d, dim] : llvm::enumerate(dims.getDims()))
      if (dim.getExtent() == batch.getExtent())
        return d;
    return -1;
  }

  //===-- Values -----------------------------------------------------------------===//

  void bind(Value old, ArrayRef<Role> roles, Instance instance) {
    instances[old].push_back({Roles(roles), instance});
  }

  const Instance *find(Value old, ArrayRef<Role> roles) const {
    auto known = instances.find(old);
    if (known != instances.end())
      for (const auto &[at, instance] : known->second)
        if (ArrayRef<Role>(at) == roles)
          return &instance;
    return nullptr;
  }

  Instance lookup(Value old, Roles roles) {
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

  /// x + y + number, for each stream.
  Value adds(Value x, Value y, int64_t number) {
    SmallVector<Value> inputs = {x};
    if (y)
      inputs.push_back(y);
    SmallVector<AffineMap> maps(inputs.size(), b.getMultiDimIdentityMap(1));
    return GenericOp::create(b, main.getLoc(), dimsOf(x), 1, std::nullopt, ValueRange(), inputs, maps,
                             [&](OpBuilder &body, Location loc, ValueRange arguments) -> SmallVector<Value> {
                               Value sum = arguments[0];
                               if (y)
                                 sum = arith::AddIOp::create(body, loc, sum, arguments[1]);
                               return {arith::AddIOp::create(
                                   body, loc, sum,
                                   arith::ConstantOp::create(body, loc, body.getI32IntegerAttr(number)))};
                             })
        ->getResult(0);
  }

  /// The rows of each stream's last new position.
  Value takeLast(const Instance &from, DimsAttr old, ArrayRef<Role> roles) {
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
    return GenericOp::create(b, from.value.getLoc(), space, dims.size(), std::nullopt, lastNew, from.value,
                             ArrayRef<AffineMap>{stream, map},
                             [](OpBuilder &, Location, ValueRange arguments) -> SmallVector<Value> {
                               return {arguments[1]};
                             })
        ->getResult(0);
  }

  /// Two terms of a reduction.
  static Value join(OpBuilder &body, Location loc, ReductionKind kind, Value x, Value y) {
    bool isFloat = isa<FloatType>(x.getType());
    if (x.getType().isInteger(1))
      return arith::OrIOp::create(body, loc, x, y);
    if (kind == ReductionKind::sum)
      return isFloat ? arith::AddFOp::create(body, loc, x, y).getResult()
                     : arith::AddIOp::create(body, loc, x, y).getResult();
    return isFloat ? arith::MaximumFOp::create(body, loc, x, y).getResult()
                   : arith::MaxSIOp::create(body, loc, x, y).getResult();
  }

  //===-- States -----------------------------------------------------------------===//

  static StringRef nameOf(Location loc) {
    StringRef name;
    loc->walk([&](Location inner) {
      auto named = dyn_cast<NameLoc>(inner);
      if (named)
        name = named.getName().getValue();
      return named ? WalkResult::interrupt() : WalkResult::advance();
    });
    return name;
  }

  /// The value's name in the model, or that of what is made of it, each once.
  std::string nameFor(StringRef kind, Value value) {
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

  /// `size`: of the dimension over positions; 0: there is none.
  State declare(StringRef kind, Value value, int64_t size, int64_t drop = -1) {
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
    auto variable = VariableOp::create(variables, value.getLoc(), variables.getStringAttr(name), TypeAttr::get(type),
                                       /*parameter=*/UnitAttr(), b.getI64IntegerAttr(path.size() - 2),
                                       b.getStrArrayAttr(path), place);
    return {variable, home, {}};
  }

  /// All states, in the order of the old program; slices of them go into repeats.
  void declareStates(Block &block) {
    auto declareFor = [&](Value value) {
      const Cache *cache = plan.cacheOf(value);
      if (!cache)
        return;
      states[value] = declare(cache->window ? "window" : "cache", value, cache->window ? cache->window : capacity);
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

  void read(State &state) {
    auto symbol = FlatSymbolRefAttr::get(state.variable.getSymNameAttr());
    state.current = GetOp::create(b, state.variable.getLoc(), state.variable.getTensorType(), symbol);
  }

  RankedTensorType sliceOf(State &state) {
    return tensorType(b.getContext(), dimsOf(state.variable.getTensorType()).getDims().drop_front(copies.size()),
                      state.variable.getTensorType().getElementType());
  }

  Value store(State &state, Value value, Value at, ValueRange after, std::optional<int64_t> dim) {
    return StoreOp::create(b, value.getLoc(), sliceOf(state), FlatSymbolRefAttr::get(state.variable.getSymNameAttr()),
                           copies, value, at, after, dim ? b.getI64IntegerAttr(*dim) : IntegerAttr(),
                           FlatSymbolRefAttr());
  }

  /// Where the value has a history that is kept: it becomes part of it.
  void keep(Value old) {
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
    bind(old, {Role::History}, {store(state, rowsNow.value, past, {}, place), batched});
  }

  /// The rows from before the new ones and these behind them: the result has `window` rows more.
  Value keepWindow(State &state, Value now, unsigned place, int64_t window) {
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

  //===-- Ops --------------------------------------------------------------------===//

  void emitBlock(Block &block) {
    for (Operation &op : block.without_terminator()) {
      if (auto repeat = dyn_cast<RepeatOp>(op)) {
        emitRepeat(repeat);
      } else if (auto generic = dyn_cast<GenericOp>(op)) {
        for (const Roles &roles : rolesToCompute(generic->getResults()))
          emitGeneric(generic, roles);
        if (auto sum = sums.find(&op); sum != sums.end())
          emitRunning(generic, sum->second);
      } else if (auto reshape = dyn_cast<ReshapeOp>(op)) {
        for (const Roles &roles : rolesToCompute(reshape->getResults())) {
          Instance source = lookup(reshape.getSource(), roles);
          bool batched = source.batched;
          Type type = typeOf(reshape.getType(), roles, batched);
          bind(reshape.getResult(), roles, {ReshapeOp::create(b, op.getLoc(), type, source.value), batched});
        }
      } else if (llvm::any_of(op.getResults(), [&](Value v) { return !plan.rolesOf(v).empty(); })) {
        IRMapping mapping;
        for (Value operand : op.getOperands())
          mapping.map(operand, lookup(operand, {}).value);
        Operation *copy = b.clone(op, mapping);
        for (auto [old, value] : llvm::zip_equal(op.getResults(), copy->getResults()))
          bind(old, {}, {value, false});
      }
      llvm::for_each(op.getResults(), [&](Value result) { keep(result); });
    }
  }

  /// At which roles an op's results are computed, not looked up.
  SmallVector<Roles> rolesToCompute(ResultRange results) {
    SmallVector<Roles> all;
    for (Value result : results)
      for (const Roles &roles : plan.rolesOf(result)) {
        bool kept = plan.cacheOf(result) && roles.size() == 1 && roles[0] == Role::History;
        bool narrow = llvm::is_contained(roles, Role::Last);
        if (kept || (narrow && (!DecodePlan::hasLast(result) || !lastNew)))
          continue;
        if (!llvm::is_contained(all, roles))
          all.push_back(roles);
      }
    // Where all new rows are the last ones.
    if (!lastNew)
      for (Value result : results)
        for (Roles roles : plan.rolesOf(result)) {
          bool narrow = llvm::is_contained(roles, Role::Last);
          for (Role &role : roles)
            role = role == Role::Last ? Role::New : role;
          if (narrow && !llvm::is_contained(all, roles))
            all.push_back(roles);
        }
    return all;
  }

  /// The first absolute position of rows at this role, one a stream; null: coordinates are absolute.
  Value baseOf(Role role) const { return role == Role::New ? past : role == Role::Last ? last : Value(); }

  /// One op of the new program: its space, operands and body, collected.
  struct Draft {
    SmallVector<Value> indices, inputs;
    SmallVector<AffineMap> indexMaps, inputMaps;
    SmallVector<std::pair<Value, unsigned>> bases; ///< index operands that were added, and their numbers
  };

  /// The number of the index operand `base`.
  unsigned baseNumber(Draft &draft, Value base, AffineMap stream) {
    for (auto [known, number] : draft.bases)
      if (known == base)
        return number;
    draft.indices.push_back(base);
    draft.indexMaps.push_back(stream);
    draft.bases.push_back({base, unsigned(draft.indices.size()) - 1});
    return draft.bases.back().second;
  }

  void emitGeneric(GenericOp op, const Roles &roles) {
    DenseMap<unsigned, Role> space = plan.spaceRoles(op, roles);
    emitGeneric(op, roles, space, /*drop=*/-1);
  }

  /// `drop`: the dimension that is no longer one of the new op's: for it stands the last new row (see emitRunning).
  SmallVector<Value> emitGeneric(GenericOp op, ArrayRef<Role> roles, const DenseMap<unsigned, Role> &space, int drop,
                                 int64_t dropOffset = 0) {
    DimsAttr old = op.getDims();
    SmallVector<Instance> operands;
    SmallVector<bool> windowed;
    bool anyBatched = false;
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      Roles at = plan.operandRoles(op, i, space);
      auto window = windows.find(operand);
      bool isWindow = window != windows.end() && at.size() == 1 && at[0] == Role::History;
      operands.push_back(isWindow ? window->second : lookup(operand, at));
      windowed.push_back(isWindow);
      anyBatched |= operands.back().batched;
    }
    bool hasNew = llvm::any_of(space, [](auto entry) { return entry.second != Role::History; });
    bool batched = streamsOf(old) < 0 && (hasNew || anyBatched);
    // The new space.
    SmallVector<DimAttr> dims;
    SmallVector<unsigned> place(old.size(), ~0u);
    if (batched)
      dims.push_back(batch);
    for (unsigned d = 0; d < old.size(); ++d) {
      if (int(d) == drop)
        continue;
      place[d] = dims.size();
      auto role = space.find(d);
      dims.push_back(role == space.end() ? old[d] : dimAt(old[d], role->second));
    }
    unsigned rank = dims.size();
    DimsAttr newDims = DimsAttr::get(b.getContext(), dims);
    int streams = streamsOf(newDims);
    AffineMap stream = streams >= 0 ? AffineMap::get(rank, 0, b.getAffineDimExpr(streams)) : AffineMap();
    Draft draft;
    // Index operands first: their numbers are those of the symbols. What they read elsewhere is brought here before.
    for (unsigned i = 0; i < op.getIndices().size(); ++i) {
      AffineMap map = op.getMap(i);
      bool plain = !windowed[i] && llvm::all_of(llvm::enumerate(map.getResults()), [&](auto index) {
        return isPlainRead(op, i, index.index(), space) || !readsNew(index.value(), space);
      });
      if (plain) {
        draft.indices.push_back(operands[i].value);
        draft.indexMaps.push_back(localMap(map, place, rank, operands[i].batched, streams));
      } else {
        draft.indices.push_back(bringHere(op, i, operands[i], windowed[i], space, newDims, place, stream));
        draft.indexMaps.push_back(b.getMultiDimIdentityMap(rank));
      }
    }
    for (unsigned i = op.getIndices().size(); i < op->getNumOperands(); ++i) {
      draft.inputs.push_back(operands[i].value);
      draft.inputMaps.push_back(
          absoluteMap(op, i, operands[i], windowed[i], space, place, rank, stream, streams, draft));
    }
    // Numbers of positions that the body computes with.
    DenseMap<unsigned, unsigned> offsets;
    op.getBlock()->walk([&](IndexOp index) {
      auto role = space.find(index.getDim());
      if (int64_t(drop) == index.getDim())
        offsets[index.getDim()] = baseNumber(draft, last, stream);
      else if (role != space.end() && baseOf(role->second))
        offsets[index.getDim()] = baseNumber(draft, baseOf(role->second), stream);
    });
    unsigned symbols = draft.indices.size();
    for (AffineMap &map : draft.inputMaps)
      map = AffineMap::get(rank, symbols, map.getResults(), b.getContext());
    SmallVector<Value> allIndices = draft.indices;
    SmallVector<AffineMap> maps = draft.indexMaps;
    llvm::append_range(maps, draft.inputMaps);
    unsigned parallel = op.getNumParallel() + batched - (drop >= 0);
    auto created = GenericOp::create(
        b, op.getLoc(), newDims, parallel, op.getReduction(), allIndices, draft.inputs, maps,
        [&](OpBuilder &body, Location, ValueRange arguments) {
          IRMapping mapping;
          unsigned oldIndices = op.getIndices().size();
          for (unsigned i = 0; i < op->getNumOperands(); ++i)
            mapping.map(op.getBlock()->getArgument(i),
                        arguments[i < oldIndices ? i : i - oldIndices + draft.indices.size()]);
          for (Operation &part : op.getBlock()->without_terminator()) {
            auto index = dyn_cast<IndexOp>(part);
            if (!index) {
              Operation *copy = body.clone(part, mapping);
              if (auto extent = dyn_cast<ExtentOp>(copy))
                extent.setDim(place[extent.getDim()]);
              continue;
            }
            unsigned d = index.getDim();
            Location loc = index.getLoc();
            auto offset = offsets.find(d);
            Value base = offset == offsets.end() ? Value() : arguments[offset->second];
            Value value;
            if (int(d) == drop) {
              value = base;
              if (dropOffset != 0)
                value = arith::AddIOp::create(
                    body, loc, base, arith::ConstantOp::create(body, loc, body.getI32IntegerAttr(dropOffset)));
            } else {
              value = IndexOp::create(body, loc, body.getI32Type(), place[d]);
              if (base)
                value = arith::AddIOp::create(body, loc, value, base);
            }
            mapping.map(index.getResult(), value);
          }
          return llvm::map_to_vector(op.getYield().getValues(),
                                     [&](Value value) { return mapping.lookupOrDefault(value); });
        });
    created->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    SmallVector<Value> results(created->getResults());
    if (drop < 0)
      for (auto [oldResult, value] : llvm::zip_equal(op.getResults(), results))
        bind(oldResult, roles, {value, batched});
    return results;
  }

  static bool readsNew(AffineExpr index, const DenseMap<unsigned, Role> &space) {
    return llvm::any_of(space, [&](auto entry) {
      return entry.second != Role::History && index.isFunctionOfDim(entry.first);
    });
  }

  /// The operand's dimension is read at the op's own rows.
  bool isPlainRead(GenericOp op, unsigned operand, unsigned p, const DenseMap<unsigned, Role> &space) const {
    auto dim = dyn_cast<AffineDimExpr>(op.getMap(operand).getResult(p));
    return dim && space.contains(dim.getPosition()) && positions.isPosition(dimsOf(op->getOperand(operand))[p]);
  }

  AffineMap localMap(AffineMap map, ArrayRef<unsigned> place, unsigned rank, bool batched, int streams) {
    SmallVector<AffineExpr> dims;
    for (unsigned p : place)
      dims.push_back(p == ~0u ? b.getAffineConstantExpr(0) : b.getAffineDimExpr(p));
    SmallVector<AffineExpr> indices;
    if (batched)
      indices.push_back(b.getAffineDimExpr(streams));
    for (AffineExpr index : map.getResults())
      indices.push_back(index.replaceDims(dims));
    return AffineMap::get(rank, map.getNumSymbols(), indices, b.getContext());
  }

  /// The map of an operand, whose coordinates are absolute positions where they are not the op's own rows.
  AffineMap absoluteMap(GenericOp op, unsigned i, const Instance &operand, bool windowed,
                        const DenseMap<unsigned, Role> &space, ArrayRef<unsigned> place, unsigned rank, AffineMap stream,
                        int streams, Draft &draft) {
    AffineMap map = op.getMap(i);
    SmallVector<AffineExpr> local, absolute, inWindow;
    for (auto [d, p] : llvm::enumerate(place)) {
      AffineExpr here = p == ~0u ? b.getAffineConstantExpr(0) : b.getAffineDimExpr(p);
      auto role = space.find(d);
      Value base = role == space.end() ? Value() : baseOf(role->second);
      bool used = base && map.isFunctionOfDim(d);
      bool elsewhere = used && llvm::any_of(llvm::enumerate(map.getResults()), [&](auto index) {
        return index.value().isFunctionOfDim(d) && !isPlainRead(op, i, index.index(), space);
      });
      local.push_back(here);
      absolute.push_back(elsewhere && !windowed ? here + b.getAffineSymbolExpr(baseNumber(draft, base, stream)) : here);
      bool atLast = elsewhere && windowed && role->second == Role::Last && lastNew;
      inWindow.push_back(atLast ? here + b.getAffineSymbolExpr(baseNumber(draft, lastNew, stream)) : here);
    }
    SmallVector<AffineExpr> indices;
    if (operand.batched)
      indices.push_back(b.getAffineDimExpr(streams));
    DimsAttr target = dimsOf(op->getOperand(i));
    for (auto [p, index] : llvm::enumerate(map.getResults())) {
      if (isPlainRead(op, i, p, space))
        indices.push_back(index.replaceDims(local));
      else if (windowed && positions.isPosition(target[p]))
        indices.push_back(index.replaceDims(inWindow) + plan.cacheOf(op->getOperand(i))->window);
      else
        indices.push_back(index.replaceDims(absolute));
    }
    return AffineMap::get(rank, 64, indices, b.getContext());
  }

  /// What an index operand is at each point, as maps of index operands know no symbols.
  Value bringHere(GenericOp op, unsigned i, const Instance &operand, bool windowed,
                  const DenseMap<unsigned, Role> &space, DimsAttr dims, ArrayRef<unsigned> place, AffineMap stream) {
    Draft draft;
    unsigned rank = dims.size();
    AffineMap map =
        absoluteMap(op, i, operand, windowed, space, place, rank, stream, streamsOf(dims), draft);
    SmallVector<AffineMap> maps = draft.indexMaps;
    maps.push_back(AffineMap::get(rank, draft.indices.size(), map.getResults(), b.getContext()));
    return GenericOp::create(b, op.getLoc(), dims, rank, std::nullopt, draft.indices, operand.value, maps,
                             [](OpBuilder &, Location, ValueRange arguments) -> SmallVector<Value> {
                               return {arguments.back()};
                             })
        ->getResult(0);
  }

  /// The instances of the reduction are of the new rows alone so far: what was before joins, and the state goes on.
  void emitRunning(GenericOp op, State &state) {
    RunningReduction running = *plan.running(op);
    ReductionKind kind = *op.getReduction();
    Value before = state.current;
    auto joinBefore = [&](Value now, int row) {
      DimsAttr dims = dimsOf(now);
      SmallVector<AffineExpr> indices;
      for (unsigned d = 0; d < dims.size(); ++d)
        if (int(d) != row)
          indices.push_back(b.getAffineDimExpr(d));
      unsigned rank = dims.size();
      AffineMap map = AffineMap::get(rank, 0, indices, b.getContext());
      AffineMap stream = AffineMap::get(rank, 0, b.getAffineDimExpr(streamsOf(dims)));
      // A stream that begins has nothing before: its state is another's.
      return GenericOp::create(b, op.getLoc(), dims, rank, std::nullopt, past, ValueRange{before, now},
                               ArrayRef<AffineMap>{stream, map, b.getMultiDimIdentityMap(rank)},
                               [&](OpBuilder &body, Location loc, ValueRange arguments) -> SmallVector<Value> {
                                 Value zero = arith::ConstantOp::create(body, loc, body.getI32IntegerAttr(0));
                                 Value any = arith::CmpIOp::create(body, loc, arith::CmpIPredicate::sgt, arguments[0],
                                                                   zero);
                                 Value joined = join(body, loc, kind, arguments[1], arguments[2]);
                                 return {arith::SelectOp::create(body, loc, any, joined, arguments[2])};
                               })
          ->getResult(0);
    };
    SmallVector<Value> readers;
    for (auto &[roles, instance] : instances[op->getResult(0)]) {
      instance.value = joinBefore(instance.value, running.row + instance.batched);
      readers.push_back(instance.value);
    }
    // All terms of the new rows that are the streams' own: as the row behind which no more are.
    DenseMap<unsigned, Role> space{{running.column, Role::New}};
    Value terms = emitGeneric(op, {}, space, running.row, running.exclusive)[0];
    Value next = joinBefore(terms, -1);
    store(state, next, {}, readers, std::nullopt);
  }

  void emitRepeat(RepeatOp op) {
    struct Carried {
      unsigned number;
      Roles roles;
      bool batched;
    };
    SmallVector<Carried> carried, slices, stacks;
    SmallVector<Value> inits, stacked;
    SmallVector<Type> carriedTypes, stackTypes;
    // Positions alone have no streams in the old program; at new ones they have.
    auto isBatched = [&](Value old, ArrayRef<Role> roles) {
      return streamsOf(dimsOf(old)) < 0 && llvm::any_of(roles, [](Role role) { return role != Role::History; });
    };
    auto computed = [&](Value old) {
      SmallVector<Roles> all;
      for (const Roles &roles : plan.rolesOf(old)) {
        bool kept = plan.cacheOf(old) && roles.size() == 1 && roles[0] == Role::History;
        if (!kept && !llvm::is_contained(roles, Role::Last))
          all.push_back(roles);
      }
      return all;
    };
    auto addStreams = [&](Value value, Value old, ArrayRef<Role> roles, bool wanted, bool has) {
      return wanted && !has ? broadcast(value, dimsAt(dimsOf(old), roles, true)) : value;
    };
    for (auto [i, argument] : llvm::enumerate(op.getCarriedArguments()))
      for (const Roles &roles : computed(argument)) {
        bool batched = isBatched(argument, roles);
        Instance init = lookup(op.getInits()[i], roles);
        inits.push_back(addStreams(init.value, argument, roles, batched, init.batched));
        carriedTypes.push_back(inits.back().getType());
        carried.push_back({unsigned(i), roles, batched});
      }
    for (auto [j, slice] : llvm::enumerate(op.getSliceArguments()))
      for (const Roles &roles : computed(slice)) {
        Instance whole = lookup(op.getStacked()[j], roles);
        stacked.push_back(whole.value);
        slices.push_back({unsigned(j), roles, whole.batched});
      }
    SmallVector<State *> inside;
    auto isInside = [&](State &state) {
      return state.current && (state.home == op || op->isProperAncestor(state.home));
    };
    for (auto &[value, state] : states)
      if (isInside(state))
        inside.push_back(&state);
    for (auto &[sum, state] : sums)
      if (isInside(state))
        inside.push_back(&state);
    for (State *state : inside)
      stacked.push_back(state->current);
    for (auto [j, stack] : llvm::enumerate(op.getStacks()))
      for (const Roles &roles : computed(stack)) {
        Value yielded = op.getYield().getValues()[op.getInits().size() + j];
        bool batched = isBatched(yielded, roles);
        RankedTensorType slice = typeOf(yielded.getType(), roles, batched);
        stackTypes.push_back(RepeatOp::stackType(slice, op.getCount(), copiesName(slice)));
        stacks.push_back({unsigned(j), roles, batched});
      }

    auto repeat = RepeatOp::create(b, op.getLoc(), carriedTypes, stackTypes, inits, stacked, op.getCountAttr(),
                                   op.getReverseAttr());
    repeat->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    OpBuilder::InsertionGuard guard(b);
    Block *body = b.createBlock(&repeat.getBody());
    BlockArgument copy = body->addArgument(op.getCopyArgument().getType(), op.getCopyArgument().getLoc());
    bind(op.getCopyArgument(), {}, {copy, false});
    for (auto [entry, init] : llvm::zip_equal(carried, inits)) {
      BlockArgument old = op.getCarriedArguments()[entry.number];
      bind(old, entry.roles, {body->addArgument(init.getType(), old.getLoc()), entry.batched});
    }
    for (auto [entry, whole] : llvm::zip(slices, stacked)) {
      BlockArgument old = op.getSliceArguments()[entry.number];
      Type type = RepeatOp::sliceType(cast<RankedTensorType>(whole.getType()));
      bind(old, entry.roles, {body->addArgument(type, old.getLoc()), entry.batched});
    }
    SmallVector<Value> outer;
    for (State *state : inside) {
      outer.push_back(state->current);
      Type type = RepeatOp::sliceType(cast<RankedTensorType>(state->current.getType()));
      state->current = body->addArgument(type, state->variable.getLoc());
    }
    copies.push_back(copy);
    for (BlockArgument argument : op.getBlock()->getArguments())
      keep(argument);
    emitBlock(*op.getBlock());
    SmallVector<Value> yields;
    for (auto [list, first] : {std::pair(&carried, size_t(0)), std::pair(&stacks, op.getInits().size())})
      for (const Carried &entry : *list) {
        Value old = op.getYield().getValues()[first + entry.number];
        Instance value = lookup(old, entry.roles);
        yields.push_back(addStreams(value.value, old, entry.roles, entry.batched, value.batched));
      }
    YieldOp::create(b, op.getYield().getLoc(), yields);
    copies.pop_back();
    for (auto [state, whole] : llvm::zip_equal(inside, outer))
      state->current = whole;
    b.setInsertionPointAfter(repeat);
    size_t next = 0;
    for (const Carried &entry : carried)
      bind(op.getCarried()[entry.number], entry.roles, {repeat->getResult(next++), entry.batched});
    for (const Carried &entry : stacks)
      bind(op.getStacks()[entry.number], entry.roles, {repeat->getResult(next++), entry.batched});
  }

  Value broadcast(Value value, ArrayRef<DimAttr> dims) {
    SmallVector<AffineExpr> indices;
    for (unsigned d = 1; d < dims.size(); ++d)
      indices.push_back(b.getAffineDimExpr(d));
    return GenericOp::create(b, value.getLoc(), DimsAttr::get(b.getContext(), dims), dims.size(), std::nullopt,
                             ValueRange(), value, AffineMap::get(dims.size(), 0, indices, b.getContext()),
                             [](OpBuilder &, Location, ValueRange arguments) -> SmallVector<Value> {
                               return {arguments[0]};
                             })
        ->getResult(0);
  }

  func::FuncOp main;
  const Positions &positions;
  const DecodePlan &plan;
  DimAttr batch;
  int64_t rows, capacity;
  OpBuilder b;
  Value past, count, last, lastNew; ///< i32, one a stream; count and lastNew are null where each run has one row
  llvm::DenseMap<Value, SmallVector<std::pair<Roles, Instance>, 2>> instances;
  llvm::MapVector<Value, State> states;
  llvm::MapVector<Operation *, State> sums;
  llvm::DenseMap<Value, Instance> windows;
  llvm::StringSet<> taken;
  SmallVector<Value> copies; ///< numbers of the copies around, outermost first
};

bool isOf(StringRef input, StringRef name) {
  return input == name || (input.consume_back(")") && input.split('(').second == name);
}

struct DeriveDecodePass : impl::DeriveDecodePassBase<DeriveDecodePass> {
  using DeriveDecodePassBase::DeriveDecodePassBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, GptDialect>();
  }

  void runOnOperation() override {
    func::FuncOp main = findMain(getOperation());
    if (!main || failed(run(main)))
      signalPassFailure();
  }

  LogicalResult run(func::FuncOp main) {
    SmallVector<BlockArgument> arguments, lengths;
    BlockArgument stream;
    for (BlockArgument argument : main.getArguments()) {
      auto name = main.getArgAttrOfType<StringAttr>(argument.getArgNumber(), inputAttr);
      if (!name || !isOf(name.getValue(), growing))
        continue;
      arguments.push_back(argument);
      if (name.getValue() == StringRef(growing))
        stream = argument;
      if (name.getValue().starts_with("length("))
        lengths.push_back(argument);
    }
    DimsAttr dims = stream ? dimsOf(stream) : DimsAttr();
    if (!dims || dims.size() != 2 || !dims[0].isDynamic() || !dims[1].isDynamic())
      return main.emitError() << "no input '" << growing << "' is a batch of streams of any length";
    if (rows < 1)
      return main.emitError() << "at most " << rows.getValue() << " new positions in a run, needs at least 1";
    forgetLengths(main, lengths);
    Positions positions(main, arguments);
    int64_t capacity = dims[1].getSize();
    FailureOr<DecodePlan> plan = DecodePlan::make(main, positions, results == "last", capacity);
    if (failed(plan))
      return failure();
    std::string old = dims[1].getExtent().str();
    std::string past = "past(" + growing + ")", count = "count(" + growing + ")";
    Emitter(main, positions, *plan, dims[0], std::min<int64_t>(rows, capacity), capacity).run({past, count});
    renameExtents(old, capacity);
    dropUnusedArguments(main);
    return success();
  }

  /// The stream's extent becomes two: that of the new positions and that of all so far.
  void renameExtents(StringRef old, int64_t capacity) {
    ModuleOp module = getOperation();
    Builder builder(&getContext());
    SmallVector<Attribute> names, bounds;
    for (auto [name, bound] : llvm::zip_equal(module->getAttrOfType<ArrayAttr>("gpt.extents"),
                                              module->getAttrOfType<ArrayAttr>("gpt.bounds"))) {
      if (cast<StringAttr>(name).getValue() == old)
        continue;
      names.push_back(name);
      bounds.push_back(bound);
    }
    if (rows > 1) {
      names.push_back(builder.getStringAttr(newExtent));
      bounds.push_back(builder.getI64IntegerAttr(std::min<int64_t>(rows, capacity)));
    }
    names.push_back(builder.getStringAttr(historyExtent));
    bounds.push_back(builder.getI64IntegerAttr(capacity));
    module->setAttr("gpt.extents", builder.getArrayAttr(names));
    module->setAttr("gpt.bounds", builder.getArrayAttr(bounds));
    module->removeAttr("gpt.batch_tokens");
  }

  void dropUnusedArguments(func::FuncOp main) {
    cleanUp(main);
    llvm::BitVector dead(main.getNumArguments());
    for (BlockArgument argument : main.getArguments())
      dead[argument.getArgNumber()] = argument.use_empty();
    (void)main.eraseArguments(dead);
  }
};

} // namespace
} // namespace gptc
