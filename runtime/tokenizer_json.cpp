#include "runtime/tokenizer_json.h"

#include "runtime/files.h"
#include "runtime/json_part.h"
#include "runtime/tokenizer_symbols.h"
#include "runtime/utf8.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
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
  auto symbols = [&](int32_t id) { return byteSymbols(pairs.tokens[size_t(id)]); };
  json.object([&] {
    json.attribute("version", "1.0");
    json.attribute("truncation", nullptr);
    json.attribute("padding", nullptr);
    json.attributeArray("added_tokens", [&] {
      for (int32_t id : pairs.specials)
        json.object([&] {
          json.attribute("id", id);
          json.attribute("content", pairs.tokens[size_t(id)]);
          for (const char *choice : {"single_word", "lstrip", "rstrip", "normalized"})
            json.attribute(choice, false);
          json.attribute("special", true);
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
        std::vector<bool> special(pairs.tokens.size());
        for (int32_t id : pairs.specials)
          special[size_t(id)] = true;
        for (size_t id = 0; id < pairs.tokens.size(); ++id)
          json.attribute(special[id] ? pairs.tokens[id] : symbols(int32_t(id)), int64_t(id));
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

// Numbers may have holes, but not so many that they are a mistake.
static constexpr int64_t mostHoles = 1 << 16;

namespace {

class Reader {
public:
  explicit Reader(JsonPart given) : root(std::move(given)), model(root) {
    if (!root.has("model"))
      root.wrong("", "it has no model, so it is no tokenizer.json");
    model = root.part("model");
  }
  Expected<TokenizerParts> read();

private:
  void readHead();
  void readModel();
  void readAdded();
  void checkAddedNumbers(const Object &vocab);
  void readVocabulary(const Object &vocab);
  void readMerges();
  void readMerge(StringRef left, StringRef right, size_t rank);
  void readUnknown();
  void readFrame(JsonPart part);
  void readTemplate(JsonPart &part);
  void readPair(JsonPart &part);
  void place(int64_t id, StringRef name);
  void normalizeAdded();
  void checkBytes();

  JsonPart root, model;
  const Object *vocab = nullptr;
  TokenizerParts parts;
  std::vector<bool> special;
  llvm::DenseMap<std::pair<int32_t, int32_t>, size_t> seen; // rank of each merge
};

} // namespace

void Reader::readHead() {
  if (root.has("version") && root.text("version") != "1.0")
    root.wrong("version", "{} is not supported; \"1.0\" is", root.shown("version"));
  if (root.has("truncation"))
    root.wrong("truncation", "{} is not supported; texts are cut by the model's bounds",
               root.shown("truncation"));
  if (root.has("padding"))
    root.wrong("padding", "{} is not supported; sequences are padded by the model's bounds",
               root.shown("padding"));
}

void Reader::readModel() {
  // Old files do not say it.
  if (model.has("type") && model.text("type") != "BPE")
    model.wrong("type", "{} is not supported; BPE is", model.shown("type"));
  if (const Value *dropout = model.value("dropout"); dropout && dropout->getAsNumber().value_or(1) != 0)
    model.wrong("dropout", "{} is not supported: ids would be random", model.shown("dropout"));
  for (const char *affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model.text(affix, false).empty())
      model.wrong(affix, "{} is not supported", model.shown(affix));
  parts.fuseUnknown = model.flag("fuse_unk", false);
  parts.byteFallback = model.flag("byte_fallback", false);
  parts.ignoreMerges = model.flag("ignore_merges", false);
}

void Reader::readAdded() {
  if (!root.has("added_tokens"))
    return;
  llvm::StringMap<int64_t> names;
  for (JsonPart &entry : root.parts("added_tokens")) {
    AddedToken token;
    token.name = entry.text("content").str();
    int64_t id = entry.integer("id").value_or(-1);
    if (token.name.empty() || !entry.has("id"))
      entry.wrong("", "it has no id or no content");
    else if (id < 0 || id > largestVocabulary)
      entry.wrong("id", "the added token '{}' has the number {}", shown(token.name), id);
    token.id = int32_t(id);
    token.special = entry.flag("special", true);
    token.normalized = entry.flag("normalized", !token.special);
    token.singleWord = entry.flag("single_word", false);
    token.takesBefore = entry.flag("lstrip", false);
    token.takesBehind = entry.flag("rstrip", false);
    entry.done();
    if (!names.try_emplace(token.name, id).second)
      entry.wrong("content", "the added token '{}' is there twice", shown(token.name));
    parts.added.push_back(std::move(token));
  }
}

// The library numbers added tokens itself, behind the vocabulary and in the order of the file: a file that
// says otherwise has other ids there.
void Reader::checkAddedNumbers(const Object &vocab) {
  int64_t next = int64_t(vocab.size());
  for (const AddedToken &token : parts.added) {
    if (!token.learned && token.id != next)
      root.wrong(
          "added_tokens",
          "the token '{}' has the number {}, but behind the vocabulary, in the order of the file, it is {}",
          shown(token.name), token.id, next);
    next = std::max<int64_t>(next, int64_t(token.id) + 1);
  }
  llvm::sort(parts.added, [](const AddedToken &a, const AddedToken &b) { return a.id < b.id; });
}

void Reader::place(int64_t id, StringRef name) {
  if (id < 0 || size_t(id) >= parts.tokens.size())
    return model.wrong("vocab", "token '{}' has the number {}", shown(name), id);
  if (!parts.tokens[size_t(id)].empty())
    return model.wrong("vocab", "two tokens have the number {}; one is '{}'", id, shown(name));
  parts.tokens[size_t(id)] = name.str();
}

void Reader::readVocabulary(const Object &vocab) {
  int64_t count = int64_t(vocab.size()), largest = -1;
  StringRef largestName;
  auto meet = [&](int64_t id, StringRef name) {
    if (id > largest)
      largest = id, largestName = name;
  };
  for (AddedToken &token : parts.added) {
    const Value *inside = vocab.get(token.name);
    token.learned = inside != nullptr;
    count += !inside;
    meet(token.id, token.name);
    if (inside && inside->getAsInteger() != std::optional<int64_t>(token.id))
      model.wrong("vocab", "the added token '{}' has number {}, and another one in the vocabulary",
                  shown(token.name), token.id);
  }
  checkAddedNumbers(vocab);
  for (const auto &[name, value] : vocab) {
    std::optional<int64_t> id = value.getAsInteger();
    if (!id)
      model.wrong("vocab", "token '{}' has no number", shown(name));
    if (StringRef(name).empty())
      model.wrong("vocab", "a token has no characters");
    meet(id.value_or(-1), name);
  }
  if (count == 0)
    model.wrong("vocab", "the vocabulary is empty");
  if (largest >= count + mostHoles || largest >= largestVocabulary)
    model.wrong("vocab", "token '{}' has the number {}, far beyond the {} tokens that there are",
                shown(largestName), largest, count);
  if (root.failed())
    return;
  parts.tokens.resize(size_t(largest + 1));
  special.resize(parts.tokens.size());
  for (const AddedToken &token : parts.added) {
    place(token.id, token.name);
    special[size_t(token.id)] = token.special;
  }
  for (const auto &[name, value] : vocab) {
    auto added = std::lower_bound(parts.added.begin(), parts.added.end(), *value.getAsInteger(),
                                  [](const AddedToken &token, int64_t id) { return token.id < id; });
    if (added == parts.added.end() || added->name != StringRef(name))
      place(*value.getAsInteger(), name);
  }
}

void Reader::readMerge(StringRef left, StringRef right, size_t rank) {
  std::string merged = (left + right).str();
  int32_t ids[3];
  size_t i = 0;
  for (StringRef name : {left, right, StringRef(merged)}) {
    auto id = vocab->getInteger(name);
    if (!id || *id < 0 || size_t(*id) >= parts.tokens.size())
      return model.wrong("merges",
                         "merge {} ('{}' and '{}') needs the token '{}', which the vocabulary does not have",
                         rank, shown(left), shown(right), shown(name));
    ids[i++] = int32_t(*id);
  }
  if (!seen.try_emplace({ids[0], ids[1]}, rank).second)
    return model.wrong("merges", "merge {} ('{}' and '{}') is there twice", rank, shown(left), shown(right));
  if (!special[size_t(ids[2])]) // text never becomes a special token
    parts.merges.push_back({ids[0], ids[1], ids[2]});
}

void Reader::readMerges() {
  llvm::ArrayRef<Value> list = model.list("merges");
  parts.merges.reserve(list.size());
  seen.reserve(unsigned(list.size()));
  for (size_t rank = 0; rank < list.size() && !root.failed(); ++rank) {
    StringRef left, right;
    bool blanks = false; // a token of a pair may hold some
    if (auto text = list[rank].getAsString())
      std::tie(left, right) = text->split(' ');
    else if (const llvm::json::Array *pair = list[rank].getAsArray(); pair && pair->size() == 2) {
      left = (*pair)[0].getAsString().value_or("");
      right = (*pair)[1].getAsString().value_or("");
      blanks = true;
    }
    if (left.empty() || right.empty() || (!blanks && right.contains(' ')))
      return model.wrong("merges", "merge {} is neither \"a b\" nor [\"a\", \"b\"]", rank);
    readMerge(left, right, rank);
  }
}

void Reader::readUnknown() {
  if (!model.has("unk_token"))
    return;
  StringRef name = model.text("unk_token");
  auto id = vocab->getInteger(name);
  if (!id)
    return model.wrong("unk_token", "'{}' is not in the vocabulary", shown(name));
  parts.unknown = int32_t(*id);
}

// What added tokens are looked for as. Of two equal ones the library takes any.
void Reader::normalizeAdded() {
  llvm::StringMap<std::string> names;
  for (AddedToken &token : parts.added) {
    std::string buffer;
    Expected<StringRef> name =
        token.normalized ? parts.normalizer.run(token.name, buffer) : StringRef(token.name);
    if (!name)
      return root.wrong("added_tokens", "'{}': {}", shown(token.name), llvm::toString(name.takeError()));
    token.normalName = name->str();
    if (name->empty())
      root.wrong("added_tokens", "the normalizer leaves nothing of the token '{}'", shown(token.name));
    auto [other, isNew] = names.try_emplace((token.normalized ? "n" : "p") + token.normalName, token.name);
    if (!isNew)
      root.wrong("added_tokens", "the tokens '{}' and '{}' are both '{}' after the normalizer",
                 shown(other->second), shown(token.name), shown(token.normalName));
  }
}

// What ByteLevel writes is characters of its own, not those of the text.
void Reader::checkBytes() {
  if (!parts.preTokenizer.bytes() || !parts.byteFallback)
    return;
  for (uint8_t byte : byteOrder())
    if (!vocab->get(byteSymbols(std::string(1, char(byte)))))
      return model.wrong(
          "byte_fallback",
          "true is not supported with ByteLevel where the vocabulary lacks bytes, such as 0x{:02x}",
          unsigned(byte));
}

//===-- Begin and end ------------------------------------------------------------===//

// [name, id] of Bert's and Roberta's.
void Reader::readPair(JsonPart &part) {
  for (const char *side : {"cls", "sep"}) {
    llvm::ArrayRef<Value> pair = part.list(side);
    std::optional<int64_t> id = pair.size() == 2 ? pair[1].getAsInteger() : std::nullopt;
    if (!id || *id < 0 || size_t(*id) >= parts.tokens.size())
      return part.wrong(side, "{} is not a token's name and number", part.shown(side));
    (StringRef(side) == "cls" ? parts.frame.begin : parts.frame.end).push_back(int32_t(*id));
  }
}

void Reader::readTemplate(JsonPart &part) {
  (void)part.value("pair"); // there is one text
  JsonPart tokens = part.part("special_tokens");
  std::vector<int32_t> begin, end;
  int texts = 0;
  for (JsonPart &piece : part.parts("single")) {
    if (piece.has("Sequence")) {
      JsonPart sequence = piece.part("Sequence");
      (void)sequence.value("type_id");
      if (sequence.text("id") != "A")
        sequence.wrong("id", "{} is not supported in a template for one text; \"A\" is",
                       sequence.shown("id"));
      sequence.done();
      ++texts;
    } else {
      JsonPart token = piece.part("SpecialToken");
      (void)token.value("type_id");
      JsonPart entry = tokens.part(token.text("id"));
      token.done();
      (void)entry.value("id");
      (void)entry.value("tokens");
      for (const Value &id : entry.list("ids")) {
        std::optional<int64_t> number = id.getAsInteger();
        if (!number || *number < 0 || size_t(*number) >= parts.tokens.size())
          entry.wrong("ids", "{} has a number that is no token's", entry.shown("ids"));
        else
          (texts ? end : begin).push_back(int32_t(*number));
      }
      entry.done();
    }
    piece.done();
  }
  if (texts != 1)
    part.wrong("single", "a template with {} texts is not supported; one with one text is", texts);
  // Each processor works on what the one before has made.
  parts.frame.begin.insert(parts.frame.begin.begin(), begin.begin(), begin.end());
  parts.frame.end.insert(parts.frame.end.end(), end.begin(), end.end());
}

void Reader::readFrame(JsonPart part) {
  StringRef type = part.text("type");
  if (type == "Sequence") {
    for (JsonPart &inner : part.parts("processors"))
      readFrame(inner);
  } else if (type == "TemplateProcessing") {
    readTemplate(part);
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    readPair(part);
    if (type == "RobertaProcessing")
      for (const char *choice : {"trim_offsets", "add_prefix_space"}) // of offsets, which nobody asks for
        (void)part.flag(choice, true);
  } else if (type == "ByteLevel") {
    for (const char *choice : {"trim_offsets", "add_prefix_space", "use_regex"})
      (void)part.flag(choice, true);
  } else {
    part.wrong("type",
               "{} is not supported; BertProcessing, ByteLevel, RobertaProcessing, Sequence and "
               "TemplateProcessing are",
               part.shown("type"));
  }
  part.done();
}

Expected<TokenizerParts> Reader::read() {
  if (root.failed())
    return root.takeError();
  readHead();
  readModel();
  vocab = model.part("vocab").fields();
  if (!root.failed())
    readAdded();
  if (!root.failed())
    readVocabulary(*vocab);
  if (!root.failed()) {
    readMerges();
    readUnknown();
  }
  model.done();
  if (root.failed())
    return root.takeError();
  if (root.has("normalizer"))
    parts.normalizer.read(root.part("normalizer"));
  if (root.has("pre_tokenizer"))
    parts.preTokenizer.read(root.part("pre_tokenizer"));
  parts.preTokenizer.finish();
  if (root.has("decoder"))
    parts.decoder.read(root.part("decoder"));
  parts.decoder.finish(root);
  if (root.has("post_processor"))
    readFrame(root.part("post_processor"));
  if (parts.preTokenizer.looksAtStart() && parts.normalizer.cutsStart())
    root.wrong("normalizer",
               "one that cuts the text's start is not supported with a Metaspace that looks for it "
               "(prepend_scheme first)");
  checkBytes();
  if (!root.failed())
    normalizeAdded();
  root.done();
  if (root.failed())
    return root.takeError();
  return std::move(parts);
}

Expected<std::unique_ptr<BytePairTokenizer>> parseTokenizerJson(StringRef text, StringRef source) {
  auto root = parseJsonObject(text, source);
  if (!root)
    return root.takeError();
  Expected<TokenizerParts> parts = Reader(JsonPart::root(*root, source)).read();
  if (!parts)
    return parts.takeError();
  return std::make_unique<BytePairTokenizer>(std::move(*parts), text.str());
}

} // namespace gptc::runtime
