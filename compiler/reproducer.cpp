#include "compiler/reproducer.h"
#include "compiler/print.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"

#include <atomic>
#include <csignal>
#include <iterator>
#include <unistd.h>

using namespace gptc;

namespace {
/// What a signal handler needs to know of the pass that runs.
struct Running {
  mlir::ModuleOp before;
  const std::string &pipeline;
};
std::atomic<Running *> running;
} // namespace

static void writeReproducer(const Running &failed) {
  std::string name = "gptc-failure-" + std::to_string(llvm::sys::Process::getProcessId()) + ".mlir";
  PrintOptions options;
  options.sourceLines = false;
  std::string text = printModule(failed.before, options), error;
  if (mlir::failed(writeText(name, text, error))) {
    llvm::SmallString<128> path;
    llvm::sys::path::system_temp_directory(/*erasedOnReboot=*/true, path);
    llvm::sys::path::append(path, name);
    name = path.str().str();
    if (mlir::failed(writeText(name, text, error))) {
      llvm::errs() << "  no reproducer: " << error << "\n";
      return;
    }
  }
  llvm::errs() << "  the IR before this pass is in " << name << "; to run it again:\n"
               << "    gptc-opt " << name << " --pass-pipeline='builtin.module(" << failed.pipeline << ")'\n";
}

static void onCrash(void *) {
  Running *failed = running.exchange(nullptr);
  if (!failed)
    return;
  llvm::errs() << "gptc: internal error: crash in " << failed->pipeline << "\n";
  writeReproducer(*failed);
  llvm::sys::PrintStackTrace(llvm::errs());
  _exit(1);
}

mlir::LogicalResult gptc::runWithReproducer(mlir::ModuleOp module, mlir::PassManager &manager,
                                            const std::string &pipeline) {
  static bool installed = [] {
    // LLVM takes signals that are no crash, too: who ignores Ctrl-C goes on doing so,
    // and a file that is too large is an error of write().
    constexpr int others[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXFSZ};
    struct sigaction before[std::size(others)];
    for (size_t i = 0; i < std::size(others); ++i)
      sigaction(others[i], nullptr, &before[i]);
    llvm::sys::AddSignalHandler(onCrash, nullptr);
    for (size_t i = 0; i < std::size(others); ++i)
      sigaction(others[i], &before[i], nullptr);
    return true;
  }();
  (void)installed;
  // Attributes are shared, so a copy costs little beside any pass.
  mlir::OwningOpRef<mlir::ModuleOp> before = module.clone();
  Running state{*before, pipeline};
  running = &state;
  mlir::LogicalResult result = mlir::failure();
  {
    mlir::ScopedDiagnosticHandler handler(module.getContext(), [&](mlir::Diagnostic &diagnostic) {
      if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error)
        return mlir::failure();
      llvm::errs() << "gptc: internal error in " << pipeline << ": " << diagnostic.str() << "\n";
      llvm::errs() << "  at " << diagnostic.getLocation() << "\n";
      for (mlir::Diagnostic &note : diagnostic.getNotes())
        llvm::errs() << "  note: " << note.str() << "\n    at " << note.getLocation() << "\n";
      return mlir::success();
    });
    result = manager.run(module);
  }
  running = nullptr;
  if (mlir::failed(result)) {
    llvm::errs() << "gptc: internal error: " << pipeline << " failed\n";
    writeReproducer(state);
  }
  return result;
}
