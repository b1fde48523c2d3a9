// RUN: gptc-opt %s --gpt-fit-memory=keep=100000 | FileCheck %s --check-prefix=ALL
// RUN: gptc-opt %s --gpt-fit-memory=keep=13000 | FileCheck %s --check-prefix=SOME
// RUN: gptc-opt %s --gpt-fit-memory=keep=0 | FileCheck %s --check-prefix=LEAST

// What is kept: %y of 1024 bytes, %h#0 of 3 * 1024, %h#1 of 3 * 4096, %small of 3 * 64; seed and update are the way back.

#scalar = #gpt.dims<>
#t = #gpt.dims<t=16>
#t_c = #gpt.dims<t=16, c=16>
#t_j = #gpt.dims<t=16, j=64>
#c_j = #gpt.dims<c=16, j=64>
#n_t = #gpt.dims<n=3, t=16>
#n_t_c = #gpt.dims<n=3, t=16, c=16>
#n_t_j = #gpt.dims<n=3, t=16, j=64>
#n_c_j = #gpt.dims<n=3, c=16, j=64>
!x = tensor<16x16xf32, #t_c>
!a = tensor<16x64xf32, #t_j>
!w = tensor<16x64xf32, #c_j>
!xs = tensor<3x16x16xf32, #n_t_c>
!as = tensor<3x16x64xf32, #n_t_j>
!ws = tensor<3x16x64xf32, #n_c_j>
!row = tensor<16xf32, #t>
!rows = tensor<3x16xf32, #n_t>

// ALL: gpt.kept_bytes = 16576 : i64
// ALL: stacks(tensor<3x16x16xf32, #n_t_c>, tensor<3x16x64xf32, #n_t_j>, tensor<3x16xf32, #n_t>)
// ALL: reverse
// ALL-NOT: gpt.launch @up(

// The largest costs no more a byte than the others, and frees enough.
// SOME: gpt.kept_bytes = 4288 : i64
// SOME: gpt.repeat 3 inits
// SOME-SAME: stacks(tensor<3x16x16xf32, #n_t_c>, tensor<3x16xf32, #n_t>)
// SOME: gpt.repeat 3 reverse
// SOME: ^bb0({{.*}}, %[[D:.*]]: tensor<16x16xf32, #t_c>, %[[W:.*]]: tensor<16x64xf32, #c_j>, %[[IN:.*]]: tensor<16x16xf32, #t_c>, %[[S:.*]]: tensor<16xf32, #t>):
// SOME-NEXT: gpt.launch @first(%[[D]])
// SOME-NEXT: %[[A:.*]] = gpt.launch @up(%[[IN]], %[[W]])
// SOME-NEXT: gpt.launch @back(%[[A]], %[[W]],

// Only the layers' inputs; what is returned is computed anyway.
// LEAST: gpt.kept_bytes = 4096 : i64
// LEAST: stacks(tensor<3x16x16xf32, #n_t_c>)
// LEAST: gpt.repeat 3 reverse
// LEAST: gpt.launch @first
// LEAST-NEXT: %[[UP:.*]] = gpt.launch @up
// LEAST-NEXT: %[[BACK:.*]] = gpt.launch @back(%[[UP]]
// LEAST-NEXT: %[[ROWS:.*]] = gpt.launch @rows(%[[UP]])
// LEAST-NEXT: gpt.launch @apply(%[[BACK]], %[[ROWS]])
module {
  gpt.variable parameter @w : !ws copies 1 path ["layers", "*", "w"]
  func.func @main(%x: !x {gpt.input = "x"}) -> (tensor<f32, #scalar> {gpt.output = "loss"}) {
    %w = gpt.get @w : !ws
    %y, %h:3 = gpt.repeat 3 inits(%x : !x) stacked(%w : !ws) -> (!x) stacks(!xs, !as, !rows) {
    ^bb0(%copy: tensor<i32, #scalar>, %in: !x, %wi: !w):
      %a = gpt.launch @up(%in, %wi) : (!x, !w) -> !a
      %r = gpt.launch @rows(%a) : (!a) -> !row
      %out = gpt.launch @down(%a, %wi, %r) : (!a, !w, !row) -> !x
      gpt.yield %out, %in, %a, %r : !x, !x, !a, !row
    }
    %loss = gpt.launch @total(%y) : (!x) -> tensor<f32, #scalar>
    %dy = gpt.launch @first(%y) : (!x) -> !x
    %dx, %dw = gpt.repeat 3 reverse inits(%dy : !x) stacked(%w : !ws, %h#0 : !xs, %h#1 : !as, %h#2 : !rows) -> (!x) stacks(!ws) {
    ^bb0(%copy: tensor<i32, #scalar>, %d: !x, %wi: !w, %in: !x, %a: !a, %r: !row):
      %0 = gpt.launch @first(%d) : (!x) -> !x
      %1 = gpt.launch @back(%a, %wi, %0) : (!a, !w, !x) -> !x
      %2 = gpt.launch @apply(%1, %r) : (!x, !row) -> !x
      %3 = gpt.launch @gradient(%in, %0) : (!x, !x) -> !w
      gpt.yield %2, %3 : !x, !w
    }
    %new = gpt.launch @update(%w, %dw) : (!ws, !ws) -> !ws
    gpt.set @w, %new : !ws
    return %loss : tensor<f32, #scalar>
  }
  func.func private @up(%x: !x, %w: !w) -> !a attributes {gpt.kernel} {
    %0 = gpt.generic sum [t=16, j=64 | c=16] inputs(%x[t, c] : !x, %w[c, j] : !w) -> (!a) {
    ^bb0(%p: f32, %q: f32):
      %1 = arith.mulf %p, %q : f32
      gpt.yield %1 : f32
    }
    return %0 : !a
  }
  func.func private @rows(%a: !a) -> !row attributes {gpt.kernel}
  func.func private @down(%a: !a, %w: !w, %r: !row) -> !x attributes {gpt.kernel}
  func.func private @total(%x: !x) -> tensor<f32, #scalar> attributes {gpt.kernel}
  func.func private @first(%x: !x) -> !x attributes {gpt.kernel}
  func.func private @back(%a: !a, %w: !w, %d: !x) -> !x attributes {gpt.kernel}
  func.func private @apply(%x: !x, %r: !row) -> !x attributes {gpt.kernel}
  func.func private @gradient(%x: !x, %d: !x) -> !w attributes {gpt.kernel}
  func.func private @update(%w: !ws, %d: !ws) -> !ws attributes {gpt.kernel}
}
