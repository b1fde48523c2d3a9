#include "runtime/utf8.h"

namespace gptc::runtime {

// Length of the character that a first byte announces; 0: none starts so.
static size_t announced(unsigned char byte) {
  if (byte < 0x80)
    return 1;
  if (byte >= 0xC2 && byte < 0xE0)
    return 2;
  if (byte >= 0xE0 && byte < 0xF0)
    return 3;
  return byte >= 0xF0 && byte < 0xF5 ? 4 : 0;
}

// Whether `second` may follow `first`: keeps out overlong forms, surrogates
// and what lies above U+10FFFF.
static bool mayFollow(unsigned char first, unsigned char second) {
  switch (first) {
  case 0xE0: return second >= 0xA0 && second < 0xC0;
  case 0xED: return second >= 0x80 && second < 0xA0;
  case 0xF0: return second >= 0x90 && second < 0xC0;
  case 0xF4: return second >= 0x80 && second < 0x90;
  default: return second >= 0x80 && second < 0xC0;
  }
}

// Valid bytes of the character at the start, which announces `length`.
static size_t validBytes(llvm::StringRef text, size_t length) {
  size_t valid = 1;
  while (valid < length && valid < text.size()) {
    unsigned char byte = text[valid];
    if (valid == 1 ? !mayFollow(text[0], byte) : byte < 0x80 || byte >= 0xC0)
      break;
    ++valid;
  }
  return valid;
}

int32_t nextCodePoint(llvm::StringRef text, size_t &at) {
  unsigned char first = text[at];
  if (first < 0x80) {
    ++at;
    return first;
  }
  size_t length = announced(first);
  if (length == 0 || validBytes(text.substr(at), length) != length)
    return -1;
  int32_t codePoint = first & (0xFF >> (length + 1));
  for (size_t i = 1; i < length; ++i)
    codePoint = codePoint << 6 | (text[at + i] & 0x3F);
  at += length;
  return codePoint;
}

void appendCodePoint(std::string &text, int32_t codePoint) {
  uint32_t c = uint32_t(codePoint);
  if (c < 0x80) {
    text += char(c);
  } else if (c < 0x800) {
    text += {char(0xC0 | c >> 6), char(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    text += {char(0xE0 | c >> 12), char(0x80 | (c >> 6 & 0x3F)), char(0x80 | (c & 0x3F))};
  } else {
    text += {char(0xF0 | c >> 18), char(0x80 | (c >> 12 & 0x3F)), char(0x80 | (c >> 6 & 0x3F)),
             char(0x80 | (c & 0x3F))};
  }
}

llvm::Error checkUtf8(llvm::StringRef text, llvm::StringRef source) {
  return checkUtf8(text, text, source);
}

llvm::Error checkUtf8(llvm::StringRef part, llvm::StringRef whole, llvm::StringRef source) {
  for (size_t at = 0; at < part.size();) {
    if (nextCodePoint(part, at) >= 0)
      continue;
    size_t offset = size_t(part.data() - whole.data()) + at;
    return failure("{}:{}: not valid UTF-8: byte 0x{:02x} at offset {}", source,
                   whole.take_front(offset).count('\n') + 1, unsigned(static_cast<unsigned char>(part[at])),
                   offset);
  }
  return llvm::Error::success();
}

llvm::Expected<llvm::StringRef> plainText(llvm::StringRef bytes, llvm::StringRef source) {
  // Of UTF-16 and UTF-32 without a mark, ASCII has zero bytes at every second place or more.
  auto zeros = [&](size_t width, size_t place) {
    size_t units = std::min<size_t>(bytes.size() / width, 64), count = 0;
    for (size_t unit = 0; unit < units; ++unit) {
      llvm::StringRef of = bytes.substr(unit * width, width);
      count += of[place] == 0 && of[width - 1 - place] != 0 && of.count('\0') == width - 1;
    }
    return units >= 2 && count * 4 >= units * 3;
  };
  using llvm::StringRef;
  const char *other = nullptr;
  if (bytes.starts_with(StringRef("\xFF\xFE\0\0", 4)) || bytes.starts_with(StringRef("\0\0\xFE\xFF", 4)) ||
      zeros(4, 0) || zeros(4, 3))
    other = "UTF-32";
  else if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF") || zeros(2, 0) || zeros(2, 1))
    other = "UTF-16";
  if (other)
    return failure("{}: the text is in {}; save it as UTF-8 (`iconv -f {} -t UTF-8`)", source, other, other);
  bytes.consume_front("\xEF\xBB\xBF");
  return bytes;
}

size_t characterCount(llvm::StringRef text) {
  size_t count = 0;
  for (unsigned char c : text)
    count += (c & 0xC0) != 0x80;
  return count;
}

std::string describeCharacter(int32_t codePoint) {
  std::string text;
  if (codePoint == '\n')
    text = "\\n";
  else if (codePoint == '\t')
    text = "\\t";
  else if (codePoint == '\r')
    text = "\\r";
  else if (codePoint >= 0x20 && (codePoint < 0x7F || codePoint > 0xA0))
    appendCodePoint(text, codePoint);
  return fmt::format("'{}' (U+{:04X})", text, codePoint);
}

std::string shown(llvm::StringRef text) {
  constexpr size_t longest = 60;
  std::string result;
  for (size_t at = 0, count = 0; at < text.size(); ++count) {
    if (count == longest)
      return fmt::format("{}... ({} bytes)", result, text.size());
    size_t first = at;
    int32_t codePoint = nextCodePoint(text, at);
    if (codePoint == '\n')
      result += "\\n";
    else if (codePoint == '\t')
      result += "\\t";
    else if (codePoint == '\r')
      result += "\\r";
    else if (codePoint >= 0x20 && (codePoint < 0x7F || codePoint > 0xA0))
      result += text.slice(first, at);
    else
      for (at = std::max(at, first + 1); first < at; ++first)
        result += fmt::format("\\x{:02x}", unsigned(static_cast<unsigned char>(text[first])));
  }
  return result;
}

size_t wholeCharacters(llvm::StringRef bytes) {
  size_t size = bytes.size();
  for (size_t back = 1; back <= 3 && back <= size; ++back) {
    unsigned char byte = bytes[size - back];
    if (byte >= 0x80 && byte < 0xC0)
      continue;
    // The last character's first byte; cut where it is valid but unfinished.
    size_t length = announced(byte);
    bool unfinished = length > back && validBytes(bytes.take_back(back), length) == back;
    return unfinished ? size - back : size;
  }
  return size;
}

std::string repairUtf8(llvm::StringRef bytes, bool byParts) {
  std::string text;
  for (size_t at = 0; at < bytes.size();) {
    int32_t codePoint = nextCodePoint(bytes, at);
    if (codePoint < 0) {
      codePoint = 0xFFFD;
      size_t length = byParts ? announced(bytes[at]) : 0;
      at += length == 0 ? 1 : validBytes(bytes.substr(at), length);
    }
    appendCodePoint(text, codePoint);
  }
  return text;
}

} // namespace gptc::runtime
