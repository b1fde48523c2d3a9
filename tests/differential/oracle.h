// A model's values and derivatives by plain loops over the typed model.
//
// Written from docs/language.md and docs/language-answers.md alone. It shares
// nothing with the reference interpreter, the emitter or the passes; of the
// compiler it needs what reads the text (frontend/typed.h) and the function
// behind `random` (ir/gpt/random.h). Derivatives come from a tape of scalars.
#pragma once

#include "frontend/elaborate.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gptc::differential {

/// Numbers of a tensor, row-major; the shape is of bounds.
struct Array {
  std::vector<int64_t> shape;
  std::vector<double> data;
};

/// How an evaluation is disturbed to see what rounding does to its results:
/// each operation's result is off by up to some `unit`, always in the same way
/// for the same operation on the same numbers (what ties still ties). Numbers that
/// nearly tie change sides, or become equal in a run whose seed leaves 2 by 3.
struct Rounding {
  double unit = 0;     // of the type that is looked at; 0: none
  bool single = false; // results are rounded to f32 besides, which knows its range
  uint64_t seed = 0;   // 1, 2, 3, ... of the disturbed runs
};

/// What an evaluation is about.
struct Situation {
  int64_t examples = 1;
  std::map<std::string, int64_t> extents; // by name: lengths of this batch
  /// An input by name; per-example ones have the example as first dimension.
  std::function<const Array &(const typed::Tensor &)> input;
  int64_t seed = 3, step = 0;
  std::vector<int64_t> exampleNumbers; // keys of randomness; empty: 0, 1, ...
};

/// A scalar: its value, and its place on the tape (-1: no derivative).
struct Number {
  double value = 0;
  int32_t place = -1;
};

class Oracle {
public:
  Oracle(typed::Elaborated &model, const Situation &situation, const Rounding &rounding);
  ~Oracle();

  /// Values of a parameter, with its copies in front.
  void setParameter(const typed::Tensor *param, const Array &value);
  /// A value of the whole batch: a loss, a report, a learning rate.
  double batchValue(typed::Tensor *tensor);
  /// An output: for each example if it `usesData`, else once.
  Array value(typed::Tensor *tensor);
  /// Of the value of this loss with respect to each parameter that was set.
  std::map<std::string, Array> gradients(typed::Tensor *loss);

  /// Scalar operations so far; evaluation stops (ok() is false) at `most`.
  bool ok() const { return operations < most; }
  static constexpr int64_t most = 40'000'000;

  //===-- arithmetic, also for optimizers ------------------------------------===//
  double disturbed(double value, uint64_t key, double units = 1);
  double summed(double sum, double term, uint64_t key);

private:
  struct Frame;
  struct Entry {
    int32_t a, b;
    double da, db;
  };
  using Numbers = std::vector<Number>;

  typed::Elaborated &model;
  const Situation &situation;
  Rounding rounding;
  int64_t operations = 0;
  std::vector<Entry> tape;
  std::vector<int64_t> vars; // value of an index by id
  std::map<std::string, std::pair<Numbers, std::vector<int64_t>>> params;
  std::vector<std::unique_ptr<Frame>> examples;
  std::unique_ptr<Frame> batch;

  Frame *frameOf(int64_t example);
  int64_t sizeOf(const typed::Var *var) const;
  int64_t &at(const typed::Var *var);
  const Number *numbers(typed::Tensor *tensor, Frame *frame, std::vector<int64_t> *sizes = nullptr);
  Numbers compute(typed::Tensor *tensor, Frame *home);
  void run(typed::Region *region, Frame *home);
  Number evaluate(const typed::Node *node, Frame *frame);
  Number computeNode(const typed::Node *node, Frame *frame);
  Number reduce(const typed::Node *node, Frame *frame);
  Number load(const typed::Node *node, Frame *frame);
  Number batchMean(typed::Tensor *tensor);
  int32_t push(int32_t a, double da, int32_t b = -1, double db = 0);
  Number make(double value, const Number &a, double da);
  Number make(double value, const Number &a, double da, const Number &b, double db);
  Number add(const Number &a, const Number &b);
  enum Side { Below, Same, Above };
  Side side(double a, double b) const;
  Number unary(typed::Op op, const Number &x);
  Number binary(const typed::Node *node, const Number &x, const Number &y);
  double constant(double value) const { return rounding.single ? double(float(value)) : value; }
};

} // namespace gptc::differential
