#include "runtime/tokenizer_added.h"

#include "runtime/unicode.h"
#include "runtime/utf8.h"

using llvm::Error;
using llvm::StringRef;

namespace gptc::runtime {

AddedFinder::AddedFinder(std::vector<AddedToken> given) : tokens(std::move(given)) {
  roots.fill(-1);
  for (size_t i = 0; i < tokens.size(); ++i) {
    int32_t node = 0;
    for (char c : tokens[i].normalName) {
      auto [child, isNew] = children.try_emplace(edge(node, c), int32_t(tokenAt.size()));
      if (isNew)
        tokenAt.push_back(-1);
      if (node == 0)
        roots[uint8_t(c)] = child->second;
      node = child->second;
    }
    if (node != 0 && tokenAt[size_t(node)] < 0)
      tokenAt[size_t(node)] = int32_t(i);
  }
}

const AddedToken *AddedFinder::at(StringRef text) const {
  int32_t node = roots[uint8_t(text[0])], found = -1;
  for (size_t i = 1; node >= 0; ++i) {
    if (tokenAt[size_t(node)] >= 0)
      found = tokenAt[size_t(node)];
    if (i == text.size())
      break;
    auto child = children.find(edge(node, text[i]));
    node = child == children.end() ? -1 : child->second;
  }
  return found < 0 ? nullptr : &tokens[size_t(found)];
}

// The last character; the text is not empty.
static int32_t lastCodePoint(StringRef text) {
  size_t at = text.size() - 1;
  while (at > 0 && (uint8_t(text[at]) & 0xC0) == 0x80)
    --at;
  return nextCodePoint(text, at);
}

static bool startsWithWord(StringRef text) {
  size_t at = 0;
  return !text.empty() && isWordCharacter(nextCodePoint(text, at));
}

static size_t spacesAtStart(StringRef text) {
  size_t end = 0;
  for (size_t at = 0; at < text.size() && classOf(nextCodePoint(text, at)) == CharacterClass::Space;)
    end = at;
  return end;
}

static size_t spacesAtEnd(StringRef text) {
  size_t count = 0;
  while (count < text.size()) {
    StringRef before = text.drop_back(count);
    int32_t last = lastCodePoint(before);
    if (classOf(last) != CharacterClass::Space)
      break;
    std::string bytes;
    appendCodePoint(bytes, last);
    count += bytes.size();
  }
  return count;
}

Error AddedFinder::cut(StringRef text, llvm::function_ref<bool(const AddedToken &)> wanted,
                       llvm::function_ref<void(const AddedToken &)> token,
                       llvm::function_ref<Error(StringRef)> rest) const {
  size_t done = 0;
  for (size_t i = 0; i < text.size() && !tokens.empty();) {
    const AddedToken *found = roots[uint8_t(text[i])] < 0 ? nullptr : at(text.substr(i));
    if (!found) {
      ++i;
      continue;
    }
    size_t begin = i, end = i + found->normalName.size();
    i = end;
    if (!wanted(*found))
      continue;
    if (found->singleWord && (startsWithWord(text.substr(end)) ||
                              (begin > 0 && isWordCharacter(lastCodePoint(text.take_front(begin))))))
      continue;
    if (found->takesBefore)
      begin = std::max(done, begin - spacesAtEnd(text.take_front(begin)));
    if (found->takesBehind)
      end += spacesAtStart(text.substr(end));
    if (begin > done)
      if (Error error = rest(text.slice(done, begin)))
        return error;
    if (begin < end) // else another one has taken this white space, and all of it
      token(*found);
    done = end;
  }
  if (done < text.size())
    return rest(text.substr(done));
  return Error::success();
}

} // namespace gptc::runtime
