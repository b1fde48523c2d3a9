// RUN: gptc-opt %s --pass-pipeline='builtin.module(func.func(rt-expand-random))' | FileCheck %s
// RUN: gptc-opt %s --pass-pipeline='builtin.module(func.func(rt-expand-random,canonicalize))' | FileCheck %s --check-prefix=FOLDED

// 24 bits of the hash, scaled into [0, 1).
// CHECK-LABEL: func.func @scalar
// CHECK-NOT: rt.random
// CHECK: arith.xori
// CHECK: arith.muli
// CHECK: %[[SHIFT:.*]] = arith.constant 8 : i32
// CHECK: %[[BITS:.*]] = arith.shrui %{{.*}}, %[[SHIFT]] : i32
// CHECK: %[[N:.*]] = arith.sitofp %[[BITS]] : i32 to f32
// CHECK: %[[SCALE:.*]] = arith.constant 5.96046448E-8 : f32
// CHECK: %[[R:.*]] = arith.mulf %[[N]], %[[SCALE]] : f32
// CHECK: return %[[R]]
func.func @scalar(%key: i32) -> f32 {
  %r = rt.random 7 (%key) : (i32) -> f32
  return %r : f32
}

// What all lanes share is computed once, as scalars, before the first key that is a vector.
// CHECK-LABEL: func.func @lanes
// CHECK-SAME: %[[SEED:.*]]: i32, %[[LANES:.*]]: vector<4xi32>
// CHECK: arith.muli %[[SEED]], %{{.*}} : i32
// CHECK: arith.muli %[[LANES]], %{{.*}} : vector<4xi32>
// CHECK: vector.broadcast %{{.*}} : i32 to vector<4xi32>
// CHECK: arith.sitofp %{{.*}} : vector<4xi32> to vector<4xf64>
func.func @lanes(%seed: i32, %i: vector<4xi32>) -> vector<4xf64> {
  %r = rt.random 7 (%seed, %i) : (i32, vector<4xi32>) -> vector<4xf64>
  return %r : vector<4xf64>
}

// Without a vector among the keys all lanes have one number.
// CHECK-LABEL: func.func @same
// CHECK: %[[ONE:.*]] = vector.broadcast %{{.*}} : i32 to vector<4xi32>
// CHECK: arith.sitofp %[[ONE]] : vector<4xi32> to vector<4xf32>
func.func @same(%seed: i32) -> vector<4xf32> {
  %r = rt.random 7 (%seed) : (i32) -> vector<4xf32>
  return %r : vector<4xf32>
}

// The site counts: the same keys at another one give another number. These values are
// part of the format of a run: changing them changes every run that is repeated by its seed.
// FOLDED-LABEL: func.func @numbers
// FOLDED-DAG: %[[A:.*]] = arith.constant 0.993031382 : f32
// FOLDED-DAG: %[[B:.*]] = arith.constant 0.153234482 : f32
// FOLDED: return %[[A]], %[[B]]
func.func @numbers() -> (f32, f32) {
  %key = arith.constant 3 : i32
  %a = rt.random 7 (%key) : (i32) -> f32
  %b = rt.random 8 (%key) : (i32) -> f32
  return %a, %b : f32, f32
}
