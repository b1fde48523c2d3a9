#include "compiler/diagnose.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <fmt/format.h>

#include <cmath>

using namespace gptc;

namespace {
/// A value that is not finite.
struct Finding {
  std::string name;
  Model::ValueInfo info;
  std::vector<int64_t> copies;
  double value = 0;

  /// Copies run one after the other, so within the same repeat an earlier copy
  /// comes first, whatever the order of its values.
  bool before(const Finding &other) const {
    return !info.repeats.empty() && info.repeats == other.info.repeats && copies < other.copies;
  }

  /// `layer.s` of copy 13 is `layer.13.s`.
  std::string numbered() const {
    llvm::SmallVector<llvm::StringRef> parts;
    llvm::StringRef(name).split(parts, '.');
    std::string result;
    size_t next = 0;
    for (llvm::StringRef part : parts) {
      result += (result.empty() ? "" : ".") + part.str();
      if (next < copies.size() && part == info.repeats[next])
        result += "." + std::to_string(copies[next++]);
    }
    for (; next < copies.size(); ++next)
      result += fmt::format(" (copy {} of {})", copies[next], info.repeats[next]);
    return result;
  }
};
} // namespace

static std::string render(const Session &session, const Finding &found, const std::string &message) {
  Diagnostics diagnostics(session.sources);
  Diagnostic &error = diagnostics.error(found.info.span, message);
  if (found.info.use.valid() && found.info.use.file != found.info.span.file)
    error.notes.push_back({found.info.use, "in the block that is used here"});
  return diagnostics.render(colourErrors());
}

static double elementOf(runtime::DType type, const char *data, int64_t index) {
  return type == runtime::DType::F64 ? reinterpret_cast<const double *>(data)[index]
                                     : double(reinterpret_cast<const float *>(data)[index]);
}

/// The first element that is not finite, of those within the extents. Copies are
/// the first dimensions.
static bool search(const runtime::TensorInfo &info, const char *data,
                   const std::function<int64_t(const std::string &)> &extent, Finding &finding) {
  if (info.type != runtime::DType::F32 && info.type != runtime::DType::F64)
    return false;
  std::vector<int64_t> strides = info.strides(extent), sizes = info.shape;
  int64_t count = 1;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (!info.extents[d].empty())
      sizes[d] = extent(info.extents[d]);
    count *= sizes[d];
  }
  for (int64_t i = 0; i < count; ++i) {
    std::vector<int64_t> place(sizes.size());
    int64_t rest = i, at = 0;
    for (size_t d = place.size(); d-- > 0; rest /= sizes[d]) {
      place[d] = rest % sizes[d];
      at += place[d] * strides[d];
    }
    double value = elementOf(info.type, data, at);
    if (std::isfinite(value) || (finding.info.mayBeInfinite && !std::isnan(value)))
      continue;
    size_t copies = std::min(finding.info.repeats.size(), place.size());
    finding.copies.assign(place.begin(), place.begin() + copies);
    finding.value = std::isnan(value) ? NAN : value; // without a sign
    return true;
  }
  return false;
}

/// A parameter that was not finite before the step.
static std::optional<Finding> brokenParameter(const Session &session, runtime::VariableStore &store) {
  for (const auto &variable : store.all()) {
    const runtime::VariableInfo &info = variable->info;
    runtime::TensorInfo as = info;
    as.extents.assign(as.shape.size(), "");
    Finding finding{info.name, session.model->valueInfo(info.name), {}, 0};
    if (info.parameter && search(as, variable->memory.data(), nullptr, finding))
      return finding;
  }
  return std::nullopt;
}

std::string gptc::diagnoseStep(Session &session, runtime::VariableStore &store, runtime::Arena &arena,
                               runtime::Pool &pool, const runtime::BatchShape &shape, uint64_t seed,
                               int64_t step) {
  auto unable = [](llvm::Error error) {
    return "where it began cannot be said: " + llvm::toString(std::move(error));
  };
  if (std::optional<Finding> finding = brokenParameter(session, store))
    return render(session, *finding,
                  fmt::format("parameter '{}' holds {} since the step before: its last update was too long",
                              finding->numbered(), finding->value));
  // Makes the program and runs it on the step's batch.
  auto take = [&](const PipelineOptions &pipeline,
                  mlir::ModuleOp module) -> llvm::Expected<std::unique_ptr<runtime::ProgramRun>> {
    auto program = session.compile(pipeline, module, nullptr);
    if (!program)
      return program.takeError();
    auto run = runtime::ProgramRun::create(std::move(*program), store, arena, pool);
    if (!run)
      return run.takeError();
    if (llvm::Error error = session.loader->check((*run)->inputs()))
      return error;
    if (llvm::Error error =
            (*run)->setBatch(session.loader->training(shape, seed, step, (*run)->inputs())))
      return error;
    (*run)->setLoopInputs(seed, step, step * shape.rows);
    (*run)->run();
    return run;
  };

  std::vector<std::string> names = session.model->values();
  llvm::erase_if(names, [&](const std::string &name) { return session.model->valueInfo(name).parameter; });
  mlir::OwningOpRef<mlir::ModuleOp> forward = session.emit(ProgramKind::Eval, names, /*training=*/true);
  if (!forward)
    return "";
  auto values = take(session.pipeline(ProgramKind::Eval, shape.rows, true), *forward);
  if (!values)
    return unable(values.takeError());
  std::optional<Finding> first;
  for (const std::string &name : names) {
    Finding finding{name, session.model->valueInfo(name), {}, 0};
    runtime::ResultView view = (*values)->result(name);
    auto extent = [&](const std::string &name) { return (*values)->extent(name); };
    if (view.data && search(*view.info, view.data, extent, finding) && (!first || finding.before(*first)))
      first = std::move(finding);
  }
  if (first)
    return render(session, *first,
                  fmt::format("'{}' is {} in step {}: the first value that is not finite", first->numbered(),
                              first->value, step + 1));

  mlir::OwningOpRef<mlir::ModuleOp> whole = session.emit(ProgramKind::Train);
  if (!whole)
    return "";
  PipelineOptions pipeline = session.pipeline(ProgramKind::Train, shape.rows, !session.wholeBatches());
  pipeline.gradientNorms = true;
  auto gradients = take(pipeline, *whole);
  if (!gradients)
    return unable(gradients.takeError());
  // The backward pass goes from the loss to the inputs: the last parameter was its first.
  std::optional<Finding> last;
  for (const runtime::VariableInfo &variable : (*gradients)->program().variables) {
    runtime::ResultView view = (*gradients)->result("grad_norm(" + variable.name + ")");
    if (!view.data)
      continue;
    for (int64_t i = 0, n = view.info->elements(); i < n; ++i) {
      double norm = elementOf(view.info->type, view.data, i);
      if (std::isfinite(norm))
        continue;
      Finding finding{variable.name, session.model->valueInfo(variable.name), {}, norm};
      int64_t rest = i;
      finding.copies.resize(view.info->shape.size());
      for (size_t d = finding.copies.size(); d-- > 0; rest /= view.info->shape[d])
        finding.copies[d] = rest % view.info->shape[d];
      if (!last || !finding.before(*last))
        last = std::move(finding);
    }
  }
  if (!last)
    return "";
  return render(
      session, *last,
      fmt::format("the gradient of '{}' has the norm {} in step {}: in the backward pass, the "
                  "first that is not finite (all values are)",
                  last->numbered(), last->value, step + 1));
}
