// What goes from run to run: caches, windows and running reductions, as variables and as what the program
// does with them.
#pragma once

#include "passes/grad/decode_values.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

namespace gptc::grad {

/// A state; a repeat's copies have a slice each.
struct State {
  gpt::VariableOp variable;
  mlir::Operation *home = nullptr; ///< the old op around the value: @main or the innermost repeat
  mlir::Value current;             ///< the whole of it, or its slice where ops are written now
};

class DecodeStates : public DecodeValues {
public:
  using DecodeValues::DecodeValues;

protected:
  static llvm::StringRef nameOf(mlir::Location loc);
  /// The value's name in the model, or that of what is made of it, each once.
  std::string nameFor(llvm::StringRef kind, mlir::Value value);
  /// `size`: of the dimension over positions; 0: there is none.
  State declare(llvm::StringRef kind, mlir::Value value, int64_t size, int64_t drop = -1);
  /// All states, in the order of the old program; slices of them go into repeats.
  void declareStates(mlir::Block &block);
  void read(State &state);
  mlir::RankedTensorType sliceOf(State &state);
  mlir::Value store(State &state, mlir::Value value, mlir::Value at, mlir::ValueRange after,
                    std::optional<int64_t> dim);
  /// Where the value has a history that is kept: it becomes part of it.
  void keep(mlir::Value old);
  /// The rows from before the new ones and these behind them: the result has `window` rows more.
  mlir::Value keepWindow(State &state, mlir::Value now, unsigned place, int64_t window);
  /// The state of a running reduction joined with `now`, whose dimension `row` the state has not (-1: it has
  /// all).
  mlir::Value joinBefore(gpt::GenericOp op, State &state, mlir::Value now, int row);

  llvm::MapVector<mlir::Value, State> states;
  llvm::MapVector<mlir::Operation *, State> sums; ///< of running reductions
  llvm::DenseMap<mlir::Value, Instance> windows;  ///< rows before the new ones, and these
  llvm::StringSet<> taken;
  llvm::SmallVector<mlir::Value> copies; ///< numbers of the copies around, outermost first
};

} // namespace gptc::grad
