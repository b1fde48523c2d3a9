#include "compiler/jit.h"
#include "compiler/print.h"
#include "compiler/split.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/Debugging/DebuggerSupport.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/OptBisect.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/SROA.h"
#include "llvm/Transforms/Scalar/SeparateConstOffsetFromGEP.h"

#include <atomic>
#include <chrono>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace gptc;

static llvm::Error failure(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

static Host detectHost() {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  Host host;
  host.triple = llvm::sys::getProcessTriple();
  host.cpu = llvm::sys::getHostCPUName().str();
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  llvm::SmallVector<std::string> present;
  for (const auto &feature : features)
    if (feature.second)
      present.push_back("+" + feature.first().str());
  llvm::sort(present);
  host.features = llvm::join(present, ",");
  host.vectorBits = features.lookup("avx512f") ? 512 : features.lookup("avx2") ? 256 : 128;
  host.fma = features.lookup("fma");
  host.bf16 = features.lookup("avx512bf16");
  return host;
}

static Host &currentHost() {
  static Host current = detectHost();
  return current;
}

const Host &gptc::host() { return currentHost(); }

std::string gptc::chooseCpu(llvm::StringRef name, bool runs) {
  Host chosen = detectHost();
  if (name == "native") {
    currentHost() = chosen;
    return "";
  }
  std::string error;
  llvm::Triple triple(chosen.triple);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return "no code generator for " + chosen.triple + ": " + error;
  // An unknown name is said on standard error otherwise.
  std::unique_ptr<llvm::MCSubtargetInfo> generic(target->createMCSubtargetInfo(triple, "", ""));
  if (!generic || !generic->isCPUStringValid(name))
    return "is no CPU that the code generator knows: try native, x86-64 (SSE2), x86-64-v3 (AVX2 and FMA) or "
           "x86-64-v4 (AVX-512)";
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget(target->createMCSubtargetInfo(triple, name, ""));
  auto has = [&](llvm::StringRef feature) { return subtarget->checkFeatures(("+" + feature).str()); };
  if (runs) {
    llvm::StringMap<bool> here = llvm::sys::getHostCPUFeatures();
    std::string missing;
    for (const auto &feature : here)
      if (!feature.second && has(feature.first()))
        missing += (missing.empty() ? "" : ", ") + feature.first().str();
    if (!missing.empty())
      return "needs what this machine's CPU (" + chosen.cpu + ") does not have: " + missing;
  }
  chosen.cpu = name.str();
  chosen.features.clear();
  chosen.vectorBits = has("avx512f") ? 512 : has("avx2") ? 256 : 128;
  chosen.fma = has("fma");
  chosen.bf16 = has("avx512bf16");
  currentHost() = chosen;
  return "";
}

namespace {
/// LLVM's early MachineLICM takes the constants of polynomials out of all loops. Where a tile's sums need every register
/// these are spilled then, at half the speed; there it does not run.
class KeepConstantsInTiles : public llvm::OptPassGate {
public:
  explicit KeepConstantsInTiles(const llvm::Module &module) {
    for (const llvm::Function &function : module)
      if (function.hasFnAttribute("gptc-tiles"))
        tiled.insert(("function (" + function.getName() + ")").str());
  }
  bool shouldRunPass(llvm::StringRef pass, llvm::StringRef ir) const override {
    return pass != "early-machinelicm" || !tiled.contains(ir);
  }
  bool isEnabled() const override { return !tiled.empty(); }

private:
  llvm::StringSet<> tiled; ///< as passes describe them
};
} // namespace

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>> makeMachine() {
  const Host &cpu = host();
  std::string error;
  llvm::Triple triple(cpu.triple);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return failure("no code generator for " + cpu.triple + ": " + error);
  llvm::TargetOptions options;
  std::unique_ptr<llvm::TargetMachine> machine(
      target->createTargetMachine(triple, cpu.cpu, cpu.features, options, llvm::Reloc::PIC_,
                                  llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default, /*JIT=*/true));
  if (!machine)
    return failure("no code generator for " + cpu.cpu);
  return machine;
}

/// Our loops are in shape already; this only removes what lowering one op at a
/// time leaves behind, and lets the elements of a tile share one address, which
/// is less for the code generator to look at. Anything more costs time and
/// brings no speed.
static void tidy(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  passes.addPass(llvm::SeparateConstOffsetFromGEPPass());
  passes.addPass(llvm::EarlyCSEPass(/*UseMemorySSA=*/false));
  for (llvm::Function &function : module)
    if (!function.isDeclaration())
      passes.run(function, functions);
}

static llvm::Expected<std::unique_ptr<llvm::Module>>
translate(mlir::ModuleOp module, llvm::LLVMContext &context, llvm::TargetMachine &machine) {
  std::unique_ptr<llvm::Module> result = mlir::translateModuleToLLVMIR(module, context, "gptc");
  if (!result)
    return failure("the LLVM dialect could not be translated to LLVM IR");
  result->setTargetTriple(machine.getTargetTriple());
  result->setDataLayout(machine.createDataLayout());
  tidy(*result, machine);
  return result;
}

static llvm::Error generate(llvm::Module &module, llvm::TargetMachine &machine, llvm::raw_pwrite_stream &out,
                            llvm::CodeGenFileType type) {
  llvm::LLVMContext &context = module.getContext();
  KeepConstantsInTiles gate(module);
  llvm::OptPassGate &usual = context.getOptPassGate();
  context.setOptPassGate(gate);
  auto restore = llvm::make_scope_exit([&] { context.setOptPassGate(usual); });
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, out, nullptr, type, /*DisableVerify=*/true))
    return failure("the code generator cannot write this kind of file");
  passes.run(module);
  return llvm::Error::success();
}

/// One part of the program, from the LLVM dialect to an object file. The part is freed on the way.
static llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> compilePart(mlir::OwningOpRef<mlir::ModuleOp> part) {
  auto machine = makeMachine();
  if (!machine)
    return machine.takeError();
  llvm::LLVMContext context;
  auto module = translate(*part, context, **machine);
  if (!module)
    return module.takeError();
  part = nullptr;
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream out(object);
  if (llvm::Error error = generate(**module, **machine, out, llvm::CodeGenFileType::ObjectFile))
    return error;
  return std::make_unique<llvm::SmallVectorMemoryBuffer>(std::move(object), "gptc", false);
}

namespace {
struct FunctionSize {
  std::string name;
  uint64_t bytes;
};
} // namespace

static void collectFunctions(const llvm::MemoryBuffer &object, std::vector<FunctionSize> &functions) {
  auto file = llvm::object::ObjectFile::createObjectFile(object.getMemBufferRef());
  if (!file)
    return llvm::consumeError(file.takeError());
  for (llvm::object::ELFSymbolRef symbol : (*file)->symbols()) { // every object of ours is ELF
    auto type = symbol.getType();
    auto name = symbol.getName();
    if (type && name && *type == llvm::object::SymbolRef::ST_Function && symbol.getSize())
      functions.push_back({name->str(), symbol.getSize()});
    llvm::consumeError(type.takeError());
    llvm::consumeError(name.takeError());
  }
}

/// Where `perf` looks for the names of generated functions.
static void writePerfMap(llvm::orc::LLJIT &engine, llvm::ArrayRef<FunctionSize> functions) {
  // The name is given and everybody may write there: what lies there already must be a file of our own.
  std::string path = llvm::formatv("/tmp/perf-{0}.map", llvm::sys::Process::getProcessId()).str();
  int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
  if (descriptor < 0)
    return;
  llvm::raw_fd_ostream out(descriptor, /*shouldClose=*/true);
  struct stat info;
  if (fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid() || info.st_nlink != 1)
    return;
  for (const FunctionSize &function : functions) {
    if (auto address = engine.lookup(function.name))
      out << llvm::format_hex_no_prefix(address->getValue(), 1) << " "
          << llvm::format_hex_no_prefix(function.bytes, 1) << " " << function.name << "\n";
    else
      llvm::consumeError(address.takeError());
  }
  out.flush();
  out.clear_error(); // a full disk
}

static llvm::Expected<Code> linkWith(std::shared_ptr<llvm::orc::LLJIT> engine,
                                     llvm::MutableArrayRef<std::unique_ptr<llvm::MemoryBuffer>> objects,
                                     bool lineTables, std::vector<runtime::KernelInfo> &kernels) {
  llvm::orc::JITDylib &library = engine->getMainJITDylib();
  if (lineTables)
    if (llvm::Error error = llvm::orc::enableDebuggerSupport(*engine))
      return error;
  if (llvm::Error error = library.define(llvm::orc::absoluteSymbols(
          {{engine->mangleAndIntern("gptc_launch"),
            {llvm::orc::ExecutorAddr::fromPtr(&gptc_launch), llvm::JITSymbolFlags::Exported}}})))
    return error;
  // libm and memcpy.
  auto process = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      engine->getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  library.addGenerator(std::move(*process));
  std::vector<FunctionSize> functions;
  for (std::unique_ptr<llvm::MemoryBuffer> &object : objects) {
    if (lineTables)
      collectFunctions(*object, functions);
    if (llvm::Error error = engine->addObjectFile(std::move(object)))
      return error;
  }
  auto entry = engine->lookup("main");
  if (!entry)
    return entry.takeError();
  if (lineTables)
    writePerfMap(*engine, functions);
  for (runtime::KernelInfo &kernel : kernels) {
    auto address = engine->lookup(kernel.name);
    if (!address)
      return address.takeError();
    kernel.function = address->toPtr<gptc_kernel>();
  }
  return Code{entry->toPtr<gptc_program>(), engine, std::move(kernels)};
}

static llvm::Expected<Code> link(llvm::MutableArrayRef<std::unique_ptr<llvm::MemoryBuffer>> objects, bool lineTables,
                                 std::vector<runtime::KernelInfo> &kernels) {
  size_t bytes = 0;
  for (const std::unique_ptr<llvm::MemoryBuffer> &object : objects)
    bytes += object->getBufferSize();
  std::string reason; // what the session says of it; the error itself only names the symbols that are missing then
  auto failed = [&](llvm::Error error) {
    std::string message = llvm::toString(std::move(error));
    return failure("cannot load " + llvm::Twine(bytes >> 10) + " KiB of compiled code: " +
                   (reason.empty() ? message : reason));
  };
  auto made = llvm::orc::LLJITBuilder().create();
  if (!made)
    return failed(made.takeError());
  std::shared_ptr<llvm::orc::LLJIT> engine = std::move(*made);
  engine->getExecutionSession().setErrorReporter([&](llvm::Error error) {
    std::string message = llvm::toString(std::move(error));
    if (reason.empty())
      reason = message;
  });
  auto code = linkWith(engine, objects, lineTables, kernels);
  if (!code)
    return failed(code.takeError());
  engine->getExecutionSession().setErrorReporter(llvm::consumeError);
  return code;
}

llvm::Expected<Code> gptc::jit(mlir::ModuleOp module, const JitOptions &options) {
  using Clock = std::chrono::steady_clock;
  auto seconds = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  auto start = Clock::now();
  host();
  std::vector<runtime::KernelInfo> kernels;
  if (options.profile)
    for (auto function : module.getOps<mlir::LLVM::LLVMFuncOp>())
      if (!function.isExternal() && function.getName() != "main")
        kernels.push_back({function.getName().str(), sourceLine(module, function.getLoc())});
  // A few parts a thread, so that one large kernel does not leave the others idle.
  llvm::SmallVector<mlir::OwningOpRef<mlir::ModuleOp>> parts = split(module, 4 * options.threads);
  llvm::SmallVector<std::unique_ptr<llvm::MemoryBuffer>> objects(parts.size());
  llvm::SmallVector<std::string> errors(parts.size());
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i; (i = next++) < parts.size();) {
      auto object = compilePart(std::move(parts[i]));
      if (object)
        objects[i] = std::move(*object);
      else
        errors[i] = llvm::toString(object.takeError());
    }
  };
  // Where a thread cannot be had the others do its part.
  std::vector<pthread_t> helpers;
  for (unsigned i = 1; i < options.threads; ++i) {
    auto start = [](void *argument) -> void * {
      (*static_cast<decltype(work) *>(argument))();
      return nullptr;
    };
    if (pthread_t helper; pthread_create(&helper, nullptr, start, &work) == 0)
      helpers.push_back(helper);
  }
  work();
  for (pthread_t helper : helpers)
    pthread_join(helper, nullptr);
  for (const std::string &error : errors)
    if (!error.empty())
      return failure(error);
  if (options.timing)
    options.timing->add("code generation, " + std::to_string(parts.size()) + " parts", seconds(start));
  start = Clock::now();
  auto code = link(objects, options.lineTables, kernels);
  if (options.timing)
    options.timing->add("linking", seconds(start));
  return code;
}

llvm::Expected<std::string> gptc::printCode(mlir::ModuleOp module, bool assembly) {
  auto machine = makeMachine();
  if (!machine)
    return machine.takeError();
  (*machine)->Options.MCOptions.AsmVerbose = true;
  llvm::LLVMContext context;
  auto translated = translate(module, context, **machine);
  if (!translated)
    return translated.takeError();
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream out(text);
  if (!assembly)
    (*translated)->print(out, nullptr);
  else if (llvm::Error error = generate(**translated, **machine, out, llvm::CodeGenFileType::AssemblyFile))
    return error;
  return text.str().str();
}
