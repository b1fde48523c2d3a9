// Numbers drawn by counter: the same on every machine.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace gptc::differential {

inline uint64_t scramble(uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

/// A number for an operation on these operands: equal for equal ones.
inline uint64_t keyOf(int op, double a, double b = 0) {
  uint64_t first, second;
  std::memcpy(&first, &a, sizeof first);
  std::memcpy(&second, &b, sizeof second);
  return scramble(scramble(uint64_t(op) * 77 + 5) ^ first) ^ (second * 0x9E3779B97F4A7C15ull);
}

inline uint64_t hashOf(const std::string &text, uint64_t start = 0) {
  uint64_t hash = scramble(start);
  for (unsigned char c : text)
    hash = scramble(hash ^ c);
  return hash;
}

class Draw {
public:
  explicit Draw(uint64_t seed) : state(scramble(seed)) {}
  uint64_t bits() { return scramble(state++); }
  /// In [0, 1).
  double unit() { return double(bits() >> 11) / 9007199254740992.0; }
  /// In [0, n).
  int64_t below(int64_t n) { return n <= 1 ? 0 : int64_t(bits() % uint64_t(n)); }
  bool chance(double share) { return unit() < share; }
  template <typename T> const T &of(const std::vector<T> &list) {
    return list[size_t(below(int64_t(list.size())))];
  }

private:
  uint64_t state;
};

} // namespace gptc::differential
