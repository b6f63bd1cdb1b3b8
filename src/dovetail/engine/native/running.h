// Running sums along rows, each in the order of its elements.
#pragma once

#include "crew.h"

struct Running {
  const float* x;
  float* y;
  Size rows, columns;

  // N rows at once: an addition waits for the one before it, and not for those of other rows.
  template <int N>
  void some(Size row) const {
    const float* from = x + row * columns;
    float* to = y + row * columns;
    float sums[N] = {};
    for (Size i = 0; i < columns; ++i)
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) to[n * columns + i] = sums[n] += from[n * columns + i];
  }
  void part(Size begin, Size end) const {
    for (; begin + 8 <= end; begin += 8) some<8>(begin);
    for (; begin < end; ++begin) some<1>(begin);
  }
  void all() const { share_items(*this, rows, rows * columns, HEAVY); }
};
