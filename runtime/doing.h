// What the program is at, for the error of memory or threads that cannot be had.
#pragma once

#include <string>

namespace gptc::runtime {

/// While it lives, this is what is done: "reading text.txt". The newest one counts. Only for the main thread.
class Doing {
public:
  explicit Doing(std::string what);
  ~Doing();
  Doing(const Doing &) = delete;

private:
  std::string what;
  const Doing *before;
  friend const char *doing();
};

/// What the newest one says; null where there is none. Needs no memory.
const char *doing();

} // namespace gptc::runtime
