// What a program that goes on from position to position computes, and what it keeps: decided here, written by
// derive_decode.cpp.
#pragma once

#include "ir/gpt/positions.h"

namespace gptc::grad {

/// At which positions a value is needed along a dimension over positions.
enum class Role : uint8_t {
  New,     ///< at those that are new in this run
  History, ///< at all so far, the new ones too
  Last,    ///< at each stream's last one
};
/// One a dimension over positions, in order.
using Roles = llvm::SmallVector<Role, 2>;

/// How the positions before the new ones are kept.
struct Cache {
  /// Rows that a value keeps from before the new ones; 0: all of them, up to the capacity.
  int64_t window = 0;
};

class DecodePlan {
public:
  /// `results` are needed at Last, or at New, by `last`. Fails, with an error at the op, where one looks
  /// ahead or cannot be kept. `capacity`: the most positions of a stream.
  static mlir::FailureOr<DecodePlan> make(mlir::func::FuncOp main, const gpt::Positions &positions, bool last,
                                          int64_t capacity);

  /// What is needed of the value, itself computed or not.
  llvm::ArrayRef<Roles> rolesOf(mlir::Value value) const;
  /// How its history is kept; null where it is computed again, or not needed.
  const Cache *cacheOf(mlir::Value value) const;
  /// The roles of an op's dimensions over positions, reduced ones too, where its results have the roles
  /// `result`.
  llvm::DenseMap<unsigned, Role> spaceRoles(gpt::GenericOp op, llvm::ArrayRef<Role> result) const;
  /// The roles at which the op of these roles reads its operand.
  Roles operandRoles(gpt::GenericOp op, unsigned operand, const llvm::DenseMap<unsigned, Role> &space) const;
  /// The reduction is a state that goes on, not a sum over the history.
  std::optional<gpt::RunningReduction> running(gpt::GenericOp op) const {
    return positions->runningReduction(op);
  }
  /// Positions only count: nothing of a bounded size is read at them, and no history but by whole rows, the
  /// last few or a running state. So a cache may hold the last positions only, each in the place of one that
  /// is gone.
  bool mayGoRound() const { return goesRound; }
  /// The value can be computed at Last; else the new rows hold it.
  static bool hasLast(mlir::Value value);

private:
  DecodePlan(mlir::func::FuncOp main, const gpt::Positions &positions) : main(main), positions(&positions) {}

  void need(mlir::Value value, Roles roles);
  void needOperands(gpt::GenericOp op, llvm::ArrayRef<Role> result);
  void needResults(bool last);
  mlir::LogicalResult chooseCaches();
  bool mayKeep(mlir::Value value) const;
  void noteNumbers(gpt::GenericOp op, unsigned operand, const llvm::DenseMap<unsigned, Role> &space);
  void noteRead(gpt::GenericOp op, unsigned operand, const llvm::DenseMap<unsigned, Role> &space);

  mlir::func::FuncOp main;
  const gpt::Positions *positions;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<Roles, 2>> needed;
  llvm::MapVector<mlir::Value, Cache> caches;
  /// The furthest that a value is read before the new positions; -1: anywhere.
  llvm::DenseMap<mlir::Value, int64_t> reach;
  llvm::DenseSet<mlir::Value> shifted; ///< read at other positions than an op's own
  bool goesRound = true;
  bool chosen = false; ///< `caches` is final; before, every history that is needed counts as one
};

/// What generating takes for granted: every position so far is valid. Comparisons with the stream's length
/// become true.
void forgetLengths(mlir::func::FuncOp main, llvm::ArrayRef<mlir::BlockArgument> lengths);

} // namespace gptc::grad
