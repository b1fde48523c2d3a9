// The function behind gpt.random: uniform numbers by counter.
//
// A number depends on the site (which use of randomness in the model) and on its
// keys in order (seed, step, example, coordinates ...), never on threads or on
// what was drawn before. Each key is mixed into a 32-bit state; only multiply,
// xor and logical shift are used, so that vectors of 32-bit lanes do the same.
//
// The templates take `uint32_t`, or any type with `^`, `* uint32_t` and
// `>> unsigned` of this meaning: a wrapper that builds arith ops emits the same
// function (see `rt-expand-random`). Changing a constant changes every trained
// model's random numbers.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>

namespace gptc::gpt::random {

inline constexpr uint32_t start = 0x243F6A88;
inline constexpr uint32_t keyFactor = 0x9E3779B1;
inline constexpr unsigned keyShift = 15;
inline constexpr unsigned shifts[3] = {16, 15, 16};
inline constexpr uint32_t factors[2] = {0x7FEB352D, 0x846CA68B};
/// The result is the top 24 bits times 2^-24.
inline constexpr unsigned dropBits = 8;
inline constexpr double scale = 1.0 / (1 << 24);

/// Joins one key to the state. The key is spread before it meets the state:
/// states a small distance apart must not give rows that are permutations of
/// one another.
template <typename Word> constexpr Word mix(Word state, Word key) {
  Word spread = key * keyFactor;
  Word word = state ^ spread ^ (spread >> keyShift);
  word = (word ^ (word >> shifts[0])) * factors[0];
  word = (word ^ (word >> shifts[1])) * factors[1];
  return word ^ (word >> shifts[2]);
}

/// The state before any key: a constant of the site.
constexpr uint32_t begin(uint32_t site) {
  return mix<uint32_t>(start, site);
}

/// 32 uniform bits.
inline uint32_t bits(uint32_t site, llvm::ArrayRef<uint32_t> keys) {
  uint32_t state = begin(site);
  for (uint32_t key : keys)
    state = mix<uint32_t>(state, key);
  return state;
}

/// A number in [0, 1), exact in f32.
inline float uniform(uint32_t site, llvm::ArrayRef<uint32_t> keys) {
  return static_cast<float>((bits(site, keys) >> dropBits) * scale);
}

} // namespace gptc::gpt::random
