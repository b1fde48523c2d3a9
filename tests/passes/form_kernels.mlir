// RUN: gptc-opt %s --gpt-form-kernels --split-input-file | FileCheck %s

#t_u = #gpt.dims<t=64, u=64>
#t = #gpt.dims<t=64>

// A softmax is one kernel of rows.
// CHECK-LABEL: func.func @softmax
// CHECK-NEXT: %[[K:.*]] = gpt.kernel(%arg0 : {{.*}}) -> (tensor<64x64xf32, {{.*}}>) attributes {gpt.rows = 1 : i64} {
// CHECK: gpt.generic max
// CHECK: gpt.generic [t=64, u=64]
// CHECK: gpt.generic sum
// CHECK: gpt.generic [t=64, u=64]
// CHECK: gpt.yield
// CHECK: return %[[K]]
func.func @softmax(%x: tensor<64x64xf32, #t_u>) -> tensor<64x64xf32, #t_u> {
  %m = gpt.generic max [t=64 | u=64] inputs(%x[t, u] : tensor<64x64xf32, #t_u>) -> (tensor<64xf32, #t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %e = gpt.generic [t=64, u=64] inputs(%x[t, u] : tensor<64x64xf32, #t_u>, %m[t] : tensor<64xf32, #t>)
      -> (tensor<64x64xf32, #t_u>) {
  ^bb0(%a: f32, %b: f32):
    %d = arith.subf %a, %b : f32
    %r = math.exp %d : f32
    gpt.yield %r : f32
  }
  %s = gpt.generic sum [t=64 | u=64] inputs(%e[t, u] : tensor<64x64xf32, #t_u>) -> (tensor<64xf32, #t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %p = gpt.generic [t=64, u=64] inputs(%e[t, u] : tensor<64x64xf32, #t_u>, %s[t] : tensor<64xf32, #t>)
      -> (tensor<64x64xf32, #t_u>) {
  ^bb0(%a: f32, %b: f32):
    %d = arith.divf %a, %b : f32
    gpt.yield %d : f32
  }
  return %p : tensor<64x64xf32, #t_u>
}

// -----

#t_c = #gpt.dims<t=64, c=128>
#c_j = #gpt.dims<c=128, j=32>
#t_j = #gpt.dims<t=64, j=32>
#j = #gpt.dims<j=32>
#t = #gpt.dims<t=64>

// A contraction takes maps over its results along; what is used elsewhere is a
// further result. The last map needs the row sums first: it joins their kernel.
// CHECK-LABEL: func.func @epilogue
// CHECK-NEXT: %[[K:.*]]:2 = gpt.kernel(%arg0 : {{.*}}, %arg1 : {{.*}}, %arg2 : {{.*}}) -> (tensor<64x32xf32, {{.*}}>, tensor<64x32xf32, {{.*}}>) {
// CHECK: gpt.generic sum [t=64, j=32 | c=128]
// CHECK: gpt.generic [t=64, j=32]
// CHECK: arith.addf
// CHECK: gpt.generic [t=64, j=32]
// CHECK: arith.maximumf
// CHECK: gpt.yield
// CHECK: %[[R:.*]] = gpt.kernel(%[[K]]#1 : {{.*}}) -> (tensor<64x32xf32, {{.*}}>) attributes {gpt.rows = 1 : i64}
// CHECK: return %[[K]]#0, %[[R]]
func.func @epilogue(%x: tensor<64x128xf32, #t_c>, %w: tensor<128x32xf32, #c_j>, %b: tensor<32xf32, #j>)
    -> (tensor<64x32xf32, #t_j>, tensor<64x32xf32, #t_j>) {
  %h = gpt.generic sum [t=64, j=32 | c=128]
      inputs(%x[t, c] : tensor<64x128xf32, #t_c>, %w[c, j] : tensor<128x32xf32, #c_j>) -> (tensor<64x32xf32, #t_j>) {
  ^bb0(%a: f32, %k: f32):
    %r = arith.mulf %a, %k : f32
    gpt.yield %r : f32
  }
  %y = gpt.generic [t=64, j=32] inputs(%h[t, j] : tensor<64x32xf32, #t_j>, %b[j] : tensor<32xf32, #j>)
      -> (tensor<64x32xf32, #t_j>) {
  ^bb0(%a: f32, %k: f32):
    %r = arith.addf %a, %k : f32
    gpt.yield %r : f32
  }
  %z = gpt.generic [t=64, j=32] inputs(%y[t, j] : tensor<64x32xf32, #t_j>) -> (tensor<64x32xf32, #t_j>) {
  ^bb0(%a: f32):
    %0 = arith.constant 0.0 : f32
    %r = arith.maximumf %a, %0 : f32
    gpt.yield %r : f32
  }
  %s = gpt.generic sum [t=64 | j=32] inputs(%z[t, j] : tensor<64x32xf32, #t_j>) -> (tensor<64xf32, #t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %n = gpt.generic [t=64, j=32] inputs(%z[t, j] : tensor<64x32xf32, #t_j>, %s[t] : tensor<64xf32, #t>)
      -> (tensor<64x32xf32, #t_j>) {
  ^bb0(%a: f32, %k: f32):
    %r = arith.divf %a, %k : f32
    gpt.yield %r : f32
  }
  return %y, %n : tensor<64x32xf32, #t_j>, tensor<64x32xf32, #t_j>
}

// -----

#c = #gpt.dims<c=128>

// Maps over the same points become one op; its users elsewhere are sorted behind it.
// CHECK-LABEL: func.func @update
// CHECK-NEXT: %[[K:.*]]:2 = gpt.kernel
// CHECK: %[[M:.*]]:2 = gpt.generic [c=128]
// CHECK-NOT: gpt.generic
// CHECK: gpt.yield %[[M]]#0, %[[M]]#1
// CHECK: return %[[K]]#0, %[[K]]#1
func.func @update(%g: tensor<128xf32, #c>, %m: tensor<128xf32, #c>, %w: tensor<128xf32, #c>)
    -> (tensor<128xf32, #c>, tensor<128xf32, #c>) {
  %n = gpt.generic [c=128] inputs(%g[c] : tensor<128xf32, #c>, %m[c] : tensor<128xf32, #c>) -> (tensor<128xf32, #c>) {
  ^bb0(%a: f32, %b: f32):
    %r = arith.addf %a, %b : f32
    gpt.yield %r : f32
  }
  %v = gpt.generic [c=128] inputs(%n[c] : tensor<128xf32, #c>, %w[c] : tensor<128xf32, #c>) -> (tensor<128xf32, #c>) {
  ^bb0(%a: f32, %b: f32):
    %r = arith.subf %b, %a : f32
    gpt.yield %r : f32
  }
  return %n, %v : tensor<128xf32, #c>, tensor<128xf32, #c>
}

// -----

#t_c = #gpt.dims<t=64, c=128>
#c = #gpt.dims<c=128>

// Sums over the first dimension don't read by rows; the map after them stays apart.
// CHECK-LABEL: func.func @columns
// CHECK-COUNT-2: gpt.kernel
func.func @columns(%x: tensor<64x128xf32, #t_c>) -> tensor<128xf32, #c> {
  %s = gpt.generic sum [c=128 | t=64] inputs(%x[t, c] : tensor<64x128xf32, #t_c>) -> (tensor<128xf32, #c>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %r = gpt.generic [c=128] inputs(%s[c] : tensor<128xf32, #c>) -> (tensor<128xf32, #c>) {
  ^bb0(%a: f32):
    %r = math.sqrt %a : f32
    gpt.yield %r : f32
  }
  return %r : tensor<128xf32, #c>
}

// -----

#b_t_h_e = #gpt.dims<b=2, t=64, h=3, e=4>
#b_h_t_s = #gpt.dims<b=2, h=3, t=64, s=64>
#b_h_t = #gpt.dims<b=2, h=3, t=64>

// A large product, work on its rows and a fold of these: no matrix leaves the kernel.
// CHECK-LABEL: func.func @scores
// CHECK-NEXT: %[[Y:.*]] = gpt.kernel({{.*}}) -> (tensor<2x64x3x4xf32, #{{.*}}>) attributes {gpt.row_blocks = 3 : i64}
// CHECK-COUNT-6: gpt.generic
// CHECK: return %[[Y]]
func.func @scores(%q: tensor<2x64x3x4xf32, #b_t_h_e>, %k: tensor<2x64x3x4xf32, #b_t_h_e>, %v: tensor<2x64x3x4xf32, #b_t_h_e>) -> tensor<2x64x3x4xf32, #b_t_h_e> {
  %s = gpt.generic sum [b=2, h=3, t=64, s=64 | e=4]
      inputs(%q[b, t, h, e] : tensor<2x64x3x4xf32, #b_t_h_e>, %k[b, s, h, e] : tensor<2x64x3x4xf32, #b_t_h_e>) -> (tensor<2x3x64x64xf32, #b_h_t_s>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    gpt.yield %0 : f32
  }
  %top = gpt.generic max [b=2, h=3, t=64 | s=64] inputs(%s[b, h, t, s] : tensor<2x3x64x64xf32, #b_h_t_s>) -> (tensor<2x3x64xf32, #b_h_t>) {
  ^bb0(%a: f32):
    %j = gpt.index 3 : i32
    %i = gpt.index 2 : i32
    %see = arith.cmpi sle, %j, %i : i32
    %low = arith.constant 0xFF800000 : f32
    %m0 = arith.select %see, %a, %low : f32
    gpt.yield %m0 : f32
  }
  %z = gpt.generic [b=2, h=3, t=64, s=64] inputs(%s[b, h, t, s] : tensor<2x3x64x64xf32, #b_h_t_s>, %top[b, h, t] : tensor<2x3x64xf32, #b_h_t>) -> (tensor<2x3x64x64xf32, #b_h_t_s>) {
  ^bb0(%a: f32, %b: f32):
    %j = gpt.index 3 : i32
    %i = gpt.index 2 : i32
    %see = arith.cmpi sle, %j, %i : i32
    %low = arith.constant 0xFF800000 : f32
    %m0 = arith.select %see, %a, %low : f32
    %d = arith.subf %m0, %b : f32
    %0 = math.exp %d : f32
    gpt.yield %0 : f32
  }
  %n = gpt.generic sum [b=2, h=3, t=64 | s=64] inputs(%z[b, h, t, s] : tensor<2x3x64x64xf32, #b_h_t_s>) -> (tensor<2x3x64xf32, #b_h_t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %p = gpt.generic [b=2, h=3, t=64, s=64] inputs(%z[b, h, t, s] : tensor<2x3x64x64xf32, #b_h_t_s>, %n[b, h, t] : tensor<2x3x64xf32, #b_h_t>) -> (tensor<2x3x64x64xf32, #b_h_t_s>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.divf %a, %b : f32
    gpt.yield %0 : f32
  }
  %y = gpt.generic sum [b=2, t=64, h=3, e=4 | s=64]
      inputs(%p[b, h, t, s] : tensor<2x3x64x64xf32, #b_h_t_s>, %v[b, s, h, e] : tensor<2x64x3x4xf32, #b_t_h_e>) -> (tensor<2x64x3x4xf32, #b_t_h_e>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    gpt.yield %0 : f32
  }
  return %y : tensor<2x64x3x4xf32, #b_t_h_e>
}

// -----

#b_t_h_e = #gpt.dims<b=2, t=64, h=3, e=4>
#b_h_t_s = #gpt.dims<b=2, h=3, t=64, s=64>
#b_h_t = #gpt.dims<b=2, h=3, t=64>

// The weights are a result: they are memory, too.
// CHECK-LABEL: func.func @shown
// CHECK: %[[K:.*]]:2 = gpt.kernel{{.*}} attributes {gpt.row_blocks = 3 : i64}
// CHECK: return %[[K]]#1, %[[K]]#0
func.func @shown(%q: tensor<2x64x3x4xf32, #b_t_h_e>, %k: tensor<2x64x3x4xf32, #b_t_h_e>, %v: tensor<2x64x3x4xf32, #b_t_h_e>) -> (tensor<2x64x3x4xf32, #b_t_h_e>, tensor<2x3x64x64xf32, #b_h_t_s>) {
  %s = gpt.generic sum [b=2, h=3, t=64, s=64 | e=4]
      inputs(%q[b, t, h, e] : tensor<2x64x3x4xf32, #b_t_h_e>, %k[b, s, h, e] : tensor<2x64x3x4xf32, #b_t_h_e>) -> (tensor<2x3x64x64xf32, #b_h_t_s>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    gpt.yield %0 : f32
  }
  %top = gpt.generic max [b=2, h=3, t=64 | s=64] inputs(%s[b, h, t, s] : tensor<2x3x64x64xf32, #b_h_t_s>) -> (tensor<2x3x64xf32, #b_h_t>) {
  ^bb0(%a: f32):
    %j = gpt.index 3 : i32
    %i = gpt.index 2 : i32
    %see = arith.cmpi sle, %j, %i : i32
    %low = arith.constant 0xFF800000 : f32
    %m0 = arith.select %see, %a, %low : f32
    gpt.yield %m0 : f32
  }
  %z = gpt.generic [b=2, h=3, t=64, s=64] inputs(%s[b, h, t, s] : tensor<2x3x64x64xf32, #b_h_t_s>, %top[b, h, t] : tensor<2x3x64xf32, #b_h_t>) -> (tensor<2x3x64x64xf32, #b_h_t_s>) {
  ^bb0(%a: f32, %b: f32):
    %j = gpt.index 3 : i32
    %i = gpt.index 2 : i32
    %see = arith.cmpi sle, %j, %i : i32
    %low = arith.constant 0xFF800000 : f32
    %m0 = arith.select %see, %a, %low : f32
    %d = arith.subf %m0, %b : f32
    %0 = math.exp %d : f32
    gpt.yield %0 : f32
  }
  %n = gpt.generic sum [b=2, h=3, t=64 | s=64] inputs(%z[b, h, t, s] : tensor<2x3x64x64xf32, #b_h_t_s>) -> (tensor<2x3x64xf32, #b_h_t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %p = gpt.generic [b=2, h=3, t=64, s=64] inputs(%z[b, h, t, s] : tensor<2x3x64x64xf32, #b_h_t_s>, %n[b, h, t] : tensor<2x3x64xf32, #b_h_t>) -> (tensor<2x3x64x64xf32, #b_h_t_s>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.divf %a, %b : f32
    gpt.yield %0 : f32
  }
  %y = gpt.generic sum [b=2, t=64, h=3, e=4 | s=64]
      inputs(%p[b, h, t, s] : tensor<2x3x64x64xf32, #b_h_t_s>, %v[b, s, h, e] : tensor<2x64x3x4xf32, #b_t_h_e>) -> (tensor<2x64x3x4xf32, #b_t_h_e>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    gpt.yield %0 : f32
  }
  return %y, %p : tensor<2x64x3x4xf32, #b_t_h_e>, tensor<2x3x64x64xf32, #b_h_t_s>
}

// -----

#b_t_h_e = #gpt.dims<b=2, t=8, h=3, e=16>
#b_h_t_s = #gpt.dims<b=2, h=3, t=8, s=8>
#b_h_t = #gpt.dims<b=2, h=3, t=8>

// A matrix of 8 x 8 is small beside its operands of 8 x 16.
// CHECK-LABEL: func.func @short
// CHECK-NOT: gpt.row_blocks
// CHECK: return
func.func @short(%q: tensor<2x8x3x16xf32, #b_t_h_e>, %k: tensor<2x8x3x16xf32, #b_t_h_e>, %v: tensor<2x8x3x16xf32, #b_t_h_e>) -> tensor<2x8x3x16xf32, #b_t_h_e> {
  %s = gpt.generic sum [b=2, h=3, t=8, s=8 | e=16]
      inputs(%q[b, t, h, e] : tensor<2x8x3x16xf32, #b_t_h_e>, %k[b, s, h, e] : tensor<2x8x3x16xf32, #b_t_h_e>) -> (tensor<2x3x8x8xf32, #b_h_t_s>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    gpt.yield %0 : f32
  }
  %top = gpt.generic max [b=2, h=3, t=8 | s=8] inputs(%s[b, h, t, s] : tensor<2x3x8x8xf32, #b_h_t_s>) -> (tensor<2x3x8xf32, #b_h_t>) {
  ^bb0(%a: f32):
    %j = gpt.index 3 : i32
    %i = gpt.index 2 : i32
    %see = arith.cmpi sle, %j, %i : i32
    %low = arith.constant 0xFF800000 : f32
    %m0 = arith.select %see, %a, %low : f32
    gpt.yield %m0 : f32
  }
  %z = gpt.generic [b=2, h=3, t=8, s=8] inputs(%s[b, h, t, s] : tensor<2x3x8x8xf32, #b_h_t_s>, %top[b, h, t] : tensor<2x3x8xf32, #b_h_t>) -> (tensor<2x3x8x8xf32, #b_h_t_s>) {
  ^bb0(%a: f32, %b: f32):
    %j = gpt.index 3 : i32
    %i = gpt.index 2 : i32
    %see = arith.cmpi sle, %j, %i : i32
    %low = arith.constant 0xFF800000 : f32
    %m0 = arith.select %see, %a, %low : f32
    %d = arith.subf %m0, %b : f32
    %0 = math.exp %d : f32
    gpt.yield %0 : f32
  }
  %n = gpt.generic sum [b=2, h=3, t=8 | s=8] inputs(%z[b, h, t, s] : tensor<2x3x8x8xf32, #b_h_t_s>) -> (tensor<2x3x8xf32, #b_h_t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %p = gpt.generic [b=2, h=3, t=8, s=8] inputs(%z[b, h, t, s] : tensor<2x3x8x8xf32, #b_h_t_s>, %n[b, h, t] : tensor<2x3x8xf32, #b_h_t>) -> (tensor<2x3x8x8xf32, #b_h_t_s>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.divf %a, %b : f32
    gpt.yield %0 : f32
  }
  %y = gpt.generic sum [b=2, t=8, h=3, e=16 | s=8]
      inputs(%p[b, h, t, s] : tensor<2x3x8x8xf32, #b_h_t_s>, %v[b, s, h, e] : tensor<2x8x3x16xf32, #b_t_h_e>) -> (tensor<2x8x3x16xf32, #b_t_h_e>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    gpt.yield %0 : f32
  }
  return %y : tensor<2x8x3x16xf32, #b_t_h_e>
}

// -----

#t = #gpt.dims<t=4>
#t_c = #gpt.dims<t=4, c=8>
#v_c = #gpt.dims<v=65, c=8>

// The scatter begins with what it is added to.
// CHECK-LABEL: func.func @scatter_onto
// CHECK: gpt.kernel
// CHECK: gpt.scatter
// CHECK: gpt.generic [v=65, c=8]
// CHECK: gpt.yield
// CHECK-NOT: gpt.kernel
// CHECK: return
func.func @scatter_onto(%token: tensor<4xi32, #t>, %d: tensor<4x8xf32, #t_c>, %w: tensor<65x8xf32, #v_c>) -> tensor<65x8xf32, #v_c> {
  %y = gpt.scatter [t=4, c=8] indices(%token[t] : tensor<4xi32, #t>) inputs(%d[t, c] : tensor<4x8xf32, #t_c>) at [s0, c] -> tensor<65x8xf32, #v_c> {
  ^bb0(%i: i32, %a: f32):
    gpt.yield %a : f32
  }
  %z = gpt.generic [v=65, c=8] inputs(%w[v, c] : tensor<65x8xf32, #v_c>, %y[v, c] : tensor<65x8xf32, #v_c>) -> (tensor<65x8xf32, #v_c>) {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    gpt.yield %s : f32
  }
  return %z : tensor<65x8xf32, #v_c>
}

// -----

#t_c = #gpt.dims<t=64, c=128>
#t = #gpt.dims<t=64>
#c = #gpt.dims<c=128>

// A sum over the rows reads what the rows of a group have at hand: it is done there.
// CHECK-LABEL: func.func @gain
// CHECK: %[[K:.*]]:2 = gpt.kernel(%arg0 : {{.*}}) -> (tensor<64x128xf32, {{.*}}>, tensor<128xf32, {{.*}}>) attributes {gpt.rows = 1 : i64}
// CHECK: gpt.generic sum [c=128 | t=64] {{.*}} attributes {gpt.axes = array<i64: -1, 0>}
// CHECK-NOT: gpt.kernel
// CHECK: return %[[K]]#0, %[[K]]#1
func.func @gain(%x: tensor<64x128xf32, #t_c>) -> (tensor<64x128xf32, #t_c>, tensor<128xf32, #c>) {
  %m = gpt.generic sum [t=64 | c=128] inputs(%x[t, c] : tensor<64x128xf32, #t_c>) -> (tensor<64xf32, #t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %y = gpt.generic [t=64, c=128] inputs(%x[t, c] : tensor<64x128xf32, #t_c>, %m[t] : tensor<64xf32, #t>) -> (tensor<64x128xf32, #t_c>) {
  ^bb0(%a: f32, %b: f32):
    %r = arith.subf %a, %b : f32
    gpt.yield %r : f32
  }
  %s = gpt.generic sum [c=128 | t=64] inputs(%x[t, c] : tensor<64x128xf32, #t_c>, %m[t] : tensor<64xf32, #t>) -> (tensor<128xf32, #c>) {
  ^bb0(%a: f32, %b: f32):
    %d = arith.subf %a, %b : f32
    %r = arith.mulf %a, %d : f32
    gpt.yield %r : f32
  }
  return %y, %s : tensor<64x128xf32, #t_c>, tensor<128xf32, #c>
}

// -----

#t_c = #gpt.dims<t=64, c=128>
#c_j = #gpt.dims<c=128, j=32>
#t_j = #gpt.dims<t=64, j=32>
#j_n = #gpt.dims<j=32, n=48>
#t_n = #gpt.dims<t=64, n=48>

// A map that reads what the epilogue of a contraction reads is computed beside it; what waits for it follows at once.
// CHECK-LABEL: func.func @beside
// CHECK-NEXT: %[[K:.*]]:2 = gpt.kernel(%arg0 : {{.*}}, %arg1 : {{.*}}, %arg2 : {{.*}}) -> (
// CHECK: gpt.generic sum [t=64, j=32 | c=128]
// CHECK: gpt.generic [t=64, j=32]
// CHECK: math.tanh
// CHECK: gpt.generic [t=64, j=32]
// CHECK: math.tanh
// CHECK: gpt.yield
// CHECK: %[[P:.*]] = gpt.kernel(%[[K]]#0
// CHECK: gpt.generic sum [j=32, n=48 | t=64]
// CHECK: return %[[P]], %[[K]]#1
func.func @beside(%dy: tensor<64x128xf32, #t_c>, %w: tensor<128x32xf32, #c_j>, %x: tensor<64x32xf32, #t_j>,
                  %b: tensor<64x48xf32, #t_n>) -> (tensor<32x48xf32, #j_n>, tensor<64x32xf32, #t_j>) {
  %a = gpt.generic [t=64, j=32] inputs(%x[t, j] : tensor<64x32xf32, #t_j>) -> (tensor<64x32xf32, #t_j>) {
  ^bb0(%u: f32):
    %r = math.tanh %u : f32
    gpt.yield %r : f32
  }
  %p = gpt.generic sum [j=32, n=48 | t=64]
      inputs(%a[t, j] : tensor<64x32xf32, #t_j>, %b[t, n] : tensor<64x48xf32, #t_n>) -> (tensor<32x48xf32, #j_n>) {
  ^bb0(%u: f32, %k: f32):
    %r = arith.mulf %u, %k : f32
    gpt.yield %r : f32
  }
  %h = gpt.generic sum [t=64, j=32 | c=128]
      inputs(%dy[t, c] : tensor<64x128xf32, #t_c>, %w[c, j] : tensor<128x32xf32, #c_j>) -> (tensor<64x32xf32, #t_j>) {
  ^bb0(%u: f32, %k: f32):
    %r = arith.mulf %u, %k : f32
    gpt.yield %r : f32
  }
  %d = gpt.generic [t=64, j=32] inputs(%h[t, j] : tensor<64x32xf32, #t_j>, %x[t, j] : tensor<64x32xf32, #t_j>)
      -> (tensor<64x32xf32, #t_j>) {
  ^bb0(%u: f32, %k: f32):
    %r = math.tanh %k : f32
    %s = arith.mulf %u, %r : f32
    gpt.yield %s : f32
  }
  return %p, %d : tensor<32x48xf32, #j_n>, tensor<64x32xf32, #t_j>
}

// -----

#m_k = #gpt.dims<m=8, k=8>
#k_n = #gpt.dims<k=8, n=8>
#m_n = #gpt.dims<m=8, n=8>

// A map that reads what the epilogue reads, too, but that the product reads: it comes before the product's kernel.
// CHECK-LABEL: func.func @beforeProduct
// CHECK-NEXT: %[[T:.*]] = gpt.kernel
// CHECK-NEXT: ^bb0
// CHECK-NEXT: gpt.generic [m=8, k=8]
// CHECK: %[[Y:.*]] = gpt.kernel(%[[T]]
// CHECK: gpt.generic sum
// CHECK: gpt.generic [m=8, n=8]
// CHECK: return %[[Y]]
func.func @beforeProduct(%v: tensor<8x8xf32, #m_k>, %w: tensor<8x8xf32, #k_n>) -> tensor<8x8xf32, #m_n> {
  %t = gpt.generic [m=8, k=8] inputs(%v[m, k] : tensor<8x8xf32, #m_k>) -> (tensor<8x8xf32, #m_k>) {
  ^bb0(%a: f32):
    %0 = math.tanh %a : f32
    gpt.yield %0 : f32
  }
  %p = gpt.generic sum [m=8, n=8 | k=8]
      inputs(%t[m, k] : tensor<8x8xf32, #m_k>, %w[k, n] : tensor<8x8xf32, #k_n>) -> (tensor<8x8xf32, #m_n>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    gpt.yield %0 : f32
  }
  %y = gpt.generic [m=8, n=8]
      inputs(%p[m, n] : tensor<8x8xf32, #m_n>, %v[m, n] : tensor<8x8xf32, #m_k>) -> (tensor<8x8xf32, #m_n>) {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.addf %a, %b : f32
    gpt.yield %0 : f32
  }
  return %y : tensor<8x8xf32, #m_n>
}
