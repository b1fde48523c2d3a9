#include "runtime/tokenizer_pieces.h"

#include "runtime/utf8.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringSet.h"

using llvm::ArrayRef;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

namespace {

class PieceTokenizer : public Tokenizer {
public:
  explicit PieceTokenizer(std::vector<std::string> given) : pieces(std::move(given)) {
    for (size_t id = 0; id < pieces.size(); ++id) {
      int32_t node = 0;
      for (char c : pieces[id]) {
        auto [child, isNew] = children.try_emplace(edge(node, c), int32_t(pieceAt.size()));
        if (isNew)
          pieceAt.push_back(-1);
        node = child->second;
      }
      pieceAt[size_t(node)] = int32_t(id);
    }
  }

  StringRef kind() const override { return "pieces"; }
  int64_t vocabulary() const override { return int64_t(pieces.size()) + 256; }
  Error encodePart(StringRef part, StringRef whole, std::vector<int32_t> &tokens,
                   StringRef source) const override;

  void append(std::string &bytes, int32_t token) const override {
    if (token >= 0 && size_t(token) < pieces.size())
      bytes += pieces[size_t(token)];
    else if (token >= 0 && token < vocabulary())
      bytes += char(token - int32_t(pieces.size()));
    else
      appendCodePoint(bytes, 0xFFFD);
  }

  llvm::json::Object save() const override {
    return llvm::json::Object{{"kind", "pieces"}, {"pieces", llvm::json::Array(pieces)}};
  }

private:
  static uint64_t edge(int32_t node, char c) { return uint64_t(uint32_t(node)) << 8 | uint8_t(c); }
  /// Calls `found` with every piece at the start of the text, shorter ones first.
  void piecesAt(StringRef text, llvm::function_ref<void(int32_t)> found) const {
    int32_t node = 0;
    for (char c : text) {
      auto child = children.find(edge(node, c));
      if (child == children.end())
        return;
      node = child->second;
      if (pieceAt[size_t(node)] >= 0)
        found(pieceAt[size_t(node)]);
    }
  }
  void cut(StringRef part, std::vector<int32_t> &tokens) const;

  std::vector<std::string> pieces;
  // A tree of the pieces' bytes; node 0 is the empty beginning.
  llvm::DenseMap<uint64_t, int32_t> children;
  std::vector<int32_t> pieceAt = {-1}; // the piece that ends at a node
};

} // namespace

// The best cut of a part, found from its end: at each place the best token with
// what is best behind it.
void PieceTokenizer::cut(StringRef part, std::vector<int32_t> &tokens) const {
  // Bytes outside of pieces count more than any number of pieces.
  std::vector<uint64_t> cost(part.size() + 1);
  std::vector<int32_t> best(part.size());
  for (size_t at = part.size(); at-- > 0;) {
    cost[at] = cost[at + 1] + (uint64_t(1) << 32);
    best[at] = int32_t(pieces.size()) + uint8_t(part[at]);
    piecesAt(part.substr(at), [&](int32_t piece) {
      uint64_t with = cost[at + pieces[size_t(piece)].size()] + 1;
      if (with <= cost[at]) { // equal: the longer one
        cost[at] = with;
        best[at] = piece;
      }
    });
  }
  for (size_t at = 0; at < part.size();) {
    tokens.push_back(best[at]);
    at += size_t(best[at]) < pieces.size() ? pieces[size_t(best[at])].size() : 1;
  }
}

Error PieceTokenizer::encodePart(StringRef text, StringRef whole, std::vector<int32_t> &tokens,
                                 StringRef source) const {
  if (Error error = checkUtf8(text, whole, source))
    return error;
  // No piece reaches over the end of a part, so each is cut by itself.
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin + 1;
    for (size_t at = begin; at < end; ++at)
      piecesAt(text.substr(at),
               [&](int32_t piece) { end = std::max(end, at + pieces[size_t(piece)].size()); });
    cut(text.slice(begin, end), tokens);
    begin = end;
  }
  return Error::success();
}

Expected<std::unique_ptr<Tokenizer>> makePieces(ArrayRef<std::string> pieces) {
  if (pieces.empty())
    return failure("pieces needs at least one piece: pieces(\"un\", \"forget\")");
  llvm::StringSet<> seen;
  for (const std::string &piece : pieces) {
    if (piece.empty())
      return failure("an empty piece stands for nothing");
    if (Error error = checkUtf8(piece, "a piece"))
      return error;
    if (!seen.insert(piece).second)
      return failure("the piece '{}' is given twice", shown(piece));
  }
  return std::make_unique<PieceTokenizer>(pieces.vec());
}

} // namespace gptc::runtime
