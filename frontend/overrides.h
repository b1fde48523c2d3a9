// `--set NAME=VALUE`: other values for settings and for fields of train { } and generate { }.
#pragma once

#include "frontend/elaborate.h"

namespace gptc::typed {

/// Puts the values, which are expressions, into the trees, as if they were written there. A name is that of a setting,
/// else of a field, written or not, perhaps with `train.` or `generate.` before it; behind it, parts of its value by
/// their names: `optimizer.lr.warmup`. What is not found is an error.
void applyOverrides(SourceManager &sources, const std::map<std::string, std::string> &overrides, Program &program,
                    Diagnostics &diagnostics);

} // namespace gptc::typed
