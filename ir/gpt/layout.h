// Where the elements of a tensor lie in memory.
#pragma once

#include "ir/gpt/gpt.h"

namespace gptc::gpt {

/// A number that is known once the extents are: a sum of products of a constant
/// and extents. Strides and trip counts are such numbers.
class Length {
public:
  struct Extent {
    mlir::StringAttr name;
    int64_t bound;
  };
  struct Term {
    int64_t factor;
    llvm::SmallVector<Extent, 2> extents; ///< ordered by name; an extent may come twice
    bool hasSameExtents(const Term &other) const;
  };

  Length(int64_t constant = 0);
  static Length of(DimAttr dim);

  llvm::ArrayRef<Term> getTerms() const { return terms; }
  bool isConstant() const { return terms.empty() || (terms.size() == 1 && terms.front().extents.empty()); }
  /// Of a constant one.
  int64_t constant() const { return terms.empty() ? 0 : terms.front().factor; }
  /// The largest number that is surely a factor of it.
  int64_t divisor() const;

  friend Length operator+(const Length &x, const Length &y);
  friend Length operator*(const Length &x, const Length &y);
  friend bool operator==(const Length &x, const Length &y);
  friend bool operator!=(const Length &x, const Length &y) { return !(x == y); }
  Length &operator+=(const Length &other) { return *this = *this + other; }
  Length &operator*=(const Length &other) { return *this = *this * other; }

private:
  void add(Term term);
  llvm::SmallVector<Term, 1> terms; ///< no factor is 0, no two have the same extents
};

/// What is known of extents: their bounds, and what `gpt.batch_tokens` of the
/// module says of products.
class Limits {
public:
  Limits() = default;
  /// Those of the module around `op`.
  static Limits of(mlir::Operation *op);
  /// The most that a length without negative factors can be; saturated at 2^62.
  int64_t most(const Length &length) const;

private:
  mlir::StringAttr batch; ///< this extent times any other is at most `tokens`, or the other's bound
  int64_t tokens = 0;     ///< 0: nothing is known
};

/// Elements from one coordinate of each dimension to the next. From the first
/// dynamic dimension on a tensor is dense; static dimensions before that step over
/// the most that the others can be, so that what they count stays in its place.
llvm::SmallVector<Length> stridesOf(llvm::ArrayRef<DimAttr> dims, const Limits &limits);

/// Elements that memory for such a tensor has.
int64_t elementsOf(llvm::ArrayRef<DimAttr> dims, const Limits &limits);
int64_t elementsOf(mlir::Type tensor, const Limits &limits);

/// Elements behind a tensor that a kernel may read, though it uses none: tiles of a
/// contraction are whole where an extent ends within one.
int64_t readPast(mlir::Type tensor, const Limits &limits);

} // namespace gptc::gpt
