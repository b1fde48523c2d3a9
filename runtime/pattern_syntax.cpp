// Oniguruma's syntax of regular expressions as PCRE2's.
#include "runtime/pattern.h"

#include "runtime/unicode.h"
#include "runtime/utf8.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

namespace {

constexpr int deepestGroup = 200;

/// What is in a class, written to stand in [] of PCRE2; `negated`: all else.
struct Set {
  std::string inside;
  bool negated = false;

  std::string outside() const { return fmt::format("[{}{}]", negated ? "^" : "", inside); }
};

class Translator {
public:
  explicit Translator(StringRef expression) : text(expression) {}

  Expected<std::string> run() {
    if (text.starts_with("(?i)")) {
      at = 4;
      caseless = true;
      out += "(?i)";
    }
    alternatives(0);
    if (problem.empty() && at < text.size())
      wrong(at, "')' closes no group");
    if (!problem.empty())
      return failure("{}", problem);
    return std::move(out);
  }

private:
  void wrong(size_t place, const std::string &what) {
    if (problem.empty())
      problem = fmt::format("the regular expression '{}' is not understood at character {}: {}", shown(text),
                            place + 1, what);
    at = text.size();
  }
  bool ends() const { return at >= text.size(); }
  char peek(size_t ahead = 0) const { return at + ahead < text.size() ? text[at + ahead] : '\0'; }
  bool take(StringRef what) {
    if (!text.substr(at).starts_with(what))
      return false;
    at += what.size();
    return true;
  }

  void alternatives(int depth);
  void group(int depth);
  void quantifiers(size_t begin);
  std::optional<std::pair<unsigned, unsigned>> interval();
  void characterClass();
  std::optional<Set> escapedSet(size_t place);
  std::optional<Set> property(size_t place, bool negated);
  int32_t escapedCharacter(size_t place);
  int32_t classCharacter();
  void literal(size_t place, int32_t codePoint);

  StringRef text;
  size_t at = 0;
  bool caseless = false;
  char before = 0; // the letter just before, where case does not count
  std::string out, problem;
};

} // namespace

// A character by its number: it stands for itself inside of [] and outside.
static std::string coded(int32_t codePoint) {
  if (codePoint < 0x80 && llvm::isAlnum(char(codePoint)))
    return std::string(1, char(codePoint));
  return fmt::format("\\x{{{:X}}}", codePoint);
}

static std::string range(int32_t first, int32_t last) {
  return first == last ? coded(first) : coded(first) + "-" + coded(last);
}

static std::string withAdditions(StringRef name, bool script) {
  std::string set = script ? fmt::format("\\p{{sc:{}}}", name) : fmt::format("\\p{{{}}}", name);
  for (const UnicodeAddition &addition : unicodeAdditions())
    if (script ? name == addition.of
               : StringRef(addition.of).size() == 2 && StringRef(addition.of).starts_with(name))
      set += range(addition.first, addition.last);
  return set;
}

// Letters with circles are words, too; of other numbers those that Latin-1 has.
static const std::string &wordSet() {
  static const std::string set = [] {
    std::string set;
    for (const char *category : {"L", "M", "Nd", "Nl", "Pc"})
      set += withAdditions(category, false);
    for (auto [first, last] : {std::pair(0xB2, 0xB3),
                               {0xB9, 0xB9},
                               {0xBC, 0xBE},
                               {0x24B6, 0x24E9},
                               {0x1F130, 0x1F149},
                               {0x1F150, 0x1F169},
                               {0x1F170, 0x1F189}})
      set += range(first, last);
    return set;
  }();
  return set;
}

void Translator::literal(size_t place, int32_t codePoint) {
  char letter = codePoint < 0x80 && llvm::isAlpha(char(codePoint)) ? llvm::toLower(char(codePoint)) : '\0';
  if (caseless) {
    if (codePoint >= 0x80)
      return wrong(place, "a character beyond ASCII where case does not count");
    // Oniguruma takes ligatures for two letters here.
    for (StringRef pair : {"ff", "fi", "fl", "ss", "st"})
      if (before == pair[0] && letter == pair[1])
        return wrong(place, "'" + pair.str() + "', which ligatures fold to, where case does not count");
  }
  before = letter;
  out += coded(codePoint);
}

// \p{...} behind \p or \P.
std::optional<Set> Translator::property(size_t place, bool negated) {
  size_t close = text.find('}', at);
  if (peek() != '{' || close == StringRef::npos) {
    wrong(place, "\\p without {name}");
    return std::nullopt;
  }
  StringRef name = text.slice(at + 1, close);
  at = close + 1;
  if (name.consume_front("^"))
    negated = !negated;
  static constexpr StringRef categories[] = {"L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "N",  "Nd", "Nl",
                                             "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S",
                                             "Sm", "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp", "Cc"};
  static constexpr StringRef scripts[] = {"Han",      "Hiragana", "Katakana", "Hangul", "Latin",     "Greek",
                                          "Cyrillic", "Arabic",   "Hebrew",   "Thai",   "Devanagari"};
  bool category = llvm::is_contained(categories, name);
  if (!category && !llvm::is_contained(scripts, name)) {
    wrong(place, fmt::format("the property '{}'; known are {} and {}", shown(name),
                             fmt::join(categories, ", "), fmt::join(scripts, ", ")));
    return std::nullopt;
  }
  if (caseless && name != "L" && name != "N") {
    wrong(place, fmt::format("the property '{}' where case does not count", shown(name)));
    return std::nullopt;
  }
  return Set{withAdditions(name, !category), negated};
}

// The set behind a backslash; nothing, and `at` stays, where a character or something else is there.
std::optional<Set> Translator::escapedSet(size_t place) {
  char kind = peek();
  ++at;
  switch (kind) {
  case 'p':
  case 'P': return property(place, kind == 'P');
  case 's':
  case 'S': return Set{"\\p{White_Space}", kind == 'S'};
  case 'd':
  case 'D': return Set{withAdditions("Nd", false), kind == 'D'};
  case 'w':
  case 'W':
    if (caseless)
      wrong(place, "\\w where case does not count");
    return Set{wordSet(), kind == 'W'};
  case 'h':
  case 'H': return Set{"0-9A-Fa-f", kind == 'H'};
  default: --at; return std::nullopt;
  }
}

// The character behind a backslash, -1 after an error.
int32_t Translator::escapedCharacter(size_t place) {
  static constexpr std::pair<char, int32_t> controls[] = {{'t', 9},  {'n', 10}, {'v', 11}, {'f', 12},
                                                          {'r', 13}, {'a', 7},  {'e', 27}};
  char kind = peek();
  for (auto [name, codePoint] : controls)
    if (kind == name) {
      ++at;
      return codePoint;
    }
  if (kind == 'x' || kind == 'u') {
    ++at;
    bool braces = kind == 'x' && take("{");
    StringRef digits = text.substr(at).take_while([](char c) { return llvm::isHexDigit(c); });
    digits = digits.take_front(braces ? 8 : kind == 'u' ? 4 : 2);
    at += digits.size();
    uint32_t codePoint = 0;
    bool closed = !braces || take("}");
    bool whole = braces ? !digits.empty() : digits.size() == (kind == 'u' ? 4u : 2u);
    if (closed && whole && !digits.getAsInteger(16, codePoint) && codePoint < 0x110000 &&
        (codePoint < 0xD800 || codePoint > 0xDFFF) && (kind == 'u' || braces || codePoint < 0x80))
      return int32_t(codePoint);
    wrong(place, "what is no number of a character");
    return -1;
  }
  if (!ends() && !llvm::isAlnum(kind))
    return nextCodePoint(text, at);
  wrong(place, ends() ? "a backslash at the end" : fmt::format("'\\{}'", kind));
  return -1;
}

// A character of a class, -1 after an error.
int32_t Translator::classCharacter() {
  size_t place = at;
  if (take("\\")) {
    if (peek() == 'b') {
      ++at;
      return 8;
    }
    return escapedCharacter(place);
  }
  return nextCodePoint(text, at);
}

void Translator::characterClass() {
  size_t begin = at;
  ++at;
  Set set;
  set.negated = take("^");
  if (peek() == ']')
    return wrong(at, "an empty class");
  for (bool first = true;; first = false) {
    if (ends())
      return wrong(begin, "a class without ']'");
    if (take("]"))
      break;
    size_t place = at;
    if (peek() == '[')
      return wrong(at, "a class within a class (\\[ is the character)");
    if (peek() == '&' && peek(1) == '&')
      return wrong(at, "'&&' within a class");
    if (peek() == '\\') {
      ++at;
      if (std::optional<Set> inner = escapedSet(place)) {
        if (inner->negated && inner->inside != "\\p{White_Space}")
          return wrong(place, "all but a set, within a class");
        set.inside += inner->negated ? "\\P{White_Space}" : inner->inside;
        if (peek() == '-' && peek(1) != ']')
          return wrong(at, "a range that starts with a set");
        continue;
      }
      --at;
    }
    if (peek() == '-' && !first && peek(1) != ']')
      return wrong(at, "'-' between others (\\- is the character)");
    int32_t low = classCharacter(), high = low;
    if (low >= 0 && peek() == '-' && peek(1) != ']') {
      ++at;
      if (peek() == '[')
        return wrong(at, "a class within a class (\\[ is the character)");
      high = classCharacter();
      if (high >= 0 && high < low)
        return wrong(place, "a range that ends before it begins");
    }
    if (low < 0 || high < 0)
      return;
    if (caseless && high >= 0x80)
      return wrong(place, "characters beyond ASCII where case does not count");
    set.inside += range(low, high);
  }
  before = 0;
  out += set.outside();
}

void Translator::group(int depth) {
  size_t begin = at;
  if (depth > deepestGroup)
    return wrong(begin, fmt::format("more than {} groups in one another", deepestGroup));
  ++at;
  bool outer = caseless;
  std::string opening = "(?:"; // nobody asks what a group held
  if (take("?")) {
    static constexpr StringRef kinds[] = {":", "=", "!", "<=", "<!", ">", "i:"};
    const StringRef *kind = llvm::find_if(kinds, [&](StringRef name) { return take(name); });
    if (kind == std::end(kinds))
      return wrong(begin, fmt::format("'(?{}'", text.substr(at, 1)));
    opening = ("(?" + *kind).str();
    caseless |= *kind == "i:";
  }
  out += opening;
  before = 0;
  alternatives(depth + 1);
  if (ends() && problem.empty())
    return wrong(begin, "a group without ')'");
  ++at;
  out += ")";
  before = 0;
  caseless = outer;
}

// {n}, {n,}, {,m} or {n,m}; nothing after an error.
std::optional<std::pair<unsigned, unsigned>> Translator::interval() {
  size_t begin = at, close = text.find('}', at);
  unsigned least = 0, most = UINT_MAX;
  StringRef inside = close == StringRef::npos ? "" : text.slice(at + 1, close);
  auto [first, second] = inside.split(',');
  bool comma = inside.contains(',');
  if (inside.empty() || inside == "," || (!first.empty() && first.getAsInteger(10, least)) ||
      (!second.empty() && second.getAsInteger(10, most)) || least > 65535 ||
      (most > 65535 && most != UINT_MAX) || most < least) {
    wrong(begin, "'{' that begins no {n,m} (\\{ is the character)");
    return std::nullopt;
  }
  at = close + 1;
  return std::pair(least, comma ? most : least);
}

// What may follow the item that `out` has from `begin` on.
void Translator::quantifiers(size_t begin) {
  char kind = peek();
  if (!llvm::is_contained({'*', '+', '?', '{'}, kind) || ends())
    return;
  size_t place = at;
  if (kind == '{') {
    auto counts = interval();
    if (!counts)
      return;
    auto [least, most] = *counts;
    out += most == UINT_MAX ? fmt::format("{{{},}}", least) : fmt::format("{{{},{}}}", least, most);
    if (peek() == '?') {
      if (least == most)
        return wrong(place, "'{n}?'");
      out += text[at++];
    } else if (take("+")) { // it repeats the repetition here; PCRE2 would not go back
      out = out.substr(0, begin) + "(?:" + out.substr(begin) + ")+";
    }
  } else {
    out += text[at++];
    if (peek() == '?' || peek() == '+')
      out += text[at++];
  }
  before = 0;
  if (llvm::is_contained({'*', '+', '?', '{'}, peek()) && !ends())
    wrong(place, "a repetition of a repetition without a group");
}

void Translator::alternatives(int depth) {
  while (!ends() && peek() != ')') {
    size_t place = at, begin = out.size();
    switch (peek()) {
    case '|':
      ++at;
      out += "|";
      before = 0;
      continue;
    case '(': group(depth); break;
    case '[': characterClass(); break;
    case '.':
    case '^':
    case '$':
      out += text[at++];
      before = 0;
      break;
    case '*':
    case '+':
    case '?':
    case '{': return wrong(at, fmt::format("'{}' that repeats nothing", peek()));
    case '\\': {
      ++at;
      if (llvm::is_contained({'A', 'z', 'Z'}, peek()) && !ends()) {
        out += {'\\', text[at++]};
        before = 0;
        continue;
      }
      if (peek() == 'b' || peek() == 'B') {
        bool same = text[at++] == 'B';
        const std::string &word = wordSet();
        out += fmt::format("(?:(?<=[{0}])(?{1}[{0}])|(?<![{0}])(?{2}[{0}]))", word, same ? "=" : "!",
                           same ? "!" : "=");
        before = 0;
        continue;
      }
      if (std::optional<Set> set = escapedSet(place)) {
        out += set->outside();
        before = 0;
      } else if (int32_t codePoint = problem.empty() ? escapedCharacter(place) : -1; codePoint >= 0) {
        literal(place, codePoint);
      }
      break;
    }
    default: literal(place, nextCodePoint(text, at));
    }
    quantifiers(begin);
  }
}

Expected<std::string> translatePattern(StringRef expression) {
  if (Error error = checkUtf8(expression, "a regular expression"))
    return error;
  return Translator(expression).run();
}

} // namespace gptc::runtime
