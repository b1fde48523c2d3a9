#include "runtime/variables.h"
#include "runtime/utf8.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

#include <cmath>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

static std::string shapeText(llvm::ArrayRef<int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape.begin(), shape.end(), ", "));
}

std::string tensorName(const VariableInfo &info, llvm::ArrayRef<int64_t> copy) {
  std::string name;
  size_t next = 0;
  for (const std::string &part : info.path) {
    if (!name.empty())
      name += '.';
    name += part == "*" && next < copy.size() ? std::to_string(copy[next++]) : part;
  }
  // A path that has no place for a number still gives every copy its own name.
  if (info.path.empty())
    name = info.name;
  for (; next < copy.size(); ++next)
    name += "." + std::to_string(copy[next]);
  return name;
}

static Error checkInfo(const VariableInfo &info) {
  if (info.copies < 0 || size_t(info.copies) > info.shape.size())
    return failure("variable '{}' has rank {} and {} dimensions of copies", info.name, info.shape.size(),
                   info.copies);
  if (!info.bytes())
    return failure("variable '{}' of shape {} is too large", info.name, shapeText(info.shape));
  return Error::success();
}

Error VariableStore::add(llvm::ArrayRef<VariableInfo> infos) {
  for (const VariableInfo &info : infos) {
    if (Variable *existing = find(info.name)) {
      const VariableInfo &old = existing->info;
      if (old.type != info.type || old.shape != info.shape || old.copies != info.copies)
        return failure("variable '{}' is {} {} in one program and {} {} in another", info.name,
                       nameOf(old.type), shapeText(old.shape), nameOf(info.type), shapeText(info.shape));
      continue;
    }
    if (Error error = checkInfo(info))
      return error;
    Expected<Buffer> memory = Buffer::allocate(*info.bytes());
    if (!memory)
      return failure("no memory for '{}': {}", info.name, llvm::toString(memory.takeError()));
    variables.push_back(std::make_unique<Variable>());
    variables.back()->info = info;
    variables.back()->memory = std::move(*memory);
    byName[info.name] = variables.back().get();
  }
  return Error::success();
}

Variable *VariableStore::find(StringRef name, Weights weights) const {
  auto found = byName.find(name);
  if (found == byName.end())
    return nullptr;
  Variable *averaged = weights == Weights::Inference ? average(found->second->info) : nullptr;
  return averaged ? averaged : found->second;
}

static constexpr llvm::StringLiteral averageSuffix = ".average", currentPart = "current";

Variable *VariableStore::average(const VariableInfo &info) const {
  if (!info.parameter)
    return nullptr;
  auto found = byName.find(info.name + averageSuffix.str());
  return found == byName.end() || found->second->info.parameter ? nullptr : found->second;
}

bool VariableStore::isAverage(const VariableInfo &info) const {
  StringRef name = info.name;
  if (info.parameter || !name.consume_back(averageSuffix))
    return false;
  auto found = byName.find(name);
  return found != byName.end() && found->second->info.parameter;
}

Expected<std::vector<TensorView>> VariableStore::tensors(VariableKind kind) const {
  std::vector<TensorView> views;
  llvm::StringSet<> names;
  for (const auto &variable : variables) {
    VariableInfo info = variable->info;
    const Variable *from = variable.get(), *averaged = average(info);
    bool asState = false; // the parameter itself, beside its average
    if (kind == VariableKind::State) {
      asState = averaged;
      if ((info.parameter && !asState) || isAverage(info))
        continue;
    } else if (!info.parameter) {
      continue;
    } else if (kind == VariableKind::Inference && averaged) {
      from = averaged;
    }
    if (asState) {
      if (!info.path.empty())
        info.path.push_back(currentPart.str());
      info.name += "." + currentPart.str();
    }
    llvm::ArrayRef<int64_t> shape(info.shape);
    llvm::ArrayRef<int64_t> copies = shape.take_front(size_t(info.copies));
    TensorView view;
    view.type = storedType(info.type);
    view.shape = shape.drop_front(size_t(info.copies)).vec();
    int64_t count = 1;
    for (int64_t size : copies)
      count *= size;
    std::vector<int64_t> copy(copies.size());
    for (int64_t i = 0; i < count; ++i) {
      int64_t rest = i;
      for (size_t d = copies.size(); d-- > 0; rest /= copies[d])
        copy[d] = rest % copies[d];
      view.name = tensorName(info, copy);
      view.data = from->memory.data() + size_t(i) * view.bytes();
      if (!names.insert(view.name).second)
        return failure("two variables would be saved as '{}'", view.name);
      views.push_back(view);
    }
  }
  return views;
}

static Error checkTensors(const SafeTensors &file, llvm::ArrayRef<TensorView> views, bool exact) {
  llvm::StringSet<> names;
  std::string missing, unknown;
  size_t missed = 0, extra = 0;
  for (const TensorView &view : views) {
    names.insert(view.name);
    const StoredTensor *stored = file.find(view.name);
    if (!stored) {
      if (missed++ < 3)
        missing += (missed > 1 ? ", '" : "'") + shown(view.name) + "'";
      continue;
    }
    if (stored->shape != view.shape)
      return failure("{}: tensor '{}' has shape {}, the model wants {}", file.source(), view.name,
                     shapeText(stored->shape), shapeText(view.shape));
    auto isFloat = [](StoredType type) {
      return type == StoredType::F32 || type == StoredType::F64 || type == StoredType::F16 ||
             type == StoredType::BF16;
    };
    if (stored->type != view.type && !(isFloat(stored->type) && isFloat(view.type)))
      return failure("{}: tensor '{}' is {}, the model wants {}", file.source(), view.name,
                     stored->typeName, nameOf(view.type));
  }
  if (missed)
    return failure("{}: it lacks {} of the model's {} tensors: {}{}", file.source(), missed, views.size(),
                   missing, missed > 3 ? ", ..." : "");
  if (exact)
    for (auto &[name, stored] : file.tensors())
      if (!names.contains(name) && extra++ < 3)
        unknown += (extra > 1 ? ", '" : "'") + shown(name) + "'";
  if (extra)
    return failure("{}: it has {} tensors that the model does not: {}{}", file.source(), extra, unknown,
                   extra > 3 ? ", ..." : "");
  return Error::success();
}

Error VariableStore::check(const SafeTensors &file, VariableKind kind, bool exact) const {
  Expected<std::vector<TensorView>> views = tensors(kind);
  return views ? checkTensors(file, *views, exact) : views.takeError();
}

Error VariableStore::load(const SafeTensors &file, VariableKind kind, bool exact) {
  Expected<std::vector<TensorView>> views = tensors(kind);
  if (!views)
    return views.takeError();
  if (Error error = checkTensors(file, *views, exact))
    return error;
  auto typeOf = [](const TensorView &view) {
    return view.type == StoredType::F64   ? DType::F64
           : view.type == StoredType::F32 ? DType::F32
           : view.type == StoredType::I32 ? DType::I32
                                          : DType::Bool;
  };
  for (const TensorView &view : *views)
    if (std::optional<std::string> found = notFinite(*file.find(view.name), typeOf(view)))
      return failure("{}: tensor '{}' holds {}", file.source(), view.name, *found);
  for (const TensorView &view : *views) {
    const StoredTensor *stored = file.find(view.name);
    DType type = typeOf(view);
    // Views point into our own memory.
    if (Error error = copyTensor(*stored, type, const_cast<char *>(view.data), stored->elements()))
      return failure("{}: tensor '{}': {}", file.source(), view.name, llvm::toString(std::move(error)));
  }
  return Error::success();
}

Expected<std::vector<std::string>> VariableStore::unread(const SafeTensors &file, VariableKind kind) const {
  Expected<std::vector<TensorView>> views = tensors(kind);
  if (!views)
    return views.takeError();
  llvm::StringSet<> names;
  for (const TensorView &view : *views)
    names.insert(view.name);
  std::vector<std::string> others;
  for (auto &[name, stored] : file.tensors())
    if (!names.contains(name))
      others.push_back(name);
  return others;
}

template <typename T> static bool allFinite(const char *data, int64_t count) {
  const T *values = reinterpret_cast<const T *>(data);
  // A sum of 0 * x is 0 unless some x is not finite; no branch a value.
  T sum = 0;
  for (int64_t i = 0; i < count; ++i)
    sum += values[i] * T(0);
  return sum == T(0);
}

Error VariableStore::checkFinite() const {
  for (const auto &variable : variables) {
    int64_t count = variable->info.elements();
    const char *data = variable->memory.data();
    bool finite = variable->info.type == DType::F32   ? allFinite<float>(data, count)
                  : variable->info.type == DType::F64 ? allFinite<double>(data, count)
                                                      : true;
    if (!finite)
      return failure("'{}' holds a value that is not finite", tensorName(variable->info, {}));
  }
  return Error::success();
}

int64_t VariableStore::parameterElements() const {
  int64_t total = 0;
  for (const auto &variable : variables)
    if (variable->info.parameter)
      total += variable->info.elements();
  return total;
}

} // namespace gptc::runtime
