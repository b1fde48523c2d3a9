// gpt-split-program: see passes/Passes.td. First every repeat is cut in two, so
// that each op of @main is either early (the same at every step) or late; then
// the values between the two go through state, and one side is dropped.
#include "passes/grad/program.h"
#include "ir/gpt/repeat_flow.h"
#include "passes/grad/tensors.h"
#include "passes/passes.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"

namespace gptc {
#define GEN_PASS_DEF_SPLITPROGRAMPASS
#include "passes/Passes.h.inc"

namespace {
using namespace mlir;
using namespace gpt;

/// `NAME` and what is made of it: `next(NAME)`, `length(NAME)`.
bool isOf(StringRef input, StringRef name) {
  return input == name || (input.consume_back(")") && input.split('(').second == name);
}

/// Which values differ from step to step, to a fixed point over repeats.
class Late {
public:
  Late(ArrayRef<Value> arguments, const llvm::StringSet<> &extents) : extents(extents) {
    late.insert(arguments.begin(), arguments.end());
  }

  void find(Block &block) {
    do {
      grew = false;
      visit(block);
    } while (grew);
  }

  bool contains(Value value) const { return late.contains(value); }
  /// Does the op, or anything in it, read a late value or run over an extent that grows?
  bool contains(Operation *op) const {
    return op
        ->walk([&](Operation *inner) {
          if (llvm::any_of(inner->getOperands(), [&](Value v) { return contains(v); }) ||
              llvm::any_of(inner->getResultTypes(), [&](Type type) { return grows(dimsOf(type)); }))
            return WalkResult::interrupt();
          if (auto generic = dyn_cast<GenericOp>(inner); generic && grows(generic.getDims()))
            return WalkResult::interrupt();
          if (auto scatter = dyn_cast<ScatterOp>(inner); scatter && grows(scatter.getDims()))
            return WalkResult::interrupt();
          return WalkResult::advance();
        })
        .wasInterrupted();
  }

private:
  bool grows(DimsAttr dims) const {
    return dims && llvm::any_of(dims.getDims(), [&](DimAttr dim) {
             return dim.isDynamic() && extents.contains(dim.getExtent().getValue());
           });
  }

  void mark(Value value) { grew |= late.insert(value).second; }
  void follow(Value from, Value to) {
    if (contains(from))
      mark(to);
  }

  void visit(Block &block) {
    for (Operation &op : block) {
      if (auto repeat = dyn_cast<RepeatOp>(op))
        flowThroughRepeat(
            repeat, [&](Value from, Value to) { follow(from, to); }, [&](Block &body) { visit(body); });
      else if (contains(&op))
        llvm::for_each(op.getResults(), [&](Value result) { mark(result); });
    }
  }

  const llvm::StringSet<> &extents;
  DenseSet<Value> late;
  bool grew = false;
};

/// What a step has anyhow, or makes of it without a sum: parameters,
/// constants, elementwise work on these. It is computed again.
bool isCheap(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  if (isa<GetOp, ConstantOp>(op))
    return true;
  auto generic = dyn_cast<GenericOp>(op);
  if (!isa<ReshapeOp>(op) && (!generic || generic.isReduction()))
    return false;
  return llvm::all_of(op->getOperands(), isCheap);
}

/// Cuts repeats that hold both kinds of values.
class RepeatCutter {
public:
  RepeatCutter(Block &main, const std::function<Late()> &analyse) : main(main), analyse(analyse) {}

  void run() {
    // An inner repeat first: its early part is then an early op of the outer one's body.
    SmallVector<RepeatOp> repeats;
    main.walk([&](RepeatOp op) { repeats.push_back(op); });
    for (RepeatOp op : repeats)
      cut(op);
  }

private:
  void cut(RepeatOp op) {
    Late late = analyse();
    if (!late.contains(op))
      return;
    Block *block = op.getBlock();
    YieldOp yield = op.getYield();
    // Early values of the body that late ops read.
    llvm::SetVector<Value> between;
    auto read = [&](Value value) {
      if (value.getParentBlock() != block || late.contains(value) || isCheap(value) ||
          value == op.getCopyArgument() || llvm::is_contained(op.getSliceArguments(), value))
        return;
      between.insert(value);
    };
    for (Operation &inner : block->without_terminator()) {
      if (!late.contains(&inner))
        continue;
      llvm::for_each(inner.getOperands(), read);
      visitUsedValuesDefinedAbove(inner.getRegions(), [&](OpOperand *operand) { read(operand->get()); });
    }
    for (auto [value, result] : llvm::zip_equal(yield.getValues(), op.getResults()))
      if (late.contains(result))
        read(value);
    if (between.empty())
      return;

    // The early part: a copy of the repeat that keeps early results and collects these values.
    OpBuilder builder(op);
    IRMapping mapping;
    auto early = cast<RepeatOp>(builder.clone(*op, mapping));
    RepeatChange change(early);
    SmallVector<bool> keptCarried, keptStacks;
    for (auto [i, result] : llvm::enumerate(op.getCarried()))
      keptCarried.push_back(change.carried[i] = !late.contains(result));
    for (auto [i, result] : llvm::enumerate(op.getStacks()))
      keptStacks.push_back(change.stacks[i] = !late.contains(result));
    for (Value value : between)
      change.collect.push_back(mapping.lookup(value));
    early = changeRepeat(early, change);
    unsigned next = 0;
    for (auto [i, keep] : llvm::enumerate(keptCarried))
      if (keep)
        op.getCarried()[i].replaceAllUsesWith(early.getResult(next++));
    for (auto [i, keep] : llvm::enumerate(keptStacks))
      if (keep)
        op.getStacks()[i].replaceAllUsesWith(early.getResult(next++));

    // The late part gets them as slices.
    SmallVector<Value> stacked(op.getStacked());
    for (Value value : between) {
      Value stack = early.getResult(next++);
      Value slice = block->addArgument(value.getType(), value.getLoc());
      stacked.push_back(stack);
      value.replaceUsesWithIf(slice, [&](OpOperand &use) {
        Operation *user = block->findAncestorOpInBlock(*use.getOwner());
        return user == yield ? late.contains(op.getResult(use.getOperandNumber())) : late.contains(user);
      });
    }
    op.getStackedMutable().assign(stacked);
    RepeatChange rest(op);
    for (auto [i, keep] : llvm::enumerate(keptCarried))
      rest.carried[i] = !keep;
    for (auto [i, keep] : llvm::enumerate(keptStacks))
      rest.stacks[i] = !keep;
    changeRepeat(op, rest);
  }

  Block &main;
  const std::function<Late()> &analyse;
};

struct SplitProgramPass : impl::SplitProgramPassBase<SplitProgramPass> {
  using SplitProgramPassBase::SplitProgramPassBase;

  void runOnOperation() override {
    func::FuncOp main = grad::findMain(getOperation());
    if (!main || failed(run(main)))
      signalPassFailure();
  }

  LogicalResult run(func::FuncOp main) {
    if (part != "prepare" && part != "step")
      return main.emitError() << "part is '" << part.getValue() << "', not prepare or step";
    if (main.walk([](SetOp) { return WalkResult::interrupt(); }).wasInterrupted())
      return main.emitError() << "the program changes variables, so it cannot be split";
    SmallVector<Value> arguments;
    llvm::StringSet<> extents;
    auto extentsOf = [](Value argument, auto each) {
      for (DimAttr dim : dimsOf(argument).getDims())
        if (dim.isDynamic())
          each(dim.getExtent().getValue());
    };
    auto isGrowing = [&](BlockArgument argument) {
      auto name = main.getArgAttrOfType<StringAttr>(argument.getArgNumber(), grad::inputAttr);
      return name &&
             llvm::any_of(growing, [&](const std::string &one) { return isOf(name.getValue(), one); });
    };
    for (BlockArgument argument : main.getArguments())
      if (isGrowing(argument)) {
        arguments.push_back(argument);
        extentsOf(argument, [&](StringRef extent) { extents.insert(extent); });
      }
    if (arguments.empty())
      return main.emitError() << "no input is called " << llvm::join(growing, " or ");
    for (BlockArgument argument : main.getArguments())
      if (!isGrowing(argument))
        extentsOf(argument, [&](StringRef extent) { extents.erase(extent); });

    std::function<Late()> analyse = [&] {
      Late late(arguments, extents);
      late.find(main.front());
      return late;
    };
    RepeatCutter(main.front(), analyse).run();
    grad::cleanUp(main); // early work that a late repeat no longer needs must not become state
    Late late = analyse();
    exchange(main, late);
    dropArguments(main, [&](BlockArgument argument) {
      return part == "step" ? !isGrowing(argument) : isGrowing(argument);
    });
    grad::cleanUp(main);
    return success();
  }

  /// Early values that late ops and results read become state, under names that
  /// are the same for both parts.
  void exchange(func::FuncOp main, const Late &late) {
    Block &block = main.front();
    Operation *end = block.getTerminator();
    llvm::SetVector<Value> between;
    auto read = [&](Value value) {
      if (value.getParentBlock() == &block && !late.contains(value) && !isCheap(value))
        between.insert(value);
    };
    for (Operation &op : block) {
      if (&op != end && !late.contains(&op))
        continue;
      llvm::for_each(op.getOperands(), read);
      visitUsedValuesDefinedAbove(op.getRegions(), [&](OpOperand *operand) { read(operand->get()); });
    }
    ModuleOp module = getOperation();
    OpBuilder variables(module.getContext());
    variables.setInsertionPoint(main);
    OpBuilder first = OpBuilder::atBlockBegin(&block), last(end);
    SmallVector<Value> values = between.takeVector();
    for (auto [i, value] : llvm::enumerate(values)) {
      std::string number = std::to_string(i);
      auto variable =
          VariableOp::create(variables, value.getLoc(), variables.getStringAttr("prepared." + number),
                             TypeAttr::get(value.getType()), /*parameter=*/UnitAttr(),
                             variables.getI64IntegerAttr(0), variables.getStrArrayAttr({"prepared", number}),
                             /*positions=*/IntegerAttr());
      auto symbol = FlatSymbolRefAttr::get(variable.getSymNameAttr());
      if (part == "prepare") {
        SetOp::create(last, value.getLoc(), symbol, value);
        continue;
      }
      Value stored = GetOp::create(first, value.getLoc(), value.getType(), symbol);
      value.replaceUsesWithIf(stored, [&](OpOperand &use) {
        Operation *user = block.findAncestorOpInBlock(*use.getOwner());
        return user == end || late.contains(user);
      });
    }
    if (part == "prepare")
      grad::setResults(main, {}, {});
  }

  /// Drops those of these arguments that nothing needs any more.
  void dropArguments(func::FuncOp main, llvm::function_ref<bool(BlockArgument)> mayDrop) {
    grad::cleanUp(main);
    llvm::BitVector dead(main.getNumArguments());
    for (BlockArgument argument : main.getArguments())
      dead[argument.getArgNumber()] = argument.use_empty() && mayDrop(argument);
    (void)main.eraseArguments(dead);
  }
};

} // namespace
} // namespace gptc
