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
  bool fma = false, bf16 = false; // bf16: multiplies pairs of it into f32 (VDPBF16PS)
};
/// The CPU we run on, or the one chosen.
const Host &host();
/// From here on code is generated for the CPU that LLVM knows by this name ("x86-64-v3", "znver4"; "native": the one
/// we run on). `runs`: and that this CPU can run. Before threads start. Returns what is wrong, or "".
std::string chooseCpu(llvm::StringRef name, bool runs);

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
