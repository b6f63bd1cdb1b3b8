// The few largest numbers of rows.
#pragma once

#include "crew.h"

// Of equal numbers the first comes first; NaN is larger than all.
INLINE bool comes_before(float a, float b) { return a > b || (a != a && b == b); }

struct FewLargest {
  const float* x;
  float* values;
  int32_t* places;
  Size rows, columns, few;

  void row(const float* from, float* best, int32_t* at) const {
    Size found = 0;
    for (Size i = 0; i < columns; ++i) {
      if (found == few && !comes_before(from[i], best[few - 1])) continue;
      Size j = found < few ? found++ : few - 1;
      for (; j > 0 && comes_before(from[i], best[j - 1]); --j) best[j] = best[j - 1], at[j] = at[j - 1];
      best[j] = from[i];
      at[j] = (int32_t)i;
    }
  }
  void part(Size begin, Size end) const {
    for (Size r = begin; r < end; ++r) row(x + r * columns, values + r * few, places + r * few);
  }
  void all() const { share_items(*this, rows, rows * columns, HEAVY); }
};
