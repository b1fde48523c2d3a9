#ifndef GPTC_IR_GPT_OPS
#define GPTC_IR_GPT_OPS

include "ir/gpt/GptDialect.td"
include "ir/gpt/GptAttrs.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

class GptOp<string mnemonic, list<Trait> traits = []> : Op<GptDialect, mnemonic, traits>;

//===-- Names: parameters and optimizer state --------------------------------===//

def VariableOp : GptOp<"variable", [Symbol]> {
  let summary = "a parameter or a piece of state that outlives the program";
  let description = [{
    ```
    gpt.variable parameter @blocks.attention.wq : tensor<4x128x4x32xf32, #d> copies 1
      path ["blocks", "*", "attention", "wq"]
    gpt.variable state @step : tensor<i32, #scalar> path ["step"]
    ```
    `copies` is the number of leading dimensions that count the copies of
    `repeat`; in a checkpoint copy 3 is called `blocks.3.attention.wq` (the
    position of the number is kept in `path`, one component an element, "*"
    for a number). The rank *as declared* is the type's rank less `copies`.

    `positions` is the dimension of a cache that new rows are put along (`gpt.store`).

    State may have dynamic dimensions: there is memory for their bounds, and it
    lies there as the extents of the program that set it say.

    Rules: V1 the type is ranked and carries `#gpt.dims`. V2 no dimension of a
    parameter is dynamic. V3 0 <= copies <= rank. V4 `path` has `copies` elements "*".
    V5 `positions` is a static dimension of a state, behind the copies.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<AnyRankedTensor>:$type,
                       UnitAttr:$parameter, DefaultValuedAttr<I64Attr, "0">:$copies,
                       StrArrayAttr:$path, OptionalAttr<I64Attr>:$positions);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }
    int64_t getDeclaredRank() { return getTensorType().getRank() - getCopies(); }
  }];
}

def GetOp : GptOp<"get", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a variable when the program starts";
  let description = [{
    G1: the variable exists. G2: the type is the variable's.
    Reads always see the value from before any `gpt.set` of the same program.
  }];
  let arguments = (ins FlatSymbolRefAttr:$variable);
  let results = (outs AnyRankedTensor:$value);
  let assemblyFormat = "$variable attr-dict `:` type($value)";
}

def SetOp : GptOp<"set", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a variable after the program";
  let description = [{S1: the variable exists. S2: the type is the variable's. S3: at most one `gpt.set` a variable and program.}];
  let arguments = (ins FlatSymbolRefAttr:$variable, AnyRankedTensor:$value);
  let assemblyFormat = "$variable `,` $value attr-dict `:` type($value)";
}

def StoreOp : GptOp<"store", [AttrSizedOperandSegments, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "what a state is from here on: rows of it, or all of it";
  let description = [{
    ```
    %keys = gpt.store @cache.key[%copy] rows %key at %slot dim 1 : tensor<2x1x4x32xf32, #b_s_h_e> to tensor<2x512x4x32xf32, ...>
    %sums = gpt.store @sum.mean[%copy], %sum after(%y : ...) : tensor<2x128xf32, #b_c> to tensor<2x128xf32, ...>
    ```
    With `dim` the value is new rows along this dimension: row i of stream b (the
    first dimension) is put at `at[b] + i`; what lies beyond the state's size is
    dropped. Without it the value is the whole slice. `copies` select the slice, one
    for each copy that the variable counts. The result is that slice as it is then, in the
    state's own memory: who reads it reads it after the store. A `gpt.get` of the
    state still sees the value from before; its readers must be among those that
    `after` names, for the memory is the same.

    Rules: T1 the variable exists and is state. T2 its type less its copies is the
    result's. T3 the value is the result's type, but with `dim` for that dimension, which
    is at most as large, and for dynamic extents of the size of the result's static
    dimensions. T4 `at` is i32 and has the first dimension of the value; there is one with
    `dim`, else none. T5 at most one `gpt.store` a variable and program, and no
    `gpt.set`.
  }];
  let arguments = (ins FlatSymbolRefAttr:$variable, Variadic<AnyRankedTensor>:$copies, AnyRankedTensor:$value,
                       Optional<AnyRankedTensor>:$at, Variadic<AnyRankedTensor>:$after, OptionalAttr<I64Attr>:$dim,
                       OptionalAttr<FlatSymbolRefAttr>:$kernel);
  let results = (outs AnyRankedTensor:$state);
  let assemblyFormat = [{
    $variable (`[` $copies^ `:` type($copies) `]`)? `,` $value (`at` $at^ `:` type($at) `dim` $dim)?
    (`after` `(` $after^ `:` type($after) `)`)? (`by` $kernel^)? attr-dict `:` type($value) `to` type($state)
  }];
}

//===-- Structured ops ---------------------------------------------------------===//

def ConstantOp : GptOp<"constant", [Pure, ConstantLike]> {
  let summary = "a constant tensor (weights given by hand, or a splat)";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$value attr-dict `:` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def GenericOp : GptOp<"generic", [Pure, AttrSizedOperandSegments, SingleBlock, IsolatedFromAbove]> {
  let summary = "for all parallel indices, a scalar expression, possibly reduced";
  let description = [{
    ```
    // h[t, j] = sum(c: x[t, c] * w[c, j])
    %h = gpt.generic sum [t=64, j=256 | c=128]
           inputs(%x[t, c] : type, %w[c, j] : type) -> (type) { ... gpt.yield }
    ```
    `dims` is the iteration space; the first `num_parallel` dimensions index the
    results in this order, the others are reduced by `reduction`. `maps` has one
    affine map for each index operand, then for each input, from the iteration
    space to that operand's indices. A map of an input may use symbols: `s k` is
    the element (an i32) that index operand k has at this point: that is a
    gather, `embed[token[t], c]` has the map `(t, c)[s0] -> (s0, c)`.

    **Outside an operand's extent lies 0** (false): `x[t - 1]` at t = 0 reads 0,
    so does a gather with an index outside of the table. A map expression that
    is a plain dimension of the same extent is never outside.

    The body gets the elements of index operands, then of inputs, as scalars. It
    holds `arith`, `math` and the scalar ops of this dialect, and yields one
    scalar a result. An empty sum is 0, an empty max the type's lowest value
    (-inf for floats).

    Rules: N1 one map an operand; the number of its dimensions is that of
    `dims`, of its results the operand's rank. N2 index operands are i32 and
    their maps use no symbol; symbols < number of index operands. N3 map
    results are sums of dimensions times integers, symbols and constants (no
    div, no mod). N4 result types have the shape and dims of the parallel
    dimensions. N5 with reduction: exactly one result and num_parallel <
    number of dims; without: num_parallel = number of dims. N6 body arguments
    and yielded scalars have the element types.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$indices, Variadic<AnyRankedTensor>:$inputs,
                       DimsAttr:$dims, I64Attr:$num_parallel, AffineMapArrayAttr:$maps,
                       OptionalAttr<ReductionKind>:$reduction);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
  let extraClassDeclaration = [{
    ::mlir::Block *getBlock() { return &getBody().front(); }
    YieldOp getYield();
    unsigned getNumDims() { return getDims().size(); }
    bool isReduction() { return static_cast<bool>(getReduction()); }
    /// The map of operand `i`, counted over index operands, then inputs.
    ::mlir::AffineMap getMap(unsigned i) { return ::llvm::cast<::mlir::AffineMapAttr>(getMaps()[i]).getValue(); }
    /// The map of input `i`.
    ::mlir::AffineMap getInputMap(unsigned i) { return getMap(getIndices().size() + i); }
    /// Body arguments that carry the inputs' elements.
    ::mlir::Block::BlockArgListType getInputArguments() { return getBlock()->getArguments().drop_front(getIndices().size()); }
    /// A sum of products of exactly two inputs, no gather, no shift: what the
    /// contraction lowering takes.
    bool isContraction();
  }];
  let builders = [
    // `body` gets the builder (inside the block) and the block's arguments and
    // returns the scalars to yield. Result types follow from dims and scalars.
    OpBuilder<(ins "DimsAttr":$dims, "int64_t":$numParallel,
                   "::std::optional<ReductionKind>":$reduction,
                   "::mlir::ValueRange":$indices, "::mlir::ValueRange":$inputs,
                   "::mlir::ArrayRef<::mlir::AffineMap>":$maps,
                   "::llvm::function_ref<::llvm::SmallVector<::mlir::Value>(::mlir::OpBuilder &, ::mlir::Location, ::mlir::ValueRange)>":$body)>
  ];
}

def ScatterOp : GptOp<"scatter", [Pure, AttrSizedOperandSegments, SingleBlock, IsolatedFromAbove]> {
  let summary = "add scalars at computed places: the vjp of a gather";
  let description = [{
    The result starts as zeros; for every point of the iteration space, in
    lexicographic order, the yielded scalar is added at `result_map` (which may
    use symbols as in `gpt.generic`). Places outside the result are dropped.
    The last map of `maps` is the result's.

    Rules: as N1 to N3 and N6 of `gpt.generic`; C1 exactly one scalar is
    yielded; C2 the result map has one result a dimension of the result.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$indices, Variadic<AnyRankedTensor>:$inputs,
                       DimsAttr:$dims, AffineMapArrayAttr:$maps);
  let results = (outs AnyRankedTensor:$result);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
  let extraClassDeclaration = [{
    ::mlir::Block *getBlock() { return &getBody().front(); }
    unsigned getNumDims() { return getDims().size(); }
    ::mlir::AffineMap getMap(unsigned i) { return ::llvm::cast<::mlir::AffineMapAttr>(getMaps()[i]).getValue(); }
    ::mlir::AffineMap getResultMap() { return getMap(getMaps().size() - 1); }
    ::mlir::Block::BlockArgListType getInputArguments() { return getBlock()->getArguments().drop_front(getIndices().size()); }
  }];
}

def ReshapeOp : GptOp<"reshape", [Pure]> {
  let summary = "other dimensions over the same elements in the same order";
  let description = [{
    Merges or splits neighbouring dimensions; never moves data. R1 the number of
    elements is kept. R2 a dynamic dimension is kept as it is, or is the first
    of a merged group and no result of a merge is dynamic but through it.
  }];
  let arguments = (ins AnyRankedTensor:$source);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `to` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def InsertOp : GptOp<"insert", [Pure]> {
  let summary = "a state with new rows, or with other elements: the kernel of a `gpt.store`";
  let description = [{
    As `gpt.store` says: row i of stream b of `value`, along `dim`, is put at
    `at[b] + i`; rows beyond the result's size are dropped. The other rows are those
    that the result's memory holds already, so that this op is only where `gpt.store` says
    which memory that is: alone in the kernel of one. Without `dim` all is new.
  }];
  let arguments = (ins AnyRankedTensor:$value, Optional<AnyRankedTensor>:$at, OptionalAttr<I64Attr>:$dim);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$value (`at` $at^ `:` type($at) `dim` $dim)? attr-dict `:` type($value) `to` type($result)";
}

def BatchMeanOp : GptOp<"batch_mean", [Pure, SameOperandsAndResultType]> {
  let summary = "a ratio of totals over the whole batch";
  let description = [{
    Written for one example: `total` is the example's sum, `count` how many
    terms it has. After `gpt-batch` it is (sum over b of total) / (sum over b of
    count), or 0 where nothing counts.
  }];
  let arguments = (ins AnyRankedTensor:$total, AnyRankedTensor:$count);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$total `over` $count attr-dict `:` type($result)";
}

def RepeatOp : GptOp<"repeat", [RecursiveMemoryEffects, AttrSizedOperandSegments, AttrSizedResultSegments,
                                SingleBlock]> {
  let summary = "n copies, one body";
  let description = [{
    Runs the body `count` times. Block arguments: the copy's number (a rank-0
    i32 tensor), the carried values, then for each `stacked` operand its slice
    for this copy (the first dimension dropped). Terminated by `gpt.yield` of the
    next carried values, then of values that the results `stacks` collect in a
    new first dimension. With `reverse` the copies run from count-1 down to 0
    (slices and collected places go by the copy's number all the same). The
    body may use values from outside.

    Rules: P1 block arguments and yields have the types of what they carry;
    P2 the first dimension of stacked operands and stacks is static and `count`.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inits, Variadic<AnyRankedTensor>:$stacked,
                       I64Attr:$count, UnitAttr:$reverse);
  let results = (outs Variadic<AnyRankedTensor>:$carried, Variadic<AnyRankedTensor>:$stacks);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::Block *getBlock() { return &getBody().front(); }
    ::mlir::BlockArgument getCopyArgument() { return getBlock()->getArgument(0); }
    ::mlir::Block::BlockArgListType getCarriedArguments() { return getBlock()->getArguments().slice(1, getInits().size()); }
    ::mlir::Block::BlockArgListType getSliceArguments() { return getBlock()->getArguments().drop_front(1 + getInits().size()); }
    YieldOp getYield();
    /// Values from outside that the body uses, in order of first use.
    ::llvm::SmallVector<::mlir::Value> getCaptures();
    /// The type of one slice of a stacked type (first dimension dropped).
    static ::mlir::RankedTensorType sliceType(::mlir::RankedTensorType stacked);
    /// The stacked type of `count` slices; the new dimension is called `name`.
    static ::mlir::RankedTensorType stackType(::mlir::RankedTensorType slice, int64_t count, ::llvm::StringRef name);
  }];
}

def KernelOp : GptOp<"kernel", [Pure, SingleBlock, IsolatedFromAbove]> {
  let summary = "ops that become one loop nest";
  let description = [{
    The unit of code generation: `gpt-form-kernels` puts every `gpt.generic`
    and `gpt.scatter` into one. The body's arguments are the inputs; values
    that are not yielded exist inside the loops only, never in memory as a whole
    (except in the kernel's scratch). Rules: K1 arguments and inputs, yields and
    results agree in type. K2 the body holds `gpt.generic`, `gpt.scatter` and
    `gpt.yield` only.

    A kernel **by rows** does all work on one row of its values, then on the next:
    with `gpt.rows = n` rows have the first n dimensions of the kernel, with
    `gpt.row_blocks = n` the kernel has n dimensions of rows and one of columns.
    Which dimensions of two ops are the same is said, never guessed from their
    sizes: each op has `gpt.axes`, for each dimension of its space the number of
    the kernel's dimension that it is, or -1 for one of its own.

    ```
    gpt.generic max [i=64 | j=64] inputs(%x[i, j] : ...) attributes {gpt.axes = array<i64: 0, -1>}
    ```
    Rules of axes: A1 each op of a kernel by rows has them, and so in the function
    that the kernel becomes. A2 there is one number a dimension, from -1 on, none
    but -1 twice. A3 dimensions with the same number have the same size and
    extent. A4 a value that one op computes and another reads is read on the axes
    that it was computed on: by plain dimensions with the same numbers. A5 an index
    that is its producer's own is read by none of the kernel's dimensions.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::Block *getBlock() { return &getBody().front(); }
    YieldOp getYield();
  }];
}

def LaunchOp : GptOp<"launch", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "run an outlined kernel";
  let description = [{
    `gpt-outline-kernels` turns each `gpt.kernel` into a private `func.func` with
    the attribute `gpt.kernel`, one function for all kernels of equal body, and a
    launch of it. L1 the function exists and has these types.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyRankedTensor>:$inputs);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = "$kernel `(` $inputs `)` attr-dict `:` functional-type($inputs, $results)";
}

def YieldOp : GptOp<"yield", [Pure, Terminator, ReturnLike]> {
  let summary = "ends the body of a structured op";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let builders = [OpBuilder<(ins), [{}]>];
}

//===-- Scalar ops, used in bodies -------------------------------------------===//

def IndexOp : GptOp<"index", [Pure]> {
  let summary = "the point's coordinate along one iteration dimension";
  let description = "I1: the dimension is one of the enclosing op's.";
  let arguments = (ins I64Attr:$dim);
  let results = (outs I32:$result);
  let assemblyFormat = "$dim attr-dict `:` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def ExtentOp : GptOp<"extent", [Pure]> {
  let summary = "the extent of one iteration dimension";
  let description = "E1: the dimension is one of the enclosing op's. The size, where it is static.";
  let arguments = (ins I64Attr:$dim);
  let results = (outs I32:$result);
  let assemblyFormat = "$dim attr-dict `:` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def RandomOp : GptOp<"random", [Pure]> {
  let summary = "a uniform number in [0, 1) that depends on its keys alone";
  let description = [{
    Counter-based: the result is a function of `site` (which use of randomness
    this is) and the i32 keys (seed, step, example, coordinates, copy), so it
    does not depend on threads or order and is recomputed rather than stored.
    The function is `ir/gpt/random.h`: 24 random bits times 2^-24, in any float
    type. Its derivative is zero.
  }];
  let arguments = (ins I32Attr:$site, Variadic<I32>:$keys);
  let results = (outs AnyFloat:$result);
  let assemblyFormat = "$site `(` $keys `)` attr-dict `:` type($result)";
}

def StopGradientOp : GptOp<"stop_gradient", [Pure, SameOperandsAndResultType]> {
  let summary = "the value, with derivative zero";
  let arguments = (ins AnyFloat:$value);
  let results = (outs AnyFloat:$result);
  let assemblyFormat = "$value attr-dict `:` type($result)";
}

#endif
