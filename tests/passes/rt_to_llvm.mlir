// RUN: gptc-opt %s --split-input-file --verify-diagnostics --rt-to-llvm | FileCheck %s

#c = #gpt.dims<c=64>
#pieces = affine_map<()[s0] -> (s0 ceildiv 4)>

// The variables stay known by an attribute, in the order of gptc_context.variables.
// CHECK: rt.variables = [{copies = 0 : i64, name = "g", parameter = true, path = ["g"], type = tensor<64xf32, #c>},
// CHECK-SAME: {copies = 0 : i64, name = "w.m", parameter = false, path = ["w", "m"], type = tensor<64xf32, #c>}]
// CHECK-NOT: gpt.variable
module attributes {gpt.extents = ["b"], gpt.bounds = [8]} {
gpt.variable parameter @g : tensor<64xf32, #c> path ["g"]
gpt.variable state @w.m : tensor<64xf32, #c> path ["w", "m"]

// @main is a gptc_program: the fields of gptc_context in the order of runtime/abi.h.
// CHECK: llvm.func @gptc_launch(!llvm.ptr, !llvm.ptr, !llvm.ptr, i64, i64, i64)
// CHECK-LABEL: llvm.func @main(
// CHECK-SAME: %[[CTX:.*]]: !llvm.ptr) {
// CHECK: %[[ARGS:.*]] = llvm.alloca
// CHECK: %[[INPUTS:.*]] = llvm.getelementptr %[[CTX]][2]
// CHECK: %[[LIST:.*]] = llvm.load %[[INPUTS]]
// CHECK: %[[PLACE:.*]] = llvm.getelementptr %[[LIST]][1]
// CHECK: %[[X:.*]] = llvm.load %[[PLACE]]
// CHECK: %[[VARIABLES:.*]] = llvm.getelementptr %[[CTX]][1]
// CHECK: %[[ALL:.*]] = llvm.load %[[VARIABLES]]
// CHECK: llvm.getelementptr %[[ALL]][1]
// CHECK: %[[ARENA:.*]] = llvm.load %[[CTX]]
// CHECK: llvm.getelementptr %[[ARENA]][%{{.*}}] : (!llvm.ptr, i64) -> !llvm.ptr, i8
// CHECK: llvm.store %[[X]], %[[ARGS]]
// The number of pieces hangs on the extents alone.
// CHECK: %[[EXTENTS:.*]] = llvm.getelementptr %[[CTX]][3]
// CHECK: llvm.load %[[EXTENTS]]
// CHECK: %[[SCRATCH:.*]] = llvm.mlir.constant(256 : i64)
// CHECK: llvm.call @gptc_launch(%[[CTX]], %{{.*}}, %[[ARGS]], %{{.*}}, %{{.*}}, %[[SCRATCH]])
// CHECK: llvm.return
func.func @main() {
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  %x = rt.input 1 : memref<64xf32>
  %m = rt.variable @w.m + %c0 : memref<64xf32>
  %y = rt.arena %c128 : memref<64xf32>
  rt.launch @kernel(%x, %m, %y) : memref<64xf32>, memref<64xf32>, memref<64xf32>
  return
}

// A kernel is a gptc_kernel: context, arguments, scratch, piece.
// CHECK-LABEL: llvm.func @kernel(
// CHECK-SAME: %[[CTX:.*]]: !llvm.ptr, %[[ARGS:.*]]: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: i64) {
// CHECK: llvm.getelementptr %[[CTX]][3]
// CHECK: llvm.load {{.*}} : !llvm.ptr -> vector<8xf32>
// CHECK: llvm.fadd {{.*}} : vector<8xf32>
// CHECK: llvm.store {{.*}} : vector<8xf32>, !llvm.ptr
// CHECK-NOT: {{scf|arith|memref|rt|vector}}.{{[a-z]+}} %
// CHECK: llvm.return
func.func private @kernel(%piece: index, %scratch: memref<?xi8>, %x: memref<64xf32>, %w: memref<64xf32>,
                          %y: memref<64xf32>)
    attributes {gpt.kernel, rt.pieces = #pieces, rt.scratch = 256 : i64} {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %b = rt.extent "b"
  scf.for %i = %c0 to %b step %c8 {
    %v = vector.load %x[%i] : memref<64xf32>, vector<8xf32>
    %u = vector.load %w[%i] : memref<64xf32>, vector<8xf32>
    %s = arith.addf %v, %u : vector<8xf32>
    vector.store %s, %y[%i] : memref<64xf32>, vector<8xf32>
  }
  return
}
}

// -----

module attributes {gpt.extents = ["b"]} {
// expected-error @+1 {{'other' is neither @main nor a lowered kernel}}
func.func @other() {
  return
}
}

// -----

module attributes {gpt.extents = ["b"], gpt.bounds = [8]} {
func.func @main() {
  // expected-error @+1 {{extent 't' is not among the module's gpt.extents}}
  %t = rt.extent "t"
  %m = rt.arena %t : memref<4xf32>
  %c0 = arith.constant 0 : index
  %f = arith.constant 0.0 : f32
  memref.store %f, %m[%c0] : memref<4xf32>
  return
}
}

// -----

// Pieces that fill what the others read come first. The workspace lies behind all values of the arena.
module attributes {gpt.extents = ["b"], gpt.bounds = [8], rt.arena_bytes = 1000 : i64} {
// CHECK: module attributes {{.*}}rt.arena_bytes = 1536 : i64
// CHECK-LABEL: llvm.func @main(
// CHECK-DAG: %[[NONE:.*]] = llvm.mlir.constant(0 : i64)
// CHECK-DAG: %[[FIRST:.*]] = llvm.mlir.constant(3 : index)
// CHECK: llvm.call @gptc_launch(%{{.*}}, %{{.*}}, %{{.*}}, %[[NONE]], %[[FIRST]], %{{.*}})
// CHECK: llvm.call @gptc_launch(%{{.*}}, %{{.*}}, %{{.*}}, %[[FIRST]], %{{.*}}, %{{.*}})
func.func @main() {
  %c0 = arith.constant 0 : index
  %y = rt.arena %c0 : memref<64xf32>
  rt.launch @kernel(%y) : memref<64xf32>
  return
}
// The code generator learns where tiles need the registers.
// CHECK-LABEL: llvm.func @kernel(
// CHECK-SAME: passthrough = ["gptc-tiles"]
// CHECK: %[[AT:.*]] = llvm.mlir.constant(1024 : index)
// CHECK: llvm.getelementptr %{{.*}}[%[[AT]]] : (!llvm.ptr, i64) -> !llvm.ptr, i8
func.func private @kernel(%piece: index, %scratch: memref<?xi8>, %y: memref<64xf32>)
    attributes {gpt.kernel, rt.pieces = affine_map<()[s0] -> (7)>, rt.first = affine_map<()[s0] -> (3)>,
                rt.scratch = 0 : i64, rt.tiles, rt.workspace = 512 : i64} {
  %w = rt.workspace : memref<?xi8>
  %c0 = arith.constant 0 : index
  %all = memref.view %w[%c0][] : memref<?xi8> to memref<64xf32>
  %v = memref.load %all[%piece] : memref<64xf32>
  memref.store %v, %y[%piece] : memref<64xf32>
  return
}
}
