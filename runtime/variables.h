// Parameters and optimizer states: memory that outlives programs.
#pragma once

#include "runtime/memory.h"
#include "runtime/program.h"
#include "runtime/safetensors.h"

#include "llvm/ADT/StringMap.h"

namespace gptc::runtime {

struct Variable {
  VariableInfo info;
  Buffer memory;
};

/// Where parameters are averaged (a state NAME.average of the optimizer), the
/// averages are what inference uses, under the parameters' names.
enum class Weights { Training, Inference };

/// A part of the variables, as files have them.
///   Parameter  the parameters as training has them
///   Inference  the same, but averages where there are some: weights.safetensors
///   State      what else resuming needs: the optimizer's states and, where
///              there are averages, the parameters as NAME.current
enum class VariableKind { Parameter, Inference, State };

/// Every variable by name, shared by the programs of a model.
class VariableStore {
public:
  /// Creates the variables that are new, zeroed. One that exists must be of
  /// the same type and shape.
  llvm::Error add(llvm::ArrayRef<VariableInfo> infos);
  Variable *find(llvm::StringRef name, Weights weights = Weights::Training) const;
  llvm::ArrayRef<std::unique_ptr<Variable>> all() const { return variables; }

  /// One tensor a variable and copy, under its name in checkpoints:
  /// blocks.3.attention.wq is copy 3 of the path blocks, *, attention, wq.
  /// Fails where two tensors would have one name.
  llvm::Expected<std::vector<TensorView>> tensors(VariableKind kind) const;

  /// An error unless the file has every tensor of this kind, in this shape,
  /// and (where `exact`) no other.
  llvm::Error check(const SafeTensors &file, VariableKind kind, bool exact) const;
  /// check(), then copies the file's tensors in. Numbers that are not finite are an
  /// error of the file. Nothing changes on an error.
  llvm::Error load(const SafeTensors &file, VariableKind kind, bool exact);
  /// Names of the file's tensors that are none of this kind's: load() does not read them.
  llvm::Expected<std::vector<std::string>> unread(const SafeTensors &file, VariableKind kind) const;

  /// An error that names the first float tensor that holds a NaN or infinity.
  llvm::Error checkFinite() const;
  /// How many parameters there are, counted in elements.
  int64_t parameterElements() const;

private:
  /// The average of a parameter, null where there is none.
  Variable *average(const VariableInfo &info) const;
  bool isAverage(const VariableInfo &info) const;

  std::vector<std::unique_ptr<Variable>> variables; // in order of creation
  llvm::StringMap<Variable *> byName;
};

/// The name of one copy's tensor: each "*" of the path is a number of `copy`.
/// A variable without path keeps its own name.
std::string tensorName(const VariableInfo &info, llvm::ArrayRef<int64_t> copy);

} // namespace gptc::runtime
