// Derivatives of our ops as external models of the interfaces in
// ir/gpt/GptInterfaces.td, so that ir/ stays free of derivative code.
#pragma once

#include "mlir/IR/DialectRegistry.h"

namespace gptc::grad {
/// Derivatives of arith, math and gpt scalar ops and of gpt's structured ops.
/// The registry must be the context's before these dialects are loaded, or be
/// appended to it.
void registerVjpModels(mlir::DialectRegistry &registry);

/// Its parts: scalar_vjp.cpp, structured_vjp.cpp, repeat_vjp.cpp.
void registerScalarVjps(mlir::DialectRegistry &registry);
void registerStructuredVjps(mlir::DialectRegistry &registry);
void registerRepeatVjp(mlir::DialectRegistry &registry);
} // namespace gptc::grad
