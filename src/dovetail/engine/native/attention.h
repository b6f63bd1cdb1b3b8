// softmax(query key^T scale) value, head by head, while the weights of a few queries are in the cache.
#pragma once

#include "dense.h"

// Query (batch, queries, heads, size), key (batch, keys, heads, size), value (batch, keys, heads, value_size).
struct Attention {
  const float *query, *key, *value;
  float* y;
  Size batch, queries, keys, heads, size, value_size;
  float scale;
  bool causal;  // query i sees the keys up to i

  enum { AT_ONCE = 16 };  // queries

  // The keys as columns of the kernel of `score`.
  void pack_keys(const Dense& score, const float* from) const {
    const Size width = score.blocks() * WIDTH;
    float* to = score.packed;
    for (Size u = 0; u < keys; u += width, to += size * width)
      for (Size j = 0; j < width; ++j) {
        const float* key = from + (u + j) * heads * size;
        for (Size k = 0; k < size; ++k) to[k * width + j] = u + j < keys ? key[k] : 0;
      }
  }
  void weigh(float* row, Size count) const {
    for (Size i = 0; i < count; i += WIDTH) store(row + i, load(row + i, count - i) * scale, count - i);
    softmax_row(row, row, count);
    for (Size i = count; i < keys; ++i) row[i] = 0;
  }
  Dense scores(float* weights) const {
    return {nullptr, nullptr, nullptr, weights, nullptr, 0, size, keys, LINEAR, heads * size, 0, keys};
  }
  Dense sums(float* weights) const {
    const Size step = heads * value_size;
    return {weights, nullptr, nullptr, nullptr, nullptr, 0, keys, value_size, LINEAR, keys, step, step};
  }
  void head(Size b, Size h, Dense& score, Dense& combine, float* weights) const {
    const float* q = query + (b * queries * heads + h) * size;
    float* out = y + (b * queries * heads + h) * value_size;
    pack_keys(score, key + (b * keys * heads + h) * size);
    combine.kernel = value + (b * keys * heads + h) * value_size;
    Packing{combine}.part(0, combine.panels());
    for (Size i = 0; i < queries; i += AT_ONCE) {
      const Size rows = smaller(AT_ONCE, queries - i);
      score.x = q + i * heads * size;
      score.part(0, rows);
      for (Size r = 0; r < rows; ++r) weigh(weights + r * keys, causal ? smaller(i + r + 1, keys) : keys);
      combine.y = out + i * heads * value_size;
      combine.part(0, rows);
    }
  }
  void part(Size begin, Size end) const {
    Room weights(AT_ONCE * keys);
    Dense score = scores(weights.at), combine = sums(weights.at);
    Room of_keys(score.room()), of_values(combine.room());
    score.packed = of_keys.at;
    combine.packed = of_values.at;
    for (Size i = begin; i < end; ++i) head(i / heads, i % heads, score, combine, weights.at);
  }
  void all() const {
    share_items(*this, batch * heads, batch * heads * queries * keys * (size + value_size) / 8, LIGHT);
  }
};
