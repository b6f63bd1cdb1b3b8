// The largest numbers of windows that tile images, and their gradient, which goes to the first of a window's largest numbers.
#pragma once

#include "rows.h"

// Images (batch, height, width, channels), windows of (high, wide); rows and columns that fill no window are left out.
struct Tiles {
  Size batch, height, width, channels, high, wide;
  Size down() const { return height / high; }
  Size across() const { return width / wide; }
  Size rows() const { return batch * down(); }
  const float* window(const float* x, Size row, Size column) const {
    return x + ((row / down() * height + row % down() * high) * width + column * wide) * channels;
  }
};

struct Largest {
  Tiles t;
  const float* x;
  float* y;
  void row(Size r) const {
    for (Size c = 0; c < t.across(); ++c)
      for (Size j = 0; j < t.channels; j += WIDTH) {
        const float* at = t.window(x, r, c) + j;
        const Size left = t.channels - j;
        Vector most = load(at, left);
        for (Size h = 0; h < t.high; ++h)
          for (Size w = 0; w < t.wide; ++w) {
            const Vector v = load(at + (h * t.width + w) * t.channels, left);
            most = (most > v) | (most != most) ? most : v;  // NaN stays
          }
        store(y + (r * t.across() + c) * t.channels + j, most, left);
      }
  }
};

struct OfLargest {
  Tiles t;
  const float *g, *x, *y;
  float* to;

  void row(Size r) const {
    const Size last = r % t.down() == t.down() - 1 ? t.height - t.down() * t.high : 0;  // rows below, in no window
    const Size beside = (t.width - t.across() * t.wide) * t.channels;
    float* begin = to + (t.window(x, r, 0) - x);
    for (Size h = 0; h < t.high; ++h)
      memset(begin + ((h + 1) * t.width) * t.channels - beside, 0, beside * sizeof(float));
    memset(begin + t.high * t.width * t.channels, 0, last * t.width * t.channels * sizeof(float));
    for (Size c = 0; c < t.across(); ++c)
      for (Size j = 0; j < t.channels; j += WIDTH) {
        const Size left = t.channels - j, i = (r * t.across() + c) * t.channels + j;
        const Size at = t.window(x, r, c) - x + j;
        const Vector most = load(y + i, left);
        Integers more = (Integers)load(g + i, left);  // zeros, where it has found its place
        for (Size h = 0; h < t.high; ++h)
          for (Size w = 0; w < t.wide; ++w) {
            const Size k = at + (h * t.width + w) * t.channels;
            const Integers here = (Integers)(load(x + k, left) == most);
            store(to + k, (Vector)(more & here), left);
            more &= ~here;
          }
      }
  }
};
