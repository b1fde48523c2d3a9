// Byte pairs: text as bytes, the most frequent neighbours merged into tokens.
#pragma once

#include "runtime/tokenizer.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

#include <array>
#include <mutex>

namespace gptc::runtime {

/// Left and right become one: tokens' ids.
struct Merge {
  int32_t left, right, merged;
};

/// What a byte-pair tokenizer is.
struct BytePairs {
  std::vector<std::string> tokens; // bytes by id; for a special token its name
  std::vector<int32_t> specials;   // ids, ascending
  std::vector<int32_t> added;      // ids, ascending, of whole tokens that are none of these: text may hold them
  std::vector<Merge> merges;       // by rank: the first one merges first

  /// The 256 bytes in the order in which a vocabulary has them: those whose
  /// symbol is the character itself, then the others.
  static const std::array<uint8_t, 256> &byteOrder();
  /// Bytes as a tokenizer.json writes them, one character a byte: U+0021 to
  /// U+007E, U+00A1 to U+00AC and U+00AE to U+00FF are bytes of that number, U+0100
  /// to U+0143 the others in their order (a blank is U+0120).
  static std::string symbols(llvm::StringRef bytes);
};

/// Finds the names of tokens in text.
class SpecialFinder {
public:
  explicit SpecialFinder(std::vector<SpecialToken> specials);
  struct Match {
    size_t at;
    const SpecialToken *special; // null where there is none; `at` is then the text's end
  };
  /// The first one from `from` on, of several there the longest.
  Match next(llvm::StringRef text, size_t from) const;
  /// Adds the tokens of a text: those that are found, and between them what `encode` adds for each part.
  llvm::Error cut(llvm::StringRef text, std::vector<int32_t> &tokens,
                  llvm::function_ref<llvm::Error(llvm::StringRef)> encode) const;

private:
  std::vector<SpecialToken> longestFirst;
  std::array<bool, 256> starts{};
};

/// Cuts text at added tokens (leftmost, then longest), the rest into
/// words (tokenizer_words.h), each word into bytes, and merges neighbours: of all
/// possible merges the one of lowest rank, of equal ones the leftmost, until none
/// is left. What it makes of a text decodes to that text.
class BytePairTokenizer : public Tokenizer {
public:
  explicit BytePairTokenizer(BytePairs pairs);

  llvm::StringRef kind() const override { return "bpe"; }
  int64_t vocabulary() const override { return int64_t(pairs.tokens.size()); }
  llvm::Error encodePart(llvm::StringRef part, llvm::StringRef whole, std::vector<int32_t> &tokens,
                         llvm::StringRef source) const override;
  void append(std::string &bytes, int32_t token) const override;
  std::optional<std::pair<int32_t, int32_t>> parts(int32_t token) const override;
  std::vector<SpecialToken> specials() const override;
  llvm::json::Object save() const override;

  const BytePairs &data() const { return pairs; }

private:
  struct Found {
    int32_t rank, merged;
  };
  const Found *mergeOf(int32_t left, int32_t right) const;
  /// Appends a word's tokens; false where a byte has none.
  bool encodeWord(llvm::StringRef word, std::vector<int32_t> &tokens) const;
  bool mergeWord(llvm::StringRef word, std::vector<int32_t> &tokens) const;
  llvm::Error encodeWords(llvm::StringRef part, llvm::StringRef whole, std::vector<int32_t> &tokens,
                          llvm::StringRef source) const;

  BytePairs pairs;
  SpecialFinder finder;
  std::array<int32_t, 256> byteTokens;
  std::vector<int32_t> madeBy; // the first merge that gives a token, by id; -1: none
  llvm::DenseMap<uint64_t, Found> ranks;

  // Words met before and where their tokens lie. One encode at a time.
  struct Cached {
    uint32_t begin, count;
  };
  mutable std::mutex mutex;
  mutable llvm::StringMap<Cached> cache;
  mutable std::vector<int32_t> cachedTokens;
};

/// Learns byte pairs from texts: bytes first, then merge after merge the pair of
/// neighbours (within words) that is most frequent, until there are `vocabulary`
/// tokens or no pair occurs twice. Of equally frequent pairs the one whose left
/// token has the lower id comes first, then the lower right one. The special
/// tokens are the first ids; text never becomes one, so no merge makes their names.
/// Errors: a vocabulary too small for bytes and specials, names that are empty or
/// twice there, texts that are not UTF-8 or empty.
llvm::Expected<BytePairs> trainBytePairs(llvm::ArrayRef<TokenizerText> texts, int64_t vocabulary,
                                         llvm::ArrayRef<std::string> specials);

} // namespace gptc::runtime
