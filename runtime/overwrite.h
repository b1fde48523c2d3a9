// Another run in the place of one that is there.
#pragma once

#include "runtime/error.h"

namespace gptc::runtime {

/// A run that stands aside, under another name beside its own, until it is known that the
/// new one has begun: then remove(). Destroyed before that, it goes back to its place, if
/// that is free.
class RunAside {
public:
  /// Moves the run at `path` aside. Errors: a directory that is no run, one in use by a
  /// process that trains in it. Where nothing is there, or an empty directory, nothing is moved.
  static llvm::Expected<RunAside> move(llvm::StringRef path);
  RunAside(RunAside &&other) noexcept : place(std::move(other.place)), aside(std::move(other.aside)) {
    other.aside.clear();
  }
  RunAside &operator=(RunAside &&) = delete;
  ~RunAside();

  void remove();

private:
  RunAside() = default;
  std::string place, aside; // aside is empty where nothing was moved
};

} // namespace gptc::runtime
