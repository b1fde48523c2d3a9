// What the passes of this folder read and change on @main.
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace gptc::grad {
/// @main with its single block; null, with an error, where there is none.
mlir::func::FuncOp findMain(mlir::ModuleOp module);
/// The result with this `gpt.output` name.
std::optional<unsigned> findOutput(mlir::func::FuncOp main, llvm::StringRef name);
/// The argument with this `gpt.input` name.
std::optional<unsigned> findInput(mlir::func::FuncOp main, llvm::StringRef name);
/// The results of @main become these, each with its attributes (null: none).
void setResults(mlir::func::FuncOp main, mlir::ValueRange values,
                llvm::ArrayRef<mlir::DictionaryAttr> attributes);
mlir::DictionaryAttr resultAttributes(mlir::func::FuncOp main, unsigned result);

constexpr llvm::StringLiteral inputAttr = "gpt.input", outputAttr = "gpt.output",
                              gradientAttr = "gpt.gradient", perExampleAttr = "gpt.per_example";
} // namespace gptc::grad
