// Strings that end a text.
#pragma once

#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace gptc::runtime {

/// Cuts a text that comes in pieces off before the first of some strings. The text that may be the beginning of one is held
/// back, so that what comes out does not depend on where the pieces end. Of whole characters in come whole characters out.
class StopFinder {
public:
  /// Empty ones stop nothing.
  explicit StopFinder(std::vector<std::string> stops);
  /// What is sure to stand before any stop.
  std::string push(llvm::StringRef text);
  /// What was held back, at the end of the text.
  std::string finish();
  /// Whether a stop has come. Nothing comes out from then on.
  bool found() const { return stopped; }

private:
  std::vector<std::string> stops;
  std::string pending;
  bool stopped = false;
};

} // namespace gptc::runtime
