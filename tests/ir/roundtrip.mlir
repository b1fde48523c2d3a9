// Every op prints as text that reads back as the same op, locations included.
// RUN: gptc-opt %s | FileCheck %s
// RUN: gptc-opt %s | gptc-opt | FileCheck %s
// RUN: gptc-opt %s --mlir-print-op-generic | gptc-opt | FileCheck %s
// RUN: gptc-opt %s --mlir-print-debuginfo > %t.first
// RUN: gptc-opt %t.first --mlir-print-debuginfo > %t.second
// RUN: diff %t.first %t.second
// RUN: FileCheck %s --check-prefix=LOC < %t.second

#scalar = #gpt.dims<>
#t = #gpt.dims<t=64>
#t_c = #gpt.dims<t=64, c=128>
#v_c = #gpt.dims<v=65, c=128>
#n_v_c = #gpt.dims<n=4, v=65, c=128>
#b_t = #gpt.dims<b upto 12, t upto 64>
#b_s = #gpt.dims<b upto 12, s upto 64 of t>

// CHECK-DAG: #b_t = #gpt.dims<b upto 12, t upto 64>
// CHECK-DAG: #b_s = #gpt.dims<b upto 12, s upto 64 of t>
// CHECK-DAG: #scalar = #gpt.dims<>

// CHECK: gpt.variable parameter @blocks.w : tensor<4x65x128xf32, #n_v_c> copies 1 path ["blocks", "*", "w"]
gpt.variable parameter @blocks.w : tensor<4x65x128xf32, #n_v_c> copies 1 path ["blocks", "*", "w"]
// CHECK: gpt.variable state @embed.m : tensor<65x128xf32, #v_c> path ["embed", "m"] {note = 1 : i32}
gpt.variable state @embed.m : tensor<65x128xf32, #v_c> path ["embed", "m"] {note = 1 : i32}

// CHECK-LABEL: func.func @variables
func.func @variables() {
  // CHECK: %[[M:.*]] = gpt.get @embed.m : tensor<65x128xf32, #v_c>
  %m = gpt.get @embed.m : tensor<65x128xf32, #v_c>
  // CHECK: gpt.set @embed.m, %[[M]] : tensor<65x128xf32, #v_c>
  gpt.set @embed.m, %m : tensor<65x128xf32, #v_c>
  return
}

// CHECK-LABEL: func.func @constant
func.func @constant() -> tensor<64xf32, #t> {
  // CHECK: gpt.constant dense<1.500000e+00> : tensor<64xf32, #t> : tensor<64xf32, #t>
  %c = gpt.constant dense<1.5> : tensor<64xf32, #t> : tensor<64xf32, #t>
  return %c : tensor<64xf32, #t>
}

// CHECK-LABEL: func.func @generic
func.func @generic(%token: tensor<64xi32, #t>, %x: tensor<64x128xf32, #t_c>, %w: tensor<65x128xf32, #v_c>)
    -> tensor<64xf32, #t> {
  // CHECK: gpt.generic sum [t=64 | c=128] indices(%{{.*}}[t] : tensor<64xi32, #t>)
  // CHECK-SAME: inputs(%{{.*}}[t - 1, c] : tensor<64x128xf32, #t_c>, %{{.*}}[s0, c * 2 + 1] : tensor<65x128xf32, #v_c>)
  // CHECK-SAME: -> (tensor<64xf32, #t>) attributes {note} {
  %h = gpt.generic sum [t=64 | c=128] indices(%token[t] : tensor<64xi32, #t>)
      inputs(%x[t - 1, c] : tensor<64x128xf32, #t_c>, %w[s0, c * 2 + 1] : tensor<65x128xf32, #v_c>)
      -> (tensor<64xf32, #t>) attributes {note} {
  // CHECK-NEXT: ^bb0(%[[I:.*]]: i32, %[[A:.*]]: f32, %[[B:.*]]: f32)
  ^bb0(%i: i32, %a: f32, %b: f32):
    // CHECK: gpt.index 1 : i32
    %c = gpt.index 1 : i32
    // CHECK: gpt.extent 0 : i32
    %e = gpt.extent 0 : i32
    // CHECK: gpt.random 7(%[[I]], %{{.*}}, %{{.*}}) : f32
    %r = gpt.random 7(%i, %c, %e) : f32
    // CHECK: gpt.stop_gradient %[[A]] : f32
    %s = gpt.stop_gradient %a : f32
    %p = arith.mulf %s, %b : f32
    %q = arith.mulf %p, %r : f32
    // CHECK: gpt.yield %{{.*}} : f32
    gpt.yield %q : f32
  } loc("h"("model.gpt":3:7))
  return %h : tensor<64xf32, #t>
}

// Names that cannot stand in a map become places: d0, d1 ...
// CHECK-LABEL: func.func @names
func.func @names(%x: tensor<2x3x4x5xf32, #gpt.dims<s0=2, "a b"=3, a=4, max=5>>) -> tensor<f32, #scalar> {
  // CHECK: gpt.generic max [| s0=2, "a b"=3, a=4, a=4, max=5] inputs(%{{.*}}[d0, d1, a - d3, max]
  %y = gpt.generic max [| s0=2, "a b"=3, a=4, a=4, max=5]
      inputs(%x[d0, d1, a - d3, max] : tensor<2x3x4x5xf32, #gpt.dims<s0=2, "a b"=3, a=4, max=5>>)
      -> (tensor<f32, #scalar>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %y : tensor<f32, #scalar>
}

// CHECK-LABEL: func.func @two_results
func.func @two_results(%x: tensor<64xf32, #t>) -> (tensor<64xf32, #t>, tensor<64xi1, #t>) {
  // CHECK: %{{.*}}:2 = gpt.generic [t=64] inputs(%{{.*}}[t] : tensor<64xf32, #t>) -> (tensor<64xf32, #t>, tensor<64xi1, #t>)
  %y:2 = gpt.generic [t=64] inputs(%x[t] : tensor<64xf32, #t>) -> (tensor<64xf32, #t>, tensor<64xi1, #t>) {
  ^bb0(%a: f32):
    %p = arith.cmpf ogt, %a, %a : f32
    gpt.yield %a, %p : f32, i1
  }
  return %y#0, %y#1 : tensor<64xf32, #t>, tensor<64xi1, #t>
}

// CHECK-LABEL: func.func @scatter
func.func @scatter(%token: tensor<64xi32, #t>, %d: tensor<64x128xf32, #t_c>) -> tensor<65x128xf32, #v_c> {
  // CHECK: gpt.scatter [t=64, c=128] indices(%{{.*}}[t] : tensor<64xi32, #t>)
  // CHECK-SAME: inputs(%{{.*}}[t, c] : tensor<64x128xf32, #t_c>) at [s0, c] -> tensor<65x128xf32, #v_c> {
  %g = gpt.scatter [t=64, c=128] indices(%token[t] : tensor<64xi32, #t>)
      inputs(%d[t, c] : tensor<64x128xf32, #t_c>) at [s0, c] -> tensor<65x128xf32, #v_c> {
  ^bb0(%i: i32, %a: f32):
    gpt.yield %a : f32
  }
  return %g : tensor<65x128xf32, #v_c>
}

// CHECK-LABEL: func.func @dynamic
func.func @dynamic(%x: tensor<12x64xf32, #b_t>) -> tensor<12x64xf32, #b_s> {
  // CHECK: gpt.generic [b upto 12, s upto 64 of t] inputs(%{{.*}}[b, s - b * 2 - 3]
  %y = gpt.generic [b upto 12, s upto 64 of t] inputs(%x[b, s - b * 2 - 3] : tensor<12x64xf32, #b_t>)
      -> (tensor<12x64xf32, #b_s>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %y : tensor<12x64xf32, #b_s>
}

// CHECK-LABEL: func.func @reshape
func.func @reshape(%x: tensor<64x128xf32, #t_c>) -> tensor<64x4x32xf32, #gpt.dims<t=64, h=4, e=32>> {
  // CHECK: gpt.reshape %{{.*}} : tensor<64x128xf32, #t_c> to tensor<64x4x32xf32, #t_h_e>
  %y = gpt.reshape %x : tensor<64x128xf32, #t_c> to tensor<64x4x32xf32, #gpt.dims<t=64, h=4, e=32>>
  return %y : tensor<64x4x32xf32, #gpt.dims<t=64, h=4, e=32>>
}

// CHECK-LABEL: func.func @batch_mean
func.func @batch_mean(%x: tensor<f32, #scalar>, %n: tensor<f32, #scalar>) -> tensor<f32, #scalar> {
  // CHECK: gpt.batch_mean %{{.*}} over %{{.*}} : tensor<f32, #scalar>
  %y = gpt.batch_mean %x over %n : tensor<f32, #scalar>
  return %y : tensor<f32, #scalar>
}

// CHECK-LABEL: func.func @repeat
func.func @repeat(%x: tensor<65x128xf32, #v_c>, %w: tensor<4x65x128xf32, #n_v_c>) -> tensor<4x65x128xf32, #n_v_c> {
  // CHECK: gpt.repeat 4 reverse inits(%{{.*}} : tensor<65x128xf32, #v_c>) stacked(%{{.*}} : tensor<4x65x128xf32, #n_v_c>)
  // CHECK-SAME: -> (tensor<65x128xf32, #v_c>) stacks(tensor<4x65x128xf32, #n_v_c>) {
  %y, %all = gpt.repeat 4 reverse inits(%x : tensor<65x128xf32, #v_c>) stacked(%w : tensor<4x65x128xf32, #n_v_c>)
      -> (tensor<65x128xf32, #v_c>) stacks(tensor<4x65x128xf32, #n_v_c>) {
  // CHECK-NEXT: ^bb0(%{{.*}}: tensor<i32, #scalar>, %{{.*}}: tensor<65x128xf32, #v_c>, %{{.*}}: tensor<65x128xf32, #v_c>)
  ^bb0(%copy: tensor<i32, #scalar>, %carried: tensor<65x128xf32, #v_c>, %slice: tensor<65x128xf32, #v_c>):
    gpt.yield %slice, %carried : tensor<65x128xf32, #v_c>, tensor<65x128xf32, #v_c>
  }
  // CHECK: gpt.repeat 2 {
  gpt.repeat 2 {
  ^bb0(%copy: tensor<i32, #scalar>):
    // CHECK: gpt.yield{{$}}
    gpt.yield
  }
  return %all : tensor<4x65x128xf32, #n_v_c>
}

// CHECK-LABEL: func.func private @copy
func.func private @copy(%x: tensor<64xf32, #t>) -> tensor<64xf32, #t> attributes {gpt.kernel} {
  return %x : tensor<64xf32, #t>
}

// CHECK-LABEL: func.func @kernel
func.func @kernel(%x: tensor<64xf32, #t>) -> tensor<64xf32, #t> {
  // CHECK: gpt.kernel(%{{.*}} : tensor<64xf32, #t>) -> (tensor<64xf32, #t>) {
  %y = gpt.kernel(%x : tensor<64xf32, #t>) -> (tensor<64xf32, #t>) {
  ^bb0(%inner: tensor<64xf32, #t>):
    gpt.yield %inner : tensor<64xf32, #t>
  }
  // CHECK: gpt.launch @copy(%{{.*}}) : (tensor<64xf32, #t>) -> tensor<64xf32, #t>
  %z = gpt.launch @copy(%y) : (tensor<64xf32, #t>) -> tensor<64xf32, #t>
  return %z : tensor<64xf32, #t>
}

// CHECK-LABEL: func.func @runtime
func.func @runtime(%offset: index, %key: i32) attributes {rt.program} {
  // CHECK: rt.arena %{{.*}} : memref<8xf32>
  %a = rt.arena %offset : memref<8xf32>
  // CHECK: rt.variable @embed.m + %{{.*}} : memref<8320xf32>
  %v = rt.variable @embed.m + %offset : memref<8320xf32>
  // CHECK: rt.input 0 : memref<64xi32>
  %i = rt.input 0 : memref<64xi32>
  // CHECK: rt.constant dense<1.000000e+00> : tensor<8xf32> : memref<8xf32>
  %c = rt.constant dense<1.0> : tensor<8xf32> : memref<8xf32>
  // CHECK: rt.extent "t"
  %t = rt.extent "t"
  // CHECK: rt.random 3(%{{.*}}) : (i32) -> f32
  %r = rt.random 3(%key) : (i32) -> f32
  // CHECK: rt.launch @pieces(%{{.*}}, %{{.*}}) : memref<8xf32>, index
  rt.launch @pieces(%a, %t) : memref<8xf32>, index
  return
}
func.func private @pieces(%piece: index, %scratch: memref<?xi8>, %a: memref<8xf32>, %t: index)
    attributes {rt.pieces = affine_map<()[s0] -> (s0)>, rt.scratch = 0 : i64} {
  return
}

// LOC: #[[FILE:.*]] = loc("model.gpt":3:7)
// LOC: #{{.*}} = loc("h"(#[[FILE]]))
