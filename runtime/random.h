// Random numbers by counter: the n-th number of a stream needs no state, so
// nothing depends on threads, on order or on what ran before a resume.
#pragma once

#include <array>
#include <cstdint>

namespace gptc::runtime {

/// Philox 4x32 with ten rounds (Salmon et al., 2011).
inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, uint64_t seed) {
  uint32_t key0 = uint32_t(seed), key1 = uint32_t(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    uint64_t a = uint64_t(0xD2511F53) * counter[0];
    uint64_t b = uint64_t(0xCD9E8D57) * counter[2];
    counter = {uint32_t(b >> 32) ^ counter[1] ^ key0, uint32_t(b), uint32_t(a >> 32) ^ counter[3] ^ key1,
               uint32_t(a)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

/// What a number is for; keeps streams of one seed apart.
enum class RandomUse : uint32_t { Window = 1, Split = 2, Shuffle = 3, Sample = 4, BatchOrder = 5 };

/// 64 random bits for (seed, use, a, b); b below 2^32.
inline uint64_t randomBits(uint64_t seed, RandomUse use, uint64_t a, uint64_t b) {
  auto word = philox({uint32_t(a), uint32_t(a >> 32), uint32_t(b), uint32_t(use)}, seed);
  return uint64_t(word[1]) << 32 | word[0];
}

/// An integer in [0, bound); the bias is below bound / 2^64.
inline uint64_t randomBelow(uint64_t bits, uint64_t bound) {
  return uint64_t((unsigned __int128)(bits)*bound >> 64);
}

/// A double in [0, 1).
inline double randomUniform(uint64_t bits) {
  return double(bits >> 11) * 0x1p-53;
}

} // namespace gptc::runtime
