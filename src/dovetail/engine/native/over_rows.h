// The product over rows, which gives kernels their gradients: (rows, m)^T (rows, n) -> (m, n).
#pragma once

#include "pool.h"

struct OverRows {
  Size rows, m, n, share;
  const float *x, *y;
  float* z;
};

// `count` columns of x from `at` on, R at a time, each group with its rows one after another.
template <int R>
static void pack_columns(const float* x, float* packed, Size rows, Size columns) {
  for (Size m = 0; m < columns; m += R)
    for (Size k = 0; k < rows; ++k, packed += R) {
      const float* from = x + k * columns + m;
      if (m + R <= columns)
        memcpy(packed, from, R * sizeof(float));
      else
        for (Size r = 0; r < R; ++r) packed[r] = m + r < columns ? from[r] : 0;
    }
}

// Adds the products of some rows to R rows of a panel of z; both packed.
template <int R>
INLINE void over_rows_block(const float* x, const float* y, Size rows, float* z, Size stride, Size count, Size columns,
                            bool add) {
  Vector sums[R][BLOCKS] = {};
  for (Size k = 0; k < rows; ++k, x += R, y += PANEL) {
    Vector w[BLOCKS];
#pragma GCC unroll 4
    for (int j = 0; j < BLOCKS; ++j) w[j] = *(const Vector*)(y + j * WIDTH);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vector v = all(x[r]);
#pragma GCC unroll 4
      for (int j = 0; j < BLOCKS; ++j) sums[r][j] += v * w[j];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
    if (r < count)
#pragma GCC unroll 4
      for (int j = 0; j < BLOCKS; ++j)
        if (Size left = columns - j * WIDTH; left > 0) {
          float* at = z + r * stride + j * WIDTH;
          store(at, add ? load(at, left) + sums[r][j] : sums[r][j], left);
        }
}

enum { TALL = ROWS };

static void over_rows_share(const void* work, Size index) {
  const OverRows& a = *(const OverRows*)work;
  const Size begin = index * a.share, end = smaller(begin + a.share, a.n);
  Room x(DEPTH * rounded_up(a.m, TALL)), y(DEPTH * PANEL);
  for (Size k = 0; k < a.rows; k += DEPTH) {
    const Size rows = smaller(DEPTH, a.rows - k);
    pack_columns<TALL>(a.x + k * a.m, x.at, rows, a.m);
    for (Size n = begin; n < end; n += PANEL) {
      for (Size i = 0; i < rows; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < BLOCKS; ++j)
          *(Vector*)(y.at + i * PANEL + j * WIDTH) =
              a.n - n > j * WIDTH ? load(a.y + (k + i) * a.n + n + j * WIDTH, a.n - n - j * WIDTH) : (Vector){};
      for (Size m = 0; m < a.m; m += TALL)
        over_rows_block<TALL>(x.at + m * rows, y.at, rows, a.z + m * a.n + n, a.n, a.m - m, end - n, k > 0);
    }
  }
}

static void over_rows(OverRows& a, const Pool& pool) {
  a.share = rounded_up((a.n + pool.num_threads() - 1) / pool.num_threads(), PANEL);
  share(pool, (a.n + a.share - 1) / a.share, over_rows_share, &a);
}
