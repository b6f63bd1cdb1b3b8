// What follows a product or a convolution, while its numbers are in the cache.
#pragma once

#include "vectors.h"

// Which arrays there are, and whether there is a floor.
struct Follows {
  Size bias, scale, shift, other, keep, floor;
};

struct Following {
  const float* bias = nullptr;                      // what is added to each row
  const float *scale = nullptr, *shift = nullptr;   // what each row is multiplied by, and what is added then
  const float* other = nullptr;                     // what is added to all of the result
  const float* keep = nullptr;                    // numbers become 0 where these are not positive
  bool floor = false;                             // whether negative numbers become 0

  bool is_there() const { return bias || scale || shift || other || keep || floor; }
  // The numbers of a row, which begins at `row` in the result, from column `from` on.
  void apply(float* result, Size row, Size from, Size to) const {
    for (Size j = from; j < to; j += WIDTH) {
      float* at = result + row + j;
      const Size left = to - j;
      Vector v = load(at, left);
      if (bias) v += load(bias + j, left);
      if (scale) v *= load(scale + j, left);
      if (shift) v += load(shift + j, left);
      if (other) v += load(other + row + j, left);
      if (keep) v = load(keep + row + j, left) > 0.0f ? v : Vector{};
      if (floor) v = v < 0.0f ? Vector{} : v;  // NaN stays
      store(at, v, left);
    }
  }
};
