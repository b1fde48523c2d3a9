#include "runtime/evaluate.h"

namespace gptc::runtime {

llvm::Expected<Evaluation> evaluate(ProgramRun &run, Loader &loader, Loader::Part part, uint64_t seed,
                                    const std::function<bool()> &stop) {
  if (llvm::Error error = loader.check(run.inputs()))
    return error;
  BatchShape shape = run.batchShape();
  int64_t batches = loader.evaluationBatches(part, shape);
  if (batches == 0)
    return failure("the data is too short: nothing to evaluate on in {}",
                   part == Loader::Part::Validation ? "its validation part" : "it");
  std::vector<size_t> scalars;
  for (size_t i = 0; i < run.program().results.size(); ++i)
    if (run.program().results[i].elements() == 1)
      scalars.push_back(i);
  std::vector<double> sums(scalars.size());
  Evaluation evaluation;
  for (int64_t index = 0; index < batches; ++index) {
    if (stop && stop()) {
      evaluation.stopped = true;
      return evaluation;
    }
    Batch batch = loader.evaluation(part, shape, index, run.inputs());
    if (llvm::Error error = run.setBatch(batch))
      return error;
    run.setLoopInputs(seed, 0, index * shape.rows);
    run.run();
    for (size_t i = 0; i < scalars.size(); ++i)
      sums[i] += ProgramRun::scalarOf(run.resultAt(scalars[i])) * double(batch.items);
    evaluation.items += batch.items;
  }
  bool found = false;
  for (size_t i = 0; i < scalars.size(); ++i) {
    const std::string &name = run.program().results[scalars[i]].name;
    double mean = sums[i] / double(evaluation.items);
    if (name == "loss") {
      evaluation.loss = mean;
      found = true;
    } else {
      evaluation.reports.push_back({name, mean});
    }
  }
  if (!found)
    return failure("the program has no result 'loss'");
  return evaluation;
}

} // namespace gptc::runtime
