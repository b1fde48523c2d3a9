// gpt-split-reductions: a long reduction to few results in two steps, so that
// its first step has work for all threads.
#include "passes/fuse/matrix_sums.h"
#include "passes/fuse/space.h"
#include "passes/fuse/two_steps.h"
#include "passes/passes.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc {
#define GEN_PASS_DEF_SPLITREDUCTIONSPASS
#include "passes/Passes.h.inc"

namespace {

constexpr int64_t fewResults = 4096;    // more results than this are parallel enough
constexpr int64_t longReduction = 16384; // terms a result from which a split pays
constexpr int64_t fewestTerms = 512;    // a partial result sums at least this many
constexpr int64_t mostPartials = 4096;
constexpr int64_t enoughPartials = 64;
constexpr int64_t contractionResults = 256; // contractions of more have parallelism of their own

/// The reduced dimensions that become parallel: `whole` leading ones, then
/// `outer` of dimension `whole`, which must be a divisor of its size (1: none).
struct Split {
  unsigned whole = 0;
  int64_t outer = 1;
  bool any() const { return whole != 0 || outer != 1; }
};

Split chooseSplit(GenericOp op) {
  ArrayRef<DimAttr> dims = op.getDims().getDims();
  int64_t results = fuse::points(dims.take_front(op.getNumParallel()));
  int64_t terms = fuse::points(dims.drop_front(op.getNumParallel()));
  if (results >= fewResults || terms <= longReduction)
    return {};
  if (op.isContraction() && results >= contractionResults)
    return {};
  // Rows of a row group, which are parallel enough.
  if (results >= enoughPartials && terms <= fuse::longestGroupRow && fuse::readsRows(op))
    return {};

  Split split;
  int64_t partials = 1;
  auto fits = [&](int64_t more) {
    return partials * more * results <= mostPartials && terms / (partials * more) >= fewestTerms;
  };
  ArrayRef<DimAttr> reduced = dims.drop_front(op.getNumParallel());
  while (split.whole + 1 < reduced.size() && fits(reduced[split.whole].getSize()))
    partials *= reduced[split.whole++].getSize();
  if (partials >= enoughPartials)
    return split;

  unsigned next = op.getNumParallel() + split.whole;
  int64_t size = reduced[split.whole].getSize();
  if (!op.getDims()[next].isDynamic())
    for (int64_t outer = std::min(size - 1, mostPartials); outer > 1; --outer)
      if (size % outer == 0 && fits(outer)) {
        split.outer = outer;
        break;
      }
  // Rather too many partial results than nothing to do in parallel.
  if (partials * split.outer < enoughPartials && split.whole + 1 < reduced.size() &&
      terms / (partials * size) >= fewestTerms) {
    ++split.whole;
    split.outer = 1;
  }
  return split;
}

/// The same op with dimension `dim` of size n as two, of sizes outer and n / outer.
GenericOp cutDimension(OpBuilder &builder, GenericOp op, unsigned dim, int64_t outer) {
  MLIRContext *context = op.getContext();
  SmallVector<DimAttr> dims(op.getDims().getDims());
  int64_t size = dims[dim].getSize(), inner = size / outer;
  std::string name = dims[dim].getName().str();
  dims[dim] = DimAttr::getStatic(context, name + "_piece", outer);
  dims.insert(dims.begin() + dim + 1, DimAttr::getStatic(context, name + "_in", inner));
  // What the old dimensions are in the new ones.
  SmallVector<AffineExpr> places;
  for (unsigned d = 0; d + 1 < dims.size(); ++d)
    places.push_back(getAffineDimExpr(d <= dim ? d : d + 1, context));
  places[dim] = places[dim] * inner + getAffineDimExpr(dim + 1, context);
  SmallVector<AffineMap> maps;
  for (unsigned i = 0; i < op.getMaps().size(); ++i) {
    AffineMap map = op.getMap(i);
    maps.push_back(map.replaceDimsAndSymbols(places, {}, dims.size(), map.getNumSymbols()));
  }

  auto body = [&](OpBuilder &inside, Location loc, ValueRange arguments) {
    Type i32 = inside.getI32Type();
    auto constant = [&](int64_t value) -> Value {
      return arith::ConstantOp::create(inside, loc, inside.getIntegerAttr(i32, value));
    };
    IRMapping mapping;
    mapping.map(op.getBlock()->getArguments(), arguments);
    for (Operation &old : op.getBlock()->without_terminator()) {
      auto index = dyn_cast<IndexOp>(old);
      auto extent = dyn_cast<ExtentOp>(old);
      if (index && index.getDim() == dim) {
        Value piece = IndexOp::create(inside, loc, i32, dim), rest = IndexOp::create(inside, loc, i32, dim + 1);
        Value start = arith::MulIOp::create(inside, loc, piece, constant(inner));
        mapping.map(index.getResult(), arith::AddIOp::create(inside, loc, start, rest).getResult());
      } else if (extent && extent.getDim() == dim) {
        mapping.map(extent.getResult(), constant(size));
      } else {
        Operation *copy = inside.clone(old, mapping);
        if (index && index.getDim() > dim)
          cast<IndexOp>(copy).setDim(index.getDim() + 1);
        if (extent && extent.getDim() > dim)
          cast<ExtentOp>(copy).setDim(extent.getDim() + 1);
      }
    }
    return llvm::map_to_vector(op.getYield().getValues(), [&](Value v) { return mapping.lookupOrDefault(v); });
  };
  return GenericOp::create(builder, op.getLoc(), DimsAttr::get(context, dims), op.getNumParallel(), op.getReduction(),
                           op.getIndices(), op.getInputs(), maps, body);
}

struct SplitReductions : impl::SplitReductionsPassBase<SplitReductions> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || function->hasAttr("gpt.kernel"))
        continue;
      fuse::splitMatrixSums(function.front());
      function.walk([&](RepeatOp repeat) { fuse::splitMatrixSums(*repeat.getBlock()); });
    }
    SmallVector<GenericOp> work;
    getOperation()->walk([&](GenericOp op) {
      if (op.isReduction() && !isa<KernelOp>(op->getParentOp()))
        work.push_back(op);
    });
    // A total over many partial results may be long itself.
    while (!work.empty()) {
      GenericOp op = work.pop_back_val();
      Split split = chooseSplit(op);
      if (!split.any())
        continue;
      OpBuilder builder(op);
      GenericOp cut = op;
      unsigned whole = split.whole;
      if (split.outer != 1)
        cut = cutDimension(builder, op, op.getNumParallel() + whole++, split.outer);
      auto order = llvm::to_vector(llvm::seq<unsigned>(0, cut.getNumDims()));
      GenericOp total = fuse::reduceInTwoSteps(cut, order, cut.getNumParallel() + whole);
      op.replaceAllUsesWith(total->getResults());
      work.push_back(total);
      if (cut != op)
        cut->erase();
      op->erase();
    }
  }
};

} // namespace
} // namespace gptc
