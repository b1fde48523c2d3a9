// RUN: gptc-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(gpt-lower-kernels{vector-bits=256}),canonicalize,cse)' | FileCheck %s
// Once more with the results past the caches that are marked so here.
// RUN: sed 's/gpt.marked/gpt.past/g' %s | gptc-opt --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(gpt-lower-kernels{vector-bits=256}),canonicalize,cse)' | FileCheck %s --check-prefix=PAST

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
// What is read only when it has left the caches goes past them.
// PAST-LABEL: func.func private @square
// PAST: vector.store {{.*}}alignment = 32 : i64, nontemporal = true
// PAST: llvm.call_intrinsic "llvm.x86.sse.sfence"()
// PAST-NEXT: return
func.func private @square(%x: tensor<64xf32, #c>) -> (tensor<64xf32, #c> {gpt.marked}) attributes {gpt.kernel} {
  %y = gpt.generic [c=64] inputs(%x[c] : tensor<64xf32, #c>) -> (tensor<64xf32, #c>) {
  ^bb0(%a: f32):
    %r = arith.mulf %a, %a : f32
    gpt.yield %r : f32
  }
  return %y : tensor<64xf32, #c>
}

// A stack's slices of such a size begin anywhere.
// PAST-LABEL: func.func private @square_odd
// PAST-NOT: nontemporal
// PAST: return
func.func private @square_odd(%x: tensor<13xf32, #d>) -> (tensor<13xf32, #d> {gpt.marked}) attributes {gpt.kernel} {
  %y = gpt.generic [d=13] inputs(%x[d] : tensor<13xf32, #d>) -> (tensor<13xf32, #d>) {
  ^bb0(%a: f32):
    %r = arith.mulf %a, %a : f32
    gpt.yield %r : f32
  }
  return %y : tensor<13xf32, #d>
}

// What was read where it is written is in the caches.
// PAST-LABEL: func.func private @square_in_place
// PAST-NOT: nontemporal
// PAST-NOT: sfence
// PAST: return
func.func private @square_in_place(%x: tensor<64xf32, #c>) -> (tensor<64xf32, #c> {gpt.in_place, gpt.marked}) attributes {gpt.kernel} {
  %y = gpt.generic [c=64] inputs(%x[c] : tensor<64xf32, #c>) -> (tensor<64xf32, #c>) {
  ^bb0(%a: f32):
    %r = arith.mulf %a, %a : f32
    gpt.yield %r : f32
  }
  return %y : tensor<64xf32, #c>
}

// Rows up to the extent of this run; every sum in one fixed order.
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

#b_t_c = #gpt.dims<b upto 256, t upto 64, c=128>
#n_b_t = #gpt.dims<n=4, b upto 256, t upto 64>
#b_t = #gpt.dims<b upto 256, t upto 64>
module attributes {gpt.extents = ["b", "t"], gpt.bounds = [256, 64], gpt.batch_tokens = 4096 : i64} {

// Dense from the first extent on: all of it is one loop. Memory is for 4096 tokens, not for 256 * 64.
// CHECK-LABEL: func.func private @dense
// CHECK-SAME: memref<524288xf32>
// CHECK-DAG: %[[B:.*]] = rt.extent "b"
// CHECK-DAG: %[[T:.*]] = rt.extent "t"
// CHECK: arith.muli %[[B]], %[[T]]
// CHECK: scf.for
// CHECK: vector.store
// CHECK-NOT: scf.for
// CHECK: return
func.func private @dense(%x: tensor<256x64x128xf32, #b_t_c>) -> tensor<256x64x128xf32, #b_t_c> attributes {gpt.kernel} {
  %y = gpt.generic [b upto 256, t upto 64, c=128] inputs(%x[b, t, c] : tensor<256x64x128xf32, #b_t_c>) -> (tensor<256x64x128xf32, #b_t_c>) {
  ^bb0(%a: f32):
    %r = arith.negf %a : f32
    gpt.yield %r : f32
  }
  return %y : tensor<256x64x128xf32, #b_t_c>
}

// Copies in front are 4096 apart, whatever the extents are.
// CHECK-LABEL: func.func private @copies
// CHECK-SAME: memref<16384xf32>, %{{.*}}: memref<4096xf32>
// CHECK: arith.muli %{{.*}}, %c4096
// CHECK: return
func.func private @copies(%x: tensor<4x256x64xf32, #n_b_t>) -> tensor<256x64xf32, #b_t> attributes {gpt.kernel} {
  %y = gpt.generic sum [b upto 256, t upto 64 | n=4] inputs(%x[n, b, t] : tensor<4x256x64xf32, #n_b_t>) -> (tensor<256x64xf32, #b_t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %y : tensor<256x64xf32, #b_t>
}
}

// -----

// expected-error @+1 {{the kernel has no op}}
func.func private @empty(%x: tensor<f32, #gpt.dims<>>) -> tensor<f32, #gpt.dims<>> attributes {gpt.kernel} {
  return %x : tensor<f32, #gpt.dims<>>
}

// -----

#b_t_h_e = #gpt.dims<b=2, t=128, h=4, e=4>
#b_h_t_s = #gpt.dims<b=2, h=4, t=128, s=128>
#b_h_t = #gpt.dims<b=2, h=4, t=128>
module attributes {gpt.extents = [], gpt.bounds = []} {

// Row blocks: a piece for each b and h; blocks of 64 rows; a causal mask ends the columns of a tile of 4 rows behind
// its last row, for both contractions and the work on rows.
// CHECK-LABEL: func.func private @blocks
// CHECK-SAME: rt.pieces = #{{.*}}, rt.scratch = {{[0-9]+}} : i64
// CHECK: scf.for %[[T:.*]] = %c0 to %c128 step %c64
// CHECK: %[[LAST:.*]] = arith.addi %[[T]], %c64
// CHECK: %[[END:.*]] = arith.minsi %{{.*}}, %c128
// CHECK: vector.fma
// CHECK: scf.for %[[TILE:.*]] = %c0 to %c64 step %c4
// CHECK: %[[NEXT:.*]] = arith.addi %[[TILE]], %c4
// CHECK: scf.for %{{.*}} = %[[TILE]] to %[[NEXT]] step %c1
// CHECK: arith.cmpf uno
// CHECK: math.exp
// CHECK: vector.fma
// CHECK: return
func.func private @blocks(%q: tensor<2x128x4x4xf32, #b_t_h_e>, %k: tensor<2x128x4x4xf32, #b_t_h_e>, %v: tensor<2x128x4x4xf32, #b_t_h_e>) -> tensor<2x128x4x4xf32, #b_t_h_e> attributes {gpt.kernel, gpt.row_blocks = 3 : i64} {
  %s = gpt.generic sum [b=2, h=4, t=128, s=128 | e=4]
      inputs(%q[b, t, h, e] : tensor<2x128x4x4xf32, #b_t_h_e>, %k[b, s, h, e] : tensor<2x128x4x4xf32, #b_t_h_e>) -> (tensor<2x4x128x128xf32, #b_h_t_s>) attributes {gpt.axes = array<i64: 0, 1, 2, 3, -1>} {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    gpt.yield %0 : f32
  }
  %top = gpt.generic max [b=2, h=4, t=128 | s=128] inputs(%s[b, h, t, s] : tensor<2x4x128x128xf32, #b_h_t_s>) -> (tensor<2x4x128xf32, #b_h_t>) attributes {gpt.axes = array<i64: 0, 1, 2, 3>} {
  ^bb0(%a: f32):
    %j = gpt.index 3 : i32
    %i = gpt.index 2 : i32
    %see = arith.cmpi sle, %j, %i : i32
    %low = arith.constant 0xFF800000 : f32
    %m0 = arith.select %see, %a, %low : f32
    gpt.yield %m0 : f32
  }
  %z = gpt.generic [b=2, h=4, t=128, s=128] inputs(%s[b, h, t, s] : tensor<2x4x128x128xf32, #b_h_t_s>, %top[b, h, t] : tensor<2x4x128xf32, #b_h_t>) -> (tensor<2x4x128x128xf32, #b_h_t_s>) attributes {gpt.axes = array<i64: 0, 1, 2, 3>} {
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
  %n = gpt.generic sum [b=2, h=4, t=128 | s=128] inputs(%z[b, h, t, s] : tensor<2x4x128x128xf32, #b_h_t_s>) -> (tensor<2x4x128xf32, #b_h_t>) attributes {gpt.axes = array<i64: 0, 1, 2, 3>} {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %p = gpt.generic [b=2, h=4, t=128, s=128] inputs(%z[b, h, t, s] : tensor<2x4x128x128xf32, #b_h_t_s>, %n[b, h, t] : tensor<2x4x128xf32, #b_h_t>) -> (tensor<2x4x128x128xf32, #b_h_t_s>) attributes {gpt.axes = array<i64: 0, 1, 2, 3>} {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.divf %a, %b : f32
    gpt.yield %0 : f32
  }
  %y = gpt.generic sum [b=2, t=128, h=4, e=4 | s=128]
      inputs(%p[b, h, t, s] : tensor<2x4x128x128xf32, #b_h_t_s>, %v[b, s, h, e] : tensor<2x128x4x4xf32, #b_t_h_e>) -> (tensor<2x128x4x4xf32, #b_t_h_e>) attributes {gpt.axes = array<i64: 0, 2, 1, -1, 3>} {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    gpt.yield %0 : f32
  }
  return %y : tensor<2x128x4x4xf32, #b_t_h_e>
}
}

// -----

#b = #gpt.dims<b=2>
#b_t_h_e = #gpt.dims<b=2, t=128, h=4, e=4>
#b_h_t_s = #gpt.dims<b=2, h=4, t=128, s=128>
module attributes {gpt.extents = [], gpt.bounds = []} {

// Columns from 5 before the block's first row on, and none behind the length of the example.
// CHECK-LABEL: func.func private @window
// CHECK: memref.load %{{.*}} : memref<2xi32>
// CHECK: arith.index_cast %{{.*}} : i32 to index
// CHECK: scf.for %[[T:.*]] = %c0 to %c128 step %c64
// CHECK-DAG: arith.minsi %{{.*}}, %c128
// CHECK-DAG: arith.maxsi
// CHECK: vector.fma
func.func private @window(%q: tensor<2x128x4x4xf32, #b_t_h_e>, %k: tensor<2x128x4x4xf32, #b_t_h_e>, %v: tensor<2x128x4x4xf32, #b_t_h_e>, %n: tensor<2xi32, #b>) -> tensor<2x128x4x4xf32, #b_t_h_e>
    attributes {gpt.kernel, gpt.row_blocks = 3 : i64} {
  %s = gpt.generic sum [b=2, h=4, t=128, s=128 | e=4]
      inputs(%q[b, t, h, e] : tensor<2x128x4x4xf32, #b_t_h_e>, %k[b, s, h, e] : tensor<2x128x4x4xf32, #b_t_h_e>) -> (tensor<2x4x128x128xf32, #b_h_t_s>) attributes {gpt.axes = array<i64: 0, 1, 2, 3, -1>} {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    gpt.yield %0 : f32
  }
  %z = gpt.generic [b=2, h=4, t=128, s=128] inputs(%s[b, h, t, s] : tensor<2x4x128x128xf32, #b_h_t_s>, %n[b] : tensor<2xi32, #b>) -> (tensor<2x4x128x128xf32, #b_h_t_s>) attributes {gpt.axes = array<i64: 0, 1, 2, 3>} {
  ^bb0(%a: f32, %length: i32):
    %i = gpt.index 2 : i32
    %j = gpt.index 3 : i32
    %five = arith.constant 5 : i32
    %first = arith.subi %i, %five : i32
    %near = arith.cmpi sge, %j, %first : i32
    %there = arith.cmpi slt, %j, %length : i32
    %see = arith.andi %near, %there : i1
    %low = arith.constant 0xFF800000 : f32
    %m = arith.select %see, %a, %low : f32
    %0 = math.exp %m : f32
    gpt.yield %0 : f32
  }
  %y = gpt.generic sum [b=2, t=128, h=4, e=4 | s=128]
      inputs(%z[b, h, t, s] : tensor<2x4x128x128xf32, #b_h_t_s>, %v[b, s, h, e] : tensor<2x128x4x4xf32, #b_t_h_e>) -> (tensor<2x128x4x4xf32, #b_t_h_e>) attributes {gpt.axes = array<i64: 0, 2, 1, -1, 3>} {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    gpt.yield %0 : f32
  }
  return %y : tensor<2x128x4x4xf32, #b_t_h_e>
}
}

// -----

// Pieces that write past the caches are of 512 KiB at least, for one op and for rows.
// CHECK-DAG: #[[MAP:.*]] = affine_map<() -> (512)>
// CHECK-DAG: #[[ROWS:.*]] = affine_map<() -> (256)>
// PAST-DAG: #[[MAP:.*]] = affine_map<() -> (32)>
// PAST-DAG: #[[ROWS:.*]] = affine_map<() -> (16)>
#i_j = #gpt.dims<i=1024, j=2048>
#i = #gpt.dims<i=1024>
module attributes {gpt.extents = []} {
// CHECK-LABEL: func.func private @large_map
// CHECK-SAME: rt.pieces = #[[MAP]],
// PAST-LABEL: func.func private @large_map
// PAST-SAME: rt.pieces = #[[MAP]],
func.func private @large_map(%x: tensor<1024x2048xf32, #i_j>) -> (tensor<1024x2048xf32, #i_j> {gpt.marked}, tensor<1024x2048xf32, #i_j> {gpt.marked})
    attributes {gpt.kernel} {
  %y:2 = gpt.generic [i=1024, j=2048] inputs(%x[i, j] : tensor<1024x2048xf32, #i_j>)
      -> (tensor<1024x2048xf32, #i_j>, tensor<1024x2048xf32, #i_j>) {
  ^bb0(%a: f32):
    %r = math.exp %a : f32
    gpt.yield %r, %a : f32, f32
  }
  return %y#0, %y#1 : tensor<1024x2048xf32, #i_j>, tensor<1024x2048xf32, #i_j>
}

// A maximum is one instruction a vector; whether any term was NaN is found by itself, two vectors a comparison.
// CHECK-LABEL: func.func private @large_rows
// CHECK-SAME: rt.pieces = #[[ROWS]],
// PAST-LABEL: func.func private @large_rows
// PAST-SAME: rt.pieces = #[[ROWS]],
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xi1>)
// CHECK: %[[GREATER:.*]] = arith.cmpf ogt, %[[X:.*]], %[[MOST:.*]] : vector<8xf32>
// CHECK-NEXT: arith.select %[[GREATER]], %[[X]], %[[MOST]]
// CHECK-COUNT-2: arith.cmpf uno
// CHECK-NOT: arith.cmpf uno
// CHECK: vector.reduction <or>, {{.*}} : vector<8xi1> into i1
// CHECK: arith.maximumf
func.func private @large_rows(%x: tensor<1024x2048xf32, #i_j>) -> (tensor<1024x2048xf32, #i_j> {gpt.marked}) attributes {gpt.kernel, gpt.rows = 1 : i64} {
  %m = gpt.generic max [i=1024 | j=2048] inputs(%x[i, j] : tensor<1024x2048xf32, #i_j>) -> (tensor<1024xf32, #i>) attributes {gpt.axes = array<i64: 0, -1>} {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %y = gpt.generic [i=1024, j=2048] inputs(%x[i, j] : tensor<1024x2048xf32, #i_j>, %m[i] : tensor<1024xf32, #i>)
      -> (tensor<1024x2048xf32, #i_j>) attributes {gpt.axes = array<i64: 0, -1>} {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.maximumf %a, %b : f32
    gpt.yield %0 : f32
  }
  return %y : tensor<1024x2048xf32, #i_j>
}
}

// -----

// The sum over rows that waits for the row's own sum stands in the last loop, which reads the same. Two operands that
// one loop is the first to read are asked for six rows (12 KiB) ahead, a cache line at a time, not in the loop that writes past
// the caches.
#i_j = #gpt.dims<i=1024, j=512>
#i = #gpt.dims<i=1024>
#j = #gpt.dims<j=512>
module attributes {gpt.extents = []} {
// PAST-LABEL: func.func private @two_streams
// PAST-SAME: (%{{.*}}: index, %{{.*}}: memref<?xi8>, %[[X:.*]]: memref<524288xf32>, %[[Y:.*]]: memref<524288xf32>, %{{.*}}: memref<512xf32>,
// PAST: scf.for {{.*}} iter_args
// PAST: memref.prefetch %[[X]][{{.*}}], read, locality<2>, data
// PAST-NEXT: memref.prefetch %[[Y]][{{.*}}], read, locality<2>, data
// PAST: memref.prefetch %[[X]][{{.*}}], read, locality<2>, data
// PAST-NEXT: memref.prefetch %[[Y]][{{.*}}], read, locality<2>, data
// PAST-NOT: memref.prefetch
// PAST: scf.for
// PAST: vector.load %[[X]]
// PAST: vector.load %[[Y]]
// PAST-NOT: scf.for
// PAST: vector.store {{.*}}nontemporal = true}
func.func private @two_streams(%x: tensor<1024x512xf32, #i_j>, %y: tensor<1024x512xf32, #i_j>)
    -> (tensor<512xf32, #j>, tensor<1024x512xf32, #i_j> {gpt.marked}) attributes {gpt.kernel, gpt.rows = 1 : i64} {
  %m = gpt.generic sum [i=1024 | j=512] inputs(%x[i, j] : tensor<1024x512xf32, #i_j>, %y[i, j] : tensor<1024x512xf32, #i_j>) -> (tensor<1024xf32, #i>) attributes {gpt.axes = array<i64: 0, -1>} {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    gpt.yield %0 : f32
  }
  %s = gpt.generic sum [j=512 | i=1024] inputs(%x[i, j] : tensor<1024x512xf32, #i_j>, %y[i, j] : tensor<1024x512xf32, #i_j>, %m[i] : tensor<1024xf32, #i>) -> (tensor<512xf32, #j>) attributes {gpt.axes = array<i64: -1, 0>} {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %0 = arith.mulf %a, %c : f32
    %1 = arith.mulf %0, %b : f32
    gpt.yield %1 : f32
  }
  %root = gpt.generic [i=1024] inputs(%m[i] : tensor<1024xf32, #i>) -> (tensor<1024xf32, #i>) attributes {gpt.axes = array<i64: 0>} {
  ^bb0(%a: f32):
    %0 = math.sqrt %a : f32
    gpt.yield %0 : f32
  }
  %z = gpt.generic [i=1024, j=512] inputs(%x[i, j] : tensor<1024x512xf32, #i_j>, %y[i, j] : tensor<1024x512xf32, #i_j>, %root[i] : tensor<1024xf32, #i>)
      -> (tensor<1024x512xf32, #i_j>) attributes {gpt.axes = array<i64: 0, -1>} {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %0 = arith.mulf %a, %c : f32
    %1 = arith.addf %0, %b : f32
    gpt.yield %1 : f32
  }
  return %s, %z : tensor<512xf32, #j>, tensor<1024x512xf32, #i_j>
}
}

// -----

// Of one operand alone, the hardware sees the stream; but while exp is computed memory would rest, so that loop asks.
#i_j = #gpt.dims<i=1024, j=512>
#i = #gpt.dims<i=1024>
module attributes {gpt.extents = []} {
// PAST-LABEL: func.func private @memory_would_rest
// PAST-SAME: (%{{.*}}: index, %{{.*}}: memref<?xi8>, %[[X:.*]]: memref<524288xf32>,
// PAST-DAG: %[[SIX:.*]] = arith.constant 6 : index
// PAST: scf.for %[[ROW:.*]] = %{{.*}} to
// PAST-NOT: memref.prefetch
// PAST: vector.reduction <or>
// PAST: %[[LATER:.*]] = arith.addi %[[ROW]], %[[SIX]] : index
// PAST: memref.prefetch %[[X]][{{.*}}], read, locality<2>, data
// PAST: math.exp
// PAST: scf.for
// PAST-NOT: memref.prefetch
// PAST: vector.store {{.*}}nontemporal = true}
func.func private @memory_would_rest(%x: tensor<1024x512xf32, #i_j>) -> (tensor<1024x512xf32, #i_j> {gpt.marked})
    attributes {gpt.kernel, gpt.rows = 1 : i64} {
  %m = gpt.generic max [i=1024 | j=512] inputs(%x[i, j] : tensor<1024x512xf32, #i_j>) -> (tensor<1024xf32, #i>) attributes {gpt.axes = array<i64: 0, -1>} {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %e = gpt.generic [i=1024, j=512] inputs(%x[i, j] : tensor<1024x512xf32, #i_j>, %m[i] : tensor<1024xf32, #i>) -> (tensor<1024x512xf32, #i_j>) attributes {gpt.axes = array<i64: 0, -1>} {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.subf %a, %b : f32
    %1 = math.exp %0 : f32
    gpt.yield %1 : f32
  }
  %s = gpt.generic sum [i=1024 | j=512] inputs(%e[i, j] : tensor<1024x512xf32, #i_j>) -> (tensor<1024xf32, #i>) attributes {gpt.axes = array<i64: 0, -1>} {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %y = gpt.generic [i=1024, j=512] inputs(%e[i, j] : tensor<1024x512xf32, #i_j>, %s[i] : tensor<1024xf32, #i>) -> (tensor<1024x512xf32, #i_j>) attributes {gpt.axes = array<i64: 0, -1>} {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.divf %a, %b : f32
    gpt.yield %0 : f32
  }
  return %y : tensor<1024x512xf32, #i_j>
}
}
