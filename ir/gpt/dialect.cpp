// Registration, and how types are named in printed IR.
#include "ir/gpt/gpt.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include "ir/gpt/GptDialect.cpp.inc"
#include "ir/gpt/GptEnums.cpp.inc"
#include "ir/gpt/GptInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "ir/gpt/GptAttrs.cpp.inc"

using namespace mlir;

namespace gptc::gpt {
namespace {

/// Prints `#b_t_c` in types rather than all sizes: names say what a value is.
struct Aliases : OpAsmDialectInterface {
  using OpAsmDialectInterface::OpAsmDialectInterface;

  AliasResult getAlias(Attribute attribute, raw_ostream &os) const override {
    auto dims = dyn_cast<DimsAttr>(attribute);
    if (!dims)
      return AliasResult::NoAlias;
    if (dims.size() == 0)
      os << "scalar";
    for (size_t i = 0; i < dims.size(); ++i)
      os << (i ? "_" : "") << dims[i].getName().getValue();
    return AliasResult::FinalAlias;
  }
};

} // namespace

void GptDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "ir/gpt/GptAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "ir/gpt/GptOps.cpp.inc"
      >();
  addInterfaces<Aliases>();
}

} // namespace gptc::gpt
