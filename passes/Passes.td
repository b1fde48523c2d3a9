// The only list of our passes; declarations, registration and docs/passes.md
// are generated from it. Order here is the order of the pipeline.
#ifndef GPTC_PASSES
#define GPTC_PASSES

include "mlir/Pass/PassBase.td"
include "passes/GradPasses.td"

def BlockTokensPass : Pass<"gpt-block-tokens", "::mlir::ModuleOp"> {
  let summary = "logits over a vocabulary, and all that becomes of them, in blocks of tokens";
  let description = [{
    Pre-condition: no kernels yet. A product of rows and weights that has more
    than `bytes` and at least eight columns for each term of its sums is computed, used and
    forgotten one block of rows after the other, if nothing needs it whole: its
    ops, and all between it and the last that reads a matrix of its shape, stand in a
    `gpt.repeat` over blocks. What a row gives (its loss, the cotangent of what it was
    made from) is collected, sums over rows (the gradient of the weights) are
    carried; a sum of all rows' losses is made of each row's afterwards.
    Nothing is computed twice. Blocks are as large as `bytes` allows, but have 64 rows at
    least. Only static dimensions are cut. Sums over rows are added in another
    order than before.

    Before, with `bytes=65536`:
    ```
    %y = gpt.generic sum [t=128, w=256 | c=4] inputs(%x[t, c] : ..., %w[w, c] : ...) -> (...) {...}
    %m = gpt.generic max [t=128 | w=256] inputs(%y[t, w] : ...) -> (tensor<128xf32, #t>) {...}
    %d = gpt.generic sum [w=256, c=4 | t=128] inputs(%y[t, w] : ..., %x[t, c] : ...) -> (...) {...}
    ```
    After:
    ```
    %xs = gpt.reshape %x : tensor<128x4xf32, #t_c> to tensor<2x64x4xf32, #t_piece_t_in_c>
    %d, %ms = gpt.repeat 2 carried(%zeros : ...) stacked(%xs : ...) -> (...) stacks (...) {
    ^bb0(%i: ..., %sum: ..., %x: ...):
      %y = gpt.generic sum [t_in=64, w=256 | c=4] inputs(%x[t_in, c] : ..., %w[w, c] : ...) -> (...) {...}
      %m = gpt.generic max [t_in=64 | w=256] inputs(%y[t_in, w] : ...) -> (...) {...}
      %p = gpt.generic sum [w=256, c=4 | t_in=64] inputs(%y[t_in, w] : ..., %x[t_in, c] : ...) -> (...) {...}
      %s = gpt.generic [w=256, c=4] inputs(%sum[w, c] : ..., %p[w, c] : ...) -> (...) {addf}
      gpt.yield %s, %m : ...
    }
    %m = gpt.reshape %ms : ...
    ```
  }];
  let options = [Option<"bytes", "bytes", "int64_t", "33554432", "the most that a block of the product takes">];
}
def SplitReductionsPass : Pass<"gpt-split-reductions", "::mlir::ModuleOp"> {
  let summary = "cuts long reductions to few results into fixed pieces";
  let description = [{
    Pre-condition: no kernels yet. Ensures: a reduction of more than 16384 terms
    to fewer than 4096 results (no contraction of 256 results or more, no 64 rows of
    at most 131072 terms) has become two: the first keeps the leading reduced dimensions as parallel ones, the
    second reduces these. The number of partial results is a function of the
    shape: some dozens to 4096 with at least 512 terms each. A static dimension
    k is cut in two, `k_piece * n + k_in`, where no whole dimension fits. Before
    that, a sum of elements of a large matrix (`isLargeMatrix`) over its columns and
    more has become a sum over columns and one over the rest. Sums are added in
    another order than before.

    Before:
    ```
    %n = gpt.generic sum [| k=1024, j=512] inputs(%g[k, j] : ...) -> (tensor<f32, ...>) {...}
    ```
    After:
    ```
    %p = gpt.generic sum [k=1024 | j=512] inputs(%g[k, j] : ...) -> (tensor<1024xf32, ...>) {...}
    %n = gpt.generic sum [| k=1024] inputs(%p[k] : ...) -> (tensor<f32, ...>) {...}
    ```
  }];
}
def InlineMapsPass : Pass<"gpt-inline-maps", "::mlir::ModuleOp"> {
  let summary = "puts elementwise work into the bodies of its users";
  let description = [{
    Pre-condition: no kernels yet. Ensures: a generic without reduction and with
    one result is part of its users' bodies, index maps composed, where
    - it and all users (generics or scatters) stand in one block,
    - no user reads outside of its extent (there it reads 0),
    - no user is a contraction, unless only its maps change (a transposition),
    - and it pays: one user on no more points, or few cheap operations from at
      most one tensor of full size (from small ones, where a user has more
      points). Divisions, roots, transcendental functions and random numbers
      are never computed twice.
    Two such maps over a large matrix of products (`isLargeMatrix`) that compute the
    same transcendental function or random number read it from a map of its own.
    Elements of splat constants become scalar constants. Equal ops are one, ops
    without use are gone. What multiplies all terms of a sum over a row alike
    multiplies the sum instead, in a map behind it (`factorSums`).

    Before:
    ```
    %s = gpt.generic [t=64, u=64] inputs(%q[t, u] : ...) {mulf %q, 0.125}
    %m = gpt.generic max [t=64 | u=64] inputs(%s[t, u] : ...) {yield %s}
    ```
    After:
    ```
    %m = gpt.generic max [t=64 | u=64] inputs(%q[t, u] : ...) {yield (mulf %q, 0.125)}
    ```
  }];
}
def FormKernelsPass : Pass<"gpt-form-kernels", "::mlir::ModuleOp"> {
  let summary = "groups ops that become one loop nest";
  let description = [{
    Pre-condition: no kernels yet. Ensures: every `gpt.generic` and `gpt.scatter`
    stands in a `gpt.kernel`; blocks are sorted so that operands come first. A
    kernel's body is one of
    - row blocks: products of matrices with `gpt.row_blocks` dimensions and one
      more (the columns), one of them large (`isLargeProduct`); maps over the same
      space and reductions of the columns, which use each other's values by
      identity; contractions that fold a matrix over its columns or its rows
      (`matrixFold`). No product is a result, and other matrices only where something
      else needs them, so usually none is ever stored whole;
    - a contraction (the first op, `isContraction()`, no attribute), then
      generics without reduction and index operands over its parallel
      dimensions, which use values of the kernel by identity, or none but an
      operand of one that does (an activation computed again beside its derivative);
    - a row group: generics that share their first `gpt.rows` dimensions (an
      attribute of the kernel) and use each other's values by identity on
      these. Reductions have exactly these parallel dimensions; of every value
      a row has at most 131072 elements. Operands other than values of the
      kernel may be read in any way. (Some are sums of products, too:
      `gpt.rows` decides.) A reduction whose reduced dimensions are the rows is a sum
      over these, of what the group reads or computes; its own dimensions are the
      columns, then the rows;
    - a scatter, then the generic that adds another tensor to it: the scatter begins
      with that instead of zeros, in its memory where that is the result's;
    - one generic or scatter alone. Maps over one space that use each other have
      become one generic with several results.
    Ops of row blocks and of row groups have `gpt.axes` (rules A1 to A5 of
    `gpt.kernel`): which of the kernel's dimensions each of theirs is. It follows
    from the values that ops share, never from sizes, which may be equal by chance.
    Results are the values used outside; inputs are in order of first use.

    Before:
    ```
    %m = gpt.generic max [t=64 | u=64] inputs(%x[t, u] : ...) {...}
    %e = gpt.generic [t=64, u=64] inputs(%x[t, u] : ..., %m[t] : ...) {exp(x - m)}
    %s = gpt.generic sum [t=64 | u=64] inputs(%e[t, u] : ...) {...}
    %p = gpt.generic [t=64, u=64] inputs(%e[t, u] : ..., %s[t] : ...) {divf}
    ```
    After:
    ```
    %p = gpt.kernel(%x : ...) -> (...) attributes {gpt.rows = 1} { ... all four ... gpt.yield %p }
    ```
  }];
}
def StoreRoundedPass : Pass<"gpt-store-rounded", "::mlir::ModuleOp"> {
  let summary = "what contractions alone read lies in memory in bf16, as they multiply it";
  let description = [{
    Pre-condition: as `gpt-form-kernels` leaves the program, and contractions round
    their operands to bf16 (`gpt-lower-kernels`, `bf16-dot`). Ensures: an f32 result of
    a kernel is bf16 where all that read it are contractions of kernels that begin with
    one: it is rounded once, where it is computed, instead of wherever it is packed,
    and half as much goes to memory and comes back. The numbers are the same, bit for
    bit. Sums stay f32: what a contraction yields is rounded in a map behind it.
    Parameters, what a repeat carries or collects, and what row blocks read or compute
    are left alone.

    Before:
    ```
    %h = gpt.kernel(%a : tensor<8x16xf32>) ... { ... gpt.generic [m=8, n=16] ... { ... gpt.yield %gelu : f32 } }
    %y = gpt.kernel(%h : tensor<8x16xf32>, ...) ... { gpt.generic sum ... { ^bb0(%a: f32, %b: f32): mulf ... } }
    ```
    After:
    ```
    %h = gpt.kernel(%a : tensor<8x16xf32>) ... { ... { ... %r = arith.truncf %gelu : f32 to bf16  gpt.yield %r : bf16 } }
    %y = gpt.kernel(%h : tensor<8x16xbf16>, ...) ... { gpt.generic sum ... {
      ^bb0(%r: bf16, %b: f32): %a = arith.extf %r : bf16 to f32  mulf ... } }
    ```
  }];
}
def OutlineKernelsPass : Pass<"gpt-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "makes each kernel a function, equal kernels one";
  let description = [{
    Pre-condition: all generics and scatters are in kernels. Ensures: each kernel
    is a `gpt.launch` of a private function with the attribute `gpt.kernel` (and
    `gpt.rows` or `gpt.row_blocks`, if the kernel had it), which holds the kernel's ops and a
    `func.return`. Kernels that differ in locations only share one function.
    Functions are called `kernel_N`, or `kernel_N_NAME` where a location names
    what is computed first.

    Before:
    ```
    %p = gpt.kernel(%x : T) -> (T) attributes {gpt.rows = 1} { ^bb0(%a: T): ... gpt.yield %b : T }
    ```
    After:
    ```
    %p = gpt.launch @kernel_0(%x) : (T) -> T
    func.func private @kernel_0(%a: T) -> T attributes {gpt.kernel, gpt.rows = 1} { ... return %b : T }
    ```
  }];
}
def FitMemoryPass : Pass<"gpt-fit-memory", "::mlir::ModuleOp"> {
  let summary = "computes values again instead of keeping them, until the rest fits";
  let description = [{
    Pre-condition: as `gpt-outline-kernels` leaves the program. Ensures: what is
    computed on the way to the loss and read on the way back is at most `keep`
    bytes, or as little as can be; `gpt.kept_bytes` of the module says how much.
    Values that are no longer kept are computed once more, by the same launches,
    where they are read first; those go first that cost least for each byte
    that they free (passes/fuse/recompute_cost.h). What a repeat collected for the
    one that runs the other way is computed in that one's body. The kernels are
    the same, so results are, bit for bit.

    Before:
    ```
    %y, %h:2 = gpt.repeat 4 inits(%x) stacked(%w) ... {
      %a = gpt.launch @up(%in, %wi) ... gpt.yield %out, %in, %a }
    %dx = gpt.repeat 4 reverse inits(%dy) stacked(%w, %h#0, %h#1) ... { %b = gpt.launch @back(%slice1, ...) ... }
    ```
    After, `keep=200000`:
    ```
    %y, %h = gpt.repeat 4 inits(%x) stacked(%w) ... {
      %a = gpt.launch @up(%in, %wi) ... gpt.yield %out, %in }
    %dx = gpt.repeat 4 reverse inits(%dy) stacked(%w, %h) ... {
      %a = gpt.launch @up(%slice0, %wi) ... %b = gpt.launch @back(%a, ...) ... }
    ```
  }];
  let options = [Option<"keep", "keep", "int64_t", "0", "bytes that may be kept">];
}
def StorePastPass : Pass<"gpt-store-past", "::mlir::ModuleOp"> {
  let summary = "marks results that no cache has any more when they are read";
  let description = [{
    Pre-condition: as `gpt-outline-kernels` leaves the program. Ensures: a result of a
    kernel has the attribute `gpt.past` if, wherever the kernel is launched, at least
    `bytes` are written or come from parameters and from other copies of a repeat before
    the result is read: what is kept for the way back, gradients, results larger than the
    caches. Such a result is written past the caches: a store that goes through them
    fetches what it overwrites and drives out what is needed sooner.

    Before:
    ```
    func.func private @up(%x: T) -> T attributes {gpt.kernel} { ... }
    ```
    After:
    ```
    func.func private @up(%x: T) -> (T {gpt.past}) attributes {gpt.kernel} { ... }
    ```
  }];
  let options = [Option<"bytes", "bytes", "int64_t", "16777216",
                        "bytes that drive a result out of the caches">];
}
def PlacePass : Pass<"gpt-place", "::mlir::ModuleOp"> {
  let summary = "gives every value its place; the program becomes launches on memory";
  let description = [{
    Pre-condition: `@main` holds get, set, constant, reshape, repeat and launch
    only. Ensures: `@main` is `() -> ()` and holds `rt`, `arith`, `scf.for` and
    (for the number of a copy, where a kernel reads it) `memref.store`;
    `rt.launch` has one flat memref an input, then one a result. Kernels are as
    before, and some are added that copy or fill. The module has
    `rt.arena_bytes`, `rt.inputs` (each with name, type and dims) and
    `rt.results` (the same and offset, in bytes from the arena's start).

    Places: values live in the arena from their launch to their last use (over a
    whole repeat, if that is within it), aligned to 64 bytes and padded; they take
    what their extents can be at most. Slices of what a repeat stacks or collects
    are views and aligned as their size allows. A carried value has two slots that take turns; one, where the copy
    reads each element only to write it; or a place in the stack that collects
    it. A variable's new value is written in its place if nothing reads the old
    one afterwards and, in the same launch, only the op that computes the
    element does: then an input and a result of one launch are the same memory.
    So are an input that ends with a launch and a result of its size, if only
    the op that computes an element reads that element. Such results have the
    attribute `gpt.in_place` in their kernel.

    Before:
    ```
    %w = gpt.get @w : T
    %v = gpt.launch @kernel_0(%w, %g) : (T, T) -> T
    gpt.set @w, %v : T
    ```
    After:
    ```
    %0 = rt.variable @w + %c0 : memref<1024xf32>
    %1 = rt.arena %c64 : memref<1024xf32>
    %2 = rt.variable @w + %c0 : memref<1024xf32>
    rt.launch @kernel_0(%0, %1, %2) : memref<1024xf32>, memref<1024xf32>, memref<1024xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::gptc::rt::RtDialect"];
}
def LowerKernelsPass : Pass<"gpt-lower-kernels", "::mlir::func::FuncOp"> {
  let summary = "kernels to loops and vectors";
  let description = [{
    Pre-condition: a function with `gpt.kernel` as `gpt-outline-kernels` leaves it;
    every extent that its dimensions name is one of the module's `gpt.extents`.
    Others, and kernels that have `rt.pieces`, are left alone. Ensures: the
    arguments are the piece (index), the scratch (`memref<?xi8>`), then one flat
    memref an input and one a result; the body holds `scf`, `arith`, `math`,
    `memref`, `vector`, `affine.apply` and `rt.random`, and no op of `gpt`.
    `rt.pieces` is the number of pieces, an affine map of the extents, and
    `rt.scratch` the bytes that one thread needs: functions of shapes, of the
    vector's width and of nothing else, so that no thread count changes a bit.
    Kernels with `rt.workspace` (bytes) have panels that all pieces share: the
    first `rt.first` pieces fill them.

    Chosen by form: a contraction becomes register tiles over packed panels, with
    what follows it computed on the tile; a row group one loop over rows whose
    values wait in scratch; row blocks a loop over blocks of rows, in which
    products write to scratch, row-wise work goes over it and folds read it,
    without the columns that count for nothing (`findColumnBounds`); maps, reductions and scatters one loop nest, with the
    dimension along which memory is contiguous in vectors. Sums run in a fixed
    order. Tails are masked; what lies outside of an operand's extent reads 0.

    Before:
    ```
    func.func private @k(%x: tensor<1x4xf32, #b_i>) -> tensor<1x4xf32, #b_i> attributes {gpt.kernel} {
      %y = gpt.generic [b upto 1, i=4] inputs(%x[b, i] : ...) -> (...) { math.exp }
      return %y : ...
    }
    ```
    After, `vector-bits=128`:
    ```
    func.func private @k(%piece: index, %scratch: memref<?xi8>, %x: memref<4xf32>, %y: memref<4xf32>)
        attributes {gpt.kernel, rt.pieces = affine_map<()[b] -> (1)>, rt.scratch = 0 : i64} {
      %n = rt.extent "b"
      scf.for %b = %c0 to %n step %c1 {
        %at = arith.muli %b, %c4 : index
        %0 = vector.load %x[%at] : memref<4xf32>, vector<4xf32>
        %1 = math.exp %0 : vector<4xf32>
        vector.store %1, %y[%at] : memref<4xf32>, vector<4xf32>
      }
      return
    }
    ```
  }];
  let options = [Option<"vectorBits", "vector-bits", "int64_t", "512", "width of a vector register">,
                 Option<"fma", "fma", "bool", "true", "the machine has fused multiply-add">,
                 Option<"bf16", "bf16", "bool", "false", "round operands of f32 contractions to bf16">,
                 Option<"bf16Dot", "bf16-dot", "bool", "false", "the same, by the machine's VDPBF16PS (512 bits)">,
                 Option<"tile", "tile", "std::string", "\"\"",
                        "rows x vectors of contractions' register tiles, then of their pieces: 8x2,128x256">];
}
def ExpandRandomPass : Pass<"rt-expand-random", "::mlir::func::FuncOp"> {
  let summary = "counter-based random numbers as integer arithmetic";
  let description = [{
    Pre-condition: none. Ensures: no `rt.random` is left; each has become the
    arithmetic on 32-bit integers of `ir/gpt/random.h`, on scalars or vectors as its
    keys are, with the same 24 random bits for the same site and keys.

    Before:
    ```
    %r = rt.random 7(%seed, %i) : (i32, vector<4xi32>) -> vector<4xf32>
    ```
    After:
    ```
    %0 = arith.muli %i, %spread : vector<4xi32>      // a key is spread, then joined to the state:
    %1 = arith.shrui %0, %fifteen : vector<4xi32>
    %2 = arith.xori %0, %1 : vector<4xi32>
    %3 = arith.xori %state, %2 : vector<4xi32>
    ...                                              // rounds of shift, xor and multiply
    %8 = arith.shrui %7, %eight : vector<4xi32>      // 24 bits, times 2^-24
    ```
  }];
}
def ExpandMathPass : Pass<"gpt-expand-math", "::mlir::func::FuncOp"> {
  let summary = "vector exp, log, tanh, erf, sin and cos as polynomials";
  let description = [{
    Pre-condition: none. Ensures: of `math` are left only ops for which LLVM has
    instructions or short sequences (`absf`, `ceil`, `floor`, `sqrt`, `copysign`, `fma`
    and the like), and scalar functions of f64. Functions of f32 have become
    arithmetic, the same for scalars and vectors of any width, so that a value has
    the same bits wherever it is computed; docs/numerics.md has their errors. On
    vectors of f64 a function is applied lane by lane, by the C library. `powf` by
    a constant 1, -1, 2, 3 or 4 is multiplications. Without `fma` a multiplication and
    an addition stand where one op would; with `avx512` exp, tanh and erf take
    coefficients from tables of a register's size, and a scaling by a power of two is one instruction.

    Before:
    ```
    %y = math.rsqrt %x : vector<4xf32>
    %z = math.tanh %d : vector<2xf64>
    ```
    After:
    ```
    %0 = math.sqrt %x : vector<4xf32>
    %y = arith.divf %ones, %0 : vector<4xf32>
    %1 = vector.extract %d[0] : f64 from vector<2xf64>
    %2 = math.tanh %1 : f64
    %3 = vector.extract %d[1] : f64 from vector<2xf64>
    %4 = math.tanh %3 : f64
    %z = vector.from_elements %2, %4 : vector<2xf64>
    ```
  }];
  let options = [Option<"fma", "fma", "bool", "true", "the machine has fused multiply-add">,
                 Option<"avx512", "avx512", "bool", "false", "the machine has AVX-512">];
}
def HoldConstantsPass : Pass<"rt-hold-constants", "::mlir::func::FuncOp"> {
  let summary = "constants in registers for the loops that use them, and no longer";
  let description = [{
    Pre-condition: as `gpt-expand-math` leaves a function. A kernel with register tiles
    (`rt.tiles`) needs every register for sums. Constants of its other loops, the tables
    and coefficients of an epilogue, would be loaded anew in each turn, or, moved out of
    all loops, cost a tile its registers. Ensures: before an outermost loop that neither
    has nor holds a tile, the (at most 22) vector constants that are used most in it pass
    through an empty piece of assembly, which nothing moves, and the loop uses its result.
    Constants that no vector register holds whole (the f64 of sine, beside f32) stay as they are.

    Before:
    ```
    scf.for %row = %lo to %hi step %c1 {
      %1 = arith.mulf %0, %half : vector<16xf32>
      ...
    ```
    After:
    ```
    %held = llvm.inline_asm has_side_effects "", "=v,0" %half : (vector<16xf32>) -> vector<16xf32>
    scf.for %row = %lo to %hi step %c1 {
      %1 = arith.mulf %0, %held : vector<16xf32>
      ...
    ```
  }];
  let options = [Option<"vectorBits", "vector-bits", "int64_t", "512", "width of a vector register">];
}
def RtToLLVMPass : Pass<"rt-to-llvm", "::mlir::ModuleOp"> {
  let summary = "everything to the LLVM dialect, launches to the runtime's C interface";
  let description = [{
    Pre-condition: as `gpt-place`, `gpt-lower-kernels`, `rt-expand-random`,
    `gpt-expand-math` and `rt-hold-constants` leave the module: `@main` of launches, kernels of loops with
    `rt.pieces` and `rt.scratch`. Ensures: the module holds the LLVM dialect only.
    `@main` has the signature `gptc_program` of `runtime/abi.h`, each kernel is
    `gptc_kernel`, and a launch is a call of `gptc_launch` with the kernel, its
    arguments as pointers, the number of pieces and the bytes of scratch. Variables
    and inputs are numbered in the module's order; `gpt.variable` ops have become
    the attribute `rt.variables`, constants aligned globals.

    Before:
    ```
    %0 = rt.input 0 : memref<4xf32>
    %1 = rt.arena %c64 : memref<4xf32>
    rt.launch @k(%0, %1) : memref<4xf32>, memref<4xf32>
    ```
    After:
    ```
    %inputs = llvm.load %fieldOfContext : !llvm.ptr -> !llvm.ptr
    %0 = llvm.load %inputs : !llvm.ptr -> !llvm.ptr
    %1 = llvm.getelementptr %arena[64] : (!llvm.ptr) -> !llvm.ptr, i8
    llvm.store %0, %arguments ; llvm.store %1, %second
    llvm.call @gptc_launch(%context, %k, %arguments, %pieces, %scratch) : (...) -> ()
    ```
  }];
}

#endif
