// Images whose height and width are resized by tables of neighbouring taps: a row is summed, then its pixels.
// And images that are mirrored from left to right.
#pragma once

#include "vectors.h"

// For each of `size` results along an axis: where its taps begin, and their weights.
struct Taps {
  Size size, count;
  const Size* first;
  const float* weights;  // (size, count)
};

INLINE void begin_row(const float* from, float weight, float* sums, Size count) {
  for (Size i = 0; i < count; ++i) sums[i] = from[i] * weight;
}
INLINE void begin_row(const uint8_t* from, float weight, float* sums, Size count) {
  for (Size i = 0; i < count; ++i) sums[i] = (float)(int32_t)from[i] * weight;
}

template <typename T>
INLINE void sum_row(const T* from, float weight, float* sums, Size count) {
  for (Size i = 0; i < count; ++i) sums[i] += (float)(int32_t)from[i] * weight;
}
template <>
void sum_row<float>(const float* from, float weight, float* sums, Size count) {
  for (Size i = 0; i < count; ++i) sums[i] += from[i] * weight;
}

// The number of channels is known where this is inlined with a constant.
INLINE void resize_row(const float* row, float* to, const Taps& taps, Size channels) {
  const float* weight = taps.weights;
  for (Size i = 0; i < taps.size; ++i, weight += taps.count, to += channels) {
    const float* from = row + taps.first[i] * channels;
    for (Size c = 0; c < channels; ++c) to[c] = from[c] * weight[0];
    for (Size k = 1; k < taps.count; ++k)
      for (Size c = 0; c < channels; ++c) to[c] += from[k * channels + c] * weight[k];
  }
}

// Two taps of three channels: four numbers at a time, of which the last is another pixel's and written over.
INLINE void resize_pairs_of_three(const float* row, float* to, const Taps& taps) {
  typedef float Four __attribute__((vector_size(16), aligned(4)));
  const float* weight = taps.weights;
  Size i = 0;
  for (; i + 1 < taps.size; ++i, weight += 2, to += 3) {
    const float* from = row + taps.first[i] * 3;
    *(Four*)to = *(const Four*)from * weight[0] + *(const Four*)(from + 3) * weight[1];
  }
  const Taps last = {taps.size - i, 2, taps.first + i, weight};
  resize_row(row, to, last, 3);
}

// A pixel is moved by one load and one store of the next power of two, whose last bytes the next pixel overwrites.
template <Size BYTES, Size MOVED>
INLINE void mirror_row(const char* from, char* to, Size width) {
  from += (width - 1) * BYTES;
  memcpy(to, from, BYTES);  // the row may end here, and the memory behind it
  for (Size i = 1; i + 1 < width; ++i) memcpy(to + i * BYTES, from - i * BYTES, MOVED);
  if (width > 1) memcpy(to + (width - 1) * BYTES, from - (width - 1) * BYTES, BYTES);
}

// (rows, width) pixels of some bytes each, the last of a row first.
static void mirror_rows(const char* from, char* to, Size rows, Size width, Size bytes) {
  const Size length = width * bytes;
  for (Size i = 0; i < rows; ++i, from += length, to += length) {
    if (bytes == 12)
      mirror_row<12, 16>(from, to, width);
    else if (bytes == 3)
      mirror_row<3, 4>(from, to, width);
    else
      for (Size k = 0; k < width; ++k) memcpy(to + k * bytes, from + (width - 1 - k) * bytes, bytes);
  }
}

// What is done to the pixels of a resized row while it is in the cache: steps of one number each, then mirroring.
struct After {
  Size count;
  const int32_t* kinds;
  const float* values;
  Size mirrored;

  void change(float* row, Size count) const;
};
enum { ADD, SUBTRACT, MULTIPLY, DIVIDE, MINIMUM, MAXIMUM };

template <class Step>
INLINE void each_of(float* row, Size count, Step step) {
  for (Size i = 0; i < count; ++i) row[i] = step(row[i]);
}

// Each step is a loop of its own: a product and a sum in one would be rounded once, where NumPy rounds twice.
void After::change(float* row, Size length) const {
  for (Size k = 0; k < count; ++k) {
    const float v = values[k];
    switch (kinds[k]) {
      case ADD: each_of(row, length, [v](float x) { return x + v; }); break;
      case SUBTRACT: each_of(row, length, [v](float x) { return x - v; }); break;
      case MULTIPLY: each_of(row, length, [v](float x) { return x * v; }); break;
      case DIVIDE: each_of(row, length, [v](float x) { return x / v; }); break;
      case MINIMUM: each_of(row, length, [v](float x) { return x < v || x != x ? x : v; }); break;
      case MAXIMUM: each_of(row, length, [v](float x) { return x > v || x != x ? x : v; }); break;
    }
  }
}

// images (batch, old height, old width, channels) -> (batch, rows.size, columns.size, channels)
template <typename T>
static void resize_images(const T* images, float* to, Size batch, Size height, Size width, Size channels,
                          const Taps& rows, const Taps& columns, const After& after) {
  const Size length = width * channels, made = columns.size * channels;
  Room sums(length + 1), unmirrored(after.mirrored ? made : 1);  // one more: four numbers are read where three are wanted
  sums.at[length] = 0;
  for (Size b = 0; b < batch; ++b, images += height * length)
    for (Size i = 0; i < rows.size; ++i, to += made) {
      float* row = after.mirrored ? unmirrored.at : to;
      const T* from = images + rows.first[i] * length;
      const float* weight = rows.weights + i * rows.count;
      begin_row(from, weight[0], sums.at, length);
      for (Size k = 1; k < rows.count; ++k) sum_row(from + k * length, weight[k], sums.at, length);
      if (channels == 3 && columns.count == 2)
        resize_pairs_of_three(sums.at, row, columns);
      else if (channels == 3)
        resize_row(sums.at, row, columns, 3);
      else if (channels == 1)
        resize_row(sums.at, row, columns, 1);
      else
        resize_row(sums.at, row, columns, channels);
      after.change(row, made);
      if (after.mirrored) mirror_rows((const char*)row, (char*)to, 1, columns.size, channels * sizeof(float));
    }
}
