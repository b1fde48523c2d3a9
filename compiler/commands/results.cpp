#include "compiler/commands/results.h"

#include "runtime/utf8.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Unicode.h"
#include "llvm/Support/raw_ostream.h"

#include <fmt/format.h>

#include <cmath>

using namespace gptc;
using runtime::ResultInfo;
using runtime::ResultView;

namespace {

/// The elements of a result that belong to one example.
class Elements {
public:
  Elements(const runtime::ProgramRun &run, const ResultInfo &info)
      : info(info), strides(info.strides([&](const std::string &name) { return run.extent(name); })) {
    for (size_t d = 0; d < info.shape.size(); ++d) {
      // The batch stands behind the copies where a repeat stacked the value.
      if (info.extents[d] == "b") {
        batch = d;
        continue;
      }
      own.push_back(d);
      count *= info.shape[d];
      extents.push_back(info.extents[d].empty() ? info.shape[d] : run.extent(info.extents[d]));
    }
  }
  size_t rank() const { return own.size(); }
  int64_t bound(size_t d) const { return info.shape[own[d]]; }
  /// How much of the bound this run has filled.
  int64_t extent(size_t d) const { return extents[d]; }
  const std::string &extentName(size_t d) const { return info.extents[own[d]]; }
  std::string name(size_t d) const { return own[d] < info.dims.size() ? info.dims[own[d]] : ""; }

  /// The place of the n-th element, in row-major order of bounds.
  std::vector<int64_t> place(int64_t n) const {
    std::vector<int64_t> result(rank());
    for (size_t d = rank(); d-- > 0; n /= bound(d))
      result[d] = n % bound(d);
    return result;
  }
  bool inside(const std::vector<int64_t> &place) const {
    for (size_t d = 0; d < rank(); ++d)
      if (place[d] >= extents[d])
        return false;
    return true;
  }
  /// Where the element lies in the result's memory.
  int64_t offset(int64_t example, const std::vector<int64_t> &place) const {
    int64_t at = 0;
    for (size_t d = 0, mine = 0; d < info.shape.size(); ++d)
      at += strides[d] * (batch && d == *batch ? example : place[mine++]);
    return at;
  }

  int64_t count = 1; // elements up to the bounds
  const ResultInfo &info;

private:
  std::vector<int64_t> strides;
  std::optional<size_t> batch;
  std::vector<size_t> own; // dimensions besides the batch
  std::vector<int64_t> extents;
};

double elementOf(const ResultView &view, int64_t index) {
  const char *at = view.data + index * int64_t(runtime::sizeOf(view.info->type));
  switch (view.info->type) {
  case runtime::DType::F32: return *reinterpret_cast<const float *>(at);
  case runtime::DType::F64: return *reinterpret_cast<const double *>(at);
  case runtime::DType::I32: return *reinterpret_cast<const int32_t *>(at);
  case runtime::DType::Bool: return *at ? 1 : 0;
  }
  return 0;
}

/// The fewest digits that read back as the same number.
std::string exact(const ResultView &view, int64_t index) {
  double value = elementOf(view, index);
  return view.info->type == runtime::DType::F32 ? fmt::format("{}", float(value)) : fmt::format("{}", value);
}

const ClassResult *classResultOf(const std::vector<ClassResult> &classes, size_t result) {
  auto found = llvm::find_if(classes, [&](const ClassResult &one) { return one.result == result; });
  return found == classes.end() ? nullptr : &*found;
}

/// The name of the likeliest class of an example; "" where a number is NaN.
std::string className(const ClassResult &result, const runtime::ProgramRun &run, int64_t row) {
  int64_t likeliest = result.likeliest(run, row);
  return likeliest < 0 ? "" : result.column.classes[size_t(likeliest)];
}

std::string joined(const std::vector<int64_t> &place) {
  std::vector<std::string> words;
  for (int64_t p : place)
    words.push_back(std::to_string(p));
  return llvm::join(words, " ");
}

class CsvPrinter : public ResultPrinter {
public:
  CsvPrinter(const runtime::ProgramRun &run, std::vector<ClassResult> classes)
      : run(run), classes(std::move(classes)) {}

  void header() override {
    llvm::outs() << "example";
    for (size_t r = 0; r < run.program().results.size(); ++r) {
      const ResultInfo &info = run.program().results[r];
      Elements elements(run, info);
      const ClassResult *over = classResultOf(classes, r);
      for (int64_t i = 0; i < elements.count && !llvm::outs().has_error(); ++i) {
        std::string place = over ? over->column.classes[size_t(i)] : joined(elements.place(i));
        llvm::outs() << "," << csvField(info.name + (elements.rank() ? "[" + place + "]" : ""));
      }
      if (over)
        llvm::outs() << "," << csvField(over->title);
    }
    llvm::outs() << "\n";
  }

  bool rows(const runtime::Batch &batch) override {
    for (int64_t row = 0; row < batch.rows; ++row) {
      llvm::outs() << (batch.examples.empty() ? example++ : batch.examples[size_t(row)]);
      for (size_t r = 0; r < run.program().results.size(); ++r) {
        ResultView view = run.resultAt(r);
        Elements elements(run, *view.info);
        for (int64_t i = 0; i < elements.count; ++i) {
          if (llvm::outs().has_error())
            return false;
          llvm::outs() << ",";
          std::vector<int64_t> place = elements.place(i);
          if (elements.inside(place))
            llvm::outs() << exact(view, elements.offset(row, place));
        }
        if (const ClassResult *over = classResultOf(classes, r))
          llvm::outs() << "," << csvField(className(*over, run, row));
      }
      llvm::outs() << "\n";
    }
    return true;
  }

private:
  const runtime::ProgramRun &run;
  std::vector<ClassResult> classes;
  int64_t example = 0;
};

class TablePrinter : public ResultPrinter {
public:
  TablePrinter(const runtime::ProgramRun &run, const runtime::Tokenizer *tokenizer,
               std::map<std::string, std::string> streams, std::set<std::string> only,
               std::vector<ClassResult> classes)
      : run(run), tokenizer(tokenizer), streams(std::move(streams)), only(std::move(only)),
        classes(std::move(classes)) {}

  bool rows(const runtime::Batch &batch) override {
    for (int64_t row = 0; row < batch.rows; ++row, ++example) {
      if (!batch.examples.empty())
        example = batch.examples[size_t(row)];
      for (size_t r = 0; r < run.program().results.size(); ++r) {
        ResultView view = run.resultAt(r);
        if (only.empty() || only.count(view.info->name))
          print(view, row, classResultOf(classes, r));
        if (llvm::outs().has_error())
          return false;
      }
    }
    return true;
  }

private:
  using Lines = std::vector<std::vector<std::string>>;

  void print(const ResultView &view, int64_t row, const ClassResult *over) {
    Elements elements(run, *view.info);
    size_t rank = elements.rank();
    // Of what stands in front, each place has a matrix of its own.
    std::vector<int64_t> place(rank);
    do {
      title(elements, place);
      Lines lines = rank < 2 ? Lines(rank + 1) : Lines(1 + size_t(elements.extent(rank - 2)));
      if (rank == 0) {
        lines[0] = numbers({elementOf(view, elements.offset(row, place))});
      } else {
        std::vector<std::string> columns = over ? over->column.classes : heads(elements, rank - 1, row);
        std::vector<std::string> names =
            rank > 1 ? heads(elements, rank - 2, row) : std::vector<std::string>{""};
        std::vector<double> values;
        for (size_t i = 0; i < names.size(); ++i)
          for (size_t j = 0; j < columns.size(); ++j) {
            if (rank > 1)
              place[rank - 2] = int64_t(i);
            place[rank - 1] = int64_t(j);
            values.push_back(elementOf(view, elements.offset(row, place)));
          }
        std::vector<std::string> texts = numbers(values);
        lines[0].push_back("");
        llvm::append_range(lines[0], columns);
        for (size_t i = 0; i < names.size(); ++i) {
          lines[i + 1].push_back(names[i]);
          lines[i + 1].insert(lines[i + 1].end(), texts.begin() + i * columns.size(),
                              texts.begin() + (i + 1) * columns.size());
        }
      }
      align(lines);
      if (over)
        llvm::outs() << over->title << ": " << className(*over, run, row) << "\n";
      llvm::outs() << "\n";
    } while (advance(elements, place) && !llvm::outs().has_error());
  }

  /// The next place of the dimensions in front of the matrix.
  static bool advance(const Elements &elements, std::vector<int64_t> &place) {
    for (size_t d = place.size() < 2 ? 0 : place.size() - 2; d-- > 0;) {
      if (++place[d] < elements.extent(d))
        return true;
      place[d] = 0;
    }
    return false;
  }

  void title(const Elements &elements, const std::vector<int64_t> &place) {
    llvm::outs() << elements.info.name;
    size_t rank = elements.rank();
    auto called = [&](size_t d) {
      return elements.name(d).empty() ? "#" + std::to_string(d) : elements.name(d);
    };
    std::vector<std::string> parts;
    if (example > 0 || run.batchShape().rows > 1)
      parts.push_back("example " + std::to_string(example));
    for (size_t d = 0; d + 2 < rank; ++d)
      parts.push_back(called(d) + " " + std::to_string(place[d]));
    if (rank > 1)
      parts.push_back("rows " + called(rank - 2) + ", columns " + called(rank - 1));
    else if (rank == 1)
      parts.push_back("columns " + called(0));
    llvm::outs() << (parts.empty() ? "" : ": ") << llvm::join(parts, ", ") << "\n";
  }

  /// What a dimension's places are called: tokens of the text along it, or numbers.
  std::vector<std::string> heads(const Elements &elements, size_t d, int64_t row) const {
    std::vector<std::string> names;
    auto stream = streams.find(elements.extentName(d));
    const runtime::InputBuffer *input =
        tokenizer && stream != streams.end() ? run.input(stream->second) : nullptr;
    int64_t stride = input ? runtime::rowStride(*input->info, elements.extent(d)) : 0;
    for (int64_t i = 0, n = elements.extent(d); i < n; ++i) {
      if (input && input->info->shape.size() == 2)
        names.push_back(
            visibleToken(*tokenizer, reinterpret_cast<const int32_t *>(input->data)[row * stride + i]));
      else
        names.push_back(std::to_string(i));
    }
    return names;
  }

  /// Numbers of one table have one form: integers, shares with two decimals,
  /// else four significant digits. Exact zeros stay short: masks show.
  static std::vector<std::string> numbers(const std::vector<double> &values) {
    bool whole = llvm::all_of(values, [](double v) { return v == std::floor(v) && std::fabs(v) < 1e9; });
    bool shares = llvm::all_of(values, [](double v) { return v >= 0 && v <= 1; });
    std::vector<std::string> texts;
    for (double value : values) {
      std::string text;
      llvm::raw_string_ostream out(text);
      if (value == 0)
        out << "0";
      else
        out << llvm::format(whole ? "%.0f" : shares ? "%.2f" : "%.4g", value);
      texts.push_back(text);
    }
    return texts;
  }

  static int widthOf(const std::string &text) {
    int width = llvm::sys::unicode::columnWidthUTF8(text);
    return width < 0 ? int(text.size()) : width;
  }

  static void align(const Lines &lines) {
    std::vector<int> widths;
    for (const auto &line : lines)
      for (size_t i = 0; i < line.size(); ++i) {
        widths.resize(std::max(widths.size(), i + 1));
        widths[i] = std::max(widths[i], widthOf(line[i]));
      }
    for (const auto &line : lines) {
      for (size_t i = 0; i < line.size(); ++i)
        (llvm::outs() << (i ? "  " : "")).indent(unsigned(widths[i] - widthOf(line[i]))) << line[i];
      llvm::outs() << "\n";
    }
  }

  const runtime::ProgramRun &run;
  const runtime::Tokenizer *tokenizer;
  std::map<std::string, std::string> streams;
  std::set<std::string> only;
  std::vector<ClassResult> classes;
  int64_t example = 0;
};

} // namespace

std::unique_ptr<ResultPrinter> gptc::printCsv(const runtime::ProgramRun &run,
                                              std::vector<ClassResult> classes) {
  return std::make_unique<CsvPrinter>(run, std::move(classes));
}

std::unique_ptr<ResultPrinter> gptc::printTables(const runtime::ProgramRun &run,
                                                 const runtime::Tokenizer *tokenizer,
                                                 std::map<std::string, std::string> streams,
                                                 std::set<std::string> only,
                                                 std::vector<ClassResult> classes) {
  return std::make_unique<TablePrinter>(run, tokenizer, std::move(streams), std::move(only),
                                        std::move(classes));
}

std::string gptc::csvField(const std::string &text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos)
    return text;
  std::string quoted = "\"";
  for (char c : text)
    quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string gptc::visibleToken(const runtime::Tokenizer &tokenizer, int32_t token) {
  std::string bytes, visible;
  tokenizer.append(bytes, token);
  for (size_t at = 0; at < bytes.size();) {
    size_t first = at;
    int32_t codePoint = runtime::nextCodePoint(bytes, at);
    switch (codePoint) {
    case ' ': visible += "␣"; break;
    case '\n': visible += "\\n"; break;
    case '\t': visible += "\\t"; break;
    case '\r': visible += "\\r"; break;
    default:
      if (codePoint >= 0x20 && codePoint != 0x7f) {
        visible += bytes.substr(first, at - first);
        break;
      }
      // A control character, or a byte of a character that this token holds in part.
      at = first + 1;
      visible += llvm::formatv("\\x{0:x-2}", int(uint8_t(bytes[first])));
    }
  }
  return visible;
}
