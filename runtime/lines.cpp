#include "runtime/lines.h"
#include "runtime/utf8.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gptc::runtime {

llvm::StringRef nextLine(llvm::StringRef &text) {
  auto [line, rest] = text.split('\n');
  text = rest;
  line.consume_back("\r");
  return line;
}

std::string nameLines(llvm::ArrayRef<int64_t> lines) {
  constexpr size_t most = 5;
  llvm::ArrayRef<int64_t> named = lines.take_front(most);
  std::string text =
      fmt::format("line{} {}", lines.size() == 1 ? "" : "s", fmt::join(named.begin(), named.end(), ", "));
  if (lines.size() > most)
    text += fmt::format(" and {} more", lines.size() - most);
  return text;
}

std::string wrapLines(llvm::StringRef text, size_t columns) {
  std::string wrapped;
  while (!text.empty()) {
    auto [line, rest] = text.split('\n');
    bool ended = line.size() < text.size();
    text = rest;
    size_t indent = line.size() - line.ltrim(' ').size(), used = indent;
    if (characterCount(line) <= columns) {
      wrapped += line;
    } else {
      wrapped += line.take_front(indent);
      llvm::StringRef words = line.drop_front(indent);
      for (bool first = true; !words.empty(); first = false) {
        auto [word, others] = words.split(' ');
        words = others;
        if (!first && used + 1 + characterCount(word) > columns) {
          wrapped += "\n" + std::string(indent + 2, ' ');
          used = indent + 2;
        } else if (!first) {
          wrapped += ' ';
          ++used;
        }
        wrapped += word;
        used += characterCount(word);
      }
    }
    if (ended)
      wrapped += '\n';
  }
  return wrapped;
}

} // namespace gptc::runtime
