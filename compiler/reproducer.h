// What an internal failure leaves behind: a file and the command that runs it.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

#include <string>

namespace gptc {

/// Runs `manager` on `module`. Where a pass fails, leaves invalid IR or
/// crashes, the IR from before is written to `gptc-failure-PID.mlir` (current
/// directory, or the temporary one) and the gptc-opt command that fails the
/// same way is printed on standard error, after what the pass said.
mlir::LogicalResult runWithReproducer(mlir::ModuleOp module, mlir::PassManager &manager,
                                      const std::string &pipeline);

} // namespace gptc
