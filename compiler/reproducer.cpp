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

/// What a signal handler needs to know of the pass that runs.
static std::atomic<Reproducer *> current;

void Reproducer::begin(mlir::ModuleOp module) {
  before = module.clone();
  pipeline.clear();
}

void Reproducer::write() const {
  std::string name = "gptc-failure-" + std::to_string(llvm::sys::Process::getProcessId()) + ".mlir";
  PrintOptions options;
  options.sourceLines = false;
  std::string text = printModule(*before, options), error;
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
  bool one = pipeline == running;
  llvm::errs() << "  the IR before " << (one ? "this pass" : "these passes") << " is in " << name
               << "; to run " << (one ? "it" : "them") << " again:\n"
               << "    gptc-opt " << name << " --pass-pipeline='builtin.module(" << pipeline << ")'\n";
}

static void onCrash(void *) {
  Reproducer *failed = current.exchange(nullptr);
  if (!failed)
    return;
  llvm::errs() << "gptc: internal error: crash in " << failed->pass() << "\n";
  failed->write();
  llvm::sys::PrintStackTrace(llvm::errs());
  _exit(1);
}

mlir::LogicalResult Reproducer::run(mlir::ModuleOp module, mlir::PassManager &manager, const std::string &pass) {
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
  running = pass;
  pipeline += (pipeline.empty() ? "" : ",") + pass;
  current = this;
  mlir::LogicalResult result = mlir::failure();
  {
    mlir::ScopedDiagnosticHandler handler(module.getContext(), [&](mlir::Diagnostic &diagnostic) {
      if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error)
        return mlir::failure();
      llvm::errs() << "gptc: internal error in " << pass << ": " << diagnostic.str() << "\n";
      llvm::errs() << "  at " << diagnostic.getLocation() << "\n";
      for (mlir::Diagnostic &note : diagnostic.getNotes())
        llvm::errs() << "  note: " << note.str() << "\n    at " << note.getLocation() << "\n";
      return mlir::success();
    });
    result = manager.run(module);
  }
  current = nullptr;
  if (mlir::failed(result)) {
    llvm::errs() << "gptc: internal error: " << pass << " failed\n";
    write();
  }
  return result;
}
