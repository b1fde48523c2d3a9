// gptc run: the outputs of a model for given inputs, as a table.
#include "compiler/commands/commands.h"
#include "compiler/trained.h"

#include "runtime/interrupt.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <fmt/format.h>

using namespace gptc;

namespace {
/// Prints results as CSV: one line an example, one column an element.
class Table {
public:
  explicit Table(const runtime::ProgramRun &run) : run(run) {}
  void header();
  /// The rows of one batch, whose text windows have `length` tokens.
  void rows(const runtime::Batch &batch);

private:
  bool perExample(const runtime::ResultInfo &info) const {
    return !info.shape.empty() && !info.extents.empty() && info.extents[0] == "b";
  }
  const runtime::ProgramRun &run;
  int64_t example = 0;
};
} // namespace

static void printElement(const runtime::ResultView &view, int64_t index) {
  const char *at = view.data + index * int64_t(runtime::sizeOf(view.info->type));
  switch (view.info->type) {
  case runtime::DType::F32:
    // The fewest digits that read back as the same number.
    llvm::outs() << fmt::format("{}", *reinterpret_cast<const float *>(at));
    return;
  case runtime::DType::F64:
    llvm::outs() << fmt::format("{}", *reinterpret_cast<const double *>(at));
    return;
  case runtime::DType::I32:
    llvm::outs() << *reinterpret_cast<const int32_t *>(at);
    return;
  case runtime::DType::Bool:
    llvm::outs() << (*at ? 1 : 0);
    return;
  }
}

void Table::header() {
  llvm::outs() << "example";
  for (const runtime::ResultInfo &info : run.program().results) {
    size_t first = perExample(info) ? 1 : 0;
    int64_t count = 1;
    for (size_t d = first; d < info.shape.size(); ++d)
      count *= info.shape[d];
    for (int64_t i = 0; i < count; ++i) {
      std::vector<std::string> index(info.shape.size() - first);
      int64_t rest = i;
      for (size_t d = info.shape.size(); d-- > first; rest /= info.shape[d])
        index[d - first] = std::to_string(rest % info.shape[d]);
      // Names with commas are quoted, as RFC 4180 has it.
      std::string name = info.name + (index.empty() ? "" : "[" + llvm::join(index, " ") + "]");
      bool quoted = name.find_first_of(",\"") != std::string::npos;
      llvm::outs() << "," << (quoted ? "\"" + name + "\"" : name);
    }
  }
  llvm::outs() << "\n";
}

void Table::rows(const runtime::Batch &batch) {
  for (int64_t row = 0; row < batch.rows; ++row) {
    llvm::outs() << example++;
    for (size_t r = 0; r < run.program().results.size(); ++r) {
      runtime::ResultView view = run.resultAt(r);
      const runtime::ResultInfo &info = *view.info;
      size_t first = perExample(info) ? 1 : 0;
      int64_t count = 1;
      for (size_t d = first; d < info.shape.size(); ++d)
        count *= info.shape[d];
      for (int64_t i = 0; i < count; ++i) {
        llvm::outs() << ",";
        bool inside = true; // of the window's length
        int64_t rest = i;
        for (size_t d = info.shape.size(); d-- > first; rest /= info.shape[d])
          inside &= info.extents[d].empty() || batch.length == 0 || rest % info.shape[d] < batch.length;
        if (inside)
          printElement(view, (first ? row * count : 0) + i);
      }
    }
    llvm::outs() << "\n";
  }
}

/// Do sizes of this model hang on data that only reading shows?
static bool sizesFromData(const DataSpec &spec) {
  if (spec.kind == DataSpec::Text)
    return spec.tokenizer == "chars";
  return llvm::any_of(spec.columns, [](const DataSpec::Column &column) {
    return column.isClass && column.classes.empty();
  });
}

int gptc::runCommand(llvm::ArrayRef<const char *> words) {
  CommonOptions options;
  std::string path, data, which = "latest";
  std::vector<std::string> show;
  int64_t seed = 1;
  Arguments arguments("run RUN|MODEL --data FILE [--show NAME]...",
                      "Prints the model's outputs for given inputs as CSV, a line an example. With a model file\n"
                      "the weights are its initial ones.");
  arguments.positional("RUN|MODEL", "the directory of a run, or a model file", path);
  arguments.option("--data", "FILE", "the inputs: a table, or a text", data);
  arguments.option("--show", "NAME", "also this value of the file, whether stored or not", show);
  arguments.option("--seed", "N", "of the initial weights of a model file (default 1)", seed, 0, INT32_MAX);
  arguments.choice("--checkpoint", "which weights of a run (default latest)", {"latest", "best"}, which);
  addSetOption(arguments, options);
  arguments.choice("--dtype", "for a model file: the type of floating-point numbers", {"f32", "f64"},
                   options.dtype);
  addCompileOptions(arguments, options);
  if (std::optional<int> code = arguments.parse(words))
    return *code;

  Session session(options);
  bool isRun = llvm::sys::fs::is_directory(path);
  std::optional<llvm::json::Object> config;
  std::optional<runtime::RunDirectory> directory;
  if (isRun) {
    if (!options.set.empty() || arguments.given("--dtype"))
      return arguments.usageError("a run has its settings and type already; --set and --dtype are for model files");
    directory = openRun(session, path, config);
    if (!directory)
      return Failure;
    seed = config->getInteger("seed").value_or(seed);
  } else if (!session.open(path)) {
    return Failure;
  }
  const llvm::json::Object *saved = config ? config->getObject("data") : nullptr;
  if (!session.readDataSpec())
    return Failure;
  bool hasData = session.spec.kind != DataSpec::None;
  if (hasData && data.empty())
    return arguments.usageError("--data is missing: the inputs of the model");
  if (!hasData && !data.empty()) {
    reportError(llvm::Twine(path) + " declares no data, so `--data` means nothing to it");
    return Failure;
  }
  if (!saved && sizesFromData(session.spec) && !session.loadData(data, uint64_t(seed)))
    return Failure;
  if (!session.analyse())
    return Failure;
  std::vector<std::string> known = session.model->values();
  for (const std::string &name : show) {
    if (llvm::is_contained(known, name))
      continue;
    std::string meant = nearestName(name, known);
    reportError("--show " + llvm::Twine(name) + ": the model has no value of that name" +
                (meant.empty() ? "; it has " + llvm::join(known, ", ") : "; did you mean `" + meant + "`?"));
    return Failure;
  }

  runtime::InterruptGuard guard;
  auto machine = Machine::create(options.threads);
  if (!machine)
    return reportError(machine.takeError());
  auto program = session.compile(session.pipeline(ProgramKind::Outputs, hasData ? 64 : 1, hasData), show);
  if (!program)
    return reportError(program.takeError());
  // The table need not have what the outputs do not ask for, such as labels.
  std::vector<std::string> needed;
  for (const runtime::TensorInfo &input : program->inputs)
    if (!runtime::isLoopInput(input.name))
      needed.push_back(input.name);
  auto bound = (*machine)->bind(std::move(*program));
  if (!bound)
    return reportError(bound.takeError());
  if (directory) {
    if (llvm::Error error = (*machine)->load(session, *directory, which))
      return reportError(std::move(error));
  } else {
    auto init = session.compile(session.pipeline(ProgramKind::Init, 1, false));
    if (!init)
      return reportError(init.takeError());
    auto first = (*machine)->bind(std::move(*init));
    if (!first)
      return reportError(first.takeError());
    (*first)->setLoopInputs(uint64_t(seed), 0, 0);
    (*first)->run();
  }

  runtime::ProgramRun &run = **bound;
  Table table(run);
  if (!hasData || needed.empty()) {
    run.setLoopInputs(uint64_t(seed), 0, 0);
    run.run();
    table.header();
    runtime::Batch one;
    one.rows = 1;
    table.rows(one);
    return Success;
  }
  if (!session.loadData(data, uint64_t(seed), saved, needed))
    return Failure;
  if (llvm::Error error = session.loader->check(run.inputs()))
    return reportError(std::move(error));
  table.header();
  runtime::BatchShape shape = run.batchShape();
  using Part = runtime::Loader::Part;
  int64_t example = 0;
  for (int64_t i = 0, n = session.loader->evaluationBatches(Part::All, shape); i < n; ++i) {
    if (runtime::interrupted())
      return Interrupted;
    runtime::Batch batch = session.loader->evaluation(Part::All, shape, i, run.inputs());
    if (llvm::Error error = run.setBatch(batch.rows, batch.length))
      return reportError(std::move(error));
    run.setLoopInputs(uint64_t(seed), 0, example);
    run.run();
    table.rows(batch);
    example += batch.rows;
  }
  return Success;
}
