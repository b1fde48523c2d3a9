// RUN: gptc-opt %s --gpt-fit-memory=keep=1024 | FileCheck %s

// In @main the halves lie side by side: @early, of the backward half, stands before %b, which is kept, is made. What is
// computed again from %b stands behind it all the same.

#scalar = #gpt.dims<>
#t = #gpt.dims<t=64>
#t_j = #gpt.dims<t=64, j=64>
!s = tensor<f32, #scalar>
!v = tensor<64xf32, #t>
!m = tensor<64x64xf32, #t_j>

// CHECK: gpt.kept_bytes = 256 : i64
// CHECK: func.func @main(%[[X:.*]]: tensor
// CHECK: %[[A:.*]] = gpt.launch @big(%[[X]])
// CHECK: %[[A2:.*]] = gpt.launch @big(%[[X]])
// CHECK-NEXT: gpt.launch @early(%[[A2]])
// CHECK: %[[B:.*]] = gpt.launch @down(%[[A]])
// CHECK: gpt.launch @total(
// CHECK: %[[C2:.*]] = gpt.launch @wide(%[[B]])
// CHECK-NEXT: gpt.launch @late({{.*}}, %[[B]], %[[C2]])
module {
  gpt.variable parameter @w : !v path ["w"]
  func.func @main(%x: !v {gpt.input = "x"}) -> (!s {gpt.output = "loss"}) {
    %w = gpt.get @w : !v
    %a = gpt.launch @big(%x) : (!v) -> !m
    %e = gpt.launch @early(%a) : (!m) -> !v
    %b = gpt.launch @down(%a) : (!m) -> !v
    %c = gpt.launch @wide(%b) : (!v) -> !m
    %loss = gpt.launch @total(%c) : (!m) -> !s
    %d = gpt.launch @late(%e, %b, %c) : (!v, !v, !m) -> !v
    gpt.set @w, %d : !v
    return %loss : !s
  }
  func.func private @big(%x: !v) -> !m attributes {gpt.kernel} {
    %0 = gpt.generic [t=64, j=64] inputs(%x[t] : !v) -> (!m) {
    ^bb0(%p: f32):
      %1 = arith.mulf %p, %p : f32
      gpt.yield %1 : f32
    }
    return %0 : !m
  }
  func.func private @wide(%x: !v) -> !m attributes {gpt.kernel} {
    %0 = gpt.generic [t=64, j=64] inputs(%x[t] : !v) -> (!m) {
    ^bb0(%p: f32):
      %1 = arith.addf %p, %p : f32
      gpt.yield %1 : f32
    }
    return %0 : !m
  }
  func.func private @down(%a: !m) -> !v attributes {gpt.kernel} {
    %0 = gpt.generic sum [t=64 | j=64] inputs(%a[t, j] : !m) -> (!v) {
    ^bb0(%p: f32):
      gpt.yield %p : f32
    }
    return %0 : !v
  }
  func.func private @early(%a: !m) -> !v attributes {gpt.kernel}
  func.func private @total(%c: !m) -> !s attributes {gpt.kernel}
  func.func private @late(%e: !v, %b: !v, %c: !m) -> !v attributes {gpt.kernel}
}
