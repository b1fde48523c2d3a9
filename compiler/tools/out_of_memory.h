// Memory that runs out ends a program with one error, wherever it is asked for.
#pragma once

namespace gptc {

/// From here on what LLVM gives up on (memory, threads) is an error of ours, exit code 1. malloc and the operators new
/// of this program say so themselves.
void catchExhaustion();

} // namespace gptc
