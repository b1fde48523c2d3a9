#include "runtime/tokenizer_merges.h"

#include <algorithm>
#include <functional>

namespace gptc::runtime {

// Up to so many tokens looking through all neighbours is faster than a queue.
static constexpr size_t shortWord = 32;
static constexpr int32_t never = INT32_MAX;

Merger::Merger(llvm::ArrayRef<Merge> merges) {
  ranks.reserve(unsigned(merges.size()));
  for (size_t rank = 0; rank < merges.size(); ++rank)
    ranks.try_emplace(key(merges[rank].left, merges[rank].right), Found{int32_t(rank), merges[rank].merged});
}

Merger::Found Merger::find(int32_t left, int32_t right) const {
  auto found = ranks.find(key(left, right));
  return found == ranks.end() ? Found{never, -1} : found->second;
}

void Merger::run(std::vector<int32_t> &word) const {
  if (word.size() <= shortWord)
    runShort(word);
  else
    runLong(word);
}

void Merger::runShort(std::vector<int32_t> &word) const {
  size_t size = word.size();
  if (size < 2)
    return;
  Found next[shortWord]; // what a token and the one behind it make
  for (size_t i = 0; i + 1 < size; ++i)
    next[i] = find(word[i], word[i + 1]);
  for (;;) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < size; ++i)
      if (next[i].rank < next[best].rank)
        best = i;
    if (next[best].rank == never)
      break;
    word[best] = next[best].merged;
    std::copy(word.begin() + int64_t(best) + 2, word.begin() + int64_t(size),
              word.begin() + int64_t(best) + 1);
    std::copy(next + best + 1, next + size - 1, next + best);
    if (--size < 2)
      break;
    if (best + 1 < size)
      next[best] = find(word[best], word[best + 1]);
    if (best > 0)
      next[best - 1] = find(word[best - 1], word[best]);
  }
  word.resize(size);
}

namespace {

// A token of the word as it stands, in a list, and what it and the next one make.
struct Link {
  int32_t token, previous, next, rank, merged;
};

} // namespace

void Merger::runLong(std::vector<int32_t> &word) const {
  std::vector<Link> links(word.size());
  // Merges that were possible when they were noted, the least first: rank and place.
  std::vector<uint64_t> noted;
  auto note = [&](size_t at) {
    Link &link = links[at];
    Found found = link.next < 0 ? Found{never, -1} : find(link.token, links[size_t(link.next)].token);
    link.rank = found.rank;
    link.merged = found.merged;
    if (found.rank == never)
      return false;
    noted.push_back(uint64_t(uint32_t(found.rank)) << 32 | at);
    return true;
  };
  for (size_t i = 0; i < word.size(); ++i)
    links[i] = {word[i], int32_t(i) - 1, i + 1 < word.size() ? int32_t(i) + 1 : -1, never, -1};
  for (size_t i = 0; i < word.size(); ++i)
    (void)note(i);
  std::greater<> later;
  std::make_heap(noted.begin(), noted.end(), later);
  while (!noted.empty()) {
    std::pop_heap(noted.begin(), noted.end(), later);
    size_t at = size_t(uint32_t(noted.back()));
    int32_t rank = int32_t(noted.back() >> 32);
    noted.pop_back();
    Link &link = links[at];
    if (link.rank != rank)
      continue; // one of the two has merged otherwise
    Link &gone = links[size_t(link.next)];
    link.token = link.merged;
    link.next = gone.next;
    gone.rank = never;
    if (link.next >= 0)
      links[size_t(link.next)].previous = int32_t(at);
    if (note(at))
      std::push_heap(noted.begin(), noted.end(), later);
    if (link.previous >= 0 && note(size_t(link.previous)))
      std::push_heap(noted.begin(), noted.end(), later);
  }
  word.clear();
  for (int32_t at = 0; at >= 0; at = links[size_t(at)].next)
    word.push_back(links[size_t(at)].token);
}

} // namespace gptc::runtime
