// What control groups allow; how many threads to start.
#include "runtime/memory.h"
#include "runtime/pool.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <algorithm>
#include <sched.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
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

static double bytesAt(llvm::StringRef directory, bool second) {
  double bytes = 0;
  std::string text = readControl(directory + (second ? "/memory.max" : "/memory.limit_in_bytes"));
  return llvm::to_float(llvm::StringRef(text), bytes) ? bytes : 0; // "max", or no such file
}

// Reads a limit at a directory; 0: there is none. `second`: of control groups v2.
using Limit = double (*)(llvm::StringRef directory, bool second);

static double tighter(double a, double b) {
  return a > 0 && b > 0 ? std::min(a, b) : std::max(a, b);
}

// The tightest limit from `path` up to the mount. Inside a container the path
// is often the host's and missing here; then only the mount itself counts.
static double limitUp(Limit limit, llvm::StringRef mount, llvm::StringRef path, bool second) {
  double least = 0;
  std::string directory = (mount + path).str();
  for (;;) {
    least = tighter(least, limit(directory, second));
    if (directory.size() <= mount.size())
      return least;
    directory = llvm::sys::path::parent_path(directory).str();
  }
}

static double cgroupLimit(Limit limit, llvm::StringRef controller, llvm::ArrayRef<llvm::StringRef> mounts,
                          llvm::StringRef membership, llvm::StringRef root) {
  double least = 0;
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
      least = tighter(least, limitUp(limit, root, path, true));
      continue;
    }
    llvm::SmallVector<llvm::StringRef> names;
    controllers.split(names, ',');
    if (llvm::is_contained(names, controller))
      for (llvm::StringRef mount : mounts)
        least = tighter(least, limitUp(limit, (root + mount).str(), path, false));
  }
  return least;
}

double cgroupCores(llvm::StringRef membership, llvm::StringRef root) {
  return cgroupLimit(coresAt, "cpu", {"/cpu", "/cpu,cpuacct"}, membership, root);
}

double cgroupBytes(llvm::StringRef membership, llvm::StringRef root) {
  return cgroupLimit(bytesAt, "memory", {"/memory"}, membership, root);
}

int64_t machineMemory() {
  double bytes = double(int64_t(1) << 46);
  struct sysinfo info;
  if (sysinfo(&info) == 0)
    bytes = (double(info.totalram) + double(info.totalswap)) * double(info.mem_unit);
  bytes = tighter(bytes, cgroupBytes(readControl("/proc/self/cgroup"), "/sys/fs/cgroup"));
  rlimit space;
  if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
    bytes = tighter(bytes, double(space.rlim_cur));
  return int64_t(bytes);
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
