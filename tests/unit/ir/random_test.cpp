#include "ir/gpt/random.h"

#include <gtest/gtest.h>
#include <set>
#include <vector>

using namespace gptc::gpt;

namespace {

/// Chi-square of `count` numbers over 256 equal bins; 255 expected, standard
/// deviation 22.6.
template <typename Draw> double chiSquare(uint32_t count, Draw draw) {
  std::vector<double> bins(256, 0);
  for (uint32_t i = 0; i < count; ++i)
    bins[static_cast<size_t>(draw(i) * 256)] += 1;
  double expected = count / 256.0, sum = 0;
  for (double bin : bins)
    sum += (bin - expected) * (bin - expected) / expected;
  return sum;
}

void expectUniform(double chiSquare) {
  EXPECT_GT(chiSquare, 255 - 5 * 22.6);
  EXPECT_LT(chiSquare, 255 + 5 * 22.6);
}

constexpr uint32_t count = 1 << 18;

TEST(Random, StaysBelowOne) {
  for (uint32_t i = 0; i < count; ++i) {
    float value = random::uniform(1, {i});
    ASSERT_GE(value, 0.0f);
    ASSERT_LT(value, 1.0f);
  }
}

TEST(Random, IsUniformInEachKey) {
  for (int place = 0; place < 4; ++place)
    expectUniform(chiSquare(count, [&](uint32_t i) {
      uint32_t keys[4] = {7, 7, 7, 7};
      keys[place] = i;
      return random::uniform(3, keys);
    }));
}

TEST(Random, IsUniformOverGridsAndSites) {
  expectUniform(chiSquare(count, [](uint32_t i) { return random::uniform(0, {i >> 9, i & 511}); }));
  expectUniform(chiSquare(count, [](uint32_t i) { return random::uniform(0, {i & 511, i >> 9}); }));
  expectUniform(chiSquare(count, [](uint32_t i) { return random::uniform(i, {0}); }));
  expectUniform(chiSquare(count, [](uint32_t i) { return random::uniform(0, {i << 14}); }));
}

TEST(Random, NeighboursAreIndependent) {
  // The high four bits of a number and of its neighbour in each of two keys.
  for (int place = 0; place < 2; ++place)
    expectUniform(chiSquare(count, [&](uint32_t i) {
      uint32_t here[2] = {i >> 9, i & 511}, there[2] = {here[0], here[1]};
      there[place] += 1;
      uint32_t pair = (random::bits(5, here) >> 28) << 4 | random::bits(5, there) >> 28;
      return pair / 256.0;
    }));
}

TEST(Random, LowBitsAreUniformToo) {
  expectUniform(chiSquare(count, [](uint32_t i) { return (random::bits(2, {i}) >> 8 & 255) / 256.0; }));
}

TEST(Random, OrderOfKeysMatters) {
  EXPECT_NE(random::bits(0, {1, 2}), random::bits(0, {2, 1}));
  EXPECT_NE(random::bits(0, {1, 0}), random::bits(0, {1}));
  EXPECT_NE(random::bits(0, {1}), random::bits(1, {0}));
}

TEST(Random, OneKeyGivesNoNumberTwice) {
  std::set<uint32_t> seen;
  for (uint32_t i = 0; i < 1 << 16; ++i)
    seen.insert(random::bits(0, {i}));
  // Joining a key is one to one in the key up to its spreading.
  EXPECT_EQ(seen.size(), size_t(1) << 16);
}

TEST(Random, IsPinned) {
  // Saved models rely on these values.
  EXPECT_EQ(random::bits(0, {}), 556574340u);
  EXPECT_EQ(random::bits(3, {1, 2, 3}), 2973547041u);
}

} // namespace
