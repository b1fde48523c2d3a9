// gpt-derive-decode: see passes/Passes.td. decode_plan.* decides; here the new program is written beside the
// old one.
#include "passes/grad/decode_ops.h"
#include "passes/grad/program.h"
#include "passes/grad/tensors.h"
#include "passes/passes.h"

#include "mlir/IR/IRMapping.h"

namespace gptc {
#define GEN_PASS_DEF_DERIVEDECODEPASS
#include "passes/Passes.h.inc"

namespace {
using namespace mlir;
using namespace gpt;
using namespace grad;

class Emitter : public DecodeOps {
public:
  using DecodeOps::DecodeOps;

  /// `round`: caches go round.
  void run(ArrayRef<std::string> names, bool round) {
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
    slot = past;
    if (round)
      goRound();
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
    main.setType(
        FunctionType::get(b.getContext(), after->getArgumentTypes(), ValueRange(results).getTypes()));
    main.setAllArgAttrs(attributes);
  }

private:
  /// A row takes the place of the one `capacity` positions before.
  void goRound() {
    auto number = [&](OpBuilder &body, Location loc, int64_t value) -> Value {
      return arith::ConstantOp::create(body, loc, body.getI32IntegerAttr(value));
    };
    Location loc = main.getLoc();
    slot = GenericOp::create(
               b, loc, dimsOf(past), 1, std::nullopt, ValueRange(), past, b.getMultiDimIdentityMap(1),
               [&](OpBuilder &body, Location at, ValueRange arguments) -> SmallVector<Value> {
                 return {arith::RemSIOp::create(body, at, arguments[0], number(body, at, capacity))};
               })
               ->getResult(0);
    // Of places up to the newest one this round's, of those behind it the last round's; before the first
    // round they are behind all positions.
    DimsAttr dims = DimsAttr::get(
        b.getContext(), {batch, DimAttr::getBounded(b.getContext(), "slot", capacity, historyExtent)});
    AffineMap stream = AffineMap::get(2, 0, b.getAffineDimExpr(0));
    slotPositions =
        GenericOp::create(b, loc, dims, 2, std::nullopt, ValueRange(), ValueRange{past, slot},
                          ArrayRef<AffineMap>{stream, stream},
                          [&](OpBuilder &body, Location at, ValueRange arguments) -> SmallVector<Value> {
                            using P = arith::CmpIPredicate;
                            Value place = IndexOp::create(body, at, body.getI32Type(), 1);
                            Value round = arith::SubIOp::create(body, at, arguments[0], arguments[1]);
                            Value position = arith::AddIOp::create(body, at, round, place);
                            Value before =
                                arith::SubIOp::create(body, at, position, number(body, at, capacity));
                            Value behind = arith::CmpIOp::create(body, at, P::sgt, place, arguments[1]);
                            Value any = arith::CmpIOp::create(body, at, P::sge, before, number(body, at, 0));
                            Value old = arith::AndIOp::create(body, at, behind, any);
                            return {arith::SelectOp::create(body, at, old, before, position)};
                          })
            ->getResult(0);
  }

  Roles resultRoles(Value result) { return plan.rolesOf(result).front(); }

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

  /// The instances of the reduction are of the new rows alone so far: what was before joins, and the state
  /// goes on.
  void emitRunning(GenericOp op, State &state) {
    RunningReduction running = *plan.running(op);
    SmallVector<Value> readers;
    for (auto &[roles, instance] : instances[op->getResult(0)]) {
      instance.value = joinBefore(op, state, instance.value, running.row + instance.batched);
      readers.push_back(instance.value);
    }
    // All terms of the new rows that are the streams' own: as the row behind which no more are.
    DenseMap<unsigned, Role> space{{running.column, Role::New}};
    Value terms = emitGeneric(op, {}, space, running.row, running.exclusive)[0];
    Value next = joinBefore(op, state, terms, -1);
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
      return streamsOf(dimsOf(old)) < 0 &&
             llvm::any_of(roles, [](Role role) { return role != Role::History; });
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

    auto repeat = RepeatOp::create(b, op.getLoc(), carriedTypes, stackTypes, inits, stacked,
                                   op.getCountAttr(), op.getReverseAttr());
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
    bool round = ring && rows == 1 && plan->mayGoRound();
    if (round)
      getOperation()->setAttr("gpt.ring", UnitAttr::get(&getContext()));
    std::string past = "past(" + growing + ")", count = "count(" + growing + ")";
    Emitter(main, positions, *plan, dims[0], std::min<int64_t>(rows, capacity), capacity)
        .run({past, count}, round);
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
