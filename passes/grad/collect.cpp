#include "passes/grad/collect.h"

#include "ir/gpt/maps.h"
#include "passes/grad/tensors.h"

using namespace mlir;

namespace gptc::grad {
using namespace gpt;
namespace {

/// One index of the operand: a mixed-radix group of dimensions (outermost
/// first), `sign * group + constant`; or a sum that is solved for one of them.
struct Index {
  LinearIndex sum;
  SmallVector<unsigned> group;
  int64_t sign = 1;
  std::optional<unsigned> solved;
};

SmallVector<unsigned> usedDims(const LinearIndex &sum) {
  SmallVector<unsigned> used;
  for (auto [i, coefficient] : llvm::enumerate(sum.dims))
    if (coefficient != 0)
      used.push_back(i);
  return used;
}

/// Fills `group` where the terms count through its dimensions without gaps:
/// `h * 32 + e`, a plain or negated dimension, or nothing at all.
bool asGroup(Index &index, DimsAttr space) {
  SmallVector<unsigned> used = usedDims(index.sum);
  if (used.size() == 1) {
    index.sign = index.sum.dims[used[0]];
    index.group = used;
    return std::abs(index.sign) == 1;
  }
  llvm::stable_sort(used, [&](unsigned a, unsigned b) {
    return std::pair(index.sum.dims[a], space[a].getSize()) <
           std::pair(index.sum.dims[b], space[b].getSize());
  });
  int64_t step = 1;
  for (unsigned dim : used) {
    // A merged dimension of run-time extent would leave gaps; R2 of gpt.reshape.
    if (index.sum.dims[dim] != step || space[dim].isDynamic())
      return false;
    step *= space[dim].getSize();
  }
  index.group.assign(used.rbegin(), used.rend());
  return true;
}

} // namespace

std::optional<Collection> planCollection(AffineMap map, DimsAttr space, int64_t numParallel,
                                         DimsAttr operand) {
  MLIRContext *context = map.getContext();
  SmallVector<Index> indices;
  SmallVector<int> uses(space.size(), 0);
  for (AffineExpr expr : map.getResults()) {
    std::optional<LinearIndex> sum = linearize(expr, space.size(), 0);
    if (!sum)
      return std::nullopt;
    for (unsigned dim : usedDims(*sum))
      ++uses[dim];
    indices.push_back({*sum, {}, 1, {}});
  }

  SmallVector<bool> placed(space.size(), false);
  SmallVector<Index *> sums;
  for (Index &index : indices) {
    bool free = llvm::none_of(usedDims(index.sum), [&](unsigned dim) { return placed[dim]; });
    if (!free || !asGroup(index, space)) {
      index.group.clear();
      sums.push_back(&index);
      continue;
    }
    for (unsigned dim : index.group)
      placed[dim] = true;
  }
  for (Index *index : sums) {
    // The longest one: fewest points whose solution is outside.
    for (unsigned dim : usedDims(index->sum))
      if (dim < numParallel && std::abs(index->sum.dims[dim]) == 1 && uses[dim] == 1 &&
          (!index->solved || space[dim].getSize() > space[*index->solved].getSize()))
        index->solved = dim;
    if (!index->solved)
      return std::nullopt;
    index->sign = index->sum.dims[*index->solved];
    placed[*index->solved] = true;
  }

  Collection plan;
  plan.original.resize(space.size());
  bool padded = false;
  SmallVector<AffineExpr> pad, own(indices.size());
  auto newDim = [&](DimAttr dim) {
    plan.dims.push_back(dim);
    return getAffineDimExpr(plan.dims.size() - 1, context);
  };
  for (auto [i, index] : llvm::enumerate(indices)) {
    AffineExpr at = getAffineDimExpr(i, context);
    if (index.solved) {
      own[i] = newDim(operand[i]);
      plan.merged.push_back(operand[i]);
      pad.push_back(at);
      continue;
    }
    DimAttr merged;
    if (index.group.size() == 1) {
      merged = space[index.group[0]];
    } else {
      int64_t size = 1;
      for (unsigned dim : index.group)
        size *= space[dim].getSize();
      merged = DimAttr::getStatic(context, operand[i].getName().getValue(), size);
    }
    bool whole = index.sign == 1 && index.sum.constant == 0 && sameExtent(merged, operand[i]);
    padded |= !whole;
    plan.merged.push_back(whole ? operand[i] : merged);
    pad.push_back((at - index.sum.constant) * index.sign);
    for (unsigned dim : index.group)
      plan.original[dim] = newDim(index.group.size() == 1 ? plan.merged.back() : space[dim]);
  }
  plan.numParallel = plan.dims.size();
  for (unsigned dim = 0; dim < space.size(); ++dim)
    if (!placed[dim])
      plan.original[dim] = newDim(space[dim]);
  // All other dimensions are in place: what is solved follows from them.
  for (auto [i, index] : llvm::enumerate(indices)) {
    if (!index.solved)
      continue;
    AffineExpr rest = own[i] - index.sum.constant;
    for (unsigned dim : usedDims(index.sum))
      if (dim != *index.solved)
        rest = rest - plan.original[dim] * index.sum.dims[dim];
    plan.original[*index.solved] = rest * index.sign;
    plan.solved.push_back(*index.solved);
  }
  if (padded)
    plan.pad = AffineMap::get(indices.size(), 0, pad, context);
  return plan;
}

} // namespace gptc::grad
