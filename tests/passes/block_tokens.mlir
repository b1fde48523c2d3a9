// RUN: gptc-opt %s --gpt-block-tokens=bytes=65536 --split-input-file | FileCheck %s

#t = #gpt.dims<t=128>
#t_c = #gpt.dims<t=128, c=4>
#t_w = #gpt.dims<t=128, w=256>
#w_c = #gpt.dims<w=256, c=4>

// The product lives for one block; a row's maximum is collected, the sum over rows carried.
// CHECK-LABEL: func.func @blocks
// CHECK-SAME: %[[X:.*]]: tensor<128x4xf32, #{{.*}}>, %[[W:.*]]: tensor<256x4xf32
// CHECK: %[[CUT:.*]] = gpt.reshape %[[X]] : {{.*}} to tensor<2x64x4xf32
// CHECK: %[[ZERO:.*]] = gpt.constant dense<0.0{{.*}}> : tensor<256x4xf32
// CHECK: %[[SUM:.*]], %[[STACK:.*]] = gpt.repeat 2 inits(%[[ZERO]] : {{.*}}) stacked(%[[CUT]] :
// CHECK-NEXT: ^bb0(%{{.*}}, %[[BEFORE:[a-z0-9]+]]: tensor<256x4xf32, #{{[a-z_]+}}>, %[[ROWS:.*]]: tensor<64x4xf32
// CHECK-NEXT: %[[Y:.*]] = gpt.generic sum [t_in=64, w=256 | c=4] inputs(%[[ROWS]][t_in, c] : {{.*}}, %[[W]][w, c]
// CHECK: %[[M:.*]] = gpt.generic max [t_in=64 | w=256] inputs(%[[Y]][t_in, w]
// CHECK: %[[P:.*]] = gpt.generic sum [w=256, c=4 | t_in=64] inputs(%[[Y]][t_in, w] : {{.*}}, %[[ROWS]][t_in, c]
// CHECK: %[[NEXT:.*]] = gpt.generic [w=256, c=4] inputs(%[[BEFORE]][w, c] : {{.*}}, %[[P]][w, c]
// CHECK: gpt.yield %[[NEXT]], %[[M]]
// CHECK: %[[MAX:.*]] = gpt.reshape %[[STACK]] : {{.*}} to tensor<128xf32
// CHECK: return %[[MAX]], %[[SUM]]
func.func @blocks(%x: tensor<128x4xf32, #t_c>, %w: tensor<256x4xf32, #w_c>) -> (tensor<128xf32, #t>, tensor<256x4xf32, #w_c>) {
  %y = gpt.generic sum [t=128, w=256 | c=4] inputs(%x[t, c] : tensor<128x4xf32, #t_c>, %w[w, c] : tensor<256x4xf32, #w_c>) -> (tensor<128x256xf32, #t_w>) {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %b : f32
    gpt.yield %p : f32
  }
  %m = gpt.generic max [t=128 | w=256] inputs(%y[t, w] : tensor<128x256xf32, #t_w>) -> (tensor<128xf32, #t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  %d = gpt.generic sum [w=256, c=4 | t=128] inputs(%y[t, w] : tensor<128x256xf32, #t_w>, %x[t, c] : tensor<128x4xf32, #t_c>) -> (tensor<256x4xf32, #w_c>) {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %b : f32
    gpt.yield %p : f32
  }
  return %m, %d : tensor<128xf32, #t>, tensor<256x4xf32, #w_c>
}

// -----

#scalar = #gpt.dims<>
#t_c = #gpt.dims<t=128, c=4>
#t_w = #gpt.dims<t=128, w=256>
#w_c = #gpt.dims<w=256, c=4>

// A sum of everything is one of each row, in the loop, then of these.
// CHECK-LABEL: func.func @total
// CHECK: gpt.repeat 2 stacked
// CHECK: %[[S:.*]] = gpt.generic sum [t_in=64 | w=256]
// CHECK: gpt.yield %[[S]]
// CHECK: gpt.generic sum [| t=128]
func.func @total(%x: tensor<128x4xf32, #t_c>, %w: tensor<256x4xf32, #w_c>) -> tensor<f32, #scalar> {
  %y = gpt.generic sum [t=128, w=256 | c=4] inputs(%x[t, c] : tensor<128x4xf32, #t_c>, %w[w, c] : tensor<256x4xf32, #w_c>) -> (tensor<128x256xf32, #t_w>) {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %b : f32
    gpt.yield %p : f32
  }
  %s = gpt.generic sum [| t=128, w=256] inputs(%y[t, w] : tensor<128x256xf32, #t_w>) -> (tensor<f32, #scalar>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %s : tensor<f32, #scalar>
}

// -----

#t_c = #gpt.dims<t=128, c=4>
#t_w = #gpt.dims<t=128, w=256>
#w_c = #gpt.dims<w=256, c=4>

// Somebody wants it whole.
// CHECK-LABEL: func.func @whole
// CHECK-NOT: gpt.repeat
func.func @whole(%x: tensor<128x4xf32, #t_c>, %w: tensor<256x4xf32, #w_c>) -> tensor<128x256xf32, #t_w> {
  %y = gpt.generic sum [t=128, w=256 | c=4] inputs(%x[t, c] : tensor<128x4xf32, #t_c>, %w[w, c] : tensor<256x4xf32, #w_c>) -> (tensor<128x256xf32, #t_w>) {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %b : f32
    gpt.yield %p : f32
  }
  return %y : tensor<128x256xf32, #t_w>
}

// -----

#t = #gpt.dims<t=128>
#t_c = #gpt.dims<t=128, c=32>
#t_w = #gpt.dims<t=128, w=192>
#w_c = #gpt.dims<w=192, c=32>

// Six columns a term, as between the layers of a network.
// CHECK-LABEL: func.func @narrow
// CHECK-NOT: gpt.repeat
func.func @narrow(%x: tensor<128x32xf32, #t_c>, %w: tensor<192x32xf32, #w_c>) -> tensor<128xf32, #t> {
  %y = gpt.generic sum [t=128, w=192 | c=32] inputs(%x[t, c] : tensor<128x32xf32, #t_c>, %w[w, c] : tensor<192x32xf32, #w_c>) -> (tensor<128x192xf32, #t_w>) {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %b : f32
    gpt.yield %p : f32
  }
  %m = gpt.generic max [t=128 | w=192] inputs(%y[t, w] : tensor<128x192xf32, #t_w>) -> (tensor<128xf32, #t>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %m : tensor<128xf32, #t>
}
