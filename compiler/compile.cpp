#include "compiler/compile.h"
#include "compiler/jit.h"
#include "compiler/memory.h"
#include "compiler/print.h"
#include "runtime/memory.h"

#include "ir/gpt/layout.h"
#include "ir/gpt/most.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/Support/FormatVariadic.h"

using namespace gptc;

static llvm::Error failure(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

static llvm::Error fillTensor(runtime::TensorInfo &info, mlir::StringRef name, mlir::Type type,
                              const gpt::Limits &limits) {
  info.name = name.str();
  auto tensor = llvm::dyn_cast_or_null<mlir::RankedTensorType>(type);
  if (!tensor)
    return failure("`" + name + "` has no tensor type in the module's description of the program");
  mlir::Type element = tensor.getElementType();
  if (element.isF32())
    info.type = runtime::DType::F32;
  else if (element.isF64())
    info.type = runtime::DType::F64;
  else if (element.isInteger(32))
    info.type = runtime::DType::I32;
  else if (element.isInteger(1))
    info.type = runtime::DType::Bool;
  else
    return failure("`" + name + "` has elements that the runtime does not know");
  info.shape.assign(tensor.getShape().begin(), tensor.getShape().end());
  info.extents.assign(info.shape.size(), "");
  int64_t elements = 1;
  for (int64_t size : info.shape)
    elements = gpt::boundedProduct(elements, size);
  if (elements > gpt::mostElements)
    return failure("`" + name + "` has more elements than can be computed with");
  info.most = gpt::elementsOf(tensor, limits);
  if (gpt::DimsAttr dims = gpt::dimsOf(tensor))
    for (size_t i = 0; i < dims.size(); ++i) {
      info.dims.push_back(dims[i].getName().str());
      if (dims[i].isDynamic())
        info.extents[i] = dims[i].getExtent().str();
    }
  return llvm::Error::success();
}

static mlir::Type typeOf(mlir::DictionaryAttr entry) {
  auto type = entry.getAs<mlir::TypeAttr>("type");
  return type ? type.getValue() : mlir::Type();
}

/// Calls `each` for the dictionaries of an array attribute of the module.
static llvm::Error forEach(mlir::ModuleOp module, const char *attribute,
                           llvm::function_ref<llvm::Error(mlir::StringRef, mlir::DictionaryAttr)> each) {
  auto array = module->getAttrOfType<mlir::ArrayAttr>(attribute);
  if (!array)
    return failure(llvm::Twine("the module has no attribute ") + attribute);
  for (mlir::Attribute element : array) {
    auto entry = llvm::dyn_cast<mlir::DictionaryAttr>(element);
    auto name = entry ? entry.getAs<mlir::StringAttr>("name") : mlir::StringAttr();
    if (!name)
      return failure(llvm::Twine("the module's attribute ") + attribute + " has an element without a name");
    if (llvm::Error error = each(name.getValue(), entry))
      return error;
  }
  return llvm::Error::success();
}

llvm::Expected<std::vector<runtime::VariableInfo>> gptc::variablesOf(mlir::ModuleOp module) {
  std::vector<runtime::VariableInfo> variables;
  auto add = [&](mlir::StringRef name, mlir::Type type, bool parameter, int64_t copies, mlir::ArrayAttr path,
                 std::optional<int64_t> positions) -> llvm::Error {
    runtime::VariableInfo &info = variables.emplace_back();
    info.parameter = parameter;
    info.copies = copies;
    info.positions = positions.value_or(-1);
    if (path)
      for (mlir::StringAttr part : path.getAsRange<mlir::StringAttr>())
        info.path.push_back(part.str());
    return fillTensor(info, name, type, gpt::Limits::of(module));
  };
  for (auto variable : module.getOps<gpt::VariableOp>())
    if (llvm::Error error = add(variable.getSymName(), variable.getTensorType(), variable.getParameter(),
                                variable.getCopies(), variable.getPath(), variable.getPositions()))
      return error;
  // Lowering to the LLVM dialect replaces the ops by this attribute.
  if (variables.empty() && module->hasAttr("rt.variables"))
    if (llvm::Error error = forEach(module, "rt.variables",
                                    [&](mlir::StringRef name, mlir::DictionaryAttr entry) -> llvm::Error {
                                      auto copies = entry.getAs<mlir::IntegerAttr>("copies");
                                      auto flag = entry.getAs<mlir::BoolAttr>("parameter");
                                      auto positions = entry.getAs<mlir::IntegerAttr>("positions");
                                      bool parameter = flag ? flag.getValue() : entry.contains("parameter");
                                      return add(name, typeOf(entry), parameter, copies ? copies.getInt() : 0,
                                                 entry.getAs<mlir::ArrayAttr>("path"),
                                                 positions ? std::optional(positions.getInt()) : std::nullopt);
                                    }))
      return error;
  return variables;
}

llvm::Expected<runtime::Program> gptc::describe(mlir::ModuleOp module) {
  runtime::Program program;
  gpt::Limits limits = gpt::Limits::of(module);
  auto arena = module->getAttrOfType<mlir::IntegerAttr>("rt.arena_bytes");
  if (!arena)
    return failure("the module has no attribute rt.arena_bytes");
  program.arenaBytes = arena.getInt();
  if (auto scratch = module->getAttrOfType<mlir::IntegerAttr>("rt.scratch_bytes"))
    program.scratchBytes = scratch.getInt();
  if (auto kept = module->getAttrOfType<mlir::IntegerAttr>("rt.kept_bytes"))
    program.keptBytes = kept.getInt();
  auto variables = variablesOf(module);
  if (!variables)
    return variables.takeError();
  program.variables = std::move(*variables);
  if (llvm::Error error = forEach(module, "rt.inputs", [&](mlir::StringRef name, mlir::DictionaryAttr entry) {
        program.inputs.emplace_back();
        return fillTensor(program.inputs.back(), name, typeOf(entry), limits);
      }))
    return error;
  if (llvm::Error error =
          forEach(module, "rt.results", [&](mlir::StringRef name, mlir::DictionaryAttr entry) {
            program.results.emplace_back();
            if (auto offset = entry.getAs<mlir::IntegerAttr>("offset"))
              program.results.back().arenaOffset = offset.getInt();
            return fillTensor(program.results.back(), name, typeOf(entry), limits);
          }))
    return error;
  auto extents = module->getAttrOfType<mlir::ArrayAttr>("gpt.extents");
  auto bounds = module->getAttrOfType<mlir::ArrayAttr>("gpt.bounds");
  if (extents && bounds && extents.size() == bounds.size())
    for (auto [name, bound] : llvm::zip(extents, bounds))
      program.extents.push_back(
          {llvm::cast<mlir::StringAttr>(name).str(), llvm::cast<mlir::IntegerAttr>(bound).getInt()});
  if (auto tokens = module->getAttrOfType<mlir::IntegerAttr>("gpt.batch_tokens"))
    program.batchTokens = tokens.getInt();
  return program;
}

/// Memory that no machine has is better said before minutes of code generation.
static llvm::Error checkMemory(mlir::ModuleOp module, ProgramKind kind) {
  auto arena = module->getAttrOfType<mlir::IntegerAttr>("rt.arena_bytes");
  auto variables = variablesOf(module);
  if (!variables)
    return variables.takeError();
  double bytes = arena ? double(arena.getInt()) : 0;
  for (const runtime::VariableInfo &variable : *variables)
    bytes += double(variable.elements()) * double(runtime::sizeOf(variable.type));
  double has = double(runtime::machineMemory());
  if (bytes <= has)
    return llvm::Error::success();
  std::string largest;
  if (auto value = module->getAttrOfType<mlir::DictionaryAttr>("rt.largest")) {
    std::string name = value.getAs<mlir::StringAttr>("name").str();
    std::string line = sourceLine(module, value.getAs<mlir::LocationAttr>("at"));
    largest = llvm::formatv("; the largest value, {0}{1}, takes {2}", name.empty() ? "unnamed" : "'" + name + "'",
                            line.empty() ? "" : " (" + line + ")",
                            printSize(value.getAs<mlir::IntegerAttr>("bytes").getInt()));
  }
  return runtime::failure("the {} program needs {:.1f} GiB of memory, this process may have {:.1f}{}; smaller sizes in the "
                          "model (batch, context, width) need less",
                          nameOf(kind), bytes / (1 << 30), has / (1 << 30), largest);
}

llvm::Expected<runtime::Program> gptc::compile(mlir::ModuleOp module, const CompileOptions &options) {
  RunOptions run;
  run.pipeline = options.pipeline;
  run.after = options.after;
  run.dumpDirectory = options.dumpDirectory;
  run.timing = options.timing;
  llvm::Error memory = llvm::Error::success();
  run.behind = [&](const Stage &stage) {
    if (llvm::StringRef(stage.name) == "place")
      memory = checkMemory(module, options.pipeline.program);
    return mlir::failure(bool(memory));
  };
  bool failed = mlir::failed(runStages(module, run));
  if (memory)
    return memory;
  if (failed)
    return failure("compiling the " + llvm::Twine(nameOf(options.pipeline.program)) + " program failed");
  llvm::Expected<runtime::Program> program = describe(module);
  if (!program)
    return program;
  if (!options.dumpDirectory.empty()) {
    DumpFiles files(options.dumpDirectory, nameOf(options.pipeline.program));
    for (const Stage &stage : stages()) {
      if (stage.kind != Stage::Code)
        continue;
      bool assembly = llvm::StringRef(stage.name) == "asm";
      llvm::Expected<std::string> text = printCode(module, assembly);
      if (!text)
        return text.takeError();
      files.code(stage.name, assembly ? "s" : "ll", *text);
    }
  }
  JitOptions code;
  code.threads = options.threads;
  code.lineTables = options.pipeline.lineTables;
  code.profile = options.profile;
  code.timing = options.timing;
  llvm::Expected<Code> compiled = jit(module, code);
  if (!compiled)
    return compiled.takeError();
  program->entry = compiled->entry;
  program->kernels = std::move(compiled->kernels);
  program->owner = compiled->owner;
  return program;
}
