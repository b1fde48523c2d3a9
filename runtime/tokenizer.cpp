#include "runtime/tokenizer.h"

#include "runtime/files.h"
#include "runtime/tokenizer_added.h"
#include "runtime/tokenizer_json.h"
#include "runtime/tokenizer_pieces.h"
#include "runtime/utf8.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

#include <algorithm>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

std::string Tokenizer::decode(llvm::ArrayRef<int32_t> tokens) const {
  std::string bytes;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0)
      bytes += separator();
    append(bytes, tokens[i]);
  }
  return repairUtf8(bytes);
}

std::optional<int32_t> Tokenizer::special(StringRef name) const {
  for (const SpecialToken &token : specials())
    if (token.name == name)
      return token.id;
  return std::nullopt;
}

Error Tokenizer::encode(StringRef text, llvm::ArrayRef<std::string> names, std::vector<int32_t> &tokens,
                        StringRef source) const {
  std::vector<SpecialToken> wanted;
  for (const std::string &name : names) {
    std::optional<int32_t> id = special(name);
    if (!id) {
      std::vector<std::string> known;
      for (const SpecialToken &token : specials())
        known.push_back(token.name);
      return failure("the tokenizer has no special token '{}'; it has {}", name,
                     known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
    }
    wanted.push_back({name, *id});
  }
  return encodeSpecial(text, wanted, tokens, source);
}

Error Tokenizer::encodeSpecial(StringRef text, llvm::ArrayRef<SpecialToken> wanted,
                               std::vector<int32_t> &tokens, StringRef source) const {
  std::vector<AddedToken> added;
  for (const SpecialToken &token : wanted) {
    added.emplace_back();
    added.back().name = added.back().normalName = token.name;
    added.back().id = token.id;
  }
  return AddedFinder(std::move(added))
      .cut(
          text, [](const AddedToken &) { return true; },
          [&](const AddedToken &token) { tokens.push_back(token.id); },
          [&](StringRef part) { return encodePart(part, text, tokens, source); });
}

std::string StreamDecoder::push(int32_t token) {
  if (begins)
    tokenizer.appendFirst(pending, token);
  else
    tokenizer.append(pending += tokenizer.separator(), token);
  begins = false;
  size_t whole = wholeCharacters(pending);
  std::string text = repairUtf8(StringRef(pending).take_front(whole));
  pending.erase(0, whole);
  return text;
}

std::string StreamDecoder::finish() {
  std::string text = repairUtf8(pending);
  pending.clear();
  return text;
}

namespace {

/// One token a code point.
class CharacterTokenizer : public Tokenizer {
public:
  CharacterTokenizer(StringRef kind, std::vector<int32_t> codePoints)
      : name(kind.str()), alphabet(std::move(codePoints)) {
    for (size_t i = 0; i < alphabet.size(); ++i)
      tokens[alphabet[i]] = int32_t(i);
    std::fill(std::begin(ascii), std::end(ascii), -1);
    for (size_t i = 0; i < alphabet.size() && alphabet[i] < 128; ++i)
      ascii[alphabet[i]] = int32_t(i);
  }

  StringRef kind() const override { return name; }
  int64_t vocabulary() const override { return int64_t(alphabet.size()); }

  Error encodePart(StringRef part, StringRef whole, std::vector<int32_t> &out,
                   StringRef source) const override {
    // One token for each character. Where parts of a text come one by one, memory grows as it does by itself.
    if (part.size() == whole.size())
      out.reserve(out.size() + characterCount(part));
    for (size_t at = 0; at < part.size();) {
      unsigned char byte = part[at];
      if (byte < 128 && ascii[byte] >= 0) {
        out.push_back(ascii[byte]);
        ++at;
        continue;
      }
      size_t begin = at;
      int32_t codePoint = nextCodePoint(part, at);
      if (codePoint < 0)
        return checkUtf8(part, whole, source);
      auto found = tokens.find(codePoint);
      if (found == tokens.end())
        return unknown(whole, size_t(part.data() - whole.data()) + begin, codePoint, source);
      out.push_back(found->second);
    }
    return Error::success();
  }

  void append(std::string &bytes, int32_t token) const override {
    appendCodePoint(bytes, token >= 0 && size_t(token) < alphabet.size() ? alphabet[size_t(token)] : 0xFFFD);
  }

  llvm::json::Object save() const override {
    std::string text;
    for (int32_t codePoint : alphabet)
      appendCodePoint(text, codePoint);
    return llvm::json::Object{{"kind", name}, {"alphabet", text}};
  }

private:
  Error unknown(StringRef text, size_t at, int32_t codePoint, StringRef source) const {
    size_t line = text.take_front(at).count('\n') + 1;
    size_t lineStart = at == 0 ? StringRef::npos : text.rfind('\n', at - 1);
    lineStart = lineStart == StringRef::npos ? 0 : lineStart + 1;
    size_t column = 1;
    for (size_t i = lineStart; i < at; ++column)
      (void)nextCodePoint(text, i);
    std::string known;
    for (size_t i = 0; i < alphabet.size() && i < 200; ++i) {
      if (alphabet[i] < 0x20 || alphabet[i] == 0x7F)
        known += alphabet[i] == '\n'   ? "\\n"
                 : alphabet[i] == '\t' ? "\\t"
                 : alphabet[i] == '\r' ? "\\r"
                                       : "?";
      else
        appendCodePoint(known, alphabet[i]);
    }
    return failure("{}:{}:{}: character {} is not in the alphabet of {} characters: {}{}", source, line,
                   column, describeCharacter(codePoint), alphabet.size(), known,
                   alphabet.size() > 200 ? "..." : "");
  }

  std::string name;
  std::vector<int32_t> alphabet; // code points, ascending
  llvm::DenseMap<int32_t, int32_t> tokens;
  int32_t ascii[128];
};

/// Numbers as they are.
class IdTokenizer : public Tokenizer {
public:
  explicit IdTokenizer(int64_t size) : size(size) {}
  StringRef kind() const override { return "ids"; }
  int64_t vocabulary() const override { return size; }

  Error encodePart(StringRef part, StringRef whole, std::vector<int32_t> &out,
                   StringRef source) const override {
    for (size_t at = 0; at < part.size();) {
      if (llvm::isSpace(part[at])) {
        ++at;
        continue;
      }
      StringRef word = part.substr(at).take_until([](char c) { return llvm::isSpace(c); });
      StringRef before = whole.take_front(size_t(word.data() - whole.data()));
      auto line = [&] { return before.count('\n') + 1; };
      auto column = [&] { return before.size() - (before.rfind('\n') + 1) + 1; };
      int64_t id;
      if (word.getAsInteger(10, id))
        return failure("{}:{}:{}: '{}' is not a number", source, line(), column(), shown(word));
      if (id < 0 || id >= size)
        return failure("{}:{}:{}: {} is not between 0 and {}", source, line(), column(), id, size - 1);
      out.push_back(int32_t(id));
      at += word.size();
    }
    return Error::success();
  }

  void append(std::string &bytes, int32_t token) const override { bytes += std::to_string(token); }
  StringRef separator() const override { return " "; }
  llvm::json::Object save() const override { return llvm::json::Object{{"kind", "ids"}, {"size", size}}; }

private:
  int64_t size;
};

/// Special tokens before those of another tokenizer.
class WithSpecials : public Tokenizer {
public:
  WithSpecials(std::vector<std::string> names, std::unique_ptr<Tokenizer> inner)
      : names(std::move(names)), inner(std::move(inner)) {}

  StringRef kind() const override { return inner->kind(); }
  int64_t vocabulary() const override { return count() + inner->vocabulary(); }

  Error encodePart(StringRef part, StringRef whole, std::vector<int32_t> &tokens,
                   StringRef source) const override {
    size_t before = tokens.size();
    Error error = inner->encodePart(part, whole, tokens, source);
    for (size_t i = before; i < tokens.size(); ++i)
      tokens[i] += count();
    return error;
  }

  void append(std::string &bytes, int32_t token) const override {
    if (token >= 0 && token < count())
      bytes += names[size_t(token)];
    else
      inner->append(bytes, token < 0 ? token : token - count());
  }

  StringRef separator() const override { return inner->separator(); }

  std::vector<SpecialToken> specials() const override {
    std::vector<SpecialToken> all;
    for (size_t i = 0; i < names.size(); ++i)
      all.push_back({names[i], int32_t(i)});
    return all;
  }

  llvm::json::Object save() const override {
    llvm::json::Object saved = inner->save();
    saved["specials"] = llvm::json::Array(names);
    return saved;
  }

private:
  int32_t count() const { return int32_t(names.size()); }
  std::vector<std::string> names;
  std::unique_ptr<Tokenizer> inner;
};

} // namespace

using Made = Expected<std::unique_ptr<Tokenizer>>;

static Made makeCharacters(StringRef kind, llvm::ArrayRef<TokenizerText> texts) {
  std::vector<bool> seen(0x110000);
  bool empty = true;
  for (const TokenizerText &text : texts)
    for (size_t at = 0; at < text.text.size();) {
      int32_t codePoint = nextCodePoint(text.text, at);
      if (codePoint < 0)
        return checkUtf8(text.text, text.source);
      seen[size_t(codePoint)] = true;
      empty = false;
    }
  if (empty)
    return failure("{}: empty, so there is no alphabet", texts.empty() ? "text" : texts.front().source);
  std::vector<int32_t> alphabet;
  for (int32_t codePoint = 0; codePoint < 0x110000; ++codePoint)
    if (seen[size_t(codePoint)])
      alphabet.push_back(codePoint);
  return std::make_unique<CharacterTokenizer>(kind, std::move(alphabet));
}

static Made makeIds(int64_t size, StringRef source) {
  if (size < 1 || size > largestVocabulary)
    return failure("{}: ids needs a number between 1 and {}, not {}", source, largestVocabulary, size);
  return std::make_unique<IdTokenizer>(size);
}

// A tokenizer of whatever kind, or the error.
template <typename T> static Made made(Expected<T> tokenizer) {
  if (!tokenizer)
    return tokenizer.takeError();
  return std::move(*tokenizer);
}

Made readTokenizer(StringRef path) {
  auto buffer = readFile(path);
  if (!buffer)
    return buffer.takeError();
  return made(parseTokenizerJson((*buffer)->getBuffer(), path));
}

// Special tokens around a tokenizer that knows none itself.
static Made withSpecials(Made inner, llvm::ArrayRef<std::string> specials) {
  if (!inner || specials.empty())
    return inner;
  llvm::StringSet<> seen;
  for (const std::string &name : specials)
    if (name.empty() || !seen.insert(name).second)
      return failure("the special token '{}' is {}", shown(name), name.empty() ? "without a name" : "named twice");
  return std::make_unique<WithSpecials>(specials.vec(), std::move(*inner));
}

Made makeTokenizer(StringRef kind, llvm::ArrayRef<std::string> arguments, llvm::ArrayRef<TokenizerText> texts,
                   llvm::ArrayRef<std::string> specials) {
  if (kind == "pieces")
    return withSpecials(makePieces(arguments), specials);
  size_t wanted = kind == "chars" ? 0 : 1;
  if (!llvm::is_contained({"chars", "alphabet", "ids", "bpe", "tokenizer"}, kind))
    return failure("there is no tokenizer '{}'; there are alphabet, bpe, chars, ids, pieces and tokenizer",
                   kind);
  if (arguments.size() != wanted)
    return failure("tokenizer {} takes {} arguments, not {}", kind, wanted, arguments.size());
  if (kind == "chars")
    return withSpecials(makeCharacters(kind, texts), specials);
  if (kind == "alphabet")
    return withSpecials(makeCharacters(kind, TokenizerText{arguments[0], "alphabet"}), specials);
  if (kind == "tokenizer") {
    Made made = readTokenizer(arguments[0]);
    for (const std::string &name : specials)
      if (made && !(*made)->special(name))
        return failure("{}: it has no special token '{}' among its added_tokens", arguments[0], name);
    return made;
  }
  int64_t size;
  if (StringRef(arguments[0]).getAsInteger(10, size))
    return failure("tokenizer {} takes a number, not '{}'", kind, shown(arguments[0]));
  if (kind == "bpe") {
    Expected<BytePairs> pairs = trainBytePairs(texts, size, specials);
    if (!pairs)
      return pairs.takeError();
    return std::make_unique<BytePairTokenizer>(*pairs);
  }
  if (!specials.empty())
    return failure("ids are numbers as they are, so there can be no special token '{}'", specials.front());
  return makeIds(size, "tokenizer");
}

Made makeTokenizer(StringRef kind, llvm::ArrayRef<std::string> arguments, StringRef text, StringRef source) {
  return makeTokenizer(kind, arguments, TokenizerText{text, source});
}

static Made loadPieces(const llvm::json::Object &saved, StringRef source) {
  std::vector<std::string> pieces;
  if (const llvm::json::Array *list = saved.getArray("pieces"))
    for (const llvm::json::Value &piece : *list)
      pieces.push_back(piece.getAsString().value_or("").str());
  Made made = makePieces(pieces);
  if (!made)
    return failure("{}: {}", source, llvm::toString(made.takeError()));
  return made;
}

Made loadTokenizer(const llvm::json::Object &saved, StringRef source) {
  StringRef kind = saved.getString("kind").value_or("");
  std::vector<std::string> specials;
  if (const llvm::json::Array *list = saved.getArray("specials"))
    for (const llvm::json::Value &name : *list)
      specials.push_back(name.getAsString().value_or("").str());
  if (kind == "ids")
    return makeIds(saved.getInteger("size").value_or(0), source);
  if (kind == "chars" || kind == "alphabet")
    return withSpecials(makeCharacters(kind, TokenizerText{saved.getString("alphabet").value_or(""), source}),
                        specials);
  if (kind == "pieces")
    return withSpecials(loadPieces(saved, source), specials);
  if (kind == "bpe")
    return made(
        parseTokenizerJson(saved.getString("text").value_or(""), saved.getString("file").value_or(source)));
  return failure("{}: unknown tokenizer '{}'", source, kind);
}

} // namespace gptc::runtime
