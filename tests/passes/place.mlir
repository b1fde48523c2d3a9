// RUN: gptc-opt %s --gpt-place --split-input-file | FileCheck %s

#scalar = #gpt.dims<>
#c = #gpt.dims<c=64>
#n_c = #gpt.dims<n=3, c=64>

// The argument has no home in the arena; the constant is data; results have offsets.
// CHECK: module attributes {
// CHECK-SAME: rt.arena_bytes = {{[0-9]+}} : i64
// CHECK-SAME: rt.inputs = [{dims = #c, name = "x", type = tensor<64xf32, #c>}]
// CHECK-SAME: rt.results = [{dims = #c, name = "y", offset = {{[0-9]+}} : i64, type = tensor<64xf32, #c>}]
gpt.variable parameter @w : tensor<3x64xf32, #n_c> copies 1 path ["w", "*"]
gpt.variable parameter @g : tensor<64xf32, #c> path ["g"]
gpt.variable state @old : tensor<64xf32, #c> path ["old"]

// CHECK-LABEL: func.func @main() {
func.func @main(%x: tensor<64xf32, #c> {gpt.input = "x"}) -> (tensor<64xf32, #c> {gpt.output = "y"}) {
  %w = gpt.get @w : tensor<3x64xf32, #n_c>
  %g = gpt.get @g : tensor<64xf32, #c>
  // The initial value goes right to where the repeat collects its carried values.
  // CHECK: %[[X:.*]] = rt.input 0 : memref<64xf32>
  // CHECK: %[[INIT:.*]] = rt.arena %{{.*}} : memref<64xf32>
  // CHECK: rt.launch @exp(%[[X]], %[[INIT]])
  %a = gpt.launch @exp(%x) : (tensor<64xf32, #c>) -> tensor<64xf32, #c>
  // CHECK: scf.for %[[I:.*]] = %c0{{.*}} to %c3{{.*}} step
  // CHECK: %[[W0:.*]] = arith.muli %[[I]], %c256
  // CHECK: rt.variable @w +
  // CHECK: rt.launch @add
  // CHECK-NOT: rt.launch
  // CHECK: }
  %b, %all = gpt.repeat 3 inits(%a : tensor<64xf32, #c>) stacked(%w : tensor<3x64xf32, #n_c>)
      -> (tensor<64xf32, #c>) stacks(tensor<3x64xf32, #n_c>) {
  ^bb0(%copy: tensor<i32, #scalar>, %h: tensor<64xf32, #c>, %v: tensor<64xf32, #c>):
    %n = gpt.launch @add(%h, %v) : (tensor<64xf32, #c>, tensor<64xf32, #c>) -> tensor<64xf32, #c>
    gpt.yield %n, %h : tensor<64xf32, #c>, tensor<64xf32, #c>
  }
  // Backwards, and with the number of the copy, which a kernel reads from memory.
  // CHECK: scf.for %[[J:.*]] =
  // CHECK-DAG: %[[COPY:.*]] = arith.subi %c2{{.*}}, %[[J]]
  // CHECK-DAG: arith.andi %[[J]], %c1
  // CHECK: %[[N:.*]] = arith.index_cast %[[COPY]] : index to i32
  // CHECK: memref.store %[[N]], %{{.*}}[%c0{{.*}}] : memref<1xi32>
  // CHECK: rt.launch @shift
  // CHECK: }
  %d = gpt.repeat 3 reverse inits(%b : tensor<64xf32, #c>) stacked(%all : tensor<3x64xf32, #n_c>)
      -> (tensor<64xf32, #c>) {
  ^bb0(%copy: tensor<i32, #scalar>, %h: tensor<64xf32, #c>, %v: tensor<64xf32, #c>):
    %n = gpt.launch @shift(%copy, %h, %v)
        : (tensor<i32, #scalar>, tensor<64xf32, #c>, tensor<64xf32, #c>) -> tensor<64xf32, #c>
    gpt.yield %n : tensor<64xf32, #c>
  }
  // The last read of the old value is elementwise: in place. The copy of the
  // old value must come first, so there the new one is copied at the end.
  // CHECK: %[[OLD:.*]] = rt.variable @g +
  // CHECK: rt.arena
  // CHECK: %[[NEW:.*]] = rt.variable @g +
  // CHECK: rt.launch @add(%[[OLD]], %{{.*}}, %[[NEW]])
  %u = gpt.launch @add(%g, %d) : (tensor<64xf32, #c>, tensor<64xf32, #c>) -> tensor<64xf32, #c>
  gpt.set @g, %u : tensor<64xf32, #c>
  // CHECK: rt.launch @copy_kernel
  // CHECK: rt.variable @old
  // CHECK: rt.launch @copy_kernel
  gpt.set @old, %x : tensor<64xf32, #c>
  // CHECK: return
  return %u : tensor<64xf32, #c>
}

func.func private @exp(%x: tensor<64xf32, #c>) -> tensor<64xf32, #c> attributes {gpt.kernel} {
  %y = gpt.generic [c=64] inputs(%x[c] : tensor<64xf32, #c>) -> (tensor<64xf32, #c>) {
  ^bb0(%a: f32):
    %r = math.exp %a : f32
    gpt.yield %r : f32
  }
  return %y : tensor<64xf32, #c>
}
func.func private @add(%x: tensor<64xf32, #c>, %v: tensor<64xf32, #c>) -> tensor<64xf32, #c> attributes {gpt.kernel} {
  %y = gpt.generic [c=64] inputs(%x[c] : tensor<64xf32, #c>, %v[c] : tensor<64xf32, #c>) -> (tensor<64xf32, #c>) {
  ^bb0(%a: f32, %b: f32):
    %r = arith.addf %a, %b : f32
    gpt.yield %r : f32
  }
  return %y : tensor<64xf32, #c>
}
func.func private @shift(%n: tensor<i32, #scalar>, %x: tensor<64xf32, #c>, %v: tensor<64xf32, #c>)
    -> tensor<64xf32, #c> attributes {gpt.kernel} {
  %y = gpt.generic [c=64]
      inputs(%n[] : tensor<i32, #scalar>, %x[c - 1] : tensor<64xf32, #c>, %v[c] : tensor<64xf32, #c>)
      -> (tensor<64xf32, #c>) {
  ^bb0(%k: i32, %a: f32, %b: f32):
    %f = arith.sitofp %k : i32 to f32
    %s = arith.mulf %a, %f : f32
    %r = arith.addf %s, %b : f32
    gpt.yield %r : f32
  }
  return %y : tensor<64xf32, #c>
}

// -----

#t_c = #gpt.dims<t=16, c=64>
#c_j = #gpt.dims<c=64, j=64>

// What a contraction adds to ends with it: the result takes its place. The second reads
// it as a factor, too, and the third's is a result of the program.
// CHECK-LABEL: func.func @main() {
func.func @main(%x: tensor<16x64xf32, #t_c>, %w: tensor<64x64xf32, #c_j>)
    -> (tensor<16x64xf32, #t_c>, tensor<16x64xf32, #t_c>) {
  // CHECK: rt.launch @exp
  %a = gpt.launch @exp(%x) : (tensor<16x64xf32, #t_c>) -> tensor<16x64xf32, #t_c>
  // CHECK: %[[AT:.*]] = arith.constant [[PLACE:[0-9]+]] : index
  // CHECK-NEXT: %[[A:.*]] = rt.arena %[[AT]]
  // CHECK: %[[AT:.*]] = arith.constant [[PLACE]] : index
  // CHECK-NEXT: %[[B:.*]] = rt.arena %[[AT]]
  // CHECK: rt.launch @onto(%{{.*}}, %{{.*}}, %[[A]], %[[B]])
  %b = gpt.launch @onto(%x, %w, %a) : (tensor<16x64xf32, #t_c>, tensor<64x64xf32, #c_j>, tensor<16x64xf32, #t_c>) -> tensor<16x64xf32, #t_c>
  // CHECK: %[[AT:.*]] = arith.constant [[PLACE]] : index
  // CHECK-NEXT: %[[B:.*]] = rt.arena %[[AT]]
  // CHECK: %[[AT:.*]] = arith.constant [[PLACE]] : index
  // CHECK-NEXT: %[[SAME:.*]] = rt.arena %[[AT]]
  // CHECK-NOT: arith.constant [[PLACE]] : index
  // CHECK: rt.launch @onto(%[[B]], %{{.*}}, %[[SAME]], %[[C:.*]])
  %c = gpt.launch @onto(%b, %w, %b) : (tensor<16x64xf32, #t_c>, tensor<64x64xf32, #c_j>, tensor<16x64xf32, #t_c>) -> tensor<16x64xf32, #t_c>
  %d = gpt.launch @onto(%x, %w, %c) : (tensor<16x64xf32, #t_c>, tensor<64x64xf32, #c_j>, tensor<16x64xf32, #t_c>) -> tensor<16x64xf32, #t_c>
  return %c, %d : tensor<16x64xf32, #t_c>, tensor<16x64xf32, #t_c>
}
func.func private @exp(%x: tensor<16x64xf32, #t_c>) -> tensor<16x64xf32, #t_c> attributes {gpt.kernel} {
  %y = gpt.generic [t=16, c=64] inputs(%x[t, c] : tensor<16x64xf32, #t_c>) -> (tensor<16x64xf32, #t_c>) {
  ^bb0(%a: f32):
    %r = math.exp %a : f32
    gpt.yield %r : f32
  }
  return %y : tensor<16x64xf32, #t_c>
}
// CHECK: func.func private @exp({{.*}}) -> tensor<16x64xf32, #{{.*}}> attributes
// CHECK: func.func private @onto({{.*}}) -> (tensor<16x64xf32, #{{.*}}> {gpt.in_place})
func.func private @onto(%x: tensor<16x64xf32, #t_c>, %w: tensor<64x64xf32, #c_j>, %a: tensor<16x64xf32, #t_c>)
    -> tensor<16x64xf32, #t_c> attributes {gpt.kernel} {
  %p = gpt.generic sum [t=16, j=64 | c=64] inputs(%x[t, c] : tensor<16x64xf32, #t_c>, %w[c, j] : tensor<64x64xf32, #c_j>) -> (tensor<16x64xf32, #gpt.dims<t=16, j=64>>) {
  ^bb0(%f: f32, %g: f32):
    %r = arith.mulf %f, %g : f32
    gpt.yield %r : f32
  }
  %y = gpt.generic [t=16, c=64] inputs(%p[t, c] : tensor<16x64xf32, #gpt.dims<t=16, j=64>>, %a[t, c] : tensor<16x64xf32, #t_c>) -> (tensor<16x64xf32, #t_c>) {
  ^bb0(%f: f32, %g: f32):
    %r = arith.addf %f, %g : f32
    gpt.yield %r : f32
  }
  return %y : tensor<16x64xf32, #t_c>
}

// -----

#scalar = #gpt.dims<>
#c = #gpt.dims<c=64>

// What waits for the way back: the last value (which has two places), and the stack; not the gradient, not what only reports.
// CHECK: module attributes {
// CHECK-SAME: rt.kept = [{at = {{.*}}, bytes = 576 : i64, name = "last"}, {at = {{.*}}, bytes = 832 : i64, name = "hidden"}],
// CHECK-SAME: rt.kept_bytes = 1408 : i64
gpt.variable parameter @w : tensor<64xf32, #c> path ["w"]
func.func @main(%x: tensor<64xf32, #c> {gpt.input = "x"})
    -> (tensor<64xf32, #c> {gpt.output = "loss"}, tensor<64xf32, #c> {gpt.output = "report"}) {
  %w = gpt.get @w : tensor<64xf32, #c>
  %first = gpt.launch @one(%x) : (tensor<64xf32, #c>) -> tensor<64xf32, #c>
  %last, %hidden = gpt.repeat 3 inits(%first : tensor<64xf32, #c>) -> (tensor<64xf32, #c>) stacks(tensor<3x64xf32, #gpt.dims<n=3, c=64>>) {
  ^bb0(%copy: tensor<i32, #scalar>, %h: tensor<64xf32, #c>):
    %n:2 = gpt.launch @two(%h, %w) : (tensor<64xf32, #c>, tensor<64xf32, #c>) -> (tensor<64xf32, #c>, tensor<64xf32, #c>)
    gpt.yield %n#0, %n#1 : tensor<64xf32, #c>, tensor<64xf32, #c>
  }
  %report = gpt.launch @one(%first) : (tensor<64xf32, #c>) -> tensor<64xf32, #c>
  %loss = gpt.launch @one(%last) : (tensor<64xf32, #c>) -> tensor<64xf32, #c>
  %dy = gpt.launch @one(%last) : (tensor<64xf32, #c>) -> tensor<64xf32, #c>
  %dx = gpt.repeat 3 reverse inits(%dy : tensor<64xf32, #c>) stacked(%hidden : tensor<3x64xf32, #gpt.dims<n=3, c=64>>)
      -> (tensor<64xf32, #c>) {
  ^bb0(%copy: tensor<i32, #scalar>, %d: tensor<64xf32, #c>, %s: tensor<64xf32, #c>):
    %n:2 = gpt.launch @two(%d, %s) : (tensor<64xf32, #c>, tensor<64xf32, #c>) -> (tensor<64xf32, #c>, tensor<64xf32, #c>)
    gpt.yield %n#0 : tensor<64xf32, #c>
  }
  %new:2 = gpt.launch @two(%w, %dx) : (tensor<64xf32, #c>, tensor<64xf32, #c>) -> (tensor<64xf32, #c>, tensor<64xf32, #c>)
  gpt.set @w, %new#0 : tensor<64xf32, #c>
  return %loss, %report : tensor<64xf32, #c>, tensor<64xf32, #c>
}
func.func private @one(%x: tensor<64xf32, #c>) -> tensor<64xf32, #c> attributes {gpt.kernel} {
  %y = gpt.generic [c=64] inputs(%x[c] : tensor<64xf32, #c>) -> (tensor<64xf32, #c>) {
  ^bb0(%e: f32):
    %r = math.exp %e : f32
    gpt.yield %r : f32
  }
  return %y : tensor<64xf32, #c>
}
// The second result is on the way to the first.
func.func private @two(%x: tensor<64xf32, #c>, %w: tensor<64xf32, #c>) -> (tensor<64xf32, #c>, tensor<64xf32, #c>) attributes {gpt.kernel} {
  %y = gpt.generic [c=64] inputs(%x[c] : tensor<64xf32, #c>, %w[c] : tensor<64xf32, #c>) -> (tensor<64xf32, #c>) {
  ^bb0(%e: f32, %f: f32):
    %r = arith.mulf %e, %f : f32
    gpt.yield %r : f32
  } loc("hidden")
  %z = gpt.generic [c=64] inputs(%y[c] : tensor<64xf32, #c>) -> (tensor<64xf32, #c>) {
  ^bb0(%e: f32):
    %r = math.exp %e : f32
    gpt.yield %r : f32
  } loc("last")
  return %z, %y : tensor<64xf32, #c>, tensor<64xf32, #c>
}
