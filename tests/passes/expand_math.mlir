// RUN: gptc-opt %s --pass-pipeline='builtin.module(func.func(gpt-expand-math))' | FileCheck %s
// RUN: gptc-opt %s --pass-pipeline='builtin.module(func.func(gpt-expand-math{fma=false}))' | FileCheck %s --check-prefix=NOFMA
// RUN: gptc-opt %s --pass-pipeline='builtin.module(func.func(gpt-expand-math{avx512=true}))' | FileCheck %s --check-prefix=TABLE

// f32: polynomials, on vectors and scalars alike, so that a remainder has the bits of a whole vector.
// CHECK-LABEL: func.func @exp
// CHECK-NOT: math.exp
// CHECK: math.fma {{.*}} : vector<8xf32>
// CHECK: return
// NOFMA-LABEL: func.func @exp
// NOFMA-NOT: math.fma
// NOFMA: return
// With AVX-512 coefficients come from tables, the same for vectors of any width.
// TABLE-LABEL: func.func @exp(
// TABLE: %[[WIDE:.*]] = vector.shuffle {{.*}} : vector<8xi32>, vector<8xi32>
// TABLE: %[[FOUND:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpermi2var.ps.512"(%{{.*}}, %[[WIDE]], %{{.*}})
// TABLE: vector.extract_strided_slice %[[FOUND]] {offsets = [0], sizes = [8], strides = [1]}
func.func @exp(%x: vector<8xf32>) -> vector<8xf32> {
  %y = math.exp %x : vector<8xf32>
  return %y : vector<8xf32>
}
// CHECK-LABEL: func.func @exp_scalar
// CHECK-NOT: math.exp
// CHECK: math.fma {{.*}} : f32
// CHECK: return
// TABLE-LABEL: func.func @exp_scalar(
// TABLE: %[[WIDE:.*]] = vector.broadcast {{.*}} : i32 to vector<16xi32>
// TABLE: %[[FOUND:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpermi2var.ps.512"(%{{.*}}, %[[WIDE]], %{{.*}})
// TABLE: vector.extract %[[FOUND]][0]
func.func @exp_scalar(%x: f32) -> f32 {
  %y = math.exp %x : f32
  return %y : f32
}
// CHECK-LABEL: func.func @others
// CHECK-NOT: math.{{log|tanh|erf|sin|cos|rsqrt}}
// CHECK: return
// TABLE-LABEL: func.func @others(
// tanh: six coefficients, erf: five.
// TABLE-COUNT-11: "llvm.x86.avx512.vpermi2var.ps.512"
// TABLE-NOT: vpermi2var
// TABLE-LABEL: func.func @exp64
func.func @others(%x: vector<16xf32>) -> vector<16xf32> {
  %a = math.log %x : vector<16xf32>
  %b = math.tanh %a : vector<16xf32>
  %c = math.erf %b : vector<16xf32>
  %d = math.sin %c : vector<16xf32>
  %e = math.cos %d : vector<16xf32>
  %f = math.rsqrt %e : vector<16xf32>
  return %f : vector<16xf32>
}

// f64: the library's function, lane by lane.
// CHECK-LABEL: func.func @exp64
// CHECK: %[[X0:.*]] = vector.extract %{{.*}}[0] : f64 from vector<2xf64>
// CHECK: %[[Y0:.*]] = math.exp %[[X0]] : f64
// CHECK: %[[X1:.*]] = vector.extract %{{.*}}[1] : f64 from vector<2xf64>
// CHECK: %[[Y1:.*]] = math.exp %[[X1]] : f64
// CHECK: vector.from_elements %[[Y0]], %[[Y1]] : vector<2xf64>
func.func @exp64(%x: vector<2xf64>) -> vector<2xf64> {
  %y = math.exp %x : vector<2xf64>
  return %y : vector<2xf64>
}
// CHECK-LABEL: func.func @rsqrt64
// CHECK: %[[ROOT:.*]] = math.sqrt
// CHECK: arith.divf %{{.*}}, %[[ROOT]] : f64
func.func @rsqrt64(%x: f64) -> f64 {
  %y = math.rsqrt %x : f64
  return %y : f64
}

// What the CPU has stays.
// CHECK-LABEL: func.func @native
// CHECK: math.sqrt {{.*}} : vector<8xf32>
// CHECK: math.floor {{.*}} : vector<8xf32>
// CHECK: math.absf {{.*}} : vector<8xf32>
func.func @native(%x: vector<8xf32>) -> vector<8xf32> {
  %a = math.sqrt %x : vector<8xf32>
  %b = math.floor %a : vector<8xf32>
  %c = math.absf %b : vector<8xf32>
  return %c : vector<8xf32>
}
