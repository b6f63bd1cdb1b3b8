// The product over rows, which gives kernels their gradients: (rows, m)^T (rows, n) -> (m, n).
#pragma once

#include "many_rows.h"

struct OverRows {
  Size rows, m, n;
  const float *x, *y;
  float *z, *sums;  // sums: of the rows of y, or null
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

enum { TALL = ROWS, MOST_SUMMED = 1 << 20 };  // numbers of all shares of the result together

// Shares of the rows are summed apart, each by a core that has probably made them, and then together, in their order.
struct RowShares {
  OverRows a;
  Size shares, wide, columns;  // of rows; parts of the columns, and how many columns each has
  float* apart;                // the results of all shares but the first

  Size numbers() const { return a.m * a.n + a.n; }
  float* result(Size share) const { return share ? apart + (share - 1) * numbers() : a.z; }
  float* row_sums(Size share) const { return !a.sums ? nullptr : share ? result(share) + a.m * a.n : a.sums; }

  void part(Size item) const {
    const Size share = item / wide, from = begin_of(share, a.rows, shares), end = begin_of(share + 1, a.rows, shares);
    const Size begin = item % wide * columns;
    some(from, end, begin, smaller(begin + columns, a.n), result(share), row_sums(share));
  }
  void some(Size from, Size to, Size begin, Size end, float* z, float* sums) const {
    Room x(DEPTH * rounded_up(a.m, TALL)), y(DEPTH * PANEL);
    for (Size k = from; k < to; k += DEPTH) {
      const Size rows = smaller(DEPTH, to - k);
      pack_columns<TALL>(a.x + k * a.m, x.at, rows, a.m);
      for (Size n = begin; n < end; n += PANEL) {
        pack_rows(a.y + k * a.n + n, rows, a.n - n, y.at, sums ? sums + n : nullptr, k > from);
        for (Size m = 0; m < a.m; m += TALL)
          over_rows_block<TALL>(x.at + m * rows, y.at, rows, z + m * a.n + n, a.n, a.m - m, end - n, k > from);
      }
    }
  }
  // A panel of y; its sums are added to those of the rows before.
  void pack_rows(const float* from, Size rows, Size left, float* to, float* sums, bool add) const {
    Vector totals[BLOCKS] = {};
    for (Size i = 0; i < rows; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < BLOCKS; ++j) {
        const Vector v = left > j * WIDTH ? load(from + i * a.n + j * WIDTH, left - j * WIDTH) : Vector{};
        *(Vector*)(to + i * PANEL + j * WIDTH) = v;
        totals[j] += v;
      }
    if (sums)
      for (int j = 0; j < BLOCKS; ++j)
        if (Size some = left - j * WIDTH; some > 0) {
          float* at = sums + j * WIDTH;
          store(at, add ? load(at, some) + totals[j] : totals[j], some);
        }
  }
  // Joins row `m` of the results; the sums of rows are the last.
  void join(Size m) const {
    float* to = m < a.m ? a.z + m * a.n : a.sums;
    if (!to) return;
    for (Size i = 0; i < a.n; i += WIDTH) {
      Vector v = load(to + i, a.n - i);
      for (Size s = 1; s < shares; ++s) v += load(result(s) + m * a.n + i, a.n - i);
      store(to + i, v, a.n - i);
    }
  }
};

static void over_rows(const OverRows& a, const Pool& pool) {
  const Size threads = pool.num_threads(), most = MOST_SUMMED / (a.m * a.n + 1) + 1;
  RowShares work = {a, 1, 1, 0, nullptr};
  work.shares = smaller(smaller(threads, most), parts_of(a.rows, 4 * DEPTH));
  work.columns = rounded_up(parts_of(a.n, parts_of(threads, work.shares)), PANEL);
  work.wide = parts_of(a.n, work.columns);
  Room memory((work.shares - 1) * work.numbers());
  work.apart = memory.at;
  share(pool, work.shares * work.wide, [](const void* a, Size i) { ((const RowShares*)a)->part(i); }, &work);
  if (work.shares > 1)
    share(pool, parts_of(a.m + 1, 32), [](const void* given, Size i) {
      const RowShares& work = *(const RowShares*)given;
      for (Size m = 32 * i; m < smaller(32 * i + 32, work.a.m + 1); ++m) work.join(m);
    }, &work);
}
