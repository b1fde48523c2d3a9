// Rows of a table as examples.
#pragma once

#include "runtime/data/csv.h"
#include "runtime/data/loader.h"

#include "llvm/ADT/StringMap.h"

#include <memory>

namespace gptc::runtime {

/// One input made from columns of the table.
struct RowsColumn {
  std::string name;                      // the input's: "x", "y"
  std::vector<std::string> sources;      // columns of the table; one for a class
  bool standardise = false;              // (value - mean) / deviation of the training part
  bool isClass = false;                  // labels as i32
  std::vector<std::string> classes = {}; // the labels in order; empty: those of the table, sorted
  bool isDistribution = false;           // a row's numbers are none below 0 and add up to 1
};

struct RowsOptions {
  std::vector<RowsColumn> columns;
  uint64_t seed = 0;               // of the split
  bool holdOut = true;             // rows are kept for validation, not for training
  double validation = 0.1;         // their share, rounded down, at least 1 row; from 1 on their number
  std::vector<std::string> needed; // inputs to read; empty: all
  /// What facts() gave when the model was trained: its statistics and classes
  /// then count, not this table's.
  const llvm::json::Object *facts = nullptr;
  bool f64 = false;         // numbers become f64, not f32
  bool keepHeldOut = false; // HeldOut::keep, of these facts
};

/// Inputs: f32 or f64 [batch] or [batch, sources], classes i32 [batch]. A
/// seeded shuffle keeps `validation` of the rows (none, without holdOut) apart, the others are the training
/// part; each epoch goes over it in an order of its own, keyed by the seed.
class RowsLoader : public Loader {
public:
  static llvm::Expected<std::unique_ptr<RowsLoader>> open(llvm::StringRef path, const RowsOptions &options);
  static llvm::Expected<std::unique_ptr<RowsLoader>> create(llvm::StringRef text, llvm::StringRef source,
                                                            const RowsOptions &options);

  llvm::StringRef items() const override { return "rows"; }
  llvm::Error check(llvm::ArrayRef<InputBuffer> inputs) const override;
  llvm::Error checkIndices(llvm::ArrayRef<IndexColumn> columns) const override;
  llvm::Error checkTraining(const BatchShape &shape) const override;
  int64_t batchesOf(int64_t epochs, const BatchShape &shape, uint64_t seed) override {
    return epochs * batchesPerEpoch(shape);
  }
  int64_t trainingExamples() const override { return trainingCount; }
  Batch training(const BatchShape &shape, uint64_t seed, int64_t step,
                 llvm::ArrayRef<InputBuffer> inputs) override;
  int64_t evaluationBatches(Part part, const BatchShape &shape) const override;
  Batch evaluation(Part part, const BatchShape &shape, int64_t index,
                   llvm::ArrayRef<InputBuffer> inputs) override;
  llvm::json::Object facts() const override;
  /// Names the first number of each input that the type does not hold: an integer that
  /// becomes another one, a number that becomes 0.
  std::vector<std::string> warnings() const override { return inexact; }

  int64_t rowCount() const { return count; }
  /// The labels of a class column, in the order of its integers.
  llvm::ArrayRef<std::string> classes(llvm::StringRef name) const;

private:
  int64_t batchesPerEpoch(const BatchShape &shape) const;

  struct Column {
    RowsColumn spec;
    std::vector<double> values; // [row, source]
    std::vector<int32_t> labels;
    std::vector<double> mean, deviation;
    std::vector<size_t> places; // of the sources in a row
    llvm::StringMap<int32_t> labelOf;
    bool open = false;      // the table says which classes there are
    bool single = true;     // numbers become f32 as they are
    std::string inexact;    // the first number that the type does not hold
    size_t moreInexact = 0; // how many others
  };

  static llvm::Error findSources(Column &column, const CsvReader &table);
  static llvm::Error readLabel(Column &column, const CsvReader &table, const CsvField &field);
  static llvm::Error readNumbers(Column &column, const CsvReader &table, llvm::ArrayRef<CsvField> row);
  static void sortClasses(Column &column);
  void warnOfInexact(const Column &column);

  void split(uint64_t seed, double validation);
  /// Holds out the rows that facts() of a run names.
  llvm::Error holdOut(const llvm::json::Object &facts, bool keep);
  llvm::Error standardise(Column &column, const llvm::json::Object *facts);
  void shuffleEpoch(uint64_t seed, int64_t epoch);
  void fill(llvm::ArrayRef<InputBuffer> inputs, int64_t to, int64_t row) const;
  const Column *find(llvm::StringRef name) const;

  std::string source;
  std::vector<Column> columns;
  std::vector<std::string> inexact; // warnings
  std::vector<uint32_t> lines;      // of the rows, for messages
  int64_t count = 0, trainingCount = 0;
  std::vector<int32_t> order; // training rows, then validation rows
  std::vector<int32_t> epochOrder;
  int64_t epochShuffled = -1;
  uint64_t epochSeed = 0;
};

} // namespace gptc::runtime
