// The Gaussian error linear unit and its gradient, for XLA.
#pragma once

#include "elements.h"
#include "rows.h"

enum { AT_ONCE = 4096 };  // numbers of an array, which count as a row

// The slope of x P(X <= x), X ~ N(0, 1).
INLINE Vector slope_of_gelu(Vector x) {
  const Vector half = 0.5f * complement_of_erf(magnitude(x) * 0.707106781f);
  return (x < 0.0f ? half : 1.0f - half) + x * exponential(x * x * -0.5f) * 0.398942280f;
}

INLINE Vector slope_of_gelu_by_tangent(Vector x) {
  const Vector squares = x * x, share = logistic((x + x * squares * 0.044715f) * 1.595769122f);
  return share + x * share * (1.0f - share) * (1.595769122f + squares * 0.214064550f);
}

struct Gelu {
  const float *x, *g;  // g: null, or what the slope is multiplied with
  float* y;
  Size count;
  bool approximate;

  void row(Size r) const {
    for (Size i = r * AT_ONCE; i < smaller((r + 1) * AT_ONCE, count); i += WIDTH) {
      const Vector v = load(x + i, count - i);
      if (!g)
        store(y + i, approximate ? gelu_by_tangent(v) : gelu(v), count - i);
      else
        store(y + i, load(g + i, count - i) * (approximate ? slope_of_gelu_by_tangent(v) : slope_of_gelu(v)), count - i);
    }
  }
  void all(const Pool& pool) const { share_rows(*this, (count + AT_ONCE - 1) / AT_ONCE, AT_ONCE, pool); }
};
