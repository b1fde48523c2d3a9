// RUN: gptc-opt %s --pass-pipeline='builtin.module(gpt-store-past{bytes=2000000})' | FileCheck %s

// Tensors of 1 MiB; the parameter's gradient waits for the way back of all copies.
#n = #gpt.dims<n=262144>
#k = #gpt.dims<k=64>
#copies_n = #gpt.dims<copies=4, n=262144>
#scalar = #gpt.dims<>

gpt.variable parameter @w : tensor<262144xf32, #n> path ["w"]
gpt.variable state @small : tensor<64xf32, #k> path ["small"]

// Collected by a repeat for another: `kept` waits, `soon` does not. One kernel is launched where its result is read at
// once, so it is not marked for the other launch, either.
// CHECK-DAG: func.func private @kept(%{{.*}}) -> (tensor<262144xf32, #n>, tensor<262144xf32, #n> {gpt.past})
// CHECK-DAG: func.func private @shared(%{{.*}}) -> tensor<262144xf32, #n> attributes
// CHECK-DAG: func.func private @back(%{{.*}}) -> (tensor<262144xf32, #n>, tensor<262144xf32, #n> {gpt.past})
// The next run reads a variable.
// CHECK-DAG: func.func private @update(%{{.*}}) -> (tensor<262144xf32, #n> {gpt.past})
// Too small to matter.
// CHECK-DAG: func.func private @little(%{{.*}}) -> tensor<64xf32, #k> attributes
// What a carried value was is read at once by the next copy.
func.func @main(%x: tensor<262144xf32, #n>) {
  %w = gpt.get @w : tensor<262144xf32, #n>
  %s = gpt.get @small : tensor<64xf32, #k>
  %first = gpt.launch @shared(%x) : (tensor<262144xf32, #n>) -> tensor<262144xf32, #n>
  %y, %h = gpt.repeat 4 inits(%first : tensor<262144xf32, #n>) -> (tensor<262144xf32, #n>) stacks(tensor<4x262144xf32, #copies_n>) {
  ^bb0(%copy: tensor<i32, #scalar>, %in: tensor<262144xf32, #n>):
    %out:2 = gpt.launch @kept(%in) : (tensor<262144xf32, #n>) -> (tensor<262144xf32, #n>, tensor<262144xf32, #n>)
    gpt.yield %out#0, %out#1 : tensor<262144xf32, #n>, tensor<262144xf32, #n>
  }
  %last = gpt.launch @shared(%y) : (tensor<262144xf32, #n>) -> tensor<262144xf32, #n>
  %dx, %dw = gpt.repeat 4 reverse inits(%last : tensor<262144xf32, #n>) stacked(%h : tensor<4x262144xf32, #copies_n>) -> (tensor<262144xf32, #n>) stacks(tensor<4x262144xf32, #copies_n>) {
  ^bb0(%copy: tensor<i32, #scalar>, %d: tensor<262144xf32, #n>, %slice: tensor<262144xf32, #n>):
    %out:2 = gpt.launch @back(%d, %slice) : (tensor<262144xf32, #n>, tensor<262144xf32, #n>) -> (tensor<262144xf32, #n>, tensor<262144xf32, #n>)
    gpt.yield %out#0, %out#1 : tensor<262144xf32, #n>, tensor<262144xf32, #n>
  }
  %new = gpt.launch @update(%w, %dw) : (tensor<262144xf32, #n>, tensor<4x262144xf32, #copies_n>) -> tensor<262144xf32, #n>
  %less = gpt.launch @little(%s) : (tensor<64xf32, #k>) -> tensor<64xf32, #k>
  gpt.set @small, %less : tensor<64xf32, #k>
  gpt.set @w, %new : tensor<262144xf32, #n>
  return
}

func.func private @shared(%x: tensor<262144xf32, #n>) -> tensor<262144xf32, #n> attributes {gpt.kernel} {
  %r = gpt.generic [n=262144] inputs(%x[n] : tensor<262144xf32, #n>) -> (tensor<262144xf32, #n>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %r : tensor<262144xf32, #n>
}
func.func private @kept(%x: tensor<262144xf32, #n>) -> (tensor<262144xf32, #n>, tensor<262144xf32, #n>) attributes {gpt.kernel} {
  %r:2 = gpt.generic [n=262144] inputs(%x[n] : tensor<262144xf32, #n>) -> (tensor<262144xf32, #n>, tensor<262144xf32, #n>) {
  ^bb0(%a: f32):
    gpt.yield %a, %a : f32, f32
  }
  return %r#0, %r#1 : tensor<262144xf32, #n>, tensor<262144xf32, #n>
}
func.func private @back(%x: tensor<262144xf32, #n>, %y: tensor<262144xf32, #n>) -> (tensor<262144xf32, #n>, tensor<262144xf32, #n>) attributes {gpt.kernel} {
  %r:2 = gpt.generic [n=262144] inputs(%x[n] : tensor<262144xf32, #n>, %y[n] : tensor<262144xf32, #n>) -> (tensor<262144xf32, #n>, tensor<262144xf32, #n>) {
  ^bb0(%a: f32, %b: f32):
    gpt.yield %a, %b : f32, f32
  }
  return %r#0, %r#1 : tensor<262144xf32, #n>, tensor<262144xf32, #n>
}
func.func private @update(%x: tensor<262144xf32, #n>, %g: tensor<4x262144xf32, #copies_n>) -> tensor<262144xf32, #n> attributes {gpt.kernel} {
  %r = gpt.generic sum [n=262144 | copies=4] inputs(%x[n] : tensor<262144xf32, #n>, %g[copies, n] : tensor<4x262144xf32, #copies_n>) -> (tensor<262144xf32, #n>) {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %b : f32
    gpt.yield %p : f32
  }
  return %r : tensor<262144xf32, #n>
}
func.func private @little(%x: tensor<64xf32, #k>) -> tensor<64xf32, #k> attributes {gpt.kernel} {
  %r = gpt.generic [k=64] inputs(%x[k] : tensor<64xf32, #k>) -> (tensor<64xf32, #k>) {
  ^bb0(%a: f32):
    gpt.yield %a : f32
  }
  return %r : tensor<64xf32, #k>
}
