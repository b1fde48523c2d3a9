// A compiled program as the runtime sees it: code, memory and names. Filled by
// compiler/; nothing here knows how the code came to be.
#pragma once

#include "runtime/abi.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gptc::runtime {

enum class DType { F32, F64, I32, Bool };
size_t sizeOf(DType type);
/// As safetensors writes it: "F32", "F64", "I32", "BOOL".
const char *nameOf(DType type);

struct TensorInfo {
  std::string name;
  DType type = DType::F32;
  std::vector<int64_t> shape;       // bounds
  std::vector<std::string> extents; // one a dimension; "" where static
  std::vector<std::string> dims;    // their names, as the model's file has them; for people
  int64_t most = 0;                 // elements within any extents that the program runs on; 0: elements()
  int64_t elements() const;         // of the bounds
  std::optional<int64_t> bytes() const; // of the bounds; nothing where a size is negative or they are more than 2^46
  /// Elements from one coordinate of each dimension to the next: dense from the
  /// first dimension with an extent on, with room for the most before that.
  std::vector<int64_t> strides(const std::function<int64_t(const std::string &)> &extent) const;
};

/// A parameter or optimizer state. The stored shape has `copies` leading
/// dimensions; `path` has a "*" for each ("blocks", "*", "wq").
struct VariableInfo : TensorInfo {
  bool parameter = false;
  int64_t copies = 0;
  int64_t positions = -1; // of a cache: the dimension that new rows are put along
  std::vector<std::string> path;
};

struct ExtentInfo {
  std::string name;
  int64_t bound;
};

/// A result: where it lies in the arena once the program has run.
struct ResultInfo : TensorInfo {
  int64_t arenaOffset = 0;
};

/// What stands before the name of a report where it is the name of a result.
constexpr const char *reportPrefix = "report.";

/// A kernel of a program, for profiles.
struct KernelInfo {
  std::string name;   // "kernel_7_score"
  std::string source; // "model.gpt:12: let h = ...", the line that it computes
  gptc_kernel function = nullptr;
};

struct Program {
  gptc_program entry = nullptr;
  int64_t arenaBytes = 0;
  int64_t keptBytes = 0;    // of the arena: what a training step keeps for its backward pass
  int64_t scratchBytes = 0; // the most that one thread needs in any kernel
  std::vector<VariableInfo> variables;
  std::vector<TensorInfo> inputs;  // names: "token", "next(token)", "step", "seed", "example"
  std::vector<ResultInfo> results; // names: "loss", "lr", "grad_norm", "report.NAME", output names
  int64_t batchTokens = 0;         // the batch's extent times any other is at most this (or the other's bound); 0: any
  std::vector<ExtentInfo> extents; // "batch" first where the program has a batch
  std::vector<KernelInfo> kernels; // where a profile was asked for
  std::shared_ptr<void> owner;     // keeps the code alive
};

} // namespace gptc::runtime
