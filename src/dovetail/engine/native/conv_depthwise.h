// Convolutions of each channel by itself, and their gradients: vectors of channels, by pixels.
//
// Such sums have few products for what they read, so what counts is that memory is read once: a row is done while the rows
// that it sees are in the cache, all taps of some pixels while these are in registers.
#pragma once

#include "conv.h"

enum { PIXELS = 4, TAPS = 4 };  // done at once: of a row, and of the window's gradient

// A tap's row of the image, from the first pixel on, and its numbers in the kernel.
struct Tap {
  const float *x, *kernel;
};

struct Depthwise {
  Convolution w;
  const float *x, *kernel;
  float* y;
  Margins margins;
  Strips strips;

  Size phases() const { return w.backwards ? w.stride[2] : 1; }

  // P pixels, `left` channels of a vector.
  template <int P>
  static inline __attribute__((always_inline)) void pixels(const Tap* taps, Size count, Size from, Size step, float* to, Size apart, Size left) {
    Vector sums[P] = {};
    for (; count; --count, ++taps) {
      const Vector v = load(taps->kernel, left);
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) sums[p] += load(taps->x + from + p * step, left) * v;
    }
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) store(to + p * apart, sums[p], left);
  }

  void row(const Lines& lines, Size plane, Size h) const {
    const Size channels = w.channels;
    float* to = y + (plane * w.to()[1] + h) * w.to()[2] * channels;
    for (Size f = 0; f < phases(); ++f) {
      const Phase phase(w, f);
      Tap taps[MOST_RUNS];
      Size count = 0;
      for (Size i = 0; i < w.size[0]; ++i)
        for (Size j = 0; j < w.size[1]; ++j)
          if (const float* seen = lines.seen(plane, h, i, j))
            for (Size t = 0; t < phase.taps; ++t)
              taps[count++] = {seen + phase.offset[t] * channels,
                               kernel + ((i * w.size[1] + j) * w.size[2] + phase.tap[t]) * channels};
      const Size step = phase.step * channels, apart = phase.every * channels;
      for (Size c = 0; c < channels; c += WIDTH) {
        float* at = to + phase.first * channels + c;
        Size p = 0;
        for (; p + PIXELS <= phase.count; p += PIXELS)
          pixels<PIXELS>(taps, count, p * step, step, at + p * apart, apart, channels - c);
        for (; p < phase.count; ++p) pixels<1>(taps, count, p * step, step, at + p * apart, apart, channels - c);
        for (Size t = 0; t < count; ++t) taps[t].x += WIDTH, taps[t].kernel += WIDTH;
      }
    }
  }

  void part(Size number) const {
    const Strips::Item item = strips.item(number);
    const Lines lines(w, x, margins, item.plane, item.planes, item.begin, item.end);
    for (Size p = item.plane; p < item.plane + item.planes; ++p)
      for (Size h = item.begin; h < item.end; ++h) row(lines, p, h);
  }
};

static void depthwise(const Convolution& w, const float* x, const float* kernel, float* y, const Pool& pool) {
  const Size planes = w.batch * w.to()[0];
  Depthwise a = {w, x, kernel, y, {}, {planes, w.to()[1], w.from()[2] * w.channels, 1 << 16, 4 * pool.num_threads()}};
  for (Size f = 0; f < a.phases(); ++f) a.margins.widen(Phase(w, f), w.from()[2]);
  share(pool, a.strips.items(), [](const void* a, Size i) { ((const Depthwise*)a)->part(i); }, &a);
}

struct DepthwiseKernel {
  Convolution w;
  const float *x, *g;
  float *y, *sums;
  Phase phase;
  Margins margins;
  Strips strips;
  Size shares;

  Size numbers() const { return w.places(w.size) * w.channels; }

  // T taps of a row, `left` channels of two vectors: adds their products with a row of the outputs' gradient.
  template <int T>
  void taps(const float* seen, Size first, const float* from, float* to, Size left) const {
    const Size channels = w.channels, step = phase.step * channels;
    const Size second = left - WIDTH;
    const float* at[T];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) at[t] = seen + phase.offset[first + t] * channels;
    Vector sums[T][2] = {};
    for (Size p = 0; p < w.outer[2]; ++p, from += channels) {
      const Vector v = load(from, left), u = second > 0 ? load(from + WIDTH, second) : Vector{};
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        sums[t][0] += load(at[t] + p * step, left) * v;
        if (second > 0) sums[t][1] += load(at[t] + p * step + WIDTH, second) * u;
      }
    }
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      float* sum = to + phase.tap[first + t] * channels;
      store(sum, load(sum, left) + sums[t][0], left);
      if (second > 0) store(sum + WIDTH, load(sum + WIDTH, second) + sums[t][1], second);
    }
  }

  void row(const float* seen, const float* from, float* to) const {
    for (Size c = 0; c < w.channels; c += 2 * WIDTH) {
      const Size left = w.channels - c;
      Size t = 0;
      for (; t + TAPS <= phase.taps; t += TAPS) taps<TAPS>(seen + c, t, from + c, to + c, left);
      if (t + 3 == phase.taps)
        taps<3>(seen + c, t, from + c, to + c, left);
      else
        for (; t < phase.taps; ++t) taps<1>(seen + c, t, from + c, to + c, left);
    }
  }

  void part(Size share) const {
    float* to = sums + share * numbers();
    memset(to, 0, numbers() * sizeof(float));
    for (Size i = share * strips.items() / shares; i < (share + 1) * strips.items() / shares; ++i)
      strip(strips.item(i), to);
  }

  void strip(const Strips::Item& item, float* to) const {
    const Lines lines(w, x, margins, item.plane, item.planes, item.begin, item.end);
    for (Size p = item.plane; p < item.plane + item.planes; ++p)
      for (Size h = item.begin; h < item.end; ++h)
        for (Size i = 0; i < w.size[0]; ++i)
          for (Size j = 0; j < w.size[1]; ++j)
            if (const float* seen = lines.seen(p, h, i, j))
              row(seen, g + (p * w.outer[1] + h) * w.outer[2] * w.channels,
                  to + (i * w.size[1] + j) * w.size[2] * w.channels);
  }
};

static void depthwise_kernel(const Convolution& w, const float* x, const float* g, float* y, const Pool& pool) {
  const Size planes = w.batch * w.outer[0], threads = pool.num_threads();
  const Size of_row = w.inner[2] * w.channels;
  DepthwiseKernel a = {w, x, g, y, nullptr, Phase(w, 0), {}, {planes, w.outer[1], of_row, 1 << 16, threads}, 0};
  a.margins.widen(a.phase, w.inner[2]);
  a.shares = smaller(threads, a.strips.items());
  Room memory(a.shares * a.numbers());
  a.sums = memory.at;
  share(pool, a.shares, [](const void* a, Size i) { ((const DepthwiseKernel*)a)->part(i); }, &a);
  for (Size k = 0; k < a.numbers(); k += WIDTH) {
    const Size left = a.numbers() - k;
    Vector sum = {};
    for (Size s = 0; s < a.shares; ++s) sum += load(a.sums + s * a.numbers() + k, left);
    store(y + k, sum, left);
  }
}
