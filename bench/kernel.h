// A small model whose values are what is timed, compiled like any other.
#pragma once

#include "runtime/pool.h"
#include "runtime/program.h"
#include "runtime/variables.h"

#include <memory>
#include <string>
#include <vector>

namespace gptc::bench {

/// What to make of a file of bench/kernels. All that a kernel works on is declared there as parameters;
/// what a model would have computed before is named here.
struct KernelSource {
  std::string file;                                      // "attention.gpt"
  std::vector<std::pair<std::string, int64_t>> settings; // sizes
  std::vector<std::string> data;                         // parameters that are inputs of the program
  /// Empty: the file's outputs. Else these parameters' gradients, where the
  /// gradient of the file's output is what its loss multiplies it by.
  std::vector<std::string> gradients;
  std::string also;          // with gradients: an output that is wanted, too
  std::string dtype = "f32"; // what contractions multiply
  /// Of `data`, what lies in memory in bf16, as a training step keeps it (gpt-store-rounded); only contractions may
  /// read it. f32 where the CPU does not multiply pairs of bf16.
  std::vector<std::string> rounded;
  bool countTiles = false;   // multiplyAdds() is asked for
};

class Kernel {
public:
  /// Compiles for this CPU and makes up data, floats in [-1, 1).
  static llvm::Expected<std::unique_ptr<Kernel>> create(const KernelSource &source);
  /// Runs the program's entry once.
  void run(runtime::Pool &pool);
  /// Bytes of memory that the program works in, beside inputs and parameters.
  int64_t arenaBytes() const { return program.arenaBytes; }
  /// Multiplications and additions of all tiles that a run visits (multiply_adds.h); 0 where they were not counted.
  double multiplyAdds() const { return counted; }

private:
  runtime::Program program;
  double counted = 0;
  runtime::VariableStore store;
  runtime::Arena arena;
  std::vector<runtime::Buffer> memory; // of inputs
  std::vector<char *> variables;
  std::vector<const char *> inputs;
};

/// Compiles what `gptc train` needs before its first step: the programs that set
/// the parameters and that train them. Every part of the compiler starts anew.
llvm::Error compileTraining(const std::string &model, int64_t vocabulary, const std::string &dtype,
                            unsigned threads);

} // namespace gptc::bench
