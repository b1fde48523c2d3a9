// Byte pairs from texts.
#include "runtime/tokenizer_bytepair.h"
#include "runtime/tokenizer_symbols.h"
#include "runtime/tokenizer_words.h"
#include "runtime/utf8.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/xxhash.h"

#include <algorithm>
#include <queue>
#include <unordered_map>

using llvm::ArrayRef;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

namespace {

using Pair = std::pair<int32_t, int32_t>;

// How often two tokens are neighbours, and the places of the left one: all where they are, and some where they were.
struct Neighbours {
  int64_t count = 0;
  std::vector<uint32_t> places;
};

// A pair with a count that it has, or had when it was larger.
struct Candidate {
  int64_t count;
  Pair pair;
  bool operator<(const Candidate &other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

// All different words one behind the other, as tokens in a list: a merge costs as much as the places that it changes,
// however long their words are. A place is that of a token's first byte. In the whole of the training less than two
// places are noted for each byte besides the first ones, so memory is linear in the size of all different words.
class Training {
public:
  explicit Training(BytePairs &result) : result(result) {
    for (size_t id = result.specials.size(); id < result.tokens.size(); ++id)
      ids.emplace(llvm::xxh3_64bits(result.tokens[id]), int32_t(id));
    for (int32_t id : result.specials)
      reserved.insert(result.tokens[size_t(id)]);
  }
  static constexpr uint32_t none = UINT32_MAX; // also one more than the last place that there may be
  void reserve(size_t bytes, size_t words) {
    links.reserve(bytes);
    counts.reserve(words);
  }
  void addWord(StringRef bytes, const std::array<int32_t, 256> &idOfByte, int64_t count);
  void run(int64_t vocabulary);

private:
  struct Link {
    int32_t token; // -1: it has become a part of the token before
    uint32_t previous, next, word;
  };
  int64_t countAt(uint32_t at) const { return counts[links[at].word]; }
  Pair pairAt(uint32_t at) const { return {links[at].token, links[links[at].next].token}; }
  void appear(uint32_t at);
  void vanish(uint32_t at);
  void merge(uint32_t at, const Merge &merge);
  int32_t idOf(std::string bytes);

  BytePairs &result;
  std::vector<Link> links;
  std::vector<int64_t> counts; // of words
  std::unordered_multimap<uint64_t, int32_t> ids; // by the hash of bytes: two ways may lead to one token
  llvm::StringSet<> reserved;                     // names of special tokens, which no merge may make
  llvm::DenseMap<Pair, Neighbours> neighbours;
  std::priority_queue<Candidate> queue;
  std::vector<Pair> grown; // pairs that the merge that is under way has made
};

} // namespace

void Training::addWord(StringRef bytes, const std::array<int32_t, 256> &idOfByte, int64_t count) {
  uint32_t first = uint32_t(links.size()), size = uint32_t(bytes.size()), word = uint32_t(counts.size());
  for (uint32_t i = 0; i < size; ++i)
    links.push_back({idOfByte[uint8_t(bytes[i])], i ? first + i - 1 : none, i + 1 < size ? first + i + 1 : none, word});
  counts.push_back(count);
}

// The token at a place and its next one have become neighbours, or are none any more.
void Training::appear(uint32_t at) {
  Neighbours &entry = neighbours[pairAt(at)];
  entry.count += countAt(at);
  entry.places.push_back(at);
}

void Training::vanish(uint32_t at) {
  auto entry = neighbours.find(pairAt(at));
  entry->second.count -= countAt(at);
  if (entry->second.count == 0) // no place of it is left
    neighbours.erase(entry);
}

void Training::merge(uint32_t at, const Merge &merge) {
  Link &link = links[at];
  if (link.token != merge.left || link.next == none || links[link.next].token != merge.right)
    return; // one of the two has merged otherwise
  Link &gone = links[link.next];
  if (link.previous != none)
    vanish(link.previous);
  vanish(at);
  if (gone.next != none)
    vanish(link.next);
  link.token = merge.merged;
  gone.token = -1;
  link.next = gone.next;
  if (link.next != none)
    links[link.next].previous = at;
  for (uint32_t place : {link.previous, link.next == none ? none : at})
    if (place != none) {
      appear(place);
      grown.push_back(pairAt(place));
    }
}

// The token of these bytes, a new one where there is none.
int32_t Training::idOf(std::string bytes) {
  uint64_t hash = llvm::xxh3_64bits(bytes);
  auto [begin, end] = ids.equal_range(hash);
  for (auto known = begin; known != end; ++known)
    if (result.tokens[size_t(known->second)] == bytes)
      return known->second;
  int32_t id = int32_t(result.tokens.size());
  ids.emplace(hash, id);
  result.tokens.push_back(std::move(bytes));
  return id;
}

void Training::run(int64_t vocabulary) {
  for (uint32_t at = 0; at < links.size(); ++at)
    if (links[at].next != none)
      appear(at);
  for (const auto &[pair, entry] : neighbours)
    queue.push({entry.count, pair});
  while (int64_t(result.tokens.size()) < vocabulary && !queue.empty()) {
    Candidate best = queue.top();
    queue.pop();
    auto entry = neighbours.find(best.pair);
    if (entry == neighbours.end())
      continue;
    if (entry->second.count != best.count) {
      // It has lost some since it was noted. Where it has gained, that was noted then.
      if (entry->second.count < best.count)
        queue.push({entry->second.count, best.pair});
      continue;
    }
    if (best.count < 2)
      break;
    std::string bytes = result.tokens[size_t(best.pair.first)] + result.tokens[size_t(best.pair.second)];
    if (reserved.contains(byteSymbols(bytes)))
      continue;
    Merge merge{best.pair.first, best.pair.second, idOf(std::move(bytes))};
    result.merges.push_back(merge);

    // From the left: of "aaa" the first two merge.
    std::vector<uint32_t> places = std::move(entry->second.places);
    std::sort(places.begin(), places.end());
    grown.clear();
    for (uint32_t at : places)
      this->merge(at, merge);
    std::sort(grown.begin(), grown.end());
    grown.erase(std::unique(grown.begin(), grown.end()), grown.end());
    for (Pair pair : grown)
      if (auto now = neighbours.find(pair); now != neighbours.end())
        queue.push({now->second.count, pair});
  }
}

static Error addSpecials(BytePairs &pairs, ArrayRef<std::string> specials) {
  llvm::StringSet<> seen;
  for (const std::string &name : specials) {
    if (name.empty())
      return failure("a special token needs a name");
    if (Error error = checkUtf8(name, "the name of a special token"))
      return error;
    if (!seen.insert(name).second)
      return failure("the special token '{}' is named twice", shown(name));
    pairs.specials.push_back(int32_t(pairs.tokens.size()));
    pairs.tokens.push_back(name);
  }
  return Error::success();
}

static void countWords(StringRef text, llvm::StringMap<int64_t> &counts) {
  for (size_t at = 0; at < text.size();)
    ++counts[nextWord(text, at)];
}

// A tokenizer.json knows a token by its symbols, a special one by its name.
static Error checkNames(const BytePairs &pairs) {
  llvm::StringMap<int32_t> names;
  for (int32_t id : pairs.specials)
    names[pairs.tokens[size_t(id)]] = id;
  for (size_t id = pairs.specials.size(); id < pairs.tokens.size(); ++id)
    if (names.count(byteSymbols(pairs.tokens[id])))
      return failure("the special token '{0}' cannot be told from the ordinary token '{0}'; give it a name as <{0}>",
                     shown(byteSymbols(pairs.tokens[id])));
  return Error::success();
}

Expected<BytePairs> trainBytePairs(ArrayRef<TokenizerText> texts, int64_t vocabulary,
                                   ArrayRef<std::string> specials) {
  BytePairs pairs;
  if (Error error = addSpecials(pairs, specials))
    return error;
  int64_t least = 256 + int64_t(specials.size());
  if (vocabulary < least || vocabulary > largestVocabulary)
    return failure("bpe needs a vocabulary of at least {} (256 bytes{}) and at most {}, not {}", least,
                   specials.empty() ? "" : fmt::format(" and {} special tokens", specials.size()),
                   largestVocabulary, vocabulary);
  llvm::StringMap<int64_t> counts;
  size_t bytes = 0;
  for (const TokenizerText &text : texts) {
    if (Error error = checkUtf8(text.text, text.source))
      return error;
    bytes += text.text.size();
    countWords(text.text, counts);
  }
  if (bytes == 0)
    return failure("{}: empty, so there are no pairs to learn",
                   texts.empty() ? "text" : texts.front().source);
  std::array<int32_t, 256> idOfByte;
  for (uint8_t byte : byteOrder()) {
    idOfByte[byte] = int32_t(pairs.tokens.size());
    pairs.tokens.push_back(std::string(1, char(byte)));
  }
  size_t total = 0;
  for (const auto &entry : counts)
    total += entry.first().size();
  if (total >= Training::none)
    return failure("{} bytes of different words, more than the {} that bpe can learn from; a part of the text says as "
                   "much", total, Training::none - 1);
  Training training(pairs);
  training.reserve(total, counts.size());
  for (const auto &entry : counts)
    training.addWord(entry.first(), idOfByte, entry.second);
  counts.clear();
  training.run(vocabulary);
  if (Error error = checkNames(pairs))
    return error;
  return pairs;
}

} // namespace gptc::runtime
