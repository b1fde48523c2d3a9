// RUN: gptc-opt %s --gpt-outline-kernels | FileCheck %s

#t = #gpt.dims<t=64>
#n_t = #gpt.dims<n=2, t=64>

// CHECK-LABEL: func.func @main
// CHECK: %[[A:.*]] = gpt.launch @kernel_0_score(%arg0) : (tensor<64xf32, #t>) -> tensor<64xf32, #t>
// CHECK: gpt.repeat
// CHECK: gpt.launch @kernel_0_score
// CHECK: gpt.launch @kernel_1
// CHECK: func.func private @kernel_0_score(%arg0: tensor<64xf32, #t>) -> tensor<64xf32, #t> attributes {gpt.kernel} {
// CHECK-NEXT: %[[G:.*]] = gpt.generic [t=64] inputs(%arg0[t]
// CHECK: return %[[G]]
// CHECK: func.func private @kernel_1(%arg0: tensor<64xf32, #t>) -> tensor<64xf32, #t> attributes {gpt.kernel, gpt.rows = 1 : i64} {
// CHECK-NOT: func.func
func.func @main(%x: tensor<64xf32, #t>) -> tensor<64xf32, #t> {
  %a = gpt.kernel(%x : tensor<64xf32, #t>) -> (tensor<64xf32, #t>) {
  ^bb0(%p: tensor<64xf32, #t>):
    %y = gpt.generic [t=64] inputs(%p[t] : tensor<64xf32, #t>) -> (tensor<64xf32, #t>) {
    ^bb0(%e: f32):
      %r = math.exp %e : f32
      gpt.yield %r : f32
    }
    gpt.yield %y : tensor<64xf32, #t>
  } loc("score")
  %b = gpt.repeat 2 inits(%a : tensor<64xf32, #t>) -> (tensor<64xf32, #t>) {
  ^bb0(%copy: tensor<i32, #gpt.dims<>>, %q: tensor<64xf32, #t>):
    %c = gpt.kernel(%q : tensor<64xf32, #t>) -> (tensor<64xf32, #t>) {
    ^bb0(%p: tensor<64xf32, #t>):
      %y = gpt.generic [t=64] inputs(%p[t] : tensor<64xf32, #t>) -> (tensor<64xf32, #t>) {
      ^bb0(%e: f32):
        %r = math.exp %e : f32
        gpt.yield %r : f32
      }
      gpt.yield %y : tensor<64xf32, #t>
    }
    %d = gpt.kernel(%c : tensor<64xf32, #t>) -> (tensor<64xf32, #t>) attributes {gpt.rows = 1 : i64} {
    ^bb0(%p: tensor<64xf32, #t>):
      %y = gpt.generic [t=64] inputs(%p[t] : tensor<64xf32, #t>) -> (tensor<64xf32, #t>) attributes {gpt.axes = array<i64: 0>} {
      ^bb0(%e: f32):
        %r = math.exp %e : f32
        gpt.yield %r : f32
      }
      gpt.yield %y : tensor<64xf32, #t>
    }
    gpt.yield %d : tensor<64xf32, #t>
  }
  return %b : tensor<64xf32, #t>
}
