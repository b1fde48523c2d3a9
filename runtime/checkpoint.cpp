#include "runtime/checkpoint.h"

#include "runtime/files.h"
#include "runtime/utf8.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

static constexpr llvm::StringLiteral tokenizerFile = "tokenizer.json";
static constexpr llvm::StringLiteral prefix = "step-";
static constexpr llvm::StringLiteral weightsFile = "weights.safetensors", statesFile = "optimizer.safetensors",
                                     stateFile = "state.json";
static constexpr llvm::StringLiteral checkpointFiles[] = {weightsFile, statesFile, stateFile};
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

// Numbers of a line that is still to be logged, as text: every bit of them counts, and JSON has no NaN.
static llvm::json::Object pendingToJson(const LogEntry &entry) {
  auto text = [](double value) { return fmt::format("{}", value); };
  llvm::json::Object object{{"loss", text(entry.loss)},
                            {"tokens_per_s", text(entry.tokensPerSecond)},
                            {"ms", text(entry.milliseconds)}};
  if (entry.lr)
    object["lr"] = text(*entry.lr);
  if (entry.gradNorm)
    object["grad_norm"] = text(*entry.gradNorm);
  for (auto [name, list] : {std::pair("reports", &entry.reports), std::pair("gradients", &entry.gradients)}) {
    llvm::json::Array pairs;
    for (const auto &[key, value] : *list)
      pairs.push_back(llvm::json::Array{key, text(value)});
    object[name] = std::move(pairs);
  }
  return object;
}

static std::optional<LogEntry> pendingFromJson(const llvm::json::Object &object) {
  bool good = true;
  auto number = [&](std::optional<StringRef> text) {
    double value = 0;
    good &= text && llvm::to_float(*text, value);
    return value;
  };
  auto optional = [&](StringRef name) {
    return object.get(name) ? std::optional<double>(number(object.getString(name))) : std::nullopt;
  };
  LogEntry entry;
  entry.loss = number(object.getString("loss"));
  entry.tokensPerSecond = number(object.getString("tokens_per_s"));
  entry.milliseconds = number(object.getString("ms"));
  entry.lr = optional("lr");
  entry.gradNorm = optional("grad_norm");
  for (auto [name, list] : {std::pair("reports", &entry.reports), std::pair("gradients", &entry.gradients)}) {
    const llvm::json::Array *pairs = object.getArray(name);
    for (size_t i = 0; pairs && i < pairs->size(); ++i) {
      const llvm::json::Array *pair = (*pairs)[i].getAsArray();
      good &= pair && pair->size() == 2 && (*pair)[0].getAsString();
      if (good)
        list->push_back({(*pair)[0].getAsString()->str(), number((*pair)[1].getAsString())});
    }
  }
  return good ? std::optional(entry) : std::nullopt;
}

llvm::json::Object TrainingState::toJson() const {
  llvm::json::Object object{
      {"step", step}, {"seed", seed}, {"batch", batch}, {"items", items}, {"items_evaluated", itemsEvaluated}};
  if (valLoss)
    object["val_loss"] = *valLoss;
  if (bestLoss) {
    object["best_val_loss"] = *bestLoss;
    object["best_step"] = bestStep;
  }
  if (extra)
    object["extra"] = true;
  if (pending)
    object["pending"] = pendingToJson(*pending);
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
  state.items = object.getInteger("items").value_or(0);
  state.itemsEvaluated = object.getInteger("items_evaluated").value_or(0);
  state.valLoss = object.getNumber("val_loss");
  state.bestLoss = object.getNumber("best_val_loss");
  state.bestStep = object.getInteger("best_step").value_or(0);
  state.extra = object.getBoolean("extra").value_or(false);
  if (const llvm::json::Object *pending = object.getObject("pending")) {
    state.pending = pendingFromJson(*pending);
    if (!state.pending)
      return failure("{}: 'pending' is no line of the log", source);
    state.pending->step = state.step;
  }
  return state;
}

Expected<Snapshot> Snapshot::view(const VariableStore &store, const TrainingState &state) {
  Snapshot snapshot;
  snapshot.state = state;
  for (auto [kind, into] : {std::pair(VariableKind::Inference, &snapshot.weights),
                            std::pair(VariableKind::State, &snapshot.states)}) {
    Expected<std::vector<TensorView>> tensors = store.tensors(kind);
    if (!tensors)
      return tensors.takeError();
    *into = std::move(*tensors);
  }
  return snapshot;
}

Error Snapshot::copy(const VariableStore &store, const TrainingState &now) {
  Expected<Snapshot> viewed = view(store, now);
  if (!viewed)
    return viewed.takeError();
  int64_t bytes = 0;
  for (std::vector<TensorView> *views : {&viewed->weights, &viewed->states})
    for (const TensorView &tensor : *views)
      bytes += int64_t(tensor.bytes());
  if (bytes > memory.size()) {
    Expected<Buffer> larger = Buffer::allocate(bytes);
    if (!larger)
      return larger.takeError();
    memory = std::move(*larger);
  }
  char *at = memory.data();
  for (std::vector<TensorView> *views : {&viewed->weights, &viewed->states})
    for (TensorView &tensor : *views) {
      if (tensor.bytes())
        std::memcpy(at, tensor.data, tensor.bytes());
      tensor.data = at;
      at += tensor.bytes();
    }
  state = viewed->state;
  weights = std::move(viewed->weights);
  states = std::move(viewed->states);
  return Error::success();
}

//===-- The directory -------------------------------------------------------------===//

RunDirectory::RunDirectory(StringRef path)
    : root((path.rtrim('/').empty() ? path : path.rtrim('/')).str()) {}

static Error inUse(StringRef path) {
  return failure("'{}' is in use: another process trains in this directory", path);
}

/// False where the directory was removed meanwhile.
Expected<bool> RunDirectory::tryLock() {
  int descriptor = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == ENOENT)
      return false;
    return systemFailure(errno, "cannot open the directory '{}'", root);
  }
  std::shared_ptr<int> holder(new int(descriptor), [](int *number) {
    close(*number);
    delete number;
  });
  // Where a file system locks no directories the log's lock has to do (RunLog).
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return inUse(root);
  struct stat ours, there;
  if (fstat(descriptor, &ours) != 0 || stat(root.c_str(), &there) != 0 || ours.st_ino != there.st_ino ||
      ours.st_dev != there.st_dev)
    return false;
  held = std::move(holder);
  return true;
}

Error RunDirectory::lock() {
  Expected<bool> locked = tryLock();
  if (!locked)
    return locked.takeError();
  return *locked ? Error::success() : failure("'{}' is not a run: there is no such directory", root);
}

Expected<RunDirectory> RunDirectory::create(StringRef path) {
  RunDirectory run(path);
  // Another process may remove what it made and we have found; it cannot do that once we hold the lock.
  for (int attempt = 0; !run.held; ++attempt) {
    run.made.clear();
    if (Error error = makeDirectories(run.root, &run.made))
      return error;
    Expected<bool> locked = run.tryLock();
    if (!locked)
      return locked.takeError(); // whoever holds it has the directory now, even if we made it
    if (!*locked && attempt == 100)
      return failure("cannot create the directory '{}': another process removes it again and again", path);
  }
  auto prepare = [&]() -> Error {
    if (Error error = checkWritable(run.root))
      return error;
    Expected<std::vector<std::string>> found = run.checkpoints();
    if (!found)
      return found.takeError();
    if (!found->empty())
      return failure("'{}' already holds a run with checkpoints: resume it, or give another directory", path);
    Expected<std::vector<std::string>> names = listDirectory(run.root);
    if (!names)
      return names.takeError();
    Expected<FileKind> checkpoints = kindOf(run.root + "/checkpoints");
    if (!checkpoints)
      return checkpoints.takeError();
    if (!names->empty() && *checkpoints != FileKind::Directory)
      return failure("'{}' holds other files: a run needs a directory of its own, new or empty", path);
    return makeDirectories(run.root + "/checkpoints", &run.made);
  };
  if (Error error = prepare()) {
    run.discard();
    return error;
  }
  return run;
}

Expected<RunDirectory> RunDirectory::open(StringRef path) {
  RunDirectory run(path);
  Expected<FileKind> kind = kindOf(run.root);
  if (!kind)
    return kind.takeError();
  if (*kind != FileKind::Directory)
    return failure("'{}' is not a run: {}", path,
                   *kind == FileKind::Missing ? "there is no such directory" : "it is no directory");
  Expected<FileKind> config = kindOf(run.file("config.json"));
  if (!config)
    return config.takeError();
  if (*config == FileKind::Missing)
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

// Exactly the names that we give: another one is not ours to prune.
static std::optional<int64_t> stepOf(StringRef name) {
  int64_t step;
  StringRef digits = name;
  if (!digits.consume_front(prefix) || digits.getAsInteger(10, step) || step < 0 || name != checkpointName(step))
    return std::nullopt;
  return step;
}

Expected<std::vector<std::string>> RunDirectory::checkpoints() const {
  Expected<std::vector<std::string>> names = listDirectory(root + "/checkpoints");
  if (!names) {
    Error error = names.takeError();
    if (!isMissing(error))
      return error;
    llvm::consumeError(std::move(error));
    return std::vector<std::string>();
  }
  llvm::erase_if(*names, [](const std::string &name) { return !stepOf(name); });
  llvm::sort(*names, [](const std::string &a, const std::string &b) { return *stepOf(a) > *stepOf(b); });
  return names;
}

// Removes a directory of a checkpoint, whole or half written. What is not ours stays there, and so does the directory.
static void removeFolder(const std::string &folder) {
  Expected<std::vector<std::string>> names = listDirectory(folder);
  if (!names)
    return llvm::consumeError(names.takeError()); // hidden and harmless
  for (const std::string &name : *names)
    if (isTemporaryName(name) || llvm::is_contained(checkpointFiles, name))
      unlink((folder + "/" + name).c_str());
  rmdir(folder.c_str());
}

Error RunDirectory::removeCheckpoint(const std::string &name) {
  Expected<std::vector<std::string>> files = listDirectory(folder(name));
  if (!files)
    return files.takeError();
  if (!llvm::all_of(*files, [](StringRef file) { return llvm::is_contained(checkpointFiles, file); }))
    return Error::success(); // somebody keeps something there
  // Renamed first: a checkpoint that is half removed would look broken.
  std::string hidden = folder(temporaryName());
  if (rename(folder(name).c_str(), hidden.c_str()) != 0)
    return systemFailure(errno, "cannot remove '{}'", folder(name));
  removeFolder(hidden);
  return Error::success();
}

// The checkpoint that `latest` or `best` names; "" where there is no such file.
static Expected<std::string> readName(const std::string &path) {
  auto buffer = readFile(path);
  if (buffer)
    return (*buffer)->getBuffer().trim().str();
  Error error = buffer.takeError();
  if (!isMissing(error))
    return error;
  llvm::consumeError(std::move(error));
  return std::string();
}

Error RunDirectory::repair(const TrainingState &state) {
  Expected<std::vector<std::string>> inside = listDirectory(root + "/checkpoints");
  if (!inside)
    return inside.takeError();
  for (const std::string &name : *inside)
    if (isTemporaryName(name))
      removeFolder(folder(name));
  Expected<std::vector<std::string>> files = listDirectory(root);
  if (!files)
    return files.takeError();
  for (const std::string &name : *files)
    if (isTemporaryName(name))
      unlink(file(name).c_str());

  std::string latest = checkpointName(state.step);
  std::string best = state.bestLoss ? checkpointName(state.bestStep) : "";
  for (const auto &[which, name] : {std::pair("latest", latest), std::pair("best", best)}) {
    Expected<std::string> said = readName(file(which));
    if (!said)
      return said.takeError();
    if (*said == name || !llvm::is_contained(*inside, name))
      continue;
    if (Error error = atomicWriteFile(file(which), name + "\n"))
      return error;
  }
  return Error::success();
}

void RunDirectory::discard() {
  // Whatever somebody else has put there keeps its directory.
  if (!made.empty() && llvm::is_contained(made, root))
    unlink(file("log.jsonl").c_str());
  while (!made.empty()) {
    rmdir(made.back().c_str());
    made.pop_back();
  }
}

//===-- Saving --------------------------------------------------------------------===//

Error RunDirectory::place(const std::string &temporary, const std::string &target) {
  if (rename(temporary.c_str(), target.c_str()) == 0)
    return syncDirectory(root + "/checkpoints");
  if (errno != EEXIST && errno != ENOTEMPTY)
    return systemFailure(errno, "cannot rename '{}' to '{}'", temporary, target);
  // The step was saved before: the two change places, so that one is always whole.
  if (syscall(SYS_renameat2, AT_FDCWD, temporary.c_str(), AT_FDCWD, target.c_str(), exchangeNames) == 0) {
    removeFolder(temporary);
    return syncDirectory(root + "/checkpoints");
  }
  std::string old = folder(temporaryName());
  if (rename(target.c_str(), old.c_str()) != 0 || rename(temporary.c_str(), target.c_str()) != 0)
    return systemFailure(errno, "cannot replace '{}'", target);
  removeFolder(old);
  return syncDirectory(root + "/checkpoints");
}

Error RunDirectory::save(const VariableStore &store, const TrainingState &state, bool best, int64_t keep) {
  Expected<Snapshot> snapshot = Snapshot::view(store, state);
  return snapshot ? save(*snapshot, best, keep) : snapshot.takeError();
}

Error RunDirectory::save(const Snapshot &snapshot, bool best, int64_t keep) {
  const TrainingState &state = snapshot.state;
  std::string name = checkpointName(state.step);
  Expected<std::string> temporary = makeTemporaryDirectory(root + "/checkpoints");
  if (!temporary)
    return temporary.takeError();
  auto write = [&]() -> Error {
    for (auto [tensors, file] : {std::pair(&snapshot.weights, weightsFile), std::pair(&snapshot.states, statesFile)})
      if (Error error =
              writeSafeTensors(*temporary + "/" + file.str(), *tensors, {{"step", std::to_string(state.step)}}))
        return error;
    if (Error error = atomicWriteFile(*temporary + "/" + stateFile.str(), pretty(state.toJson())))
      return error;
    return place(*temporary, folder(name));
  };
  if (Error error = write()) {
    removeFolder(*temporary);
    return error;
  }
  if (Error error = atomicWriteFile(file("latest"), name + "\n"))
    return error;
  if (best)
    if (Error error = atomicWriteFile(file("best"), name + "\n"))
      return error;
  return prune(keep);
}

// Whether a checkpoint says that it is an extra one; what cannot be read counts as one that a step asked for.
static bool isExtra(const std::string &folder) {
  Expected<llvm::json::Object> object = readJsonFile(folder + "/" + stateFile.str());
  if (object)
    return object->getBoolean("extra").value_or(false);
  llvm::consumeError(object.takeError());
  return false;
}

Error RunDirectory::prune(int64_t keep) {
  Expected<std::string> best = readName(file("best")), latest = readName(file("latest"));
  Expected<std::vector<std::string>> names = checkpoints();
  Error error = llvm::joinErrors(best.takeError(), llvm::joinErrors(latest.takeError(), names.takeError()));
  if (error)
    return error;
  int64_t kept = 0;
  for (const std::string &name : *names) {
    bool extra = isExtra(folder(name));
    if (name == *best || name == *latest || (!extra && kept < std::max<int64_t>(keep, 1))) {
      kept += !extra;
      continue;
    }
    if (Error error = removeCheckpoint(name))
      return error;
  }
  return Error::success();
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
  std::string path = folder + "/" + stateFile.str();
  Expected<llvm::json::Object> object = readJsonFile(path);
  if (!object)
    return object.takeError();
  Expected<TrainingState> state = TrainingState::fromJson(*object, path);
  if (!state)
    return state.takeError();
  if (checkpointName(state->step) != name)
    return failure("{}: it says step {}", path, state->step);
  whole.state = *state;
  for (auto [file, into] : {std::pair(weightsFile, &whole.weights), std::pair(statesFile, &whole.optimizer)}) {
    if (into == &whole.optimizer && !states)
      continue;
    Expected<SafeTensors> tensors = SafeTensors::open(folder + "/" + file.str());
    if (!tensors)
      return tensors.takeError();
    if (Error error = tensors->verify())
      return error;
    *into = std::move(*tensors);
  }
  return whole;
}

Expected<std::string> RunDirectory::newestWeights(std::vector<std::string> &warnings) const {
  Expected<std::vector<std::string>> listed = checkpoints();
  if (!listed)
    return listed.takeError();
  for (const std::string &name : *listed) {
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
  Expected<std::vector<std::string>> listed = checkpoints();
  if (!listed)
    return listed.takeError();
  std::vector<std::string> names = std::move(*listed);
  if (which == Which::Named && !names.empty()) {
    if (!llvm::is_contained(names, named))
      return failure("'{}' has no checkpoint '{}'; it has {}", root, named, fmt::join(names, ", "));
    names = {named.str()};
  }
  if (which == Which::Best) {
    Expected<std::string> best = readName(file("best"));
    if (!best)
      return best.takeError();
    auto found = llvm::find(names, *best);
    if (found != names.end())
      std::rotate(names.begin(), found, found + 1);
  }
  if (names.empty())
    return failure("'{}' has no checkpoint", root);
  Loaded loaded;
  for (const std::string &name : names) {
    Expected<Whole> whole = openCheckpoint(folder(name), name, states);
    if (!whole) {
      // Damage makes an older one serve. What may be whole and cannot be read does not.
      Error error = whole.takeError();
      if (isOfSystem(error) && !isMissing(error))
        return error;
      loaded.warnings.push_back(fmt::format("{} is broken: {}", name, llvm::toString(std::move(error))));
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
