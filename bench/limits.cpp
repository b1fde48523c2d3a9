// What this machine can do, to put other figures beside: multiply-adds in f32 and memory streams.
//
//   limits THREADS   prints JSON: gflops (f32 multiply-adds count two), read_gbs (one stream),
//                    update_gbs (four reads and three writes, as an optimizer's step)
//
// Built by bench.py with -O3 -march=native; no part of the product.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

using Clock = std::chrono::steady_clock;
typedef float Vector __attribute__((vector_size(64)));

static double seconds(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

template <typename Body> static double best(int threads, int rounds, Body body) {
  double least = 1e9;
  for (int round = 0; round < rounds; ++round) {
    auto start = Clock::now();
    std::vector<std::thread> helpers;
    for (int t = 1; t < threads; ++t)
      helpers.emplace_back(body, t);
    body(0);
    for (std::thread &helper : helpers)
      helper.join();
    least = std::min(least, seconds(start));
  }
  return least;
}

static volatile float sink;

int main(int argc, char **argv) {
  int threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : 1;
  constexpr int64_t steps = 4000000, sums = 20; // enough independent sums to fill the pipeline
  double time = best(threads, 7, [&](int t) {
    Vector a[sums], x = {}, y = {};
    x += 1.0f + float(t) * 1e-7f;
    y += 1e-7f;
    for (Vector &v : a)
      v = y;
    for (int64_t i = 0; i < steps; ++i) {
      for (Vector &v : a)
        v = v * x + y;
      __asm__ volatile("" : "+x"(x));
    }
    Vector total = {};
    for (const Vector &v : a)
      total += v;
    sink = total[0];
  });
  double gflops = 2.0 * 16 * sums * double(steps) * threads / time * 1e-9;

  const int64_t count = int64_t(1) << 25; // 128 MiB an array
  std::vector<std::vector<float>> arrays(4, std::vector<float>(count, 1.0f));
  auto part = [&](int t) { return std::pair(count * t / threads, count * (t + 1) / threads); };
  double read = best(threads, 5, [&](int t) {
    auto [from, to] = part(t);
    Vector total[4] = {};
    const float *p = arrays[0].data();
    for (int64_t i = from; i + 64 <= to; i += 64)
      for (int k = 0; k < 4; ++k)
        total[k] += *reinterpret_cast<const Vector __attribute__((aligned(4))) *>(p + i + 16 * k);
    sink = total[0][0] + total[1][0] + total[2][0] + total[3][0];
  });
  double update = best(threads, 5, [&](int t) {
    auto [from, to] = part(t);
    float *__restrict w = arrays[0].data(), *__restrict m = arrays[1].data(), *__restrict v = arrays[2].data();
    const float *__restrict g = arrays[3].data();
    for (int64_t i = from; i < to; ++i) {
      m[i] = 0.9f * m[i] + 0.1f * g[i];
      v[i] = 0.99f * v[i] + 0.01f * g[i] * g[i];
      w[i] -= 1e-6f * m[i] * v[i];
    }
  });
  std::printf("{\"threads\": %d, \"gflops\": %.1f, \"read_gbs\": %.1f, \"update_gbs\": %.1f}\n", threads, gflops,
              4.0 * double(count) / read * 1e-9, 7 * 4.0 * double(count) / update * 1e-9);
  return 0;
}
