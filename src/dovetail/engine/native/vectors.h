// Vectors as wide as the processor's, as many rows at once as its registers hold sums of, and products of packed kernels.
//
// Kernels that were packed hold, for each block of columns, the rows one after another, so that the innermost loop reads
// memory in order.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(__AVX__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
#define WIDTH 16
#define ROWS 4
#elif defined(__AVX__)
#define WIDTH 8
#define ROWS 2
#else
#define WIDTH 4
#define ROWS 4
#endif

typedef float Vector __attribute__((vector_size(WIDTH * 4)));
typedef float Unaligned __attribute__((vector_size(WIDTH * 4), aligned(4)));
typedef int64_t Size;

INLINE Vector load(const float* from) { return *(const Unaligned*)from; }
INLINE Vector all(float x) { return x - (Vector){}; }

// The first `count` elements, where there may be fewer than a vector's.
#if defined(__AVX512F__)

INLINE __mmask16 first(Size count) { return (__mmask16)((1u << count) - 1); }
INLINE Vector load_part(const float* from, Size count) { return _mm512_maskz_loadu_ps(first(count), from); }
INLINE void store_part(float* to, Vector v, Size count) { _mm512_mask_storeu_ps(to, first(count), v); }

#elif defined(__AVX__)

INLINE __m256i first(Size count) {
  static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256((const __m256i*)(ones + 8 - count));
}
INLINE Vector load_part(const float* from, Size count) { return _mm256_maskload_ps(from, first(count)); }
INLINE void store_part(float* to, Vector v, Size count) { _mm256_maskstore_ps(to, first(count), v); }

#else

INLINE Vector load_part(const float* from, Size count) {
  Vector v = {};
  for (Size i = 0; i < count; ++i) v[i] = from[i];
  return v;
}
INLINE void store_part(float* to, Vector v, Size count) {
  for (Size i = 0; i < count; ++i) to[i] = v[i];
}

#endif

INLINE Vector load(const float* from, Size count) { return count >= WIDTH ? load(from) : load_part(from, count); }

INLINE void store(float* to, Vector v, Size count) {
  if (count >= WIDTH)
    *(Unaligned*)to = v;
  else
    store_part(to, v, count);
}

// The root, and one that is within two roundings of it, for numbers to which a positive one is added that is not tiny.
#if defined(__AVX512F__)
INLINE Vector nearly_root(Vector x) {
  const __m512 v = _mm512_max_ps(_mm512_set1_ps(1.2e-38f), (__m512)x);  // NaN stays NaN
  const __m512 inverse = _mm512_rsqrt14_ps(v), near = v * inverse;
  const __mmask16 endless = _mm512_cmp_ps_mask(v, _mm512_set1_ps(__builtin_inff()), _CMP_EQ_OQ);
  return (Vector)_mm512_mask_mov_ps(near + near * 0.5f * (1.0f - near * inverse), endless, v);
}
#else
INLINE Vector root(Vector x);
INLINE Vector nearly_root(Vector x) { return root(x); }
#endif

#if defined(__AVX512F__)
INLINE Vector root(Vector x) { return (Vector)_mm512_sqrt_ps((__m512)x); }
#elif defined(__AVX__)
INLINE Vector root(Vector x) { return (Vector)_mm256_sqrt_ps((__m256)x); }
#else
INLINE Vector root(Vector x) {
  for (int i = 0; i < WIDTH; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
}
#endif

// The hyperbolic tangent as x P(x^2) / Q(x^2), fitted to it between -9 and 9: within 4e-7 of it, relative to it, and
// never beyond 1, since programs take the logarithm of 1 - y^2.
INLINE Vector tangent(Vector x) {
  const Vector high = all(9.0f), low = all(-9.0f);
  x = x > high ? high : x;
  x = x < low ? low : x;
  const Vector s = x * x;
  Vector p = s * 1.335522829e-8f + 2.060953729e-5f;
  p = p * s + 0.003495617823f;
  p = p * s + 0.1338105134f;
  p = p * s + 0.9999999795f;
  Vector q = s * 7.776803749e-7f + 0.0003285681931f;
  q = q * s + 0.02587709734f;
  q = q * s + 0.4671436697f;
  q = q * s + 1.0f;
  const Vector y = x * p / q, one = all(1.0f);
  return y > one ? one : y < -one ? -one : y;
}

INLINE Vector sigmoid(Vector x) { return tangent(x * 0.5f) * 0.5f + 0.5f; }

INLINE Size smaller(Size a, Size b) { return a < b ? a : b; }
INLINE Size rounded_up(Size n, Size to) { return (n + to - 1) / to * to; }

// Memory that a thread keeps for what it needs for a moment, again and again: fresh pages cost more than most work on them.
struct Scratch {
  enum { MOST = 1 << 24 };  // bytes
  char* at = nullptr;
  Size size = 0, used = 0, wanted = 0;  // wanted: at once, so far

  ~Scratch() { free(at); }
  void grow() {
    if (used || wanted <= size) return;
    free(at);
    at = (char*)aligned_alloc(64, wanted);
    size = at ? wanted : 0;
  }
};

static thread_local Scratch scratch;

// Memory of a number of floats, until the end of the block; those of a thread end in the order in which they do not begin.
struct Room {
  const Size bytes;
  bool kept;
  float* at;
  explicit Room(Size count) : bytes(rounded_up(count * sizeof(float) + 1, 64)) {
    Scratch& here = scratch;
    here.wanted = smaller(here.used + bytes > here.wanted ? here.used + bytes : here.wanted, Scratch::MOST);
    here.grow();
    kept = here.used + bytes <= here.size;
    at = kept ? (float*)(here.at + here.used) : (float*)aligned_alloc(64, bytes);
    if (kept) here.used += bytes;
  }
  ~Room() {
    if (kept)
      scratch.used -= bytes;
    else
      free(at);
  }
  Room(const Room&) = delete;
};

// Adds to sums[r][j] the product of a row of x and block j of the columns of a packed kernel.
template <int R, int N>
INLINE void multiply(Vector (&sums)[R][N], const float* x, Size stride, const float* packed, Size depth) {
  for (Size k = 0; k < depth; ++k, packed += N * WIDTH) {
    Vector w[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) w[j] = *(const Vector*)(packed + j * WIDTH);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const Vector v = all(x[r * stride + k]);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sums[r][j] += v * w[j];
    }
  }
}

// A kernel (depth, gates * size): for each block of units its rows, and in these the gates of the units.
template <int GATES>
static void pack(const float* kernel, float* packed, Size depth, Size size) {
  for (Size u = 0; u < size; u += WIDTH)
    for (Size k = 0; k < depth; ++k)
      for (int g = 0; g < GATES; ++g, packed += WIDTH)
        *(Vector*)packed = load(kernel + (k * GATES + g) * size + u, size - u);
}

enum { BLOCKS = 4, PANEL = BLOCKS * WIDTH, DEPTH = 128 };  // a panel of DEPTH rows fits the innermost cache

// A kernel (size, depth), transposed: for each panel of units the rows of the transposed kernel.
static void pack_transposed(const float* kernel, float* packed, Size size, Size depth) {
  for (Size u = 0; u < size; u += PANEL, packed += depth * PANEL)
    for (Size from = 0; from < depth; from += 16)
      for (Size j = 0; j < PANEL; ++j)
        for (Size k = from; k < smaller(from + 16, depth); ++k)
          packed[k * PANEL + j] = u + j < size ? kernel[(u + j) * depth + k] : 0;
}

template <int R>
INLINE void panel_product(const float* x, Size depth, const float* packed, Size from, float* y, Size width) {
  Vector sums[R][BLOCKS];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < BLOCKS; ++j) sums[r][j] = from ? load(y + r * width + j * WIDTH) : (Vector){};
  multiply<R, BLOCKS>(sums, x + from, depth, packed + from * PANEL, smaller(DEPTH, depth - from));
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < BLOCKS; ++j) store(y + r * width + j * WIDTH, sums[r][j], WIDTH);
}

// y (rows, width) = x (rows, depth) times a kernel from `pack_transposed`; the width is a multiple of PANEL.
static void product(const float* x, Size rows, Size depth, const float* packed, float* y, Size width) {
  for (Size u = 0; u < width; u += PANEL, packed += depth * PANEL)
    for (Size from = 0; from < depth; from += DEPTH) {
      Size b = 0;
      for (; b + ROWS <= rows; b += ROWS)
        panel_product<ROWS>(x + b * depth, depth, packed, from, y + b * width + u, width);
      for (; b < rows; ++b) panel_product<1>(x + b * depth, depth, packed, from, y + b * width + u, width);
    }
}
