// A vocabulary given by hand.
#pragma once

#include "runtime/tokenizer.h"

namespace gptc::runtime {

/// Tokens are the pieces in their order, then the 256 bytes. Text is cut so that
/// as few bytes as possible lie outside of pieces, then into as few pieces as
/// possible; of the cuts that remain, the one whose first token is longest, then its
/// second, and so on. "unforgettable" is "un" + "forget" + "table", whatever other
/// beginnings ("unf", "for", "forge") the vocabulary holds. A byte outside of the
/// pieces is a token of its own, so every text can be written.
/// Errors: no pieces, an empty one, one that is there twice or is not UTF-8.
llvm::Expected<std::unique_ptr<Tokenizer>> makePieces(llvm::ArrayRef<std::string> pieces);

} // namespace gptc::runtime
