#include "compiler/stages.h"
#include "compiler/print.h"
#include "compiler/reproducer.h"

#include "ir/gpt/gpt.h"
#include "ir/gpt/most.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <chrono>

using namespace gptc;

using Passes = std::vector<std::string>;

// Cleaning up is part of the stage that leaves something to clean.
static const std::string clean = "canonicalize", merge = "cse";

static Passes none(const PipelineOptions &) {
  return {};
}

static const Stage table[] = {
    {"ast", "the syntax tree in canonical form; itself a model file", Stage::Text, none},
    {"typed", "every value with its dimensions, every instance of a block", Stage::Text, none},
    {"gpt", "the model for one example, as emitted", Stage::Module, none},
    {"batch", "the model for a batch of examples", Stage::Module,
     [](const PipelineOptions &options) -> Passes {
       std::string tokens = options.batchTokens ? " tokens=" + std::to_string(options.batchTokens) : "";
       return {llvm::formatv("gpt-batch{{bound={0} dynamic={1}{2}}", options.batch,
                             options.dynamicBatch ? "true" : "false", tokens)
                   .str(),
               clean, merge};
     }},
    // Behind the batch, whose extent both parts have; what they share is merged before.
    {"part", "what is computed once, or again for each step of a growing sequence", Stage::Module,
     [](const PipelineOptions &options) -> Passes {
       const char *part = options.program == ProgramKind::Prepare ? "prepare" : "step";
       return {llvm::formatv("gpt-split-program{{part={0} growing={1}}", part, options.growing).str(), clean, merge};
     },
     Stage::Parts},
    {"decode", "what new positions add, from what earlier ones have left in caches", Stage::Module,
     [](const PipelineOptions &options) -> Passes {
       return {llvm::formatv("gpt-derive-decode{{growing={0} rows={1} results={2} ring={3}}", options.growing,
                             options.newPositions, options.allPositions ? "all" : "last",
                             options.ring ? "true" : "false")
                   .str(),
               clean, merge};
     },
     Stage::Extending},
    // Before any fusion: derivatives are taken of the model as it was written.
    {"grad", "loss and all gradients in one function", Stage::Module,
     [](const PipelineOptions &) -> Passes {
       return {"gpt-autodiff", clean, merge};
     },
     Stage::Training},
    {"optimizer", "clipping and the update of parameters in the same step", Stage::Module,
     [](const PipelineOptions &options) -> Passes {
       return {options.gradientNorms ? "gpt-optimizer{gradient-norms=true}" : "gpt-optimizer", clean, merge};
     },
     Stage::Training},
    // While each step from logits to their gradients is an op of its own.
    {"tokens", "logits over a vocabulary in blocks of tokens", Stage::Module,
     [](const PipelineOptions &) -> Passes { return {"gpt-block-tokens"}; }},
    // Before inlining, which then sees the pieces as producers like any other.
    {"split", "long reductions to few results cut into fixed pieces", Stage::Module,
     [](const PipelineOptions &) -> Passes { return {"gpt-split-reductions"}; }},
    {"inline", "elementwise work inside the bodies of its users", Stage::Module,
     [](const PipelineOptions &) -> Passes {
       return {"gpt-inline-maps", clean, merge};
     }},
    {"kernels", "ops grouped into kernels, each one loop nest", Stage::Module,
     [](const PipelineOptions &options) -> Passes {
       Passes passes = {"gpt-form-kernels"};
       if (options.bf16 && options.bf16Dot)
         passes.push_back("gpt-store-rounded");
       return passes;
     }},
    {"outline", "kernels as functions, equal ones once", Stage::Module,
     [](const PipelineOptions &options) -> Passes {
       if (options.keep < 0)
         return {"gpt-outline-kernels"};
       return {"gpt-outline-kernels", llvm::formatv("gpt-fit-memory{{keep={0}}", options.keep).str()};
     }},
    {"place", "every value at its place in memory; the program as a list of launches", Stage::Module,
     [](const PipelineOptions &) -> Passes { return {"gpt-store-past", "gpt-place"}; }},
    {"loops", "kernels as loops on vectors", Stage::Module,
     [](const PipelineOptions &options) -> Passes {
       return {llvm::formatv("func.func(gpt-lower-kernels{{vector-bits={0} fma={1} bf16={2} bf16-dot={3}{4}})",
                             options.vectorBits, options.fma ? "true" : "false", options.bf16 ? "true" : "false",
                             options.bf16 && options.bf16Dot ? "true" : "false",
                             options.tile.empty() ? "" : " tile=\"" + options.tile + "\"")
                   .str(),
               // Folding comes behind the polynomials: the library's function of a constant has other bits.
               "func.func(cse)"};
     }},
    {"random", "random numbers as integer arithmetic", Stage::Module,
     [](const PipelineOptions &) -> Passes { return {"func.func(rt-expand-random)"}; }},
    {"math", "exp, log, tanh, erf, sin and cos as polynomials", Stage::Module,
     [](const PipelineOptions &options) -> Passes {
       return {llvm::formatv("func.func(gpt-expand-math{{fma={0} avx512={1}})", options.fma ? "true" : "false",
                             options.vectorBits >= 512 ? "true" : "false")
                   .str(),
               "func.func(canonicalize,cse)",
               llvm::formatv("func.func(rt-hold-constants{{vector-bits={0}})", options.vectorBits).str()};
     }},
    {"llvm", "the LLVM dialect", Stage::Module,
     [](const PipelineOptions &options) -> Passes {
       Passes passes = {"rt-to-llvm"};
       if (options.lineTables)
         passes.push_back("ensure-debug-info-scope-on-llvm-func{emission-kind=LineTablesOnly}");
       return passes;
     }},
    {"llvm-ir", "LLVM IR, as the code generator gets it", Stage::Code, none},
    {"asm", "assembly for this machine's CPU", Stage::Code, none},
};

llvm::ArrayRef<Stage> gptc::stages() {
  return table;
}

const Stage *gptc::findStage(llvm::StringRef name) {
  for (const Stage &stage : table)
    if (name == stage.name)
      return &stage;
  return nullptr;
}

std::string gptc::stageNames() {
  std::vector<std::string> names;
  for (const Stage &stage : table)
    names.push_back(stage.name);
  return llvm::join(names, ", ");
}

std::vector<std::pair<std::string, std::string>> gptc::stageHelp() {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Stage &stage : table)
    rows.push_back({stage.name, std::string(stage.sentence) +
                                    (stage.programs == Stage::All        ? ""
                                     : stage.programs == Stage::Training ? " (training only)"
                                     : stage.programs == Stage::Parts    ? " (prepare, step and extend only)"
                                                                         : " (extend only)")});
  return rows;
}

std::string Timing::print() const {
  double total = 0;
  std::string text;
  for (const auto &[what, seconds] : entries) {
    total += seconds;
    text += llvm::formatv("{0,9:f1} ms  {1}\n", seconds * 1e3, what).str();
  }
  return text + llvm::formatv("{0,9:f1} ms  total\n", total * 1e3).str();
}

const Stage *gptc::stageOf(mlir::ModuleOp module) {
  auto name = module->getAttrOfType<mlir::StringAttr>("gpt.stage");
  return name ? findStage(name.getValue()) : nullptr;
}

void gptc::markStage(mlir::ModuleOp module, const Stage &stage, ProgramKind program) {
  mlir::Builder builder(module.getContext());
  module->setAttr("gpt.stage", builder.getStringAttr(stage.name));
  module->setAttr("gpt.program", builder.getStringAttr(nameOf(program)));
}

static mlir::LogicalResult runPass(mlir::ModuleOp module, const std::string &pass, bool verify,
                                   Reproducer &reproducer) {
  mlir::PassManager manager(module.getContext(), module.getOperationName());
  manager.enableVerifier(verify);
  std::string error;
  llvm::raw_string_ostream errors(error);
  if (mlir::failed(mlir::parsePassPipeline(pass, manager, errors))) {
    module.emitError() << "the pipeline `" << pass << "` cannot be built: " << error;
    return mlir::failure();
  }
  return reproducer.run(module, manager, pass);
}

/// The front end refuses values that are too large; what passes make of them (a stack of what copies compute, a batch of
/// all rows) is looked at here, before anything computes with its size.
static mlir::LogicalResult checkSizes(mlir::ModuleOp module) {
  auto elements = [](mlir::ArrayRef<int64_t> shape) {
    int64_t product = 1;
    for (int64_t size : shape)
      product = gpt::boundedProduct(product, size);
    return product;
  };
  auto tooLarge = [&](mlir::Type type, mlir::Location loc) {
    auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(type);
    if (!tensor || elements(tensor.getShape()) <= gpt::mostElements)
      return false;
    std::string line = sourceLine(module, loc), sizes;
    for (int64_t size : tensor.getShape())
      sizes += (sizes.empty() ? "" : " x ") + std::to_string(size);
    llvm::errs() << (line.empty() ? "gptc" : line) << "\n  error: with its batch and copies this has " << sizes
                 << " elements, more than the " << gpt::mostElements << " that a value may have\n";
    return true;
  };
  mlir::WalkResult walked = module.walk([&](mlir::Operation *op) {
    for (mlir::Value result : op->getResults())
      if (tooLarge(result.getType(), op->getLoc()))
        return mlir::WalkResult::interrupt();
    if (auto variable = llvm::dyn_cast<gpt::VariableOp>(op))
      if (tooLarge(variable.getTensorType(), op->getLoc()))
        return mlir::WalkResult::interrupt();
    for (mlir::Region &region : op->getRegions())
      for (mlir::Block &block : region)
        for (mlir::BlockArgument argument : block.getArguments())
          if (tooLarge(argument.getType(), argument.getLoc()))
            return mlir::WalkResult::interrupt();
    return mlir::WalkResult::advance();
  });
  return mlir::failure(walked.wasInterrupted());
}

mlir::LogicalResult gptc::runStages(mlir::ModuleOp module, const RunOptions &options) {
  using Clock = std::chrono::steady_clock;
  const Stage *first = options.after ? options.after : findStage("gpt");
  const Stage *last = options.until, *loops = findStage("loops");
  ProgramKind program = options.pipeline.program;
  DumpFiles files(options.dumpDirectory, nameOf(program));
  Reproducer reproducer;
  bool lowering = false;
  if (mlir::failed(checkSizes(module)))
    return mlir::failure();
  markStage(module, *first, program);
  files.after(first->name, "", module, /*changed=*/true);
  for (const Stage &stage : table) {
    if (&stage <= first || stage.kind != Stage::Module || (last && &stage > last) ||
        !stage.appliesTo(program))
      continue;
    for (const std::string &pass : stage.passes(options.pipeline)) {
      files.before(module);
      auto start = Clock::now();
      // Kernels are a hundred times larger as loops: to copy and verify them costs as much as to run a pass. So what
      // fails there is run again from the kernels, by gptc-opt, which verifies; else LLVM IR is verified at the end.
      bool small = &stage < loops;
      if (small || !lowering)
        reproducer.begin(module);
      lowering = !small;
      if (mlir::failed(runPass(module, pass, small, reproducer)) || (small && mlir::failed(checkSizes(module))))
        return mlir::failure();
      bool changed = files.changed(module);
      // The other passes of a stage clean up after its first.
      markStage(module, stage, program);
      if (options.timing)
        options.timing->add(llvm::formatv("{0,-8} {1,-10} {2}", nameOf(program), stage.name, pass),
                            std::chrono::duration<double>(Clock::now() - start).count());
      files.after(stage.name, pass, module, changed);
    }
    if (options.behind && mlir::failed(options.behind(stage)))
      return mlir::failure();
  }
  return mlir::success();
}
