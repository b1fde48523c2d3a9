// Byte pairs from texts.
#include "runtime/tokenizer_bytepair.h"
#include "runtime/tokenizer_words.h"
#include "runtime/utf8.h"

#include "llvm/ADT/StringSet.h"

#include <algorithm>
#include <queue>

using llvm::ArrayRef;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

namespace {

struct Word {
  std::vector<int32_t> tokens;
  int64_t count = 0;
};

using Pair = std::pair<int32_t, int32_t>;

// How often two tokens are neighbours, and in which words they (once) were.
struct Neighbours {
  int64_t count = 0;
  std::vector<uint32_t> words;
};

// A pair with a count that it has, or had: counts that changed are noted anew.
struct Candidate {
  int64_t count;
  Pair pair;
  bool operator<(const Candidate &other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

class Training {
public:
  Training(BytePairs &result, std::vector<Word> words) : result(result), words(std::move(words)) {
    for (size_t id = result.specials.size(); id < result.tokens.size(); ++id)
      ids[result.tokens[id]] = int32_t(id);
    for (int32_t id : result.specials)
      reserved.insert(result.tokens[size_t(id)]);
  }
  void run(int64_t vocabulary);

private:
  void count(uint32_t word, int64_t sign, std::vector<Pair> *changed);
  void merge(uint32_t word, const Merge &merge);

  BytePairs &result;
  std::vector<Word> words;
  llvm::StringMap<int32_t> ids; // by bytes: two ways may lead to one token
  llvm::StringSet<> reserved;   // names of special tokens, which no merge may make
  llvm::DenseMap<Pair, Neighbours> neighbours;
  std::priority_queue<Candidate> queue;
};

} // namespace

// Adds a word's pairs to the counts, or takes them away.
void Training::count(uint32_t index, int64_t sign, std::vector<Pair> *changed) {
  const Word &word = words[index];
  for (size_t i = 0; i + 1 < word.tokens.size(); ++i) {
    Pair pair(word.tokens[i], word.tokens[i + 1]);
    Neighbours &entry = neighbours[pair];
    entry.count += sign * word.count;
    if (sign > 0 && (entry.words.empty() || entry.words.back() != index))
      entry.words.push_back(index);
    if (changed)
      changed->push_back(pair);
  }
}

void Training::merge(uint32_t index, const Merge &merge) {
  std::vector<int32_t> &tokens = words[index].tokens;
  size_t to = 0;
  for (size_t from = 0; from < tokens.size(); ++from) {
    bool both = tokens[from] == merge.left && from + 1 < tokens.size() && tokens[from + 1] == merge.right;
    tokens[to++] = both ? merge.merged : tokens[from];
    from += both;
  }
  tokens.resize(to);
}

void Training::run(int64_t vocabulary) {
  for (uint32_t word = 0; word < words.size(); ++word)
    count(word, 1, nullptr);
  for (const auto &[pair, entry] : neighbours)
    queue.push({entry.count, pair});
  std::vector<Pair> changed;
  while (int64_t(result.tokens.size()) < vocabulary && !queue.empty()) {
    Candidate best = queue.top();
    queue.pop();
    Neighbours &entry = neighbours[best.pair];
    if (entry.count != best.count)
      continue; // noted anew when it changed
    if (best.count < 2)
      break;
    std::string bytes = result.tokens[size_t(best.pair.first)] + result.tokens[size_t(best.pair.second)];
    if (reserved.contains(BytePairs::symbols(bytes)))
      continue;
    auto [id, isNew] = ids.try_emplace(bytes, int32_t(result.tokens.size()));
    if (isNew)
      result.tokens.push_back(bytes);
    Merge merge{best.pair.first, best.pair.second, id->second};
    result.merges.push_back(merge);

    std::vector<uint32_t> affected = std::move(entry.words);
    entry.words.clear();
    std::sort(affected.begin(), affected.end());
    affected.erase(std::unique(affected.begin(), affected.end()), affected.end());
    changed.clear();
    for (uint32_t word : affected) {
      count(word, -1, &changed);
      this->merge(word, merge);
      count(word, 1, &changed);
    }
    std::sort(changed.begin(), changed.end());
    changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
    for (Pair pair : changed)
      if (int64_t now = neighbours[pair].count; now > 0)
        queue.push({now, pair});
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
      return failure("the special token '{}' is named twice", name);
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
    if (names.count(BytePairs::symbols(pairs.tokens[id])))
      return failure(
          "the special token '{0}' cannot be told from the ordinary token '{0}'; give it a name as "
          "<{0}>",
          BytePairs::symbols(pairs.tokens[id]));
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
  for (uint8_t byte : BytePairs::byteOrder()) {
    idOfByte[byte] = int32_t(pairs.tokens.size());
    pairs.tokens.push_back(std::string(1, char(byte)));
  }
  std::vector<Word> words;
  for (const auto &entry : counts) {
    Word word;
    word.count = entry.second;
    for (char c : entry.first())
      word.tokens.push_back(idOfByte[uint8_t(c)]);
    words.push_back(std::move(word));
  }
  Training(pairs, std::move(words)).run(vocabulary);
  if (Error error = checkNames(pairs))
    return error;
  return pairs;
}

} // namespace gptc::runtime
