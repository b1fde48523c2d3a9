// RUN: gptc-opt %s --gpt-store-rounded --split-input-file | FileCheck %s

#a = #gpt.dims<m=8, k=4>
#w = #gpt.dims<k=4, n=16>
#v = #gpt.dims<n=16, j=4>
#h = #gpt.dims<m=8, n=16>
#y = #gpt.dims<m=8, j=4>

// What the map behind a contraction yields is rounded there; the sums, which something else reads, are not.
// CHECK-LABEL: func.func @between
// CHECK: %[[H:.*]]:2 = gpt.kernel(%arg0 {{.*}}) -> (tensor<8x16xf32, {{.*}}>, tensor<8x16xbf16, {{.*}}>) {
// CHECK: gpt.generic sum
// CHECK: gpt.generic [m=8, n=16]
// CHECK: %[[E:.*]] = math.exp
// CHECK-NEXT: %[[R:.*]] = arith.truncf %[[E]] : f32 to bf16
// CHECK-NEXT: gpt.yield %[[R]] : bf16
// CHECK: gpt.kernel(%[[H]]#1 : tensor<8x16xbf16, {{.*}}>, %arg2
// CHECK: ^bb0(%[[N:.*]]: bf16, %[[B:.*]]: f32):
// CHECK-NEXT: %[[WIDE:.*]] = arith.extf %[[N]] : bf16 to f32
// CHECK-NEXT: arith.mulf %[[WIDE]], %[[B]]
func.func @between(%a: tensor<8x4xf32, #a>, %w: tensor<4x16xf32, #w>, %v: tensor<16x4xf32, #v>)
    -> (tensor<8x16xf32, #h>, tensor<8x4xf32, #y>) {
  %s, %h = gpt.kernel(%a : tensor<8x4xf32, #a>, %w : tensor<4x16xf32, #w>)
      -> (tensor<8x16xf32, #h>, tensor<8x16xf32, #h>) {
  ^bb0(%x: tensor<8x4xf32, #a>, %z: tensor<4x16xf32, #w>):
    %0 = gpt.generic sum [m=8, n=16 | k=4] inputs(%x[m, k] : tensor<8x4xf32, #a>, %z[k, n] : tensor<4x16xf32, #w>)
        -> (tensor<8x16xf32, #h>) {
    ^bb0(%e: f32, %f: f32):
      %p = arith.mulf %e, %f : f32
      gpt.yield %p : f32
    }
    %1 = gpt.generic [m=8, n=16] inputs(%0[m, n] : tensor<8x16xf32, #h>) -> (tensor<8x16xf32, #h>) {
    ^bb0(%e: f32):
      %p = math.exp %e : f32
      gpt.yield %p : f32
    }
    gpt.yield %0, %1 : tensor<8x16xf32, #h>, tensor<8x16xf32, #h>
  }
  %y = gpt.kernel(%h : tensor<8x16xf32, #h>, %v : tensor<16x4xf32, #v>) -> (tensor<8x4xf32, #y>) {
  ^bb0(%x: tensor<8x16xf32, #h>, %z: tensor<16x4xf32, #v>):
    %0 = gpt.generic sum [m=8, j=4 | n=16] inputs(%x[m, n] : tensor<8x16xf32, #h>, %z[n, j] : tensor<16x4xf32, #v>)
        -> (tensor<8x4xf32, #y>) {
    ^bb0(%e: f32, %f: f32):
      %p = arith.mulf %e, %f : f32
      gpt.yield %p : f32
    }
    gpt.yield %0 : tensor<8x4xf32, #y>
  }
  return %s, %y : tensor<8x16xf32, #h>, tensor<8x4xf32, #y>
}

// -----

#a = #gpt.dims<m=8, k=4>
#w = #gpt.dims<k=4, n=16>
#v = #gpt.dims<n=16, j=4>
#h = #gpt.dims<m=8, n=16>
#y = #gpt.dims<m=8, j=4>

// Sums are rounded in a map of their own, when they are complete.
// CHECK-LABEL: func.func @sums
// CHECK: %[[H:.*]] = gpt.kernel(%arg0 {{.*}}) -> (tensor<8x16xbf16, {{.*}}>) {
// CHECK: %[[S:.*]] = gpt.generic sum {{.*}} -> (tensor<8x16xf32, {{.*}}>) {
// CHECK: %[[T:.*]] = gpt.generic [m=8, n=16] inputs(%[[S]][m, n] {{.*}} -> (tensor<8x16xbf16, {{.*}}>) {
// CHECK: arith.truncf
// CHECK: gpt.yield %[[T]]
// CHECK: gpt.kernel(%[[H]] : tensor<8x16xbf16
func.func @sums(%a: tensor<8x4xf32, #a>, %w: tensor<4x16xf32, #w>, %v: tensor<16x4xf32, #v>) -> tensor<8x4xf32, #y> {
  %h = gpt.kernel(%a : tensor<8x4xf32, #a>, %w : tensor<4x16xf32, #w>) -> (tensor<8x16xf32, #h>) {
  ^bb0(%x: tensor<8x4xf32, #a>, %z: tensor<4x16xf32, #w>):
    %0 = gpt.generic sum [m=8, n=16 | k=4] inputs(%x[m, k] : tensor<8x4xf32, #a>, %z[k, n] : tensor<4x16xf32, #w>)
        -> (tensor<8x16xf32, #h>) {
    ^bb0(%e: f32, %f: f32):
      %p = arith.mulf %e, %f : f32
      gpt.yield %p : f32
    }
    gpt.yield %0 : tensor<8x16xf32, #h>
  }
  %y = gpt.kernel(%h : tensor<8x16xf32, #h>, %v : tensor<16x4xf32, #v>) -> (tensor<8x4xf32, #y>) {
  ^bb0(%x: tensor<8x16xf32, #h>, %z: tensor<16x4xf32, #v>):
    %0 = gpt.generic sum [m=8, j=4 | n=16] inputs(%x[m, n] : tensor<8x16xf32, #h>, %z[n, j] : tensor<16x4xf32, #v>)
        -> (tensor<8x4xf32, #y>) {
    ^bb0(%e: f32, %f: f32):
      %p = arith.mulf %e, %f : f32
      gpt.yield %p : f32
    }
    gpt.yield %0 : tensor<8x4xf32, #y>
  }
  return %y : tensor<8x4xf32, #y>
}

// -----

#a = #gpt.dims<m=8, n=16>
#v = #gpt.dims<n=16, j=4>
#y = #gpt.dims<m=8, j=4>

// A map reads it, too: it stays as it is.
// CHECK-LABEL: func.func @also_a_map
// CHECK-NOT: bf16
func.func @also_a_map(%a: tensor<8x16xf32, #a>, %v: tensor<16x4xf32, #v>) -> (tensor<8x4xf32, #y>, tensor<8x16xf32, #a>) {
  %h = gpt.kernel(%a : tensor<8x16xf32, #a>) -> (tensor<8x16xf32, #a>) {
  ^bb0(%x: tensor<8x16xf32, #a>):
    %0 = gpt.generic [m=8, n=16] inputs(%x[m, n] : tensor<8x16xf32, #a>) -> (tensor<8x16xf32, #a>) {
    ^bb0(%e: f32):
      %p = math.exp %e : f32
      gpt.yield %p : f32
    }
    gpt.yield %0 : tensor<8x16xf32, #a>
  }
  %y = gpt.kernel(%h : tensor<8x16xf32, #a>, %v : tensor<16x4xf32, #v>) -> (tensor<8x4xf32, #y>) {
  ^bb0(%x: tensor<8x16xf32, #a>, %z: tensor<16x4xf32, #v>):
    %0 = gpt.generic sum [m=8, j=4 | n=16] inputs(%x[m, n] : tensor<8x16xf32, #a>, %z[n, j] : tensor<16x4xf32, #v>)
        -> (tensor<8x4xf32, #y>) {
    ^bb0(%e: f32, %f: f32):
      %p = arith.mulf %e, %f : f32
      gpt.yield %p : f32
    }
    gpt.yield %0 : tensor<8x4xf32, #y>
  }
  %g = gpt.kernel(%h : tensor<8x16xf32, #a>) -> (tensor<8x16xf32, #a>) {
  ^bb0(%x: tensor<8x16xf32, #a>):
    %0 = gpt.generic [m=8, n=16] inputs(%x[m, n] : tensor<8x16xf32, #a>) -> (tensor<8x16xf32, #a>) {
    ^bb0(%e: f32):
      %p = arith.negf %e : f32
      gpt.yield %p : f32
    }
    gpt.yield %0 : tensor<8x16xf32, #a>
  }
  return %y, %g : tensor<8x4xf32, #y>, tensor<8x16xf32, #a>
}
