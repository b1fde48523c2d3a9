// Where the time of a program goes: wall time of each kernel's launches.
#pragma once

#include "runtime/program.h"

#include <map>
#include <string>

namespace gptc::runtime {

/// Filled by the pool on the launching thread; a launch's time runs until its last piece is done.
class Profile {
public:
  void add(gptc_kernel kernel, int64_t nanoseconds) {
    Entry &entry = entries[kernel];
    entry.nanoseconds += nanoseconds;
    ++entry.launches;
  }
  void clear() { entries.clear(); }
  /// A table of the program's kernels, the longest first, with the share of all time in kernels,
  /// milliseconds and launches a run, and the line of the model. `runs`: of the program since clear().
  std::string print(const Program &program, int64_t runs) const;

private:
  struct Entry {
    int64_t nanoseconds = 0, launches = 0;
  };
  std::map<gptc_kernel, Entry> entries;
};

} // namespace gptc::runtime
