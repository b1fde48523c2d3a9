// analyse(): files, library, checks in every mode; the Model that results.
#include "frontend/model.h"

#include "frontend/elaborate.h"
#include "frontend/emit.h"
#include "frontend/library.h"
#include "frontend/numbers.h"
#include "frontend/overrides.h"
#include "frontend/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <sys/stat.h>

namespace gptc {

namespace {

/// Reads what a model needs: the library, used files first, the model last.
class Loader {
public:
  Loader(SourceManager &sources, Diagnostics &diagnostics) : sources(sources), diagnostics(diagnostics) {}

  typed::Program load(int32_t file) {
    for (const LibraryFile *f = libraryBegin(); f != libraryEnd(); ++f)
      if (f->implicit)
        program.library.push_back(parseLibrary(*f));
    seen.insert(sources.name(file));
    add(file);
    return std::move(program);
  }

private:
  SourceManager &sources;
  Diagnostics &diagnostics;
  typed::Program program;
  std::set<std::string> seen;

  ast::File parseLibrary(const LibraryFile &f) {
    return parse(sources, sources.add("<library>/" + std::string(f.name), std::string(f.text)), diagnostics);
  }

  void add(int32_t file) {
    ast::File tree = parse(sources, file, diagnostics);
    for (const ast::Statement &s : tree.statements)
      if (s.kind == ast::Statement::Use)
        use(s, typed::folderOf(sources.name(file)));
    program.model.push_back(std::move(tree));
  }

  void use(const ast::Statement &s, const std::string &folder) {
    std::string path = s.text[0] == '/' ? s.text : folder + s.text;
    if (!seen.insert(path).second)
      return;
    std::string problem;
    if (std::optional<int32_t> file = sources.open(path, problem)) {
      add(*file);
      return;
    }
    // A file that is there and cannot be read is no reason to take another one.
    struct stat info;
    if (stat(path.c_str(), &info) == 0 || (errno != ENOENT && errno != ENOTDIR)) {
      diagnostics.error(s.span, problem);
      return;
    }
    for (const LibraryFile *f = libraryBegin(); f != libraryEnd(); ++f)
      if (f->name == s.text) {
        if (!f->implicit)
          program.model.push_back(parseLibrary(*f));
        return;
      }
    std::string names;
    for (const LibraryFile *f = libraryBegin(); f != libraryEnd(); ++f)
      names += (names.empty() ? "" : ", ") + std::string(f->name);
    diagnostics.error(s.span, problem).help =
        "beside the model there is no such file; the library has " + names;
  }
};

class ModelImpl : public Model {
public:
  SourceManager &manager;
  int32_t file;
  AnalyseOptions options;
  typed::Program program;
  std::unique_ptr<typed::Elaborated> training, evaluation;
  std::vector<typed::Tensor *> params; // of both

  ModelImpl(SourceManager &manager, int32_t file, const AnalyseOptions &options)
      : manager(manager), file(file), options(options) {}

  const DataSpec &data() const override { return evaluation->data; }
  const std::map<std::string, ConfigValue> &train() const override { return evaluation->train; }
  const std::map<std::string, ConfigValue> &generate() const override { return evaluation->generate; }
  const std::vector<SettingValue> &settings() const override { return evaluation->settings; }
  std::string written(const std::string &name) const override {
    for (const ast::File &tree : program.model)
      for (const ast::Statement &s : tree.statements)
        for (const ast::Field &field : s.fields)
          if (s.kind == ast::Statement::Train && field.name.text == name && field.value)
            return print(*field.value);
    return "";
  }
  bool hasLoss() const override { return evaluation->loss; }
  const SourceManager &sources() const override { return manager; }
  std::string text() const override { return typed::standAlone(manager, program); }

  std::vector<std::string> outputs() const override { return names(evaluation->outputs); }
  std::string over(const std::string &output) const override {
    auto found = evaluation->overs.find(output);
    return found == evaluation->overs.end() ? "" : found->second;
  }
  std::vector<std::string> reports() const override { return names(evaluation->reports); }

  std::vector<std::string> values() const override {
    std::vector<std::string> result;
    for (auto &[path, value] : evaluation->values)
      result.push_back(path);
    for (const typed::Tensor *param : params)
      result.push_back(param->path);
    return result;
  }

  ValueInfo valueInfo(const std::string &name) const override;
  std::string printTyped() const override;
  mlir::OwningOpRef<mlir::ModuleOp> emit(mlir::MLIRContext *context,
                                         const EmitOptions &emitOptions) const override;

private:
  static std::vector<std::string> names(const std::vector<std::pair<std::string, typed::Tensor *>> &list) {
    std::vector<std::string> result;
    for (auto &[name, tensor] : list)
      result.push_back(name);
    return result;
  }
};

std::vector<typed::Tensor *> allParams(const typed::Elaborated &first, const typed::Elaborated &second) {
  std::vector<typed::Tensor *> params = first.graph.params;
  std::set<std::string> paths;
  for (typed::Tensor *param : params)
    paths.insert(param->path);
  for (typed::Tensor *param : second.graph.params)
    if (paths.insert(param->path).second)
      params.push_back(param);
  return params;
}

/// Does the expression, or a value that it uses, have an infinity written in it?
bool hasInfinity(const typed::Node *node, std::set<const typed::Node *> &seen) {
  using namespace typed;
  if (!node || !seen.insert(node).second)
    return false;
  if (node->op == Op::Const)
    return std::isinf(node->number);
  if (node->op == Op::Load && node->tensor->kind == Tensor::Let && hasInfinity(node->tensor->body, seen))
    return true;
  return std::any_of(node->operands.begin(), node->operands.end(),
                     [&](const Node *operand) { return hasInfinity(operand, seen); });
}

Model::ValueInfo ModelImpl::valueInfo(const std::string &name) const {
  ValueInfo info;
  for (const typed::Tensor *param : params)
    if (param->path == name) {
      info.span = param->span;
      info.parameter = true;
      for (size_t i = 0; i + 1 < param->pathParts.size(); ++i)
        if (param->pathParts[i + 1] == "*")
          info.repeats.push_back(param->pathParts[i]);
    }
  for (auto &[path, value] : evaluation->values) {
    if (path != name)
      continue;
    const typed::Tensor *tensor = value.node->op == typed::Op::Load ? value.node->tensor : nullptr;
    info.span = tensor && tensor->span.valid() ? tensor->span : value.span;
    for (const typed::Region *region = tensor ? tensor->region : nullptr; region; region = region->parent)
      info.repeats.insert(info.repeats.begin(), region->name);
    std::set<const typed::Node *> seen;
    info.mayBeInfinite = hasInfinity(value.node, seen);
    auto use = evaluation->valueUses.find(path);
    if (use != evaluation->valueUses.end())
      info.use = use->second;
  }
  return info;
}

std::string ModelImpl::printTyped() const {
  using namespace typed;
  const Elaborated &model = *evaluation;
  std::string text;
  auto line = [&](std::string what) { text += what + "\n"; };
  for (const SettingValue &setting : model.settings)
    line(fmt::format("setting {} = {}{}", setting.name, numberText(setting.value),
                     setting.overridden ? "  # overridden" : ""));
  for (const DataSpec::Stream &stream : model.data.streams)
    line(fmt::format("{} {}[{}{}]: {}", model.data.kind == DataSpec::Pairs ? "pairs" : "text", stream.name,
                     stream.extent.empty() ? "" : stream.extent + " <= ", stream.bound,
                     model.data.tokenizer));
  for (const DataSpec::Column &column : model.data.columns)
    line(fmt::format("rows {}: {} column{}{}", column.name, column.sources.size(),
                     column.sources.size() == 1 ? "" : "s", column.isClass ? ", classes" : ""));
  for (const std::string &instance : model.instances)
    line("instance " + instance);
  for (const Tensor *param : params) {
    std::string init;
    switch (param->init.kind) {
    case Initialiser::Normal: init = fmt::format("~ normal({})", numberText(param->init.first)); break;
    case Initialiser::Uniform:
      init = fmt::format("~ uniform({}, {})", numberText(param->init.first), numberText(param->init.second));
      break;
    case Initialiser::Expression: init = "= " + nodeText(param->init.value); break;
    }
    std::string copies;
    for (int64_t count : param->copyCounts)
      copies += fmt::format("{} x ", count);
    line(fmt::format("param {}: {}float{} {}", param->path, copies, dimsText(param->dims), init));
  }
  for (auto &[path, value] : model.values)
    line(fmt::format("let {}: {}{} = {}", path, typeName(value.node->type), dimsText(value.axes),
                     value.node->op == Op::Load && value.node->tensor->kind == Tensor::Let &&
                             value.node->tensor->path == path
                         ? nodeText(value.node->tensor->body)
                         : nodeText(value.node)));
  auto list = [&](const char *what, const std::string &name, const Tensor *tensor) {
    line(fmt::format("{} {}: {}{}", what, name, typeName(tensor->type), dimsText(tensor->dims)));
  };
  for (auto &[name, tensor] : model.outputs)
    list("output", name, tensor);
  if (model.loss)
    line("loss: float[]");
  for (auto &[name, tensor] : model.reports)
    list("report", name, tensor);
  return text;
}

mlir::OwningOpRef<mlir::ModuleOp> ModelImpl::emit(mlir::MLIRContext *context,
                                                  const EmitOptions &emitOptions) const {
  // Emission adds to what was elaborated, so each program has its own.
  Diagnostics quiet(manager);
  typed::Mode mode;
  mode.training = emitOptions.program == gptc::Program::Train || emitOptions.training;
  mode.dynamic = emitOptions.program == gptc::Program::Eval || emitOptions.program == gptc::Program::Outputs;
  std::unique_ptr<typed::Elaborated> fresh = typed::Elaborator(manager, options, quiet, mode).run(program);
  if (!fresh)
    return {};
  // Types of all parameters: those of this elaboration where it has them.
  std::vector<typed::Tensor *> all = params;
  std::map<std::string, typed::Tensor *> own;
  for (typed::Tensor *param : fresh->graph.params)
    own.emplace(param->path, param);
  for (typed::Tensor *&param : all)
    if (auto found = own.find(param->path); found != own.end())
      param = found->second;
  return typed::Emitter(context, *fresh, manager, emitOptions.f64)
      .emit(emitOptions.program, emitOptions.show, all, text());
}

} // namespace

std::unique_ptr<Model> analyse(SourceManager &sources, int32_t file, const AnalyseOptions &options,
                               Diagnostics &diagnostics) {
  auto model = std::make_unique<ModelImpl>(sources, file, options);
  model->program = Loader(sources, diagnostics).load(file);
  typed::applyOverrides(sources, options.overrides, model->program, diagnostics);
  if (diagnostics.hasErrors()) {
    // What was read is checked all the same only where nothing is missing.
    return nullptr;
  }
  model->evaluation = typed::Elaborator(sources, options, diagnostics, {false, true}).run(model->program);
  if (!model->evaluation)
    return nullptr;
  model->training = typed::Elaborator(sources, options, diagnostics, {true, false}).run(model->program);
  if (!model->training)
    return nullptr;
  model->params = allParams(*model->training, *model->evaluation);
  return model;
}

DataSpec dataSpec(SourceManager &sources, int32_t file, const AnalyseOptions &options,
                  Diagnostics &diagnostics) {
  typed::Program program = Loader(sources, diagnostics).load(file);
  typed::applyOverrides(sources, options.overrides, program, diagnostics);
  if (diagnostics.hasErrors())
    return {};
  std::unique_ptr<typed::Elaborated> elaborated =
      typed::Elaborator(sources, options, diagnostics, {false, true}).run(program, true);
  return elaborated ? elaborated->data : DataSpec{};
}

} // namespace gptc
