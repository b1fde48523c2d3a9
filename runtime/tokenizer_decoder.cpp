#include "runtime/tokenizer_decoder.h"

#include "runtime/tokenizer_normalizer.h"
#include "runtime/tokenizer_symbols.h"
#include "runtime/utf8.h"

#include "llvm/ADT/StringExtras.h"

using llvm::Expected;
using llvm::StringRef;

namespace gptc::runtime {

//===-- Reading ------------------------------------------------------------------===//

Decoder Decoder::byteLevel() {
  Decoder made;
  made.steps.push_back({Kind::Bytes, {}, {}});
  return made;
}

void Decoder::readMetaspace(JsonPart &part) {
  std::string sign = part.text("replacement").str();
  bool prefix = part.flag("add_prefix_space", true); // of old files
  StringRef scheme = part.text("prepend_scheme", false);
  if (!scheme.empty() && scheme != "always" && scheme != "first" && scheme != "never")
    part.wrong("prepend_scheme", "{} is not supported; always, first and never are",
               part.shown("prepend_scheme"));
  (void)part.value("str_rep");
  (void)part.flag("split", true); // for encoders
  if (sign.empty())
    return part.wrong("replacement", "{} is not one character", part.shown("replacement"));
  Step step = {Kind::Metaspace, " ", Pattern::string(sign)};
  step.skipsFirst = scheme.empty() ? prefix : scheme != "never";
  steps.push_back(std::move(step));
}

void Decoder::read(JsonPart part) {
  StringRef type = part.text("type");
  if (type == "Sequence") {
    for (JsonPart &inner : part.parts("decoders"))
      read(inner);
  } else if (type == "ByteLevel") {
    for (const char *choice : {"add_prefix_space", "trim_offsets", "use_regex"}) // for encoders
      (void)part.flag(choice, true);
    steps.push_back({Kind::Bytes, {}, {}});
  } else if (type == "ByteFallback" || type == "Fuse") {
    steps.push_back({type == "Fuse" ? Kind::Fuse : Kind::ByteFallback, {}, {}});
  } else if (type == "Metaspace") {
    readMetaspace(part);
  } else if (type == "Replace") {
    std::string content = part.text("content").str();
    steps.push_back({Kind::Replace, std::move(content), readPattern(part)});
  } else if (type == "Strip") {
    Step step = {Kind::Strip, part.text("content").str(), {}};
    step.start = part.integer("start").value_or(0);
    step.stop = part.integer("stop").value_or(0);
    if (step.start < 0 || step.stop < 0)
      part.wrong(step.start < 0 ? "start" : "stop", "a count below 0");
    if (step.content.empty())
      part.wrong("content", "{} is not one character", part.shown("content"));
    steps.push_back(std::move(step));
  } else {
    part.wrong(
        "type",
        "{} is not supported; ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence and Strip are",
        part.shown("type"));
  }
  part.done();
}

void Decoder::finish(JsonPart part) {
  bool fused = false;
  for (const Step &step : steps) {
    fused |= step.kind == Kind::Fuse || step.kind == Kind::Bytes;
    if (fused && step.kind == Kind::Strip && step.stop > 0)
      part.wrong("decoder",
                 "a Strip with 'stop' behind Fuse is not supported: where a text ends is not known while "
                 "its tokens come");
  }
}

//===-- Running ------------------------------------------------------------------===//

// The byte that a token of byte fallback stands for: <0x0A>.
static std::optional<char> fallbackByte(StringRef token) {
  unsigned byte;
  if (token.size() != 6 || !token.starts_with("<0x") || !token.ends_with(">") ||
      !llvm::isHexDigit(token[3]) || !llvm::isHexDigit(token[4]) || token.slice(3, 5).getAsInteger(16, byte))
    return std::nullopt;
  return char(byte);
}

static std::string replaced(StringRef text, const Pattern &pattern, StringRef by) {
  Expected<std::optional<std::string>> result = replaceAll(text, pattern, by);
  if (!result) {
    llvm::consumeError(result.takeError()); // backtracking without end: then nothing is replaced
    return text.str();
  }
  return *result ? std::move(**result) : text.str();
}

static StringRef stripped(StringRef text, StringRef content, int64_t start, int64_t stop) {
  while (start-- > 0 && text.consume_front(content)) {}
  while (stop-- > 0 && text.consume_back(content)) {}
  return text;
}

static std::string rawBytes(StringRef token) {
  std::optional<std::string> bytes = symbolBytes(token);
  return bytes ? std::move(*bytes) : token.str();
}

// Bytes of fallback in a row are text together, or each is U+FFFD.
static std::vector<std::string> joinBytes(llvm::ArrayRef<std::string> tokens) {
  std::vector<std::string> joined;
  std::string bytes;
  auto flush = [&] {
    bool valid = true;
    for (size_t at = 0; at < bytes.size() && valid;)
      valid = nextCodePoint(bytes, at) >= 0;
    if (valid && !bytes.empty())
      joined.push_back(bytes);
    else
      joined.insert(joined.end(), bytes.size(), "\uFFFD");
    bytes.clear();
  };
  for (const std::string &token : tokens) {
    if (std::optional<char> byte = fallbackByte(token)) {
      bytes += *byte;
      continue;
    }
    flush();
    joined.push_back(token);
  }
  flush();
  return joined;
}

static std::string join(llvm::ArrayRef<std::string> parts) {
  std::string text;
  for (const std::string &part : parts)
    text += part;
  return text;
}

std::string Decoder::text(std::vector<std::string> tokens) const {
  for (const Step &step : steps) {
    switch (step.kind) {
    case Kind::Bytes: {
      std::string bytes;
      for (const std::string &token : tokens)
        bytes += rawBytes(token);
      tokens = {repairUtf8(bytes, /*byParts=*/true)};
      break;
    }
    case Kind::ByteFallback: tokens = joinBytes(tokens); break;
    case Kind::Metaspace:
      for (size_t i = 0; i < tokens.size(); ++i)
        tokens[i] = replaced(tokens[i], step.pattern, i == 0 && step.skipsFirst ? "" : " ");
      break;
    case Kind::Replace:
      for (std::string &token : tokens)
        token = replaced(token, step.pattern, step.content);
      break;
    case Kind::Fuse: tokens = {join(tokens)}; break;
    case Kind::Strip:
      for (std::string &token : tokens)
        token = stripped(token, step.content, step.start, step.stop).str();
      break;
    }
  }
  if (!empty())
    return join(tokens);
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i)
    text += (i > 0 ? " " : "") + tokens[i];
  return text;
}

std::string Decoder::bytes(StringRef token, bool first) const {
  std::string text = token.str();
  bool raw = false, fused = false; // raw: no characters any more
  for (const Step &step : steps) {
    switch (step.kind) {
    case Kind::Bytes:
      text = rawBytes(text);
      raw = fused = true;
      break;
    case Kind::ByteFallback:
      if (std::optional<char> byte = fallbackByte(text)) {
        text.assign(1, *byte);
        raw = true;
      }
      break;
    case Kind::Metaspace:
      if (!raw)
        text = replaced(text, step.pattern, first && step.skipsFirst ? "" : " ");
      break;
    case Kind::Replace:
      if (!raw)
        text = replaced(text, step.pattern, step.content);
      break;
    case Kind::Fuse: fused = true; break;
    case Kind::Strip:
      if (!fused || first)
        text = stripped(text, step.content, step.start, step.stop).str();
      break;
    }
  }
  return text;
}

} // namespace gptc::runtime
