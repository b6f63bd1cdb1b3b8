// Products of few rows, such as the examples of a batch, with a kernel, and what gives the kernel its gradient.
//
// Nothing is packed: for so few rows, that would cost more than it gains. Rows of the kernel are read as they lie, a
// panel of columns and as many rows at once as the innermost cache holds.
#pragma once

#include "pool.h"

struct FewRows {
  Size rows, depth, width, share;
  const float *x, *y;
  float* z;
};

enum { HIGH = WIDTH == 8 ? 2 : 6, DEEP = 64, FETCHED = 16 };  // sums of HIGH rows of a panel fill the registers

// A panel of a row: N vectors, the last with `left` columns.
template <int N, bool WHOLE>
INLINE void read(Vector (&to)[N], const float* from, Size left) {
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) to[j] = WHOLE || j + 1 < N ? load(from + j * WIDTH) : load_part(from + j * WIDTH, left);
}

template <int N, bool WHOLE>
INLINE void write(const Vector (&from)[N], float* to, Size left) {
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j)
    if (WHOLE || j + 1 < N)
      *(Unaligned*)(to + j * WIDTH) = from[j];
    else
      store_part(to + j * WIDTH, from[j], left);
}

// Rows of z, a panel of columns: the sum over k of x[r * row + k * step] times row k of y. The row of y that lies `ahead` of the one
// in use is fetched.
template <int R, int N, bool WHOLE>
INLINE void block(const float* x, Size row, Size step, const float* y, Size depth, float* z, Size width, Size left,
                  bool add, Size ahead) {
  Vector sums[R][N] = {};
  if (add)
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) read<N, WHOLE>(sums[r], z + r * width, left);
  for (Size k = 0; k < depth; ++k, x += step, y += width) {
    Vector w[N];
    read<N, WHOLE>(w, y, left);
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) __builtin_prefetch(y + ahead + j * WIDTH);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vector v = all(x[r * row]);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sums[r][j] += v * w[j];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) write<N, WHOLE>(sums[r], z + r * width, left);
}

// The rows of a panel that remain, fewer than HIGH, all at once.
template <int N, bool WHOLE, int R = HIGH - 1>
INLINE void rest(Size rows, const float* x, Size row, Size step, const float* y, Size depth, float* z, Size width,
                 Size left, bool add, Size ahead) {
  if constexpr (R > 0) {
    if (rows == R)
      block<R, N, WHOLE>(x, row, step, y, depth, z, width, left, add, ahead);
    else
      rest<N, WHOLE, R - 1>(rows, x, row, step, y, depth, z, width, left, add, ahead);
  }
}

// A panel of columns of z. HIGH rows at a time, of which the first ones fetch the kernel.
template <int N, bool WHOLE>
static void panel(const float* x, Size row, Size step, const float* y, Size depth, float* z, Size rows, Size width,
                  Size left, bool add) {
  for (Size k = 0; k < depth; k += DEEP) {
    const Size deep = smaller(DEEP, depth - k), ahead = rows > 1 ? FETCHED * width : 0;
    const float *from = x + k * step, *kernel = y + k * width;
    Size r = 0;
    for (; r + HIGH <= rows; r += HIGH)
      block<HIGH, N, WHOLE>(from + r * row, row, step, kernel, deep, z + r * width, width, left, add || k, r ? 0 : ahead);
    rest<N, WHOLE>(rows - r, from + r * row, row, step, kernel, deep, z + r * width, width, left, add || k, r ? 0 : ahead);
  }
}

// z (rows, width), its columns from `begin` to `end`, or what is added to them.
static void columns(const float* x, Size row, Size step, const float* y, Size depth, float* z, Size rows, Size width,
                    Size begin, Size end, bool add = false) {
  for (; begin + PANEL <= end; begin += PANEL)
    panel<BLOCKS, true>(x, row, step, y + begin, depth, z + begin, rows, width, WIDTH, add);
  const Size vectors = (end - begin + WIDTH - 1) / WIDTH, left = end - begin - (vectors - 1) * WIDTH;
  if (vectors == 1) panel<1, false>(x, row, step, y + begin, depth, z + begin, rows, width, left, add);
  if (vectors == 2) panel<2, false>(x, row, step, y + begin, depth, z + begin, rows, width, left, add);
  if (vectors == 3) panel<3, false>(x, row, step, y + begin, depth, z + begin, rows, width, left, add);
  if (vectors == 4) panel<4, false>(x, row, step, y + begin, depth, z + begin, rows, width, left, add);
}

enum { FEW_ROWS = 16 };  // fewer do not pay for packing
enum { SUMS_SHARE = 1 << 20 };  // fewer products a thread are not worth waking one

// How much work a product of few rows is: that of reading the kernel, if there are very few.
static Size few_sums(Size rows, Size depth, Size width) { return (rows > 8 ? rows : 8) * depth * width; }

// How much of `all`, a multiple of `unit`, makes a share of a piece of work.
static Size share_of_sums(Size sums, Size all, Size unit, const Pool& pool, const Luck& luck) {
  if (sums < SUMS_SHARE || luck.is_out()) return all;
  const Size shares = smaller(pool.num_threads(), sums / SUMS_SHARE + 1);
  return rounded_up((all + shares - 1) / shares, unit);
}

static void few_rows_share(const void* work, Size index) {
  const FewRows& a = *(const FewRows*)work;
  const Size begin = index * a.share;
  columns(a.x, a.depth, 1, a.y, a.depth, a.z, a.rows, a.width, begin, smaller(begin + a.share, a.width));
}

// z (rows, width) = x (rows, depth) times y (depth, width).
static void few_rows(FewRows& a, const Pool& pool) {
  static Luck luck;
  a.share = share_of_sums(few_sums(a.rows, a.depth, a.width), a.width, PANEL, pool, luck);
  share(pool, (a.width + a.share - 1) / a.share, few_rows_share, &a, &luck);
}

static void over_few_rows_share(const void* work, Size index) {
  const FewRows& a = *(const FewRows*)work;
  const Size begin = index * a.share, end = smaller(begin + a.share, a.depth);
  columns(a.x + begin, 1, a.depth, a.y, a.rows, a.z + begin * a.width, end - begin, a.width, 0, a.width);
}

// z (depth, width) = x (rows, depth), transposed, times y (rows, width).
static void over_few_rows(FewRows& a, const Pool& pool) {
  static Luck luck;
  a.share = share_of_sums(a.rows * a.depth * a.width, a.depth, HIGH, pool, luck);
  share(pool, (a.depth + a.share - 1) / a.share, over_few_rows_share, &a, &luck);
}
