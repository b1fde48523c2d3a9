// Times kernels of ours, of peers, and the machine's own limits, with Google Benchmark.
#include "kernel.h"
#include "machine.h"
#include "peers.h"

#include "compiler/arguments.h"
#include "compiler/session.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fmt/format.h>
#include <map>
#include <thread>

using namespace gptc;
using namespace gptc::bench;
using benchmark::Counter;
using benchmark::State;

namespace {

/// One pool for each number of threads.
runtime::Pool &poolOf(unsigned threads) {
  static std::map<unsigned, std::unique_ptr<runtime::Pool>> pools;
  auto &pool = pools[threads];
  if (!pool)
    pool = llvm::cantFail(runtime::Pool::create(threads));
  return *pool;
}

/// Threads of whoever ran before spin a while before they sleep.
void settle() {
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

/// Runs `body` once to warm up, then as often as it takes. `amount` of `unit` is done each time.
template <typename Body> void time(State &state, const char *unit, double amount, Body body) {
  settle();
  body();
  for (auto _ : state)
    body();
  state.counters[unit] = Counter(amount * 1e-9, Counter::kIsIterationInvariantRate);
}

/// Kernels are compiled when they are first run, and once: repetitions of many take turns.
Kernel *compiled(State &state, const std::string &name, const KernelSource &source) {
  static std::map<std::string, std::unique_ptr<Kernel>> kernels;
  auto [at, isNew] = kernels.try_emplace(name);
  if (isNew) {
    auto made = Kernel::create(source);
    if (made)
      at->second = std::move(*made);
    else
      reportError(made.takeError());
  }
  if (!at->second)
    state.SkipWithError("not compiled");
  return at->second.get();
}

struct Options {
  int64_t threads = runtime::defaultThreads();
  std::string dtype = "f32";
  std::vector<std::string> shapes; ///< of contractions, MxKxN, besides the usual ones
  bool bf16() const { return dtype == "bf16"; }
};

/// Registers under `NAME/threads:N` for one thread and for all.
template <typename Function>
void registerFor(const Options &options, const std::string &name, Function function) {
  std::vector<int64_t> counts = {1};
  if (options.threads > 1)
    counts.push_back(options.threads);
  for (int64_t threads : counts)
    benchmark::RegisterBenchmark(fmt::format("{}/threads:{}", name, threads).c_str(),
                                 [=](State &state) { function(state, unsigned(threads)); })
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
}

void registerOurs(const Options &options, const std::string &name, KernelSource source, const char *unit,
                  double amount) {
  registerFor(options, name, [=](State &state, unsigned threads) {
    Kernel *kernel = compiled(state, name, source);
    if (!kernel)
      return;
    time(state, unit, amount, [&] { kernel->run(poolOf(threads)); });
    if (source.countTiles)
      state.counters["GFLOP/s by tiles"] = Counter(kernel->multiplyAdds() * 1e-9, Counter::kIsIterationInvariantRate);
  });
}

void registerMachine(const Options &options) {
  for (bool bf16 : {false, true})
    if (!bf16 || hasBf16())
      registerFor(options, bf16 ? "machine/bf16" : "machine/f32", [=](State &state, unsigned threads) {
        runtime::Pool &pool = poolOf(threads);
        time(state, "GFLOP/s", double(multiplyAdd(pool, bf16)), [&] { multiplyAdd(pool, bf16); });
      });
  static std::unique_ptr<Streams> streams;
  static const char *const names[] = {"read", "copy", "copy_past", "add", "add_past", "update", "cached"};
  for (int kind = Streams::Read; kind <= Streams::Cached; ++kind)
    registerFor(options, fmt::format("machine/{}", names[kind]), [=](State &state, unsigned threads) {
      if (!streams)
        streams = std::make_unique<Streams>();
      runtime::Pool &pool = poolOf(threads);
      auto run = [&] { return streams->run(pool, Streams::Kind(kind)); };
      time(state, "GB/s", double(run()), run);
    });
}

/// A layer and its two gradients. Shapes are those of the layer: y[m, n] = x[m, k] w[k, n].
void registerContractions(const Options &options) {
  struct Form {
    const char *name, *file;
    std::vector<std::string> data, rounded; ///< rounded: in a training step, where contractions multiply bf16
    Product (*product)(int64_t m, int64_t k, int64_t n);
  };
  static const Form forms[] = {
      {"AB",
       "linear.gpt",
       {"a"},
       {"a"},
       [](int64_t m, int64_t k, int64_t n) {
         return Product{m, k, n};
       }},
      {"AtB",
       "linear_weight_gradient.gpt",
       {"a", "dy"},
       {"a"},
       [](int64_t m, int64_t k, int64_t n) {
         return Product{k, m, n, /*transposeA=*/true};
       }},
      {"ABt",
       "linear_input_gradient.gpt",
       {"dy"},
       {},
       [](int64_t m, int64_t k, int64_t n) {
         return Product{m, n, k, false, /*transposeB=*/true};
       }},
  };
  std::vector<std::array<int64_t, 3>> shapes = {
      {1024, 768, 3072}, {1024, 3072, 768}, {1024, 768, 768}, {768, 384, 128}};
  for (llvm::StringRef text : options.shapes) {
    std::array<int64_t, 3> &shape = shapes.emplace_back();
    auto [m, rest] = text.split('x');
    auto [k, n] = rest.split('x');
    if (m.getAsInteger(10, shape[0]) || k.getAsInteger(10, shape[1]) || n.getAsInteger(10, shape[2]) ||
        *std::min_element(shape.begin(), shape.end()) < 1) {
      fmt::print(stderr, "gptc-kernels: --shape must be like 1024x768x3072, not {}\n", text.str());
      std::exit(2);
    }
  }
  for (auto [m, k, n] : shapes)
    for (const Form &form : forms) {
      double flops = 2.0 * double(m) * double(k) * double(n);
      std::string name = fmt::format("contraction/{}x{}x{}/{}/{}", m, k, n, form.name, options.dtype);
      KernelSource source;
      source.file = form.file;
      source.settings = {{"m", m}, {"k", k}, {"n", n}};
      source.data = form.data;
      source.dtype = options.dtype;
      if (options.bf16() && !form.rounded.empty())
        registerOurs(options, name + "/ours-from-f32", source, "GFLOP/s", flops);
      if (options.bf16())
        source.rounded = form.rounded;
      registerOurs(options, name + "/ours", source, "GFLOP/s", flops);
      if (form.file == std::string("linear.gpt")) {
        source.file = "product.gpt"; // as peers do it
        registerOurs(options, name + "/ours-without-epilogue", source, "GFLOP/s", flops);
      }
      Product product = form.product(m, k, n);
      product.bf16 = options.bf16();
      for (const Peer &peer : peers())
        if (!product.bf16 || peer.bf16)
          registerFor(options, name + "/" + peer.name, [=, &peer](State &state, unsigned threads) {
            auto run = peer.prepare(product, int(threads));
            if (!run)
              return state.SkipWithError("the library has no such product");
            time(state, "GFLOP/s", flops, run);
          });
    }
}

/// Arrays far beyond the caches. What is counted is read or written at least once.
void registerElementwise(const Options &options) {
  const int64_t rows = 16384, width = 1024;
  const double array = 4.0 * rows * width;
  for (const char *what : {"gelu", "softmax", "layer_norm"}) {
    KernelSource source;
    source.file = std::string(what) + ".gpt";
    source.settings = {{"rows", rows}, {"width", width}};
    source.data = {"x", "dy"};
    registerOurs(options, fmt::format("memory/{}/forward/ours", what), source, "GB/s", 2 * array);
    source.gradients = {"x", "norm.gain", "norm.shift"};
    registerOurs(options, fmt::format("memory/{}/backward/ours", what), source, "GB/s", 3 * array);
  }
}

/// Forward and backward: two contractions and five, over the pairs that the mask leaves.
void registerAttention(const Options &options) {
  const int64_t heads = 8, d = 64;
  auto add = [&](const std::string &file, const std::string &name, int64_t length, double pairs) {
    KernelSource source;
    source.file = file;
    source.settings = {{"length", length}};
    source.dtype = options.dtype;
    source.data = {"query", "key", "value", "dmix"};
    source.countTiles = true;
    double one = 2.0 * double(heads) * double(d) * pairs;
    std::string full = fmt::format("attention/{}/{}", name, options.dtype);
    registerOurs(options, full + "/forward/ours", source, "GFLOP/s", 2 * one);
    source.gradients = {"query", "key", "value"};
    source.also = "mix";
    registerOurs(options, full + "/forward-backward/ours", source, "GFLOP/s", 7 * one);
  };
  auto causal = [](double t) { return t * (t + 1) / 2; };
  for (int64_t length : {256, 1024, 4096})
    add("attention.gpt", fmt::format("T{}", length), length, causal(double(length)));
  // What others write: each is to run as fast, for the pairs that it has.
  const double t = 1024, window = 256;
  add("attention_window.gpt", "window", 1024, causal(window) + (t - window) * window);
  add("attention_alibi.gpt", "alibi", 1024, causal(t));
  add("attention_softcap.gpt", "softcap", 1024, causal(t));
  add("attention_padding.gpt", "padding", 1024, t * 768);
  add("attention_cross.gpt", "cross", 1024, t * t);
  add("attention_grouped.gpt", "grouped", 1024, causal(t));
}

/// From the file to code, as `gptc train` does before its first step.
void registerCompiling(const Options &options) {
  static const struct {
    const char *name, *file;
    int64_t vocabulary;
  } models[] = {{"shakespeare", "examples/shakespeare.gpt", 65}, {"gpt2", "examples/gpt2.gpt", 0}};
  for (const auto &model : models)
    registerFor(options, fmt::format("compile/{}/{}", model.name, options.dtype),
                [&model, dtype = options.dtype](State &state, unsigned threads) {
                  for (auto _ : state)
                    if (llvm::Error error = compileTraining(model.file, model.vocabulary, dtype, threads)) {
                      reportError(std::move(error));
                      return state.SkipWithError("not compiled");
                    }
                });
}

} // namespace

int main(int count, char **words) {
  setProgramName(words[0]);
  benchmark::Initialize(&count, words); // takes its own options out
  Options options;
  Arguments arguments("[--benchmark_filter=REGEX ...]",
                      "Times our kernels, those of peers and what the machine can do (bench/README.md).");
  arguments.option("--threads", "N",
                   "the most threads (default: what affinity and the container's quota allow)",
                   options.threads, 1, runtime::Pool::mostThreads);
  arguments.choice("--dtype", "the type that contractions multiply", {"f32", "bf16"}, options.dtype);
  arguments.option("--shape", "MxKxN", "a shape of contractions to time, besides the usual ones", options.shapes);
  if (std::optional<int> code = arguments.parse(llvm::ArrayRef<const char *>(words + 1, size_t(count - 1))))
    return *code;
  registerMachine(options);
  registerContractions(options);
  registerElementwise(options);
  registerAttention(options);
  registerCompiling(options);
  for (const Peer &peer : peers())
    benchmark::AddCustomContext(peer.name, peer.version);
  benchmark::RunSpecifiedBenchmarks();
  return Success;
}
