// What this machine can do, to put other figures beside.
#pragma once

#include "runtime/pool.h"

#include <vector>

namespace gptc::bench {

/// Floating-point operations (a multiply-add counts two) of one run of a loop that does nothing else, on
/// every thread of the pool. `bf16`: pairs of bf16 added to f32, where the CPU has VDPBF16PS.
int64_t multiplyAdd(runtime::Pool &pool, bool bf16);
/// Whether the CPU multiplies bf16.
bool hasBf16();

/// Arrays in memory, far larger than the caches, that loops stream through.
class Streams {
public:
  enum Kind {
    Read,     // one array
    Copy,     // read one, write one
    CopyPast, // the same with stores that go past the caches
    Add,      // read two, write one
    AddPast,  // the same with stores that go past the caches
    Update,   // an optimizer's step: four reads, three writes of them
    Cached,   // read the first `cached` elements of one array again and again
  };
  static constexpr int64_t elements = int64_t(1) << 24; // floats of an array: 64 MiB
  static constexpr int64_t cached = int64_t(1) << 21;   // floats that the last cache holds, if others let it: 8 MiB

  Streams();
  /// Streams once through the arrays; returns the bytes read and written.
  int64_t run(runtime::Pool &pool, Kind kind);

private:
  std::vector<runtime::Buffer> arrays;
};

} // namespace gptc::bench
