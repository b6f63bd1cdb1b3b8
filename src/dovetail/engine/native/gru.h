// GRU over whole sequences, both ways; gates in the order update, reset, candidate. The reset gate multiplies the product of
// the state.
#pragma once

#include "pool.h"

struct Gru {
  Size time, batch, size, share;
  const float *z, *kernel, *bias, *h_first;
  const uint8_t* mask;
  float *hs, *h_last, *gates;  // gates: u, r, the candidate and the product that r multiplies; may be null
  const float* packed;
};

template <int R>
INLINE void gru_block(const Gru& a, const float* packed, const float* h, Size row, Size u) {
  const Size size = a.size, count = size - u;
  Vector sums[R][3] = {};
  multiply<R, 3>(sums, h, size, packed, size);
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    const float *z = a.z + (row + r) * 3 * size + u, *bias = a.bias + u;
    const Vector update = sigmoid(sums[r][0] + load(bias, count) + load(z, count));
    const Vector reset = sigmoid(sums[r][1] + load(bias + size, count) + load(z + size, count));
    const Vector inner = sums[r][2] + load(bias + 2 * size, count);
    const Vector candidate = tangent(reset * inner + load(z + 2 * size, count));
    const Vector before = load(h + r * size + u, count);
    const bool seen = !a.mask || a.mask[row + r];
    store(a.hs + (row + r) * size + u, seen ? candidate + update * (before - candidate) : before, count);
    if (a.gates) {
      float* gates = a.gates + (row + r) * 4 * size + u;
      store(gates, update, count);
      store(gates + size, reset, count);
      store(gates + 2 * size, candidate, count);
      store(gates + 3 * size, inner, count);
    }
  }
}

static void gru_share(const void* work, Size index) {
  const Gru& a = *(const Gru*)work;
  const Size size = a.size, begin = index * a.share, end = smaller(begin + a.share, a.batch);
  const float* h = a.h_first;
  for (Size t = 0; t < a.time; ++t) {
    for (Size u = 0; u < size; u += WIDTH) {
      Size b = begin;
      for (; b + ROWS <= end; b += ROWS)
        gru_block<ROWS>(a, a.packed + u * 3 * size, h + b * size, t * a.batch + b, u);
      for (; b < end; ++b) gru_block<1>(a, a.packed + u * 3 * size, h + b * size, t * a.batch + b, u);
    }
    h = a.hs + t * a.batch * size;
  }
  memcpy(a.h_last + begin * size, h + begin * size, (end - begin) * size * sizeof(float));
}

static void gru(Gru& a, const Pool& pool) {
  Room packed(rounded_up(a.size, WIDTH) * 3 * a.size);
  pack<3>(a.kernel, packed.at, a.size, a.size);
  a.packed = packed.at;
  a.share = share_of(a.batch, pool);
  share(pool, (a.batch + a.share - 1) / a.share, gru_share, &a);
}

struct GruGradient {
  Size time, batch, size, share;
  const float *gh_last, *kernel, *gates, *states;  // states: before each step
  const float* ghs;
  const uint8_t* mask;
  float *gz, *ginner, *gh_first;  // ginner: of the product of the state
  const float* packed;
};

// As of an LSTM; what reaches the state past the product replaces gh.
INLINE void gru_gates_gradient(const GruGradient& a, Size row, float* gh) {
  const Size size = a.size;
  const float *gates = a.gates + row * 4 * size, *h = a.states + row * size;
  float *gz = a.gz + row * 3 * size, *ginner = a.ginner + row * 3 * size;
  for (Size u = 0; u < size; u += WIDTH) {
    const Size count = size - u;
    const Vector update = load(gates + u, count), reset = load(gates + size + u, count);
    const Vector candidate = load(gates + 2 * size + u, count), inner = load(gates + 3 * size + u, count);
    const Vector g = load(gh + u, count);
    const Vector of_update = g * (load(h + u, count) - candidate) * update * (1.0f - update);
    const Vector of_candidate = g * (1.0f - update) * (1.0f - candidate * candidate);
    const Vector of_reset = of_candidate * inner * reset * (1.0f - reset);
    store(gz + u, of_update, count);
    store(gz + size + u, of_reset, count);
    store(gz + 2 * size + u, of_candidate, count);
    store(ginner + u, of_update, count);
    store(ginner + size + u, of_reset, count);
    store(ginner + 2 * size + u, of_candidate * reset, count);
    store(gh + u, g * update, count);
  }
}

static void gru_gradient_share(const void* work, Size index) {
  const GruGradient& a = *(const GruGradient*)work;
  const Size size = a.size, begin = index * a.share, rows = smaller(begin + a.share, a.batch) - begin;
  const Size width = rounded_up(size, PANEL);
  Room more(rows * width);
  float* gh = a.gh_first + begin * size;
  memcpy(gh, a.gh_last + begin * size, rows * size * sizeof(float));
  for (Size t = a.time - 1; t >= 0; --t) {
    const Size row = t * a.batch + begin;
    if (a.ghs)
      for (Size i = 0; i < rows * size; ++i) gh[i] += a.ghs[row * size + i];
    for (Size b = 0; b < rows; ++b) {
      if (a.mask && !a.mask[row + b]) {
        memset(a.gz + (row + b) * 3 * size, 0, 3 * size * sizeof(float));
        memset(a.ginner + (row + b) * 3 * size, 0, 3 * size * sizeof(float));
      } else {
        gru_gates_gradient(a, row + b, gh + b * size);
      }
    }
    product(a.ginner + row * 3 * size, rows, 3 * size, a.packed, more.at, width);
    for (Size b = 0; b < rows; ++b)
      for (Size u = 0; u < size; ++u) gh[b * size + u] += more.at[b * width + u];
  }
}

static void gru_gradient(GruGradient& a, const Pool& pool) {
  Room packed(rounded_up(a.size, PANEL) * 3 * a.size);
  pack_transposed(a.kernel, packed.at, a.size, 3 * a.size);
  a.packed = packed.at;
  a.share = share_of(a.batch, pool);
  share(pool, (a.batch + a.share - 1) / a.share, gru_gradient_share, &a);
}
