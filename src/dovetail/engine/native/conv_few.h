// Convolutions with few places to write, such as those of one example deep in a network: what packing the kernel, or reading it twice,
// would cost more than.
//
// The windows are gathered, as rows of a product with the kernel as it lies (few_rows.h). Taps that no window has inside of the image
// are left out: where a plane is one pixel, eight of the nine of a 3x3 kernel are never read.
#pragma once

#include "conv.h"
#include "few_rows.h"

struct FewPlaces {
  const Convolution& w;
  const float *x, *kernel;
  float *y, *seen;  // seen: (places, taps, channels)
  Size taps, tap[MOST_RUNS];
  Size share;  // of the columns
  Following after;

  Size places() const { return w.batch * w.places(w.outer); }

  // The pixel that a tap sees from a place; null where there is none.
  const float* pixel(Size place, Size tap) const {
    Size number = 0, unit = 1;
    for (int axis = AXES - 1; axis >= 0; --axis) {
      const Size from = w.source(axis, place % w.outer[axis], tap % w.size[axis]);
      if (from < 0) return nullptr;
      number += from * unit;
      unit *= w.inner[axis];
      place /= w.outer[axis];
      tap /= w.size[axis];
    }
    return x + (place * unit + number) * w.channels;
  }
  bool is_seen(Size tap) const {
    for (Size place = 0; place < w.places(w.outer); ++place)
      if (pixel(place, tap)) return true;
    return false;
  }
  void gather(Size place) const {
    float* to = seen + place * taps * w.channels;
    for (Size t = 0; t < taps; ++t, to += w.channels)
      if (const float* from = pixel(place, tap[t]))
        memcpy(to, from, w.channels * sizeof(float));
      else
        memset(to, 0, w.channels * sizeof(float));
  }
  void part(Size index) const {
    const Size begin = index * share, end = smaller(begin + share, w.outputs);
    for (Size t = 0; t < taps; ++t)
      columns(seen + t * w.channels, taps * w.channels, 1, kernel + tap[t] * w.channels * w.outputs, w.channels, y, places(),
              w.outputs, begin, end, t > 0);
    follow(begin, end);
  }
  void follow(Size begin, Size end) const {
    if (after.is_there())
      for (Size place = 0; place < places(); ++place) after.apply(y, place * w.outputs, begin, end);
  }
};

enum { MOST_PLACES = 128, GATHERED_ALONE = 1 << 16 };  // numbers that one thread gathers

// Whether the places are so few that this pays: the larger a tap of the kernel, the longer packing takes.
static bool has_few_places(const Convolution& w) {
  const Size places = w.batch * w.places(w.outer);
  return !w.backwards && places <= MOST_PLACES && 4 * places <= smaller(w.channels, w.outputs);
}

static void conv_few(const Convolution& w, const float* x, const float* kernel, float* y, const Pool& pool,
                     const Following& after = {}) {
  static Luck luck;
  FewPlaces a = {w, x, kernel, y, nullptr, 0, {}, 0, after};
  for (Size t = 0; t < w.places(w.size); ++t)
    if (a.is_seen(t)) a.tap[a.taps++] = t;
  const Size depth = a.taps * w.channels;
  if (!a.taps) {
    memset(y, 0, a.places() * w.outputs * sizeof(float));
    return a.follow(0, w.outputs);
  }
  Room memory(a.places() * depth);
  a.seen = memory.at;
  if (a.places() * depth > GATHERED_ALONE && !luck.is_out())
    share(pool, a.places(), [](const void* a, Size i) { ((const FewPlaces*)a)->gather(i); }, &a, &luck);
  else
    for (Size place = 0; place < a.places(); ++place) a.gather(place);
  a.share = share_of_sums(few_sums(a.places(), depth, w.outputs), w.outputs, PANEL, pool, luck);
  share(pool, (w.outputs + a.share - 1) / a.share, [](const void* a, Size i) { ((const FewPlaces*)a)->part(i); }, &a, &luck);
}

static void conv_of(const Convolution& w, const float* x, const float* kernel, float* y, const Pool& pool,
                    const Following& after = {}) {
  (has_few_places(w) ? conv_few : conv)(w, x, kernel, y, pool, after);
}
