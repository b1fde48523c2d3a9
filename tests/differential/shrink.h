// A finding's model made small.
#pragma once

#include "differential/program.h"

#include <functional>

namespace gptc::differential {

/// The smallest model found for which `fails` still holds, with at most `tries` of it.
ModelTree shrink(ModelTree program, const std::function<bool(const ModelTree &)> &fails, int tries);

} // namespace gptc::differential
