// RUN: gptc-opt %s --gpt-derive-decode="growing=x" | FileCheck %s --check-prefix=TOKEN
// RUN: gptc-opt %s --gpt-derive-decode="growing=x rows=4" | FileCheck %s --check-prefix=CHUNK
// RUN: gptc-opt %s --gpt-derive-decode="growing=x rows=4 results=all" | FileCheck %s --check-prefix=ALL
// RUN: gptc-opt %s --gpt-derive-decode="growing=x rows=4 results=all" --gpt-inline-maps --gpt-form-kernels --gpt-outline-kernels --gpt-place | FileCheck %s --check-prefix=PLACE
// RUN: not gptc-opt %s --gpt-derive-decode="growing=y" 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not gptc-opt %s --gpt-derive-decode="growing=x rows=0" 2>&1 | FileCheck %s --check-prefix=ROWS

// NONE: error: no input 'y' is a batch of streams of any length
// ROWS: error: at most 0 new positions in a run, needs at least 1

#bt = #gpt.dims<b upto 2, t upto 8>
#bs = #gpt.dims<b upto 2, s upto 8 of t>
#bts = #gpt.dims<b upto 2, t upto 8, s upto 8 of t>

// One extent becomes two.
// TOKEN: gpt.bounds = [2, 8], gpt.extents = ["b", "positions.history"]
// CHUNK: gpt.bounds = [2, 4, 8], gpt.extents = ["b", "positions.new", "positions.history"]
module attributes {gpt.extents = ["b", "t"], gpt.bounds = [2, 8]} {
  // Kept is what later positions read, and no more: of %x, two rows before the new ones; of %k, all.
  // TOKEN-DAG: gpt.variable state @window.x : tensor<2x2xf32, #{{.*}}> path ["window", "x"]
  // TOKEN-DAG: gpt.variable state @cache.k : tensor<2x8xf32, #{{.*}}> positions 1 path ["cache", "k"]
  // TOKEN-DAG: gpt.variable state @running.sum : tensor<2xf32, #{{.*}}> path ["running", "sum"]
  // TOKEN-NOT: gpt.variable

  // TOKEN-LABEL: func.func @main
  // TOKEN-SAME: (%[[X:.*]]: tensor<2x1xf32, #{{.*}}> {gpt.input = "x", gpt.per_example}, %[[PAST:.*]]: tensor<2xi32, #{{.*}}> {gpt.input = "past(x)", gpt.per_example})
  // TOKEN: %[[OLD:.*]] = gpt.get @window.x
  // A stream that begins finds zeros before.
  // TOKEN: gpt.generic [b upto 2, t=3] indices(%[[PAST]][b] :{{.*}}inputs(%[[OLD]][b, t] :{{.*}}, %[[X]][b, t - 2] :
  // TOKEN: gpt.store @window.x, %{{.*}} after(
  // TOKEN: %[[K:.*]] = gpt.generic sum [b upto 2, s=1
  // TOKEN: %[[KEYS:.*]] = gpt.store @cache.k, %[[K]] at %[[PAST]] : {{.*}} dim 1
  // The mask compares absolute positions.
  // TOKEN: gpt.generic sum [b upto 2, t=1 | s upto 8 of positions.history] indices(%[[PAST]][b] :{{.*}}inputs(%[[KEYS]][b, s] :
  // TOKEN: gpt.store @running.sum

  // CHUNK: {gpt.input = "count(x)", gpt.per_example}) -> (tensor<2x1xf32, #{{.*}}> {gpt.output = "y"})
  // CHUNK: gpt.store @cache.k
  // CHUNK: gpt.generic sum [b upto 2, t=1 | s upto 8 of positions.history]
  // ALL: -> (tensor<2x4xf32, #{{.*}}> {gpt.output = "y"})
  // ALL: gpt.generic sum [b upto 2, t upto 4 of positions.new | s upto 8 of positions.history]

  // A store is a launch on the state's memory.
  // PLACE: func.func @main()
  // PLACE: %[[CACHE:.*]] = rt.variable @cache.k + %{{.*}} : memref<16xf32>
  // PLACE: rt.launch @[[INSERT:.*]](%{{.*}}, %{{.*}}, %[[CACHE]])
  // PLACE: func.func private @[[INSERT]](%{{.*}}, %{{.*}}) -> tensor<2x8xf32
  // PLACE-NEXT: gpt.insert %{{.*}} at %{{.*}} dim 1
  func.func @main(%x: tensor<2x8xf32, #bt> {gpt.input = "x", gpt.per_example} loc("x"))
      -> (tensor<2x8xf32, #bt> {gpt.output = "y"}) {
    // Read up to two positions back.
    %h = gpt.generic [b upto 2, t upto 8] inputs(%x[b, t] : tensor<2x8xf32, #bt>, %x[b, t - 2] : tensor<2x8xf32, #bt>)
        -> (tensor<2x8xf32, #bt>) {
    ^bb0(%a: f32, %b: f32):
      %r = arith.subf %a, %b : f32
      gpt.yield %r : f32
    } loc("h")
    // Read at all earlier ones, by a term that knows the row.
    %k = gpt.generic sum [b upto 2, s upto 8 of t | e=3] inputs(%h[b, s] : tensor<2x8xf32, #bt>) -> (tensor<2x8xf32, #bs>) {
    ^bb0(%a: f32):
      gpt.yield %a : f32
    } loc("k")
    %m = gpt.generic sum [b upto 2, t upto 8 | s upto 8 of t] inputs(%k[b, s] : tensor<2x8xf32, #bs>, %h[b, t] : tensor<2x8xf32, #bt>)
        -> (tensor<2x8xf32, #bt>) {
    ^bb0(%a: f32, %b: f32):
      %t = gpt.index 1 : i32
      %s = gpt.index 2 : i32
      %seen = arith.cmpi sle, %s, %t : i32
      %zero = arith.constant 0.0 : f32
      %p = arith.mulf %a, %b : f32
      %r = arith.select %seen, %p, %zero : f32
      gpt.yield %r : f32
    } loc("m")
    // The row only says how far: a sum that goes on.
    %sum = gpt.generic sum [b upto 2, t upto 8 | s upto 8 of t] inputs(%h[b, s] : tensor<2x8xf32, #bt>) -> (tensor<2x8xf32, #bt>) {
    ^bb0(%a: f32):
      %t = gpt.index 1 : i32
      %s = gpt.index 2 : i32
      %seen = arith.cmpi sle, %s, %t : i32
      %zero = arith.constant 0.0 : f32
      %r = arith.select %seen, %a, %zero : f32
      gpt.yield %r : f32
    } loc("sum")
    %y = gpt.generic [b upto 2, t upto 8] inputs(%m[b, t] : tensor<2x8xf32, #bt>, %sum[b, t] : tensor<2x8xf32, #bt>)
        -> (tensor<2x8xf32, #bt>) {
    ^bb0(%a: f32, %b: f32):
      %r = arith.addf %a, %b : f32
      gpt.yield %r : f32
    }
    return %y : tensor<2x8xf32, #bt>
  }
}
