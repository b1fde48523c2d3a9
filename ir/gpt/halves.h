// A training step in two halves: what the loss is computed from, and the way back.
#pragma once

#include "ir/gpt/gpt.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"

namespace gptc::gpt {
/// Values of @main's block; what bodies compute belongs to the repeat that holds them. A launch or a repeat may have
/// results in both halves.
struct Halves {
  /// What the result `loss` is computed from, and what is handed out beside it of that: what a repeat collects.
  llvm::DenseSet<mlir::Value> forward;
  llvm::DenseSet<mlir::Value> backward; ///< what else gradients and new values of variables are computed from
  mlir::Block *block = nullptr;

  /// Whether `op`, or the one of @main's block that holds it, computes something of that half (or sets a variable).
  bool isForward(mlir::Operation *op) const;
  bool isBackward(mlir::Operation *op) const;
  /// Values of the forward half that the backward half reads, in the order of the program. They are kept in between.
  llvm::SmallVector<mlir::Value> kept() const;
};

/// Both halves are empty where the program has no loss or nothing that follows from it.
Halves halvesOf(mlir::func::FuncOp main);

/// A variable, a constant, an input, or a reshape of one: in memory anyway.
bool isStored(mlir::Value value);
} // namespace gptc::gpt
