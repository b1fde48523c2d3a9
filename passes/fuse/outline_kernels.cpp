// gpt-outline-kernels: each kernel a function, equal kernels one.
#include "ir/gpt/axes.h"
#include "passes/fuse/space.h"
#include "passes/passes.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace gptc::gpt;

namespace gptc {
#define GEN_PASS_DEF_OUTLINEKERNELSPASS
#include "passes/Passes.h.inc"

namespace {

/// The kernel as text, which has neither locations nor names of values: equal
/// text, equal kernel. The function must still have the name that all begin with.
std::string textOf(func::FuncOp function) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  function.print(stream, OpPrintingFlags().useLocalScope());
  return text;
}

func::FuncOp makeFunction(OpBuilder &builder, KernelOp kernel) {
  auto type = builder.getFunctionType(kernel.getInputs().getTypes(), kernel.getResultTypes());
  auto function = func::FuncOp::create(builder, kernel.getLoc(), "kernel", type);
  function.setPrivate();
  function->setAttr("gpt.kernel", builder.getUnitAttr());
  for (StringRef form : {rowsName, rowBlocksName})
    if (Attribute rows = kernel->getAttr(form))
      function->setAttr(form, rows);
  Block *entry = function.addEntryBlock();
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(entry);
  IRMapping mapping;
  mapping.map(kernel.getBlock()->getArguments(), entry->getArguments());
  for (Operation &op : kernel.getBlock()->without_terminator())
    builder.clone(op, mapping);
  SmallVector<Value> results =
      llvm::map_to_vector(kernel.getYield().getValues(), [&](Value v) { return mapping.lookup(v); });
  func::ReturnOp::create(builder, kernel.getLoc(), results);
  return function;
}

/// The kernel of a store: its value, and where it goes, to the state.
func::FuncOp makeFunction(OpBuilder &builder, StoreOp store) {
  SmallVector<Type> types = {store.getValue().getType()};
  if (store.getAt())
    types.push_back(store.getAt().getType());
  auto function = func::FuncOp::create(builder, store.getLoc(), "kernel",
                                       builder.getFunctionType(types, {store.getType()}));
  function.setPrivate();
  function->setAttr("gpt.kernel", builder.getUnitAttr());
  Block *entry = function.addEntryBlock();
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(entry);
  Value at = store.getAt() ? Value(entry->getArgument(1)) : Value();
  auto insert = InsertOp::create(builder, store.getLoc(), store.getType(), entry->getArgument(0), at,
                                 store.getDimAttr());
  func::ReturnOp::create(builder, store.getLoc(), insert.getResult());
  return function;
}

/// `kernel_7_score`: the name in the source of what is computed first, if any.
std::string nameFor(Operation *kernel, size_t number) {
  std::string name = "kernel_" + std::to_string(number);
  StringRef given = fuse::nameOf(kernel->getLoc());
  if (given.empty())
    return name;
  name += '_';
  for (char c : given)
    name += llvm::isAlnum(c) ? c : '_';
  return name;
}

struct OutlineKernels : impl::OutlineKernelsPassBase<OutlineKernels> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    llvm::StringMap<func::FuncOp> known;
    SmallVector<Operation *> kernels;
    getOperation()->walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isa<KernelOp, StoreOp>(op))
        kernels.push_back(op);
    });
    OpBuilder builder(&getContext());
    for (Operation *op : kernels) {
      auto kernel = dyn_cast<KernelOp>(op);
      builder.clearInsertionPoint();
      func::FuncOp function = kernel ? makeFunction(builder, kernel) : makeFunction(builder, cast<StoreOp>(op));
      auto [entry, added] = known.try_emplace(textOf(function), function);
      if (added) {
        function.setSymName(nameFor(op, known.size() - 1));
        symbols.insert(function, getOperation().getBody()->end());
      } else {
        function.erase();
        function = entry->second;
      }
      auto name = FlatSymbolRefAttr::get(function.getSymNameAttr());
      if (!kernel) {
        cast<StoreOp>(op).setKernelAttr(name);
        continue;
      }
      builder.setInsertionPoint(kernel);
      auto launch = LaunchOp::create(builder, kernel.getLoc(), kernel.getResultTypes(), name, kernel.getInputs());
      kernel.replaceAllUsesWith(launch.getResults());
      kernel.erase();
    }
  }
};

} // namespace
} // namespace gptc
