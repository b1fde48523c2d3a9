// RUN: gptc-opt %s --gpt-batch=bound=12 | FileCheck %s
// RUN: gptc-opt %s --gpt-batch="bound=12 dynamic=false" | FileCheck %s --check-prefix=FIXED
// RUN: gptc-opt %s --gpt-batch="bound=12 tokens=300" | FileCheck %s --check-prefix=TOKENS
// RUN: not gptc-opt %s --gpt-batch=bound=0 2>&1 | FileCheck %s --check-prefix=NONE

// CHECK: #b_c = #gpt.dims<b upto 12, c=4>
// CHECK: gpt.bounds = [12, 64], gpt.extents = ["b", "t"]
// FIXED: #b_c = #gpt.dims<b=12, c=4>
// FIXED: gpt.bounds = [64], gpt.extents = ["t"]
// TOKENS: gpt.batch_tokens = 300 : i64, gpt.bounds = [12, 64]
// NONE: error: the batch has at most 0 examples, needs at least 1

#scalar = #gpt.dims<>
#c = #gpt.dims<c=4>
#j = #gpt.dims<j=3>
#w = #gpt.dims<n=2, c=4>
#cj = #gpt.dims<c=4, j=3>

module attributes {gpt.extents = ["t"], gpt.bounds = [64]} {
  gpt.variable parameter @w : tensor<4x3xf32, #cj> path ["w"]
  gpt.variable parameter @layers : tensor<2x4xf32, #w> copies 1 path ["layers", "*"]

  // CHECK-LABEL: func.func @main
  // CHECK-SAME: %[[X:.*]]: tensor<12x4xf32, #b_c> {gpt.input = "x", gpt.per_example}
  // CHECK-SAME: %[[SEED:.*]]: tensor<i32, #scalar> {gpt.input = "seed"}
  // FIXED-LABEL: func.func @main
  // FIXED-SAME: tensor<12x4xf32, #b_c>
  func.func @main(%x: tensor<4xf32, #c> {gpt.input = "x", gpt.per_example},
                  %seed: tensor<i32, #scalar> {gpt.input = "seed"})
      -> (tensor<f32, #scalar> {gpt.output = "loss"}, tensor<3xf32, #j> {gpt.output = "y"}) {
    %w = gpt.get @w : tensor<4x3xf32, #cj>
    %layers = gpt.get @layers : tensor<2x4xf32, #w>
    %ones = gpt.constant dense<1.0> : tensor<4xf32, #c> : tensor<4xf32, #c>

    // What does not depend on the example stays as it is.
    // CHECK: gpt.generic [c=4] inputs
    %fixed = gpt.generic [c=4] inputs(%ones[c] : tensor<4xf32, #c>) -> (tensor<4xf32, #c>) {
    ^bb0(%a: f32):
      %e = math.exp %a : f32
      gpt.yield %e : f32
    }

    // The second carried value starts alike for all examples and becomes one for each.
    // CHECK: %[[START:.*]] = gpt.generic [b upto 12, c=4] inputs(%{{.*}}[c] :
    // CHECK: %[[R:.*]]:2 = gpt.repeat 2 inits(%[[X]] : tensor<12x4xf32, {{.*}}>, %[[START]] : tensor<12x4xf32,
    // CHECK-SAME: stacked(%{{.*}} : tensor<2x4xf32,
    // CHECK-SAME: -> (tensor<12x4xf32, #b_c>, tensor<12x4xf32, #b_c>)
    // CHECK: gpt.generic [b upto 12, c=4] inputs(%{{.*}}[b, c] : {{.*}}, %{{.*}}[c] :
    // CHECK: gpt.index 1
    %h:2 = gpt.repeat 2 inits(%x : tensor<4xf32, #c>, %fixed : tensor<4xf32, #c>) stacked(%layers : tensor<2x4xf32, #w>)
        -> (tensor<4xf32, #c>, tensor<4xf32, #c>) {
    ^bb0(%copy: tensor<i32, #scalar>, %p: tensor<4xf32, #c>, %q: tensor<4xf32, #c>, %l: tensor<4xf32, #c>):
      %next = gpt.generic [c=4] inputs(%p[c] : tensor<4xf32, #c>, %l[c] : tensor<4xf32, #c>) -> (tensor<4xf32, #c>) {
      ^bb0(%a: f32, %b: f32):
        %i = gpt.index 0 : i32
        %f = arith.sitofp %i : i32 to f32
        %m = arith.mulf %a, %b : f32
        %r = arith.addf %m, %f : f32
        gpt.yield %r : f32
      }
      gpt.yield %next, %p : tensor<4xf32, #c>, tensor<4xf32, #c>
    }

    // CHECK: gpt.generic sum [b upto 12, j=3 | c=4] inputs(%[[R]]#1[b, c] : {{.*}}, %{{.*}}[c, j] :
    // FIXED: gpt.generic sum [b=12, j=3 | c=4]
    %y = gpt.generic sum [j=3 | c=4] inputs(%h#1[c] : tensor<4xf32, #c>, %w[c, j] : tensor<4x3xf32, #cj>)
        -> (tensor<3xf32, #j>) {
    ^bb0(%a: f32, %b: f32):
      %m = arith.mulf %a, %b : f32
      gpt.yield %m : f32
    }
    %total = gpt.generic sum [ | j=3] inputs(%y[j] : tensor<3xf32, #j>) -> (tensor<f32, #scalar>) {
    ^bb0(%a: f32):
      gpt.yield %a : f32
    }
    %three = gpt.constant dense<3.0> : tensor<f32, #scalar> : tensor<f32, #scalar>

    // A count that is the same for all examples counts as often as there are any.
    // CHECK: %[[T:.*]] = gpt.generic sum [| b upto 12] inputs(%{{.*}}[b] :
    // CHECK: %[[N:.*]] = gpt.generic sum [| b upto 12] inputs(%{{.*}}[] :
    // CHECK: gpt.generic [] inputs(%[[T]][] : {{.*}}, %[[N]][] :
    // CHECK: arith.divf
    // CHECK-NOT: gpt.batch_mean
    %loss = gpt.batch_mean %total over %three : tensor<f32, #scalar>
    // CHECK: return %{{.*}}, %{{.*}} : tensor<f32, #scalar>, tensor<12x3xf32, #b_j>
    return %loss, %y : tensor<f32, #scalar>, tensor<3xf32, #j>
  }
}
