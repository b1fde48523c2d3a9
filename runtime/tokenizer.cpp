#include "runtime/tokenizer.h"

#include "runtime/utf8.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringExtras.h"

#include <algorithm>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

static constexpr int64_t largestVocabulary = int64_t(1) << 30;

std::string Tokenizer::decode(llvm::ArrayRef<int32_t> tokens) const {
  std::string bytes;
  for (int32_t token : tokens)
    append(bytes, token);
  return repairUtf8(bytes);
}

std::string StreamDecoder::push(int32_t token) {
  tokenizer.append(pending, token);
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

  Error encode(StringRef text, std::vector<int32_t> &out, StringRef source) const override {
    out.reserve(out.size() + text.size());
    for (size_t at = 0; at < text.size();) {
      unsigned char byte = text[at];
      if (byte < 128 && ascii[byte] >= 0) {
        out.push_back(ascii[byte]);
        ++at;
        continue;
      }
      size_t begin = at;
      int32_t codePoint = nextCodePoint(text, at);
      if (codePoint < 0)
        return checkUtf8(text, source);
      auto found = tokens.find(codePoint);
      if (found == tokens.end())
        return unknown(text, begin, codePoint, source);
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

  Error encode(StringRef text, std::vector<int32_t> &out, StringRef source) const override {
    size_t line = 1;
    for (size_t at = 0; at < text.size();) {
      if (llvm::isSpace(text[at])) {
        line += text[at++] == '\n';
        continue;
      }
      StringRef word = text.substr(at).take_until([](char c) { return llvm::isSpace(c); });
      int64_t id;
      if (word.getAsInteger(10, id))
        return failure("{}:{}: '{}' is not a number", source, line, word.take_front(40));
      if (id < 0 || id >= size)
        return failure("{}:{}: {} is not between 0 and {}", source, line, id, size - 1);
      out.push_back(int32_t(id));
      at += word.size();
    }
    return Error::success();
  }

  void append(std::string &bytes, int32_t token) const override { bytes += std::to_string(token) + " "; }
  llvm::json::Object save() const override { return llvm::json::Object{{"kind", "ids"}, {"size", size}}; }

private:
  int64_t size;
};

} // namespace

static Expected<std::unique_ptr<Tokenizer>> makeCharacters(StringRef kind, StringRef text, StringRef source) {
  if (text.empty())
    return failure("{}: empty, so there is no alphabet", source);
  std::vector<bool> seen(0x110000);
  for (size_t at = 0; at < text.size();) {
    int32_t codePoint = nextCodePoint(text, at);
    if (codePoint < 0)
      return checkUtf8(text, source);
    seen[size_t(codePoint)] = true;
  }
  std::vector<int32_t> alphabet;
  for (int32_t codePoint = 0; codePoint < 0x110000; ++codePoint)
    if (seen[size_t(codePoint)])
      alphabet.push_back(codePoint);
  return std::make_unique<CharacterTokenizer>(kind, std::move(alphabet));
}

static Expected<std::unique_ptr<Tokenizer>> makeIds(int64_t size, StringRef source) {
  if (size < 1 || size > largestVocabulary)
    return failure("{}: ids needs a number between 1 and {}, not {}", source, largestVocabulary, size);
  return std::make_unique<IdTokenizer>(size);
}

Expected<std::unique_ptr<Tokenizer>> makeTokenizer(StringRef kind, llvm::ArrayRef<std::string> arguments,
                                                   StringRef text, StringRef source) {
  size_t wanted = kind == "chars" ? 0 : 1;
  if (kind != "chars" && kind != "alphabet" && kind != "ids")
    return failure("there is no tokenizer '{}'; there are alphabet, chars and ids", kind);
  if (arguments.size() != wanted)
    return failure("tokenizer {} takes {} arguments, not {}", kind, wanted, arguments.size());
  if (kind == "chars")
    return makeCharacters(kind, text, source);
  if (kind == "alphabet")
    return makeCharacters(kind, arguments[0], "alphabet");
  int64_t size;
  if (StringRef(arguments[0]).getAsInteger(10, size))
    return failure("tokenizer ids takes a number, not '{}'", arguments[0]);
  return makeIds(size, "tokenizer");
}

Expected<std::unique_ptr<Tokenizer>> loadTokenizer(const llvm::json::Object &saved, StringRef source) {
  StringRef kind = saved.getString("kind").value_or("");
  if (kind == "ids")
    return makeIds(saved.getInteger("size").value_or(0), source);
  if (kind == "chars" || kind == "alphabet")
    return makeCharacters(kind, saved.getString("alphabet").value_or(""), source);
  return failure("{}: unknown tokenizer '{}'", source, kind);
}

} // namespace gptc::runtime
