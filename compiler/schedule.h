// The learning rate over time, for people.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

#include <string>

namespace gptc {
class Session;

/// The learning rate of a step, counted from 1, by the function @learning_rate of a training program as emitted.
llvm::Expected<double> learningRateOf(mlir::ModuleOp module, int64_t step);

/// `0.01`, or over so many steps `0.002 in step 1, 0.01 in step 5, ...`. Steps of 0: how many is not known.
llvm::Expected<std::string> describeSchedule(mlir::ModuleOp module, int64_t steps);

/// Where a run is resumed with other settings than its config.json has: says what they change about the steps and the
/// learning rate. `done`: the steps that were taken.
llvm::Error saySchedule(Session &session, const llvm::json::Object &config, int64_t done);

} // namespace gptc
