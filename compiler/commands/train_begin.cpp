// What a training begins from: a model file, a dump, a run that is resumed, the weights of another; and whether its data
// are those of before.
#include "compiler/commands/training.h"
#include "compiler/diagnose.h"
#include "compiler/payload.h"
#include "compiler/trained.h"

#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace gptc;

/// "file:line:column: ", where the location knows one.
static std::string place(mlir::Location location) {
  if (auto file = location->findInstanceOf<mlir::FileLineColLoc>())
    return llvm::formatv("{0}:{1}:{2}: ", file.getFilename().getValue(), file.getLine(), file.getColumn());
  return "";
}

/// A dumped module brings model, settings and facts along.
bool Training::openModule(llvm::StringRef text, llvm::StringRef name) {
  std::string first; // error; what follows it is mostly its consequence
  {
    mlir::ScopedDiagnosticHandler handler(&session.mlirContext(), [&](mlir::Diagnostic &diagnostic) {
      if (first.empty())
        first = place(diagnostic.getLocation()) + diagnostic.str();
      return mlir::success();
    });
    mlir::ParserConfig parser(&session.mlirContext());
    module = mlir::parseSourceString<mlir::ModuleOp>(text, parser, name);
  }
  if (!module) {
    reportError(llvm::Twine(first.empty() ? name.str() + ": no module" : first) + "\n  expected what `" +
                programName() + " dump --stage STAGE` printed");
    return false;
  }
  mlir::ModuleOp op = *module;
  auto string = [&](const char *attribute) {
    auto value = op->getAttrOfType<mlir::StringAttr>(attribute);
    return value ? value.getValue() : llvm::StringRef();
  };
  stage = request.stage.empty() ? stageOf(op) : findStage(request.stage);
  if (!stage || stage->kind != Stage::Module || string("gpt.source").empty()) {
    reportError(llvm::Twine(name) +
                " does not say its stage and model (gpt.stage, gpt.source): dump it with `" + programName() +
                " dump`");
    return false;
  }
  if (!string("gpt.program").empty() && string("gpt.program") != "train") {
    reportError(llvm::Twine(name) + " holds the program `" + string("gpt.program") + "`, not `train`");
    return false;
  }
  if (!string("gpt.dtype").empty())
    session.options.dtype = string("gpt.dtype").str();
  if (auto settings = op->getAttrOfType<mlir::DictionaryAttr>("gpt.settings"))
    for (mlir::NamedAttribute setting : settings)
      if (auto value = llvm::dyn_cast<mlir::StringAttr>(setting.getValue()))
        session.overrides[setting.getName().str()] = value.str();
  return session.openText(string("gpt.file").str(), string("gpt.source").str());
}

/// Were the data read now those that the module was made for?
bool Training::fits() {
  auto sizes = (*module)->getAttrOfType<mlir::DictionaryAttr>("gpt.sizes");
  for (const auto &[name, size] : session.facts.sizes) {
    auto was = sizes ? sizes.getAs<mlir::IntegerAttr>(name) : mlir::IntegerAttr();
    if (was && was.getInt() == size)
      continue;
    if (request.fromIr.empty())
      return false; // the embedded module; the model's text serves as well
    reportError(llvm::formatv("{0}: {1} is {2} in the data, {3} in the IR; dump it with --data {4}",
                              request.fromIr, name, size, was ? std::to_string(was.getInt()) : "a guess",
                              llvm::join(request.data, " --data "))
                    .str());
    return false;
  }
  return true;
}

bool Training::openResumed() {
  auto opened = openRun(session, request.resume, config);
  if (!opened)
    return false;
  directory.emplace(std::move(*opened));
  if (llvm::Error error = directory->lock()) {
    reportError(std::move(error));
    return false;
  }
  int64_t seed = config->getInteger("seed").value_or(1);
  if (request.seedGiven && request.seed != seed) {
    reportError(
        llvm::formatv("{0} was started with seed {1}, not {2}", request.resume, seed, request.seed).str());
    return false;
  }
  request.seed = seed;
  if (session.options.memory == 0)
    session.options.memory = config->getInteger("memory").value_or(0);
  auto files = [&](const char *name, std::vector<std::string> &into) {
    const llvm::json::Array *saved = config->getArray(name);
    for (size_t i = 0; saved && i < saved->size(); ++i)
      into.push_back((*saved)[i].getAsString().value_or("").str());
  };
  if (request.data.empty())
    files("data_files", request.data);
  if (request.validation.empty())
    files("val_files", request.validation);
  request.init = config->getString("init_file").value_or("").str();
  if (!request.keepGiven)
    request.keep = config->getInteger("keep").value_or(request.keep);
  if (request.showGradients == 0)
    request.showGradients = config->getInteger("show_gradients").value_or(0);
  if (!request.data.empty())
    return true;
  reportError(llvm::Twine(request.resume) +
              " does not say what it was trained on (a pipe cannot be read again); give --data FILE");
  return false;
}

/// --init RUN: the weights bring their tokenizer and the statistics of their columns.
bool Training::openInit() {
  auto fail = [](llvm::Error error) {
    reportError(std::move(error));
    return false;
  };
  auto run = runtime::RunDirectory::open(request.init);
  if (!run)
    return fail(run.takeError());
  auto read = run->readConfig();
  if (!read)
    return fail(read.takeError());
  if (const llvm::json::Object *data = read->getObject("data"))
    session.startFrom(*data, request.init);
  std::vector<std::string> warnings;
  auto file = run->newestWeights(warnings);
  if (!file)
    return fail(file.takeError());
  for (const std::string &warning : warnings)
    llvm::errs() << programName() << ": warning: " << warning << "\n";
  request.init = *file;
  return true;
}

void gptc::warnOfInit(const Session &session, const std::string &file) {
  bool standardises = llvm::any_of(session.spec.columns,
                                   [](const DataSpec::Column &column) { return column.standardise; });
  if (session.tokenizerNeedsText() || standardises)
    llvm::errs() << programName() << ": warning: " << file << " holds no "
                 << (standardises ? "means and deviations of columns" : "tokenizer") << ": the data give "
                 << (standardises ? "new ones" : "a new one")
                 << ", and the weights only fit if they are the same; --init RUN takes both from a run\n";
}

/// Reads what tells the data from other data; before they are loaded, and checked again behind that.
bool Training::identifyData() {
  for (auto [files, into] : {std::pair(&request.data, &data), std::pair(&request.validation, &validation)})
    for (const std::string &file : *files) {
      auto identity = runtime::DataIdentity::of(file);
      if (!identity) {
        reportError(identity.takeError());
        return false;
      }
      llvm::SmallString<128> path(identity->file); // wherever the run is resumed
      if (!llvm::sys::fs::make_absolute(path))
        identity->file = path.str().str();
      into->push_back(std::move(*identity));
    }
  return true;
}

/// Are these the data that the run was trained on? Says what differs; going on all the same needs a word.
bool Training::checkData() {
  std::string changes;
  for (auto [name, option, now] :
       {std::tuple("data_seen", "--data", &data), std::tuple("val_seen", "--val", &validation)}) {
    const llvm::json::Array *saved = config->getArray(name);
    if (!saved)
      continue; // of an earlier version
    std::vector<runtime::DataIdentity> then;
    for (const llvm::json::Value &value : *saved)
      if (auto identity = runtime::DataIdentity::fromJson(value))
        then.push_back(std::move(*identity));
    std::string text = runtime::differences(then, *now, option);
    if (!text.empty())
      changes += "\n  " + text;
  }
  if (changes.empty())
    return true;
  dataChanged = true;
  if (!request.changedData) {
    reportError("the data of " + llvm::Twine(request.resume) + " changed:" + changes +
                "\n  give the data that it was trained on, or go on with these: --changed-data");
    return false;
  }
  llvm::errs() << programName() << ": warning: the data changed:" << changes
               << "\n  what was held out stays held out, and statistics, classes and vocabulary are those of the "
                  "start\n";
  return true;
}

bool Training::openModel() {
  if (!request.resume.empty())
    return openResumed();
  if (!request.fromIr.empty()) {
    auto text = runtime::readFile(request.fromIr);
    if (!text) {
      reportError(text.takeError());
      return false;
    }
    return openModule((*text)->getBuffer(), request.fromIr);
  }
  if (const Payload *payload = findPayload()) {
    // The module is of the type that it was built with; another one starts from the text.
    bool sameType = !request.dtypeGiven || session.options.dtype == payload->dtype;
    if (sameType)
      session.options.dtype = payload->dtype;
    session.overrides = payload->overrides;
    if (payload->facts && !session.loadFacts(*payload->facts))
      return false;
    if (session.options.set.empty() && sameType && !payload->module.empty())
      return openModule(payload->module, payload->file);
    return session.openText(payload->file, payload->source);
  }
  return session.open(request.model);
}
