#ifndef GPTC_IR_GPT_DIALECT
#define GPTC_IR_GPT_DIALECT

include "mlir/IR/OpBase.td"

def GptDialect : Dialect {
  let name = "gpt";
  let summary = "the model graph: value semantics, few structured ops";
  let description = [{
    A model, its gradients and its optimizer as a graph on tensors. Nearly all
    arithmetic is one op, `gpt.generic`: an iteration space of named dimensions,
    an index map for each operand, and a body on scalars. What a pass asks, "how
    does this value depend on index t?", is read off the maps.

    Every tensor type carries its dimensions as encoding,
    `tensor<12x64xf32, #gpt.dims<b upto 12, t=64>>`. The shape is what is stored;
    a dimension written with `upto` has an extent that is known only when the
    program runs, and at most the bound. What lies beyond the extent is
    undefined and never read.
  }];
  let cppNamespace = "::gptc::gpt";
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

#endif
