// A model with its settings and data, as the commands work on it: opened,
// checked, emitted, compiled.
#pragma once

#include "compiler/arguments.h"
#include "compiler/compile.h"
#include "compiler/memory.h"
#include "frontend/model.h"
#include "runtime/data/loader.h"
#include "runtime/tokenizer.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/ThreadPool.h"

#include <map>
#include <memory>
#include <set>

namespace gptc {

/// Options of every command that compiles.
struct CommonOptions {
  std::vector<std::string> set;
  std::string dtype = "f32";
  int64_t threads;
  std::string dumpIr, tile;
  bool timing = false, lineTables = false, profile = false;
  int64_t memory = 0; // bytes that a training step may take; 0: as many as it likes
  CommonOptions();
};
void addSetOption(Arguments &arguments, CommonOptions &options);
/// `--dtype f32|f64|bf16`; bf16: values are f32, contractions multiply in bf16.
void addTypeOption(Arguments &arguments, CommonOptions &options,
                   const char *help = "the type of floating-point numbers; bf16: f32 multiplied in bf16");
/// `--memory SIZE`.
void addMemoryOption(Arguments &arguments, CommonOptions &options);
/// `runs`: the command runs what it compiles.
void addCompileOptions(Arguments &arguments, CommonOptions &options, bool runs = true);

/// The fields of train { } or generate { } as a list behind the options.
void addFields(Arguments &arguments, bool training);

/// A message that begins with the program's name, on standard error; on a terminal
/// its words are wrapped.
void say(const llvm::Twine &message);
/// The same for what is wrong.
void reportError(const llvm::Twine &message);
/// Prints and consumes. Returns Failure.
int reportError(llvm::Error error);

/// Whether messages on standard error may be coloured.
bool colourErrors();

class Session {
public:
  explicit Session(const CommonOptions &options);
  ~Session();

  // Each step reports its errors itself and returns false on one.

  /// Reads the model file and the words of `--set`.
  bool open(const std::string &path);
  /// The same for a text that is here already.
  bool openText(const std::string &name, std::string text);
  /// The data declaration alone. Needs open().
  bool readDataSpec();
  /// Reads the data: tokenizer, facts, loader. Needs open(). `data` is one file,
  /// for pairs two. With `saved` (the object "data" of a run's config.json) a
  /// trained model's facts count. `validation`: as many files, all for
  /// validation; without them a part of `data` is, unless nothing is held out. `keepHeldOut`: HeldOut::keep,
  /// of `saved`.
  bool loadData(const std::vector<std::string> &data, uint64_t seed,
                const llvm::json::Object *saved = nullptr, const std::vector<std::string> &needed = {},
                const std::vector<std::string> &validation = {}, bool holdOut = true,
                bool keepHeldOut = false);
  /// Trained weights that a new run starts from bring their tokenizer and the statistics of
  /// their columns: loadData() then takes these. `data`: as in loadFacts(); `run` names it in messages.
  void startFrom(const llvm::json::Object &data, const std::string &run) {
    start = data;
    startName = run;
  }
  /// The tokenizer and facts of a run, without data. Needs open().
  bool loadFacts(const llvm::json::Object &saved);
  /// The tokenizer that the file declares; `text` is the training text. Needs readDataSpec().
  bool makeTokenizer(llvm::StringRef text, llvm::StringRef source);
  /// Whether only data make the declared tokenizer: chars, bpe.
  bool tokenizerNeedsText() const;
  /// The vocabulary's size of a tokenizer that the file declares, without data. Needs open().
  bool readVocabulary();
  bool checkIndices() const;
  /// Names, shapes, sizes. Needs open(), and knows facts where data were read.
  bool analyse();

  /// The program as emitted, with what `--from-ir` needs as attributes.
  /// `training`: an evaluation as training sees it, with random masks.
  mlir::OwningOpRef<mlir::ModuleOp> emit(ProgramKind kind, std::vector<std::string> show = {},
                                         bool training = false);
  /// Whether the file says how to train; else it can only be evaluated.
  bool trains() const { return model->hasLoss() && model->train().count("optimizer"); }
  /// Reports why it does not train.
  bool checkTrains() const;
  /// The output that tokens are chosen by, the first `over vocabulary`; an error where there is none.
  llvm::Expected<std::string> logitsName() const;
  /// Examples of a training step: `batch` of train { }, 1 where it says nothing.
  int64_t trainingBatch() const;
  /// The most tokens of a batch, padding included, that train { } allows; 0: any.
  int64_t batchTokens() const;
  /// Whether a training step takes exactly that many examples.
  bool wholeBatches() const;
  PipelineOptions pipeline(ProgramKind kind, int64_t batch, bool dynamicBatch) const;
  /// Where `--memory` was given: chooses what is computed again, or fails. `module` is a training program before the
  /// stage `outline`.
  llvm::Error fitMemory(mlir::ModuleOp module, PipelineOptions &pipeline);
  /// Emits and compiles.
  llvm::Expected<runtime::Program> compile(const PipelineOptions &pipeline,
                                           std::vector<std::string> show = {});
  /// Compiles a module that stands at a stage.
  llvm::Expected<runtime::Program> compile(const PipelineOptions &pipeline, mlir::ModuleOp module,
                                           const Stage *after);
  /// What config.json keeps of the data; loadFacts takes it.
  llvm::json::Object savedFacts() const;

  mlir::MLIRContext &mlirContext();
  bool f64() const { return options.dtype == "f64"; }

  CommonOptions options;
  SourceManager sources;
  int32_t file = -1;
  std::map<std::string, std::string> overrides; // of settings and of numbers in train { }
  DataSpec spec;
  DataFacts facts;
  std::unique_ptr<runtime::Tokenizer> tokenizer;
  std::unique_ptr<runtime::Loader> loader;
  std::unique_ptr<Model> model;
  Timing timing;

private:
  bool readSettings();
  bool makeTokenizer(llvm::ArrayRef<runtime::TokenizerText> texts);
  bool makeTokenizerFor(llvm::ArrayRef<std::string> files);
  bool takeTokenizer(llvm::ArrayRef<std::string> files);
  bool checkFiles(const std::vector<std::string> &files, const char *option) const;
  struct LoaderRequest {
    uint64_t seed = 0;
    const llvm::json::Object *facts = nullptr; // the loader's, of a run
    std::vector<std::string> needed;
    bool holdOut = true, keepHeldOut = false;
  };
  llvm::Expected<std::unique_ptr<runtime::Loader>> makeLoader(const std::vector<std::string> &files,
                                                              const LoaderRequest &request);
  bool render(const Diagnostics &diagnostics) const;

  std::optional<llvm::json::Object> start; // of startFrom()
  std::string startName;
  std::set<std::string> warned; // of data that are read twice
  std::unique_ptr<llvm::DefaultThreadPool> pool;
  std::unique_ptr<mlir::MLIRContext> context;
};

/// The frontend's name for a kind of program.
Program programOf(ProgramKind kind);

} // namespace gptc
