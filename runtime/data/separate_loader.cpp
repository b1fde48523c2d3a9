#include "runtime/data/separate_loader.h"

namespace gptc::runtime {

llvm::Error SeparateLoader::check(llvm::ArrayRef<InputBuffer> inputs) const {
  if (llvm::Error error = first->check(inputs))
    return error;
  return second->check(inputs);
}

int64_t SeparateLoader::evaluationBatches(Part part, const BatchShape &shape) const {
  return (part == Part::All ? first : second)->evaluationBatches(Part::All, shape);
}

Batch SeparateLoader::evaluation(Part part, const BatchShape &shape, int64_t index,
                                 llvm::ArrayRef<InputBuffer> inputs) {
  return (part == Part::All ? first : second)->evaluation(Part::All, shape, index, inputs);
}

std::vector<std::string> SeparateLoader::warnings() const {
  std::vector<std::string> all = first->warnings();
  for (std::string &warning : second->warnings())
    all.push_back(std::move(warning));
  return all;
}

} // namespace gptc::runtime
