// RUN: gptc-opt %s --gpt-inline-maps --split-input-file | FileCheck %s

#t_u = #gpt.dims<t=64, u=64>
#t = #gpt.dims<t=64>

// Cheap and from one large tensor: computed for both users.
// CHECK-LABEL: func.func @cheap
// CHECK-SAME: %[[Q:.*]]: tensor<64x64xf32
// CHECK-NEXT: %[[M:.*]] = gpt.generic max [t=64 | u=64] inputs(%[[Q]][t, u]
// CHECK: arith.mulf
// CHECK: %[[E:.*]] = gpt.generic [t=64, u=64] inputs(%[[M]][t] : {{.*}}, %[[Q]][t, u]
// CHECK: arith.mulf
// CHECK: math.exp
// CHECK: return %[[E]]
func.func @cheap(%q: tensor<64x64xf32, #t_u>) -> tensor<64x64xf32, #t_u> {
  %c = gpt.constant dense<0.125> : tensor<f32, #gpt.dims<>> : tensor<f32, #gpt.dims<>>
  %s = gpt.generic [t=64, u=64] inputs(%q[t, u] : tensor<64x64xf32, #t_u>, %c[] : tensor<f32, #gpt.dims<>>)
      -> (tensor<64x64xf32, #t_u>) {
  ^bb0(%a: f32, %b: f32):
    %r = arith.mulf %a, %b : f32
    gpt.yield %r : f32
  }
  %m = gpt.generic max [t=64 | u=64] inputs(%s[t, u] : tensor<64x64xf32, #t_u>) -> (tensor<64xf32, #t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %e = gpt.generic [t=64, u=64] inputs(%s[t, u] : tensor<64x64xf32, #t_u>, %m[t] : tensor<64xf32, #t>)
      -> (tensor<64x64xf32, #t_u>) {
  ^bb0(%a: f32, %b: f32):
    %d = arith.subf %a, %b : f32
    %x = math.exp %d : f32
    gpt.yield %x : f32
  }
  return %e : tensor<64x64xf32, #t_u>
}

// -----

#t_u = #gpt.dims<t=64, u=64>
#t = #gpt.dims<t=64>

// An exponential is not computed twice; equal ops are one.
// CHECK-LABEL: func.func @heavy
// CHECK: %[[E:.*]] = gpt.generic [t=64, u=64]
// CHECK: math.exp
// CHECK: gpt.generic sum [t=64 | u=64] inputs(%[[E]][t, u]
// CHECK: gpt.generic [t=64, u=64] inputs(%[[E]][t, u]
// CHECK-NOT: gpt.generic
func.func @heavy(%q: tensor<64x64xf32, #t_u>) -> tensor<64x64xf32, #t_u> {
  %e = gpt.generic [t=64, u=64] inputs(%q[t, u] : tensor<64x64xf32, #t_u>) -> (tensor<64x64xf32, #t_u>) {
  ^bb0(%a: f32):
    %x = math.exp %a : f32
    gpt.yield %x : f32
  }
  %f = gpt.generic [t=64, u=64] inputs(%q[t, u] : tensor<64x64xf32, #t_u>) -> (tensor<64x64xf32, #t_u>) {
  ^bb0(%a: f32):
    %x = math.exp %a : f32
    gpt.yield %x : f32
  }
  %s = gpt.generic sum [t=64 | u=64] inputs(%e[t, u] : tensor<64x64xf32, #t_u>) -> (tensor<64xf32, #t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %p = gpt.generic [t=64, u=64] inputs(%f[t, u] : tensor<64x64xf32, #t_u>, %s[t] : tensor<64xf32, #t>)
      -> (tensor<64x64xf32, #t_u>) {
  ^bb0(%a: f32, %b: f32):
    %d = arith.divf %a, %b : f32
    gpt.yield %d : f32
  }
  return %p : tensor<64x64xf32, #t_u>
}

// -----

#t_c = #gpt.dims<t=64, c=128>
#c_t = #gpt.dims<c=128, t=64>
#t = #gpt.dims<t=64>

// Maps are composed, indices of the producer become the user's.
// CHECK-LABEL: func.func @composed
// CHECK-NEXT: gpt.generic [r=128, s=32] inputs(%{{.*}}[s * 2 + 1, r]
// CHECK: gpt.index 1 : i32
// CHECK: arith.muli
// CHECK: arith.addi
// CHECK: arith.sitofp
// CHECK: arith.addf
// CHECK-NOT: gpt.generic
func.func @composed(%x: tensor<64x128xf32, #t_c>) -> tensor<128x32xf32, #gpt.dims<r=128, s=32>> {
  %y = gpt.generic [c=128, t=64] inputs(%x[t, c] : tensor<64x128xf32, #t_c>) -> (tensor<128x64xf32, #c_t>) {
  ^bb0(%a: f32):
    %i = gpt.index 1 : i32
    %f = arith.sitofp %i : i32 to f32
    %r = arith.addf %a, %f : f32
    gpt.yield %r : f32
  }
  %z = gpt.generic [r=128, s=32] inputs(%y[r, s * 2 + 1] : tensor<128x64xf32, #c_t>)
      -> (tensor<128x32xf32, #gpt.dims<r=128, s=32>>) {
  ^bb0(%a: f32):
    %r = arith.negf %a : f32
    gpt.yield %r : f32
  }
  return %z : tensor<128x32xf32, #gpt.dims<r=128, s=32>>
}

// -----

#t = #gpt.dims<t=64>

// x[t - 1] + 1 is 0 at t = 0, not 1.
// CHECK-LABEL: func.func @outside
// CHECK-COUNT-2: gpt.generic
func.func @outside(%x: tensor<64xf32, #t>) -> tensor<64xf32, #t> {
  %c = gpt.constant dense<1.0> : tensor<f32, #gpt.dims<>> : tensor<f32, #gpt.dims<>>
  %y = gpt.generic [t=64] inputs(%x[t] : tensor<64xf32, #t>, %c[] : tensor<f32, #gpt.dims<>>) -> (tensor<64xf32, #t>) {
  ^bb0(%a: f32, %b: f32):
    %r = arith.addf %a, %b : f32
    gpt.yield %r : f32
  }
  %z = gpt.generic [t=64] inputs(%y[t - 1] : tensor<64xf32, #t>) -> (tensor<64xf32, #t>) {
  ^bb0(%a: f32):
    %r = arith.negf %a : f32
    gpt.yield %r : f32
  }
  return %z : tensor<64xf32, #t>
}

// -----

#t_c = #gpt.dims<t=64, c=128>
#c_t = #gpt.dims<c=128, t=64>
#c_j = #gpt.dims<c=128, j=32>
#t_j = #gpt.dims<t=64, j=32>

// A contraction takes a transposition, but no arithmetic.
// CHECK-LABEL: func.func @contraction
// CHECK-SAME: %[[X:.*]]: tensor<128x64xf32, {{.*}}>, %[[W:.*]]: tensor
// CHECK-NEXT: %[[N:.*]] = gpt.generic [c=128, j=32] inputs(%[[W]][c, j]
// CHECK: gpt.generic sum [t=64, j=32 | c=128] inputs(%[[N]][c, j] : {{.*}}, %[[X]][c, t]
// CHECK-NOT: gpt.generic
func.func @contraction(%x: tensor<128x64xf32, #c_t>, %w: tensor<128x32xf32, #c_j>) -> tensor<64x32xf32, #t_j> {
  %y = gpt.generic [t=64, c=128] inputs(%x[c, t] : tensor<128x64xf32, #c_t>) -> (tensor<64x128xf32, #t_c>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %n = gpt.generic [c=128, j=32] inputs(%w[c, j] : tensor<128x32xf32, #c_j>) -> (tensor<128x32xf32, #c_j>) {
  ^bb0(%a: f32):
    %r = arith.negf %a : f32
    gpt.yield %r : f32
  }
  %z = gpt.generic sum [t=64, j=32 | c=128]
      inputs(%y[t, c] : tensor<64x128xf32, #t_c>, %n[c, j] : tensor<128x32xf32, #c_j>) -> (tensor<64x32xf32, #t_j>) {
  ^bb0(%a: f32, %b: f32):
    %r = arith.mulf %a, %b : f32
    gpt.yield %r : f32
  }
  return %z : tensor<64x32xf32, #t_j>
}

// -----

#v_c = #gpt.dims<v=65, c=128>
#t_c = #gpt.dims<t=64, c=128>
#t = #gpt.dims<t=64>

// The producer's gather becomes the user's.
// CHECK-LABEL: func.func @gather
// CHECK-SAME: %[[TOKEN:.*]]: tensor<64xi32, {{.*}}>, %[[E:.*]]: tensor<65x128xf32
// CHECK-NEXT: gpt.generic sum [t=64 | c=128] indices(%[[TOKEN]][t] : {{.*}}) inputs(%[[E]][s0, c]
// CHECK-NOT: gpt.generic
func.func @gather(%token: tensor<64xi32, #t>, %e: tensor<65x128xf32, #v_c>) -> tensor<64xf32, #t> {
  %x = gpt.generic [t=64, c=128] indices(%token[t] : tensor<64xi32, #t>) inputs(%e[s0, c] : tensor<65x128xf32, #v_c>)
      -> (tensor<64x128xf32, #t_c>) {
  ^bb0(%i: i32, %a: f32):
    gpt.yield %a : f32
  }
  %s = gpt.generic sum [t=64 | c=128] inputs(%x[t, c] : tensor<64x128xf32, #t_c>) -> (tensor<64xf32, #t>) {
  ^bb0(%a: f32):
    %r = arith.mulf %a, %a : f32
    gpt.yield %r : f32
  }
  return %s : tensor<64xf32, #t>
}

// -----

#t_c = #gpt.dims<t=64, c=128>
#t = #gpt.dims<t=64>

// Factors that all terms share leave the sum, a guard against infinite ones with them.
// CHECK-LABEL: func.func @factors
// CHECK-SAME: %[[X:.*]]: tensor<64x128xf32, {{.*}}>, %[[S:.*]]: tensor<64xf32, {{.*}}>
// CHECK-NEXT: %[[SUM:.*]] = gpt.generic sum [t=64 | c=128] inputs(%[[X]][t, c] : {{.*}}) -> {{.*}} {
// CHECK-NEXT: ^bb0(%[[A:.*]]: f32
// CHECK-NEXT: %[[P:.*]] = arith.mulf %[[A]], %[[A]]
// CHECK-NEXT: gpt.yield %[[P]]
// CHECK: gpt.generic [t=64] inputs(%[[SUM]][t] : {{.*}}, %[[S]][t] : {{.*}}) -> {{.*}} {
// CHECK-NEXT: ^bb0(%[[T:.*]]: f32, %[[F:.*]]: f32
// CHECK: %[[ROOT:.*]] = math.rsqrt %[[F]]
// CHECK: %[[M:.*]] = arith.mulf %[[T]], %[[ROOT]]
// CHECK: arith.select %{{.*}}, %{{.*}}, %[[M]]
// CHECK: arith.negf
// CHECK: gpt.yield
func.func @factors(%x: tensor<64x128xf32, #t_c>, %s: tensor<64xf32, #t>) -> tensor<64xf32, #t> {
  %y = gpt.generic sum [t=64 | c=128] inputs(%x[t, c] : tensor<64x128xf32, #t_c>, %s[t] : tensor<64xf32, #t>) -> (tensor<64xf32, #t>) {
  ^bb0(%a: f32, %b: f32):
    %zero = arith.constant 0.0 : f32
    %p = arith.mulf %a, %a : f32
    %r = math.rsqrt %b : f32
    %q = arith.mulf %p, %r : f32
    %c = arith.cmpf oeq, %p, %zero : f32
    %d = arith.select %c, %zero, %q : f32
    %n = arith.negf %d : f32
    gpt.yield %n : f32
  }
  return %y : tensor<64xf32, #t>
}

// -----

#h_t_e = #gpt.dims<h=2, t=16, e=4>
#h_t_s = #gpt.dims<h=2, t=16, s=16>

// Two formulas over a matrix of products have the same tanh: computed once, though each has one user.
// CHECK-LABEL: func.func @capped
// CHECK: %[[P:.*]] = gpt.generic sum [h=2, t=16, s=16 | e=4]
// CHECK: %[[H:.*]] = gpt.generic [h=2, t=16, s=16] inputs(%[[P]][h, t, s] : {{.*}}) ->
// CHECK: arith.divf
// CHECK: math.tanh
// CHECK: gpt.generic [h=2, t=16, s=16] inputs(%[[H]][h, t, s] : {{.*}}) ->
// CHECK-NOT: math.tanh
// CHECK: math.exp
// CHECK: gpt.generic [h=2, t=16, s=16] inputs(%{{.*}}[h, t, s] : {{.*}}, %[[H]][h, t, s] : {{.*}}) ->
// CHECK-NOT: math.tanh
// CHECK: return
func.func @capped(%q: tensor<2x16x4xf32, #h_t_e>, %k: tensor<2x16x4xf32, #h_t_e>, %g: tensor<2x16x16xf32, #h_t_s>) -> (tensor<2x16x16xf32, #h_t_s>, tensor<2x16x16xf32, #h_t_s>) {
  %p = gpt.generic sum [h=2, t=16, s=16 | e=4] inputs(%q[h, t, e] : tensor<2x16x4xf32, #h_t_e>, %k[h, s, e] : tensor<2x16x4xf32, #h_t_e>) -> (tensor<2x16x16xf32, #h_t_s>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    gpt.yield %0 : f32
  }
  %c = gpt.generic [h=2, t=16, s=16] inputs(%p[h, t, s] : tensor<2x16x16xf32, #h_t_s>) -> (tensor<2x16x16xf32, #h_t_s>) {
  ^bb0(%a: f32):
    %cap = arith.constant 3.0 : f32
    %0 = arith.divf %a, %cap : f32
    %1 = math.tanh %0 : f32
    %2 = arith.mulf %1, %cap : f32
    gpt.yield %2 : f32
  }
  %z = gpt.generic [h=2, t=16, s=16] inputs(%c[h, t, s] : tensor<2x16x16xf32, #h_t_s>) -> (tensor<2x16x16xf32, #h_t_s>) {
  ^bb0(%a: f32):
    %0 = math.exp %a : f32
    gpt.yield %0 : f32
  }
  %d = gpt.generic [h=2, t=16, s=16] inputs(%p[h, t, s] : tensor<2x16x16xf32, #h_t_s>, %g[h, t, s] : tensor<2x16x16xf32, #h_t_s>) -> (tensor<2x16x16xf32, #h_t_s>) {
  ^bb0(%a: f32, %b: f32):
    %cap = arith.constant 3.0 : f32
    %one = arith.constant 1.0 : f32
    %0 = arith.divf %a, %cap : f32
    %1 = math.tanh %0 : f32
    %2 = arith.mulf %1, %1 : f32
    %3 = arith.subf %one, %2 : f32
    %4 = arith.mulf %b, %3 : f32
    gpt.yield %4 : f32
  }
  return %z, %d : tensor<2x16x16xf32, #h_t_s>, tensor<2x16x16xf32, #h_t_s>
}
