// Gradients of a program against central differences, in f64, both run by the
// reference interpreter.
#pragma once

#include "ir/gpt/interpreter.h"

#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/Pass.h"
#include <functional>

namespace gptc::test {
/// Parses `text`; a test failure and null where it is wrong.
mlir::OwningOpRef<mlir::ModuleOp> parse(mlir::MLIRContext &context, const std::string &text);
/// Runs the passes, the IR is verified after each; false where one fails.
bool runPasses(mlir::ModuleOp module, std::vector<std::function<std::unique_ptr<mlir::Pass>()>> passes);
/// A context with the dialects of programs.
mlir::MLIRContext &testContext();

struct GradientCase {
  /// Parameters are drawn evenly from [low, high], the same for each run.
  double low = -1, high = 1;
  std::vector<gpt::Tensor> inputs;
  std::map<std::string, int64_t> extents;
  /// Values of some variables; others are drawn.
  std::map<std::string, gpt::Tensor> variables;
};

/// `text` is a program with a loss, all floats f64. Compares each parameter's
/// gradient with central differences (h = 1e-5): the norm of what differs is
/// less than 1e-6 of the norm. Results from before are the same afterwards.
/// Returns the module after gpt-autodiff.
mlir::OwningOpRef<mlir::ModuleOp> checkGradients(const std::string &text, const GradientCase &options = {});

/// The program of `@main` that declares `parameters` ("x: i=3, j=4"; rank 0:
/// "s:") as %x, runs `body` and has as loss the sum of `%y : dims` times fixed
/// weights, which differ at each place.
std::string program(std::vector<std::string> parameters, const std::string &body, const std::string &dims);
/// `tensor<3x4xf64, #gpt.dims<i=3, j=4>>` for "i=3, j=4".
std::string type(const std::string &dims, const std::string &element = "f64");
/// `%name = gpt.generic SPACE indices(...) inputs(...) -> (type(dims)) { BODY }`.
/// An operand is written "x[i, j] : i=3, j=4"; the body gets the elements of
/// indices as %p, %q and of inputs as %a, %b, ... and computes %r : f64.
std::string generic(const std::string &name, const std::string &space, std::vector<std::string> inputs,
                    const std::string &dims, const std::string &body, std::vector<std::string> indices = {});
} // namespace gptc::test
