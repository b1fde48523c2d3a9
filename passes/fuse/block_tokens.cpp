// gpt-block-tokens: a product with very long rows, as logits over a vocabulary are,
// and all that becomes of it, one block of rows after the other.
#include "passes/fuse/space.h"
#include "passes/fuse/two_steps.h"
#include "passes/passes.h"

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc {
#define GEN_PASS_DEF_BLOCKTOKENSPASS
#include "passes/Passes.h.inc"

namespace {

constexpr int64_t widening = 8;   // columns of a product for each term of its sums, from which blocks pay
constexpr int64_t fewestRows = 64; // of a block: with less, contractions are slow

/// The map's first results are these dimensions.
bool begins(AffineMap map, ArrayRef<unsigned> dims) {
  if (map.getNumResults() < dims.size())
    return false;
  return llvm::all_of_zip(map.getResults().take_front(dims.size()), dims, [](AffineExpr index, unsigned dim) {
    auto plain = dyn_cast<AffineDimExpr>(index);
    return plain && plain.getPosition() == dim;
  });
}

bool uses(ArrayRef<AffineExpr> indices, ArrayRef<unsigned> dims) {
  return llvm::any_of(indices, [&](AffineExpr e) {
    return llvm::any_of(dims, [&](unsigned dim) { return e.isFunctionOfDim(dim); });
  });
}

/// The loop over blocks that one product becomes.
class TokenLoop {
public:
  TokenLoop(GenericOp product, int64_t mostBytes) : product(product), block(*product->getBlock()) {
    shape = llvm::to_vector(type(product->getResult(0)).getShape());
    chooseBlocks(mostBytes);
  }

  bool build() {
    if (count <= 1 || !findMembers())
      return false;
    // Splitting some makes others of them.
    if (splitSums() && !findMembers())
      return false;
    for (GenericOp member : members)
      if (!plan(member))
        return false;
    write();
    return true;
  }

private:
  enum class Source { member, slice, spread, whole };
  enum class Kind { rowwise, fold };
  struct Member {
    Kind kind;
    SmallVector<unsigned> rowDims;
    SmallVector<Source> sources; ///< of each operand
  };

  static RankedTensorType type(Value value) { return cast<RankedTensorType>(value.getType()); }

  /// Which of the product's dimensions count rows, and into how many blocks they are cut.
  void chooseBlocks(int64_t mostBytes) {
    unsigned parallel = product.getNumParallel();
    if (!product.isContraction() || parallel < 2 || !type(product->getResult(0)).hasStaticShape())
      return;
    if (llvm::any_of(product.getDims().getDims(), [](DimAttr dim) { return dim.isDynamic(); }))
      return;
    unsigned left = product.getInputMap(0).isFunctionOfDim(0) ? 0 : 1;
    AffineMap row = product.getInputMap(left), column = product.getInputMap(1 - left);
    while (rows < parallel && row.isFunctionOfDim(rows) && !column.isFunctionOfDim(rows))
      ++rows;
    for (unsigned d = rows; d < parallel; ++d)
      if (row.isFunctionOfDim(d))
        rows = 0;
    ArrayRef<DimAttr> dims = product.getDims().getDims();
    int64_t columns = fuse::points(dims.slice(rows, parallel - rows)), terms = fuse::points(dims.drop_front(parallel));
    if (rows == 0 || rows == parallel || columns < widening * terms)
      return;
    int64_t tokens = fuse::points(dims.take_front(rows));
    int64_t rowBytes = columns * type(product->getResult(0)).getElementTypeBitWidth() / 8;
    for (int64_t n = 1; n <= tokens / fewestRows; ++n)
      if (tokens % n == 0) {
        count = n, height = tokens / n;
        if (height * rowBytes <= mostBytes)
          break;
      }
  }

  /// All ops between the product and the last reader of a matrix of its shape, in order.
  bool findMembers() {
    llvm::SetVector<Operation *> after;
    after.insert(product);
    for (unsigned i = 0; i < after.size(); ++i)
      for (Operation *user : after[i]->getUsers())
        after.insert(block.findAncestorOpInBlock(*user));
    auto isMatrix = [&](Value value) {
      auto tensor = dyn_cast<RankedTensorType>(value.getType());
      return tensor && tensor.getShape() == ArrayRef(shape);
    };
    llvm::SetVector<Operation *> found;
    for (Operation *op : after)
      if (op == product || llvm::any_of(op->getOperands(), isMatrix))
        found.insert(op);
    for (unsigned i = 0; i < found.size(); ++i) {
      auto op = dyn_cast<GenericOp>(found[i]);
      if (!op)
        return false;
      for (Value operand : op->getOperands()) {
        Operation *producer = operand.getDefiningOp();
        if (producer && producer->getBlock() == &block && (after.contains(producer) || isMatrix(operand)))
          found.insert(producer);
        else if (isMatrix(operand))
          return false; // there is a whole one anyway
      }
    }
    members.clear();
    for (Operation &op : block)
      if (found.contains(&op))
        members.push_back(cast<GenericOp>(op));
    isMember = {found.begin(), found.end()};
    return true;
  }

  /// The op's dimensions that are those of the rows; none where it reads no member by rows.
  std::optional<SmallVector<unsigned>> rowDimsOf(GenericOp op) {
    std::optional<SmallVector<unsigned>> result;
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      if (!isMember.contains(operand.getDefiningOp()))
        continue;
      SmallVector<unsigned> dims;
      AffineMap map = op.getMap(i);
      for (unsigned d = 0; d < rows && d < map.getNumResults(); ++d)
        if (auto plain = dyn_cast<AffineDimExpr>(map.getResult(d));
            plain && !llvm::is_contained(dims, plain.getPosition()) &&
            op.getDims()[plain.getPosition()].getSize() == shape[d])
          dims.push_back(plain.getPosition());
      if (dims.size() != rows || (result && *result != dims) || uses(map.getResults().drop_front(rows), dims))
        return std::nullopt;
      result = dims;
    }
    if (!result && op.getNumParallel() >= int64_t(rows))
      result = llvm::to_vector(llvm::seq<unsigned>(0, rows));
    return result;
  }

  /// Sums over some of the rows' dimensions, or over all that there is, become sums
  /// of each row and sums of these, which stay outside.
  bool splitSums() {
    bool any = false;
    for (GenericOp op : members) {
      auto rowDims = rowDimsOf(op);
      if (!op.isReduction() || !rowDims)
        continue;
      bool onlyRows = true, someReduced = false;
      for (unsigned d = 0; d < op.getNumParallel(); ++d)
        onlyRows &= llvm::is_contained(*rowDims, d);
      for (unsigned d : *rowDims)
        someReduced |= d >= op.getNumParallel();
      if (!onlyRows || !someReduced)
        continue;
      SmallVector<unsigned> order(*rowDims);
      for (unsigned d = 0; d < op.getNumDims(); ++d)
        if (!llvm::is_contained(*rowDims, d))
          order.push_back(d);
      op->replaceAllUsesWith(fuse::reduceInTwoSteps(op, order, rows)->getResults());
      op->erase();
      any = true;
    }
    return any;
  }

  bool plan(GenericOp op) {
    auto rowDims = rowDimsOf(op);
    if (!rowDims)
      return false;
    Member member;
    member.rowDims = *rowDims;
    unsigned parallel = op.getNumParallel();
    if (llvm::equal(*rowDims, llvm::seq<unsigned>(0, rows)) && rows <= parallel)
      member.kind = Kind::rowwise;
    else if (llvm::all_of(*rowDims, [&](unsigned d) { return d >= parallel; }) &&
             op.getReduction() == ReductionKind::sum)
      member.kind = Kind::fold;
    else
      return false;
    for (Operation &part : *op.getBlock()) {
      auto index = dyn_cast<IndexOp>(part);
      auto extent = dyn_cast<ExtentOp>(part);
      if ((index && llvm::is_contained(*rowDims, index.getDim())) ||
          (extent && llvm::is_contained(*rowDims, extent.getDim())))
        return false; // a block does not know which rows it has
    }
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      AffineMap map = op.getMap(i);
      ArrayRef<AffineExpr> indices = map.getResults();
      if (Operation *producer = operand.getDefiningOp(); isMember.contains(producer)) {
        auto known = plans.find(producer);
        if (known == plans.end() || known->second.kind != Kind::rowwise)
          return false; // what all rows give is there after the last block
        member.sources.push_back(Source::member);
      } else if (!uses(indices, *rowDims)) {
        member.sources.push_back(Source::whole);
      } else if (begins(map, *rowDims) && type(operand).getShape().take_front(rows) == ArrayRef(shape).take_front(rows) &&
                 !uses(indices.drop_front(rows), *rowDims)) {
        member.sources.push_back(Source::slice);
      } else if (map.isProjectedPermutation() && llvm::all_of(indices, [&](AffineExpr e) {
                   return llvm::is_contained(*rowDims, cast<AffineDimExpr>(e).getPosition());
                 })) {
        member.sources.push_back(Source::spread);
      } else {
        return false;
      }
    }
    for (Value result : op->getResults())
      for (Operation *user : result.getUsers()) {
        bool inside = isMember.contains(block.findAncestorOpInBlock(*user));
        if (!inside && type(result).getShape() == ArrayRef(shape))
          return false; // somebody needs it whole
      }
    plans[op] = member;
    return true;
  }

  /// `tensor` with its leading dimensions, those of the rows, as blocks of rows.
  Value cut(OpBuilder &builder, Value tensor) {
    MLIRContext *context = tensor.getContext();
    SmallVector<DimAttr> dims = {DimAttr::getStatic(context, name + "_piece", count), token()};
    llvm::append_range(dims, dimsOf(tensor).getDims().drop_front(rows));
    return ReshapeOp::create(builder, tensor.getLoc(), tensorType(context, dims, type(tensor).getElementType()), tensor);
  }
  DimAttr token() { return DimAttr::getStatic(product.getContext(), name + "_in", height); }

  /// The operand's element for each row, for operands of some of the rows' dimensions only.
  Value spread(OpBuilder &builder, GenericOp op, unsigned operand) {
    MLIRContext *context = op.getContext();
    const Member &member = plans.at(op);
    SmallVector<AffineExpr> moved(op.getNumDims(), getAffineConstantExpr(0, context));
    SmallVector<DimAttr> dims;
    for (auto [i, d] : llvm::enumerate(member.rowDims)) {
      moved[d] = getAffineDimExpr(i, context);
      dims.push_back(op.getDims()[d]);
    }
    AffineMap map = op.getMap(operand).replaceDimsAndSymbols(moved, {}, rows, 0);
    return GenericOp::create(builder, op.getLoc(), DimsAttr::get(context, dims), rows, std::nullopt, ValueRange(),
                             op->getOperand(operand), map,
                             [](OpBuilder &, Location, ValueRange arguments) -> SmallVector<Value> {
                               return {arguments[0]};
                             })
        ->getResult(0);
  }

  void write() {
    MLIRContext *context = product.getContext();
    name = product.getDims()[rows - 1].getName().str();
    OpBuilder builder(members.back());
    Location loc = product.getLoc();

    // What the loop takes and gives.
    llvm::MapVector<std::pair<Operation *, unsigned>, unsigned> sliceOf; // operand -> number among the stacked
    llvm::MapVector<Value, unsigned> sliced;
    SmallVector<Value> stacked, inits;
    SmallVector<Value> totals, rowResults;
    for (GenericOp op : members) {
      const Member &member = plans.at(op);
      for (auto [i, source] : llvm::enumerate(member.sources)) {
        if (source != Source::slice && source != Source::spread)
          continue;
        Value tensor = op->getOperand(i);
        if (source == Source::spread)
          tensor = spread(builder, op, i);
        auto [place, isNew] = sliced.insert({tensor, stacked.size()});
        if (isNew)
          stacked.push_back(cut(builder, tensor));
        sliceOf[{op, unsigned(i)}] = place->second;
      }
      for (Value result : op->getResults()) {
        bool outside = llvm::any_of(result.getUsers(), [&](Operation *user) {
          return !isMember.contains(block.findAncestorOpInBlock(*user));
        });
        if (member.kind == Kind::fold) {
          totals.push_back(result);
          auto zeros = DenseElementsAttr::get(type(result), builder.getZeroAttr(type(result).getElementType()));
          inits.push_back(ConstantOp::create(builder, op.getLoc(), type(result), zeros));
        } else if (outside) {
          rowResults.push_back(result);
        }
      }
    }
    auto blockType = [&](Value value) {
      SmallVector<DimAttr> dims = {token()};
      llvm::append_range(dims, dimsOf(value).getDims().drop_front(rows));
      return tensorType(context, dims, type(value).getElementType());
    };
    SmallVector<Type> carriedTypes = llvm::map_to_vector(totals, [](Value v) { return v.getType(); });
    SmallVector<Type> stackTypes = llvm::map_to_vector(rowResults, [&](Value v) -> Type {
      return RepeatOp::stackType(blockType(v), count, name + "_piece");
    });
    auto loop = RepeatOp::create(builder, loc, carriedTypes, stackTypes, inits, stacked, count, false);
    Block *body = builder.createBlock(&loop.getBody());
    body->addArgument(tensorType(context, {}, builder.getI32Type()), loc);
    for (Value init : inits)
      body->addArgument(init.getType(), init.getLoc());
    for (Value tensor : stacked)
      body->addArgument(RepeatOp::sliceType(type(tensor)), tensor.getLoc());

    // The members on one block.
    IRMapping values;
    SmallVector<Value> next;
    for (GenericOp op : members) {
      const Member &member = plans.at(op);
      SmallVector<unsigned> position(op.getNumDims());
      SmallVector<AffineExpr> moved(op.getNumDims(), getAffineConstantExpr(0, context));
      SmallVector<DimAttr> dims;
      for (unsigned d = 0; d < op.getNumDims(); ++d) {
        if (llvm::is_contained(ArrayRef(member.rowDims).drop_front(), d))
          continue;
        position[d] = dims.size();
        moved[d] = getAffineDimExpr(dims.size(), context);
        dims.push_back(d == member.rowDims.front() ? token() : op.getDims()[d]);
      }
      SmallVector<AffineMap> maps;
      SmallVector<Value> operands;
      for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
        Source source = member.sources[i];
        AffineMap map = op.getMap(i);
        SmallVector<AffineExpr> indices;
        ArrayRef<AffineExpr> own = map.getResults();
        if (source == Source::whole) {
          operands.push_back(operand);
        } else {
          indices.push_back(moved[member.rowDims.front()]);
          own = source == Source::spread ? ArrayRef<AffineExpr>() : own.drop_front(rows);
          operands.push_back(source == Source::member
                                 ? values.lookup(operand)
                                 : loop.getSliceArguments()[sliceOf.lookup({op, unsigned(i)})]);
        }
        for (AffineExpr index : own)
          indices.push_back(index.replaceDims(moved));
        maps.push_back(AffineMap::get(dims.size(), map.getNumSymbols(), indices, context));
      }
      unsigned numIndices = op.getIndices().size();
      int64_t parallel = op.getNumParallel() - (member.kind == Kind::rowwise ? rows - 1 : 0);
      auto copy = GenericOp::create(
          builder, op.getLoc(), DimsAttr::get(context, dims), parallel, op.getReduction(),
          ArrayRef(operands).take_front(numIndices), ArrayRef(operands).drop_front(numIndices), maps,
          [&](OpBuilder &b, Location, ValueRange arguments) { return copyBody(b, *op.getBlock(), arguments, position); });
      if (member.kind == Kind::rowwise) {
        values.map(op->getResults(), copy->getResults());
        continue;
      }
      Value before = loop.getCarriedArguments()[next.size()];
      AffineMap identity = builder.getMultiDimIdentityMap(op.getNumParallel());
      auto sum = GenericOp::create(
          builder, op.getLoc(), dimsOf(before), op.getNumParallel(), std::nullopt, ValueRange(),
          ValueRange{before, copy->getResult(0)}, ArrayRef<AffineMap>{identity, identity},
          [](OpBuilder &b, Location l, ValueRange arguments) -> SmallVector<Value> {
            return {arith::AddFOp::create(b, l, arguments[0], arguments[1])};
          });
      next.push_back(sum->getResult(0));
    }
    for (Value result : rowResults)
      next.push_back(values.lookup(result));
    YieldOp::create(builder, loc, next);

    builder.setInsertionPointAfter(loop);
    for (auto [before, after] : llvm::zip_equal(totals, loop.getCarried()))
      before.replaceAllUsesWith(after);
    for (auto [before, after] : llvm::zip_equal(rowResults, loop.getStacks())) {
      Value whole = ReshapeOp::create(builder, before.getLoc(), before.getType(), after);
      before.replaceUsesWithIf(whole, [&](OpOperand &use) { return !isMember.contains(use.getOwner()); });
    }
    for (GenericOp op : llvm::reverse(members))
      op->erase();
    sortTopologically(&block);
  }

  GenericOp product;
  Block &block;
  SmallVector<int64_t> shape; ///< of the product
  unsigned rows = 0;          ///< its leading dimensions that count rows
  int64_t count = 1;          ///< of blocks
  int64_t height = 0;         ///< rows of a block
  std::string name;           ///< of the last dimension of rows
  SmallVector<GenericOp> members;
  llvm::DenseSet<Operation *> isMember;
  llvm::DenseMap<Operation *, Member> plans;
};

struct BlockTokens : impl::BlockTokensPassBase<BlockTokens> {
  using BlockTokensPassBase::BlockTokensPassBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || function->hasAttr("gpt.kernel"))
        continue;
      // A loop takes others of its members along.
      for (bool changed = true; changed;) {
        changed = false;
        for (auto op : function.front().getOps<GenericOp>())
          if (TokenLoop(op, bytes).build()) {
            changed = true;
            break;
          }
      }
    }
  }
};

} // namespace
} // namespace gptc
