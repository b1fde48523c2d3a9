#include "compiler/tools/out_of_memory.h"
#include "compiler/arguments.h"
#include "runtime/doing.h"

#include "llvm/Support/ErrorHandling.h"

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <unistd.h>

using namespace gptc;

/// One error on standard error, and the end. Nothing here asks for memory, and what other threads do is left alone.
[[noreturn]] __attribute__((format(printf, 1, 2))) static void giveUp(const char *format, ...) {
  static std::atomic_flag said = ATOMIC_FLAG_INIT;
  if (!said.test_and_set()) {
    char line[1024];
    const char *now = runtime::doing();
    int length = snprintf(line, sizeof line, "%s: %s%s", programName().c_str(), now ? now : "", now ? ": " : "");
    va_list arguments;
    va_start(arguments, format);
    size_t at = size_t(std::clamp(length, 0, int(sizeof line) - 2));
    length = vsnprintf(line + at, sizeof line - 1 - at, format, arguments);
    va_end(arguments);
    at = std::min(at + size_t(std::max(length, 0)), sizeof line - 2);
    line[at++] = '\n';
    (void)!write(STDERR_FILENO, line, at);
    _exit(Failure);
  }
  for (;;) // the thread that was first ends the process
    pause();
}

[[noreturn]] static void outOfMemory(size_t wanted) {
  if (wanted >> 20)
    giveUp("out of memory: %zu MiB more are needed at once", wanted >> 20);
  giveUp("out of memory: %zu bytes more are needed", wanted);
}

void gptc::catchExhaustion() {
  llvm::install_bad_alloc_error_handler(
      [](void *, const char *reason, bool) { giveUp("out of memory: %s", reason); }, nullptr);
  llvm::install_fatal_error_handler([](void *, const char *reason, bool) { giveUp("%s", reason); }, nullptr);
}

// The C library's own, behind the functions below. MLIR asks malloc and does not look whether there was memory.
extern "C" {
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);

void *malloc(size_t bytes) noexcept {
  void *memory = __libc_malloc(bytes);
  if (!memory)
    outOfMemory(bytes);
  return memory;
}
void *calloc(size_t count, size_t bytes) noexcept {
  void *memory = __libc_calloc(count, bytes);
  if (!memory)
    outOfMemory(count * bytes);
  return memory;
}
void *realloc(void *old, size_t bytes) noexcept {
  void *memory = __libc_realloc(old, bytes);
  if (!memory && bytes)
    outOfMemory(bytes);
  return memory;
}
}

static void *aligned(size_t bytes, std::align_val_t alignment) {
  void *memory = nullptr;
  if (posix_memalign(&memory, std::max(size_t(alignment), sizeof(void *)), std::max<size_t>(bytes, 1)) != 0)
    outOfMemory(bytes);
  return memory;
}

void *operator new(size_t bytes) { return malloc(std::max<size_t>(bytes, 1)); }
void *operator new[](size_t bytes) { return malloc(std::max<size_t>(bytes, 1)); }
void *operator new(size_t bytes, std::align_val_t alignment) { return aligned(bytes, alignment); }
void *operator new[](size_t bytes, std::align_val_t alignment) { return aligned(bytes, alignment); }
// Whoever asks in this way has something to say.
void *operator new(size_t bytes, const std::nothrow_t &) noexcept { return __libc_malloc(bytes); }
void *operator new[](size_t bytes, const std::nothrow_t &) noexcept { return __libc_malloc(bytes); }
void operator delete(void *memory) noexcept { free(memory); }
void operator delete[](void *memory) noexcept { free(memory); }
void operator delete(void *memory, size_t) noexcept { free(memory); }
void operator delete[](void *memory, size_t) noexcept { free(memory); }
void operator delete(void *memory, std::align_val_t) noexcept { free(memory); }
void operator delete[](void *memory, std::align_val_t) noexcept { free(memory); }
void operator delete(void *memory, size_t, std::align_val_t) noexcept { free(memory); }
void operator delete[](void *memory, size_t, std::align_val_t) noexcept { free(memory); }
