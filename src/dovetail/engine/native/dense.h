// function(x (rows, depth) kernel (depth, columns) + bias), in one pass over the result.
#pragma once

#include "elements.h"
#include "few_rows.h"

struct Dense {
  const float *x, *kernel, *bias;
  float *y, *packed;
  Size rows, depth, columns;
  int function;
  Size x_stride, kernel_stride, y_stride;  // from one row to the next

  // Vectors of a panel's columns: half of a panel's, where that is enough for all columns.
  Size blocks() const { return columns > BLOCKS / 2 * WIDTH ? BLOCKS : BLOCKS / 2; }
  Size panels() const { return (columns + blocks() * WIDTH - 1) / (blocks() * WIDTH); }
  Size room() const { return panels() * blocks() * WIDTH * depth; }
  void part(Size begin, Size end) const;
  void all();
  void of_few() const;
};

// Panels of the kernel, each with its rows one after another.
struct Packing {
  const Dense& a;

  void part(Size begin, Size end) const {
    const Size blocks = a.blocks();
    for (Size panel = begin; panel < end; ++panel) {
      const float* from = a.kernel + panel * blocks * WIDTH;
      float* to = a.packed + panel * blocks * WIDTH * a.depth;
      const Size left = a.columns - panel * blocks * WIDTH;
      for (Size k = 0; k < a.depth; ++k, from += a.kernel_stride)
        for (Size j = 0; j < blocks * WIDTH; j += WIDTH, to += WIDTH)
          *(Vector*)to = left > j ? load(from + j, left - j) : Vector{};
    }
  }
};

template <int R, int N>
INLINE void dense_block(const Dense& a, const float* packed, Size row, Size u, Size from) {
  const Size left = a.columns - u;
  float* y = a.y + row * a.y_stride + u;
  Vector sums[R][N] = {};
  if (from)
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j)
        if (left > j * WIDTH) sums[r][j] = load(y + r * a.y_stride + j * WIDTH, left - j * WIDTH);
  multiply<R, N>(sums, a.x + row * a.x_stride + from, a.x_stride, packed + from * N * WIDTH,
                 smaller(DEPTH, a.depth - from));
  const bool last = from + DEPTH >= a.depth;
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) {
    const Size count = left - j * WIDTH;
    if (count <= 0) break;
    const Vector plus = last && a.bias ? load(a.bias + u + j * WIDTH, count) : Vector{};
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
      store(y + r * a.y_stride + j * WIDTH, last ? function_of(sums[r][j] + plus, a.function) : sums[r][j], count);
  }
}

template <int N>
static void dense_rows(const Dense& a, Size begin, Size end) {
  const float* panel = a.packed;
  for (Size u = 0; u < a.columns; u += N * WIDTH, panel += a.depth * N * WIDTH)
    for (Size from = 0; from < a.depth; from += DEPTH) {
      Size row = begin;
      for (; row + ROWS <= end; row += ROWS) dense_block<ROWS, N>(a, panel, row, u, from);
      for (; row < end; ++row) dense_block<1, N>(a, panel, row, u, from);
    }
}

void Dense::part(Size begin, Size end) const {
  if (blocks() == BLOCKS)
    dense_rows<BLOCKS>(*this, begin, end);
  else
    dense_rows<BLOCKS / 2>(*this, begin, end);
}

// Few rows of matrices that lie without gaps: the kernel is read as it is, by the caller alone.
void Dense::of_few() const {
  ::columns(x, depth, 1, kernel, depth, y, rows, columns, 0, columns);
  if (!bias && function == LINEAR) return;
  for (Size r = 0; r < rows; ++r)
    for (Size c = 0; c < columns; c += WIDTH) {
      float* at = y + r * columns + c;
      const Size left = columns - c;
      store(at, function_of(load(at, left) + (bias ? load(bias + c, left) : Vector{}), function), left);
    }
}

void Dense::all() {
  Room memory(room());
  packed = memory.at;
  share_items(Packing{*this}, panels(), room(), LIGHT);
  share_items(*this, rows, rows * depth * columns / 8, LIGHT);
}
