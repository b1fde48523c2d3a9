#ifndef GPTC_IR_RT_OPS
#define GPTC_IR_RT_OPS

include "mlir/IR/OpBase.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def RtDialect : Dialect {
  let name = "rt";
  let summary = "what generated code asks of its runtime";
  let description = [{
    Places, extents, launches and random numbers: the seam between loops that we
    generate and the program beside them (`runtime/abi.h`). All memory is seen as
    one-dimensional memrefs of static size with identity layout; indices are
    computed by the code that uses them.
  }];
  let cppNamespace = "::gptc::rt";
}

class RtOp<string mnemonic, list<Trait> traits = []> : Op<RtDialect, mnemonic, traits>;
def FlatMemRef : MemRefRankOf<[AnyType], [1]>;

def ArenaOp : RtOp<"arena", [Pure]> {
  let summary = "a view of the arena, at a byte offset";
  let arguments = (ins Index:$offset);
  let results = (outs FlatMemRef:$view);
  let assemblyFormat = "$offset attr-dict `:` type($view)";
}

def VariableOp : RtOp<"variable", [Pure]> {
  let summary = "a view of a parameter or state, at a byte offset";
  let arguments = (ins FlatSymbolRefAttr:$variable, Index:$offset);
  let results = (outs FlatMemRef:$view);
  let assemblyFormat = "$variable `+` $offset attr-dict `:` type($view)";
}

def InputOp : RtOp<"input", [Pure]> {
  let summary = "the memory of a program's input";
  let description = "`position` counts the program's arguments (`rt.inputs` of the function).";
  let arguments = (ins I64Attr:$position);
  let results = (outs FlatMemRef:$view);
  let assemblyFormat = "$position attr-dict `:` type($view)";
}

def ConstantOp : RtOp<"constant", [Pure]> {
  let summary = "read-only data that comes with the program";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs FlatMemRef:$view);
  let assemblyFormat = "$value attr-dict `:` type($view)";
}

def ExtentOp : RtOp<"extent", [Pure]> {
  let summary = "a dimension's extent in this run";
  let description = "`name` is one of the module's `gpt.extents`. Legal in programs and in kernels.";
  let arguments = (ins StrAttr:$name);
  let results = (outs Index:$extent);
  let assemblyFormat = "$name attr-dict";
}

def WorkspaceOp : RtOp<"workspace", [Pure]> {
  let summary = "memory that all pieces of a launch share";
  let description = [{
    In kernels with the attribute `rt.workspace`, that many bytes, aligned to 64.
    What it holds is lost between launches.
  }];
  let results = (outs FlatMemRef:$view);
  let assemblyFormat = "attr-dict `:` type($view)";
}

def LaunchOp : RtOp<"launch", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "run every piece of a kernel, on as many threads as there are";
  let description = [{
    The kernel is a `func.func` with the attribute `rt.pieces`, an affine map
    from the extents (symbols, in the order of the module's `gpt.extents`) to
    the number of pieces, and `rt.scratch`, the bytes of scratch that one
    thread needs. With `rt.first`, another such map, that many of the pieces
    are done before any other begins. Its arguments are the piece (index), the scratch
    (memref<?xi8>), then what is given here. Pieces are a constant of model and
    CPU: who runs a piece, and when, changes no bit. Returns when all are done.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyTypeOf<[FlatMemRef, Index]>>:$arguments);
  let assemblyFormat = "$kernel `(` $arguments `)` attr-dict `:` type($arguments)";
}

def RandomOp : RtOp<"random", [Pure]> {
  let summary = "uniform numbers in [0, 1), by counter";
  let description = "As `gpt.random`, on scalars or vectors; expanded inline by `rt-expand-random`.";
  let arguments = (ins I32Attr:$site, Variadic<AnyTypeOf<[I32, VectorOfAnyRankOf<[I32]>]>>:$keys);
  let results = (outs AnyTypeOf<[AnyFloat, VectorOfAnyRankOf<[AnyFloat]>]>:$result);
  let assemblyFormat = "$site `(` $keys `)` attr-dict `:` functional-type($keys, $result)";
}

#endif
