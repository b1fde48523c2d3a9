// How much a compiled program multiplies, as its loops stand.
#pragma once

#include "mlir/IR/BuiltinOps.h"

#include <optional>

namespace gptc::bench {

/// Multiplications and additions of all contractions in one run of `main`: those of whole register tiles, whether or
/// not all of their elements count. `module` stands at the stage `loops`, where nothing else is a fused multiply-add.
/// Bounds of loops are worked out as the program would. None where one depends on what is known at run time only.
std::optional<double> multiplyAdds(mlir::ModuleOp module);

} // namespace gptc::bench
