// Errors of the runtime: llvm::Error with a message that is ready for the user.
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <fmt/format.h>

template <> struct fmt::formatter<llvm::StringRef> : fmt::formatter<fmt::string_view> {
  template <typename Context> auto format(llvm::StringRef text, Context &context) const {
    return fmt::formatter<fmt::string_view>::format(fmt::string_view(text.data(), text.size()), context);
  }
};

namespace gptc::runtime {

/// An error whose message is the formatted text.
template <typename... Args> llvm::Error failure(fmt::format_string<Args...> format, Args &&...args) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                 fmt::format(format, std::forward<Args>(args)...));
}

/// The same for a system call that failed with `code` (errno); the message says it at its end.
template <typename... Args>
llvm::Error systemFailure(int code, fmt::format_string<Args...> format, Args &&...args) {
  std::error_code error(code, std::generic_category());
  return llvm::createStringError(
      error, fmt::format(format, std::forward<Args>(args)...) + ": " + error.message());
}

} // namespace gptc::runtime
