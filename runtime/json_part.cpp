#include "runtime/json_part.h"

#include "runtime/utf8.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

using llvm::StringRef;
using llvm::json::Array;
using llvm::json::Object;
using llvm::json::Value;

namespace gptc::runtime {

JsonPart JsonPart::root(const Object &object, StringRef source) {
  auto file = std::make_shared<File>();
  file->source = source.str();
  return JsonPart(std::move(file), &object, "");
}

std::string JsonPart::place(StringRef name) const {
  return path.empty() || name.empty() ? path + name.str() : path + "." + name.str();
}

void JsonPart::note(StringRef name, const std::string &message) {
  std::string where = runtime::shown(place(name));
  if (!failed())
    file->problem = fmt::format("{}: {}{}{}", file->source, where, where.empty() ? "" : ": ", message);
}

bool JsonPart::failed() const {
  return !file->problem.empty();
}

llvm::Error JsonPart::takeError() const {
  if (!failed())
    return llvm::Error::success();
  return failure("{}", file->problem);
}

static std::string shownValue(const Value &value) {
  std::string text;
  llvm::raw_string_ostream(text) << value;
  return runtime::shown(text);
}

std::string JsonPart::shown(StringRef name) const {
  const Value *value = object ? object->get(name) : nullptr;
  return value ? shownValue(*value) : "nothing";
}

const Value *JsonPart::value(StringRef name) {
  asked.push_back(name);
  const Value *value = object ? object->get(name) : nullptr;
  return value && value->kind() != Value::Null ? value : nullptr;
}

bool JsonPart::flag(StringRef name, bool absent) {
  const Value *found = value(name);
  if (found && !found->getAsBoolean())
    wrong(name, "{} is neither true nor false", shown(name));
  return found ? found->getAsBoolean().value_or(absent) : absent;
}

std::optional<int64_t> JsonPart::integer(StringRef name) {
  const Value *found = value(name);
  if (found && !found->getAsInteger())
    wrong(name, "{} is no whole number", shown(name));
  return found ? found->getAsInteger() : std::nullopt;
}

StringRef JsonPart::text(StringRef name, bool needed) {
  const Value *found = value(name);
  std::optional<StringRef> text = found ? found->getAsString() : std::nullopt;
  if (!text && (needed || found))
    wrong(name, "{} where a text is expected", shown(name));
  return text.value_or("");
}

JsonPart JsonPart::part(StringRef name) {
  const Value *found = value(name);
  const Object *inner = found ? found->getAsObject() : nullptr;
  if (!inner)
    wrong(name, "{} where an object is expected", shown(name));
  return JsonPart(file, inner, place(name));
}

llvm::ArrayRef<Value> JsonPart::list(StringRef name) {
  const Value *found = value(name);
  const Array *array = found ? found->getAsArray() : nullptr;
  if (!array) {
    wrong(name, "{} where a list is expected", shown(name));
    return {};
  }
  return llvm::ArrayRef<Value>(array->data(), array->size());
}

std::vector<JsonPart> JsonPart::parts(StringRef name) {
  std::vector<JsonPart> all;
  for (const auto &[i, element] : llvm::enumerate(list(name))) {
    std::string here = fmt::format("{}[{}]", place(name), i);
    all.push_back(JsonPart(file, element.getAsObject(), here));
    if (!element.getAsObject())
      all.back().wrong("", "{} where an object is expected", shownValue(element));
  }
  return all;
}

std::vector<StringRef> JsonPart::names() const {
  std::vector<StringRef> all;
  if (object)
    for (const auto &field : *object)
      all.push_back(field.first);
  return all;
}

void JsonPart::done() {
  std::vector<StringRef> unknown;
  for (StringRef name : names())
    if (!llvm::is_contained(asked, name) && object->get(name)->kind() != Value::Null)
      unknown.push_back(name);
  if (!unknown.empty()) {
    StringRef first = *std::min_element(unknown.begin(), unknown.end());
    wrong(first, "{} is not supported: the field is not known", shown(first));
  }
}

} // namespace gptc::runtime
