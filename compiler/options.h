// What decides the code that comes out of a compilation, in one place.
#pragma once

#include <cstdint>
#include <string>

namespace gptc {

/// The kind of program that a module holds.
enum class ProgramKind {
  Init,
  Train,
  Eval,
  Outputs,
  Prepare, // of Outputs, what stays the same while a sequence grows
  Step,    // and the rest, for each step
  Extend,  // of the rest, what new positions add
};

/// "init", "train", "eval", "outputs", "prepare", "step" or "extend".
const char *nameOf(ProgramKind kind);
/// The kind of that name; false where there is none.
bool parseProgramKind(const std::string &name, ProgramKind &kind);

/// Everything besides the module that a compilation depends on. Passes get it
/// as pass options and read no global and no environment variable.
struct PipelineOptions {
  ProgramKind program = ProgramKind::Train;
  int64_t batch = 1;          // largest batch, at least 1
  bool dynamicBatch = true;   // the batch's extent is known only at run time
  int64_t batchTokens = 0;    // the most rows times longest sequence; 0: any
  int64_t vectorBits = 128;   // width of a vector register: 128, 256 or 512
  bool fma = false;           // the machine has fused multiply-add
  bool bf16 = false;          // contractions of f32 round their operands to bf16
  bool bf16Dot = false;       // the machine multiplies pairs of bf16
  std::string tile;           // --tile: of contractions; empty: what passes/codegen/tiles.cpp chooses
  int64_t keep = -1;          // training: the most bytes kept for the backward pass; -1: what is fastest
  std::string growing;        // Prepare, Step, Extend: the input that grows
  int64_t newPositions = 1;   // Extend: the most new positions of a stream in a run
  bool ring = false;          // Extend: caches go round, where they can
  bool allPositions = false;  // Extend: results at all new positions, not at the last ones
  bool lineTables = false;    // keep source lines in the generated code
  bool gradientNorms = false; // training: also return the norm of each parameter's gradient

  /// `program=train batch=12 dynamic-batch=false vector-bits=512 line-tables=false`
  std::string print() const;
  /// The same for equal options, on every machine.
  uint64_t hash() const;
  bool operator==(const PipelineOptions &other) const { return print() == other.print(); }
};

} // namespace gptc
