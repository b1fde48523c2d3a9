// A gpt.generic of the old program at the positions where it is needed.
#pragma once

#include "passes/grad/decode_states.h"

namespace gptc::grad {

class DecodeOps : public DecodeStates {
public:
  using DecodeStates::DecodeStates;

protected:
  /// One op of the new program: its space, operands and body, collected.
  struct Draft {
    llvm::SmallVector<mlir::Value> indices, inputs;
    llvm::SmallVector<mlir::AffineMap> indexMaps, inputMaps;
    llvm::SmallVector<unsigned> bases; ///< numbers of the index operands that were added
  };
  /// The number of the index operand `base`, read by `map`.
  unsigned baseNumber(Draft &draft, mlir::Value base, mlir::AffineMap map);
  void emitGeneric(gpt::GenericOp op, const Roles &roles);
  /// `drop`: the dimension that is no longer one of the new op's: for it stands the last new row (see
  /// emitRunning).
  llvm::SmallVector<mlir::Value> emitGeneric(gpt::GenericOp op, llvm::ArrayRef<Role> roles,
                                             const llvm::DenseMap<unsigned, Role> &space, int drop,
                                             int64_t dropOffset = 0);
  static bool readsNew(mlir::AffineExpr index, const llvm::DenseMap<unsigned, Role> &space);
  /// The body, or an index of what has not their extent, uses the number of a position of the history.
  bool usesHistoryNumbers(gpt::GenericOp op, const llvm::DenseMap<unsigned, Role> &space) const;
  /// The operand's dimension is read at the op's own rows.
  bool isPlainRead(gpt::GenericOp op, unsigned operand, unsigned p,
                   const llvm::DenseMap<unsigned, Role> &space) const;
  mlir::AffineMap localMap(mlir::AffineMap map, llvm::ArrayRef<unsigned> place, unsigned rank, bool batched,
                           int streams);
  /// The map of an operand, whose coordinates are absolute positions where they are not the op's own rows.
  mlir::AffineMap absoluteMap(gpt::GenericOp op, unsigned i, const Instance &operand, bool windowed,
                              const llvm::DenseMap<unsigned, Role> &space, llvm::ArrayRef<unsigned> place,
                              unsigned rank, mlir::AffineMap stream, int streams, Draft &draft);
  /// What an index operand is at each point, as maps of index operands know no symbols.
  mlir::Value bringHere(gpt::GenericOp op, unsigned i, const Instance &operand, bool windowed,
                        const llvm::DenseMap<unsigned, Role> &space, gpt::DimsAttr dims,
                        llvm::ArrayRef<unsigned> place, mlir::AffineMap stream);
};

} // namespace gptc::grad
