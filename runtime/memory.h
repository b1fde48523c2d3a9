// Zeroed, aligned memory straight from the system.
#pragma once

#include "runtime/error.h"

#include <cstdint>

namespace gptc::runtime {

/// Bytes of memory that this process may have: the machine's, swap included, less where its control group or its limit
/// of address space (ulimit -v) says so.
int64_t machineMemory();

/// Bytes that control groups (v1 or v2) grant, 0 where nothing limits them; as cgroupCores.
double cgroupBytes(llvm::StringRef membership, llvm::StringRef root);

/// Zeroed memory, 64-byte aligned, with at least 64 readable bytes behind its
/// end. Large buffers are aligned to huge pages and ask for them: first touch
/// of the parameters of a large model takes half the time.
class Buffer {
public:
  Buffer() = default;
  Buffer(Buffer &&other) noexcept { swap(other); }
  Buffer &operator=(Buffer &&other) noexcept {
    swap(other);
    return *this;
  }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;
  ~Buffer();

  static llvm::Expected<Buffer> allocate(int64_t bytes);

  char *data() const { return start; }
  int64_t size() const { return bytes; }

private:
  void swap(Buffer &other);

  char *start = nullptr;
  int64_t bytes = 0;
  void *mapping = nullptr;
  size_t mapped = 0;
};

/// The memory of activations. Programs that run one after the other share one;
/// what a program leaves there lasts until the next one runs.
class Arena {
public:
  /// Makes it at least this large. Growing throws the contents away.
  llvm::Error reserve(int64_t bytes);
  char *data() const { return buffer.data(); }
  int64_t size() const { return buffer.size(); }

private:
  Buffer buffer;
};

} // namespace gptc::runtime
