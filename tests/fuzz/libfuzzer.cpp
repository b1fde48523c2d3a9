// The entry point of one fuzzer, GPTC_FUZZ_TARGET.
#include "fuzz/targets.h"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  gptc::fuzz::GPTC_FUZZ_TARGET(llvm::StringRef(reinterpret_cast<const char *>(data), size));
  return 0;
}
