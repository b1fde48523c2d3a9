#include "runtime/memory.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <utility>

namespace gptc::runtime {

static constexpr int64_t hugePage = 2 << 20;
static constexpr int64_t hugeFrom = 2 * hugePage;
static constexpr int64_t guard = 64;
static constexpr int64_t largest = int64_t(1) << 46;

llvm::Expected<Buffer> Buffer::allocate(int64_t bytes) {
  if (bytes < 0 || bytes > largest)
    return failure("cannot allocate {} bytes of memory", bytes);
  bool huge = bytes >= hugeFrom;
  size_t wanted = size_t(bytes) + guard + (huge ? hugePage : 0);
  void *mapping = mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED)
    return failure("cannot have {}: {}", bytes >> 20 ? fmt::format("{} MiB of memory", bytes >> 20)
                                                     : fmt::format("{} bytes of memory", bytes),
                   std::strerror(errno));
  Buffer buffer;
  buffer.mapping = mapping;
  buffer.mapped = wanted;
  buffer.bytes = bytes;
  uintptr_t start = reinterpret_cast<uintptr_t>(mapping);
  if (huge) {
    start = (start + hugePage - 1) & ~uintptr_t(hugePage - 1);
    // Advice only: without huge pages everything works, slower.
    (void)madvise(reinterpret_cast<void *>(start), size_t(bytes), MADV_HUGEPAGE);
  }
  buffer.start = reinterpret_cast<char *>(start);
  return buffer;
}

Buffer::~Buffer() {
  if (mapping)
    munmap(mapping, mapped);
}

void Buffer::swap(Buffer &other) {
  std::swap(start, other.start);
  std::swap(bytes, other.bytes);
  std::swap(mapping, other.mapping);
  std::swap(mapped, other.mapped);
}

llvm::Error Arena::reserve(int64_t bytes) {
  if (buffer.data() && bytes <= buffer.size())
    return llvm::Error::success();
  buffer = Buffer(); // returned first, so that both never exist at once
  llvm::Expected<Buffer> grown = Buffer::allocate(bytes);
  if (!grown)
    return failure("no memory for the values of a step: {}", llvm::toString(grown.takeError()));
  buffer = std::move(*grown);
  return llvm::Error::success();
}

} // namespace gptc::runtime
