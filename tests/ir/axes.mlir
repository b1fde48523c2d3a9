// RUN: gptc-opt %s --split-input-file --verify-diagnostics -o /dev/null

// What the rules of axes (A1 to A5 of gpt.kernel) allow: the same axes along each value, sizes that are equal by chance.
#t_u = #gpt.dims<t=4, u=4>
#t = #gpt.dims<t=4>
func.func private @fits(%x: tensor<4x4xf32, #t_u>) -> (tensor<4x4xf32, #t_u>, tensor<4xf32, #t>) attributes {gpt.kernel, gpt.rows = 1 : i64} {
  %m = gpt.generic max [t=4 | u=4] inputs(%x[u, t] : tensor<4x4xf32, #t_u>) -> (tensor<4xf32, #t>) attributes {gpt.axes = array<i64: 0, -1>} {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %y = gpt.generic [t=4, u=4] inputs(%x[t, u] : tensor<4x4xf32, #t_u>, %m[t] : tensor<4xf32, #t>) -> (tensor<4x4xf32, #t_u>) attributes {gpt.axes = array<i64: 0, -1>} {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.subf %a, %b : f32
    gpt.yield %0 : f32
  }
  %s = gpt.generic sum [t=4 | u=4] inputs(%y[u, t] : tensor<4x4xf32, #t_u>) -> (tensor<4xf32, #t>) attributes {gpt.axes = array<i64: -1, 0>} {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %y, %s : tensor<4x4xf32, #t_u>, tensor<4xf32, #t>
}

// -----

// A1
#t = #gpt.dims<t=4>
// expected-note@+1 {{its kernel works by rows}}
func.func private @f(%x: tensor<4xf32, #t>) -> tensor<4xf32, #t> attributes {gpt.kernel, gpt.rows = 1 : i64} {
  // expected-error@+1 {{has no 'gpt.axes'}}
  %y = gpt.generic [t=4] inputs(%x[t] : tensor<4xf32, #t>) -> (tensor<4xf32, #t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %y : tensor<4xf32, #t>
}

// -----

// A2: how many
#t = #gpt.dims<t=4>
func.func @f(%x: tensor<4xf32, #t>) -> tensor<4xf32, #t> {
  // expected-error@+1 {{'gpt.axes' is not an array of 1 i64, one for each dimension}}
  %y = gpt.generic [t=4] inputs(%x[t] : tensor<4xf32, #t>) -> (tensor<4xf32, #t>) attributes {gpt.axes = array<i64: 0, 1>} {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %y : tensor<4xf32, #t>
}

// -----

// A2: each once
#t_u = #gpt.dims<t=4, u=4>
func.func @f(%x: tensor<4x4xf32, #t_u>) -> tensor<4x4xf32, #t_u> {
  // expected-error@+1 {{axis 0 of dimension 1 is below -1 or stands twice}}
  %y = gpt.generic [t=4, u=4] inputs(%x[t, u] : tensor<4x4xf32, #t_u>) -> (tensor<4x4xf32, #t_u>) attributes {gpt.axes = array<i64: 0, 0>} {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %y : tensor<4x4xf32, #t_u>
}

// -----

// A3
#t = #gpt.dims<t=4>
#u = #gpt.dims<u=5>
func.func private @f(%x: tensor<4xf32, #t>, %z: tensor<5xf32, #u>) -> (tensor<4xf32, #t>, tensor<5xf32, #u>) attributes {gpt.kernel, gpt.rows = 1 : i64} {
  // expected-note@+1 {{the other op is here}}
  %y = gpt.generic [t=4] inputs(%x[t] : tensor<4xf32, #t>) -> (tensor<4xf32, #t>) attributes {gpt.axes = array<i64: 0>} {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  // expected-error@+1 {{axis 0 has 5 points here, and not in another op of the kernel}}
  %w = gpt.generic [u=5] inputs(%z[u] : tensor<5xf32, #u>) -> (tensor<5xf32, #u>) attributes {gpt.axes = array<i64: 0>} {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %y, %w : tensor<4xf32, #t>, tensor<5xf32, #u>
}

// -----

// A4: rows of one are columns of the other
#t_u = #gpt.dims<t=4, u=4>
func.func private @f(%x: tensor<4x4xf32, #t_u>) -> tensor<4x4xf32, #t_u> attributes {gpt.kernel, gpt.rows = 1 : i64} {
  // expected-note@+1 {{the value is computed here}}
  %y = gpt.generic [t=4, u=4] inputs(%x[t, u] : tensor<4x4xf32, #t_u>) -> (tensor<4x4xf32, #t_u>) attributes {gpt.axes = array<i64: 0, -1>} {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  // expected-error@+1 {{operand 0 is read at index 0 by another dimension than axis 0 of the kernel}}
  %z = gpt.generic [t=4, u=4] inputs(%y[u, t] : tensor<4x4xf32, #t_u>) -> (tensor<4x4xf32, #t_u>) attributes {gpt.axes = array<i64: 0, -1>} {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %z : tensor<4x4xf32, #t_u>
}

// -----

// A5: the row's number picks a column
#t_u = #gpt.dims<t=4, u=4>
#t = #gpt.dims<t=4>
func.func private @f(%x: tensor<4x4xf32, #t_u>) -> tensor<4xf32, #t> attributes {gpt.kernel, gpt.rows = 1 : i64} {
  // expected-note@+1 {{the value is computed here}}
  %y = gpt.generic [t=4, u=4] inputs(%x[t, u] : tensor<4x4xf32, #t_u>) -> (tensor<4x4xf32, #t_u>) attributes {gpt.axes = array<i64: 0, -1>} {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  // expected-error@+1 {{operand 0 is read at index 1, which is its producer's own, by axis 0 of the kernel}}
  %z = gpt.generic [t=4] inputs(%y[t, t] : tensor<4x4xf32, #t_u>) -> (tensor<4xf32, #t>) attributes {gpt.axes = array<i64: 0>} {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %z : tensor<4xf32, #t>
}
