// Scalar ops of bodies, for the reference interpreter.
#pragma once

#include "mlir/IR/Operation.h"
#include "llvm/Support/Error.h"

namespace gptc::gpt {

/// A number of some MLIR type: floats use `real`, others `whole`
/// (sign-extended; i1 is 0 or 1).
struct Scalar {
  double real = 0;
  int64_t whole = 0;
};

/// `value`, as a tensor holds it, in the given type, and back.
Scalar toScalar(double value, mlir::Type type);
double toDouble(Scalar value, mlir::Type type);
/// Wraps integers to their width; rounds floats where asked.
Scalar normalize(Scalar value, mlir::Type type, bool roundFloats);

/// The result of a pure op of arith or math with one result, not yet
/// normalized. An error for unknown ops and for undefined results that trap.
llvm::Expected<Scalar> evaluateScalar(mlir::Operation &op, llvm::ArrayRef<Scalar> operands);

/// An error that names the op and where it is.
llvm::Error errorAt(mlir::Operation &op, const llvm::Twine &message);

} // namespace gptc::gpt
