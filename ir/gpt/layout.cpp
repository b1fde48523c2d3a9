#include "ir/gpt/layout.h"
#include "ir/gpt/most.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/STLExtras.h"

#include <numeric>

using namespace mlir;

namespace gptc::gpt {
//===-- Length -------------------------------------------------------------------===//

bool Length::Term::hasSameExtents(const Term &other) const {
  return llvm::equal(extents, other.extents,
                     [](const Extent &x, const Extent &y) { return x.name == y.name; });
}

Length::Length(int64_t constant) {
  if (constant != 0)
    terms.push_back({constant, {}});
}

Length Length::of(DimAttr dim) {
  if (!dim.isDynamic())
    return dim.getSize();
  Length length;
  length.terms.push_back({1, {{dim.getExtent(), dim.getSize()}}});
  return length;
}

int64_t Length::divisor() const {
  int64_t divisor = 0;
  for (const Term &term : terms)
    divisor = std::gcd(divisor, term.factor);
  return divisor;
}

void Length::add(Term term) {
  auto same = llvm::find_if(terms, [&](const Term &known) { return known.hasSameExtents(term); });
  if (same == terms.end()) {
    terms.push_back(std::move(term));
    return;
  }
  same->factor = boundedSum(same->factor, term.factor);
  if (same->factor == 0)
    terms.erase(same);
}

Length operator+(const Length &x, const Length &y) {
  Length sum = x;
  for (const Length::Term &term : y.terms)
    sum.add(term);
  return sum;
}

Length operator*(const Length &x, const Length &y) {
  Length result;
  for (const Length::Term &a : x.terms)
    for (const Length::Term &b : y.terms) {
      Length::Term term{boundedProduct(a.factor, b.factor), a.extents};
      term.extents.append(b.extents);
      llvm::stable_sort(term.extents, [](const Length::Extent &p, const Length::Extent &q) {
        return p.name.getValue() < q.name.getValue();
      });
      result.add(std::move(term));
    }
  return result;
}

bool operator==(const Length &x, const Length &y) {
  if (x.terms.size() != y.terms.size())
    return false;
  return llvm::all_of(x.terms, [&](const Length::Term &term) {
    return llvm::any_of(y.terms, [&](const Length::Term &other) {
      return term.factor == other.factor && term.hasSameExtents(other);
    });
  });
}

//===-- Limits -------------------------------------------------------------------===//

Limits Limits::of(Operation *op) {
  Limits limits;
  auto module = isa<ModuleOp>(op) ? cast<ModuleOp>(op) : op->getParentOfType<ModuleOp>();
  auto tokens = module ? module->getAttrOfType<IntegerAttr>("gpt.batch_tokens") : IntegerAttr();
  auto names = module ? module->getAttrOfType<ArrayAttr>("gpt.extents") : ArrayAttr();
  if (tokens && names && !names.empty()) {
    limits.batch = cast<StringAttr>(names[0]);
    limits.tokens = tokens.getInt();
  }
  return limits;
}

int64_t Limits::most(const Length &length) const {
  int64_t sum = 0;
  for (const Length::Term &term : length.getTerms()) {
    int64_t whole = term.factor, rows = 0, longest = 0;
    // The batch is paired with the longest of the other extents.
    for (const Length::Extent &extent : term.extents) {
      if (tokens > 0 && rows == 0 && extent.name == batch) {
        rows = extent.bound;
      } else if (extent.bound > longest) {
        whole = boundedProduct(whole, std::max<int64_t>(longest, 1));
        longest = extent.bound;
      } else {
        whole = boundedProduct(whole, extent.bound);
      }
    }
    int64_t pair = boundedProduct(std::max<int64_t>(rows, 1), std::max<int64_t>(longest, 1));
    if (rows > 0 && longest > 0)
      pair = std::min(pair, std::max(tokens, longest));
    sum = boundedSum(sum, boundedProduct(whole, pair));
  }
  return sum;
}

//===-- Layout -------------------------------------------------------------------===//

SmallVector<Length> stridesOf(ArrayRef<DimAttr> dims, const Limits &limits) {
  auto isDynamic = [](DimAttr dim) { return dim.isDynamic(); };
  size_t dense = llvm::find_if(dims, isDynamic) - dims.begin();
  SmallVector<Length> strides(dims.size());
  Length stride = 1;
  for (size_t d = dims.size(); d-- > 0; stride *= Length::of(dims[d])) {
    if (d + 1 == dense)
      stride = limits.most(stride);
    strides[d] = stride;
  }
  return strides;
}

int64_t elementsOf(ArrayRef<DimAttr> dims, const Limits &limits) {
  if (dims.empty())
    return 1;
  return limits.most(stridesOf(dims, limits).front() * Length::of(dims.front()));
}

int64_t elementsOf(Type tensor, const Limits &limits) {
  if (DimsAttr dims = dimsOf(tensor))
    return elementsOf(dims.getDims(), limits);
  return cast<RankedTensorType>(tensor).getNumElements();
}

int64_t readPast(Type tensor, const Limits &limits) {
  DimsAttr dims = dimsOf(tensor);
  if (!dims)
    return 0;
  constexpr int64_t tile = 64; // the most rows or columns of one
  int64_t past = 0, used = elementsOf(tensor, limits);
  SmallVector<Length> strides = stridesOf(dims.getDims(), limits);
  for (auto [dim, stride] : llvm::zip(dims.getDims(), strides))
    if (dim.isDynamic())
      past = std::max(past, boundedProduct(std::min(tile, dim.getSize()), limits.most(stride)));
  // No tile reaches beyond the bounds.
  int64_t bounds = 1;
  for (DimAttr dim : dims.getDims())
    bounds = boundedProduct(bounds, dim.getSize());
  return std::min(past, bounds - used);
}

} // namespace gptc::gpt
