// gpt-batch: see passes/Passes.td. Types change in place: first what depends on
// an example is found, then each op with such an operand gets `b` in front.
#include "passes/grad/program.h"
#include "ir/gpt/repeat_flow.h"
#include "passes/grad/scalar.h"
#include "passes/passes.h"

#include "mlir/IR/TypeUtilities.h"

namespace gptc {
#define GEN_PASS_DEF_BATCHPASS
#include "passes/Passes.h.inc"

namespace {
using namespace mlir;
using namespace gpt;
using grad::Scalars;

constexpr llvm::StringLiteral batchName = "b", extentsAttr = "gpt.extents", boundsAttr = "gpt.bounds";

/// Which values depend on the example, to a fixed point over repeats.
class Dependence {
public:
  bool contains(Value value) const { return batched.contains(value); }

  void find(Region &region, ArrayRef<Value> arguments) {
    for (Value argument : arguments)
      batched.insert(argument);
    do {
      grew = false;
      visit(region.front());
    } while (grew);
  }

private:
  void mark(Value value) { grew |= batched.insert(value).second; }
  void follow(Value from, Value to) {
    if (contains(from))
      mark(to);
  }

  void visit(Block &block) {
    for (Operation &op : block) {
      if (auto repeat = dyn_cast<RepeatOp>(op)) {
        flowThroughRepeat(
            repeat, [&](Value from, Value to) { follow(from, to); }, [&](Block &body) { visit(body); });
      } else if (auto kernel = dyn_cast<KernelOp>(op)) {
        for (auto [input, argument] : llvm::zip_equal(kernel.getInputs(), kernel.getBlock()->getArguments()))
          follow(input, argument);
        visit(*kernel.getBlock());
        for (auto [value, result] : llvm::zip_equal(kernel.getYield().getValues(), kernel.getResults()))
          follow(value, result);
      } else if (!isa<BatchMeanOp>(op) &&
                 llvm::any_of(op.getOperands(), [&](Value v) { return contains(v); })) {
        llvm::for_each(op.getResults(), [&](Value result) { mark(result); });
      }
    }
  }

  DenseSet<Value> batched;
  bool grew = false;
};

/// `type` with `dim` at place `position`.
RankedTensorType withDim(Type type, DimAttr dim, unsigned position = 0) {
  SmallVector<DimAttr> dims(dimsOf(type).getDims());
  dims.insert(dims.begin() + position, dim);
  return tensorType(type.getContext(), dims, getElementTypeOrSelf(type));
}

class Batcher {
public:
  Batcher(DimAttr batch, const Dependence &dependence) : batch(batch), depends(dependence) {}

  /// Gives all of `block` its new form. Types of arguments are changed already.
  void rewrite(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (auto mean = dyn_cast<BatchMeanOp>(op))
        rewriteMean(mean);
      else if (auto repeat = dyn_cast<RepeatOp>(op))
        rewriteRepeat(repeat);
      else if (auto kernel = dyn_cast<KernelOp>(op))
        rewriteKernel(kernel);
      else if (llvm::any_of(op.getOperands(), [&](Value value) { return depends.contains(value); }))
        rewriteOp(op);
    }
  }

  void addBatch(Value value, unsigned position = 0) {
    if (depends.contains(value))
      value.setType(withDim(value.getType(), batch, position));
  }

private:
  void rewriteOp(Operation &op) {
    if (auto generic = dyn_cast<GenericOp>(op)) {
      generic.setNumParallel(generic.getNumParallel() + 1);
      generic.setDimsAttr(withBatch(generic.getDims()));
      generic.setMapsAttr(shiftMaps(generic.getMaps(), op.getOperands()));
      shiftPositions(op);
    } else if (auto scatter = dyn_cast<ScatterOp>(op)) {
      scatter.setDimsAttr(withBatch(scatter.getDims()));
      scatter.setMapsAttr(shiftMaps(scatter.getMaps(), op.getOperands()));
      shiftPositions(op);
    }
    for (Value result : op.getResults())
      addBatch(result);
  }

  DimsAttr withBatch(DimsAttr dims) {
    SmallVector<DimAttr> all = {batch};
    llvm::append_range(all, dims.getDims());
    return DimsAttr::get(dims.getContext(), all);
  }

  /// Maps whose operand has no batch ignore it. What has no operand is a result.
  ArrayAttr shiftMaps(ArrayAttr maps, ValueRange operands) {
    AffineExpr front = getAffineDimExpr(0, maps.getContext());
    SmallVector<Attribute> shifted;
    for (auto [i, attribute] : llvm::enumerate(maps)) {
      AffineMap map = cast<AffineMapAttr>(attribute).getValue().shiftDims(1);
      if (i >= operands.size() || depends.contains(operands[i]))
        map = map.insertResult(front, 0);
      shifted.push_back(AffineMapAttr::get(map));
    }
    return ArrayAttr::get(maps.getContext(), shifted);
  }

  static void shiftPositions(Operation &op) {
    op.walk([](IndexOp index) { index.setDim(index.getDim() + 1); });
    op.walk([](ExtentOp extent) { extent.setDim(extent.getDim() + 1); });
  }

  /// A value that is the same for all examples, once for each.
  Value broadcast(OpBuilder &builder, Value value) {
    DimsAttr dims = dimsOf(value);
    SmallVector<AffineExpr> indices;
    for (unsigned i = 0; i < dims.size(); ++i)
      indices.push_back(builder.getAffineDimExpr(i + 1));
    AffineMap map = AffineMap::get(dims.size() + 1, 0, indices, builder.getContext());
    return GenericOp::create(builder, value.getLoc(), withBatch(dims), dims.size() + 1, std::nullopt,
                             ValueRange{}, value, map,
                             [](OpBuilder &, Location, ValueRange arguments) -> SmallVector<Value> {
                               return {arguments[0]};
                             })
        ->getResult(0);
  }

  void rewriteRepeat(RepeatOp op) {
    for (auto [init, argument] : llvm::zip_equal(op.getInitsMutable(), op.getCarriedArguments())) {
      if (!depends.contains(argument))
        continue;
      if (!depends.contains(init.get())) {
        OpBuilder builder(op);
        init.set(broadcast(builder, init.get()));
      }
      addBatch(argument);
    }
    // A slice's batch stands in front, the stack's behind the copies.
    for (Value slice : op.getSliceArguments())
      addBatch(slice);
    rewrite(*op.getBlock());
    YieldOp yield = op.getYield();
    for (unsigned i = 0; i < op.getInits().size(); ++i) {
      OpOperand &value = yield->getOpOperand(i);
      if (!depends.contains(op.getCarriedArguments()[i]) || depends.contains(value.get()))
        continue;
      OpBuilder builder(yield);
      value.set(broadcast(builder, value.get()));
    }
    for (Value result : op.getCarried())
      addBatch(result);
    for (Value result : op.getStacks())
      addBatch(result, 1);
  }

  void rewriteKernel(KernelOp op) {
    for (Value argument : op.getBlock()->getArguments())
      addBatch(argument);
    rewrite(*op.getBlock());
    for (Value result : op.getResults())
      addBatch(result);
  }

  /// The sum over the batch; as often the value as there are examples, where it
  /// depends on none.
  Value total(OpBuilder &builder, Location loc, Value value, DimsAttr dims) {
    SmallVector<DimAttr> space(dims.getDims());
    space.push_back(batch);
    SmallVector<AffineExpr> indices;
    if (depends.contains(value))
      indices.push_back(builder.getAffineDimExpr(dims.size()));
    for (unsigned i = 0; i < dims.size(); ++i)
      indices.push_back(builder.getAffineDimExpr(i));
    AffineMap map = AffineMap::get(space.size(), 0, indices, builder.getContext());
    return GenericOp::create(builder, loc, DimsAttr::get(builder.getContext(), space), dims.size(),
                             ReductionKind::sum, ValueRange{}, value, map,
                             [](OpBuilder &, Location, ValueRange arguments) -> SmallVector<Value> {
                               return {arguments[0]};
                             })
        ->getResult(0);
  }

  void rewriteMean(BatchMeanOp op) {
    OpBuilder builder(op);
    Location loc = op.getLoc();
    DimsAttr dims = dimsOf(op.getResult());
    Value sum = total(builder, loc, op.getTotal(), dims), count = total(builder, loc, op.getCount(), dims);
    AffineMap identity = builder.getMultiDimIdentityMap(dims.size());
    auto ratio = GenericOp::create(
        builder, loc, dims, dims.size(), std::nullopt, ValueRange{}, ValueRange{sum, count},
        ArrayRef<AffineMap>{identity, identity},
        [](OpBuilder &b, Location l, ValueRange arguments) -> SmallVector<Value> {
          Scalars s{b, l};
          Value zero = s.constantLike(arguments[1], 0), one = s.constantLike(arguments[1], 1);
          Value some = s.compare(arith::CmpFPredicate::ONE, arguments[1], zero);
          return {s.select(some, s.div(arguments[0], s.select(some, arguments[1], one)), zero)};
        });
    op.replaceAllUsesWith(ratio->getResult(0));
    op.erase();
  }

  DimAttr batch;
  const Dependence &depends;
};

struct BatchPass : impl::BatchPassBase<BatchPass> {
  using BatchPassBase::BatchPassBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, GptDialect>();
  }

  void runOnOperation() override {
    func::FuncOp main = grad::findMain(getOperation());
    if (!main || failed(run(main)))
      signalPassFailure();
  }

  LogicalResult run(func::FuncOp main) {
    MLIRContext *context = &getContext();
    if (bound < 1)
      return main.emitError() << "the batch has at most " << bound.getValue()
                              << " examples, needs at least 1";
    if (dynamic && failed(declareExtent()))
      return failure();
    SmallVector<Value> perExample;
    for (BlockArgument argument : main.getArguments())
      if (main.getArgAttr(argument.getArgNumber(), grad::perExampleAttr))
        perExample.push_back(argument);
    Dependence dependence;
    dependence.find(main.getBody(), perExample);
    Batcher batcher(dynamic ? DimAttr::getBounded(context, batchName, bound, batchName)
                            : DimAttr::getStatic(context, batchName, bound),
                    dependence);
    for (Value argument : perExample)
      batcher.addBatch(argument);
    batcher.rewrite(main.front());
    main.setType(FunctionType::get(context, main.front().getArgumentTypes(),
                                   main.front().getTerminator()->getOperandTypes()));
    return success();
  }

  /// The batch is the first extent.
  LogicalResult declareExtent() {
    ModuleOp module = getOperation();
    Builder builder(&getContext());
    SmallVector<Attribute> names = {builder.getStringAttr(batchName)};
    SmallVector<Attribute> bounds = {builder.getI64IntegerAttr(bound)};
    if (auto given = module->getAttrOfType<ArrayAttr>(extentsAttr))
      for (Attribute name : given) {
        if (name == names[0])
          return module.emitError() << "extent \"" << batchName
                                    << "\" exists already, but is the batch's name";
        names.push_back(name);
      }
    if (auto given = module->getAttrOfType<ArrayAttr>(boundsAttr))
      llvm::append_range(bounds, given);
    module->setAttr(extentsAttr, builder.getArrayAttr(names));
    module->setAttr(boundsAttr, builder.getArrayAttr(bounds));
    if (tokens > 0)
      module->setAttr("gpt.batch_tokens", builder.getI64IntegerAttr(tokens));
    return success();
  }
};

} // namespace
} // namespace gptc
