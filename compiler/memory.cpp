#include "compiler/memory.h"
#include "compiler/compile.h"
#include "runtime/error.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace gptc;

static constexpr int64_t alignment = 64; // of what lies behind the arena's values

std::optional<int64_t> gptc::parseSize(llvm::StringRef text) {
  llvm::StringRef number = text.take_while([](char c) { return llvm::isDigit(c) || c == '.'; });
  std::string unit = text.drop_front(number.size()).trim().lower();
  static constexpr struct {
    const char *name;
    double bytes;
  } units[] = {{"", 1},       {"b", 1},          {"k", 1 << 10},   {"kib", 1 << 10}, {"m", 1 << 20},
               {"mib", 1 << 20}, {"g", 1 << 30}, {"gib", 1 << 30}, {"kb", 1e3},      {"mb", 1e6},
               {"gb", 1e9},      {"t", double(int64_t(1) << 40)},  {"tib", double(int64_t(1) << 40)}, {"tb", 1e12}};
  double value = 0;
  if (number.empty() || !llvm::to_float(number, value))
    return std::nullopt;
  for (const auto &known : units)
    if (unit == known.name) {
      double bytes = value * known.bytes;
      if (bytes < 1 || bytes > double(int64_t(1) << 60))
        return std::nullopt;
      return int64_t(bytes);
    }
  return std::nullopt;
}

std::string gptc::printSize(int64_t bytes, bool up) {
  int shift = bytes < 1 << 20 ? 10 : bytes < int64_t(10) << 30 ? 20 : 30;
  double tenths = double(bytes) * 10 / double(int64_t(1) << shift);
  return llvm::formatv("{0:f1} {1}", (up ? std::ceil(tenths) : tenths) / 10,
                       shift == 10 ? "KiB" : shift == 20 ? "MiB" : "GiB");
}

static int64_t number(mlir::Operation *op, const char *attribute) {
  auto value = op->getAttrOfType<mlir::IntegerAttr>(attribute);
  return value ? value.getInt() : 0;
}

llvm::Expected<StepMemory> gptc::memoryOf(mlir::ModuleOp module, unsigned threads) {
  llvm::Expected<runtime::Program> program = describe(module);
  if (!program)
    return program.takeError();
  StepMemory memory;
  for (const runtime::VariableInfo &variable : program->variables)
    (variable.parameter ? memory.parameters : memory.states) +=
        variable.elements() * int64_t(runtime::sizeOf(variable.type));
  for (const runtime::TensorInfo &input : program->inputs)
    memory.inputs += input.most * int64_t(runtime::sizeOf(input.type));
  int64_t panels = 0, scratch = 0;
  for (auto function : module.getOps<mlir::func::FuncOp>()) {
    panels = std::max(panels, number(function, "rt.workspace"));
    scratch = std::max(scratch, number(function, "rt.scratch"));
  }
  memory.arena = panels ? int64_t(llvm::alignTo(program->arenaBytes, alignment)) + panels : program->arenaBytes;
  memory.kept = number(module, "rt.kept_bytes");
  memory.scratch = scratch * threads;
  return memory;
}

static llvm::Error lower(mlir::ModuleOp module, RunOptions &run, const char *after, const char *until) {
  run.after = findStage(after);
  run.until = findStage(until);
  return mlir::succeeded(runStages(module, run)) ? llvm::Error::success()
                                                 : runtime::failure("compiling the train program failed");
}

llvm::Expected<StepMemory> gptc::fitMemory(mlir::ModuleOp module, int64_t budget, unsigned threads,
                                           PipelineOptions &pipeline) {
  RunOptions run;
  run.pipeline = pipeline;
  run.pipeline.keep = INT64_MAX; // says what is kept, and changes nothing
  mlir::OwningOpRef<mlir::ModuleOp> kernels = module.clone();
  const Stage *stage = stageOf(module);
  if (llvm::Error error = lower(*kernels, run, stage ? stage->name : "gpt", "kernels"))
    return error;
  // What kernels need beside their values is the same whatever is computed again: they are the same kernels.
  mlir::OwningOpRef<mlir::ModuleOp> trial = (*kernels).clone();
  if (llvm::Error error = lower(*trial, run, "kernels", "loops"))
    return error;
  llvm::Expected<StepMemory> memory = memoryOf(*trial, threads);
  if (!memory || memory->total() <= budget)
    return memory;
  int64_t all = number(*trial, "gpt.kept_bytes"), least = memory->total();
  int64_t beside = least - number(*trial, "rt.arena_bytes");
  // First by as much less as is missing, for memory hardly falls by more than is freed; then, where that leads nowhere,
  // in small steps: what is computed again needs room, too.
  for (bool jump : {true, false})
    for (int64_t kept = all, total = memory->total(); kept > 0;) {
      run.pipeline.keep = std::max<int64_t>(0, kept - (jump ? total - budget : 1 + kept / 64));
      trial = (*kernels).clone();
      if (llvm::Error error = lower(*trial, run, "kernels", "place"))
        return error;
      int64_t now = number(*trial, "gpt.kept_bytes");
      total = number(*trial, "rt.arena_bytes") + beside;
      if (total <= budget) {
        pipeline.keep = run.pipeline.keep;
        memory->arena += total - memory->total();
        memory->kept = number(*trial, "rt.kept_bytes");
        return memory;
      }
      least = std::min(least, total);
      if (now >= kept)
        break;
      kept = now;
    }
  // Another budget may be met on the way by less: what is kept instead is chosen anew for each.
  return runtime::failure("--memory allows {}, and the least that was found for a training step is {}; smaller sizes in "
                          "the model (batch, context, width, layers) need less",
                          printSize(budget), printSize(least, /*up=*/true));
}
