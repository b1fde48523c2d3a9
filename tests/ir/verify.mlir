// One wrong use for each rule of GptOps.td: variables, dims, reshapes, repeats, kernels and launches.
// RUN: gptc-opt %s --split-input-file --verify-diagnostics

// V1
// expected-error@+1 {{type has no dims: 'tensor<4xf32>'}}
gpt.variable parameter @w : tensor<4xf32> path ["w"]

// -----

// V2
// expected-error@+1 {{dimension "b" is dynamic: at most 4}}
gpt.variable parameter @w : tensor<4xf32, #gpt.dims<b upto 4>> path ["w"]

// -----

// V3
// expected-error@+1 {{counts copies in 2 dimensions, but the rank is 1}}
gpt.variable parameter @w : tensor<4xf32, #gpt.dims<c=4>> copies 2 path ["*", "*", "w"]

// -----

// V4
// expected-error@+1 {{path has 0 elements "*" for 1 dimensions of copies}}
gpt.variable parameter @w : tensor<4xf32, #gpt.dims<c=4>> copies 1 path ["w"]

// -----

// G1
func.func @f() {
  // expected-error@+1 {{no variable named @w}}
  %w = gpt.get @w : tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// G2
// expected-note@+1 {{the variable is declared here}}
gpt.variable parameter @w : tensor<4xf32, #gpt.dims<c=4>> path ["w"]
func.func @f() {
  // expected-error@+1 {{has type 'tensor<5xf32, #gpt.dims<c=5>>', but the variable is 'tensor<4xf32, #gpt.dims<c=4>>'}}
  %w = gpt.get @w : tensor<5xf32, #gpt.dims<c=5>>
  return
}

// -----

// S1
func.func @f(%w: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{no variable named @w}}
  gpt.set @w, %w : tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// S2
// expected-note@+1 {{the variable is declared here}}
gpt.variable state @w : tensor<4xf32, #gpt.dims<c=4>> path ["w"]
func.func @f(%w: tensor<4xi32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{has type 'tensor<4xi32, #gpt.dims<c=4>>', but the variable is}}
  gpt.set @w, %w : tensor<4xi32, #gpt.dims<c=4>>
  return
}

// -----

// S3
gpt.variable state @w : tensor<4xf32, #gpt.dims<c=4>> path ["w"]
func.func @f(%w: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-note@+1 {{it is set here already}}
  gpt.set @w, %w : tensor<4xf32, #gpt.dims<c=4>>
  // expected-error@+1 {{variable @w is set twice}}
  gpt.set @w, %w : tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// Dims of a tensor: the rank
// expected-error@+1 {{tensor of rank 1 has 2 dims}}
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4, d=5>>) {
  return
}

// -----

// Dims of a tensor: the sizes
// expected-error@+1 {{tensor's dimension 0 has size 4, but its dim "c" has 5}}
func.func @f(%x: tensor<4xf32, #gpt.dims<c=5>>) {
  return
}

// -----

// Dims: no negative size
// expected-error@+1 {{size of dimension 'c' is negative: -5}}
func.func @f(%x: tensor<4xf32, #gpt.dims<c=-5>>) {
  return
}

// -----

// A constant fits its type
func.func @f() {
  // expected-error@+1 {{value of type 'tensor<3xf32>' does not fit the result type 'tensor<4xf32, #gpt.dims<c=4>>'}}
  %x = gpt.constant dense<0.0> : tensor<3xf32> : tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// R1
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{has 4 elements before and 5 after}}
  %y = gpt.reshape %x : tensor<4xf32, #gpt.dims<c=4>> to tensor<5xf32, #gpt.dims<c=5>>
  return
}

// -----

// R1: elements
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{changes elements from 'f32' to 'i32'}}
  %y = gpt.reshape %x : tensor<4xf32, #gpt.dims<c=4>> to tensor<4xi32, #gpt.dims<c=4>>
  return
}

// -----

// R2: the same extent
func.func @f(%x: tensor<4xf32, #gpt.dims<b upto 4>>) {
  // expected-error@+1 {{turns dim 'b upto 4' into 'c=4', which is not of the same extent}}
  %y = gpt.reshape %x : tensor<4xf32, #gpt.dims<b upto 4>> to tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// R2: kept as it is
func.func @f(%x: tensor<4x3xf32, #gpt.dims<b upto 4, c=3>>) {
  // expected-error@+1 {{turns dim 'b upto 4' into 'b upto 12'; a dynamic dim is kept as it is}}
  %y = gpt.reshape %x : tensor<4x3xf32, #gpt.dims<b upto 4, c=3>> to tensor<12xf32, #gpt.dims<b upto 12>>
  return
}

// -----

// R2: not behind another
func.func @f(%x: tensor<4x3xf32, #gpt.dims<c=4, b upto 3>>) {
  // expected-error@+1 {{merges dynamic dim 'b upto 3' behind 'c=4'}}
  %y = gpt.reshape %x : tensor<4x3xf32, #gpt.dims<c=4, b upto 3>> to tensor<12xf32, #gpt.dims<c=12>>
  return
}

// -----

// R2: not lost
func.func @f(%x: tensor<4x1xf32, #gpt.dims<c=4, b upto 1>>) {
  // expected-error@+1 {{loses or makes dynamic dim 'b upto 1'}}
  %y = gpt.reshape %x : tensor<4x1xf32, #gpt.dims<c=4, b upto 1>> to tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// P1: number of arguments
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{body has 1 arguments, needs 2: copy, carried values, slices}}
  %y = gpt.repeat 2 inits(%x : tensor<4xf32, #gpt.dims<c=4>>) -> (tensor<4xf32, #gpt.dims<c=4>>) {
  ^bb0(%n: tensor<i32, #gpt.dims<>>):
    gpt.yield %x : tensor<4xf32, #gpt.dims<c=4>>
  }
  return
}

// -----

// P1: types of arguments
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{body argument 0 is 'tensor<f32, #gpt.dims<>>', what it carries is 'tensor<i32, #gpt.dims<>>'}}
  %y = gpt.repeat 2 inits(%x : tensor<4xf32, #gpt.dims<c=4>>) -> (tensor<4xf32, #gpt.dims<c=4>>) {
  ^bb0(%n: tensor<f32, #gpt.dims<>>, %a: tensor<4xf32, #gpt.dims<c=4>>):
    gpt.yield %a : tensor<4xf32, #gpt.dims<c=4>>
  }
  return
}

// -----

// P1: number of carried results
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{has 0 carried results for 1 initial values}}
  %y = gpt.repeat 2 inits(%x : tensor<4xf32, #gpt.dims<c=4>>) stacks(tensor<2x4xf32, #gpt.dims<n=2, c=4>>) {
  ^bb0(%n: tensor<i32, #gpt.dims<>>, %a: tensor<4xf32, #gpt.dims<c=4>>):
    gpt.yield %a : tensor<4xf32, #gpt.dims<c=4>>
  }
  return
}

// -----

// P1: types of carried results
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{carried result 0 is 'tensor<4xf32, #gpt.dims<d=4>>', its initial value 'tensor<4xf32, #gpt.dims<c=4>>'}}
  %y = gpt.repeat 2 inits(%x : tensor<4xf32, #gpt.dims<c=4>>) -> (tensor<4xf32, #gpt.dims<d=4>>) {
  ^bb0(%n: tensor<i32, #gpt.dims<>>, %a: tensor<4xf32, #gpt.dims<c=4>>):
    gpt.yield %a : tensor<4xf32, #gpt.dims<c=4>>
  }
  return
}

// -----

// P1: yielded values
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{yielded value 0 is 'tensor<i32, #gpt.dims<>>', carried values and slices need 'tensor<4xf32, #gpt.dims<c=4>>'}}
  %y = gpt.repeat 2 inits(%x : tensor<4xf32, #gpt.dims<c=4>>) -> (tensor<4xf32, #gpt.dims<c=4>>) {
  ^bb0(%n: tensor<i32, #gpt.dims<>>, %a: tensor<4xf32, #gpt.dims<c=4>>):
    // expected-note@+1 {{yielded here}}
    gpt.yield %n : tensor<i32, #gpt.dims<>>
  }
  return
}

// -----

// P2: stacked operands
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{first dimension of stacked operand 0 is 'c=4', the count 2}}
  %y = gpt.repeat 2 stacked(%x : tensor<4xf32, #gpt.dims<c=4>>) stacks(tensor<2xf32, #gpt.dims<n=2>>) {
  ^bb0(%n: tensor<i32, #gpt.dims<>>, %a: tensor<f32, #gpt.dims<>>):
    gpt.yield %a : tensor<f32, #gpt.dims<>>
  }
  return
}

// -----

// P2: stacks
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{first dimension of stack 0 is 'n upto 2', the count 2}}
  %y = gpt.repeat 2 stacks(tensor<2x4xf32, #gpt.dims<n upto 2, c=4>>) {
  ^bb0(%n: tensor<i32, #gpt.dims<>>):
    gpt.yield %x : tensor<4xf32, #gpt.dims<c=4>>
  }
  return
}

// -----

// P2: a first dimension
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{stack 0 has no first dimension: 'tensor<f32, #gpt.dims<>>'}}
  %y = gpt.repeat 2 stacks(tensor<f32, #gpt.dims<>>) {
  ^bb0(%n: tensor<i32, #gpt.dims<>>):
    gpt.yield %x : tensor<4xf32, #gpt.dims<c=4>>
  }
  return
}

// -----

// K1: number of arguments
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{body has 0 arguments for 1 inputs}}
  gpt.kernel(%x : tensor<4xf32, #gpt.dims<c=4>>) -> () {
    gpt.yield
  }
  return
}

// -----

// K1: types of arguments
// expected-note@+1 {{the input comes from here}}
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{body argument 0 is 'tensor<4xf32, #gpt.dims<d=4>>', the input is 'tensor<4xf32, #gpt.dims<c=4>>'}}
  gpt.kernel(%x : tensor<4xf32, #gpt.dims<c=4>>) -> () {
  ^bb0(%a: tensor<4xf32, #gpt.dims<d=4>>):
    gpt.yield
  }
  return
}

// -----

// K1: results
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{body yields 0 values for 1 results}}
  %y = gpt.kernel(%x : tensor<4xf32, #gpt.dims<c=4>>) -> (tensor<4xf32, #gpt.dims<c=4>>) {
  ^bb0(%a: tensor<4xf32, #gpt.dims<c=4>>):
    // expected-note@+1 {{yielded here}}
    gpt.yield
  }
  return
}

// -----

// K2
gpt.variable parameter @w : tensor<4xf32, #gpt.dims<c=4>> path ["w"]
func.func @f() {
  // expected-error@+1 {{holds gpt.get; only gpt.generic, gpt.scatter and gpt.yield may be in a kernel}}
  %y = gpt.kernel() -> (tensor<4xf32, #gpt.dims<c=4>>) {
    // expected-note@+1 {{it is here}}
    %w = gpt.get @w : tensor<4xf32, #gpt.dims<c=4>>
    gpt.yield %w : tensor<4xf32, #gpt.dims<c=4>>
  }
  return
}

// -----

// L1: the function
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{no kernel named @k}}
  gpt.launch @k(%x) : (tensor<4xf32, #gpt.dims<c=4>>) -> ()
  return
}

// -----

// L1: its inputs
// expected-note@+1 {{the kernel is here}}
func.func private @k()
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{has 1 inputs, the kernel 0}}
  gpt.launch @k(%x) : (tensor<4xf32, #gpt.dims<c=4>>) -> ()
  return
}

// -----

// L1: its results
// expected-note@+1 {{the kernel is here}}
func.func private @k() -> tensor<4xf32, #gpt.dims<d=4>>
func.func @f() {
  // expected-error@+1 {{results 0: 'tensor<4xf32, #gpt.dims<c=4>>' here, the kernel has 'tensor<4xf32, #gpt.dims<d=4>>'}}
  %y = gpt.launch @k() : () -> tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// T1: a state
module {
  gpt.variable parameter @c : tensor<2x4xf32, #gpt.dims<b=2, c=4>> path ["c"]
  func.func @f(%x: tensor<2x4xf32, #gpt.dims<b=2, c=4>>) {
    // expected-error@+1 {{no state named @c}}
    %s = gpt.store @c, %x : tensor<2x4xf32, #gpt.dims<b=2, c=4>> to tensor<2x4xf32, #gpt.dims<b=2, c=4>>
    return
  }
}

// -----

// T2: the slice of its copies
module {
  // expected-note@+1 {{the variable is declared here}}
  gpt.variable state @c : tensor<3x2x4xf32, #gpt.dims<n=3, b=2, c=4>> copies 1 path ["c", "*"]
  func.func @f(%x: tensor<2x4xf32, #gpt.dims<b=2, c=4>>) {
    // expected-error@+1 {{with 0 copies gives}}
    %s = gpt.store @c, %x : tensor<2x4xf32, #gpt.dims<b=2, c=4>> to tensor<2x4xf32, #gpt.dims<b=2, c=4>>
    return
  }
}

// -----

// T3: what fits
module {
  gpt.variable state @c : tensor<2x4xf32, #gpt.dims<b=2, c=4>> path ["c"]
  func.func @f(%x: tensor<2x5xf32, #gpt.dims<b=2, c=5>>) {
    // expected-error@+1 {{dimension 1 does not fit}}
    %s = gpt.store @c, %x : tensor<2x5xf32, #gpt.dims<b=2, c=5>> to tensor<2x4xf32, #gpt.dims<b=2, c=4>>
    return
  }
}

// -----

// T4: where rows go
module {
  gpt.variable state @c : tensor<2x4xf32, #gpt.dims<b=2, t=4>> positions 1 path ["c"]
  func.func @f(%x: tensor<2x1xf32, #gpt.dims<b=2, t=1>>, %at: tensor<3xi32, #gpt.dims<b=3>>) {
    // expected-error@+1 {{needs the dimension of its rows, and for each stream where they go, or neither}}
    %s = gpt.store @c, %x at %at : tensor<3xi32, #gpt.dims<b=3>> dim 1 : tensor<2x1xf32, #gpt.dims<b=2, t=1>> to tensor<2x4xf32, #gpt.dims<b=2, t=4>>
    return
  }
}

// -----

// T5: once
module {
  gpt.variable state @c : tensor<2x4xf32, #gpt.dims<b=2, c=4>> path ["c"]
  func.func @f(%x: tensor<2x4xf32, #gpt.dims<b=2, c=4>>) {
    // expected-error@+1 {{variable @c is stored twice}}
    %s = gpt.store @c, %x : tensor<2x4xf32, #gpt.dims<b=2, c=4>> to tensor<2x4xf32, #gpt.dims<b=2, c=4>>
    // expected-note@+1 {{the other one is here}}
    gpt.set @c, %x : tensor<2x4xf32, #gpt.dims<b=2, c=4>>
    return
  }
}

// -----

// V5: positions
// expected-error@+1 {{has no static dimension 0 of positions behind its copies}}
gpt.variable state @c : tensor<2x4xf32, #gpt.dims<n=2, t=4>> copies 1 positions 0 path ["c", "*"]
