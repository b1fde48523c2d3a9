#include "ir/rt/rt.h"

#include "mlir/Interfaces/FunctionInterfaces.h"

#include "ir/rt/RtDialect.cpp.inc"

#define GET_OP_CLASSES
#include "ir/rt/RtOps.cpp.inc"

using namespace mlir;

namespace gptc::rt {

void RtDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "ir/rt/RtOps.cpp.inc"
      >();
}

/// Kernels change form on their way down (tensors, then memory, then LLVM), so
/// that only what holds in every form is checked: that the kernel is there, and
/// once it has pieces, that it takes piece, scratch and what the launch gives.
LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  Operation *callee = symbols.lookupNearestSymbolFrom(*this, getKernelAttr());
  if (!callee)
    return emitOpError("no kernel named ") << getKernelAttr();
  auto function = dyn_cast<FunctionOpInterface>(callee);
  if (!function) {
    InFlightDiagnostic diagnostic = emitOpError() << getKernelAttr() << " is not a function";
    diagnostic.attachNote(callee->getLoc()) << "it is defined here";
    return diagnostic;
  }
  if (!callee->hasAttr("rt.pieces"))
    return success();
  size_t expected = getArguments().size() + 2;
  if (function.getNumArguments() != expected) {
    InFlightDiagnostic diagnostic =
        emitOpError() << "kernel " << getKernelAttr() << " takes piece, scratch and " << getArguments().size()
                      << " arguments here, but has " << function.getNumArguments() << " in all";
    diagnostic.attachNote(callee->getLoc()) << "it is defined here";
    return diagnostic;
  }
  return success();
}

} // namespace gptc::rt
