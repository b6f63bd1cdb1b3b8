// Softmax, its logarithm, and layer normalization, over the rows of a matrix, while a row stays in the innermost cache.
#pragma once

#include <cmath>

#include "vectors.h"

typedef int32_t Integers __attribute__((vector_size(WIDTH * 4)));

// exp(x) of numbers that are at most 0, by its series around multiples of log(2): within 2e-7 of it, relative to it; 0
// below -87, where float32 has no more normal numbers.
INLINE Vector exponential(Vector x) {
  const float magic = 12582912.0f;  // 1.5 * 2^23: what is added to it is rounded to an integer, in its last bits
  const Vector held = x < -100.0f ? all(-100.0f) : x;
  const Vector shifted = held * 1.442695041f + magic;
  const Vector n = shifted - magic;
  const Vector r = (held - n * 0.693145752f) - n * 1.42860677e-6f;
  Vector p = r * (1 / 5040.0f) + 1 / 720.0f;
  p = p * r + 1 / 120.0f;
  p = p * r + 1 / 24.0f;
  p = p * r + 1 / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const Integers power = ((Integers)shifted << 23) + (127 << 23);
  return x < -87.0f ? (Vector){} : p * (Vector)power;
}

INLINE Vector larger(Vector a, Vector b) { return a > b ? a : b; }

#if defined(__AVX512F__)

INLINE float total(Vector v) { return _mm512_reduce_add_ps((__m512)v); }
INLINE float largest(Vector v) { return _mm512_reduce_max_ps((__m512)v); }

#else

INLINE float total(Vector v) {
  float x[WIDTH] __attribute__((aligned(64)));
  *(Vector*)x = v;
  for (int half = WIDTH / 2; half; half /= 2)
    for (int i = 0; i < half; ++i) x[i] += x[i + half];
  return x[0];
}

INLINE float largest(Vector v) {
  float x[WIDTH] __attribute__((aligned(64)));
  *(Vector*)x = v;
  for (int half = WIDTH / 2; half; half /= 2)
    for (int i = 0; i < half; ++i) x[i] = x[i] > x[i + half] ? x[i] : x[i + half];
  return x[0];
}

#endif

// Of the first `count` elements; few are added up in order, as NumPy does.
INLINE float total(Vector v, Size count) {
  if (count >= WIDTH) return total(v);
  float sum = 0;
  for (Size i = 0; i < count; ++i) sum += v[i];
  return sum;
}

INLINE float largest(const float* x, Size count) {
  float found = -INFINITY;
  if (count < WIDTH) {
    for (Size i = 0; i < count; ++i) found = x[i] > found ? x[i] : found;
    return found;
  }
  Vector most = load(x + count - WIDTH);
  for (Size i = 0; i + WIDTH <= count; i += WIDTH) most = larger(load(x + i), most);
  return largest(most);
}

// A vector whose elements from `count` on are 0.
INLINE Vector only(Vector v, Size count) {
  if (count >= WIDTH) return v;
  float kept[WIDTH] __attribute__((aligned(64)));
  *(Vector*)kept = v;
  return load_part(kept, count);
}

// y may be null, or hold exp(x - most) afterwards; returns their sum.
INLINE float exponentials(const float* x, float most, float* y, Size count) {
  Vector sum = {};
  for (Size i = 0; i < count; i += WIDTH) {
    const Vector e = only(exponential(load(x + i, count - i) - most), count - i);
    if (y) store(y + i, e, count - i);
    sum += e;
  }
  return total(sum, count);
}

static void softmax_row(const float* x, float* y, Size count) {
  const float scale = 1 / exponentials(x, largest(x, count), y, count);
  for (Size i = 0; i < count; i += WIDTH) store(y + i, load(y + i, count - i) * scale, count - i);
}

static void log_softmax_row(const float* x, float* y, Size count) {
  const float most = largest(x, count), size = logf(exponentials(x, most, nullptr, count));
  for (Size i = 0; i < count; i += WIDTH) store(y + i, load(x + i, count - i) - most - size, count - i);
}

// gamma and beta may be null.
static void layer_norm_row(const float* x, const float* gamma, const float* beta, float* y, Size count, float epsilon,
                           bool rms) {
  Vector sum = {}, squares = {};
  if (!rms)
    for (Size i = 0; i < count; i += WIDTH) sum += load(x + i, count - i);
  const float mean = total(sum, count) / count;
  for (Size i = 0; i < count; i += WIDTH) {
    const Vector centered = only(load(x + i, count - i) - mean, count - i);
    squares += centered * centered;
  }
  const float scale = 1 / sqrtf(total(squares, count) / count + epsilon);
  for (Size i = 0; i < count; i += WIDTH) {
    Vector v = (load(x + i, count - i) - mean) * scale;
    if (gamma) v *= load(gamma + i, count - i);
    if (beta) v += load(beta + i, count - i);
    store(y + i, v, count - i);
  }
}
