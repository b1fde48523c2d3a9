// A model's text as the compiler reads it, and the numbers that it is run on.
#pragma once

#include "differential/check.h"
#include "differential/oracle.h"

#include "mlir/IR/MLIRContext.h"

namespace gptc::differential {

class Draw;

/// A context with every dialect and pass of the compiler.
mlir::MLIRContext &context();

/// A text as the compiler's front end understands it.
struct Text {
  SourceManager sources;
  std::unique_ptr<gptc::Model> model; // null where it is wrong
  std::string errors;
  std::vector<std::string> parameters; // in order

  explicit Text(const std::string &text);
  std::unique_ptr<typed::Elaborated> elaborate(bool training);

private:
  typed::Program parsed;
  AnalyseOptions options;
};

/// Inputs and parameters, a function of the model's seed and of names alone.
class Data {
public:
  Data(const Subject &model, const typed::Elaborated &typed) : model(model), typed(typed) {}

  /// Of `model.batch` examples where each has its own; the shape is of bounds.
  const Array &input(const std::string &name, bool perExample, std::vector<int64_t> shape, bool isFloat,
                     int64_t limit);
  const Array &input(const typed::Tensor &tensor);
  /// Integers of an input lie below this.
  int64_t limitOf(const std::string &input) const;
  /// The parameter of this number.
  Array parameter(size_t index, std::vector<int64_t> shape) const;

private:
  const Subject &model;
  const typed::Elaborated &typed;
  std::map<std::string, Array> inputs;

  double number(Draw &d) const;
};

} // namespace gptc::differential
