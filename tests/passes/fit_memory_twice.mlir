// RUN: gptc-opt %s --gpt-fit-memory=keep=4096 | FileCheck %s

// Two launches of one kernel on different weights are two values: both are computed again.

#scalar = #gpt.dims<>
#t_c = #gpt.dims<t=16, c=16>
#c_j = #gpt.dims<c=16, j=16>
#t_j = #gpt.dims<t=16, j=16>
#n_t_c = #gpt.dims<n=3, t=16, c=16>
#n_t_j = #gpt.dims<n=3, t=16, j=16>
#n_c_j = #gpt.dims<n=3, c=16, j=16>
!x = tensor<16x16xf32, #t_c>
!a = tensor<16x16xf32, #t_j>
!w = tensor<16x16xf32, #c_j>
!xs = tensor<3x16x16xf32, #n_t_c>
!as = tensor<3x16x16xf32, #n_t_j>
!ws = tensor<3x16x16xf32, #n_c_j>

// CHECK: gpt.repeat 3 reverse
// CHECK: ^bb0({{.*}}, %[[D:[^:]*]]: tensor<16x16xf32, #t_c>, %[[KEY:[^:]*]]: tensor<16x16xf32, #c_j>, %[[VALUE:[^:]*]]: tensor<16x16xf32, #c_j>, %[[IN:[^:]*]]: tensor<16x16xf32, #t_c>):
// CHECK-DAG: %[[K:.*]] = gpt.launch @project(%[[IN]], %[[KEY]])
// CHECK-DAG: %[[V:.*]] = gpt.launch @project(%[[IN]], %[[VALUE]])
// CHECK: gpt.launch @back(%[[K]], %[[V]], %[[D]])
module {
  gpt.variable parameter @key : !ws copies 1 path ["layers", "*", "key"]
  gpt.variable parameter @value : !ws copies 1 path ["layers", "*", "value"]
  func.func @main(%x: !x {gpt.input = "x"}) -> (tensor<f32, #scalar> {gpt.output = "loss"}) {
    %key = gpt.get @key : !ws
    %value = gpt.get @value : !ws
    %y, %h:3 = gpt.repeat 3 inits(%x : !x) stacked(%key : !ws, %value : !ws) -> (!x) stacks(!xs, !as, !as) {
    ^bb0(%copy: tensor<i32, #scalar>, %in: !x, %wk: !w, %wv: !w):
      %k = gpt.launch @project(%in, %wk) : (!x, !w) -> !a
      %v = gpt.launch @project(%in, %wv) : (!x, !w) -> !a
      %out = gpt.launch @join(%k, %v) : (!a, !a) -> !x
      gpt.yield %out, %in, %k, %v : !x, !x, !a, !a
    }
    %loss = gpt.launch @total(%y) : (!x) -> tensor<f32, #scalar>
    %dy = gpt.launch @first(%y) : (!x) -> !x
    %dx, %dw = gpt.repeat 3 reverse inits(%dy : !x) stacked(%key : !ws, %value : !ws, %h#0 : !xs, %h#1 : !as, %h#2 : !as)
        -> (!x) stacks(!ws) {
    ^bb0(%copy: tensor<i32, #scalar>, %d: !x, %wk: !w, %wv: !w, %in: !x, %k: !a, %v: !a):
      %0 = gpt.launch @back(%k, %v, %d) : (!a, !a, !x) -> !x
      %1 = gpt.launch @gradient(%in, %0) : (!x, !x) -> !w
      gpt.yield %0, %1 : !x, !w
    }
    %new = gpt.launch @update(%key, %dw) : (!ws, !ws) -> !ws
    gpt.set @key, %new : !ws
    return %loss : tensor<f32, #scalar>
  }
  func.func private @project(%x: !x, %w: !w) -> !a attributes {gpt.kernel} {
    %0 = gpt.generic sum [t=16, j=16 | c=16] inputs(%x[t, c] : !x, %w[c, j] : !w) -> (!a) {
    ^bb0(%p: f32, %q: f32):
      %1 = arith.mulf %p, %q : f32
      gpt.yield %1 : f32
    }
    return %0 : !a
  }
  func.func private @join(%k: !a, %v: !a) -> !x attributes {gpt.kernel}
  func.func private @total(%x: !x) -> tensor<f32, #scalar> attributes {gpt.kernel}
  func.func private @first(%x: !x) -> !x attributes {gpt.kernel}
  func.func private @back(%k: !a, %v: !a, %d: !x) -> !x attributes {gpt.kernel}
  func.func private @gradient(%x: !x, %d: !x) -> !w attributes {gpt.kernel}
  func.func private @update(%w: !ws, %d: !ws) -> !ws attributes {gpt.kernel}
}
