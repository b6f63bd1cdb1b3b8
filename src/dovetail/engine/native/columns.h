// Over the rows of matrices, whose columns are channels: sums, extremes, normalizations, and windows of images.
#pragma once

#include "elements.h"

struct Sum {
  static Vector first() { return Vector{}; }
  INLINE Vector more(Vector a, Vector b) { return a + b; }
};
struct Most {
  static Vector first() { return all(-INFINITY); }
  INLINE Vector more(Vector a, Vector b) { return (a > b) | (a != a) ? a : b; }  // NaN stays
};
struct Least {
  static Vector first() { return all(INFINITY); }
  INLINE Vector more(Vector a, Vector b) { return (a < b) | (a != a) ? a : b; }
};

enum { STRETCH = 256 };  // rows that are added up before they join the total: errors grow with how many join

// Joins `f(row, column)` over rows, for up to a vector of columns.
template <class How, class F>
INLINE Vector column_of(const float* x, Size rows, Size stride, Size count, F f) {
  Vector total = How::first();
  for (Size from = 0; from < rows; from += STRETCH) {
    const Size end = smaller(from + STRETCH, rows);
    Vector parts[4] = {How::first(), How::first(), How::first(), How::first()};
    Size r = from;
    for (; r + 4 <= end; r += 4)
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) parts[i] = How::more(parts[i], f(load(x + (r + i) * stride, count)));
    for (; r < end; ++r) parts[0] = How::more(parts[0], f(load(x + r * stride, count)));
    total = How::more(total, How::more(How::more(parts[0], parts[1]), How::more(parts[2], parts[3])));
  }
  return total;
}

struct Itself {
  Vector operator()(Vector x) const { return x; }
};

enum { SUM, MOST, LEAST, MEAN };

// (outer, rows, inner) -> (outer, inner).
struct Reduced {
  const float* x;
  float* y;
  Size outer, rows, inner;
  int how;

  template <class How>
  void run(Size begin, Size end) const {
    const Size blocks = (inner + WIDTH - 1) / WIDTH;
    for (Size i = begin; i < end; ++i) {
      const Size o = i / blocks, c = i % blocks * WIDTH;
      const Vector all = column_of<How>(x + o * rows * inner + c, rows, inner, inner - c, Itself{});
      store(y + o * inner + c, how == MEAN ? all / (float)rows : all, inner - c);
    }
  }
  void part(Size begin, Size end) const {
    if (how == SUM || how == MEAN)
      run<Sum>(begin, end);
    else if (how == MOST)
      run<Most>(begin, end);
    else
      run<Least>(begin, end);
  }
  void all() const { share_items(*this, outer * ((inner + WIDTH - 1) / WIDTH), outer * rows * inner, LIGHT); }
};

// Results of so many numbers leave the caches to what is read, and to Python: they are written past them.
enum { PAST_CACHES = 1 << 18 };

template <bool PAST>
INLINE void put(float* to, Vector v, Size count) {
#if defined(__AVX512F__)
  if (PAST) return _mm512_stream_ps(to, (__m512)v);
#elif defined(__AVX__)
  if (PAST) return _mm256_stream_ps(to, (__m256)v);
#endif
  store(to, v, count);
}

INLINE void end_of_puts() {
#if defined(__AVX__)
  _mm_sfence();
#endif
}

// True where all vectors of rows begin where vectors may be written past the caches.
static bool goes_past_caches(const float* y, Size rows, Size columns) {
  return rows * columns >= PAST_CACHES && columns % WIDTH == 0 && (uintptr_t)y % (WIDTH * sizeof(float)) == 0;
}

// Batch normalization by known statistics: (rows, columns) times a factor plus an offset of each column.
struct Scaled {
  const float *x, *factor, *shift;
  float* y;
  Size rows, columns;

  template <bool PAST>
  void run(Size begin, Size end) const {
    if (columns == WIDTH) {
      const Vector times = load(factor), plus = load(shift);
      for (Size i = begin * WIDTH; i < end * WIDTH; i += WIDTH) put<PAST>(y + i, load(x + i) * times + plus, WIDTH);
      return;
    }
    for (Size r = begin; r < end; ++r)
      for (Size c = 0; c < columns; c += WIDTH) {
        const Size i = r * columns + c, left = columns - c;
        put<PAST>(y + i, load(x + i, left) * load(factor + c, left) + load(shift + c, left), left);
      }
  }
  void part(Size begin, Size end) const {
    if (!goes_past_caches(y, rows, columns)) return run<false>(begin, end);
    run<true>(begin, end);
    end_of_puts();
  }
  void all() const { share_items(*this, rows, rows * columns, LIGHT); }
};

static void batch_norm(Scaled a, const float* mean, const float* variance, const float* offset, const float* scale,
                       float epsilon) {
  Room room(2 * a.columns);
  for (Size i = 0; i < a.columns; ++i) {
    const float factor = 1 / sqrtf(variance[i] + epsilon) * (scale ? scale[i] : 1);
    room.at[i] = factor;
    room.at[a.columns + i] = (offset ? offset[i] : 0) - mean[i] * factor;
  }
  a.factor = room.at;
  a.shift = room.at + a.columns;
  a.all();
}

// Group normalization of (batch, places, channels): examples are items.
struct Groups {
  const float *x, *gamma, *beta;
  float* y;
  Size batch, places, channels, groups;
  float epsilon;

  // Gives each channel the mean of its group's sums.
  void spread(float* sums) const {
    const Size each = channels / groups;
    for (Size g = 0; g < channels; g += each) {
      double total = 0;
      for (Size c = g; c < g + each; ++c) total += sums[c];
      for (Size c = g; c < g + each; ++c) sums[c] = (float)(total / ((double)places * each));
    }
  }
  template <bool PAST>
  void example(const float* x, float* y, float* mean, float* factor) const {
    for (Size c = 0; c < channels; c += WIDTH)
      store(mean + c, column_of<Sum>(x + c, places, channels, channels - c, Itself{}), channels - c);
    spread(mean);
    for (Size c = 0; c < channels; c += WIDTH) {
      const Vector middle = load(mean + c, channels - c);
      const auto square = [middle](Vector v) { return (v - middle) * (v - middle); };
      store(factor + c, column_of<Sum>(x + c, places, channels, channels - c, square), channels - c);
    }
    spread(factor);
    for (Size c = 0; c < channels; ++c) factor[c] = 1 / sqrtf(factor[c] + epsilon) * (gamma ? gamma[c] : 1);
    for (Size c = 0; c < channels; c += WIDTH) {
      const Size left = channels - c;
      const Vector middle = load(mean + c, left), times = load(factor + c, left);
      const Vector plus = beta ? load(beta + c, left) : Vector{};
      for (Size i = c; i < places * channels; i += channels)
        put<PAST>(y + i, (load(x + i, left) - middle) * times + plus, left);
    }
  }
  void part(Size begin, Size end) const {
    const Size width = rounded_up(channels, WIDTH), size = places * channels;
    const bool past = goes_past_caches(y, batch * places, channels);
    Room room(2 * width);
    for (Size i = begin; i < end; ++i)
      if (past)
        example<true>(x + i * size, y + i * size, room.at, room.at + width);
      else
        example<false>(x + i * size, y + i * size, room.at, room.at + width);
    if (past) end_of_puts();
  }
  void all() const { share_items(*this, batch, batch * places * channels, LIGHT); }
};

// One axis of windows: sizes before and after, and where the taps of window `i` begin and end inside.
struct WindowAxis {
  Size size, out, window, stride, dilation, before;

  Size start(Size i) const { return i * stride - before; }
  Size first(Size i) const {
    const Size at = start(i);
    return at < 0 ? steps(-at) : 0;
  }
  Size end(Size i) const {
    const Size left = size - start(i);
    return left <= 0 ? 0 : smaller(window, steps(left));
  }
  Size steps(Size distance) const { return dilation == 1 ? distance : (distance + dilation - 1) / dilation; }
};

// Maximum or mean over windows: (batch, height, width, channels); rows of the output are items.
struct Windows {
  const float* x;
  float* y;
  Size batch, channels;
  WindowAxis high, wide;
  bool mean;

  template <class How>
  void row(const float* image, float* to, Size i) const {
    const Size top = high.first(i), bottom = high.end(i);
    for (Size j = 0; j < wide.out; ++j, to += channels) {
      const Size left = wide.first(j), right = wide.end(j);
      const float* corner = image + (high.start(i) * wide.size + wide.start(j)) * channels;
      const Vector count = ::all((float)((bottom > top ? bottom - top : 0) * (right > left ? right - left : 0)));
      for (Size c = 0; c < channels; c += WIDTH) {
        Vector v = How::first();
        for (Size p = top; p < bottom; ++p)
          for (Size q = left; q < right; ++q) {
            const Size at = (p * high.dilation * wide.size + q * wide.dilation) * channels + c;
            v = How::more(v, load(corner + at, channels - c));
          }
        store(to + c, mean ? v / count : v, channels - c);
      }
    }
  }
  void part(Size begin, Size end) const {
    for (Size i = begin; i < end; ++i) {
      const float* image = x + i / high.out * high.size * wide.size * channels;
      float* to = y + i * wide.out * channels;
      if (mean)
        row<Sum>(image, to, i % high.out);
      else
        row<Most>(image, to, i % high.out);
    }
  }
  void all() const {
    const Size outputs = batch * high.out * wide.out * channels;
    share_items(*this, batch * high.out, outputs * high.window * wide.window, LIGHT);
  }
};
