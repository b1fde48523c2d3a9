// RUN: gptc-opt %s --gpt-split-program="part=prepare growing=target" | FileCheck %s --check-prefix=PREPARE
// RUN: gptc-opt %s --gpt-split-program="part=step growing=target" | FileCheck %s --check-prefix=STEP
// RUN: not gptc-opt %s --gpt-split-program="part=step growing=other" 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not gptc-opt %s --gpt-split-program="part=half growing=target" 2>&1 | FileCheck %s --check-prefix=PART

// NONE: error: no input is called other
// PART: error: part is 'half', not prepare or step

#scalar = #gpt.dims<>
#bs = #gpt.dims<b upto 2, s upto 4>
#bt = #gpt.dims<b upto 2, t upto 4>
#bts = #gpt.dims<b upto 2, t upto 4, s upto 4>
#n = #gpt.dims<n=3>

module attributes {gpt.extents = ["b", "s", "t"], gpt.bounds = [2, 4, 4]} {
  gpt.variable parameter @w : tensor<3xf32, #n> copies 1 path ["w", "*"]

  // The state has the extents of what it holds; copies come first where a repeat made it.
  // PREPARE: gpt.variable state @prepared.0 : tensor<3x2x4xf32, #copy_b_s> path ["prepared", "0"]
  // PREPARE-NOT: prepared.1
  // PREPARE-LABEL: func.func @main
  // PREPARE-SAME: (%[[S:.*]]: tensor<2x4xf32, {{.*}}> {gpt.input = "source", gpt.per_example}) {
  // PREPARE: %[[E:.*]] = gpt.generic [b upto 2, s upto 4] inputs(%[[S]][b, s] :
  // PREPARE: math.exp
  // The decoder's copies hold an early value: a repeat of its own collects it.
  // PREPARE: %[[K:.*]] = gpt.repeat 3 stacked(%{{.*}}) stacks(tensor<3x2x4xf32, #copy_b_s>)
  // PREPARE: arith.mulf
  // PREPARE: gpt.set @prepared.0, %[[K]]
  // PREPARE-NEXT: return{{$}}

  // STEP: gpt.variable state @prepared.0
  // STEP-LABEL: func.func @main
  // STEP-SAME: (%[[T:.*]]: tensor<2x4xf32, {{.*}}> {gpt.input = "target", gpt.per_example})
  // STEP-NOT: math.exp
  // STEP: %[[K:.*]] = gpt.get @prepared.0
  // STEP: gpt.repeat 3 inits(%[[T]] : {{.*}}) stacked(%[[K]] :
  // STEP-NOT: arith.mulf
  // STEP: gpt.generic sum [b upto 2, t upto 4 | s upto 4]
  // STEP: return
  func.func @main(%source: tensor<2x4xf32, #bs> {gpt.input = "source", gpt.per_example},
                  %target: tensor<2x4xf32, #bt> {gpt.input = "target", gpt.per_example})
      -> (tensor<2x4xf32, #bt> {gpt.output = "y"}) {
    %w = gpt.get @w : tensor<3xf32, #n>
    %e = gpt.generic [b upto 2, s upto 4] inputs(%source[b, s] : tensor<2x4xf32, #bs>) -> (tensor<2x4xf32, #bs>) {
    ^bb0(%a: f32):
      %r = math.exp %a : f32
      gpt.yield %r : f32
    }
    %y = gpt.repeat 3 inits(%target : tensor<2x4xf32, #bt>) stacked(%w : tensor<3xf32, #n>) -> (tensor<2x4xf32, #bt>) {
    ^bb0(%copy: tensor<i32, #scalar>, %x: tensor<2x4xf32, #bt>, %v: tensor<f32, #scalar>):
      %k = gpt.generic [b upto 2, s upto 4] inputs(%e[b, s] : tensor<2x4xf32, #bs>, %v[] : tensor<f32, #scalar>)
          -> (tensor<2x4xf32, #bs>) {
      ^bb0(%a: f32, %b: f32):
        %r = arith.mulf %a, %b : f32
        gpt.yield %r : f32
      }
      %next = gpt.generic sum [b upto 2, t upto 4 | s upto 4]
          inputs(%x[b, t] : tensor<2x4xf32, #bt>, %k[b, s] : tensor<2x4xf32, #bs>) -> (tensor<2x4xf32, #bt>) {
      ^bb0(%a: f32, %b: f32):
        %r = arith.addf %a, %b : f32
        gpt.yield %r : f32
      }
      gpt.yield %next : tensor<2x4xf32, #bt>
    }
    return %y : tensor<2x4xf32, #bt>
  }
}
