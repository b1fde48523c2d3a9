// Why a training step came to nothing: the first value that is not finite.
#pragma once

#include "compiler/session.h"
#include "runtime/runner.h"

namespace gptc {

/// Takes a step once more, from the same weights and data, with every value of
/// the model in sight, and names the first that is not finite in the order of
/// the program: its copy of a repeat, its line. Where all are finite, the
/// parameter nearest the loss whose gradient is not. Compiles programs of its
/// own; the variables stay as they are. "" where nothing is found. `step`: how
/// many were taken before; messages count the step itself.
std::string diagnoseStep(Session &session, runtime::VariableStore &store, runtime::Arena &arena,
                         runtime::Pool &pool, const runtime::BatchShape &shape, uint64_t seed, int64_t step);

} // namespace gptc
