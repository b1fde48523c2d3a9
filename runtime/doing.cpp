#include "runtime/doing.h"

#include <atomic>
#include <utility>

namespace gptc::runtime {

static std::atomic<const Doing *> newest{nullptr};

Doing::Doing(std::string text) : what(std::move(text)), before(newest.exchange(this)) {}

Doing::~Doing() {
  newest = before;
}

const char *doing() {
  const Doing *now = newest;
  return now ? now->what.c_str() : nullptr;
}

} // namespace gptc::runtime
