// Bodies of LLVM functions: what is left of other dialects becomes LLVM's.
#pragma once

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace gptc {

/// Pre-condition: an llvm.func whose body is made of scf, cf, arith, math,
/// vector, memref and LLVM ops. Ensures: LLVM ops only. Touches nothing outside of the
/// function, so that functions are converted in parallel.
std::unique_ptr<mlir::Pass> createLowerBodyPass();

/// Scalar math ops that have no instructions become calls into the C library,
/// declared in the module. The calls are LLVM's.
mlir::LogicalResult callMathLibrary(mlir::ModuleOp module);

} // namespace gptc
