#include "runtime/tokenizer_json.h"

#include "runtime/files.h"
#include "runtime/utf8.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::json::Array;
using llvm::json::Object;
using llvm::json::Value;

namespace gptc::runtime {

//===-- Writing ------------------------------------------------------------------===//

std::string tokenizerJson(const BytePairs &pairs) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  llvm::json::OStream json(stream, 2);
  auto byteLevel = [&](const char *part, bool prefixSpace) {
    json.attributeObject(part, [&] {
      json.attribute("type", "ByteLevel");
      json.attribute("add_prefix_space", prefixSpace);
      json.attribute("trim_offsets", true);
      json.attribute("use_regex", true);
    });
  };
  auto symbols = [&](int32_t id) { return BytePairs::symbols(pairs.tokens[size_t(id)]); };
  json.object([&] {
    json.attribute("version", "1.0");
    json.attribute("truncation", nullptr);
    json.attribute("padding", nullptr);
    json.attributeArray("added_tokens", [&] {
      std::vector<std::pair<int32_t, bool>> whole;
      for (int32_t id : pairs.specials)
        whole.push_back({id, true});
      for (int32_t id : pairs.added)
        whole.push_back({id, false});
      std::sort(whole.begin(), whole.end());
      for (auto [id, special] : whole)
        json.object([&, id = id, special = special] {
          json.attribute("id", id);
          json.attribute("content", pairs.tokens[size_t(id)]);
          for (const char *choice : {"single_word", "lstrip", "rstrip", "normalized"})
            json.attribute(choice, false);
          json.attribute("special", special);
        });
    });
    json.attribute("normalizer", nullptr);
    byteLevel("pre_tokenizer", false);
    json.attribute("post_processor", nullptr);
    byteLevel("decoder", true); // as the library writes it; only encoders look at it
    json.attributeObject("model", [&] {
      json.attribute("type", "BPE");
      for (const char *none : {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"})
        json.attribute(none, nullptr);
      for (const char *no : {"fuse_unk", "byte_fallback", "ignore_merges"})
        json.attribute(no, false);
      json.attributeObject("vocab", [&] {
        std::vector<bool> whole(pairs.tokens.size());
        for (const std::vector<int32_t> *ids : {&pairs.specials, &pairs.added})
          for (int32_t id : *ids)
            whole[size_t(id)] = true;
        for (size_t id = 0; id < pairs.tokens.size(); ++id)
          json.attribute(whole[id] ? pairs.tokens[id] : symbols(int32_t(id)), int64_t(id));
      });
      json.attributeArray("merges", [&] {
        for (const Merge &merge : pairs.merges)
          json.value(symbols(merge.left) + " " + symbols(merge.right));
      });
    });
  });
  text += "\n";
  return text;
}

//===-- Reading ------------------------------------------------------------------===//

namespace {

class Reader {
public:
  Reader(const Object &root, StringRef source) : root(root), source(source) {}
  Expected<BytePairs> read();

private:
  template <typename... Args> Error wrong(fmt::format_string<Args...> format, Args &&...args) const {
    return failure("{}: {}", source, fmt::format(format, std::forward<Args>(args)...));
  }
  Error absent(const char *part, const char *help) const;
  Error byteLevel(const char *part, bool splits) const;
  Error checkParts() const;
  Error checkModel() const;
  Error readAdded();
  Error readVocabulary();
  Error readMerges();
  Error readMerge(StringRef left, StringRef right, size_t rank);
  Error place(int64_t id, StringRef name, std::string bytes);

  const Object &root;
  StringRef source;
  const Object *model = nullptr, *vocab = nullptr;
  struct Added {
    int64_t id;
    std::string name;
    bool special; // what text never becomes; the others are as good as letters
  };
  std::vector<Added> added; // by id
  std::vector<bool> taken;
  BytePairs pairs;
  llvm::DenseMap<std::pair<int32_t, int32_t>, size_t> seen; // rank of each merge
};

} // namespace

// What a part is, for messages: its type, or what is there.
static std::string describe(const Value &part) {
  const Object *object = part.getAsObject();
  if (auto name = object ? object->getString("type") : part.getAsString())
    return shown(*name);
  std::string text;
  llvm::raw_string_ostream(text) << part;
  return shown(text);
}

static bool isNull(const Value *value) {
  return !value || value->kind() == Value::Null;
}

static bool isTrue(const Object &object, StringRef name) {
  const Value *value = object.get(name);
  return value && value->getAsBoolean().value_or(!isNull(value));
}

Error Reader::absent(const char *part, const char *help) const {
  const Value *value = root.get(part);
  if (isNull(value))
    return Error::success();
  return wrong("{} '{}' is not supported; {}", part, describe(*value), help);
}

Error Reader::byteLevel(const char *part, bool splits) const {
  const Value *value = root.get(part);
  if (isNull(value))
    return wrong("it has no {}; ByteLevel is supported", part);
  const Object *object = value->getAsObject();
  if (!object || object->getString("type").value_or("") != "ByteLevel")
    return wrong("{} '{}' is not supported; ByteLevel is", part, describe(*value));
  if (!splits)
    return Error::success();
  if (object->getBoolean("add_prefix_space").value_or(true))
    return wrong("{} ByteLevel with add_prefix_space is not supported: text would not decode to itself",
                 part);
  if (!object->getBoolean("use_regex").value_or(true))
    return wrong("{} ByteLevel without use_regex is not supported", part);
  return Error::success();
}

Error Reader::checkParts() const {
  if (Error error = absent("normalizer", "text is taken as it is"))
    return error;
  if (Error error = absent("truncation", "texts are cut by the model's bounds"))
    return error;
  if (Error error = absent("padding", "sequences are padded by the model's bounds"))
    return error;
  const Value *post = root.get("post_processor");
  const Object *object = isNull(post) ? nullptr : post->getAsObject();
  if (!isNull(post) && (!object || object->getString("type").value_or("") != "ByteLevel"))
    return wrong("post_processor '{}' is not supported; a model's data declaration adds begin and end itself",
                 describe(*post));
  if (Error error = byteLevel("pre_tokenizer", true))
    return error;
  return byteLevel("decoder", false);
}

Error Reader::checkModel() const {
  // Old files do not say it.
  if (const Value *type = model->get("type"); type && type->getAsString().value_or("") != "BPE")
    return wrong("the model '{}' is not supported; BPE is", describe(*type));
  const Value *dropout = model->get("dropout");
  if (!isNull(dropout) && dropout->getAsNumber().value_or(1) != 0)
    return wrong("the model's dropout is not supported");
  for (const char *part : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (const Value *value = model->get(part); !isNull(value) && value->getAsString().value_or("?") != "")
      return wrong("the model's {} '{}' is not supported", part, describe(*value));
  for (const char *part : {"byte_fallback", "ignore_merges"})
    if (isTrue(*model, part))
      return wrong("the model's {} is not supported", part);
  return Error::success();
}

Error Reader::readAdded() {
  const Value *value = root.get("added_tokens");
  if (isNull(value))
    return Error::success();
  const Array *list = value->getAsArray();
  if (!list)
    return wrong("added_tokens is not a list");
  llvm::StringMap<int64_t> names;
  for (const Value &entry : *list) {
    const Object *object = entry.getAsObject();
    std::optional<int64_t> id = object ? object->getInteger("id") : std::nullopt;
    std::optional<StringRef> content = object ? object->getString("content") : std::nullopt;
    if (!id || !content || content->empty())
      return wrong("an entry of added_tokens has no id or no content");
    for (const char *choice : {"single_word", "lstrip", "rstrip"})
      if (isTrue(*object, choice))
        return wrong("{} of the added token '{}' is not supported", choice, shown(*content));
    if (!names.try_emplace(*content, *id).second)
      return wrong("the added token '{}' is there twice", shown(*content));
    added.push_back({*id, content->str(), !object->get("special") || isTrue(*object, "special")});
  }
  llvm::sort(added, [](const Added &a, const Added &b) { return a.id < b.id; });
  return Error::success();
}

Error Reader::place(int64_t id, StringRef name, std::string bytes) {
  if (id < 0 || size_t(id) >= taken.size())
    return wrong("token '{}' has number {}, but the {} tokens are to be numbered 0 to {}", shown(name), id,
                 taken.size(), taken.size() - 1);
  if (taken[size_t(id)])
    return wrong("two tokens have the number {}; one is '{}'", id, shown(name));
  taken[size_t(id)] = true;
  pairs.tokens[size_t(id)] = std::move(bytes);
  return Error::success();
}

// The bytes of a token's symbols; nothing where a character is none.
static std::optional<std::string> bytesOf(StringRef symbols) {
  static const llvm::DenseMap<int32_t, char> byteOf = [] {
    llvm::DenseMap<int32_t, char> byteOf;
    for (int byte = 0; byte < 256; ++byte) {
      size_t at = 0;
      std::string symbol = BytePairs::symbols(std::string(1, char(byte)));
      byteOf[nextCodePoint(symbol, at)] = char(byte);
    }
    return byteOf;
  }();
  std::string bytes;
  for (size_t at = 0; at < symbols.size();) {
    auto found = byteOf.find(nextCodePoint(symbols, at));
    if (found == byteOf.end())
      return std::nullopt;
    bytes += found->second;
  }
  return bytes;
}

Error Reader::readVocabulary() {
  size_t count = vocab->size();
  for (const auto &[id, name, special] : added) {
    const Value *inside = vocab->get(name);
    if (inside && inside->getAsInteger() != std::optional<int64_t>(id))
      return wrong("the added token '{}' has number {}, and another one in the vocabulary", shown(name), id);
    count += !inside;
  }
  if (count == 0)
    return wrong("the vocabulary is empty");
  if (int64_t(count) > largestVocabulary)
    return wrong("the vocabulary has more than {} tokens", largestVocabulary);
  taken.resize(count);
  pairs.tokens.resize(count);
  for (const auto &[id, name, special] : added) {
    if (Error error = place(id, name, name))
      return error;
    (special ? pairs.specials : pairs.added).push_back(int32_t(id));
  }
  llvm::StringSet<> addedNames;
  for (const auto &[id, name, special] : added)
    addedNames.insert(name);
  for (const auto &[name, value] : *vocab) {
    StringRef token = name;
    if (addedNames.contains(token))
      continue;
    std::optional<int64_t> id = value.getAsInteger();
    if (!id)
      return wrong("token '{}' has no number", shown(token));
    std::optional<std::string> bytes = bytesOf(token);
    if (!bytes || bytes->empty())
      return wrong("token '{}' is not written in the symbols of bytes that ByteLevel uses", shown(token));
    if (Error error = place(*id, token, std::move(*bytes)))
      return error;
  }
  if (isNull(model->get("unk_token")))
    return Error::success();
  for (uint8_t byte : BytePairs::byteOrder())
    if (!vocab->get(BytePairs::symbols(std::string(1, char(byte)))))
      return wrong("unk_token is not supported where the vocabulary lacks bytes, such as 0x{:02x}",
                   unsigned(byte));
  return Error::success();
}

Error Reader::readMerge(StringRef left, StringRef right, size_t rank) {
  std::string merged = (left + right).str();
  int32_t ids[3];
  size_t i = 0;
  for (StringRef name : {left, right, StringRef(merged)}) {
    auto id = vocab->getInteger(name);
    if (!id || *id < 0 || size_t(*id) >= pairs.tokens.size())
      return wrong("merge {} ('{}' and '{}') needs the token '{}', which the vocabulary does not have", rank,
                   shown(left), shown(right), shown(name));
    ids[i++] = int32_t(*id);
  }
  const std::vector<std::string> &tokens = pairs.tokens;
  if (tokens[size_t(ids[0])] + tokens[size_t(ids[1])] != tokens[size_t(ids[2])])
    return wrong("merge {} ('{}' and '{}') has to do with an added token", rank, shown(left), shown(right));
  if (!seen.try_emplace({ids[0], ids[1]}, rank).second)
    return wrong("merge {} ('{}' and '{}') is there twice", rank, shown(left), shown(right));
  pairs.merges.push_back({ids[0], ids[1], ids[2]});
  return Error::success();
}

Error Reader::readMerges() {
  const Value *value = model->get("merges");
  const Array *list = value ? value->getAsArray() : nullptr;
  if (!list)
    return wrong("the model has no list of merges");
  for (size_t rank = 0; rank < list->size(); ++rank) {
    StringRef left, right;
    if (auto text = (*list)[rank].getAsString())
      std::tie(left, right) = text->split(' ');
    else if (const Array *pair = (*list)[rank].getAsArray(); pair && pair->size() == 2) {
      left = (*pair)[0].getAsString().value_or("");
      right = (*pair)[1].getAsString().value_or("");
    }
    if (left.empty() || right.empty() || right.contains(' '))
      return wrong("merge {} is neither \"a b\" nor [\"a\", \"b\"]", rank);
    if (Error error = readMerge(left, right, rank))
      return error;
  }
  return Error::success();
}

Expected<BytePairs> Reader::read() {
  model = root.getObject("model");
  vocab = model ? model->getObject("vocab") : nullptr;
  if (!model)
    return wrong("it has no model, so it is no tokenizer.json");
  if (Error error = checkModel())
    return error;
  if (!vocab)
    return wrong("the model has no vocab");
  if (Error error = checkParts())
    return error;
  if (Error error = readAdded())
    return error;
  if (Error error = readVocabulary())
    return error;
  if (Error error = readMerges())
    return error;
  return std::move(pairs);
}

Expected<BytePairs> parseTokenizerJson(StringRef text, StringRef source) {
  auto root = parseJsonObject(text, source);
  if (!root)
    return root.takeError();
  return Reader(*root, source).read();
}

} // namespace gptc::runtime
