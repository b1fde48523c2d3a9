// One training: what `gptc train` was asked for, and its way from there to a run.
#pragma once

#include "compiler/session.h"
#include "compiler/stages.h"

#include "runtime/checkpoint.h"
#include "runtime/data/identity.h"
#include "runtime/overwrite.h"
#include "runtime/trainer.h"

#include "mlir/IR/OwningOpRef.h"

namespace gptc {

struct TrainRequest {
  std::string model, out, resume, init, fromIr, stage;
  std::vector<std::string> data, validation;
  int64_t seed = 1, keep = 2, showGradients = 0;
  bool seedGiven = false, dtypeGiven = false, keepGiven = false, changedData = false, overwrite = false;
};

class Training {
public:
  Training(Session &session, TrainRequest &request) : session(session), request(request) {}
  int run();

private:
  int train();
  bool openModel();
  bool openResumed();
  bool openInit();
  bool openModule(llvm::StringRef text, llvm::StringRef name);
  bool fits();
  bool identifyData();
  bool checkData();
  int64_t steps(int64_t batch) const;
  void setSaving(runtime::TrainOptions &options) const;
  llvm::Error checkAll(int64_t batch, int64_t bytes) const;
  llvm::json::Array absolute(const std::vector<std::string> &files) const;
  double field(const char *name, double otherwise) const;
  llvm::Error writeConfig(int64_t batch);
  llvm::Expected<runtime::Program> compileStep();
  void sayFinished(const runtime::TrainJob &job, double seconds) const;

  Session &session;
  TrainRequest &request;
  std::optional<runtime::RunDirectory> directory;
  std::optional<llvm::json::Object> config; // of the run that is resumed
  std::optional<runtime::RunAside> replaced; // of --overwrite
  mlir::OwningOpRef<mlir::ModuleOp> module; // of --from-ir
  const Stage *stage = nullptr;
  std::vector<runtime::DataIdentity> data, validation; // as they are now
  bool dataChanged = false; // since the run that is resumed began
  bool started = false;  // the run's files say so
  int64_t firstStep = 0; // of this process; more than 0 where a run is resumed
};

/// Says what a file of weights does not say, but the model takes from the data.
void warnOfInit(const Session &session, const std::string &file);

} // namespace gptc
