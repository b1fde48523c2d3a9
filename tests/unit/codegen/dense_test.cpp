// Kernels on tensors with several dynamic dimensions: their strides depend on extents.
#include "unit/codegen/kernel_runner.h"

#include <gtest/gtest.h>

namespace gptc::testing {
namespace {

/// The kernel in a module whose batch has up to 40 rows of up to 24 tokens, 96 in all.
std::string program(const std::string &kernel) {
  return R"(
    #btc = #gpt.dims<b upto 40, t upto 24, c=24>
    #btj = #gpt.dims<b upto 40, t upto 24, j=50>
    #bthd = #gpt.dims<b upto 40, t upto 24, h=2, d=20>
    #bhtu = #gpt.dims<b upto 40, h=2, t upto 24, u upto 24 of t>
    #bht = #gpt.dims<b upto 40, h=2, t upto 24>
    #buhd = #gpt.dims<b upto 40, u upto 24 of t, h=2, d=20>
    #bhu = #gpt.dims<b upto 40, h=2, u upto 24 of t>
    #bt = #gpt.dims<b upto 40, t upto 24>
    #cj = #gpt.dims<c=24, j=50>
    #vc = #gpt.dims<v=9, c=24>
    #c = #gpt.dims<c=24>
    #b = #gpt.dims<b upto 40>
    !btc = tensor<40x24x24xf32, #btc>
    !btj = tensor<40x24x50xf32, #btj>
    !bthd = tensor<40x24x2x20xf32, #bthd>
    !bhtu = tensor<40x2x24x24xf32, #bhtu>
    !bht = tensor<40x2x24xf32, #bht>
    !buhd = tensor<40x24x2x20xf32, #buhd>
    !bhu = tensor<40x2x24xf32, #bhu>
    !bt = tensor<40x24xf32, #bt>
    !tokens = tensor<40x24xi32, #bt>
    !cj = tensor<24x50xf32, #cj>
    !vc = tensor<9x24xf32, #vc>
    !c = tensor<24xf32, #c>
    !b = tensor<40xf32, #b>
    module attributes {gpt.extents = ["b", "t"], gpt.bounds = [40, 24], gpt.batch_tokens = 96 : i64} {
    )" + kernel + "}";
}

/// At extents with many rows, with long ones, with vectors that end within a row.
void expectSameDense(const std::string &kernel, double tolerance) {
  for (auto [b, t] : {std::pair<int64_t, int64_t>{40, 2}, {4, 24}, {7, 13}, {1, 1}}) {
    SCOPED_TRACE("b = " + std::to_string(b) + ", t = " + std::to_string(t));
    expectSame(program(kernel), tolerance, RunOptions{512, true, {{"b", b}, {"t", t}}});
  }
}

int64_t piecesOf(const std::string &kernel, int64_t b, int64_t t) {
  KernelRunner runner(program(kernel));
  auto results = runner.run(runner.randomInputs(1), RunOptions{512, true, {{"b", b}, {"t", t}}});
  EXPECT_TRUE(bool(results)) << llvm::toString(results.takeError());
  return runner.pieces();
}

const std::string product = R"(
    func.func private @k(%x: !btc, %w: !cj) -> !btj attributes {gpt.kernel} {
      %y = gpt.generic sum [b upto 40, t upto 24, j=50 | c=24] inputs(%x[b, t, c] : !btc, %w[c, j] : !cj) -> (!btj) {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.mulf %a, %b : f32
        gpt.yield %0 : f32
      }
      %z = gpt.generic [b upto 40, t upto 24, j=50] inputs(%y[b, t, j] : !btj) -> (!btj) {
      ^bb0(%a: f32):
        %i = gpt.index 1 : i32
        %f = arith.sitofp %i : i32 to f32
        %0 = arith.addf %a, %f : f32
        gpt.yield %0 : f32
      }
      return %z : !btj
    })";

TEST(Dense, ContractionOfRows) { expectSameDense(product, 1e-5); }

TEST(Dense, RowsOfAllSequencesAreOneDimension) {
  // 96 rows are one piece; a piece a sequence would be 40.
  EXPECT_EQ(piecesOf(product, 40, 2), piecesOf(product, 4, 24));
}

TEST(Dense, ContractionOverRows) {
  expectSameDense(R"(
    func.func private @k(%x: !btc, %d: !btj) -> !cj attributes {gpt.kernel} {
      %y = gpt.generic sum [c=24, j=50 | b upto 40, t upto 24] inputs(%x[b, t, c] : !btc, %d[b, t, j] : !btj) -> (!cj) {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.mulf %a, %b : f32
        gpt.yield %0 : f32
      }
      return %y : !cj
    })", 1e-5);
}

TEST(Dense, Scores) {
  expectSameDense(R"(
    func.func private @k(%q: !bthd, %k: !bthd, %m: !bt) -> !bhtu attributes {gpt.kernel} {
      %y = gpt.generic sum [b upto 40, h=2, t upto 24, u upto 24 of t | d=20]
          inputs(%q[b, t, h, d] : !bthd, %k[b, u, h, d] : !bthd) -> (!bhtu) {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.mulf %a, %b : f32
        gpt.yield %0 : f32
      }
      %z = gpt.generic [b upto 40, h=2, t upto 24, u upto 24 of t] inputs(%y[b, h, t, u] : !bhtu, %m[b, u] : !bt) -> (!bhtu) {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.addf %a, %b : f32
        gpt.yield %0 : f32
      }
      return %z : !bhtu
    })", 1e-5);
}

TEST(Dense, MixAndItsGradient) {
  expectSameDense(R"(
    func.func private @k(%p: !bhtu, %v: !bthd) -> !bthd attributes {gpt.kernel} {
      %y = gpt.generic sum [b upto 40, t upto 24, h=2, d=20 | u upto 24 of t]
          inputs(%p[b, h, t, u] : !bhtu, %v[b, u, h, d] : !bthd) -> (!bthd) {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.mulf %a, %b : f32
        gpt.yield %0 : f32
      }
      return %y : !bthd
    })", 1e-5);
  expectSameDense(R"(
    func.func private @k(%p: !bhtu, %v: !bthd) -> !buhd attributes {gpt.kernel} {
      %y = gpt.generic sum [b upto 40, u upto 24 of t, h=2, d=20 | t upto 24]
          inputs(%p[b, h, t, u] : !bhtu, %v[b, t, h, d] : !bthd) -> (!buhd) {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.mulf %a, %b : f32
        gpt.yield %0 : f32
      }
      return %y : !buhd
    })", 1e-5);
}

TEST(Dense, RowsOfScores) {
  expectSameDense(R"(
    func.func private @k(%x: !bhtu) -> (!bhtu, !bht) attributes {gpt.kernel, gpt.rows = 3} {
      %m = gpt.generic max [b upto 40, h=2, t upto 24 | u upto 24 of t] inputs(%x[b, h, t, u] : !bhtu) -> (!bht) attributes {gpt.axes = array<i64: 0, 1, 2, -1>} {
      ^bb0(%a: f32):
        gpt.yield %a : f32
      }
      %e = gpt.generic [b upto 40, h=2, t upto 24, u upto 24 of t] inputs(%x[b, h, t, u] : !bhtu, %m[b, h, t] : !bht) -> (!bhtu) attributes {gpt.axes = array<i64: 0, 1, 2, -1>} {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.subf %a, %b : f32
        %1 = math.exp %0 : f32
        gpt.yield %1 : f32
      }
      %s = gpt.generic sum [b upto 40, h=2, t upto 24 | u upto 24 of t] inputs(%e[b, h, t, u] : !bhtu) -> (!bht) attributes {gpt.axes = array<i64: 0, 1, 2, -1>} {
      ^bb0(%a: f32):
        gpt.yield %a : f32
      }
      return %e, %s : !bhtu, !bht
    })", 1e-5);
}

/// As the gradient of a layer norm's gain, beside work on the rows.
TEST(Dense, SumsOverRows) {
  expectSameDense(R"(
    func.func private @k(%x: !btc, %g: !c) -> (!btc, !c, !c) attributes {gpt.kernel, gpt.rows = 2} {
      %m = gpt.generic sum [b upto 40, t upto 24 | c=24] inputs(%x[b, t, c] : !btc, %g[c] : !c) -> (!bt) attributes {gpt.axes = array<i64: 0, 1, -1>} {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.mulf %a, %b : f32
        gpt.yield %0 : f32
      }
      %y = gpt.generic [b upto 40, t upto 24, c=24] inputs(%x[b, t, c] : !btc, %m[b, t] : !bt) -> (!btc) attributes {gpt.axes = array<i64: 0, 1, -1>} {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.subf %a, %b : f32
        gpt.yield %0 : f32
      }
      %s = gpt.generic sum [c=24 | b upto 40, t upto 24] inputs(%y[b, t, c] : !btc, %m[b, t] : !bt) -> (!c)
          attributes {gpt.axes = array<i64: -1, 0, 1>} {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.mulf %a, %b : f32
        gpt.yield %0 : f32
      }
      %z = gpt.generic sum [c=24 | b upto 40, t upto 24] inputs(%x[b, t, c] : !btc) -> (!c)
          attributes {gpt.axes = array<i64: -1, 0, 1>} {
      ^bb0(%a: f32):
        %i = gpt.index 0 : i32
        %j = gpt.index 2 : i32
        %k = arith.addi %i, %j : i32
        %0 = arith.sitofp %k : i32 to f32
        %1 = arith.mulf %a, %0 : f32
        gpt.yield %1 : f32
      }
      return %y, %s, %z : !btc, !c, !c
    })", 5e-5);
}

TEST(Dense, Neighbours) {
  expectSameDense(R"(
    func.func private @k(%x: !btc, %w: !c, %r: !b) -> !btc attributes {gpt.kernel} {
      %y = gpt.generic [b upto 40, t upto 24, c=24]
          inputs(%x[b, t - 1, c] : !btc, %x[b, t, c] : !btc, %w[c] : !c, %r[b] : !b) -> (!btc) {
      ^bb0(%a: f32, %b: f32, %s: f32, %d: f32):
        %0 = arith.subf %b, %a : f32
        %1 = arith.mulf %0, %s : f32
        %2 = arith.mulf %1, %d : f32
        gpt.yield %2 : f32
      }
      return %y : !btc
    })", 1e-6);
}

TEST(Dense, ElementsAlongAnOuterExtent) {
  expectSameDense(R"(
    func.func private @k(%x: !bhtu) -> !bhu attributes {gpt.kernel} {
      %y = gpt.generic sum [b upto 40, h=2, u upto 24 of t | t upto 24] inputs(%x[b, h, t, u] : !bhtu) -> (!bhu) {
      ^bb0(%a: f32):
        gpt.yield %a : f32
      }
      return %y : !bhu
    })", 1e-5);
  expectSameDense(R"(
    func.func private @k(%x: !bhtu) -> !bht attributes {gpt.kernel} {
      %y = gpt.generic [b upto 40, h=2, t upto 24] inputs(%x[b, h, t, t] : !bhtu) -> (!bht) {
      ^bb0(%a: f32):
        %0 = arith.negf %a : f32
        gpt.yield %0 : f32
      }
      return %y : !bht
    })", 0);
}

TEST(Dense, GatherAndScatter) {
  expectSameDense(R"(
    func.func private @k(%token: !tokens, %e: !vc) -> !btc attributes {gpt.kernel} {
      %y = gpt.generic [b upto 40, t upto 24, c=24] indices(%token[b, t] : !tokens) inputs(%e[s0, c] : !vc) -> (!btc) {
      ^bb0(%i: i32, %a: f32):
        %0 = arith.negf %a : f32
        gpt.yield %0 : f32
      }
      return %y : !btc
    })", 0);
  expectSameDense(R"(
    func.func private @k(%token: !tokens, %d: !btc) -> !vc attributes {gpt.kernel} {
      %y = gpt.scatter [b upto 40, t upto 24, c=24] indices(%token[b, t] : !tokens) inputs(%d[b, t, c] : !btc) at [s0, c] -> !vc {
      ^bb0(%i: i32, %a: f32):
        gpt.yield %a : f32
      }
      return %y : !vc
    })", 1e-5);
}

TEST(Dense, GatherFromRowsOfAnExtent) {
  expectSameDense(R"(
    func.func private @k(%token: !tokens, %x: !btc) -> !btc attributes {gpt.kernel} {
      %y = gpt.generic [b upto 40, t upto 24, c=24] indices(%token[b, t] : !tokens) inputs(%x[b, s0, c] : !btc) -> (!btc) {
      ^bb0(%i: i32, %a: f32):
        %0 = arith.negf %a : f32
        gpt.yield %0 : f32
      }
      return %y : !btc
    })", 0);
}

} // namespace
} // namespace gptc::testing
