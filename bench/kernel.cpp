#include "kernel.h"
#include "multiply_adds.h"

#include "compiler/session.h"
#include "compiler/stages.h"
#include "ir/gpt/gpt.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/BitVector.h"

#include <cstring>

using namespace gptc;
using namespace gptc::bench;
using llvm::Error;
using llvm::Expected;

static std::string pathOf(const std::string &file) {
  return GPTC_SOURCE_DIR "/bench/kernels/" + file;
}

/// Leaves of main's results the gradients of `wanted` and the output `also`. The
/// loss was only there to hand in the gradient of what the kernel computes.
static void keepResults(mlir::func::FuncOp main, const KernelSource &source) {
  llvm::BitVector dropped(main.getNumResults());
  for (unsigned i = 0; i < main.getNumResults(); ++i) {
    auto gradient = main.getResultAttrOfType<mlir::FlatSymbolRefAttr>(i, "gpt.gradient");
    auto output = main.getResultAttrOfType<mlir::StringAttr>(i, "gpt.output");
    bool kept = gradient ? llvm::is_contained(source.gradients, gradient.getValue())
                         : output && !source.also.empty() && output.getValue() == source.also;
    dropped[i] = !kept;
  }
  main.front().getTerminator()->eraseOperands(dropped);
  (void)main.eraseResults(dropped);
}

/// Makes parameters that stand for a batch's values inputs of the program.
static void makeInputs(mlir::ModuleOp module, mlir::func::FuncOp main,
                       const std::vector<std::string> &names) {
  mlir::OpBuilder b(module.getContext());
  for (const std::string &name : names) {
    auto variable = module.lookupSymbol<gpt::VariableOp>(name);
    if (!variable)
      continue; // the program has no use for it
    mlir::NamedAttribute attribute = b.getNamedAttr("gpt.input", b.getStringAttr(name));
    unsigned index = main.getNumArguments();
    (void)main.insertArgument(index, variable.getTensorType(), b.getDictionaryAttr(attribute), main.getLoc());
    main.walk([&](gpt::GetOp get) {
      if (get.getVariable() != name)
        return;
      get.replaceAllUsesWith(main.getArgument(index));
      get.erase();
    });
    variable.erase();
  }
}

/// Turns these inputs, which contractions alone read, into bf16.
static void roundInputs(mlir::func::FuncOp main, const std::vector<std::string> &names) {
  for (mlir::BlockArgument argument : main.getArguments()) {
    auto name = main.getArgAttrOfType<mlir::StringAttr>(argument.getArgNumber(), "gpt.input");
    if (!name || !llvm::is_contained(names, name.getValue()))
      continue;
    mlir::OpBuilder b(main.getContext());
    auto type = mlir::cast<mlir::RankedTensorType>(argument.getType());
    argument.setType(type.clone(b.getBF16Type()));
    for (mlir::OpOperand &use : argument.getUses()) {
      auto product = mlir::cast<gpt::GenericOp>(use.getOwner());
      mlir::BlockArgument element = product.getBlock()->getArgument(use.getOperandNumber());
      element.setType(b.getBF16Type());
      b.setInsertionPointToStart(product.getBlock());
      auto wide = mlir::arith::ExtFOp::create(b, product.getLoc(), type.getElementType(), element);
      element.replaceAllUsesExcept(wide, wide);
    }
  }
  main.setType(mlir::FunctionType::get(main.getContext(), main.front().getArgumentTypes(), main.getResultTypes()));
}

/// The runtime knows no elements of bf16: it is told of pairs, as integers.
static void describePairs(mlir::ModuleOp module) {
  mlir::Builder b(module.getContext());
  llvm::SmallVector<mlir::Attribute> inputs;
  for (auto entry : module->getAttrOfType<mlir::ArrayAttr>("rt.inputs").getAsRange<mlir::DictionaryAttr>()) {
    mlir::NamedAttrList described(entry);
    auto type = mlir::cast<mlir::RankedTensorType>(entry.getAs<mlir::TypeAttr>("type").getValue());
    if (type.getElementType().isBF16())
      described.set("type", mlir::TypeAttr::get(
                                mlir::RankedTensorType::get({type.getNumElements() / 2}, b.getI32Type())));
    inputs.push_back(described.getDictionary(module.getContext()));
  }
  module->setAttr("rt.inputs", b.getArrayAttr(inputs));
}

static void fill(char *data, const runtime::TensorInfo &info, uint64_t seed) {
  uint64_t state = seed * 2654435761u + 12345;
  auto next = [&] {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return float(int32_t(state >> 32)) * 0x1p-31f;
  };
  bool pairs = info.type == runtime::DType::I32;
  for (int64_t i = 0, n = info.elements() * (pairs ? 2 : 1); i < n; ++i) {
    float value = next();
    if (pairs) // bf16 is the upper half of f32, which comes last in memory
      std::memcpy(data + 2 * i, reinterpret_cast<const char *>(&value) + 2, 2);
    else
      std::memcpy(data + 4 * i, &value, 4);
  }
}

/// Whether code for that type is other than code for f32.
static bool knows(Session &session, const std::string &dtype) {
  auto options = [&](const std::string &type) {
    session.options.dtype = type;
    return session.pipeline(ProgramKind::Outputs, 1, false);
  };
  PipelineOptions plain = options("f32"), asked = options(dtype);
  return dtype == "f32" || !(plain == asked);
}

/// Of the program that `module` becomes, from behind the stage `after` on.
static Expected<double> countTiles(mlir::ModuleOp module, const PipelineOptions &pipeline, const Stage *after) {
  mlir::OwningOpRef<mlir::ModuleOp> lowered = module.clone();
  RunOptions run;
  run.pipeline = pipeline;
  run.after = after;
  run.until = findStage("loops");
  if (mlir::failed(runStages(*lowered, run)))
    return runtime::failure("the kernel was not lowered");
  if (std::optional<double> count = multiplyAdds(*lowered))
    return *count;
  return runtime::failure("how many tiles the kernel visits is not known before it runs");
}

/// Also counts its tiles in `counted`, if that is asked for.
static Expected<runtime::Program> compileKernel(const KernelSource &source, double &counted) {
  CommonOptions options;
  options.dtype = source.dtype;
  Session session(options);
  for (const auto &[name, value] : source.settings)
    session.overrides[name] = std::to_string(value);
  Error failed = runtime::failure("{} was not compiled", source.file);
  if (!session.open(pathOf(source.file)) || !session.analyse())
    return failed;
  if (!knows(session, source.dtype)) {
    llvm::consumeError(std::move(failed));
    return runtime::failure("kernels are not compiled in {}", source.dtype);
  }
  bool backward = !source.gradients.empty();
  ProgramKind kind = backward ? ProgramKind::Train : ProgramKind::Outputs;
  mlir::OwningOpRef<mlir::ModuleOp> module =
      session.emit(kind, source.also.empty() ? std::vector<std::string>() : std::vector{source.also});
  if (!module)
    return failed;
  RunOptions run;
  run.pipeline = session.pipeline(kind, /*batch=*/1, /*dynamicBatch=*/false);
  run.until = findStage(backward ? "grad" : "batch");
  if (mlir::failed(runStages(*module, run)))
    return failed;
  auto main = module->lookupSymbol<mlir::func::FuncOp>("main");
  if (backward)
    keepResults(main, source);
  makeInputs(*module, main, source.data);
  mlir::PassManager clean(module->getContext());
  clean.addPass(mlir::createCanonicalizerPass());
  clean.addPass(mlir::createCSEPass());
  if (mlir::failed(clean.run(*module)))
    return failed;
  if (run.pipeline.bf16Dot)
    roundInputs(main, source.rounded);
  run.after = findStage(backward ? "optimizer" : "batch");
  run.until = findStage("place");
  if (mlir::failed(runStages(*module, run)))
    return failed;
  describePairs(*module);
  llvm::consumeError(std::move(failed));
  if (source.countTiles) {
    Expected<double> count = countTiles(*module, run.pipeline, run.until);
    if (!count)
      return count.takeError();
    counted = *count;
  }
  return session.compile(run.pipeline, *module, run.until);
}

Expected<std::unique_ptr<Kernel>> Kernel::create(const KernelSource &source) {
  auto kernel = std::make_unique<Kernel>();
  auto program = compileKernel(source, kernel->counted);
  if (!program)
    return program.takeError();
  kernel->program = std::move(*program);
  uint64_t seed = 1;
  if (Error error = kernel->store.add(kernel->program.variables))
    return error;
  for (const runtime::VariableInfo &info : kernel->program.variables) {
    kernel->variables.push_back(kernel->store.find(info.name)->memory.data());
    fill(kernel->variables.back(), info, seed++);
  }
  for (const runtime::TensorInfo &info : kernel->program.inputs) {
    auto buffer = runtime::Buffer::allocate(info.elements() * int64_t(runtime::sizeOf(info.type)));
    if (!buffer)
      return buffer.takeError();
    fill(buffer->data(), info, seed++);
    kernel->inputs.push_back(buffer->data());
    kernel->memory.push_back(std::move(*buffer));
  }
  if (Error error = kernel->arena.reserve(kernel->program.arenaBytes))
    return error;
  return kernel;
}

void Kernel::run(runtime::Pool &pool) {
  llvm::cantFail(pool.reserveScratch(program.scratchBytes));
  gptc_context context = {arena.data(), variables.data(), inputs.data(), nullptr, &pool};
  program.entry(&context);
}

Error gptc::bench::compileTraining(const std::string &model, int64_t vocabulary, const std::string &dtype,
                                   unsigned threads) {
  CommonOptions options;
  options.dtype = dtype;
  options.threads = threads;
  Session session(options);
  if (vocabulary)
    session.facts.sizes["vocabulary"] = vocabulary;
  if (!session.open(GPTC_SOURCE_DIR "/" + model) || !session.analyse())
    return runtime::failure("{} was not compiled", model);
  for (ProgramKind kind : {ProgramKind::Init, ProgramKind::Train}) {
    auto program = session.compile(session.pipeline(kind, session.trainingBatch(), !session.wholeBatches()));
    if (!program)
      return program.takeError();
  }
  return Error::success();
}
