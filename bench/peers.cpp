#include "peers.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <memory>
#include <optional>

#ifdef GPTC_HAVE_DNNL
#include <oneapi/dnnl/dnnl.hpp>
extern "C" void omp_set_num_threads(int); // oneDNN is built with OpenMP
#endif

using namespace gptc::bench;

namespace {

/// Zero-initialised aligned memory with made-up numbers: floats, or the upper
/// halves of floats as bf16.
std::shared_ptr<char> operand(int64_t elements, bool bf16) {
  int64_t bytes = (elements * (bf16 ? 2 : 4) + 63) / 64 * 64;
  std::shared_ptr<char> memory(static_cast<char *>(std::aligned_alloc(64, bytes)), std::free);
  uint32_t state = 1;
  for (int64_t i = 0; i < elements; ++i) {
    state = state * 1664525u + 1013904223u;
    float value = float(int32_t(state)) * 0x1p-31f;
    uint32_t word;
    std::memcpy(&word, &value, 4);
    uint16_t upper = uint16_t(word >> 16);
    if (bf16)
      std::memcpy(memory.get() + 2 * i, &upper, 2);
    else
      std::memcpy(memory.get() + 4 * i, &value, 4);
  }
  return memory;
}

struct Operands {
  std::shared_ptr<char> a, b, c;
  explicit Operands(const Product &p)
      : a(operand(p.m * p.k, p.bf16)), b(operand(p.k * p.n, p.bf16)), c(operand(p.m * p.n, false)) {}
};

std::optional<Peer> openBlas() {
  // The Debian package's own place: the system's default BLAS may be another.
  void *library = dlopen("/usr/lib/x86_64-linux-gnu/openblas-openmp/libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return std::nullopt;
  using Sgemm = void (*)(int, int, int, int, int, int, float, const float *, int, const float *, int, float,
                         float *, int);
  auto sgemm = reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
  auto setThreads = reinterpret_cast<void (*)(int)>(dlsym(library, "openblas_set_num_threads"));
  auto config = reinterpret_cast<const char *(*)()>(dlsym(library, "openblas_get_config"));
  auto core = reinterpret_cast<const char *(*)()>(dlsym(library, "openblas_get_corename"));
  if (!sgemm || !setThreads)
    return std::nullopt;
  Peer peer;
  peer.name = "OpenBLAS";
  std::string words = config ? config() : "";
  if (words.rfind("OpenBLAS ", 0) == 0) // "OpenBLAS 0.3.21 NO_LAPACKE ..."
    peer.version = words.substr(9, words.find(' ', 9) - 9);
  if (core)
    peer.version += std::string(" ") + core();
  peer.prepare = [=](const Product &p, int threads) -> std::function<void()> {
    if (p.bf16)
      return nullptr;
    auto data = std::make_shared<Operands>(p);
    return [=] {
      constexpr int rowMajor = 101, plain = 111, transposed = 112;
      setThreads(threads);
      sgemm(rowMajor, p.transposeA ? transposed : plain, p.transposeB ? transposed : plain, int(p.m),
            int(p.n), int(p.k), 1, reinterpret_cast<float *>(data->a.get()), int(p.transposeA ? p.m : p.k),
            reinterpret_cast<float *>(data->b.get()), int(p.transposeB ? p.k : p.n), 0,
            reinterpret_cast<float *>(data->c.get()), int(p.n));
    };
  };
  return peer;
}

#ifdef GPTC_HAVE_DNNL
Peer oneDnn() {
  using namespace dnnl;
  Peer peer;
  peer.name = "oneDNN";
  const dnnl_version_t *version = dnnl_version();
  peer.version = std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
                 std::to_string(version->patch);
  peer.bf16 = true;
  peer.prepare = [](const Product &p, int threads) -> std::function<void()> {
    omp_set_num_threads(threads);
    static engine cpu(engine::kind::cpu, 0);
    static stream order(cpu);
    auto type = p.bf16 ? memory::data_type::bf16 : memory::data_type::f32;
    auto shape = [&](int64_t rows, int64_t columns, memory::data_type type, bool transposed) {
      return memory::desc({rows, columns}, type,
                          transposed ? memory::format_tag::ba : memory::format_tag::ab);
    };
    memory::desc a = shape(p.m, p.k, type, p.transposeA), b = shape(p.k, p.n, type, p.transposeB),
                 c = shape(p.m, p.n, memory::data_type::f32, false);
    // Without exceptions an impossible primitive is an empty one.
    matmul::primitive_desc how(matmul::desc(a, b, c), cpu, /*allow_empty=*/true);
    if (!how)
      return nullptr;
    auto data = std::make_shared<Operands>(p);
    auto run = std::make_shared<matmul>(how);
    memory x(a, cpu, data->a.get()), y(b, cpu, data->b.get()), z(c, cpu, data->c.get());
    return [=, keep = data] {
      omp_set_num_threads(threads);
      run->execute(order, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, y}, {DNNL_ARG_DST, z}});
      order.wait();
    };
  };
  return peer;
}
#endif

} // namespace

const std::vector<Peer> &gptc::bench::peers() {
  static const std::vector<Peer> found = [] {
    std::vector<Peer> list;
    if (auto peer = openBlas())
      list.push_back(std::move(*peer));
#ifdef GPTC_HAVE_DNNL
    list.push_back(oneDnn());
#endif
    return list;
  }();
  return found;
}
