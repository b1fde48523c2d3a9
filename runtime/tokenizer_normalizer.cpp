#include "runtime/tokenizer_normalizer.h"

#include "runtime/tokenizer_symbols.h"
#include "runtime/unicode.h"
#include "runtime/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

Pattern readPattern(JsonPart &part) {
  JsonPart pattern = part.part("pattern");
  bool isRegex = pattern.has("Regex");
  StringRef text = pattern.text(isRegex ? "Regex" : "String");
  pattern.done();
  if (text.empty())
    pattern.wrong("", "a pattern without characters");
  if (!isRegex || pattern.failed())
    return Pattern::string(text);
  Expected<Pattern> made = Pattern::regex(text);
  if (made)
    return std::move(*made);
  pattern.wrong("Regex", "{}", llvm::toString(made.takeError()));
  return Pattern::string(text);
}

Expected<std::optional<std::string>> replaceAll(StringRef text, const Pattern &pattern, StringRef by) {
  std::optional<std::string> result;
  size_t done = 0;
  Pattern::Matches matches(pattern, text);
  while (std::optional<Pattern::Match> match = matches.next()) {
    if (!result)
      result.emplace();
    *result += text.slice(done, match->first);
    *result += by;
    done = match->second;
  }
  if (Error error = matches.takeError())
    return error;
  if (result)
    *result += text.substr(done);
  return result;
}

//===-- Reading ------------------------------------------------------------------===//

void Normalizer::read(JsonPart part) {
  static constexpr std::pair<StringRef, int> forms[] = {
      {"NFC", UTF8PROC_STABLE | UTF8PROC_COMPOSE},
      {"NFD", UTF8PROC_STABLE | UTF8PROC_DECOMPOSE},
      {"NFKC", UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT},
      {"NFKD", UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT}};
  StringRef type = part.text("type");
  auto form = llvm::find_if(forms, [&](auto &known) { return known.first == type; });
  if (form != std::end(forms)) {
    steps.push_back({Kind::Form, form->second, {}, {}});
  } else if (type == "Sequence") {
    for (JsonPart &inner : part.parts("normalizers"))
      read(inner);
  } else if (type == "Lowercase") {
    steps.push_back({Kind::Lowercase, 0, {}, {}});
  } else if (type == "Strip") {
    if (part.flag("strip_left", true))
      steps.push_back({Kind::StripLeft, 0, {}, {}});
    if (part.flag("strip_right", true))
      steps.push_back({Kind::StripRight, 0, {}, {}});
  } else if (type == "StripAccents") {
    steps.push_back({Kind::Replace, 0, "", llvm::cantFail(Pattern::regex("\\p{M}"))});
  } else if (type == "Prepend") {
    steps.push_back({Kind::Prepend, 0, part.text("prepend").str(), {}});
  } else if (type == "Replace") {
    std::string content = part.text("content").str();
    steps.push_back({Kind::Replace, 0, std::move(content), readPattern(part)});
  } else if (type == "ByteLevel") {
    steps.push_back({Kind::Bytes, 0, {}, {}});
  } else {
    part.wrong(
        "type",
        "{} is not supported; ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence, Strip "
        "and StripAccents are",
        part.shown("type"));
  }
  part.done();
}

bool Normalizer::cutsStart() const {
  return llvm::any_of(steps, [](const Step &step) {
    return step.kind == Kind::StripLeft || (step.kind == Kind::Replace && step.content.empty());
  });
}

//===-- Running ------------------------------------------------------------------===//

// Whether the composed form keeps a character whatever stands beside it: it is composed already and takes
// nothing from before. Not all such characters, but most of those that texts have.
static bool isComposed(int32_t c) {
  return c < 0x300 || (c >= 0x400 && c <= 0x482) || (c >= 0x2010 && c <= 0x2027) ||
         (c >= 0x3041 && c <= 0x3096) || (c >= 0x30A1 && c <= 0x30FA) || (c >= 0x4E00 && c <= 0x9FFF) ||
         (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0x1F300 && c <= 0x1F9FF);
}

static bool isAscii(int32_t c) {
  return c < 0x80;
}

// Normal forms are those of Unicode 9.0, as in the library: characters of later versions that would become
// others, join others or change places, ascending. They stay as they are, and so do their neighbours.
// clang-format off
static constexpr int32_t laterThanForms[][2] = {
    {0x7FD, 0x7FD}, {0x898, 0x89F}, {0x8CA, 0x8D3}, {0x9FE, 0x9FE}, {0xC3C, 0xC3C}, {0xD3B, 0xD3C},
    {0xEBA, 0xEBA}, {0x1715, 0x1715}, {0x1ABF, 0x1ACE}, {0x1DF6, 0x1DFA}, {0x32FF, 0x32FF},
    {0xA7F2, 0xA7F4}, {0xA82C, 0xA82C}, {0xAB69, 0xAB69}, {0x10781, 0x107BA}, {0x10D24, 0x10D27},
    {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070},
    {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x11938, 0x11938},
    {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47},
    {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x11F41, 0x11F42},
    {0x16FF0, 0x16FF1}, {0x1E030, 0x1E06D}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE},
    {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}, {0x1F16C, 0x1F16C}, {0x1FBF0, 0x1FBF9}};
// clang-format on

static bool isLaterThanForms(int32_t c) {
  if (c < laterThanForms[0][0] || (c >= 0x4E00 && c <= 0x9FFF))
    return false;
  auto run = std::upper_bound(std::begin(laterThanForms), std::end(laterThanForms), c,
                              [](int32_t c, const int32_t(&run)[2]) { return c < run[0]; });
  return run != std::begin(laterThanForms) && c <= (*std::prev(run))[1];
}

static bool normalForm(StringRef text, int options, std::string &result) {
  auto *keeps = options == (UTF8PROC_STABLE | UTF8PROC_COMPOSE) ? isComposed : isAscii;
  bool changed = false;
  size_t kept = 0, begin = 0; // what follows the last such character belongs to it
  auto flush = [&](size_t end) {
    utf8proc_uint8_t *made = nullptr;
    StringRef part = text.slice(begin, end);
    utf8proc_ssize_t size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t *>(part.data()),
                                         utf8proc_ssize_t(part.size()), &made, utf8proc_option_t(options));
    StringRef form(reinterpret_cast<const char *>(made), size > 0 ? size_t(size) : 0);
    if (size >= 0 && form != part) {
      result += text.slice(kept, begin);
      result += form;
      kept = end;
      changed = true;
    }
    std::free(made);
  };
  bool open = false;
  for (size_t at = 0; at < text.size();) {
    size_t here = at;
    int32_t codePoint = nextCodePoint(text, at);
    if (isLaterThanForms(codePoint)) {
      if (open)
        flush(here);
      open = false;
      begin = at;
    } else if (!keeps(codePoint)) {
      open = true;
    } else {
      if (open)
        flush(here);
      open = false;
      begin = here;
    }
  }
  if (open)
    flush(text.size());
  if (changed)
    result += text.substr(kept);
  return changed;
}

// Capitals of Unicode 15 to 17, and how far their small letters are.
static constexpr struct {
  int32_t first, last, distance;
} laterCapitals[] = {{0x1C89, 0x1C89, 1},      {0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
                     {0xA7CC, 0xA7CC, 1},      {0xA7CE, 0xA7CE, 1},
                     {0xA7D2, 0xA7D2, 1},      {0xA7D4, 0xA7D4, 1},
                     {0xA7DA, 0xA7DA, 1},      {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
                     {0x10D50, 0x10D65, 0x20}, {0x16EA0, 0x16EB8, 0x1B}};

static int32_t smallLetter(int32_t codePoint) {
  for (const auto &capitals : laterCapitals)
    if (capitals.first <= codePoint && codePoint <= capitals.last)
      return codePoint + capitals.distance;
  return utf8proc_tolower(codePoint);
}

static void lowercase(StringRef text, std::string &result) {
  for (size_t at = 0; at < text.size();) {
    int32_t codePoint = nextCodePoint(text, at);
    if (codePoint == 0x130) // the one letter that becomes two
      result += "i\u0307";
    else
      appendCodePoint(result, smallLetter(codePoint));
  }
}

static StringRef withoutSpaces(StringRef text, bool left) {
  size_t first = 0, last = 0;
  bool any = false;
  for (size_t at = 0; at < text.size();) {
    size_t here = at;
    if (classOf(nextCodePoint(text, at)) == CharacterClass::Space)
      continue;
    if (!any)
      first = here;
    any = true;
    last = at;
    if (left)
      break;
  }
  return !any ? "" : left ? text.substr(first) : text.take_front(last);
}

Expected<bool> Normalizer::change(const Step &step, StringRef text, std::string &result) {
  switch (step.kind) {
  case Kind::Form: return normalForm(text, step.form, result);
  case Kind::Lowercase: lowercase(text, result); return true;
  case Kind::StripLeft: result = withoutSpaces(text, true).str(); return result.size() != text.size();
  case Kind::StripRight: result = withoutSpaces(text, false).str(); return result.size() != text.size();
  case Kind::Prepend: result = step.content + text.str(); return true;
  case Kind::Bytes: result = byteSymbols(text); return true;
  case Kind::Replace:
    Expected<std::optional<std::string>> replaced = replaceAll(text, step.pattern, step.content);
    if (!replaced)
      return replaced.takeError();
    if (*replaced)
      result = std::move(**replaced);
    return replaced->has_value();
  }
  return false;
}

Expected<StringRef> Normalizer::run(StringRef text, std::string &buffer) const {
  for (const Step &step : steps) {
    if (text.empty())
      break;
    std::string result;
    Expected<bool> changed = change(step, text, result);
    if (!changed)
      return changed.takeError();
    if (!*changed)
      continue;
    buffer = std::move(result);
    text = buffer;
  }
  return text;
}

} // namespace gptc::runtime
