#include "runtime/tokenizer_pretokenizer.h"

#include "runtime/tokenizer_normalizer.h"
#include "runtime/tokenizer_symbols.h"
#include "runtime/tokenizer_words.h"
#include "runtime/utf8.h"

using llvm::Error;
using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

//===-- Reading ------------------------------------------------------------------===//

PreTokenizer PreTokenizer::words() {
  PreTokenizer made;
  made.steps.push_back({Kind::Words, Behavior::Isolated, false, {}, {}});
  made.wordsAreBytes = true;
  return made;
}

static Pattern regex(StringRef expression) {
  return llvm::cantFail(Pattern::regex(expression));
}

PreTokenizer::Behavior PreTokenizer::readBehavior(JsonPart &part, bool needed) {
  static constexpr std::pair<StringRef, Behavior> behaviors[] = {
      {"Removed", Behavior::Removed},
      {"Isolated", Behavior::Isolated},
      {"MergedWithPrevious", Behavior::MergedWithPrevious},
      {"MergedWithNext", Behavior::MergedWithNext},
      {"Contiguous", Behavior::Contiguous}};
  if (!needed && !part.has("behavior"))
    return Behavior::Isolated;
  StringRef name = part.text("behavior");
  for (auto [known, behavior] : behaviors)
    if (name == known)
      return behavior;
  part.wrong("behavior",
             "{} is not supported; Removed, Isolated, MergedWithPrevious, MergedWithNext and Contiguous are",
             part.shown("behavior"));
  return Behavior::Isolated;
}

static std::string readCharacter(JsonPart &part, StringRef name) {
  StringRef text = part.text(name);
  size_t at = 0;
  if (text.empty() || nextCodePoint(text, at) < 0 || at != text.size())
    part.wrong(name, "{} is not one character", part.shown(name));
  return text.empty() ? " " : text.str();
}

void PreTokenizer::readMetaspace(JsonPart &part) {
  std::string sign = readCharacter(part, "replacement");
  bool prefix = part.flag("add_prefix_space", true); // of old files
  StringRef scheme = part.text("prepend_scheme", false);
  if (scheme.empty())
    scheme = prefix ? "always" : "never";
  (void)part.value("str_rep"); // of old files: the sign again
  steps.push_back({Kind::Replace, Behavior::Isolated, false, sign, Pattern::string(" ")});
  if (scheme == "always" || scheme == "first")
    steps.push_back(
        {scheme == "first" ? Kind::PrependFirst : Kind::Prepend, Behavior::Isolated, false, sign, {}});
  else if (scheme != "never")
    part.wrong("prepend_scheme", "{} is not supported; always, first and never are",
               part.shown("prepend_scheme"));
  if (part.flag("split", true))
    split(Pattern::string(sign), Behavior::MergedWithNext);
}

void PreTokenizer::read(JsonPart part) {
  StringRef type = part.text("type");
  if (type == "Sequence") {
    for (JsonPart &inner : part.parts("pretokenizers"))
      read(inner);
  } else if (type == "ByteLevel") {
    (void)part.flag("trim_offsets", true); // offsets are not asked for
    if (part.flag("add_prefix_space", true))
      steps.push_back({Kind::Prepend, Behavior::Isolated, false, " ", {}});
    if (part.flag("use_regex", true))
      steps.push_back({Kind::Words, Behavior::Isolated, false, {}, {}});
    steps.push_back({Kind::Bytes, Behavior::Isolated, false, {}, {}});
  } else if (type == "Split") {
    Behavior behavior = readBehavior(part, true);
    bool invert = part.flag("invert", false);
    split(readPattern(part), behavior, invert);
  } else if (type == "Metaspace") {
    readMetaspace(part);
  } else if (type == "CharDelimiterSplit") {
    split(Pattern::string(readCharacter(part, "delimiter")), Behavior::Removed);
  } else if (type == "Digits") {
    split(regex("\\p{N}"), part.flag("individual_digits", false) ? Behavior::Isolated : Behavior::Contiguous);
  } else if (type == "Punctuation") {
    split(regex("[\\p{P}$+<=>\\^`|~]"), readBehavior(part, false));
  } else if (type == "Whitespace") {
    const char *word = "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\u200C\\u200D\\u24B6-\\u24E9\\x{1F130}-\\x{1F149}"
                       "\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}";
    split(regex(fmt::format("[{0}]+|[^{0}\\s]+", word)), Behavior::Removed, /*invert=*/true);
  } else if (type == "WhitespaceSplit") {
    split(regex("\\s"), Behavior::Removed);
  } else {
    part.wrong("type",
               "{} is not supported; ByteLevel, CharDelimiterSplit, Digits, Metaspace, Punctuation, "
               "Sequence, Split, "
               "Whitespace and WhitespaceSplit are",
               part.shown("type"));
  }
  part.done();
}

void PreTokenizer::finish() {
  wordsAreBytes = !steps.empty() && steps.back().kind == Kind::Bytes;
  if (wordsAreBytes)
    steps.pop_back();
}

bool PreTokenizer::looksAtStart() const {
  return llvm::any_of(steps, [](const Step &step) { return step.kind == Kind::PrependFirst; });
}

//===-- Running ------------------------------------------------------------------===//

Error PreTokenizer::run(size_t step, StringRef part, bool first, Word word) const {
  if (part.empty())
    return Error::success();
  if (step == steps.size())
    return word(part);
  const Step &now = steps[step];
  switch (now.kind) {
  case Kind::Words: return runWords(step, part, first, word);
  case Kind::Split: return runSplit(step, part, first, word);
  case Kind::PrependFirst:
  case Kind::Prepend:
    if (part.starts_with(now.content) || (now.kind == Kind::PrependFirst && !first))
      return run(step + 1, part, first, word);
    return run(step + 1, now.content + part.str(), first, word);
  case Kind::Bytes: return run(step + 1, byteSymbols(part), first, word);
  case Kind::Replace:
    Expected<std::optional<std::string>> replaced = replaceAll(part, now.pattern, now.content);
    if (!replaced)
      return replaced.takeError();
    return run(step + 1, *replaced ? StringRef(**replaced) : part, first, word);
  }
  return Error::success();
}

Error PreTokenizer::runWords(size_t step, StringRef part, bool first, Word word) const {
  for (size_t at = 0; at < part.size(); first = false)
    if (Error error = run(step + 1, nextWord(part, at), first, word))
      return error;
  return Error::success();
}

namespace {

/// Joins matches and what lies between them.
struct Pending {
  size_t begin = 0, end = 0;
  bool any = false, isMatch = false;
};

} // namespace

Error PreTokenizer::runSplit(size_t step, StringRef part, bool first, Word word) const {
  const Step &now = steps[step];
  Pending pending;
  bool previousMatch = false;
  auto flush = [&]() -> Error {
    if (!pending.any)
      return Error::success();
    pending.any = false;
    return run(step + 1, part.slice(pending.begin, pending.end), first && pending.begin == 0, word);
  };
  auto add = [&](size_t begin, size_t end, bool isMatch) -> Error {
    isMatch ^= now.invert;
    bool joins = false;
    switch (now.behavior) {
    case Behavior::Removed: break;
    case Behavior::Isolated: break;
    case Behavior::Contiguous: joins = isMatch == previousMatch; break;
    case Behavior::MergedWithPrevious: joins = isMatch && !previousMatch; break;
    case Behavior::MergedWithNext: joins = !isMatch && pending.isMatch; break;
    }
    previousMatch = isMatch;
    if (joins && pending.any) {
      pending.end = end;
      pending.isMatch = isMatch;
      return Error::success();
    }
    if (Error error = flush())
      return error;
    pending = {begin, end, now.behavior != Behavior::Removed || !isMatch, isMatch};
    return Error::success();
  };
  size_t done = 0;
  Pattern::Matches matches(now.pattern, part);
  while (std::optional<Pattern::Match> match = matches.next()) {
    if (match->first > done)
      if (Error error = add(done, match->first, false))
        return error;
    if (Error error = add(match->first, match->second, true))
      return error;
    done = match->second;
  }
  if (Error error = matches.takeError())
    return error;
  if (done < part.size())
    if (Error error = add(done, part.size(), false))
      return error;
  return flush();
}

} // namespace gptc::runtime
