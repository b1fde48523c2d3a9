// tokenizer.json, the form in which Hugging Face's tokenizers keep byte pairs.
#pragma once

#include "runtime/tokenizer_bytepair.h"

namespace gptc::runtime {

/// The file's text: a BPE model with ByteLevel pre-tokenizer and decoder, special
/// tokens under added_tokens, as the `tokenizers` library loads it.
std::string tokenizerJson(const BytePairs &pairs);

/// Byte pairs from a file's text, our own or another's of the same kind (GPT-2's).
/// Merges are "a b" or ["a", "b"]. What would encode text otherwise than
/// BytePairTokenizer does is an error that names it; `source` is the file's name.
llvm::Expected<BytePairs> parseTokenizerJson(llvm::StringRef text, llvm::StringRef source);

} // namespace gptc::runtime
