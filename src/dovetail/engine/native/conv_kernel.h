// The gradient of a convolution's kernel: for each tap the product over all pixels of what it sees and of the outputs' gradient.
//
// Taps that lie side by side in a row are one; a block of numbers that they see, by vectors of outputs, stays in registers
// while the pixels of some rows go by. Each share of the batch has sums of its own, which are added in their order: the
// result does not depend on which thread came first.
#pragma once

#include "conv.h"

// R numbers that a tap sees, N vectors of outputs: adds their products over `count` rows of `length` pixels to sums, of which
// those of the next number lie `apart`.
template <int R, int N>
static void over_pixels(const float* const* x, const float* const* g, Size count, Size length, Size step, Size outputs,
                        float* sums_at, Size apart, Size left) {
  Vector sums[R][N];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) sums[r][j] = load(sums_at + r * apart + j * WIDTH);
  const Size last = left - (N - 1) * WIDTH;  // outputs of the last vector
  for (Size i = 0; i < count; ++i) {
    const float *seen = x[i], *from = g[i];
    for (Size p = 0; p < length; ++p, seen += step, from += outputs) {
      Vector v[N];
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) v[j] = j + 1 < N ? load(from + j * WIDTH) : load(from + j * WIDTH, last);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int j = 0; j < N; ++j) sums[r][j] += all(seen[r]) * v[j];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) *(Unaligned*)(sums_at + r * apart + j * WIDTH) = sums[r][j];
}

typedef void (*OverPixels)(const float* const*, const float* const*, Size, Size, Size, Size, float*, Size, Size);

// The function for r numbers and n vectors.
template <int R = MOST_PIXELS>
static OverPixels over_pixels_of(Size r, Size n) {
  if constexpr (R == 0)
    return nullptr;
  else if (r < R)
    return over_pixels_of<R - 1>(r, n);
  else if constexpr (R <= MOST_OF_TWO)
    return n == 1 ? over_pixels<R, 1> : over_pixels<R, 2>;
  else
    return over_pixels<R, 1>;
}

// Rows of a strip, and numbers of its pixels: those stay in the innermost cache, or are many, where the sums do not stay in
// the next one.
enum { STRIP_ROWS = 32, FEW_NUMBERS = 1 << 13, MANY_NUMBERS = 1 << 17, LARGE_KERNEL = 1 << 18 };

struct KernelGradient {
  Convolution w;
  const float *x, *g;
  float *y, *sums;
  Phase phase;
  Margins margins;
  Strips strips;
  Size shares, groups;  // of the batch, and of the panels of outputs

  Size vectors() const { return w.outputs <= WIDTH ? 1 : 2; }
  Size panel() const { return vectors() * WIDTH; }
  Size panels() const { return (w.outputs + panel() - 1) / panel(); }
  Size numbers() const { return w.places(w.size) * w.channels; }  // that a window sees

  // Some rows of the outputs' gradient; `to`: for each panel, the sums of all numbers.
  void strip(const Strips::Item& item, Size group, float* to) const {
    const Lines lines(w, x, margins, item.plane, item.planes, item.begin, item.end);
    for (Size i = 0; i < w.size[0]; ++i)
      for (Size j = 0; j < w.size[1]; ++j, to += w.size[2] * w.channels * panel()) {
        const float *seen[STRIP_ROWS], *from[STRIP_ROWS];
        Size count = 0;
        for (Size p = item.plane; p < item.plane + item.planes; ++p)
          for (Size h = item.begin; h < item.end; ++h)
            if ((seen[count] = lines.seen(p, h, i, j))) {
              from[count++] = g + (p * w.outer[1] + h) * w.outer[2] * w.outputs;
              if (count == STRIP_ROWS) taps(seen, from, count, group, to), count = 0;
            }
        if (count) taps(seen, from, count, group, to);
      }
  }

  // The taps of a row of the window, of which some rows of the image are seen.
  void taps(const float* const* seen, const float* const* from, Size count, Size group, float* to) const {
    for (Size t = 0, next; t < phase.taps; t = next) {
      for (next = t + 1; next < phase.taps && phase.offset[next] == phase.offset[next - 1] + 1;) ++next;
      run(seen, from, count, phase.offset[t] * w.channels, (next - t) * w.channels, group,
          to + t * w.channels * panel());
    }
  }

  void run(const float* const* seen, const float* const* from, Size count, Size offset, Size length, Size group,
           float* to) const {
    const Size most = most_pixels(vectors()), blocks = (length + most - 1) / most;
    const float *x[STRIP_ROWS], *g[STRIP_ROWS];
    for (Size b = 0, at = 0, wide; b < blocks; ++b, at += wide) {
      wide = length / blocks + (b < length % blocks);
      for (Size i = 0; i < count; ++i) x[i] = seen[i] + offset + at;
      for (Size p = first_panel(group); p < first_panel(group + 1); ++p) {
        for (Size i = 0; i < count; ++i) g[i] = from[i] + p * panel();
        const Size left = smaller(w.outputs - p * panel(), panel());
        over_pixels_of(wide, left > WIDTH ? vectors() : 1)(x, g, count, w.outer[2], phase.step * w.channels, w.outputs,
                                                           to + p * numbers() * panel() + at * panel(), panel(), left);
      }
    }
  }

  Size first_panel(Size group) const { return group * panels() / groups; }

  void part(Size number) const {
    const Size share = number / groups, group = number % groups, of_panel = numbers() * panel();
    float* to = sums + share * panels() * of_panel;
    memset(to + first_panel(group) * of_panel, 0,
           (first_panel(group + 1) - first_panel(group)) * of_panel * sizeof(float));
    for (Size i = share * strips.items() / shares; i < (share + 1) * strips.items() / shares; ++i)
      strip(strips.item(i), group, to);
  }

  // Adds what the shares have found for some of the numbers.
  void add(Size number) const {
    for (Size p = 0; p < panels(); ++p)
      for (Size j = 0; j < panel(); j += WIDTH) {
        const Size left = w.outputs - p * panel() - j;
        if (left <= 0) break;
        Vector sum = {};
        for (Size s = 0; s < shares; ++s) sum += load(sums + ((s * panels() + p) * numbers() + number) * panel() + j);
        store(y + number * w.outputs + p * panel() + j, sum, left);
      }
  }
};

static void kernel_gradient(const Convolution& w, const float* x, const float* g, float* y, const Pool& pool) {
  const Size planes = w.batch * w.outer[0], threads = pool.num_threads();
  const Size of_row = w.inner[2] * w.channels * w.stride[1] + w.outer[2] * w.outputs;
  const Size room = w.places(w.size) * w.channels * w.outputs > LARGE_KERNEL ? MANY_NUMBERS : FEW_NUMBERS;
  KernelGradient a = {w, x, g, y, nullptr, Phase(w, 0), {}, {planes, w.outer[1], of_row, room, 1}, 0, 0};
  a.margins.widen(a.phase, w.inner[2]);
  a.groups = smaller(threads, a.panels());
  a.shares = smaller((threads + a.groups - 1) / a.groups, a.strips.items());
  Room memory(a.shares * a.panels() * a.numbers() * a.panel());
  a.sums = memory.at;
  share(pool, a.shares * a.groups, [](const void* a, Size i) { ((const KernelGradient*)a)->part(i); }, &a);
  share(pool, (a.numbers() + 63) / 64, [](const void* given, Size i) {
    const KernelGradient& a = *(const KernelGradient*)given;
    for (Size k = 64 * i; k < smaller(64 * i + 64, a.numbers()); ++k) a.add(k);
  }, &a);
}
