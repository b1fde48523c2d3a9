// Files of the checkout that tests read. Their folder is compiled into one file, so that a compiler cache serves the
// others in every checkout.
#pragma once

#include <string>

namespace gptc::test {

/// The path of a file, given from the checkout's root.
std::string sourcePath(const std::string &file);
/// Its text; "" where it is not there.
std::string sourceText(const std::string &file);

} // namespace gptc::test
