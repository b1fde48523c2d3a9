// What an internal failure leaves behind: a file and the command that runs it.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"

#include <string>

namespace gptc {

/// Runs passes and remembers what the module was before. Where a pass fails,
/// leaves invalid IR or crashes, that IR is written to `gptc-failure-PID.mlir`
/// (current directory, or the temporary one) and the gptc-opt command that fails
/// the same way is printed on standard error, after what the pass said.
class Reproducer {
public:
  /// What fails from here on is to be reproduced from this module.
  void begin(mlir::ModuleOp module);
  /// `pass`: the text of what `manager` runs.
  mlir::LogicalResult run(mlir::ModuleOp module, mlir::PassManager &manager, const std::string &pass);

  /// Writes the file and says the command.
  void write() const;
  llvm::StringRef pass() const { return running; }

private:
  mlir::OwningOpRef<mlir::ModuleOp> before;
  std::string pipeline, running; // all passes since `begin`, and the last
};

} // namespace gptc
