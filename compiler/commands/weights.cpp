// gptc weights: what a trained model has learnt, as tables.
#include "compiler/commands/commands.h"
#include "compiler/commands/results.h"
#include "compiler/trained.h"

#include "ir/gpt/gpt.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <fmt/format.h>

#include <cmath>

using namespace gptc;

namespace {
/// One tensor of the checkpoint with the names of its dimensions.
struct Weights {
  runtime::TensorView view;
  std::vector<std::string> dims;

  double at(int64_t i) const {
    return view.type == runtime::StoredType::F64 ? reinterpret_cast<const double *>(view.data)[i]
                                                 : double(reinterpret_cast<const float *>(view.data)[i]);
  }
  std::string text(int64_t i) const {
    return view.type == runtime::StoredType::F64 ? fmt::format("{}", at(i)) : fmt::format("{}", float(at(i)));
  }
  int64_t elements() const {
    int64_t count = 1;
    for (int64_t size : view.shape)
      count *= size;
    return count;
  }
  int64_t columns() const { return view.shape.size() < 2 ? 1 : view.shape.back(); }
  int64_t rows() const { return columns() ? elements() / columns() : 0; }
};
} // namespace

/// Every tensor by its name in the checkpoint, in the order of the model.
static llvm::Expected<std::vector<Weights>> weightsOf(const runtime::VariableStore &store,
                                                      mlir::ModuleOp init) {
  auto views = store.tensors(runtime::VariableKind::Parameter);
  if (!views)
    return views.takeError();
  std::vector<Weights> found;
  auto next = views->begin();
  for (auto variable : init.getOps<gpt::VariableOp>()) {
    if (!variable.getParameter())
      continue;
    auto type = variable.getTensorType();
    std::vector<std::string> dims;
    for (gpt::DimAttr dim : gpt::dimsOf(type).getDims().drop_front(variable.getCopies()))
      dims.push_back(dim.getName().getValue().str());
    int64_t copies = 1;
    for (int64_t size : type.getShape().take_front(variable.getCopies()))
      copies *= size;
    for (int64_t i = 0; i < copies && next != views->end(); ++i)
      found.push_back({*next++, dims});
  }
  return found;
}

/// What the places of a dimension are called: tokens, or numbers.
static std::string placeName(const Session &session, const Weights &weights, size_t d, int64_t place) {
  bool tokens = session.tokenizer && weights.dims[d] == "vocabulary" &&
                weights.view.shape[d] == session.tokenizer->vocabulary();
  return tokens ? csvField(visibleToken(*session.tokenizer, int32_t(place))) : std::to_string(place);
}

static std::string dimName(const Weights &weights, size_t d) {
  return weights.dims[d].empty() ? "index" : csvField(weights.dims[d]);
}

/// The names of a row: a place of each dimension but the last of several.
static std::string rowName(const Session &session, const Weights &weights, int64_t row) {
  size_t leading = std::max<size_t>(weights.view.shape.size(), 2) - 1;
  if (weights.view.shape.empty())
    return "";
  std::vector<std::string> names(std::min(leading, weights.view.shape.size()));
  for (size_t d = names.size(); d-- > 0; row /= weights.view.shape[d])
    names[d] = placeName(session, weights, d, row % weights.view.shape[d]);
  return llvm::join(names, ",");
}

static void list(const std::vector<Weights> &all) {
  std::vector<std::array<std::string, 4>> lines = {{"name", "shape", "numbers", "root mean square"}};
  for (const Weights &weights : all) {
    std::vector<std::string> sizes;
    for (size_t d = 0; d < weights.view.shape.size(); ++d)
      sizes.push_back((weights.dims[d].empty() ? "" : weights.dims[d] + "=") +
                      std::to_string(weights.view.shape[d]));
    double squares = 0;
    for (int64_t i = 0, n = weights.elements(); i < n; ++i)
      squares += weights.at(i) * weights.at(i);
    lines.push_back(
        {weights.view.name, "[" + llvm::join(sizes, ", ") + "]", std::to_string(weights.elements()),
         fmt::format("{:.4g}", std::sqrt(squares / double(std::max<int64_t>(1, weights.elements()))))});
  }
  std::array<size_t, 4> widths = {};
  for (const auto &line : lines)
    for (size_t i = 0; i < 4; ++i)
      widths[i] = std::max(widths[i], line[i].size());
  for (const auto &line : lines)
    llvm::outs() << fmt::format("{:<{}}  {:<{}}  {:>{}}  {:>{}}\n", line[0], widths[0], line[1], widths[1],
                                line[2], widths[2], line[3], widths[3]);
}

static void show(const Session &session, const Weights &weights) {
  size_t rank = weights.view.shape.size();
  std::string comma;
  for (size_t d = 0; d < std::max<size_t>(rank, 2) - 1 && d < rank; ++d, comma = ",")
    llvm::outs() << comma << dimName(weights, d);
  if (rank < 2)
    llvm::outs() << comma << csvField(weights.view.name);
  else
    for (int64_t j = 0; j < weights.columns(); ++j)
      llvm::outs() << "," << placeName(session, weights, rank - 1, j);
  llvm::outs() << "\n";
  for (int64_t row = 0; row < weights.rows(); ++row) {
    llvm::outs() << rowName(session, weights, row);
    for (int64_t j = 0; j < weights.columns(); ++j)
      llvm::outs() << (j || rank ? "," : "") << weights.text(row * weights.columns() + j);
    llvm::outs() << "\n";
  }
}

/// The rows whose vectors point most in the same direction. A row of zeros has
/// the cosine 0 to all.
static void showNearest(const Session &session, const Weights &weights, int64_t count) {
  int64_t rows = weights.rows(), width = weights.columns();
  count = std::min(count, rows - 1);
  std::vector<double> unit(size_t(rows * width));
  for (int64_t i = 0; i < rows; ++i) {
    double squares = 0;
    for (int64_t j = 0; j < width; ++j)
      squares += weights.at(i * width + j) * weights.at(i * width + j);
    for (int64_t j = 0; j < width; ++j)
      unit[size_t(i * width + j)] = squares > 0 ? weights.at(i * width + j) / std::sqrt(squares) : 0;
  }
  llvm::outs() << dimName(weights, 0);
  for (int64_t n = 1; n <= count; ++n)
    llvm::outs() << ",nearest " << n << ",cosine " << n;
  llvm::outs() << "\n";
  for (int64_t i = 0; i < rows; ++i) {
    std::vector<std::pair<double, int64_t>> others;
    for (int64_t k = 0; k < rows; ++k) {
      double cosine = 0;
      for (int64_t j = 0; j < width; ++j)
        cosine += unit[size_t(i * width + j)] * unit[size_t(k * width + j)];
      if (k != i)
        others.push_back({-cosine, k}); // ascending: the most alike first, then by number
    }
    std::partial_sort(others.begin(), others.begin() + count, others.end());
    llvm::outs() << placeName(session, weights, 0, i);
    for (int64_t n = 0; n < count; ++n)
      llvm::outs() << "," << placeName(session, weights, 0, others[size_t(n)].second)
                   << fmt::format(",{:.3f}", -others[size_t(n)].first);
    llvm::outs() << "\n";
  }
}

int gptc::weightsCommand(llvm::ArrayRef<const char *> words) {
  CommonOptions options;
  std::string path, name, which = "latest";
  int64_t nearest = 0;
  Arguments arguments(
      "weights RUN [--show NAME [--nearest N]]",
      "Lists the parameters of a trained model, or prints one as CSV: one line for each place of all\n"
      "its dimensions but the last, tokens by their text.");
  arguments.positional("RUN", "the directory of a run", path);
  arguments.option("--show", "NAME", "print this parameter", name);
  arguments.option("--nearest", "N", "print instead, for each of its rows, the N rows most alike by cosine (default: print the numbers)",
                   nearest, 1, INT32_MAX);
  addCheckpointOption(arguments, which);
  arguments.example("weights run");
  arguments.example("weights run --show embed --nearest 5");
  if (std::optional<int> code = arguments.parse(words))
    return *code;

  Session session(options);
  std::optional<llvm::json::Object> config;
  std::optional<runtime::RunDirectory> run = openRun(session, path, config);
  if (!run || !session.analyse())
    return Failure;
  auto machine = Machine::create(1);
  if (!machine)
    return reportError(machine.takeError());
  if (llvm::Error error = (*machine)->load(session, *run, which))
    return reportError(std::move(error));
  mlir::OwningOpRef<mlir::ModuleOp> init = session.emit(ProgramKind::Init);
  if (!init)
    return Failure;
  auto all = weightsOf((*machine)->store, *init);
  if (!all)
    return reportError(all.takeError());
  if (name.empty() && nearest) {
    // The one matrix over tokens needs no name.
    std::vector<std::string> candidates;
    for (const Weights &weights : *all)
      if (weights.dims.size() == 2 && weights.dims[0] == "vocabulary")
        candidates.push_back(weights.view.name);
    if (candidates.size() != 1)
      return arguments.usageError("--show is missing: whose rows to compare" +
                                  (candidates.empty() ? "" : "; there are " + llvm::join(candidates, ", ")));
    name = candidates.front();
  }
  if (name.empty()) {
    list(*all);
    return Success;
  }
  std::vector<std::string> names;
  for (const Weights &weights : *all) {
    names.push_back(weights.view.name);
    if (weights.view.name != name)
      continue;
    if (!nearest) {
      show(session, weights);
      return Success;
    }
    if (weights.view.shape.size() == 2) {
      showNearest(session, weights, nearest);
      return Success;
    }
    reportError("--nearest compares the rows of a matrix, but " + llvm::Twine(name) + " has " +
                llvm::Twine(weights.view.shape.size()) + " dimensions");
    return Failure;
  }
  std::string meant = nearestName(name, names);
  reportError("--show " + llvm::Twine(name) + ": the model has no parameter of that name" +
              (meant.empty() ? "; it has " + llvm::join(names, ", ") : "; did you mean `" + meant + "`?"));
  return Failure;
}
