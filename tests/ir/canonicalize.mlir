// RUN: gptc-opt %s --canonicalize | FileCheck %s

#t = #gpt.dims<t=4>
#b = #gpt.dims<b upto 4>
#v_c = #gpt.dims<v=65, c=8>
#t_c = #gpt.dims<t=4, c=8>

// CHECK-LABEL: func.func @unused_inputs
func.func @unused_inputs(%x: tensor<4xf32, #t>, %y: tensor<4xf32, #t>) -> tensor<4xf32, #t> {
  // CHECK: gpt.generic [t=4] inputs(%arg1[t] : tensor<4xf32, #t>) ->
  // CHECK-NEXT: ^bb0(%[[B:.*]]: f32):
  // CHECK-NEXT: arith.negf %[[B]]
  %z = gpt.generic [t=4] inputs(%x[t] : tensor<4xf32, #t>, %y[t] : tensor<4xf32, #t>) -> (tensor<4xf32, #t>) {
  ^bb0(%a: f32, %b: f32):
    %n = arith.negf %b : f32
    gpt.yield %n : f32
  }
  return %z : tensor<4xf32, #t>
}

// The second index operand gathers; the first is not used, the third is the second again.
// CHECK-LABEL: func.func @unused_indices
func.func @unused_indices(%i: tensor<4xi32, #t>, %j: tensor<4xi32, #t>, %w: tensor<65x8xf32, #v_c>) -> tensor<4x8xf32, #t_c> {
  // CHECK: gpt.generic [t=4, c=8] indices(%arg1[t] : tensor<4xi32, #t>) inputs(%arg2[s0, c] : tensor<65x8xf32, #v_c>) ->
  // CHECK-NEXT: ^bb0(%{{.*}}: i32, %[[A:.*]]: f32):
  // CHECK-NEXT: arith.addf %[[A]], %[[A]]
  %z = gpt.generic [t=4, c=8] indices(%i[t] : tensor<4xi32, #t>, %j[t] : tensor<4xi32, #t>, %j[t] : tensor<4xi32, #t>)
      inputs(%w[s1, c] : tensor<65x8xf32, #v_c>, %w[s2, c] : tensor<65x8xf32, #v_c>) -> (tensor<4x8xf32, #t_c>) {
  ^bb0(%p: i32, %q: i32, %r: i32, %a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    gpt.yield %s : f32
  }
  return %z : tensor<4x8xf32, #t_c>
}

// CHECK-LABEL: func.func @duplicates
func.func @duplicates(%x: tensor<4xf32, #t>) -> tensor<4xf32, #t> {
  // CHECK: inputs(%arg0[t] : tensor<4xf32, #t>, %arg0[t - 1] : tensor<4xf32, #t>) ->
  // CHECK-NEXT: ^bb0(%[[A:.*]]: f32, %[[C:.*]]: f32):
  // CHECK-NEXT: %[[S:.*]] = arith.addf %[[A]], %[[A]]
  // CHECK-NEXT: arith.addf %[[S]], %[[C]]
  %z = gpt.generic [t=4]
      inputs(%x[t] : tensor<4xf32, #t>, %x[t] : tensor<4xf32, #t>, %x[t - 1] : tensor<4xf32, #t>)
      -> (tensor<4xf32, #t>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %s = arith.addf %a, %b : f32
    %u = arith.addf %s, %c : f32
    gpt.yield %u : f32
  }
  return %z : tensor<4xf32, #t>
}

// A splat that may be read outside stays an operand, unless it is zero.
// CHECK-LABEL: func.func @splats
func.func @splats() -> tensor<4xf32, #t> {
  %one = gpt.constant dense<1.0> : tensor<4xf32, #t> : tensor<4xf32, #t>
  %two = gpt.constant dense<2.0> : tensor<4xf32, #t> : tensor<4xf32, #t>
  %zero = gpt.constant dense<0.0> : tensor<4xf32, #t> : tensor<4xf32, #t>
  // CHECK: %[[TWO:.*]] = gpt.constant dense<2.000000e+00>
  // CHECK: gpt.generic [t=4] inputs(%[[TWO]][t + 1] : tensor<4xf32, #t>)
  // CHECK-NEXT: ^bb0(%[[B:.*]]: f32):
  // CHECK-DAG: %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
  // CHECK-DAG: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
  // CHECK: %[[S:.*]] = arith.addf %[[B]], %[[ONE]]
  // CHECK: arith.mulf %[[S]], %[[ZERO]]
  %z = gpt.generic [t=4]
      inputs(%one[t] : tensor<4xf32, #t>, %two[t + 1] : tensor<4xf32, #t>, %zero[t + 1] : tensor<4xf32, #t>)
      -> (tensor<4xf32, #t>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %s = arith.addf %b, %a : f32
    %u = arith.mulf %s, %c : f32
    gpt.yield %u : f32
  }
  return %z : tensor<4xf32, #t>
}

// An extent below the bound leaves points of a static space outside.
// CHECK-LABEL: func.func @splat_of_dynamic
func.func @splat_of_dynamic() -> tensor<4xf32, #t> {
  %one = gpt.constant dense<1.0> : tensor<4xf32, #b> : tensor<4xf32, #b>
  // CHECK: gpt.generic [t=4] inputs(
  %z = gpt.generic [t=4] inputs(%one[t] : tensor<4xf32, #b>) -> (tensor<4xf32, #t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %z : tensor<4xf32, #t>
}

// CHECK-LABEL: func.func @unused_results
func.func @unused_results(%x: tensor<4xf32, #t>, %y: tensor<4xf32, #t>) -> tensor<4xf32, #t> {
  // CHECK: %[[Z:.*]] = gpt.generic [t=4] inputs(%arg1[t] : tensor<4xf32, #t>) -> (tensor<4xf32, #t>)
  // CHECK-NOT: math.exp
  // CHECK: return %[[Z]]
  %z:2 = gpt.generic [t=4] inputs(%x[t] : tensor<4xf32, #t>, %y[t] : tensor<4xf32, #t>)
      -> (tensor<4xf32, #t>, tensor<4xf32, #t>) {
  ^bb0(%a: f32, %b: f32):
    %e = math.exp %a : f32
    %n = arith.negf %b : f32
    gpt.yield %e, %n : f32, f32
  }
  return %z#1 : tensor<4xf32, #t>
}

// CHECK-LABEL: func.func @copies
func.func @copies(%x: tensor<4xf32, #t>) -> tensor<4xf32, #t> {
  // CHECK-NEXT: return %arg0
  %z = gpt.generic [t=4] inputs(%x[t] : tensor<4xf32, #t>) -> (tensor<4xf32, #t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %z : tensor<4xf32, #t>
}

// CHECK-LABEL: func.func @shifted
func.func @shifted(%x: tensor<4xf32, #t>) -> tensor<4xf32, #t> {
  // CHECK-NEXT: gpt.generic [t=4] inputs(%arg0[t - 1]
  %z = gpt.generic [t=4] inputs(%x[t - 1] : tensor<4xf32, #t>) -> (tensor<4xf32, #t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %z : tensor<4xf32, #t>
}

// CHECK-LABEL: func.func @reshapes
func.func @reshapes(%x: tensor<4x8xf32, #t_c>) -> (tensor<8x4xf32, #gpt.dims<p=8, q=4>>, tensor<4x8xf32, #t_c>, tensor<32xf32, #gpt.dims<n=32>>) {
  %flat = gpt.reshape %x : tensor<4x8xf32, #t_c> to tensor<32xf32, #gpt.dims<n=32>>
  // CHECK-DAG: %[[A:.*]] = gpt.reshape %arg0 : tensor<4x8xf32, #t_c> to tensor<8x4xf32, #p_q>
  %a = gpt.reshape %flat : tensor<32xf32, #gpt.dims<n=32>> to tensor<8x4xf32, #gpt.dims<p=8, q=4>>
  %b = gpt.reshape %flat : tensor<32xf32, #gpt.dims<n=32>> to tensor<4x8xf32, #t_c>
  // CHECK-DAG: %[[C:.*]] = gpt.constant dense<3.000000e+00> : tensor<32xf32, #n> : tensor<32xf32, #n>
  %three = gpt.constant dense<3.0> : tensor<4x8xf32, #t_c> : tensor<4x8xf32, #t_c>
  %c = gpt.reshape %three : tensor<4x8xf32, #t_c> to tensor<32xf32, #gpt.dims<n=32>>
  // CHECK: return %[[A]], %arg0, %[[C]]
  return %a, %b, %c : tensor<8x4xf32, #gpt.dims<p=8, q=4>>, tensor<4x8xf32, #t_c>, tensor<32xf32, #gpt.dims<n=32>>
}

// CHECK-LABEL: func.func @scalars
func.func @scalars() -> tensor<1x4xi32, #gpt.dims<o=1, b upto 4>> {
  // CHECK: arith.constant 1 : i32
  // CHECK-NEXT: gpt.extent 1 : i32
  // CHECK-NEXT: gpt.index 1 : i32
  // CHECK-NOT: gpt.extent 0
  // CHECK-NOT: gpt.index 0
  %z = gpt.generic [o=1, b upto 4] -> (tensor<1x4xi32, #gpt.dims<o=1, b upto 4>>) {
    %o = gpt.index 0 : i32
    %one = gpt.extent 0 : i32
    %n = gpt.extent 1 : i32
    %b = gpt.index 1 : i32
    %p = arith.addi %o, %one : i32
    %q = arith.muli %n, %b : i32
    %r = arith.muli %p, %q : i32
    %s = arith.addi %r, %one : i32
    gpt.yield %s : i32
  }
  return %z : tensor<1x4xi32, #gpt.dims<o=1, b upto 4>>
}

// Each row gets one number, at the place that its target names: a question of every place.
// CHECK-LABEL: func.func @one_place_a_row
// CHECK-SAME: %[[TARGET:.*]]: tensor<4xi32, #t>, %[[X:.*]]: tensor<4xf32, #t>
// CHECK: gpt.generic [t=4, c=8] inputs(%[[X]][t] : tensor<4xf32, #t>, %[[TARGET]][t] : tensor<4xi32, #t>) ->
// CHECK-NEXT: ^bb0(%[[A:.*]]: f32, %[[I:.*]]: i32):
// CHECK: %[[AT:.*]] = gpt.index 1 : i32
// CHECK: %[[HERE:.*]] = arith.cmpi eq, %[[AT]], %[[I]]
// CHECK: arith.select %[[HERE]], %[[A]], %{{.*}} : f32
func.func @one_place_a_row(%target: tensor<4xi32, #t>, %x: tensor<4xf32, #t>) -> tensor<4x8xf32, #t_c> {
  %y = gpt.scatter [t=4] indices(%target[t] : tensor<4xi32, #t>) inputs(%x[t] : tensor<4xf32, #t>) at [t, s0] -> tensor<4x8xf32, #t_c> {
  ^bb0(%i: i32, %a: f32):
    gpt.yield %a : f32
  }
  return %y : tensor<4x8xf32, #t_c>
}

// Rows that may meet stay a scatter.
// CHECK-LABEL: func.func @rows_may_meet
// CHECK: gpt.scatter
func.func @rows_may_meet(%token: tensor<4xi32, #t>, %x: tensor<4x8xf32, #t_c>) -> tensor<65x8xf32, #v_c> {
  %y = gpt.scatter [t=4, c=8] indices(%token[t] : tensor<4xi32, #t>) inputs(%x[t, c] : tensor<4x8xf32, #t_c>) at [s0, c] -> tensor<65x8xf32, #v_c> {
  ^bb0(%i: i32, %a: f32):
    gpt.yield %a : f32
  }
  return %y : tensor<65x8xf32, #v_c>
}
