// Contractions against the reference interpreter: operands in each order, panels that pieces share, bf16.
#include "unit/codegen/kernel_runner.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

using namespace gptc::testing;

namespace {

/// y[b, t, j] = sum over k of x * w, with a bias: b up to 3 of 4. `x` and `w` are index lists, so an operand may lie in
/// any order, and so is `c`, what is added; `t`, `k`, `j` are sizes. `narrow` names those of x, w and y that are bf16.
std::string product(const std::string &x, const std::string &w, int t, int k, int j, const std::string &c = "j",
                    const std::string &narrow = "") {
  auto element = [&](char value) { return std::string(narrow.find(value) == std::string::npos ? "f32" : "bf16"); };
  auto dims = [&](const std::string &names, const std::string &type = "f32") {
    std::string shape, list;
    for (char name : names) {
      std::string size = std::to_string(name == 'b' ? 4 : name == 't' ? t : name == 'k' ? k : j);
      shape += size + "x";
      list += (list.empty() ? "" : ", ") + std::string(1, name) + (name == 'b' ? " upto " : "=") + size;
    }
    return std::pair("tensor<" + shape + type + ", #gpt.dims<" + list + ">>", list);
  };
  auto indices = [](const std::string &names) {
    std::string list;
    for (char name : names)
      list += (list.empty() ? "" : ", ") + std::string(1, name);
    return list;
  };
  std::string xt = dims(x, element('x')).first, wt = dims(w, element('w')).first, ht = dims("btj").first;
  std::string yt = dims("btj", element('y')).first, ct = dims(c).first;
  // The body's %a or %b as f32, and what makes it one.
  auto widen = [&](const std::string &name, char value) {
    return element(value) == "f32" ? "" : "%" + name + "_wide = arith.extf %" + name + " : bf16 to f32\n";
  };
  auto wide = [&](const std::string &name, char value) {
    return "%" + name + (element(value) == "f32" ? "" : "_wide");
  };
  std::string yielded = "gpt.yield %0 : f32";
  if (element('y') != "f32")
    yielded = "%r = arith.truncf %0 : f32 to bf16\n        gpt.yield %r : bf16";
  return R"(module attributes {gpt.extents = ["b"], gpt.bounds = [4]} {
    func.func private @k(%x: )" + xt + ", %w: " + wt + ", %c: " + ct + ") -> " + yt + R"( attributes {gpt.kernel} {
      %h = gpt.generic sum [)" + dims("btj").second + " | k=" + std::to_string(k) + "] inputs(%x[" + indices(x) + "] : " +
         xt + ", %w[" + indices(w) + "] : " + wt + ") -> (" + ht + R"() {
      ^bb0(%a: )" + element('x') + ", %b: " + element('w') + "):\n" + widen("a", 'x') + widen("b", 'w') + R"(
        %0 = arith.mulf )" + wide("a", 'x') + ", " + wide("b", 'w') + R"( : f32
        gpt.yield %0 : f32
      }
      %y = gpt.generic [)" + dims("btj").second + "] inputs(%h[b, t, j] : " + ht + ", %c[" + indices(c) + "] : " + ct + ") -> (" + yt +
         R"() {
      ^bb0(%a: f32, %b: f32):
        %0 = arith.addf %a, %b : f32
        )" + yielded + R"(
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

// What is bf16 in memory needs no rounding: rows may be read in place.
TEST_P(Contraction, OfRounded) {
  if (widestVector() < 512)
    GTEST_SKIP() << "bf16 in memory is for CPUs that multiply it";
  const Form &form = GetParam();
  RunOptions options{512, true, {{"b", 3}}};
  options.bf16 = true;
  expectSame(product(form.x, form.w, form.t, form.k, form.j, "j", "x"), 1e-6, options);
  // The interpreter does not round results.
  expectSame(product(form.x, form.w, form.t, form.k, form.j, "j", "wy"), 1.0 / 256, options);
}

// Each element is read before it is written, and once, however tiles end.
TEST_P(Contraction, OntoItsAddend) {
  const Form &form = GetParam();
  RunOptions options{512, true, {{"b", 3}}};
  options.inPlace = 2;
  expectSame(product(form.x, form.w, form.t, form.k, form.j, "btj"), 2e-6 * std::max(form.k, 10), options);
}

/// Products large enough for panels that are filled while they are multiplied, against plain sums.
TEST(LargeContraction, AsSummed) {
  for (const Form &form :
       {Form{"Columns", "btk", "kj", 270, 451, 430}, Form{"Pairs", "btk", "kj", 270, 450, 430},
        Form{"RowsAndColumns", "kbt", "kj", 100, 1300, 401},
        Form{"FarRows", "btk", "jk", 100, 1536, 350}, Form{"RowsOfOneSet", "btk", "kj", 70, 2048, 350},
        Form{"ThreeVectors", "btk", "kj", 75, 2048, 336}, Form{"AllRows", "btk", "jk", 110, 600, 1030}}) {
    SCOPED_TRACE(form.name);
    KernelRunner runner(product(form.x, form.w, form.t, form.k, form.j));
    KernelRunner ofRounded(product(form.x, form.w, form.t, form.k, form.j, "j", "x"));
    std::vector<gptc::gpt::Tensor> inputs = runner.randomInputs(3, -2, 8, /*bf16=*/true);
    // Distances of b, t (or j) and k in x (or w).
    int64_t m = 4 * form.t, perRow = form.x[0] == 'k' ? 1 : form.k, perK = form.x[0] == 'k' ? m : 1;
    int64_t perColumn = form.w[0] == 'k' ? 1 : form.k, perDepth = form.w[0] == 'k' ? form.j : 1;
    std::vector<float> sums(m * form.j);
    for (int64_t i = 0; i < m; ++i)
      for (int64_t k = 0; k < form.k; ++k) {
        float x = float(inputs[0].data[i * perRow + k * perK]);
        for (int64_t j = 0; j < form.j; ++j)
          sums[i * form.j + j] += x * float(inputs[1].data[k * perDepth + j * perColumn]);
      }
    struct Way {
      KernelRunner &runner;
      int64_t bits;
      bool bf16;
    };
    for (const Way &way : {Way{runner, 512, false}, Way{runner, 256, false}, Way{runner, 512, true},
                           Way{runner, 256, true}, Way{ofRounded, 512, true}}) {
      if (&way.runner == &ofRounded && widestVector() < 512)
        continue; // bf16 in memory is for CPUs that multiply it
      RunOptions options{way.bits, true, {}};
      options.bf16 = way.bf16;
      auto results = way.runner.run(inputs, options);
      ASSERT_TRUE(bool(results)) << llvm::toString(results.takeError());
      double worst = 0; // of sums in the tens
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < form.j; ++j) {
          double want = sums[i * form.j + j] + inputs[2].data[j];
          worst = std::max(worst, std::abs((*results)[0].data[i * form.j + j] - want));
        }
      EXPECT_LE(worst, 2e-3) << "with vectors of " << way.bits << " bits" << (way.bf16 ? ", bf16" : "");
    }
  }
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
                      Form{"FarBoth", "kbt", "kj", 300, 75, 130},
                      Form{"EvenSums", "btk", "kj", 19, 42, 50}, Form{"Small", "btk", "jk", 2, 3, 5}),
    [](const auto &info) { return std::string(info.param.name); });

} // namespace
