// LSTM over whole sequences, both ways; gates in the order i, f, g, o.
#pragma once

#include "pool.h"

struct Lstm {
  Size time, batch, size, share;
  const float *z, *kernel, *h_first, *c_first;
  const uint8_t* mask;  // null: every step of every example counts
  float *hs, *h_last, *c_last, *cs, *gates;  // cs and gates, which the gradient needs, may be null
  const float* packed;
};

// One step of R examples from `b` on, for the units from `u` on.
template <int R>
INLINE void lstm_block(const Lstm& a, const float* packed, const float* h, const float* c, float* c_next, Size row,
                       Size u) {
  const Size size = a.size, count = size - u;
  Vector sums[R][4] = {};
  multiply<R, 4>(sums, h, size, packed, size);
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    const float* z = a.z + (row + r) * 4 * size + u;
    const Vector i = sigmoid(sums[r][0] + load(z, count)), f = sigmoid(sums[r][1] + load(z + size, count));
    const Vector g = tangent(sums[r][2] + load(z + 2 * size, count)), o = sigmoid(sums[r][3] + load(z + 3 * size, count));
    const Vector before = load(c + r * size + u, count);
    Vector after = f * before + i * g, output = o * tangent(after);
    if (a.mask && !a.mask[row + r]) {
      after = before;
      output = load(h + r * size + u, count);
    }
    store(a.hs + (row + r) * size + u, output, count);
    store(c_next + r * size + u, after, count);
    if (a.gates) {
      float* gates = a.gates + (row + r) * 4 * size + u;
      store(gates, i, count);
      store(gates + size, f, count);
      store(gates + 2 * size, g, count);
      store(gates + 3 * size, o, count);
    }
  }
}

static void lstm_share(const void* work, Size index) {
  const Lstm& a = *(const Lstm*)work;
  const Size size = a.size, begin = index * a.share, end = smaller(begin + a.share, a.batch);
  const float *h = a.h_first, *c = a.c_first;
  for (Size t = 0; t < a.time; ++t) {
    float* c_next = a.cs ? a.cs + t * a.batch * size : a.c_last;
    for (Size u = 0; u < size; u += WIDTH) {
      const float* packed = a.packed + u * 4 * size;
      Size b = begin;
      for (; b + ROWS <= end; b += ROWS)
        lstm_block<ROWS>(a, packed, h + b * size, c + b * size, c_next + b * size, t * a.batch + b, u);
      for (; b < end; ++b)
        lstm_block<1>(a, packed, h + b * size, c + b * size, c_next + b * size, t * a.batch + b, u);
    }
    h = a.hs + t * a.batch * size;
    c = c_next;
  }
  const Size count = (end - begin) * size * sizeof(float);
  memcpy(a.h_last + begin * size, h + begin * size, count);
  if (c != a.c_last) memcpy(a.c_last + begin * size, c + begin * size, count);
}

static void lstm(Lstm& a, const Pool& pool) {
  Room packed(rounded_up(a.size, WIDTH) * 4 * a.size);
  pack<4>(a.kernel, packed.at, a.size, a.size);
  a.packed = packed.at;
  a.share = share_of(a.batch, pool);
  share(pool, (a.batch + a.share - 1) / a.share, lstm_share, &a);
}

struct LstmGradient {
  Size time, batch, size, share;
  const float *gh_last, *gc_last, *kernel, *cs, *gates, *c_first;
  const float* ghs;  // of the outputs of all steps; null: zeros
  const uint8_t* mask;
  float *gz, *gh_first, *gc_first;
  const float* packed;
};

// The gradients of the gates before their activations, of one step of one example.
INLINE void lstm_gates_gradient(const LstmGradient& a, Size row, const float* c_before, const float* gh, float* gc) {
  const Size size = a.size;
  const float *gates = a.gates + row * 4 * size, *c = a.cs + row * size;
  float* gz = a.gz + row * 4 * size;
  for (Size u = 0; u < size; u += WIDTH) {
    const Size count = size - u;
    const Vector i = load(gates + u, count), f = load(gates + size + u, count);
    const Vector g = load(gates + 2 * size + u, count), o = load(gates + 3 * size + u, count);
    const Vector of_h = load(gh + u, count), y = tangent(load(c + u, count));
    const Vector of_c = load(gc + u, count) + of_h * o * (1.0f - y * y);
    store(gz + u, of_c * g * i * (1.0f - i), count);
    store(gz + size + u, of_c * load(c_before + u, count) * f * (1.0f - f), count);
    store(gz + 2 * size + u, of_c * i * (1.0f - g * g), count);
    store(gz + 3 * size + u, of_h * y * o * (1.0f - o), count);
    store(gc + u, of_c * f, count);
  }
}

static void lstm_gradient_share(const void* work, Size index) {
  const LstmGradient& a = *(const LstmGradient*)work;
  const Size size = a.size, begin = index * a.share, rows = smaller(begin + a.share, a.batch) - begin;
  const Size width = rounded_up(size, PANEL);
  Room gh(rows * width), next(rows * width);
  float* gc = a.gc_first + begin * size;
  for (Size b = 0; b < rows; ++b)
    memcpy(gh.at + b * width, a.gh_last + (begin + b) * size, size * sizeof(float));
  memcpy(gc, a.gc_last + begin * size, rows * size * sizeof(float));
  for (Size t = a.time - 1; t >= 0; --t) {
    const Size row = t * a.batch + begin;
    const float* before = (t ? a.cs + (t - 1) * a.batch * size : a.c_first) + begin * size;
    for (Size b = 0; b < rows; ++b) {
      float* of_h = gh.at + b * width;
      if (a.ghs)
        for (Size u = 0; u < size; ++u) of_h[u] += a.ghs[(row + b) * size + u];
      if (a.mask && !a.mask[row + b])
        memset(a.gz + (row + b) * 4 * size, 0, 4 * size * sizeof(float));
      else
        lstm_gates_gradient(a, row + b, before + b * size, of_h, gc + b * size);
    }
    product(a.gz + row * 4 * size, rows, 4 * size, a.packed, next.at, width);
    for (Size b = 0; b < rows; ++b)
      if (!a.mask || a.mask[row + b]) memcpy(gh.at + b * width, next.at + b * width, size * sizeof(float));
  }
  for (Size b = 0; b < rows; ++b)
    memcpy(a.gh_first + (begin + b) * size, gh.at + b * width, size * sizeof(float));
}

static void lstm_gradient(LstmGradient& a, const Pool& pool) {
  Room packed(rounded_up(a.size, PANEL) * 4 * a.size);
  pack_transposed(a.kernel, packed.at, a.size, 4 * a.size);
  a.packed = packed.at;
  a.share = share_of(a.batch, pool);
  share(pool, (a.batch + a.share - 1) / a.share, lstm_gradient_share, &a);
}
