// Kernels of row blocks against the reference interpreter, in f32 and in bf16: operands in each order, odd depths,
// rests of blocks, vectors and pairs. (Whole attentions: unit/model/attention_test.cpp.)
#include "unit/codegen/kernel_runner.h"

#include <gtest/gtest.h>

using namespace gptc::testing;

namespace {

struct Form {
  const char *name;
  const char *query, *key; ///< index lists: operands lie in that order
  int t, s, e;             ///< bounds of rows and columns, depth
  int rows, columns;       ///< extents
  int before, after;       ///< columns that a row may see: so many before its own, and after it
  int seen = 0;            ///< where above 0: and only so many of all
};

std::string sizeOf(const Form &form, char dim) {
  return std::to_string(dim == 't' ? form.t : dim == 's' ? form.s : dim == 'e' ? form.e : 2);
}

/// "b=2, t upto 45"
std::string dims(const Form &form, const std::string &names) {
  std::string list;
  for (char name : names) {
    bool upto = name == 't' || name == 's';
    list += (list.empty() ? "" : ", ") + std::string(1, name) + (upto ? " upto " : "=") + sizeOf(form, name);
  }
  return list;
}

std::string tensor(const Form &form, const std::string &names) {
  std::string shape;
  for (char name : names)
    shape += sizeOf(form, name) + "x";
  return "tensor<" + shape + "f32, #gpt.dims<" + dims(form, names) + ">>";
}

/// The kernel's dimensions are b, h, t and s.
std::string axes(const std::string &names) {
  std::string list;
  for (char name : names) {
    size_t axis = std::string("bhts").find(name);
    list += (list.empty() ? "" : ", ") + (axis == std::string::npos ? "-1" : std::to_string(axis));
  }
  return "gpt.axes = array<i64: " + list + ">";
}

std::string contraction(const Form &form, const std::string &value, const std::string &result,
                        const std::string &depth, const std::string &a, const std::string &as,
                        const std::string &b, const std::string &bs) {
  auto indices = [](const std::string &names) {
    std::string list;
    for (char name : names)
      list += (list.empty() ? "" : ", ") + std::string(1, name);
    return list;
  };
  return "      " + value + " = gpt.generic sum [" + dims(form, result) + " | " + dims(form, depth) + "] inputs(" + a +
         "[" + indices(as) + "] : " + tensor(form, as) + ", " + b + "[" + indices(bs) + "] : " + tensor(form, bs) +
         ") -> (" + tensor(form, result) + ") attributes {" + axes(result + depth) + R"(} {
      ^bb0(%left: f32, %right: f32):
        %0 = arith.mulf %left, %right : f32
        gpt.yield %0 : f32
      }
)";
}

/// A row sees a column near it where their product is positive: weights of 0 and 1, which bf16 has, so that all sums
/// are exact. Their fold over columns and, if asked for, over rows.
std::string text(const Form &form, bool overRows = true) {
  std::string q = tensor(form, form.query), k = tensor(form, form.key), v = tensor(form, "bshe"),
              d = tensor(form, "bthe"), m = tensor(form, "bhts");
  return "module attributes {gpt.extents = [\"t\", \"s\"], gpt.bounds = [" + sizeOf(form, 't') + ", " +
         sizeOf(form, 's') + "]} {\n    func.func private @k(%q: " + q + ", %k: " + k + ", %v: " + v + ", %d: " + d +
         ") -> (" + d + (overRows ? ", " + v : "") + ") attributes {gpt.kernel, gpt.row_blocks = 3 : i64} {\n" +
         contraction(form, "%s", "bhts", "e", "%q", form.query, "%k", form.key) + "      %p = gpt.generic [" +
         dims(form, "bhts") + "] inputs(%s[b, h, t, s] : " + m + ") -> (" + m + ") attributes {" + axes("bhts") + R"(} {
      ^bb0(%a: f32):
        %i = gpt.index 2 : i32
        %j = gpt.index 3 : i32
        %least = arith.constant )" + std::to_string(-form.before) + R"( : i32
        %most = arith.constant )" + std::to_string(form.after) + R"( : i32
        %far = arith.subi %j, %i : i32
        %early = arith.cmpi sge, %far, %least : i32
        %late = arith.cmpi sle, %far, %most : i32
        %around = arith.andi %early, %late : i1
        %seen = arith.constant )" + std::to_string(form.seen > 0 ? form.seen : form.s) + R"( : i32
        %there = arith.cmpi slt, %j, %seen : i32
        %near = )" + (form.seen > 0 ? "arith.andi %around, %there" : "arith.andi %around, %around") + R"( : i1
        %none = arith.constant 0.0 : f32
        %one = arith.constant 1.0 : f32
        %more = arith.cmpf ogt, %a, %none : f32
        %see = arith.andi %near, %more : i1
        %0 = arith.select %see, %one, %none : f32
        gpt.yield %0 : f32
      }
)" + contraction(form, "%y", "bthe", "s", "%p", "bhts", "%v", "bshe") +
         (overRows ? contraction(form, "%z", "bshe", "t", "%p", "bhts", "%d", "bthe") + "      return %y, %z : " + d +
                         ", " + v
                   : "      return %y : " + d) +
         "\n    }\n  }\n";
}

class RowBlockForms : public ::testing::TestWithParam<Form> {};

TEST_P(RowBlockForms, AsInterpreted) {
  const Form &form = GetParam();
  for (bool bf16 : {false, true}) {
    RunOptions options{512, true, {{"t", form.rows}, {"s", form.columns}}};
    options.bf16 = bf16;
    expectSame(text(form), bf16 ? 1e-6 : 1e-5, options);
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, RowBlockForms,
                         ::testing::Values(Form{"Causal", "bthe", "bshe", 128, 128, 32, 128, 128, 128, 0},
                                           Form{"Window", "bthe", "bshe", 150, 150, 16, 147, 150, 37, 0},
                                           Form{"BothSides", "bthe", "bshe", 85, 170, 7, 85, 166, 20, 9},
                                           Form{"Later", "bthe", "bshe", 90, 120, 8, 90, 120, -1, 200},
                                           Form{"Rests", "bthe", "bshe", 75, 83, 37, 71, 79, 100, 0},
                                           Form{"OddColumns", "bthe", "bhse", 40, 69, 18, 39, 67, 99, 99},
                                           Form{"ColumnsInRows", "bhte", "bhes", 50, 57, 9, 50, 57, 99, 0},
                                           Form{"DepthOutside", "bhet", "behs", 44, 61, 12, 43, 61, 99, 0},
                                           Form{"LongRows", "bthe", "bhes", 33, 300, 8, 33, 290, 0, 290},
                                           Form{"Seen", "bthe", "bshe", 150, 90, 16, 147, 90, 999, 999, 50},
                                           Form{"CausalSeen", "bthe", "bshe", 150, 150, 16, 147, 150, 999, 0, 50},
                                           Form{"Scattered", "bteh", "bseh", 35, 21, 5, 35, 20, 5, 5}),
                         [](const auto &info) { return std::string(info.param.name); });

// Where nothing is added to across blocks, threads share the rows of few matrices.
TEST(RowBlocks, SplitRows) {
  Form form{"", "bthe", "bshe", 300, 300, 8, 290, 300, 300, 0};
  RunOptions options{512, true, {{"t", form.rows}, {"s", form.columns}}};
  expectSame(text(form, /*overRows=*/false), 1e-5, options);
  KernelRunner runner(text(form, false));
  ASSERT_TRUE(bool(runner.run(runner.randomInputs(1), options)));
  EXPECT_EQ(runner.pieces(), 2 * 4);
}

} // namespace
