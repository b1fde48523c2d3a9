// Which memory each launch writes to: decided before anything has an offset.
#pragma once

#include "ir/gpt/layout.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace gptc::fuse {

/// Where a launch's result goes, if not to a buffer of its own.
struct Destination {
  enum Kind {
    Variable, ///< a variable's memory
    Initial,  ///< what carried value `position` of `repeat` is in the first copy
    Carried,  ///< what it is in the next copy
    Stack,    ///< this copy's slice of stack `position` of `repeat`
    Operand,  ///< the memory of `operand`, which nothing needs after the launch
  } kind;
  mlir::FlatSymbolRefAttr variable;
  gpt::RepeatOp repeat;
  unsigned position = 0;
  mlir::Value operand;
};

/// The memory of what one repeat carries and collects.
struct RepeatPlan {
  enum Scheme {
    Unchanged, ///< the body hands the value on: it is its initial value
    InPlace,   ///< one slot; each element is read before it is written
    Turns,     ///< two slots, read and written in turn
    Collected, ///< a slot a copy and one more: a stack collects the value anyway
  };
  llvm::SmallVector<Scheme> carried;

  /// A stack that is part of a carried value's memory.
  struct Shared {
    int carried = -1; ///< -1: memory of its own
    bool next = false; ///< it collects the values that the copies yield, not what they get
  };
  llvm::SmallVector<Shared> stacks;
};

struct Destinations {
  llvm::DenseMap<mlir::Value, Destination> results; ///< of launches
  llvm::DenseMap<mlir::Operation *, RepeatPlan> repeats;
};

/// Bytes that a tensor takes; Bool is one byte an element.
int64_t bytesOf(mlir::Type tensor, const gpt::Limits &limits);

/// Decides all destinations in `main`. After it every set, every yielded and
/// every initial value that is not handed on has a launch of its own that writes
/// where it must be: launches of copy kernels, which are added to the module
/// (as are kernels that fill large constants), do so where no other launch can.
/// Results of `main` lie in the arena; sets stand at its end.
Destinations planDestinations(mlir::ModuleOp module, mlir::func::FuncOp main);

/// The value whose memory this one is: looks through reshapes and what repeats
/// hand on unchanged.
mlir::Value storageOf(mlir::Value value);

} // namespace gptc::fuse
