// Kernels that the placement itself needs: copies and fills.
#pragma once

#include "ir/gpt/gpt.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"

namespace gptc::fuse {

class CopyKernels {
public:
  explicit CopyKernels(mlir::ModuleOp module) : symbols(module) {}

  /// A launch that copies `value`; returns its result.
  mlir::Value copy(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value);
  /// A launch that yields a tensor of one value.
  mlir::Value fill(mlir::OpBuilder &builder, mlir::Location loc, mlir::RankedTensorType type, mlir::TypedAttr element);
  mlir::func::FuncOp lookup(llvm::StringRef name) { return symbols.lookup<mlir::func::FuncOp>(name); }

private:
  mlir::func::FuncOp makeKernel(mlir::Location loc, llvm::StringRef name, mlir::RankedTensorType type,
                                mlir::TypedAttr element);

  mlir::SymbolTable symbols;
  llvm::DenseMap<mlir::Type, mlir::func::FuncOp> copies;
  llvm::DenseMap<std::pair<mlir::Type, mlir::Attribute>, mlir::func::FuncOp> fills;
};

} // namespace gptc::fuse
