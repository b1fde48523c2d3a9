// How many threads to start: affinity and control groups.
#include "runtime/pool.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <algorithm>
#include <sched.h>
#include <unistd.h>

namespace gptc::runtime {

// Control files are in a file system without sizes: read as a stream.
static std::string readControl(const llvm::Twine &path) {
  auto buffer = llvm::MemoryBuffer::getFileAsStream(path);
  return buffer ? (*buffer)->getBuffer().trim().str() : std::string();
}

static double coresAt(llvm::StringRef directory, bool second) {
  double quota = 0, period = 0;
  if (second) {
    std::string text = readControl(directory + "/cpu.max");
    auto [first, rest] = llvm::StringRef(text).split(' ');
    if (!llvm::to_float(first, quota) || !llvm::to_float(rest.trim(), period))
      return 0; // "max 100000", or no such file
  } else {
    if (!llvm::to_float(llvm::StringRef(readControl(directory + "/cpu.cfs_quota_us")), quota) ||
        !llvm::to_float(llvm::StringRef(readControl(directory + "/cpu.cfs_period_us")), period))
      return 0;
  }
  return quota > 0 && period > 0 ? quota / period : 0;
}

// The tightest quota from `path` up to the mount. Inside a container the path
// is often the host's and missing here; then only the mount itself counts.
static double coresUp(llvm::StringRef mount, llvm::StringRef path, bool second) {
  double least = 0;
  std::string directory = (mount + path).str();
  for (;;) {
    double cores = coresAt(directory, second);
    if (cores > 0 && (least == 0 || cores < least))
      least = cores;
    if (directory.size() <= mount.size())
      return least;
    directory = llvm::sys::path::parent_path(directory).str();
  }
}

double cgroupCores(llvm::StringRef membership, llvm::StringRef root) {
  double least = 0;
  auto take = [&](double cores) {
    if (cores > 0 && (least == 0 || cores < least))
      least = cores;
  };
  llvm::SmallVector<llvm::StringRef> lines;
  membership.split(lines, '\n', -1, false);
  for (llvm::StringRef line : lines) {
    // hierarchy:controllers:path
    auto [hierarchy, rest] = line.split(':');
    auto [controllers, path] = rest.split(':');
    path = path.trim();
    if (path == "/")
      path = "";
    if (hierarchy == "0" && controllers.empty()) {
      take(coresUp(root, path, true));
      continue;
    }
    llvm::SmallVector<llvm::StringRef> names;
    controllers.split(names, ',');
    if (llvm::is_contained(names, "cpu"))
      for (llvm::StringRef mount : {"/cpu", "/cpu,cpuacct"})
        take(coresUp((root + mount).str(), path, false));
  }
  return least;
}

unsigned defaultThreads() {
  unsigned cores = 1;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    cores = unsigned(CPU_COUNT(&set));
  else if (long online = sysconf(_SC_NPROCESSORS_ONLN); online > 0)
    cores = unsigned(online); // more cores than the mask holds
  double quota = cgroupCores(readControl("/proc/self/cgroup"), "/sys/fs/cgroup");
  if (quota > 0)
    cores = std::min(cores, std::max(1u, unsigned(quota)));
  return std::max(1u, cores);
}

} // namespace gptc::runtime
