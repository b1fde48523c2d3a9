#include "differential/compare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace gptc::differential;

Comparison gptc::differential::compare(const std::vector<double> &actual, const Array &expected,
                                       const std::vector<const Array *> &disturbed, const Setup &setup) {
  Comparison result;
  const size_t n = expected.data.size();
  if (actual.size() != n) {
    result.problem = std::to_string(actual.size()) + " numbers where " + std::to_string(n) + " are expected";
    return result;
  }
  // From the disturbance to what the type rounds by.
  const double unit = setup.bf16 ? 0x1p-8 : setup.single ? 0x1p-23 : 0x1p-52;
  const double shrink = setup.bf16 || setup.single ? 1 : 0x1p-12;
  const double factor = setup.bf16 ? 24 : setup.single ? 12 : 64, least = setup.single ? 1e-36 : 1e-290;
  std::vector<double> away(n, 0.0);
  double squares = 0, sizes = 0;
  int64_t finite = 0;
  for (size_t i = 0; i < n; ++i) {
    if (!std::isfinite(expected.data[i]))
      continue;
    for (const Array *sample : disturbed)
      away[i] = std::max(away[i], sample && std::isfinite(sample->data[i])
                                      ? std::fabs(sample->data[i] - expected.data[i])
                                      : HUGE_VAL);
    if (std::isfinite(away[i])) {
      squares += away[i] * away[i];
      sizes += expected.data[i] * expected.data[i];
      ++finite;
    }
  }
  const double typical = finite ? std::sqrt(squares / double(finite)) : 0,
               size = finite ? std::sqrt(sizes / double(finite)) : 0;
  for (size_t i = 0; i < n; ++i) {
    double e = expected.data[i], a = actual[i];
    if (std::isnan(e) || (a == e)) {
      result.skipped += std::isnan(e);
      result.compared += a == e;
      continue;
    }
    double scale = std::max(std::fabs(e), size);
    // A step, or digits that cancel: what comes out is chance.
    bool chance = std::isinf(away[i]) ||
                  away[i] > (setup.bf16     ? 0.1
                             : setup.single ? 1e-2
                                            : 1e-5) *
                                (scale + 1e-30) ||
                  (std::isinf(e) && setup.single);
    if (chance) {
      ++result.skipped;
      continue;
    }
    double allowed = (factor * away[i] + factor / 2 * typical) * shrink + 8 * unit * std::fabs(e) +
                     2 * unit * size * 1e-3 + least;
    ++result.compared;
    if (std::fabs(a - e) <= allowed)
      continue;
    char text[256];
    snprintf(text, sizeof text, "element %zu of %zu: %.17g, expected %.17g (allowed: %.3g)", i, n, a, e,
             allowed);
    if (result.problem.empty())
      result.problem = text;
  }
  return result;
}
