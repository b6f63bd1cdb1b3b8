// Images whose height and width are resized by tables of neighbouring taps: a row is summed, then its pixels.
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

// images (batch, old height, old width, channels) -> (batch, rows.size, columns.size, channels)
template <typename T>
static void resize_images(const T* images, float* to, Size batch, Size height, Size width, Size channels,
                          const Taps& rows, const Taps& columns) {
  const Size length = width * channels;
  Room sums(length + 1);  // one more: four numbers are read where three are wanted
  sums.at[length] = 0;
  for (Size b = 0; b < batch; ++b, images += height * length)
    for (Size i = 0; i < rows.size; ++i, to += columns.size * channels) {
      const T* from = images + rows.first[i] * length;
      const float* weight = rows.weights + i * rows.count;
      begin_row(from, weight[0], sums.at, length);
      for (Size k = 1; k < rows.count; ++k) sum_row(from + k * length, weight[k], sums.at, length);
      if (channels == 3 && columns.count == 2)
        resize_pairs_of_three(sums.at, to, columns);
      else if (channels == 3)
        resize_row(sums.at, to, columns, 3);
      else if (channels == 1)
        resize_row(sums.at, to, columns, 1);
      else
        resize_row(sums.at, to, columns, channels);
    }
}
