#include "compiler/options.h"

#include "llvm/Support/xxhash.h"

using namespace gptc;

static constexpr struct {
  ProgramKind kind;
  const char *name;
} programKinds[] = {{ProgramKind::Init, "init"},       {ProgramKind::Train, "train"},
                    {ProgramKind::Eval, "eval"},       {ProgramKind::Outputs, "outputs"},
                    {ProgramKind::Prepare, "prepare"}, {ProgramKind::Step, "step"},
                    {ProgramKind::Extend, "extend"}};

const char *gptc::nameOf(ProgramKind kind) {
  for (const auto &entry : programKinds)
    if (entry.kind == kind)
      return entry.name;
  return "";
}

bool gptc::parseProgramKind(const std::string &name, ProgramKind &kind) {
  for (const auto &entry : programKinds) {
    if (name == entry.name) {
      kind = entry.kind;
      return true;
    }
  }
  return false;
}

std::string PipelineOptions::print() const {
  auto truth = [](bool value) { return value ? "true" : "false"; };
  return std::string("program=") + nameOf(program) + " batch=" + std::to_string(batch) +
         " dynamic-batch=" + truth(dynamicBatch) + " vector-bits=" + std::to_string(vectorBits) +
         " fma=" + truth(fma) + (bf16 ? std::string(" bf16=true bf16-dot=") + truth(bf16Dot) : std::string()) +
         (tile.empty() ? "" : " tile=" + tile) + " line-tables=" + truth(lineTables) +
         " gradient-norms=" + truth(gradientNorms) +
         (keep >= 0 ? " keep=" + std::to_string(keep) : "") +
         (batchTokens ? " batch-tokens=" + std::to_string(batchTokens) : "") +
         (growing.empty() ? "" : " growing=" + growing) +
         (program == ProgramKind::Extend
              ? " new-positions=" + std::to_string(newPositions) + " ring=" + truth(ring) + " all-positions=" + truth(allPositions)
              : "");
}

uint64_t PipelineOptions::hash() const {
  return llvm::xxh3_64bits(print());
}
