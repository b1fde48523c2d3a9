// The dialects and passes that a tool of ours can read: one list for all tools.
#pragma once

#include "mlir/IR/DialectRegistry.h"

namespace gptc {

/// Our dialects, the upstream ones that a stage uses, their translations to
/// LLVM IR, and the interfaces that passes attach from outside.
void registerDialects(mlir::DialectRegistry &registry);

/// The passes of passes/Passes.td and the upstream ones named in stages.cpp.
void registerPasses();

} // namespace gptc
