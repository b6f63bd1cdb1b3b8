// Convolutions over up to three axes, channels last, and the gradient of their input, which is a sum of the same kind.
//
// A row of outputs is made of blocks of pixels: as many pixels and vectors of channels as the registers hold sums of. Inputs are
// read as they lie, without windows being gathered; rows at whose ends windows stick out are copied with zeros around them.
#pragma once

#include "following.h"
#include "pool.h"

enum { AXES = 3, MOST_TAPS = 32, MOST_RUNS = 256 };  // taps of the last axis, which is that of rows; taps in all

// A convolution. Axes that are not there have size 1, and come first.
struct Convolution {
  Size batch, inner[AXES], outer[AXES], channels, outputs, size[AXES], stride[AXES], before[AXES], dilation[AXES];
  Size backwards;  // whether from outputs to inputs: the input's gradient

  Size places(const Size (&sizes)[AXES]) const { return sizes[0] * sizes[1] * sizes[2]; }

  // What is read, what is written, and how many numbers a pixel of each has.
  const Size (&from() const)[AXES] { return backwards ? outer : inner; }
  const Size (&to() const)[AXES] { return backwards ? inner : outer; }
  Size depth() const { return backwards ? outputs : channels; }
  Size width() const { return backwards ? channels : outputs; }

  // The place that is read for a place that is written and a tap of the window; -1 where there is none.
  Size source(int axis, Size place, Size tap) const {
    Size at = place * stride[axis] - before[axis] + tap * dilation[axis];
    if (backwards) {
      at = place + before[axis] - tap * dilation[axis];
      if (at % stride[axis]) return -1;
      at /= stride[axis];
    }
    return at < 0 || at >= from()[axis] ? -1 : at;
  }
};

// Taps of a row that lie side by side: of a pixel's neighbours from `offset` on, `depth` numbers.
struct Run {
  const float* x;
  const float* kernel;
  Size depth;
};

// Adds the products of the numbers from x on, of R pixels, with rows of a packed kernel; each number lies `along` behind the last.
template <int R, int N>
INLINE void add_run(Vector (&sums)[R][N], const float* x, Size step, const float* kernel, Size depth, Size along = 1) {
  const float* at[(R + 2) / 3];  // of each third pixel: addresses take fewer registers so
#pragma GCC unroll 8
  for (int i = 0; i < (R + 2) / 3; ++i) at[i] = x + 3 * i * step;
  const Size twice = 2 * step;
  for (Size k = 0; k < depth; ++k, kernel += N * WIDTH) {
    Vector w[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) w[j] = *(const Vector*)(kernel + j * WIDTH);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Vector v = all(at[r / 3][r % 3 == 0 ? 0 : r % 3 == 1 ? step : twice]);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sums[r][j] += v * w[j];
    }
#pragma GCC unroll 8
    for (int i = 0; i < (R + 2) / 3; ++i) at[i] += along;
  }
}

// R pixels, N vectors of each, of which `left` numbers are written; from one to the next `step` numbers are read, `apart` written.
template <int R, int N>
static void conv_block(const Run* runs, Size count, Size step, Size first, float* y, Size apart, Size left) {
  Vector sums[R][N] = {};
  for (; count; --count, ++runs) add_run<R, N>(sums, runs->x + first * step, step, runs->kernel, runs->depth);
  y += first * apart;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j)
      if (left > j * WIDTH) store(y + r * apart + j * WIDTH, sums[r][j], left - j * WIDTH);
}

typedef void (*Block)(const Run*, Size, Size, Size, float*, Size, Size);

#if WIDTH == 16
enum { MOST_PIXELS = 14, MOST_OF_TWO = 14, MOST_OF_FOUR = 6 };
#else
enum { MOST_PIXELS = 10, MOST_OF_TWO = 5, MOST_OF_FOUR = 2 };
#endif

static Size most_pixels(Size vectors) { return vectors == 1 ? MOST_PIXELS : vectors == 2 ? MOST_OF_TWO : MOST_OF_FOUR; }

// The block of r pixels and n vectors.
template <int R = MOST_PIXELS>
static Block block_of(Size r, Size n) {
  if constexpr (R == 0)
    return nullptr;
  else if (r < R)
    return block_of<R - 1>(r, n);
  else if constexpr (R <= MOST_OF_FOUR)
    return n == 1 ? conv_block<R, 1> : n == 2 ? conv_block<R, 2> : conv_block<R, 4>;
  else if constexpr (R <= MOST_OF_TWO)
    return n == 1 ? conv_block<R, 1> : conv_block<R, 2>;
  else
    return conv_block<R, 1>;
}

// Pixels of a row that see the same taps: each `every`-th from `first` on.
struct Phase {
  Size first, every, count, taps, step;
  Size tap[MOST_TAPS], offset[MOST_TAPS];  // in the order of the pixels that are read: of the i-th, offset + i * step

  Phase(const Convolution& w, Size number) : first(number), every(w.backwards ? w.stride[2] : 1), taps(0) {
    step = w.backwards ? 1 : w.stride[2];
    count = first < w.to()[2] ? (w.to()[2] - first - 1) / every + 1 : 0;
    for (Size i = 0; i < w.size[2]; ++i) {
      const Size t = w.backwards ? w.size[2] - 1 - i : i;
      const Size at = w.backwards ? first + w.before[2] - t * w.dilation[2] : t * w.dilation[2] - w.before[2];
      if (w.backwards && at % w.stride[2]) continue;
      tap[taps] = t;
      offset[taps++] = w.backwards ? at / w.stride[2] : at;
    }
  }
};

// Zeros that rows need around them, in pixels.
struct Margins {
  Size left = 0, right = 0;

  void widen(const Phase& phase, Size length) {
    if (!phase.count || !phase.taps) return;
    const Size last = phase.offset[phase.taps - 1] + (phase.count - 1) * phase.step - length + 1;
    left = -phase.offset[0] > left ? -phase.offset[0] : left;
    right = last > right ? last : right;
  }
};

// The rows that are read for those from `begin` to `end` of some planes: as they lie, or copied with zeros around them.
struct Lines {
  const Convolution& w;
  const float* x;
  Margins margins;
  Size first, planes, lowest, rows, pitch;  // planes of all examples are counted as one row
  Room room;

  static Size bound(const Convolution& w, Size begin, Size end, bool upper) {
    Size found = upper ? -1 : w.from()[1];
    for (Size h = begin; h < end; ++h)
      for (Size j = 0; j < w.size[1]; ++j)
        if (Size line = w.source(1, h, j); line >= 0 && (upper ? line > found : line < found)) found = line;
    return found;
  }
  Lines(const Convolution& w, const float* x, const Margins& margins, Size first, Size planes, Size begin, Size end)
      : w(w), x(x), margins(margins), first(first), planes(planes), lowest(bound(w, begin, end, false)),
        rows(bound(w, begin, end, true) - lowest + 1), pitch((margins.left + w.from()[2] + margins.right) * w.depth()),
        room(are_bare() || rows < 1 ? 1 : planes * w.size[0] * rows * pitch) {
    if (!are_bare())
      for (Size p = first; p < first + planes; ++p)
        for (Size i = 0; i < w.size[0]; ++i)
          if (Size plane = source(p, i); plane >= 0)
            for (Size line = lowest; line < lowest + rows; ++line) copy(copied(p, i, line), as_it_lies(plane, line));
  }
  bool are_bare() const { return !margins.left && !margins.right; }
  // The plane that tap i sees from plane p; -1 where there is none.
  Size source(Size p, Size i) const {
    const Size found = w.source(0, p % w.to()[0], i);
    return found < 0 ? found : p / w.to()[0] * w.from()[0] + found;
  }
  const float* as_it_lies(Size plane, Size line) const {
    return x + (plane * w.from()[1] + line) * w.from()[2] * w.depth();
  }
  float* copied(Size p, Size i, Size line) const {
    return room.at + (((p - first) * w.size[0] + i) * rows + line - lowest) * pitch;
  }
  void copy(float* to, const float* from) const {
    const Size before = margins.left * w.depth(), length = w.from()[2] * w.depth();
    memset(to, 0, before * sizeof(float));
    memcpy(to + before, from, length * sizeof(float));
    memset(to + before + length, 0, margins.right * w.depth() * sizeof(float));
  }
  // The row that tap (i, j) sees from row h of plane p; null where there is none.
  const float* seen(Size p, Size h, Size i, Size j) const {
    const Size plane = source(p, i), line = w.source(1, h, j);
    if (plane < 0 || line < 0) return nullptr;
    return are_bare() ? as_it_lies(plane, line) : copied(p, i, line) + margins.left * w.depth();
  }
};

// Planes in strips of rows: enough of them for all threads, and small ones, which stay in the cache; small planes together.
struct Strips {
  Size planes, height, rows, count, together;  // rows of a strip, strips of a plane, planes of an item

  // Args: numbers of a row, those that stay in the cache, items that are wanted.
  Strips(Size planes, Size height, Size numbers, Size room, Size wanted) : planes(planes), height(height) {
    const Size least = planes >= wanted ? 1 : (wanted + planes - 1) / planes;
    rows = smaller((height + least - 1) / least, 1 + room / (numbers + 1));
    count = (height + rows - 1) / rows;
    const Size fit = smaller(room / (numbers * height + 1), planes / wanted);
    together = count > 1 || fit < 1 ? 1 : fit;
  }
  Size items() const { return (planes + together - 1) / together * count; }

  struct Item {
    Size plane, planes, begin, end;  // rows of each plane from `begin` to `end`
  };
  Item item(Size number) const {
    const Size plane = number / count * together, begin = number % count * rows;
    return {plane, smaller(together, planes - plane), begin, smaller(begin + rows, height)};
  }
};

struct Conv {
  Convolution w;
  const float *x, *kernel;
  float *y, *packed;
  Margins margins;
  Size vectors;
  Strips strips;
  Following after;

  Size phases() const { return w.backwards ? w.stride[2] : 1; }
  Size panel() const { return vectors * WIDTH; }
  Size panels() const { return (w.width() + panel() - 1) / panel(); }
  Size rows_of_taps() const { return w.size[0] * w.size[1]; }
  // Where the rows of a phase begin in a panel of the packed kernel.
  Size packed_at(Size panel, Size row, Size taps_before, Size taps) const {
    return ((panel * w.size[2] + taps_before) * rows_of_taps() + row * taps) * w.depth() * this->panel();
  }
  void prepare();
  Size see(const Lines& lines, const Phase& phase, Size panel, Size p, Size h, Size before, Run* runs) const;
  void row(const Lines& lines, Size panel, Size p, Size h) const;
  void part(Size item) const;
};

// For each panel of outputs: by phase, row of the window, and tap the rows of the kernel.
struct ConvPacking {
  const Conv& a;

  void part(Size panel) const {
    Size before = 0;
    for (Size p = 0; p < a.phases(); ++p) {
      const Phase phase(a.w, p);
      for (Size row = 0; row < a.rows_of_taps(); ++row)
        for (Size t = 0; t < phase.taps; ++t)
          tap(a.kernel + (row * a.w.size[2] + phase.tap[t]) * a.w.channels * a.w.outputs,
              a.packed + a.packed_at(panel, row, before, phase.taps) + t * a.w.depth() * a.panel(), panel * a.panel());
      before += phase.taps;
    }
  }
  void tap(const float* from, float* to, Size first) const {
    const Size depth = a.w.depth(), width = a.w.width(), wide = a.panel();
    if (!a.w.backwards)
      for (Size k = 0; k < depth; ++k, from += width)
        for (Size j = first; j < first + wide; j += WIDTH, to += WIDTH)
          *(Vector*)to = width > j ? load(from + j, width - j) : Vector{};
    else
      for (Size k = 0; k < depth; k += 16)
        for (Size j = 0; j < wide; ++j)
          for (Size i = k; i < smaller(k + 16, depth); ++i)
            to[i * wide + j] = first + j < width ? from[(first + j) * depth + i] : 0;
  }
};

void Conv::prepare() {
  Size longest = 0;
  for (Size p = 0; p < phases(); ++p) {
    const Phase phase(w, p);
    longest = phase.count > longest ? phase.count : longest;
    margins.widen(phase, w.from()[2]);
  }
  vectors = w.width() <= WIDTH ? 1 : longest <= MOST_OF_FOUR && w.width() > 2 * WIDTH ? 4 : 2;
}

// Writes the runs that a phase of a row sees; returns how many.
Size Conv::see(const Lines& lines, const Phase& phase, Size panel, Size p, Size h, Size before, Run* runs) const {
  const Size depth = w.depth();
  Size count = 0;
  for (Size i = 0; i < w.size[0]; ++i)
    for (Size j = 0; j < w.size[1]; ++j)
      if (const float* from = lines.seen(p, h, i, j)) {
        const float* weights = packed + packed_at(panel, i * w.size[1] + j, before, phase.taps);
        for (Size t = 0; t < phase.taps; ++t, weights += depth * this->panel())
          if (t && phase.offset[t] == phase.offset[t - 1] + 1)
            runs[count - 1].depth += depth;
          else
            runs[count++] = {from + phase.offset[t] * depth, weights, depth};
      }
  return count;
}

// Row h of plane p, a panel of its outputs.
void Conv::row(const Lines& lines, Size panel, Size p, Size h) const {
  const Size first = panel * this->panel(), most = most_pixels(vectors);
  float* to = y + (p * w.to()[1] + h) * w.to()[2] * w.width() + first;
  Run runs[MOST_RUNS];
  Size before = 0;
  for (Size f = 0; f < phases(); ++f) {
    const Phase phase(w, f);
    const Size count = see(lines, phase, panel, p, h, before, runs);
    const Size blocks = (phase.count + most - 1) / most, step = phase.step * w.depth(), apart = phase.every * w.width();
    for (Size b = 0, at = 0; b < blocks; ++b) {
      const Size pixels = phase.count / blocks + (b < phase.count % blocks);
      block_of(pixels, vectors)(runs, count, step, at, to + phase.first * w.width(), apart, w.width() - first);
      at += pixels;
    }
    before += phase.taps;
  }
  if (after.is_there())
    for (Size i = 0, at = to - first - y; i < w.to()[2]; ++i, at += w.width())
      after.apply(y, at, first, smaller(first + this->panel(), w.width()));
}

void Conv::part(Size number) const {
  const Strips::Item item = strips.item(number);
  const Lines lines(w, x, margins, item.plane, item.planes, item.begin, item.end);
  for (Size panel = 0; panel < panels(); ++panel)
    for (Size p = item.plane; p < item.plane + item.planes; ++p)
      for (Size h = item.begin; h < item.end; ++h) row(lines, panel, p, h);
}

// Products: so many are done before another thread has come; so many take long enough not to mind one that comes late.
enum { FEWEST_SHARED = 1 << 20, FEWEST_LONG = 1 << 24, PACKED_ALONE = 1 << 16 };

static void conv(const Convolution& w, const float* x, const float* kernel, float* y, const Pool& all,
                 const Following& after = {}) {
  static Luck luck_of_brief;
  const Size weights = w.places(w.size) * w.channels * w.outputs, sums = w.batch * w.places(w.outer) * weights;
  Luck* luck = sums < FEWEST_LONG ? &luck_of_brief : nullptr;
  const Pool pool = sums < FEWEST_SHARED || (luck && luck->is_out()) ? Pool{} : all;
  const Strips strips(w.batch * w.to()[0], w.to()[1], w.from()[2] * w.depth(), 1 << 16, 4 * pool.num_threads());
  Conv a = {w, x, kernel, y, nullptr, {}, 0, strips, after};
  a.prepare();
  Room memory(a.panels() * a.panel() * w.places(w.size) * w.depth());
  a.packed = memory.at;
  const ConvPacking packing = {a};
  share(weights < PACKED_ALONE ? Pool{} : pool, a.panels(),
        [](const void* p, Size i) { ((const ConvPacking*)p)->part(i); }, &packing, luck);
  share(pool, strips.items(), [](const void* a, Size i) { ((const Conv*)a)->part(i); }, &a, luck);
}
