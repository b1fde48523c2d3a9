// rt-to-llvm: everything to the LLVM dialect, with the C interface of runtime/abi.h.
#include "ir/gpt/gpt.h"
#include "ir/rt/rt.h"
#include "passes/codegen/llvm_functions.h"
#include "passes/passes.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace gptc {
#define GEN_PASS_DEF_RTTOLLVMPASS
#include "passes/Passes.h.inc"

namespace {

/// The fields of gptc_context, in the order of runtime/abi.h.
enum class Field : int64_t { Arena, Variables, Inputs, Extents, Pool };

constexpr int64_t alignment = 64;

class Lowering {
public:
  explicit Lowering(ModuleOp module)
      : module(module), context(module.getContext()), symbols(module), converter(context),
        pointer(LLVM::LLVMPointerType::get(context)), i64(IntegerType::get(context, 64)) {
    if (auto names = module->getAttrOfType<ArrayAttr>("gpt.extents"))
      extents = names;
    for (auto [position, variable] : llvm::enumerate(module.getOps<gpt::VariableOp>()))
      ordinals[variable.getSymNameAttr()] = position;
  }

  LogicalResult run() {
    describeVariables();
    SmallVector<func::FuncOp> functions(module.getOps<func::FuncOp>());
    for (func::FuncOp function : functions)
      if (auto pieces = function->getAttrOfType<AffineMapAttr>("rt.pieces")) {
        auto scratch = function->getAttrOfType<IntegerAttr>("rt.scratch");
        auto first = function->getAttrOfType<AffineMapAttr>("rt.first");
        kernels[function.getSymNameAttr()] = {pieces.getValue(), first ? first.getValue() : AffineMap(),
                                              scratch ? scratch.getInt() : 0};
      }
    int64_t scratch = 0;
    for (const auto &[name, kernel] : kernels)
      scratch = std::max(scratch, kernel.scratch);
    module->setAttr("rt.scratch_bytes", Builder(context).getI64IntegerAttr(scratch));
    placeWorkspace(functions);
    for (func::FuncOp function : functions) {
      if (function.isExternal())
        continue;
      LogicalResult done = success();
      if (kernels.contains(function.getSymNameAttr()))
        done = lowerKernel(function);
      else if (function.getName() == "main")
        done = lowerMain(function);
      else if (function.isPrivate() && SymbolTable::symbolKnownUseEmpty(function, module))
        symbols.erase(function);
      else
        return function.emitError() << "'" << function.getName() << "' is neither @main nor a lowered kernel";
      if (failed(done))
        return failure();
    }
    for (auto variable : llvm::make_early_inc_range(module.getOps<gpt::VariableOp>()))
      variable.erase();
    return success();
  }

private:
  struct Kernel {
    AffineMap pieces, first;
    int64_t scratch;
  };

  ModuleOp module;
  MLIRContext *context;
  SymbolTable symbols;
  LLVMTypeConverter converter;
  LLVM::LLVMPointerType pointer;
  Type i64;
  ArrayAttr extents;
  DenseMap<StringAttr, int64_t> ordinals;
  DenseMap<StringAttr, Kernel> kernels;
  DenseMap<Attribute, LLVM::GlobalOp> constants;
  LLVM::LLVMFuncOp launchFunction;
  int64_t workspaceAt = 0; // in the arena, behind all values

  /// One workspace serves all kernels: launches follow each other.
  void placeWorkspace(ArrayRef<func::FuncOp> functions) {
    int64_t most = 0;
    for (func::FuncOp function : functions)
      if (auto bytes = function->getAttrOfType<IntegerAttr>("rt.workspace"))
        most = std::max(most, bytes.getInt());
    if (most == 0)
      return;
    auto arena = module->getAttrOfType<IntegerAttr>("rt.arena_bytes");
    workspaceAt = arena ? llvm::alignTo(arena.getInt(), alignment) : 0;
    module->setAttr("rt.arena_bytes", Builder(context).getI64IntegerAttr(workspaceAt + most));
  }

  /// `rt.variables`: one dictionary a gpt.variable, in the order of `gptc_context.variables`.
  void describeVariables() {
    Builder b(context);
    SmallVector<Attribute> entries;
    for (auto variable : module.getOps<gpt::VariableOp>()) {
      SmallVector<NamedAttribute> entry = {
          b.getNamedAttr("name", variable.getSymNameAttr()),
          b.getNamedAttr("type", variable.getTypeAttr()),
          b.getNamedAttr("parameter", b.getBoolAttr(variable.getParameter())),
          b.getNamedAttr("copies", b.getI64IntegerAttr(variable.getCopies())),
          b.getNamedAttr("path", variable.getPath()),
      };
      if (variable.getPositionsAttr())
        entry.push_back(b.getNamedAttr("positions", variable.getPositionsAttr()));
      entries.push_back(b.getDictionaryAttr(entry));
    }
    module->setAttr("rt.variables", b.getArrayAttr(entries));
  }

  //===-- Functions ------------------------------------------------------------===//

  /// An llvm.func with the body of `function`, whose entry block still has its own arguments.
  LLVM::LLVMFuncOp takeBody(func::FuncOp function, ArrayRef<Type> arguments) {
    OpBuilder b(function);
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), arguments);
    std::string name = function.getName().str();
    bool hasTiles = function->hasAttr("rt.tiles");
    symbols.remove(function);
    auto result = LLVM::LLVMFuncOp::create(b, function.getLoc(), name, type);
    if (hasTiles) // for the code generator: registers are few
      result.setPassthroughAttr(b.getArrayAttr({b.getStringAttr("gptc-tiles")}));
    result.getBody().takeBody(function.getBody());
    function.erase();
    symbols.insert(result);
    result.walk([&](func::ReturnOp op) {
      OpBuilder at(op);
      LLVM::ReturnOp::create(at, op.getLoc(), ValueRange());
      op.erase();
    });
    return result;
  }

  Value cast(ImplicitLocOpBuilder &b, Type type, Value value) {
    return UnrealizedConversionCastOp::create(b, type, value).getResult(0);
  }

  Value constantI64(ImplicitLocOpBuilder &b, int64_t value) {
    return LLVM::ConstantOp::create(b, i64, b.getI64IntegerAttr(value));
  }

  /// Loads element `position` of an array of `type`; it does not change while the program runs.
  Value loadElement(ImplicitLocOpBuilder &b, Type type, Value array, int64_t position) {
    Value place = LLVM::GEPOp::create(b, pointer, type, array, ArrayRef<LLVM::GEPArg>{int32_t(position)});
    auto load = LLVM::LoadOp::create(b, type, place);
    load.setInvariant(true);
    return load;
  }

  Value loadField(ImplicitLocOpBuilder &b, Value ctx, Field field) {
    return loadElement(b, pointer, ctx, static_cast<int64_t>(field));
  }

  Value loadExtent(ImplicitLocOpBuilder &b, Value ctx, int64_t position) {
    return loadElement(b, i64, loadField(b, ctx, Field::Extents), position);
  }

  /// A view of memory at `address`.
  Value view(ImplicitLocOpBuilder &b, MemRefType type, Value address) {
    Value descriptor;
    if (type.hasStaticShape()) {
      descriptor = MemRefDescriptor::fromStaticShape(b, b.getLoc(), converter, type, address);
    } else {
      auto parts = MemRefDescriptor::poison(b, b.getLoc(), converter.convertType(type));
      parts.setAllocatedPtr(b, b.getLoc(), address);
      parts.setAlignedPtr(b, b.getLoc(), address);
      parts.setConstantOffset(b, b.getLoc(), 0);
      parts.setConstantSize(b, b.getLoc(), 0, 0); // Nobody asks.
      parts.setConstantStride(b, b.getLoc(), 0, 1);
      descriptor = parts;
    }
    return cast(b, type, descriptor);
  }

  LogicalResult lowerKernel(func::FuncOp function) {
    LLVM::LLVMFuncOp lowered = takeBody(function, {pointer, pointer, pointer, i64});
    Block &entry = lowered.getBody().front();
    unsigned count = entry.getNumArguments();
    SmallVector<Value> arguments;
    for (Type type : lowered.getArgumentTypes())
      arguments.push_back(entry.addArgument(type, lowered.getLoc()));
    auto [ctx, values, scratch, piece] = std::tie(arguments[0], arguments[1], arguments[2], arguments[3]);
    auto b = ImplicitLocOpBuilder::atBlockBegin(lowered.getLoc(), &entry);
    for (unsigned i = 0; i < count; ++i) {
      Value old = entry.getArgument(i), now;
      if (i == 0) {
        now = cast(b, old.getType(), piece);
      } else if (i == 1) {
        now = view(b, llvm::cast<MemRefType>(old.getType()), scratch);
      } else {
        now = loadElement(b, pointer, values, i - 2);
        if (auto type = dyn_cast<MemRefType>(old.getType()))
          now = view(b, type, now);
        else
          now = cast(b, old.getType(), LLVM::PtrToIntOp::create(b, i64, now));
      }
      old.replaceAllUsesWith(now);
    }
    entry.eraseArguments(0, count);
    return lowerRtOps(lowered);
  }

  LogicalResult lowerMain(func::FuncOp function) {
    if (function.getNumArguments() != 0 || function.getNumResults() != 0)
      return function.emitError() << "@main has " << function.getNumArguments() << " arguments and "
                                  << function.getNumResults() << " results, but is placed with none";
    LLVM::LLVMFuncOp lowered = takeBody(function, {pointer});
    lowered.getBody().front().addArgument(pointer, lowered.getLoc());
    return lowerRtOps(lowered);
  }

  //===-- Ops ------------------------------------------------------------------===//

  LogicalResult lowerRtOps(LLVM::LLVMFuncOp function) {
    Value ctx = function.getBody().front().getArgument(0);
    // One array serves all launches: each is over before the next begins.
    size_t mostArguments = 0;
    function.walk([&](rt::LaunchOp launch) { mostArguments = std::max(mostArguments, launch.getArguments().size()); });
    Value array;
    if (mostArguments > 0) {
      auto b = ImplicitLocOpBuilder::atBlockBegin(function.getLoc(), &function.getBody().front());
      array = LLVM::AllocaOp::create(b, pointer, pointer, constantI64(b, mostArguments));
    }
    SmallVector<Operation *> ops;
    function.walk([&](Operation *op) {
      if (isa<rt::RtDialect>(op->getDialect()))
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      ImplicitLocOpBuilder b(op->getLoc(), op);
      LogicalResult done =
          llvm::TypeSwitch<Operation *, LogicalResult>(op)
              .Case([&](rt::ExtentOp extent) { return lowerExtent(b, extent, ctx); })
              .Case([&](rt::LaunchOp launch) { return lowerLaunch(b, launch, ctx, array); })
              .Case([&](rt::ConstantOp constant) { return lowerConstant(b, constant); })
              .Case([&](rt::ArenaOp arena) {
                Value base = loadField(b, ctx, Field::Arena);
                replaceByView(b, arena, offsetBy(b, base, arena.getOffset()));
                return success();
              })
              .Case([&](rt::WorkspaceOp workspace) {
                Value base = loadField(b, ctx, Field::Arena);
                replaceByView(b, workspace, offsetBy(b, base, arith::ConstantIndexOp::create(b, workspaceAt)));
                return success();
              })
              .Case([&](rt::VariableOp variable) { return lowerVariable(b, variable, ctx); })
              .Case([&](rt::InputOp input) {
                Value inputs = loadField(b, ctx, Field::Inputs);
                replaceByView(b, input, loadElement(b, pointer, inputs, input.getPosition()));
                return success();
              })
              .Default([](Operation *other) { return other->emitError() << "is expanded before rt-to-llvm"; });
      if (failed(done))
        return failure();
      op->erase();
    }
    return success();
  }

  void replaceByView(ImplicitLocOpBuilder &b, Operation *op, Value address) {
    op->getResult(0).replaceAllUsesWith(view(b, llvm::cast<MemRefType>(op->getResult(0).getType()), address));
  }

  Value offsetBy(ImplicitLocOpBuilder &b, Value base, Value bytes) {
    Value offset = cast(b, i64, bytes);
    return LLVM::GEPOp::create(b, pointer, b.getI8Type(), base, ArrayRef<LLVM::GEPArg>{offset});
  }

  LogicalResult lowerVariable(ImplicitLocOpBuilder &b, rt::VariableOp op, Value ctx) {
    auto ordinal = ordinals.find(op.getVariableAttr().getAttr());
    if (ordinal == ordinals.end())
      return op.emitError() << "no variable named " << op.getVariableAttr();
    Value base = loadElement(b, pointer, loadField(b, ctx, Field::Variables), ordinal->second);
    replaceByView(b, op, offsetBy(b, base, op.getOffset()));
    return success();
  }

  LogicalResult lowerExtent(ImplicitLocOpBuilder &b, rt::ExtentOp op, Value ctx) {
    auto names = extents ? extents.getValue() : ArrayRef<Attribute>();
    auto found = llvm::find(names, Attribute(op.getNameAttr()));
    if (found == names.end())
      return op.emitError() << "extent '" << op.getName() << "' is not among the module's gpt.extents";
    Value extent = loadExtent(b, ctx, found - names.begin());
    op.replaceAllUsesWith(cast(b, op.getType(), extent));
    return success();
  }

  LogicalResult lowerLaunch(ImplicitLocOpBuilder &b, rt::LaunchOp op, Value ctx, Value array) {
    auto kernel = kernels.find(op.getKernelAttr().getAttr());
    if (kernel == kernels.end())
      return op.emitError() << op.getKernelAttr() << " is no lowered kernel";
    for (auto [i, argument] : llvm::enumerate(op.getArguments())) {
      Value word;
      if (auto type = dyn_cast<MemRefType>(argument.getType())) {
        MemRefDescriptor descriptor(cast(b, converter.convertType(type), argument));
        word = descriptor.alignedPtr(b, b.getLoc());
      } else {
        word = LLVM::IntToPtrOp::create(b, pointer, cast(b, i64, argument));
      }
      Value place = LLVM::GEPOp::create(b, pointer, pointer, array, ArrayRef<LLVM::GEPArg>{int32_t(i)});
      LLVM::StoreOp::create(b, word, place);
    }
    SmallVector<Value> counts;
    for (unsigned i = 0; i < kernel->second.pieces.getNumSymbols(); ++i)
      counts.push_back(cast(b, b.getIndexType(), loadExtent(b, ctx, i)));
    auto count = [&](AffineMap map) {
      Value number = affine::expandAffineExpr(b, b.getLoc(), map.getResult(0), {}, counts);
      return number ? cast(b, i64, number) : Value();
    };
    Value start = constantI64(b, 0), pieces = count(kernel->second.pieces);
    Value first = kernel->second.first ? count(kernel->second.first) : start;
    if (!pieces || !first)
      return op.emitError() << "the pieces of " << op.getKernelAttr() << " cannot be counted";
    if (!array)
      array = LLVM::ZeroOp::create(b, pointer);
    Value address = LLVM::AddressOfOp::create(b, pointer, op.getKernelAttr());
    Value scratch = constantI64(b, kernel->second.scratch);
    if (kernel->second.first)
      LLVM::CallOp::create(b, launcher(), ValueRange{ctx, address, array, start, first, scratch});
    LLVM::CallOp::create(b, launcher(), ValueRange{ctx, address, array, first, pieces, scratch});
    return success();
  }

  LLVM::LLVMFuncOp launcher() {
    if (!launchFunction) {
      OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
      auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), {pointer, pointer, pointer, i64, i64, i64});
      launchFunction = LLVM::LLVMFuncOp::create(b, module.getLoc(), "gptc_launch", type);
    }
    return launchFunction;
  }

  /// The data, with whole vectors of padding at its end.
  static ElementsAttr padded(ElementsAttr value) {
    auto dense = dyn_cast<DenseElementsAttr>(value);
    if (!dense || dense.getElementType().isInteger(1))
      return value;
    int64_t size = dense.getElementType().getIntOrFloatBitWidth() / 8;
    int64_t count = llvm::alignTo(dense.getNumElements() * size, alignment) / size;
    auto type = RankedTensorType::get({count}, dense.getElementType());
    if (dense.isSplat())
      return dense.resizeSplat(type);
    std::vector<char> bytes(dense.getRawData().begin(), dense.getRawData().end());
    bytes.resize(count * size, 0);
    return DenseElementsAttr::getFromRawBuffer(type, bytes);
  }

  LogicalResult lowerConstant(ImplicitLocOpBuilder &b, rt::ConstantOp op) {
    LLVM::GlobalOp &global = constants[op.getValueAttr()];
    if (!global) {
      ElementsAttr value = padded(op.getValue());
      Type element = value.getElementType();
      if (element.isInteger(1))
        return op.emitError() << "a constant of i1: bools are stored as i8";
      OpBuilder top = OpBuilder::atBlockBegin(module.getBody());
      auto type = LLVM::LLVMArrayType::get(element, value.getNumElements());
      std::string name = "constant_" + std::to_string(constants.size() - 1);
      global = LLVM::GlobalOp::create(top, op.getLoc(), type, /*isConstant=*/true, LLVM::Linkage::Internal, name,
                                      value, alignment);
      symbols.insert(global);
    }
    replaceByView(b, op, LLVM::AddressOfOp::create(b, global));
    return success();
  }
};

struct RtToLLVM : impl::RtToLLVMPassBase<RtToLLVM> {
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<LLVM::LLVMDialect, arith::ArithDialect>();
    OpPassManager bodies(ModuleOp::getOperationName());
    bodies.nest<LLVM::LLVMFuncOp>().addPass(createLowerBodyPass());
    bodies.getDependentDialects(registry);
  }

  void runOnOperation() override {
    // Expanded functions of what stays the same in a loop leave it.
    OpPassManager before(ModuleOp::getOperationName());
    before.nest<func::FuncOp>().addPass(createLoopInvariantCodeMotionPass());
    before.nest<func::FuncOp>().addPass(createCSEPass());
    OpPassManager bodies(ModuleOp::getOperationName());
    bodies.nest<LLVM::LLVMFuncOp>().addPass(createLowerBodyPass());
    bodies.nest<LLVM::LLVMFuncOp>().addPass(createCSEPass());
    ModuleOp module = getOperation();
    if (failed(runPipeline(before, module)) || failed(callMathLibrary(module)) || failed(Lowering(module).run()) ||
        failed(runPipeline(bodies, module)))
      signalPassFailure();
  }
};

} // namespace
} // namespace gptc
