#include "runtime/evaluate.h"

namespace gptc::runtime {

namespace {
/// 0 to n - 1, each once, so that the first ones of any number lie evenly: by their bits from the lowest on.
class SpreadOrder {
public:
  explicit SpreadOrder(int64_t n) : n(n) {
    while ((int64_t(1) << bits) < n)
      ++bits;
  }
  int64_t next() {
    for (;;) {
      int64_t counter = at++, reversed = 0;
      for (int bit = 0; bit < bits; ++bit)
        reversed |= (counter >> bit & 1) << (bits - 1 - bit);
      if (reversed < n)
        return reversed;
    }
  }

private:
  int64_t n, at = 0;
  int bits = 0;
};
} // namespace

llvm::Expected<Evaluation> evaluate(ProgramRun &run, Loader &loader, Loader::Part part,
                                    const EvaluateOptions &options) {
  if (llvm::Error error = loader.check(run.inputs()))
    return error;
  BatchShape shape = run.batchShape();
  int64_t batches = loader.evaluationBatches(part, shape);
  if (batches == 0)
    return failure("the data is too short: nothing to evaluate on in {}",
                   part == Loader::Part::Validation ? "its validation part" : "it");
  // "loss.count": how many terms the mean "loss" has, on average for each example.
  struct Mean {
    size_t result;
    std::optional<size_t> count;
    double sum = 0, weight = 0;
  };
  static constexpr llvm::StringLiteral suffix = ".count";
  const std::vector<ResultInfo> &results = run.program().results;
  std::vector<Mean> means;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].elements() != 1 || llvm::StringRef(results[i].name).ends_with(suffix))
      continue;
    Mean mean;
    mean.result = i;
    for (size_t j = 0; j < results.size(); ++j)
      if (results[j].name == results[i].name + suffix.str())
        mean.count = j;
    means.push_back(mean);
  }
  Evaluation evaluation;
  SpreadOrder order(batches);
  for (int64_t done = 0; done < batches; ++done) {
    if (options.stop && options.stop()) {
      evaluation.stopped = true;
      return evaluation;
    }
    int64_t index = options.mostItems ? order.next() : done;
    Batch batch = loader.evaluation(part, shape, index, run.inputs());
    if (options.mostItems && done > 0 && evaluation.items + batch.items > options.mostItems)
      break;
    if (options.progress) // below 1: what comes next fits
      options.progress(options.mostItems ? double(evaluation.items) / double(options.mostItems)
                                         : double(done) / double(batches));
    if (llvm::Error error = run.setBatch(batch))
      return error;
    run.setLoopInputs(options.seed, 0, index * shape.rows);
    run.run();
    for (Mean &mean : means) {
      double weight = mean.count ? ProgramRun::scalarOf(run.resultAt(*mean.count)) * double(batch.rows)
                                 : double(batch.items);
      mean.sum += ProgramRun::scalarOf(run.resultAt(mean.result)) * weight;
      mean.weight += weight;
    }
    evaluation.items += batch.items;
  }
  bool found = false;
  for (const Mean &mean : means) {
    llvm::StringRef name = results[mean.result].name;
    double value = mean.weight > 0 ? mean.sum / mean.weight : 0;
    if (name == "loss") {
      evaluation.loss = value;
      found = true;
    } else {
      name.consume_front(reportPrefix);
      evaluation.reports.push_back({name.str(), value});
    }
  }
  if (!found)
    return failure("the program has no result 'loss'");
  return evaluation;
}

} // namespace gptc::runtime
