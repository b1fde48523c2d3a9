// RUN: gptc-opt %s --pass-pipeline='builtin.module(func.func(rt-hold-constants))' | FileCheck %s

// The constant of the loop behind the tile is held from there on: neither loaded in each turn nor before the tile.
// CHECK-LABEL: func.func @epilogue
// CHECK-DAG: %[[HALF:.*]] = arith.constant dense<5.0{{.*}}> : vector<16xf32>
// CHECK-DAG: %[[ZERO:.*]] = arith.constant dense<0.0{{.*}}> : vector<16xf32>
// CHECK-DAG: %[[TWO:.*]] = arith.constant dense<2.0{{.*}}> : vector<16xf32>
// CHECK: scf.for
// CHECK-NOT: inline_asm
// CHECK: scf.for
// CHECK: math.fma %[[TWO]]
// CHECK: %[[HELD:.*]] = llvm.inline_asm has_side_effects {{.*}}"", "=v,0" %[[HALF]]
// CHECK-NOT: inline_asm
// CHECK: scf.for
// CHECK: scf.for
// CHECK: arith.mulf %{{.*}}, %[[HELD]]
// CHECK: arith.addf %{{.*}}, %[[ZERO]]
func.func @epilogue(%sums: memref<?xf32>) attributes {rt.tiles} {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %c64 = arith.constant 64 : index
  %half = arith.constant dense<0.5> : vector<16xf32>
  %two = arith.constant dense<2.0> : vector<16xf32>
  %zero = arith.constant dense<0.0> : vector<16xf32>
  scf.for %tile = %c0 to %c64 step %c16 {
    %s:5 = scf.for %k = %c0 to %c64 step %c16
        iter_args(%a = %zero, %b = %zero, %c = %zero, %d = %zero, %e = %zero)
        -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>) {
      %next = math.fma %two, %two, %a : vector<16xf32>
      scf.yield %next, %b, %c, %d, %e : vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>
    }
    vector.store %s#0, %sums[%c0] : memref<?xf32>, vector<16xf32>
    scf.for %row = %c0 to %c64 step %c16 {
      scf.for %column = %c0 to %c64 step %c16 {
        %sum = vector.load %sums[%column] : memref<?xf32>, vector<16xf32>
        %scaled = arith.mulf %sum, %half : vector<16xf32>
        %result = arith.addf %scaled, %zero : vector<16xf32>
        vector.store %result, %sums[%column] : memref<?xf32>, vector<16xf32>
      }
    }
  }
  return
}

// Without tiles there are registers enough, and LLVM moves constants as far as it likes.
// CHECK-LABEL: func.func @noTiles
// CHECK-NOT: inline_asm
// CHECK: return
func.func @noTiles(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %c64 = arith.constant 64 : index
  %half = arith.constant dense<0.5> : vector<16xf32>
  scf.for %i = %c0 to %c64 step %c16 {
    %0 = vector.load %x[%i] : memref<?xf32>, vector<16xf32>
    %1 = arith.mulf %0, %half : vector<16xf32>
    vector.store %1, %x[%i] : memref<?xf32>, vector<16xf32>
  }
  return
}
