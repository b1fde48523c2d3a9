// RUN: gptc-opt %s --split-input-file --verify-diagnostics --gpt-autodiff | FileCheck %s

#scalar = #gpt.dims<>
#bc = #gpt.dims<b upto 12, c=4>
#bj = #gpt.dims<b upto 12, j=3>
#cj = #gpt.dims<c=4, j=3>
#n = #gpt.dims<n=2>

// A contraction, an elementwise function, a sum; the vjp of the contraction is one.
gpt.variable parameter @w : tensor<4x3xf32, #cj> path ["w"]
gpt.variable state @s : tensor<2xf32, #n> path ["s"]
gpt.variable parameter @unused : tensor<2xf32, #n> path ["unused"]

// CHECK-LABEL: func.func @main
// CHECK-SAME: %[[X:.*]]: tensor<12x4xf32, {{#[a-z_]+}}>
// CHECK-SAME: {gpt.output = "loss"}
// CHECK-SAME: {gpt.gradient = @w}
// CHECK-SAME: {gpt.gradient = @unused}
// CHECK-NOT: gpt.gradient = @s
func.func @main(%x: tensor<12x4xf32, #bc> {gpt.input = "x", gpt.per_example})
    -> (tensor<f32, #scalar> {gpt.output = "loss"}) {
  %w = gpt.get @w : tensor<4x3xf32, #cj>
  %s = gpt.get @s : tensor<2xf32, #n>
  // CHECK: %[[Y:.*]] = gpt.generic sum [b upto 12, j=3 | c=4] inputs(%[[X]][b, c] : {{.*}}, %{{.*}}[c, j] :
  %y = gpt.generic sum [b upto 12, j=3 | c=4] inputs(%x[b, c] : tensor<12x4xf32, #bc>, %w[c, j] : tensor<4x3xf32, #cj>)
      -> (tensor<12x3xf32, #bj>) {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %b : f32
    gpt.yield %m : f32
  }
  %loss = gpt.generic sum [ | b upto 12, j=3] inputs(%y[b, j] : tensor<12x3xf32, #bj>) -> (tensor<f32, #scalar>) {
  ^bb0(%a: f32):
    %t = math.tanh %a : f32
    gpt.yield %t : f32
  }
  // CHECK: %[[DY:.*]] = gpt.generic [b upto 12, j=3] inputs(%[[Y]][b, j] :
  // CHECK: math.tanh
  // CHECK: %[[DW:.*]] = gpt.generic sum [c=4, j=3 | b upto 12] inputs(%[[X]][b, c] : {{.*}}, %[[DY]][b, j] :
  // CHECK-NEXT: ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32):
  // CHECK-NEXT: %[[M:.*]] = arith.mulf %[[B]], %[[A]] : f32
  // CHECK-NEXT: gpt.yield %[[M]] : f32
  // CHECK: %[[ZERO:.*]] = gpt.constant dense<0.000000e+00> : tensor<2xf32, {{.*}}
  // CHECK: return %{{.*}}, %[[DW]], %[[ZERO]] :
  return %loss : tensor<f32, #scalar>
}

// -----

#scalar = #gpt.dims<>
#t = #gpt.dims<t=8>
#tc = #gpt.dims<t=8, c=4>
#vc = #gpt.dims<v=16, c=4>

// A gather becomes a scatter; conversions are undone.
gpt.variable parameter @table : tensor<16x4xf32, #vc> path ["table"]

// CHECK-LABEL: func.func @main
// CHECK-SAME: %[[TOKEN:.*]]: tensor<8xi32, {{#[a-z_]+}}>
func.func @main(%token: tensor<8xi32, #t>) -> (tensor<f32, #scalar> {gpt.output = "loss"}) {
  %table = gpt.get @table : tensor<16x4xf32, #vc>
  %x = gpt.generic [t=8, c=4] indices(%token[t] : tensor<8xi32, #t>) inputs(%table[s0, c] : tensor<16x4xf32, #vc>)
      -> (tensor<8x4xf64, #tc>) {
  ^bb0(%i: i32, %a: f32):
    %e = arith.extf %a : f32 to f64
    gpt.yield %e : f64
  }
  %loss = gpt.generic sum [ | t=8, c=4] inputs(%x[t, c] : tensor<8x4xf64, #tc>) -> (tensor<f32, #scalar>) {
  ^bb0(%a: f64):
    %m = arith.mulf %a, %a : f64
    %f = arith.truncf %m : f64 to f32
    gpt.yield %f : f32
  }
  // CHECK: gpt.generic sum
  // CHECK: %[[DX:.*]] = gpt.generic [t=8, c=4] inputs
  // CHECK: %[[D:.*]] = gpt.scatter [t=8, c=4] indices(%[[TOKEN]][t] : {{.*}}) inputs(%[[DX]][t, c] : {{.*}}) at [s0, c]
  // CHECK: arith.truncf
  // CHECK: return %{{.*}}, %[[D]]
  return %loss : tensor<f32, #scalar>
}

// -----

#scalar = #gpt.dims<>
#c = #gpt.dims<c=4>
#nc = #gpt.dims<n=3, c=4>

// The forward repeat keeps what exp gave, and nothing else is needed (2 * e is computed again); the other one runs
// backwards.
gpt.variable parameter @w : tensor<3x4xf32, #nc> copies 1 path ["w", "*"]

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<4xf32, #c>) -> (tensor<f32, #scalar> {gpt.output = "loss"}) {
  %w = gpt.get @w : tensor<3x4xf32, #nc>
  // CHECK: %[[W:.*]] = gpt.get @w
  // CHECK: %{{.*}}, %[[KEPT:.*]] = gpt.repeat 3 inits(%{{.*}} : {{.*}}) stacked(%[[W]] : {{.*}}) -> (tensor<4xf32, #c>) stacks(tensor<3x4xf32,
  // CHECK: %[[E:.*]] = gpt.generic [c=4]
  // CHECK: math.exp
  // CHECK: gpt.yield %{{.*}}, %[[E]] : tensor<4xf32, #c>, tensor<4xf32, #c>
  %y = gpt.repeat 3 inits(%x : tensor<4xf32, #c>) stacked(%w : tensor<3x4xf32, #nc>) -> (tensor<4xf32, #c>) {
  ^bb0(%copy: tensor<i32, #scalar>, %h: tensor<4xf32, #c>, %v: tensor<4xf32, #c>):
    %e = gpt.generic [c=4] inputs(%h[c] : tensor<4xf32, #c>) -> (tensor<4xf32, #c>) {
    ^bb0(%a: f32):
      %r = math.exp %a : f32
      gpt.yield %r : f32
    }
    %d = gpt.generic [c=4] inputs(%e[c] : tensor<4xf32, #c>) -> (tensor<4xf32, #c>) {
    ^bb0(%a: f32):
      %r = arith.addf %a, %a : f32
      gpt.yield %r : f32
    }
    %n = gpt.generic [c=4] inputs(%d[c] : tensor<4xf32, #c>, %v[c] : tensor<4xf32, #c>) -> (tensor<4xf32, #c>) {
    ^bb0(%a: f32, %b: f32):
      %r = arith.mulf %a, %b : f32
      gpt.yield %r : f32
    }
    gpt.yield %n : tensor<4xf32, #c>
  }
  %loss = gpt.generic sum [ | c=4] inputs(%y[c] : tensor<4xf32, #c>) -> (tensor<f32, #scalar>) {
  ^bb0(%a: f32):
    %m = arith.mulf %a, %a : f32
    gpt.yield %m : f32
  }
  // CHECK: %{{.*}}, %[[DW:.*]] = gpt.repeat 3 reverse inits(%{{.*}} : {{.*}}) stacked(%[[W]] : {{.*}}, %[[KEPT]] :
  // CHECK-NOT: math.exp
  // CHECK: arith.addf
  // CHECK: return %{{.*}}, %[[DW]] :
  return %loss : tensor<f32, #scalar>
}

// -----

#scalar = #gpt.dims<>
#c = #gpt.dims<c=4>

// expected-error @below {{the objective is one float number, but the loss is 'tensor<4xf32, #gpt.dims<c=4>>'}}
func.func @main(%x: tensor<4xf32, #c>) -> (tensor<4xf32, #c> {gpt.output = "loss"}) {
  return %x : tensor<4xf32, #c>
}

// -----

#scalar = #gpt.dims<>

// expected-error @below {{@main has no result with gpt.output = "loss" to differentiate}}
func.func @main(%x: tensor<f32, #scalar>) -> (tensor<f32, #scalar> {gpt.output = "y"}) {
  return %x : tensor<f32, #scalar>
}

// -----

#scalar = #gpt.dims<>

// expected-error @below {{the module has no function @main with a body}}
module {
}

// -----

#scalar = #gpt.dims<>

gpt.variable parameter @w : tensor<f32, #scalar> path ["w"]
func.func @main() -> (tensor<f32, #scalar> {gpt.output = "loss"}) {
  %w = gpt.get @w : tensor<f32, #scalar>
  %y = gpt.generic [] inputs(%w[] : tensor<f32, #scalar>) -> (tensor<f32, #scalar>) {
  ^bb0(%a: f32):
    // expected-error @below {{no derivative is known for 'math.cbrt'}}
    %r = math.cbrt %a : f32
    gpt.yield %r : f32
  }
  return %y : tensor<f32, #scalar>
}

// -----

#scalar = #gpt.dims<>
#n = #gpt.dims<n=2>
#b_t_e = #gpt.dims<b=3, t=64, e=4>
#b_t_u = #gpt.dims<b=3, t=64, u=64>
gpt.variable parameter @w : tensor<2xf32, #n> copies 1 path ["l", "*", "w"]

// A matrix of 64 x 64 from 64 x 4: it is computed again, and so is its exp; only x is kept for the way back.
// CHECK-LABEL: func.func @main
// CHECK: gpt.repeat 2 inits
// CHECK-SAME: stacks(tensor<2x3x64x4xf32, #{{[a-z_0-9]+}}>)
// CHECK: gpt.repeat 2 reverse inits
// CHECK: %[[S:.*]] = gpt.generic sum [b=3, t=64, u=64 | e=4] inputs(%[[X:.*]][b, t, e] : {{.*}}, %[[X]][b, u, e] :
// CHECK: gpt.generic [b=3, t=64, u=64] inputs(%[[S]][b, t, u] :
// CHECK: math.exp
func.func @main(%x: tensor<3x64x4xf32, #b_t_e> {gpt.input = "x"}) -> (tensor<f32, #scalar> {gpt.output = "loss"}) {
  %w = gpt.get @w : tensor<2xf32, #n>
  %y = gpt.repeat 2 inits(%x : tensor<3x64x4xf32, #b_t_e>) stacked(%w : tensor<2xf32, #n>) -> (tensor<3x64x4xf32, #b_t_e>) {
  ^bb0(%i: tensor<i32, #scalar>, %c: tensor<3x64x4xf32, #b_t_e>, %g: tensor<f32, #scalar>):
    %s = gpt.generic sum [b=3, t=64, u=64 | e=4] inputs(%c[b, t, e] : tensor<3x64x4xf32, #b_t_e>,
        %c[b, u, e] : tensor<3x64x4xf32, #b_t_e>) -> (tensor<3x64x64xf32, #b_t_u>) {
    ^bb0(%a: f32, %b: f32):
      %m = arith.mulf %a, %b : f32
      gpt.yield %m : f32
    }
    %z = gpt.generic [b=3, t=64, u=64] inputs(%s[b, t, u] : tensor<3x64x64xf32, #b_t_u>, %g[] : tensor<f32, #scalar>)
        -> (tensor<3x64x64xf32, #b_t_u>) {
    ^bb0(%a: f32, %b: f32):
      %m = arith.mulf %a, %b : f32
      %e = math.exp %m : f32
      gpt.yield %e : f32
    }
    %o = gpt.generic sum [b=3, t=64, e=4 | u=64] inputs(%z[b, t, u] : tensor<3x64x64xf32, #b_t_u>,
        %c[b, u, e] : tensor<3x64x4xf32, #b_t_e>) -> (tensor<3x64x4xf32, #b_t_e>) {
    ^bb0(%a: f32, %b: f32):
      %m = arith.mulf %a, %b : f32
      gpt.yield %m : f32
    }
    gpt.yield %o : tensor<3x64x4xf32, #b_t_e>
  }
  %loss = gpt.generic sum [ | b=3, t=64, e=4] inputs(%y[b, t, e] : tensor<3x64x4xf32, #b_t_e>) -> (tensor<f32, #scalar>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %loss : tensor<f32, #scalar>
}
