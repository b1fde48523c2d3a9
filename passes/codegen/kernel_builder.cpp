#include "passes/codegen/kernel_builder.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace gptc {

static MemRefType flatType(RankedTensorType type) {
  return MemRefType::get({type.getNumElements()}, storageType(type.getElementType()));
}

static Block *makeEntry(func::FuncOp function) {
  MLIRContext *context = function.getContext();
  SmallVector<Type> types = {IndexType::get(context),
                             MemRefType::get({ShapedType::kDynamic}, IntegerType::get(context, 8))};
  for (Type type : function.getArgumentTypes())
    types.push_back(flatType(cast<RankedTensorType>(type)));
  for (Type type : function.getResultTypes())
    types.push_back(flatType(cast<RankedTensorType>(type)));
  Block *entry = new Block;
  function.getBody().push_front(entry);
  for (Type type : types)
    entry->addArgument(type, function.getLoc());
  return entry;
}

KernelBuilder::KernelBuilder(func::FuncOp function, const Target &target)
    : function(function), target(target), source(&function.getBody().front()), entry(makeEntry(function)),
      b(ImplicitLocOpBuilder::atBlockBegin(function.getLoc(), entry)), extents(entry) {
  auto bufferOf = [](Value memref, Value value) {
    Buffer buffer;
    buffer.memref = memref;
    buffer.element = getElementTypeOrSelf(value.getType());
    buffer.dims = gpt::dimsOf(value);
    return buffer;
  };
  unsigned next = 2;
  for (Value argument : source->getArguments())
    buffers[argument].push_back(bufferOf(entry->getArgument(next++), argument));
  for (Value result : source->getTerminator()->getOperands())
    buffers[result].push_back(bufferOf(entry->getArgument(next++), result));
  if (auto names = function->getParentOfType<ModuleOp>()->getAttrOfType<ArrayAttr>("gpt.extents"))
    for (Attribute name : names)
      extentNames.push_back(cast<StringAttr>(name));
}

SmallVector<Operation *> KernelBuilder::ops() const {
  SmallVector<Operation *> result;
  for (Operation &op : source->without_terminator())
    result.push_back(&op);
  return result;
}

unsigned KernelBuilder::extentPosition(StringAttr name) const {
  return llvm::find(extentNames, name) - extentNames.begin();
}

void KernelBuilder::placeRow(Value value, unsigned rows) {
  Buffer buffer;
  buffer.element = getElementTypeOrSelf(value.getType());
  buffer.dims = gpt::dimsOf(value);
  buffer.dropped = rows;
  int64_t elements = 1;
  for (gpt::DimAttr dim : buffer.dims.getDims().drop_front(rows))
    elements *= dim.getSize();
  if (buffer.dims.size() > rows) {
    Type storage = storageType(buffer.element);
    Value offset = constantIndex(b, scratchBytes);
    buffer.memref = memref::ViewOp::create(b, MemRefType::get({elements}, storage), scratch(), offset, ValueRange());
    scratchBytes = llvm::alignTo(scratchBytes + elements * (storage.getIntOrFloatBitWidth() / 8), 64);
  }
  buffers[value].push_back(buffer);
}

void KernelBuilder::finish(AffineMap pieces) {
  b.setInsertionPointToEnd(entry);
  func::ReturnOp::create(b);
  source->dropAllReferences();
  source->dropAllDefinedValueUses();
  source->erase();
  function.setFunctionType(FunctionType::get(b.getContext(), entry->getArgumentTypes(), {}));
  function.removeArgAttrsAttr();
  function.removeResAttrsAttr();
  function->setAttr("rt.pieces", AffineMapAttr::get(pieces));
  function->setAttr("rt.scratch", b.getI64IntegerAttr(scratchBytes));
}

} // namespace gptc
