#include "runtime/tokenizer_bytepair.h"

#include "runtime/tokenizer_json.h"
#include "runtime/tokenizer_words.h"
#include "runtime/utf8.h"

#include <algorithm>
#include <queue>

using llvm::Error;
using llvm::StringRef;

namespace gptc::runtime {

// Words longer than this are rare, and the cache is not to grow without end.
static constexpr size_t longestCached = 64, mostCached = size_t(1) << 18;

static uint64_t key(int32_t left, int32_t right) {
  return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
}

// Whether a byte's symbol is the character of the same number.
static bool isShown(int byte) {
  return (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
}

const std::array<uint8_t, 256> &BytePairs::byteOrder() {
  static const std::array<uint8_t, 256> order = [] {
    std::array<uint8_t, 256> order{};
    size_t count = 0;
    for (bool shown : {true, false})
      for (int byte = 0; byte < 256; ++byte)
        if (shown == isShown(byte))
          order[count++] = uint8_t(byte);
    return order;
  }();
  return order;
}

std::string BytePairs::symbols(StringRef bytes) {
  static const std::array<int32_t, 256> symbolOf = [] {
    std::array<int32_t, 256> symbolOf{};
    int32_t other = 0x100;
    for (uint8_t byte : byteOrder())
      symbolOf[byte] = isShown(byte) ? byte : other++;
    return symbolOf;
  }();
  std::string text;
  for (char c : bytes)
    appendCodePoint(text, symbolOf[uint8_t(c)]);
  return text;
}

SpecialFinder::SpecialFinder(std::vector<SpecialToken> specials) : longestFirst(std::move(specials)) {
  std::stable_sort(
      longestFirst.begin(), longestFirst.end(),
      [](const SpecialToken &a, const SpecialToken &b) { return a.name.size() > b.name.size(); });
  for (const SpecialToken &special : longestFirst)
    starts[uint8_t(special.name[0])] = true;
}

SpecialFinder::Match SpecialFinder::next(StringRef text, size_t from) const {
  if (!longestFirst.empty())
    for (size_t at = from; at < text.size(); ++at)
      if (starts[uint8_t(text[at])])
        for (const SpecialToken &special : longestFirst)
          if (text.substr(at).starts_with(special.name))
            return {at, &special};
  return {text.size(), nullptr};
}

Error SpecialFinder::cut(StringRef text, std::vector<int32_t> &tokens,
                         llvm::function_ref<Error(StringRef)> encode) const {
  for (size_t at = 0; at < text.size();) {
    Match match = next(text, at);
    if (match.at > at)
      if (Error error = encode(text.slice(at, match.at)))
        return error;
    at = match.at;
    if (match.special) {
      tokens.push_back(match.special->id);
      at += match.special->name.size();
    }
  }
  return Error::success();
}

static std::vector<SpecialToken> named(const BytePairs &pairs, llvm::ArrayRef<int32_t> ids) {
  std::vector<SpecialToken> all;
  for (int32_t id : ids)
    all.push_back({pairs.tokens[size_t(id)], id});
  return all;
}

BytePairTokenizer::BytePairTokenizer(BytePairs given) : pairs(std::move(given)), finder(named(pairs, pairs.added)) {
  byteTokens.fill(-1);
  std::vector<bool> isWhole(pairs.tokens.size());
  for (const std::vector<int32_t> *ids : {&pairs.specials, &pairs.added})
    for (int32_t id : *ids)
      isWhole[size_t(id)] = true;
  for (size_t id = 0; id < pairs.tokens.size(); ++id)
    if (pairs.tokens[id].size() == 1 && !isWhole[id])
      byteTokens[uint8_t(pairs.tokens[id][0])] = int32_t(id);
  madeBy.assign(pairs.tokens.size(), -1);
  for (size_t rank = 0; rank < pairs.merges.size(); ++rank) {
    const Merge &merge = pairs.merges[rank];
    if (madeBy[size_t(merge.merged)] < 0)
      madeBy[size_t(merge.merged)] = int32_t(rank);
    ranks.try_emplace(key(merge.left, merge.right), Found{int32_t(rank), merge.merged});
  }
}

const BytePairTokenizer::Found *BytePairTokenizer::mergeOf(int32_t left, int32_t right) const {
  auto found = ranks.find(key(left, right));
  return found == ranks.end() ? nullptr : &found->second;
}

namespace {

// A token of the word as it stands, in a list.
struct Link {
  int32_t token, previous, next;
};

// A merge that was possible when it was noted.
struct Possible {
  int32_t rank, at, left, right, merged;
  bool operator<(const Possible &other) const { // the top of the queue is the least
    return rank != other.rank ? rank > other.rank : at > other.at;
  }
};

} // namespace

bool BytePairTokenizer::mergeWord(StringRef word, std::vector<int32_t> &tokens) const {
  std::vector<Link> links(word.size());
  std::priority_queue<Possible> queue;
  auto note = [&](int32_t at) {
    if (at < 0 || links[size_t(at)].next < 0)
      return;
    int32_t left = links[size_t(at)].token, right = links[size_t(links[size_t(at)].next)].token;
    if (const Found *found = mergeOf(left, right))
      queue.push({found->rank, at, left, right, found->merged});
  };
  for (size_t i = 0; i < word.size(); ++i) {
    int32_t token = byteTokens[uint8_t(word[i])];
    if (token < 0)
      return false;
    links[i] = {token, int32_t(i) - 1, i + 1 < word.size() ? int32_t(i) + 1 : -1};
  }
  for (size_t i = 0; i + 1 < word.size(); ++i)
    note(int32_t(i));
  while (!queue.empty()) {
    Possible merge = queue.top();
    queue.pop();
    Link &link = links[size_t(merge.at)];
    if (link.token != merge.left || link.next < 0 || links[size_t(link.next)].token != merge.right)
      continue; // one of the two has merged otherwise
    Link &gone = links[size_t(link.next)];
    link = {merge.merged, link.previous, gone.next};
    gone.token = -1;
    if (link.next >= 0)
      links[size_t(link.next)].previous = merge.at;
    note(link.previous);
    note(merge.at);
  }
  for (int32_t at = 0; at >= 0; at = links[size_t(at)].next)
    tokens.push_back(links[size_t(at)].token);
  return true;
}

bool BytePairTokenizer::encodeWord(StringRef word, std::vector<int32_t> &tokens) const {
  if (word.size() > longestCached)
    return mergeWord(word, tokens);
  auto found = cache.find(word);
  if (found != cache.end()) {
    auto begin = cachedTokens.begin() + found->second.begin;
    tokens.insert(tokens.end(), begin, begin + found->second.count);
    return true;
  }
  size_t before = tokens.size();
  if (!mergeWord(word, tokens))
    return false;
  if (cache.size() < mostCached) {
    cache.try_emplace(word, Cached{uint32_t(cachedTokens.size()), uint32_t(tokens.size() - before)});
    cachedTokens.insert(cachedTokens.end(), tokens.begin() + int64_t(before), tokens.end());
  }
  return true;
}

Error BytePairTokenizer::encodeWords(StringRef part, StringRef whole, std::vector<int32_t> &tokens,
                                     StringRef source) const {
  for (size_t at = 0; at < part.size();) {
    StringRef word = nextWord(part, at);
    if (encodeWord(word, tokens))
      continue;
    // A file of others may lack bytes.
    for (size_t i = 0; i < word.size();) {
      size_t first = i;
      int32_t codePoint = nextCodePoint(word, i);
      for (size_t k = first; k < i; ++k)
        if (byteTokens[uint8_t(word[k])] < 0)
          return failure("{}:{}: the tokenizer has no token for byte 0x{:02x} of {}", source,
                         whole.take_front(size_t(word.data() - whole.data()) + first).count('\n') + 1,
                         unsigned(uint8_t(word[k])), describeCharacter(codePoint));
    }
  }
  return Error::success();
}

Error BytePairTokenizer::encodePart(StringRef part, StringRef whole, std::vector<int32_t> &tokens,
                                    StringRef source) const {
  if (Error error = checkUtf8(part, whole, source))
    return error;
  std::lock_guard<std::mutex> lock(mutex);
  return finder.cut(part, tokens, [&](StringRef words) { return encodeWords(words, whole, tokens, source); });
}

void BytePairTokenizer::append(std::string &bytes, int32_t token) const {
  if (token >= 0 && size_t(token) < pairs.tokens.size())
    bytes += pairs.tokens[size_t(token)];
  else
    appendCodePoint(bytes, 0xFFFD);
}

std::optional<std::pair<int32_t, int32_t>> BytePairTokenizer::parts(int32_t token) const {
  if (token < 0 || size_t(token) >= madeBy.size() || madeBy[size_t(token)] < 0)
    return std::nullopt;
  const Merge &merge = pairs.merges[size_t(madeBy[size_t(token)])];
  return std::pair(merge.left, merge.right);
}

std::vector<SpecialToken> BytePairTokenizer::specials() const {
  return named(pairs, pairs.specials);
}

llvm::json::Object BytePairTokenizer::save() const {
  return llvm::json::Object{{"kind", "bpe"}, {"text", tokenizerJson(pairs)}};
}

} // namespace gptc::runtime
