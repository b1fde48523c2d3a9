// Neighbouring tokens that become one.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/DenseMap.h"

#include <cstdint>
#include <vector>

namespace gptc::runtime {

/// Left and right become one: tokens' ids.
struct Merge {
  int32_t left, right, merged;
};

/// Merges by rank: of all that are possible in a word the one of lowest rank is done, of equal ones the
/// leftmost, until none is left.
class Merger {
public:
  explicit Merger(llvm::ArrayRef<Merge> merges);
  /// Merges a word's tokens in place. A word of n tokens takes a time of n log n.
  void run(std::vector<int32_t> &word) const;

private:
  struct Found {
    int32_t rank, merged;
  };
  static uint64_t key(int32_t left, int32_t right) {
    return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
  }
  /// Rank and result; the rank INT32_MAX where the two do not merge.
  Found find(int32_t left, int32_t right) const;
  void runShort(std::vector<int32_t> &word) const;
  void runLong(std::vector<int32_t> &word) const;

  llvm::DenseMap<uint64_t, Found> ranks;
};

} // namespace gptc::runtime
