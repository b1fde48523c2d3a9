// Machine code from the LLVM dialect, for the CPU that we run on.
#pragma once

#include "compiler/stages.h"
#include "runtime/program.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>

namespace gptc {

/// The CPU that generated code is for.
struct Host {
  std::string triple, cpu, features; // features: "+avx2,+fma,...", those present only
  int64_t vectorBits = 128;
  bool fma = false;
};
/// Asked of the CPU once.
const Host &host();

struct JitOptions {
  unsigned threads = 1;    // that generate code; changes no bit of it
  bool lineTables = false; // tell debuggers and profilers about the code
  bool profile = false;    // list the kernels and their lines in the model
  Timing *timing = nullptr;
};

/// Compiled code; lives as long as `owner` does.
struct Code {
  gptc_program entry = nullptr;
  std::shared_ptr<void> owner;
  std::vector<runtime::KernelInfo> kernels;
};

/// Compiles a module of the LLVM dialect, with `main` as entry.
llvm::Expected<Code> jit(mlir::ModuleOp module, const JitOptions &options);

/// The stages `llvm-ir` (assembly false) and `asm` as text, all in one module.
llvm::Expected<std::string> printCode(mlir::ModuleOp module, bool assembly);

} // namespace gptc
