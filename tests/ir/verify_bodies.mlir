// One wrong use for each rule of GptOps.td: generic and scatter, and the scalar ops in their bodies.
// RUN: gptc-opt %s --split-input-file --verify-diagnostics

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
