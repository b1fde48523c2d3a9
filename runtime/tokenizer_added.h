// Whole tokens that are found in text before it is cut into words.
#pragma once

#include "runtime/tokenizer.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <array>

namespace gptc::runtime {

/// A token with a name that text may hold.
struct AddedToken {
  std::string name;
  std::string normalName; // as the normalizer changes it, where it is `normalized`; else the name
  int32_t id = 0;
  bool special = false;                          // only who asks for it gets it
  bool normalized = false;                       // it is looked for in text that the normalizer has changed
  bool singleWord = false;                       // not with a letter, a digit or '_' beside it
  bool learned = true;                           // the vocabulary has it, too, so that words may hold it
  bool takesBefore = false, takesBehind = false; // the white space there (lstrip, rstrip)
};

/// Finds the names of tokens (normalName) in text: the leftmost, of several there the longest.
class AddedFinder {
public:
  /// Of equal names the first one counts.
  explicit AddedFinder(std::vector<AddedToken> tokens);
  bool empty() const { return tokens.empty(); }

  /// Cuts a text: `token` gets those that are found, `rest` the parts between them, none empty, with the
  /// place where they begin. What is found but not `wanted` stays text, all of it.
  llvm::Error cut(llvm::StringRef text, llvm::function_ref<bool(const AddedToken &)> wanted,
                  llvm::function_ref<void(const AddedToken &)> token,
                  llvm::function_ref<llvm::Error(llvm::StringRef)> rest) const;

private:
  static uint64_t edge(int32_t node, char c) { return uint64_t(uint32_t(node)) << 8 | uint8_t(c); }
  /// The longest name at the text's start; null where there is none.
  const AddedToken *at(llvm::StringRef text) const;

  std::vector<AddedToken> tokens;
  // A tree of the names' bytes; node 0 is the empty beginning.
  std::array<int32_t, 256> roots;
  llvm::DenseMap<uint64_t, int32_t> children;
  std::vector<int32_t> tokenAt = {-1}; // the name that ends at a node
};

} // namespace gptc::runtime
