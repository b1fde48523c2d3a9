// One model, run and trained by the compiler and by the oracle.
#pragma once

#include "differential/program.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace gptc::differential {

/// How a model is compiled and run.
struct Setup {
  std::string cpu =
      "native"; // or x86-64-v3, x86-64: the width of vectors and whether there is fused multiply-add
  bool single = false, bf16 = false;
  unsigned threads = 2;
  int64_t keep = -1;
  bool dynamicBatch = false; // training: compiled for at most so many examples, not for exactly so many
  bool shortBatch = false;   // fewer examples than the program is compiled for, and shorter texts
  std::string text() const;
};

/// What is looked at besides the training in f64.
struct Plan {
  Setup train, outputs;
  bool withOutputs = true;   // a model with a loss is not always run, too
  std::vector<Setup> others; // training again
  bool budget = false;       // with less memory: the same bits
  bool threads = false;      // with one thread: the same bits
  bool verify = false;       // also behind the stages that make loops
};
Plan planOf(uint64_t seed);
/// Everything, for models of the past.
std::vector<Plan> allPlans();

struct Subject {
  std::string text, means; // as compiled; as the oracle reads it
  uint64_t seed = 0;
  int64_t batch = 3;
  int dataMode = 0;
};
Subject modelOf(const ModelTree &program);

struct Finding {
  std::string kind; // "numbers", "compile", "rejected", "names", "crash", "time", "bits"
  std::string what; // the result, or the message
  std::string detail;
  /// Equal for what is probably the same fault.
  std::string signature() const;
};

struct Outcome {
  enum { Passed, Rejected, Skipped } state = Passed; // Skipped: too large, or nothing left to compare
  std::vector<Finding> findings;
  std::map<std::string, int64_t> counts; // kernel forms, elements compared and left out
};

Outcome check(const Subject &model, const Plan &plan);

} // namespace gptc::differential
