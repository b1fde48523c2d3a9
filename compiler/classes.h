// Outputs over the classes of a column of the rows: what a classifier says.
#pragma once

#include "frontend/model.h"
#include "runtime/runner.h"

#include <vector>

namespace gptc {

/// A result of a program that holds one number a class: a probability or score.
struct ClassResult {
  size_t result = 0; // of the program's results, float [b, classes]
  DataSpec::Column column;
  std::string title; // what a table calls the likeliest class: the column of the data

  /// The class with the highest number in a row of the batch, the first of
  /// equal ones; -1 where a number is NaN.
  int64_t likeliest(const runtime::ProgramRun &run, int64_t row) const;
};

/// The program's outputs that are declared `over` a class column, and those
/// that say nothing where the model has one class column of as many classes.
std::vector<ClassResult> classResults(const Model &model, const runtime::Program &program);

} // namespace gptc
