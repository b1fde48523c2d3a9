// Lengths in generated code: extents are read once, at the top of the function.
#pragma once

#include "ir/gpt/layout.h"

#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace gptc {

/// Values of extents and of their products.
class Extents {
public:
  explicit Extents(mlir::Block *entry) : entry(entry) {}
  /// The extent `name` as an index.
  mlir::Value get(mlir::StringAttr name, mlir::Location loc);
  /// The length as an index.
  mlir::Value value(mlir::ImplicitLocOpBuilder &b, const gpt::Length &length) { return times(b, {}, length); }
  /// value * length; the length where `value` is null.
  mlir::Value times(mlir::ImplicitLocOpBuilder &b, mlir::Value value, const gpt::Length &length);

private:
  mlir::Value product(mlir::ImplicitLocOpBuilder &b, llvm::ArrayRef<gpt::Length::Extent> extents);

  mlir::Block *entry;
  llvm::SmallVector<std::pair<mlir::StringAttr, mlir::Value>> values;
  llvm::SmallVector<std::pair<gpt::Length::Term, mlir::Value>> products; ///< of factor 1
};

/// The length over the symbols that stand for the extents `names`.
mlir::AffineExpr affineOf(mlir::MLIRContext *context, const gpt::Length &length,
                          llvm::ArrayRef<mlir::StringAttr> names);

} // namespace gptc
