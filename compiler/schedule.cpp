#include "compiler/schedule.h"

#include "compiler/session.h"

#include "ir/gpt/interpreter.h"
#include "runtime/error.h"

#include "llvm/Support/raw_ostream.h"

#include <fmt/format.h>

using namespace gptc;

llvm::Expected<double> gptc::learningRateOf(mlir::ModuleOp module, int64_t step) {
  auto function = module.lookupSymbol<mlir::func::FuncOp>("learning_rate");
  if (!function)
    return runtime::failure("the program has no learning rate");
  gpt::Interpreter interpreter;
  auto results = interpreter.run(function, gpt::Tensor::scalar(double(step - 1)));
  if (!results)
    return results.takeError();
  return results->front().data.front();
}

llvm::Expected<std::string> gptc::describeSchedule(mlir::ModuleOp module, int64_t steps) {
  std::string text;
  double before = 0;
  for (int64_t part = 0; part <= 4; ++part) {
    int64_t step = part == 0 ? 1 : steps * part / 4;
    auto rate = learningRateOf(module, std::max<int64_t>(step, 1));
    if (!rate)
      return rate.takeError();
    if (part == 0) {
      text = fmt::format("{:.4g} in step 1", *rate);
    } else if (step > 1 && *rate != before) {
      text += fmt::format(", {:.4g} in step {}", *rate, step);
    }
    before = *rate;
    if (steps < 2)
      break;
  }
  return text;
}

llvm::Error gptc::saySchedule(Session &session, const llvm::json::Object &config, int64_t done) {
  AnalyseOptions before;
  before.facts = session.facts;
  if (const llvm::json::Object *overrides = config.getObject("overrides"))
    for (const auto &[name, value] : *overrides)
      before.overrides[name.str()] = value.getAsString().value_or("").str();
  Diagnostics quiet(session.sources);
  std::unique_ptr<Model> old = analyse(session.sources, session.file, before, quiet);
  if (!old)
    return llvm::Error::success();
  for (const char *field : {"steps", "epochs", "batch", "optimizer", "clip", "average", "eval_every"}) {
    std::string then = old->written(field), now = session.model->written(field);
    if (then != now)
      llvm::errs() << programName() << ": " << field << ": " << (then.empty() ? "not given" : then) << " until now, "
                   << (now.empty() ? "not given" : now) << " from here on\n";
  }
  Model::EmitOptions emitOptions;
  emitOptions.f64 = session.f64();
  mlir::OwningOpRef<mlir::ModuleOp> then = old->emit(&session.mlirContext(), emitOptions);
  mlir::OwningOpRef<mlir::ModuleOp> now = session.emit(ProgramKind::Train);
  if (!then || !now)
    return llvm::Error::success();
  int64_t next = done + 1;
  auto oldRate = learningRateOf(*then, next), newRate = learningRateOf(*now, next);
  if (llvm::Error error = llvm::joinErrors(oldRate.takeError(), newRate.takeError()))
    return error;
  if (*oldRate == *newRate)
    return llvm::Error::success();
  std::string text = fmt::format("the learning rate of step {} is {:.4g}, without the change {:.4g}", next, *newRate,
                                 *oldRate);
  if (done > 0) {
    auto rate = learningRateOf(*then, done);
    if (!rate)
      return rate.takeError();
    text += fmt::format("; step {} had {:.4g}", done, *rate);
  }
  llvm::errs() << programName() << ": " << text << "\n";
  return llvm::Error::success();
}
