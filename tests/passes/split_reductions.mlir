// RUN: gptc-opt %s --gpt-split-reductions --split-input-file | FileCheck %s

#scalar = #gpt.dims<>
#k_j = #gpt.dims<k=1024, j=512>

// CHECK-LABEL: func.func @leading_dimension
// CHECK: %[[P:.*]] = gpt.generic sum [k=1024 | j=512] inputs(%{{.*}}[k, j]
// CHECK-SAME: -> (tensor<1024xf32,
// CHECK: arith.mulf
// CHECK: %[[T:.*]] = gpt.generic sum [| k=1024] inputs(%[[P]][k]
// CHECK: return %[[T]]
func.func @leading_dimension(%g: tensor<1024x512xf32, #k_j>) -> tensor<f32, #scalar> {
  %n = gpt.generic sum [| k=1024, j=512] inputs(%g[k, j] : tensor<1024x512xf32, #k_j>) -> (tensor<f32, #scalar>) {
  ^bb0(%a: f32):
    %s = arith.mulf %a, %a : f32
    gpt.yield %s : f32
  }
  return %n : tensor<f32, #scalar>
}

// -----

#scalar = #gpt.dims<>
#n = #gpt.dims<n=65536>

// One dimension is cut in two; the body still sees where it is.
// CHECK-LABEL: func.func @cut
// CHECK-SAME: %[[X:.*]]: tensor<65536xf32
// CHECK-NEXT: %[[P:.*]] = gpt.generic max [n_piece=128 | n_in=512] inputs(%[[X]][n_piece * 512 + n_in]
// CHECK: %[[A:.*]] = gpt.index 0 : i32
// CHECK: %[[B:.*]] = gpt.index 1 : i32
// CHECK: %[[M:.*]] = arith.muli %[[A]], %c512
// CHECK: arith.addi %[[M]], %[[B]]
// CHECK: gpt.generic max [| n_piece=128] inputs(%[[P]][n_piece]
func.func @cut(%x: tensor<65536xf32, #n>) -> tensor<f32, #scalar> {
  %m = gpt.generic max [| n=65536] inputs(%x[n] : tensor<65536xf32, #n>) -> (tensor<f32, #scalar>) {
  ^bb0(%a: f32):
    %i = gpt.index 0 : i32
    %f = arith.sitofp %i : i32 to f32
    %s = arith.mulf %a, %f : f32
    gpt.yield %s : f32
  }
  return %m : tensor<f32, #scalar>
}

// -----

#scalar = #gpt.dims<>
#v_c = #gpt.dims<v=50261, c=768>

// Too many partial results (50261 is a prime) rather than none in parallel.
// CHECK-LABEL: func.func @many
// CHECK: gpt.generic sum [v=50261 | c=768]
// CHECK: gpt.generic sum [| v=50261]
func.func @many(%x: tensor<50261x768xf32, #v_c>) -> tensor<f32, #scalar> {
  %m = gpt.generic sum [| v=50261, c=768] inputs(%x[v, c] : tensor<50261x768xf32, #v_c>) -> (tensor<f32, #scalar>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %m : tensor<f32, #scalar>
}

// -----

#t_c = #gpt.dims<t=4096, c=128>
#t_j = #gpt.dims<t=32768, j=16>
#c_j = #gpt.dims<c=32768, j=16>
#i_j = #gpt.dims<i=16, j=16>
#t = #gpt.dims<t=4096>
#scalar = #gpt.dims<>

// Enough results, a short reduction, a contraction with enough results.
// CHECK-LABEL: func.func @left_alone
// CHECK-COUNT-3: gpt.generic
// CHECK-NOT: gpt.generic
func.func @left_alone(%x: tensor<4096x128xf32, #t_c>, %a: tensor<32768x16xf32, #t_j>, %b: tensor<32768x16xf32, #t_j>)
    -> (tensor<4096xf32, #t>, tensor<f32, #scalar>, tensor<16x16xf32, #i_j>) {
  %0 = gpt.generic sum [t=4096 | c=128] inputs(%x[t, c] : tensor<4096x128xf32, #t_c>) -> (tensor<4096xf32, #t>) {
  ^bb0(%p: f32):
    gpt.yield %p : f32
  }
  %1 = gpt.generic sum [| t=4096] inputs(%0[t] : tensor<4096xf32, #t>) -> (tensor<f32, #scalar>) {
  ^bb0(%p: f32):
    gpt.yield %p : f32
  }
  %2 = gpt.generic sum [i=16, j=16 | t=32768]
      inputs(%a[t, i] : tensor<32768x16xf32, #t_j>, %b[t, j] : tensor<32768x16xf32, #t_j>) -> (tensor<16x16xf32, #i_j>) {
  ^bb0(%p: f32, %q: f32):
    %r = arith.mulf %p, %q : f32
    gpt.yield %r : f32
  }
  return %0, %1, %2 : tensor<4096xf32, #t>, tensor<f32, #scalar>, tensor<16x16xf32, #i_j>
}

// -----

#h = #gpt.dims<h=3>
#b_t_h_e = #gpt.dims<b=2, t=64, h=3, e=4>
#b_h_t_s = #gpt.dims<b=2, h=3, t=64, s=64>

// All that is in a matrix of products: by rows, which its kernel does while it has them, then the rest.
// CHECK-LABEL: func.func @matrix
// CHECK: %[[S:.*]] = gpt.generic sum [b=2, h=3, t=64, s=64 | e=4]
// CHECK: %[[R:.*]] = gpt.generic sum [b=2, h=3, t=64 | s=64] inputs(%[[S]][b, h, t, s] :
// CHECK: gpt.index 3
// CHECK: gpt.generic sum [h=3 | b=2, t=64] inputs(%[[R]][b, h, t] :
func.func @matrix(%q: tensor<2x64x3x4xf32, #b_t_h_e>, %k: tensor<2x64x3x4xf32, #b_t_h_e>) -> tensor<3xf32, #h> {
  %s = gpt.generic sum [b=2, h=3, t=64, s=64 | e=4] inputs(%q[b, t, h, e] : tensor<2x64x3x4xf32, #b_t_h_e>,
      %k[b, s, h, e] : tensor<2x64x3x4xf32, #b_t_h_e>) -> (tensor<2x3x64x64xf32, #b_h_t_s>) {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %b : f32
    gpt.yield %m : f32
  }
  %y = gpt.generic sum [h=3 | s=64, b=2, t=64] inputs(%s[b, h, t, s] : tensor<2x3x64x64xf32, #b_h_t_s>) -> (tensor<3xf32, #h>) {
  ^bb0(%a: f32):
    %i = gpt.index 1 : i32
    %f = arith.sitofp %i : i32 to f32
    %m = arith.mulf %a, %f : f32
    gpt.yield %m : f32
  }
  return %y : tensor<3xf32, #h>
}
