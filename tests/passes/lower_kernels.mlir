// RUN: gptc-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(gpt-lower-kernels{vector-bits=256}),canonicalize,cse)' | FileCheck %s

#c = #gpt.dims<c=64>
#d = #gpt.dims<d=13>
#b_c = #gpt.dims<b upto 8, c=64>
#b = #gpt.dims<b upto 8>
module attributes {gpt.extents = ["b"], gpt.bounds = [8]} {

// Piece and scratch come first; operands and results are flat memory. Vectors of 256 bits.
// CHECK-LABEL: func.func private @square
// CHECK-SAME: (%{{.*}}: index, %{{.*}}: memref<?xi8>, %[[X:.*]]: memref<64xf32>, %[[Y:.*]]: memref<64xf32>)
// CHECK-SAME: rt.pieces = #{{.*}}, rt.scratch = {{[0-9]+}} : i64
// CHECK: scf.for %[[I:.*]] = %c0 to %c64 step %c8
// CHECK: %[[V:.*]] = vector.load %[[X]][%[[I]]] : memref<64xf32>, vector<8xf32>
// CHECK: %[[S:.*]] = arith.mulf %[[V]], %[[V]] : vector<8xf32>
// CHECK: vector.store %[[S]], %[[Y]][%[[I]]]
func.func private @square(%x: tensor<64xf32, #c>) -> tensor<64xf32, #c> attributes {gpt.kernel} {
  %y = gpt.generic [c=64] inputs(%x[c] : tensor<64xf32, #c>) -> (tensor<64xf32, #c>) {
  ^bb0(%a: f32):
    %r = arith.mulf %a, %a : f32
    gpt.yield %r : f32
  }
  return %y : tensor<64xf32, #c>
}

// Rows up to the extent of this run, in the order of bounds; every sum in one fixed order.
// CHECK-LABEL: func.func private @rows
// CHECK: %[[B:.*]] = rt.extent "b"
// CHECK: scf.for %[[ROW:.*]] = %c0 to %[[B]] step %c1
// CHECK: scf.for {{.*}} iter_args
// CHECK: arith.muli %[[ROW]], %c64
// CHECK: arith.addf {{.*}} : vector<8xf32>
// CHECK: arith.addf {{.*}} : vector<4xf32>
// CHECK: arith.addf {{.*}} : vector<2xf32>
// CHECK: memref.store %{{.*}}, %{{.*}}[%[[ROW]]] : memref<8xf32>
func.func private @rows(%x: tensor<8x64xf32, #b_c>) -> tensor<8xf32, #b> attributes {gpt.kernel} {
  %y = gpt.generic sum [b upto 8 | c=64] inputs(%x[b, c] : tensor<8x64xf32, #b_c>) -> (tensor<8xf32, #b>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %y : tensor<8xf32, #b>
}

// 13 elements are a vector of 8 and a rest that writes no element behind the end.
// CHECK-LABEL: func.func private @rest
// CHECK-NOT: vector.store {{.*}} memref<13xf32>, vector<16xf32>
// CHECK: {{vector.maskedstore|memref.store|vector.store}}
// CHECK: return
func.func private @rest(%x: tensor<13xf32, #d>) -> tensor<13xf32, #d> attributes {gpt.kernel} {
  %y = gpt.generic [d=13] inputs(%x[d] : tensor<13xf32, #d>) -> (tensor<13xf32, #d>) {
  ^bb0(%a: f32):
    %r = arith.negf %a : f32
    gpt.yield %r : f32
  }
  return %y : tensor<13xf32, #d>
}

// A function without the attribute is none of its business.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: return
func.func @main() {
  return
}
}

// -----

#q = #gpt.dims<q upto 8>
module attributes {gpt.extents = ["b"], gpt.bounds = [8]} {
func.func private @unknown(%x: tensor<8xf32, #q>) -> tensor<8xf32, #q> attributes {gpt.kernel} {
  // expected-error @+1 {{extent 'q' is not among the module's gpt.extents}}
  %y = gpt.generic [q upto 8] inputs(%x[q] : tensor<8xf32, #q>) -> (tensor<8xf32, #q>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %y : tensor<8xf32, #q>
}
}

// -----

// expected-error @+1 {{the kernel has no op}}
func.func private @empty(%x: tensor<f32, #gpt.dims<>>) -> tensor<f32, #gpt.dims<>> attributes {gpt.kernel} {
  return %x : tensor<f32, #gpt.dims<>>
}
