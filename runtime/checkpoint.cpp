#include "runtime/checkpoint.h"

#include "runtime/files.h"
#include "runtime/utf8.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

static constexpr llvm::StringLiteral tokenizerFile = "tokenizer.json";
static constexpr llvm::StringLiteral prefix = "step-";
static constexpr llvm::StringLiteral temporaryPrefix = ".tmp-";
static constexpr unsigned exchangeNames = 2; // RENAME_EXCHANGE of renameat2

std::string checkpointName(int64_t step) {
  return fmt::format("step-{:08}", step);
}

static std::string pretty(llvm::json::Object object) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::formatv("{0:2}", llvm::json::Value(std::move(object))) << '\n';
  return text;
}

//===-- State ------------------------------------------------------------------===//

llvm::json::Object TrainingState::toJson() const {
  llvm::json::Object object{{"step", step}, {"seed", seed}, {"batch", batch}};
  if (valLoss)
    object["val_loss"] = *valLoss;
  if (bestLoss) {
    object["best_val_loss"] = *bestLoss;
    object["best_step"] = bestStep;
  }
  return object;
}

Expected<TrainingState> TrainingState::fromJson(const llvm::json::Object &object, StringRef source) {
  TrainingState state;
  std::optional<int64_t> step = object.getInteger("step"), batch = object.getInteger("batch");
  const llvm::json::Value *seedValue = object.get("seed");
  std::optional<uint64_t> seed = seedValue ? seedValue->getAsUINT64() : std::nullopt;
  if (!step || *step < 0 || !seed || !batch || *batch < 0)
    return failure("{}: needs step, seed and batch, none of them negative", source);
  state.step = *step;
  state.seed = *seed;
  state.batch = *batch;
  state.valLoss = object.getNumber("val_loss");
  state.bestLoss = object.getNumber("best_val_loss");
  state.bestStep = object.getInteger("best_step").value_or(0);
  return state;
}

//===-- The directory -------------------------------------------------------------===//

Expected<RunDirectory> RunDirectory::create(StringRef path) {
  RunDirectory run(path.rtrim('/').empty() ? path : path.rtrim('/'));
  run.made = !llvm::sys::fs::exists(run.root);
  if (Error error = makeDirectories(run.root))
    return error;
  if (Error error = checkWritable(run.root))
    return error;
  if (!run.checkpoints().empty())
    return failure("'{}' already holds a run with checkpoints: resume it, or give another directory", path);
  std::error_code code;
  bool empty = llvm::sys::fs::directory_iterator(run.root, code) == llvm::sys::fs::directory_iterator();
  if (!empty && !llvm::sys::fs::is_directory(run.root + "/checkpoints"))
    return failure("'{}' holds other files: a run needs a directory of its own, new or empty", path);
  if (Error error = makeDirectories(run.root + "/checkpoints"))
    return error;
  return run;
}

Expected<RunDirectory> RunDirectory::open(StringRef path) {
  RunDirectory run(path.rtrim('/').empty() ? path : path.rtrim('/'));
  if (!llvm::sys::fs::is_directory(run.root))
    return failure("'{}' is not a run: {}", path,
                   llvm::sys::fs::exists(run.root) ? "it is no directory" : "there is no such directory");
  if (!llvm::sys::fs::exists(run.file("config.json")))
    return failure("'{}' is not a run: it has no config.json", path);
  return run;
}

Error RunDirectory::writeModel(StringRef text) {
  return atomicWriteFile(file("model.gpt"), text);
}

Expected<std::string> RunDirectory::readModel() const {
  auto buffer = readFile(file("model.gpt"));
  return buffer ? Expected<std::string>((*buffer)->getBuffer().str()) : buffer.takeError();
}

Error RunDirectory::writeConfig(llvm::json::Object config) {
  // A tokenizer.json is a file of its own, as others read it.
  llvm::json::Object *data = config.getObject("data");
  llvm::json::Object *tokenizer = data ? data->getObject("tokenizer") : nullptr;
  if (auto text = tokenizer ? tokenizer->getString("text") : std::nullopt) {
    if (Error error = atomicWriteFile(file(tokenizerFile), *text))
      return error;
    tokenizer->erase("text");
    (*tokenizer)["file"] = tokenizerFile;
  }
  return atomicWriteFile(file("config.json"), pretty(std::move(config)));
}

Expected<llvm::json::Object> RunDirectory::readConfig() const {
  Expected<llvm::json::Object> config = readJsonFile(file("config.json"));
  llvm::json::Object *data = config ? config->getObject("data") : nullptr;
  llvm::json::Object *tokenizer = data ? data->getObject("tokenizer") : nullptr;
  if (tokenizer && tokenizer->getString("file") == tokenizerFile) {
    auto text = readFile(file(tokenizerFile));
    if (!text)
      return text.takeError();
    if (Error error = checkUtf8((*text)->getBuffer(), file(tokenizerFile)))
      return error;
    (*tokenizer)["text"] = (*text)->getBuffer().str();
  }
  return config;
}

std::vector<std::string> RunDirectory::checkpoints() const {
  std::vector<std::pair<int64_t, std::string>> found;
  std::error_code code;
  for (llvm::sys::fs::directory_iterator entry(root + "/checkpoints", code), end; !code && entry != end;
       entry.increment(code)) {
    StringRef name = llvm::sys::path::filename(entry->path());
    int64_t step;
    if (name.starts_with(prefix) && !name.drop_front(prefix.size()).getAsInteger(10, step) && step >= 0)
      found.push_back({step, name.str()});
  }
  llvm::sort(found, std::greater<>());
  std::vector<std::string> names;
  for (auto &[step, name] : found)
    names.push_back(name);
  return names;
}

static void removeTree(StringRef path) {
  // What stays behind is hidden and harmless; nothing to report.
  (void)llvm::sys::fs::remove_directories(path, /*IgnoreErrors=*/true);
}

void RunDirectory::removeLeftovers() {
  std::error_code code;
  for (llvm::sys::fs::directory_iterator entry(root + "/checkpoints", code), end; !code && entry != end;
       entry.increment(code))
    if (llvm::sys::path::filename(entry->path()).starts_with(temporaryPrefix))
      removeTree(entry->path());
  for (llvm::sys::fs::directory_iterator entry(root, code), end; !code && entry != end;
       entry.increment(code)) {
    StringRef name = llvm::sys::path::filename(entry->path());
    if (name.starts_with(".") && name.contains(".tmp-"))
      (void)llvm::sys::fs::remove(entry->path());
  }
}

void RunDirectory::discard() {
  if (made && checkpoints().empty())
    removeTree(root);
}

//===-- Saving --------------------------------------------------------------------===//

Error RunDirectory::place(const std::string &temporary, const std::string &target) {
  if (rename(temporary.c_str(), target.c_str()) == 0)
    return syncDirectory(root + "/checkpoints");
  if (errno != EEXIST && errno != ENOTEMPTY)
    return failure("cannot rename '{}' to '{}': {}", temporary, target, std::strerror(errno));
  // The step was saved before: the two change places, so that one is always whole.
  if (syscall(SYS_renameat2, AT_FDCWD, temporary.c_str(), AT_FDCWD, target.c_str(), exchangeNames) != 0) {
    std::string old = temporary + "-old";
    if (rename(target.c_str(), old.c_str()) != 0 || rename(temporary.c_str(), target.c_str()) != 0)
      return failure("cannot replace '{}': {}", target, std::strerror(errno));
    removeTree(old);
  } else {
    removeTree(temporary);
  }
  return syncDirectory(root + "/checkpoints");
}

Error RunDirectory::save(const VariableStore &store, const TrainingState &state, bool best, int64_t keep) {
  std::string name = checkpointName(state.step);
  std::string temporary = folder(fmt::format("{}{}-{}", temporaryPrefix, name, getpid()));
  removeTree(temporary);
  if (Error error = makeDirectories(temporary))
    return error;
  auto write = [&]() -> Error {
    for (auto [kind, file] : {std::pair(VariableKind::Inference, "/weights.safetensors"),
                              std::pair(VariableKind::State, "/optimizer.safetensors")}) {
      Expected<std::vector<TensorView>> tensors = store.tensors(kind);
      if (!tensors)
        return tensors.takeError();
      if (Error error = writeSafeTensors(temporary + file, *tensors, {{"step", std::to_string(state.step)}}))
        return error;
    }
    if (Error error = atomicWriteFile(temporary + "/state.json", pretty(state.toJson())))
      return error;
    return place(temporary, folder(name));
  };
  if (Error error = write()) {
    removeTree(temporary);
    return error;
  }
  if (Error error = atomicWriteFile(file("latest"), name + "\n"))
    return error;
  if (best)
    if (Error error = atomicWriteFile(file("best"), name + "\n"))
      return error;
  prune(keep);
  return Error::success();
}

static std::string readName(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  return buffer ? (*buffer)->getBuffer().trim().str() : std::string();
}

void RunDirectory::prune(int64_t keep) {
  std::string best = readName(file("best")), latest = readName(file("latest"));
  int64_t kept = 0;
  for (const std::string &name : checkpoints()) {
    if (kept++ < std::max<int64_t>(keep, 1) || name == best || name == latest)
      continue;
    // Renamed first: a checkpoint that is half removed would look broken.
    std::string hidden = folder(temporaryPrefix.str() + name + "-removed");
    if (rename(folder(name).c_str(), hidden.c_str()) == 0)
      removeTree(hidden);
  }
}

//===-- Loading -------------------------------------------------------------------===//

namespace {
struct Whole {
  TrainingState state;
  SafeTensors weights, optimizer;
};
} // namespace

static Expected<Whole> openCheckpoint(const std::string &folder, StringRef name, bool states) {
  Whole whole;
  std::string path = folder + "/state.json";
  Expected<llvm::json::Object> object = readJsonFile(path);
  if (!object)
    return object.takeError();
  Expected<TrainingState> state = TrainingState::fromJson(*object, path);
  if (!state)
    return state.takeError();
  if (checkpointName(state->step) != name)
    return failure("{}: it says step {}", path, state->step);
  whole.state = *state;
  for (auto [file, into] : {std::pair("/weights.safetensors", &whole.weights),
                            std::pair("/optimizer.safetensors", &whole.optimizer)}) {
    if (into == &whole.optimizer && !states)
      continue;
    Expected<SafeTensors> tensors = SafeTensors::open(folder + file);
    if (!tensors)
      return tensors.takeError();
    if (Error error = tensors->verify())
      return error;
    *into = std::move(*tensors);
  }
  return whole;
}

Expected<std::string> RunDirectory::newestWeights(std::vector<std::string> &warnings) const {
  for (const std::string &name : checkpoints()) {
    Expected<Whole> whole = openCheckpoint(folder(name), name, /*states=*/false);
    if (whole)
      return folder(name) + "/weights.safetensors";
    warnings.push_back(fmt::format("{} is broken: {}", name, llvm::toString(whole.takeError())));
  }
  return failure("'{}' has no {}checkpoint{}{}", root, warnings.empty() ? "" : "whole ",
                 warnings.empty() ? "" : ": ", fmt::join(warnings, "; "));
}

Expected<RunDirectory::Loaded> RunDirectory::load(VariableStore &store, Which which, bool states,
                                                  StringRef named) const {
  std::vector<std::string> names = checkpoints();
  if (which == Which::Named && !names.empty()) {
    if (!llvm::is_contained(names, named))
      return failure("'{}' has no checkpoint '{}'; it has {}", root, named, fmt::join(names, ", "));
    names = {named.str()};
  }
  if (which == Which::Best) {
    std::string best = readName(file("best"));
    auto found = llvm::find(names, best);
    if (found != names.end())
      std::rotate(names.begin(), found, found + 1);
  }
  if (names.empty())
    return failure("'{}' has no checkpoint", root);
  Loaded loaded;
  for (const std::string &name : names) {
    Expected<Whole> whole = openCheckpoint(folder(name), name, states);
    if (!whole) {
      loaded.warnings.push_back(fmt::format("{} is broken: {}", name, llvm::toString(whole.takeError())));
      continue;
    }
    // A whole file that does not fit is no damage: an older one would not fit either.
    if (states)
      if (Error error = store.check(whole->optimizer, VariableKind::State, true))
        return error;
    if (Error error = store.load(whole->weights, VariableKind::Inference, true))
      return error;
    if (states)
      if (Error error = store.load(whole->optimizer, VariableKind::State, true))
        return error;
    loaded.name = name;
    loaded.state = whole->state;
    return loaded;
  }
  return failure("'{}' has no whole checkpoint: {}", root, fmt::join(loaded.warnings, "; "));
}

} // namespace gptc::runtime
