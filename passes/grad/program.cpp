#include "passes/grad/program.h"

using namespace mlir;

namespace gptc::grad {

func::FuncOp findMain(ModuleOp module) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main || main.isExternal()) {
    module.emitError() << "the module has no function @main with a body";
    return {};
  }
  if (!llvm::hasSingleElement(main.getBody())) {
    main.emitError() << "@main has " << main.getBody().getBlocks().size() << " blocks, needs exactly 1";
    return {};
  }
  return main;
}

std::optional<unsigned> findOutput(func::FuncOp main, StringRef name) {
  for (unsigned i = 0; i < main.getNumResults(); ++i)
    if (auto given = main.getResultAttrOfType<StringAttr>(i, outputAttr); given && given.getValue() == name)
      return i;
  return std::nullopt;
}

std::optional<unsigned> findInput(func::FuncOp main, StringRef name) {
  for (unsigned i = 0; i < main.getNumArguments(); ++i)
    if (auto given = main.getArgAttrOfType<StringAttr>(i, inputAttr); given && given.getValue() == name)
      return i;
  return std::nullopt;
}

void setResults(func::FuncOp main, ValueRange values, ArrayRef<DictionaryAttr> attributes) {
  SmallVector<DictionaryAttr> filled;
  for (DictionaryAttr attribute : attributes)
    filled.push_back(attribute ? attribute : DictionaryAttr::get(main.getContext()));
  main.front().getTerminator()->setOperands(values);
  main.setType(FunctionType::get(main.getContext(), main.getArgumentTypes(), values.getTypes()));
  main.setAllResultAttrs(ArrayRef<DictionaryAttr>(filled));
}

DictionaryAttr resultAttributes(func::FuncOp main, unsigned result) {
  DictionaryAttr attributes = main.getResultAttrDict(result);
  return attributes ? attributes : DictionaryAttr::get(main.getContext());
}

} // namespace gptc::grad
