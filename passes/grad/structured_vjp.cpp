// The vjps of gpt.generic and gpt.reshape: more generics. Each float input gets
// one, over the input's own indices first, so that the vjp of a contraction is
// a contraction again; gathers become gpt.scatter.
#include "ir/gpt/maps.h"
#include "passes/grad/body_vjp.h"
#include "passes/grad/collect.h"
#include "passes/grad/tensors.h"
#include "passes/grad/vjp.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace gptc::grad {
using namespace gpt;
namespace {

/// An operand of the vjp's ops: where it is read in the primal's space, and the
/// scalar that stands for its element.
struct Operand {
  Value tensor;
  AffineMap map;
  bool isIndex;
};

class GenericVjpBuilder {
public:
  GenericVjpBuilder(GenericOp op, OpBuilder &builder)
      : op(op), builder(builder), loc(op.getLoc()), body(*op.getBlock(), loc) {
    unsigned numIndices = op.getIndices().size();
    for (auto [i, tensor] : llvm::enumerate(op->getOperands()))
      operands.push_back({tensor, op.getMap(i), i < numIndices});
    SmallVector<AffineExpr> parallel;
    for (unsigned i = 0; i < op.getNumParallel(); ++i)
      parallel.push_back(builder.getAffineDimExpr(i));
    results = AffineMap::get(op.getNumDims(), 0, parallel, op.getContext());
  }

  LogicalResult build(ArrayRef<Value> cotangents, function_ref<void(Value, Value)> accumulate) {
    SmallVector<Value> seeds;
    for (Value cotangent : cotangents)
      seeds.push_back(cotangent ? addOperand(cotangent) : Value());
    if (op.getReduction() == ReductionKind::max)
      seeds[0] = shareOfMaximum(cotangents[0]);
    cotangentsEnd = operands.size();
    if (failed(body.build(seeds)))
      return failure();
    reuseResults();
    SmallVector<bool> done(op->getNumOperands(), false);
    for (unsigned i = op.getIndices().size(); i < op->getNumOperands(); ++i) {
      if (done[i] || !isFloatTensor(operands[i].tensor.getType()))
        continue;
      // One value read twice at the same place needs one collection only.
      Value element;
      for (unsigned j = i; j < op->getNumOperands(); ++j) {
        if (operands[j].tensor != operands[i].tensor || operands[j].map != operands[i].map)
          continue;
        done[j] = true;
        if (Value part = body.getCotangent(j))
          element = element ? body.scalars().add(element, part) : part;
      }
      if (element)
        accumulate(operands[i].tensor, collect(operands[i], element));
    }
    return success();
  }

private:
  /// A tensor over the parallel dims becomes an operand; returns its element.
  Value addOperand(Value tensor) {
    auto type = cast<RankedTensorType>(tensor.getType());
    // A splat is no memory: its element is a constant.
    DenseElementsAttr elements;
    if (matchPattern(tensor, m_Constant(&elements)) && elements.isSplat() &&
        isa<FloatType>(type.getElementType()))
      return body.scalars().constant(type.getElementType(),
                                     elements.getSplatValue<APFloat>().convertToDouble());
    operands.push_back({tensor, results, false});
    return body.addArgument(type.getElementType());
  }

  /// `y = exp(x)` has the derivative `ct * y`: where a result is what a costly
  /// op gives, it is read rather than computed again.
  void reuseResults() {
    if (op.isReduction())
      return;
    for (auto [i, result] : llvm::enumerate(op.getResults())) {
      Operation *last = body.yielded(i).getDefiningOp();
      if (!last || !isCostly(last) || last->getNumResults() != 1)
        continue;
      operands.push_back({result, results, false});
      body.yielded(i).replaceAllUsesWith(body.addArgument(body.yielded(i).getType()));
    }
  }

  /// The cotangent of each term of a maximum: an even share for all terms that
  /// equal the maximum, nothing for the others.
  Value shareOfMaximum(Value cotangent) {
    DimsAttr dims = op.getDims();
    SmallVector<AffineMap> maps;
    for (const Operand &operand : ArrayRef(operands).take_front(op->getNumOperands()))
      maps.push_back(operand.map);
    maps.push_back(results);
    SmallVector<Value> inputs(op.getInputs());
    inputs.push_back(op.getResult(0));
    BodyVjp copy(*op.getBlock(), loc);
    Value highest = copy.addArgument(copy.yielded(0).getType()), term = copy.yielded(0);
    Scalars s = copy.scalars();
    Value isHighest = s.compare(arith::CmpFPredicate::OEQ, term, highest);
    Value one = s.select(isHighest, s.constantLike(term, 1), s.constantLike(term, 0));
    auto ties =
        GenericOp::create(builder, loc, dims, op.getNumParallel(), ReductionKind::sum, op.getIndices(),
                          inputs, maps, [&](OpBuilder &b, Location, ValueRange arguments) {
                            return copy.materialize(b, copy.slice(one), one, arguments);
                          });
    // Per result, not per term: one division instead of many.
    DimsAttr parallel = dimsOf(cotangent);
    AffineMap identity = builder.getMultiDimIdentityMap(parallel.size());
    auto share =
        GenericOp::create(builder, loc, parallel, parallel.size(), std::nullopt, ValueRange{},
                          ValueRange{cotangent, ties->getResult(0)}, ArrayRef<AffineMap>{identity, identity},
                          [](OpBuilder &b, Location l, ValueRange arguments) -> SmallVector<Value> {
                            Scalars inner{b, l};
                            Value one = inner.constantLike(arguments[1], 1);
                            Value count = arith::MaximumFOp::create(b, l, arguments[1], one);
                            return {inner.div(arguments[0], count)};
                          });
    Value highestHere = addOperand(op.getResult(0)), shareHere = addOperand(share->getResult(0));
    Scalars here = body.scalars();
    Value wins = here.compare(arith::CmpFPredicate::OEQ, body.yielded(0), highestHere);
    return here.select(wins, shareHere, here.constantLike(shareHere, 0));
  }

  /// The cotangent of `target`, whose elements get `element` at each point.
  Value collect(const Operand &target, Value element) {
    BodyVjp::Slice slice = body.slice(element);
    std::optional<Collection> plan =
        planCollection(target.map, op.getDims(), op.getNumParallel(), dimsOf(target.tensor));
    if (plan && !plan->solved.empty() && !mayLeaveSpace(*plan, slice))
      plan.reset();
    return plan ? collectOverOperand(target, element, slice, *plan)
                : collectByScatter(target, element, slice);
  }

  /// At points outside of the original space the cotangents read are 0. That
  /// makes the term 0 if it is a polynomial, free of infinities, and does not
  /// ask where it is.
  bool mayLeaveSpace(const Collection &plan, const BodyVjp::Slice &slice) {
    bool readsCotangent = false;
    for (unsigned i = op->getNumOperands(); i < cotangentsEnd; ++i)
      readsCotangent |= slice.arguments[i];
    if (!readsCotangent || op.getReduction() == ReductionKind::max)
      return false;
    return llvm::all_of(slice.ops, [](Operation *part) {
      return isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::NegFOp, arith::ConstantOp, arith::ExtFOp,
                 arith::TruncFOp>(part);
    });
  }

  /// The operands that a slice reads, split as ops take them.
  struct Reads {
    SmallVector<Value> indices, inputs, tensors;
    SmallVector<AffineMap> maps;     // of indices, then inputs
    SmallVector<int64_t> argument;   // body argument -> place among indices and inputs, or -1
    SmallVector<AffineExpr> symbols; // old symbol -> new symbol
  };
  Reads reads(const BodyVjp::Slice &slice, ArrayRef<AffineMap> alsoUsed = {}) {
    Reads result;
    MLIRContext *context = op.getContext();
    SmallVector<bool> kept = slice.arguments;
    auto keepSymbols = [&](AffineMap map) {
      map.walkExprs([&](AffineExpr part) {
        if (auto symbol = dyn_cast<AffineSymbolExpr>(part))
          kept[symbol.getPosition()] = true;
      });
    };
    for (auto [i, operand] : llvm::enumerate(operands))
      if (slice.arguments[i])
        keepSymbols(operand.map);
    llvm::for_each(alsoUsed, keepSymbols);
    result.argument.assign(operands.size(), -1);
    result.symbols.assign(op.getIndices().size(), getAffineConstantExpr(0, context));
    SmallVector<AffineMap> inputMaps;
    for (auto [i, operand] : llvm::enumerate(operands)) {
      if (!kept[i])
        continue;
      if (operand.isIndex) {
        result.symbols[i] = getAffineSymbolExpr(result.indices.size(), context);
        result.indices.push_back(operand.tensor);
        result.maps.push_back(operand.map);
      } else {
        result.inputs.push_back(operand.tensor);
        inputMaps.push_back(operand.map);
      }
    }
    unsigned nextIndex = 0, nextInput = result.indices.size();
    for (unsigned i = 0; i < operands.size(); ++i)
      if (kept[i])
        result.argument[i] = operands[i].isIndex ? nextIndex++ : nextInput++;
    llvm::append_range(result.maps, inputMaps);
    return result;
  }

  AffineMap rewrite(AffineMap map, const Reads &reads, ArrayRef<AffineExpr> dims, unsigned numDims,
                    bool isIndex) {
    ArrayRef<AffineExpr> symbols = ArrayRef(reads.symbols).take_front(map.getNumSymbols());
    return map.replaceDimsAndSymbols(dims, symbols, numDims, isIndex ? 0 : reads.indices.size());
  }

  SmallVector<Value> copyBody(OpBuilder &b, const Reads &reads, const BodyVjp::Slice &slice, Value element,
                              ValueRange arguments, ArrayRef<int64_t> dims) {
    SmallVector<Value> replacements;
    for (int64_t place : reads.argument)
      replacements.push_back(place < 0 ? Value() : arguments[place]);
    return body.materialize(b, slice, element, replacements, dims);
  }

  Value collectOverOperand(const Operand &target, Value element, const BodyVjp::Slice &slice,
                           const Collection &plan) {
    Reads reads = this->reads(slice);
    SmallVector<AffineMap> maps;
    for (auto [i, map] : llvm::enumerate(reads.maps))
      maps.push_back(rewrite(map, reads, plan.original, plan.dims.size(), i < reads.indices.size()));
    SmallVector<int64_t> places;
    for (AffineExpr expr : plan.original) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      places.push_back(dim ? dim.getPosition() : -1);
    }
    DimsAttr dims = DimsAttr::get(op.getContext(), plan.dims);
    auto targetType = cast<RankedTensorType>(target.tensor.getType());
    std::optional<ReductionKind> reduction;
    if (plan.numParallel < static_cast<int64_t>(plan.dims.size()))
      reduction = ReductionKind::sum;
    Value value;
    if (slice.ops.empty() && !reduction && reads.inputs.size() == 1 && reads.indices.empty() &&
        maps[0].isIdentity() && llvm::equal(dimsOf(reads.inputs[0]).getDims(), plan.dims, sameExtent))
      value = reads.inputs[0]; // a copy
    else
      value = GenericOp::create(builder, loc, dims, plan.numParallel, reduction, reads.indices, reads.inputs,
                                maps,
                                [&](OpBuilder &b, Location, ValueRange arguments) {
                                  return copyBody(b, reads, slice, element, arguments, places);
                                })
                  ->getResult(0);
    value = retype(builder, value, tensorType(op.getContext(), plan.merged, targetType.getElementType()));
    if (!plan.pad)
      return value;
    DimsAttr whole = dimsOf(targetType);
    return GenericOp::create(builder, loc, whole, whole.size(), std::nullopt, ValueRange{}, value, plan.pad,
                             [](OpBuilder &, Location, ValueRange arguments) -> SmallVector<Value> {
                               return {arguments[0]};
                             })
        ->getResult(0);
  }

  Value collectByScatter(const Operand &target, Value element, const BodyVjp::Slice &slice) {
    Reads reads = this->reads(slice, target.map);
    unsigned numDims = op.getNumDims();
    SmallVector<AffineExpr> same;
    for (unsigned i = 0; i < numDims; ++i)
      same.push_back(builder.getAffineDimExpr(i));
    SmallVector<AffineMap> maps;
    for (auto [i, map] : llvm::enumerate(reads.maps))
      maps.push_back(rewrite(map, reads, same, numDims, i < reads.indices.size()));
    maps.push_back(rewrite(target.map, reads, same, numDims, false));
    auto scatter = ScatterOp::create(builder, loc, target.tensor.getType(), reads.indices, reads.inputs,
                                     op.getDims(), builder.getAffineMapArrayAttr(maps));
    Block *block = builder.createBlock(&scatter.getBody());
    for (Value operand : scatter->getOperands())
      block->addArgument(getElementTypeOrSelf(operand.getType()), loc);
    YieldOp::create(builder, loc, copyBody(builder, reads, slice, element, block->getArguments(), {}));
    builder.setInsertionPointAfter(scatter);
    return scatter;
  }

  GenericOp op;
  OpBuilder &builder;
  Location loc;
  BodyVjp body;
  SmallVector<Operand> operands; // the primal's, then what the vjp reads besides; as the arguments of `body`
  unsigned cotangentsEnd = 0;    // operands between the primal's and this are cotangents
  AffineMap results;             // from the iteration space to the results' indices
};

struct GenericVjp : VjpOpInterface::ExternalModel<GenericVjp, GenericOp> {
  LogicalResult buildVjp(Operation *op, OpBuilder &builder, ArrayRef<Value> cotangents,
                         function_ref<void(Value, Value)> accumulate) const {
    return GenericVjpBuilder(cast<GenericOp>(op), builder).build(cotangents, accumulate);
  }
};

struct ReshapeVjp : VjpOpInterface::ExternalModel<ReshapeVjp, ReshapeOp> {
  LogicalResult buildVjp(Operation *op, OpBuilder &builder, ArrayRef<Value> cotangents,
                         function_ref<void(Value, Value)> accumulate) const {
    Value source = cast<ReshapeOp>(op).getSource();
    accumulate(source, ReshapeOp::create(builder, op->getLoc(), source.getType(), cotangents[0]));
    return success();
  }
};

} // namespace

void registerStructuredVjps(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, GptDialect *) {
    GenericOp::attachInterface<GenericVjp>(*context);
    ReshapeOp::attachInterface<ReshapeVjp>(*context);
  });
}

void registerVjpModels(DialectRegistry &registry) {
  registerScalarVjps(registry);
  registerStructuredVjps(registry);
  registerRepeatVjp(registry);
}

} // namespace gptc::grad
