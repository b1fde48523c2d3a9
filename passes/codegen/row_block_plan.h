// What a kernel of row blocks does in which order and where its values lie:
// everything that is decided before its loops are made.
#pragma once

#include "passes/codegen/block_product.h"
#include "passes/codegen/column_bounds.h"
#include "passes/codegen/kernel_builder.h"
#include "passes/codegen/loop_nest.h"
#include "passes/codegen/row_groups.h"

namespace gptc {

/// One contraction of the kernel: a product or a fold.
struct RowBlockContraction {
  gpt::GenericOp op;
  bool isFold = false;
  llvm::SmallVector<unsigned> place; ///< the op's dimension for each of the matrix
  unsigned own = 0;                  ///< its remaining dimension
  unsigned sideInput = 0;            ///< the input that is read in panels
  Access lines, panels, result;      ///< what is read line by line (a product's), in panels; a fold's result
  bool overColumns = false, accumulate = false;
  bool overRows() const { return isFold && !overColumns; }
  PanelShape shape;
  int64_t panelsAt = 0;
  int64_t linesBound = 1; ///< lines: of a block of the matrix, or its columns where the fold is over rows
  unsigned packLevel = 0; ///< outer dimensions that the panels depend on, up to the last one
};

/// Ops that run together, in order: one contraction, or one loop over the elements of a row.
struct RowBlockUnit {
  OpGroup ops;
  std::optional<RowBlockContraction> contraction;
  std::vector<OpPlan> plans;
  llvm::SmallVector<OpPlan *> group;
  VectorChoice choice;
};

/// Where the rows of a block of one value lie in scratch.
struct RowBlockSlot {
  int64_t at = 0, stride = 1; // bytes, elements
  mlir::Type storage;
  mlir::Value memref;   // the block; its first row stands for the current row in plans
  unsigned lastUse = 0; // number of a unit
};

class RowBlockPlan {
public:
  RowBlockPlan(KernelBuilder &kernel, unsigned rows) : kernel(kernel), b(kernel.b), rows(rows) {}

  /// Fails with an error at the op that does not fit.
  mlir::LogicalResult make();

  KernelBuilder &kernel;
  mlir::ImplicitLocOpBuilder &b;
  unsigned rows;                    ///< leading dimensions: outer ones, then the row's
  llvm::SmallVector<LoopDim> space; ///< these, and the column
  mlir::Type element;
  bool isDouble = false;
  Bf16 bf16 = Bf16::Off; ///< how contractions multiply
  int64_t elementBytes = 4, lanes = 16;
  int64_t tileRows = 8;   ///< rows of a register tile
  int64_t blockRows = 8;  ///< rows at work at a time
  int64_t linesAt = 0;    ///< in scratch, where contractions put their lines on the way to bf16
  unsigned pieceDims = 0; ///< outer dimensions that no fold sums over: each of their points is a piece,
  int64_t pieceRows = 0;  ///< or, where these are too few, so many rows of one (0: all)
  bool adds = false;      ///< a fold adds to what another block, or another outer point, has written
  std::vector<RowBlockUnit> units;
  std::vector<RowBlockSlot> slots;
  llvm::SmallVector<ColumnBound> bounds;
  /// The bounds depend on the row: each tile of rows has columns of its own.
  bool tilewise = false;

private:
  mlir::LogicalResult findSpace();
  mlir::LogicalResult schedule();
  unsigned unitOf(mlir::Operation *op);
  bool sameRun(unsigned first, unsigned last);
  void placeValues();
  mlir::Value slotFor(mlir::Type type, int64_t elements, unsigned first, unsigned last, bool inPlace,
                      int64_t &matrixBytes);
  mlir::LogicalResult plan(RowBlockUnit &unit);
  mlir::FailureOr<Access> accessOf(gpt::GenericOp op, mlir::AffineMap map, mlir::Value value);
  mlir::LogicalResult planContraction(RowBlockContraction &contraction);
  void findPieces();
};

/// A dimension as loops see it.
LoopDim loopDim(gpt::DimAttr dim);

} // namespace gptc
