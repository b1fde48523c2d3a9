// A program in parts that are compiled apart from each other.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/SmallVector.h"

namespace gptc {

/// Moves the functions of a module of the LLVM dialect into at most `count`
/// modules of about equal size, the largest functions first. Functions become
/// visible to each other; each part has its own copy of the constants that it
/// uses, declarations of what is elsewhere, and the module's attributes.
llvm::SmallVector<mlir::OwningOpRef<mlir::ModuleOp>> split(mlir::ModuleOp module, unsigned count);

} // namespace gptc
