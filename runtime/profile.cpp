#include "runtime/profile.h"

#include <fmt/format.h>

#include <algorithm>

namespace gptc::runtime {

std::string Profile::print(const Program &program, int64_t runs) const {
  struct Row {
    const KernelInfo *kernel;
    Entry entry;
  };
  std::vector<Row> rows;
  int64_t total = 0;
  for (const KernelInfo &kernel : program.kernels) {
    auto found = entries.find(kernel.function);
    if (found == entries.end())
      continue;
    rows.push_back({&kernel, found->second});
    total += found->second.nanoseconds;
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row &a, const Row &b) { return a.entry.nanoseconds > b.entry.nanoseconds; });
  double steps = double(std::max<int64_t>(runs, 1));
  std::string text = fmt::format("{:>6}  {:>9}  {:>7}  {}\n", "share", "ms a step", "calls", "kernel");
  for (const Row &row : rows)
    text += fmt::format("{:>5.1f}%  {:>9.3f}  {:>7.1f}  {}  {}\n",
                        100.0 * double(row.entry.nanoseconds) / double(std::max<int64_t>(total, 1)),
                        double(row.entry.nanoseconds) * 1e-6 / steps, double(row.entry.launches) / steps,
                        row.kernel->name, row.kernel->source);
  return text + fmt::format("{:>6}  {:>9.3f}  {:>7}  in kernels, of {} steps\n", "", double(total) * 1e-6 / steps, "",
                            runs);
}

} // namespace gptc::runtime
