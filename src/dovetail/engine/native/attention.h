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

  void pack_keys(const float* from, float* to) const {
    for (Size u = 0; u < keys; u += PANEL)
      for (Size k = 0; k < size; ++k)
        for (Size j = 0; j < PANEL; ++j) *to++ = u + j < keys ? from[(u + j) * heads * size + k] : 0;
  }
  void weigh(float* row, Size count) const {
    for (Size i = 0; i < count; i += WIDTH) store(row + i, load(row + i, count - i) * scale, count - i);
    softmax_row(row, row, count);
    memset(row + count, 0, (keys - count) * sizeof(float));
  }
  void head(Size b, Size h, float* of_keys, float* of_values, float* weights) const {
    const float* q = query + (b * queries * heads + h) * size;
    float* out = y + (b * queries * heads + h) * value_size;
    pack_keys(key + (b * keys * heads + h) * size, of_keys);
    const float* v = value + (b * keys * heads + h) * value_size;
    Dense combine = {weights, v,    nullptr, nullptr, of_values, 0, keys, value_size, LINEAR, keys, heads * value_size,
                     heads * value_size};
    Packing{combine}.part(0, (value_size + PANEL - 1) / PANEL);
    Dense score = {nullptr, nullptr, nullptr, weights, of_keys, 0, size, keys, LINEAR, heads * size, 0, keys};
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
    Room of_keys(rounded_up(keys, PANEL) * size), of_values(rounded_up(value_size, PANEL) * keys);
    Room weights(AT_ONCE * keys);
    for (Size i = begin; i < end; ++i) head(i / heads, i % heads, of_keys.at, of_values.at, weights.at);
  }
  void all() const {
    share_items(*this, batch * heads, batch * heads * queries * keys * (size + value_size) / 8, LIGHT);
  }
};
