// Kernels against the reference interpreter, for each form of access and loop.
#include "unit/codegen/kernel_runner.h"

#include <gtest/gtest.h>

using namespace gptc::testing;

namespace {

TEST(Kernel, MapWithBroadcast) {
  expectSame(R"(
    #b_c = #gpt.dims<b=5, c=37>
    #c = #gpt.dims<c=37>
    #b = #gpt.dims<b=5>
    func.func private @k(%x: tensor<5x37xf32, #b_c>, %g: tensor<37xf32, #c>, %s: tensor<5xf32, #b>)
        -> tensor<5x37xf32, #b_c> attributes {gpt.kernel} {
      %y = gpt.generic [b=5, c=37] inputs(%x[b, c] : tensor<5x37xf32, #b_c>, %g[c] : tensor<37xf32, #c>,
          %s[b] : tensor<5xf32, #b>) -> (tensor<5x37xf32, #b_c>) {
      ^bb0(%a: f32, %h: f32, %t: f32):
        %0 = arith.mulf %a, %h : f32
        %1 = arith.addf %0, %t : f32
        gpt.yield %1 : f32
      }
      return %y : tensor<5x37xf32, #b_c>
    })", 1e-6);
}

TEST(Kernel, LongMapInChunks) {
  expectSame(R"(
    #n = #gpt.dims<n=100003>
    func.func private @k(%x: tensor<100003xf32, #n>, %g: tensor<100003xf32, #n>)
        -> (tensor<100003xf32, #n>, tensor<100003xf32, #n>) attributes {gpt.kernel} {
      %y:2 = gpt.generic [n=100003] inputs(%x[n] : tensor<100003xf32, #n>, %g[n] : tensor<100003xf32, #n>)
          -> (tensor<100003xf32, #n>, tensor<100003xf32, #n>) {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.mulf %a, %b : f32
        %1 = math.exp %0 : f32
        gpt.yield %0, %1 : f32, f32
      }
      return %y#0, %y#1 : tensor<100003xf32, #n>, tensor<100003xf32, #n>
    })", 1e-6);
}

TEST(Kernel, Transposed) {
  expectSame(R"(
    #a = #gpt.dims<i=21, j=35>
    #b = #gpt.dims<j=35, i=21>
    func.func private @k(%x: tensor<21x35xf32, #a>) -> tensor<35x21xf32, #b> attributes {gpt.kernel} {
      %y = gpt.generic [j=35, i=21] inputs(%x[i, j] : tensor<21x35xf32, #a>) -> (tensor<35x21xf32, #b>) {
      ^bb0(%a: f32):
        gpt.yield %a : f32
      }
      return %y : tensor<35x21xf32, #b>
    })", 0);
}

TEST(Kernel, ShiftWithGuard) {
  expectSame(R"(
    #a = #gpt.dims<b=3, t=50>
    func.func private @k(%x: tensor<3x50xf32, #a>) -> tensor<3x50xf32, #a> attributes {gpt.kernel} {
      %y = gpt.generic [b=3, t=50] inputs(%x[b, t - 1] : tensor<3x50xf32, #a>, %x[b, t * 2 + 3] : tensor<3x50xf32, #a>,
          %x[b - 1, 49 - t] : tensor<3x50xf32, #a>) -> (tensor<3x50xf32, #a>) {
      ^bb0(%a: f32, %b: f32, %c: f32):
        %0 = arith.addf %a, %b : f32
        %1 = arith.subf %0, %c : f32
        gpt.yield %1 : f32
      }
      return %y : tensor<3x50xf32, #a>
    })", 1e-6);
}

TEST(Kernel, GatherRows) {
  expectSame(R"(
    #b_t = #gpt.dims<b=2, t=9>
    #v_c = #gpt.dims<v=7, c=20>
    #b_t_c = #gpt.dims<b=2, t=9, c=20>
    func.func private @k(%token: tensor<2x9xi32, #b_t>, %e: tensor<7x20xf32, #v_c>)
        -> tensor<2x9x20xf32, #b_t_c> attributes {gpt.kernel} {
      %y = gpt.generic [b=2, t=9, c=20] indices(%token[b, t - 1] : tensor<2x9xi32, #b_t>)
          inputs(%e[s0, c] : tensor<7x20xf32, #v_c>) -> (tensor<2x9x20xf32, #b_t_c>) {
      ^bb0(%i: i32, %a: f32):
        gpt.yield %a : f32
      }
      return %y : tensor<2x9x20xf32, #b_t_c>
    })", 0);
}

TEST(Kernel, GatherElements) {
  expectSame(R"(
    #t = #gpt.dims<t=45>
    #v_t = #gpt.dims<v=7, t=45>
    func.func private @k(%token: tensor<45xi32, #t>, %e: tensor<7x45xf32, #v_t>)
        -> tensor<45xf32, #t> attributes {gpt.kernel} {
      %y = gpt.generic [t=45] indices(%token[t] : tensor<45xi32, #t>)
          inputs(%e[s0, t] : tensor<7x45xf32, #v_t>, %e[s0 + 1, t - 1] : tensor<7x45xf32, #v_t>)
          -> (tensor<45xf32, #t>) {
      ^bb0(%i: i32, %a: f32, %b: f32):
        %0 = arith.addf %a, %b : f32
        gpt.yield %0 : f32
      }
      return %y : tensor<45xf32, #t>
    })", 1e-6);
}

TEST(Kernel, ScatterColumns) {
  expectSame(R"(
    #t = #gpt.dims<b=3, t=40>
    #t_c = #gpt.dims<b=3, t=40, c=150>
    #v_c = #gpt.dims<v=7, c=150>
    func.func private @k(%token: tensor<3x40xi32, #t>, %d: tensor<3x40x150xf32, #t_c>)
        -> tensor<7x150xf32, #v_c> attributes {gpt.kernel} {
      %y = gpt.scatter [b=3, t=40, c=150] indices(%token[b, t] : tensor<3x40xi32, #t>)
          inputs(%d[b, t, c] : tensor<3x40x150xf32, #t_c>) at [s0, c] -> tensor<7x150xf32, #v_c> {
      ^bb0(%i: i32, %a: f32):
        gpt.yield %a : f32
      }
      return %y : tensor<7x150xf32, #v_c>
    })", 1e-5);
}

// What is added to is copied first, if it is not there already.
TEST(Kernel, ScatterOntoATensor) {
  for (int inPlace : {-1, 2}) {
    RunOptions options;
    options.inPlace = inPlace;
    expectSame(R"(
      #t = #gpt.dims<b=3, t=40>
      #t_c = #gpt.dims<b=3, t=40, c=150>
      #v_c = #gpt.dims<v=7, c=150>
      func.func private @k(%token: tensor<3x40xi32, #t>, %d: tensor<3x40x150xf32, #t_c>, %x: tensor<7x150xf32, #v_c>)
          -> tensor<7x150xf32, #v_c> attributes {gpt.kernel} {
        %y = gpt.scatter [b=3, t=40, c=150] indices(%token[b, t] : tensor<3x40xi32, #t>)
            inputs(%d[b, t, c] : tensor<3x40x150xf32, #t_c>) at [s0, c] -> tensor<7x150xf32, #v_c> {
        ^bb0(%i: i32, %a: f32):
          gpt.yield %a : f32
        }
        %z = gpt.generic [v=7, c=150] inputs(%x[v, c] : tensor<7x150xf32, #v_c>, %y[v, c] : tensor<7x150xf32, #v_c>)
            -> (tensor<7x150xf32, #v_c>) {
        ^bb0(%a: f32, %b: f32):
          %s = arith.addf %a, %b : f32
          gpt.yield %s : f32
        }
        return %z : tensor<7x150xf32, #v_c>
      })", 1e-5, options);
  }
}

TEST(Kernel, ScatterSerial) {
  expectSame(R"(
    #t = #gpt.dims<t=60>
    #v = #gpt.dims<v=7>
    func.func private @k(%token: tensor<60xi32, #t>, %d: tensor<60xf32, #t>) -> tensor<7xf32, #v> attributes {gpt.kernel} {
      %y = gpt.scatter [t=60] indices(%token[t] : tensor<60xi32, #t>)
          inputs(%d[t] : tensor<60xf32, #t>) at [s0] -> tensor<7xf32, #v> {
      ^bb0(%i: i32, %a: f32):
        gpt.yield %a : f32
      }
      return %y : tensor<7xf32, #v>
    })", 1e-5);
}

const char *softmax = R"(
    #x = #gpt.dims<b upto 3, t=6, s=%S>
    #r = #gpt.dims<b upto 3, t=6>
    module attributes {gpt.extents = ["b"], gpt.bounds = [3]} {
    func.func private @k(%x: tensor<3x6x%Sxf32, #x>) -> tensor<3x6x%Sxf32, #x>
        attributes {gpt.kernel, gpt.rows = 2 : i64} {
      %m = gpt.generic max [b upto 3, t=6 | s=%S] inputs(%x[b, t, s] : tensor<3x6x%Sxf32, #x>) -> (tensor<3x6xf32, #r>) attributes {gpt.axes = array<i64: 0, 1, -1>} {
      ^bb0(%a: f32):
        gpt.yield %a : f32
      }
      %e = gpt.generic [b upto 3, t=6, s=%S] inputs(%x[b, t, s] : tensor<3x6x%Sxf32, #x>, %m[b, t] : tensor<3x6xf32, #r>)
          -> (tensor<3x6x%Sxf32, #x>) attributes {gpt.axes = array<i64: 0, 1, -1>} {
      ^bb0(%a: f32, %b: f32):
        %i = gpt.index 1 : i32
        %j = gpt.index 2 : i32
        %see = arith.cmpi sle, %j, %i : i32
        %d = arith.subf %a, %b : f32
        %0 = math.exp %d : f32
        %zero = arith.constant 0.0 : f32
        %1 = arith.select %see, %0, %zero : f32
        gpt.yield %1 : f32
      }
      %z = gpt.generic sum [b upto 3, t=6 | s=%S] inputs(%e[b, t, s] : tensor<3x6x%Sxf32, #x>) -> (tensor<3x6xf32, #r>) attributes {gpt.axes = array<i64: 0, 1, -1>} {
      ^bb0(%a: f32):
        gpt.yield %a : f32
      }
      %y = gpt.generic [b upto 3, t=6, s=%S] inputs(%e[b, t, s] : tensor<3x6x%Sxf32, #x>, %z[b, t] : tensor<3x6xf32, #r>)
          -> (tensor<3x6x%Sxf32, #x>) attributes {gpt.axes = array<i64: 0, 1, -1>} {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.divf %a, %b : f32
        gpt.yield %0 : f32
      }
      return %y : tensor<3x6x%Sxf32, #x>
    }
    })";

std::string withSize(std::string text, int64_t size) {
  for (size_t at; (at = text.find("%S")) != std::string::npos;)
    text.replace(at, 2, std::to_string(size));
  return text;
}

TEST(Kernel, RowSoftmax) {
  for (int64_t size : {1, 3, 16, 65, 200})
    expectSame(withSize(softmax, size), 1e-6);
}

TEST(Kernel, RowSoftmaxBelowTheBound) {
  RunOptions options;
  options.extents["b"] = 2;
  expectSame(withSize(softmax, 70), 1e-6, options);
}

TEST(Kernel, RowSoftmaxInPlace) {
  RunOptions options;
  options.inPlace = 0;
  expectSame(withSize(softmax, 70), 1e-6, options);
}

// The new row lies where the old one lay: whatever reads that, in any way, must come first, though the
// loop of the maximum has room for the map.
TEST(Kernel, RowsReadBeforeTheyAreReplaced) {
  RunOptions options;
  options.inPlace = 0;
  expectSame(R"(
    #x = #gpt.dims<t=11, c=77>
    #r = #gpt.dims<t=11>
    func.func private @k(%x: tensor<11x77xf32, #x>, %z: tensor<11x77xf32, #x>, %i: tensor<11xi32, #r>)
        -> (tensor<11x77xf32, #x>, tensor<11xf32, #r>) attributes {gpt.kernel, gpt.rows = 1 : i64} {
      %m = gpt.generic max [t=11 | c=77] inputs(%z[t, c] : tensor<11x77xf32, #x>) -> (tensor<11xf32, #r>) attributes {gpt.axes = array<i64: 0, -1>} {
      ^bb0(%a: f32):
        gpt.yield %a : f32
      }
      %q = gpt.generic [t=11] indices(%i[t] : tensor<11xi32, #r>)
          inputs(%x[t, s0] : tensor<11x77xf32, #x>, %m[t] : tensor<11xf32, #r>) -> (tensor<11xf32, #r>) attributes {gpt.axes = array<i64: 0>} {
      ^bb0(%n: i32, %a: f32, %b: f32):
        %0 = arith.addf %a, %b : f32
        gpt.yield %0 : f32
      }
      %y = gpt.generic [t=11, c=77] inputs(%x[t, c] : tensor<11x77xf32, #x>) -> (tensor<11x77xf32, #x>) attributes {gpt.axes = array<i64: 0, -1>} {
      ^bb0(%a: f32):
        %0 = arith.addf %a, %a : f32
        gpt.yield %0 : f32
      }
      return %y, %q : tensor<11x77xf32, #x>, tensor<11xf32, #r>
    })", 1e-6, options, 0, 76);
}

TEST(Kernel, LayerNorm) {
  expectSame(R"(
    #x = #gpt.dims<t=11, c=77>
    #r = #gpt.dims<t=11>
    #g = #gpt.dims<c=77>
    func.func private @k(%x: tensor<11x77xf32, #x>, %g: tensor<77xf32, #g>, %b: tensor<77xf32, #g>)
        -> (tensor<11x77xf32, #x>, tensor<11xf32, #r>) attributes {gpt.kernel, gpt.rows = 1 : i64} {
      %s = gpt.generic sum [t=11 | c=77] inputs(%x[t, c] : tensor<11x77xf32, #x>) -> (tensor<11xf32, #r>) attributes {gpt.axes = array<i64: 0, -1>} {
      ^bb0(%a: f32):
        gpt.yield %a : f32
      }
      %m = gpt.generic [t=11] inputs(%s[t] : tensor<11xf32, #r>) -> (tensor<11xf32, #r>) attributes {gpt.axes = array<i64: 0>} {
      ^bb0(%a: f32):
        %n = arith.constant 77.0 : f32
        %0 = arith.divf %a, %n : f32
        gpt.yield %0 : f32
      }
      %d = gpt.generic [t=11, c=77] inputs(%x[t, c] : tensor<11x77xf32, #x>, %m[t] : tensor<11xf32, #r>)
          -> (tensor<11x77xf32, #x>) attributes {gpt.axes = array<i64: 0, -1>} {
      ^bb0(%a: f32, %b1: f32):
        %0 = arith.subf %a, %b1 : f32
        gpt.yield %0 : f32
      }
      %v = gpt.generic sum [t=11 | c=77] inputs(%d[t, c] : tensor<11x77xf32, #x>) -> (tensor<11xf32, #r>) attributes {gpt.axes = array<i64: 0, -1>} {
      ^bb0(%a: f32):
        %0 = arith.mulf %a, %a : f32
        gpt.yield %0 : f32
      }
      %q = gpt.generic [t=11] inputs(%v[t] : tensor<11xf32, #r>) -> (tensor<11xf32, #r>) attributes {gpt.axes = array<i64: 0>} {
      ^bb0(%a: f32):
        %n = arith.constant 77.0 : f32
        %0 = arith.divf %a, %n : f32
        %1 = math.rsqrt %0 : f32
        gpt.yield %1 : f32
      }
      %y = gpt.generic [t=11, c=77] inputs(%d[t, c] : tensor<11x77xf32, #x>, %q[t] : tensor<11xf32, #r>,
          %g[c] : tensor<77xf32, #g>, %b[c] : tensor<77xf32, #g>) -> (tensor<11x77xf32, #x>) attributes {gpt.axes = array<i64: 0, -1>} {
      ^bb0(%a: f32, %r: f32, %h: f32, %i: f32):
        %0 = arith.mulf %a, %r : f32
        %1 = arith.mulf %0, %h : f32
        %2 = arith.addf %1, %i : f32
        gpt.yield %2 : f32
      }
      return %y, %q : tensor<11x77xf32, #x>, tensor<11xf32, #r>
    })", 1e-5);
}

TEST(Kernel, ColumnSum) {
  for (int64_t size : {1, 5, 64, 150})
    expectSame(withSize(R"(
    #x = #gpt.dims<b upto 6, t=13, c=%S>
    #c = #gpt.dims<c=%S>
    module attributes {gpt.extents = ["b"], gpt.bounds = [6]} {
    func.func private @k(%x: tensor<6x13x%Sxf32, #x>, %w: tensor<%Sxf32, #c>) -> tensor<%Sxf32, #c> attributes {gpt.kernel} {
      %y = gpt.generic sum [c=%S | b upto 6, t=13] inputs(%x[b, t, c] : tensor<6x13x%Sxf32, #x>, %w[c] : tensor<%Sxf32, #c>)
          -> (tensor<%Sxf32, #c>) {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.subf %a, %b : f32
        gpt.yield %0 : f32
      }
      return %y : tensor<%Sxf32, #c>
    }
    })", size), 1e-5, RunOptions{512, true, {{"b", 5}}});
}

TEST(Kernel, FullSum) {
  expectSame(R"(
    #x = #gpt.dims<b upto 6, t=133>
    #s = #gpt.dims<>
    module attributes {gpt.extents = ["b"], gpt.bounds = [6]} {
    func.func private @k(%x: tensor<6x133xf32, #x>) -> tensor<f32, #s> attributes {gpt.kernel} {
      %y = gpt.generic sum [| b upto 6, t=133] inputs(%x[b, t] : tensor<6x133xf32, #x>) -> (tensor<f32, #s>) {
      ^bb0(%a: f32):
        %0 = arith.mulf %a, %a : f32
        gpt.yield %0 : f32
      }
      return %y : tensor<f32, #s>
    }
    })", 1e-5, RunOptions{512, true, {{"b", 4}}});
}

TEST(Kernel, ReducedDynamicDimension) {
  for (int64_t extent : {1, 7, 16, 40, 41})
    expectSame(R"(
    #x = #gpt.dims<b=3, t upto 41>
    #b = #gpt.dims<b=3>
    module attributes {gpt.extents = ["t"], gpt.bounds = [41]} {
    func.func private @k(%x: tensor<3x41xf32, #x>) -> tensor<3xf32, #b> attributes {gpt.kernel} {
      %y = gpt.generic max [b=3 | t upto 41] inputs(%x[b, t] : tensor<3x41xf32, #x>, %x[b, t - 1] : tensor<3x41xf32, #x>)
          -> (tensor<3xf32, #b>) {
      ^bb0(%a: f32, %c: f32):
        %n = gpt.extent 1 : i32
        %m = arith.sitofp %n : i32 to f32
        %0 = arith.subf %a, %c : f32
        %1 = arith.subf %0, %m : f32
        gpt.yield %1 : f32
      }
      return %y : tensor<3xf32, #b>
    }
    })", 1e-6, RunOptions{512, true, {{"t", extent}}});
}

TEST(Kernel, IntegersAndBools) {
  expectSame(R"(
    #x = #gpt.dims<b=3, t=29>
    #b = #gpt.dims<b=3>
    func.func private @k(%x: tensor<3x29xi32, #x>, %p: tensor<3x29xi1, #x>) -> (tensor<3x29xi1, #x>, tensor<3x29xi32, #x>)
        attributes {gpt.kernel} {
      %y:2 = gpt.generic [b=3, t=29] inputs(%x[b, t] : tensor<3x29xi32, #x>, %p[b, t + 1] : tensor<3x29xi1, #x>)
          -> (tensor<3x29xi1, #x>, tensor<3x29xi32, #x>) {
      ^bb0(%a: i32, %q: i1):
        %i = gpt.index 1 : i32
        %0 = arith.cmpi sgt, %a, %i : i32
        %1 = arith.xori %0, %q : i1
        %2 = arith.muli %a, %i : i32
        %3 = arith.select %q, %2, %a : i32
        gpt.yield %1, %3 : i1, i32
      }
      return %y#0, %y#1 : tensor<3x29xi1, #x>, tensor<3x29xi32, #x>
    })", 0);
}

// Operands are read in any way, also where rows and columns have changed places.
TEST(Kernel, SumOverRowsReadsAcross) {
  expectSame(R"(
    #x = #gpt.dims<b=4, i=5, j=4>
    #b = #gpt.dims<b=4>
    #b_i = #gpt.dims<b=4, i=5>
    func.func private @k(%u: tensor<4xf32, #b>, %x: tensor<4x5x4xf32, #x>)
        -> (tensor<4x5xf32, #b_i>, tensor<4xf32, #b>) attributes {gpt.kernel, gpt.rows = 1 : i64} {
      %h = gpt.generic sum [b=4, i=5 | j=4] inputs(%u[b] : tensor<4xf32, #b>, %x[b, i, j] : tensor<4x5x4xf32, #x>)
          -> (tensor<4x5xf32, #b_i>) attributes {gpt.axes = array<i64: -1, -1, 0>} {
      ^bb0(%a: f32, %c: f32):
        %0 = arith.divf %c, %a : f32
        gpt.yield %0 : f32
      }
      %s = gpt.generic sum [b=4 | i=5, j=4] inputs(%u[b] : tensor<4xf32, #b>, %x[b, i, j] : tensor<4x5x4xf32, #x>)
          -> (tensor<4xf32, #b>) attributes {gpt.axes = array<i64: 0, -1, -1>} {
      ^bb0(%a: f32, %c: f32):
        %0 = arith.divf %c, %a : f32
        gpt.yield %0 : f32
      }
      return %h, %s : tensor<4x5xf32, #b_i>, tensor<4xf32, #b>
    })", 1e-5);
}

TEST(Kernel, IntegerMaxAndCount) {
  expectSame(R"(
    #x = #gpt.dims<b=3, t=29>
    #b = #gpt.dims<b=3>
    func.func private @k(%x: tensor<3x29xi32, #x>) -> (tensor<3xi32, #b>, tensor<3xi32, #b>)
        attributes {gpt.kernel, gpt.rows = 1 : i64} {
      %m = gpt.generic max [b=3 | t=29] inputs(%x[b, t] : tensor<3x29xi32, #x>) -> (tensor<3xi32, #b>) attributes {gpt.axes = array<i64: 0, -1>} {
      ^bb0(%a: i32):
        gpt.yield %a : i32
      }
      %n = gpt.generic sum [b=3 | t=29] inputs(%x[b, t] : tensor<3x29xi32, #x>, %m[b] : tensor<3xi32, #b>) -> (tensor<3xi32, #b>) attributes {gpt.axes = array<i64: 0, -1>} {
      ^bb0(%a: i32, %c: i32):
        %0 = arith.cmpi eq, %a, %c : i32
        %1 = arith.extui %0 : i1 to i32
        gpt.yield %1 : i32
      }
      return %m, %n : tensor<3xi32, #b>, tensor<3xi32, #b>
    })", 0);
}

// Rows with NaN first, in the middle, last, of either sign, beside infinities; rows of nothing but -inf and -0.
TEST(Kernel, MaxOfRowsWithNaN) {
  const char *text = R"(
    #x = #gpt.dims<b=9, t=%S>
    #b = #gpt.dims<b=9>
    func.func private @k(%x: tensor<9x%Sxf32, #x>) -> tensor<9xf32, #b> attributes {gpt.kernel} {
      %m = gpt.generic max [b=9 | t=%S] inputs(%x[b, t] : tensor<9x%Sxf32, #x>) -> (tensor<9xf32, #b>) {
      ^bb0(%a: f32):
        %b = gpt.index 0 : i32
        %t = gpt.index 1 : i32
        %nan = arith.constant 0x7FC00000 : f32
        %minus = arith.constant 0xFFC00000 : f32
        %low = arith.constant 0xFF800000 : f32
        %high = arith.constant 0x7F800000 : f32
        %zero = arith.constant -0.0 : f32
        %c0 = arith.constant 0 : i32
        %c1 = arith.constant 1 : i32
        %c2 = arith.constant 2 : i32
        %c3 = arith.constant 3 : i32
        %c4 = arith.constant 4 : i32
        %c5 = arith.constant 5 : i32
        %c6 = arith.constant 6 : i32
        %extent = gpt.extent 1 : i32
        %last = arith.subi %extent, %c1 : i32
        %middle = arith.divsi %last, %c2 : i32
        %first = arith.cmpi eq, %t, %c0 : i32
        %half = arith.cmpi eq, %t, %middle : i32
        %end = arith.cmpi eq, %t, %last : i32
        %b0 = arith.cmpi eq, %b, %c0 : i32
        %b1 = arith.cmpi eq, %b, %c1 : i32
        %b2 = arith.cmpi eq, %b, %c2 : i32
        %b3 = arith.cmpi eq, %b, %c3 : i32
        %b4 = arith.cmpi eq, %b, %c4 : i32
        %b5 = arith.cmpi eq, %b, %c5 : i32
        %b6 = arith.cmpi eq, %b, %c6 : i32
        %i0 = arith.andi %b0, %first : i1
        %i1 = arith.andi %b1, %half : i1
        %i2 = arith.andi %b2, %end : i1
        %i5 = arith.andi %b5, %half : i1
        %0 = arith.select %i0, %nan, %a : f32
        %1 = arith.select %i1, %minus, %0 : f32
        %2 = arith.select %i2, %nan, %1 : f32
        %3 = arith.select %b3, %low, %2 : f32
        %4 = arith.select %b4, %zero, %3 : f32
        %5 = arith.select %b5, %high, %4 : f32
        %6 = arith.select %i5, %nan, %5 : f32
        %7 = arith.select %b6, %high, %6 : f32
        gpt.yield %7 : f32
      }
      return %m : tensor<9xf32, #b>
    })";
  for (int64_t size : {1, 5, 16, 17, 47, 64, 100, 203})
    expectSame(withSize(text, size), 0);
}

TEST(Kernel, Doubles) {
  expectSame(R"(
    #x = #gpt.dims<b=3, t=29>
    #b = #gpt.dims<b=3>
    func.func private @k(%x: tensor<3x29xf64, #x>) -> (tensor<3x29xf64, #x>, tensor<3xf64, #b>)
        attributes {gpt.kernel, gpt.rows = 1 : i64} {
      %y = gpt.generic [b=3, t=29] inputs(%x[b, t] : tensor<3x29xf64, #x>) -> (tensor<3x29xf64, #x>) attributes {gpt.axes = array<i64: 0, -1>} {
      ^bb0(%a: f64):
        %0 = math.exp %a : f64
        %1 = math.tanh %0 : f64
        %2 = math.erf %a : f64
        %3 = arith.addf %1, %2 : f64
        gpt.yield %3 : f64
      }
      %s = gpt.generic sum [b=3 | t=29] inputs(%y[b, t] : tensor<3x29xf64, #x>) -> (tensor<3xf64, #b>) attributes {gpt.axes = array<i64: 0, -1>} {
      ^bb0(%a: f64):
        gpt.yield %a : f64
      }
      return %y, %s : tensor<3x29xf64, #x>, tensor<3xf64, #b>
    })", 1e-14);
}

TEST(Kernel, Random) {
  expectSame(R"(
    #x = #gpt.dims<b=3, t=29>
    #s = #gpt.dims<>
    func.func private @k(%seed: tensor<i32, #s>, %x: tensor<3x29xf32, #x>) -> tensor<3x29xf32, #x> attributes {gpt.kernel} {
      %y = gpt.generic [b=3, t=29] inputs(%seed[] : tensor<i32, #s>, %x[b, t] : tensor<3x29xf32, #x>)
          -> (tensor<3x29xf32, #x>) {
      ^bb0(%k: i32, %a: f32):
        %i = gpt.index 0 : i32
        %j = gpt.index 1 : i32
        %r = gpt.random 5(%k, %i, %j) : f32
        %0 = arith.mulf %a, %r : f32
        gpt.yield %r : f32
      }
      return %y : tensor<3x29xf32, #x>
    })", 0);
}

const char *contraction = R"(
    #a = #gpt.dims<b upto 4, t=19, c=%S>
    #w = #gpt.dims<c=%S, j=50>
    #j = #gpt.dims<j=50>
    #o = #gpt.dims<b upto 4, t=19, j=50>
    module attributes {gpt.extents = ["b"], gpt.bounds = [4]} {
    func.func private @k(%x: tensor<4x19x%Sxf32, #a>, %w: tensor<%Sx50xf32, #w>, %c: tensor<50xf32, #j>,
        %res: tensor<4x19x50xf32, #o>) -> (tensor<4x19x50xf32, #o>, tensor<4x19x50xf32, #o>) attributes {gpt.kernel} {
      %h = gpt.generic sum [b upto 4, t=19, j=50 | c=%S] inputs(%x[b, t, c] : tensor<4x19x%Sxf32, #a>, %w[c, j] : tensor<%Sx50xf32, #w>)
          -> (tensor<4x19x50xf32, #o>) {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.mulf %a, %b : f32
        gpt.yield %0 : f32
      }
      %y = gpt.generic [b upto 4, t=19, j=50] inputs(%h[b, t, j] : tensor<4x19x50xf32, #o>, %c[j] : tensor<50xf32, #j>,
          %res[b, t, j] : tensor<4x19x50xf32, #o>) -> (tensor<4x19x50xf32, #o>) {
      ^bb0(%a: f32, %b: f32, %r: f32):
        %0 = arith.addf %a, %b : f32
        %1 = math.tanh %0 : f32
        %2 = arith.addf %1, %r : f32
        gpt.yield %2 : f32
      }
      return %h, %y : tensor<4x19x50xf32, #o>, tensor<4x19x50xf32, #o>
    }
    })";

TEST(Kernel, ContractionWithEpilogue) {
  for (int64_t size : {1, 24, 130})
    expectSame(withSize(contraction, size), 1e-5, RunOptions{512, true, {{"b", 3}}});
}

TEST(Kernel, NoFusedMultiplyAdd) {
  expectSame(withSize(softmax, 40), 1e-6, RunOptions{128, false, {}});
  expectSame(withSize(contraction, 24), 1e-5, RunOptions{128, false, {}});
}

} // namespace
