// IR as text for people: source lines beside it, numbered files of it.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OperationSupport.h"

#include <optional>
#include <string>

namespace gptc {

struct PrintOptions {
  bool elideConstants = false; // large constants as `dense_resource<__elided__>`; not for reading back
  bool sourceLines = true;     // `// model.gpt:12: let h = ...` above what came from there
};

/// The module with its locations. gptc-opt reads it back (comments are
/// comments). Lines of the model are taken from the attribute `gpt.source`.
std::string printModule(mlir::ModuleOp module, const PrintOptions &options = {});

/// The line of the model that a location speaks of, `model.gpt:12: let h = ...`, or "".
std::string sourceLine(mlir::ModuleOp module, mlir::Location location);

/// Writes a file whole or not at all; the error names the path and the reason.
mlir::LogicalResult writeText(const std::string &path, llvm::StringRef text, std::string &error);

/// The files of `--dump-ir DIR`: `DIR/train/03-batch.gpt-batch.mlir`, numbered
/// by pass, written only where the pass changed something.
class DumpFiles {
public:
  /// Does nothing where `directory` is empty.
  DumpFiles(const std::string &directory, const char *program);
  void before(mlir::ModuleOp module);
  /// Whether the module differs from what `before` saw.
  bool changed(mlir::ModuleOp module) const;
  /// `pass` as in --pass-pipeline; "" for the module that the passes start from.
  void after(llvm::StringRef stage, const std::string &pass, mlir::ModuleOp module, bool changed);
  /// A stage that is no module: `asm.s`.
  void code(llvm::StringRef stage, llvm::StringRef suffix, llvm::StringRef text);

private:
  void write(const std::string &name, llvm::StringRef text);

  std::string directory;
  unsigned number = 0;
  std::optional<mlir::OperationFingerPrint> fingerprint;
};

} // namespace gptc
