// One wrong use for each rule of GptOps.td.
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

// N1: number of maps
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>, %i: tensor<4xi32, #gpt.dims<c=4>>, %z: tensor<4xf32>) {
  // expected-error@+1 {{has 2 maps, needs 1}}
  %y = "gpt.generic"(%x) <{dims = #gpt.dims<c=4>, num_parallel = 1 : i64, maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], operandSegmentSizes = array<i32: 0, 1>}> ({
  ^bb0(%a: f32):
    "gpt.yield"(%a) : (f32) -> ()
  }) : (tensor<4xf32, #gpt.dims<c=4>>) -> tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// N1: dims of a map
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>, %i: tensor<4xi32, #gpt.dims<c=4>>, %z: tensor<4xf32>) {
  // expected-error@+1 {{map of input 0 has 2 dims, the iteration space has 1}}
  %y = "gpt.generic"(%x) <{dims = #gpt.dims<c=4>, num_parallel = 1 : i64, maps = [affine_map<(d0, d1) -> (d0)>], operandSegmentSizes = array<i32: 0, 1>}> ({
  ^bb0(%a: f32):
    "gpt.yield"(%a) : (f32) -> ()
  }) : (tensor<4xf32, #gpt.dims<c=4>>) -> tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// N1: results of a map
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>, %i: tensor<4xi32, #gpt.dims<c=4>>, %z: tensor<4xf32>) {
  // expected-error@+1 {{map of input 0 has 2 results, but the rank is 1}}
  %y = "gpt.generic"(%x) <{dims = #gpt.dims<c=4>, num_parallel = 1 : i64, maps = [affine_map<(d0) -> (d0, d0)>], operandSegmentSizes = array<i32: 0, 1>}> ({
  ^bb0(%a: f32):
    "gpt.yield"(%a) : (f32) -> ()
  }) : (tensor<4xf32, #gpt.dims<c=4>>) -> tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// N1: dims in the type
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>, %i: tensor<4xi32, #gpt.dims<c=4>>, %z: tensor<4xf32>) {
  // expected-error@+1 {{input 0 has no dims in its type: 'tensor<4xf32>'}}
  %y = "gpt.generic"(%z) <{dims = #gpt.dims<c=4>, num_parallel = 1 : i64, maps = [affine_map<(d0) -> (d0)>], operandSegmentSizes = array<i32: 0, 1>}> ({
  ^bb0(%a: f32):
    "gpt.yield"(%a) : (f32) -> ()
  }) : (tensor<4xf32>) -> tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// N2: index operands are i32
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>, %i: tensor<4xi32, #gpt.dims<c=4>>, %z: tensor<4xf32>) {
  // expected-error@+1 {{index operand 0 is not i32 but 'f32'}}
  %y = "gpt.generic"(%x) <{dims = #gpt.dims<c=4>, num_parallel = 1 : i64, maps = [affine_map<(d0) -> (d0)>], operandSegmentSizes = array<i32: 1, 0>}> ({
  ^bb0(%a: f32):
    "gpt.yield"(%a) : (f32) -> ()
  }) : (tensor<4xf32, #gpt.dims<c=4>>) -> tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// N2: no symbols in maps of index operands
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>, %i: tensor<4xi32, #gpt.dims<c=4>>, %z: tensor<4xf32>) {
  // expected-error@+1 {{map of index operand 0 uses symbols: (d0)[s0] -> (s0)}}
  %y = "gpt.generic"(%i) <{dims = #gpt.dims<c=4>, num_parallel = 1 : i64, maps = [affine_map<(d0)[s0] -> (s0)>], operandSegmentSizes = array<i32: 1, 0>}> ({
  ^bb0(%a: i32):
    "gpt.yield"(%a) : (i32) -> ()
  }) : (tensor<4xi32, #gpt.dims<c=4>>) -> tensor<4xi32, #gpt.dims<c=4>>
  return
}

// -----

// N2: symbols are index operands
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>, %i: tensor<4xi32, #gpt.dims<c=4>>, %z: tensor<4xf32>) {
  // expected-error@+1 {{map of input 0 has 1 symbols, but there are 0 index operands}}
  %y = "gpt.generic"(%x) <{dims = #gpt.dims<c=4>, num_parallel = 1 : i64, maps = [affine_map<(d0)[s0] -> (s0)>], operandSegmentSizes = array<i32: 0, 1>}> ({
  ^bb0(%a: f32):
    "gpt.yield"(%a) : (f32) -> ()
  }) : (tensor<4xf32, #gpt.dims<c=4>>) -> tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// N3: linear maps
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>, %i: tensor<4xi32, #gpt.dims<c=4>>, %z: tensor<4xf32>) {
  // expected-error@+1 {{index 'd0 floordiv 2' of input 0 is not a sum of dims times integers, symbols and constants}}
  %y = "gpt.generic"(%x) <{dims = #gpt.dims<c=4>, num_parallel = 1 : i64, maps = [affine_map<(d0) -> (d0 floordiv 2)>], operandSegmentSizes = array<i32: 0, 1>}> ({
  ^bb0(%a: f32):
    "gpt.yield"(%a) : (f32) -> ()
  }) : (tensor<4xf32, #gpt.dims<c=4>>) -> tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// N4: result types
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>, %i: tensor<4xi32, #gpt.dims<c=4>>, %z: tensor<4xf32>) {
  // expected-error@+1 {{result 0 is 'tensor<4xf32, #gpt.dims<d=4>>', but the parallel dims make 'tensor<4xf32, #gpt.dims<c=4>>'}}
  %y = "gpt.generic"(%x) <{dims = #gpt.dims<c=4>, num_parallel = 1 : i64, maps = [affine_map<(d0) -> (d0)>], operandSegmentSizes = array<i32: 0, 1>}> ({
  ^bb0(%a: f32):
    "gpt.yield"(%a) : (f32) -> ()
  }) : (tensor<4xf32, #gpt.dims<c=4>>) -> tensor<4xf32, #gpt.dims<d=4>>
  return
}

// -----

// N5: one result
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>, %i: tensor<4xi32, #gpt.dims<c=4>>, %z: tensor<4xf32>) {
  // expected-error@+1 {{reduces to 2 results, not to one}}
  %y:2 = "gpt.generic"(%x) <{dims = #gpt.dims<c=4>, num_parallel = 0 : i64, maps = [affine_map<(d0) -> (d0)>], reduction = 0 : i32, operandSegmentSizes = array<i32: 0, 1>}> ({
  ^bb0(%a: f32):
    "gpt.yield"(%a, %a) : (f32, f32) -> ()
  }) : (tensor<4xf32, #gpt.dims<c=4>>) -> (tensor<f32, #gpt.dims<>>, tensor<f32, #gpt.dims<>>)
  return
}

// -----

// N5: something to reduce
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>, %i: tensor<4xi32, #gpt.dims<c=4>>, %z: tensor<4xf32>) {
  // expected-error@+1 {{reduces, but all of 1 dims are parallel: num_parallel is 1}}
  %y = "gpt.generic"(%x) <{dims = #gpt.dims<c=4>, num_parallel = 1 : i64, maps = [affine_map<(d0) -> (d0)>], reduction = 0 : i32, operandSegmentSizes = array<i32: 0, 1>}> ({
  ^bb0(%a: f32):
    "gpt.yield"(%a) : (f32) -> ()
  }) : (tensor<4xf32, #gpt.dims<c=4>>) -> tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// N5: no reduction, all parallel
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>, %i: tensor<4xi32, #gpt.dims<c=4>>, %z: tensor<4xf32>) {
  // expected-error@+1 {{has no reduction, but num_parallel is 0 of 1 dims}}
  %y = "gpt.generic"(%x) <{dims = #gpt.dims<c=4>, num_parallel = 0 : i64, maps = [affine_map<(d0) -> (d0)>], operandSegmentSizes = array<i32: 0, 1>}> ({
  ^bb0(%a: f32):
    "gpt.yield"(%a) : (f32) -> ()
  }) : (tensor<4xf32, #gpt.dims<c=4>>) -> tensor<f32, #gpt.dims<>>
  return
}

// -----

// N6: number of arguments
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>, %i: tensor<4xi32, #gpt.dims<c=4>>, %z: tensor<4xf32>) {
  // expected-error@+1 {{body has 2 arguments for 1 operands}}
  %y = "gpt.generic"(%x) <{dims = #gpt.dims<c=4>, num_parallel = 1 : i64, maps = [affine_map<(d0) -> (d0)>], operandSegmentSizes = array<i32: 0, 1>}> ({
  ^bb0(%a: f32, %b: f32):
    "gpt.yield"(%a) : (f32) -> ()
  }) : (tensor<4xf32, #gpt.dims<c=4>>) -> tensor<4xf32, #gpt.dims<c=4>>
  return
}

// -----

// N6: types of arguments
// expected-note@+1 {{the operand comes from here}}
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{body argument 0 is 'i32', but input 0 has elements 'f32'}}
  %y = gpt.generic [c=4] inputs(%x[c] : tensor<4xf32, #gpt.dims<c=4>>) -> (tensor<4xi32, #gpt.dims<c=4>>) {
  ^bb0(%a: i32):
    gpt.yield %a : i32
  }
  return
}

// -----

// N6: number of yielded scalars
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{body yields 2 values for 1 results}}
  %y = gpt.generic [c=4] inputs(%x[c] : tensor<4xf32, #gpt.dims<c=4>>) -> (tensor<4xf32, #gpt.dims<c=4>>) {
  ^bb0(%a: f32):
    // expected-note@+1 {{yielded here}}
    gpt.yield %a, %a : f32, f32
  }
  return
}

// -----

// N6: types of yielded scalars
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{yielded value 0 is 'f32', results need 'f64'}}
  %y = gpt.generic [c=4] inputs(%x[c] : tensor<4xf32, #gpt.dims<c=4>>) -> (tensor<4xf64, #gpt.dims<c=4>>) {
  ^bb0(%a: f32):
    // expected-note@+1 {{yielded here}}
    gpt.yield %a : f32
  }
  return
}

// -----

// N6: a body ends in gpt.yield
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{body does not end in gpt.yield}}
  %y = gpt.generic [c=4] inputs(%x[c] : tensor<4xf32, #gpt.dims<c=4>>) -> (tensor<4xf32, #gpt.dims<c=4>>) {
  ^bb0(%a: f32):
    func.return
  }
  return
}

// -----

// C1
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{body yields 2 values for 1 results}}
  %y = gpt.scatter [c=4] inputs(%x[c] : tensor<4xf32, #gpt.dims<c=4>>) at [c] -> tensor<4xf32, #gpt.dims<c=4>> {
  ^bb0(%a: f32):
    // expected-note@+1 {{yielded here}}
    gpt.yield %a, %a : f32, f32
  }
  return
}

// -----

// C2
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{map of the result has 2 results, but the rank is 1}}
  %y = gpt.scatter [c=4] inputs(%x[c] : tensor<4xf32, #gpt.dims<c=4>>) at [c, c] -> tensor<4xf32, #gpt.dims<c=4>> {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return
}

// -----

// A scatter has no bar
func.func @f(%x: tensor<4xf32, #gpt.dims<c=4>>) {
  // expected-error@+1 {{dims of a scatter have no bar}}
  %y = gpt.scatter [| c=4] inputs(%x[c] : tensor<4xf32, #gpt.dims<c=4>>) at [c] -> tensor<4xf32, #gpt.dims<c=4>> {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
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

// I1
func.func @f() {
  %y = gpt.generic [c=4] -> (tensor<4xi32, #gpt.dims<c=4>>) {
    // expected-error@+1 {{dimension 1 is not one of the 1 of the iteration space}}
    %i = gpt.index 1 : i32
    gpt.yield %i : i32
  }
  return
}

// -----

// I1: in a body
func.func @f() {
  // expected-error@+1 {{is not in the body of a gpt.generic or gpt.scatter}}
  %i = gpt.index 0 : i32
  return
}

// -----

// E1
func.func @f() {
  %y = gpt.generic [c=4] -> (tensor<4xi32, #gpt.dims<c=4>>) {
    // expected-error@+1 {{dimension 1 is not one of the 1 of the iteration space}}
    %i = gpt.extent 1 : i32
    gpt.yield %i : i32
  }
  return
}

// -----

// E1: in a body
func.func @f() {
  // expected-error@+1 {{is not in the body of a gpt.generic or gpt.scatter}}
  %i = gpt.extent 0 : i32
  return
}

// -----

// rt.launch: the kernel
func.func @f(%t: index) {
  // expected-error@+1 {{no kernel named @k}}
  rt.launch @k(%t) : index
  return
}

// -----

// rt.launch: what a kernel takes
// expected-note@+1 {{it is defined here}}
func.func private @k(index) attributes {rt.pieces = affine_map<() -> (1)>}
func.func @f(%t: index) {
  // expected-error@+1 {{kernel @k takes piece, scratch and 1 arguments here, but has 1 in all}}
  rt.launch @k(%t) : index
  return
}
