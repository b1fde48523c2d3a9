// RUN: gptc-opt %s --pass-pipeline='builtin.module(func.func(rt-hold-constants))' | FileCheck %s
// RUN: gptc-opt %s --pass-pipeline='builtin.module(func.func(rt-hold-constants{vector-bits=256}))' | FileCheck %s --check-prefix=AVX2

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

// What is wider than a register is not held, nor are truth values and indices; constants in the loop come out of it.
// CHECK-LABEL: func.func @manyTypes
// CHECK-DAG: %[[WIDE:.*]] = arith.constant dense<1.5{{.*}}> : vector<16xf64>
// CHECK-DAG: %[[HALF:.*]] = arith.constant dense<5.0{{.*}}> : vector<16xf32>
// CHECK-DAG: %[[EIGHT:.*]] = arith.constant dense<2.5{{.*}}> : vector<8xf64>
// CHECK-DAG: %[[WORDS:.*]] = arith.constant dense<7> : vector<8xi32>
// CHECK-DAG: llvm.inline_asm {{.*}} %[[HALF]] : (vector<16xf32>)
// CHECK-DAG: llvm.inline_asm {{.*}} %[[EIGHT]] : (vector<8xf64>)
// CHECK-DAG: llvm.inline_asm {{.*}} %[[WORDS]] : (vector<8xi32>)
// CHECK-NOT: inline_asm
// CHECK: scf.for
// CHECK: arith.mulf %{{.*}}, %[[WIDE]]
// AVX2-LABEL: func.func @manyTypes
// AVX2: llvm.inline_asm {{.*}} : (vector<8xi32>)
// AVX2-NOT: inline_asm
func.func @manyTypes(%x: memref<?xf32>, %y: memref<?xi32>, %z: memref<?xi1>, %i: memref<?xindex>) attributes {rt.tiles} {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %c64 = arith.constant 64 : index
  %wide = arith.constant dense<1.5> : vector<16xf64>
  %eight = arith.constant dense<2.5> : vector<8xf64>
  scf.for %at = %c0 to %c64 step %c16 {
    %half = arith.constant dense<0.5> : vector<16xf32>
    %words = arith.constant dense<7> : vector<8xi32>
    %lanes = arith.constant dense<true> : vector<128xi1>
    %places = arith.constant dense<3> : vector<8xindex>
    %0 = vector.load %x[%at] : memref<?xf32>, vector<16xf32>
    %1 = arith.extf %0 : vector<16xf32> to vector<16xf64>
    %2 = arith.mulf %1, %wide : vector<16xf64>
    %3 = arith.truncf %2 : vector<16xf64> to vector<16xf32>
    %4 = arith.mulf %3, %half : vector<16xf32>
    vector.store %4, %x[%at] : memref<?xf32>, vector<16xf32>
    %5 = vector.load %x[%at] : memref<?xf32>, vector<8xf32>
    %6 = arith.extf %5 : vector<8xf32> to vector<8xf64>
    %7 = arith.mulf %6, %eight : vector<8xf64>
    %8 = arith.truncf %7 : vector<8xf64> to vector<8xf32>
    vector.store %8, %x[%at] : memref<?xf32>, vector<8xf32>
    %9 = vector.load %y[%at] : memref<?xi32>, vector<8xi32>
    %10 = arith.addi %9, %words : vector<8xi32>
    vector.store %10, %y[%at] : memref<?xi32>, vector<8xi32>
    %11 = vector.load %z[%at] : memref<?xi1>, vector<128xi1>
    %12 = arith.xori %11, %lanes : vector<128xi1>
    vector.store %12, %z[%at] : memref<?xi1>, vector<128xi1>
    %13 = vector.load %i[%at] : memref<?xindex>, vector<8xindex>
    %14 = arith.addi %13, %places : vector<8xindex>
    vector.store %14, %i[%at] : memref<?xindex>, vector<8xindex>
  }
  return
}
