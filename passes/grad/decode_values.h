// Values of a program that goes on from position to position: by those of the old program and their roles.
#pragma once

#include "passes/grad/decode_plan.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"

namespace gptc::grad {

constexpr llvm::StringLiteral newExtent = "positions.new", historyExtent = "positions.history";

/// A value of the old program at some roles, in the new one.
struct Instance {
  mlir::Value value;
  bool batched = false; ///< it has the streams' dimension in front, which the old value has not
};

class DecodeValues {
public:
  DecodeValues(mlir::func::FuncOp main, const gpt::Positions &positions, const DecodePlan &plan,
               gpt::DimAttr batch, int64_t rows, int64_t capacity)
      : main(main), positions(positions), plan(plan), batch(batch), rows(rows), capacity(capacity),
        b(main.getContext()) {}

protected:
  gpt::DimAttr dimAt(gpt::DimAttr dim, Role role) const;
  llvm::SmallVector<gpt::DimAttr> dimsAt(gpt::DimsAttr dims, llvm::ArrayRef<Role> roles, bool batched) const;
  mlir::RankedTensorType typeOf(mlir::Type type, llvm::ArrayRef<Role> roles, bool batched) const;
  mlir::RankedTensorType streamType() { return gpt::tensorType(b.getContext(), {batch}, b.getI32Type()); }
  /// Where the dims have the streams; -1: nowhere.
  int streamsOf(gpt::DimsAttr dims) const;
  void bind(mlir::Value old, llvm::ArrayRef<Role> roles, Instance instance);
  const Instance *find(mlir::Value old, llvm::ArrayRef<Role> roles) const;
  Instance lookup(mlir::Value old, Roles roles);
  /// x + y + number, for each stream.
  mlir::Value adds(mlir::Value x, mlir::Value y, int64_t number);
  /// The rows of each stream's last new position.
  mlir::Value takeLast(const Instance &from, gpt::DimsAttr old, llvm::ArrayRef<Role> roles);
  /// Two terms of a reduction.
  static mlir::Value join(mlir::OpBuilder &body, mlir::Location loc, gpt::ReductionKind kind, mlir::Value x,
                          mlir::Value y);
  mlir::Value broadcast(mlir::Value value, llvm::ArrayRef<gpt::DimAttr> dims);
  /// The first absolute position of rows at this role, one a stream; null: coordinates are absolute.
  mlir::Value baseOf(Role role) const {
    return role == Role::New ? past : role == Role::Last ? last : mlir::Value();
  }

  mlir::func::FuncOp main;
  const gpt::Positions &positions;
  const DecodePlan &plan;
  gpt::DimAttr batch;
  int64_t rows, capacity;
  mlir::OpBuilder b;
  mlir::Value past, count, last,
      lastNew; ///< i32, one a stream; count and lastNew are null where each run has one row
  /// Where rows go in caches. Where these go round, `slotPositions` says which position each place of a cache
  /// has, by stream and place; else places are positions.
  mlir::Value slot, slotPositions;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<std::pair<Roles, Instance>, 2>> instances; ///< by old values
};

} // namespace gptc::grad
