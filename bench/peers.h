// Matrix products of other libraries. Each is absent where it is not installed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gptc::bench {

/// C[m, n] = A[m, k] B[k, n], row-major. A transposed operand is stored as [k, m] or [n, k].
struct Product {
  int64_t m = 0, k = 0, n = 0;
  bool transposeA = false, transposeB = false;
  bool bf16 = false; // operands; C is f32
};

struct Peer {
  std::string name; // "OpenBLAS"
  std::string version;
  bool bf16 = false; // multiplies bf16, too
  /// A function that computes the product, once, on so many threads. Made-up
  /// operands are its own. Null where the library cannot.
  std::function<std::function<void()>(const Product &, int threads)> prepare;
};

/// Those that are installed.
const std::vector<Peer> &peers();

} // namespace gptc::bench
