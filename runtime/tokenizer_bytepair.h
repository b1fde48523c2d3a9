// Byte pairs: words as bytes or characters, of which neighbours merge into tokens.
#pragma once

#include "runtime/tokenizer_added.h"
#include "runtime/tokenizer_decoder.h"
#include "runtime/tokenizer_merges.h"
#include "runtime/tokenizer_normalizer.h"
#include "runtime/tokenizer_pretokenizer.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringMap.h"

#include <bitset>
#include <mutex>

namespace gptc::runtime {

/// Byte pairs as they are learned.
struct BytePairs {
  std::vector<std::string> tokens; // bytes by id; for a special token its name
  std::vector<int32_t> specials;   // ids, ascending
  std::vector<Merge> merges;       // by rank: the first one merges first
};

/// What a tokenizer.json says.
struct TokenizerParts {
  std::vector<std::string> tokens; // as written, by id; empty where the numbering has a hole
  std::vector<AddedToken> added;   // by id
  std::vector<Merge> merges;       // by rank
  Normalizer normalizer;
  PreTokenizer preTokenizer;
  Decoder decoder;
  TextFrame frame;
  std::optional<int32_t> unknown; // for characters that have no token
  bool fuseUnknown = false;       // one for all such characters in a row
  bool byteFallback = false;      // the tokens <0x00> to <0xFF> for them instead
  bool ignoreMerges = false;      // a word that is a token is that token
};

/// Cuts text at added tokens, changes the rest by the normalizer, cuts it into words, each word into bytes or
/// characters, and merges these. What gptc's own make of a text decodes to that text.
class BytePairTokenizer : public Tokenizer {
public:
  explicit BytePairTokenizer(const BytePairs &pairs);
  /// `text` is the file.
  BytePairTokenizer(TokenizerParts parts, std::string text);

  llvm::StringRef kind() const override { return "bpe"; }
  int64_t vocabulary() const override { return int64_t(data.tokens.size()); }
  llvm::Error encodePart(llvm::StringRef part, llvm::StringRef whole, std::vector<int32_t> &tokens,
                         llvm::StringRef source) const override;
  void append(std::string &bytes, int32_t token) const override;
  void appendFirst(std::string &bytes, int32_t token) const override;
  llvm::StringRef separator() const override { return data.decoder.empty() ? " " : ""; }
  std::optional<std::pair<int32_t, int32_t>> parts(int32_t token) const override;
  std::vector<SpecialToken> specials() const override;
  TextFrame frame() const override { return data.frame; }
  llvm::json::Object save() const override;
  std::string decode(llvm::ArrayRef<int32_t> tokens) const override;

protected:
  llvm::Error encodeSpecial(llvm::StringRef text, llvm::ArrayRef<SpecialToken> wanted,
                            std::vector<int32_t> &tokens, llvm::StringRef source) const override;

private:
  struct Encoding; // one text on its way
  using Wanted = llvm::function_ref<bool(const AddedToken &)>;
  llvm::Error encodeText(llvm::StringRef part, llvm::StringRef whole, Wanted wanted,
                         std::vector<int32_t> &tokens, llvm::StringRef source) const;
  llvm::Error encodeNormalized(llvm::StringRef part, bool first, Wanted wanted, Encoding &encoding) const;
  llvm::Error encodeWord(llvm::StringRef word, Encoding &encoding) const;
  llvm::Error encodePieces(llvm::StringRef word, Encoding &encoding) const;
  llvm::Error encodeCached(llvm::StringRef word, Encoding &encoding) const;
  llvm::Error firstTokens(llvm::StringRef word, Encoding &encoding) const;
  llvm::Error noToken(llvm::StringRef word, size_t first, size_t end, const Encoding &encoding) const;
  int32_t tokenOf(int32_t codePoint) const;
  bool mayJoin(int32_t before, int32_t behind) const;
  void addJoints();

  TokenizerParts data;
  // What is decoded, by id: tokens as they are written, added ones as they are looked for.
  std::vector<std::string> written;
  std::string file;
  AddedFinder plainFinder, normalizedFinder;
  Merger merger;
  std::vector<int32_t> madeBy; // the first merge that gives a token, by id; -1: none
  std::array<int32_t, 256> byteTokens;
  llvm::DenseMap<int32_t, int32_t> characterTokens;
  std::array<int32_t, 256> fallbackTokens;
  llvm::StringMap<int32_t> wholeWords; // with ignoreMerges
  // Characters that stand on both sides of some merge: words of characters may be cut between all others.
  bool cutsWords = false;
  std::bitset<128 * 128> asciiJoints;
  llvm::DenseSet<uint64_t> joints;

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
