// RUN: gptc-opt %s --gpt-fit-memory=keep=100000 | FileCheck %s --check-prefix=ALL
// RUN: gptc-opt %s --gpt-fit-memory=keep=8000 | FileCheck %s

// What is computed again anyway: %s#0 comes with %s#1, so it is not kept besides, though 3072 bytes were left for it;
// and the way back has @relu's result from @up.

#scalar = #gpt.dims<>
#t_c = #gpt.dims<t=16, c=16>
#t_j = #gpt.dims<t=16, j=64>
#c_j = #gpt.dims<c=16, j=64>
#n_t_c = #gpt.dims<n=3, t=16, c=16>
#n_t_j = #gpt.dims<n=3, t=16, j=64>
#n_c_j = #gpt.dims<n=3, c=16, j=64>
!x = tensor<16x16xf32, #t_c>
!a = tensor<16x64xf32, #t_j>
!w = tensor<16x64xf32, #c_j>
!xs = tensor<3x16x16xf32, #n_t_c>
!as = tensor<3x16x64xf32, #n_t_j>
!ws = tensor<3x16x64xf32, #n_c_j>

// ALL: gpt.kept_bytes = 19456 : i64
// ALL: reverse
// ALL-NEXT: ^bb0
// ALL-NEXT: gpt.launch @relu

// CHECK: gpt.kept_bytes = 4096 : i64
// CHECK: gpt.repeat 3 inits
// CHECK-SAME: stacks(tensor<3x16x16xf32, #n_t_c>)
// CHECK: gpt.repeat 3 reverse
// CHECK: ^bb0({{.*}}, %[[D:[^:]*]]: tensor<16x16xf32, #t_c>, %[[W:[^:]*]]: tensor<16x64xf32, #c_j>, %[[IN:[^:]*]]: tensor<16x16xf32, #t_c>):
// CHECK-NEXT: %[[S:.*]]:2 = gpt.launch @sum(%[[IN]])
// CHECK-NEXT: %[[UP:.*]]:2 = gpt.launch @up(%[[S]]#1, %[[W]])
// CHECK-NEXT: %[[R:.*]] = gpt.launch @other(%[[UP]]#0)
// CHECK-NEXT: gpt.launch @back(%[[UP]]#1, %[[R]], %[[S]]#0, %[[D]])
// CHECK-NOT: @relu
// CHECK: @other
module {
  gpt.variable parameter @w : !ws copies 1 path ["layers", "*", "w"]
  func.func @main(%x: !x {gpt.input = "x"}) -> (tensor<f32, #scalar> {gpt.output = "loss"}) {
    %w = gpt.get @w : !ws
    %y, %h:3 = gpt.repeat 3 inits(%x : !x) stacked(%w : !ws) -> (!x) stacks(!xs, !xs, !as) {
    ^bb0(%copy: tensor<i32, #scalar>, %in: !x, %wi: !w):
      %s:2 = gpt.launch @sum(%in) : (!x) -> (!x, !x)
      %a:2 = gpt.launch @up(%s#1, %wi) : (!x, !w) -> (!a, !a)
      %out = gpt.launch @down(%a#1, %wi) : (!a, !w) -> !x
      gpt.yield %out, %in, %s#0, %a#0 : !x, !x, !x, !a
    }
    %loss = gpt.launch @total(%y) : (!x) -> tensor<f32, #scalar>
    %dy = gpt.launch @first(%y) : (!x) -> !x
    %dx, %dw = gpt.repeat 3 reverse inits(%dy : !x) stacked(%w : !ws, %h#0 : !xs, %h#1 : !xs, %h#2 : !as) -> (!x) stacks(!ws) {
    ^bb0(%copy: tensor<i32, #scalar>, %d: !x, %wi: !w, %in: !x, %s: !x, %a: !a):
      %0 = gpt.launch @relu(%a) : (!a) -> !a
      %1 = gpt.launch @other(%a) : (!a) -> !a
      %2 = gpt.launch @back(%0, %1, %s, %d) : (!a, !a, !x, !x) -> !x
      %3 = gpt.launch @gradient(%in, %2) : (!x, !x) -> !w
      gpt.yield %2, %3 : !x, !w
    }
    %new = gpt.launch @update(%w, %dw) : (!ws, !ws) -> !ws
    gpt.set @w, %new : !ws
    return %loss : tensor<f32, #scalar>
  }
  func.func private @up(%x: !x, %w: !w) -> (!a, !a) attributes {gpt.kernel} {
    %0 = gpt.generic sum [t=16, j=64 | c=16] inputs(%x[t, c] : !x, %w[c, j] : !w) -> (!a) {
    ^bb0(%p: f32, %q: f32):
      %1 = arith.mulf %p, %q : f32
      gpt.yield %1 : f32
    }
    %2 = gpt.generic [t=16, j=64] inputs(%0[t, j] : !a) -> (!a) {
    ^bb0(%p: f32):
      %zero = arith.constant 0.0 : f32
      %3 = arith.maximumf %p, %zero : f32
      gpt.yield %3 : f32
    }
    return %0, %2 : !a, !a
  }
  func.func private @relu(%a: !a) -> !a attributes {gpt.kernel} {
    %0 = gpt.generic [t=16, j=64] inputs(%a[t, j] : !a) -> (!a) {
    ^bb0(%p: f32):
      %zero = arith.constant 0.0 : f32
      %1 = arith.maximumf %p, %zero : f32
      gpt.yield %1 : f32
    }
    return %0 : !a
  }
  // Not what @up computes.
  func.func private @other(%a: !a) -> !a attributes {gpt.kernel} {
    %0 = gpt.generic [t=16, j=64] inputs(%a[t, j] : !a) -> (!a) {
    ^bb0(%p: f32):
      %one = arith.constant 1.0 : f32
      %1 = arith.maximumf %p, %one : f32
      gpt.yield %1 : f32
    }
    return %0 : !a
  }
  func.func private @sum(%x: !x) -> (!x, !x) attributes {gpt.kernel} {
    %0 = gpt.generic [t=16, c=16] inputs(%x[t, c] : !x) -> (!x) {
    ^bb0(%p: f32):
      %1 = arith.mulf %p, %p : f32
      gpt.yield %1 : f32
    }
    %2 = gpt.generic [t=16, c=16] inputs(%x[t, c] : !x, %0[t, c] : !x) -> (!x) {
    ^bb0(%p: f32, %q: f32):
      %3 = arith.addf %p, %q : f32
      gpt.yield %3 : f32
    }
    return %0, %2 : !x, !x
  }
  func.func private @down(%a: !a, %w: !w) -> !x attributes {gpt.kernel}
  func.func private @total(%x: !x) -> tensor<f32, #scalar> attributes {gpt.kernel}
  func.func private @first(%x: !x) -> !x attributes {gpt.kernel}
  func.func private @back(%r: !a, %o: !a, %s: !x, %d: !x) -> !x attributes {gpt.kernel}
  func.func private @gradient(%x: !x, %d: !x) -> !w attributes {gpt.kernel}
  func.func private @update(%w: !ws, %d: !ws) -> !ws attributes {gpt.kernel}
}
