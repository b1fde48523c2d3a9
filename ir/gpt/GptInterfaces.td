#ifndef GPTC_IR_GPT_INTERFACES
#define GPTC_IR_GPT_INTERFACES

include "mlir/IR/OpBase.td"

def VjpOpInterface : OpInterface<"VjpOpInterface"> {
  let cppNamespace = "::gptc::gpt";
  let description = [{
    An op on tensors that can turn cotangents of its results into cotangents of
    its operands (the vector-Jacobian product). Implemented by external models
    in `passes/autodiff`, so that `ir/` stays free of derivative code.
  }];
  let methods = [
    InterfaceMethod<
      "Builds the vjp at the builder's place. `cotangents` has one entry a "
      "result, null where the result does not reach the objective. Each "
      "contribution to a floating-point operand, or to a value that the op's "
      "region captures, is reported through `accumulate(value, cotangent)`, "
      "in a fixed order.",
      "::mlir::LogicalResult", "buildVjp",
      (ins "::mlir::OpBuilder &":$builder,
           "::mlir::ArrayRef<::mlir::Value>":$cotangents,
           "::llvm::function_ref<void(::mlir::Value, ::mlir::Value)>":$accumulate)>
  ];
}

def ScalarVjpOpInterface : OpInterface<"ScalarVjpOpInterface"> {
  let cppNamespace = "::gptc::gpt";
  let description = [{
    A scalar op in the body of a structured op, with its local derivative.
  }];
  let methods = [
    InterfaceMethod<
      "Given the cotangent of the (single) result, returns one cotangent an "
      "operand; null means zero.",
      "::llvm::SmallVector<::mlir::Value>", "buildScalarVjp",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Value":$cotangent)>
  ];
}

#endif
