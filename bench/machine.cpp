// Built with -O3 -march=native, unlike the rest: these loops are to be as fast as the machine allows.
#include "machine.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <cstring>

using namespace gptc::bench;
using gptc::runtime::Buffer;
using gptc::runtime::Pool;

namespace {

#if defined(__AVX512F__)
constexpr int vectorBytes = 64, registers = 32;
#elif defined(__AVX__)
constexpr int vectorBytes = 32, registers = 16;
#else
constexpr int vectorBytes = 16, registers = 16;
#endif
typedef float Vector __attribute__((vector_size(vectorBytes)));
typedef float Unaligned __attribute__((vector_size(vectorBytes), aligned(4)));
constexpr int lanes = vectorBytes / 4;
constexpr int sums = registers - 4; // independent ones, to fill the pipeline
constexpr int64_t rounds = 100000;  // of a piece

volatile float sink;

void total(const Vector *a) {
  Vector all = {};
  for (int i = 0; i < sums; ++i)
    all += a[i];
  sink = all[0];
}

void multiplyAddF32(const gptc_context *, void *const *, char *, int64_t piece) {
  Vector a[sums], x = {}, y = {};
  x += 1.0f + float(piece) * 1e-7f;
  y += 1e-7f;
  for (int k = 0; k < sums; ++k)
    a[k] = y * float(k); // equal ones would be computed once
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 32
    for (Vector &v : a)
      v = v * x + y;
    __asm__ volatile("" : "+x"(x));
  }
  total(a);
}

#ifdef __AVX512BF16__
void multiplyAddBf16(const gptc_context *, void *const *, char *, int64_t piece) {
  Vector a[sums];
  for (int k = 0; k < sums; ++k)
    a[k] = Vector{} + float(k);
  __m512 one = _mm512_set1_ps(1e-7f * float(piece + 1));
  __m512bh x = _mm512_cvtne2ps_pbh(one, one), y = x;
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 32
    for (Vector &v : a)
      v = (Vector)_mm512_dpbf16_ps((__m512)v, x, y);
    __asm__ volatile("" : "+x"(x));
  }
  total(a);
}
#endif

constexpr int64_t piece = int64_t(1) << 18; // elements of a piece: 1 MiB an array

/// `body(i)` for every vector of the piece, which begins at element i.
template <typename Body> void sweep(int64_t index, Body body) {
  for (int64_t i = index * piece, end = i + piece; i < end; i += lanes)
    body(i);
}
Vector load(const float *p) {
  return *reinterpret_cast<const Unaligned *>(p);
}
void store(float *p, Vector v) {
  *reinterpret_cast<Unaligned *>(p) = v;
}
void storePast(float *p, Vector v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX__)
  _mm256_stream_ps(p, (__m256)v);
#else
  store(p, v);
#endif
}

float *at(void *const *arrays, int i) {
  return static_cast<float *>(arrays[i]);
}

void read(const gptc_context *, void *const *arrays, char *, int64_t index) {
  const float *a = at(arrays, 0);
  Vector sum[4] = {};
  for (int64_t i = index * piece, end = i + piece; i < end; i += 4 * lanes)
    for (int k = 0; k < 4; ++k)
      sum[k] += load(a + i + k * lanes);
  sink = (sum[0] + sum[1] + sum[2] + sum[3])[0];
}
void readCached(const gptc_context *context, void *const *arrays, char *scratch, int64_t index) {
  read(context, arrays, scratch, index % (Streams::cached / piece));
}
template <void (*put)(float *, Vector)>
void copy(const gptc_context *, void *const *arrays, char *, int64_t index) {
  sweep(index, [&](int64_t i) { put(at(arrays, 1) + i, load(at(arrays, 0) + i) + 1.0f); });
}
template <void (*put)(float *, Vector)>
void add(const gptc_context *, void *const *arrays, char *, int64_t index) {
  sweep(index, [&](int64_t i) { put(at(arrays, 2) + i, load(at(arrays, 0) + i) + load(at(arrays, 1) + i)); });
}
void update(const gptc_context *, void *const *arrays, char *, int64_t index) {
  float *w = at(arrays, 0), *m = at(arrays, 1), *v = at(arrays, 2);
  const float *g = at(arrays, 3);
  sweep(index, [&](int64_t i) {
    Vector gradient = load(g + i), mean = 0.9f * load(m + i) + 0.1f * gradient,
           square = 0.99f * load(v + i) + 0.01f * gradient * gradient;
    store(m + i, mean);
    store(v + i, square);
    store(w + i, load(w + i) - 1e-6f * mean * square);
  });
}

} // namespace

bool gptc::bench::hasBf16() {
#ifdef __AVX512BF16__
  return true;
#else
  return false;
#endif
}

int64_t gptc::bench::multiplyAdd(Pool &pool, bool bf16) {
  const int64_t pieces = 16 * pool.threads();
  gptc_kernel kernel = multiplyAddF32;
#ifdef __AVX512BF16__
  if (bf16)
    kernel = multiplyAddBf16;
#endif
  pool.launch(nullptr, kernel, nullptr, 0, pieces, 0);
  return pieces * rounds * sums * lanes * (bf16 ? 4 : 2);
}

Streams::Streams() {
  for (int i = 0; i < 4; ++i) {
    arrays.push_back(llvm::cantFail(Buffer::allocate(elements * 4)));
    std::memset(arrays.back().data(), 0, elements * 4); // pages never written are all one page
  }
}

int64_t Streams::run(Pool &pool, Kind kind) {
  struct {
    gptc_kernel kernel;
    int64_t moved; // floats read and written for an element
  } const table[] = {{read, 1},       {copy<store>, 2},    {copy<storePast>, 2},
                     {add<store>, 3}, {add<storePast>, 3}, {update, 7},       {readCached, 1}};
  void *places[4];
  for (int i = 0; i < 4; ++i)
    places[i] = arrays[i].data();
  pool.launch(nullptr, table[kind].kernel, places, 0, elements / piece, 0);
  return table[kind].moved * 4 * elements;
}
