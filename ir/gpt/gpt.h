// The gpt dialect: see GptDialect.td and GptOps.td for what each op means.
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "ir/gpt/GptDialect.h.inc"
#include "ir/gpt/GptEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "ir/gpt/GptAttrs.h.inc"

#include "ir/gpt/GptInterfaces.h.inc"

namespace gptc::gpt {
class YieldOp;
}

#define GET_OP_CLASSES
#include "ir/gpt/GptOps.h.inc"

namespace gptc::gpt {
/// The dimensions that a tensor's type carries; null for a type without them.
DimsAttr dimsOf(mlir::Type type);
inline DimsAttr dimsOf(mlir::Value value) {
  return dimsOf(value.getType());
}
/// A tensor type of these dimensions.
mlir::RankedTensorType tensorType(DimsAttr dims, mlir::Type element);
mlir::RankedTensorType tensorType(mlir::MLIRContext *context, llvm::ArrayRef<DimAttr> dims,
                                  mlir::Type element);
} // namespace gptc::gpt
