// gptc-opt: runs passes on IR text, for tests and for looking at one stage.
#include "compiler/registry.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  gptc::registerPasses();
  mlir::DialectRegistry registry;
  gptc::registerDialects(registry);
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv, "gptc-opt: runs passes on the IR that `gptc dump` prints\n", registry));
}
