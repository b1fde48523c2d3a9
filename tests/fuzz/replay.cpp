// gptc-corpus TARGET FILE...: runs a target on saved inputs; a crash names the file that it was at.
#include "fuzz/targets.h"

#include "llvm/Support/MemoryBuffer.h"

#include <cstdio>
#include <csignal>
#include <cstring>
#include <unistd.h>

static const char *volatile current = "";

static void onCrash(int number) {
  (void)!write(STDERR_FILENO, "crash at ", 9);
  (void)!write(STDERR_FILENO, current, std::strlen(current));
  (void)!write(STDERR_FILENO, "\n", 1);
  std::signal(number, SIG_DFL);
  raise(number);
}

int main(int argc, char **argv) {
  using gptc::fuzz::targets;
  for (const auto &target : targets) {
    if (argc < 3 || std::strcmp(argv[1], target.name) != 0)
      continue;
    for (int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT})
      std::signal(number, onCrash);
    std::vector<std::unique_ptr<llvm::MemoryBuffer>> files; // read first: a target may change the directory
    for (int i = 2; i < argc; ++i) {
      auto buffer = llvm::MemoryBuffer::getFile(argv[i], /*IsText=*/false, /*RequiresNullTerminator=*/false);
      if (!buffer) {
        std::fprintf(stderr, "cannot read %s\n", argv[i]);
        return 1;
      }
      files.push_back(std::move(*buffer));
    }
    for (const auto &file : files) {
      current = file->getBufferIdentifier().data();
      target.run(file->getBuffer());
    }
    std::printf("%s: %zu inputs\n", target.name, files.size());
    return 0;
  }
  std::fprintf(stderr, "usage: gptc-corpus TARGET FILE...\n");
  return 2;
}
