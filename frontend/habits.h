// Words and signs of other languages: what is written here instead.
#pragma once

#include <string>
#include <string_view>

namespace gptc {

/// A sign that is an operator elsewhere.
struct ForeignSign {
  const char *sign;
  const char *meant; // the token that stands for it, so that one mistake is one error
  const char *help;
};
/// The longest that `text` starts with; null where it starts with none.
const ForeignSign *foreignSign(std::string_view text);

/// What helps whoever starts a line with this word; "" where nothing is known.
std::string helpForStatement(const std::string &word);
/// Whoever calls a function or block of this name.
std::string helpForFunction(const std::string &name);
/// Whoever writes `x.name`.
std::string helpForMember(const std::string &name);
/// Whoever uses this name as a value, or as an index of its own.
std::string helpForName(const std::string &name);
/// Is this what other libraries call the dimension of examples?
bool namesTheBatch(const std::string &name);

} // namespace gptc
