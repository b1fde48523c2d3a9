// gptc-opt: runs passes on IR text, for tests and for looking at one stage.
#include "compiler/registry.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"

/// The libraries that we link register options of their own: those of other targets' code generators
/// and of tools that we are not. They still work, but --help shows ours and MLIR's.
static void hideForeignOptions() {
  static constexpr llvm::StringRef ours[] = {"gpt-", "rt-", "mlir-", "pass-pipeline", "split-input-file",
                                             "verify-", "help", "version", "o", "canonicalize", "cse",
                                             "show-dialects", "list-passes", "allow-unregistered-dialect",
                                             "no-implicit-module", "emit-bytecode", "debug", "dump-pass-pipeline",
                                             "inline", "symbol-dce", "color"};
  for (auto &[name, option] : llvm::cl::getRegisteredOptions()) {
    bool known = llvm::any_of(ours, [&, name = name](llvm::StringRef one) {
      return one.ends_with("-") ? name.starts_with(one) : name == one;
    });
    if (!known)
      option->setHiddenFlag(llvm::cl::ReallyHidden);
  }
}

int main(int argc, char **argv) {
  gptc::registerPasses();
  mlir::DialectRegistry registry;
  gptc::registerDialects(registry);
  hideForeignOptions();
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv, "gptc-opt: runs passes on the IR that `gptc dump` prints\n", registry));
}
