// Products of many pairs of matrices, whose axes may lie in memory in any order: heads of attention need not be gathered.
//
// A thread takes a pair by itself, or some rows of one: it packs the second matrix, panel by panel, and multiplies blocks of rows as
// in many_rows.h.
#pragma once

#include "many_rows.h"

// Sizes, and how far apart the numbers of an axis lie. Two axes of pairs; one that is not there has size 1.
struct Pairs {
  Size batch[2], rows, depth, width;
  Size x[2], x_row, x_deep;   // (rows, depth)
  Size y[2], y_deep, y_wide;  // (depth, width)
  Size z[2], z_row;           // (rows, width), whose columns lie side by side
  double scale;               // what the product is multiplied by
};

// R rows by N vectors; from one row to the next `step` numbers lie, from one column to the next `along`.
template <int R, int N>
static void pair_block(const float* x, Size step, Size along, const float* packed, Size depth, float* z, Size apart,
                       Size left, float scale) {
  Vector sums[R][N] = {};
  add_run<R, N>(sums, x, step, packed, depth, along);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j)
      if (left > j * WIDTH) store(z + r * apart + j * WIDTH, sums[r][j] * scale, left - j * WIDTH);
}

typedef void (*PairBlock)(const float*, Size, Size, const float*, Size, float*, Size, Size, float);

template <int R = MOST_OF_TWO>
static PairBlock pair_block_of(Size r) {
  if constexpr (R == 0)
    return nullptr;
  else
    return r < R ? pair_block_of<R - 1>(r) : pair_block<R, 2>;
}

struct BatchedProduct {
  Pairs s;
  const float *x, *y;
  float* z;
  Size high;  // parts that the rows of a pair are divided into

  Size panels() const { return parts_of(s.width, TWO); }

  void pack(const float* from, Size left, float* to) const {
    if (s.y_wide == 1)
      for (Size k = 0; k < s.depth; ++k, from += s.y_deep, to += TWO) {
        *(Vector*)to = load(from, left);
        *(Vector*)(to + WIDTH) = left > WIDTH ? load(from + WIDTH, left - WIDTH) : Vector{};
      }
    else
      for (Size k = 0; k < s.depth; k += WIDTH)
        for (Size j = 0; j < TWO; j += WIDTH)
          pack_turned(from + j * s.y_wide + k * s.y_deep, left - j, smaller(s.depth - k, WIDTH), to + k * TWO + j);
  }
  // Up to WIDTH columns by `count` rows of a panel.
  void pack_turned(const float* from, Size left, Size count, float* to) const {
#if WIDTH == 16
    if (left >= WIDTH && s.y_wide < INT32_MAX / WIDTH) {
      const __m512i places = _mm512_mullo_epi32(
          _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), _mm512_set1_epi32((int)s.y_wide));
      for (Size k = 0; k < count; ++k) *(Vector*)(to + k * TWO) = (Vector)_mm512_i32gather_ps(places, from + k * s.y_deep, 4);
      return;
    }
#endif
    for (Size k = 0; k < count; ++k)
      for (Size j = 0; j < WIDTH; ++j) to[k * TWO + j] = j < left ? from[j * s.y_wide + k * s.y_deep] : 0;
  }

  // Rows that lie in the same places of the first cache, or whose numbers lie apart, are copied.
  bool copies() const { return s.x_deep == 1 ? s.x_row % ALIKE == 0 : s.x_row != 1; }

  void part(Size item) const {
    const Size pair = item / high, piece = item % high, b = pair / s.batch[1], c = pair % s.batch[1];
    const float *of_x = x + b * s.x[0] + c * s.x[1], *of_y = y + b * s.y[0] + c * s.y[1];
    float* to = z + b * s.z[0] + c * s.z[1];
    const Size from = begin_of(piece, s.rows, high), end = begin_of(piece + 1, s.rows, high), of_panel = s.depth * TWO;
    const Size blocks = parts_of(end - from, MOST_OF_TWO), pitch = s.depth + WIDTH;
    Room packed(panels() * of_panel), apart(copies() ? MOST_OF_TWO * pitch : 1);
    for (Size p = 0; p < panels(); ++p) pack(of_y + p * TWO * s.y_wide, s.width - p * TWO, packed.at + p * of_panel);
    for (Size i = 0; i < blocks; ++i) {
      const Size first = from + begin_of(i, end - from, blocks), count = from + begin_of(i + 1, end - from, blocks) - first;
      const float* rows = of_x + first * s.x_row;
      if (copies())
        for (Size r = 0; r < count; ++r)
          for (Size k = 0; k < s.depth; ++k) apart.at[r * pitch + k] = rows[r * s.x_row + k * s.x_deep];
      for (Size p = 0; p < panels(); ++p)
        pair_block_of(count)(copies() ? apart.at : rows, copies() ? pitch : s.x_row, copies() ? 1 : s.x_deep,
                             packed.at + p * of_panel, s.depth, to + first * s.z_row + p * TWO, s.z_row, s.width - p * TWO,
                             (float)s.scale);
    }
  }
};

static void batched_product(const Pairs& sizes, const float* x, const float* y, float* z, const Pool& pool) {
  BatchedProduct a = {sizes, x, y, z, 1};
  const Size pairs = sizes.batch[0] * sizes.batch[1], most = parts_of(sizes.rows, 4 * MOST_OF_TWO);
  a.high = pairs ? smaller(most, parts_of(4 * pool.num_threads(), pairs)) : 1;
  share(pool, pairs * a.high, [](const void* a, Size i) { ((const BatchedProduct*)a)->part(i); }, &a);
}
