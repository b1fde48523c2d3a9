// Compiled with -ffast-math, so that exp becomes the vector function of the C library: nothing else belongs
// here.
#include "runtime/log_sum_exp.h"

#include <algorithm>
#include <cmath>

namespace gptc::runtime {

__attribute__((target_clones("avx512f", "avx2", "default"))) static float
sumOfExp(const float *x, int64_t count, float highest) {
  float total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < count; ++i)
    total += std::exp(std::max(x[i] - highest, -80.0f)); // -inf, too: below what counts
  return total;
}

double logSumExp(const float *x, int64_t count, float highest) {
  double total = 0;
  constexpr int64_t block = 4096; // short sums in f32, long ones in f64
  for (int64_t first = 0; first < count; first += block)
    total += double(sumOfExp(x + first, std::min(block, count - first), highest));
  return double(highest) + std::log(total);
}

} // namespace gptc::runtime
