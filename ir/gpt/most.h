// The most that a tensor and an iteration space may have, and products that cannot wrap around.
#pragma once

#include <algorithm>
#include <cstdint>

namespace gptc::gpt {

/// Elements of a tensor, those of the bounds and the batch counted. No machine has memory for so many; bytes and
/// offsets of many such tensors together are far from what 64 bits hold.
constexpr int64_t mostElements = int64_t(1) << 48;

/// Points of an iteration space. At this number sizes are saturated: it stands for all that is larger.
constexpr int64_t mostPoints = int64_t(1) << 62;

/// The product, or mostPoints where that is less or the product does not fit.
inline int64_t boundedProduct(int64_t x, int64_t y) {
  int64_t result;
  return __builtin_mul_overflow(x, y, &result) ? mostPoints : std::min(result, mostPoints);
}

/// The sum, or mostPoints where that is less or the sum does not fit.
inline int64_t boundedSum(int64_t x, int64_t y) {
  int64_t result;
  return __builtin_add_overflow(x, y, &result) ? mostPoints : std::min(result, mostPoints);
}

} // namespace gptc::gpt
