// Which positions of a growing stream each value depends on: whether a program that was written for a whole
// sequence can go on from position to position.
//
// A dimension *over positions* has the extent of a growing input. An element of a value is *causal* if it
// depends on no later position than the highest of its own coordinates over positions; a value without such
// coordinates must depend on none. Sums and maxima over positions are causal where a mask leaves later ones
// out.
#pragma once

#include "ir/gpt/gpt.h"
#include "ir/gpt/known_scalars.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringSet.h"

namespace gptc::gpt {

/// Why a value is not causal: the first op on the way to it that looks ahead, and how.
struct LookAhead {
  mlir::Operation *op = nullptr;
  std::string reason;
};

/// A sum or maximum over all positions up to a row's own (`sum(s where s <= t: ...)`) of terms that do not
/// depend on the row: the next row's is this one's and one term more.
struct RunningReduction {
  unsigned row = 0, column = 0; ///< dimensions of the op: the result's position, the reduced one
  bool exclusive = false;       ///< terms up to the row before only
};

class Positions {
public:
  /// Looks through `main`, which has a batch. `growing`: the arguments that grow; their dynamic dimensions
  /// but the first, which counts streams, are over positions where no other argument has them.
  Positions(mlir::func::FuncOp main, llvm::ArrayRef<mlir::BlockArgument> growing);

  bool isPosition(DimAttr dim) const {
    return dim.isDynamic() && extents.contains(dim.getExtent().getValue());
  }
  bool anyPosition(DimsAttr dims) const {
    return llvm::any_of(dims.getDims(), [&](DimAttr d) { return isPosition(d); });
  }
  /// Places of the dimensions over positions.
  llvm::SmallVector<unsigned> positionsOf(DimsAttr dims) const;

  /// Made from the stream itself, or from how many positions there are; else positions only count, and the
  /// value can be computed again for any of them.
  bool isHistory(mlir::Value value) const { return history.contains(value); }

  /// Null where the value is causal.
  const LookAhead *looksAhead(mlir::Value value) const;

  /// What the elements of the matrix surely are where their coordinate `column` is behind `row` (both:
  /// dimensions).
  Known beyond(mlir::Value matrix, unsigned column, unsigned row) const;

  std::optional<RunningReduction> runningReduction(GenericOp op) const;

private:
  using Pair = std::pair<unsigned, unsigned>; // column, row
  void find(mlir::Block &block);
  void findOp(GenericOp op);
  void blame(mlir::Operation *op, const LookAhead &why);
  /// The body where dimension `column` is behind dimension `row`; `factsOf` its operands.
  llvm::SmallVector<Known> follow(GenericOp op, unsigned column, unsigned row) const;
  std::optional<std::string> whyAhead(GenericOp op) const;
  void join(mlir::Value from, mlir::Value to);
  void markHistory(mlir::Value value) { changed |= history.insert(value).second; }

  llvm::StringSet<> extents;
  llvm::DenseSet<mlir::Value> history;
  llvm::DenseMap<mlir::Value, LookAhead> ahead;
  llvm::DenseMap<mlir::Value, llvm::DenseMap<Pair, Known>> facts;
  llvm::DenseSet<mlir::Value> known; ///< have been given facts, perhaps none
  bool changed = false;
};

} // namespace gptc::gpt
