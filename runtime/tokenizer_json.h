// tokenizer.json, the form in which Hugging Face's tokenizers keep byte pairs.
#pragma once

#include "runtime/tokenizer_bytepair.h"

namespace gptc::runtime {

/// The text of a file for byte pairs that gptc has learned: a BPE model with ByteLevel pre-tokenizer and
/// decoder, special tokens under added_tokens, as the `tokenizers` library loads it.
std::string tokenizerJson(const BytePairs &pairs);

/// The tokenizer of a file's text, our own or another's: a BPE model of bytes (GPT-2, Llama 3, Qwen) or of
/// characters, with or without byte fallback (Llama 2, Gemma). It gives the ids that the `tokenizers` library
/// gives, but for these: text never becomes a special token unless that one is asked for, and a character
/// that the file has no token for at all is an error. What is not understood is an error that says where in
/// the file it stands; `source` is the file's name.
llvm::Expected<std::unique_ptr<BytePairTokenizer>> parseTokenizerJson(llvm::StringRef text,
                                                                      llvm::StringRef source);

} // namespace gptc::runtime
