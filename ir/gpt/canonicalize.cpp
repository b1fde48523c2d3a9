// Folds and canonicalization. Scalar bodies are folded by arith and math.
#include "ir/gpt/maps.h"

#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace gptc::gpt {
namespace {

/// The value of a constant tensor of equal elements; null for others.
TypedAttr splatOf(Value value) {
  DenseElementsAttr elements;
  if (!matchPattern(value, m_Constant(&elements)) || !elements.isSplat())
    return {};
  return dyn_cast<TypedAttr>(elements.getSplatValue<Attribute>());
}

/// Nothing is ever read outside of the operand, or it makes no difference.
bool readsSplat(GenericOp op, unsigned operand, TypedAttr splat) {
  if (matchPattern(splat, m_PosZeroFloat()) || matchPattern(splat, m_Zero()))
    return true;
  DimsAttr dims = dimsOf(op->getOperand(operand));
  return dims && neverOutside(op.getMap(operand), op.getDims(), dims);
}

/// Drops operands that the body does not need: unused ones, second copies of
/// the same value through the same map, splat constants.
struct SimplifyOperands : OpRewritePattern<GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(GenericOp op, PatternRewriter &rewriter) const override {
    Block *block = op.getBlock();
    unsigned numIndices = op.getIndices().size(), numOperands = op->getNumOperands();
    SmallVector<bool> isSymbol(numIndices, false);
    for (unsigned i = numIndices; i < numOperands; ++i)
      for (AffineExpr result : op.getMap(i).getResults())
        for (unsigned s = 0; s < numIndices; ++s)
          isSymbol[s] = isSymbol[s] || result.isFunctionOfSymbol(s);

    // For each operand, the one that stands for it; none where it is dropped.
    SmallVector<std::optional<unsigned>> stands(numOperands);
    bool changed = false;
    for (unsigned i = 0; i < numOperands; ++i) {
      BlockArgument argument = block->getArgument(i);
      bool needed = !argument.use_empty() || (i < numIndices && isSymbol[i]);
      if (needed && i >= numIndices) {
        TypedAttr splat = splatOf(op->getOperand(i));
        if (splat && readsSplat(op, i, splat)) {
          OpBuilder::InsertionGuard guard(rewriter);
          rewriter.setInsertionPointToStart(block);
          rewriter.replaceAllUsesWith(argument, arith::ConstantOp::create(rewriter, op.getLoc(), splat));
          needed = false;
        }
      }
      if (needed) {
        stands[i] = i;
        for (unsigned j = i < numIndices ? 0 : numIndices; j < i; ++j)
          if (stands[j] == j && op->getOperand(j) == op->getOperand(i) &&
              op.getMap(j).getResults() == op.getMap(i).getResults()) {
            rewriter.replaceAllUsesWith(argument, block->getArgument(j));
            stands[i] = j;
            break;
          }
      }
      changed |= stands[i] != i;
    }
    if (!changed)
      return failure();

    // New places of the operands that stay, and what symbols become.
    SmallVector<unsigned> kept;
    SmallVector<AffineExpr> symbols(numIndices, rewriter.getAffineConstantExpr(0));
    for (unsigned i = 0; i < numOperands; ++i)
      if (stands[i] == i) {
        if (i < numIndices)
          symbols[i] = rewriter.getAffineSymbolExpr(kept.size());
        kept.push_back(i);
      }
    for (unsigned i = 0; i < numIndices; ++i)
      if (stands[i])
        symbols[i] = symbols[*stands[i]];
    unsigned keptIndices = llvm::count_if(kept, [&](unsigned i) { return i < numIndices; });

    SmallVector<Attribute> maps;
    SmallVector<Value> operands;
    for (unsigned i : kept) {
      AffineMap map = op.getMap(i);
      unsigned numSymbols = i < numIndices ? 0 : keptIndices;
      map = map.replaceDimsAndSymbols({}, ArrayRef(symbols).take_front(map.getNumSymbols()), map.getNumDims(),
                                      numSymbols);
      maps.push_back(AffineMapAttr::get(map));
      operands.push_back(op->getOperand(i));
    }
    llvm::BitVector dropped(numOperands, true);
    for (unsigned i : kept)
      dropped.reset(i);
    rewriter.modifyOpInPlace(op, [&] {
      block->eraseArguments(dropped);
      op->setOperands(operands);
      op.getProperties().operandSegmentSizes = {static_cast<int32_t>(keptIndices),
                                                static_cast<int32_t>(kept.size() - keptIndices)};
      op.setMapsAttr(rewriter.getArrayAttr(maps));
    });
    return success();
  }
};

/// Drops results that nobody uses (where some are used).
struct DropUnusedResults : OpRewritePattern<GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(GenericOp op, PatternRewriter &rewriter) const override {
    SmallVector<Value> used;
    SmallVector<Value> yielded;
    for (auto [result, value] : llvm::zip(op.getResults(), op.getYield().getValues()))
      if (!result.use_empty()) {
        used.push_back(result);
        yielded.push_back(value);
      }
    if (used.empty() || used.size() == op.getNumResults())
      return failure();
    rewriter.modifyOpInPlace(op.getYield(), [&] { op.getYield()->setOperands(yielded); });
    SmallVector<Type> types = llvm::map_to_vector(used, [](Value value) { return value.getType(); });
    auto smaller =
        GenericOp::create(rewriter, op.getLoc(), types, op.getIndices(), op.getInputs(), op.getDimsAttr(),
                          op.getNumParallelAttr(), op.getMapsAttr(), op.getReductionAttr());
    smaller->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    rewriter.inlineRegionBefore(op.getBody(), smaller.getBody(), smaller.getBody().end());
    SmallVector<Value> replacements;
    unsigned next = 0;
    for (Value result : op.getResults())
      replacements.push_back(result.use_empty() ? Value() : smaller.getResult(next++));
    rewriter.replaceOp(op, replacements);
    return success();
  }
};

/// A generic that copies its inputs is its inputs.
struct DropCopies : OpRewritePattern<GenericOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(GenericOp op, PatternRewriter &rewriter) const override {
    if (op.isReduction() || &op.getBlock()->front() != op.getYield().getOperation())
      return failure();
    SmallVector<Value> sources;
    for (auto [result, value] : llvm::zip(op.getResults(), op.getYield().getValues())) {
      auto argument = dyn_cast<BlockArgument>(value);
      if (!argument)
        return failure();
      unsigned i = argument.getArgNumber();
      Value source = op->getOperand(i);
      // Other names of dims are another type: such a copy is a renaming.
      auto identity = rewriter.getMultiDimIdentityMap(op.getNumDims());
      if (source.getType() != result.getType() || op.getMap(i).getResults() != identity.getResults())
        return failure();
      sources.push_back(source);
    }
    rewriter.replaceOp(op, sources);
    return success();
  }
};

/// A scatter that gives each point of the result at most one scalar, as the vjp of
/// `logits[t, target[t]]` does, asks each point whether it is the one.
struct ScatterToMap : OpRewritePattern<ScatterOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ScatterOp op, PatternRewriter &rewriter) const override {
    DimsAttr dims = op.getDims(), target = dimsOf(op.getResult());
    unsigned numIndices = op.getIndices().size();
    // Every dimension of the scatter is one of the result; the result's others are elements of index operands.
    SmallVector<int64_t> place(dims.size(), -1);
    SmallVector<std::pair<unsigned, unsigned>> chosen; // dimension of the result, index operand
    for (auto [i, index] : llvm::enumerate(op.getResultMap().getResults())) {
      if (auto dim = dyn_cast<AffineDimExpr>(index)) {
        unsigned d = dim.getPosition();
        if (place[d] != -1 || !sameExtent(dims[d], target[i]))
          return failure();
        place[d] = i;
      } else if (auto symbol = dyn_cast<AffineSymbolExpr>(index)) {
        chosen.push_back({unsigned(i), symbol.getPosition()});
      } else {
        return failure();
      }
    }
    if (chosen.empty() || llvm::is_contained(place, -1))
      return failure();
    SmallVector<unsigned> order(place.begin(), place.end());
    SmallVector<AffineExpr> moved;
    for (unsigned d : order)
      moved.push_back(rewriter.getAffineDimExpr(d));
    // Index operands that only say where are inputs now; those that inputs go by stay what they are, too.
    SmallVector<Value> inputs(op.getInputs());
    SmallVector<AffineMap> maps;
    for (unsigned i = 0; i < op->getNumOperands(); ++i)
      maps.push_back(op.getMap(i).replaceDimsAndSymbols(moved, {}, target.size(), op.getMap(i).getNumSymbols()));
    unsigned numOperands = op->getNumOperands();
    for (auto [dim, index] : chosen) {
      inputs.push_back(op.getIndices()[index]);
      maps.push_back(AffineMap::get(target.size(), numIndices, maps[index].getResults(), op.getContext()));
    }
    auto map = GenericOp::create(
        rewriter, op.getLoc(), target, target.size(), std::nullopt, op.getIndices(), inputs, maps,
        [&](OpBuilder &b, Location loc, ValueRange arguments) -> SmallVector<Value> {
          Value value = copyBody(b, *op.getBlock(), arguments.take_front(numOperands), order).front(), here;
          for (auto [i, which] : llvm::enumerate(chosen)) {
            Value at = IndexOp::create(b, loc, b.getI32Type(), which.first);
            Value same = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, at, arguments[numOperands + i]);
            here = here ? arith::AndIOp::create(b, loc, here, same).getResult() : same;
          }
          Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(value.getType()));
          return {arith::SelectOp::create(b, loc, here, value, zero)};
        });
    rewriter.replaceOp(op, map);
    return success();
  }
};

/// The dimension `dim` of the body that `op` stands in; null outside of one.
DimAttr dimOf(Operation *op, int64_t dim) {
  DimsAttr dims;
  if (auto generic = op->getParentOfType<GenericOp>())
    dims = generic.getDims();
  else if (auto scatter = op->getParentOfType<ScatterOp>())
    dims = scatter.getDims();
  return dims && dim >= 0 && dim < static_cast<int64_t>(dims.size()) ? dims[dim] : DimAttr();
}

} // namespace

Operation *GptDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type, Location loc) {
  auto elements = dyn_cast<ElementsAttr>(value);
  if (elements && isa<RankedTensorType>(type))
    return ConstantOp::create(builder, loc, type, elements);
  return arith::ConstantOp::materialize(builder, value, type, loc);
}

void GenericOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<SimplifyOperands, DropUnusedResults, DropCopies>(context);
}

void ScatterOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<ScatterToMap>(context);
}

OpFoldResult ConstantOp::fold(FoldAdaptor) {
  return getValue();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  if (getSource().getType() == getType())
    return getSource();
  if (auto inner = getSource().getDefiningOp<ReshapeOp>()) {
    getSourceMutable().assign(inner.getSource());
    return getResult();
  }
  if (auto elements = dyn_cast_or_null<DenseElementsAttr>(adaptor.getSource()))
    return elements.reshape(cast<RankedTensorType>(getType()));
  return {};
}

OpFoldResult IndexOp::fold(FoldAdaptor) {
  DimAttr dim = dimOf(*this, getDim());
  if (!dim || dim.isDynamic() || dim.getSize() != 1)
    return {};
  return IntegerAttr::get(getType(), 0);
}

OpFoldResult ExtentOp::fold(FoldAdaptor) {
  DimAttr dim = dimOf(*this, getDim());
  if (!dim || dim.isDynamic())
    return {};
  return IntegerAttr::get(getType(), dim.getSize());
}

} // namespace gptc::gpt
