#include "runtime/tokenizer_bytepair.h"

#include "runtime/tokenizer_json.h"
#include "runtime/tokenizer_symbols.h"
#include "runtime/utf8.h"

#include <algorithm>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

// Words longer than this are rare, and the cache is not to grow without end.
static constexpr size_t longestCached = 64, mostCached = size_t(1) << 18;

static TokenizerParts partsOf(const BytePairs &pairs) {
  TokenizerParts parts;
  for (const std::string &bytes : pairs.tokens)
    parts.tokens.push_back(byteSymbols(bytes));
  for (int32_t id : pairs.specials) {
    parts.tokens[size_t(id)] = pairs.tokens[size_t(id)];
    parts.added.emplace_back();
    parts.added.back().name = parts.added.back().normalName = pairs.tokens[size_t(id)];
    parts.added.back().id = id;
    parts.added.back().special = true;
  }
  parts.merges = pairs.merges;
  parts.preTokenizer = PreTokenizer::words();
  parts.decoder = Decoder::byteLevel();
  return parts;
}

// The added tokens that are looked for in text as it is, or in normalized text; special ones first.
static std::vector<AddedToken> finderTokens(const TokenizerParts &parts, bool normalized) {
  std::vector<AddedToken> tokens;
  for (bool special : {true, false})
    for (const AddedToken &token : parts.added)
      if (token.special == special && token.normalized == normalized)
        tokens.push_back(token);
  return tokens;
}

// A token of one character; -1: it is none.
static int32_t onlyCodePoint(StringRef token) {
  size_t at = 0;
  int32_t codePoint = token.empty() ? -1 : nextCodePoint(token, at);
  return at == token.size() ? codePoint : -1;
}

static uint64_t joint(int32_t before, int32_t behind) {
  return uint64_t(uint32_t(before)) << 32 | uint32_t(behind);
}

BytePairTokenizer::BytePairTokenizer(const BytePairs &pairs)
    : BytePairTokenizer(partsOf(pairs), tokenizerJson(pairs)) {}

BytePairTokenizer::BytePairTokenizer(TokenizerParts parts, std::string text)
    : data(std::move(parts)), file(std::move(text)), plainFinder(finderTokens(data, false)),
      normalizedFinder(finderTokens(data, true)), merger(data.merges), madeBy(data.tokens.size(), -1) {
  byteTokens.fill(-1);
  fallbackTokens.fill(-1);
  std::vector<bool> learned(data.tokens.size(), true), special(data.tokens.size());
  written = data.tokens;
  for (const AddedToken &token : data.added) {
    written[size_t(token.id)] = token.normalName;
    learned[size_t(token.id)] = token.learned;
    special[size_t(token.id)] = token.special;
  }
  bool bytes = data.preTokenizer.bytes();
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    if (special[id] || !learned[id] || data.tokens[id].empty()) // text never becomes a special token
      continue;
    StringRef token = data.tokens[id];
    std::optional<std::string> word = bytes ? symbolBytes(token) : token.str();
    if (bytes && word && word->size() == 1)
      byteTokens[uint8_t((*word)[0])] = int32_t(id);
    if (int32_t codePoint = bytes ? -1 : onlyCodePoint(token); codePoint >= 0)
      characterTokens[codePoint] = int32_t(id);
    if (data.ignoreMerges && word)
      wholeWords[*word] = int32_t(id);
  }
  if (data.byteFallback) {
    llvm::StringMap<int32_t> byteNames;
    for (size_t byte = 0; byte < 256; ++byte)
      byteNames[fmt::format("<0x{:02X}>", byte)] = int32_t(byte);
    for (size_t id = 0; id < data.tokens.size(); ++id)
      if (auto byte = byteNames.find(data.tokens[id]); byte != byteNames.end() && learned[id])
        fallbackTokens[size_t(byte->second)] = int32_t(id);
  }
  for (size_t rank = 0; rank < data.merges.size(); ++rank)
    if (madeBy[size_t(data.merges[rank].merged)] < 0)
      madeBy[size_t(data.merges[rank].merged)] = int32_t(rank);
  if (!bytes)
    addJoints();
}

// Where no merge has one character at its left side's end and the other at its right side's start, the two
// stay apart, whatever stands around them.
void BytePairTokenizer::addJoints() {
  std::vector<bool> other(data.tokens.size()); // what a word has besides its characters
  for (int32_t id : fallbackTokens)
    if (id >= 0)
      other[size_t(id)] = true;
  if (data.unknown)
    other[size_t(*data.unknown)] = true;
  for (const Merge &merge : data.merges) {
    if (other[size_t(merge.left)] || other[size_t(merge.right)])
      return;
    StringRef left = data.tokens[size_t(merge.left)], right = data.tokens[size_t(merge.right)];
    size_t last = left.size() - 1, first = 0;
    while (last > 0 && (uint8_t(left[last]) & 0xC0) == 0x80)
      --last;
    int32_t before = nextCodePoint(left, last), behind = nextCodePoint(right, first);
    if (before < 128 && behind < 128)
      asciiJoints.set(size_t(before * 128 + behind));
    else
      joints.insert(joint(before, behind));
  }
  cutsWords = true;
}

bool BytePairTokenizer::mayJoin(int32_t before, int32_t behind) const {
  if (before < 128 && behind < 128)
    return asciiJoints[size_t(before * 128 + behind)];
  return joints.contains(joint(before, behind));
}

//===-- Encoding -----------------------------------------------------------------===//

struct BytePairTokenizer::Encoding {
  StringRef whole, source;
  StringRef part; // between added tokens, as it stands in the whole
  std::vector<int32_t> &tokens;
  std::vector<int32_t> word = {};
};

int32_t BytePairTokenizer::tokenOf(int32_t codePoint) const {
  auto found = characterTokens.find(codePoint);
  return found == characterTokens.end() ? -1 : found->second;
}

// A file of others may lack bytes or characters.
Error BytePairTokenizer::noToken(StringRef word, size_t first, size_t end, const Encoding &encoding) const {
  const char *place = word.data() + first;
  if (place < encoding.whole.begin() || place >= encoding.whole.end())
    place = encoding.part.data(); // it has been changed; here it began
  size_t line = encoding.whole.take_front(size_t(place - encoding.whole.data())).count('\n') + 1;
  size_t at = first;
  int32_t codePoint = nextCodePoint(word, at);
  std::string what = describeCharacter(codePoint);
  if (data.preTokenizer.bytes())
    for (size_t k = first; k < end; ++k)
      if (byteTokens[uint8_t(word[k])] < 0)
        return failure("{}:{}: the tokenizer has no token for byte 0x{:02x} of {}", encoding.source, line,
                       unsigned(uint8_t(word[k])), what);
  return failure("{}:{}: the tokenizer has no token for {}", encoding.source, line, what);
}

// The tokens of a word's bytes or characters, before they merge.
Error BytePairTokenizer::firstTokens(StringRef word, Encoding &encoding) const {
  std::vector<int32_t> &tokens = encoding.word;
  tokens.clear();
  bool bytes = data.preTokenizer.bytes(), unknown = false;
  auto addUnknown = [&] {
    if (unknown)
      tokens.push_back(*data.unknown);
    unknown = false;
  };
  auto missing = [&](size_t first, size_t end) -> Error {
    if (!data.unknown)
      return noToken(word, first, end, encoding);
    if (!data.fuseUnknown)
      addUnknown();
    unknown = true;
    return Error::success();
  };
  for (size_t at = 0; at < word.size();) {
    size_t first = at;
    int32_t codePoint = nextCodePoint(word, at);
    if (bytes) {
      // Each byte is a character of its own for the model.
      for (size_t k = first; k < at; ++k) {
        int32_t token = byteTokens[uint8_t(word[k])];
        if (token < 0) {
          if (Error error = missing(first, at))
            return error;
          continue;
        }
        addUnknown();
        tokens.push_back(token);
      }
      continue;
    }
    if (int32_t token = tokenOf(codePoint); token >= 0) {
      addUnknown();
      tokens.push_back(token);
      continue;
    }
    bool fallback = data.byteFallback;
    for (size_t k = first; k < at && fallback; ++k)
      fallback = fallbackTokens[uint8_t(word[k])] >= 0;
    if (!fallback) {
      if (Error error = missing(first, at))
        return error;
      continue;
    }
    for (size_t k = first; k < at; ++k)
      tokens.push_back(fallbackTokens[uint8_t(word[k])]);
  }
  addUnknown();
  return Error::success();
}

Error BytePairTokenizer::encodeCached(StringRef word, Encoding &encoding) const {
  std::vector<int32_t> &tokens = encoding.tokens;
  bool keeps = word.size() <= longestCached;
  if (keeps) {
    auto found = cache.find(word);
    if (found != cache.end()) {
      auto begin = cachedTokens.begin() + found->second.begin;
      tokens.insert(tokens.end(), begin, begin + found->second.count);
      return Error::success();
    }
  }
  if (Error error = firstTokens(word, encoding))
    return error;
  merger.run(encoding.word);
  tokens.insert(tokens.end(), encoding.word.begin(), encoding.word.end());
  if (keeps && cache.size() < mostCached) {
    cache.try_emplace(word, Cached{uint32_t(cachedTokens.size()), uint32_t(encoding.word.size())});
    cachedTokens.insert(cachedTokens.end(), encoding.word.begin(), encoding.word.end());
  }
  return Error::success();
}

// A word of characters, which may be a whole text, in pieces that no merge joins.
Error BytePairTokenizer::encodePieces(StringRef word, Encoding &encoding) const {
  size_t begin = 0;
  int32_t before = -1; // -1: no token of its own
  for (size_t at = 0; at < word.size();) {
    size_t here = at;
    int32_t codePoint = nextCodePoint(word, at);
    int32_t behind = tokenOf(codePoint) >= 0 ? codePoint : -1;
    if (before >= 0 && behind >= 0 && !mayJoin(before, behind)) {
      if (Error error = encodeCached(word.slice(begin, here), encoding))
        return error;
      begin = here;
    }
    before = behind;
  }
  return encodeCached(word.substr(begin), encoding);
}

Error BytePairTokenizer::encodeWord(StringRef word, Encoding &encoding) const {
  if (data.ignoreMerges)
    if (auto whole = wholeWords.find(word); whole != wholeWords.end()) {
      encoding.tokens.push_back(whole->second);
      return Error::success();
    }
  return cutsWords ? encodePieces(word, encoding) : encodeCached(word, encoding);
}

Error BytePairTokenizer::encodeNormalized(StringRef part, bool first, Wanted wanted,
                                          Encoding &encoding) const {
  std::string buffer;
  Expected<StringRef> text = data.normalizer.run(part, buffer);
  if (!text)
    return failure("{}: {}", encoding.source, llvm::toString(text.takeError()));
  StringRef normalized = *text;
  return normalizedFinder.cut(
      normalized, wanted, [&](const AddedToken &token) { encoding.tokens.push_back(token.id); },
      [&](StringRef rest) {
        return data.preTokenizer.run(rest, first && rest.begin() == normalized.begin(),
                                     [&](StringRef word) { return encodeWord(word, encoding); });
      });
}

Error BytePairTokenizer::encodeText(StringRef part, StringRef whole, Wanted wanted,
                                    std::vector<int32_t> &tokens, StringRef source) const {
  if (Error error = checkUtf8(part, whole, source))
    return error;
  std::lock_guard<std::mutex> lock(mutex);
  Encoding encoding = {whole, source, part, tokens};
  return plainFinder.cut(
      part, wanted, [&](const AddedToken &token) { tokens.push_back(token.id); },
      [&](StringRef rest) {
        encoding.part = rest;
        return encodeNormalized(rest, rest.begin() == part.begin(), wanted, encoding);
      });
}

Error BytePairTokenizer::encodePart(StringRef part, StringRef whole, std::vector<int32_t> &tokens,
                                    StringRef source) const {
  return encodeText(
      part, whole, [](const AddedToken &token) { return !token.special; }, tokens, source);
}

Error BytePairTokenizer::encodeSpecial(StringRef text, llvm::ArrayRef<SpecialToken> names,
                                       std::vector<int32_t> &tokens, StringRef source) const {
  llvm::DenseSet<int32_t> wanted;
  for (const SpecialToken &token : names)
    wanted.insert(token.id);
  return encodeText(
      text, text, [&](const AddedToken &token) { return !token.special || wanted.contains(token.id); },
      tokens, source);
}

//===-- Decoding -----------------------------------------------------------------===//

void BytePairTokenizer::append(std::string &bytes, int32_t token) const {
  if (token >= 0 && size_t(token) < data.tokens.size())
    bytes += data.decoder.bytes(written[size_t(token)], /*first=*/false);
  else
    appendCodePoint(bytes, 0xFFFD);
}

void BytePairTokenizer::appendFirst(std::string &bytes, int32_t token) const {
  if (token >= 0 && size_t(token) < data.tokens.size())
    bytes += data.decoder.bytes(written[size_t(token)], /*first=*/true);
  else
    appendCodePoint(bytes, 0xFFFD);
}

std::string BytePairTokenizer::decode(llvm::ArrayRef<int32_t> tokens) const {
  std::vector<std::string> names;
  for (int32_t token : tokens) {
    if (token < 0 || size_t(token) >= data.tokens.size())
      names.push_back("\uFFFD");
    else if (!data.tokens[size_t(token)].empty()) // holes stand for nothing
      names.push_back(written[size_t(token)]);
  }
  return data.decoder.text(std::move(names));
}

std::optional<std::pair<int32_t, int32_t>> BytePairTokenizer::parts(int32_t token) const {
  if (token < 0 || size_t(token) >= madeBy.size() || madeBy[size_t(token)] < 0)
    return std::nullopt;
  const Merge &merge = data.merges[size_t(madeBy[size_t(token)])];
  return std::pair(merge.left, merge.right);
}

std::vector<SpecialToken> BytePairTokenizer::specials() const {
  std::vector<SpecialToken> all;
  for (const AddedToken &token : data.added)
    if (token.special)
      all.push_back({token.name, token.id});
  return all;
}

llvm::json::Object BytePairTokenizer::save() const {
  return llvm::json::Object{{"kind", "bpe"}, {"text", file}};
}

} // namespace gptc::runtime
