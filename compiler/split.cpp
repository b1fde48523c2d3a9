#include "compiler/split.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"

using namespace gptc;

/// Symbols of the module that ops in `op` name.
static void collectUses(mlir::Operation *op, mlir::SymbolTable &symbols,
                        llvm::SetVector<mlir::Operation *> &uses) {
  op->walk([&](mlir::SymbolUserOpInterface inner) {
    inner->getAttrDictionary().walk([&](mlir::FlatSymbolRefAttr symbol) {
      if (mlir::Operation *used = symbols.lookup(symbol.getValue()))
        if (used != op)
          uses.insert(used);
    });
  });
}

llvm::SmallVector<mlir::OwningOpRef<mlir::ModuleOp>> gptc::split(mlir::ModuleOp module, unsigned count) {
  struct Function {
    mlir::LLVM::LLVMFuncOp op;
    size_t size = 0;
  };
  llvm::SmallVector<Function> functions;
  for (auto function : module.getOps<mlir::LLVM::LLVMFuncOp>()) {
    if (function.isExternal())
      continue;
    functions.push_back({function});
    function.walk([&](mlir::Operation *) { ++functions.back().size; });
  }
  // The largest first, each to the part that has least.
  llvm::stable_sort(functions, [](const Function &a, const Function &b) { return a.size > b.size; });
  size_t numParts = std::max<size_t>(1, std::min<size_t>(count, functions.size()));
  llvm::SmallVector<llvm::SmallVector<mlir::LLVM::LLVMFuncOp>> groups(numParts);
  llvm::SmallVector<size_t> sizes(numParts, 0);
  for (const Function &function : functions) {
    size_t least = llvm::min_element(sizes) - sizes.begin();
    groups[least].push_back(function.op);
    sizes[least] += function.size;
  }

  mlir::SymbolTable symbols(module);
  llvm::SmallVector<mlir::OwningOpRef<mlir::ModuleOp>> parts;
  for (auto &group : groups) {
    mlir::OwningOpRef<mlir::ModuleOp> part = mlir::ModuleOp::create(module.getLoc());
    (*part)->setAttrs(module->getDiscardableAttrDictionary());
    mlir::OpBuilder builder = mlir::OpBuilder::atBlockEnd(part->getBody());
    llvm::SetVector<mlir::Operation *> uses;
    for (mlir::LLVM::LLVMFuncOp function : group) {
      collectUses(function, symbols, uses);
      function->remove();
      builder.insert(function);
      function.setLinkage(mlir::LLVM::Linkage::External);
    }
    for (size_t i = 0; i < uses.size(); ++i) { // `uses` grows: constants may name others
      auto function = llvm::dyn_cast<mlir::LLVM::LLVMFuncOp>(uses[i]);
      if (!function) {
        builder.clone(*uses[i]);
        collectUses(uses[i], symbols, uses);
      } else if (!llvm::is_contained(group, function)) {
        auto declaration = llvm::cast<mlir::LLVM::LLVMFuncOp>(builder.cloneWithoutRegions(*function));
        declaration.setLinkage(mlir::LLVM::Linkage::External);
        declaration->setLoc(builder.getUnknownLoc()); // debug scopes belong to definitions
      }
    }
    parts.push_back(std::move(part));
  }
  return parts;
}
