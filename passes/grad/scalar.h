// Scalar arithmetic in the bodies of structured ops.
#pragma once

#include "ir/gpt/gpt.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"

namespace gptc::grad {
/// Builds scalars at one place; what folds is not built.
struct Scalars {
  mlir::OpBuilder &builder;
  mlir::Location loc;
  using Value = mlir::Value;

  Value constant(mlir::Type type, double value) {
    return mlir::arith::ConstantOp::create(builder, loc, builder.getFloatAttr(type, value));
  }
  Value constantLike(Value like, double value) { return constant(like.getType(), value); }
  Value add(Value a, Value b) { return builder.createOrFold<mlir::arith::AddFOp>(loc, a, b); }
  Value sub(Value a, Value b) { return builder.createOrFold<mlir::arith::SubFOp>(loc, a, b); }
  Value mul(Value a, Value b) { return builder.createOrFold<mlir::arith::MulFOp>(loc, a, b); }
  Value mul(Value a, double b) { return mul(a, constantLike(a, b)); }
  Value div(Value a, Value b) { return builder.createOrFold<mlir::arith::DivFOp>(loc, a, b); }
  Value neg(Value a) { return builder.createOrFold<mlir::arith::NegFOp>(loc, a); }
  Value compare(mlir::arith::CmpFPredicate how, Value a, Value b) {
    return builder.createOrFold<mlir::arith::CmpFOp>(loc, how, a, b);
  }
  Value select(Value condition, Value a, Value b) {
    return builder.createOrFold<mlir::arith::SelectOp>(loc, condition, a, b);
  }
  Value both(Value a, Value b) { return builder.createOrFold<mlir::arith::AndIOp>(loc, a, b); }
  Value negate(Value a) {
    Value yes = mlir::arith::ConstantOp::create(builder, loc, builder.getBoolAttr(true));
    return builder.createOrFold<mlir::arith::XOrIOp>(loc, a, yes);
  }
  template <typename Op> Value unary(Value a) { return Op::create(builder, loc, a).getResult(); }
  /// `a` in another float type.
  Value cast(Value a, mlir::Type type) {
    unsigned from = a.getType().getIntOrFloatBitWidth(), to = type.getIntOrFloatBitWidth();
    if (a.getType() == type)
      return a;
    if (from < to)
      return mlir::arith::ExtFOp::create(builder, loc, type, a);
    return mlir::arith::TruncFOp::create(builder, loc, type, a);
  }
};

/// The value of a constant scalar, if it is one.
inline std::optional<double> constantValue(mlir::Value value) {
  mlir::FloatAttr attr;
  if (mlir::matchPattern(value, mlir::m_Constant(&attr)))
    return attr.getValueAsDouble();
  return std::nullopt;
}
} // namespace gptc::grad
