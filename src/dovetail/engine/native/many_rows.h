// Products of many rows with a kernel, or with its transpose, which give inputs their gradients.
//
// A block of up to 14 rows by two vectors of columns stays in registers while the depth goes by (conv.h). The kernel is packed once a
// call, panel by panel.
#pragma once

#include "conv.h"

// Columns of a panel; numbers of a part of the packed kernel, which the second cache holds; rows as long as a multiple of this lie
// in the same places of the first cache, so that they are copied apart.
enum { TWO = 2 * WIDTH, CHUNK = 1 << 18, ALIKE = 256 };

static Size parts_of(Size count, Size most) { return (count + most - 1) / most; }

// Where part i of `parts` begins, of a count that is divided as equally as can be.
static Size begin_of(Size i, Size count, Size parts) { return count * i / parts; }

struct ManyRows {
  Size rows, depth, width;
  const float *x, *y;  // y: (depth, width), or transposed (width, depth)
  float* z;
  bool transposed;
  Following after = {};
  float* packed = nullptr;
  Size high = 1, wide = 1;  // parts that rows and panels are divided into

  Size panels() const { return parts_of(width, TWO); }

  void pack(Size panel) const {
    float* to = packed + panel * depth * TWO;
    const Size first = panel * TWO, left = width - first;
    if (!transposed) {
      for (Size k = 0; k < depth; ++k, to += TWO) {
        const float* from = y + k * width + first;
        *(Vector*)to = load(from, left);
        *(Vector*)(to + WIDTH) = left > WIDTH ? load(from + WIDTH, left - WIDTH) : Vector{};
      }
    } else {
      for (Size k = 0; k < depth; k += 16)
        for (Size j = 0; j < TWO; ++j)
          for (Size i = k; i < smaller(k + 16, depth); ++i) to[i * TWO + j] = j < left ? y[(first + j) * depth + i] : 0;
    }
  }

  void part(Size item) const {
    const Size from = begin_of(item / wide, rows, high), to = begin_of(item / wide + 1, rows, high), wide_at = item % wide;
    const Size blocks = parts_of(to - from, MOST_OF_TWO), pitch = depth + WIDTH;
    Room apart(depth % ALIKE ? 1 : MOST_OF_TWO * pitch);
    for (Size b = 0; b < blocks; ++b) {
      const Size first = from + begin_of(b, to - from, blocks), last = from + begin_of(b + 1, to - from, blocks);
      if (depth % ALIKE == 0)
        for (Size r = first; r < last; ++r) memcpy(apart.at + (r - first) * pitch, x + r * depth, depth * sizeof(float));
      for (Size p = begin_of(wide_at, panels(), wide); p < begin_of(wide_at + 1, panels(), wide); ++p) {
        const float* kernel = packed + p * depth * TWO;
        const Run run = depth % ALIKE ? Run{x + first * depth, kernel, depth} : Run{apart.at, kernel, depth};
        block_of(last - first, 2)(&run, 1, depth % ALIKE ? depth : pitch, 0, z + first * width + p * TWO, width,
                                  width - p * TWO);
        if (after.is_there())
          for (Size r = first; r < last; ++r) after.apply(z, r * width, p * TWO, smaller(p * TWO + TWO, width));
      }
    }
  }
};

static void many_rows(ManyRows a, const Pool& pool) {
  Room memory(a.panels() * a.depth * TWO);
  a.packed = memory.at;
  a.wide = smaller(a.panels(), parts_of(a.panels() * a.depth * TWO, CHUNK));
  const Size wanted = parts_of(4 * pool.num_threads(), a.wide), most = parts_of(a.rows, 2 * MOST_OF_TWO);
  a.high = smaller(most, wanted);
  share(pool, a.panels(), [](const void* a, Size i) { ((const ManyRows*)a)->pack(i); }, &a);
  share(pool, a.high * a.wide, [](const void* a, Size i) { ((const ManyRows*)a)->part(i); }, &a);
}
