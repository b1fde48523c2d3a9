// Text form of single dims, shared by attributes and ops.
#pragma once

#include "ir/gpt/gpt.h"

namespace gptc::gpt {
/// `c=128`, `b upto 12` or `s upto 64 of t`.
mlir::ParseResult parseDim(mlir::AsmParser &parser, DimAttr &dim);
void printDim(mlir::AsmPrinter &printer, DimAttr dim);
} // namespace gptc::gpt
