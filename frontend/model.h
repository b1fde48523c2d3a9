// A checked model: what a model file says once settings and data are known.
#pragma once

#include "frontend/ast.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>
#include <map>
#include <optional>

namespace gptc {

/// Facts that come from the data before compiling.
struct DataFacts {
  std::map<std::string, int64_t> sizes; // "vocabulary" -> 65
};

/// A data declaration, as the runtime's loaders need it.
struct DataSpec {
  enum Kind { None, Text, Rows, Pairs } kind = None;
  struct Stream {
    std::string name;
    int64_t bound = 0;
    std::string extent;
  };
  std::vector<Stream> streams; // text and pairs: one per declared name
  /// Tokens that pairs have beside their tokenizer's own: padding, begin, end.
  static constexpr int64_t pairTokens = 3;
  std::string tokenizer; // "chars", "alphabet", "bpe", "pieces", "tokenizer", "ids"
  std::vector<std::string> tokenizerArguments; // as written, evaluated: "8000"; paths from where gptc runs
  Span tokenizerSpan;
  struct Column {
    std::string name;
    bool standardise = false;
    std::vector<std::string> sources;
    bool isClass = false;
    std::vector<std::string> classes;
    bool isDistribution = false; // each row's numbers are shares of 1
  };
  std::vector<Column> columns; // rows
  /// `table[int(column)]`: the numbers of a column that are indices.
  struct IndexUse {
    std::string column; // the input
    size_t source = 0;  // which of its columns
    int64_t below = 0;  // what is indexed has so many values
    std::string table;
  };
  std::vector<IndexUse> indexUses; // each column once, with the fewest values; known of a whole model only
  double validation = 0.1;     // what training keeps apart: a share below 1, or a number of tokens or examples
};

/// A field of train { } or generate { }, evaluated. Calls keep their shape:
/// adamw(lr: ..., betas: (0.9, 0.99)) is name "adamw" with arguments.
struct ConfigValue {
  enum Kind { Number, Word, Call, List } kind = Number;
  double number = 0;
  std::string word;                                           // Word, Call
  std::vector<std::pair<std::string, ConfigValue>> arguments; // Call, List; "" for positional
  Span span;

  /// Of a time, `10min` (the call `seconds(600)`); none for anything else.
  std::optional<double> seconds() const {
    bool isTime = kind == Call && word == "seconds" && arguments.size() == 1 && arguments[0].second.kind == Number;
    return isTime ? std::optional<double>(arguments[0].second.number) : std::nullopt;
  }
};

/// A setting and its value.
struct SettingValue {
  std::string name;
  double value;
  bool overridden;
  Span span;
};

/// Which function of a model is asked for. One module holds one program.
enum class Program {
  Init,    // () -> (); sets every parameter. Argument: seed
  Train,   // loss with `training` true -> (loss, reports...)
  Eval,    // the same with `training` false
  Outputs, // () -> the declared outputs, then values asked for by name
};

class Model {
public:
  virtual ~Model() = default;
  virtual const DataSpec &data() const = 0;
  virtual const std::map<std::string, ConfigValue> &train() const = 0;
  virtual const std::map<std::string, ConfigValue> &generate() const = 0;
  virtual const std::vector<SettingValue> &settings() const = 0;
  /// What train { } says for a field, `--set` included, as text: `adamw(lr: 1e-3)`. "" where it says nothing.
  virtual std::string written(const std::string &field) const = 0;
  virtual std::vector<std::string> outputs() const = 0;
  /// What an output is declared `over`: "vocabulary" or a class column; "" where it does not say.
  virtual std::string over(const std::string &output) const = 0;
  virtual std::vector<std::string> reports() const = 0;
  virtual bool hasLoss() const = 0;
  /// Every name that `--show` accepts.
  virtual std::vector<std::string> values() const = 0;
  /// Where a name of values() comes from, for messages.
  struct ValueInfo {
    Span span;                        // its declaration
    Span use;                         // outside of the library: where its block is used; null where it is in none
    std::vector<std::string> repeats; // it has a copy for each of these, outermost first
    bool mayBeInfinite = false;       // what is written has an infinity in it, as a mask has
    bool parameter = false;
  };
  virtual ValueInfo valueInfo(const std::string &name) const = 0;
  /// The typed AST as text: every value with its dims, every instance.
  virtual std::string printTyped() const = 0;
  virtual const SourceManager &sources() const = 0;
  /// The model's text with what it uses put in: files of `use`, numbers of
  /// `file(...)`. It means the same and stands alone.
  virtual std::string text() const = 0;

  struct EmitOptions {
    Program program = Program::Train;
    bool f64 = false;
    std::vector<std::string> show; // also these values; not of Init
    bool training = false;         // Eval: as in training, with random masks
  };
  /// The program as one module of the gpt dialect (docs/design.md, "Modules").
  virtual mlir::OwningOpRef<mlir::ModuleOp> emit(mlir::MLIRContext *context,
                                                 const EmitOptions &options) const = 0;
};

struct AnalyseOptions {
  std::map<std::string, std::string> overrides; // --set name=value
  DataFacts facts;
  /// Without data, `vocabulary` and its like count as this; 0: an error.
  int64_t assumedSize = 256;
};

/// Reads, resolves `use`, checks names and shapes. Null where there are errors.
/// Only the facts that the file needs are read; `parse`-only callers that want
/// to know the data declaration first use `dataSpec`.
std::unique_ptr<Model> analyse(SourceManager &sources, int32_t file, const AnalyseOptions &options,
                               Diagnostics &diagnostics);

/// The data declaration alone, settings applied, before sizes are known.
DataSpec dataSpec(SourceManager &sources, int32_t file, const AnalyseOptions &options,
                  Diagnostics &diagnostics);

} // namespace gptc
