#include "ir/gpt/positions.h"

#include "ir/gpt/maps.h"
#include "ir/gpt/repeat_flow.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;

namespace gptc::gpt {
namespace {

/// A sum of an op's coordinates times numbers, and a number.
struct CoordinateSum {
  SmallVector<int64_t> dims;
  int64_t constant = 0;
};

/// Adds the i32 scalar `value` of a body times `factor`; false where it is anything but coordinates and
/// numbers.
bool addTo(CoordinateSum &sum, Value value, int64_t factor) {
  APInt number;
  if (matchPattern(value, m_ConstantInt(&number))) {
    sum.constant += factor * number.getSExtValue();
    return true;
  }
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](IndexOp index) {
        sum.dims[index.getDim()] += factor;
        return true;
      })
      .Case([&](arith::AddIOp add) {
        return addTo(sum, add.getLhs(), factor) && addTo(sum, add.getRhs(), factor);
      })
      .Case([&](arith::SubIOp sub) {
        return addTo(sum, sub.getLhs(), factor) && addTo(sum, sub.getRhs(), -factor);
      })
      .Case([&](arith::MulIOp mul) {
        APInt by;
        if (matchPattern(mul.getRhs(), m_ConstantInt(&by)))
          return addTo(sum, mul.getLhs(), factor * by.getSExtValue());
        return matchPattern(mul.getLhs(), m_ConstantInt(&by)) &&
               addTo(sum, mul.getRhs(), factor * by.getSExtValue());
      })
      .Default([](Operation *) { return false; });
}

/// The least and the most that a sum can be; nothing where there is no bound.
struct Range {
  std::optional<int64_t> least, most;
};

/// Of coordinates in the space `dims`; with `ahead`, where coordinate `ahead->first` is larger than
/// `ahead->second`. Dynamic dimensions have no bound but 0.
Range rangeOf(CoordinateSum sum, DimsAttr dims, std::optional<std::pair<unsigned, unsigned>> ahead = {}) {
  if (ahead) { // column = row + 1 + what is left, which is at least 0
    sum.dims[ahead->second] += sum.dims[ahead->first];
    sum.constant += sum.dims[ahead->first];
  }
  Range range{sum.constant, sum.constant};
  for (auto [d, factor] : llvm::enumerate(sum.dims)) {
    bool bounded = !dims[d].isDynamic() && !(ahead && d == ahead->first);
    int64_t last = std::max<int64_t>(dims[d].getSize() - 1, 0);
    std::optional<int64_t> &upper = factor > 0 ? range.most : range.least;
    if (factor != 0 && upper)
      upper = bounded ? std::optional<int64_t>(*upper + factor * last) : std::nullopt;
  }
  return range;
}

/// The comparison's left side less its right side.
std::optional<CoordinateSum> differenceOf(arith::CmpIOp compare, unsigned numDims) {
  CoordinateSum sum;
  sum.dims.assign(numDims, 0);
  if (!compare.getLhs().getType().isInteger(32) || !addTo(sum, compare.getLhs(), 1) ||
      !addTo(sum, compare.getRhs(), -1))
    return std::nullopt;
  return sum;
}

/// What the comparison is, if its difference lies in the range.
Known compare(arith::CmpIPredicate predicate, const Range &range) {
  using P = arith::CmpIPredicate;
  auto below = [&](int64_t limit) { return range.most && *range.most < limit; };
  auto above = [&](int64_t limit) { return range.least && *range.least > limit; };
  auto either = [](bool yes, bool no) { return yes ? Known(1) : no ? Known(0) : Known(); };
  switch (predicate) {
  case P::slt: return either(below(0), above(-1));
  case P::sle: return either(below(1), above(0));
  case P::sgt: return either(above(0), below(1));
  case P::sge: return either(above(-1), below(0));
  case P::eq: return either(false, below(0) || above(0));
  case P::ne: return either(below(0) || above(0), false);
  default: return {};
  }
}

/// An index as coordinates and numbers; nothing where it uses gathered indices.
std::optional<CoordinateSum> indexSum(AffineExpr index, AffineMap map) {
  std::optional<LinearIndex> linear = linearize(index, map.getNumDims(), map.getNumSymbols());
  if (!linear || llvm::any_of(linear->symbols, [](int64_t factor) { return factor != 0; }))
    return std::nullopt;
  return CoordinateSum{linear->dims, linear->constant};
}

bool isNeutral(ReductionKind kind, const Known &known, Type element) {
  if (kind == ReductionKind::sum)
    return isNumber(known, 0);
  return isa<FloatType>(element) ? isNumber(known, -INFINITY) : element.isInteger(1) && isNumber(known, 0);
}

Type elementOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType()).getElementType();
}

} // namespace

Positions::Positions(func::FuncOp main, ArrayRef<BlockArgument> growing) {
  auto forExtents = [](Value argument, auto each) {
    for (DimAttr dim : dimsOf(argument).getDims())
      if (dim.isDynamic())
        each(dim.getExtent().getValue());
  };
  for (BlockArgument argument : growing) {
    history.insert(argument);
    forExtents(argument, [&](StringRef extent) { extents.insert(extent); });
    if (dimsOf(argument).size() < 2)
      ahead[argument] = {nullptr, "uses how long the stream is"};
  }
  for (BlockArgument argument : growing) // the first dimension counts streams
    if (dimsOf(argument).size() > 0 && dimsOf(argument)[0].isDynamic())
      extents.erase(dimsOf(argument)[0].getExtent().getValue());
  for (BlockArgument argument : main.getArguments())
    if (!llvm::is_contained(growing, argument))
      forExtents(argument, [&](StringRef extent) { extents.erase(extent); });
  for (BlockArgument argument : main.getArguments())
    known.insert(argument);
  do {
    changed = false;
    find(main.front());
  } while (changed);
}

SmallVector<unsigned> Positions::positionsOf(DimsAttr dims) const {
  SmallVector<unsigned> places;
  for (unsigned d = 0; d < dims.size(); ++d)
    if (isPosition(dims[d]))
      places.push_back(d);
  return places;
}

const LookAhead *Positions::looksAhead(Value value) const {
  auto found = ahead.find(value);
  return found == ahead.end() ? nullptr : &found->second;
}

Known Positions::beyond(Value matrix, unsigned column, unsigned row) const {
  auto found = facts.find(matrix);
  return found == facts.end() ? Known() : found->second.lookup({column, row});
}

/// A value goes on under another name: what holds of both holds of it.
void Positions::join(Value from, Value to) {
  if (isHistory(from))
    markHistory(to);
  if (const LookAhead *why = looksAhead(from))
    changed |= ahead.try_emplace(to, LookAhead(*why)).second;
  if (!known.contains(from))
    return; // yielded by a body that is still to be looked at
  // A slice has one dimension less than its stack, the first.
  int64_t shift =
      cast<RankedTensorType>(from.getType()).getRank() - cast<RankedTensorType>(to.getType()).getRank();
  auto of = [&](Pair pair) { return beyond(from, pair.first + shift, pair.second + shift); };
  SmallVector<unsigned> places = positionsOf(dimsOf(to));
  bool first = known.insert(to).second;
  for (unsigned column : places)
    for (unsigned row : places) {
      if (column == row)
        continue;
      Known now = of({column, row});
      Known &fact = facts[to][{column, row}];
      if (first ? now.has_value() : fact && fact != now) {
        fact = first ? now : Known();
        changed = true;
      }
    }
}

void Positions::find(Block &block) {
  for (Operation &op : block) {
    if (auto repeat = dyn_cast<RepeatOp>(op)) {
      flowThroughRepeat(
          repeat, [&](Value from, Value to) { join(from, to); }, [&](Block &body) { find(body); });
    } else if (auto generic = dyn_cast<GenericOp>(op)) {
      findOp(generic);
    } else if (auto reshape = dyn_cast<ReshapeOp>(op)) {
      // Dynamic dimensions stay what they are, in their order.
      if (isHistory(reshape.getSource()))
        markHistory(reshape.getResult());
      if (const LookAhead *why = looksAhead(reshape.getSource()))
        blame(&op, *why);
      SmallVector<unsigned> from = positionsOf(dimsOf(reshape.getSource())),
                            to = positionsOf(dimsOf(reshape.getResult()));
      for (auto [i, column] : llvm::enumerate(to))
        for (auto [j, row] : llvm::enumerate(to))
          if (i != j && from.size() == to.size())
            facts[reshape.getResult()][{column, row}] = beyond(reshape.getSource(), from[i], from[j]);
    } else if (!op.hasTrait<OpTrait::IsTerminator>()) {
      for (Value operand : op.getOperands()) {
        for (Value result : op.getResults())
          if (isHistory(operand))
            markHistory(result);
        if (const LookAhead *why = looksAhead(operand))
          blame(&op, *why);
        else if (isHistory(operand) || (dimsOf(operand) && anyPosition(dimsOf(operand))))
          blame(&op, {&op, "takes all positions together"});
      }
    }
    if (!isa<RepeatOp>(op))
      known.insert(op.getResults().begin(), op.getResults().end());
  }
}

void Positions::blame(Operation *op, const LookAhead &why) {
  LookAhead copy = why;
  if (!copy.op)
    copy.op = op;
  for (Value result : op->getResults())
    changed |= ahead.try_emplace(result, copy).second;
}

SmallVector<Known> Positions::follow(GenericOp op, unsigned column, unsigned row) const {
  SmallVector<Known> arguments;
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    Known &known = arguments.emplace_back();
    AffineMap map = op.getMap(i);
    SmallVector<unsigned> places = positionsOf(dimsOf(operand));
    for (unsigned p : places)
      for (unsigned q : places) {
        if (p == q || known)
          continue;
        // Is coordinate p behind coordinate q there?
        std::optional<CoordinateSum> later = indexSum(map.getResult(p), map),
                                     earlier = indexSum(map.getResult(q), map);
        if (!later || !earlier)
          continue;
        for (auto [sum, other] : llvm::zip(later->dims, earlier->dims))
          sum -= other;
        later->constant -= earlier->constant;
        Range range = rangeOf(*later, op.getDims(), std::pair(column, row));
        if (range.least && *range.least >= 1)
          known = beyond(operand, p, q);
      }
  }
  return followKnown(*op.getBlock(), arguments, [&](arith::CmpIOp scalar) -> Known {
    std::optional<CoordinateSum> difference = differenceOf(scalar, op.getNumDims());
    if (!difference)
      return {};
    return compare(scalar.getPredicate(), rangeOf(*difference, op.getDims(), std::pair(column, row)));
  });
}

/// How the op itself looks ahead, whatever its operands do.
std::optional<std::string> Positions::whyAhead(GenericOp op) const {
  DimsAttr dims = op.getDims();
  auto name = [&](unsigned d) { return "'" + dims[d].getName().str() + "'"; };
  bool counts = false;
  op.getBlock()->walk([&](ExtentOp extent) { counts |= isPosition(dims[extent.getDim()]); });
  if (counts)
    return "uses how many positions there are";
  SmallVector<unsigned> rows, all = positionsOf(dims);
  for (unsigned d : all)
    if (d < op.getNumParallel())
      rows.push_back(d);
  for (unsigned column : all) {
    if (column < op.getNumParallel())
      continue;
    if (rows.empty())
      return "is made from all positions of " + name(column);
    bool masked = llvm::any_of(rows, [&](unsigned row) {
      return isNeutral(*op.getReduction(), follow(op, column, row)[0], elementOf(op->getResult(0)));
    });
    if (!masked)
      return "goes over all positions of " + name(column) + ", later ones too";
  }
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    AffineMap map = op.getMap(i);
    for (unsigned p : positionsOf(dimsOf(operand))) {
      std::optional<CoordinateSum> index = indexSum(map.getResult(p), map);
      if (!index)
        return "reads at positions that are computed";
      // At most one of the coordinates over positions, whatever the others are.
      bool behind = llvm::any_of(all, [&](unsigned d) {
        CoordinateSum less = *index;
        less.dims[d] -= 1;
        Range range = rangeOf(less, dims);
        return range.most && *range.most <= 0;
      });
      bool first =
          index->constant == 0 && llvm::all_of(index->dims, [](int64_t factor) { return factor == 0; });
      if (!behind && !first)
        return "reads later positions";
    }
  }
  return std::nullopt;
}

void Positions::findOp(GenericOp op) {
  bool overPositions = op.isReduction() && llvm::any_of(positionsOf(op.getDims()),
                                                        [&](unsigned d) { return d >= op.getNumParallel(); });
  for (Value operand : op->getOperands()) {
    if (isHistory(operand) || overPositions)
      llvm::for_each(op.getResults(), [&](Value result) { markHistory(result); });
    if (const LookAhead *why = looksAhead(operand))
      return blame(op, *why);
  }
  if (overPositions)
    llvm::for_each(op.getResults(), [&](Value result) { markHistory(result); });
  if (std::optional<std::string> why = whyAhead(op))
    return blame(op, {op, *why});
  if (op.isReduction() && op.getNumParallel() == 0)
    return;
  SmallVector<unsigned> places;
  for (unsigned d : positionsOf(op.getDims()))
    if (d < op.getNumParallel())
      places.push_back(d);
  for (unsigned column : places)
    for (unsigned row : places) {
      if (column == row)
        continue;
      SmallVector<Known> yielded = follow(op, column, row);
      for (auto [result, now] : llvm::zip_equal(op.getResults(), yielded)) {
        // The reduction of terms that are all neutral, or 0: a sum of zeros is 0.
        if (op.isReduction() && !isNeutral(*op.getReduction(), now, elementOf(result)))
          now = {};
        facts[result][{column, row}] = now;
      }
    }
}

std::optional<RunningReduction> Positions::runningReduction(GenericOp op) const {
  if (!op.isReduction())
    return std::nullopt;
  RunningReduction found;
  unsigned rows = 0, columns = 0;
  for (unsigned d : positionsOf(op.getDims())) {
    bool isRow = d < op.getNumParallel();
    (isRow ? found.row : found.column) = d;
    ++(isRow ? rows : columns);
  }
  if (rows != 1 || columns != 1)
    return std::nullopt;
  for (unsigned i = 0; i < op->getNumOperands(); ++i)
    if (op.getMap(i).isFunctionOfDim(found.row))
      return std::nullopt;
  // The row enters through comparisons that only say whether the column is behind it.
  std::optional<int64_t> distance;
  bool only = true;
  op.getBlock()->walk([&](IndexOp index) {
    if (index.getDim() != int64_t(found.row))
      return;
    for (Operation *user : index->getUsers()) {
      auto scalar = dyn_cast<arith::CmpIOp>(user);
      std::optional<CoordinateSum> sum = scalar ? differenceOf(scalar, op.getNumDims()) : std::nullopt;
      if (!sum) {
        only = false;
        continue;
      }
      using P = arith::CmpIPredicate;
      // row - column - distance >= 0
      int64_t sign = llvm::is_contained({P::slt, P::sle}, scalar.getPredicate()) ? -1 : 1;
      bool strict = llvm::is_contained({P::slt, P::sgt}, scalar.getPredicate());
      bool ordered = strict || llvm::is_contained({P::sle, P::sge}, scalar.getPredicate());
      for (int64_t &factor : sum->dims)
        factor *= sign;
      int64_t here = -sign * sum->constant + strict;
      bool plain = ordered && sum->dims[found.row] == 1 && sum->dims[found.column] == -1 &&
                   llvm::count_if(sum->dims, [](int64_t factor) { return factor != 0; }) == 2;
      only &= plain && (here == 0 || here == 1) && (!distance || *distance == here);
      distance = here;
    }
  });
  if (!only || !distance)
    return std::nullopt;
  found.exclusive = *distance == 1;
  return found;
}

} // namespace gptc::gpt
