#include "runtime/stop.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <tuple>
#include <utility>

using llvm::StringRef;

namespace gptc::runtime {

StopFinder::StopFinder(std::vector<std::string> strings) : stops(std::move(strings)) {
  llvm::erase_if(stops, [](const std::string &stop) { return stop.empty(); });
}

std::string StopFinder::push(StringRef text) {
  if (stopped)
    return "";
  pending += text;
  // The one that ends first: a text that comes byte by byte would be cut there.
  size_t begin = std::string::npos, end = std::string::npos;
  for (const std::string &stop : stops) {
    size_t at = pending.find(stop);
    if (at != std::string::npos && std::pair(at + stop.size(), at) < std::pair(end, begin))
      std::tie(end, begin) = std::pair(at + stop.size(), at);
  }
  stopped = begin != std::string::npos;
  size_t held = 0;
  if (!stopped)
    for (const std::string &stop : stops)
      for (size_t length = std::min(stop.size() - 1, pending.size()); length > held; --length)
        if (StringRef(pending).ends_with(StringRef(stop).take_front(length)))
          held = length;
  std::string sure = pending.substr(0, stopped ? begin : pending.size() - held);
  pending.erase(0, stopped ? std::string::npos : sure.size());
  return sure;
}

std::string StopFinder::finish() { return std::exchange(pending, ""); }

} // namespace gptc::runtime
