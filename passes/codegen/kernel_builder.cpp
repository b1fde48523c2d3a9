#include "passes/codegen/kernel_builder.h"

#include "passes/fuse/arena.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace gptc {

static Block *makeEntry(func::FuncOp function, const gpt::Limits &limits) {
  auto flatType = [&](Type type) {
    return MemRefType::get({gpt::elementsOf(type, limits)}, storageType(getElementTypeOrSelf(type)));
  };
  MLIRContext *context = function.getContext();
  SmallVector<Type> types = {IndexType::get(context),
                             MemRefType::get({ShapedType::kDynamic}, IntegerType::get(context, 8))};
  for (Type type : function.getArgumentTypes())
    types.push_back(flatType(type));
  for (Type type : function.getResultTypes())
    types.push_back(flatType(type));
  Block *entry = new Block;
  function.getBody().push_front(entry);
  for (Type type : types)
    entry->addArgument(type, function.getLoc());
  return entry;
}

KernelBuilder::KernelBuilder(func::FuncOp function, const Target &target)
    : function(function), target(target), source(&function.getBody().front()),
      entry(makeEntry(function, gpt::Limits::of(function))),
      b(ImplicitLocOpBuilder::atBlockBegin(function.getLoc(), entry)), extents(entry),
      limits(gpt::Limits::of(function)) {
  unsigned next = 2;
  for (Value argument : source->getArguments())
    buffers[argument].push_back(Buffer::of(entry->getArgument(next++), argument, limits));
  for (auto [i, result] : llvm::enumerate(source->getTerminator()->getOperands()))
    buffers[result].push_back(resultBuffer(entry->getArgument(next++), result, i));
  if (auto names = function->getParentOfType<ModuleOp>()->getAttrOfType<ArrayAttr>("gpt.extents"))
    for (Attribute name : names)
      extentNames.push_back(cast<StringAttr>(name));
}

Buffer KernelBuilder::resultBuffer(Value memref, Value result, unsigned number) {
  Buffer buffer = Buffer::of(memref, result, limits);
  // Not where it was read just now, for the caches have it; and a slice of a stack is aligned as its size allows.
  int64_t bytes = buffer.elements * (storageType(buffer.element).getIntOrFloatBitWidth() / 8);
  buffer.past = function.getResultAttr(number, "gpt.past") && !function.getResultAttr(number, "gpt.in_place") &&
                bytes % fuse::arenaAlignment == 0;
  storesPast |= buffer.past;
  return buffer;
}

SmallVector<Operation *> KernelBuilder::ops() const {
  SmallVector<Operation *> result;
  for (Operation &op : source->without_terminator())
    result.push_back(&op);
  return result;
}

void KernelBuilder::placeRow(Value value, unsigned rows) {
  Buffer buffer = Buffer::of(Value(), value, limits, rows);
  if (buffer.dims.size() > rows) {
    Type storage = storageType(buffer.element);
    Value offset = constantIndex(b, scratchBytes);
    buffer.memref = memref::ViewOp::create(b, MemRefType::get({buffer.elements}, storage), scratch(), offset,
                                           ValueRange());
    scratchBytes = llvm::alignTo(scratchBytes + buffer.elements * (storage.getIntOrFloatBitWidth() / 8), 64);
  }
  buffers[value].push_back(std::move(buffer));
}

void KernelBuilder::finish(AffineMap pieces) {
  b.setInsertionPointToEnd(entry);
  if (storesPast) // The others see it when the piece is done.
    LLVM::CallIntrinsicOp::create(b, b.getStringAttr("llvm.x86.sse.sfence"), ValueRange());
  func::ReturnOp::create(b);
  source->dropAllReferences();
  source->dropAllDefinedValueUses();
  source->erase();
  function.setFunctionType(FunctionType::get(b.getContext(), entry->getArgumentTypes(), {}));
  function.removeArgAttrsAttr();
  function.removeResAttrsAttr();
  function->setAttr("rt.pieces", AffineMapAttr::get(pieces));
  function->setAttr("rt.scratch", b.getI64IntegerAttr(scratchBytes));
  if (hasTiles)
    function->setAttr("rt.tiles", b.getUnitAttr());
}

} // namespace gptc
