#include "runtime/tokenizer_symbols.h"

#include "runtime/utf8.h"

using llvm::StringRef;

namespace gptc::runtime {

static constexpr int32_t firstOther = 0x100, largestSymbol = 0x143;

// Whether a byte's symbol is the character of the same number.
static bool isShown(int byte) {
  return (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
}

const std::array<uint8_t, 256> &byteOrder() {
  static const std::array<uint8_t, 256> order = [] {
    std::array<uint8_t, 256> order{};
    size_t count = 0;
    for (bool shown : {true, false})
      for (int byte = 0; byte < 256; ++byte)
        if (shown == isShown(byte))
          order[count++] = uint8_t(byte);
    return order;
  }();
  return order;
}

std::string byteSymbols(StringRef bytes) {
  static const std::array<int32_t, 256> symbolOf = [] {
    std::array<int32_t, 256> symbolOf{};
    int32_t other = firstOther;
    for (uint8_t byte : byteOrder())
      symbolOf[byte] = isShown(byte) ? byte : other++;
    return symbolOf;
  }();
  std::string text;
  for (char c : bytes)
    appendCodePoint(text, symbolOf[uint8_t(c)]);
  return text;
}

std::optional<std::string> symbolBytes(StringRef symbols) {
  static const std::array<int16_t, largestSymbol + 1> byteOf = [] {
    std::array<int16_t, largestSymbol + 1> byteOf{};
    byteOf.fill(-1);
    int32_t other = firstOther;
    for (uint8_t byte : byteOrder())
      byteOf[size_t(isShown(byte) ? byte : other++)] = byte;
    return byteOf;
  }();
  std::string bytes;
  for (size_t at = 0; at < symbols.size();) {
    int32_t codePoint = nextCodePoint(symbols, at);
    if (codePoint < 0 || codePoint > largestSymbol || byteOf[size_t(codePoint)] < 0)
      return std::nullopt;
    bytes += char(byteOf[size_t(codePoint)]);
  }
  return bytes;
}

} // namespace gptc::runtime
