#include "runtime/bleu.h"

#include "llvm/ADT/StringRef.h"

#include <cmath>
#include <map>

using llvm::ArrayRef;
using llvm::StringRef;

namespace gptc::runtime {

static bool isDigit(char c) {
  return c >= '0' && c <= '9';
}

/// ASCII symbols but ' , - and . (which have rules of their own).
static bool isSymbol(char c) {
  return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') ||
         (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
}

static void replaceAll(std::string &text, StringRef from, StringRef to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to.data(), to.size());
}

/// Bytes of the white space that begins here, as Unicode defines it; 0 for none.
static size_t spaceAt(StringRef text) {
  unsigned char c = text[0];
  if (c == ' ' || (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x1f))
    return 1;
  if (text.starts_with("\xc2\x85") || text.starts_with("\xc2\xa0"))
    return 2;
  if (text.size() < 3)
    return 0;
  unsigned char d = text[1], e = text[2];
  bool general = c == 0xe2 && d == 0x80 && ((e >= 0x80 && e <= 0x8a) || e == 0xa8 || e == 0xa9 || e == 0xaf);
  bool other = text.starts_with("\xe1\x9a\x80") || text.starts_with("\xe2\x81\x9f") ||
               text.starts_with("\xe3\x80\x80");
  return general || other ? 3 : 0;
}

static std::vector<std::string> splitWords(StringRef text) {
  std::vector<std::string> words;
  std::string word;
  auto end = [&] {
    if (!word.empty())
      words.push_back(std::move(word));
    word.clear();
  };
  while (!text.empty()) {
    size_t space = spaceAt(text);
    if (space)
      end();
    else
      word += text[0];
    text = text.drop_front(space ? space : 1);
  }
  end();
  return words;
}

// The rules run one after the other over the whole line, and each goes on
// behind what it matched, so that in `a..b` the first full stop uses up its
// neighbour. Only ASCII characters are tested, so bytes serve as characters.
std::vector<std::string> words13a(StringRef line) {
  std::string text = line.str();
  replaceAll(text, "<skipped>", "");
  replaceAll(text, "-\n", "");
  replaceAll(text, "\n", " ");
  replaceAll(text, "&quot;", "\"");
  replaceAll(text, "&amp;", "&");
  replaceAll(text, "&lt;", "<");
  replaceAll(text, "&gt;", ">");
  text = " " + text + " ";

  std::string symbols;
  for (char c : text) {
    if (isSymbol(c))
      ((symbols += ' ') += c) += ' ';
    else
      symbols += c;
  }
  auto isStop = [](char c) { return c == '.' || c == ','; };
  // Two neighbours that fulfil `pair` become what `write` makes of them.
  auto pass = [](const std::string &from, auto pair, auto write) {
    std::string to;
    size_t i = 0;
    while (i < from.size()) {
      if (i + 1 < from.size() && pair(from[i], from[i + 1])) {
        write(to, from[i], from[i + 1]);
        i += 2;
      } else {
        to += from[i++];
      }
    }
    return to;
  };
  std::string after = pass(
      symbols, [&](char a, char b) { return !isDigit(a) && isStop(b); },
      [](std::string &to, char a, char b) { (((to += a) += ' ') += b) += ' '; });
  std::string before = pass(
      after, [&](char a, char b) { return isStop(a) && !isDigit(b); },
      [](std::string &to, char a, char b) { (((to += ' ') += a) += ' ') += b; });
  std::string dashes = pass(
      before, [&](char a, char b) { return isDigit(a) && b == '-'; },
      [](std::string &to, char a, char b) { (((to += a) += ' ') += b) += ' '; });
  return splitWords(dashes);
}

namespace {
using Grams = std::map<std::vector<StringRef>, int64_t>;
} // namespace

static Grams gramsOf(ArrayRef<std::string> words, size_t order) {
  Grams grams;
  for (size_t i = 0; i + order <= words.size(); ++i)
    ++grams[std::vector<StringRef>(words.begin() + i, words.begin() + i + order)];
  return grams;
}

llvm::Expected<Bleu> bleu(ArrayRef<std::string> hypotheses, ArrayRef<std::string> references) {
  if (hypotheses.size() != references.size())
    return failure("{} hypotheses, but {} references: BLEU needs one for each line", hypotheses.size(),
                   references.size());
  if (hypotheses.empty())
    return failure("BLEU needs at least one line");
  Bleu result;
  std::array<int64_t, 4> matched = {}, total = {};
  for (size_t i = 0; i < hypotheses.size(); ++i) {
    std::vector<std::string> hypothesis = words13a(hypotheses[i]), reference = words13a(references[i]);
    result.hypothesisWords += int64_t(hypothesis.size());
    result.referenceWords += int64_t(reference.size());
    for (size_t order = 1; order <= 4; ++order) {
      Grams wanted = gramsOf(reference, order);
      for (const auto &[gram, count] : gramsOf(hypothesis, order)) {
        total[order - 1] += count;
        auto found = wanted.find(gram);
        if (found != wanted.end())
          matched[order - 1] += std::min(count, found->second);
      }
    }
  }
  double words = double(result.hypothesisWords), wanted = double(result.referenceWords);
  result.brevity = words >= wanted ? 1 : words > 0 ? std::exp(1 - wanted / words) : 0;
  double logs = 0, smoothing = 1;
  bool some = matched[0] > 0;
  for (size_t n = 0; n < 4; ++n) {
    if (total[n] == 0) { // no line is that long: nothing to average
      some = false;
      break;
    }
    if (matched[n] == 0)
      smoothing *= 2;
    result.precisions[n] = matched[n] ? 100.0 * double(matched[n]) / double(total[n])
                           : some     ? 100.0 / (smoothing * double(total[n]))
                                      : 0;
    logs += some ? std::log(result.precisions[n]) : 0;
  }
  result.score = some ? result.brevity * std::exp(logs / 4) : 0;
  return result;
}

std::string Bleu::print() const {
  return fmt::format(
      "{} = {:.2f} {:.1f}/{:.1f}/{:.1f}/{:.1f} (BP = {:.3f} ratio = {:.3f} hyp_len = {} ref_len = {})",
      signature, score, precisions[0], precisions[1], precisions[2], precisions[3], brevity,
      referenceWords ? double(hypothesisWords) / double(referenceWords) : 0, hypothesisWords, referenceWords);
}

} // namespace gptc::runtime
