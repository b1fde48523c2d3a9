// Contractions against the reference interpreter: operands in each order, panels that pieces share, bf16.
#include "unit/codegen/kernel_runner.h"

#include <algorithm>
#include <gtest/gtest.h>

using namespace gptc::testing;

namespace {

/// y[b, t, j] = sum over k of x * w, with a bias: b up to 3 of 4. `x` and `w` are index lists, so an operand may lie in
/// any order, and so is `c`, what is added; `t`, `k`, `j` are sizes.
std::string product(const std::string &x, const std::string &w, int t, int k, int j, const std::string &c = "j") {
  auto dims = [&](const std::string &names) {
    std::string shape, list;
    for (char name : names) {
      std::string size = std::to_string(name == 'b' ? 4 : name == 't' ? t : name == 'k' ? k : j);
      shape += size + "x";
      list += (list.empty() ? "" : ", ") + std::string(1, name) + (name == 'b' ? " upto " : "=") + size;
    }
    return std::pair("tensor<" + shape + "f32, #gpt.dims<" + list + ">>", list);
  };
  auto indices = [](const std::string &names) {
    std::string list;
    for (char name : names)
      list += (list.empty() ? "" : ", ") + std::string(1, name);
    return list;
  };
  std::string xt = dims(x).first, wt = dims(w).first, yt = dims("btj").first, ct = dims(c).first;
  return R"(module attributes {gpt.extents = ["b"], gpt.bounds = [4]} {
    func.func private @k(%x: )" + xt + ", %w: " + wt + ", %c: " + ct + ") -> " + yt + R"( attributes {gpt.kernel} {
      %h = gpt.generic sum [)" + dims("btj").second + " | k=" + std::to_string(k) + "] inputs(%x[" + indices(x) + "] : " +
         xt + ", %w[" + indices(w) + "] : " + wt + ") -> (" + yt + R"() {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.mulf %a, %b : f32
        gpt.yield %0 : f32
      }
      %y = gpt.generic [)" + dims("btj").second + "] inputs(%h[b, t, j] : " + yt + ", %c[" + indices(c) + "] : " + ct + ") -> (" + yt +
         R"() {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.addf %a, %b : f32
        gpt.yield %0 : f32
      }
      return %y : )" + yt + "\n    }\n  }\n";
}

struct Form {
  const char *name, *x, *w;
  int t, k, j;
};

class Contraction : public ::testing::TestWithParam<Form> {};

TEST_P(Contraction, AsInterpreted) {
  const Form &form = GetParam();
  std::string text = product(form.x, form.w, form.t, form.k, form.j);
  for (bool bf16 : {false, true}) {
    RunOptions options{512, true, {{"b", 3}}};
    options.bf16 = bf16;
    // Numbers of 8 bits: all sums are exact.
    expectSame(text, bf16 ? 1e-6 : 2e-6 * std::max(form.k, 10), options);
  }
}

// Each element is read before it is written, and once, however tiles end.
TEST_P(Contraction, OntoItsAddend) {
  const Form &form = GetParam();
  RunOptions options{512, true, {{"b", 3}}};
  options.inPlace = 2;
  expectSame(product(form.x, form.w, form.t, form.k, form.j, "btj"), 2e-6 * std::max(form.k, 10), options);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, Contraction,
    ::testing::Values(Form{"AB", "btk", "kj", 19, 41, 50}, Form{"ABt", "btk", "jk", 19, 41, 50},
                      Form{"AtB", "kbt", "kj", 19, 41, 50}, Form{"AtBt", "kbt", "jk", 19, 41, 50},
                      Form{"OneRow", "bk", "kj", 1, 70, 33},
                      // Rows that meet in the first cache's sets, columns that are transposed.
                      Form{"FarRows", "btk", "jk", 40, 1024, 40},
                      // Sums that wait between panels.
                      Form{"LongSums", "btk", "kj", 9, 1300, 40},
                      // Rows of B in more pages than are at hand.
                      Form{"FarColumns", "btk", "kj", 20, 75, 1032},
                      Form{"FarBoth", "kbt", "kj", 300, 75, 130}, Form{"Small", "btk", "jk", 2, 3, 5}),
    [](const auto &info) { return std::string(info.param.name); });

} // namespace
