// The passes of passes/grad, in the order of the pipeline: a part of Passes.td.
#ifndef GPTC_GRAD_PASSES
#define GPTC_GRAD_PASSES

include "mlir/Pass/PassBase.td"

def BatchPass : Pass<"gpt-batch", "::mlir::ModuleOp"> {
  let summary = "adds the batch dimension";
  let description = [{
    Pre-condition: a program written for one example. Ensures: every value that
    depends on an argument marked `gpt.per_example` has a leading dimension
    `b upto bound` (`b=bound` where not `dynamic`); in stacks of `gpt.repeat` it comes
    after the copies. Other values, parameters among them, are as before: the
    maps of their users ignore `b`. What a repeat carries is batched if its
    initial or any next value is. `gpt.batch_mean` is gone: sums over `b` and a
    division, 0 where nothing counts. If `dynamic`, `b` is the first of
    `gpt.extents` and its bound the first of `gpt.bounds`; `tokens` becomes
    `gpt.batch_tokens`.

    Before:
    ```
    %y = gpt.generic sum [j=3 | c=4] inputs(%x[c] : ..., %w[c, j] : ...) -> (tensor<3xf32, #j>) {...}
    %l = gpt.batch_mean %total over %count : tensor<f32, #scalar>
    ```
    After, `bound=12`:
    ```
    %y = gpt.generic sum [b upto 12, j=3 | c=4] inputs(%x[b, c] : ..., %w[c, j] : ...) -> (tensor<12x3xf32, #b_j>) {...}
    %t = gpt.generic sum [ | b upto 12] inputs(%total[b] : ...) -> (tensor<f32, #scalar>) {...}
    %n = gpt.generic sum [ | b upto 12] inputs(%count[b] : ...) -> (tensor<f32, #scalar>) {...}
    %l = gpt.generic [] inputs(%t[] : ..., %n[] : ...) -> (tensor<f32, #scalar>) { n != 0 ? t / n : 0 }
    ```
  }];
  let options = [Option<"bound", "bound", "int64_t", "1", "largest batch">,
                 Option<"dynamic", "dynamic", "bool", "true", "the batch's extent is known only at run time">,
                 Option<"tokens", "tokens", "int64_t", "0", "the most that a batch times a sequence is; 0: any">];
}
def SplitProgramPass : Pass<"gpt-split-program", "::mlir::ModuleOp"> {
  let summary = "what stays the same while an input grows, in a program of its own";
  let description = [{
    Pre-condition: a program after `gpt-batch` without `gpt.set`. `growing` names
    inputs that differ from step to step (an input `next(NAME)` or `length(NAME)`
    goes with NAME). A value is late if it is made from such an input or has a
    dimension whose extent only such inputs have, else early. With `part=prepare`
    @main takes the other inputs, computes the early values that late ones (or
    results) read, and stores each in a state variable `prepared.N`; it has no
    results. With `part=step` it reads these and computes the results. Both parts
    name the same variables. Running the first once and the second for each step
    gives what the whole program gives.

    A repeat that holds both kinds is cut in two: the first collects the early
    values of each copy, the second gets them as slices. Parameters, constants
    and elementwise work on them are no state: the step computes them again.
    States have the program's dynamic dimensions: the step runs on the extents of
    the run that prepared them, but for the batch's.

    Before, `growing=target`:
    ```
    %m = gpt.generic sum [b upto 8, s upto 64, c=128 | k=128] inputs(%source...[b, s, k] ...)
    %y = gpt.generic sum [b upto 8, t upto 64, s upto 64 | c=128] inputs(%x[b, t, c] : ..., %m[b, s, c] : ...)
    ```
    After, `part=prepare`:
    ```
    gpt.variable state @prepared.0 : tensor<8x64x128xf32, #b_s_c> path ["prepared", "0"]
    %m = gpt.generic sum [b upto 8, s upto 64, c=128 | k=128] inputs(%source...[b, s, k] ...)
    gpt.set @prepared.0, %m : ...
    ```
    After, `part=step`:
    ```
    gpt.variable state @prepared.0 : tensor<8x64x128xf32, #b_s_c> path ["prepared", "0"]
    %m = gpt.get @prepared.0 : ...
    %y = gpt.generic sum [b upto 8, t upto 64, s upto 64 | c=128] inputs(%x[b, t, c] : ..., %m[b, s, c] : ...)
    ```
  }];
  let options = [Option<"part", "part", "std::string", "\"step\"", "prepare or step">,
                 ListOption<"growing", "growing", "std::string", "names of inputs that grow from step to step">];
}
def DeriveDecodePass : Pass<"gpt-derive-decode", "::mlir::ModuleOp"> {
  let summary = "goes on from position to position, instead of over the whole sequence again";
  let description = [{
    Pre-condition: a program after `gpt-batch` (and `gpt-split-program{part=step}`) with a dynamic batch. Ensures: @main takes up
    to `rows` new positions of each stream of the input `growing`, `past(growing)`, how many each had before, and `count(growing)`, how many
    of the new ones are its own (with `rows=1` all have one); results are those of the whole program, at each stream's last new position or at all. What
    looks ahead is an error at the op. With `ring` and where it can be, a stream has no end: rows of caches take the places of the oldest ones, and the module has `gpt.ring`. States are `cache.NAME`, `window.NAME` and `running.NAME` (docs/design.md, Generation).
    Before:
    ```
    %s = gpt.generic sum [b upto 2, t upto 64, s upto 64 of t | c=8] inputs(%q[b, t, c] : ..., %k[b, s, c] : ...)
    ```
    After, with `rows=1`:
    ```
    %h = gpt.store @cache.k, %k at %past : tensor<2xi32, #b> dim 1 : ... to tensor<2x64x8xf32, #b_s_c>
    %s = gpt.generic sum [b upto 2, t=1, s upto 64 of positions.history | c=8] inputs(%q[b, t, c] : ..., %h[b, s, c] : ...)
    ```
  }];
  let options = [Option<"growing", "growing", "std::string", "\"\"", "name of the input that grows">,
                 Option<"rows", "rows", "int64_t", "1", "most new positions of a run">,
                 Option<"results", "results", "std::string", "\"last\"", "last, or all: at which new positions">,
                 Option<"ring", "ring", "bool", "false",
                        "where positions only count and `rows` is 1: caches go round, and streams have no end">];
}
def AutodiffPass : Pass<"gpt-autodiff", "::mlir::ModuleOp"> {
  let summary = "turns the objective into loss and all gradients";
  let description = [{
    Pre-condition: `@main` has a result with `gpt.output = "loss"`, one float
    number; no `gpt.batch_mean`, no kernels. Ensures: `@main` returns what it did,
    then for each float parameter, in the order of the module, its gradient with
    the attribute `gpt.gradient = @name` (zeros where the loss does not depend on
    it). Each variable is read by one `gpt.get`, first in `@main`.

    Reverse mode, by `VjpOpInterface` on tensors and `ScalarVjpOpInterface` in
    bodies. The vjp of a generic is one generic an input, over the input's own
    indices first: that of a contraction is a contraction, that of a gather a
    `gpt.scatter`, that of a repeat a repeat the other way, for which the forward
    one collects what is needed. What is cheap is computed again, and so is a
    product that is at least half as large as its operands (`isLargeProduct`),
    with what is computed from it point by point. Contributions
    are added in a fixed order. Derivatives stop at integers. Ties of a max
    reduction share evenly; of two numbers, half each, but a tie with a
    constant gives 0, so that `max(x, 0)` has the slope 0 at 0.

    Before:
    ```
    %w = gpt.get @w : tensor<4x3xf32, #c_j>
    %y = gpt.generic sum [b upto 12, j=3 | c=4] inputs(%x[b, c] : ..., %w[c, j] : ...) -> (...) { a * b }
    ... return %loss
    ```
    After (`%dy` is the cotangent of `%y`):
    ```
    %dw = gpt.generic sum [c=4, j=3 | b upto 12] inputs(%x[b, c] : ..., %dy[b, j] : ...) -> (...) { b * a }
    ... return %loss, %dw
    ```
  }];
}
def OptimizerPass : Pass<"gpt-optimizer", "::mlir::ModuleOp"> {
  let summary = "adds clipping and the parameter update to the step";
  let description = [{
    Pre-condition: `@main` has gradients as `gpt-autodiff` leaves them; the module
    has `gpt.optimizer` (docs/design.md) and `@learning_rate(step) -> number`.
    Ensures: gradients are results no longer; each parameter with a gradient is
    updated by one generic and `gpt.set`, and so are its state variables, which
    are added: `NAME.m` and `NAME.v` (adamw), `NAME.momentum` (sgd with momentum),
    `NAME.average` (where `average` is given: the mean of the parameters after each
    step from `average_from` on, one k steps old with the weight average^k; before
    that step, the parameters).
    `@learning_rate` is inlined and gone. Argument `step` exists; results
    `grad_norm` (over all gradients, before clipping) and `lr` are appended; with
    `gradient-norms` also `grad_norm(NAME)` and `weight_norm(NAME)`, the norms of
    each parameter's gradient and of itself, one number a copy. A step whose loss or norm is not finite leaves
    every variable as it was.

    As PyTorch computes it: `clip_grad_norm_` (scale min(1, clip / (norm + 1e-6))),
    `AdamW` (decay times learning rate, first; t = step + 1), `SGD` (decay added to
    the gradient). Only parameters of declared rank `decay_min_rank` or more
    decay. Bias corrections are computed in f64.

    Before:
    ```
    gpt.variable parameter @w : tensor<4x3xf32, #c_j> path ["w"]
    ... return %loss, %dw : ...       // gpt.gradient = @w
    ```
    After:
    ```
    gpt.variable parameter @w : tensor<4x3xf32, #c_j> path ["w"]
    gpt.variable state @w.m : tensor<4x3xf32, #c_j> path ["w", "m"]
    gpt.variable state @w.v : tensor<4x3xf32, #c_j> path ["w", "v"]
    ... %new:3 = gpt.generic [c=4, j=3] inputs(%w[c, j] : ..., %m[c, j] : ..., %v[c, j] : ..., %dw[c, j] : ...,
                   %scale[] : ..., %length[] : ..., %keep[] : ..., %root[] : ..., %finite[] : ...) -> (...) {...}
    gpt.set @w, %new#0 : ...
    return %loss, %norm, %lr : ...
    ```
  }];
  let options = [Option<"gradientNorms", "gradient-norms", "bool", "false",
                        "also return the norm of each parameter's gradient">];
}

#endif
