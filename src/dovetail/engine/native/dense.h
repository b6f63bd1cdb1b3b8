// function(x (rows, depth) kernel (depth, columns) + bias), in one pass over the result.
#pragma once

#include "elements.h"

struct Dense {
  const float *x, *kernel, *bias;
  float *y, *packed;
  Size rows, depth, columns;
  int function;
  Size x_stride, kernel_stride, y_stride;  // from one row to the next

  void part(Size begin, Size end) const;
  void all();
};

// Panels of the kernel, each with its rows one after another.
struct Packing {
  const Dense& a;

  void part(Size begin, Size end) const {
    for (Size panel = begin; panel < end; ++panel) {
      const float* from = a.kernel + panel * PANEL;
      float* to = a.packed + panel * PANEL * a.depth;
      const Size left = a.columns - panel * PANEL;
      for (Size k = 0; k < a.depth; ++k, from += a.kernel_stride, to += PANEL)
#pragma GCC unroll 4
        for (int j = 0; j < BLOCKS; ++j)
          *(Vector*)(to + j * WIDTH) = left > j * WIDTH ? load(from + j * WIDTH, left - j * WIDTH) : Vector{};
    }
  }
};

template <int R>
INLINE void dense_block(const Dense& a, const float* packed, Size row, Size u, Size from) {
  const Size left = a.columns - u;
  float* y = a.y + row * a.y_stride + u;
  Vector sums[R][BLOCKS] = {};
  if (from)
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int j = 0; j < BLOCKS; ++j)
        if (left > j * WIDTH) sums[r][j] = load(y + r * a.y_stride + j * WIDTH, left - j * WIDTH);
  multiply<R, BLOCKS>(sums, a.x + row * a.x_stride + from, a.x_stride, packed + from * PANEL, smaller(DEPTH, a.depth - from));
  const bool last = from + DEPTH >= a.depth;
#pragma GCC unroll 4
  for (int j = 0; j < BLOCKS; ++j) {
    const Size count = left - j * WIDTH;
    if (count <= 0) break;
    const Vector plus = last && a.bias ? load(a.bias + u + j * WIDTH, count) : Vector{};
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
      store(y + r * a.y_stride + j * WIDTH, last ? function_of(sums[r][j] + plus, a.function) : sums[r][j], count);
  }
}

void Dense::part(Size begin, Size end) const {
  const float* panel = packed;
  for (Size u = 0; u < columns; u += PANEL, panel += depth * PANEL)
    for (Size from = 0; from < depth; from += DEPTH) {
      Size row = begin;
      for (; row + ROWS <= end; row += ROWS) dense_block<ROWS>(*this, panel, row, u, from);
      for (; row < end; ++row) dense_block<1>(*this, panel, row, u, from);
    }
}

void Dense::all() {
  const Size panels = (columns + PANEL - 1) / PANEL;
  Room room(panels * PANEL * depth);
  packed = room.at;
  share_items(Packing{*this}, panels, panels * PANEL * depth, LIGHT);
  share_items(*this, rows, rows * depth * columns / 8, LIGHT);
}
