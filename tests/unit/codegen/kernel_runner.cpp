#include "unit/codegen/kernel_runner.h"

#include "ir/gpt/layout.h"
#include "ir/rt/rt.h"
#include "passes/passes.h"
#include "runtime/abi.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/bit.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <random>

using namespace mlir;

namespace gptc::testing {

using gpt::Tensor;

struct KernelRunner::State {
  MLIRContext context;
  OwningOpRef<ModuleOp> module;

  static DialectRegistry registry() {
    DialectRegistry registry;
    registry.insert<gpt::GptDialect, rt::RtDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect>();
    registerBuiltinDialectTranslation(registry);
    registerLLVMDialectTranslation(registry);
    return registry;
  }
  explicit State(StringRef text) : context(registry(), MLIRContext::Threading::DISABLED) {
    context.loadDialect<rt::RtDialect, arith::ArithDialect>(); // What this file builds itself.
    module = parseSourceString<ModuleOp>(text, &context);
  }
  func::FuncOp kernel() { return module->lookupSymbol<func::FuncOp>("k"); }
};

int64_t widestVector() {
  auto features = llvm::sys::getHostCPUFeatures();
  return features.lookup("avx512f") ? 512 : features.lookup("avx2") ? 256 : 128;
}

namespace {

constexpr size_t alignment = 64;
constexpr int noise = 0x7F; // as a float 3.4e38, as an i32 two billions

int64_t sizeOf(Type element) { return element.isInteger(1) ? 1 : element.getIntOrFloatBitWidth() / 8; }

int64_t piecesRun = 0;

/// Backwards, then the pieces of odd number: any order must do.
void launch(const gptc_context *context, gptc_kernel kernel, void *const *arguments, int64_t first,
            int64_t end, int64_t scratchBytes) {
  piecesRun = end;
  size_t size = (scratchBytes + 2 * alignment - 1) / alignment * alignment;
  auto *scratch = static_cast<char *>(std::aligned_alloc(alignment, size));
  std::memset(scratch, noise, size);
  for (int64_t start : {0, 1})
    for (int64_t piece = end - 1 - start; piece >= first; piece -= 2)
      kernel(context, arguments, scratch, piece);
  for (size_t i = scratchBytes; i < size; ++i)
    EXPECT_EQ(scratch[i], noise) << "scratch was written " << i - scratchBytes << " bytes past its end";
  std::free(scratch);
}

void store(char *place, Type element, double value) {
  if (element.isF32())
    *reinterpret_cast<float *>(place) = value;
  else if (element.isF64())
    *reinterpret_cast<double *>(place) = value;
  else if (element.isBF16())
    *reinterpret_cast<uint16_t *>(place) = llvm::bit_cast<uint32_t>(float(value)) >> 16; // values that it can hold
  else if (element.isInteger(1))
    *place = value != 0;
  else
    *reinterpret_cast<int32_t *>(place) = value;
}

double load(const char *place, Type element) {
  if (element.isF32())
    return *reinterpret_cast<const float *>(place);
  if (element.isF64())
    return *reinterpret_cast<const double *>(place);
  if (element.isBF16())
    return llvm::bit_cast<float>(uint32_t(*reinterpret_cast<const uint16_t *>(place)) << 16);
  if (element.isInteger(1))
    return *place;
  return *reinterpret_cast<const int32_t *>(place);
}

/// An arena with room for values, each with noise before and after.
struct Memory {
  std::vector<char> bytes;
  std::vector<std::pair<size_t, size_t>> used;
  char *base() {
    return reinterpret_cast<char *>((reinterpret_cast<uintptr_t>(bytes.data()) + alignment - 1) / alignment *
                                    alignment);
  }
  /// Makes room for `end` bytes. Before anything is stored.
  void extend(size_t end) { bytes.assign(std::max(bytes.size(), end + 2 * alignment), noise); }
  size_t end() const { return used.back().second + 2 * alignment; }
  size_t add(RankedTensorType type) {
    size_t start = used.empty() ? alignment : (used.back().second + 2 * alignment - 1) / alignment * alignment;
    used.push_back({start, start + type.getNumElements() * sizeOf(type.getElementType())});
    bytes.assign(used.back().second + 4 * alignment, noise);
    return start;
  }
  void expectNoiseElsewhere() {
    size_t position = 0;
    for (auto [start, end] : used) {
      for (; position < start; ++position)
        ASSERT_EQ(base()[position], noise) << "memory beside a value was written";
      position = end;
    }
    for (; position < used.back().second + 2 * alignment; ++position)
      ASSERT_EQ(base()[position], noise) << "memory behind the last value was written";
  }
};

SmallVector<int64_t> extentsOf(RankedTensorType type, const std::map<std::string, int64_t> &extents) {
  SmallVector<int64_t> result;
  for (gpt::DimAttr dim : gpt::dimsOf(type).getDims()) {
    auto known = dim.isDynamic() ? extents.find(dim.getExtent().str()) : extents.end();
    result.push_back(known == extents.end() ? dim.getSize() : known->second);
  }
  return result;
}

/// Where in memory the element lies that is at `position` in row-major order of bounds; -1 where it is
/// not within all extents.
int64_t placeOf(size_t position, RankedTensorType type, const std::map<std::string, int64_t> &extents,
                const gpt::Limits &limits) {
  ArrayRef<gpt::DimAttr> dims = gpt::dimsOf(type).getDims();
  SmallVector<int64_t> sizes = extentsOf(type, extents);
  SmallVector<gpt::Length> strides = gpt::stridesOf(dims, limits);
  int64_t place = 0;
  for (size_t i = dims.size(); i-- > 0; position /= dims[i].getSize()) {
    int64_t at = position % dims[i].getSize();
    if (at >= sizes[i])
      return -1;
    for (const gpt::Length::Term &term : strides[i].getTerms()) {
      int64_t stride = term.factor;
      for (const gpt::Length::Extent &extent : term.extents) {
        auto known = extents.find(extent.name.str());
        stride *= known == extents.end() ? extent.bound : known->second;
      }
      place += at * stride;
    }
  }
  return place;
}

/// @main of a module: one launch of the kernel on inputs and places in the arena.
void addMain(ModuleOp module, func::FuncOp kernel, ArrayRef<size_t> offsets) {
  auto b = ImplicitLocOpBuilder::atBlockEnd(module.getLoc(), module.getBody());
  auto main = func::FuncOp::create(b, "main", b.getFunctionType({}, {}));
  b.setInsertionPointToStart(main.addEntryBlock());
  auto flat = [&](Type type) {
    Type element = cast<RankedTensorType>(type).getElementType();
    int64_t elements = gpt::elementsOf(type, gpt::Limits::of(module));
    return MemRefType::get({elements}, element.isInteger(1) ? Type(b.getI8Type()) : element);
  };
  SmallVector<Value> arguments;
  for (auto [i, type] : llvm::enumerate(kernel.getArgumentTypes()))
    arguments.push_back(rt::InputOp::create(b, flat(type), i));
  for (auto [i, type] : llvm::enumerate(kernel.getResultTypes())) {
    Value offset = arith::ConstantIndexOp::create(b, offsets[i]);
    arguments.push_back(rt::ArenaOp::create(b, flat(type), offset));
  }
  rt::LaunchOp::create(b, FlatSymbolRefAttr::get(kernel.getSymNameAttr()), arguments);
  func::ReturnOp::create(b);
}

llvm::Error failure(const Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

LogicalResult lower(ModuleOp module, const RunOptions &options) {
  PassManager manager(module.getContext());
  LowerKernelsPassOptions kernels;
  int64_t vectorBits = std::min(options.vectorBits, widestVector());
  kernels.vectorBits = vectorBits;
  kernels.fma = options.fma;
  kernels.bf16 = options.bf16;
  kernels.bf16Dot = options.bf16 && vectorBits == 512 && llvm::sys::getHostCPUFeatures().lookup("avx512bf16");
  ExpandMathPassOptions math;
  math.fma = options.fma;
  math.avx512 = vectorBits >= 512;
  manager.addNestedPass<func::FuncOp>(createLowerKernelsPass(kernels));
  manager.addNestedPass<func::FuncOp>(createCanonicalizerPass());
  manager.addNestedPass<func::FuncOp>(createCSEPass());
  manager.addNestedPass<func::FuncOp>(createExpandRandomPass());
  manager.addNestedPass<func::FuncOp>(createExpandMathPass(math));
  manager.addNestedPass<func::FuncOp>(createCanonicalizerPass());
  manager.addNestedPass<func::FuncOp>(createCSEPass());
  manager.addPass(createRtToLLVMPass());
  return manager.run(module);
}

llvm::Expected<std::unique_ptr<llvm::orc::LLJIT>> makeJit(ModuleOp module) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto host = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!host)
    return host.takeError();
  auto made = llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(*host)).create();
  if (!made)
    return made.takeError();
  auto jit = std::move(*made);
  auto &library = jit->getMainJITDylib();
  if (auto error = library.define(llvm::orc::absoluteSymbols(
          {{jit->mangleAndIntern("gptc_launch"),
            {llvm::orc::ExecutorAddr::fromPtr(&launch), llvm::JITSymbolFlags::Exported}}})))
    return error;
  auto process =
      llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(jit->getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  library.addGenerator(std::move(*process));
  auto context = std::make_unique<llvm::LLVMContext>();
  auto code = translateModuleToLLVMIR(module, *context);
  if (!code)
    return failure("the module has no form in LLVM IR");
  code->setDataLayout(jit->getDataLayout());
  if (std::getenv("GPTC_DUMP_LLVM"))
    code->print(llvm::errs(), nullptr);
  if (auto error = jit->addIRModule(llvm::orc::ThreadSafeModule(std::move(code), std::move(context))))
    return error;
  return jit;
}

} // namespace

KernelRunner::KernelRunner(StringRef text) : state(std::make_unique<State>(text)) {
  EXPECT_TRUE(state->module) << "the test's module is wrong";
  EXPECT_TRUE(!state->module || state->kernel()) << "the test's module has no kernel @k";
}
KernelRunner::~KernelRunner() = default;

std::vector<Tensor> KernelRunner::randomInputs(uint32_t seed, int64_t lowest, int64_t highest, bool bf16) {
  std::mt19937 random(seed);
  std::vector<Tensor> inputs;
  for (Type type : state->kernel().getArgumentTypes()) {
    auto tensor = cast<RankedTensorType>(type);
    std::vector<double> data(tensor.getNumElements());
    for (double &value : data) {
      double uniform = random() / 4294967296.0;
      if (isa<FloatType>(tensor.getElementType()))
        value = bf16 ? std::round(4 * uniform * 32) / 32 - 2 : static_cast<float>(4 * uniform - 2);
      else if (tensor.getElementType().isInteger(1))
        value = uniform < 0.5;
      else
        value = lowest + std::floor(uniform * (highest - lowest + 1));
    }
    inputs.push_back(Tensor::of(tensor.getShape(), std::move(data)));
  }
  return inputs;
}

llvm::Expected<std::vector<Tensor>> KernelRunner::interpret(ArrayRef<Tensor> inputs, const RunOptions &options) {
  gpt::Interpreter interpreter;
  interpreter.extents = options.extents;
  return interpreter.run(state->kernel(), inputs);
}

llvm::Expected<std::vector<Tensor>> KernelRunner::run(ArrayRef<Tensor> inputs, const RunOptions &options) {
  func::FuncOp kernel = state->kernel();
  FunctionType type = kernel.getFunctionType();
  gpt::Limits limits = gpt::Limits::of(kernel);
  // Places of results, then data of inputs: none is written but the results.
  Memory results, arguments;
  SmallVector<size_t> offsets, places;
  for (Type result : type.getResults())
    offsets.push_back(results.add(cast<RankedTensorType>(result)));
  for (Type input : type.getInputs())
    places.push_back(arguments.add(cast<RankedTensorType>(input)));
  std::vector<int64_t> extents;
  auto names = (*state->module)->getAttrOfType<ArrayAttr>("gpt.extents");
  auto bounds = (*state->module)->getAttrOfType<ArrayAttr>("gpt.bounds");
  for (size_t i = 0; names && i < names.size(); ++i) {
    auto known = options.extents.find(cast<StringAttr>(names[i]).str());
    extents.push_back(known != options.extents.end() ? known->second : cast<IntegerAttr>(bounds[i]).getInt());
  }

  OwningOpRef<ModuleOp> module = state->module->clone();
  addMain(*module, module->lookupSymbol<func::FuncOp>("k"), offsets);
  auto arenaBytes = [&](int64_t bytes) { return IntegerAttr::get(IntegerType::get(&state->context, 64), bytes); };
  (*module)->setAttr("rt.arena_bytes", arenaBytes(results.end()));
  if (failed(lower(*module, options)))
    return failure("the kernel was not lowered");
  if (std::getenv("GPTC_DUMP_MLIR"))
    module->print(llvm::errs());
  auto jit = makeJit(*module);
  if (!jit)
    return jit.takeError();
  auto entry = (*jit)->lookup("main");
  if (!entry)
    return entry.takeError();
  // Behind the results and the noise: what pieces share.
  results.extend((*module)->getAttrOfType<IntegerAttr>("rt.arena_bytes").getInt());
  std::vector<const char *> pointers;
  for (auto [number, input, place, tensor] : llvm::enumerate(type.getInputs(), places, inputs)) {
    auto ranked = cast<RankedTensorType>(input);
    char *begin = int(number) == options.inPlace ? results.base() + offsets.front() : arguments.base() + place;
    pointers.push_back(begin);
    // What lies beyond the extents stays noise: reading it would show.
    for (size_t i = 0; i < tensor.data.size(); ++i)
      if (int64_t at = placeOf(i, ranked, options.extents, limits); at >= 0)
        store(begin + at * sizeOf(ranked.getElementType()), ranked.getElementType(), tensor.data[i]);
  }
  gptc_context context = {results.base(), nullptr, pointers.data(), extents.data(), nullptr};
  entry->toPtr<gptc_program>()(&context);
  lastPieces = piecesRun;
  results.expectNoiseElsewhere();
  arguments.expectNoiseElsewhere();

  std::vector<Tensor> outputs;
  for (auto [result, offset] : llvm::zip(type.getResults(), offsets)) {
    auto tensor = cast<RankedTensorType>(result);
    Tensor output = Tensor::zeros(tensor.getShape());
    output.extents = extentsOf(tensor, options.extents);
    for (size_t i = 0; i < output.data.size(); ++i)
      if (int64_t at = placeOf(i, tensor, options.extents, limits); at >= 0)
        output.data[i] = load(results.base() + offset + at * sizeOf(tensor.getElementType()), tensor.getElementType());
    outputs.push_back(std::move(output));
  }
  using Clock = std::chrono::steady_clock;
  for (int i = 0; i < repeats; ++i) {
    auto start = Clock::now();
    entry->toPtr<gptc_program>()(&context);
    double elapsed = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    nanoseconds = i == 0 ? elapsed : std::min(nanoseconds, elapsed);
  }
  return outputs;
}

void expectSame(StringRef text, double tolerance, const RunOptions &options, int64_t lowest, int64_t highest) {
  KernelRunner runner(text);
  ASSERT_FALSE(::testing::Test::HasFailure());
  std::vector<Tensor> inputs = runner.randomInputs(7, lowest, highest, options.bf16);
  auto expected = runner.interpret(inputs, options);
  ASSERT_TRUE(bool(expected)) << llvm::toString(expected.takeError());
  for (int64_t bits : {512, 256, 128}) {
    RunOptions run = options;
    run.vectorBits = bits;
    auto actual = runner.run(inputs, run);
    ASSERT_TRUE(bool(actual)) << llvm::toString(actual.takeError());
    ASSERT_EQ(actual->size(), expected->size());
    for (size_t r = 0; r < actual->size(); ++r)
      for (size_t i = 0; i < (*actual)[r].data.size(); ++i) {
        double want = (*expected)[r].data[i], got = (*actual)[r].data[i];
        if (want == got || (std::isnan(want) && std::isnan(got)))
          continue;
        ASSERT_LE(std::abs(want - got), tolerance * (1 + std::abs(want)))
            << "element " << i << " of result " << r << " with vectors of " << bits << " bits: " << got
            << " instead of " << want;
      }
  }
}

} // namespace gptc::testing
