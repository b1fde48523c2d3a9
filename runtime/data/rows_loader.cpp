#include "runtime/data/rows_loader.h"

#include "runtime/files.h"
#include "runtime/random.h"
#include "runtime/utf8.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <algorithm>
#include <cmath>

using llvm::ArrayRef;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

// Messages name so many columns or classes.
static std::string listed(ArrayRef<std::string> names) {
  constexpr size_t most = 40;
  std::string text;
  for (const std::string &name : names.take_front(most))
    text += (text.empty() ? "" : ", ") + shown(name);
  return text + (names.size() > most ? ", ..." : "");
}

static Expected<size_t> columnOf(const CsvReader &table, StringRef name) {
  std::vector<std::string> known;
  for (size_t i = 0; i < table.header().size(); ++i) {
    if (table.header()[i].text == name)
      return i;
    known.push_back(table.header()[i].text);
  }
  return failure("{}:{}:1: there is no column '{}'; there are {}", table.source(), table.header().front().line,
                 shown(name), listed(known));
}

/// Whether a text without exponent stands for exactly this integer.
static bool isExactly(StringRef text, double value) {
  bool negative = text.consume_front("-");
  text.consume_front("+");
  auto [digits, fraction] = text.split('.');
  StringRef kept = digits.ltrim('0');
  std::string number = fmt::format("{:.0f}", std::fabs(value));
  return fraction.trim('0').empty() && (kept.empty() ? "0" : kept) == number && negative == (value < 0);
}

/// What a number becomes where the type does not hold it: an integer that becomes another one, or
/// a number other than 0 that becomes 0. Fractions are rounded by their nature.
static std::optional<double> becomes(StringRef text, double value, bool single) {
  double stored = single ? double(float(value)) : value;
  bool plain = text.find_first_of("eExX") == StringRef::npos;
  if (stored == 0)
    return text.take_until([](char c) { return c == 'e' || c == 'E'; }).find_first_of("123456789") !=
                   StringRef::npos
               ? std::optional<double>(0)
               : std::nullopt;
  constexpr double largest = 0x1p53; // up to here f64 holds every integer
  bool integer = plain && value == std::floor(value);
  if (integer && (stored != value || (std::fabs(value) >= largest && !isExactly(text, value))))
    return stored;
  return std::nullopt;
}

Error RowsLoader::findSources(Column &column, const CsvReader &table) {
  for (const std::string &name : column.spec.sources) {
    Expected<size_t> place = columnOf(table, name);
    if (!place)
      return place.takeError();
    column.places.push_back(*place);
  }
  for (auto [i, label] : llvm::enumerate(column.spec.classes))
    column.labelOf.try_emplace(label, int32_t(i));
  column.open = column.spec.isClass && column.spec.classes.empty();
  return Error::success();
}

Error RowsLoader::readLabel(Column &column, const CsvReader &table, const CsvField &field) {
  auto known = column.labelOf.find(field.text);
  if (known == column.labelOf.end()) {
    if (!column.open)
      return failure("{}: '{}' is no class of column '{}'; there are {}", table.placeOf(field), shown(field.text),
                     column.spec.sources.front(), listed(column.spec.classes));
    known = column.labelOf.try_emplace(field.text, int32_t(column.labelOf.size())).first;
  }
  column.labels.push_back(known->second);
  return Error::success();
}

Error RowsLoader::readNumbers(Column &column, const CsvReader &table, ArrayRef<CsvField> row) {
  bool single = column.single;
  double total = 0;
  for (auto [s, place] : llvm::enumerate(column.places)) {
    const CsvField &field = row[place];
    const std::string &name = column.spec.sources[s];
    double value;
    bool read = !field.text.empty() && llvm::to_float(field.text, value) && !std::isnan(value);
    bool digits = StringRef(field.text).find_first_of("0123456789") != StringRef::npos;
    if (!read || (std::isinf(value) && !digits))
      return failure("{}: '{}' is not a number (column '{}')", table.placeOf(field), shown(field.text), name);
    if (std::isinf(single ? float(value) : value))
      return failure("{}: '{}' is more than {} can hold (column '{}'){}", table.placeOf(field), shown(field.text),
                     single ? "f32" : "f64", name,
                     single && std::isfinite(value) ? "; --dtype f64 holds it" : "");
    std::optional<double> stored = becomes(field.text, value, single);
    if (stored && column.inexact.empty())
      column.inexact = fmt::format("{}: '{}' becomes {:.0f} in {} (column '{}')", table.placeOf(field),
                                   shown(field.text), *stored, single ? "f32" : "f64", name);
    else
      column.moreInexact += stored.has_value();
    column.values.push_back(value);
    total += value;
    if (column.spec.isDistribution && value < 0)
      return failure("{}: '{}' is {} in this row; a share of a distribution is not below 0",
                     table.placeOf(row.front()), name, value);
  }
  if (column.spec.isDistribution && std::fabs(total - 1) > 1e-4)
    return failure("{}: {} add up to {} in this row; the shares of a distribution add up to 1",
                   table.placeOf(row.front()), fmt::join(column.spec.sources, " + "), total);
  return Error::success();
}

/// Classes that only the table says are numbered in the order of their names, not of their rows.
void RowsLoader::sortClasses(Column &column) {
  if (!column.open)
    return;
  for (const auto &entry : column.labelOf)
    column.spec.classes.push_back(entry.first().str());
  llvm::sort(column.spec.classes);
  std::vector<int32_t> sorted(column.spec.classes.size());
  for (auto [i, name] : llvm::enumerate(column.spec.classes))
    sorted[size_t(column.labelOf.lookup(name))] = int32_t(i);
  for (int32_t &label : column.labels)
    label = sorted[size_t(label)];
}

void RowsLoader::warnOfInexact(const Column &column) {
  if (column.inexact.empty())
    return;
  std::string warning = column.inexact;
  if (column.moreInexact)
    warning += fmt::format(", and {} more numbers change", column.moreInexact);
  if (column.single)
    warning += "; --dtype f64 keeps more digits, and standardise(...) takes the mean off before";
  inexact.push_back(std::move(warning));
}

Expected<std::unique_ptr<RowsLoader>> RowsLoader::open(StringRef path, const RowsOptions &options) {
  auto buffer = readFile(path);
  if (!buffer)
    return buffer.takeError();
  return create((*buffer)->getBuffer(), path, options);
}

Expected<std::unique_ptr<RowsLoader>> RowsLoader::create(StringRef text, StringRef source,
                                                         const RowsOptions &options) {
  Expected<CsvReader> table = CsvReader::open(text, source);
  if (!table)
    return table.takeError();
  auto loader = std::make_unique<RowsLoader>();
  loader->source = source.str();
  // Lines within quotes are no rows, so this may be more than is needed.
  size_t mostRows = text.count('\n') + 1;
  loader->lines.reserve(mostRows);
  for (const RowsColumn &spec : options.columns) {
    if (!options.needed.empty() && !llvm::is_contained(options.needed, spec.name))
      continue;
    if (spec.sources.empty() || (spec.isClass && spec.sources.size() != 1))
      return failure("'{}' is made of {} columns", spec.name, spec.sources.size());
    Column &column = loader->columns.emplace_back();
    column.spec = spec;
    column.single = !options.f64 && !spec.standardise;
    const llvm::json::Object *facts = options.facts ? options.facts->getObject(spec.name) : nullptr;
    if (spec.isClass && facts)
      if (const llvm::json::Array *saved = facts->getArray("classes")) {
        column.spec.classes.clear();
        for (const llvm::json::Value &label : *saved)
          column.spec.classes.push_back(label.getAsString().value_or("").str());
      }
    if (Error error = findSources(column, *table))
      return error;
    spec.isClass ? column.labels.reserve(mostRows) : column.values.reserve(mostRows * spec.sources.size());
  }

  std::vector<CsvField> row;
  for (;;) {
    Expected<bool> more = table->next(row);
    if (!more)
      return more.takeError();
    if (!*more)
      break;
    if (++loader->count > INT32_MAX)
      return failure("{}: more than {} rows are too many", source, INT32_MAX);
    loader->lines.push_back(uint32_t(row.front().line));
    for (Column &column : loader->columns)
      if (Error error = column.spec.isClass ? readLabel(column, *table, row[column.places.front()])
                                            : readNumbers(column, *table, row))
        return error;
  }
  if (loader->count == 0)
    return failure("{}: there is a header and no row", source);
  loader->split(options.seed, options.holdOut ? options.validation : 0);
  if (options.holdOut && options.validation > 0 && options.facts)
    if (Error error = loader->holdOut(*options.facts, options.keepHeldOut))
      return error;
  for (Column &column : loader->columns) {
    sortClasses(column);
    loader->warnOfInexact(column);
    const llvm::json::Object *facts = options.facts ? options.facts->getObject(column.spec.name) : nullptr;
    if (column.spec.standardise && !column.spec.isClass)
      if (Error error = loader->standardise(column, facts))
        return error;
  }
  return loader;
}

// Fisher and Yates' shuffle; the n-th exchange has the n-th number.
static void shuffle(llvm::MutableArrayRef<int32_t> order, uint64_t seed, RandomUse use, uint64_t key) {
  for (size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[randomBelow(randomBits(seed, use, key, i), i)]);
}

void RowsLoader::split(uint64_t seed, double validation) {
  order.resize(size_t(count));
  for (int64_t i = 0; i < count; ++i)
    order[size_t(i)] = int32_t(i);
  shuffle(order, seed, RandomUse::Split, 0);
  double share = validation < 1 ? double(count) * validation + 1e-6 : std::min(validation, double(count));
  int64_t kept = validation > 0 ? std::max<int64_t>(1, int64_t(share)) : 0;
  trainingCount = std::max<int64_t>(1, count - kept);
  epochOrder.resize(size_t(trainingCount));
}

// Numbers in order, as text: "3 9-11 20".
static std::string rangesText(ArrayRef<int32_t> numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1)
      ++last;
    text += (text.empty() ? "" : " ") + std::to_string(numbers[i]);
    if (last > i)
      text += "-" + std::to_string(numbers[last]);
    i = last + 1;
  }
  return text;
}

// The numbers below `count` of such a text, marked; none where it is no such text.
static std::optional<std::vector<bool>> marksOf(StringRef text, int64_t count) {
  std::vector<bool> marks(static_cast<size_t>(count));
  while (!text.empty()) {
    auto [range, rest] = text.split(' ');
    auto [from, to] = range.split('-');
    int64_t first, last;
    if (from.getAsInteger(10, first) || first < 0)
      return std::nullopt;
    if (range.size() == from.size())
      last = first;
    else if (to.getAsInteger(10, last) || last < first)
      return std::nullopt;
    for (int64_t i = first; i <= std::min(last, count - 1); ++i)
      marks[size_t(i)] = true;
    text = rest;
  }
  return marks;
}

// Columns are called by names without blanks, so these are none of them.
static constexpr llvm::StringLiteral heldOutKey = "held out", countKey = "all rows";

Error RowsLoader::holdOut(const llvm::json::Object &facts, bool keep) {
  std::optional<StringRef> text = facts.getString(heldOutKey);
  if (!text || (!keep && facts.getInteger(countKey) != count))
    return Error::success();
  std::optional<std::vector<bool>> marks = marksOf(*text, count);
  if (!marks)
    return failure("config.json: '{}' is no list of rows", heldOutKey);
  // Both parts stay in the order in which the seed has them.
  auto middle = std::stable_partition(order.begin(), order.end(), [&](int32_t row) { return !(*marks)[size_t(row)]; });
  trainingCount = middle - order.begin();
  if (trainingCount == 0)
    return failure("{}: all rows that are there were held out when the run began", source);
  epochOrder.resize(size_t(trainingCount));
  return Error::success();
}

Error RowsLoader::standardise(Column &column, const llvm::json::Object *facts) {
  size_t width = column.spec.sources.size();
  column.mean.assign(width, 0);
  column.deviation.assign(width, 1);
  const llvm::json::Array *means = facts ? facts->getArray("mean") : nullptr;
  const llvm::json::Array *deviations = facts ? facts->getArray("deviation") : nullptr;
  if (means && deviations) {
    if (means->size() != width || deviations->size() != width)
      return failure("the run's statistics of '{}' are for {} columns, not {}", column.spec.name,
                     means->size(), width);
    for (size_t s = 0; s < width; ++s) {
      column.mean[s] = (*means)[s].getAsNumber().value_or(0);
      column.deviation[s] = (*deviations)[s].getAsNumber().value_or(1);
    }
  } else {
    for (size_t s = 0; s < width; ++s) {
      double sum = 0, squares = 0, n = double(trainingCount);
      for (int64_t i = 0; i < trainingCount; ++i)
        sum += column.values[size_t(order[size_t(i)]) * width + s];
      double mean = sum / n;
      for (int64_t i = 0; i < trainingCount; ++i) {
        double centred = column.values[size_t(order[size_t(i)]) * width + s] - mean;
        squares += centred * centred;
      }
      column.mean[s] = mean;
      // A constant column becomes 0, not a division by 0.
      double deviation = std::sqrt(squares / n);
      column.deviation[s] = deviation > 1e-12 * std::fabs(mean) && deviation > 0 ? deviation : 1;
    }
  }
  for (size_t i = 0; i < column.values.size(); ++i)
    column.values[i] = (column.values[i] - column.mean[i % width]) / column.deviation[i % width];
  return Error::success();
}

const RowsLoader::Column *RowsLoader::find(StringRef name) const {
  for (const Column &column : columns)
    if (column.spec.name == name)
      return &column;
  return nullptr;
}

ArrayRef<std::string> RowsLoader::classes(StringRef name) const {
  const Column *column = find(name);
  return column ? ArrayRef<std::string>(column->spec.classes) : ArrayRef<std::string>();
}

Error RowsLoader::check(ArrayRef<InputBuffer> inputs) const {
  for (const InputBuffer &input : inputs) {
    const TensorInfo &info = *input.info;
    if (isLoopInput(info.name))
      continue;
    const Column *column = find(info.name);
    if (!column)
      return failure("{}: these rows have no '{}'", source, info.name);
    bool fits =
        column->spec.isClass ? info.type == DType::I32 : info.type == DType::F32 || info.type == DType::F64;
    if (!fits)
      return failure("input '{}' is {}, the data {}", info.name, nameOf(info.type),
                     column->spec.isClass ? "classes (I32)" : "numbers (F32 or F64)");
    int64_t width = 1;
    for (size_t d = 1; d < info.shape.size(); ++d)
      width *= info.shape[d];
    if (info.shape.empty() || width != int64_t(column->spec.sources.size()))
      return failure("input '{}' takes {} numbers per row, the data has {}", info.name, width,
                     column->spec.sources.size());
  }
  return Error::success();
}

Error RowsLoader::checkIndices(ArrayRef<IndexColumn> uses) const {
  for (const IndexColumn &use : uses) {
    const Column *column = find(use.input);
    size_t width = column ? column->spec.sources.size() : 0;
    for (size_t row = 0; use.source < width && row < size_t(count); ++row) {
      double value = std::trunc(column->values[row * width + use.source]);
      if (!(value >= 0 && value < double(use.below)))
        return failure(
            "{}:{}: column '{}' is {} here, but the model uses it as an index of '{}', which has {} "
            "values, 0 to {}; where 0 is meant to be read outside, the index is `int(...) + 0`",
            source, lines[row], column->spec.sources[use.source], column->values[row * width + use.source],
            use.table, use.below, use.below - 1);
    }
  }
  return Error::success();
}

Error RowsLoader::checkTraining(const BatchShape &shape) const {
  if (shape.wholeRows && trainingCount < shape.rows)
    return failure("{}: the training part has {} rows, a batch needs {}", source, trainingCount, shape.rows);
  return Error::success();
}

static int64_t batchCount(int64_t rows, const BatchShape &shape) {
  return shape.wholeRows ? rows / shape.rows : (rows + shape.rows - 1) / shape.rows;
}

int64_t RowsLoader::batchesPerEpoch(const BatchShape &shape) const {
  return std::max<int64_t>(1, batchCount(trainingCount, shape));
}

void RowsLoader::shuffleEpoch(uint64_t seed, int64_t epoch) {
  if (epoch == epochShuffled && seed == epochSeed)
    return;
  std::copy_n(order.begin(), trainingCount, epochOrder.begin());
  shuffle(epochOrder, seed, RandomUse::Shuffle, uint64_t(epoch));
  epochShuffled = epoch;
  epochSeed = seed;
}

template <typename T> static void copyAs(const double *from, char *to, int64_t at, size_t width) {
  T *values = reinterpret_cast<T *>(to) + at * int64_t(width);
  for (size_t i = 0; i < width; ++i)
    values[i] = T(from[i]);
}

void RowsLoader::fill(ArrayRef<InputBuffer> inputs, int64_t to, int64_t row) const {
  for (const InputBuffer &input : inputs) {
    if (isLoopInput(input.info->name))
      continue;
    const Column &column = *find(input.info->name);
    if (column.spec.isClass) {
      reinterpret_cast<int32_t *>(input.data)[to] = column.labels[size_t(row)];
      continue;
    }
    size_t width = column.spec.sources.size();
    const double *from = column.values.data() + size_t(row) * width;
    if (input.info->type == DType::F64)
      copyAs<double>(from, input.data, to, width);
    else
      copyAs<float>(from, input.data, to, width);
  }
}

Batch RowsLoader::training(const BatchShape &shape, uint64_t seed, int64_t step,
                           ArrayRef<InputBuffer> inputs) {
  int64_t batches = batchesPerEpoch(shape);
  shuffleEpoch(seed, step / batches);
  int64_t first = step % batches * shape.rows, rows = std::min(shape.rows, trainingCount - first);
  for (int64_t i = 0; i < rows; ++i)
    fill(inputs, i, epochOrder[size_t(first + i)]);
  return {rows, 0, rows};
}

int64_t RowsLoader::evaluationBatches(Part part, const BatchShape &shape) const {
  return batchCount(part == Part::All ? count : count - trainingCount, shape);
}

Batch RowsLoader::evaluation(Part part, const BatchShape &shape, int64_t index,
                             ArrayRef<InputBuffer> inputs) {
  // All rows go in the order of the file, as whoever reads the results expects.
  int64_t total = part == Part::All ? count : count - trainingCount;
  int64_t first = index * shape.rows, rows = std::min(shape.rows, total - first);
  for (int64_t i = 0; i < rows; ++i)
    fill(inputs, i, part == Part::All ? first + i : order[size_t(trainingCount + first + i)]);
  return {rows, 0, rows};
}

llvm::json::Object RowsLoader::facts() const {
  std::vector<int32_t> heldOut(order.begin() + trainingCount, order.end());
  llvm::sort(heldOut);
  llvm::json::Object object{{countKey, count}, {heldOutKey, rangesText(heldOut)}};
  for (const Column &column : columns) {
    llvm::json::Object entry;
    if (column.spec.isClass)
      entry["classes"] = llvm::json::Array(column.spec.classes);
    if (!column.mean.empty()) {
      entry["mean"] = llvm::json::Array(column.mean);
      entry["deviation"] = llvm::json::Array(column.deviation);
    }
    object[column.spec.name] = std::move(entry);
  }
  return object;
}

} // namespace gptc::runtime
