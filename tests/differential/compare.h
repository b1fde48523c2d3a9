// Which differences rounding explains (README.md, "The bound").
#pragma once

#include "differential/check.h"
#include "differential/oracle.h"

namespace gptc::differential {

/// A result of the oracle, and what it comes to with disturbed operations.
template <typename Result> struct Samples {
  Result base;
  std::vector<Result> disturbed;

  template <typename Evaluate> Samples(const Setup &setup, Evaluate evaluate) {
    Rounding rounding;
    base = evaluate(rounding);
    rounding.single = setup.single && !setup.bf16;
    rounding.unit = unitOf(setup);
    for (uint64_t i = 1; i <= 3; ++i) {
      rounding.seed = i;
      disturbed.push_back(evaluate(rounding));
    }
  }
  /// How far an operation is disturbed. In f64 far more than it rounds, or rounding of the oracle itself
  /// would count.
  static double unitOf(const Setup &setup) { return setup.bf16 ? 0x1p-8 : setup.single ? 0x1p-23 : 0x1p-40; }
};

struct Comparison {
  int64_t compared = 0, skipped = 0;
  std::string problem; // empty: equal but for rounding
};

/// `disturbed`: null for a sample that has no such numbers; nothing can be said of them then.
Comparison compare(const std::vector<double> &actual, const Array &expected,
                   const std::vector<const Array *> &disturbed, const Setup &setup);

} // namespace gptc::differential
